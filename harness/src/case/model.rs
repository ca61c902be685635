//! A case as its file describes it, defaults filled in.

use std::path::PathBuf;

use crate::outcome::Property;
use crate::spec::Spec;

/// One case, ready to be planned.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name relative to the case root, such as `memory::oom-kill`.
    pub name: String,
    /// The case file, as a path that the caller can open.
    pub file: PathBuf,
    /// Tags for selection.
    pub tags: Vec<String>,
    /// Why the author wants it skipped.
    pub skip: Option<String>,
    /// What to run.
    pub spec: Spec,
    /// What to expect of it.
    pub expect: Expect,
}

/// What a case expects of its run.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The exit statuses that pass; empty when the ending is given otherwise
    /// (`signal`, `timeout`) or left open by `oom = true`.
    pub exit: Vec<i32>,
    /// The signal that must have ended PID 1.
    pub signal: Option<i32>,
    /// Whether the clock must have ended the run.
    pub timeout: bool,
    /// Whether the kernel must have killed for want of memory.
    pub oom: bool,
    /// Standard output.
    pub stdout: StreamExpect,
    /// Standard error.
    pub stderr: StreamExpect,
    /// Properties that are not judged for this case.
    pub unjudged: Vec<Property>,
}

/// What a case expects of one stream.
#[derive(Clone, Debug, Default)]
pub struct StreamExpect {
    /// The whole stream, byte for byte.
    pub equals: Option<Vec<u8>>,
    /// The snapshot file that `equals` was read from, if it was.
    pub snapshot: Option<PathBuf>,
    /// Each must occur.
    pub contains: Vec<String>,
    /// None may occur.
    pub not_contains: Vec<String>,
    /// Each must match; over bytes, `^` and `$` at lines.
    pub matches: Vec<regex::bytes::Regex>,
}
