//! A tar archive that the user has: imported once, under its SHA-256.

use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use belljar_harness::{Cancel, RootfsUsed};
use sha2::{Digest, Sha256};

use super::image::Meta;
use super::lock::{Kind, Lock};
use super::options::{ResolveOptions, Step};
use super::{Rootfs, RootfsError, Store, UnpackError, decompress, unpack};

/// The root filesystem of the archive at `path`.
pub(super) fn resolve(
    store: &Store,
    path: &Path,
    options: &ResolveOptions<'_>,
) -> Result<Rootfs, RootfsError> {
    let file = File::open(path).map_err(RootfsError::io("open", path))?;
    let meta = file.metadata().map_err(RootfsError::io("read the state of", path))?;
    let digest = digest_of(store, path, &file, &meta, options)?;
    let full = fs::canonicalize(path).map_err(RootfsError::io("find", path))?;
    let name = store.name_of(&digest).unwrap_or_else(|| full.display().to_string());
    let opened = store.make_image(&key(&digest), options.cancel, &|_, root| {
        let size = extract(path, root, options)?;
        let after = fs::metadata(path).map_err(RootfsError::io("read the state of", path))?;
        if stamp(&after) != stamp(&meta) {
            return Err(RootfsError::Changed { path: path.to_owned() });
        }
        Ok(Meta::new(name.clone(), Some(format!("sha256:{digest}")), size))
    })?;
    Ok(opened.into_rootfs(RootfsUsed {
        asked: path.display().to_string(),
        used: full.display().to_string(),
        digest: Some(format!("sha256:{digest}")),
    }))
}

/// The key of the image that comes from an archive of this digest.
pub(super) fn key(digest: &str) -> String {
    format!("sha256-{digest}")
}

/// Unpacks the archive into `root`; gives the bytes that its files hold.
pub(super) fn extract(
    path: &Path,
    root: &Path,
    options: &ResolveOptions<'_>,
) -> Result<u64, RootfsError> {
    let failed = |source| match source {
        UnpackError::Interrupted => RootfsError::Interrupted,
        source => RootfsError::Unpack { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(RootfsError::io("open", path))?;
    let total = file.metadata().map_err(RootfsError::io("read the state of", path))?.len();
    let step = Step::start(options.progress, "unpacking", Some(total));
    let mut input = BufReader::with_capacity(1 << 17, Counted { inner: file, step: &step });
    let format = decompress::detect(&mut input)
        .map_err(|error| failed(UnpackError::Read(error)))?
        .map_err(|found| match found {
            Some(what) => RootfsError::NotYet { what, reference: path.display().to_string() },
            None => RootfsError::UnknownFormat { path: path.to_owned() },
        })?;
    unpack::unpack(decompress::reader(format, input), root, options.cancel).map_err(failed)
}

/// Tells how much has been read.
struct Counted<'a, R> {
    inner: R,
    step: &'a Step<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.step.advance(count as u64);
        Ok(count)
    }
}

/// The digest of the archive: from the record of an earlier time if the file is the same.
fn digest_of(
    store: &Store,
    path: &Path,
    file: &File,
    meta: &Metadata,
    options: &ResolveOptions<'_>,
) -> Result<String, RootfsError> {
    let record = store.records().join(format!("{}-{}", meta.dev(), meta.ino()));
    let stamp = stamp(meta);
    if let Some(digest) = recorded(&record, &stamp) {
        return Ok(digest);
    }
    // One process hashes; those who come at the same time wait and read its record.
    let _lock = Lock::take(&store.records().join("lock"), Kind::Exclusive, options.cancel)?;
    if let Some(digest) = recorded(&record, &stamp) {
        return Ok(digest);
    }
    let digest = {
        let step = Step::start(options.progress, "reading", Some(meta.len()));
        hash(&mut Counted { inner: file, step: &step }, options.cancel)
            .map_err(RootfsError::io("read", path))?
            .ok_or(RootfsError::Interrupted)?
    };
    let after = file.metadata().map_err(RootfsError::io("read the state of", path))?;
    if self::stamp(&after) != stamp {
        return Err(RootfsError::Changed { path: path.to_owned() });
    }
    if is_settled(meta, SystemTime::now()) {
        let new = record.with_extension("new");
        fs::write(&new, format!("{stamp} {digest}\n")).map_err(RootfsError::io("write", &new))?;
        fs::rename(&new, &record).map_err(RootfsError::io("move into place", &record))?;
    }
    Ok(digest)
}

fn recorded(record: &PathBuf, stamp: &str) -> Option<String> {
    let text = fs::read_to_string(record).ok()?;
    let digest = text.strip_prefix(stamp)?.strip_prefix(' ')?.trim_end();
    (digest.len() == 64).then(|| digest.to_owned())
}

/// What changes whenever a file does.
fn stamp(meta: &Metadata) -> String {
    format!(
        "{}-{} {} {}.{:09} {}.{:09}",
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    )
}

/// Whether a later change is sure to show in the times: they are no finer than the
/// kernel's clock tick, and on some filesystems than two seconds.
fn is_settled(meta: &Metadata, now: SystemTime) -> bool {
    let Ok(seconds) = u64::try_from(meta.ctime()) else { return false };
    let nanos = u64::try_from(meta.ctime_nsec()).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos);
    let tick = if nanos == 0 { Duration::from_secs(2) } else { Duration::from_millis(50) };
    now.duration_since(changed).is_ok_and(|age| age > tick)
}

/// The SHA-256 of all that `input` gives, in hexadecimal; `None` when asked to stop.
fn hash(input: &mut impl Read, cancel: &Cancel) -> io::Result<Option<String>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        if cancel.is_raised() {
            return Ok(None);
        }
        match input.read(&mut buffer) {
            Ok(0) => return Ok(Some(hex(&hasher.finalize()))),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
