//! Memory, swap, process and processor ceilings through control groups, on v1,
//! hybrid and v2 hosts.
//!
//! [`Cgroups::probe`] finds out where this process may make cgroups,
//! [`Cgroups::create`] makes the one of a jar, and [`JarCgroup`] carries it from
//! its limits to its counters and its removal.

mod ceilings;
mod error;
mod jar;
mod probe;
mod sweep;

pub use ceilings::{Ceilings, Controller, Usage};
pub use error::CgroupError;
pub use jar::{JarCgroup, OomWatch};
pub use probe::Cgroups;
