//! `belljar shell` as a process, on a real terminal and without one.

#![cfg(feature = "cli")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use belljar::harness::Runner as _;
use belljar::{JarOptions, JarRunner};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

/// How long a step may take before the test gives up; no step waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("store")
}

/// The command on a snapshot of this machine, without the caller's options.
fn belljar(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLJAR_") {
            command.env_remove(name);
        }
    }
    command
        .env("BELLJAR_STORE", store())
        .env("BELLJAR_OFFLINE", "1")
        .env("BELLJAR_ROOTFS", "host")
        .env("TERM", "xterm")
        .args(args);
    command
}

/// A terminal with a command on it, and what it has shown so far.
struct Session {
    master: OwnedFd,
    terminal: OwnedFd,
    before: Termios,
    child: Child,
    shown: Vec<u8>,
    seen: usize,
}

impl Session {
    fn start(args: &[&str]) -> Self {
        Self::start_with(args, None)
    }

    /// With another standard input than the terminal.
    fn start_with(args: &[&str], stdin: Option<Stdio>) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        for end in [&pty.master, &pty.slave] {
            use nix::fcntl::{FcntlArg, FdFlag, fcntl};
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let before = tcgetattr(&pty.slave).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = belljar(args);
        command.stdin(stdin.unwrap_or_else(end)).stdout(end()).stderr(end());
        let terminal = pty.slave.as_raw_fd();
        let own_session = move || {
            nix::unistd::setsid()?;
            // SAFETY: an open terminal, and no pointer is passed.
            nix::errno::Errno::result(unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) })?;
            Ok(())
        };
        // SAFETY: it only makes two system calls.
        unsafe { command.pre_exec(own_session) };
        let child = command.spawn().unwrap();
        let (master, terminal) = (pty.master, pty.slave);
        Self { master, terminal, before, child, shown: Vec::new(), seen: 0 }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    fn send(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[nix::unistd::write(&self.master, rest).unwrap()..];
        }
    }

    /// Reads once, within the time that is left.
    fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap();
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, left).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        let count = nix::unistd::read(&self.master, &mut bytes).unwrap_or(0);
        self.shown.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// Waits until a text appears after what was expected before. Gives what came before it.
    fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut from = self.seen;
        loop {
            let new = &self.shown[from..];
            if let Some(at) = new.windows(text.len()).position(|w| w == text.as_bytes()) {
                let before =
                    String::from_utf8_lossy(&self.shown[self.seen..from + at]).into_owned();
                self.seen = from + at + text.len();
                return before;
            }
            from = self.shown.len().saturating_sub(text.len()).max(from);
            if !self.read(deadline) {
                let shown = String::from_utf8_lossy(&self.shown);
                panic!("`{}` does not appear:\n{shown}", text.escape_debug());
            }
        }
    }

    fn prompt(&mut self) {
        self.expect("(belljar) ");
        self.expect("# ");
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the kernel reads one winsize from there.
        let done =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0);
    }

    /// Waits for the end, reading on. The terminal must then be as it was.
    fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            // Its end is a hangup of nothing: the test has the terminal open as well.
            self.read(Instant::now() + Duration::from_millis(5));
        };
        while self.read(Instant::now()) {}
        assert_eq!(tcgetattr(&self.terminal).unwrap(), self.before, "the modes are not restored");
        (status, String::from_utf8_lossy(&self.shown[self.seen..]).into_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child that nobody reads from.
fn wait(mut child: Child) -> ExitStatus {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    receiver.recv_timeout(PATIENCE).expect("it ends").unwrap()
}

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    told(&belljar(args).stdin(Stdio::null()).output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn bash_is_pid_1_on_a_terminal_of_its_own() {
    let mut session = Session::start(&["shell", "myhost"]);
    session.prompt();
    session.send(b"echo pid=$$ host=$(hostname) tty=$(tty) size=$(stty size) term=$TERM\n");
    session.expect("pid=1 host=myhost tty=/dev/pts/0 size=24 80 term=xterm\r\n");
    session.send(b"exit 7\n");
    assert_eq!(session.end().0.code(), Some(7));
}

#[test]
fn ctrl_c_stops_the_foreground_job_only() {
    let mut session = Session::start(&["shell"]);
    session.prompt();
    session.send(b"bash -c 'echo up-$((1 + 1)); exec sleep 1000'\n");
    session.expect("up-2\r\n");
    session.send(b"\x03");
    session.prompt();
    session.send(b"echo status=$? pid=$$\n");
    session.expect("status=130 pid=1\r\n");
    session.send(b"exit\n");
    session.end();
}

#[test]
fn jobs_are_stopped_and_continued() {
    let mut session = Session::start(&["shell"]);
    session.prompt();
    // Bash echoes a line before it gives the terminal back: only its output says that it has.
    session.send(b"echo go-$((1 + 1)); cat\n");
    session.expect("go-2\r\n");
    session.send(b"one\n");
    session.expect("one\r\none\r\n");
    session.send(b"\x1a");
    session.expect("Stopped");
    session.prompt();
    session.send(b"fg\n");
    session.expect("fg\r\n");
    session.expect("cat\r\n");
    session.send(b"two\n");
    session.expect("two\r\ntwo\r\n");
    session.send(b"\x03");
    session.prompt();
    session.send(b"sleep 1000 & jobs\n");
    session.expect("Running");
    session.prompt();
    session.send(b"exit 0\n");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn a_new_window_size_is_seen_inside() {
    let mut session = Session::start(&["shell"]);
    session.prompt();
    session.send(b"until [ \"$(stty size)\" = '40 120' ]; do :; done; echo now-$((1 + 1))\n");
    session.expect("now-$((1 + 1))\r\n");
    session.resize(40, 120);
    session.expect("now-2\r\n");
    session.send(b"exit\n");
    session.end();
}

#[test]
fn a_command_takes_the_place_of_bash() {
    let mut session = Session::start(&["shell", "x", "--", "sh", "-c", "stty size; exit 9"]);
    session.expect("24 80\r\n");
    assert_eq!(session.end().0.code(), Some(9));
}

#[test]
fn a_flood_of_output_arrives_whole() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo done";
    let mut session = Session::start(&["shell", "--", "sh", "-c", script]);
    let flood = session.expect("\r\ndone\r\n");
    assert_eq!(flood.len(), 3_000_000);
    assert!(flood.bytes().all(|byte| byte == b'x'));
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn a_big_paste_arrives_whole_while_it_is_echoed() {
    const SIZE: usize = 1_000_000;
    let script = "stty raw -echo; echo ready; head -c 1000000 | tee /dev/tty | wc -c; echo done";
    let mut session = Session::start(&["shell", "--", "sh", "-c", script]);
    session.expect("ready\n");
    let paste: Vec<u8> = (b'a'..=b'w').cycle().take(SIZE).collect();
    let master = session.master.try_clone().unwrap();
    let sent = paste.clone();
    let writer = std::thread::spawn(move || File::from(master).write_all(&sent));
    let echoed = session.expect("1000000\ndone\n");
    writer.join().unwrap().unwrap();
    assert!(echoed.as_bytes() == paste, "{} bytes came back", echoed.len());
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn the_terminal_works_again_after_nobody_had_it_open() {
    let script = "exec < /dev/null > /dev/null 2>&1; sleep 0.1; echo again > /dev/tty";
    let mut session = Session::start(&["shell", "--", "bash", "-c", script]);
    session.expect("again\r\n");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn signals_end_the_jar_and_restore_the_terminal() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        let mut session = Session::start(&["shell"]);
        session.prompt();
        assert_ne!(tcgetattr(&session.terminal).unwrap(), session.before, "not in raw mode");
        kill(session.pid(), signal).unwrap();
        assert_eq!(session.end().0.code(), Some(128 + signal as i32));
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_jar() {
    let mut session = Session::start(&["shell"]);
    session.prompt();
    let mut session = std::mem::ManuallyDrop::new(session);
    // Both ends, so that the kernel hangs up.
    let (master, terminal) = (session.master.as_raw_fd(), session.terminal.as_raw_fd());
    nix::unistd::close(terminal).unwrap();
    nix::unistd::close(master).unwrap();
    let spare = Command::new("true").spawn().unwrap();
    let child = std::mem::replace(&mut session.child, spare);
    session.child.wait().unwrap();
    assert_eq!(wait(child).code(), Some(129));
}

#[test]
fn a_stopped_shell_gives_the_terminal_back_meanwhile() {
    let mut session = Session::start(&["shell"]);
    session.prompt();
    let pid = session.pid();
    kill(pid, Signal::SIGTSTP).unwrap();
    let flags = nix::sys::wait::WaitPidFlag::WUNTRACED;
    let stopped = nix::sys::wait::waitpid(pid, Some(flags)).unwrap();
    assert!(matches!(stopped, nix::sys::wait::WaitStatus::Stopped(..)), "{stopped:?}");
    assert_eq!(tcgetattr(&session.terminal).unwrap(), session.before);
    kill(pid, Signal::SIGCONT).unwrap();
    session.send(b"echo back-$((1 + 1))\n");
    session.expect("back-2\r\n");
    session.send(b"exit 5\n");
    assert_eq!(session.end().0.code(), Some(5));
}

#[test]
fn the_callers_terminal_is_never_inside() {
    let script =
        "for n in 0 1 2; do [ -t $n ] && echo terminal $n; done; read line; echo got $line";
    let stdin = File::open("/dev/null").unwrap();
    let mut session = Session::start_with(&["shell", "--", "sh", "-c", script], Some(stdin.into()));
    let before = session.expect("got\r\n");
    assert_eq!(before, "");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn ctrl_c_ends_a_command_without_a_terminal_of_its_own() {
    let stdin = File::open("/dev/null").unwrap();
    let command = ["shell", "--", "bash", "-c", "echo up; exec sleep 1000"];
    let mut session = Session::start_with(&command, Some(stdin.into()));
    session.expect("up\r\n");
    session.send(b"\x03");
    assert_eq!(session.end().0.code(), Some(130));
}

#[test]
fn pipes_go_through() {
    let mut child = belljar(&["shell", "box"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"echo $$ $(hostname); echo err >&2; exit 7\n").unwrap();
    let (status, out, err) = told(&child.wait_with_output().unwrap());
    assert_eq!((status, out.as_str(), err.as_str()), (Some(7), "1 box\n", "err\n"));
}

#[test]
fn a_signal_of_pid_1_counts_from_128() {
    // PID 1 can only be killed from outside, and by its own faults.
    let script = "ulimit -s 100; f() { f; }; f";
    let (status, _, err) = output(&["shell", "--", "bash", "-c", script]);
    assert_eq!(status, Some(139), "{err}");
}

#[test]
fn options_reach_the_jar() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "content\n").unwrap();
    let show = |access: &str| format!("{}:/mnt/shown{access}", folder.path().display());
    let script = "cat /mnt/shown/file; echo $KEY $OTHER; touch /mnt/shown/new";
    let run = |access: &str| {
        let bind = show(access);
        let env = ["--env", "KEY=a b", "--env", "OTHER=c=d", "--network", "host"];
        let args = [&["shell", "--bind", &bind][..], &env, &["--", "sh", "-c", script]].concat();
        output(&args)
    };
    let (status, out, err) = run(":ro");
    assert_eq!(out, "content\na b c=d\n", "{err}");
    assert!(status == Some(1) && err.contains("Read-only"), "{status:?} {err}");
    assert!(!folder.path().join("new").exists());
}

#[test]
fn what_belljar_cannot_do_is_125_and_said() {
    let refused = |args: &[&str], text: &str| {
        let (status, out, err) = output(&[&["shell"], args].concat());
        assert_eq!((status, out.as_str()), (Some(125), ""), "{args:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(text), "{args:?}: {err}");
    };
    refused(&["bad_name"], "`bad_name` is no valid hostname");
    refused(&["x", "lots"], "`lots` is no size");
    refused(&["x", "1"], "too small");
    refused(&["--bind", "a"], "write `--bind SRC:DST`");
    refused(&["--bind", "/no/such:/x", "--", "true"], "/no/such");
    refused(&["--env", "x"], "write `--env KEY=VALUE`");
    refused(&["--network", "bridge"], "is no network");
    refused(&["--user", "nobody-knows", "--", "true"], "no user `nobody-knows`");
    refused(&["--rootfs", "ubuntu"], "no rootfs reference");
    refused(&["--bogus"], "unexpected argument");
}

#[test]
fn a_command_that_cannot_be_executed_has_the_status_of_shells() {
    let (status, _, err) = output(&["shell", "--", "no-such-command"]);
    assert!(status == Some(127) && err.contains("`no-such-command`"), "{status:?} {err}");
    let (status, _, err) = output(&["shell", "--", "/etc"]);
    assert!(status == Some(126) && err.contains("`/etc`"), "{status:?} {err}");
}

#[test]
fn a_ceiling_is_enforced_and_an_oom_kill_said_or_the_lack_is() {
    let options = JarOptions { store: Some(store()), ..JarOptions::default() };
    let enforced = JarRunner::new(options).unwrap().host().no_memory.is_none();
    let hog = "x=$(head -c 200M /dev/zero | tr '\\0' x); echo alive";
    let (status, out, err) = output(&["shell", "x", "32", "--", "bash", "-c", hog]);
    assert_eq!(out, "");
    if enforced {
        assert_eq!(status, Some(137), "{err}");
        assert!(err.contains("out of memory") && err.contains("32.00 MiB"), "{err}");
    } else {
        assert_eq!(status, Some(125), "{err}");
        assert!(err.contains("memory") && err.contains("help: "), "{err}");
    }
}

#[test]
fn clean_removes_what_a_killed_shell_left() {
    // A store of its own: what other tests leave is none of its business.
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("store");
    let mut child = belljar(&["shell", "--", "bash", "-c", "echo up; exec sleep 1000"])
        .env("BELLJAR_STORE", &own)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let clean = || told(&belljar(&["clean"]).env("BELLJAR_STORE", &own).output().unwrap());
    // It is alive.
    assert_eq!(clean(), (Some(0), "nothing to remove\n".to_owned(), String::new()));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // The end of the pipe is the end of the last process that held it.
    out.read_to_string(&mut line).unwrap();
    let removed = "removed what 1 killed run left\n".to_owned();
    assert_eq!(clean(), (Some(0), removed, String::new()));
    assert_eq!(fs::read_dir(own.join("runs")).unwrap().count(), 0);
}
