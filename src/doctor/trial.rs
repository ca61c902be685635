//! The most convincing check: a jar.

use std::time::Instant;

use super::check::{Check, Trial};
use super::kernel::sysctl;
use super::namespaces::apparmor;
use crate::JarRunner;
use crate::harness::spec::RootfsRef;
use crate::harness::{Cancel, Ending, Runner as _, Spec, State};
use crate::sandbox::Error;
use nix::unistd::geteuid;

const NAME: &str = "sandbox";

/// Runs a script that does nothing, with every default ceiling that the host can set. Gives
/// what was proved, and what the run showed about layers and ptrace.
pub(super) fn run(runner: &JarRunner) -> (Option<Trial>, Vec<Check>) {
    let mut spec = Spec::new("doctor", "[ $$ = 1 ]");
    // The one root filesystem that needs no network.
    spec.rootfs = RootfsRef::Host;
    let facts = runner.host();
    let limits = &mut spec.limits;
    if facts.no_memory.is_some() {
        (limits.memory.value, limits.swap.value) = (None, None);
    }
    if facts.no_swap.is_some() {
        limits.swap.value = None;
    }
    if facts.no_pids.is_some() {
        limits.pids.value = None;
    }
    let cancel = Cancel::new();
    // Made beforehand, so that the time is that of a jar.
    let resolved = runner.engine().resolve(&spec.rootfs, &runner.resolve_options(&cancel));
    let begun = Instant::now();
    let outcome = resolved.and_then(|()| runner.run_spec(&spec, &cancel));
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return (None, vec![not_even_begun(&error)]),
    };
    let mut checks = vec![
        Check::ok("overlay", "mounts in a user namespace"),
        ptrace(runner.engine().without_ptrace()),
    ];
    let broken: Vec<String> = outcome
        .evidence
        .iter()
        .filter(|one| one.state == State::Broken)
        .map(|one| format!("{} ({})", one.property, one.observed))
        .collect();
    let sealed = broken.is_empty();
    let trial = Trial { milliseconds, rootfs: outcome.rootfs.used, evidence: outcome.evidence };
    checks.push(if outcome.ending != Ending::Exit(0) {
        Check::lack(
            NAME,
            format!("a script that does nothing ended by {:?}", outcome.ending),
            "no verdict of this host can be trusted",
            "please report this with the output of `belljar doctor --json`",
        )
        .blocking()
    } else if !sealed {
        Check::lack(
            NAME,
            format!("it runs, but is not sealed: {}", broken.join("; ")),
            "every case fails",
            "please report this with the output of `belljar doctor --json`",
        )
        .blocking()
    } else {
        Check::ok(NAME, format!("set up, proved and torn down in {milliseconds:.1} ms"))
    });
    (Some(trial), checks)
}

fn ptrace(refused: bool) -> Check {
    const NAME: &str = "ptrace";
    if !refused {
        return Check::ok(NAME, "a shell is held at its start to be examined");
    }
    let scope = sysctl("kernel.yama.ptrace_scope");
    let (because, remedy) = match scope.as_deref() {
        Some(scope @ ("2" | "3")) => (
            format!("refused: kernel.yama.ptrace_scope is {scope}"),
            if scope == "3" {
                "boot without kernel.yama.ptrace_scope=3, which cannot be taken back".to_owned()
            } else {
                "`sudo sysctl -w kernel.yama.ptrace_scope=1`".to_owned()
            },
        ),
        _ => (
            "refused, by a tracer that is there already or a filter of system calls".to_owned(),
            "run belljar without `strace -f`; in a container, start it with \
             `docker run --cap-add SYS_PTRACE`"
                .to_owned(),
        ),
    };
    Check::lack(
        NAME,
        because,
        "bash is held by the pipe that its script comes through; another `shell` is an error",
        remedy,
    )
}

/// A sandbox that could not be set up.
pub(super) fn not_even_begun(error: &Error) -> Check {
    let restricted = apparmor(geteuid().is_root());
    let found = crate::error::chain(error);
    let (found, remedy) = match (restricted, error.remedy()) {
        (Some((Some(because), remedy)), _) => (format!("{found} ({because})"), remedy),
        (_, Some(remedy)) if !remedy.contains("belljar doctor") => (found, remedy),
        _ if found.contains("overlay") => {
            (found, "`sudo modprobe overlay`, with Linux 5.11 or newer".to_owned())
        }
        _ => (
            found,
            "mend what is lacking above; in a container, start it with `docker run --privileged`"
                .to_owned(),
        ),
    };
    Check::lack(NAME, found, "no case can run", remedy).blocking()
}
