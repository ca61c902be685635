//! The one seam between the pure half and the half that touches the kernel.

use crate::{Cancel, HostFacts, Outcome, Spec};

/// Something that runs a [`Spec`] and reports what happened.
pub trait Runner: Sync {
    /// The facts of the host that sandboxes run on.
    fn host(&self) -> &HostFacts;

    /// Runs one script in one fresh sandbox.
    ///
    /// # Errors
    /// When the sandbox could not be set up, which is never the script's fault.
    fn run(&self, spec: &Spec, cancel: &Cancel) -> Result<Outcome, SetupError>;
}

/// A sandbox that could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SetupError {
    /// What was being done, to what, and what the kernel said: the whole chain in one line.
    pub message: String,
    /// What to do about it, if that is known.
    pub remedy: Option<String>,
    /// Whether a [`Cancel`] is the cause.
    pub interrupted: bool,
}

impl SetupError {
    /// An error without a remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None, interrupted: false }
    }
}
