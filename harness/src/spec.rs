//! What a sandbox is asked to be: the plan of one run, as plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Everything a [`Runner`](crate::Runner) needs to run one script once.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The name of the case, for messages.
    pub name: String,
    /// The hostname inside.
    pub hostname: String,
    /// The root filesystem.
    pub rootfs: RootfsRef,
    /// The argument vector that the script's path (and then `args`) is appended to.
    pub shell: Vec<String>,
    /// The script's file name inside (no folder), such as `oom-kill.sh`.
    pub script_name: String,
    /// The script, byte for byte as its author wrote it.
    pub script: Vec<u8>,
    /// Arguments after the script's path.
    pub args: Vec<String>,
    /// Environment on top of the base one (PATH, HOME, LANG, HOSTNAME).
    pub env: BTreeMap<String, String>,
    /// What the script reads on its standard input.
    pub stdin: Vec<u8>,
    /// The working directory; made if it does not exist.
    pub workdir: String,
    /// Who runs the script inside.
    pub user: User,
    /// Files laid into the root filesystem before the start, parents first.
    pub files: Vec<FileSpec>,
    /// The ceilings.
    pub limits: Limits,
    /// Wall clock from the script's start; `None` for no limit.
    pub timeout: Option<Duration>,
    /// Bytes kept of each of stdout and stderr.
    pub output: u64,
    /// Which network the script sees.
    pub network: Network,
    /// Which capabilities the script keeps.
    pub capabilities: Capabilities,
    /// Whether `no_new_privs` (prctl(2)) is set.
    pub no_new_privileges: bool,
}

impl Spec {
    /// Bytes kept of each stream where nobody says otherwise.
    pub const OUTPUT: u64 = 1 << 20;
    /// The wall clock where nobody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(60);

    /// A plan with every default, for a script.
    pub fn new(name: impl Into<String>, script: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            hostname: "belljar".to_owned(),
            rootfs: RootfsRef::Auto,
            shell: vec!["/bin/bash".to_owned()],
            script_name: "script.sh".to_owned(),
            script: script.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            workdir: "/".to_owned(),
            user: User::Root,
            files: Vec::new(),
            limits: Limits::default(),
            timeout: Some(Self::TIMEOUT),
            output: Self::OUTPUT,
            network: Network::None,
            capabilities: Capabilities::Default,
            no_new_privileges: true,
        }
    }
}

/// A value together with who wants it: a default may be dropped where the host
/// cannot enforce it, a written value never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<T> {
    /// The value.
    pub value: T,
    /// Whether the case itself wrote it.
    pub written: bool,
}

impl<T> Asked<T> {
    /// A value that nobody wrote.
    pub const fn default_of(value: T) -> Self {
        Self { value, written: false }
    }

    /// A value that the case wrote.
    pub const fn written(value: T) -> Self {
        Self { value, written: true }
    }
}

/// The ceilings of one sandbox; `None` means without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Asked<Option<u64>>,
    /// Bytes of swap on top of `memory`.
    pub swap: Asked<Option<u64>>,
    /// Number of processes and threads.
    pub pids: Asked<Option<u64>>,
    /// Processors, such as `1.5`.
    pub cpus: Asked<Option<f64>>,
    /// Bytes of the writable layer.
    pub disk: Asked<u64>,
}

impl Limits {
    /// Bytes of memory where nobody says otherwise.
    pub const MEMORY: u64 = 256 << 20;
    /// Processes where nobody says otherwise.
    pub const PIDS: u64 = 256;
    /// Bytes of the writable layer without a memory ceiling; with one it is half of that.
    pub const DISK: u64 = 256 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Asked::default_of(Some(Self::MEMORY)),
            swap: Asked::default_of(Some(0)),
            pids: Asked::default_of(Some(Self::PIDS)),
            cpus: Asked::default_of(None),
            disk: Asked::default_of(Self::MEMORY / 2),
        }
    }
}

/// A reference to a root filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RootfsRef {
    /// `ubuntu:20.04` if it is in the store or can be fetched, else the host snapshot.
    Auto,
    /// A snapshot of this machine's bash, core tools and their libraries.
    Host,
    /// Canonical's Ubuntu Base 20.04.
    Ubuntu2004,
    /// A folder or an archive; absolute or relative to the working directory.
    Path(PathBuf),
    /// An image of a registry, without the `oci://` prefix.
    Oci(String),
    /// A Debian or Ubuntu suite, without the `bootstrap:` prefix.
    Bootstrap(String),
}

impl fmt::Display for RootfsRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Host => f.write_str("host"),
            Self::Ubuntu2004 => f.write_str("ubuntu:20.04"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Oci(name) => write!(f, "oci://{name}"),
            Self::Bootstrap(suite) => write!(f, "bootstrap:{suite}"),
        }
    }
}

impl RootfsRef {
    /// Reads a reference; a relative path is taken from `base`.
    ///
    /// # Errors
    /// A message that says which references exist, when `text` is none of them.
    pub fn parse(text: &str, base: &std::path::Path) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "host" => Ok(Self::Host),
            "ubuntu:20.04" => Ok(Self::Ubuntu2004),
            _ => {
                if let Some(image) = text.strip_prefix("oci://") {
                    Ok(Self::Oci(image.to_owned()))
                } else if let Some(suite) = text.strip_prefix("bootstrap:") {
                    Ok(Self::Bootstrap(suite.to_owned()))
                } else if text.contains('/') {
                    Ok(Self::Path(base.join(text)))
                } else {
                    Err(format!(
                        "`{text}` is no rootfs reference: use auto, host, ubuntu:20.04, or a path \
                         (a path contains a `/`, as in `./{text}`)"
                    ))
                }
            }
        }
    }
}

/// Who runs the script inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// Uid and gid 0.
    Root,
    /// A name that the `/etc/passwd` of the root filesystem knows.
    Name(String),
    /// Numeric ids; the gid is the user's own in `/etc/passwd`, or equal to the uid, if not given.
    Ids(u32, Option<u32>),
}

/// Which network the script sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network namespace with nothing but `lo`.
    None,
    /// The caller's own.
    Host,
}

/// Which capabilities the script keeps, all of them relative to its user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// Docker's set less `CAP_MKNOD`.
    Default,
    /// None at all.
    None,
    /// All of them.
    All,
    /// These, as numbers of capabilities(7).
    List(Vec<u8>),
}

impl Capabilities {
    /// The set that Docker gives to a container, less `CAP_MKNOD`, which leans on a device
    /// cgroup: chown, `dac_override`, fowner, fsetid, kill, setgid, setuid, setpcap,
    /// `net_bind_service`, `net_raw`, `sys_chroot`, `audit_write`, setfcap.
    pub const DEFAULT: [u8; 13] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31];
}

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// The absolute path inside.
    pub path: String,
    /// What stands there.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub owner: User,
}

/// What stands at a path of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file with this content.
    File(Vec<u8>),
    /// A folder.
    Directory,
    /// A symbolic link with this target.
    Symlink(String),
}
