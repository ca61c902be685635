//! Locks between processes, on files of the store.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use belljar_harness::Cancel;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::RootfsError;

/// Whether others may hold the lock too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any number of holders.
    Shared,
    /// One holder and nobody else.
    Exclusive,
}

/// A lock that ends when it is dropped, or when the process dies.
#[derive(Debug)]
pub(super) struct Lock(Flock<File>);

impl Lock {
    /// Takes the lock, waiting for whoever holds it; the file is made if need be.
    pub(super) fn take(path: &Path, kind: Kind, cancel: &Cancel) -> Result<Self, RootfsError> {
        loop {
            let file = open(path).map_err(RootfsError::io("open the lock", path))?;
            let lock = match Flock::lock(file, nonblocking(kind)) {
                Ok(lock) => lock,
                Err((file, Errno::EWOULDBLOCK)) => wait(file, kind, cancel)?
                    .map_err(|errno| RootfsError::io("take the lock", path)(errno.into()))?,
                Err((_, errno)) => {
                    return Err(RootfsError::io("take the lock", path)(errno.into()));
                }
            };
            // Whoever held it may have removed the file, and then the name is another lock.
            if is_at(&lock, path).map_err(RootfsError::io("read the state of", path))? {
                return Ok(Self(lock));
            }
        }
    }

    /// Takes the lock if nobody holds it.
    pub(super) fn try_take(path: &Path, kind: Kind) -> Result<Option<Self>, RootfsError> {
        loop {
            let file = open(path).map_err(RootfsError::io("open the lock", path))?;
            match Flock::lock(file, nonblocking(kind)) {
                Ok(lock) => {
                    if is_at(&lock, path).map_err(RootfsError::io("read the state of", path))? {
                        return Ok(Some(Self(lock)));
                    }
                }
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, errno)) => {
                    return Err(RootfsError::io("take the lock", path)(errno.into()));
                }
            }
        }
    }

    /// Locks a folder that exists.
    pub(super) fn folder(path: &Path, kind: Kind) -> Result<Self, RootfsError> {
        let file = File::open(path).map_err(RootfsError::io("open the folder", path))?;
        Flock::lock(
            file,
            if kind == Kind::Shared { FlockArg::LockShared } else { FlockArg::LockExclusive },
        )
        .map(Self)
        .map_err(|(_, errno)| RootfsError::io("lock the folder", path)(errno.into()))
    }

    /// Locks a folder that exists against everybody, if nobody holds a lock on it.
    pub(super) fn try_folder(path: &Path) -> Result<Option<Self>, RootfsError> {
        let file = File::open(path).map_err(RootfsError::io("open the folder", path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(RootfsError::io("lock the folder", path)(errno.into())),
        }
    }

    /// Sets the file's time to now if it is older than a minute: when it was last used.
    pub(super) fn touch(&self) {
        let now = SystemTime::now();
        let fresh = self.0.metadata().and_then(|meta| meta.modified()).is_ok_and(|then| {
            now.duration_since(then).is_ok_and(|age| age < Duration::from_secs(60))
        });
        if !fresh {
            // Only a hint for whoever tidies up: a store on a full disk still works.
            let _ = self.0.set_modified(now);
        }
    }
}

fn nonblocking(kind: Kind) -> FlockArg {
    match kind {
        Kind::Shared => FlockArg::LockSharedNonblock,
        Kind::Exclusive => FlockArg::LockExclusiveNonblock,
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn is_at(lock: &Flock<File>, path: &Path) -> io::Result<bool> {
    let ours = lock.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits in a thread of its own, since flock(2) cannot be interrupted from another
/// thread. Where the wait is given up, that thread lets go of the lock once it gets it.
fn wait(
    file: File,
    kind: Kind,
    cancel: &Cancel,
) -> Result<Result<Flock<File>, Errno>, RootfsError> {
    let (sender, receiver) = mpsc::channel();
    let raised = sender.clone();
    let _guard = cancel.on_raise(move || {
        let _ = raised.send(None);
    });
    std::thread::spawn(move || {
        let argument = match kind {
            Kind::Shared => FlockArg::LockShared,
            Kind::Exclusive => FlockArg::LockExclusive,
        };
        let _ = sender.send(Some(Flock::lock(file, argument).map_err(|(_, errno)| errno)));
    });
    match receiver.recv() {
        Ok(Some(result)) => Ok(result),
        Ok(None) | Err(_) => Err(RootfsError::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::fcntl::{Flock, FlockArg};

    use super::{Kind, Lock, is_at, open};

    #[test]
    fn a_lock_is_known_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Flock::lock(open(&path).unwrap(), FlockArg::LockExclusive).unwrap();
        assert!(is_at(&lock, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&lock, &path).unwrap());
        // Somebody else's lock of the same name.
        let other = Lock::try_take(&path, Kind::Exclusive).unwrap();
        assert!(other.is_some());
        assert!(!is_at(&lock, &path).unwrap());
        assert!(Lock::try_take(&path, Kind::Shared).unwrap().is_none());
        drop(other);
        let _one = Lock::try_take(&path, Kind::Shared).unwrap().unwrap();
        assert!(Lock::try_take(&path, Kind::Shared).unwrap().is_some());
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
    }
}
