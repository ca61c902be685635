//! The `belljar` command: parse, dispatch, exit code.

use std::process::ExitCode;

use belljar::cli::{Cli, dispatch};
use clap::Parser as _;

fn main() -> ExitCode {
    dispatch(Cli::parse()).into()
}
