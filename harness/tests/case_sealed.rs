//! Sealed runs: what cases may still say, and that nothing outside of the case root is read.
//! The text for each key that is refused is in `case-sealed/`.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use belljar_harness::case::{Overrides, find, load};
use belljar_harness::spec::RootfsRef;
use tempfile::TempDir;

const SECRET: &str = "the caller's secret\n";

/// A folder with a file `secret` beside the case root `cases`.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("cases")).expect("made");
    fs::write(folder.path().join("secret"), SECRET).expect("written");
    for (path, text) in files {
        let path = folder.path().join("cases").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn header(toml: &str) -> String {
    format!("# /// case\n# {}\n# ///\ntrue\n", toml.trim_end().replace('\n', "\n# "))
}

fn sealed() -> Overrides {
    Overrides { sealed: true, ..Overrides::default() }
}

/// What is wrong with the cases, a line each, without what differs from run to run.
fn refused(folder: &TempDir, overrides: &Overrides) -> Vec<String> {
    let path = folder.path().canonicalize().expect("a path");
    let Err(errors) = load(&[path.join("cases")], overrides) else { return Vec::new() };
    let text = errors.to_string();
    assert!(!text.contains("secret\n"), "content of a file outside is shown:\n{text}");
    // Relative or absolute, as the working directory has it.
    let place = |path: &Path| {
        let text = path.display().to_string();
        text.find("cases/").map(|at| text[at..].to_owned()).unwrap_or(text)
    };
    let mistakes = errors.0.iter().flat_map(|error| [&*error.first].into_iter().chain(&error.more));
    mistakes.map(|m| format!("{}: {}", place(&m.path), m.message)).collect()
}

const LINK: &str = "a sealed run follows no link out of the case root";

#[test]
fn what_weakens_nothing_is_allowed() {
    let toml = "hostname = \"alpha\"\nrootfs = \"auto\"\nmemory = \"256M\"\nswap = \"0\"\npids = 256\n\
                cpus = \"none\"\ndisk = \"128M\"\ntimeout = \"60s\"\noutput = \"1M\"\nuser = \"nobody\"\n\
                network = \"none\"\ncapabilities = [\"CHOWN\", \"CAP_KILL\"]\n\
                no-new-privileges = true\nenv = { A = \"1\" }\nargs = [\"x\"]\nstdin = \"in\"\n\
                workdir = \"/srv\"\nfiles = { \"/a\" = \"data\" }\ntags = [\"slow\"]\nskip = \"later\"\n\
                shell = [\"/bin/sh\"]\n[expect]\nexit = 3\nisolation.hostname = true";
    let folder = folder(&[
        ("every.sh", &header(toml)),
        ("data", "x"),
        ("none.sh", &header("capabilities = \"none\"")),
        ("bare.sh", "true\n"),
        ("deep/belljar.toml", "memory = \"64M\"\n"),
        ("deep/below.sh", &header("capabilities = \"default\"\nmemory = \"128M\"")),
    ]);
    assert_eq!(refused(&folder, &sealed()), [""; 0]);
    let cases = load(&[folder.path().join("cases")], &sealed()).expect("cases");
    let plain = load(&[folder.path().join("cases")], &Overrides::default()).expect("cases");
    assert_eq!(format!("{cases:?}"), format!("{plain:?}"), "sealing changes no case");
}

#[test]
fn the_caller_may_grant_more() {
    let toml = "rootfs = \"../root\"\nmemory = \"1G\"\ndisk = \"512M\"\ntimeout = \"5m\"";
    let folder = folder(&[("a.sh", &header(toml))]);
    fs::create_dir(folder.path().join("root")).expect("made");
    assert_eq!(refused(&folder, &sealed()).len(), 4);
    let granted = Overrides {
        rootfs: Some(RootfsRef::Path(folder.path().join("cases/../root"))),
        memory: Some(Some(1 << 30)),
        timeout: Some(None),
        sealed: true,
    };
    assert_eq!(refused(&folder, &granted), [""; 0]);
    let other = Overrides { rootfs: Some(RootfsRef::Host), ..granted };
    let said = "cases/a.sh: a sealed run takes no root filesystem of a case's own choice";
    assert_eq!(refused(&folder, &other), [said]);
    let less = Overrides { memory: Some(Some(64 << 20)), ..sealed() };
    assert_eq!(refused(&folder, &less).len(), 4);
}

#[test]
fn defaults_are_judged_as_headers_are_even_where_a_case_replaces_them() {
    let folder = folder(&[
        ("belljar.toml", "network = \"host\"\n"),
        ("a.sh", &header("network = \"none\"\nmemory = \"none\"")),
        ("b.sh", "true\n"),
    ]);
    assert_eq!(
        refused(&folder, &sealed()),
        [
            "cases/belljar.toml: a sealed run gives no case the caller's network",
            "cases/a.sh: a sealed run grants no case more memory than its caller does",
        ]
    );
    assert!(load(&[folder.path().join("cases")], &Overrides::default()).is_ok());
}

#[test]
fn links_out_of_the_case_root_are_not_followed() {
    let folder = folder(&[
        ("inside.sh", "true\n"),
        ("snapped.sh", "true\n"),
        ("deep/a.sh", &header("memory = \"none\"")),
    ]);
    let cases = folder.path().join("cases");
    let link = |to: &str, at: &str| symlink(to, cases.join(at)).expect("a link");
    link("inside.sh", "twin.sh");
    assert_eq!(refused(&folder, &sealed()).len(), 1, "a link inside is a case like any other");
    link("../secret", "out.sh");
    link("../secret", "snapped.stdout");
    link("../../secret", "deep/belljar.toml");
    let expected = ["cases/deep/belljar.toml", "cases/out.sh", "cases/snapped.stdout"];
    assert_eq!(refused(&folder, &sealed()), expected.map(|path| format!("{path}: {LINK}")));
    let found = find(&cases, "out", &sealed()).expect("found").expect_err("refused");
    assert_eq!(found.message(), LINK);
    // What a case may not be read from does not harm the others.
    assert!(find(&cases, "inside", &sealed()).expect("found").is_ok());
}

#[test]
fn a_link_out_of_the_case_root_does_not_say_what_is_a_fixture() {
    let folder = folder(&[("hidden.sh", &header("network = \"host\""))]);
    let outside = folder.path().join("outside.sh");
    fs::write(outside, header("files.\"/x\" = \"hidden.sh\"")).expect("written");
    symlink("../outside.sh", folder.path().join("cases/out.sh")).expect("a link");
    let cases = load(&[folder.path().join("cases")], &Overrides::default()).expect("cases");
    assert_eq!(cases.len(), 1, "unsealed, the link is read, and hides a case");
    let host = "cases/hidden.sh: a sealed run gives no case the caller's network";
    assert_eq!(refused(&folder, &sealed()), [host.to_owned(), format!("cases/out.sh: {LINK}")]);
}

#[test]
fn fixtures_stay_beneath_the_case_root() {
    let folder = folder(&[
        ("up.sh", &header("files.\"/x\" = \"../secret\"")),
        ("link.sh", &header("files.\"/x\" = \"link\"")),
        ("within.sh", &header("files.\"/x\" = \"folder\"")),
        ("folder/data", "x"),
    ]);
    let cases = folder.path().join("cases");
    symlink("../secret", cases.join("link")).expect("a link");
    // A link within a folder is laid down as a link, and leads wherever it does inside.
    symlink("../../secret", cases.join("folder/link")).expect("a link");
    for overrides in [sealed(), Overrides::default()] {
        assert_eq!(
            refused(&folder, &overrides),
            [
                "cases/link.sh: the fixture `link` lies outside of the case root",
                "cases/up.sh: the fixture `../secret` lies outside of the case root",
            ]
        );
    }
    let case = find(&cases, "within", &sealed()).expect("found").expect("valid");
    assert!(!format!("{case:?}").contains(SECRET.trim()));
}

#[test]
fn defaults_of_another_user_are_not_believed() {
    let folder = folder(&[("belljar.toml", "tags = [\"x\"]\n"), ("a.sh", "true\n")]);
    assert_eq!(refused(&folder, &sealed()), [""; 0], "those of the caller are");
    // Only root can give a file away; `defaults.rs` has a made-up caller for everybody.
    if nix::unistd::geteuid().is_root() {
        let file = folder.path().join("cases/belljar.toml");
        chown(&file, Some(4242), None).expect("given away");
        let said = "cases/belljar.toml: these defaults belong to another user (uid 4242) and are \
                    not believed";
        assert_eq!(refused(&folder, &sealed()), [said]);
    }
}
