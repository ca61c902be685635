//! A folder that the user has: used as it is.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use belljar_harness::RootfsUsed;

use super::{Rootfs, RootfsError};

/// Takes the folder at `path`, unless it would show the machine or the store.
pub(super) fn resolve(path: &Path, meta: &Metadata, store: &Path) -> Result<Rootfs, RootfsError> {
    let id = |meta: &Metadata| (meta.dev(), meta.ino());
    let root = fs::metadata("/").map_err(RootfsError::io("read the state of", "/"))?;
    if id(meta) == id(&root) {
        return Err(RootfsError::MachineRoot { path: path.to_owned() });
    }
    // By inode, not by name: a bind mount of a folder above the store shows it too.
    for above in store.ancestors() {
        let there = fs::metadata(above).map_err(RootfsError::io("read the state of", above))?;
        if id(&there) == id(meta) {
            return Err(RootfsError::ContainsStore {
                path: path.to_owned(),
                store: store.to_owned(),
            });
        }
    }
    if path.join("oci-layout").is_file() {
        return Err(RootfsError::NotYet {
            what: "an OCI image layout",
            reference: path.display().to_string(),
        });
    }
    let full = fs::canonicalize(path).map_err(RootfsError::io("find", path))?;
    let used = RootfsUsed {
        asked: path.display().to_string(),
        used: full.display().to_string(),
        digest: None,
    };
    Ok(Rootfs { path: full, used, _lock: None })
}

/// The state of what is at `path`, with its absence told apart.
pub(super) fn look(path: &Path) -> Result<Metadata, RootfsError> {
    fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            RootfsError::Missing { path: path.to_owned() }
        }
        _ => RootfsError::io("read the state of", path)(error),
    })
}
