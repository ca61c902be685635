//! Why a cgroup could not be made, filled, read or removed.

use std::path::PathBuf;

use belljar_harness::host::Lack;

use super::Controller;

/// A failure around a jar's cgroups.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// The host cannot enforce a ceiling that was asked for.
    #[error("cannot set a ceiling on {controller}: {}", lack.what)]
    Lacking {
        /// What was to be limited.
        controller: Controller,
        /// What is missing, and what would mend it.
        lack: Lack,
    },
    /// A name that is no file name, or a ceiling out of range.
    #[error("cannot make a cgroup: {0}")]
    Invalid(String),
    /// A cgroup of that name is there already.
    #[error("cannot make the cgroup {}: it exists already; remove what an earlier run left with `belljar clean`", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The kernel refused something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was being done, as a verb: `read`, `write 5 to`, `remove the cgroup`.
        what: String,
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Waiting for processes to end failed.
    #[error("cannot wait for the processes of the cgroup {} to end", path.display())]
    Wait {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel took a limit and then reported another.
    #[error("cannot set a ceiling on {controller} in {}: asked for {asked}, but the kernel reports {found}", path.display())]
    NotKept {
        /// What was to be limited.
        controller: Controller,
        /// The jar's folder.
        path: PathBuf,
        /// The value written.
        asked: String,
        /// The value read back.
        found: String,
    },
    /// Processes remain in a cgroup although they were killed.
    #[error("cannot empty the cgroup {}: processes remain in it {seconds} s after SIGKILL; look at them with `cat {}/cgroup.procs`", path.display(), path.display())]
    StillBusy {
        /// The folder.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}
