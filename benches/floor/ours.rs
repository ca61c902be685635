//! belljar itself: as a library call, as `belljar run`, and as `belljar shell`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use belljar::harness::{Cancel, Ending, Outcome, Runner as _, Spec, State};
use belljar::{JarOptions, JarRunner, RootfsRef};

use crate::contender::{Contender, Kind, Result};
use crate::peers;

const PROGRAM: &str = env!("CARGO_BIN_EXE_belljar");

/// A runner with the store of the environment.
pub(crate) fn runner() -> Result<JarRunner> {
    Ok(JarRunner::new(JarOptions { offline: true, ..JarOptions::default() })?)
}

/// Runs a script in a default jar over this root, and insists on a sealed jar and exit 0.
pub(crate) fn call(runner: &JarRunner, root: &Path, script: &[u8]) -> Result<Outcome> {
    let mut spec = Spec::new("floor", script);
    spec.rootfs = RootfsRef::Path(root.to_owned());
    let outcome = runner.run(&spec, &Cancel::new())?;
    if let Some(broken) = outcome.evidence.iter().find(|e| e.state == State::Broken) {
        return Err(format!("{} is broken: {}", broken.property, broken.observed).into());
    }
    if outcome.ending != Ending::Exit(0) {
        return Err(format!("the script ended with {:?}", outcome.ending).into());
    }
    Ok(outcome)
}

/// All of them, and what this build lacks.
pub(crate) fn contenders<'a>(
    runner: &'a JarRunner,
    root: &'a Path,
    temp: &Path,
    batch: u32,
) -> Result<(Vec<Contender<'a>>, Vec<String>)> {
    let mut list = vec![Contender {
        name: "belljar, library call".to_owned(),
        kind: Kind::Ours,
        batch: 1,
        run: Box::new(move || call(runner, root, crate::SCRIPT).map(drop)),
    }];
    let cases = cases(temp, batch)?;
    for jobs in ["1", "2"] {
        let mut command = belljar(root);
        command.args(["run", "--quiet", "-j", jobs]).arg("--rootfs").arg(root).arg(&cases);
        list.push(Contender {
            name: format!("belljar run -j{jobs}, {batch} cases, per case"),
            kind: Kind::Ours,
            batch,
            run: Box::new(move || peers::succeed(&mut command)),
        });
    }
    let has_shell = Command::new(PROGRAM)
        .args(["shell", "--help"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?
        .success();
    if !has_shell {
        return Ok((list, vec!["belljar shell (not in this build)".to_owned()]));
    }
    let mut command = belljar(root);
    command.arg("shell").arg("--rootfs").arg(root).args(["--", "true"]);
    list.push(Contender {
        name: "belljar shell -- true, whole process".to_owned(),
        kind: Kind::Ours,
        batch: 1,
        run: Box::new(move || peers::succeed(&mut command)),
    });
    Ok((list, Vec::new()))
}

fn belljar(root: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("BELLJAR_OFFLINE", "1").env_remove("BELLJAR_ROOTFS").current_dir(root);
    command
}

fn cases(temp: &Path, count: u32) -> Result<PathBuf> {
    let folder = temp.join("cases");
    fs::create_dir(&folder)?;
    for number in 0..count {
        fs::write(folder.join(format!("case-{number:05}.sh")), crate::SCRIPT)?;
    }
    Ok(folder)
}
