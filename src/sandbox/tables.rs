//! What every jar of this process needs to know of the kernel, read once.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use nix::unistd::Uid;

/// A path below `/proc` or `/sys`, and whether it is a folder.
pub(crate) type Place = (CString, bool);

/// The kernel's side of the tables that a child works through.
#[derive(Debug)]
pub(crate) struct Tables {
    /// The highest capability that the kernel knows.
    pub(crate) last_capability: u8,
    /// What is covered, of that which exists here.
    pub(crate) masked: Vec<Place>,
    /// What is made read-only, of that which exists here.
    pub(crate) read_only: Vec<Place>,
    /// Device nodes to show.
    pub(crate) devices: Vec<(CString, CString)>,
    /// Resource limits of a fresh process, within those of the caller.
    pub(crate) rlimits: Vec<(u32, libc::rlimit64)>,
    /// Those that are beyond the caller's own hard limits: root outside raises them.
    pub(crate) raised: Vec<(libc::__rlimit_resource_t, libc::rlimit64)>,
    /// Whether this process's OOM score is not the default and has to be reset in jars.
    pub(crate) reset_oom_score: bool,
}

/// What tells of the host or reaches into it: the list of the OCI runtimes.
const MASKED: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/timer_list",
    "proc/timer_stats",
    "proc/sched_debug",
    "proc/scsi",
    "sys/firmware",
    "sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

impl Tables {
    /// Reads them.
    pub(crate) fn read() -> Self {
        let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
        let oom_score = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        let limits = rlimits();
        Self {
            raised: if Uid::effective().is_root() { limits.raised } else { Vec::new() },
            last_capability: last.trim().parse().unwrap_or(40),
            masked: existing(&MASKED),
            read_only: existing(&READ_ONLY),
            devices: DEVICES
                .iter()
                .filter_map(|name| {
                    Some((CString::new(*name).ok()?, CString::new(format!("/dev/{name}")).ok()?))
                })
                .collect(),
            rlimits: limits.set,
            reset_oom_score: !matches!(oom_score.trim(), "0" | ""),
        }
    }
}

fn existing(paths: &[&str]) -> Vec<Place> {
    paths
        .iter()
        .filter_map(|path| {
            let kind = fs::symlink_metadata(Path::new("/").join(path)).ok()?;
            Some((CString::new(*path).ok()?, kind.is_dir()))
        })
        .collect()
}

/// The limits that a login would have on a plain system: those of the kernel's first
/// process, with the soft limit of descriptors that select(2) needs and no core files.
fn rlimits() -> Rlimits {
    const NONE: u64 = libc::RLIM64_INFINITY;
    const STACK: u64 = 8 << 20;
    let wanted = [
        (libc::RLIMIT_AS, NONE, NONE),
        (libc::RLIMIT_CORE, 0, 0),
        (libc::RLIMIT_CPU, NONE, NONE),
        (libc::RLIMIT_DATA, NONE, NONE),
        (libc::RLIMIT_FSIZE, NONE, NONE),
        (libc::RLIMIT_LOCKS, NONE, NONE),
        (libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
        (libc::RLIMIT_MSGQUEUE, 819_200, 819_200),
        (libc::RLIMIT_NICE, 0, 0),
        (libc::RLIMIT_NOFILE, 1024, 524_288),
        (libc::RLIMIT_NPROC, NONE, NONE),
        (libc::RLIMIT_RSS, NONE, NONE),
        (libc::RLIMIT_RTPRIO, 0, 0),
        (libc::RLIMIT_RTTIME, NONE, NONE),
        (libc::RLIMIT_STACK, STACK, NONE),
    ];
    let mut limits = Rlimits { set: Vec::new(), raised: Vec::new() };
    for (resource, soft, hard) in wanted {
        let mut current = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to a local that outlives the call.
        if unsafe { libc::getrlimit64(resource, &raw mut current) } != 0 {
            continue;
        }
        if hard > current.rlim_max {
            // Only a process with privileges outside the jar can do this.
            limits.raised.push((resource, libc::rlimit64 { rlim_cur: soft, rlim_max: hard }));
        }
        let hard = hard.min(current.rlim_max);
        let limit = libc::rlimit64 { rlim_cur: soft.min(hard), rlim_max: hard };
        if limit.rlim_cur != current.rlim_cur || limit.rlim_max != current.rlim_max {
            #[expect(clippy::unnecessary_cast, reason = "the type differs between C libraries")]
            limits.set.push((resource as u32, limit));
        }
    }
    limits
}

struct Rlimits {
    set: Vec<(u32, libc::rlimit64)>,
    raised: Vec<(libc::__rlimit_resource_t, libc::rlimit64)>,
}
