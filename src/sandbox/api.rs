//! A sandbox for those who call the library themselves.

use belljar_harness::spec::{Limits, RootfsRef};
use belljar_harness::{Cancel, Outcome, Spec};

use super::Error;
use crate::JarRunner;

/// One script in one fresh sandbox.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runner = belljar::JarRunner::new(belljar::JarOptions::default())?;
/// let outcome = belljar::Sandbox::new("hostname").hostname("alpha").run(&runner)?;
/// assert_eq!(outcome.stdout.bytes, b"alpha\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    spec: Spec,
}

impl Sandbox {
    /// A sandbox with every default, for a script.
    pub fn new(script: impl Into<Vec<u8>>) -> Self {
        Self { spec: Spec::new("sandbox", script) }
    }

    /// The hostname inside.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.spec.hostname = name.into();
        self
    }

    /// The root filesystem; [`RootfsRef::Auto`] if nothing is said.
    #[must_use]
    pub fn rootfs(mut self, rootfs: RootfsRef) -> Self {
        self.spec.rootfs = rootfs;
        self
    }

    /// The ceilings.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.spec.limits = limits;
        self
    }

    /// Everything else that can be asked for.
    pub fn spec_mut(&mut self) -> &mut Spec {
        &mut self.spec
    }

    /// Runs the script; the sandbox is gone when this returns.
    ///
    /// # Errors
    /// When the sandbox could not be set up or watched, which is never the script's fault.
    pub fn run(&self, runner: &JarRunner) -> Result<Outcome, Error> {
        runner.run_spec(&self.spec, &Cancel::new())
    }
}

impl From<Spec> for Sandbox {
    fn from(spec: Spec) -> Self {
        Self { spec }
    }
}
