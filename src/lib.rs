//! Run shell scripts in sealed, freshly namespaced Linux sandboxes, judge
//! them, and prove the isolation.

#![cfg_attr(
    not(feature = "cli"),
    expect(dead_code, unused_imports, reason = "a jar's own terminal is for the command alone")
)]

pub mod cgroup;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "cli")]
mod doctor;
mod error;
mod front;
pub mod rootfs;
mod runner;
pub mod sandbox;
mod seccomp;
mod signals;

pub use belljar_harness as harness;
pub use belljar_harness::Outcome;
pub use belljar_harness::spec::{Limits, RootfsRef};
pub use front::test_main;
pub use rootfs::Rootfs;
pub use runner::{JarOptions, JarRunner, Notice};
pub use sandbox::Sandbox;
