//! The runner that the commands use.

use belljar_harness::run::Notices;
use belljar_harness::{Runner, SetupError};

use super::args::Global;
use super::progress::Progress;
use crate::{JarOptions, JarRunner};

/// Prepares to run sandboxes as the global options say.
///
/// # Errors
/// When the host or the store cannot be used.
pub(super) fn runner(
    global: &Global,
    notices: &Notices,
    progress: &Progress,
) -> Result<Box<dyn Runner>, SetupError> {
    let notices = notices.clone();
    let options = JarOptions {
        store: global.store.clone(),
        offline: global.offline,
        progress: Box::new(progress.downloads()),
        notice: Box::new(move |line| notices.say(line)),
    };
    Ok(Box::new(JarRunner::new(options)?))
}
