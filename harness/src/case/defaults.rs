//! Folder defaults: the `belljar.toml` files between the case root and a case.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::diagnostic::Diagnostic;
use super::files::FixtureBase;
use super::layer::Layer;
use super::root::working_directory;
use super::source::Source;

/// The name of a file of defaults.
pub(super) const DEFAULTS: &str = "belljar.toml";

/// What one folder's file comes to: nothing, keys, or mistakes.
type Read = Result<Option<Arc<Layer>>, Vec<Diagnostic>>;

/// Whose files are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    /// The caller.
    user: u32,
    /// Who called sudo, where the caller is root by sudo.
    behind_sudo: Option<u32>,
}

impl Trust {
    /// What the present process believes.
    fn of_caller() -> Self {
        let user = nix::unistd::geteuid().as_raw();
        // As git does: root by sudo works in the folders of the user who called it.
        let sudo = env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
        Self { user, behind_sudo: sudo.filter(|_| user == 0) }
    }

    /// Whether a file of this owner is believed.
    fn covers(self, owner: u32) -> bool {
        owner == 0 || owner == self.user || Some(owner) == self.behind_sudo
    }
}

/// The defaults below one case root, each file read once.
#[derive(Debug)]
pub(super) struct Defaults {
    /// The case root, canonical.
    root: PathBuf,
    /// The working directory, canonical.
    here: Option<PathBuf>,
    trust: Trust,
    read: Mutex<HashMap<PathBuf, Read>>,
}

impl Defaults {
    /// The defaults below this canonical case root.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, here: working_directory(), trust: Trust::of_caller(), read: Mutex::default() }
    }

    /// The case root, canonical.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A canonical path below the case root, relative to it.
    pub(super) fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// A canonical path as a person would write it: relative where it is below
    /// the working directory.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        let relative = self.here.as_deref().and_then(|here| path.strip_prefix(here).ok());
        match relative {
            Some(relative) if relative.as_os_str().is_empty() => PathBuf::from("."),
            Some(relative) => relative.to_owned(),
            None => path.to_owned(),
        }
    }

    /// What the folders from `folder` up to the case root say, innermost first.
    pub(super) fn of(&self, folder: &Path) -> Result<Vec<Arc<Layer>>, Vec<Diagnostic>> {
        let mut layers = Vec::new();
        let mut mistakes = Vec::new();
        for above in folder.ancestors().take_while(|above| above.starts_with(&self.root)) {
            match self.folder(above) {
                Ok(layer) => layers.extend(layer),
                Err(found) => mistakes.splice(0..0, found).for_each(drop),
            }
        }
        if mistakes.is_empty() { Ok(layers) } else { Err(mistakes) }
    }

    /// What the file of one folder says.
    fn folder(&self, folder: &Path) -> Read {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(folder.to_owned()).or_insert_with(|| self.read_folder(folder)).clone()
    }

    fn read_folder(&self, folder: &Path) -> Read {
        let file = folder.join(DEFAULTS);
        let path = self.shown(&file);
        let Some(text) = read_trusted(&file, self.trust)
            .map_err(|refusal| vec![refusal.into_diagnostic(&path)])?
        else {
            return Ok(None);
        };
        let base = FixtureBase { folder, root: &self.root };
        Layer::read(Source::whole(path, &text), &self.shown(folder), base)
            .map(|layer| Some(Arc::new(layer)))
    }

    /// The text of a folder's file, for those who need no more; `None` as well
    /// when it is not to be believed.
    pub(super) fn text(&self, folder: &Path) -> Option<String> {
        read_trusted(&folder.join(DEFAULTS), self.trust).ok().flatten()
    }
}

/// Why a file of defaults is not read.
#[derive(Debug)]
enum Refused {
    Unreadable(io::Error),
    Foreign(u32),
    NotUtf8,
}

impl Refused {
    fn into_diagnostic(self, path: &Path) -> Diagnostic {
        match self {
            Self::Unreadable(error) => {
                Diagnostic::of_path(path, format!("the folder's defaults cannot be read: {error}"))
            }
            Self::Foreign(owner) => Diagnostic::of_path(
                path,
                format!("these defaults belong to another user (uid {owner}) and are not believed"),
            )
            .with_help("make the file your own with chown, or remove it"),
            Self::NotUtf8 => Diagnostic::of_path(path, "the folder's defaults are not UTF-8"),
        }
    }
}

/// Reads a file of defaults if there is one, and only if its owner is believed.
fn read_trusted(file: &Path, trust: Trust) -> Result<Option<String>, Refused> {
    let opened = fs::metadata(file).and_then(|metadata| {
        // Opening a FIFO would wait for its other end.
        if metadata.is_file() { fs::File::open(file) } else { Err(irregular()) }
    });
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link that leads nowhere is no missing file.
            return match fs::symlink_metadata(file) {
                Ok(_) => Err(Refused::Unreadable(error)),
                Err(_) => Ok(None),
            };
        }
        Err(error) => return Err(Refused::Unreadable(error)),
    };
    // The owner of the file that is open, so that no exchange comes between.
    let owner = opened.metadata().map_err(Refused::Unreadable)?.uid();
    if !trust.covers(owner) {
        return Err(Refused::Foreign(owner));
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut opened, &mut bytes).map_err(Refused::Unreadable)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Refused::NotUtf8)
}

/// The error for what is neither a file nor a link to one.
pub(super) fn irregular() -> io::Error {
    io::Error::other("it is not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_caller_and_the_user_behind_sudo_are_believed() {
        let user = Trust { user: 1000, behind_sudo: None };
        assert!(user.covers(0) && user.covers(1000));
        assert!(!user.covers(1001));
        let sudo = Trust { user: 0, behind_sudo: Some(1000) };
        assert!(sudo.covers(0) && sudo.covers(1000));
        assert!(!sudo.covers(1001));
    }

    #[test]
    fn a_file_of_another_user_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(DEFAULTS);
        fs::write(&file, "memory = \"64M\"\n").expect("written");
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(4242), None).expect("chown");
        }
        let owner = fs::metadata(&file).expect("metadata").uid();
        let stranger = Trust { user: owner + 1, behind_sudo: None };
        let refused = read_trusted(&file, stranger).expect_err("refused");
        assert!(matches!(refused, Refused::Foreign(uid) if uid == owner));
        let same = Trust { user: owner, behind_sudo: None };
        assert!(read_trusted(&file, same).expect("read").is_some());
    }

    #[test]
    fn defaults_of_another_user_refuse_the_cases_below() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        let file = root.join(DEFAULTS);
        fs::write(&file, "memory = \"64M\"\n").expect("written");
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(4242), None).expect("chown");
        }
        let owner = fs::metadata(&file).expect("metadata").uid();
        let mut defaults = Defaults::new(root.clone());
        defaults.trust = Trust { user: owner + 1, behind_sudo: None };
        let below = root.join("sub");
        let mistakes = defaults.of(&below).expect_err("refused");
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].path, file);
        let said =
            format!("these defaults belong to another user (uid {owner}) and are not believed");
        assert_eq!(mistakes[0].message, said);
        assert!(defaults.text(&root).is_none(), "its fixtures are not believed either");
        let mut defaults = Defaults::new(root);
        defaults.trust = Trust { user: owner, behind_sudo: None };
        assert_eq!(defaults.of(&below).expect("read").len(), 1);
    }
}
