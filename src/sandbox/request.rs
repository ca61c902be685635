//! What one sandbox is asked to be, beyond the plain [`Spec`].

use std::os::fd::RawFd;
use std::path::PathBuf;

use belljar_harness::Spec;

use super::Weaken;
use super::terminal::Look;

/// One sandbox, before it exists.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// The plan.
    pub(crate) spec: &'a Spec,
    /// What PID 1 is.
    pub(crate) program: Program,
    /// How the terminal of [`Program::Terminal`] starts out.
    pub(crate) terminal: Option<&'a Look>,
    /// Paths of the host to show inside.
    pub(crate) binds: &'a [Bind],
    /// Defences that are switched off.
    pub(crate) weaken: Weaken,
}

/// What PID 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The shell of the spec with its script; standard streams are pipes.
    Script,
    /// The shell of the spec and `args`, no script; standard streams are a terminal of its own.
    Terminal,
    /// The shell of the spec and `args`, no script; standard streams are these descriptors.
    Streams([RawFd; 3]),
}

/// A path of the host that is shown inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The file or folder of the host.
    pub source: PathBuf,
    /// The absolute path inside.
    pub target: String,
    /// Whether it cannot be written to from inside.
    pub read_only: bool,
}
