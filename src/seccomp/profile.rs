//! The default profile: what Docker's allows to a container, by what it holds.
//!
//! It differs where a jar can afford to be tighter or has another way of use: `io_uring`, kernel
//! modules and x32 are never allowed, arguments of 32 bits are compared as such (a 64-bit
//! comparison is passed by with a bit above them), `TIOCSTI` and `TIOCLINUX` are refused, and who
//! has `CAP_SYS_ADMIN` may change the root of a mount namespace.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{BackendError, SeccompAction, SeccompCondition, SeccompRule};

use super::abi::Abi;
use super::policy::{Answer, Policy};

/// Allowed to every jar, whatever the arguments.
const ALLOWED: &[&str] = &[
    // Files by descriptor.
    "close close_range copy_file_range dup dup2 dup3 fadvise64 arm_fadvise64_64 fadvise64_64 \
     fallocate fchdir fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fstat fstat64 fstatfs \
     fstatfs64 fsync ftruncate ftruncate64 getdents getdents64 _llseek lseek memfd_create \
     memfd_secret pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead \
     readdir readv sendfile sendfile64 splice sync sync_file_range arm_sync_file_range syncfs \
     tee vmsplice write writev",
    // Files by path.
    "access chdir chmod chown chown32 creat faccessat faccessat2 fchmodat fchmodat2 fchownat \
     file_getattr file_setattr fstatat fstatat64 futimesat getcwd lchown lchown32 link linkat \
     lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat oldfstat oldlstat \
     oldstat open openat openat2 readlink readlinkat rename renameat renameat2 rmdir stat stat64 \
     statfs statfs64 statx symlink symlinkat truncate truncate64 umask unlink unlinkat utime \
     utimensat utimensat_time64 utimes",
    // Extended attributes.
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr \
     listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat",
    // Waiting for files, and being told of changes.
    "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 \
     fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect poll \
     ppoll ppoll_time64 pselect6 pselect6_time64 select",
    // Asynchronous input and output, the old way.
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
    // Memory.
    "brk cachestat madvise map_shadow_stack mincore mlock mlock2 mlockall mmap mmap2 mprotect \
     mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect \
     remap_file_pages",
    // Processes and threads.
    "arch_prctl breakpoint cacheflush execve execveat exit exit_group fork futex futex_requeue \
     futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area getpgid \
     getpgrp getpid getppid getsid gettid kill membarrier modify_ldt pidfd_open \
     pidfd_send_signal prctl process_mrelease process_vm_readv process_vm_writev ptrace \
     restart_syscall rseq set_robust_list set_thread_area set_tid_address set_tls setpgid setsid \
     tgkill tkill uprobe uretprobe vfork wait4 waitid waitpid",
    // Scheduling and limits.
    "getcpu getpriority getrlimit getrusage ioprio_get ioprio_set nice prlimit64 \
     sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr \
     sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 \
     sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpriority \
     setrlimit times ugetrlimit",
    // Signals.
    "pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend \
     rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigaltstack signal \
     signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend",
    // Time.
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
     clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep \
     setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 \
     timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 \
     timerfd_settime timerfd_settime64",
    // Users, groups, privileges.
    "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 \
     getresgid getresgid32 getresuid getresuid32 getuid getuid32 landlock_add_rule \
     landlock_create_ruleset landlock_restrict_self lsm_get_self_attr lsm_list_modules seccomp \
     setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid \
     setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
    // Sockets. socketcall(2) hides its arguments behind a pointer, but 32-bit libcs need it.
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom \
     recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown \
     socketcall socketpair",
    // Message queues, semaphores, shared memory.
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
     mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop \
     semtimedop_time64 shmat shmctl shmdt shmget",
    // The system.
    "getrandom oldolduname olduname sysinfo uname",
];

/// Allowed to a jar that keeps one of these capabilities.
const PRIVILEGED: &[(&[u8], &str)] = &[
    (
        &[SYS_ADMIN],
        "clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie \
         mount mount_setattr move_mount open_tree open_tree_attr pivot_root quotactl quotactl_fd \
         setdomainname sethostname setns statmount umount umount2 unshare",
    ),
    (&[SYS_ADMIN, BPF], "bpf"),
    (&[SYS_ADMIN, PERFMON], "perf_event_open"),
    (&[SYS_ADMIN, SYSLOG], "syslog"),
    (&[DAC_READ_SEARCH], "open_by_handle_at"),
    (&[SYS_CHROOT], "chroot"),
    (&[SYS_RAWIO], "ioperm iopl"),
    (&[SYS_PTRACE], "kcmp pidfd_getfd process_madvise"),
    (&[SYS_PACCT], "acct"),
    (&[SYS_BOOT], "reboot"),
    (&[SYS_NICE], "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    (&[SYS_TIME], "clock_settime clock_settime64 settimeofday stime"),
    (&[SYS_TTY_CONFIG], "vhangup"),
];

/// Said not to exist, where they are not allowed: programs fall back to something older.
const ABSENT: &str = "clone3 listmount lsm_set_self_attr open_tree_attr statmount";

// capabilities(7), linux/capability.h.
const DAC_READ_SEARCH: u8 = 2;
const SYS_RAWIO: u8 = 17;
const SYS_CHROOT: u8 = 18;
const SYS_PTRACE: u8 = 19;
const SYS_PACCT: u8 = 20;
const SYS_ADMIN: u8 = 21;
const SYS_BOOT: u8 = 22;
const SYS_NICE: u8 = 23;
const SYS_TIME: u8 = 25;
const SYS_TTY_CONFIG: u8 = 26;
const SYSLOG: u8 = 34;
const PERFMON: u8 = 38;
const BPF: u8 = 39;

/// The flags of clone(2) that make a namespace. `CLONE_NEWTIME` shares its bit with the exit
/// signal there, so that clone(2) does not take it.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

const AF_VSOCK: u64 = 40;
/// Puts a character into the input of a terminal.
const TIOCSTI: u64 = 0x5412;
/// Does the same by pasting, on a virtual console.
const TIOCLINUX: u64 = 0x541c;

/// `PER_LINUX`, `PER_LINUX32`, both with `UNAME26`, and the question what it is.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The capabilities that make a difference to the profile.
pub(crate) fn relevant(capabilities: u64) -> u64 {
    let all = PRIVILEGED.iter().flat_map(|(capabilities, _)| *capabilities);
    capabilities & all.fold(0, |mask, capability| mask | 1_u64 << capability)
}

/// What one ABI is answered in a jar that keeps these capabilities.
pub(crate) fn policy(abi: Abi, capabilities: u64) -> Result<Policy, BackendError> {
    let refused = || errno(libc::EPERM);
    let absent = || errno(libc::ENOSYS);
    // What the table does not know is newer than this profile.
    let mut calls: BTreeMap<u32, Answer> =
        abi.known().into_iter().map(|number| (number, Answer::Always(refused()))).collect();
    let mut set = |name: &str, answer: Answer| {
        if let Some(number) = abi.number(name) {
            calls.insert(number, answer);
        }
    };
    for name in ABSENT.split(' ') {
        set(name, Answer::Always(absent()));
    }
    for name in ALLOWED.iter().flat_map(|names| names.split(' ')) {
        set(name, Answer::Always(SeccompAction::Allow));
    }
    let only = |rules| Answer::When { rules, then: SeccompAction::Allow, otherwise: refused() };
    set("clone", only(vec![all(vec![(0, MaskedEq(NEW_NAMESPACES), 0)])?]));
    set("socket", only(vec![all(vec![(0, Ne, AF_VSOCK)])?]));
    set("ioctl", only(vec![all(vec![(1, Ne, TIOCSTI), (1, Ne, TIOCLINUX)])?]));
    let personalities = PERSONALITIES.into_iter().map(|value| all(vec![(0, Eq, value)]));
    set("personality", only(personalities.collect::<Result<_, _>>()?));
    for (needed, names) in PRIVILEGED {
        if needed.iter().any(|capability| capabilities >> capability & 1 == 1) {
            for name in names.split(' ') {
                set(name, Answer::Always(SeccompAction::Allow));
            }
        }
    }
    Ok(Policy { abi, calls, other: Answer::Always(absent()) })
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

/// A rule of conditions on the low 32 bits of arguments, which is all that the kernel reads of
/// those in this profile.
fn all(conditions: Vec<(u8, seccompiler::SeccompCmpOp, u64)>) -> Result<SeccompRule, BackendError> {
    let conditions = conditions
        .into_iter()
        .map(|(argument, operator, value)| SeccompCondition::new(argument, Dword, operator, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{ABSENT, ALLOWED, Abi, PRIVILEGED, relevant};

    #[test]
    fn every_name_is_a_call_of_some_abi_and_said_once() {
        let abis = [Abi::X86_64, Abi::I386, Abi::Aarch64, Abi::Arm];
        let mut seen = HashSet::new();
        let privileged = PRIVILEGED.iter().map(|(_, names)| names);
        for name in ALLOWED.iter().chain(privileged).flat_map(|names| names.split(' ')) {
            assert!(abis.iter().any(|abi| abi.number(name).is_some()), "{name}");
            assert!(seen.insert(name), "{name} is there twice");
        }
        for name in ABSENT.split(' ') {
            assert!(abis.iter().all(|abi| abi.number(name).is_some()), "{name}");
        }
    }

    #[test]
    fn only_some_capabilities_matter() {
        assert_eq!(relevant(0xa004_25fb), 1 << 18);
        assert_eq!(relevant(1 << 21 | 1), 1 << 21);
    }
}
