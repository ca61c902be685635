//! What the kernel itself brings.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;

use super::Check;
use crate::sandbox::probe;

/// Its release, for the record: what it can do is tried, not read off that.
pub(super) fn release() -> Check {
    match nix::sys::utsname::uname() {
        Ok(names) => Check::ok("kernel", names.release().to_string_lossy()),
        Err(errno) => Check::unknown("kernel", format!("uname(2) says {}", errno.desc())),
    }
}

/// A setting of the kernel, if it has it.
pub(super) fn sysctl(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.trim().to_owned())
}

/// Filters of system calls.
pub(super) fn seccomp() -> Check {
    match probe::seccomp_filters() {
        Ok(()) => Check::ok("seccomp", "filters of system calls can be set"),
        Err(error) => Check::lack(
            "seccomp",
            format!("the kernel takes no filters of system calls ({error})"),
            "jars run without one",
            "use a kernel that is built with CONFIG_SECCOMP_FILTER",
        ),
    }
}

/// Attributes on tmpfs, which the writable layer needs to live in memory.
pub(super) fn tmpfs_attributes(staging: &Path) -> Check {
    const NAME: &str = "tmpfs attributes";
    match probe::tmpfs_attributes(staging) {
        Ok(true) => Check::ok(NAME, "the writable layer is in memory"),
        Ok(false) => Check::lack(
            NAME,
            "tmpfs carries no user attributes on this kernel",
            "the writable layer is a folder of the store: slower, and `disk` cannot bound it",
            "use Linux 6.6 or newer",
        ),
        Err(error) => Check::unknown(NAME, crate::error::chain(&error)),
    }
}

/// Mounts with shifted ids, for jars that root starts.
pub(super) fn id_mapped_mounts(folder: &Path) -> Check {
    const NAME: &str = "id-mapped mounts";
    if !geteuid().is_root() {
        return Check::ok(NAME, "not needed: a user's jars have the user's own ids");
    }
    match probe::id_mapped(folder) {
        Ok(()) => Check::ok(NAME, "root inside is nobody outside"),
        Err(error) => Check::lack(
            NAME,
            format!("the ids of {} cannot be shifted ({error})", folder.display()),
            "root inside has root's uid outside, though none of its rights",
            "keep the store on ext4, xfs, btrfs or tmpfs (`--store DIR`), with Linux 5.19 or newer",
        ),
    }
}
