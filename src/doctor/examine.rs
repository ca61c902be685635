//! The order of the examination.

use std::path::Path;

use nix::unistd::geteuid;

use super::check::Report;
use super::{cgroups, kernel, namespaces, store, trial};
use crate::{JarOptions, JarRunner};

/// Looks at everything, with the store at `store` or where it usually is.
pub(crate) fn examine(folder: Option<&Path>) -> Report {
    let mut checks = vec![kernel::release()];
    checks.extend(namespaces::checks());
    checks.push(namespaces::ids());
    checks.push(kernel::seccomp());
    let (store, opened) = store::check(folder);
    checks.push(store);

    // Once that of a jar is read, ceilings, layers and ptrace are known as well.
    let options = JarOptions {
        store: folder.map(Path::to_owned),
        offline: true,
        notice: Box::new(|_| ()),
        ..JarOptions::default()
    };
    let runner = opened.as_ref().map(|_| JarRunner::new(options));
    match (&runner, &opened) {
        (Some(Ok(runner)), Some(store)) => {
            checks.extend(cgroups::checks(runner.engine()));
            checks.push(kernel::tmpfs_attributes(store.path()));
            checks.push(kernel::id_mapped_mounts(store.path()));
            let (trial, more) = trial::run(runner);
            checks.extend(more);
            report(checks, trial)
        }
        (Some(Err(error)), _) => {
            checks.push(trial::not_even_begun(error));
            report(checks, None)
        }
        _ => report(checks, None),
    }
}

fn report(checks: Vec<super::Check>, trial: Option<super::check::Trial>) -> Report {
    Report {
        schema: 1,
        belljar: env!("CARGO_PKG_VERSION"),
        rootless: !geteuid().is_root(),
        runs: trial.is_some() && !checks.iter().any(|check| check.blocks),
        checks,
        trial,
    }
}
