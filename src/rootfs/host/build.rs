//! Copies what was gathered into a new root filesystem.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use belljar_harness::Cancel;

use super::gather::{Gathered, Source, Stamp};
use super::tools;
use crate::rootfs::RootfsError;

/// Fills `root`; gives the bytes that its files hold.
///
/// # Errors
/// [`RootfsError::Changed`] when a file is not what it was when it was gathered.
pub(super) fn build(root: &Path, gathered: &Gathered, cancel: &Cancel) -> Result<u64, RootfsError> {
    let mut size = 0;
    for (path, source) in &gathered.sources {
        if cancel.is_raised() {
            return Err(RootfsError::Interrupted);
        }
        let to = root.join(path.strip_prefix("/").unwrap_or(path));
        match source {
            Source::Folder => folder(&to, 0o755)?,
            Source::Link(target) => {
                symlink(target, &to).map_err(RootfsError::io("make the link", to))?;
            }
            Source::File(stamp) => size += copy(path, &to, stamp)?,
        }
    }
    for (path, mode) in tools::MADE_FOLDERS {
        folder(&root.join(path), mode)?;
    }
    for (path, content) in tools::MADE_FILES {
        let to = root.join(path);
        let mut file = create(&to, 0o644)?;
        file.write_all(content.as_bytes()).map_err(RootfsError::io("write", to))?;
        size += content.len() as u64;
    }
    for (path, target) in tools::MADE_LINKS {
        link_if_free(root, path, target)?;
    }
    // Scripts say /bin/bash and /bin/sh, wherever the host has its shell.
    for (path, target) in [("bin/bash", "/usr/bin/bash"), ("usr/bin/bash", "/bin/bash")] {
        link_if_free(root, path, target)?;
    }
    link_if_free(root, "bin/sh", "bash")?;
    Ok(size)
}

/// Makes a folder with exactly this mode, whatever the umask; a link to one will do.
fn folder(path: &Path, mode: u32) -> Result<(), RootfsError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(RootfsError::io("set the mode of", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(RootfsError::io("make the folder", path)(error)),
    }
}

fn create(path: &Path, mode: u32) -> Result<File, RootfsError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(RootfsError::io("make the file", path))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(RootfsError::io("set the mode of", path))?;
    Ok(file)
}

/// Copies the content, so that nothing is shared with the host; set-id bits stay behind.
fn copy(from: &Path, to: &Path, stamp: &Stamp) -> Result<u64, RootfsError> {
    let mut input = File::open(from).map_err(RootfsError::io("open", from))?;
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0) + 1);
    input.read_to_end(&mut bytes).map_err(RootfsError::io("read", from))?;
    let meta = input.metadata().map_err(RootfsError::io("read the state of", from))?;
    if Stamp::of(&meta) != *stamp || bytes.len() as u64 != stamp.size {
        return Err(RootfsError::Changed { path: from.to_owned() });
    }
    let mut file = create(to, if stamp.executable { 0o755 } else { 0o644 })?;
    file.write_all(&bytes).map_err(RootfsError::io("write", to))?;
    let modified = meta.modified().map_err(RootfsError::io("read the state of", from))?;
    file.set_modified(modified).map_err(RootfsError::io("set the time of", to))?;
    Ok(stamp.size)
}

/// Makes a link unless something stands there, or its folder is missing.
fn link_if_free(root: &Path, path: &str, target: &str) -> Result<(), RootfsError> {
    let to = root.join(path);
    match symlink(target, &to) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            Ok(())
        }
        Err(error) => Err(RootfsError::io("make the link", to)(error)),
    }
}
