use std::collections::BTreeMap;

use seccompiler::{SeccompAction, SeccompFilter, TargetArch};

use super::super::abi::Abi;
use super::super::machine::run;
use super::super::policy::{Answer, Policy};
use super::super::profile;
use super::{Filter, compile};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const DEFAULT: u64 = 0xa004_25fb;
const PAIRS: [[Abi; 2]; 2] = [[Abi::X86_64, Abi::I386], [Abi::Aarch64, Abi::Arm]];

fn filter(abis: &[Abi], capabilities: u64) -> Filter {
    let policies: Vec<_> =
        abis.iter().map(|abi| profile::policy(*abi, capabilities).unwrap()).collect();
    compile(&policies).unwrap()
}

/// What a call by name is answered, by each ABI that has it.
fn answers(name: &str, args: [u64; 6], capabilities: u64) -> Vec<(Abi, u32)> {
    let mut list = Vec::new();
    for abis in PAIRS {
        let filter = filter(&abis, capabilities);
        for abi in abis {
            if let Some(number) = abi.number(name) {
                list.push((abi, run(filter.instructions(), abi.audit(), number, args)));
            }
        }
    }
    assert!(!list.is_empty(), "{name}");
    list
}

fn assert_answer(name: &str, args: [u64; 6], capabilities: u64, expected: u32) {
    for (abi, answer) in answers(name, args, capabilities) {
        assert_eq!(answer, expected, "{name} {args:x?} by {abi:?}");
    }
}

#[test]
fn what_every_program_needs_is_allowed() {
    for name in ["read", "execve", "mmap", "mmap2", "fork", "rt_sigaction", "statx", "futex"] {
        assert_answer(name, [0; 6], 0, ALLOW);
    }
}

#[test]
fn what_reaches_into_the_kernel_is_refused_whatever_the_jar_holds() {
    for name in [
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "swapon",
        "swapoff",
        "vm86",
        "uselib",
        "move_pages",
        "nfsservctl",
    ] {
        assert_answer(name, [0; 6], DEFAULT, EPERM);
        assert_answer(name, [0; 6], u64::MAX, EPERM);
    }
}

#[test]
fn capabilities_open_what_belongs_to_them() {
    let owners: [(&str, &[u8]); 12] = [
        ("mount umount2 unshare setns pivot_root sethostname fsopen", &[21]),
        ("bpf", &[21, 39]),
        ("perf_event_open", &[21, 38]),
        ("syslog", &[21, 34]),
        ("reboot", &[22]),
        ("open_by_handle_at", &[2]),
        ("chroot", &[18]),
        ("iopl ioperm", &[17]),
        ("kcmp pidfd_getfd process_madvise", &[19]),
        ("acct", &[20]),
        ("clock_settime stime settimeofday", &[25]),
        ("vhangup", &[26]),
    ];
    for capability in 0..=40_u8 {
        for (names, owners) in owners {
            let expected = if owners.contains(&capability) { ALLOW } else { EPERM };
            for name in names.split(' ') {
                assert_answer(name, [0; 6], 1 << capability, expected);
            }
        }
    }
    assert_answer("chroot", [0; 6], DEFAULT, ALLOW);
    for name in ["clone3", "statmount", "open_tree_attr"] {
        assert_answer(name, [0; 6], DEFAULT, ENOSYS);
        assert_answer(name, [0; 6], 1 << 21, ALLOW);
    }
}

#[test]
fn arguments_are_looked_at_and_their_upper_half_is_not() {
    const HIGH: u64 = 1 << 32;
    let with = |first: u64| [first, 0, 0, 0, 0, 0];
    for flag in [25, 26, 27, 28, 29, 30, 17].map(|bit| 1_u64 << bit) {
        assert_answer("clone", with(flag | 0x11), DEFAULT, EPERM);
        assert_answer("clone", with(flag | HIGH), DEFAULT, EPERM);
        assert_answer("clone", with(flag), 1 << 21, ALLOW);
    }
    // What pthread_create(3) and fork(2) of glibc ask for.
    assert_answer("clone", with(0x003d_0f00), DEFAULT, ALLOW);
    assert_answer("clone", with(0x0120_0011), DEFAULT, ALLOW);
    for family in 0..46 {
        let expected = if family == 40 { EPERM } else { ALLOW };
        assert_answer("socket", with(family), u64::MAX, expected);
        assert_answer("socket", with(family | HIGH), u64::MAX, expected);
    }
    for (request, expected) in
        [(0x5411, ALLOW), (0x5412, EPERM), (0x5413, ALLOW), (0x541c, EPERM), (0x5421, ALLOW)]
    {
        assert_answer("ioctl", [0, request, 0, 0, 0, 0], u64::MAX, expected);
        assert_answer("ioctl", [0, request | HIGH, 0, 0, 0, 0], u64::MAX, expected);
    }
    for (persona, expected) in [
        (0, ALLOW),
        (8, ALLOW),
        (0x2_0000, ALLOW),
        (0x2_0008, ALLOW),
        (0xffff_ffff, ALLOW),
        (0x4_0000, EPERM),
        (0x40_0000, EPERM),
        (1, EPERM),
    ] {
        assert_answer("personality", with(persona), DEFAULT, expected);
    }
}

#[test]
fn what_is_newer_than_the_table_does_not_exist() {
    for abis in PAIRS {
        let filter = filter(&abis, u64::MAX);
        for abi in abis {
            for number in [470, 500, 0x4000_0000, 0x4000_0003, 0x7fff_ffff, u32::MAX] {
                let answer = run(filter.instructions(), abi.audit(), number, [0; 6]);
                assert_eq!(answer, ENOSYS, "{number} by {abi:?}");
            }
        }
    }
}

#[test]
fn a_foreign_abi_ends_the_process() {
    let filter = filter(&PAIRS[0], u64::MAX);
    for arch in [0, Abi::Arm.audit(), Abi::Aarch64.audit(), 0x4000_0008] {
        let answer = run(filter.instructions(), arch, 0, [0; 6]);
        assert_eq!(answer, libc::SECCOMP_RET_KILL_PROCESS);
    }
}

#[test]
fn the_program_is_short_and_answers_within_a_few_steps() {
    for abis in PAIRS {
        let filter = filter(&abis, DEFAULT);
        let len = filter.instructions().len();
        assert!(len < 600, "{len} instructions");
    }
}

/// seccompiler's own filter, which asks for one number after the other, has to say the same.
#[test]
fn halving_finds_what_a_linear_search_finds() {
    for (abi, target) in [(Abi::X86_64, TargetArch::x86_64), (Abi::Aarch64, TargetArch::aarch64)] {
        let policy = profile::policy(abi, DEFAULT).unwrap();
        let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let rules: BTreeMap<i64, _> = policy
            .calls
            .iter()
            .filter_map(|(number, answer)| {
                let rules = match answer {
                    Answer::Always(SeccompAction::Allow) => Vec::new(),
                    Answer::Always(_) => return None,
                    Answer::When { rules, .. } => rules.clone(),
                };
                Some((i64::from(*number), rules))
            })
            .collect();
        let linear = SeccompFilter::new(rules, refused, SeccompAction::Allow, target).unwrap();
        let linear = seccompiler::BpfProgram::try_from(linear).unwrap();
        let halving = compile(&[policy]).unwrap();
        for number in 0..1024 {
            for args in [[0; 6], [40; 6], [0x5412; 6], [0x1000_0000; 6]] {
                let expected = run(&linear, abi.audit(), number, args);
                let found = run(halving.instructions(), abi.audit(), number, args);
                assert_eq!(expected == ALLOW, found == ALLOW, "{number} {args:?} by {abi:?}");
            }
        }
    }
}

#[test]
fn a_tree_with_far_jumps_finds_its_leaves() {
    let errno = |n| SeccompAction::Errno(n);
    let calls: BTreeMap<u32, Answer> =
        (0..2000).map(|n| (n * 2, Answer::Always(errno(n % 4000 + 1)))).collect();
    let other = Answer::Always(SeccompAction::Allow);
    let many = Policy { abi: Abi::X86_64, calls, other: other.clone() };
    let error = compile(std::slice::from_ref(&many)).unwrap_err();
    assert!(matches!(error, seccompiler::BackendError::FilterTooLarge(_)), "{error}");
    let calls: BTreeMap<u32, Answer> = many.calls.into_iter().take(900).collect();
    let filter = compile(&[Policy { abi: Abi::X86_64, calls, other }]).unwrap();
    for n in 0..900 {
        let answer = |number| run(filter.instructions(), Abi::X86_64.audit(), number, [0; 6]);
        assert_eq!(answer(n * 2), libc::SECCOMP_RET_ERRNO | (n + 1));
        assert_eq!(answer(n * 2 + 1), ALLOW);
    }
}
