//! From a parsed command line to the subcommand that does it.

use std::io;

use belljar_harness::Cancel;

use super::args::{Cli, Command, Global};
use super::exit::Exit;
use super::output::say_error;
use super::signals::Watch;
use super::{rootfs, run};

/// Does what the command line says.
pub fn dispatch(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => run::execute(&args, &cli.global),
        Command::Rootfs(args) => look_after_store(&args, &cli.global),
    }
}

fn look_after_store(args: &rootfs::Args, global: &Global) -> Exit {
    let cancel = Cancel::new();
    let watch = match Watch::start(cancel.clone(), || {}) {
        Ok(watch) => watch,
        Err(error) => {
            say_error(format_args!("cannot watch for signals: {error}"));
            return Exit::FAILED;
        }
    };
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let store = global.store.as_deref();
    let status = rootfs::run(args, store, global.offline, &cancel, &mut out, &mut err);
    watch.received().filter(|_| status != 0).map_or(Exit::status(status), Exit::signal)
}
