//! Many jars from one process with many threads: nothing hangs, grows or stays.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use belljar::harness::{Cancel, Ending, Runner, State};
use belljar::rootfs::Store;
use common::{runner, spec};

/// `BELLJAR_STRESS=2000x10` runs ten rounds of 2,000 jars; the default keeps `cargo test` quick.
fn size() -> (usize, usize) {
    let text = std::env::var("BELLJAR_STRESS").unwrap_or_else(|_| "160x2".to_owned());
    let (jars, rounds) = text.split_once('x').unwrap();
    (jars.parse().unwrap(), rounds.parse().unwrap())
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Cgroups of jars below any hierarchy.
fn cgroups() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("belljar-") && !name.contains("test") {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn many_threads_start_many_jars() {
    let (jars, rounds) = size();
    let runner = runner();
    let plan = spec("echo $$");
    runner.run(&plan, &Cancel::new()).unwrap();
    let mut sizes = Vec::new();
    for _ in 0..rounds {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while next.fetch_add(1, Ordering::Relaxed) < jars {
                        let outcome = runner.run(&plan, &Cancel::new()).unwrap();
                        assert_eq!(outcome.ending, Ending::Exit(0));
                        assert_eq!(outcome.stdout.bytes, b"1\n");
                        let broken = outcome.evidence.iter().find(|e| e.state == State::Broken);
                        assert_eq!(broken, None);
                    }
                });
            }
        });
        sizes.push(resident());
    }
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    assert!(last < first + 8192, "memory grew from {first} to {last} KiB: {sizes:?}");
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children.trim(), "");
    println!("resident after each round, KiB: {sizes:?}");
}

/// The other half of the next test: a run that is killed in the middle.
#[test]
#[ignore = "started by the test of killed runs"]
fn sleep_in_jars() {
    let runner = runner();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let _ = runner.run(&spec("sleep 1000 & setsid sleep 1000"), &Cancel::new());
            });
        }
    });
}

#[test]
fn a_killed_run_takes_its_jars_along_and_is_swept() {
    let store = tempfile::tempdir().unwrap();
    let runs = Store::open(Some(store.path())).unwrap().runs_dir();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "sleep_in_jars"])
        .env("BELLJAR_STORE", store.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mine = || -> Vec<PathBuf> {
        let ids: Vec<String> = fs::read_dir(&runs)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| format!("belljar-{}-", e.file_name().to_string_lossy()))
            .collect();
        let is_mine = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            ids.iter().any(|id| name.starts_with(id))
        };
        cgroups().into_iter().filter(is_mine).collect()
    };
    let processes = || -> usize {
        let count = |path: &PathBuf| {
            fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default().lines().count()
        };
        mine().iter().map(count).sum()
    };
    let until = |what: &str, done: &dyn Fn() -> bool| {
        // Bounded by count: 60 s.
        for _ in 0..6000 {
            if done() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{what} did not happen");
    };
    // Bash and two sleeps in each of four jars, in at least one hierarchy.
    until("the start of the jars", &|| processes() >= 12);
    child.kill().unwrap();
    child.wait().unwrap();
    until("the death of the jars", &|| processes() == 0);
    let left = mine();
    assert!(!left.is_empty(), "a killed run leaves its cgroups to the sweep");

    let next = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_jar", "--ignored"])
        .env("BELLJAR_STORE", store.path())
        .output()
        .unwrap();
    assert!(next.status.success(), "{}", String::from_utf8_lossy(&next.stdout));
    for folder in left {
        assert!(!folder.exists(), "{}", folder.display());
    }
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 0);
}

/// The run after a killed one.
#[test]
#[ignore = "started by the test of killed runs"]
fn one_jar() {
    assert_eq!(runner().run(&spec("exit 5"), &Cancel::new()).unwrap().ending, Ending::Exit(5));
}
