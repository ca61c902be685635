//! The [`Runner`] that the harness drives: each spec in a jar of its own.

use std::path::PathBuf;

use belljar_harness::{Cancel, HostFacts, Outcome, Runner, SetupError, Spec};

use crate::rootfs::{Progress, ResolveOptions, Silent};
use crate::sandbox::{Engine, Error, Program, Request, Weaken};

/// Where a [`JarRunner`] says in one line what it chose on the user's behalf.
pub type Notice = Box<dyn Fn(&str) + Send + Sync>;

/// How a [`JarRunner`] works.
pub struct JarOptions {
    /// The store's folder; `None` for `BELLJAR_STORE` or the usual place.
    pub store: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
    /// Where downloads and imports show their progress.
    pub progress: Box<dyn Progress + Send>,
    /// Where choices made on the user's behalf are said.
    pub notice: Notice,
}

impl Default for JarOptions {
    fn default() -> Self {
        Self {
            store: None,
            offline: false,
            progress: Box::new(Silent),
            notice: Box::new(|line| eprintln!("belljar: {line}")),
        }
    }
}

impl std::fmt::Debug for JarOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JarOptions")
            .field("store", &self.store)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// Runs every [`Spec`] in a fresh sandbox on this machine.
pub struct JarRunner {
    engine: Engine,
    options: JarOptions,
    weaken: Weaken,
}

impl std::fmt::Debug for JarRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JarRunner").field("options", &self.options).finish_non_exhaustive()
    }
}

impl JarRunner {
    /// Opens the store, removes what killed runs left, and looks at what the host offers.
    ///
    /// # Errors
    /// A store that cannot be used, or a kernel that refuses namespaces altogether.
    pub fn new(options: JarOptions) -> Result<Self, Error> {
        let engine = Engine::open(options.store.as_deref(), &*options.notice)?;
        Ok(Self { engine, options, weaken: Weaken::NONE })
    }

    /// Builds every jar without some of its defences, to show that each is noticed.
    #[doc(hidden)]
    #[must_use]
    pub fn weakened(mut self, weaken: Weaken) -> Self {
        self.weaken = weaken;
        self
    }

    /// Works as where ptrace(2) is refused, to test that way too.
    #[doc(hidden)]
    #[must_use]
    pub fn without_ptrace(self) -> Self {
        self.engine.give_up_ptrace();
        self
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn run_spec(&self, spec: &Spec, cancel: &Cancel) -> Result<Outcome, Error> {
        let request = Request {
            spec,
            program: Program::Script,
            terminal: None,
            binds: &[],
            weaken: self.weaken,
        };
        self.engine.run(&request, &self.resolve_options(cancel), cancel)
    }

    pub(crate) fn resolve_options<'a>(&'a self, cancel: &'a Cancel) -> ResolveOptions<'a> {
        ResolveOptions {
            offline: self.options.offline,
            progress: &*self.options.progress,
            notice: &*self.options.notice,
            cancel,
        }
    }
}

impl Runner for JarRunner {
    fn host(&self) -> &HostFacts {
        self.engine.facts()
    }

    fn run(&self, spec: &Spec, cancel: &Cancel) -> Result<Outcome, SetupError> {
        Ok(self.run_spec(spec, cancel)?)
    }
}
