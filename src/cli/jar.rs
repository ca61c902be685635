//! The runner that the commands use.

use std::error::Error;

use belljar::harness::Runner;
use belljar::harness::run::Notices;
use belljar::{JarOptions, JarRunner};

use super::args::Global;

/// Prepares to run sandboxes as the global options say.
///
/// # Errors
/// When the host or the store cannot be used: the whole chain of causes in one line.
pub(crate) fn runner(global: &Global, notices: &Notices) -> Result<Box<dyn Runner>, String> {
    let options = JarOptions {
        store: global.store.clone(),
        offline: global.offline,
        notices: notices.clone(),
    };
    match JarRunner::new(options) {
        Ok(runner) => Ok(Box::new(runner)),
        Err(error) => Err(chain(&error)),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // A transparent wrapper says what its cause says.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
