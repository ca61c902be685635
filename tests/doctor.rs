//! `belljar doctor` as a process.

#![cfg(feature = "cli")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const BELLJAR: &str = env!("CARGO_BIN_EXE_belljar");

fn with_store(command: &mut Command) -> Output {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store");
    command.env("BELLJAR_STORE", store).output().unwrap()
}

fn doctor(args: &[&str]) -> Output {
    with_store(Command::new(BELLJAR).arg("doctor").args(args))
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no check `{name}` in {report}"))
}

#[test]
fn every_lack_comes_with_its_consequence_and_its_remedy() {
    let output = doctor(&["--json"]);
    let report = parsed(&output);
    let checks = report["checks"].as_array().unwrap();
    for check in checks {
        let lacking = check["state"] == "lack";
        for key in ["consequence", "remedy"] {
            assert_eq!(check[key].is_string(), lacking, "{check}");
        }
        assert!(!check["found"].as_str().unwrap().is_empty(), "{check}");
    }
    let blocked = checks.iter().any(|check| check["blocks"] == true);
    assert_eq!(report["runs"], !blocked);
    assert_eq!(output.status.code(), Some(i32::from(blocked)));
    // These tests run in sandboxes, so there is one.
    assert_eq!(check(&report, "sandbox")["state"], "ok");
    let evidence = report["trial"]["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), belljar::harness::Property::ALL.len());
    assert!(evidence.iter().all(|one| one["state"] != "broken"), "{evidence:?}");
}

#[test]
fn the_text_says_what_the_document_says() {
    let report = parsed(&doctor(&["--json"]));
    let output = doctor(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for check in report["checks"].as_array().unwrap() {
        let name = check["name"].as_str().unwrap();
        let state = check["state"].as_str().unwrap().replace("unknown", "?");
        let line = text.lines().find(|line| line.contains(&format!(" {name} ")));
        let line = line.unwrap_or_else(|| panic!("no line for `{name}` in:\n{text}"));
        assert!(line.starts_with(&state), "{line}");
    }
    assert!(text.contains("proved of a sandbox on `host`"), "{text}");
    assert!(!text.contains('\x1b'), "colours where there is no terminal");
}

#[test]
fn a_forbidden_namespace_is_named_with_the_command_that_allows_it() {
    // The limits of a user namespace are its own root's to set.
    let script = "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$0\" doctor --json";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script, BELLJAR]);
    let folder = tempfile::tempdir().unwrap();
    let output = command.env("BELLJAR_STORE", folder.path().join("store")).output().unwrap();
    let report = parsed(&output);
    let network = check(&report, "network namespace");
    assert_eq!((&network["state"], &network["blocks"]), (&"lack".into(), &true.into()));
    let remedy = network["remedy"].as_str().unwrap();
    assert!(remedy.contains("sysctl -w user.max_net_namespaces="), "{remedy}");
    assert_eq!(check(&report, "uts namespace")["state"], "ok");
    assert_eq!(check(&report, "sandbox")["state"], "lack");
    assert_eq!((output.status.code(), &report["runs"]), (Some(1), &false.into()));
}

#[test]
fn a_store_that_cannot_be_opened_is_a_lack() {
    let output = Command::new(BELLJAR)
        .args(["doctor", "--json", "--store", "/dev/null/x"])
        .output()
        .unwrap();
    let report = parsed(&output);
    let store = check(&report, "store");
    assert_eq!((&store["state"], &store["blocks"]), (&"lack".into(), &true.into()));
    assert!(store["found"].as_str().unwrap().contains("/dev/null"), "{store}");
    assert_eq!((output.status.code(), &report["trial"]), (Some(1), &Value::Null));
}
