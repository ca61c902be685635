//! The store: where root filesystems are kept, and the way from a reference to one.
//!
//! ```text
//! layout            "1"
//! images/KEY/       root/ and meta.json; moved here whole, never changed after
//! images/KEY.lock   shared by those who use it, exclusive to make or remove it
//! records/          which archive (by inode, size and times) has which digest
//! runs/             a folder per run, made and removed by the sandboxes
//! tmp/              what is being made
//! ```

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use belljar_harness::spec::RootfsRef;
use belljar_harness::{Cancel, RootfsUsed};
use nix::unistd::geteuid;

use super::image::Meta;
use super::lock::{Kind, Lock};
use super::options::ResolveOptions;
use super::ubuntu::Sources;
use super::work::Work;
use super::{Image, Rootfs, RootfsError, archive, folder};

const LAYOUT: &str = "1\n";
const FOLDERS: [&str; 4] = ["images", "records", "runs", "tmp"];

/// The place where root filesystems are kept.
///
/// It may be used by any number of threads, and beside any number of other processes.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    pub(super) sources: Sources,
    /// What `auto` came to, and the snapshot of the host: settled once per process.
    pub(super) auto: Mutex<Option<Rootfs>>,
    pub(super) host: Mutex<Option<Rootfs>>,
}

impl Store {
    /// Opens the store at `explicit`, else at `BELLJAR_STORE`, else `/var/lib/belljar` for
    /// root and `belljar` in the XDG cache folder for everybody else; it is made if need be.
    ///
    /// `BELLJAR_MIRROR` is read here too.
    ///
    /// # Errors
    /// When it cannot be made, is somebody else's, or holds something else.
    pub fn open(explicit: Option<&Path>) -> Result<Self, RootfsError> {
        let path = match explicit {
            Some(path) => path.to_owned(),
            None => default_path(|name| env::var_os(name), geteuid().is_root())?,
        };
        let mirror = env::var("BELLJAR_MIRROR").ok();
        Self::open_with(&path, Sources::new(mirror.as_deref()))
    }

    /// Opens a store that takes `ubuntu:20.04` from somewhere else.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[doc(hidden)]
    pub fn open_with(path: &Path, sources: Sources) -> Result<Self, RootfsError> {
        let path = prepare(path)?;
        Ok(Self { path, sources, auto: Mutex::default(), host: Mutex::default() })
    }

    /// The folder of the store, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder in which each run makes one of its own.
    pub fn runs_dir(&self) -> PathBuf {
        self.path.join("runs")
    }

    pub(super) fn images(&self) -> PathBuf {
        self.path.join("images")
    }

    pub(super) fn records(&self) -> PathBuf {
        self.path.join("records")
    }

    pub(super) fn work(&self) -> Result<Work, RootfsError> {
        Work::new(&self.path.join("tmp"))
    }

    /// Turns a reference into a folder, fetching, importing or making what is not there yet.
    ///
    /// What is there already costs a few system calls. Whoever asks while another thread or
    /// process is at work waits for it.
    ///
    /// # Errors
    /// See [`RootfsError`]; nothing half made is kept.
    pub fn resolve(
        &self,
        reference: &RootfsRef,
        options: &ResolveOptions<'_>,
    ) -> Result<Rootfs, RootfsError> {
        match reference {
            RootfsRef::Auto => self.resolve_auto(options),
            RootfsRef::Host => self.resolve_host("host", options),
            RootfsRef::Ubuntu2004 => self.resolve_ubuntu("ubuntu:20.04", options),
            RootfsRef::Path(path) => {
                let meta = folder::look(path)?;
                if meta.is_dir() {
                    folder::resolve(path, &meta, &self.path)
                } else if meta.is_file() {
                    archive::resolve(self, path, options)
                } else {
                    Err(RootfsError::NotARoot { path: path.clone() })
                }
            }
            RootfsRef::Oci(_) => Err(RootfsError::NotYet {
                what: "a registry as source",
                reference: reference.to_string(),
            }),
            RootfsRef::Bootstrap(_) => Err(RootfsError::NotYet {
                what: "bootstrapping a suite",
                reference: reference.to_string(),
            }),
        }
    }

    /// Brings an archive into the store.
    ///
    /// # Errors
    /// When it is no archive that is known, or is damaged.
    pub fn import(&self, path: &Path, options: &ResolveOptions<'_>) -> Result<Rootfs, RootfsError> {
        if folder::look(path)?.is_dir() {
            return Err(RootfsError::NotARoot { path: path.to_owned() });
        }
        self.resolve(&RootfsRef::Path(path.to_owned()), options)
    }

    /// Fetches a root filesystem unless it is in the store already.
    ///
    /// # Errors
    /// When it is not one that is fetched from anywhere, or the download fails.
    pub fn pull(
        &self,
        reference: &RootfsRef,
        options: &ResolveOptions<'_>,
    ) -> Result<Rootfs, RootfsError> {
        match reference {
            RootfsRef::Ubuntu2004 | RootfsRef::Oci(_) | RootfsRef::Bootstrap(_) => {
                self.resolve(reference, options)
            }
            RootfsRef::Auto | RootfsRef::Host | RootfsRef::Path(_) => {
                Err(RootfsError::NotPullable { reference: reference.to_string() })
            }
        }
    }

    /// Everything that the store holds, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Vec<Image>, RootfsError> {
        let folder = self.images();
        let mut images = Vec::new();
        for entry in fs::read_dir(&folder).map_err(RootfsError::io("list", &folder))? {
            let entry = entry.map_err(RootfsError::io("list", &folder))?;
            let Ok(key) = entry.file_name().into_string() else { continue };
            if is_lock(&key) {
                continue;
            }
            let path = entry.path().join("meta.json");
            let meta = match fs::read(&path) {
                Ok(bytes) => read_meta(&bytes, &path)?,
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(RootfsError::io("read", path)(error)),
            };
            let created = UNIX_EPOCH + Duration::from_secs(meta.created);
            let lock = self.lock_path(&key);
            let last_used = fs::metadata(&lock).and_then(|meta| meta.modified()).unwrap_or(created);
            let in_use = lock.exists() && Lock::try_take(&lock, Kind::Exclusive)?.is_none();
            images.push(Image {
                name: meta.name,
                digest: meta.digest,
                size: meta.size,
                created,
                last_used,
                in_use,
                key,
            });
        }
        images.sort_by(|a, b| (&a.name, &a.key).cmp(&(&b.name, &b.key)));
        Ok(images)
    }

    /// Removes the root filesystem of this name or digest (`sha256:...`; at least four digits do).
    ///
    /// # Errors
    /// When there is none or more than one, or when it is in use.
    pub fn remove(&self, selector: &str) -> Result<Image, RootfsError> {
        let mut found: Vec<Image> =
            self.list()?.into_iter().filter(|image| answers(image, selector)).collect();
        if found.len() > 1 {
            return Err(RootfsError::Ambiguous {
                selector: selector.to_owned(),
                candidates: found
                    .into_iter()
                    .map(|image| image.digest.unwrap_or(image.key))
                    .collect(),
            });
        }
        let image =
            found.pop().ok_or_else(|| RootfsError::NotInStore { selector: selector.to_owned() })?;
        if self.discard(&image.key)? {
            Ok(image)
        } else {
            Err(RootfsError::InUse { name: image.name })
        }
    }

    /// Removes an image unless somebody holds on to it; says whether it is gone.
    pub(super) fn discard(&self, key: &str) -> Result<bool, RootfsError> {
        let lock_path = self.lock_path(key);
        let Some(_lock) = Lock::try_take(&lock_path, Kind::Exclusive)? else {
            return Ok(false);
        };
        let path = self.images().join(key);
        let work = self.work()?;
        // Out of sight in one step; the slow part comes after, and a sweep would finish it.
        match fs::rename(&path, work.join("removed")) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(RootfsError::io("remove", path)(error)),
        }
        fs::remove_file(&lock_path).map_err(RootfsError::io("remove", lock_path))?;
        Ok(true)
    }

    fn lock_path(&self, key: &str) -> PathBuf {
        self.images().join(format!("{key}.lock"))
    }

    /// The image of this key, if it is there, locked against removal.
    pub(super) fn open_image(
        &self,
        key: &str,
        cancel: &Cancel,
    ) -> Result<Option<Opened>, RootfsError> {
        let path = self.images().join(key);
        if !path.exists() {
            return Ok(None);
        }
        let lock = Lock::take(&self.lock_path(key), Kind::Shared, cancel)?;
        // It may have been removed before the lock was ours.
        if !path.exists() {
            return Ok(None);
        }
        lock.touch();
        Ok(Some(Opened { path, lock }))
    }

    /// The image of this key; `make` fills a folder with it if it is not there.
    pub(super) fn make_image(
        &self,
        key: &str,
        cancel: &Cancel,
        make: &dyn Fn(&Work, &Path) -> Result<Meta, RootfsError>,
    ) -> Result<Opened, RootfsError> {
        let path = self.images().join(key);
        loop {
            if let Some(opened) = self.open_image(key, cancel)? {
                return Ok(opened);
            }
            let lock_path = self.lock_path(key);
            let _lock = Lock::take(&lock_path, Kind::Exclusive, cancel)?;
            if path.exists() {
                continue;
            }
            if let Err(error) = self.make_locked(&path, cancel, make) {
                // Those who wait see that it is gone, and try for themselves.
                let _ = fs::remove_file(&lock_path);
                return Err(error);
            }
        }
    }

    fn make_locked(
        &self,
        path: &Path,
        cancel: &Cancel,
        make: &dyn Fn(&Work, &Path) -> Result<Meta, RootfsError>,
    ) -> Result<(), RootfsError> {
        if cancel.is_raised() {
            return Err(RootfsError::Interrupted);
        }
        let work = self.work()?;
        let image = work.join("image");
        let root = image.join("root");
        DirBuilder::new()
            .recursive(true)
            .create(&root)
            .map_err(RootfsError::io("make the folder", &root))?;
        fs::set_permissions(&root, Permissions::from_mode(0o755))
            .map_err(RootfsError::io("set the mode of", &root))?;
        let meta = make(&work, &root)?;
        let file = image.join("meta.json");
        let text = serde_json::to_vec(&meta)
            .map_err(|error| RootfsError::io("write", &file)(error.into()))?;
        fs::write(&file, text).map_err(RootfsError::io("write", &file))?;
        fs::rename(&image, path).map_err(RootfsError::io("move into place", path))
    }
}

/// An image that cannot go away.
pub(super) struct Opened {
    path: PathBuf,
    lock: Lock,
}

impl Opened {
    pub(super) fn into_rootfs(self, used: RootfsUsed) -> Rootfs {
        Rootfs { path: self.path.join("root"), used, _lock: Some(Arc::new(self.lock)) }
    }
}

fn is_lock(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "lock")
}

fn read_meta(bytes: &[u8], path: &Path) -> Result<Meta, RootfsError> {
    serde_json::from_slice(bytes).map_err(|error| RootfsError::io("read", path)(error.into()))
}

fn answers(image: &Image, selector: &str) -> bool {
    if image.name == selector || image.key == selector {
        return true;
    }
    let digits = selector.strip_prefix("sha256:").unwrap_or(selector);
    digits.len() >= 4
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && image
            .digest
            .as_deref()
            .and_then(|digest| digest.strip_prefix("sha256:"))
            .is_some_and(|digest| digest.starts_with(&digits.to_ascii_lowercase()))
}

pub(super) fn settled<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn default_path(
    variable: impl Fn(&str) -> Option<OsString>,
    root: bool,
) -> Result<PathBuf, RootfsError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("BELLJAR_STORE") {
        return Ok(path);
    }
    if root {
        return Ok(PathBuf::from("/var/lib/belljar"));
    }
    // The XDG base directory specification: a relative path counts as not set.
    set("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("belljar"))
        .ok_or(RootfsError::NoStoreFolder)
}

/// Makes the store if need be, and checks that it is ours alone.
fn prepare(path: &Path) -> Result<PathBuf, RootfsError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(RootfsError::io("make the folder", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(RootfsError::io("make the store", path)(error)),
    }
    let path = fs::canonicalize(path).map_err(RootfsError::io("find the store", path))?;
    let meta = fs::metadata(&path).map_err(RootfsError::io("read the state of", &path))?;
    if !meta.is_dir() {
        return Err(RootfsError::NotAStore { path });
    }
    let caller = geteuid().as_raw();
    if meta.uid() != caller {
        return Err(RootfsError::StoreOwner { path, owner: meta.uid(), caller });
    }
    if !has_layout(&path)? {
        // One process lays the store out, and none takes a half laid one for something else.
        let _lock = Lock::folder(&path, Kind::Exclusive)?;
        if !has_layout(&path)? {
            lay_out(&path)?;
        }
    }
    if meta.mode() & 0o777 != 0o700 {
        fs::set_permissions(&path, Permissions::from_mode(0o700))
            .map_err(RootfsError::io("set the mode of", &path))?;
    }
    Ok(path)
}

fn has_layout(path: &Path) -> Result<bool, RootfsError> {
    let file = path.join("layout");
    match fs::read_to_string(&file) {
        Ok(text) if text == LAYOUT => Ok(true),
        Ok(text) => Err(RootfsError::StoreLayout {
            path: path.to_owned(),
            found: text.trim().chars().take(40).collect(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RootfsError::io("read", file)(error)),
    }
}

fn lay_out(path: &Path) -> Result<(), RootfsError> {
    for entry in fs::read_dir(path).map_err(RootfsError::io("list", path))? {
        let name = entry.map_err(RootfsError::io("list", path))?.file_name();
        // What a process left that was killed while it laid the store out is fine.
        let ours = name.to_str().is_some_and(|name| FOLDERS.contains(&name) || name == ".layout");
        if !ours {
            return Err(RootfsError::NotAStore { path: path.to_owned() });
        }
    }
    for name in FOLDERS {
        let folder = path.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(RootfsError::io("make the folder", &folder))?;
    }
    let new = path.join(".layout");
    fs::write(&new, LAYOUT).map_err(RootfsError::io("write", &new))?;
    fs::rename(&new, path.join("layout")).map_err(RootfsError::io("move into place", new))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::default_path;

    #[test]
    fn the_place_of_the_store() {
        let with = |set: &'static [(&str, &str)], root| {
            default_path(
                |name| set.iter().find(|(key, _)| *key == name).map(|(_, v)| OsString::from(v)),
                root,
            )
        };
        let all = &[("BELLJAR_STORE", "/s"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(with(all, true).unwrap(), Path::new("/s"));
        assert_eq!(with(&all[1..], true).unwrap(), Path::new("/var/lib/belljar"));
        assert_eq!(with(&all[1..], false).unwrap(), Path::new("/x/belljar"));
        assert_eq!(with(&all[2..], false).unwrap(), Path::new("/h/.cache/belljar"));
        let odd = &[("XDG_CACHE_HOME", "relative"), ("HOME", "/h"), ("BELLJAR_STORE", "")];
        assert_eq!(with(odd, false).unwrap(), Path::new("/h/.cache/belljar"));
        assert!(with(&[], false).is_err());
    }
}
