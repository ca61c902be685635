//! From tables to a running jar: clone, maps, cgroups, the exec stop and the evidence there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use belljar_harness::spec::Network;
use belljar_harness::{Cancel, Evidence, Property};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace;
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, Uid};

use super::Error;
use super::accounts::Accounts;
use super::blueprint::{Init, InitStdio, Probe};
use super::clone::{self, Child, KeepDumpable, Stack};
use super::evidence::{self, Observed, Own};
use super::ids::{IdMap, Ids};
use super::init;
use super::prepare::{self, Surroundings};
use super::report::Report;
use super::request::{Program, Request};
use super::stdio::{self, Capture, Feed};
use super::step::Step;
use super::sys::CloneArgs;
use super::tables::Tables;
use crate::cgroup::{Ceilings, JarCgroup};

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What a jar is started in.
pub(crate) struct Place<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) own: &'a Own,
    pub(crate) accounts: &'a Accounts,
    pub(crate) ids: &'a Ids,
    /// Maps the ids of the lower layer, with [`Ids::Shifted`].
    pub(crate) idmap: Option<&'a IdMap>,
    pub(crate) lower: &'a Path,
    pub(crate) staging: &'a Path,
    pub(crate) upper: Option<&'a Path>,
    /// Whether ptrace(2) is refused here.
    pub(crate) by_pipe: bool,
}

/// Why a jar did not start, where there is another way to try.
pub(crate) enum StartError {
    /// The ids of the lower layer cannot be mapped.
    NotMappable,
    /// ptrace(2) is refused.
    NoPtrace(Errno),
    /// There is no other way.
    Final(Error),
}

impl<E: Into<Error>> From<E> for StartError {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

/// The child with the memory that it runs in. Dropped, it is killed and reaped first.
struct Jar {
    child: Child,
    reaped: bool,
    init: Box<Init>,
    _stack: Stack,
}

impl Drop for Jar {
    fn drop(&mut self) {
        if !self.reaped {
            self.child.kill();
            // Only who ignores SIGCHLD has nothing to reap, and then the child is gone as well.
            let _ = self.child.reap();
        }
    }
}

/// A jar whose PID 1 runs.
pub(crate) struct Running<'a> {
    jar: Jar,
    cgroup: Option<JarCgroup>,
    /// What was proved at the start.
    pub(crate) evidence: Vec<Evidence>,
    /// When the script began.
    pub(crate) started: Instant,
    /// Our end of its terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// Standard output and error.
    pub(crate) output: Option<(Capture, Capture)>,
    /// Standard input, and the script where it comes through a pipe.
    pub(crate) feeds: Vec<Feed<'a>>,
}

impl Running<'_> {
    /// PID 1.
    pub(crate) fn child(&self) -> &Child {
        &self.jar.child
    }

    /// Its cgroups.
    pub(crate) fn cgroup(&self) -> Option<&JarCgroup> {
        self.cgroup.as_ref()
    }

    /// Reaps PID 1 and hands over the cgroups.
    pub(crate) fn reap(
        mut self,
    ) -> Result<(WaitStatus, libc::rusage, Option<JarCgroup>, Vec<Evidence>), Error> {
        let reaped = self.jar.child.reap();
        self.jar.reaped = true;
        let (status, usage) = reaped.map_err(|source| Error::Outside {
            doing: "reaping PID 1 of the sandbox",
            remedy: (source.raw_os_error() == Some(libc::ECHILD)).then(|| {
                "do not ignore SIGCHLD, and do not wait for processes that you did not start"
                    .to_owned()
            }),
            source,
        })?;
        Ok((status, usage, self.cgroup.take(), std::mem::take(&mut self.evidence)))
    }
}

/// The child's ends of the pipes, and ours.
struct Streams<'a> {
    child: Vec<OwnedFd>,
    init: InitStdio,
    output: Option<(Capture, Capture)>,
    feeds: Vec<Feed<'a>>,
    socket: Option<OwnedFd>,
    script: Option<OwnedFd>,
}

/// Starts a jar up to the point where its PID 1 runs its first instruction.
pub(crate) fn start<'a>(
    request: &Request<'a>,
    place: &Place<'_>,
    cgroup: Option<JarCgroup>,
    asked: &Ceilings,
    cancel: &Cancel,
) -> Result<Running<'a>, StartError> {
    let spec = request.spec;
    let by_pipe = place.by_pipe && request.program == Program::Script;
    let lower_mount = match place.idmap {
        Some(map) => {
            let writable = request.weaken.has(Property::RootfsUntouched);
            Some(map.apply(place.lower, writable).map_err(|_| StartError::NotMappable)?)
        }
        None => None,
    };
    let (gate_reader, gate) = stdio::pipe().map_err(|e| Error::outside("making a pipe", e))?;
    let (keep_dumpable, dumpable) =
        KeepDumpable::new().map_err(|e| Error::outside("reading the dumpable flag", e))?;
    let user = place.accounts.identify(&spec.user, place.ids).map_err(|e| {
        Error::impossible(format!("cannot become the user of `{}`: {e}", spec.name))
    })?;
    // With a single id they belong to the right user already, with ranges the child sees to it.
    let owner =
        Uid::effective().is_root().then(|| (place.ids.outer(user.uid), place.ids.outer(user.gid)));
    let mut streams = streams(request, by_pipe, owner)?;
    let script_reader = streams.script.as_ref().map(|_| streams.child[3].as_raw_fd());
    let stdio = std::mem::replace(&mut streams.init, InitStdio::Pipes([-1; 3]));
    let doors = cgroup.as_ref().map(JarCgroup::doors).transpose()?.unwrap_or_default();
    let init = prepare::prepare(
        request,
        Surroundings {
            tables: place.tables,
            accounts: place.accounts,
            ids: place.ids,
            user: &user,
            lower: place.lower,
            lower_mount: lower_mount.as_ref().map(AsRawFd::as_raw_fd),
            staging: place.staging,
            upper: place.upper,
            cgroup_doors: doors.iter().map(AsRawFd::as_raw_fd).collect(),
            gate: gate_reader.as_raw_fd(),
            gate_writer: gate.as_raw_fd(),
            dumpable,
            stdio,
            script_pipe: script_reader,
        },
    )?;
    let init = Box::new(init);
    // Closed in the child by its exec, where nothing else tells of that.
    let until_exec = if place.by_pipe && !by_pipe {
        Some(stdio::pipe().map_err(|e| Error::outside("making a pipe", e))?)
    } else {
        None
    };
    let stack = Stack::new().map_err(|e| Error::outside("mapping a stack", e))?;
    let mut args = CloneArgs { flags: flags(request, place.ids), ..CloneArgs::default() };
    let into = cgroup.as_ref().and_then(JarCgroup::clone_into);
    if let Some(folder) = into {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(folder.as_raw_fd()).unwrap_or_default();
    }
    // SAFETY: `Jar` keeps init and stack until the child is gone; until exec only `init::main`
    // runs in it, which keeps the rules of its module.
    let child = unsafe { clone::spawn(&args, &stack, init::main, (&raw const *init).cast()) }
        .map_err(|source| refused_clone(source, into.is_some()))?;
    let jar = Jar { child, reaped: false, init, _stack: stack };
    drop(gate_reader);
    let until_exec = until_exec.map(|(reader, _)| reader);
    drop(lower_mount);
    drop(doors);
    drop(std::mem::take(&mut streams.child));

    let pidfd =
        jar.child.pidfd().try_clone_to_owned().map_err(|e| Error::outside("copying a pidfd", e))?;
    let guard = cancel.on_raise(move || clone::kill(pidfd.as_fd()));
    let pid = jar.child.pid;
    if place.ids.namespaced() {
        place.ids.write_maps(pid).map_err(|source| Error::Outside {
            doing: "mapping user and group ids",
            source,
            remedy: None,
        })?;
    }
    let traced = !place.by_pipe;
    if traced {
        // Before it changes its ids: ours are no match for a stranger's memory then.
        let options = ptrace::Options::PTRACE_O_TRACEEXEC;
        ptrace::seize(Pid::from_raw(pid), options).map_err(StartError::NoPtrace)?;
    }
    // A child that is gone already has said why.
    let _ = nix::unistd::write(&gate, b"g");

    if traced {
        wait_for_exec(&jar, cancel, place)?;
    } else if let Some(script) = &streams.script {
        wait_for_reader(&jar, cancel, script, place)?;
    } else if let Some(pipe) = until_exec {
        wait_for_hangup(&pipe).map_err(|e| Error::outside("waiting for the shell", e))?;
        if jar.init.report.failure().is_some() {
            return Err(why_gone(&jar, cancel, place));
        }
    }
    drop(keep_dumpable);
    drop(gate);
    for (resource, limit) in &place.tables.raised {
        // After the child has set what it can. Where even root may not (without CAP_SYS_RESOURCE), the caller's own limit stays.
        // SAFETY: the limit is a plain structure that outlives the call.
        let _ = unsafe { libc::prlimit64(pid, *resource, limit, std::ptr::null_mut()) };
    }
    if place.tables.reset_oom_score {
        // Where the kernel refuses (a user cannot go below what a manager set), it stays.
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "0");
    }
    let evidence = if traced || by_pipe {
        evidence::read(&Observed {
            request,
            init: &jar.init,
            ids: place.ids,
            own: place.own,
            cgroup: cgroup.as_ref(),
            asked,
            lower: place.lower,
            pid,
            pidfd: jar.child.pidfd(),
            script_pipe: streams.script.as_ref().map(AsFd::as_fd),
        })?
    } else {
        Vec::new()
    };
    let terminal = match &streams.socket {
        Some(socket) => {
            let master =
                receive(socket).map_err(|e| Error::outside("receiving the terminal", e))?;
            if let Some(look) = request.terminal {
                // Before its first program looks.
                look.apply(master.as_fd())
                    .map_err(|e| Error::outside("setting up the terminal", e))?;
            }
            Some(master)
        }
        None => None,
    };
    let mut feeds = streams.feeds;
    if let Some(script) = streams.script.take() {
        let feed = Feed::new(script, &spec.script);
        feeds.push(feed.map_err(|e| Error::outside("handing over the script", e))?);
    }
    let started = Instant::now();
    if traced {
        ptrace::detach(Pid::from_raw(pid), None)
            .map_err(|e| Error::outside("letting PID 1 run", e))?;
    }
    drop(guard);
    Ok(Running { jar, cgroup, evidence, started, terminal, output: streams.output, feeds })
}

fn streams<'a>(
    request: &Request<'a>,
    by_pipe: bool,
    owner: Option<(u32, u32)>,
) -> Result<Streams<'a>, Error> {
    let give = |end: &OwnedFd| owner.map_or(Ok(()), |(uid, gid)| stdio::give(end, uid, gid));
    let make = || -> io::Result<Streams<'a>> {
        let none = || Streams {
            child: Vec::new(),
            init: InitStdio::Pipes([-1; 3]),
            output: None,
            feeds: Vec::new(),
            socket: None,
            script: None,
        };
        match request.program {
            Program::Streams(streams) => Ok(Streams { init: InitStdio::Pipes(streams), ..none() }),
            Program::Terminal => {
                let (ours, theirs) = nix::sys::socket::socketpair(
                    nix::sys::socket::AddressFamily::Unix,
                    nix::sys::socket::SockType::Stream,
                    None,
                    nix::sys::socket::SockFlag::SOCK_CLOEXEC,
                )?;
                Ok(Streams {
                    init: InitStdio::Terminal(theirs.as_raw_fd()),
                    child: vec![theirs],
                    socket: Some(ours),
                    ..none()
                })
            }
            Program::Script => {
                let (stdin_reader, stdin) = stdio::pipe()?;
                let (stdout, stdout_writer) = stdio::pipe()?;
                let (stderr, stderr_writer) = stdio::pipe()?;
                for end in [&stdin_reader, &stdout_writer, &stderr_writer] {
                    give(end)?;
                }
                let init = InitStdio::Pipes([
                    stdin_reader.as_raw_fd(),
                    stdout_writer.as_raw_fd(),
                    stderr_writer.as_raw_fd(),
                ]);
                let mut child = vec![stdin_reader, stdout_writer, stderr_writer];
                let script = if by_pipe {
                    let (reader, writer) = stdio::pipe()?;
                    give(&reader)?;
                    stdio::fill_with_blanks(&writer)?;
                    child.push(reader);
                    Some(writer)
                } else {
                    None
                };
                let limit = request.spec.output;
                let output = (Capture::new(stdout, limit)?, Capture::new(stderr, limit)?);
                let feeds = vec![Feed::new(stdin, &request.spec.stdin)?];
                Ok(Streams { child, init, output: Some(output), feeds, socket: None, script })
            }
        }
    };
    make().map_err(|e| Error::outside("making the standard streams", e))
}

fn flags(request: &Request<'_>, ids: &Ids) -> u64 {
    let off = |property| request.weaken.has(property);
    let mut flags = libc::CLONE_VM | libc::CLONE_NEWNS | libc::CLONE_NEWUTS;
    if ids.namespaced() {
        flags |= libc::CLONE_NEWUSER;
    }
    if !off(Property::PidNamespace) {
        flags |= libc::CLONE_NEWPID;
    }
    if !off(Property::IpcNamespace) {
        flags |= libc::CLONE_NEWIPC;
    }
    if request.spec.network == Network::None && !off(Property::NetworkNamespace) {
        flags |= libc::CLONE_NEWNET;
    }
    clone::flag_bits(flags)
}

fn refused_clone(source: io::Error, into_cgroup: bool) -> Error {
    let remedy = match source.raw_os_error() {
        Some(libc::ENOSPC | libc::EUSERS) => {
            // "No space left on device" is what the kernel says of this limit (clone(2)).
            let source = io::Error::new(source.kind(), "the limit on namespaces is reached");
            return Error::Outside {
                doing: "cloning a child into new namespaces",
                source,
                remedy: Some(
                    "raise the limit that is too low, as in `sysctl -w user.max_net_namespaces=10000`: \
                     `sysctl -a --pattern 'user.max.*namespaces'` shows them"
                        .to_owned(),
                ),
            };
        }
        Some(libc::EPERM | libc::EINVAL) => Some(
            "the kernel refuses new namespaces here: `belljar doctor` says which, and what allows them"
                .to_owned(),
        ),
        Some(libc::EAGAIN) => Some("raise the limit on processes: `ulimit -u`".to_owned()),
        Some(libc::EACCES | libc::EBUSY) if into_cgroup => {
            Some("`belljar doctor` says how to get a delegated cgroup".to_owned())
        }
        _ => None,
    };
    Error::Outside { doing: "cloning a child into new namespaces", source, remedy }
}

/// Waits until the child stands still right after its exec.
fn wait_for_exec(jar: &Jar, cancel: &Cancel, place: &Place<'_>) -> Result<(), StartError> {
    loop {
        let status =
            jar.child.wait_stop().map_err(|e| Error::outside("waiting for the shell", e))?;
        match status {
            WaitStatus::PtraceEvent(_, _, event) if event == libc::PTRACE_EVENT_EXEC => {
                return Ok(());
            }
            WaitStatus::PtraceEvent(pid, ..) | WaitStatus::Stopped(pid, _) => {
                ptrace::cont(pid, None).map_err(|e| Error::outside("waiting for the shell", e))?;
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                return Err(why_gone(jar, cancel, place));
            }
            _ => {}
        }
    }
}

/// Waits until the shell reads the pipe that its script will come through.
fn wait_for_reader(
    jar: &Jar,
    cancel: &Cancel,
    script: &OwnedFd,
    place: &Place<'_>,
) -> Result<(), StartError> {
    let mut fds = [
        PollFd::new(script.as_fd(), PollFlags::POLLOUT),
        PollFd::new(jar.child.pidfd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => other.map_err(|e| Error::outside("waiting for the shell", e))?,
        };
        let fired = |fd: &PollFd<'_>, flags| fd.revents().is_some_and(|r| r.intersects(flags));
        if fired(&fds[1], PollFlags::POLLIN) {
            let end = jar.child.wait_stop();
            end.map_err(|e| Error::outside("waiting for the shell", e))?;
            return Err(why_gone(jar, cancel, place));
        }
        if fired(&fds[0], PollFlags::POLLOUT) {
            return Ok(());
        }
    }
}

/// Waits until nobody has the other end of a pipe, through which nothing comes.
fn wait_for_hangup(pipe: &OwnedFd) -> io::Result<()> {
    loop {
        match nix::unistd::read(pipe, &mut [0]) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
}

/// What a child that ended before its exec has to say.
fn why_gone(jar: &Jar, cancel: &Cancel, place: &Place<'_>) -> StartError {
    match jar.init.report.failure() {
        // Before Linux 5.19 an overlay takes no id-mapped layer, and not from every filesystem later.
        Some((Step::Overlay | Step::Lower, libc::EINVAL, _)) if place.idmap.is_some() => {
            StartError::NotMappable
        }
        Some((step, errno, detail)) => StartError::Final(Error::inside(step, errno, detail)),
        None if cancel.is_raised() => StartError::Final(Error::Interrupted),
        None => StartError::Final(Error::impossible(
            "the sandbox was killed from outside while it was being set up",
        )),
    }
}

/// Receives one descriptor (unix(7), `SCM_RIGHTS`).
fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
    let mut byte = [0];
    let mut parts = [io::IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(std::os::fd::RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            if let Some(fd) = fds.first() {
                // SAFETY: the kernel just opened it for us.
                return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
            }
        }
    }
    Err(io::Error::other("no descriptor came"))
}

/// Whether tmpfs carries the attributes that an overlay in a user namespace keeps on its upper
/// layer (Linux 6.6; before that, removing a folder of the image is EIO).
pub(crate) fn tmpfs_takes_attributes(ids: &Ids, staging: &Path) -> Result<bool, Error> {
    let fail = |e| Error::outside("trying the writable layer", e);
    let (gate_reader, gate) = stdio::pipe().map_err(fail)?;
    let (_keep, _) = KeepDumpable::new().map_err(fail)?;
    let probe = Box::new(Probe {
        gate: gate_reader.as_raw_fd(),
        gate_writer: gate.as_raw_fd(),
        staging: std::ffi::CString::new(staging.as_os_str().as_encoded_bytes())
            .map_err(|e| fail(e.into()))?,
        report: Report::new(),
    });
    let stack = Stack::new().map_err(fail)?;
    let flags = libc::CLONE_VM | libc::CLONE_NEWNS | libc::CLONE_NEWUSER;
    let args = CloneArgs { flags: clone::flag_bits(flags), ..CloneArgs::default() };
    // SAFETY: probe and stack live until the child is reaped below.
    let child = unsafe { clone::spawn(&args, &stack, init::probe, (&raw const *probe).cast()) }
        .map_err(|source| refused_clone(source, false))?;
    drop(gate_reader);
    let mapped = ids.write_maps(child.pid);
    if mapped.is_ok() {
        let _ = nix::unistd::write(&gate, b"g");
    }
    drop(gate);
    child.reap().map_err(fail)?;
    mapped.map_err(|source| Error::Outside {
        doing: "mapping user and group ids",
        source,
        remedy: None,
    })?;
    match probe.report.failure() {
        None => Ok(true),
        Some((Step::UpperXattr, _, _)) => Ok(false),
        Some((step, errno, detail)) => Err(Error::inside(step, errno, detail)),
    }
}
