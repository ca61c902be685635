//! What the store holds, and how a caller holds on to it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use belljar_harness::RootfsUsed;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, SFlag, fstat};
use serde::{Deserialize, Serialize};

use super::lock::Lock;

/// A folder that sandboxes use as the lower layer of an overlay.
///
/// As long as a value or a clone of it lives, nobody can remove the folder from the store.
#[derive(Clone, Debug)]
pub struct Rootfs {
    /// The folder; never to be written to.
    pub path: PathBuf,
    /// What was asked for and what it came to.
    pub used: RootfsUsed,
    /// Never read: it is there to be held.
    pub(super) _lock: Option<Arc<Lock>>,
}

impl Rootfs {
    /// Whether `inside` leads to something, with symbolic links followed as a process
    /// in this root would follow them.
    pub fn has(&self, inside: impl AsRef<Path>) -> bool {
        self.stat(inside.as_ref()).is_ok()
    }

    /// Whether `inside` leads to a regular file that somebody may execute.
    pub fn has_program(&self, inside: impl AsRef<Path>) -> bool {
        self.stat(inside.as_ref()).is_ok_and(|stat| {
            stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits()
                && stat.st_mode & 0o111 != 0
        })
    }

    fn stat(&self, inside: &Path) -> io::Result<FileStat> {
        let root = File::open(&self.path)?;
        let fd = open_in_root(&root, inside, OFlag::O_PATH)?;
        Ok(fstat(&fd)?)
    }
}

/// Opens a path as a process would whose root is `root`.
pub(super) fn open_in_root(
    root: impl std::os::fd::AsFd,
    path: &Path,
    flags: OFlag,
) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    // A rename or mount anywhere on the machine can come in between a `..` (openat2(2)).
    let mut tries = 0;
    loop {
        match openat2(&root, path, how) {
            Err(Errno::EAGAIN) if tries < 1000 => tries += 1,
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// One root filesystem of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it came from: `ubuntu:20.04`, `host`, or the path of the archive at its import.
    pub name: String,
    /// `sha256:...` of the archive, for roots that come from one.
    pub digest: Option<String>,
    /// Bytes that its files hold.
    pub size: u64,
    /// When it was made.
    pub created: SystemTime,
    /// When it was last used, to the minute.
    pub last_used: SystemTime,
    /// Whether something holds on to it at the moment.
    pub in_use: bool,
    pub(super) key: String,
}

/// What is written beside a root filesystem in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) created: u64,
}

impl Meta {
    pub(super) fn new(name: String, digest: Option<String>, size: u64) -> Self {
        let created =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        Self { name, digest, size, created }
    }
}
