//! The folder of one run: locked while it lives, and what says which cgroups are its own.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::Error;
use crate::cgroup::Cgroups;

const LOCK: &str = "lock";
const CGROUPS: &str = "cgroups";

/// A run's own folder in the store; removed when dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    id: String,
    next: AtomicU64,
    _lock: Flock<File>,
}

impl RunFolder {
    /// Makes and locks a folder below `runs`, after removing what dead runs left there.
    pub(crate) fn create(runs: &Path) -> Result<Self, Error> {
        let fail =
            |doing, path: &Path, source| Error::RunFolder { doing, path: path.to_owned(), source };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(runs)
            .map_err(|e| fail("making the folder of runs", runs, e))?;
        // Under a name that the sweep passes over, until the lock is held.
        let folder = tempfile::Builder::new()
            .prefix("new-")
            .rand_bytes(10)
            .tempdir_in(runs)
            .map_err(|e| fail("making a run folder in", runs, e))?;
        let lock_path = folder.path().join(LOCK);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|e| fail("making the lock", &lock_path, e))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, e)| fail("locking", &lock_path, e.into()))?;
        let random = folder.path().file_name().map(|n| n.to_string_lossy().into_owned());
        let id: String = random.unwrap_or_default().trim_start_matches("new-").to_ascii_lowercase();
        let path = runs.join(&id);
        fs::rename(folder.path(), &path).map_err(|e| fail("naming the run folder", &path, e))?;
        let _ = folder.keep();
        Ok(Self { path, id, next: AtomicU64::new(0), _lock: lock })
    }

    /// The id that names the run's cgroups.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A number that no other jar of this run has.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes in which folders this run makes cgroups, for a later sweep.
    pub(crate) fn note_cgroups(&self, parents: &[PathBuf]) -> Result<(), Error> {
        let mut text = Vec::new();
        for parent in parents {
            text.extend_from_slice(parent.as_os_str().as_encoded_bytes());
            text.push(b'\n');
        }
        let path = self.path.join(CGROUPS);
        fs::write(&path, text).map_err(|source| Error::RunFolder {
            doing: "noting the cgroups in",
            path,
            source,
        })
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // A sweep removes what cannot be removed here.
        let _ = remove_tree(&self.path);
    }
}

/// The prefix of the names of a run's cgroups.
pub(crate) fn cgroup_prefix(run_id: &str) -> String {
    format!("belljar-{run_id}-")
}

/// Removes what dead runs left below `runs`: their processes, cgroups and folders. Says
/// how many runs that were.
pub(crate) fn sweep(runs: &Path) -> Result<usize, Error> {
    let fail =
        |doing, path: &Path, source| Error::RunFolder { doing, path: path.to_owned(), source };
    let entries = match fs::read_dir(runs) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(|e| fail("reading", runs, e))?,
    };
    let mut swept = 0;
    for entry in entries {
        let path = entry.map_err(|e| fail("reading", runs, e))?.path();
        let in_the_making = entry_name(&path).starts_with("new-");
        if in_the_making && !older_than_an_hour(&path) {
            continue;
        }
        let lock = match File::open(path.join(LOCK)) {
            Ok(file) => match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => Some(lock),
                // Its run is alive.
                Err((_, Errno::EWOULDBLOCK)) => continue,
                Err((_, e)) => return Err(fail("locking", &path, e.into())),
            },
            // Being made or removed at this moment; if not, the next hour's sweep has it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if !older_than_an_hour(&path) {
                    continue;
                }
                None
            }
            Err(e) => return Err(fail("opening the lock in", &path, e)),
        };
        let id = entry_name(&path);
        if !id.is_empty() {
            let noted = fs::read(path.join(CGROUPS)).unwrap_or_default();
            let parents: Vec<PathBuf> = noted
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| PathBuf::from(String::from_utf8_lossy(line).into_owned()))
                .collect();
            Cgroups::sweep(&parents, &cgroup_prefix(&id))?;
        }
        match remove_tree(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(fail("removing what a dead run left in", &path, e));
            }
            _ => swept += 1,
        }
        drop(lock);
    }
    Ok(swept)
}

fn entry_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn older_than_an_hour(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .and_then(|m| m.modified())
        .is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() > 3600))
}

/// Removes a folder with everything in it, folders without permissions included (the
/// work folder of an overlay has none).
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            let mut folders = vec![path.to_owned()];
            while let Some(folder) = folders.pop() {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
                for entry in fs::read_dir(&folder)? {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        folders.push(entry.path());
                    }
                }
            }
            fs::remove_dir_all(path)
        }
        other => other,
    }
}
