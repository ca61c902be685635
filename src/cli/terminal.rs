//! The terminal that the caller sits at.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcsetattr};

/// A terminal in raw mode: every byte typed goes to the jar, every byte of the jar to the
/// screen. Dropped, also by a panic, it is as it was.
#[derive(Debug)]
pub(crate) struct Raw {
    terminal: OwnedFd,
    before: Termios,
    during: Termios,
}

impl Raw {
    /// Sets the terminal, whose modes are `before`, to raw mode.
    pub(crate) fn enter(terminal: BorrowedFd<'_>, before: Termios) -> io::Result<Self> {
        let mut during = before.clone();
        cfmakeraw(&mut during);
        let this = Self { terminal: terminal.try_clone_to_owned()?, before, during };
        this.resume()?;
        Ok(this)
    }

    /// Sets it once more, after somebody else had the terminal.
    pub(crate) fn resume(&self) -> io::Result<()> {
        Ok(tcsetattr(&self.terminal, SetArg::TCSANOW, &self.during)?)
    }

    /// Puts it back for a while. What was typed ahead stays for whoever reads next.
    pub(crate) fn suspend(&self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }

    /// The terminal.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.suspend();
    }
}

/// One of the caller's streams, opened once more, so that it can be used without blocking
/// while whoever shares it (the caller's shell) keeps its own blocking one.
///
/// Where that is not allowed (a terminal of another user, as after `su`), it is the same
/// one, which can only block while the screen takes nothing.
pub(crate) fn reopen(stream: BorrowedFd<'_>, write: bool) -> io::Result<OwnedFd> {
    let again = OpenOptions::new()
        .read(!write)
        .write(write)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(format!("/proc/self/fd/{}", stream.as_raw_fd()));
    match again {
        Ok(file) => Ok(file.into()),
        Err(_) => stream.try_clone_to_owned(),
    }
}
