//! A folder in which the cgroups of jars are made.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{AccessFlags, eaccess};

/// Which interface a cgroup folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// One of the old hierarchies.
    V1,
    /// The unified tree.
    V2,
}

impl Version {
    /// Asks the kernel what the folder is; `None` when it is no cgroup at all, in
    /// which making folders would "work" and limit nothing.
    pub(super) fn of(folder: &Path) -> nix::Result<Option<Self>> {
        let kind = statfs(folder)?.filesystem_type();
        Ok(if kind == CGROUP_SUPER_MAGIC {
            Some(Self::V1)
        } else if kind == CGROUP2_SUPER_MAGIC {
            Some(Self::V2)
        } else {
            None
        })
    }
}

/// A folder in which the cgroups of jars are made.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Which interface it has.
    pub(super) version: Version,
    /// The controllers of its hierarchy as `/proc/PID/cgroup` lists them; empty on v2.
    pub(super) hierarchy: String,
    /// The folder.
    pub(super) folder: PathBuf,
    /// The cgroup, as `/proc/PID/cgroup` names it.
    pub(super) cgroup: String,
}

impl Place {
    /// The cgroup of that name in here, as `/proc/PID/cgroup` names it.
    pub(super) fn child(&self, name: &str) -> String {
        format!("{}/{name}", self.cgroup.trim_end_matches('/'))
    }
}

/// Whether our effective ids may write the file, or make and remove entries of the folder.
pub(super) fn may_write(path: &Path) -> nix::Result<()> {
    let flags =
        if path.is_dir() { AccessFlags::W_OK | AccessFlags::X_OK } else { AccessFlags::W_OK };
    eaccess(path, flags)
}
