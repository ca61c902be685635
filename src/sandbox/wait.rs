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

/// Reads, feeds and waits until PID 1 has ended and its pipes are drained.
pub(crate) fn watch(
    running: &mut Running<'_>,
    timeout: Option<Duration>,
) -> Result<Watched, Error> {
    let fail = |e: std::io::Error| Error::outside("watching the sandbox", e);
    let mut scratch = Capture::scratch();
    let deadline = timeout.and_then(|t| running.started.checked_add(t));
    let mut timed_out = false;
    let mut oom_seen = false;
    let mut outputs: Vec<Capture> =
        running.output.take().map(|(out, err)| vec![out, err]).unwrap_or_default();
    loop {
        let clock = deadline
            .filter(|_| !timed_out)
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let fired = poll_once(running, &outputs, !oom_seen, clock).map_err(fail)?;
        for index in &fired.outputs {
            outputs[*index].read(&mut scratch).map_err(fail)?;
        }
        for index in fired.feeds {
            running.feeds[index].write();
        }
        if fired.ended {
            break;
        }
        if fired.oom && running.cgroup().map_or(Ok(false), JarCgroup::oom_killed)? {
            // One kill ends the whole jar: what lives on after it is in no state to judge.
            oom_seen = true;
            running.child().kill();
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
