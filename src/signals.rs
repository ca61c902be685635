//! Ctrl-C and SIGTERM: the first ends a run cleanly, the second at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use crate::harness::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// Watches for signals until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    first: Arc<AtomicI32>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Raises `cancel` at the first signal, after telling `on_first`. At the second
    /// the process exits there and then; the sandboxes die with it.
    pub(crate) fn start(cancel: Cancel, on_first: impl Fn() + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let first = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&first);
        let watch = move || {
            for signal in signals.forever() {
                if seen.swap(signal, Ordering::SeqCst) != 0 {
                    signal_hook::low_level::exit(128 + signal);
                }
                on_first();
                cancel.raise();
            }
        };
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
        Ok(Self { first, handle, thread: Some(thread) })
    }

    /// The last signal that came, if one did.
    pub(crate) fn received(&self) -> Option<i32> {
        match self.first.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// Ends the watch. Gives the last signal that came, if one did; whatever comes from
    /// here on is not for this watch.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.end();
        self.received()
    }

    fn end(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Gives SIGCHLD its default disposition: where a parent left it ignored, the kernel reaps
/// our children before we can ask how they ended (`waitpid(2)`).
pub(crate) fn reap_children() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: the default disposition runs no code of ours.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    Ok(())
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}
