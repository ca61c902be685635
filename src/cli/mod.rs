//! The command line: one file per subcommand, and what they share.

mod args;
mod clean;
mod dispatch;
mod doctor;
mod exit;
mod jar;
mod output;
mod progress;
mod relay;
pub mod rootfs;
mod run;
mod shell;
mod terminal;

pub use dispatch::main;
