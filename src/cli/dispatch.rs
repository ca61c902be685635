//! From the command line to the subcommand that does it.

use std::process::ExitCode;

use clap::Parser as _;

use super::args::{Cli, Command};
use super::exit::Exit;
use super::{rootfs, run};

/// Parses the command line, does what it says, and gives the exit status.
pub fn main() -> ExitCode {
    dispatch(Cli::parse()).into()
}

fn dispatch(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => run::execute(&args, &cli.global),
        Command::Rootfs(args) => rootfs::execute(&args, &cli.global),
    }
}
