//! Single questions to the kernel, each answered by doing it, for `belljar doctor`.

use std::io;
use std::os::fd::RawFd;
use std::path::Path;

use super::clone::{self, Stack};
use super::ids::{IdMap, Ids};
use super::init;
use super::sys::CloneArgs;

/// Clones a child into new namespaces, those of `flags`; it ends at once.
pub(crate) fn namespaces(flags: i32) -> io::Result<()> {
    let stack = Stack::new()?;
    // No descriptor at all: the child finds nothing to wait for.
    let gate: Box<RawFd> = Box::new(-1);
    let flags = clone::flag_bits(flags | libc::CLONE_VM);
    let args = CloneArgs { flags, ..CloneArgs::default() };
    // SAFETY: `hold` only reads and exits; stack and gate live until it is reaped here.
    let child = unsafe { clone::spawn(&args, &stack, init::hold, (&raw const *gate).cast())? };
    child.reap().map(drop)
}

/// Shifts the ids of a folder by an id-mapped mount, as it is done for root's jars.
pub(crate) fn id_mapped(folder: &Path) -> io::Result<()> {
    IdMap::new(&Ids::Shifted)?.apply(folder, false).map(drop)
}

/// Whether tmpfs takes the attributes that an overlay in a user namespace keeps.
pub(crate) fn tmpfs_attributes(staging: &Path) -> Result<bool, super::Error> {
    super::start::tmpfs_takes_attributes(&Ids::detect(), staging)
}

/// How ids will be mapped, and whether root is the only one there will be.
pub(crate) fn ids() -> (String, bool) {
    let ids = Ids::detect();
    (ids.describe(), matches!(ids, Ids::Single { .. }))
}

/// Whether seccomp(2) takes filters that refuse calls.
pub(crate) fn seccomp_filters() -> io::Result<()> {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads one number from there.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
