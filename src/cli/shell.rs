//! `belljar shell`: a shell, or another command, in a jar of its own.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use super::args::Global;
use super::exit::Exit;
use super::output::{say, say_error};
use super::relay::{Channel, Signals, Watched, Way, relay};
use super::rootfs::Bar;
use super::terminal::{Raw, reopen};
use crate::harness::case::values;
use crate::harness::spec::{Asked, Limits, Network, RootfsRef, Spec};
use crate::harness::{Cancel, Ending, Evidence, Outcome, Runner as _, State};
use crate::sandbox::stdio::{nonblocking, pipe};
use crate::sandbox::terminal::{Look, peer, set_window, window};
use crate::sandbox::{Bind, Error, Program, Request, Started, Weaken};
use crate::signals::Watch;
use crate::{JarOptions, JarRunner};

/// Open a shell in a sandbox of its own: bash, or a command, as PID 1
///
/// Nothing is limited unless asked, and all that the shell changes is gone when it ends.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(crate) struct ShellArgs {
    /// The hostname inside
    #[arg(default_value = "belljar")]
    hostname: String,

    /// The memory ceiling: 64M, 1G, or a number of MiB [default: none]
    memory: Option<String>,

    /// What runs instead of an interactive bash
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,

    /// The root filesystem: auto, host, ubuntu:20.04, or a folder or archive whose path
    /// contains a `/`
    #[arg(
        long,
        value_name = "REF",
        env = "BELLJAR_ROOTFS",
        hide_env_values = true,
        default_value = "auto"
    )]
    rootfs: String,

    /// Show a file or folder of this machine inside; may be repeated
    #[arg(long, value_name = "SRC:DST[:ro]")]
    bind: Vec<String>,

    /// Who runs it inside: root, a name, or uid[:gid]
    #[arg(long, value_name = "USER", default_value = "root")]
    user: String,

    /// The network inside: none, or that of this machine (host)
    #[arg(long, value_name = "NETWORK", default_value = "none")]
    network: String,

    /// Set a variable inside; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    env: Vec<String>,
}

const STATUS: &str = "\
Exit status: that of the shell or CMD, 128+n when signal n ended it, 126 when CMD cannot be \
executed, 127 when there is no CMD, 125 when belljar itself failed.";

/// Does `belljar shell`.
pub(crate) fn execute(args: &ShellArgs, global: &Global) -> Exit {
    planned(args).and_then(|plan| plan.run(global)).unwrap_or_else(|failure| {
        say_error(failure.message);
        failure.exit
    })
}

/// What went wrong, and the status that says so.
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    fn new(message: impl Display) -> Self {
        Self { exit: Exit::BELLJAR, message: message.to_string() }
    }

    fn refused(refusal: values::Refusal) -> Self {
        let help = refusal.help.map_or_else(String::new, |help| format!("\n  help: {help}"));
        Self::new(format_args!("{}{help}", refusal.message))
    }

    fn io(doing: &str, error: &io::Error) -> Self {
        Self::new(format_args!("{doing}: {error}"))
    }
}

/// What is to run.
struct Plan {
    spec: Spec,
    binds: Vec<Bind>,
}

fn planned(args: &ShellArgs) -> Result<Plan, Failure> {
    let mut spec = Spec::new("shell", "");
    spec.timeout = None;
    spec.hostname = values::hostname(&args.hostname).map_err(Failure::refused)?;
    spec.rootfs = RootfsRef::parse(&args.rootfs, Path::new("")).map_err(Failure::new)?;
    spec.user = values::user(&args.user).map_err(Failure::refused)?;
    spec.network = match args.network.as_str() {
        "none" => Network::None,
        "host" => Network::Host,
        other => {
            return Err(Failure::new(format_args!(
                "`{other}` is no network: write `--network none` or `--network host`"
            )));
        }
    };
    spec.env = variables(&args.env)?;
    spec.limits = limits(args.memory.as_deref())?;
    if !args.command.is_empty() {
        spec.shell.clone_from(&args.command);
    }
    let binds = args.bind.iter().map(|text| bind(text)).collect::<Result<_, _>>()?;
    Ok(Plan { spec, binds })
}

fn variables(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut variables = BTreeMap::new();
    for text in texts {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                variables.insert(key.to_owned(), value.to_owned());
            }
            _ => {
                return Err(Failure::new(format_args!(
                    "`--env {text}` sets nothing: write `--env KEY=VALUE`"
                )));
            }
        }
    }
    Ok(variables)
}

/// No ceiling but the one asked for.
fn limits(memory: Option<&str>) -> Result<Limits, Failure> {
    let memory = match memory {
        None => None,
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            values::memory(&format!("{text}M")).map_err(Failure::refused)?
        }
        Some(text) => values::memory(text).map_err(Failure::refused)?,
    };
    Ok(Limits {
        memory: Asked { value: memory, written: memory.is_some() },
        swap: Asked::default_of(memory.map(|_| 0)),
        pids: Asked::default_of(None),
        cpus: Asked::default_of(None),
        disk: Asked::default_of(memory.map_or(Limits::DISK, |bytes| bytes / 2)),
    })
}

fn bind(text: &str) -> Result<Bind, Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts[..] {
        [source, target] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        _ => ("", "", false),
    };
    if source.is_empty() || target.is_empty() {
        return Err(Failure::new(format_args!(
            "`--bind {text}` is no bind: write `--bind SRC:DST` or `--bind SRC:DST:ro`, with paths \
             that contain no colon"
        )));
    }
    let target = values::inside_path(target)
        .map_err(|refusal| Failure::new(format_args!("`--bind {text}`: {refusal}")))?;
    Ok(Bind { source: PathBuf::from(source), target, read_only })
}

/// What the jar gets for its streams, beside which nothing of the caller's is open in it.
struct Streams {
    program: Program,
    /// Its ends of our pipes, to be closed once it has them.
    theirs: Vec<OwnedFd>,
    channels: Vec<Channel>,
}

impl Plan {
    fn run(mut self, global: &Global) -> Result<Exit, Failure> {
        let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let look = on_terminal.then(|| Look::of(io::stdin().as_fd())).transpose();
        let look = look.map_err(|e| Failure::io("reading the modes of the terminal", &e.into()))?;
        let streams = if on_terminal {
            greet(&mut self.spec.env);
            Streams { program: Program::Terminal, theirs: Vec::new(), channels: Vec::new() }
        } else {
            streams().map_err(|error| Failure::io("making the standard streams", &error))?
        };

        let cancel = Cancel::new();
        let watch = Watch::start(cancel.clone(), || ())
            .map_err(|error| Failure::io("watching for signals", &error))?;
        let result = self.in_jar(global, look.as_ref(), streams, &cancel, watch);
        match result {
            Err(Stopped::BySignal(signal)) => Ok(Exit::signal(signal)),
            Err(Stopped::Failed(failure)) => Err(failure),
            Ok(exit) => Ok(exit),
        }
    }

    fn in_jar(
        &self,
        global: &Global,
        look: Option<&Look>,
        streams: Streams,
        cancel: &Cancel,
        watch: Watch,
    ) -> Result<Exit, Stopped> {
        let failed = |error: Error| match watch.received() {
            Some(signal) => Stopped::BySignal(signal),
            None => Stopped::Failed(self.explain(&error)),
        };
        let runner = JarRunner::new(JarOptions {
            store: global.store.clone(),
            offline: global.offline,
            progress: Box::new(Bar::default()),
            notice: Box::new(|line| say(format_args!("note: {line}"))),
        })
        .map_err(failed)?;
        let mut spec = self.spec.clone();
        if let (Some(_), Some(lack)) = (spec.limits.swap.value, &runner.host().no_swap) {
            // Nobody wrote it, so it is dropped by name, as for a case.
            say(format_args!("note: no ceiling on swap: {lack}"));
            spec.limits.swap.value = None;
        }
        let request = Request {
            spec: &spec,
            program: streams.program,
            terminal: look,
            binds: &self.binds,
            weaken: Weaken::NONE,
        };
        let engine = runner.engine();
        let mut jar =
            engine.start(&request, &runner.resolve_options(cancel), cancel).map_err(failed)?;
        drop(streams.theirs);
        broken(&jar.running.evidence)?;

        // From here on the loop takes the signals; one that came before is still told.
        let signals = Signals::hold(look.is_some())
            .map_err(|error| Failure::io("watching for signals", &error))?;
        if let Some(signal) = watch.stop() {
            return Err(Stopped::BySignal(signal));
        }
        let carried = carry(&mut jar, look, streams.channels, &signals);
        let ended_by = carried.map_err(|error| {
            Failure::io("carrying bytes between the terminal and the sandbox", &error)
        })?;
        let outcome = engine.finish(jar, &request, cancel).map_err(|error| self.explain(&error))?;
        if let Some(signal) = ended_by {
            return Err(Stopped::BySignal(signal));
        }
        Ok(told(&outcome)?)
    }

    fn explain(&self, error: &Error) -> Failure {
        if let (Some(errno), [program, ..]) = (error.not_executed(), &*self.spec.shell) {
            // The statuses that shells give, and `docker run`.
            let exit = if errno == libc::ENOENT { Exit::new(127) } else { Exit::new(126) };
            let reason = io::Error::from_raw_os_error(errno);
            let what =
                format!("cannot execute `{program}` in the root filesystem `{}`", self.spec.rootfs);
            return Failure { exit, message: format!("{what}: {reason}") };
        }
        let mut message = crate::error::chain(error);
        if let Some(remedy) = error.remedy() {
            message = format!("{message}\n  help: {remedy}");
        }
        Failure { exit: Exit::BELLJAR, message }
    }
}

/// Why there is no exit status of the shell's own.
enum Stopped {
    BySignal(i32),
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What an interactive shell is told, unless `--env` says otherwise.
fn greet(env: &mut BTreeMap<String, String>) {
    let mut set = |key: &str, value: String| {
        env.entry(key.to_owned()).or_insert(value);
    };
    for key in ["TERM", "COLORTERM"] {
        if let Ok(value) = std::env::var(key) {
            set(key, value);
        }
    }
    // Bash takes it from the environment where no start-up file sets another.
    set("PS1", r"(belljar) \u@\h:\w\$ ".to_owned());
    // Those of Debian and Ubuntu do, and show this in front.
    set("debian_chroot", "belljar".to_owned());
}

/// Files and pipes of the caller's go into the jar as they are. A terminal does not: whoever
/// holds it could change its modes and read what is typed later.
fn streams() -> io::Result<Streams> {
    let mut fds: [RawFd; 3] = [0, 1, 2];
    let (mut theirs, mut channels) = (Vec::new(), Vec::new());
    if io::stdin().is_terminal() {
        let (reader, writer) = pipe()?;
        nonblocking(&writer)?;
        channels.push(Channel::new(Way::In, reopen(io::stdin().as_fd(), false)?, writer));
        fds[0] = reader.as_raw_fd();
        theirs.push(reader);
    }
    let (out, err) = (io::stdout(), io::stderr());
    let outputs = [(1, out.is_terminal(), out.as_fd()), (2, err.is_terminal(), err.as_fd())];
    for (number, is_terminal, stream) in outputs {
        if is_terminal {
            let (reader, writer) = pipe()?;
            nonblocking(&reader)?;
            channels.push(Channel::new(Way::Out, reader, reopen(stream, true)?));
            fds[number] = writer.as_raw_fd();
            theirs.push(writer);
        }
    }
    Ok(Streams { program: Program::Streams(fds), theirs, channels })
}

/// Relays until the end of the jar, with the caller's terminal in raw mode if the jar has one.
fn carry(
    jar: &mut Started<'_>,
    look: Option<&Look>,
    mut channels: Vec<Channel>,
    signals: &Signals,
) -> io::Result<Option<i32>> {
    let (Some(look), Some(master)) = (look, jar.running.terminal.take()) else {
        return relay(&Watched { jar, signals, terminal: None }, channels);
    };
    let _peer = peer(&master)?;
    nonblocking(&master)?;
    let (stdin, stdout) = (io::stdin(), io::stdout());
    channels.push(Channel::new(Way::In, reopen(stdin.as_fd(), false)?, master.try_clone()?));
    channels.push(Channel::new(Way::Out, master.try_clone()?, reopen(stdout.as_fd(), true)?));
    let raw = Raw::enter(stdin.as_fd(), look.modes.clone())?;
    // It may have changed since it was read, and only from here on are changes told.
    if let Some(size) = window(stdin.as_fd()) {
        set_window(master.as_fd(), &size)?;
    }
    relay(&Watched { jar, signals, terminal: Some((&raw, master.as_fd())) }, channels)
}

/// Refuses a jar that is not sealed.
fn broken(evidence: &[Evidence]) -> Result<(), Failure> {
    let broken: Vec<String> = evidence
        .iter()
        .filter(|one| one.state == State::Broken)
        .map(|one| format!("{} ({})", one.property, one.observed))
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format_args!("the sandbox is not sealed: {}", broken.join("; "))))
}

/// Says what the shell's status alone does not, and gives that.
fn told(outcome: &Outcome) -> Result<Exit, Failure> {
    if outcome.oom_kills > 0 {
        let ceiling = outcome.memory_limit.map_or_else(String::new, |bytes| {
            format!(" at the memory ceiling of {}", indicatif::BinaryBytes(bytes))
        });
        say(format_args!("note: out of memory: the kernel killed what ran{ceiling}"));
    }
    broken(&outcome.evidence)?;
    Ok(match outcome.ending {
        Ending::Exit(code) => Exit::new(u8::try_from(code).unwrap_or(u8::MAX)),
        Ending::Signal(signal) => Exit::signal(signal),
        // There is no clock.
        Ending::Timeout => Exit::BELLJAR,
    })
}
