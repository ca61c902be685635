//! Attacks by system call: refused by the filter, and answered otherwise without it.
//!
//! Each attack is an executable of a few instructions, made here: it needs nothing of the root
//! filesystem, and on x86-64 it enters the kernel by all three doors (64 bits, x32, `int 0x80`).

mod common;
#[path = "seccomp/probe.rs"]
mod probe;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use belljar::harness::spec::{Capabilities, FileKind, FileSpec, Spec, User};
use belljar::harness::{Cancel, Ending, Outcome, Property, Runner, State};
use belljar::sandbox::Weaken;
use common::{runner, spec};
use probe::{Call, Door};

const EPERM: i32 = libc::EPERM;
const ENOSYS: i32 = libc::ENOSYS;
const HIGH: u64 = 1 << 32;
/// `KEY_SPEC_SESSION_KEYRING`.
const OWN_KEYRING: u64 = u64::MAX - 2;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const FIONREAD: u64 = 0x541b;

/// The calls of one jar, each run on its own, and what each was answered: 0, or the error.
fn answers(calls: &[Call], plan: Spec, weaken: Weaken) -> BTreeMap<String, i32> {
    let mut script = String::new();
    let mut files = Vec::new();
    for call in calls {
        let name = call.to_string();
        let path = format!("/probes/{name}");
        writeln!(script, "{path}; echo {name} $?").unwrap();
        files.push(FileSpec {
            path,
            kind: FileKind::File(probe::executable(call)),
            mode: 0o755,
            owner: User::Root,
        });
    }
    let plan = Spec { script: script.into_bytes(), files, ..plan };
    let outcome = runner().weakened(weaken).run(&plan, &Cancel::new()).unwrap();
    assert_eq!(outcome.ending, Ending::Exit(0), "{outcome:?}");
    let seccomp = state(&outcome);
    assert_eq!(seccomp == State::Broken, weaken.has(Property::Seccomp), "{seccomp:?}");
    let text = String::from_utf8(outcome.stdout.bytes).unwrap();
    let answers: BTreeMap<String, i32> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, status)| (name.to_owned(), status.parse().unwrap()))
        .collect();
    assert_eq!(answers.len(), calls.len(), "{text}");
    answers
}

fn state(outcome: &Outcome) -> State {
    outcome.evidence.iter().find(|e| e.property == Property::Seccomp).unwrap().state
}

/// The doors that this kernel has, of those that the machine could have.
fn doors() -> Vec<Door> {
    let tries: Vec<Call> =
        Door::ALL.iter().map(|door| Call::new(*door, "getpid", [0; 6])).collect();
    let open = answers(&tries, spec(""), Weaken::NONE.and(Property::Seccomp));
    let doors: Vec<Door> =
        Door::ALL.into_iter().filter(|d| open[&format!("getpid.{d:?}.0.0")] == 0).collect();
    for door in Door::ALL {
        if !doors.contains(&door) {
            eprintln!("this kernel takes no calls by {door:?}: attacks that way are left out");
        }
    }
    assert!(doors.contains(&Door::Native));
    doors
}

/// Whether a sysctl answers a call as the filter does.
fn refused_by_this_host(name: &str) -> bool {
    let is = |sysctl: &str, value: &str| {
        std::fs::read_to_string(format!("/proc/sys/kernel/{sysctl}"))
            .is_ok_and(|text| text.trim() == value)
    };
    match name {
        "unshare" | "clone" => is("unprivileged_userns_clone", "0"),
        _ => name.starts_with("io_uring") && is("io_uring_disabled", "2"),
    }
}

/// What each attack is answered by the filter; without it, it must get further.
const ATTACKS: [(&str, [u64; 2], i32); 24] = [
    ("keyctl", [0, OWN_KEYRING], EPERM),
    ("add_key", [0, 0], EPERM),
    ("request_key", [0, 0], EPERM),
    // Commands and flags that do not exist: the kernel looks at them before it asks for rights.
    ("bpf", [9999, 0], EPERM),
    ("userfaultfd", [1, 0], EPERM),
    ("io_uring_setup", [0, 0], EPERM),
    ("io_uring_enter", [1 << 20, 0], EPERM),
    ("io_uring_register", [1 << 20, 0], EPERM),
    ("unshare", [libc::CLONE_NEWUSER as u64, 0], EPERM),
    ("setns", [1 << 20, 0], EPERM),
    ("clone", [(libc::CLONE_NEWUSER | libc::SIGCHLD) as u64, 0], EPERM),
    ("clone", [(libc::CLONE_NEWUSER | libc::SIGCHLD) as u64 | HIGH, 0], EPERM),
    ("clone3", [0, 0], ENOSYS),
    ("socket", [libc::AF_VSOCK as u64, libc::SOCK_STREAM as u64], EPERM),
    ("socket", [libc::AF_VSOCK as u64 | HIGH, libc::SOCK_STREAM as u64], EPERM),
    ("ioctl", [0, TIOCSTI], EPERM),
    ("ioctl", [0, TIOCSTI | HIGH], EPERM),
    ("ioctl", [0, TIOCLINUX], EPERM),
    ("ioctl", [0, TIOCLINUX | HIGH], EPERM),
    ("personality", [0x4_0000, 0], EPERM),
    ("pidfd_getfd", [1 << 20, 0], EPERM),
    ("kcmp", [1 << 30, 1], EPERM),
    ("get_mempolicy", [0, 0], EPERM),
    ("move_pages", [1 << 30, 0], EPERM),
];

/// What is not to be refused, with arguments that it succeeds with.
const USES: [(&str, [u64; 2]); 8] = [
    ("getpid", [0, 0]),
    ("clone", [libc::SIGCHLD as u64, 0]),
    ("socket", [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64]),
    ("socket", [libc::AF_INET6 as u64, libc::SOCK_DGRAM as u64]),
    ("ioctl", [1, FIONREAD]),
    ("personality", [0xffff_ffff, 0]),
    ("personality", [8, 0]),
    ("setsid", [0, 0]),
];

fn call(door: Door, name: &'static str, first: [u64; 2]) -> Call {
    let mut args = [0; 6];
    args[..2].copy_from_slice(&first);
    if name == "ioctl" && first[1] == FIONREAD {
        args[2] = probe::SCRATCH;
    }
    if name == "perf_event_open" {
        args[4] = u64::MAX;
    }
    Call::new(door, name, args)
}

#[test]
fn attacks_are_refused_and_get_further_without_the_filter() {
    let mut attacks: Vec<(Call, i32)> = Vec::new();
    let mut uses: Vec<Call> = Vec::new();
    for door in doors() {
        // x32 is refused as a whole, see below.
        if door == Door::X32 {
            continue;
        }
        for (name, first, expected) in
            ATTACKS.into_iter().chain([("perf_event_open", [0; 2], EPERM)])
        {
            // 32-bit registers have no upper half.
            if door == Door::Int80 && first.iter().any(|arg| arg & HIGH != 0 && arg >> 63 == 0) {
                continue;
            }
            attacks.push((call(door, name, first), expected));
        }
        uses.extend(USES.iter().map(|(name, first)| call(door, name, *first)));
    }
    let mut calls: Vec<Call> = attacks.iter().map(|(call, _)| call.clone()).collect();
    calls.extend(uses.iter().cloned());
    let sealed = answers(&calls, spec(""), Weaken::NONE);
    let open = answers(&calls, spec(""), Weaken::NONE.and(Property::Seccomp));
    for (call, expected) in &attacks {
        let name = call.to_string();
        assert_eq!(sealed[&name], *expected, "{name}");
        if refused_by_this_host(call.name) {
            eprintln!("{name} proves nothing: a sysctl of this host refuses it anyway");
            continue;
        }
        assert_ne!(open[&name], *expected, "{name} proves nothing: the kernel refuses it anyway");
    }
    for call in &uses {
        let name = call.to_string();
        assert_eq!((sealed[&name], open[&name]), (0, 0), "{name}");
    }
}

#[test]
fn x32_and_what_is_newer_than_the_filter_do_not_exist() {
    let mut calls: Vec<Call> = doors().into_iter().map(|door| Call::numbered(door, 600)).collect();
    if Door::ALL.contains(&Door::X32) {
        calls.push(Call::new(Door::X32, "getpid", [0; 6]));
    }
    for (name, answer) in answers(&calls, spec(""), Weaken::NONE) {
        assert_eq!(answer, ENOSYS, "{name}");
    }
}

#[test]
fn capabilities_of_the_jar_open_what_belongs_to_them() {
    let user_namespace = [libc::CLONE_NEWUSER as u64, 0];
    let calls: Vec<Call> = doors()
        .into_iter()
        .filter(|door| *door != Door::X32)
        .flat_map(|door| {
            [
                call(door, "unshare", user_namespace),
                call(door, "clone3", [0, 0]),
                call(door, "pidfd_getfd", [1 << 20, 0]),
                call(door, "keyctl", [0, OWN_KEYRING]),
            ]
        })
        .collect();
    for capabilities in [Capabilities::All, Capabilities::List(vec![19, 21])] {
        let plan = Spec { capabilities, ..spec("") };
        for (name, answer) in answers(&calls, plan, Weaken::NONE) {
            let expected = match name.split('.').next().unwrap() {
                "unshare" => 0,
                "clone3" => libc::EINVAL,
                "pidfd_getfd" => libc::EBADF,
                _ => EPERM,
            };
            assert_eq!(answer, expected, "{name}");
        }
    }
}

#[test]
fn the_filter_does_not_need_no_new_privileges() {
    let attack = [call(Door::Native, "keyctl", [0, OWN_KEYRING])];
    for capabilities in [Capabilities::Default, Capabilities::None] {
        let plan = Spec { no_new_privileges: false, capabilities, ..spec("") };
        assert_eq!(*answers(&attack, plan, Weaken::NONE).values().next().unwrap(), EPERM);
    }
}

#[test]
fn a_user_of_the_jar_is_filtered_too() {
    let attack = [call(Door::Native, "keyctl", [0, OWN_KEYRING])];
    for no_new_privileges in [true, false] {
        let plan = Spec { user: User::Ids(1000, None), no_new_privileges, ..spec("") };
        if runner().run(&Spec { user: plan.user.clone(), ..spec("true") }, &Cancel::new()).is_err()
        {
            eprintln!("a rootless jar without a range of ids has no other user");
            return;
        }
        assert_eq!(*answers(&attack, plan, Weaken::NONE).values().next().unwrap(), EPERM);
    }
}

#[test]
fn a_missing_filter_is_the_only_thing_that_breaks() {
    let script = "grep Seccomp: /proc/self/status | tr -dc 02";
    let sealed = runner().run(&spec(script), &Cancel::new()).unwrap();
    assert_eq!((state(&sealed), sealed.stdout.bytes.as_slice()), (State::Held, &b"2"[..]));
    let weaken = Weaken::NONE.and(Property::Seccomp);
    let open = runner().weakened(weaken).run(&spec(script), &Cancel::new()).unwrap();
    for evidence in &open.evidence {
        let broken = evidence.state == State::Broken;
        assert_eq!(broken, evidence.property == Property::Seccomp, "{evidence:?}");
    }
}
