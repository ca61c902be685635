//! Run shell scripts in sealed, freshly namespaced Linux sandboxes, judge
//! them, and prove the isolation.

pub mod cgroup;
#[cfg(feature = "cli")]
pub mod cli;
mod error;
pub mod rootfs;
mod runner;
pub mod sandbox;

pub use belljar_harness as harness;
pub use runner::{JarOptions, JarRunner, Notice};
