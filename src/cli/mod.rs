//! The command line: one file per subcommand, and what they share.

mod args;
mod dispatch;
mod exit;
mod jar;
mod output;
mod progress;
mod run;
mod signals;

pub(crate) use args::Cli;
pub(crate) use dispatch::dispatch;
