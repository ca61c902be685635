//! The front over real folders, with runners that need no kernel.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::Arguments;
use tempfile::TempDir;

use super::env::EnvOptions;
use super::front::{Front, set_threads, target_of};
use crate::outcome::{Ending, Outcome};
use crate::run::Notices;
use crate::runner::SetupError;
use crate::spec::{RootfsRef, Spec};
use crate::testing::{Fake, host, lack, outcome};
use crate::{Cancel, HostFacts, Runner};

const SKIPPED: &str = "# /// case\n# skip = \"not today\"\n# ///\ntrue\n";
const HUNGRY: &str = "# /// case\n# memory = \"64M\"\n# ///\ntrue\n";
const INVALID: &str = "# /// case\n# hostnam = \"x\"\n# ///\ntrue\n";

/// A folder with these case files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn args(words: &[&str]) -> Arguments {
    Arguments::from_iter(std::iter::once("test").chain(words.iter().copied()))
}

fn env(variables: &[(&str, &str)]) -> EnvOptions {
    let get = |name: &str| {
        variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
    };
    EnvOptions::read(get, Path::new("/base")).unwrap()
}

/// A runner on `host` in which scripts that contain `exit 1` do so; counts how often
/// it is made.
fn made(
    host: HostFacts,
    count: &Arc<AtomicUsize>,
) -> impl Fn(&Notices) -> Result<Box<dyn Runner + Send>, SetupError> + Send + Sync + 'static {
    let count = Arc::clone(count);
    move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Fake(host.clone(), |spec: &Spec, _: &Cancel| {
            let fails = spec.script.windows(6).any(|w| w == b"exit 1");
            Ok(Outcome { ending: Ending::Exit(i32::from(fails)), ..outcome() })
        })))
    }
}

struct Ran {
    passed: u64,
    failed: u64,
    ignored: u64,
    log: String,
    runners: usize,
}

fn run_on(host: HostFacts, root: &Path, words: &[&str], variables: &[(&str, &str)]) -> Ran {
    let count = Arc::default();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut words = words.to_vec();
    words.extend(["--logfile", log.path().to_str().unwrap()]);
    let args = args(&words);
    let front = Front::new(root, &args, env(variables), &Cancel::new(), made(host, &count));
    let conclusion = front.run(&args).unwrap();
    Ran {
        passed: conclusion.num_passed,
        failed: conclusion.num_failed,
        ignored: conclusion.num_ignored,
        log: fs::read_to_string(log.path()).unwrap(),
        runners: count.load(Ordering::SeqCst),
    }
}

fn run(root: &Path, words: &[&str]) -> Ran {
    run_on(host(), root, words, &[])
}

/// Names and whether they are ignored.
fn listed(
    host: HostFacts,
    root: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
) -> (Vec<(String, bool)>, usize) {
    let count = Arc::default();
    let args = args(words);
    let front = Front::new(root, &args, env(variables), &Cancel::new(), made(host, &count));
    let trials = front.trials(&args).unwrap();
    let list = trials.iter().map(|t| (t.name().to_owned(), t.has_ignored_flag())).collect();
    (list, count.load(Ordering::SeqCst))
}

fn pair(name: &str, ignored: bool) -> (String, bool) {
    (name.to_owned(), ignored)
}

#[test]
fn every_case_is_a_test_and_a_skip_is_ignored() {
    let root = folder(&[("a.sh", "true\n"), ("b/c.sh", SKIPPED), ("b/bad.sh", INVALID)]);
    let (list, runners) = listed(host(), root.path(), &["--list", "--format", "terse"], &[]);
    assert_eq!(list, [pair("a", false), pair("b::bad", false), pair("b::c", true)]);
    assert_eq!(runners, 0, "a list needs no runner");
    let log = run(root.path(), &["--list", "--format", "terse"]).log;
    assert_eq!(log, "a: test\nb::bad: test\nb::c: test\n");
    let log = run(root.path(), &["--list", "--format", "terse", "--ignored"]).log;
    assert_eq!(log, "b::c: test\n");
}

#[test]
fn cases_run_with_one_runner_and_failures_say_why() {
    let root = folder(&[
        ("good.sh", "true\n"),
        ("more.sh", "true\n"),
        ("fails.sh", "exit 1\n"),
        ("bad.sh", INVALID),
        ("skipped.sh", SKIPPED),
    ]);
    let ran = run(root.path(), &["--test-threads", "4"]);
    assert_eq!((ran.passed, ran.failed, ran.ignored, ran.runners), (2, 2, 1, 1));
    assert!(
        ran.log.contains("exit: expected exit status 0, but it exited with status 1"),
        "{}",
        ran.log
    );
    assert!(ran.log.contains("-- --exact 'fails'"), "{}", ran.log);
    assert!(ran.log.contains("hostnam"), "{}", ran.log);
}

#[test]
fn an_exact_lookup_reads_no_other_case() {
    let root = folder(&[("a/good.sh", "true\n"), ("a/bad.sh", INVALID)]);
    // Not even what could not be read is looked at.
    fs::write(root.path().join("a/binary.sh"), b"# /// case\n\xff\xfe").unwrap();
    let ran = run(root.path(), &["--exact", "a::good", "--nocapture"]);
    assert_eq!((ran.passed, ran.failed), (1, 0));
    let ran = run(root.path(), &["--exact", "a::bad", "--nocapture"]);
    assert_eq!((ran.passed, ran.failed, ran.runners), (0, 1, 0));
    let ran = run(root.path(), &["--exact", "a::absent", "--nocapture"]);
    assert_eq!((ran.passed, ran.failed), (0, 0));
}

#[test]
fn ignored_cases_run_when_they_are_asked_for() {
    let root = folder(&[("a.sh", "true\n"), ("skipped.sh", SKIPPED)]);
    let ran = run(root.path(), &["--ignored"]);
    assert_eq!((ran.passed, ran.ignored), (1, 0));
    let ran = run(root.path(), &["--exact", "skipped", "--nocapture", "--ignored"]);
    assert_eq!((ran.passed, ran.ignored), (1, 0));
    let ran = run(root.path(), &["--include-ignored"]);
    assert_eq!((ran.passed, ran.ignored), (2, 0));
}

#[test]
fn what_the_host_lacks_is_known_when_listing() {
    let root = folder(&[("hungry.sh", HUNGRY), ("plain.sh", "true\n")]);
    let poor = HostFacts { no_memory: Some(lack("no memory controller")), ..host() };
    let none = [("BELLJAR_MEMORY", "none")];
    for words in [&["--list"][..], &["--list", "--ignored"]] {
        let (list, runners) = listed(poor.clone(), root.path(), words, &none);
        assert_eq!(list, [pair("hungry", true), pair("plain", false)]);
        assert_eq!(runners, 1);
        let (list, _) = listed(host(), root.path(), words, &none);
        assert_eq!(list, [pair("hungry", false), pair("plain", false)]);
    }

    let ran = run_on(poor.clone(), root.path(), &[], &none);
    assert_eq!((ran.passed, ran.failed, ran.ignored), (1, 0, 1));
    // Nobody renounced memory: both are errors that name the lack and the remedy.
    let ran = run_on(poor.clone(), root.path(), &[], &[]);
    assert_eq!((ran.passed, ran.failed, ran.ignored), (0, 2, 0));
    assert!(ran.log.contains("no memory controller"), "{}", ran.log);
    assert!(ran.log.contains("run `mend it`"), "{}", ran.log);
    let required = [none[0], ("BELLJAR_REQUIRE", "1")];
    let ran = run_on(poor.clone(), root.path(), &[], &required);
    assert_eq!((ran.passed, ran.failed, ran.ignored), (1, 1, 0));
    let ran = run_on(poor, root.path(), &["--ignored"], &none);
    assert_eq!((ran.passed, ran.failed, ran.ignored), (0, 1, 0));
}

#[test]
fn without_a_runner_each_case_fails_with_the_reason() {
    let root = folder(&[("a.sh", "true\n"), ("b.sh", "true\n")]);
    let log = tempfile::NamedTempFile::new().unwrap();
    let args = args(&["--logfile", log.path().to_str().unwrap()]);
    let front = Front::new(root.path(), &args, EnvOptions::default(), &Cancel::new(), |_| {
        Err(SetupError {
            remedy: Some("run `mend it`".to_owned()),
            ..SetupError::new("the store cannot be opened")
        })
    });
    assert_eq!(front.run(&args).unwrap().num_failed, 2);
    let log = fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("the store cannot be opened\nto mend it: run `mend it`"), "{log}");
}

#[test]
fn after_a_cancel_nothing_starts() {
    let root = folder(&[("a.sh", "true\n")]);
    let count = Arc::default();
    let cancel = Cancel::new();
    cancel.raise();
    let log = tempfile::NamedTempFile::new().unwrap();
    let args = args(&["--logfile", log.path().to_str().unwrap()]);
    let front =
        Front::new(root.path(), &args, EnvOptions::default(), &cancel, made(host(), &count));
    assert_eq!(front.run(&args).unwrap().num_failed, 1);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_folder_without_cases_is_an_error() {
    let root = folder(&[("notes.txt", "nothing")]);
    for path in [root.path().to_owned(), root.path().join("absent")] {
        let args = args(&[]);
        let count = Arc::default();
        let front =
            Front::new(&path, &args, EnvOptions::default(), &Cancel::new(), made(host(), &count));
        assert!(front.run(&args).is_err());
    }
}

#[test]
fn variables_are_options() {
    let options = env(&[
        ("BELLJAR_ROOTFS", "./root"),
        ("BELLJAR_MEMORY", "512M"),
        ("BELLJAR_TIMEOUT", "90s"),
        ("BELLJAR_TIMEOUT_SCALE", "2"),
        ("BELLJAR_REQUIRE", "1"),
        ("BELLJAR_SEALED", "1"),
    ]);
    assert_eq!(options.overrides.rootfs, Some(RootfsRef::Path("/base/./root".into())));
    assert_eq!(options.overrides.memory, Some(Some(512 << 20)));
    assert_eq!(options.overrides.timeout, Some(Some(Duration::from_secs(90))));
    assert_eq!(options.plan.timeout_scale, "2".parse().unwrap());
    assert!(options.plan.deny_skips && !options.plan.memory_none);
    assert!(options.overrides.sealed && !env(&[("BELLJAR_SEALED", "0")]).overrides.sealed);

    let options = env(&[("BELLJAR_MEMORY", "none"), ("BELLJAR_REQUIRE", "")]);
    assert_eq!(options.overrides.memory, Some(None));
    assert!(options.plan.memory_none && !options.plan.deny_skips);
    assert!(env(&[]).overrides.memory.is_none());
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    for (name, value) in [
        ("BELLJAR_ROOTFS", "nonsense"),
        ("BELLJAR_MEMORY", "lots"),
        ("BELLJAR_TIMEOUT", "10 parsecs"),
        ("BELLJAR_TIMEOUT_SCALE", "0"),
        ("BELLJAR_REQUIRE", "yes"),
        ("BELLJAR_SEALED", "yes"),
    ] {
        let get = |asked: &str| (asked == name).then(|| OsString::from(value));
        let error = EnvOptions::read(get, Path::new("")).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn threads_come_from_the_flag_or_the_variable() {
    let threads = |words: &[&str], var: Option<&str>| {
        let mut args = args(words);
        set_threads(&mut args, var.map(OsString::from)).map(|()| args.test_threads)
    };
    assert_eq!(threads(&[], None), Ok(None));
    assert_eq!(threads(&[], Some("3")), Ok(Some(3)));
    assert_eq!(threads(&["--test-threads", "2"], Some("3")), Ok(Some(2)));
    assert!(threads(&["--test-threads", "0"], None).is_err());
    for bad in ["0", "many", ""] {
        let error = threads(&[], Some(bad)).unwrap_err();
        assert!(error.contains("RUST_TEST_THREADS"), "{error}");
    }
}

#[test]
fn the_target_is_read_from_the_file_that_cargo_built() {
    let of = |path| target_of(Path::new(path));
    assert_eq!(of("/t/debug/deps/cases-0123456789abcdef"), Some("cases"));
    assert_eq!(of("/t/my-cases-0123456789abcdef"), Some("my-cases"));
    assert_eq!(of("/t/cases"), None);
    assert_eq!(of("/t/my-cases"), None);
}
