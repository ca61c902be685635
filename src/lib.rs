//! Run shell scripts in sealed, freshly namespaced Linux sandboxes, judge
//! them, and prove the isolation.

pub use belljar_harness as harness;

pub mod rootfs;

#[cfg(feature = "cli")]
pub mod cli;
