//! Archives of strangers: each tries to reach out of the root that it is unpacked to.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use belljar::rootfs::{RootfsError, UnpackError};

use crate::support::{Bench, Entry, Tar};

/// A folder outside of the store, with a file that no archive may touch.
struct Outside {
    folder: PathBuf,
    victim: PathBuf,
}

impl Outside {
    fn new(bench: &Bench) -> Self {
        let folder = bench.path("outside");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let victim = folder.join("victim");
        fs::write(&victim, "untouched").unwrap();
        Self { folder, victim }
    }

    fn folder(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    fn victim(&self) -> &str {
        self.victim.to_str().unwrap()
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(fs::read_to_string(&self.victim).unwrap(), "untouched");
        assert_eq!(fs::metadata(&self.victim).unwrap().nlink(), 1);
        let folder = fs::metadata(&self.folder).unwrap();
        assert_eq!(folder.mode() & 0o7777, 0o711);
        assert!(folder.mtime() > crate::support::TIME + 1000);
        assert_eq!(fs::read_dir(&self.folder).unwrap().count(), 1);
    }
}

fn unpack_error(result: Result<belljar::rootfs::Rootfs, RootfsError>) -> UnpackError {
    match result {
        Err(RootfsError::Unpack { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn dots_are_refused() {
    for path in ["../evil", "a/../../evil", "..", "./..//evil", "/../evil"] {
        let bench = Bench::new();
        let error = unpack_error(bench.import(&Tar::default().file(path, "x").bytes()));
        assert!(matches!(error, UnpackError::Escape { .. }), "{path}: {error:?}");
        bench.assert_empty();
    }
}

#[test]
fn absolute_paths_stay_inside() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let rootfs = bench.import(&Tar::default().file(outside.victim(), "x").bytes()).unwrap();
    assert_eq!(fs::read_to_string(rootfs.path.join(&outside.victim()[1..])).unwrap(), "x");
    outside.assert_untouched();
}

#[test]
fn an_absolute_link_to_a_folder_is_not_written_through() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let tar = Tar::default().symlink("link", outside.folder()).file("link/victim", "x");
    // Inside, the link leads nowhere.
    unpack_error(bench.import(&tar.bytes()));
    outside.assert_untouched();
    bench.assert_empty();
}

#[test]
fn a_link_with_dots_ends_at_the_root() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let up = format!("{}{}", "../".repeat(12), &outside.folder()[1..]);
    let tar = Tar::default()
        .folder(outside.folder(), 0o755)
        .symlink("link", &up)
        .file("link/victim", "inside");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    // What it would mean to a process whose root this is.
    assert_eq!(fs::read_to_string(rootfs.path.join(&outside.victim()[1..])).unwrap(), "inside");
    outside.assert_untouched();
}

#[test]
fn a_file_over_a_link_replaces_the_link() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let tar = Tar::default().symlink("f", outside.victim()).file("f", "mine");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    let there = fs::symlink_metadata(rootfs.path.join("f")).unwrap();
    assert!(there.is_file());
    assert_eq!(crate::support::read(&rootfs, "f"), "mine");
    outside.assert_untouched();
}

#[test]
fn a_folder_over_a_link_replaces_the_link() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let tar =
        Tar::default().symlink("d", outside.folder()).folder("d", 0o777).file("d/victim", "mine");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    assert!(fs::symlink_metadata(rootfs.path.join("d")).unwrap().is_dir());
    assert_eq!(crate::support::read(&rootfs, "d/victim"), "mine");
    outside.assert_untouched();
}

#[test]
fn a_link_over_an_empty_folder_replaces_the_folder() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let tar = Tar::default()
        .folder("d", 0o755)
        .folder("real", 0o755)
        .symlink("d", "real")
        .file("d/f", "x");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    assert_eq!(crate::support::read(&rootfs, "real/f"), "x");
    outside.assert_untouched();
}

#[test]
fn a_path_that_changes_its_meaning_is_walked_again() {
    let bench = Bench::new();
    // The second entry replaces the link that its own path goes through.
    let tar = Tar::default().symlink("l", ".").folder("l/l", 0o755).file("l/x", "in the folder");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    assert!(fs::symlink_metadata(rootfs.path.join("l")).unwrap().is_dir());
    assert_eq!(crate::support::read(&rootfs, "l/x"), "in the folder");
}

#[test]
fn hard_links_do_not_reach_out() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    for tar in [
        Tar::default().hard_link("h", outside.victim()).file("h", "x"),
        Tar::default().symlink("d", outside.folder()).hard_link("h", "d/victim").file("h", "x"),
    ] {
        let error = unpack_error(bench.import(&tar.bytes()));
        assert!(matches!(error, UnpackError::HardLink { .. }), "{error:?}");
        outside.assert_untouched();
        bench.assert_empty();
    }
    let dots = format!("{}{}", "../".repeat(12), &outside.victim()[1..]);
    let error = unpack_error(bench.import(&Tar::default().hard_link("h", &dots).bytes()));
    assert!(matches!(error, UnpackError::Escape { .. }), "{error:?}");
}

#[test]
fn a_hard_link_to_a_link_is_one_more_link() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    let links = || Tar::default().symlink("s", outside.victim()).hard_link("h", "s");
    let rootfs = bench.import(&links().bytes()).unwrap();
    assert!(fs::symlink_metadata(rootfs.path.join("h")).unwrap().is_symlink());
    outside.assert_untouched();
    let rootfs = bench.import(&links().file("h", "mine").bytes()).unwrap();
    assert_eq!(crate::support::read(&rootfs, "h"), "mine");
    assert!(fs::symlink_metadata(rootfs.path.join("s")).unwrap().is_symlink());
    outside.assert_untouched();
}

#[test]
fn a_hard_link_to_itself_keeps_the_file() {
    let bench = Bench::new();
    let tar = Tar::default().file("f", "kept").hard_link("f", "f").hard_link("g", "f");
    let rootfs = bench.import(&tar.hard_link("g", "f").bytes()).unwrap();
    assert_eq!(crate::support::read(&rootfs, "f"), "kept");
    assert_eq!(fs::metadata(rootfs.path.join("g")).unwrap().nlink(), 2);
}

#[test]
fn the_times_of_a_link_are_its_own() {
    let bench = Bench::new();
    let outside = Outside::new(&bench);
    // The folder's time is set at the end, when a link stands in its place.
    let tar = Tar::default().folder("d", 0o700).symlink("d", outside.folder());
    bench.import(&tar.bytes()).unwrap();
    outside.assert_untouched();
}

#[test]
fn device_nodes_are_left_out_with_their_links() {
    let bench = Bench::new();
    let tar = Tar::default()
        .entry(&Entry { kind: b'3', path: "dev/null", ..Entry::default() })
        .entry(&Entry { kind: b'4', path: "dev/sda", ..Entry::default() })
        .hard_link("dev/disk", "dev/sda")
        .hard_link("dev/again", "dev/disk")
        .entry(&Entry { kind: b'6', path: "dev/fifo", mode: 0o622, ..Entry::default() });
    let rootfs = bench.import(&tar.bytes()).unwrap();
    let names: Vec<_> = fs::read_dir(rootfs.path.join("dev"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["fifo"]);
    assert_eq!(fs::metadata(rootfs.path.join("dev/fifo")).unwrap().mode(), 0o10622);
}

#[test]
fn the_root_itself_is_a_folder_and_stays_one() {
    for kind in [b'0', b'2', b'1'] {
        let bench = Bench::new();
        let entry = Entry { kind, path: ".", link: "/", ..Entry::default() };
        let error = unpack_error(bench.import(&Tar::default().entry(&entry).bytes()));
        assert!(matches!(error, UnpackError::Path { .. }), "{error:?}");
        bench.assert_empty();
    }
}

#[test]
fn links_inside_are_followed_inside_when_bash_is_looked_for() {
    let bench = Bench::new();
    let tar = Tar::default()
        .symlink("bin", "/usr/bin")
        .entry(&Entry { path: "usr/bin/tool", mode: 0o755, ..Entry::default() })
        .symlink("usr/bin/alias", "/bin/tool")
        .symlink("usr/bin/out", "/proc/self/exe")
        .symlink("usr/bin/up", "../../../../../../../../../bin/sh");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    assert!(rootfs.has_program("/bin/tool"));
    assert!(rootfs.has_program("/bin/alias"));
    assert!(!rootfs.has("/bin/out"));
    assert!(!rootfs.has("/bin/up"));
    assert!(!rootfs.has("/bin/bash"));
    assert!(rootfs.has("/bin") && !rootfs.has_program("/bin"));
}
