//! What a user should know about a run, a line each, said once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Where a runner says in one line what the user should know, such as which root
/// filesystem `auto` came to. Clones share one sink; the same line is said once only.
#[derive(Clone)]
pub struct Notices(Arc<Inner>);

struct Inner {
    sink: Sink,
    said: Mutex<BTreeSet<String>>,
}

impl Notices {
    /// Notices that go to `sink`, from whichever thread has one.
    pub fn new(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { sink: Box::new(sink), said: Mutex::default() }))
    }

    /// Says `line`, unless it was said before.
    pub fn say(&self, line: &str) {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(line.to_owned()) {
            // Still locked: two threads that say the same wait for it to be out.
            (self.0.sink)(line);
        }
    }
}

impl Default for Notices {
    /// Notices that nobody reads.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::Notices;

    #[test]
    fn a_line_is_said_once() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&said);
        let notices = Notices::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        let clone = notices.clone();
        notices.say("auto is host");
        clone.say("auto is host");
        clone.say("no pids");
        assert_eq!(*said.lock().unwrap(), ["auto is host", "no pids"]);
    }
}
