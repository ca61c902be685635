//! The case root: where names and folder defaults begin.

use std::env;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::defaults::DEFAULTS;
use super::diagnostic::Diagnostic;
use super::names;

/// A path that somebody asked for, made absolute.
#[derive(Debug)]
pub(super) struct Start {
    /// The case root, canonical.
    pub(super) root: PathBuf,
    /// The canonical path asked for; of a file that is a link, the link.
    pub(super) path: PathBuf,
    /// Whether the path is a folder.
    pub(super) is_folder: bool,
}

/// Finds the case root of a path: the outermost folder with a `belljar.toml`
/// from the path up to the working directory, else the folder itself (for a
/// file: its folder).
pub(super) fn start(path: &Path) -> Result<Start, Diagnostic> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::of_path(path, "there is no such file or folder")
            .with_help("name a folder of cases, or a case file"),
        _ => Diagnostic::of_path(path, format!("the path cannot be read: {error}")),
    };
    // An empty path is what `Path::parent` makes of `a.sh`.
    let path_or_here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let is_folder = fs::metadata(path_or_here).map_err(failed)?.is_dir();
    let (folder, path) = if is_folder {
        let folder = path_or_here.canonicalize().map_err(failed)?;
        (folder.clone(), folder)
    } else {
        let name = path_or_here
            .file_name()
            .ok_or_else(|| Diagnostic::of_path(path, "the path does not name a file"))?;
        let parent = path_or_here.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).canonicalize().map_err(failed)?;
        let file = folder.join(name);
        (folder, file)
    };
    Ok(Start { root: root_of(&folder), path, is_folder })
}

/// The case root of a canonical folder.
fn root_of(folder: &Path) -> PathBuf {
    let here = working_directory().filter(|here| folder.starts_with(here));
    let outermost = here.and_then(|here| {
        folder
            .ancestors()
            .take_while(|above| above.starts_with(&here))
            .filter(|above| fs::symlink_metadata(above.join(DEFAULTS)).is_ok())
            .last()
            .map(Path::to_owned)
    });
    outermost.unwrap_or_else(|| folder.to_owned())
}

/// The canonical working directory, if there is one.
pub(super) fn working_directory() -> Option<PathBuf> {
    env::current_dir().and_then(|here| here.canonicalize()).ok()
}

/// Whether a path below the root has a component that keeps it from being a case.
pub(super) fn hides(relative: &Path) -> bool {
    relative.components().any(|part| names::is_hidden(part.as_os_str().as_bytes()))
}
