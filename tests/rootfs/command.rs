//! `belljar rootfs`, as it is typed.

use std::path::Path;

use belljar::cli::rootfs::{RootfsArgs as Args, run};
use belljar::harness::Cancel;
use clap::Parser;

use crate::support::{Bench, small_root};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn belljar(bench: &Bench, words: &[&str]) -> (u8, String, String) {
    let cli = Cli::try_parse_from(["rootfs"].iter().chain(words)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let store = Some(bench.store.path());
    let status = run(&cli.args, store, true, &Cancel::new(), &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn from_import_to_removal() {
    let bench = Bench::new();
    let (status, out, _) = belljar(&bench, &["list"]);
    assert_eq!((status, out.contains("is empty")), (0, true), "{out}");

    let path = bench.file("archive", &small_root());
    let path = path.canonicalize().unwrap();
    let name = path.to_str().unwrap();
    let (status, out, err) = belljar(&bench, &["import", name]);
    assert_eq!((status, err.as_str()), (0, ""));
    let digest = out.trim_end().split_once(' ').unwrap().1.to_owned();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{out}");

    let (status, out, _) = belljar(&bench, &["list"]);
    assert_eq!(status, 0);
    let lines: Vec<_> = out.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("NAME"), "{out}");
    for part in [name, &digest[..23], "10 B", "just now"] {
        assert!(lines[1].contains(part), "{part}: {out}");
    }

    let (status, out, _) = belljar(&bench, &["remove", &digest[..23]]);
    assert_eq!((status, out.starts_with("removed ")), (0, true), "{out}");
    bench.assert_empty();
}

#[test]
fn failures_say_what_to_do() {
    let bench = Bench::new();
    for (words, status, what, help) in [
        (&["pull"][..], 1, "--offline", "belljar rootfs import"),
        (&["pull", "ubuntu:20.04"], 1, "--offline", "--rootfs host"),
        (&["pull", "host"], 1, "nothing that can be pulled", "ubuntu:20.04"),
        (&["pull", "debian"], 2, "no rootfs reference", ""),
        (&["import", "/absent"], 1, "there is no folder or archive", ""),
        (&["import", "/usr"], 1, "neither", ""),
        (&["remove", "absent"], 1, "`absent`", "belljar rootfs list"),
    ] {
        let (got, out, err) = belljar(&bench, words);
        assert_eq!((got, out.as_str()), (status, ""), "{words:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(what), "{words:?}: {err}");
        assert!(err.contains(help) && err.contains("help: ") != help.is_empty(), "{err}");
    }
    assert!(Path::new(bench.store.path()).is_dir());
}
