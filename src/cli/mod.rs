//! The command line: one file per subcommand, and what they share.

mod args;
mod dispatch;
mod exit;
mod jar;
mod output;
mod progress;
pub mod rootfs;
mod run;

pub use dispatch::main;
