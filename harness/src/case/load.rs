//! From paths to cases: what the fronts call.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::defaults::Defaults;
use super::diagnostic::{CaseError, Diagnostic, LoadErrors};
use super::discover::{Found, discover, lookup, read_regular};
use super::files::FixtureBase;
use super::header;
use super::layer::Layer;
use super::model::Case;
use super::resolve::{Subject, resolve};
use super::root::start;
use super::sealed;
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
    /// Whether cases come from strangers: whatever weakens a property of the sandbox is then
    /// an invalid case.
    pub sealed: bool,
}

/// A case that was found but not read in full yet.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The name relative to the case root, such as `memory::oom-kill`.
    pub name: String,
    /// The case file, as a path that the caller can open.
    pub file: PathBuf,
    found: Found,
    defaults: Arc<Defaults>,
}

impl Listed {
    fn new(found: Found, defaults: &Arc<Defaults>) -> Self {
        let file = defaults.shown(&defaults.root().join(&found.relative));
        Self { name: found.name.text.clone(), file, found, defaults: Arc::clone(defaults) }
    }

    /// Reads the case and its folder defaults.
    ///
    /// # Errors
    /// When the case or one of its defaults is invalid or cannot be read.
    pub fn load(&self, overrides: &Overrides) -> Result<Case, CaseError> {
        self.read(overrides).map_err(|mistakes| {
            CaseError::from_diagnostics(mistakes).unwrap_or_else(|| {
                Diagnostic::of_path(&self.file, "the case cannot be read").into()
            })
        })
    }

    /// Reads the case; what is wrong is at least one mistake, those of the defaults first.
    fn read(&self, overrides: &Overrides) -> Result<Case, Vec<Diagnostic>> {
        if let Some(mistake) = &self.found.mistake {
            return Err(vec![mistake.clone()]);
        }
        let path = self.defaults.root().join(&self.found.relative);
        let folder = path.parent().unwrap_or(self.defaults.root());
        let root = self.defaults.root();
        let shown_path = |path: &Path| self.defaults.shown(path);
        if overrides.sealed {
            // Before anything is read: a mistake in it would be shown.
            let outside = sealed::sources_outside(&path, root, shown_path);
            if !outside.is_empty() {
                return Err(outside);
            }
        }
        let script = read_regular(&path).map_err(|error| {
            vec![Diagnostic::of_path(&self.file, format!("the case cannot be read: {error}"))]
        })?;
        let shown = self.file.parent().unwrap_or(Path::new(""));
        let base = FixtureBase { folder, root };
        let own = header::find(&self.file, &script)
            .map_err(|mistake| vec![mistake])
            .and_then(|source| Layer::read(source, shown, base));
        let (own, inherited) = match (own, self.defaults.of(folder)) {
            (Ok(own), Ok(inherited)) => (own, inherited),
            (own, inherited) => {
                let mut mistakes = inherited.err().unwrap_or_default();
                mistakes.extend(own.err().unwrap_or_default());
                return Err(mistakes);
            }
        };
        let mut layers = vec![Arc::new(own)];
        layers.extend(inherited);
        if overrides.sealed {
            let mut refused: Vec<_> =
                layers.iter().rev().flat_map(|layer| sealed::refusals(layer, overrides)).collect();
            refused.extend(sealed::snapshots_outside(&path, root, shown_path));
            if !refused.is_empty() {
                return Err(refused);
            }
        }
        let subject = Subject { name: self.name.clone(), file: self.file.clone(), script };
        resolve(subject, layers, overrides)
    }
}

/// Every case under `paths`, each file once, in the order of the paths and of
/// the names beneath each.
///
/// # Errors
/// Everything that is wrong with any of them: invalid files, one name twice, a
/// path that does not exist, a path without a case.
pub fn load(paths: &[PathBuf], overrides: &Overrides) -> Result<Vec<Case>, LoadErrors> {
    let mut listed: Vec<Listed> = Vec::new();
    let mut errors = Errors::default();
    let mut files = HashSet::new();
    for path in paths {
        match list_for(path, overrides) {
            Ok(found) => {
                listed.extend(found.into_iter().filter(|listed| files.insert(listed.file.clone())));
            }
            Err(error) => errors.add(vec![*error.first]),
        }
    }
    let mut names: HashMap<&str, &Path> = HashMap::new();
    for case in &listed {
        if let Some(taken) = names.insert(&case.name, &case.file) {
            let message =
                format!("the name `{}` is taken by {} already", case.name, taken.display());
            errors.add(vec![Diagnostic::of_path(&case.file, message).with_help(
                "names are relative to the case root: put a belljar.toml into the folder above both",
            )]);
        }
    }
    let mut cases = Vec::with_capacity(listed.len());
    for case in &listed {
        match case.read(overrides) {
            Ok(case) => cases.push(case),
            Err(mistakes) => errors.add(mistakes),
        }
    }
    if errors.0.is_empty() { Ok(cases) } else { Err(LoadErrors(errors.into_files())) }
}

/// The cases under one path, by name, without judging whether they are valid.
///
/// # Errors
/// When the path does not exist or holds no case.
pub fn list(path: &Path) -> Result<Vec<Listed>, CaseError> {
    list_for(path, &Overrides::default())
}

/// The same for cases that will be loaded with `overrides`: where they are sealed, no link out
/// of the case root is read to find out which files are fixtures.
pub(crate) fn list_for(path: &Path, overrides: &Overrides) -> Result<Vec<Listed>, CaseError> {
    let start = start(path)?;
    let defaults = Arc::new(Defaults::new(start.root.clone()));
    let found = discover(&start, path, &defaults, overrides.sealed)?;
    Ok(found.into_iter().map(|found| Listed::new(found, &defaults)).collect())
}

/// The case of this exact name under `path`, read without looking at any other
/// case; `None` if there is no such file.
pub fn find(path: &Path, name: &str, overrides: &Overrides) -> Option<Result<Case, CaseError>> {
    let start = match start(path) {
        Ok(start) => start,
        Err(mistake) => return Some(Err(mistake.into())),
    };
    let defaults = Arc::new(Defaults::new(start.root.clone()));
    let found = lookup(&start, name, &defaults)?;
    Some(Listed::new(found, &defaults).load(overrides))
}

/// Mistakes of many files, each told once: those of a folder's defaults come
/// back with every case below it.
#[derive(Default)]
struct Errors(Vec<Diagnostic>);

impl Errors {
    fn add(&mut self, mistakes: Vec<Diagnostic>) {
        for mistake in mistakes {
            if !self.0.contains(&mistake) {
                self.0.push(mistake);
            }
        }
    }

    /// One error for each file, in the order in which the files came.
    fn into_files(self) -> Vec<CaseError> {
        let mut files: Vec<CaseError> = Vec::new();
        for mistake in self.0 {
            match files.iter_mut().find(|file| file.path() == mistake.path) {
                Some(file) => file.more.push(mistake),
                None => files.push(mistake.into()),
            }
        }
        files
    }
}
