//! Many threads and processes that want the same root at the same time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::Ordering;

use belljar::harness::Cancel;
use belljar::rootfs::{Progress, ResolveOptions, RootfsError, Silent, Store};

use crate::support::{Bench, Tar, by_path, gzip, nowhere, sha256};

fn archive(bench: &Bench) -> PathBuf {
    let tar = (0..400).fold(Tar::default(), |tar, i| tar.file(&format!("d{i}/f"), "some content"));
    bench.file("archive", &gzip(&tar.bytes()))
}

#[test]
fn threads_share_one_import() {
    let bench = Bench::new();
    let reference = by_path(&archive(&bench));
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = bench.reopened(nowhere());
                barrier.wait();
                let rootfs = bench.resolve_in(&store, &reference, false).unwrap();
                assert_eq!(fs::read_dir(&rootfs.path).unwrap().count(), 400);
            });
        }
    });
    let unpacked = bench.steps.take().iter().filter(|step| *step == "unpacking").count();
    assert_eq!(unpacked, 1);
    assert_eq!(bench.store.list().unwrap().len(), 1);
}

const CHILD: &str = "BELLJAR_TEST_SHARING";

/// One of the processes below; does nothing by itself.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let store = Store::open_with(&folder.join("store"), nowhere()).unwrap();
    let options = ResolveOptions {
        offline: false,
        progress: &Silent,
        notice: &|_| {},
        cancel: &Cancel::new(),
    };
    let rootfs = store.resolve(&by_path(&folder.join("archive")), &options).unwrap();
    assert_eq!(fs::read_dir(&rootfs.path).unwrap().count(), 400);
    assert!(matches!(store.remove(&rootfs.used.digest.unwrap()), Err(RootfsError::InUse { .. })));
}

#[test]
fn processes_share_one_import() {
    let bench = Bench::new();
    archive(&bench);
    let children: Vec<_> = (0..6)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sharing::child"])
                .env(CHILD, bench.folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
    let images = bench.store.list().unwrap();
    assert!(images.len() == 1 && !images[0].in_use, "{images:?}");
}

/// Says that it is in the middle of unpacking, and stays there.
struct Stuck(std::sync::atomic::AtomicBool);

impl Progress for Stuck {
    fn start(&self, what: &str, _: Option<u64>) {
        self.0.store(what == "unpacking", Ordering::SeqCst);
    }

    fn advance(&self, _: u64) {
        if self.0.load(Ordering::SeqCst) {
            println!("\nunpacking now");
            loop {
                std::thread::park();
            }
        }
    }

    fn finish(&self) {}
}

/// The process that is killed below; does nothing by itself.
#[test]
fn stuck_child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let store = Store::open_with(&folder.join("store"), nowhere()).unwrap();
    let options = ResolveOptions {
        offline: false,
        progress: &Stuck(false.into()),
        notice: &|_| {},
        cancel: &Cancel::new(),
    };
    let never = store.resolve(&by_path(&folder.join("archive")), &options);
    panic!("{never:?}");
}

#[test]
fn what_a_killed_import_left_is_swept() {
    let bench = Bench::new();
    let path = archive(&bench);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sharing::stuck_child", "--nocapture"])
        .env(CHILD, bench.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let found = output.lines().any(|line| line.unwrap() == "unpacking now");
    assert!(found, "{:?}", child.wait());
    let tmp = bench.store.path().join("tmp");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 1);
    std::thread::scope(|scope| {
        // Whoever waits for it goes on when it is dead.
        let waiting = scope.spawn(|| bench.resolve(&by_path(&path)).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        let rootfs = waiting.join().unwrap();
        assert_eq!(fs::read_dir(&rootfs.path).unwrap().count(), 400);
    });
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn import_and_removal_at_the_same_time() {
    let bench = Bench::new();
    let bytes = gzip(&Tar::default().file("d/f", "x").bytes());
    let path = bench.file("archive", &bytes);
    let digest = sha256(&bytes);
    let barrier = Barrier::new(6);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (bench, path, digest, barrier) = (&bench, &path, &digest, &barrier);
            scope.spawn(move || {
                let store = bench.reopened(nowhere());
                barrier.wait();
                for _ in 0..40 {
                    if thread % 2 == 0 {
                        let rootfs = bench.resolve_in(&store, &by_path(path), false).unwrap();
                        // It is whole, and stays for as long as it is held.
                        assert!(rootfs.has("/d/f"));
                    } else {
                        match store.remove(digest) {
                            Ok(_)
                            | Err(RootfsError::InUse { .. } | RootfsError::NotInStore { .. }) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(fs::read_dir(bench.store.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_known_archive_is_neither_read_nor_unpacked_until_it_changes() {
    let bench = Bench::new();
    let path = archive(&bench);
    let first = bench.resolve(&by_path(&path)).unwrap();
    // A file is trusted by its times only once they are old enough to tell a later change.
    let mut reads = 0;
    while bench.resolve(&by_path(&path)).is_ok() && !bench.steps.take().is_empty() {
        reads += 1;
        assert!(reads < 100_000, "the digest is never remembered");
    }
    let same = bench.resolve_in(&bench.reopened(nowhere()), &by_path(&path), false).unwrap();
    assert_eq!(bench.steps.take(), [""; 0]);
    assert_eq!(same.path, first.path);

    let other = Tar::default().file("new", "x").bytes();
    fs::write(&path, &other).unwrap();
    let changed = bench.resolve(&by_path(&path)).unwrap();
    assert_ne!(changed.path, first.path);
    assert!(changed.has("/new"));
    assert!(first.path.join("d0/f").exists());
}

#[test]
fn whoever_waits_can_be_stopped() {
    let bench = Bench::new();
    let path = archive(&bench);
    let digest = bench.resolve(&by_path(&path)).unwrap().used.digest.unwrap();
    bench.store.remove(&digest).unwrap();
    let key = digest.replace(':', "-");
    let lock = fs::File::create(bench.store.path().join(format!("images/{key}.lock"))).unwrap();
    let held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.resolve(&by_path(&path)));
        bench.cancel.raise();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(error.is_interrupted(), "{error:?}");
    });
    drop(held);
}
