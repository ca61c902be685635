//! What is limited, and what the counters said: plain data.

use std::fmt;
use std::time::Duration;

/// Something that a cgroup can limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Controller {
    /// Bytes of memory.
    Memory,
    /// Bytes of swap.
    Swap,
    /// Number of processes and threads.
    Pids,
    /// Processor time per wall clock.
    Cpus,
}

impl Controller {
    /// Every controller.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Swap, Self::Pids, Self::Cpus];

    /// What the kernel calls it, as in `cgroup.controllers`; swap belongs to `memory`.
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::Memory | Self::Swap => "memory",
            Self::Pids => "pids",
            Self::Cpus => "cpu",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Pids => "pids",
            Self::Cpus => "cpus",
        })
    }
}

/// The ceilings of one jar; `None` is without one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ceilings {
    /// Bytes of memory; the kernel rounds down to whole pages.
    pub memory: Option<u64>,
    /// Bytes of swap on top of `memory`.
    pub swap: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
    /// Processors, such as `1.5`; in steps of a thousandth, at least a hundredth.
    pub cpus: Option<f64>,
}

/// What the counters of a jar's cgroups said; `None` where the kernel keeps none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The highest memory use in bytes.
    pub memory_peak: Option<u64>,
    /// The highest number of processes and threads at once.
    pub processes_peak: Option<u64>,
    /// Processor time of everything that ever ran in the jar.
    pub cpu: Option<Duration>,
    /// How many processes the kernel's OOM killer ended.
    pub oom_kills: u64,
}
