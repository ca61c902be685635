//! From files on disk to cases: keys, defaults, names, fixtures and lookups.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belljar_harness::case::{Case, LoadErrors, Overrides, find, list, load};
use belljar_harness::outcome::Property;
use belljar_harness::spec::{Asked, Capabilities, FileKind, FileSpec, Network, RootfsRef, User};

/// A folder of cases that goes away with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().expect("a path")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn load(&self) -> Result<Vec<Case>, LoadErrors> {
        load(&[self.path()], &Overrides::default())
    }

    fn names(&self) -> Vec<String> {
        let listed = list(&self.path()).expect("a list");
        listed.into_iter().map(|listed| listed.name).collect()
    }

    /// The one case of this name.
    fn case(&self, name: &str) -> Case {
        let cases = self.load().unwrap_or_else(|errors| panic!("{errors}"));
        let case = cases.into_iter().find(|case| case.name == name).expect(name);
        let found = find(&self.path(), name, &Overrides::default());
        let found = found.expect("found").expect("valid");
        assert_eq!(format!("{found:?}"), format!("{case:?}"), "find and load differ");
        case
    }

    /// The text of what is wrong, the folder's own path taken out.
    fn refused(&self) -> String {
        let text = self.load().expect_err("refused").to_string();
        text.replace(self.path().to_str().expect("text"), "DIR")
    }
}

/// A header around some TOML, and a script below it.
fn header(toml: &str) -> String {
    format!("# /// case\n# {}\n# ///\ntrue\n", toml.trim_end().replace('\n', "\n# "))
}

fn file(path: &str, kind: FileKind, mode: u32) -> FileSpec {
    FileSpec { path: path.to_owned(), kind, mode, owner: User::Root }
}

fn content(text: &str) -> FileKind {
    FileKind::File(text.as_bytes().to_vec())
}

#[test]
fn a_script_without_a_header_gets_every_default() {
    let folder = Folder::new(&[("own_name.sh", "hostname\n")]);
    let case = folder.case("own_name");
    assert_eq!(case.file, folder.path().join("own_name.sh"));
    assert_eq!((case.tags, case.skip), (Vec::new(), None));
    let spec = case.spec;
    assert_eq!(spec.name, "own_name");
    assert_eq!(spec.hostname, "own-name");
    assert_eq!(spec.rootfs, RootfsRef::Auto);
    assert_eq!(spec.shell, ["/bin/bash"]);
    assert_eq!(spec.script_name, "own_name.sh");
    assert_eq!(spec.script, b"hostname\n");
    assert!(spec.args.is_empty() && spec.env.is_empty() && spec.stdin.is_empty());
    assert_eq!(spec.workdir, "/");
    assert_eq!(spec.user, User::Root);
    assert!(spec.files.is_empty());
    assert_eq!(spec.limits.memory, Asked::default_of(Some(256 << 20)));
    assert_eq!(spec.limits.swap, Asked::default_of(Some(0)));
    assert_eq!(spec.limits.pids, Asked::default_of(Some(256)));
    assert_eq!(spec.limits.cpus, Asked::default_of(None));
    assert_eq!(spec.limits.disk, Asked::default_of(128 << 20));
    assert_eq!(spec.timeout, Some(Duration::from_secs(60)));
    assert_eq!(spec.output, 1 << 20);
    assert_eq!(spec.network, Network::None);
    assert_eq!(spec.capabilities, Capabilities::Default);
    assert!(spec.no_new_privileges);
    assert_eq!(case.expect.exit, [0]);
    assert_eq!(case.expect.signal, None);
    assert!(!case.expect.timeout && !case.expect.oom && case.expect.unjudged.is_empty());
    assert_eq!(case.expect.stdout.equals, None);
}

#[test]
fn every_key_is_read() {
    let toml = r#"hostname = "alpha"
rootfs = "host"
memory = "64M"
swap = "1M"
pids = 9
cpus = 1.5
disk = "8M"
timeout = "300ms"
output = "2K"
user = "1000:100"
network = "host"
capabilities = ["NET_ADMIN", "cap_chown", "NET_ADMIN"]
no-new-privileges = false
args = ["a", "b c"]
stdin = "in\u0000put\n"
workdir = "/tmp//x/"
tags = ["slow", "net"]
skip = "not today"
shell = ["/bin/sh", "-e"]
[env]
A = "1"
[files]
"/etc/motd" = { content = "hi\n", mode = "0600", owner = "1:2" }
[expect]
exit = [1, 2]
oom = true
stdout = "out\n"
stderr = { contains = "e", not-contains = ["x", "y"], matches = '^e\w+$' }
isolation.network-namespace = false"#;
    let folder = Folder::new(&[("a.sh", &header(toml))]);
    let case = folder.case("a");
    let spec = case.spec;
    assert_eq!(spec.hostname, "alpha");
    assert_eq!(spec.rootfs, RootfsRef::Host);
    assert_eq!(spec.limits.memory, Asked::written(Some(64 << 20)));
    assert_eq!(spec.limits.swap, Asked::written(Some(1 << 20)));
    assert_eq!(spec.limits.pids, Asked::written(Some(9)));
    assert_eq!(spec.limits.cpus, Asked::written(Some(1.5)));
    assert_eq!(spec.limits.disk, Asked::written(8 << 20));
    assert_eq!(spec.timeout, Some(Duration::from_millis(300)));
    assert_eq!(spec.output, 2048);
    assert_eq!(spec.user, User::Ids(1000, Some(100)));
    assert_eq!(spec.network, Network::Host);
    assert_eq!(spec.capabilities, Capabilities::List(vec![0, 12]));
    assert!(!spec.no_new_privileges);
    assert_eq!(spec.args, ["a", "b c"]);
    assert_eq!(spec.stdin, b"in\0put\n");
    assert_eq!(spec.workdir, "/tmp/x");
    assert_eq!(spec.shell, ["/bin/sh", "-e"]);
    assert_eq!(spec.env.into_iter().collect::<Vec<_>>(), [("A".to_owned(), "1".to_owned())]);
    let motd = FileSpec {
        path: "/etc/motd".to_owned(),
        kind: content("hi\n"),
        mode: 0o600,
        owner: User::Ids(1, Some(2)),
    };
    assert_eq!(spec.files, [motd]);
    assert_eq!(case.tags, ["slow", "net"]);
    assert_eq!(case.skip.as_deref(), Some("not today"));
    let expect = case.expect;
    assert_eq!((expect.exit, expect.oom), (vec![1, 2], true));
    assert_eq!(expect.stdout.equals.as_deref(), Some(&b"out\n"[..]));
    assert_eq!(expect.stderr.contains, ["e"]);
    assert_eq!(expect.stderr.not_contains, ["x", "y"]);
    assert_eq!(expect.stderr.matches.len(), 1);
    assert!(expect.stderr.matches[0].is_match(b"x\nend\ny"));
    assert_eq!(expect.unjudged, [Property::NetworkNamespace]);
}

#[test]
fn none_lifts_a_ceiling() {
    let toml =
        "memory = \"none\"\npids = \"none\"\ncpus = \"none\"\nswap = \"none\"\ntimeout = \"none\"";
    let folder = Folder::new(&[("a.sh", &header(toml)), ("b.sh", &header("memory = \"none\""))]);
    let spec = folder.case("a").spec;
    assert_eq!(spec.limits.memory, Asked::written(None));
    assert_eq!(spec.limits.pids, Asked::written(None));
    assert_eq!(spec.limits.cpus, Asked::written(None));
    assert_eq!(spec.limits.swap, Asked::written(None));
    assert_eq!(spec.limits.disk, Asked::default_of(256 << 20));
    assert_eq!(spec.timeout, None);
    assert_eq!(folder.case("b").spec.limits.swap, Asked::default_of(None));
}

#[test]
fn a_run_has_one_ending_and_exit_0_is_assumed_without_one() {
    let folder = Folder::new(&[
        ("code.sh", &header("expect.exit = 3")),
        ("signal.sh", &header("expect.signal = \"SIGTERM\"")),
        ("number.sh", &header("expect.signal = 9")),
        ("clock.sh", &header("expect.timeout = true")),
        ("oom.sh", &header("expect.oom = true")),
        ("both.sh", &header("expect.oom = true\nexpect.exit = 0")),
        ("not.sh", &header("expect.timeout = false\nexpect.oom = false")),
    ]);
    let ending = |name| {
        let expect = folder.case(name).expect;
        (expect.exit, expect.signal, expect.timeout, expect.oom)
    };
    assert_eq!(ending("code"), (vec![3], None, false, false));
    assert_eq!(ending("signal"), (vec![], Some(15), false, false));
    assert_eq!(ending("number"), (vec![], Some(9), false, false));
    assert_eq!(ending("clock"), (vec![], None, true, false));
    assert_eq!(ending("oom"), (vec![], None, false, true));
    assert_eq!(ending("both"), (vec![0], None, false, true));
    assert_eq!(ending("not"), (vec![0], None, false, false));
}

#[test]
fn flags_replace_defaults_but_for_the_rootfs_not_what_is_written() {
    let toml = "rootfs = \"./missing\"\nmemory = \"64M\"\ntimeout = \"1s\"";
    let folder = Folder::new(&[("a.sh", &header(toml)), ("b.sh", "true\n")]);
    let overrides = Overrides {
        sealed: false,
        rootfs: Some(RootfsRef::Host),
        memory: Some(Some(32 << 20)),
        timeout: Some(None),
    };
    let cases = load(&[folder.path()], &overrides).expect("cases");
    assert_eq!(cases[0].spec.rootfs, RootfsRef::Host);
    assert_eq!(cases[0].spec.limits.memory, Asked::written(Some(64 << 20)));
    assert_eq!(cases[0].spec.timeout, Some(Duration::from_secs(1)));
    assert_eq!(cases[1].spec.rootfs, RootfsRef::Host);
    assert_eq!(cases[1].spec.limits.memory, Asked::default_of(Some(32 << 20)));
    assert_eq!(cases[1].spec.limits.disk, Asked::default_of(16 << 20));
    assert_eq!(cases[1].spec.timeout, None);
    let lifted = Overrides { memory: Some(None), ..Overrides::default() };
    let case = find(&folder.path(), "b", &lifted).expect("found").expect("valid");
    assert_eq!(case.spec.limits.memory, Asked::default_of(None));
    assert_eq!(case.spec.limits.disk, Asked::default_of(256 << 20));
}

#[test]
fn folder_defaults_reach_the_cases_below_and_the_nearest_word_wins() {
    let folder = Folder::new(&[
        (
            "belljar.toml",
            "memory = \"64M\"\ntags = [\"outer\"]\nargs = [\"x\", \"y\"]\nrootfs = \"./root/\"\n\
             env = { A = \"outer\", B = \"outer\" }\nfiles.\"/a\" = \"data\"\n\
             files.\"/b\" = { content = \"outer\" }\n\
             [expect]\nexit = 3\nstderr = \"\"\nisolation.hostname = false\n\
             isolation.seccomp = false\n",
        ),
        ("data", "fixture\n"),
        ("root/bin", ""),
        ("sub/belljar.toml", "tags = [\"inner\"]\nenv = { B = \"inner\" }\npids = 9\n"),
        ("sub/plain.sh", "true\n"),
        (
            "sub/own.sh",
            &header(
                "memory = \"32M\"\nargs = []\nenv.C = \"own\"\nfiles.\"/b\" = { content = \"own\" }\n\
                 expect.signal = \"KILL\"\nexpect.isolation.seccomp = true\n\
                 expect.stderr.contains = \"x\"",
            ),
        ),
    ]);
    let plain = folder.case("sub::plain");
    assert_eq!(plain.spec.limits.memory, Asked::written(Some(64 << 20)));
    assert_eq!(plain.spec.limits.disk, Asked::default_of(32 << 20));
    assert_eq!(plain.spec.limits.pids, Asked::written(Some(9)));
    assert_eq!(plain.tags, ["inner"]);
    assert_eq!(plain.spec.args, ["x", "y"]);
    assert_eq!(plain.spec.rootfs, RootfsRef::Path(folder.path().join("./root/")));
    let env = |case: &Case| {
        let pairs = case.spec.env.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(env(&plain), "A=outer B=inner");
    let files = [file("/a", content("fixture\n"), 0o644), file("/b", content("outer"), 0o644)];
    assert_eq!(plain.spec.files, files);
    assert_eq!(plain.expect.exit, [3]);
    assert_eq!(plain.expect.stderr.equals.as_deref(), Some(&b""[..]));
    assert_eq!(plain.expect.unjudged, [Property::Hostname, Property::Seccomp]);

    let own = folder.case("sub::own");
    assert_eq!(own.spec.limits.memory, Asked::written(Some(32 << 20)));
    assert!(own.spec.args.is_empty());
    assert_eq!(env(&own), "A=outer B=inner C=own");
    assert_eq!(own.spec.files[1].kind, content("own"));
    assert_eq!((own.expect.exit.as_slice(), own.expect.signal), (&[][..], Some(9)));
    assert_eq!(own.expect.stderr.equals, None);
    assert_eq!(own.expect.stderr.contains, ["x"]);
    assert_eq!(own.expect.unjudged, [Property::Hostname]);
}

#[test]
fn mistakes_in_folder_defaults_are_told_once_and_where_they_are() {
    let folder = Folder::new(&[
        ("belljar.toml", "# about\nmemroy = \"64M\"\n"),
        ("a.sh", "true\n"),
        ("b.sh", &header("exit = 1")),
    ]);
    assert_eq!(
        folder.refused(),
        "error: unknown key `memroy`\n --> DIR/belljar.toml:2:1\n  |\n2 | memroy = \"64M\"\n  \
         | ^^^^^^\n  = help: did you mean `memory`?\n\n\
         error: unknown key `exit`\n --> DIR/b.sh:2:3\n  |\n2 | # exit = 1\n  |   ^^^^\n  \
         = help: `exit` is an expectation and belongs under `[expect]`"
    );
    let error = find(&folder.path(), "a", &Overrides::default()).expect("found");
    let error = error.expect_err("refused");
    assert_eq!(error.path(), folder.path().join("belljar.toml"));
    assert_eq!((error.line(), error.column()), (Some(2), Some(1)));
    assert_eq!(error.message(), "unknown key `memroy`");
    assert_eq!(error.help(), Some("did you mean `memory`?"));
}

#[test]
fn run_settings_are_refused_until_they_exist() {
    let folder = Folder::new(&[("belljar.toml", "[run]\njobs = 2\n"), ("a.sh", "true\n")]);
    assert!(folder.refused().starts_with("error: `run` is not yet supported\n"));
}

#[test]
fn defaults_that_are_no_file_are_an_error_and_not_a_wait() {
    let folder = Folder::new(&[("a.sh", "true\n")]);
    let _socket = UnixListener::bind(folder.path().join("belljar.toml")).expect("a socket");
    assert!(folder.refused().contains("it is not a regular file"), "{}", folder.refused());
    fs::remove_file(folder.path().join("belljar.toml")).expect("removed");
    symlink("nowhere", folder.path().join("belljar.toml")).expect("a link");
    assert!(folder.refused().contains("No such file"), "{}", folder.refused());
}

#[test]
fn snapshots_stand_for_a_stream() {
    let folder = Folder::new(&[
        ("belljar.toml", "expect.stdout.contains = \"x\"\n"),
        ("a.sh", &header("expect.exit = 0")),
        ("a.stdout", "out\n"),
        ("a.stderr", ""),
        ("b.sh", "true\n"),
    ]);
    let case = folder.case("a");
    assert_eq!(case.expect.stdout.equals.as_deref(), Some(&b"out\n"[..]));
    assert_eq!(case.expect.stdout.snapshot, Some(folder.path().join("a.stdout")));
    assert!(case.expect.stdout.contains.is_empty());
    assert_eq!(case.expect.stderr.equals.as_deref(), Some(&b""[..]));
    assert_eq!(folder.case("b").expect.stdout.contains, ["x"]);
}

#[test]
fn names_come_in_order_and_hidden_files_are_no_cases() {
    let folder = Folder::new(&[
        ("z.sh", ""),
        ("memory/oom-kill.sh", ""),
        ("memory/a.b+c_d.sh", ""),
        ("memory.sh", ""),
        ("_lib.sh", ""),
        (".hidden.sh", ""),
        ("_parts/x.sh", ""),
        (".git/x.sh", ""),
        ("notes.txt", ""),
        ("folder.sh/in.sh", ""),
    ]);
    let names =
        ["folder.sh::in", "memory::a.b+c_d", "memory::oom-kill", "memory", "z"].map(str::to_owned);
    assert_eq!(folder.names(), names);
    let cases = folder.load().expect("cases");
    assert_eq!(cases.into_iter().map(|case| case.name).collect::<Vec<_>>(), names);
    for hidden in ["_lib", ".hidden", "_parts::x", "notes", "folder"] {
        assert!(find(&folder.path(), hidden, &Overrides::default()).is_none(), "{hidden}");
    }
}

#[test]
fn links_to_folders_are_not_entered_and_links_to_files_are_cases() {
    let folder = Folder::new(&[("a.sh", "true\n"), ("sub/b.sh", "true\n")]);
    symlink("..", folder.path().join("sub/loop")).expect("a link");
    symlink("sub", folder.path().join("twin")).expect("a link");
    symlink("sub", folder.path().join("twin.sh")).expect("a link");
    symlink("a.sh", folder.path().join("c.sh")).expect("a link");
    assert_eq!(folder.names(), ["a", "c", "sub::b"]);
    assert!(find(&folder.path(), "twin::b", &Overrides::default()).is_none());
    assert!(find(&folder.path(), "sub::loop::a", &Overrides::default()).is_none());
    assert_eq!(folder.case("c").spec.script_name, "c.sh");
}

#[test]
fn files_that_cannot_be_read_or_named_are_listed_and_then_refused() {
    let folder = Folder::new(&[("a b.sh", "true\n"), ("good.sh", "true\n")]);
    symlink("nowhere", folder.path().join("dangling.sh")).expect("a link");
    let _socket = UnixListener::bind(folder.path().join("socket.sh")).expect("a socket");
    assert_eq!(folder.names(), ["a%20b", "dangling", "good", "socket"]);
    for (name, said) in [
        ("a%20b", "this file's path cannot be the name of a case"),
        ("dangling", "the case cannot be read: No such file or directory (os error 2)"),
        ("socket", "the case is not a regular file"),
    ] {
        let found = find(&folder.path(), name, &Overrides::default()).expect("found");
        assert_eq!(found.expect_err("refused").message(), said);
        let listed = list(&folder.path()).expect("a list");
        let listed = listed.iter().find(|listed| listed.name == name).expect("listed");
        let error = listed.load(&Overrides::default()).expect_err("refused");
        assert_eq!(error.message(), said);
    }
    assert_eq!(folder.load().expect_err("refused").0.len(), 3);
}

#[test]
fn a_path_that_is_missing_or_holds_no_case_is_an_error() {
    let folder = Folder::new(&[("sub/_x.sh", ""), ("notes.txt", "")]);
    let said = |path: &str| {
        let path = folder.path().join(path);
        let error = list(&path).expect_err("refused");
        assert_eq!(error.path(), path);
        let errors = load(&[path], &Overrides::default()).expect_err("refused");
        assert_eq!(errors.0, std::slice::from_ref(&error));
        error.message().to_owned()
    };
    assert_eq!(said("missing"), "there is no such file or folder");
    assert_eq!(said("missing.sh"), "there is no such file or folder");
    assert_eq!(said("sub"), "there is no case here");
    assert_eq!(said("sub/_x.sh"), "this file is no case");
    assert_eq!(said("notes.txt"), "this file is no case");
    let error = find(&folder.path().join("missing"), "a", &Overrides::default());
    assert!(error.expect("an error").is_err());
}

#[test]
fn one_name_twice_is_an_error_but_one_file_twice_is_not() {
    let folder = Folder::new(&[("x/a.sh", ""), ("y/a.sh", "")]);
    let (x, y) = (folder.path().join("x"), folder.path().join("y"));
    let cases = load(&[x.clone(), x.join("a.sh"), x.clone()], &Overrides::default());
    assert_eq!(cases.expect("cases").len(), 1);
    let errors = load(&[x.clone(), y.clone()], &Overrides::default()).expect_err("refused");
    assert_eq!(errors.0.len(), 1);
    assert_eq!(errors.0[0].path(), y.join("a.sh"));
    let taken = format!("the name `a` is taken by {} already", x.join("a.sh").display());
    assert_eq!(errors.0[0].message(), taken);
}

#[test]
fn fixtures_are_laid_in_whole_with_their_links_and_executable_bits() {
    let folder = Folder::new(&[
        (
            "a.sh",
            &header(
                "[files]\n\"/opt/data/\" = \"data\"\n\"/opt/data/deep/y\" = { content = \"new\" }",
            ),
        ),
        ("data/run.sh", "#!/bin/bash\n"),
        ("data/deep/x", "x"),
        ("data/deep/y", "old"),
    ]);
    let data = folder.path().join("data");
    fs::set_permissions(data.join("run.sh"), fs::Permissions::from_mode(0o700)).expect("mode");
    symlink("/etc/passwd", data.join("link")).expect("a link");
    let case = folder.case("a");
    assert_eq!(
        case.spec.files,
        [
            file("/opt/data", FileKind::Directory, 0o755),
            file("/opt/data/deep", FileKind::Directory, 0o755),
            file("/opt/data/deep/x", content("x"), 0o644),
            file("/opt/data/deep/y", content("new"), 0o644),
            file("/opt/data/link", FileKind::Symlink("/etc/passwd".to_owned()), 0o777),
            file("/opt/data/run.sh", content("#!/bin/bash\n"), 0o755),
        ]
    );
}

#[test]
fn fixtures_are_no_cases() {
    let folder = Folder::new(&[
        ("belljar.toml", "files.\"/lib\" = \"lib\"\n"),
        ("a.sh", &header("files.\"/helper\" = \"helper.sh\"")),
        ("helper.sh", "# /// case\n# this is not even valid\n"),
        ("lib/x.sh", "true\n"),
        ("whole/b.sh", &header("files.\"/whole\" = \".\"")),
        ("whole/c.sh", "true\n"),
    ]);
    // Whatever else would be wrong with them as cases.
    folder.write("lib/a b.sh", "");
    symlink("nowhere", folder.path().join("lib/dangling.sh")).expect("a link");
    assert_eq!(folder.names(), ["a", "whole::b", "whole::c"]);
    assert_eq!(folder.load().expect("cases").len(), 3);
    // A shell's `*.sh` names the helper too.
    let paths = [folder.path().join("a.sh"), folder.path().join("helper.sh")];
    let error = load(&paths, &Overrides::default()).expect_err("refused");
    assert_eq!(error.0[0].message(), "this file is no case");
}

#[test]
fn no_fixture_leads_out_of_the_case_root() {
    let outside = Folder::new(&[("secret", "s")]);
    let folder = Folder::new(&[("a.sh", &header("files.\"/x\" = \"link\""))]);
    symlink(outside.path().join("secret"), folder.path().join("link")).expect("a link");
    assert!(folder.refused().contains("the fixture `link` lies outside of the case root"));
    folder.write("a.sh", &header("files.\"/x\" = \"/etc/hostname\""));
    assert!(folder.refused().contains("lies outside of the case root"));
    let _socket = UnixListener::bind(folder.path().join("socket")).expect("a socket");
    folder.write("a.sh", &header("files.\"/x\" = \"socket\""));
    assert!(folder.refused().contains("neither a file, a folder nor a symbolic link"));
}

#[test]
fn a_lookup_looks_at_no_other_case() {
    let folder = Folder::new(&[
        ("a.sh", "true\n"),
        ("invalid.sh", "# /// case\n"),
        ("sub/belljar.toml", "nonsense = 1\n"),
        ("sub/b.sh", "true\n"),
    ]);
    let case = find(&folder.path(), "a", &Overrides::default()).expect("found").expect("valid");
    assert_eq!(case.name, "a");
    let invalid = find(&folder.path(), "invalid", &Overrides::default()).expect("found");
    assert_eq!(invalid.expect_err("refused").message(), "this header is not closed");
    let below = find(&folder.path(), "sub::b", &Overrides::default()).expect("found");
    assert_eq!(below.expect_err("refused").message(), "unknown key `nonsense`");
    for name in ["b", "sub", "A", "a.sh", "", "::a", "../a", "sub::..::a"] {
        assert!(find(&folder.path(), name, &Overrides::default()).is_none(), "{name}");
    }
}

#[test]
fn listing_never_fails_for_an_invalid_case() {
    let folder = Folder::new(&[("a.sh", "true\n"), ("invalid.sh", "# /// case\n")]);
    let listed = list(&folder.path()).expect("a list");
    let valid: Vec<bool> =
        listed.iter().map(|listed| listed.load(&Overrides::default()).is_ok()).collect();
    assert_eq!(valid, [true, false]);
    assert_eq!(listed[1].file, folder.path().join("invalid.sh"));
}

#[test]
fn a_file_given_alone_is_named_from_its_folder() {
    let folder = Folder::new(&[("sub/a.sh", "true\n"), ("sub/b.sh", "# /// case\n")]);
    let path = folder.path().join("sub/a.sh");
    let cases = load(std::slice::from_ref(&path), &Overrides::default()).expect("cases");
    assert_eq!((cases.len(), cases[0].name.as_str()), (1, "a"));
    assert!(find(&path, "a", &Overrides::default()).is_some());
    assert!(find(&path, "b", &Overrides::default()).is_none());
    assert_eq!(cases[0].file, Path::new(&path));
}

#[test]
fn no_control_character_of_a_file_reaches_the_terminal() {
    let folder = Folder::new(&[
        ("a.sh", &header("hostname = \"\\u001b[31m\\nred\"")),
        ("b\u{1b}[2J.sh", "true\n"),
        ("d.sh", &header("args = [] # \u{1b}[2J")),
        ("c.sh", &header("\"\\u001b\" = 1")),
    ]);
    let text = folder.refused();
    assert!(text.contains("`\\u{1b}[31m\\nred` is no valid hostname"), "{text}");
    assert!(text.contains("b\\u{1b}[2J.sh"), "{text}");
    assert!(text.contains("unknown key `\\u{1b}`"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}
