//! What a sandbox did: the observations of one run, as plain data.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What happened to one script, as observed from outside, after teardown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How PID 1 ended.
    pub ending: Ending,
    /// How often the kernel's counter of OOM kills moved.
    pub oom_kills: u64,
    /// From the script's start to its end.
    pub duration: Duration,
    /// The memory ceiling in bytes, as read back from the kernel.
    pub memory_limit: Option<u64>,
    /// The highest memory use in bytes.
    pub memory_peak: Option<u64>,
    /// The highest number of processes and threads at once.
    pub processes_peak: Option<u64>,
    /// Processor time of the whole jar.
    pub cpu: Option<Duration>,
    /// What was written to standard output.
    pub stdout: Captured,
    /// What was written to standard error.
    pub stderr: Captured,
    /// What was proved about the isolation, in the order of [`Property::ALL`].
    pub evidence: Vec<Evidence>,
    /// Which root filesystem it ran on.
    pub rootfs: RootfsUsed,
}

/// How PID 1 ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exit(i32),
    /// A signal of this number ended it.
    Signal(i32),
    /// The clock ended it.
    Timeout,
}

/// One captured stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, up to the `output` limit.
    pub bytes: Vec<u8>,
    /// How many bytes were written in all.
    pub total: u64,
}

impl Captured {
    /// Whether some of the output was thrown away.
    pub fn truncated(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

/// The root filesystem that a script ran on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootfsUsed {
    /// The reference as asked for.
    pub asked: String,
    /// The reference that it came to.
    pub used: String,
    /// `sha256:…` of the archive, for roots that come from one.
    pub digest: Option<String>,
}

/// One thing that is proved about every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// The hostname is the one asked for, in a UTS namespace of its own.
    Hostname,
    /// PID 1 is the shell, in a pid namespace of its own.
    PidNamespace,
    /// The mount table is the one that was built.
    MountNamespace,
    /// There is no network interface but `lo`.
    NetworkNamespace,
    /// System V and POSIX message queues are its own.
    IpcNamespace,
    /// The cgroup tree starts at its own cgroup.
    CgroupNamespace,
    /// Ids are mapped by a user namespace of its own.
    UserNamespace,
    /// The kernel enforces the memory ceiling asked for.
    MemoryCeiling,
    /// The kernel enforces the ceiling on processes asked for.
    PidsCeiling,
    /// The capability sets are those asked for.
    Capabilities,
    /// `no_new_privs` is set.
    NoNewPrivileges,
    /// A seccomp filter is in force.
    Seccomp,
    /// No descriptor but standard input, output and error is open.
    Descriptors,
    /// The root filesystem below was reachable only read-only.
    RootfsUntouched,
    /// No process, mount, cgroup or folder remains.
    NoLeftovers,
}

impl Property {
    /// Every property, in the order in which it is reported.
    pub const ALL: [Self; 15] = [
        Self::Hostname,
        Self::PidNamespace,
        Self::MountNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::CgroupNamespace,
        Self::UserNamespace,
        Self::MemoryCeiling,
        Self::PidsCeiling,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Seccomp,
        Self::Descriptors,
        Self::RootfsUntouched,
        Self::NoLeftovers,
    ];

    /// The name used in case files and reports, such as `pid-namespace`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hostname => "hostname",
            Self::PidNamespace => "pid-namespace",
            Self::MountNamespace => "mount-namespace",
            Self::NetworkNamespace => "network-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::CgroupNamespace => "cgroup-namespace",
            Self::UserNamespace => "user-namespace",
            Self::MemoryCeiling => "memory-ceiling",
            Self::PidsCeiling => "pids-ceiling",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Seccomp => "seccomp",
            Self::Descriptors => "descriptors",
            Self::RootfsUntouched => "rootfs-untouched",
            Self::NoLeftovers => "no-leftovers",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a property was seen to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It held.
    Held,
    /// It did not hold.
    Broken,
    /// Nobody asked for it, or the host cannot give it and the case did not write it.
    NotAsked,
}

/// One property with what was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Which property.
    pub property: Property,
    /// Whether it held.
    pub state: State,
    /// What was seen, in few words.
    pub observed: String,
}
