//! The snapshot of this machine.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use belljar::harness::spec::RootfsRef;

use crate::support::{Bench, is_lock, is_root, nowhere, read};

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            walk(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn it_holds_tools_and_nothing_private() {
    let bench = Bench::new();
    let rootfs = bench.resolve(&RootfsRef::Host).unwrap();
    assert_eq!(rootfs.used.used, "host");
    for tool in ["bash", "sh", "ls", "cat", "grep", "sed", "awk", "find", "sort", "sleep", "env"] {
        assert!(
            rootfs.has_program(format!("/bin/{tool}"))
                || rootfs.has_program(format!("/usr/bin/{tool}")),
            "{tool}"
        );
    }
    assert!(read(&rootfs, "etc/passwd").starts_with("root:x:0:0:root:/root:/bin/bash\n"));
    assert_eq!(fs::metadata(rootfs.path.join("tmp")).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::read_dir(rootfs.path.join("root")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(rootfs.path.join("home")).unwrap().count(), 0);

    let mut etc: Vec<_> = fs::read_dir(rootfs.path.join("etc"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    etc.sort();
    let allowed = [
        "alternatives",
        "group",
        "host.conf",
        "hostname",
        "hosts",
        "ld.so.cache",
        "ld.so.conf",
        "mtab",
        "nsswitch.conf",
        "os-release",
        "passwd",
        "resolv.conf",
        "shells",
        "terminfo",
    ];
    assert!(etc.iter().all(|name| allowed.contains(&name.as_str())), "{etc:?}");

    let mut all = Vec::new();
    walk(&rootfs.path, &mut all);
    for path in &all {
        let meta = fs::symlink_metadata(path).unwrap();
        if meta.is_file() {
            assert_eq!(meta.mode() & 0o6000, 0, "{} is set-id", path.display());
            assert_eq!(meta.mode() & 0o004, 0o004, "{} is private", path.display());
            // Neither a hard link to the host's file nor to anything else.
            assert_eq!(meta.nlink(), 1, "{}", path.display());
        }
    }
    let size = bench.store.list().unwrap()[0].size;
    assert!((1_000_000..100_000_000).contains(&size), "{size} bytes");
}

#[test]
fn its_programs_find_their_libraries() {
    let bench = Bench::new();
    let rootfs = bench.resolve(&RootfsRef::Host).unwrap();
    let mut command = if is_root() {
        Command::new("chroot")
    } else {
        if !Command::new("unshare").args(["-r", "true"]).status().is_ok_and(|it| it.success()) {
            eprintln!("skipped: this user may not make a user namespace");
            return;
        }
        let mut command = Command::new("unshare");
        command.args(["-r", "chroot"]);
        command
    };
    // Exit status 127 is the loader's, as is "error while loading".
    let script = r#"
        for tool in /bin/* /usr/bin/* /sbin/* /usr/sbin/*; do
            [[ -x $tool ]] || { [[ -L $tool ]] && continue; echo "not executable: $tool"; }
        done
        echo 'b
a' | sort | tr a-z A-Z
        ls -d /usr/share; printf 'x y' | awk '{ print $2 }'; id -un; find /etc -name passwd
        for tool in cat sed grep tar gzip ps mount ip hostname diff less vi perl setpriv; do
            command -v "$tool" > /dev/null || continue
            "$tool" --version < /dev/null > /tmp/out 2>&1
            [[ $? != 127 ]] || cat /tmp/out
            grep 'while loading' /tmp/out
        done
        exit 7
    "#;
    let output = command
        .arg(&rootfs.path)
        .args(["/bin/bash", "-c", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "A\nB\n/usr/share\ny\nroot\n/etc/passwd\n", "{output:?}");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn it_is_taken_once() {
    let bench = Bench::new();
    let first = bench.resolve(&RootfsRef::Host).unwrap();
    assert_eq!(bench.steps.take().len(), 1);
    let second = bench.resolve_in(&bench.reopened(nowhere()), &RootfsRef::Host, false).unwrap();
    assert_eq!(bench.steps.take(), [""; 0]);
    assert_eq!(first.path, second.path);
}

#[test]
fn earlier_snapshots_go_unless_they_are_used() {
    let bench = Bench::new();
    let current = bench.resolve(&RootfsRef::Host).unwrap();
    let images = bench.store.path().join("images");
    for name in ["host-old", "host-used"] {
        fs::create_dir_all(images.join(name).join("root")).unwrap();
    }
    let file = fs::File::create(images.join("host-used.lock")).unwrap();
    let _used = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockShared).unwrap();
    // As if a file of the host had another time than it had then.
    let list = bench.store.path().join("records/host");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replacen("file ", "file 1", 1)).unwrap();
    let again = bench.resolve_in(&bench.reopened(nowhere()), &RootfsRef::Host, false).unwrap();
    assert_eq!(again.path, current.path);
    let left: HashSet<_> = fs::read_dir(&images)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !is_lock(name))
        .collect();
    let key = current.path.parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert_eq!(left, HashSet::from([key.to_owned(), "host-used".to_owned()]));
}
