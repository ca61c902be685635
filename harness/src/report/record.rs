//! One case as the machine-readable formats write it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use crate::case::Case;
use crate::expect::Failure;
use crate::outcome::{Captured, Ending, Evidence};
use crate::run::{CaseResult, Status};

/// One case in JSON. Times are in seconds, sizes in bytes; what is not known,
/// because the case did not run or the host does not count it, is `null`.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    name: String,
    file: String,
    status: Status,
    reason: Option<String>,
    attempts: u32,
    flaky: bool,
    duration: f64,
    rootfs: Rootfs,
    hostname: String,
    exit: Option<Exit>,
    oom: bool,
    timed_out: bool,
    memory_limit: Option<u64>,
    memory_peak: Option<u64>,
    processes_peak: Option<u64>,
    cpu: Option<f64>,
    stdout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    stdout_bytes: u64,
    stdout_truncated: bool,
    stderr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    stderr_bytes: u64,
    stderr_truncated: bool,
    isolation: Vec<Evidence>,
    /// Not collected yet, which is not the same as none.
    changes: Option<()>,
    failures: Vec<Failure>,
}

#[derive(Clone, Debug, Serialize)]
struct Rootfs {
    asked: String,
    used: Option<String>,
    digest: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
}

impl Record {
    /// The record of one case.
    pub fn new(case: &Case, result: &CaseResult) -> Self {
        let outcome = result.outcome.as_ref();
        let nothing = Captured::default();
        let stdout = outcome.map_or(&nothing, |o| &o.stdout);
        let stderr = outcome.map_or(&nothing, |o| &o.stderr);
        let (stdout_text, stdout_base64) = text(&stdout.bytes);
        let (stderr_text, stderr_base64) = text(&stderr.bytes);
        Self {
            name: case.name.clone(),
            file: case.file.to_string_lossy().into_owned(),
            status: result.status,
            reason: match (&result.reason, &result.remedy) {
                (Some(reason), Some(remedy)) => Some(format!("{reason}; {remedy}")),
                (reason, _) => reason.clone(),
            },
            attempts: u32::from(outcome.is_some() || result.status == Status::Error),
            flaky: false,
            duration: outcome.map_or(0.0, |o| o.duration.as_secs_f64()),
            rootfs: match outcome {
                Some(outcome) => Rootfs {
                    asked: outcome.rootfs.asked.clone(),
                    used: Some(outcome.rootfs.used.clone()),
                    digest: outcome.rootfs.digest.clone(),
                },
                None => Rootfs { asked: case.spec.rootfs.to_string(), used: None, digest: None },
            },
            hostname: case.spec.hostname.clone(),
            exit: outcome.map(|o| match o.ending {
                Ending::Exit(code) => Exit { code: Some(code), signal: None },
                Ending::Signal(number) => Exit { code: None, signal: Some(number) },
                Ending::Timeout => Exit { code: None, signal: None },
            }),
            oom: outcome.is_some_and(|o| o.oom_kills > 0),
            timed_out: outcome.is_some_and(|o| o.ending == Ending::Timeout),
            memory_limit: outcome.and_then(|o| o.memory_limit),
            memory_peak: outcome.and_then(|o| o.memory_peak),
            processes_peak: outcome.and_then(|o| o.processes_peak),
            cpu: outcome.and_then(|o| o.cpu).as_ref().map(Duration::as_secs_f64),
            stdout: stdout_text,
            stdout_base64,
            stdout_bytes: stdout.total,
            stdout_truncated: stdout.truncated(),
            stderr: stderr_text,
            stderr_base64,
            stderr_bytes: stderr.total,
            stderr_truncated: stderr.truncated(),
            isolation: outcome.map(|o| o.evidence.clone()).unwrap_or_default(),
            changes: None,
            failures: result.failures.clone(),
        }
    }
}

/// The text, and the bytes in base64 if the text does not say all.
fn text(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(BASE64.encode(bytes))),
    }
}
