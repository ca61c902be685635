//! The front for `cargo test`, from outside: this binary starts itself as a binary of cases.
//!
//! It has no libtest harness of its own, since what it starts must have `test_main` for a
//! main function.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};

/// Set in the process that stands for a user's test binary.
const ROOT: &str = "FRONT_TEST_ROOT";

fn main() -> ExitCode {
    if let Some(root) = std::env::var_os(ROOT) {
        return belljar::test_main(Path::new(&root));
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let trials = vec![
        trial("one_test_per_case_with_its_reason", one_test_per_case_with_its_reason),
        trial("exact_names_as_nextest_asks_for_them", exact_names_as_nextest_asks_for_them),
        trial("options_come_from_the_environment", options_come_from_the_environment),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

const FAILS: &str = "# /// case\n# expect.stdout = \"good\\n\"\n# ///\necho bad\nexit 3\n";
const SKIPPED: &str = "# /// case\n# skip = \"not today\"\n# ///\n";
const HUNGRY: &str = "# /// case\n# memory = \"512M\"\n# ///\ntrue\n";
const INVALID: &str = "# /// case\n# memroy = \"64M\"\n# ///\n";

/// Runs the binary over a folder of cases.
fn binary(args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(folder.path().join("cases/sub")).expect("folders");
    for (name, script) in [
        ("good.sh", "echo $$\n"),
        ("sub/fails.sh", FAILS),
        ("sub/skipped.sh", SKIPPED),
        ("invalid.sh", INVALID),
        ("hungry.sh", HUNGRY),
    ] {
        fs::write(folder.path().join("cases").join(name), script).expect("a case");
    }
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLJAR_") {
            command.env_remove(name);
        }
    }
    let Output { status, stdout, stderr } = command
        .current_dir(folder.path())
        .env(ROOT, "cases")
        .env("BELLJAR_STORE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"))
        .env("BELLJAR_OFFLINE", "1")
        .env("BELLJAR_ROOTFS", "host")
        .envs(env.iter().copied())
        .args(args)
        .output()
        .expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn one_test_per_case_with_its_reason() {
    let (status, stdout, stderr) = binary(&[], &[]);
    assert_eq!(status, Some(101), "{stdout}{stderr}");
    for part in [
        "test good         ... ok\n",
        "test hungry       ... ok\n",
        "test invalid      ... FAILED\n",
        "test sub::fails   ... FAILED\n",
        "test sub::skipped ... ignored\n",
        "exit: expected exit status 0, but it exited with status 3\n",
        "-good\n",
        "+bad\n",
        "unknown key `memroy`",
        "did you mean `memory`?",
        "2 passed; 2 failed; 1 ignored;",
    ] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
}

fn exact_names_as_nextest_asks_for_them() {
    // What nextest calls to learn the names, all and ignored ones, and to run one.
    let (status, stdout, _) = binary(&["--list", "--format", "terse"], &[]);
    let mut names: Vec<&str> = stdout.lines().collect();
    names.sort_unstable();
    let all =
        ["good: test", "hungry: test", "invalid: test", "sub::fails: test", "sub::skipped: test"];
    assert_eq!((status, &names[..]), (Some(0), &all[..]));
    let (_, stdout, _) = binary(&["--list", "--format", "terse", "--ignored"], &[]);
    assert_eq!(stdout, "sub::skipped: test\n");

    let one = |name| binary(&["--exact", name, "--nocapture"], &[]);
    let (status, stdout, stderr) = one("good");
    assert_eq!(status, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed; 0 failed;"), "{stdout}");
    let (status, stdout, stderr) = one("sub::fails");
    assert_eq!(status, Some(101), "{stdout}");
    // From this line nextest takes the message of its JUnit report.
    let message = "Error: exit: expected exit status 0, but it exited with status 3\n";
    assert!(stderr.contains(message), "{stderr}");
    let (_, _, stderr) = one("invalid");
    assert!(stderr.contains("Error: unknown key `memroy`\n"), "{stderr}");
}

fn options_come_from_the_environment() {
    let good = ["--exact", "good", "--nocapture"];
    let (status, _, stderr) = binary(&good, &[("BELLJAR_TIMEOUT", "soon")]);
    assert_eq!(status, Some(101));
    assert!(stderr.contains("Error: ") && stderr.contains("BELLJAR_TIMEOUT"), "{stderr}");
    let (status, stdout, stderr) = binary(&good, &[("BELLJAR_ROOTFS", "./absent.tar")]);
    assert_eq!(status, Some(101), "{stdout}");
    assert!(stderr.contains("there is no folder or archive at `./absent.tar`"), "{stderr}");

    let sealed = |name, more: &[(&str, &str)]| {
        let env: Vec<_> = [("BELLJAR_SEALED", "1")].iter().chain(more).copied().collect();
        binary(&["--exact", name, "--nocapture"], &env)
    };
    let (status, stdout, stderr) = sealed("hungry", &[]);
    assert_eq!(status, Some(101), "{stdout}");
    let refused = "Error: a sealed run grants no case more memory than its caller does\n";
    assert!(stderr.contains(refused), "{stderr}");
    assert!(stdout.contains(" --> cases/hungry.sh:2:3\n"), "{stdout}");
    for (name, more) in [("good", &[][..]), ("hungry", &[("BELLJAR_MEMORY", "512M")][..])] {
        let (status, stdout, stderr) = sealed(name, more);
        assert_eq!(status, Some(0), "{name}: {stdout}{stderr}");
    }
}
