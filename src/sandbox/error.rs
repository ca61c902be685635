//! Why a sandbox could not be set up.

use std::io;
use std::path::PathBuf;

use belljar_harness::{Lack, SetupError};

use super::step::Step;
use crate::cgroup::CgroupError;
use crate::rootfs::RootfsError;

/// A sandbox that could not be set up or watched. It is never the script's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The root filesystem could not be had.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The cgroups could not be had.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The host cannot enforce what was asked.
    #[error("{}", .0.what)]
    Lacking(Lack),
    /// The folder of the run could not be made or used.
    #[error("{doing} {}", path.display())]
    RunFolder {
        /// What was being done.
        doing: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A step inside the new namespaces failed.
    #[error("{doing}{}", detail.as_deref().map(|d| format!(" ({d})")).unwrap_or_default())]
    Inside {
        /// What was being done.
        doing: &'static str,
        /// At which path.
        detail: Option<String>,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// A step of the parent failed.
    #[error("{doing}")]
    Outside {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The specification cannot be met.
    #[error("{what}")]
    Impossible {
        /// Why not.
        what: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The run was cancelled.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn outside(doing: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Outside { doing, source: source.into(), remedy: None }
    }

    pub(crate) fn impossible(what: impl Into<String>) -> Self {
        Self::Impossible { what: what.into(), remedy: None }
    }

    pub(crate) fn inside(step: Step, errno: i32, detail: Option<String>) -> Self {
        let source = io::Error::from_raw_os_error(errno);
        let remedy = remedy_for(step, errno);
        Self::Inside { doing: step.doing(), detail, source, remedy }
    }

    /// Whether a [`Cancel`](belljar_harness::Cancel) is the cause.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Rootfs(e) => e.is_interrupted(),
            _ => false,
        }
    }

    /// What the kernel said about the program that was to be PID 1, if that is what failed.
    pub(crate) fn not_executed(&self) -> Option<i32> {
        match self {
            Self::Inside { doing, source, .. } if *doing == Step::Exec.doing() => {
                source.raw_os_error()
            }
            _ => None,
        }
    }

    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Rootfs(e) => e.remedy(),
            Self::Lacking(lack) | Self::Cgroup(CgroupError::Lacking { lack, .. }) => {
                Some(lack.remedy.clone())
            }
            Self::Inside { remedy, .. }
            | Self::Outside { remedy, .. }
            | Self::Impossible { remedy, .. } => remedy.clone(),
            _ => None,
        }
    }
}

fn remedy_for(step: Step, errno: i32) -> Option<String> {
    let text = match (step, errno) {
        (Step::Exec, libc::ENOENT) => {
            "the root filesystem lacks the shell or its loader: choose another with --rootfs, or \
             another `shell`"
        }
        (Step::MountPoint | Step::File, libc::ELOOP) => {
            "the image has a symbolic link on the way, and belljar follows none: name the path that it \
             points to"
        }
        (Step::File, libc::EISDIR) => "the image has a folder there: choose another path",
        (Step::File, libc::ENOSPC) => "raise `disk`: the files do not fit the writable layer",
        (Step::Overlay | Step::Staging | Step::Proc | Step::Sys, libc::EPERM) => {
            "the kernel refuses this mount in a user namespace: `belljar doctor` says what this host \
             lacks"
        }
        (Step::Lower, libc::EINVAL) => {
            "the folder has other mounts beneath it, or its filesystem cannot be a lower layer: copy \
             it to a plain folder"
        }
        (Step::Seccomp, libc::ENOSYS | libc::EINVAL) => {
            "this kernel has no seccomp filters: use one with CONFIG_SECCOMP_FILTER"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

impl From<Error> for SetupError {
    fn from(error: Error) -> Self {
        Self {
            message: crate::error::chain(&error),
            remedy: error.remedy(),
            interrupted: error.is_interrupted(),
        }
    }
}
