//! The standard streams of a jar: pipes, bounded capture, feeding.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use belljar_harness::Captured;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{Gid, Uid, fchown, pipe2};

/// A pipe whose ends close on exec.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC)?)
}

/// Makes reads and writes on our end return at once.
pub(crate) fn nonblocking(end: &OwnedFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(end, FcntlArg::F_GETFL)?);
    fcntl(end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Gives a pipe to the user of the jar, so that `/dev/stdout` can be opened there.
pub(crate) fn give(end: &OwnedFd, uid: u32, gid: u32) -> io::Result<()> {
    Ok(fchown(end, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// One stream that is read to its end and kept up to a limit.
pub(crate) struct Capture {
    file: Option<File>,
    limit: usize,
    kept: Vec<u8>,
    total: u64,
}

/// Bytes read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

impl Capture {
    /// Captures what comes out of `end`.
    pub(crate) fn new(end: OwnedFd, limit: u64) -> io::Result<Self> {
        nonblocking(&end)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self { file: Some(File::from(end)), limit, kept: Vec::new(), total: 0 })
    }

    /// What to poll, while the stream is open.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(File::as_fd)
    }

    /// Reads once; `false` when there is nothing to read for now or ever.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        match file.read(scratch) {
            Ok(0) => {
                self.file = None;
                Ok(false)
            }
            Ok(n) => {
                let room = self.limit - self.kept.len();
                self.kept.extend_from_slice(&scratch[..n.min(room)]);
                self.total += n as u64;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Reads what is left once nothing can write any more, without waiting.
    pub(crate) fn drain(mut self, scratch: &mut [u8]) -> io::Result<Captured> {
        while self.read(scratch)? {}
        Ok(Captured { bytes: self.kept, total: self.total })
    }

    /// Room for one read.
    pub(crate) fn scratch() -> Vec<u8> {
        vec![0; CHUNK]
    }
}

/// Bytes that are written into a pipe as it takes them.
pub(crate) struct Feed<'a> {
    file: Option<File>,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    /// Feeds `bytes` into `end`, as much as fits at once.
    pub(crate) fn new(end: OwnedFd, bytes: &'a [u8]) -> io::Result<Self> {
        nonblocking(&end)?;
        let mut feed = Self { file: Some(File::from(end)), rest: bytes };
        feed.write();
        Ok(feed)
    }

    /// What to poll, while there is something left to write.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(File::as_fd)
    }

    /// Writes what fits; closes the pipe at the end, or when nobody reads it any more (SIGPIPE is
    /// ignored: Rust's runtime sees to that).
    pub(crate) fn write(&mut self) {
        while let Some(file) = &mut self.file {
            if self.rest.is_empty() {
                self.file = None;
                return;
            }
            match file.write(self.rest) {
                Ok(n) => self.rest = &self.rest[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.file = None,
            }
        }
    }
}

/// Fills a pipe with one page of blanks, so that it has room again only once its reader has
/// begun to read: the sign that the shell is there, where ptrace(2) cannot tell.
pub(crate) fn fill_with_blanks(end: &OwnedFd) -> io::Result<()> {
    const PAGE: usize = 4096;
    let size = fcntl(end, FcntlArg::F_SETPIPE_SZ(i32::try_from(PAGE).unwrap_or(i32::MAX)))?;
    let blanks = vec![b' '; usize::try_from(size).unwrap_or(PAGE)];
    nonblocking(end)?;
    let mut left = blanks.as_slice();
    while !left.is_empty() {
        match nix::unistd::write(end, left) {
            Ok(n) => left = &left[n..],
            Err(nix::errno::Errno::EAGAIN) => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
