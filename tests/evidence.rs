//! Each defence switched off on its own is seen: the judge would call it broken.

mod common;

use belljar::harness::{Cancel, Outcome, Property, Runner, State};
use belljar::sandbox::Weaken;
use common::{runner, spec};

fn states(outcome: &Outcome) -> Vec<(Property, State)> {
    outcome.evidence.iter().map(|e| (e.property, e.state)).collect()
}

/// Runs a jar without one defence and expects just that property to be broken.
fn broken_alone(property: Property, script: &str) -> Outcome {
    broken_with(property, &[], script)
}

/// The same, for a defence that others lean on.
fn broken_with(property: Property, also: &[Property], script: &str) -> Outcome {
    let sealed = runner().run(&spec(script), &Cancel::new()).unwrap();
    let seen = states(&sealed);
    assert!(seen.iter().all(|(_, state)| *state != State::Broken), "{:?}", sealed.evidence);
    let listed: Vec<_> = seen.iter().map(|(p, _)| *p).collect();
    assert_eq!(listed, Property::ALL);

    let runner = runner().weakened(Weaken::NONE.and(property));
    let outcome = runner.run(&spec(script), &Cancel::new()).unwrap();
    for (p, state) in states(&outcome) {
        let observed = &outcome.evidence;
        assert_eq!(
            state == State::Broken,
            p == property || also.contains(&p),
            "{p} is {state:?}: {observed:#?}"
        );
    }
    outcome
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout.bytes).trim().to_owned()
}

#[test]
fn a_hostname_that_was_not_set() {
    let own = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    assert_eq!(text(&broken_alone(Property::Hostname, "hostname")), own);
}

#[test]
fn the_pid_namespace_of_the_caller() {
    let outcome = broken_alone(Property::PidNamespace, "echo $$");
    assert_ne!(text(&outcome), "1");
}

#[test]
fn a_mount_of_the_host_that_stayed() {
    // The store is somewhere beneath that mount, so the root filesystem is within reach as well.
    let also = [Property::RootfsUntouched];
    let script = "ls /.belljar/host | wc -l";
    let outcome = broken_with(Property::MountNamespace, &also, script);
    assert_ne!(text(&outcome), "0");
}

#[test]
fn the_network_of_the_caller() {
    broken_alone(Property::NetworkNamespace, "true");
}

#[test]
fn the_ipc_namespace_of_the_caller() {
    broken_alone(Property::IpcNamespace, "true");
}

#[test]
fn the_cgroup_namespace_of_the_caller() {
    let outcome = broken_alone(Property::CgroupNamespace, "cat /proc/self/cgroup");
    assert!(text(&outcome).contains("belljar-"), "{outcome:?}");
}

#[test]
fn no_user_namespace() {
    if !nix::unistd::geteuid().is_root() {
        // An ordinary user has no other namespaces without this one: the kernel refuses.
        let runner = runner().weakened(Weaken::NONE.and(Property::UserNamespace));
        runner.run(&spec("true"), &Cancel::new()).unwrap_err();
        return;
    }
    broken_alone(Property::UserNamespace, "true");
}

#[test]
fn no_memory_ceiling() {
    broken_alone(Property::MemoryCeiling, "true");
}

#[test]
fn no_pids_ceiling() {
    broken_alone(Property::PidsCeiling, "true");
}

#[test]
fn capabilities_that_were_kept() {
    let outcome = broken_alone(Property::Capabilities, "mount -t tmpfs x /mnt && echo mounted");
    assert_eq!(text(&outcome), "mounted");
}

#[test]
fn new_privileges_that_can_be_had() {
    let script = "grep NoNewPrivs /proc/self/status | tr -dc 01";
    assert_eq!(text(&broken_alone(Property::NoNewPrivileges, script)), "0");
}

#[test]
fn a_descriptor_of_the_caller_that_leaked() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    // As a caller would leak it: open, and not closed on exec.
    let leak = std::fs::File::open(secret.path()).unwrap();
    nix::fcntl::fcntl(&leak, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let script = "for n in {3..99}; do cat <&$n; done 2>/dev/null; true";
    let outcome = broken_alone(Property::Descriptors, script);
    assert!(text(&outcome).contains("secret"), "{outcome:?}");
}

#[test]
fn a_root_filesystem_that_can_be_written_to() {
    let script = "[ -w /.belljar/lower/tmp ] && echo writable; true";
    assert_eq!(text(&broken_alone(Property::RootfsUntouched, script)), "writable");
}

#[test]
fn a_cgroup_that_was_left() {
    let outcome = broken_alone(Property::NoLeftovers, "true");
    let observed = &outcome.evidence.iter().find(|e| e.property == Property::NoLeftovers).unwrap();
    let left: Vec<&str> = observed
        .observed
        .split("; ")
        .map(|part| {
            part.strip_prefix("the cgroup ").unwrap().strip_suffix(" is still there").unwrap()
        })
        .collect();
    assert!(!left.is_empty());
    for folder in left {
        std::fs::remove_dir(folder).unwrap();
    }
}
