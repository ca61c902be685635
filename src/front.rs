//! The front for `cargo test`.

use std::path::Path;
use std::process::ExitCode;

use belljar_harness::libtest;
use belljar_harness::{Cancel, Runner};

use crate::signals::{self, Watch};
use crate::{JarOptions, JarRunner};

/// Runs every case under `root` as a test, for a target with `harness = false`:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     belljar::test_main("tests/cases")
/// }
/// ```
///
/// The path is relative to the package, where cargo runs its tests. Options come from
/// `BELLJAR_*` variables, those of libtest from the command line.
///
/// Ctrl-C and SIGTERM stop what runs and let the rest fail at once; the second exits there and then.
pub fn test_main(root: impl AsRef<Path>) -> ExitCode {
    let cancel = Cancel::new();
    let watch = signals::reap_children().and_then(|()| Watch::start(cancel.clone(), || ()));
    let code = libtest::main(root.as_ref(), &cancel, |notices| {
        let notices = notices.clone();
        let runner = JarRunner::new(JarOptions {
            offline: offline(),
            notice: Box::new(move |line| notices.say(line)),
            ..JarOptions::default()
        })?;
        Ok(Box::new(runner) as Box<dyn Runner + Send>)
    });
    let signal = watch.ok().and_then(|watch| watch.received());
    signal.and_then(|number| u8::try_from(128 + number).ok()).map_or(code, ExitCode::from)
}

/// Whether `BELLJAR_OFFLINE` says so, in the words that the command line understands too.
fn offline() -> bool {
    let value = std::env::var("BELLJAR_OFFLINE").unwrap_or_default().to_ascii_lowercase();
    !matches!(value.as_str(), "" | "0" | "n" | "no" | "f" | "false" | "off")
}
