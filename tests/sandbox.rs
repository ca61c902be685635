//! What a jar is from the inside, and what is observed of it from outside.

mod common;

use belljar::harness::{Cancel, Ending, Outcome, Runner, State};
use common::{runner, spec};

fn run(script: &str) -> Outcome {
    runner().run(&spec(script), &Cancel::new()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_jar_runs_a_script_and_everything_holds() {
    let outcome = run("echo $$ $(cat /proc/1/comm) $(hostname); echo err >&2; exit 3");
    println!("{outcome:#?}");
    assert_eq!(text(&outcome.stdout.bytes), "1 bash jar\n");
    assert_eq!(text(&outcome.stderr.bytes), "err\n");
    assert_eq!(outcome.ending, Ending::Exit(3));
    for evidence in &outcome.evidence {
        assert_ne!(evidence.state, State::Broken, "{evidence:?}");
    }
}
