//! The store itself, folders as roots, and what is removed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use belljar::harness::SetupError;
use belljar::harness::spec::RootfsRef;
use belljar::rootfs::{RootfsError, Store};

use crate::support::{Bench, Tar, by_path, is_root, nowhere, small_root};

fn open(path: &Path) -> Result<Store, RootfsError> {
    Store::open_with(path, nowhere())
}

#[test]
fn a_store_is_ours_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/store");
    let store = open(&path).unwrap();
    assert_eq!(fs::metadata(store.path()).unwrap().mode() & 0o777, 0o700);
    assert!(store.runs_dir().is_dir());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    if is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(matches!(open(&path), Err(RootfsError::StoreOwner { owner: 12345, .. })));
    } else {
        assert!(matches!(open(Path::new("/usr")), Err(RootfsError::StoreOwner { .. })));
    }
}

#[test]
fn a_folder_with_other_things_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("letter"), "dear").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, RootfsError::NotAStore { .. }), "{error:?}");
    assert!(error.remedy().unwrap().contains("BELLJAR_STORE"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o755);
    assert!(open(&folder.path().join("letter")).is_err());
}

#[test]
fn a_store_half_laid_out_is_finished_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("images")).unwrap();
    open(folder.path()).unwrap();
    fs::write(folder.path().join("layout"), "2\n").unwrap();
    assert!(matches!(open(folder.path()), Err(RootfsError::StoreLayout { .. })));
}

#[test]
fn a_folder_is_used_as_it_is() {
    let bench = Bench::new();
    let path = bench.path("root");
    fs::create_dir_all(path.join("bin")).unwrap();
    std::os::unix::fs::symlink("root", bench.path("link")).unwrap();
    let rootfs = bench.resolve(&by_path(&bench.path("link"))).unwrap();
    assert_eq!(rootfs.path, path.canonicalize().unwrap());
    assert_eq!(rootfs.used.digest, None);
    assert!(!rootfs.has("/bin/bash"));
    bench.assert_empty();
}

#[test]
fn folders_that_would_show_the_machine_or_the_store() {
    let bench = Bench::new();
    for path in ["/", "/.", "/proc/self/root"] {
        let error = bench.resolve(&by_path(Path::new(path))).unwrap_err();
        assert!(matches!(error, RootfsError::MachineRoot { .. }), "{path}: {error:?}");
    }
    std::os::unix::fs::symlink(bench.folder.path(), bench.path("above")).unwrap();
    for path in [bench.folder.path().to_owned(), bench.path("above"), bench.path("store")] {
        let error = bench.resolve(&by_path(&path)).unwrap_err();
        assert!(matches!(error, RootfsError::ContainsStore { .. }), "{error:?}");
    }
}

#[test]
fn paths_that_are_no_root() {
    let bench = Bench::new();
    let error = bench.resolve(&by_path(&bench.path("absent"))).unwrap_err();
    assert!(matches!(error, RootfsError::Missing { .. }), "{error:?}");
    let file = bench.file("file", b"");
    let error = bench.resolve(&by_path(&file.join("below"))).unwrap_err();
    assert!(matches!(error, RootfsError::Missing { .. }), "{error:?}");
    let error = bench.resolve(&by_path(Path::new("/dev/null"))).unwrap_err();
    assert!(matches!(error, RootfsError::NotARoot { .. }), "{error:?}");
    let layout = bench.path("layout");
    fs::create_dir(&layout).unwrap();
    fs::write(layout.join("oci-layout"), "{}").unwrap();
    let error = bench.resolve(&by_path(&layout)).unwrap_err();
    assert!(matches!(error, RootfsError::NotYet { .. }), "{error:?}");
}

#[test]
fn what_is_used_is_not_removed() {
    let bench = Bench::new();
    let rootfs = bench.import(&small_root()).unwrap();
    let copy = rootfs.clone();
    let name = rootfs.used.used.clone();
    let image = bench.store.list().unwrap().pop().unwrap();
    assert_eq!((image.name.as_str(), image.in_use), (name.as_str(), true));
    assert_eq!(image.digest, rootfs.used.digest);
    drop(rootfs);
    let error = bench.reopened(nowhere()).remove(&name).unwrap_err();
    assert!(matches!(error, RootfsError::InUse { .. }), "{error:?}");
    assert!(copy.has("/bin/bash"));
    drop(copy);
    assert!(!bench.store.list().unwrap()[0].in_use);
    assert_eq!(bench.store.remove(&name).unwrap().name, name);
    bench.assert_empty();
    assert!(matches!(bench.store.remove(&name), Err(RootfsError::NotInStore { .. })));
    // Nothing is in the way of having it again.
    bench.import(&small_root()).unwrap();
}

#[test]
fn removal_by_digest_and_of_what_is_not_clear() {
    let bench = Bench::new();
    let one = bench.import(&small_root()).unwrap().used.digest.unwrap();
    let two = bench.import(&Tar::default().file("f", "x").bytes()).unwrap().used.digest.unwrap();
    assert_ne!(one, two);
    // Both were imported from the same path.
    let name = bench.path("archive").canonicalize().unwrap();
    let error = bench.store.remove(name.to_str().unwrap()).unwrap_err();
    assert!(matches!(&error, RootfsError::Ambiguous { candidates, .. } if candidates.len() == 2));
    let digits = one.strip_prefix("sha256:").unwrap();
    assert!(matches!(bench.store.remove(&digits[..3]), Err(RootfsError::NotInStore { .. })));
    bench.store.remove(&digits[..12].to_uppercase()).unwrap();
    bench.store.remove(&two[..20]).unwrap();
    bench.assert_empty();
}

#[test]
fn errors_cross_to_the_harness_whole() {
    let bench = Bench::new();
    let error = bench.resolve_in(&bench.store, &RootfsRef::Ubuntu2004, true).unwrap_err();
    let setup = SetupError::from(error);
    assert!(setup.message.contains("ubuntu:20.04") && setup.message.contains("--offline"));
    let remedy = setup.remedy.unwrap();
    for way in ["BELLJAR_MIRROR", "belljar rootfs import", "--rootfs host"] {
        assert!(remedy.contains(way), "{remedy}");
    }
    assert!(!setup.interrupted);
    bench.cancel.raise();
    let error = bench.import(&small_root()).unwrap_err();
    assert!(SetupError::from(error).interrupted);
    bench.assert_empty();
}
