//! What a jar is from the inside, and what is observed of it from outside.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use belljar::harness::spec::{Asked, Capabilities, FileKind, FileSpec, Network, Spec, User};
use belljar::harness::{Cancel, Ending, Outcome, Runner, SetupError, State};
use common::{runner, spec};

fn try_run(spec: &Spec) -> Result<Outcome, SetupError> {
    runner().run(spec, &Cancel::new())
}

fn run(spec: &Spec) -> Outcome {
    let outcome = try_run(spec).unwrap();
    for evidence in &outcome.evidence {
        assert_ne!(evidence.state, State::Broken, "{evidence:?}");
    }
    outcome
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn stdout(script: &str) -> String {
    let outcome = run(&spec(script));
    assert_eq!(text(&outcome.stderr.bytes), "");
    text(&outcome.stdout.bytes)
}

#[test]
fn a_jar_runs_a_script_and_everything_holds() {
    let outcome = run(&spec("echo $$ $(cat /proc/1/comm) $(hostname); echo err >&2; exit 3"));
    assert_eq!(text(&outcome.stdout.bytes), "1 bash jar\n");
    assert_eq!(text(&outcome.stderr.bytes), "err\n");
    assert_eq!(outcome.ending, Ending::Exit(3));
    assert_eq!(outcome.oom_kills, 0);
    assert_eq!(outcome.memory_limit, Some(256 << 20));
    assert!(outcome.memory_peak.is_some_and(|n| n > 0));
}

#[test]
fn the_script_starts_in_the_promised_state() {
    let script = r#"
        pwd; umask; id -u; echo "$HOME" "$LANG" "$HOSTNAME" "$0" "$#:$1"; env | grep -c CARGO
        wc -c < /dev/stdin
        grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -s '\t ' ' '
        cat /proc/self/oom_score_adj; ulimit -c; ulimit -Sn
    "#;
    let outcome = run(&Spec { args: vec!["one".to_owned()], ..spec(script) });
    let expected = "/\n0022\n0\n/root C.UTF-8 jar /.belljar/test.sh 1:one\n0\n0\n\
                    SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n0\n0\n1024\n";
    assert_eq!(text(&outcome.stdout.bytes), expected);
}

#[test]
fn standard_input_of_any_size_arrives() {
    let stdin: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let outcome = run(&Spec { stdin, ..spec("wc -c; : > /dev/null") });
    assert_eq!(text(&outcome.stdout.bytes).trim(), "3000000");
    let unread = Spec { stdin: vec![b'x'; 1 << 20], ..spec("exit 0") };
    assert_eq!(run(&unread).ending, Ending::Exit(0));
}

#[test]
fn output_is_kept_up_to_its_limit_and_counted_beyond() {
    let spec =
        Spec { output: 1000, ..spec("head -c 5000000 /dev/zero; head -c 1000 /dev/zero >&2") };
    let outcome = run(&spec);
    assert_eq!((outcome.stdout.bytes.len(), outcome.stdout.total), (1000, 5_000_000));
    assert!(outcome.stdout.truncated() && !outcome.stderr.truncated());
}

#[test]
fn a_daemon_that_holds_the_pipe_does_not_hold_the_run() {
    let outcome = run(&spec("setsid sleep 1000 & echo done"));
    assert_eq!(text(&outcome.stdout.bytes), "done\n");
    assert_eq!(outcome.ending, Ending::Exit(0));
}

#[test]
fn the_clock_ends_a_run_and_says_so() {
    let spec = Spec {
        timeout: Some(Duration::from_millis(300)),
        ..spec("trap '' TERM INT; echo started; while :; do sleep 1; done")
    };
    let outcome = run(&spec);
    assert_eq!(outcome.ending, Ending::Timeout);
    assert_eq!(text(&outcome.stdout.bytes), "started\n");
}

#[test]
fn signals_and_exit_codes_are_told_apart() {
    assert_eq!(run(&spec("exit 137")).ending, Ending::Exit(137));
    let spec = Spec { shell: vec!["/bin/bash".to_owned()], ..spec("kill -SEGV $$; sleep 10") };
    // PID 1 is deaf to signals from inside that it has no handler for (pid_namespaces(7)).
    let outcome = run(&Spec { timeout: Some(Duration::from_millis(200)), ..spec });
    assert_eq!(outcome.ending, Ending::Timeout);
}

#[test]
fn one_oom_kill_ends_the_jar_whoever_is_hit() {
    let limited = |script: &str, memory: u64| {
        let mut spec = spec(script);
        spec.limits.memory = Asked::written(Some(memory << 20));
        spec.limits.disk = Asked::default_of(512 << 20);
        run(&spec)
    };
    let child = "head -c 200M /dev/zero | tail > /dev/null; sleep 100; echo alive";
    let bash = "x=$(head -c 200M /dev/zero | tr '\\0' x); y=$x; sleep 100; echo alive";
    let shm = "head -c 200M /dev/zero > /dev/shm/full; sleep 100; echo alive";
    let tmp = "head -c 200M /dev/zero > /tmp/full; sleep 100; echo alive";
    let mut scripts = vec![(child, 64), (bash, 64), (shm, 32)];
    // On kernels where the writable layer is on disk, the kernel writes it back instead.
    if runner().host().no_disk.is_none() {
        scripts.push((tmp, 64));
    }
    for (script, memory) in scripts {
        let outcome = limited(script, memory);
        assert!(outcome.oom_kills > 0, "{script}: {outcome:?}");
        assert_eq!(outcome.ending, Ending::Signal(9), "{script}");
        assert_eq!(text(&outcome.stdout.bytes), "", "{script}");
        assert_eq!(outcome.memory_limit, Some(memory << 20));
    }
    let outcome = limited("x=$(head -c 100M /dev/zero | tr '\\0' x); echo alive", 512);
    assert_eq!((outcome.oom_kills, text(&outcome.stdout.bytes).as_str()), (0, "alive\n"));
    assert!(outcome.memory_peak.is_some_and(|n| n > 100 << 20));
}

#[test]
fn processes_are_limited() {
    let mut spec = spec("for i in {1..60}; do sleep 5 & done 2>&1 | head -c 200; exit 4");
    spec.limits.pids = Asked::written(Some(20));
    spec.timeout = Some(Duration::from_secs(10));
    let outcome = run(&spec);
    assert!(text(&outcome.stdout.bytes).contains("fork"), "{outcome:?}");
}

#[test]
fn the_writable_layer_is_bounded() {
    let mut spec = spec("head -c 20M /dev/zero > /tmp/a; df / | tail -1 | wc -l");
    spec.limits.disk = Asked::written(8 << 20);
    match try_run(&spec) {
        Ok(outcome) => {
            assert!(text(&outcome.stderr.bytes).contains("No space left"), "{outcome:?}");
        }
        // Where the writable layer has to be on disk, the written value is refused by name.
        Err(error) => assert!(error.message.contains("tmpfs carries no user"), "{error:?}"),
    }
}

#[test]
fn a_folder_of_the_image_can_be_replaced() {
    let script = "rm -rf /usr/share && mkdir /usr/share && ls /usr/share | wc -l; mv /etc /old && ls /old/hostname";
    assert_eq!(stdout(script), "0\n/old/hostname\n");
}

#[test]
fn jars_do_not_see_each_other_or_the_caller() {
    let runner = runner();
    let first = runner.run(&spec("echo secret > /tmp/x; echo $(ls /tmp)"), &Cancel::new()).unwrap();
    assert_eq!(text(&first.stdout.bytes), "x\n");
    let second =
        runner.run(&spec("ls -A /tmp /root | cat; ls /proc | grep -c '^[0-9]'"), &Cancel::new());
    let second = text(&second.unwrap().stdout.bytes);
    assert!(!second.contains('x'), "{second}");
}

#[test]
fn fixtures_are_laid_and_links_of_the_image_are_not_followed() {
    let file =
        |path: &str, kind| FileSpec { path: path.to_owned(), kind, mode: 0o750, owner: User::Root };
    let files = vec![
        file("/data", FileKind::Directory),
        file("/data/a b", FileKind::File(b"content".to_vec())),
        file("/data/link", FileKind::Symlink("a b".to_owned())),
        file("/etc/issue", FileKind::File(b"mine".to_vec())),
    ];
    let script =
        "stat -c %a '/data/a b'; cat /data/link /etc/issue; echo new > /data/n && ls /data";
    let outcome = run(&Spec { files, ..spec(script) });
    assert_eq!(text(&outcome.stdout.bytes), "750\ncontentmine".to_owned() + "a b\nlink\nn\n");

    let through_link = vec![file("/proc/self/root/x", FileKind::File(Vec::new()))];
    let error = try_run(&Spec { files: through_link, ..spec("true") }).unwrap_err();
    assert!(error.message.contains("laying down a file"), "{error:?}");
    assert!(error.remedy.is_some_and(|r| r.contains("symbolic link")));
}

#[test]
fn environment_workdir_and_user_are_as_asked() {
    let env =
        BTreeMap::from([("A".to_owned(), "b c".to_owned()), ("HOME".to_owned(), "/h".to_owned())]);
    let outcome = run(&Spec { env, workdir: "/new/dir".to_owned(), ..spec("echo $A $HOME; pwd") });
    assert_eq!(text(&outcome.stdout.bytes), "b c /h\n/new/dir\n");
    let nobody =
        Spec { user: User::Ids(65534, None), ..spec("id -u; echo x > /dev/stdout; touch /x") };
    match try_run(&nobody) {
        Ok(outcome) => {
            assert_eq!(text(&outcome.stdout.bytes), "65534\nx\n");
            assert!(text(&outcome.stderr.bytes).contains("Permission denied"));
        }
        Err(error) => assert!(error.message.contains("the only id"), "{error:?}"),
    }
    let unknown = Spec { user: User::Name("no-such".to_owned()), ..spec("true") };
    let error = try_run(&unknown).unwrap_err();
    assert!(error.message.contains("no user `no-such`"), "{error:?}");
}

#[test]
fn capabilities_are_those_asked_for() {
    let caps = |capabilities| {
        let spec = Spec { capabilities, ..spec("grep CapEff /proc/self/status | cut -f2") };
        text(&run(&spec).stdout.bytes).trim().to_owned()
    };
    assert_eq!(caps(Capabilities::Default), "00000000a00425fb");
    assert_eq!(caps(Capabilities::None), "0000000000000000");
    assert_eq!(caps(Capabilities::List(vec![0, 21])), "0000000000200001");
    let all =
        Spec { capabilities: Capabilities::All, ..spec("mount -t tmpfs x /mnt && echo mounted") };
    assert_eq!(text(&run(&all).stdout.bytes), "mounted\n");
}

#[test]
fn the_callers_network_can_be_kept() {
    let own = std::fs::read_to_string("/proc/net/dev").unwrap().lines().count();
    let spec = Spec { network: Network::Host, ..spec("wc -l < /proc/net/dev") };
    let outcome = run(&spec);
    assert_eq!(text(&outcome.stdout.bytes).trim(), own.to_string());
    let state = outcome.evidence.iter().find(|e| e.property.name() == "network-namespace");
    assert_eq!(state.unwrap().state, State::NotAsked);
}

#[test]
fn a_missing_shell_is_an_error_of_the_setup() {
    let spec = Spec { shell: vec!["/no/such/shell".to_owned()], ..spec("true") };
    let error = try_run(&spec).unwrap_err();
    assert!(error.message.contains("executing the shell (/no/such/shell)"), "{error:?}");
    assert!(error.remedy.is_some());
}

#[test]
fn a_cancelled_run_is_interrupted() {
    let (runner, cancel) = (runner(), Cancel::new());
    let plan = spec("echo go; sleep 1000");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| runner.run(&plan, &cancel));
        cancel.raise();
        assert!(run.join().unwrap().unwrap_err().interrupted);
    });
}
