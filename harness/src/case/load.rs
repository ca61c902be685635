//! From paths to cases: what the fronts call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{CaseError, LoadErrors};
use super::model::Case;
use crate::spec::RootfsRef;

/// Flags and variables that replace *defaults*: what a case or a folder writes
/// wins over them, but for `rootfs`, which wins over everything.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The root filesystem of every case.
    pub rootfs: Option<RootfsRef>,
    /// The memory ceiling in bytes; `Some(None)` for no ceiling.
    pub memory: Option<Option<u64>>,
    /// The wall clock; `Some(None)` for no limit.
    pub timeout: Option<Option<Duration>>,
}

/// A case that was found but not read in full yet.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The name relative to the case root, such as `memory::oom-kill`.
    pub name: String,
    /// The case file, as a path that the caller can open.
    pub file: PathBuf,
}

impl Listed {
    /// Reads the case and its folder defaults.
    ///
    /// # Errors
    /// When the case or one of its defaults is invalid or cannot be read.
    pub fn load(&self, _overrides: &Overrides) -> Result<Case, CaseError> {
        unimplemented!()
    }
}

/// Every case under `paths`, each file once, in the order of the paths and of
/// the names beneath each.
///
/// # Errors
/// Everything that is wrong with any of them: invalid files, one name twice, a
/// path that does not exist, a path without a case.
pub fn load(_paths: &[PathBuf], _overrides: &Overrides) -> Result<Vec<Case>, LoadErrors> {
    unimplemented!()
}

/// The cases under one path, by name, without judging whether they are valid.
///
/// # Errors
/// When the path does not exist or holds no case.
pub fn list(_path: &Path) -> Result<Vec<Listed>, CaseError> {
    unimplemented!()
}

/// The case of this exact name under `path`, read without looking at any other
/// case; `None` if there is no such file.
pub fn find(_path: &Path, _name: &str, _overrides: &Overrides) -> Option<Result<Case, CaseError>> {
    unimplemented!()
}
