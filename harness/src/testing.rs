//! Cases, outcomes and hosts for the tests of this crate.

use std::path::PathBuf;
use std::time::Duration;

use crate::Cancel;
use crate::case::{Case, Expect};
use crate::host::{CgroupLayout, HostFacts, Lack};
use crate::outcome::{Captured, Ending, Evidence, Outcome, Property, RootfsUsed, State};
use crate::runner::{Runner, SetupError};
use crate::spec::Spec;

/// A case as a file without a header gives it.
pub(crate) fn case(name: &str) -> Case {
    let stem = name.rsplit("::").next().unwrap_or(name);
    Case {
        name: name.to_owned(),
        file: PathBuf::from(format!("test-cases/{}.sh", name.replace("::", "/"))),
        tags: Vec::new(),
        skip: None,
        spec: Spec {
            hostname: stem.to_owned(),
            script_name: format!("{stem}.sh"),
            ..Spec::new(name, "true\n")
        },
        expect: Expect { exit: vec![0], ..Expect::default() },
    }
}

/// What a trivial script does in a sealed jar.
pub(crate) fn outcome() -> Outcome {
    Outcome {
        ending: Ending::Exit(0),
        oom_kills: 0,
        duration: Duration::from_micros(3100),
        memory_limit: Some(256 << 20),
        memory_peak: Some(3 << 20),
        processes_peak: Some(2),
        cpu: Some(Duration::from_micros(1200)),
        stdout: Captured::default(),
        stderr: Captured::default(),
        evidence: Property::ALL
            .into_iter()
            .map(|property| Evidence {
                property,
                state: State::Held,
                observed: format!("{property} as asked"),
            })
            .collect(),
        rootfs: RootfsUsed {
            asked: "auto".to_owned(),
            used: "ubuntu:20.04".to_owned(),
            digest: Some("sha256:00ff".to_owned()),
        },
    }
}

/// A host that lacks nothing.
pub(crate) fn host() -> HostFacts {
    HostFacts {
        kernel: "6.18.44".to_owned(),
        cgroup: CgroupLayout::Hybrid,
        rootless: false,
        no_memory: None,
        no_swap: None,
        no_pids: None,
        no_cpus: None,
        no_disk: None,
    }
}

/// A lack of `what`.
pub(crate) fn lack(what: &str) -> Lack {
    Lack { what: what.to_owned(), remedy: "run `mend it`".to_owned() }
}

/// A runner that does with each case what a function says.
pub(crate) struct Fake<F>(pub(crate) HostFacts, pub(crate) F);

impl<F> Runner for Fake<F>
where
    F: Fn(&Spec, &Cancel) -> Result<Outcome, SetupError> + Sync,
{
    fn host(&self) -> &HostFacts {
        &self.0
    }

    fn run(&self, spec: &Spec, cancel: &Cancel) -> Result<Outcome, SetupError> {
        (self.1)(spec, cancel)
    }
}
