//! From a parsed command line to the subcommand that does it.

use super::args::{Cli, Command};
use super::exit::Exit;
use super::run;

/// Does what the command line says.
pub(crate) fn dispatch(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => run::execute(args, &cli.global),
    }
}
