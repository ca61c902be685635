//! One cgroup folder: made, emptied and removed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::getpid;

use super::place::Version;
use super::{CgroupError, files};

/// How long killed processes get to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the folder, which must be new.
pub(super) fn make(path: &Path) -> Result<(), CgroupError> {
    fs::create_dir(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CgroupError::Exists { path: path.to_owned() },
        _ => files::failed("make the cgroup", path, error),
    })
}

/// Sends SIGKILL to everything in and beneath the folder, and does not wait.
pub(super) fn kill(path: &Path, version: Version) -> Result<(), CgroupError> {
    if version == Version::V2 {
        match files::write(&path.join("cgroup.kill"), "1") {
            // Not there before Linux 5.14.
            Err(CgroupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    kill_each(path).map(drop)
}

/// Kills the processes one by one until no new one shows up; what a killed process
/// is about to fork never starts. Returns the descriptors of the killed.
fn kill_each(path: &Path) -> Result<Vec<OwnedFd>, CgroupError> {
    let mut dying = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        let before = processes(path)?;
        let fresh: Vec<i32> = before.into_iter().filter(|pid| seen.insert(*pid)).collect();
        if fresh.is_empty() {
            return Ok(dying);
        }
        let held: Vec<(i32, Option<OwnedFd>)> =
            fresh.into_iter().map(|pid| (pid, pidfd(pid))).collect();
        // A pid may have been given to another process between the list and the
        // descriptor: only what is listed still is what the descriptor holds.
        let after = processes(path)?;
        for (pid, descriptor) in held {
            if let Some(descriptor) = descriptor.filter(|_| after.contains(&pid)) {
                send_kill(&descriptor);
                dying.push(descriptor);
            }
        }
    }
}

/// The processes in and beneath the folder, us and those of other pid namespaces left out.
pub(super) fn processes(path: &Path) -> Result<BTreeSet<i32>, CgroupError> {
    let mut found = BTreeSet::new();
    let us = getpid().as_raw();
    visit(path, &mut |folder| {
        let Some(text) = files::read_if_there(&folder.join("cgroup.procs"))? else { return Ok(()) };
        found.extend(
            text.lines()
                .filter_map(|line| line.parse::<i32>().ok())
                .filter(|pid| *pid > 0 && *pid != us),
        );
        Ok(())
    })?;
    Ok(found)
}

/// Whether we are in or beneath the folder ourselves.
pub(super) fn holds_us(path: &Path) -> Result<bool, CgroupError> {
    let us = getpid().to_string();
    let mut found = false;
    visit(path, &mut |folder| {
        let text = files::read_if_there(&folder.join("cgroup.procs"))?.unwrap_or_default();
        found |= text.lines().any(|pid| pid == us);
        Ok(())
    })?;
    Ok(found)
}

/// Calls `act` for the folders beneath, deepest first, then for the folder itself.
fn visit(
    path: &Path,
    act: &mut dyn FnMut(&Path) -> Result<(), CgroupError>,
) -> Result<(), CgroupError> {
    match files::subfolders(path) {
        Ok(folders) => folders.iter().try_for_each(|folder| visit(folder, act))?,
        Err(CgroupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    act(path)
}

/// Removes the folder with what is beneath it; kills and waits only if it is busy.
pub(super) fn remove(path: &Path, version: Version) -> Result<(), CgroupError> {
    // The normal path: everything was reaped, one system call.
    if rmdir(path)? {
        return Ok(());
    }
    let end = Instant::now() + PATIENCE;
    loop {
        empty(path, version, end)?;
        visit(path, &mut |folder| rmdir(folder).map(drop))?;
        if !path.exists() {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(CgroupError::StillBusy {
                path: path.to_owned(),
                seconds: PATIENCE.as_secs(),
            });
        }
        // The last process is gone for us, but not yet for its cgroup: this is
        // the kernel's exit path, which tells nobody on v1.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Removes one empty cgroup; says false if it is busy.
fn rmdir(path: &Path) -> Result<bool, CgroupError> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT) => Ok(true),
            Some(Errno::EBUSY | Errno::ENOTEMPTY) => Ok(false),
            _ => Err(files::failed("remove the cgroup", path, error)),
        },
    }
}

/// Kills everything and waits until it is gone or the time is over.
fn empty(path: &Path, version: Version, end: Instant) -> Result<(), CgroupError> {
    match version {
        Version::V2 => {
            let events = path.join("cgroup.events");
            let file = match File::open(&events) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => opened.map_err(|error| files::failed("open", &events, error))?,
            };
            kill(path, version)?;
            // The kernel notifies whoever polls the file that "populated" changed;
            // a read through the same descriptor arms it (cgroups-v2, "Un-populated Notification").
            while populated(&file, &events)? && Instant::now() < end {
                wait(path, &file, PollFlags::POLLPRI, end)?;
            }
        }
        Version::V1 => {
            for descriptor in kill_each(path)? {
                wait(path, &descriptor, PollFlags::POLLIN, end)?;
            }
        }
    }
    Ok(())
}

fn populated(file: &File, path: &Path) -> Result<bool, CgroupError> {
    use std::os::unix::fs::FileExt;

    let mut text = [0_u8; 256];
    let length = file.read_at(&mut text, 0).map_err(|error| files::failed("read", path, error))?;
    Ok(String::from_utf8_lossy(&text[..length]).lines().any(|line| line == "populated 1"))
}

/// Waits for an event of the descriptor, or the end.
fn wait(
    path: &Path,
    descriptor: &impl AsFd,
    flags: PollFlags,
    end: Instant,
) -> Result<(), CgroupError> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(descriptor.as_fd(), flags)], timeout) {
            Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => {
                return Err(CgroupError::Wait { path: path.to_owned(), source: error.into() });
            }
        }
    }
}

/// Opens a process; `None` if it is gone.
fn pidfd(pid: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two integers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let raw = i32::try_from(result).ok().filter(|raw| *raw >= 0)?;
    // SAFETY: the kernel just gave us this descriptor, and nobody else knows it.
    Some(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Sends SIGKILL; a process that is gone is as good.
fn send_kill(pidfd: &OwnedFd) {
    // SAFETY: pidfd_send_signal(2) with no siginfo touches no memory of ours.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        );
    }
}
