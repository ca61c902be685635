//! From the command line to the subcommand that does it.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use super::args::{Cli, Command};
use super::exit::Exit;
use super::output::say_error;
use super::{clean, doctor, rootfs, run, shell};
use crate::signals;

/// Parses the command line, does what it says, and gives the exit status.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match signals::reap_children() {
            Ok(()) => dispatch(cli).into(),
            Err(error) => {
                say_error(format_args!("cannot reset SIGCHLD: {error}"));
                Exit::SETUP.into()
            }
        },
        Err(error) => {
            let _ = error.print();
            refused(&error).into()
        }
    }
}

/// The status for a command line that is wrong, or that only asks for help.
fn refused(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        return Exit::SUCCESS;
    }
    // 2 may be the status of a shell inside.
    let understood = Cli::command().ignore_errors(true).try_get_matches();
    match understood {
        Ok(matches) if matches.subcommand_name() == Some("shell") => Exit::BELLJAR,
        _ => Exit::USAGE,
    }
}

fn dispatch(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => run::execute(&args, &cli.global),
        Command::Rootfs(args) => rootfs::execute(&args, &cli.global),
        Command::Shell(args) => shell::execute(&args, &cli.global),
        Command::Doctor(args) => doctor::execute(&args, &cli.global),
        Command::Clean(_) => clean::execute(&cli.global),
    }
}
