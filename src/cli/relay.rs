//! Carrying bytes between the caller's terminal and a jar until the jar ends: one poll
//! loop, in which neither direction ever waits for the other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, read, write};

use super::terminal::Raw;
use crate::cgroup::JarCgroup;
use crate::sandbox::Started;
use crate::sandbox::terminal::{set_window, window};

/// What ends a jar from outside.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
/// What concerns the terminal.
const TERMINAL: [Signal; 3] = [Signal::SIGWINCH, Signal::SIGTSTP, Signal::SIGCONT];

/// The signals that the loop takes, held back from everybody else until this is dropped.
pub(crate) struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Holds them back in this thread; those of the terminal only if a jar has it.
    pub(crate) fn hold(with_terminal: bool) -> io::Result<Self> {
        let mut wanted: SigSet = ENDING.into_iter().collect();
        if with_terminal {
            wanted.extend(TERMINAL);
        }
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&wanted), Some(&mut before))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        match SignalFd::with_flags(&wanted, flags) {
            Ok(descriptor) => Ok(Self { descriptor, before }),
            Err(errno) => {
                let _ = before.thread_set_mask();
                Err(errno.into())
            }
        }
    }

    fn next(&self) -> io::Result<Option<Signal>> {
        let Some(info) = self.descriptor.read_signal()? else { return Ok(None) };
        Ok(i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// Which way a channel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the caller into the jar.
    In,
    /// Out of the jar to the caller.
    Out,
}

/// One direction: what is read at `from` and not yet written at `to`.
#[derive(Debug)]
pub(crate) struct Channel {
    way: Way,
    from: Option<OwnedFd>,
    to: Option<OwnedFd>,
    buffer: Vec<u8>,
    start: usize,
}

/// How much may be under way in one direction.
const CAPACITY: usize = 64 * 1024;

impl Channel {
    /// A channel between two descriptors that do not block.
    pub(crate) fn new(way: Way, from: OwnedFd, to: OwnedFd) -> Self {
        let buffer = Vec::with_capacity(CAPACITY);
        Self { way, from: Some(from), to: Some(to), buffer, start: 0 }
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// What to wait for before reading: nothing while there is no room.
    fn source(&self) -> Option<BorrowedFd<'_>> {
        let room = self.pending().len() < CAPACITY && self.to.is_some();
        self.from.as_ref().filter(|_| room).map(AsFd::as_fd)
    }

    /// What to wait for before writing: nothing while there is nothing to write.
    fn sink(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().filter(|_| !self.pending().is_empty()).map(AsFd::as_fd)
    }

    /// Reads once. Whether there was something.
    fn fill(&mut self) -> bool {
        let Some(from) = &self.from else { return false };
        self.buffer.drain(..self.start);
        self.start = 0;
        let used = self.buffer.len();
        self.buffer.resize(CAPACITY, 0);
        let got = read(from, &mut self.buffer[used..]);
        self.buffer.truncate(used + *got.as_ref().unwrap_or(&0));
        match got {
            Err(Errno::EINTR) => true,
            Err(Errno::EAGAIN) => false,
            // A terminal says EIO once its other end is gone.
            Ok(0) | Err(_) => {
                self.from = None;
                self.close_if_done();
                false
            }
            Ok(_) => true,
        }
    }

    /// Writes once.
    fn empty(&mut self) {
        let Some(to) = &self.to else { return };
        match write(to, &self.buffer[self.start..]) {
            Ok(count) => self.start += count,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => {
                // Nobody reads any more. The writer learns it by the closed other end.
                (self.from, self.to) = (None, None);
                self.start = self.buffer.len();
            }
        }
        self.close_if_done();
    }

    fn close_if_done(&mut self) {
        if self.from.is_none() && self.pending().is_empty() {
            self.to = None;
        }
    }

    /// Whether the caller's end has gone away.
    fn caller_left(&self) -> bool {
        match self.way {
            Way::In => self.from.is_none(),
            Way::Out => self.to.is_none() && self.from.is_none(),
        }
    }
}

/// What the loop needs beside the channels.
pub(crate) struct Watched<'a> {
    /// The jar.
    pub(crate) jar: &'a Started<'a>,
    /// What arrives meanwhile.
    pub(crate) signals: &'a Signals,
    /// The caller's terminal in raw mode, and the master of the jar's.
    pub(crate) terminal: Option<(&'a Raw, BorrowedFd<'a>)>,
}

#[derive(Clone, Copy)]
enum Role {
    End,
    Signal,
    Oom,
    Read(usize),
    Write(usize),
}

/// Carries bytes until PID 1 has ended and all that it wrote is written. Gives the signal
/// that ended it, if one did.
pub(crate) fn relay(watched: &Watched<'_>, mut channels: Vec<Channel>) -> io::Result<Option<i32>> {
    let running = &watched.jar.running;
    let mut ended_by = None;
    let mut oom_seen = false;
    let mut ended = false;
    loop {
        if ended && channels.iter().all(|channel| channel.sink().is_none()) {
            return Ok(ended_by);
        }
        let mut fired = Vec::with_capacity(8);
        {
            let mut fds = Vec::with_capacity(8);
            let mut roles = Vec::with_capacity(8);
            let mut add = |fd, flags, role| {
                fds.push(PollFd::new(fd, flags));
                roles.push(role);
            };
            add(watched.signals.descriptor.as_fd(), PollFlags::POLLIN, Role::Signal);
            if !ended {
                add(running.child().pidfd(), PollFlags::POLLIN, Role::End);
                let oom = running.cgroup().and_then(JarCgroup::oom_watch);
                if let Some(oom) = oom.filter(|_| !oom_seen) {
                    add(oom.fd, oom.flags, Role::Oom);
                }
            }
            for (index, channel) in channels.iter().enumerate() {
                if let Some(fd) = channel.source().filter(|_| !ended) {
                    add(fd, PollFlags::POLLIN, Role::Read(index));
                }
                if let Some(fd) = channel.sink() {
                    add(fd, PollFlags::POLLOUT, Role::Write(index));
                }
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            fired.extend(
                fds.iter().zip(roles).filter(|(fd, _)| fd.any() == Some(true)).map(|(_, r)| r),
            );
        }
        for role in fired {
            match role {
                Role::Signal => {
                    while let Some(signal) = watched.signals.next()? {
                        if ENDING.contains(&signal) {
                            running.child().kill();
                            if ended || ended_by.is_some() {
                                return Ok(ended_by.or(Some(signal as i32)));
                            }
                            ended_by = Some(signal as i32);
                        } else if let Some((raw, master)) = watched.terminal {
                            terminal_signal(signal, raw, master);
                        }
                    }
                }
                Role::Oom => {
                    if running
                        .cgroup()
                        .map_or(Ok(false), JarCgroup::oom_killed)
                        .map_err(io::Error::other)?
                    {
                        // One kill ends the whole jar, as it does for a case.
                        oom_seen = true;
                        running.child().kill();
                    }
                }
                Role::Read(index) => {
                    channels[index].fill();
                }
                Role::Write(index) => channels[index].empty(),
                Role::End => ended = true,
            }
        }
        if ended {
            if ended_by.is_some() {
                return Ok(ended_by);
            }
            // Nothing of the jar is alive, so what it wrote is all there.
            channels.retain(|channel| channel.way == Way::Out);
            for channel in &mut channels {
                while channel.source().is_some() && channel.fill() {}
            }
        } else if watched.terminal.is_some()
            && ended_by.is_none()
            && channels.iter().any(Channel::caller_left)
        {
            // The terminal is gone, whether or not the kernel has sent its signal yet.
            ended_by = Some(Signal::SIGHUP as i32);
            running.child().kill();
        }
    }
}

/// Where the terminal is gone (a hangup sends SIGCONT as well), the loop learns it by reading.
fn terminal_signal(signal: Signal, raw: &Raw, master: BorrowedFd<'_>) {
    match signal {
        Signal::SIGTSTP => {
            raw.suspend();
            // Stops here until somebody continues us; that signal comes next.
            let _ = kill(Pid::this(), Signal::SIGSTOP);
        }
        Signal::SIGCONT => {
            let _ = raw.resume();
        }
        _ => {}
    }
    if let Some(size) = window(raw.fd()) {
        let _ = set_window(master, &size);
    }
}
