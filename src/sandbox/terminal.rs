//! The terminal of a jar, seen from outside.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::pty::Winsize;
use nix::sys::termios::{self, SetArg, Termios};

use super::sys;

/// How a terminal looks to the programs on it.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Rows and columns; `None` where they are not known.
    pub(crate) window: Option<Winsize>,
    /// Special characters and modes.
    pub(crate) modes: Termios,
}

impl Look {
    /// That of a terminal.
    pub(crate) fn of(terminal: BorrowedFd<'_>) -> nix::Result<Self> {
        Ok(Self { window: window(terminal), modes: termios::tcgetattr(terminal)? })
    }

    /// Gives it to another one; its master will do.
    pub(crate) fn apply(&self, terminal: BorrowedFd<'_>) -> nix::Result<()> {
        termios::tcsetattr(terminal, SetArg::TCSANOW, &self.modes)?;
        self.window.as_ref().map_or(Ok(()), |window| set_window(terminal, window))
    }
}

/// The size of a terminal's window, if it has one.
pub(crate) fn window(terminal: BorrowedFd<'_>) -> Option<Winsize> {
    let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one winsize there.
    let done = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (done == 0 && size.ws_row > 0 && size.ws_col > 0).then_some(size)
}

/// Sets it; the kernel tells the foreground job.
pub(crate) fn set_window(terminal: BorrowedFd<'_>, size: &Winsize) -> nix::Result<()> {
    let size: *const Winsize = size;
    // SAFETY: the kernel reads one winsize from there.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, size) }).map(drop)
}

/// The other end of a master. While it is held the master reads on, also when no process of
/// the jar has the terminal open at the moment.
pub(crate) fn peer(master: &OwnedFd) -> io::Result<OwnedFd> {
    let peer = sys::pty_peer(master.as_fd().as_raw_fd())
        .map_err(|errno| io::Error::from_raw_os_error(errno.into_raw()))?;
    // SAFETY: the call above just opened it.
    Ok(unsafe { OwnedFd::from_raw_fd(peer) })
}
