//! `belljar run` as a process: what it writes where, and its exit status.

#![cfg(feature = "cli")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A folder `cases` with these files, in a folder of its own.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = folder.path().join("cases").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders for cases");
        fs::write(path, text).expect("a case");
    }
    folder
}

/// The command in `folder`, on a snapshot of this machine, without the caller's options.
fn belljar(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLJAR_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .env("BELLJAR_STORE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"))
        .env("BELLJAR_OFFLINE", "1")
        .env("BELLJAR_ROOTFS", "host")
        .args(args)
        .stdin(Stdio::null());
    command
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn run(folder: &TempDir, args: &[&str]) -> Ran {
    finished(belljar(folder.path(), args).output().expect("belljar starts"))
}

fn finished(output: Output) -> Ran {
    Ran {
        status: output.status.code().expect("an exit status"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

const SKIPPED: &str = "# /// case\n# skip = \"not today\"\n# tags = [\"slow\"]\n# ///\ntrue\n";

#[test]
fn cases_that_pass_exit_with_0() {
    let folder = folder(&[("a.sh", "true\n"), ("b/c.sh", "echo hi\n"), ("d.sh", SKIPPED)]);
    let ran = run(&folder, &["run", "cases"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\n2 passed, 0 failed, 1 skipped, 0 errors in "), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "no colours but on a terminal: {}", ran.stdout);
}

#[test]
fn a_failure_exits_with_1_and_its_rerun_command_works() {
    let folder = folder(&[("good.sh", "true\n"), ("sub/it.sh", "echo out; exit 3\n")]);
    let ran = run(&folder, &["run", "cases", "--timeout", "20s"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let message = "exit: expected exit status 0, but it exited with status 3";
    assert!(ran.stdout.contains(message), "{}", ran.stdout);
    let rerun = ran.stdout.lines().find_map(|l| l.trim().strip_prefix("rerun: ")).expect("a rerun");
    let mut shell = belljar(folder.path(), &[]);
    let environment: Vec<_> =
        shell.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    shell = Command::new("sh");
    shell.args(["-c", rerun]).current_dir(folder.path()).stdin(Stdio::null());
    for (name, value) in environment {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let again = finished(shell.output().expect("sh starts"));
    assert_eq!(again.status, 1, "{rerun}\n{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("FAIL  sub::it"), "{}", again.stdout);
    assert!(again.stdout.contains("0 passed, 1 failed"), "{}", again.stdout);
}

#[test]
fn what_is_wrong_before_a_run_exits_with_2() {
    let folder =
        folder(&[("a.sh", "true\n"), ("bad/x.sh", "# /// case\n# hostnam = \"x\"\n# ///\n")]);
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    for (args, message) in [
        (&["run", "cases"][..], "hostnam"),
        (&["run"], "test-cases"),
        (&["run", "absent"], "absent"),
        (&["run", "empty"], "empty"),
        (&["run", "cases/a.sh", "--filter", "nothing"], "--filter nothing"),
        (&["run", "cases/a.sh", "--filter", "="], "a filter needs"),
        (&["run", "cases/a.sh", "--tag", "none"], "--tag none"),
        (&["run", "cases/a.sh", "--memory", "1"], "--memory"),
        (&["run", "cases/a.sh", "--timeout", "soon"], "--timeout"),
        (&["run", "cases/a.sh", "--timeout-scale", "0"], "--timeout-scale"),
        (&["run", "cases/a.sh", "--rootfs", "nonsense"], "--rootfs"),
        (&["run", "cases/a.sh", "-j", "0"], "--jobs"),
        (&["run", "cases/a.sh", "--format", "tap"], "--format"),
        (&["run", "cases/a.sh", "--json", "/absent/x"], "/absent/x"),
        (&["run", "cases/a.sh", "-q", "-v"], "--verbose"),
        (&["run", "cases/a.sh", "--no-such-flag"], "--no-such-flag"),
        (&[], "Usage"),
    ] {
        let ran = run(&folder, args);
        assert_eq!(ran.status, 2, "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    let mut command = belljar(folder.path(), &["run", "cases/a.sh"]);
    let ran = finished(command.env("BELLJAR_TIMEOUT", "soon").output().expect("belljar starts"));
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("BELLJAR_TIMEOUT"), "{}", ran.stderr);
}

#[test]
fn a_root_without_a_shell_exits_with_3() {
    let folder = folder(&[("a.sh", "true\n")]);
    fs::create_dir_all(folder.path().join("root/etc")).expect("a root");
    let ran = run(&folder, &["run", "cases", "--rootfs", "./root"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("ERROR a\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("0 passed, 0 failed, 0 skipped, 1 error in"), "{}", ran.stdout);
}

#[test]
fn lists_need_no_jar() {
    let folder = folder(&[("a.sh", "true\n"), ("b/c.sh", SKIPPED)]);
    let ran = run(&folder, &["run", "cases", "--list"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "a\nb::c\n"));
    let ran = run(&folder, &["run", "cases", "--list", "--tag", "slow", "--format", "jsonl"]);
    let line = r#"{"name":"b::c","file":"cases/b/c.sh","tags":["slow"],"skip":"not today"}"#;
    assert_eq!((ran.status, ran.stdout.trim_end()), (0, line));
}

#[test]
fn results_are_json() {
    let folder = folder(&[("a.sh", "echo hi\n"), ("b.sh", "exit 1\n"), ("c.sh", SKIPPED)]);
    let ran = run(&folder, &["run", "cases", "--format", "jsonl", "--json", "out.json", "-j", "2"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let text = fs::read_to_string(folder.path().join("out.json")).expect("the document");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["schema"], 1);
    assert_eq!(document["summary"]["passed"], 1);
    assert_eq!(document["summary"]["failed"], 1);
    assert_eq!(document["summary"]["skipped"], 1);
    let cases = document["cases"].as_array().expect("cases");
    let names: Vec<_> = cases.iter().map(|c| c["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(cases[0]["stdout"], "hi\n");
    assert_eq!(cases[0]["rootfs"]["used"], "host");
    let mut lines: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.sort_by_key(|case| case["name"].to_string());
    assert_eq!(&lines, cases);
}

#[test]
fn a_reader_that_leaves_changes_nothing() {
    let folder = folder(&[("a.sh", "true\n"), ("b.sh", "exit 1\n")]);
    let mut child = belljar(folder.path(), &["run", "cases", "-v"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("belljar starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("error"), "{stderr}");
}

/// A run whose first case is over and whose second waits for ever.
fn waiting(folder: &TempDir) -> Child {
    let mut child = belljar(folder.path(), &["run", "cases", "-j", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("belljar starts");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    BufReader::with_capacity(1, stdout).read_line(&mut line).expect("a line");
    assert!(line.starts_with("pass  a"), "{line}");
    child
}

#[test]
fn signals_end_a_run_cleanly() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = folder(&[
            ("a.sh", "true\n"),
            ("b.sh", "while :; do read -t 60 < <(:) || :; done\n"),
            ("c.sh", "true\n"),
        ]);
        let child = waiting(&folder);
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        kill(pid, signal).expect("the run is there");
        let ran = finished(child.wait_with_output().expect("it ends"));
        assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
        let counts = "1 passed, 0 failed, 0 skipped, 0 errors";
        assert!(ran.stdout.contains(counts), "{}", ran.stdout);
        assert!(ran.stdout.contains("not run, interrupted in"), "{}", ran.stdout);
    }
}

#[test]
fn sealed_runs_run_what_weakens_nothing_and_are_rerun_sealed() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/test-cases/sealed");
    let here = folder(&[("fails.sh", "exit 1\n")]);
    let ran = run(&here, &["run", "--sealed", examples, "cases"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\n3 passed, 1 failed, 0 skipped, 0 errors"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" --sealed --filter '=fails'\n"), "{}", ran.stdout);
}
