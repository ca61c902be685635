//! A store of its own for every test, and archives made byte by byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use belljar::harness::Cancel;
use belljar::harness::spec::RootfsRef;
use belljar::rootfs::{Pin, Progress, ResolveOptions, Rootfs, RootfsError, Sources, Store};
use tempfile::TempDir;

/// A store in a folder that goes away, with nothing to fetch from, and everything it said.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) steps: Steps,
    pub(crate) notices: Mutex<Vec<String>>,
    pub(crate) cancel: Cancel,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(nowhere())
    }

    pub(crate) fn with(sources: Sources) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(&folder.path().join("store"), sources).unwrap();
        Self {
            folder,
            store,
            steps: Steps::default(),
            notices: Mutex::default(),
            cancel: Cancel::new(),
        }
    }

    /// A path beside the store.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The store as another process would open it.
    pub(crate) fn reopened(&self, sources: Sources) -> Store {
        Store::open_with(self.store.path(), sources).unwrap()
    }

    pub(crate) fn resolve_in(
        &self,
        store: &Store,
        reference: &RootfsRef,
        offline: bool,
    ) -> Result<Rootfs, RootfsError> {
        let notice = |line: &str| self.notices.lock().unwrap().push(line.to_owned());
        let options = ResolveOptions {
            offline,
            progress: &self.steps,
            notice: &notice,
            cancel: &self.cancel,
        };
        store.resolve(reference, &options)
    }

    pub(crate) fn resolve(&self, reference: &RootfsRef) -> Result<Rootfs, RootfsError> {
        self.resolve_in(&self.store, reference, false)
    }

    pub(crate) fn import(&self, archive: &[u8]) -> Result<Rootfs, RootfsError> {
        let path = self.file("archive", archive);
        self.resolve(&RootfsRef::Path(path))
    }

    /// That a failure left nothing: no image, nothing half made.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.store.list().unwrap(), []);
        for folder in ["images", "tmp"] {
            let left: Vec<_> = fs::read_dir(self.store.path().join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(left, [""; 0], "{folder}");
        }
    }
}

/// What was shown, and how often.
#[derive(Default)]
pub(crate) struct Steps {
    started: Mutex<Vec<String>>,
    ended: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Steps {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.started.lock().unwrap())
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }
}

impl Progress for Steps {
    fn start(&self, what: &str, _: Option<u64>) {
        self.started.lock().unwrap().push(what.to_owned());
    }

    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    fn finish(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// Sources that nobody serves: port 1 of this machine refuses.
pub(crate) fn nowhere() -> Sources {
    sources("http://127.0.0.1:1/base.tar.gz", &"0".repeat(64))
}

pub(crate) fn sources(url: &str, sha256: &str) -> Sources {
    Sources {
        ubuntu: Ok(Pin { url: url.to_owned(), sha256: sha256.to_owned() }),
        connect: Duration::from_secs(10),
        connect_auto: Duration::from_secs(10),
        stall: Duration::from_secs(20),
        remember: Duration::from_secs(600),
    }
}

/// A tar archive, made block by block, so that it can say what no decent tool would.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

pub(crate) struct Entry<'a> {
    pub(crate) kind: u8,
    pub(crate) path: &'a str,
    pub(crate) link: &'a str,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) content: &'a [u8],
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self { kind: b'0', path: "", link: "", mode: 0o644, owner: (0, 0), content: b"" }
    }
}

/// The time of every entry.
pub(crate) const TIME: i64 = 1_234_567_890;

impl Tar {
    pub(crate) fn entry(mut self, entry: &Entry<'_>) -> Self {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(entry.path.len() <= 100 && entry.link.len() <= 100, "too long for a header");
        put(0, entry.path.as_bytes());
        put(100, format!("{:07o}", entry.mode).as_bytes());
        put(108, format!("{:07o}", entry.owner.0).as_bytes());
        put(116, format!("{:07o}", entry.owner.1).as_bytes());
        put(124, format!("{:011o}", entry.content.len()).as_bytes());
        put(136, format!("{TIME:011o}").as_bytes());
        put(148, b"        ");
        put(156, &[entry.kind]);
        put(157, entry.link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(entry.content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.entry(&Entry { path, content: content.as_bytes(), ..Entry::default() })
    }

    pub(crate) fn folder(self, path: &str, mode: u32) -> Self {
        self.entry(&Entry { kind: b'5', path, mode, ..Entry::default() })
    }

    pub(crate) fn symlink(self, path: &str, link: &str) -> Self {
        self.entry(&Entry { kind: b'2', path, link, ..Entry::default() })
    }

    pub(crate) fn hard_link(self, path: &str, link: &str) -> Self {
        self.entry(&Entry { kind: b'1', path, link, ..Entry::default() })
    }

    /// The archive without its end marker.
    pub(crate) fn open_ended(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A small root with a program that could be bash.
pub(crate) fn small_root() -> Vec<u8> {
    Tar::default()
        .folder("./", 0o755)
        .folder("./usr/", 0o755)
        .folder("./usr/bin/", 0o755)
        .entry(&Entry { path: "./usr/bin/bash", mode: 0o755, content: b"#!", ..Entry::default() })
        .symlink("./bin", "usr/bin")
        .folder("./etc/", 0o755)
        .file("./etc/os-release", "ID=test\n")
        .bytes()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Whether a name in `images/` is that of a lock, which may outlive its image.
pub(crate) fn is_lock(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "lock")
}

pub(crate) fn read(rootfs: &Rootfs, path: &str) -> String {
    fs::read_to_string(rootfs.path.join(path)).unwrap()
}

pub(crate) fn by_path(path: &Path) -> RootfsRef {
    RootfsRef::Path(path.to_owned())
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
