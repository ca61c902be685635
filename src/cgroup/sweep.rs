//! Removing what killed runs left.

use std::path::{Path, PathBuf};

use super::place::Version;
use super::{CgroupError, files, folder};

/// Kills and removes the cgroups in `parents` whose names start with `prefix`.
pub(super) fn sweep(parents: &[PathBuf], prefix: &str) -> Result<usize, CgroupError> {
    if prefix.is_empty() {
        return Err(CgroupError::Invalid(
            "a sweep of every name would remove cgroups of others".to_owned(),
        ));
    }
    let mut removed = 0;
    let mut first = Ok(());
    for parent in parents {
        // Gone, or no cgroup (any more): nothing of ours can be in it.
        let Ok(Some(version)) = Version::of(parent) else { continue };
        let stale = match files::subfolders(parent) {
            Ok(folders) => folders,
            Err(error) => {
                first = first.and(Err(error));
                continue;
            }
        };
        for path in stale.iter().filter(|path| name_of(path).starts_with(prefix)) {
            match remove(path, version) {
                Ok(true) => removed += 1,
                Ok(false) => {}
                Err(error) => first = first.and(Err(error)),
            }
        }
    }
    first.map(|()| removed)
}

/// Removes one; false if it is to stay.
fn remove(path: &Path, version: Version) -> Result<bool, CgroupError> {
    let occupied =
        || folder::holds_us(path).and_then(|us| Ok(us || !folder::processes(path)?.is_empty()));
    // A leaf holds no jar, but a runner and what it started outside of jars.
    if (name_of(path).ends_with("-leaf") && occupied()?) || folder::holds_us(path)? {
        return Ok(false);
    }
    folder::remove(path, version).map(|()| true)
}

fn name_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
