//! The cgroups of one jar.

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;

use super::{Ceilings, CgroupError, Usage};

/// The cgroups of one jar: one folder on v2, one per hierarchy on v1. Dropped, it
/// kills and removes what is left of them.
#[derive(Debug)]
pub struct JarCgroup {}

/// A descriptor that tells when the jar runs out of memory, for poll(2).
#[derive(Clone, Copy, Debug)]
pub struct OomWatch<'a> {
    /// What to poll.
    pub fd: BorrowedFd<'a>,
    /// The events to ask for.
    pub flags: PollFlags,
}

impl JarCgroup {
    /// The descriptor for `CLONE_INTO_CGROUP`, where there is a v2 folder.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        unimplemented!()
    }

    /// Whether there are v1 hierarchies, which a process enters only by [`join`](Self::join).
    pub fn needs_join(&self) -> bool {
        unimplemented!()
    }

    /// Moves a process into the jar's cgroups; into the v2 one only if it was not
    /// `cloned_into` it. Blocks for 5 to 17 ms when no process was moved lately.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn join(&self, _pid: i32, _cloned_into: bool) -> Result<(), CgroupError> {
        unimplemented!()
    }

    /// Whether the text of a `/proc/PID/cgroup` says that the process is in (or
    /// beneath) every cgroup of this jar.
    pub fn contains(&self, _proc_cgroup_file: &str) -> bool {
        unimplemented!()
    }

    /// The ceilings as the kernel reported them after they were set.
    pub fn limits(&self) -> &Ceilings {
        unimplemented!()
    }

    /// Reads the ceilings from the kernel once more.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn reread(&self) -> Result<Ceilings, CgroupError> {
        unimplemented!()
    }

    /// What to poll to learn of an OOM, where the kernel does not end the whole jar
    /// by itself (`memory.oom.group`). It may wake for less: the verdict is
    /// [`usage`](Self::usage)'s counter, read after the processes are reaped.
    pub fn oom_watch(&self) -> Option<OomWatch<'_>> {
        unimplemented!()
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn usage(&self) -> Result<Usage, CgroupError> {
        unimplemented!()
    }

    /// Sends SIGKILL to everything in the jar; does not wait for it to end.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn kill(&self) -> Result<(), CgroupError> {
        unimplemented!()
    }

    /// Removes the cgroups, after killing and waiting for what may still be in them.
    ///
    /// # Errors
    /// Processes that do not die, or the kernel's refusal.
    pub fn remove(self) -> Result<(), CgroupError> {
        unimplemented!()
    }
}
