//! Folders of the store in which something is being made.
//!
//! Each holds a file `lock` that its maker has locked; what a killed maker left is
//! known by a lock that nobody holds.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::RootfsError;
use super::lock::{Kind, Lock};

/// A folder that is removed with everything in it when dropped.
#[derive(Debug)]
pub(super) struct Work {
    tmp: PathBuf,
    folder: TempDir,
    _lock: Lock,
}

impl Work {
    /// Makes a folder in `tmp`, after removing those whose makers are gone.
    pub(super) fn new(tmp: &Path) -> Result<Self, RootfsError> {
        sweep(tmp)?;
        // A sweep in between must not take the folder for an abandoned one.
        let _making = Lock::folder(tmp, Kind::Shared)?;
        let folder = tempfile::Builder::new()
            .prefix("work-")
            .tempdir_in(tmp)
            .map_err(RootfsError::io("make a folder in", tmp))?;
        let path = folder.path().join("lock");
        let lock = Lock::try_take(&path, Kind::Exclusive)?
            .ok_or_else(|| RootfsError::io("lock", path)(std::io::ErrorKind::WouldBlock.into()))?;
        Ok(Self { tmp: tmp.to_owned(), folder, _lock: lock })
    }

    /// A path in the folder.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Two that remove one folder would be in each other's way. What cannot be removed
        // now is swept by the next.
        let _removing = Lock::folder(&self.tmp, Kind::Shared);
        let _ = fs::remove_dir_all(self.folder.path());
    }
}

/// Removes the folders whose makers are gone, unless somebody makes or removes one just now.
fn sweep(tmp: &Path) -> Result<(), RootfsError> {
    let Some(_sweeping) = Lock::try_folder(tmp)? else { return Ok(()) };
    for entry in fs::read_dir(tmp).map_err(RootfsError::io("list", tmp))? {
        let path = entry.map_err(RootfsError::io("list", tmp))?.path();
        if Lock::try_take(&path.join("lock"), Kind::Exclusive)?.is_some() {
            fs::remove_dir_all(&path).map_err(RootfsError::io("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Work;

    #[test]
    fn only_abandoned_folders_are_swept() {
        let tmp = tempfile::tempdir().unwrap();
        let held = Work::new(tmp.path()).unwrap();
        let dead = tmp.path().join("work-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        fs::write(dead.join("archive"), "half").unwrap();
        let next = Work::new(tmp.path()).unwrap();
        assert!(!dead.exists());
        assert!(held.join("lock").exists());
        drop((held, next));
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
    }
}
