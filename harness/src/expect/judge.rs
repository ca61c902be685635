//! The judge: what a case expects against what was observed.

use serde::Serialize;

use super::stream;
use super::text::{seconds, signal, size};
use crate::case::Case;
use crate::outcome::{Ending, Outcome, Property, State};

/// What the judge says about one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Passed exactly when there is no failure.
    pub status: VerdictStatus,
    /// What did not hold, the causes first.
    pub failures: Vec<Failure>,
}

/// Whether a case did what its author expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictStatus {
    /// Every expectation held.
    Passed,
    /// At least one did not.
    Failed,
}

/// One expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its key below `[expect]`, such as `exit`, `stdout.contains` or `isolation.hostname`.
    pub expectation: String,
    /// What was expected and what was seen, in one line that follows the key and a colon.
    pub message: String,
    /// The difference, for streams that should have been equal.
    pub diff: Option<String>,
}

impl Failure {
    /// A failure without a diff.
    pub fn new(expectation: impl Into<String>, message: impl Into<String>) -> Self {
        Self { expectation: expectation.into(), message: message.into(), diff: None }
    }
}

/// Judges one run.
///
/// A run that the kernel or the clock cut short against expectation fails for that
/// alone: neither its ending nor its streams are judged, since they only echo it.
/// The isolation is judged in any case, and a property without evidence is as bad
/// as a broken one.
pub fn judge(case: &Case, outcome: &Outcome) -> Verdict {
    let expect = &case.expect;
    let mut failures = Vec::new();

    let unexpected_oom = outcome.oom_kills > 0 && !expect.oom;
    let unexpected_timeout = outcome.ending == Ending::Timeout && !expect.timeout;
    if unexpected_oom {
        failures.push(Failure::new("oom", out_of_memory(outcome)));
    }
    if unexpected_timeout {
        failures.push(Failure::new("timeout", timed_out(case, outcome)));
    }
    if expect.oom && outcome.oom_kills == 0 {
        failures.push(Failure::new(
            "oom",
            format!(
                "expected an OOM kill, but the kernel counted none: {}{}",
                ended(outcome),
                memory(outcome)
            ),
        ));
    }
    if !unexpected_oom && !unexpected_timeout {
        ending(case, outcome, &mut failures);
        stream::judge("stdout", &expect.stdout, &outcome.stdout, &mut failures);
        stream::judge("stderr", &expect.stderr, &outcome.stderr, &mut failures);
    }
    isolation(case, outcome, &mut failures);

    let status = if failures.is_empty() { VerdictStatus::Passed } else { VerdictStatus::Failed };
    Verdict { status, failures }
}

fn out_of_memory(outcome: &Outcome) -> String {
    let kills = match outcome.oom_kills {
        1 => "an OOM kill".to_owned(),
        n => format!("{n} OOM kills"),
    };
    format!(
        "out of memory: the kernel counted {kills}{}; raise `memory`, or expect it with `oom = true`",
        memory(outcome)
    )
}

fn timed_out(case: &Case, outcome: &Outcome) -> String {
    let after = case.spec.timeout.unwrap_or(outcome.duration);
    format!(
        "still running after {}{}; raise `timeout`, or expect it with `timeout = true`",
        seconds(after),
        memory(outcome)
    )
}

/// The ceiling and the peak, as far as they are known, to be put behind a statement.
fn memory(outcome: &Outcome) -> String {
    match (outcome.memory_limit, outcome.memory_peak) {
        (Some(limit), Some(peak)) => {
            format!(" (memory peaked at {} under a ceiling of {})", size(peak), size(limit))
        }
        (Some(limit), None) => format!(" (under a memory ceiling of {})", size(limit)),
        (None, Some(peak)) => format!(" (memory peaked at {} without a ceiling)", size(peak)),
        (None, None) => " (without a memory ceiling)".to_owned(),
    }
}

fn ending(case: &Case, outcome: &Outcome, failures: &mut Vec<Failure>) {
    let expect = &case.expect;
    if expect.timeout {
        if outcome.ending != Ending::Timeout {
            let clock =
                case.spec.timeout.map(|t| format!(" at {}", seconds(t))).unwrap_or_default();
            failures.push(Failure::new(
                "timeout",
                format!(
                    "expected the clock to end the run{clock}, but {} after {}",
                    ended(outcome),
                    seconds(outcome.duration)
                ),
            ));
        }
    } else if let Some(number) = expect.signal {
        if outcome.ending != Ending::Signal(number) {
            failures.push(Failure::new(
                "signal",
                format!(
                    "expected {} to end PID 1, but {}",
                    signal(number),
                    ended_for_sure(outcome)
                ),
            ));
        }
    } else if !expect.exit.is_empty() {
        let held = matches!(outcome.ending, Ending::Exit(code) if expect.exit.contains(&code));
        if !held {
            let codes: Vec<_> = expect.exit.iter().map(ToString::to_string).collect();
            failures.push(Failure::new(
                "exit",
                format!(
                    "expected exit status {}, but {}",
                    codes.join(" or "),
                    ended_for_sure(outcome)
                ),
            ));
        }
    }
}

/// How the run ended, as a clause.
fn ended(outcome: &Outcome) -> String {
    match outcome.ending {
        Ending::Exit(code) => format!("it exited with status {code}"),
        Ending::Signal(number) => format!("{} ended it", signal(number)),
        Ending::Timeout => "the clock ended it".to_owned(),
    }
}

/// [`ended`], and for an ending that is often taken for an OOM kill, that it was none.
fn ended_for_sure(outcome: &Outcome) -> String {
    let note = match outcome.ending {
        Ending::Exit(137) | Ending::Signal(9) if outcome.oom_kills == 0 => {
            " (no OOM kill: the kernel counted none)"
        }
        _ => "",
    };
    ended(outcome) + note
}

fn isolation(case: &Case, outcome: &Outcome, failures: &mut Vec<Failure>) {
    for property in Property::ALL {
        if case.expect.unjudged.contains(&property) {
            continue;
        }
        let mut evidence = outcome.evidence.iter().filter(|e| e.property == property).peekable();
        if evidence.peek().is_none() {
            failures.push(Failure::new(
                format!("isolation.{property}"),
                "nothing was observed, so nothing is proved",
            ));
        }
        for broken in evidence.filter(|e| e.state == State::Broken) {
            failures.push(Failure::new(
                format!("isolation.{property}"),
                format!("broken: {}", broken.observed),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Verdict, VerdictStatus, judge};
    use crate::case::Case;
    use crate::outcome::{Captured, Ending, Evidence, Outcome, Property, State};
    use crate::testing::{case, outcome};

    fn messages(verdict: &Verdict) -> Vec<(&str, &str)> {
        verdict.failures.iter().map(|f| (f.expectation.as_str(), f.message.as_str())).collect()
    }

    fn judged(case: &Case, outcome: &Outcome) -> Vec<(String, String)> {
        let verdict = judge(case, outcome);
        assert_eq!(verdict.status == VerdictStatus::Passed, verdict.failures.is_empty());
        messages(&verdict).into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn a_clean_exit_in_a_sealed_jar_passes() {
        assert_eq!(judged(&case("a"), &outcome()), []);
    }

    #[test]
    fn exit_statuses() {
        let mut case = case("a");
        let mut got = outcome();
        got.ending = Ending::Exit(3);
        let message = "expected exit status 0, but it exited with status 3";
        assert_eq!(judged(&case, &got), [pair("exit", message)]);
        case.expect.exit = vec![2, 3];
        assert_eq!(judged(&case, &got), []);
        got.ending = Ending::Signal(15);
        let message = "expected exit status 2 or 3, but SIGTERM ended it";
        assert_eq!(judged(&case, &got), [pair("exit", message)]);
    }

    #[test]
    fn a_status_of_137_is_not_an_oom_kill() {
        let mut got = outcome();
        got.ending = Ending::Exit(137);
        let message = "expected exit status 0, but it exited with status 137 \
                       (no OOM kill: the kernel counted none)";
        assert_eq!(judged(&case("a"), &got), [pair("exit", message)]);
        let mut case = case("a");
        case.expect.exit = vec![137];
        assert_eq!(judged(&case, &got), []);
    }

    #[test]
    fn signals() {
        let mut case = case("a");
        case.expect.exit.clear();
        case.expect.signal = Some(9);
        let mut got = outcome();
        let message = "expected SIGKILL to end PID 1, but it exited with status 0";
        assert_eq!(judged(&case, &got), [pair("signal", message)]);
        got.ending = Ending::Signal(9);
        assert_eq!(judged(&case, &got), []);
    }

    #[test]
    fn an_unexpected_oom_kill_is_the_only_thing_said() {
        let mut case = case("a");
        case.expect.stdout.equals = Some(b"done\n".to_vec());
        let mut got = outcome();
        got.ending = Ending::Signal(9);
        got.oom_kills = 1;
        got.memory_limit = Some(64 << 20);
        got.memory_peak = Some(64 << 20);
        let message = "out of memory: the kernel counted an OOM kill (memory peaked at 64M under a \
                       ceiling of 64M); raise `memory`, or expect it with `oom = true`";
        assert_eq!(judged(&case, &got), [pair("oom", message)]);
    }

    #[test]
    fn an_oom_kill_fails_even_a_clean_exit() {
        let mut got = outcome();
        got.oom_kills = 2;
        assert_eq!(judged(&case("a"), &got)[0].0, "oom");
    }

    #[test]
    fn an_expected_oom_kill_leaves_the_ending_open() {
        let mut case = case("a");
        case.expect.exit.clear();
        case.expect.oom = true;
        let mut got = outcome();
        got.oom_kills = 1;
        for ending in [Ending::Signal(9), Ending::Exit(0), Ending::Exit(137)] {
            got.ending = ending;
            assert_eq!(judged(&case, &got), []);
        }
        case.expect.exit = vec![1];
        assert_eq!(judged(&case, &got)[0].0, "exit");
    }

    #[test]
    fn a_missing_oom_kill_says_what_was_seen() {
        let mut case = case("a");
        case.expect.exit.clear();
        case.expect.oom = true;
        let mut got = outcome();
        got.ending = Ending::Exit(137);
        got.memory_limit = Some(64 << 20);
        got.memory_peak = Some(3 << 20);
        let message = "expected an OOM kill, but the kernel counted none: it exited with status \
                       137 (memory peaked at 3M under a ceiling of 64M)";
        assert_eq!(judged(&case, &got), [pair("oom", message)]);
    }

    #[test]
    fn an_unexpected_timeout_is_the_only_thing_said() {
        let mut case = case("a");
        case.spec.timeout = Some(Duration::from_secs(2));
        case.expect.stdout.contains = vec!["done".to_owned()];
        let mut got = outcome();
        got.ending = Ending::Timeout;
        got.memory_limit = None;
        got.memory_peak = None;
        let message = "still running after 2s (without a memory ceiling); raise `timeout`, or expect \
                       it with `timeout = true`";
        assert_eq!(judged(&case, &got), [pair("timeout", message)]);
        case.expect.exit.clear();
        case.expect.timeout = true;
        got.stdout = Captured { bytes: b"done".to_vec(), total: 4 };
        assert_eq!(judged(&case, &got), []);
    }

    #[test]
    fn a_missing_timeout_says_what_was_seen() {
        let mut case = case("a");
        case.expect.exit.clear();
        case.expect.timeout = true;
        case.spec.timeout = Some(Duration::from_secs(1));
        let message = "expected the clock to end the run at 1s, but it exited with status 0 after \
                       0.003s";
        assert_eq!(judged(&case, &outcome()), [pair("timeout", message)]);
    }

    #[test]
    fn each_broken_property_fails_a_case_unless_it_is_not_judged() {
        for property in Property::ALL {
            let mut case = case("a");
            let mut got = outcome();
            for evidence in &mut got.evidence {
                if evidence.property == property {
                    evidence.state = State::Broken;
                    evidence.observed = "the host's".to_owned();
                }
            }
            let name = format!("isolation.{property}");
            assert_eq!(judged(&case, &got), [pair(&name, "broken: the host's")]);
            case.expect.unjudged = vec![property];
            assert_eq!(judged(&case, &got), []);
        }
    }

    #[test]
    fn isolation_is_judged_even_after_a_timeout() {
        let mut got = outcome();
        got.ending = Ending::Timeout;
        got.evidence[0].state = State::Broken;
        let names: Vec<_> = judged(&case("a"), &got).into_iter().map(|f| f.0).collect();
        assert_eq!(names, ["timeout", "isolation.hostname"]);
    }

    #[test]
    fn no_evidence_is_no_proof() {
        let mut got = outcome();
        got.evidence.retain(|e| e.property != Property::NoLeftovers);
        let message = "nothing was observed, so nothing is proved";
        assert_eq!(judged(&case("a"), &got), [pair("isolation.no-leftovers", message)]);
    }

    #[test]
    fn what_was_not_asked_for_is_not_judged() {
        let mut got = outcome();
        got.evidence[7] = Evidence {
            property: Property::MemoryCeiling,
            state: State::NotAsked,
            observed: String::new(),
        };
        assert_eq!(judged(&case("a"), &got), []);
    }
}
