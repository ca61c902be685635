//! The runner that the commands use.

use super::args::Global;
use super::progress::Progress;
use crate::harness::Runner;
use crate::harness::run::Notices;
use crate::{JarOptions, JarRunner};

/// Prepares to run sandboxes as the global options say.
///
/// # Errors
/// When the host or the store cannot be used: the whole chain of causes, and what to do.
pub(crate) fn runner(
    global: &Global,
    notices: &Notices,
    progress: &Progress,
) -> Result<Box<dyn Runner>, String> {
    let notices = notices.clone();
    let options = JarOptions {
        store: global.store.clone(),
        offline: global.offline,
        progress: Box::new(progress.downloads()),
        notice: Box::new(move |line| notices.say(line)),
    };
    match JarRunner::new(options) {
        Ok(runner) => Ok(Box::new(runner)),
        Err(error) => {
            let chain = crate::error::chain(&error);
            Err(error.remedy().map_or(chain.clone(), |remedy| format!("{chain}\n  help: {remedy}")))
        }
    }
}
