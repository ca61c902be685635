//! Small reads and writes of cgroup files, with errors that say what was done.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::CgroupError;

/// The error of doing `what` to `path`.
pub(super) fn failed(what: impl Into<String>, path: &Path, source: io::Error) -> CgroupError {
    CgroupError::Io { what: what.into(), path: path.to_owned(), source }
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(path).map_err(|error| failed("read", path, error))
}

/// Reads a whole file that older kernels do not have.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, CgroupError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, error)),
    }
}

/// Writes one value into a file that is there, in one write(2) as cgroup files want it.
pub(super) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| failed(format!("write {value:?} to"), path, error))
}

/// Reads a file that holds one number.
pub(super) fn number(path: &Path) -> Result<u64, CgroupError> {
    let text = read(path)?;
    parse(path, text.trim())
}

/// Reads a file that holds one number and that older kernels do not have.
pub(super) fn number_if_there(path: &Path) -> Result<Option<u64>, CgroupError> {
    match read_if_there(path)? {
        Some(text) => parse(path, text.trim()).map(Some),
        None => Ok(None),
    }
}

/// Reads a file that holds one number or `max`, which is `None`.
pub(super) fn number_or_max(path: &Path) -> Result<Option<u64>, CgroupError> {
    let text = read(path)?;
    match text.trim() {
        "max" => Ok(None),
        digits => parse(path, digits).map(Some),
    }
}

/// The value of `key` in a file of `key value` lines.
pub(super) fn keyed(path: &Path, text: &str, key: &str) -> Result<u64, CgroupError> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    parse(path, value.unwrap_or_default().trim())
}

/// Reads digits that came from `path`.
pub(super) fn parse<T: std::str::FromStr>(path: &Path, digits: &str) -> Result<T, CgroupError> {
    digits.parse().map_err(|_| {
        failed(
            "understand",
            path,
            io::Error::new(io::ErrorKind::InvalidData, format!("{digits:?} is no number")),
        )
    })
}

/// The folders in a folder.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed("list", folder, error))? {
        let entry = entry.map_err(|error| failed("list", folder, error))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
