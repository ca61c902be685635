//! Ceilings, and where their cgroups go.

use crate::harness::{HostFacts, Lack};
use crate::sandbox::Engine;

use super::Check;

/// The layout, and a check for each ceiling.
pub(super) fn checks(engine: &Engine) -> Vec<Check> {
    let facts = engine.facts();
    let places: Vec<String> =
        engine.cgroup_parents().iter().map(|path| path.display().to_string()).collect();
    let layout = if places.is_empty() {
        facts.cgroup.to_string()
    } else {
        format!("{}; those of jars go to {}", facts.cgroup, places.join(", "))
    };
    let mut checks = vec![Check::ok("cgroups", layout)];
    checks.extend(ceilings(facts).into_iter().map(|(name, lack, consequence)| match lack {
        None => Check::ok(name, "can be enforced"),
        Some(lack) => {
            let check = Check::of(name, lack, consequence);
            // Memory is always asked for; what else nobody wrote is dropped.
            if name == MEMORY { check.blocking() } else { check }
        }
    }));
    checks
}

const MEMORY: &str = "memory ceiling";

fn ceilings(facts: &HostFacts) -> [(&'static str, Option<&Lack>, &'static str); 4] {
    [
        (
            MEMORY,
            facts.no_memory.as_ref(),
            "every case is an error, unless it runs with `--memory none`",
        ),
        (
            "swap ceiling",
            facts.no_swap.as_ref(),
            "what a case takes beyond `memory` may go to swap; a case that writes `swap` is skipped",
        ),
        (
            "process ceiling",
            facts.no_pids.as_ref(),
            "a fork bomb is stopped by memory alone; a case that writes `pids` is skipped",
        ),
        ("processor ceiling", facts.no_cpus.as_ref(), "a case that writes `cpus` is skipped"),
    ]
}
