//! Bad input: each kind gets one clear error and its exit status, and leaves nothing behind.

#![cfg(feature = "cli")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder of one test, with a store of its own so that what is left in it can be seen.
struct Bench(TempDir);

struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    fn write(&self, inside: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BELLJAR_") {
                command.env_remove(name);
            }
        }
        let output = command
            .current_dir(self.0.path())
            .env("BELLJAR_STORE", self.path("store"))
            .env("BELLJAR_OFFLINE", "1")
            .arg("run")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Names in a folder of the store, other than locks.
    fn kept(&self, folder: &str) -> Vec<String> {
        fs::read_dir(self.path("store").join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_none_or(|end| end != "lock"))
            .collect()
    }
}

/// The error and where it points to.
fn refused(script: &str, place: &str, message: &str) {
    let bench = Bench::new();
    bench.write("cases/good.sh", "touch /tmp/ran\n");
    bench.write("cases/bad.sh", script);
    let ran = bench.run(&["cases"]);
    assert_eq!(ran.status, Some(2), "{script}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.starts_with(&format!("error: {message}")), "{script}: {}", ran.stderr);
    assert!(ran.stderr.contains(&format!("--> cases/bad.sh:{place}\n")), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{}", ran.stderr);
    // The good case did not run either: there is not even a store.
    assert_eq!(ran.stdout, "");
    assert!(!bench.path("store").exists());
}

#[test]
fn invalid_headers() {
    let key = |line: &str| format!("# /// case\n# {line}\n# ///\ntrue\n");
    refused(&key("memroy = \"64M\""), "2:3", "unknown key `memroy`");
    refused(&key("timeout = 3"), "2:13", "`timeout` must be a duration with a unit");
    refused(&key("memory = \"1\""), "2:12", "the size `1` has no unit");
    refused(&key("memory = \"1K\""), "2:12", "a memory ceiling of `1K` is too small");
    refused(&key("hostname = \"bad_name\""), "2:14", "`bad_name` is no valid hostname");
    refused(&key("files.\"/x\" = \"nowhere\""), "2:16", "the fixture `nowhere` does not exist");
    refused(&key("rootfs = \"./nowhere\""), "2:12", "the root filesystem cases/nowhere cannot");
    refused(&key("matrix = { a = [1] }"), "2:3", "`matrix` is not yet supported");
    refused("# /// case\n# memory = \"64M\"\ntrue\n", "1:1", "this header is not closed");
    let two = "# /// case\n# ///\n# /// case\n# ///\ntrue\n";
    refused(two, "3:1", "a second header in one file");
}

#[test]
fn what_weakens_a_sealed_run() {
    let bench = Bench::new();
    let host = "# /// case\n# network = \"host\"\n# memory = \"none\"\n# ///\ntrue\n";
    bench.write("cases/host.sh", host);
    bench.write("cases/good.sh", "touch /tmp/ran\n");
    bench.write("cases/sub/belljar.toml", "no-new-privileges = false\n");
    bench.write("cases/sub/below.sh", "true\n");
    bench.write("cases/root.sh", "# /// case\n# rootfs = \"../root\"\n# ///\ntrue\n");
    bench.write("cases/up.sh", "# /// case\n# files.\"/x\" = \"../secret\"\n# ///\ntrue\n");
    bench.write("secret", "the caller's secret\n");
    std::os::unix::fs::symlink("../secret", bench.path("cases/leak.sh")).unwrap();
    std::os::unix::fs::symlink("../secret", bench.path("cases/good.stdout")).unwrap();
    fs::create_dir(bench.path("root")).unwrap();
    let outside = "a sealed run follows no link out of the case root";
    let expected = [
        ("cases/host.sh:2:3", "a sealed run gives no case the caller's network"),
        ("cases/host.sh:3:3", "a sealed run grants no case more memory than its caller does"),
        ("cases/sub/belljar.toml:1:1", "a sealed run lets no program gain privileges"),
        ("cases/root.sh:2:3", "a sealed run takes no root filesystem of a case's own choice"),
        ("cases/up.sh:2:16", "the fixture `../secret` lies outside of the case root"),
        ("cases/leak.sh", outside),
        ("cases/good.stdout", outside),
    ];
    let ran = bench.run(&["--sealed", "cases"]);
    assert_eq!(ran.status, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "");
    for (place, message) in expected {
        let told = format!("error: {message}\n --> {place}\n");
        assert!(ran.stderr.contains(&told), "{told}\nis not in\n{}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches("error:").count(), expected.len(), "{}", ran.stderr);
    assert!(!ran.stderr.contains("caller's secret"), "{}", ran.stderr);
    // Nothing ran, not even the good cases.
    assert!(!bench.path("store").exists());

    // The root that the caller names is no choice of the case's own.
    let ran = bench.run(&["--sealed", "--rootfs", "./root", "--list", "cases/root.sh"]);
    assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn paths_without_cases() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    bench.write("text/readme.txt", "no case");
    for path in ["absent", "empty", "text", "text/readme.txt"] {
        let ran = bench.run(&[path]);
        assert_eq!(ran.status, Some(2), "{path}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{path}: {}", ran.stderr);
        assert!(ran.stderr.contains(path), "{path}: {}", ran.stderr);
    }
    assert!(!bench.path("store").exists());
}

/// A gzipped archive of a root that is too random to be short.
fn archive() -> Vec<u8> {
    let mut random = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random.to_be_bytes()[0]
    })
    .take(200_000)
    .collect();
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["etc/noise", "bin/more"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(noise.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, name, &noise[..]).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn damaged_roots() {
    let whole = archive();
    let mut corrupt = whole.clone();
    corrupt[whole.len() / 2] ^= 0xff;
    for (name, bytes, message) in [
        ("truncated.tar.gz", &whole[..whole.len() / 2], "corrupt or truncated"),
        ("corrupt.tar.gz", &corrupt[..], "corrupt or truncated"),
        ("text.tar", b"no archive at all", "is no tar archive"),
        ("empty.tar", b"", "is no tar archive"),
    ] {
        let bench = Bench::new();
        bench.write("cases/a.sh", "true\n");
        bench.write(name, bytes);
        let root = format!("./{name}");
        let ran = bench.run(&["cases", "--rootfs", &root]);
        assert_eq!(ran.status, Some(3), "{name}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("ERROR a\n"), "{name}: {}", ran.stdout);
        assert!(ran.stdout.contains(message), "{name}: {}", ran.stdout);
        for folder in ["images", "tmp", "runs"] {
            assert_eq!(bench.kept(folder), [""; 0], "{name} left something in {folder}");
        }
    }
}

#[test]
fn roots_that_cannot_run_a_case() {
    let bench = Bench::new();
    bench.write("cases/a.sh", "true\n");
    bench.write("whole.tar.gz", archive());
    fs::create_dir_all(bench.path("folder/etc")).unwrap();
    for (root, message) in [
        ("./whole.tar.gz", "executing the shell (/bin/bash)"),
        ("./folder", "executing the shell (/bin/bash)"),
        ("./absent.tar", "there is no folder or archive at `./absent.tar`"),
        ("/", "`/` is the root of this machine"),
        ("ubuntu:20.04", "ubuntu:20.04"),
    ] {
        let ran = bench.run(&["cases", "--rootfs", root]);
        assert_eq!(ran.status, Some(3), "{root}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(message), "{root}: {}", ran.stdout);
        assert!(ran.stdout.contains("0 passed, 0 failed, 0 skipped, 1 error"), "{}", ran.stdout);
        for folder in ["tmp", "runs"] {
            assert_eq!(bench.kept(folder), [""; 0], "{root} left something in {folder}");
        }
    }
    let left: Vec<_> = fs::read_dir(bench.path("folder/etc")).unwrap().collect();
    assert!(left.is_empty(), "the folder was written to: {left:?}");
}
