//! The `belljar` command: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;

fn main() -> ExitCode {
    cli::dispatch(cli::Cli::parse()).into()
}
