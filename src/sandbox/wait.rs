//! Watching a running jar to its end: output, clock and memory, in one poll loop.

use std::time::{Duration, Instant};

use belljar_harness::Captured;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::Error;
use super::start::Running;
use super::stdio::Capture;
use crate::cgroup::JarCgroup;

/// What the loop saw.
pub(crate) struct Watched {
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) duration: Duration,
    /// Whether the clock ended the run.
    pub(crate) timed_out: bool,
}

/// How long an OOM event may come before the kernel's counter of kills; it is looked at this
/// often until then.
const OOM_STEP: Duration = Duration::from_millis(1);
const OOM_PATIENCE: Duration = Duration::from_millis(500);

/// Reads, feeds and waits until PID 1 has ended and its pipes are drained.
pub(crate) fn watch(
    running: &mut Running<'_>,
    timeout: Option<Duration>,
) -> Result<Watched, Error> {
    let fail = |e: std::io::Error| Error::outside("watching the sandbox", e);
    let mut scratch = Capture::scratch();
    let deadline = timeout.and_then(|t| running.started.checked_add(t));
    let mut timed_out = false;
    let mut oom = Oom::Quiet;
    let mut outputs: Vec<Capture> =
        running.output.take().map(|(out, err)| vec![out, err]).unwrap_or_default();
    loop {
        let now = Instant::now();
        let clock = deadline.filter(|_| !timed_out).map(|d| d.saturating_duration_since(now));
        let oom_clock = oom.pending(now);
        let wait = match (clock, oom_clock) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let fired = poll_once(running, &outputs, oom.watches(), wait).map_err(fail)?;
        for index in &fired.outputs {
            outputs[*index].read(&mut scratch).map_err(fail)?;
        }
        for index in fired.feeds {
            running.feeds[index].write();
        }
        if fired.ended {
            break;
        }
        if fired.oom {
            oom = Oom::Seen(Instant::now());
        }
        if oom.pending(Instant::now()).is_some() {
            // One kill ends the whole jar: what lives on after it is in no state to judge.
            let kills = running.cgroup().map(JarCgroup::usage).transpose()?;
            if kills.is_some_and(|u| u.oom_kills > 0) {
                running.child().kill();
                oom = Oom::Killed;
            }
        }
        if deadline.is_some_and(|d| !timed_out && Instant::now() >= d) {
            timed_out = true;
            running.child().kill();
        }
    }
    let duration = running.started.elapsed();
    // The whole pid namespace is gone by now, so nothing can write any more.
    let mut captured = Vec::with_capacity(2);
    for output in outputs {
        captured.push(output.drain(&mut scratch).map_err(fail)?);
    }
    let mut captured = captured.into_iter();
    Ok(Watched {
        stdout: captured.next().unwrap_or_default(),
        stderr: captured.next().unwrap_or_default(),
        duration,
        timed_out,
    })
}

/// What is known of a lack of memory.
#[derive(Clone, Copy)]
enum Oom {
    Quiet,
    /// The kernel has told of one at this time.
    Seen(Instant),
    /// The jar was killed for it.
    Killed,
}

impl Oom {
    /// How long until the counter should be looked at again.
    fn pending(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Seen(at) if now.saturating_duration_since(at) < OOM_PATIENCE => Some(OOM_STEP),
            _ => None,
        }
    }

    fn watches(self) -> bool {
        !matches!(self, Self::Killed)
    }
}

#[derive(Default)]
struct Fired {
    outputs: Vec<usize>,
    feeds: Vec<usize>,
    oom: bool,
    ended: bool,
}

fn poll_once(
    running: &Running<'_>,
    outputs: &[Capture],
    watch_oom: bool,
    wait: Option<Duration>,
) -> std::io::Result<Fired> {
    let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(8);
    let mut roles = Vec::with_capacity(8);
    let mut add = |fd, flags, role| {
        fds.push(PollFd::new(fd, flags));
        roles.push(role);
    };
    add(running.child().pidfd(), PollFlags::POLLIN, Role::End);
    for (index, output) in outputs.iter().enumerate() {
        if let Some(fd) = output.fd() {
            add(fd, PollFlags::POLLIN, Role::Output(index));
        }
    }
    for (index, feed) in running.feeds.iter().enumerate() {
        if let Some(fd) = feed.fd() {
            add(fd, PollFlags::POLLOUT, Role::Feed(index));
        }
    }
    if watch_oom {
        if let Some(oom) = running.cgroup().and_then(JarCgroup::oom_watch) {
            add(oom.fd, oom.flags, Role::Oom);
        }
    }
    let timeout = wait.map(TimeSpec::from_duration);
    match ppoll(&mut fds, timeout, None) {
        Err(Errno::EINTR) => return Ok(Fired::default()),
        other => other?,
    };
    let mut fired = Fired::default();
    for (fd, role) in fds.iter().zip(roles) {
        if fd.any() != Some(true) {
            continue;
        }
        match role {
            Role::End => fired.ended = true,
            Role::Output(index) => fired.outputs.push(index),
            Role::Feed(index) => fired.feeds.push(index),
            Role::Oom => fired.oom = true,
        }
    }
    Ok(fired)
}

#[derive(Clone, Copy)]
enum Role {
    End,
    Output(usize),
    Feed(usize),
    Oom,
}
