//! The pure half of belljar: case files, expectations, plans, scheduling and
//! reports. Nothing in this crate touches namespaces, mounts or cgroups; a
//! [`Runner`] does that, and what crosses between the two is plain data.

pub mod cancel;
pub mod case;
pub mod expect;
pub mod host;
pub mod libtest;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod run;
pub mod runner;
pub mod spec;
#[cfg(test)]
mod testing;

pub use cancel::Cancel;
pub use host::{CgroupLayout, HostFacts, Lack};
pub use outcome::{Captured, Ending, Evidence, Outcome, Property, RootfsUsed, State};
pub use runner::{Runner, SetupError};
pub use spec::Spec;
