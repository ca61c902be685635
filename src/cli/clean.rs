//! `belljar clean`: removes what killed runs left.

use std::io::{self, Write as _};

use super::args::Global;
use super::exit::Exit;
use super::output::say_error;
use crate::rootfs::Store;
use crate::sandbox::sweep;

/// Remove what killed runs left: processes, cgroups and folders
///
/// Every run does so by itself when it starts. What belongs to a run that is alive is
/// never touched.
#[derive(Debug, clap::Args)]
pub(crate) struct CleanArgs {}

/// Does `belljar clean`.
pub(crate) fn execute(global: &Global) -> Exit {
    let store = match Store::open(global.store.as_deref()) {
        Ok(store) => store,
        Err(error) => {
            let help = error.remedy().map_or_else(String::new, |help| format!("\n  help: {help}"));
            say_error(format_args!("{}{help}", error.chain()));
            return Exit::FAILED;
        }
    };
    match sweep(&store.runs_dir()) {
        Ok(swept) => {
            let what = match swept {
                0 => "nothing to remove".to_owned(),
                1 => "removed what 1 killed run left".to_owned(),
                n => format!("removed what {n} killed runs left"),
            };
            // Nobody has to listen.
            let _ = writeln!(io::stdout(), "{what}");
            Exit::SUCCESS
        }
        Err(error) => {
            say_error(crate::error::chain(&error));
            Exit::FAILED
        }
    }
}
