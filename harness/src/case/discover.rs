//! Finding the cases below a path.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::defaults::Defaults;
use super::diagnostic::Diagnostic;
use super::files::{FixtureBase, fixtures_named};
use super::header;
use super::names::{self, Name};
use super::root::{Start, hides};
use super::sealed::leads_out;

/// A file that is a case, or a folder that should hold some but cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The path below the case root.
    pub(super) relative: PathBuf,
    pub(super) name: Name,
    /// Why this can be no valid case, known without reading it.
    pub(super) mistake: Option<Diagnostic>,
}

/// Every case at or below a path, in the order of the paths below the case root.
///
/// Folders that are symbolic links are not entered: a loop is never followed, and no
/// case is met twice. Files that are links are cases like any other.
pub(super) fn discover(
    start: &Start,
    asked: &Path,
    defaults: &Defaults,
    sealed: bool,
) -> Result<Vec<Found>, Diagnostic> {
    let mut walk = Walk { defaults, found: Vec::new(), folders: BTreeSet::new() };
    let relative = defaults.relative(&start.path);
    if start.is_folder {
        if !hides(relative) {
            walk.folder(&start.path);
        }
    } else {
        let name = start.path.file_name().unwrap_or_default().as_bytes();
        if names::stem(name).is_none() {
            return Err(Diagnostic::of_path(asked, "this file is no case")
                .with_help("the name of a case ends in `.sh`"));
        }
        if !hides(relative) {
            walk.file(&start.path);
        }
    }
    let fixtures = walk.fixtures(start, sealed);
    let mut found = walk.found;
    found.retain(|found| {
        let file = defaults.root().join(&found.relative);
        let real = file.canonicalize().unwrap_or_else(|_| file.clone());
        !fixtures.iter().any(|fixture| fixture.covers(&file) || fixture.covers(&real))
    });
    found.sort_by(|a, b| a.relative.cmp(&b.relative));
    if found.is_empty() {
        let message =
            if start.is_folder { "there is no case here" } else { "this file is no case" };
        return Err(Diagnostic::of_path(asked, message).with_help(
            "a case is a file `NAME.sh`; names that begin with `_` or `.`, and fixtures, are none",
        ));
    }
    Ok(found)
}

/// A fixture and the file that names it.
struct Fixture {
    /// The canonical path of the fixture.
    path: PathBuf,
    /// The file that names it, which is never its own fixture.
    by: PathBuf,
}

impl Fixture {
    /// Whether a file is (in) the fixture. A folder that holds the very file which
    /// names it makes no fixtures of its cases, or that file would be none itself.
    fn covers(&self, file: &Path) -> bool {
        file.starts_with(&self.path) && !self.by.starts_with(&self.path)
    }
}

/// The state of one search.
struct Walk<'a> {
    defaults: &'a Defaults,
    found: Vec<Found>,
    /// The folders that were read.
    folders: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    /// Notes the case at a path.
    fn note(&mut self, path: &Path, mistake: Option<String>) {
        let relative = self.defaults.relative(path).to_owned();
        let name = names::name_of(&relative);
        let shown = self.defaults.shown(path);
        let mistake = match mistake {
            Some(message) => Some(Diagnostic::of_path(shown, message)),
            None => misnamed(&shown, &name),
        };
        self.found.push(Found { relative, name, mistake });
    }

    /// Looks at a file whose name is that of a case.
    fn file(&mut self, path: &Path) {
        let mistake = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => None,
            // A link to a folder that is called like a case.
            Ok(metadata) if metadata.is_dir() => return,
            Ok(_) => Some("the case is not a regular file".to_owned()),
            Err(error) => Some(format!("the case cannot be read: {error}")),
        };
        self.note(path, mistake);
    }

    /// Looks at a folder and all below it.
    fn folder(&mut self, folder: &Path) {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => {
                return self.note(folder, Some(format!("the folder cannot be read: {error}")));
            }
        };
        self.folders.insert(folder.to_owned());
        for entry in entries {
            let name = entry.file_name();
            if names::is_hidden(name.as_bytes()) {
                continue;
            }
            let is_folder = match entry.file_type() {
                Ok(kind) => kind.is_dir(),
                Err(error) => {
                    self.note(&entry.path(), Some(format!("it cannot be looked at: {error}")));
                    continue;
                }
            };
            if is_folder {
                self.folder(&entry.path());
            } else if names::stem(name.as_bytes()).is_some() {
                self.file(&entry.path());
            }
        }
    }

    /// Everything that is named as a fixture by the cases that were found, by those in
    /// the folders above, and by the defaults of all these folders. A fixture
    /// named from a folder beside them is not seen: that would mean to read all of the root.
    fn fixtures(&self, start: &Start, sealed: bool) -> Vec<Fixture> {
        let admits = |file: &Path| !(sealed && leads_out(file, self.defaults.root()));
        let mut named = Vec::new();
        let mut files: BTreeSet<PathBuf> =
            self.found.iter().map(|found| self.defaults.root().join(&found.relative)).collect();
        let mut folders = self.folders.clone();
        let inside = |above: &&Path| above.starts_with(self.defaults.root());
        for above in start.path.ancestors().skip(1).take_while(inside) {
            folders.insert(above.to_owned());
            let entries = fs::read_dir(above).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()).filter(|path| {
                let name = path.file_name().unwrap_or_default().as_bytes();
                names::stem(name).is_some() && !names::is_hidden(name)
            }));
        }
        for file in files.into_iter().filter(|file| admits(file)) {
            let Some(folder) = file.parent() else { continue };
            // Mistakes are told when the case itself is read.
            let Ok(script) = read_regular(&file) else { continue };
            let Ok(header) = header::find(&file, &script) else { continue };
            let base = FixtureBase { folder, root: self.defaults.root() };
            for path in fixtures_named(&header.toml, base) {
                named.push(Fixture { path, by: file.clone() });
            }
        }
        for folder in folders {
            if !admits(&folder.join(super::defaults::DEFAULTS)) {
                continue;
            }
            let Some(toml) = self.defaults.text(&folder) else { continue };
            let base = FixtureBase { folder: &folder, root: self.defaults.root() };
            for path in fixtures_named(&toml, base) {
                named.push(Fixture { path, by: folder.join(super::defaults::DEFAULTS) });
            }
        }
        named
    }
}

/// Reads a file unless it is something whose opening may wait.
pub(super) fn read_regular(file: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(file)?.is_file() { fs::read(file) } else { Err(super::defaults::irregular()) }
}

/// The mistake of a file whose path is no name.
fn misnamed(shown: &Path, name: &Name) -> Option<Diagnostic> {
    (!name.valid).then(|| {
        Diagnostic::of_path(shown, "this file's path cannot be the name of a case")
            .with_help("use letters, digits and . _ + - in the names of cases and their folders")
    })
}

/// The case of this exact name, looked up without reading any folder.
pub(super) fn lookup(start: &Start, name: &str, defaults: &Defaults) -> Option<Found> {
    let stem = defaults.root().join(names::path_of(name)?);
    let file = names::with_extension(stem.clone());
    if !file.starts_with(&start.path) {
        return None;
    }
    // As listing does, no folder that is a link is entered.
    let relative = defaults.relative(&file);
    let folders = relative.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    for folder in folders {
        if fs::symlink_metadata(defaults.root().join(folder)).ok()?.file_type().is_symlink() {
            return None;
        }
    }
    let mut walk = Walk { defaults, found: Vec::new(), folders: BTreeSet::new() };
    if fs::symlink_metadata(&file).is_ok() {
        let is_folder = fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_dir());
        if !is_folder {
            walk.file(&file);
        }
    } else if let Err(error) = fs::read_dir(&stem) {
        // A folder that could not be read was listed under its own name.
        if stem.is_dir() {
            walk.note(&stem, Some(format!("the folder cannot be read: {error}")));
        }
    }
    walk.found.pop()
}
