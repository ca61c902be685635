//! One sandbox, from specification to outcome.
//!
//! In the order in which things happen: a `request` is `prepare`d into tables, `start`
//! clones a child that works through them (`init`) and reads the `evidence` at its exec,
//! `wait` watches it, and `run` reaps it and tears it down.

mod accounts;
mod api;
mod blueprint;
mod capability;
mod clone;
mod error;
mod evidence;
mod ids;
mod init;
mod lay;
mod mount_table;
mod mounts;
mod prepare;
#[cfg(feature = "cli")]
pub(crate) mod probe;
mod procfs;
mod report;
mod request;
mod run;
mod run_folder;
mod start;
pub(crate) mod stdio;
mod step;
mod sys;
mod tables;
pub(crate) mod terminal;
mod wait;
mod weaken;

mod engine;

pub use api::Sandbox;
pub use error::Error;
pub use request::Bind;
pub use weaken::Weaken;

pub(crate) use engine::{Engine, Started};
pub(crate) use request::{Program, Request};
pub(crate) use run_folder::sweep;

/// The folder inside that the script stands in.
pub(crate) const SCRIPT_FOLDER: &str = ".belljar";
