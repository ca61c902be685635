//! Where this process may make cgroups.

use std::path::PathBuf;

use belljar_harness::host::{CgroupLayout, Lack};

use super::{Ceilings, CgroupError, Controller, JarCgroup};

/// The probed placement of this process: where the cgroups of its jars go.
#[derive(Debug)]
pub struct Cgroups {}

impl Cgroups {
    /// Looks at `/proc/self/cgroup`, the mounts and the permissions; changes nothing.
    pub fn probe(_run_id: &str) -> Self {
        unimplemented!()
    }

    /// How cgroups are mounted here.
    pub fn layout(&self) -> CgroupLayout {
        unimplemented!()
    }

    /// Why a ceiling on `controller` cannot be set, if it cannot.
    pub fn lack(&self, _controller: Controller) -> Option<&Lack> {
        unimplemented!()
    }

    /// The absolute folders in which the cgroups of jars are made, for the sweep.
    pub fn parents(&self) -> &[PathBuf] {
        unimplemented!()
    }

    /// Makes the cgroups of one jar, with its ceilings set and read back.
    ///
    /// # Errors
    /// A ceiling that the host cannot set, a name in use, a refusal of the kernel.
    pub fn create(&self, _name: &str, _limits: &Ceilings) -> Result<JarCgroup, CgroupError> {
        unimplemented!()
    }

    /// Kills and removes the cgroups in `parents` whose names start with `prefix`; says how many.
    ///
    /// # Errors
    /// The first failure, after everything else was tried.
    pub fn sweep(parents: &[PathBuf], prefix: &str) -> Result<usize, CgroupError> {
        super::sweep::sweep(parents, prefix)
    }
}
