//! Memory, swap, process and processor ceilings through control groups, on v1,
//! hybrid and v2 hosts.
//!
//! [`Cgroups::probe`] finds out where this process may make cgroups,
//! [`Cgroups::create`] makes the one of a jar, and [`JarCgroup`] carries it from
//! its limits to its counters and its removal.
//!
//! Limits are written through the controllers of cgroups-rs, one by one, each
//! read back from the kernel; the files that it does not know (events, peaks,
//! `cgroup.kill`, `memory.oom.group`) are read and written here.

mod ceilings;
mod error;
mod files;
mod folder;
mod jar;
mod lack;
mod limits;
mod oom;
mod place;
mod probe;
mod procfs;
mod sweep;
mod v1;
mod v2;

pub use ceilings::{Ceilings, Controller, Usage};
pub use error::CgroupError;
pub use jar::JarCgroup;
pub use oom::OomWatch;
pub use probe::Cgroups;
