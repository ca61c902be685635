//! Real cgroups, on whatever layout this machine has: v1, hybrid or v2, as root or
//! as a user with a delegated one. Where nothing is delegated, the promised error is
//! what is tested, and `BELLJAR_REQUIRE=1` makes that a failure.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use belljar::cgroup::{Ceilings, CgroupError, Cgroups, Controller, JarCgroup};
use belljar::harness::host::CgroupLayout;
use nix::poll::{PollFd, PollTimeout, poll};

const MIB: u64 = 1 << 20;

/// One for the process: on v2 it may move us into a leaf.
fn cgroups() -> &'static Cgroups {
    static CGROUPS: OnceLock<Cgroups> = OnceLock::new();
    CGROUPS.get_or_init(|| Cgroups::probe(&format!("test-{}", std::process::id())))
}

fn name(of: &str) -> String {
    format!("belljar-test-{}-{of}", std::process::id())
}

/// Makes a jar's cgroups; `None` if the host lacks what it takes, which is checked to be said.
fn jar(of: &str, limits: &Ceilings) -> Option<JarCgroup> {
    let wanted = [
        (Controller::Memory, limits.memory.is_some()),
        (Controller::Swap, limits.swap.is_some()),
        (Controller::Pids, limits.pids.is_some()),
        (Controller::Cpus, limits.cpus.is_some()),
    ];
    let lacking = wanted.into_iter().find_map(|(one, asked)| cgroups().lack(one).filter(|_| asked));
    let made = cgroups().create(&name(of), limits);
    let Some(lack) = lacking else {
        return Some(made.expect("nothing is lacking"));
    };
    assert!(std::env::var_os("BELLJAR_REQUIRE").is_none(), "required, but {lack}");
    assert!(lack.remedy.len() > 20, "{lack}");
    let error = made.expect_err("something is lacking");
    assert!(matches!(&error, CgroupError::Lacking { lack: said, .. } if said == lack), "{error}");
    eprintln!("not tested here: {error}");
    None
}

/// A shell that waits for its line before it runs `script`, so that it can be moved first.
struct Gated(Child);

impl Gated {
    fn new(script: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("read line\n{script}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("sh starts"))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("pids are small")
    }

    fn go_in(&mut self, jar: &JarCgroup) {
        jar.join(self.pid(), false).expect("join");
        self.0.stdin.take().expect("open until now").write_all(b"go\n").expect("sh reads");
    }

    fn memberships(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cgroup", self.pid())).expect("it lives")
    }

    fn end(&mut self) -> ExitStatus {
        self.0.wait().expect("our child")
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn left(jar: &str) -> Vec<PathBuf> {
    cgroups()
        .parents()
        .iter()
        .map(|parent| parent.join(name(jar)))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn the_probe_says_what_is_there() {
    let found = cgroups();
    assert_ne!(found.layout(), CgroupLayout::None, "every Linux that builds this mounts cgroups");
    for parent in found.parents() {
        assert!(
            parent.is_absolute() && parent.join("cgroup.procs").exists(),
            "{}",
            parent.display()
        );
    }
    let missing = Controller::ALL.into_iter().filter_map(|one| found.lack(one)).count();
    assert!(missing == Controller::ALL.len() || !found.parents().is_empty());
}

#[test]
fn every_limit_is_read_back_from_the_kernel() {
    let mut asked = Ceilings { memory: Some(64 * MIB), swap: Some(0), pids: Some(17), cpus: None };
    // Not every user is given processor time to share out.
    if cgroups().lack(Controller::Cpus).is_none() {
        asked.cpus = Some(1.5);
    }
    let Some(jar) = jar("limits", &asked) else { return };
    assert_eq!(*jar.limits(), asked);
    assert_eq!(jar.reread().expect("reread"), asked);
    assert!(!left("limits").is_empty());

    // What is reread is the kernel's word and not ours: change it behind our back.
    let pids = left("limits")
        .into_iter()
        .map(|path| path.join("pids.max"))
        .find(|file| file.exists())
        .expect("pids");
    fs::write(pids, "9").expect("write");
    assert_eq!(jar.reread().expect("reread").pids, Some(9));

    jar.remove().expect("remove");
    assert_eq!(left("limits"), Vec::<PathBuf>::new());
}

#[test]
fn swap_is_on_top_of_memory_and_sizes_are_whole_pages() {
    let asked =
        Ceilings { memory: Some(16 * MIB + 5), swap: Some(8 * MIB + 7), ..Ceilings::default() };
    let Some(jar) = jar("swap", &asked) else { return };
    assert_eq!(jar.limits().memory, Some(16 * MIB));
    assert_eq!(jar.limits().swap, Some(8 * MIB));
    jar.remove().expect("remove");
}

#[test]
fn without_a_ceiling_there_is_no_cgroup() {
    let jar = cgroups().create(&name("bare"), &Ceilings::default()).expect("nothing to set");
    assert_eq!((jar.folders().count(), jar.needs_join()), (0, false));
    assert!(jar.clone_into().is_none() && jar.oom_watch().is_none());
    assert_eq!(left("bare"), Vec::<PathBuf>::new());
}

#[test]
fn a_name_in_use_is_refused_and_left_alone() {
    let asked = Ceilings { memory: Some(16 * MIB), pids: Some(5), ..Ceilings::default() };
    let Some(first) = jar("twice", &asked) else { return };
    let other = Ceilings { memory: Some(32 * MIB), pids: Some(6), ..Ceilings::default() };
    let error = cgroups().create(&name("twice"), &other).expect_err("it exists");
    assert!(matches!(error, CgroupError::Exists { .. }), "{error}");
    assert_eq!(first.reread().expect("still there"), asked);
    first.remove().expect("remove");
}

#[test]
fn a_process_is_seen_to_be_inside() {
    let asked = Ceilings { memory: Some(64 * MIB), pids: Some(20), ..Ceilings::default() };
    let Some(jar) = jar("inside", &asked) else { return };
    let mut child = Gated::new("sleep 1000");
    assert!(!jar.contains(&child.memberships()));
    child.go_in(&jar);
    assert!(jar.contains(&child.memberships()), "{}", child.memberships());
    // A sibling whose name starts alike is not inside, and neither is half a member.
    let inside = child.memberships();
    assert!(!jar.contains(&inside.replace("-inside", "-inside2")));
    let half: String =
        inside.lines().filter(|line| !line.contains("pids") && !line.starts_with("0::")).collect();
    assert!(!jar.contains(&half));

    jar.kill().expect("kill");
    assert_eq!(child.end().signal(), Some(libc::SIGKILL));
    jar.remove().expect("remove");
}

#[test]
fn a_hog_is_killed_with_its_whole_jar_and_counted() {
    let asked = Ceilings { memory: Some(16 * MIB), swap: Some(0), ..Ceilings::default() };
    let Some(jar) = jar("hog", &asked) else { return };
    assert_eq!(jar.usage().expect("usage").oom_kills, 0);
    let mut bystander = Gated::new("exec sleep 1000");
    bystander.go_in(&jar);
    // Bounded, in case nothing limits it.
    let mut hog =
        Gated::new("head -c 200000000 /dev/zero | tail -c 200000000 > /dev/null; exec sleep 1000");
    hog.go_in(&jar);
    while let Some(watch) = jar.oom_watch() {
        let mut fds = [PollFd::new(watch.fd, watch.flags)];
        let woken = poll(&mut fds, PollTimeout::try_from(120_000).unwrap()).expect("poll");
        assert_eq!(woken, 1, "no event");
        if jar.oom_killed().expect("counter") {
            jar.kill().expect("kill");
            break;
        }
    }
    assert_eq!(bystander.end().signal(), Some(libc::SIGKILL));
    assert_eq!(hog.end().signal(), Some(libc::SIGKILL));
    let usage = jar.usage().expect("usage");
    assert!(usage.oom_kills >= 1, "{usage:?}");
    if let Some(peak) = usage.memory_peak {
        assert!((8 * MIB..=16 * MIB).contains(&peak), "{peak}");
    }
    jar.remove().expect("remove");
    assert_eq!(left("hog"), Vec::<PathBuf>::new());
}

#[test]
fn below_the_ceiling_nothing_is_killed_and_usage_is_counted() {
    let asked =
        Ceilings { memory: Some(256 * MIB), swap: Some(0), pids: Some(20), ..Ceilings::default() };
    let Some(jar) = jar("modest", &asked) else { return };
    let mut child = Gated::new("head -c 20000000 /dev/zero | tail -c 20000000 > /dev/null");
    child.go_in(&jar);
    assert!(child.end().success());
    let usage = jar.usage().expect("usage");
    assert_eq!(usage.oom_kills, 0);
    if let Some(peak) = usage.memory_peak {
        assert!((16 * MIB..200 * MIB).contains(&peak), "{peak}");
    }
    if let Some(peak) = usage.processes_peak {
        assert!((2..=20).contains(&peak), "{peak}");
    }
    jar.remove().expect("remove");
}

#[test]
fn one_process_too_many_is_refused() {
    let Some(jar) = jar("pids", &Ceilings { pids: Some(3), ..Ceilings::default() }) else { return };
    let mut child = Gated::new(
        "export LC_ALL=C; sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & echo survived",
    );
    child.go_in(&jar);
    let status = child.end();
    // The sleepers hold the pipes until they are gone.
    jar.kill().expect("kill");
    let (mut out, mut err) = (String::new(), String::new());
    child.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(!status.success() && out.is_empty(), "{status}: {out}");
    assert!(err.contains("fork"), "{err}");
    if let Some(peak) = jar.usage().expect("usage").processes_peak {
        assert_eq!(peak, 3);
    }
    jar.remove().expect("remove");
}

#[test]
fn processor_time_is_held_back() {
    let Some(jar) = jar("cpus", &Ceilings { cpus: Some(0.1), ..Ceilings::default() }) else {
        return;
    };
    assert_eq!(jar.limits().cpus, Some(0.1));
    let mut child = Gated::new("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done");
    child.go_in(&jar);
    assert!(child.end().success());
    let stat =
        fs::read_to_string(jar.folders().next().expect("one").join("cpu.stat")).expect("cpu.stat");
    let throttled =
        stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).expect("a counter");
    assert!(throttled.parse::<u64>().unwrap() > 0, "{stat}");
    if cgroups().layout() == CgroupLayout::V2 {
        assert!(jar.usage().expect("usage").cpu.expect("v2 counts it").as_micros() > 0);
    }
    jar.remove().expect("remove");
}

#[test]
fn a_child_is_cloned_right_into_the_v2_cgroup() {
    let asked = Ceilings { memory: Some(64 * MIB), pids: Some(5), ..Ceilings::default() };
    let Some(jar) = jar("clone", &asked) else { return };
    let Some(descriptor) = jar.clone_into() else {
        assert!(jar.needs_join(), "neither way in");
        return;
    };
    // SAFETY: all-zero is what clone3(2) takes for "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    // clone3(2); the constant of libc is cut off at 32 bits.
    args.flags = 0x2_0000_0000;
    args.exit_signal = u64::try_from(libc::SIGCHLD).unwrap();
    args.cgroup = u64::try_from(descriptor.as_raw_fd()).unwrap();
    // SAFETY: like fork(2); the child calls nothing but pause(2).
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    if pid == 0 {
        loop {
            // SAFETY: takes nothing, touches nothing.
            unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0) };
        }
    }
    assert!(pid > 0, "{}", std::io::Error::last_os_error());
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it lives");
    assert!(jar.contains(&text), "{text}");
    jar.kill().expect("kill");
    let mut status = 0;
    // SAFETY: `status` is ours, and the child is too.
    unsafe { libc::waitpid(i32::try_from(pid).unwrap(), &raw mut status, 0) };
    assert!(libc::WIFSIGNALED(status));
    jar.remove().expect("remove");
}

#[test]
fn a_busy_jar_is_emptied_and_removed() {
    let asked = Ceilings { memory: Some(64 * MIB), pids: Some(50), ..Ceilings::default() };
    let Some(jar) = jar("busy", &asked) else { return };
    // Daemons of the jar, each deaf to SIGTERM, and a cgroup that the jar made itself.
    let mut child =
        Gated::new("trap '' TERM; for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait");
    let sub: Vec<_> = jar.folders().map(|folder| folder.join("sub")).collect();
    for folder in &sub {
        fs::create_dir(folder).expect("mkdir");
    }
    child.go_in(&jar);
    jar.remove().expect("remove");
    assert_eq!(child.end().signal(), Some(libc::SIGKILL));
    assert_eq!(left("busy"), Vec::<PathBuf>::new());
}

#[test]
fn a_dropped_jar_leaves_nothing() {
    let Some(jar) = jar("dropped", &Ceilings { memory: Some(64 * MIB), ..Ceilings::default() })
    else {
        return;
    };
    let mut child = Gated::new("sleep 1000");
    child.go_in(&jar);
    drop(jar);
    assert_eq!(child.end().signal(), Some(libc::SIGKILL));
    assert_eq!(left("dropped"), Vec::<PathBuf>::new());
}

#[test]
fn a_sweep_removes_its_prefix_and_nothing_else() {
    let asked = Ceilings { memory: Some(64 * MIB), pids: Some(9), ..Ceilings::default() };
    let Some(stale) = jar("sweep-a-1", &asked) else { return };
    let kept = jar("sweep-b-1", &asked).expect("the first was made");
    let mut doomed = Gated::new("sleep 1000");
    doomed.go_in(&stale);
    let mut spared = Gated::new("sleep 1000");
    spared.go_in(&kept);
    let folders = stale.folders().count();
    // As a killed run would: nobody removes it.
    std::mem::forget(stale);

    let mut parents = cgroups().parents().to_vec();
    parents.push(PathBuf::from("/nowhere/at/all"));
    let removed = Cgroups::sweep(&parents, &name("sweep-a-")).expect("sweep");
    assert_eq!(removed, folders);
    assert_eq!(left("sweep-a-1"), Vec::<PathBuf>::new());
    assert_eq!(doomed.end().signal(), Some(libc::SIGKILL));
    assert!(spared.0.try_wait().expect("our child").is_none());
    assert!(kept.contains(&spared.memberships()));
    assert_eq!(Cgroups::sweep(&parents, &name("sweep-a-")).expect("again"), 0);
    assert!(matches!(Cgroups::sweep(&parents, ""), Err(CgroupError::Invalid(_))));
    kept.remove().expect("remove");
}

#[test]
fn a_sweep_of_a_folder_that_is_no_cgroup_removes_nothing() {
    let folder = tempfile::tempdir().expect("tempdir");
    let inside = folder.path().join("belljar-test-x");
    fs::create_dir(&inside).expect("mkdir");
    assert_eq!(Cgroups::sweep(&[folder.path().to_owned()], "belljar-test-").expect("sweep"), 0);
    assert!(inside.exists());
}

#[test]
fn many_threads_make_and_remove_jars() {
    let asked = Ceilings { memory: Some(16 * MIB), pids: Some(5), ..Ceilings::default() };
    let Some(first) = jar("many", &asked) else { return };
    first.remove().expect("remove");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..25 {
                    let jar = cgroups()
                        .create(&name(&format!("many-{thread}-{round}")), &asked)
                        .expect("create");
                    jar.usage().expect("usage");
                    jar.remove().expect("remove");
                }
            });
        }
    });
    let prefix = name("many");
    for parent in cgroups().parents() {
        let left = fs::read_dir(parent).expect("list").filter_map(Result::ok);
        assert_eq!(
            left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count(),
            0
        );
    }
}

/// On v2, a delegated cgroup that holds only us is used: we step into a leaf, and back.
#[test]
fn our_own_cgroup_is_used_when_it_is_ours_alone() {
    if cgroups().layout() != CgroupLayout::V2 || !nix::unistd::geteuid().is_root() {
        eprintln!("not tested here: it takes root on pure v2 to make a cgroup to be alone in");
        return;
    }
    // Beside the jars, where the controllers are.
    let Some(jar) = jar("alone-probe", &Ceilings { memory: Some(16 * MIB), ..Ceilings::default() })
    else {
        return;
    };
    let place = jar.folders().next().expect("v2").parent().expect("a parent").join(name("alone"));
    jar.remove().expect("remove");
    fs::create_dir(&place).expect("mkdir");
    let path = std::ffi::CString::new(place.to_str().unwrap()).unwrap();
    // SAFETY: both strings end in NUL, and the value has the length given.
    let marked = unsafe {
        libc::setxattr(path.as_ptr(), c"trusted.delegate".as_ptr(), c"1".as_ptr().cast(), 1, 0)
    };
    assert_eq!(marked, 0, "{}", std::io::Error::last_os_error());

    let exe = std::env::current_exe().expect("a test binary");
    let mut child =
        Gated::new(&format!("exec {} --exact alone --ignored --nocapture 2>&1", exe.display()));
    fs::write(place.join("cgroup.procs"), child.pid().to_string()).expect("move");
    child.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let mut out = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let status = child.end();
    let entries: Vec<_> = fs::read_dir(&place)
        .unwrap()
        .filter_map(Result::ok)
        .filter(|e| e.path().is_dir())
        .collect();
    let enabled = fs::read_to_string(place.join("cgroup.subtree_control")).unwrap();
    fs::remove_dir(&place).expect("nothing is left in it");
    assert!(status.success() && out.contains("1 passed"), "{out}");
    assert!(entries.is_empty() && enabled.trim().is_empty(), "{entries:?} {enabled:?}");
}

#[test]
#[ignore = "run by our_own_cgroup_is_used_when_it_is_ours_alone, in a cgroup of its own"]
fn alone() {
    let own = || fs::read_to_string("/proc/self/cgroup").unwrap().trim().to_owned();
    let before = own();
    let cgroups = Cgroups::probe(&format!("test-{}", std::process::id()));
    assert_eq!(own(), before, "the probe moves nobody");
    assert!(
        cgroups.parents()[0].ends_with(Path::new(&before[3..]).file_name().unwrap()),
        "{:?}",
        cgroups.parents()
    );
    let asked =
        Ceilings { memory: Some(16 * MIB), swap: Some(0), pids: Some(5), ..Ceilings::default() };
    let jar = cgroups.create(&name("in-alone"), &asked).expect("create");
    assert_eq!(*jar.limits(), asked);
    assert!(own().starts_with(&before) && own().ends_with("-leaf"), "{}", own());
    let mut child = Gated::new("sleep 1000");
    child.go_in(&jar);
    assert!(jar.contains(&child.memberships()));
    // A second look, from inside of the leaf, finds the same place.
    assert_eq!(Cgroups::probe("again").parents(), cgroups.parents());
    // The sweep of another run's prefix never takes the leaf that we are in.
    assert_eq!(
        Cgroups::sweep(cgroups.parents(), &format!("belljar-test-{}-leaf", std::process::id()))
            .unwrap(),
        0
    );
    jar.remove().expect("remove");
    assert_eq!(child.end().signal(), Some(libc::SIGKILL));
    drop(child);
    drop(cgroups);
    assert_eq!(own(), before, "we are back");
}
