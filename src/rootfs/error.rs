//! What can go wrong with a root filesystem, and what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use belljar_harness::SetupError;

/// Why a root filesystem could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// The kernel refused an operation on a file.
    #[error("could not {doing} `{}`", path.display())]
    Io {
        /// What was being done, as in "could not ...".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Neither a store was named nor a home folder is known.
    #[error("no folder for the store is known: neither XDG_CACHE_HOME nor HOME is set")]
    NoStoreFolder,
    /// The store belongs to somebody else.
    #[error("the store `{}` belongs to user {owner}, and this is user {caller}", path.display())]
    StoreOwner {
        /// The store.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        caller: u32,
    },
    /// The folder named as store holds something else.
    #[error("`{}` is not empty and is no belljar store", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The store was made by a version that lays it out in another way.
    #[error("the store `{}` has layout {found:?}, which this version does not know", path.display())]
    StoreLayout {
        /// The store.
        path: PathBuf,
        /// What its `layout` file says.
        found: String,
    },
    /// There is nothing at the path.
    #[error("there is no folder or archive at `{}`", path.display())]
    Missing {
        /// The path as asked for.
        path: PathBuf,
    },
    /// The path is neither a folder nor a regular file.
    #[error("`{}` is neither a folder nor an archive", path.display())]
    NotARoot {
        /// The path.
        path: PathBuf,
    },
    /// The root of this machine was asked for.
    #[error("`{}` is the root of this machine, which no sandbox may have as its own", path.display())]
    MachineRoot {
        /// The path as asked for.
        path: PathBuf,
    },
    /// The folder holds the store, which a sandbox must not see.
    #[error("`{}` contains the store `{}`, which no sandbox may see", path.display(), store.display())]
    ContainsStore {
        /// The folder.
        path: PathBuf,
        /// The store in it.
        store: PathBuf,
    },
    /// A source or format that is planned but not built.
    #[error("{what} is not yet supported (`{reference}`)")]
    NotYet {
        /// What is not supported.
        what: &'static str,
        /// The reference as asked for.
        reference: String,
    },
    /// The file is in no format that is known.
    #[error("`{}` is no tar archive, plain or compressed with gzip, xz or zstd", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The archive could not be unpacked.
    #[error("could not unpack `{}`", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: UnpackError,
    },
    /// The archive was written to while it was being read.
    #[error("`{}` changed while it was being read", path.display())]
    Changed {
        /// The archive.
        path: PathBuf,
    },
    /// The download failed.
    #[error("could not fetch ubuntu:20.04 from {url}")]
    Fetch {
        /// The address.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// The root is not in the store, and fetching is forbidden.
    #[error("{reference} is not in the store, and fetching is switched off by --offline")]
    Offline {
        /// The reference.
        reference: String,
    },
    /// There is no official archive that is known for this architecture.
    #[error("no ubuntu:20.04 archive is pinned for the architecture {arch}")]
    NoPin {
        /// The architecture as Rust names it.
        arch: &'static str,
    },
    /// `BELLJAR_MIRROR` cannot be used.
    #[error("BELLJAR_MIRROR is `{value}`, which is no http:// or https:// address{detail}")]
    Mirror {
        /// Its value.
        value: String,
        /// More about it, or nothing.
        detail: &'static str,
    },
    /// The host does not have what a snapshot needs.
    #[error("this machine cannot be used as a root filesystem: {what}")]
    Host {
        /// What is missing.
        what: String,
    },
    /// The root is in use.
    #[error("{name} is in use by a running sandbox or another belljar")]
    InUse {
        /// The name of the root.
        name: String,
    },
    /// Nothing in the store answers to the name.
    #[error("there is no root filesystem `{selector}` in the store")]
    NotInStore {
        /// What was asked for.
        selector: String,
    },
    /// More than one root answers to the name.
    #[error("`{selector}` means more than one root filesystem: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        selector: String,
        /// What it could mean.
        candidates: Vec<String>,
    },
    /// Only `ubuntu:20.04` and `auto` come from somewhere.
    #[error("`{reference}` is nothing that can be pulled")]
    NotPullable {
        /// The reference.
        reference: String,
    },
    /// A request to stop came in between.
    #[error("interrupted while preparing a root filesystem")]
    Interrupted,
}

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The archive could not be read, or its compression is damaged.
    #[error("the archive is corrupt or truncated")]
    Read(#[source] io::Error),
    /// The archive ends before its end marker.
    #[error("the archive is truncated: it ends without an end marker")]
    Truncated,
    /// A path that would leave the root.
    #[error("the entry `{entry}` would leave the root filesystem")]
    Escape {
        /// The entry's path.
        entry: String,
    },
    /// A path with a byte 0, or an empty link target.
    #[error("the entry `{entry}` has an impossible path or link target")]
    Path {
        /// The entry's path.
        entry: String,
    },
    /// A hard link to something that is not there.
    #[error("the entry `{entry}` is a hard link to `{target}`")]
    HardLink {
        /// The entry's path.
        entry: String,
        /// What it links to.
        target: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A kind of entry that is not known.
    #[error("the entry `{entry}` is of a kind that is not supported ({kind})")]
    Kind {
        /// The entry's path.
        entry: String,
        /// The kind, in words.
        kind: String,
    },
    /// The entry could not be written.
    #[error("could not write the entry `{entry}`")]
    Write {
        /// The entry's path.
        entry: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A well-formed archive with nothing in it.
    #[error("the archive is empty")]
    Empty,
    /// An image of containers, not a root filesystem.
    #[error("{what} is not yet supported")]
    Image {
        /// Which kind.
        what: &'static str,
    },
    /// A request to stop came in between.
    #[error("interrupted")]
    Interrupted,
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection came about, or it broke.
    #[error("{what}")]
    Transport {
        /// What failed.
        what: String,
        /// What the library said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server answered with an error.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The connection ended too early.
    #[error("the connection was cut after {got} of {expected} bytes")]
    Cut {
        /// Bytes that came.
        got: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// Nothing came for too long.
    #[error("the server sent nothing for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// The archive is not the pinned one.
    #[error("its SHA-256 is {got}, and {expected} is expected; nothing of it was kept")]
    Digest {
        /// The digest of what came.
        got: String,
        /// The pin.
        expected: String,
    },
    /// The connection did not come about in time.
    #[error("no connection within {} s", .0.as_secs_f32())]
    Connect(Duration),
    /// The archive could not be written down.
    #[error("could not write what came")]
    Write(#[source] io::Error),
    /// The archive is larger than any that is pinned.
    #[error("more than {limit} bytes came, which is no archive that is expected")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
    /// The proxy that the environment names cannot be used.
    #[error("the proxy `{0}` is no address that can be used")]
    Proxy(String),
    /// An earlier attempt failed, a short time ago.
    #[error("{reason} (tried {} min ago)", .ago.as_secs() / 60)]
    Remembered {
        /// What went wrong then.
        reason: String,
        /// How long ago.
        ago: Duration,
    },
    /// This belljar was built without the cargo feature `fetch`.
    #[error("this belljar was built without the feature `fetch`")]
    NotBuilt,
}

impl RootfsError {
    pub(super) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// What to do about it, as one sentence or command, if that is known.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or name a store on a larger disk with --store or BELLJAR_STORE"
                    .to_owned()
            }
            Self::NoStoreFolder => "set BELLJAR_STORE or pass --store DIR".to_owned(),
            Self::StoreOwner { .. } | Self::NotAStore { .. } => {
                "name a folder of your own with --store or BELLJAR_STORE".to_owned()
            }
            Self::StoreLayout { .. } => {
                "use a newer belljar, or name another folder with --store or BELLJAR_STORE"
                    .to_owned()
            }
            Self::MachineRoot { .. } => "use `host` for a snapshot of this machine".to_owned(),
            Self::ContainsStore { .. } => {
                "name a store outside of it with --store or BELLJAR_STORE".to_owned()
            }
            Self::NotYet { .. } => {
                "export a root filesystem as a tar archive and name that".to_owned()
            }
            Self::Unpack { source: UnpackError::Image { .. }, .. } => {
                "make a plain root filesystem of it (`docker export CONTAINER -o FILE.tar`) and \
                 name that"
                    .to_owned()
            }
            Self::Unpack { source: UnpackError::Write { source, .. }, .. }
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                "free some space, or name a store on a larger disk with --store or BELLJAR_STORE"
                    .to_owned()
            }
            Self::Unpack { .. } => "get or make the archive again".to_owned(),
            Self::Fetch { source: FetchError::NotBuilt, .. } => {
                "get the archive by other means and name its path (`belljar rootfs import FILE`), \
                 or use `--rootfs host`"
                    .to_owned()
            }
            Self::Fetch { source: FetchError::Digest { got, .. }, .. } => format!(
                "try another mirror with BELLJAR_MIRROR, or end its address in `#sha256={got}` if \
                 this very archive is wanted"
            ),
            Self::Fetch { .. } | Self::Offline { .. } => {
                "set BELLJAR_MIRROR to a mirror that can be reached, or bring the archive in with \
                 `belljar rootfs import FILE`, or use `--rootfs host`"
                    .to_owned()
            }
            Self::NoPin { .. } => {
                "name the path of an archive or a folder, or use `--rootfs host`".to_owned()
            }
            Self::Mirror { .. } => {
                "set it to an address such as https://mirror.example/ubuntu".to_owned()
            }
            Self::Host { .. } => {
                "name the path of an archive or a folder, or use `--rootfs ubuntu:20.04`".to_owned()
            }
            Self::InUse { .. } => "try again when it has ended".to_owned(),
            Self::NotInStore { .. } | Self::Ambiguous { .. } => {
                "`belljar rootfs list` shows what there is".to_owned()
            }
            Self::NotPullable { .. } => {
                "pull `ubuntu:20.04`, or bring an archive in with `belljar rootfs import FILE`"
                    .to_owned()
            }
            Self::Io { .. }
            | Self::Missing { .. }
            | Self::NotARoot { .. }
            | Self::UnknownFormat { .. }
            | Self::Changed { .. }
            | Self::Interrupted => return None,
        })
    }

    /// The error and everything that caused it, in one line.
    pub fn chain(&self) -> String {
        crate::error::chain(self)
    }

    /// Whether the caller asked to stop.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Unpack { source: UnpackError::Interrupted, .. })
    }
}

impl From<RootfsError> for SetupError {
    fn from(error: RootfsError) -> Self {
        Self { message: error.chain(), remedy: error.remedy(), interrupted: error.is_interrupted() }
    }
}
