//! Archives of every format, whole and damaged.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use belljar::harness::spec::RootfsRef;
use belljar::rootfs::{RootfsError, UnpackError};

use crate::support::{Bench, Entry, TIME, Tar, by_path, gzip, is_root, read, sha256, small_root};

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let (front, back) = bytes.split_at(bytes.len() / 2);
    // A frame that is to be skipped first, then two frames, as parallel tools write them.
    let mut all = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    all.extend(ruzstd::encoding::compress_to_vec(front, level));
    all.extend(ruzstd::encoding::compress_to_vec(back, level));
    all
}

#[test]
fn every_format_gives_the_same_root() {
    let plain = small_root();
    for archive in [plain.clone(), gzip(&plain), xz(&plain), zstd(&plain)] {
        let bench = Bench::new();
        let rootfs = bench.import(&archive).unwrap();
        assert_eq!(read(&rootfs, "etc/os-release"), "ID=test\n");
        assert!(rootfs.has_program("/bin/bash"));
        let digest = format!("sha256:{}", sha256(&archive));
        assert_eq!(rootfs.used.digest.as_deref(), Some(digest.as_str()));
        assert_eq!(
            rootfs.used.used,
            bench.path("archive").canonicalize().unwrap().to_str().unwrap()
        );
        assert!(rootfs.path.starts_with(bench.store.path()));
        assert_eq!(bench.steps.take(), ["reading", "unpacking"]);
        assert_eq!(bench.steps.ended(), 2);
    }
}

#[test]
fn gzip_members_may_follow_each_other() {
    let bench = Bench::new();
    let plain = small_root();
    let (front, back) = plain.split_at(700);
    let rootfs = bench.import(&[gzip(front), gzip(back)].concat()).unwrap();
    assert!(rootfs.has_program("/bin/bash"));
}

#[test]
fn what_is_not_supported_is_named() {
    for (head, name) in
        [(b"BZh91AY&SY".as_slice(), "bzip2"), (b"PK\x03\x04", "zip"), (b"hsqs", "squashfs")]
    {
        let bench = Bench::new();
        let error = bench.import(&[head, &[0; 600]].concat()).unwrap_err();
        assert!(matches!(error, RootfsError::NotYet { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
        bench.assert_empty();
    }
    let bench = Bench::new();
    for reference in [RootfsRef::Oci("x/y:z".into()), RootfsRef::Bootstrap("focal".into())] {
        let error = bench.resolve(&reference).unwrap_err();
        assert!(error.to_string().contains("not yet supported"), "{error}");
        assert!(error.to_string().contains(&reference.to_string()), "{error}");
    }
    for content in [b"".as_slice(), b"hello\n", &[0x55; 2000]] {
        let error = bench.import(content).unwrap_err();
        assert!(matches!(error, RootfsError::UnknownFormat { .. }), "{error:?}");
        bench.assert_empty();
    }
}

#[test]
fn container_images_are_named() {
    let docker = Tar::default().file("manifest.json", "[]").file("0a/layer.tar", "").bytes();
    let oci = Tar::default().file("oci-layout", "{}").file("index.json", "{}").bytes();
    for archive in [docker, oci] {
        let bench = Bench::new();
        let error = bench.import(&archive).unwrap_err();
        assert!(
            matches!(&error, RootfsError::Unpack { source: UnpackError::Image { .. }, .. }),
            "{error:?}"
        );
        assert!(error.remedy().unwrap().contains("docker export"));
        bench.assert_empty();
    }
}

#[test]
fn an_empty_archive_is_an_error() {
    let bench = Bench::new();
    let error = bench.import(&Tar::default().bytes()).unwrap_err();
    assert!(matches!(error, RootfsError::Unpack { source: UnpackError::Empty, .. }), "{error:?}");
    bench.assert_empty();
}

#[test]
fn no_cut_goes_unnoticed() {
    let plain = small_root();
    // From the last entry's header on: a cut between two entries is the subtle one.
    for cut in (512..=plain.len() - 1024).step_by(256) {
        let bench = Bench::new();
        let error = bench.import(&plain[..cut]).unwrap_err();
        assert!(matches!(error, RootfsError::Unpack { .. }), "{cut}: {error:?}");
        bench.assert_empty();
    }
    for whole in [gzip(&plain), xz(&plain), zstd(&plain)] {
        for cut in (20..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let bench = Bench::new();
            // A cut between two zstd frames leaves whole frames, but no whole archive.
            let error = bench.import(&whole[..cut]).unwrap_err();
            assert!(
                matches!(error, RootfsError::Unpack { .. } | RootfsError::UnknownFormat { .. }),
                "{cut} of {}: {error:?}",
                whole.len()
            );
            bench.assert_empty();
        }
    }
    let bench = Bench::new();
    let open = Tar::default().file("f", "x").open_ended();
    let error = bench.import(&open).unwrap_err();
    assert!(error.chain().contains("truncated"), "{}", error.chain());
}

#[test]
fn damage_does_not_go_unnoticed() {
    let plain = Tar::default().file("f", &"some content ".repeat(5000)).bytes();
    for whole in [gzip(&plain), xz(&plain), zstd(&plain)] {
        let bench = Bench::new();
        let mut damaged = whole.clone();
        let at = damaged.len() / 2;
        damaged[at] ^= 0x10;
        let error = bench.import(&damaged).unwrap_err();
        assert!(matches!(error, RootfsError::Unpack { .. }), "{error:?}");
        assert!(error.chain().contains("corrupt"), "{}", error.chain());
        assert!(error.remedy().is_some());
        bench.assert_empty();
    }
}

#[test]
fn the_checksum_of_zstd_is_checked() {
    let bench = Bench::new();
    let plain = Tar::default().file("f", &"some content ".repeat(5000)).bytes();
    // Stored as it is, so that nothing but the checksum can tell.
    let level = ruzstd::encoding::CompressionLevel::Uncompressed;
    let mut stored = ruzstd::encoding::compress_to_vec(&plain[..], level);
    bench.import(&stored).unwrap();
    let at = stored.windows(7).rposition(|part| part == b"content").unwrap();
    stored[at] ^= 1;
    let error = bench.import(&stored).unwrap_err();
    assert!(error.chain().contains("checksum"), "{}", error.chain());
}

#[test]
fn modes_times_and_owners() {
    let bench = Bench::new();
    let special = Entry { path: "su", mode: 0o4755, owner: (42, 43), ..Entry::default() };
    let tar = Tar::default()
        .entry(&special)
        .entry(&Entry { path: "locked/f", mode: 0, content: b"x", ..Entry::default() })
        .folder("locked", 0)
        .folder("tmp", 0o1777)
        .symlink("dangling", "nowhere")
        .folder("t", 0o755)
        .file("t/f", "after its folder");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    let stat = |path: &str| fs::symlink_metadata(rootfs.path.join(path)).unwrap();
    assert_eq!(stat("su").mode() & 0o7777, 0o4755);
    assert_eq!(stat("tmp").mode() & 0o7777, 0o1777);
    let own = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let expected = if is_root() { (42, 43) } else { own };
    assert_eq!((stat("su").uid(), stat("su").gid()), expected);
    // An ordinary user must be able to read and remove what is theirs.
    assert_eq!(stat("locked").mode() & 0o7777, if is_root() { 0 } else { 0o700 });
    assert_eq!(stat("locked/f").mode() & 0o7777, if is_root() { 0 } else { 0o400 });
    for path in ["su", "tmp", "dangling", "t", "t/f", "locked"] {
        assert_eq!(stat(path).mtime(), TIME, "{path}");
    }
    assert_eq!(fs::metadata(&rootfs.path).unwrap().mode() & 0o7777, 0o755);
    let digest = rootfs.used.digest.clone().unwrap();
    drop(rootfs);
    bench.store.remove(&digest).unwrap();
    bench.assert_empty();
}

#[test]
fn later_entries_win() {
    let bench = Bench::new();
    let tar = Tar::default()
        .file("f", "first, and longer")
        .file("f", "second")
        .folder("d", 0o700)
        .folder("d", 0o750)
        .file("empty/", "")
        .folder("was-folder", 0o755)
        .file("was-folder", "now a file")
        .symlink("was-link", "f")
        .symlink("was-link", "d");
    let rootfs = bench.import(&tar.bytes()).unwrap();
    assert_eq!(read(&rootfs, "f"), "second");
    assert_eq!(read(&rootfs, "was-folder"), "now a file");
    assert_eq!(fs::metadata(rootfs.path.join("d")).unwrap().mode() & 0o777, 0o750);
    assert!(rootfs.path.join("empty").is_dir());
    assert_eq!(fs::read_link(rootfs.path.join("was-link")).unwrap(), Path::new("d"));
}

/// Archives as GNU tar writes them.
fn gnu_tar(folder: &Path, options: &[&str]) -> Vec<u8> {
    let output =
        Command::new("tar").args(options).arg("-cC").arg(folder).arg(".").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn long_names_and_holes_of_gnu_tar() {
    let bench = Bench::new();
    let source = bench.path("source");
    let long = format!("{0}/{0}/{0}", "long-".repeat(30));
    fs::create_dir_all(source.join(&long)).unwrap();
    fs::write(source.join(&long).join("f"), "deep").unwrap();
    std::os::unix::fs::symlink(&long, source.join("link")).unwrap();
    fs::hard_link(source.join(&long).join("f"), source.join("hard")).unwrap();
    let holes = fs::File::create(source.join("holes")).unwrap();
    holes.set_len(4 << 20).unwrap();
    (&holes).write_all(b"start").unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"end", (2 << 20) + 5).unwrap();
    let content = fs::read(source.join("holes")).unwrap();
    for options in [&["--format=gnu", "-S"][..], &["--format=posix"], &["--format=gnu"]] {
        let archive = gnu_tar(&source, options);
        let rootfs = bench.import(&archive).unwrap();
        assert_eq!(read(&rootfs, &format!("{long}/f")), "deep");
        assert_eq!(read(&rootfs, "link/f"), "deep");
        let stat = |path: &str| fs::metadata(rootfs.path.join(path)).unwrap();
        assert_eq!(stat("hard").ino(), stat(&format!("{long}/f")).ino());
        assert!(fs::read(rootfs.path.join("holes")).unwrap() == content, "{options:?}");
        if options.contains(&"-S") {
            assert!(stat("holes").blocks() * 512 < 1 << 20);
        }
    }
    let error = bench.import(&gnu_tar(&source, &["--format=posix", "-S"])).unwrap_err();
    assert!(error.chain().contains("sparse"), "{}", error.chain());
}

#[test]
fn a_real_ubuntu() {
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/rootfs/ubuntu-20.04-i386.tar.gz");
    let archive = std::env::var_os("BELLJAR_TEST_UBUNTU").map_or(archive, Into::into);
    if !archive.exists() {
        eprintln!("skipped: no archive at {}; BELLJAR_TEST_UBUNTU names one", archive.display());
        return;
    }
    let bench = Bench::new();
    let rootfs = bench.resolve(&by_path(&archive)).unwrap();
    assert!(rootfs.has_program("/bin/bash"));
    assert!(read(&rootfs, "usr/lib/os-release").contains("Ubuntu 20.04"));
    let su = fs::metadata(rootfs.path.join("usr/bin/su")).unwrap();
    assert_eq!(su.permissions().mode() & 0o7777, 0o4755);
    // Its device nodes stay out; its hard links are links.
    assert!(!rootfs.path.join("dev/null").exists());
    assert_eq!(bench.steps.take(), ["reading", "unpacking"]);
    let again = bench.resolve(&by_path(&archive)).unwrap();
    assert_eq!(again.path, rootfs.path);
    assert_eq!(bench.steps.take(), [""; 0]);
    let image = bench.store.list().unwrap().pop().unwrap();
    assert!(image.in_use && image.size > 50_000_000, "{image:?}");
    drop((rootfs, again));
    bench.store.remove(&image.digest.unwrap()).unwrap();
    bench.assert_empty();
}
