//! A request to stop that reaches whoever waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Shared {
    raised: AtomicBool,
    hooks: Mutex<Vec<Option<Hook>>>,
}

/// A handle that asks everything that runs to stop; clones share one state.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

impl Cancel {
    /// A request that has not been made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the request has been made.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Makes the request: every registered hook is called, in this thread.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        for hook in hooks.iter().flatten() {
            hook();
        }
    }

    /// Calls `hook` when the request is made, or at once if it was made already,
    /// until the guard is dropped. After the drop `hook` is not running and never will be.
    pub fn on_raise(&self, hook: impl Fn() + Send + 'static) -> CancelGuard<'_> {
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_raised() {
            hook();
        }
        let hook: Option<Hook> = Some(Box::new(hook));
        let slot = if let Some(free) = hooks.iter().position(Option::is_none) {
            hooks[free] = hook;
            free
        } else {
            hooks.push(hook);
            hooks.len() - 1
        };
        CancelGuard { cancel: self, slot }
    }
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancel").field("raised", &self.is_raised()).finish_non_exhaustive()
    }
}

/// Keeps a hook registered; see [`Cancel::on_raise`].
#[derive(Debug)]
pub struct CancelGuard<'a> {
    cancel: &'a Cancel,
    slot: usize,
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        let mut hooks = self.cancel.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks[self.slot] = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Cancel;

    #[test]
    fn hooks_run_once_raised_and_not_after_their_guard() {
        let cancel = Cancel::new();
        let count = Arc::new(AtomicUsize::new(0));
        let hook = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(cancel.on_raise(hook(&count)));
        let kept = cancel.on_raise(hook(&count));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        cancel.raise();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        drop(kept);
        let late = cancel.on_raise(hook(&count));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        drop(late);
    }
}
