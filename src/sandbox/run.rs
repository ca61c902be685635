//! One jar from start to outcome: watched, reaped, torn down, and only then told.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belljar_harness::{Ending, Evidence, Outcome, Property, RootfsUsed, State};
use nix::sys::wait::WaitStatus;

use super::Error;
use super::ids::Ids;
use super::run_folder::remove_tree;
use super::start::Running;
use super::wait;
use crate::cgroup::{JarCgroup, Usage};

/// A jar's own folder on disk, for an upper layer that tmpfs cannot carry.
pub(crate) struct UpperFolder(PathBuf);

impl UpperFolder {
    /// Makes it, owned by root inside.
    pub(crate) fn create(path: PathBuf, ids: &Ids) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o755).create(&path)?;
        let folder = Self(path);
        if *ids == Ids::Shifted {
            std::os::unix::fs::chown(&folder.0, Some(ids.outer(0)), Some(ids.outer(0)))?;
        }
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn remove(self) -> io::Result<()> {
        let result = remove_tree(&self.0);
        std::mem::forget(self);
        result
    }
}

impl Drop for UpperFolder {
    fn drop(&mut self) {
        // The sweep has it otherwise.
        let _ = remove_tree(&self.0);
    }
}

/// What outlives PID 1 and has to be gone before the verdict.
pub(crate) struct Remains<'a> {
    pub(crate) upper: Option<UpperFolder>,
    /// Where the jar's cgroups were made, and their name.
    pub(crate) cgroup_parents: &'a [PathBuf],
    pub(crate) cgroup_name: &'a str,
    /// Leave the cgroups behind: only a weakened jar does.
    pub(crate) keep: bool,
}

/// Watches a jar to its end and tears it down.
pub(crate) fn finish(
    mut running: Running<'_>,
    timeout: Option<Duration>,
    remains: Remains<'_>,
    rootfs: &RootfsUsed,
    interrupted: impl Fn() -> bool,
) -> Result<Outcome, Error> {
    let watched = wait::watch(&mut running, timeout)?;
    let (status, rusage, cgroup, mut evidence) = running.reap()?;
    let usage = cgroup.as_ref().map(JarCgroup::usage).transpose()?.unwrap_or_default();
    let memory_limit = cgroup.as_ref().and_then(|c| c.limits().memory);
    evidence.push(tear_down(cgroup, remains));
    evidence.sort_by_key(|e| e.property);
    if interrupted() {
        return Err(Error::Interrupted);
    }
    Ok(Outcome {
        ending: ending(status, watched.timed_out),
        oom_kills: usage.oom_kills,
        duration: watched.duration,
        memory_limit,
        memory_peak: usage.memory_peak,
        processes_peak: usage.processes_peak,
        cpu: Some(cpu(&usage, &rusage)),
        stdout: watched.stdout,
        stderr: watched.stderr,
        evidence,
        rootfs: rootfs.clone(),
    })
}

fn ending(status: WaitStatus, timed_out: bool) -> Ending {
    match status {
        WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGKILL, _) if timed_out => {
            Ending::Timeout
        }
        WaitStatus::Signaled(_, signal, _) => Ending::Signal(signal as i32),
        WaitStatus::Exited(_, code) => Ending::Exit(code),
        // `Child::reap` returns nothing else.
        _ => Ending::Signal(0),
    }
}

/// The cgroup's processor time, or that of PID 1 and what it waited for.
fn cpu(usage: &Usage, rusage: &libc::rusage) -> Duration {
    usage.cpu.unwrap_or_else(|| {
        let time = |t: libc::timeval| {
            Duration::from_secs(t.tv_sec.unsigned_abs())
                + Duration::from_micros(t.tv_usec.unsigned_abs())
        };
        time(rusage.ru_utime) + time(rusage.ru_stime)
    })
}

/// Removes what is left and says whether anything remains. The mounts went with the last
/// process of the namespace, and PID 1 can only be reaped once all others are gone.
pub(crate) fn tear_down(cgroup: Option<JarCgroup>, remains: Remains<'_>) -> Evidence {
    let mut seen = Vec::new();
    if let Some(cgroup) = cgroup {
        if remains.keep {
            std::mem::forget(cgroup);
        } else if let Err(error) = cgroup.remove() {
            seen.push(crate::error::chain(&error));
        }
    }
    for parent in remains.cgroup_parents {
        let folder = parent.join(remains.cgroup_name);
        if folder.exists() {
            seen.push(format!("the cgroup {} is still there", folder.display()));
        }
    }
    if let Some(upper) = remains.upper {
        let path = upper.path().to_owned();
        if let Err(error) = upper.remove() {
            seen.push(format!("the folder {} is still there: {error}", path.display()));
        }
    }
    let held = seen.is_empty();
    Evidence {
        property: Property::NoLeftovers,
        state: if held { State::Held } else { State::Broken },
        observed: if held {
            "no process, mount, cgroup or folder".to_owned()
        } else {
            seen.join("; ")
        },
    }
}
