//! Learning that a jar runs out of memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::place::Version;
use super::{CgroupError, files};

/// A descriptor that tells when a jar runs out of memory, for poll(2).
#[derive(Clone, Copy, Debug)]
pub struct OomWatch<'a> {
    /// What to poll.
    pub fd: BorrowedFd<'a>,
    /// The events to ask for.
    pub flags: PollFlags,
}

/// How the end of a whole jar by OOM comes about.
#[derive(Debug)]
pub(super) enum Oom {
    /// The kernel ends the jar by itself (`memory.oom.group`, Linux 4.19).
    Group,
    /// v1 notifies an eventfd, before it kills one process of the jar.
    Event(EventFd),
    /// v2 without `memory.oom.group`: `memory.events` changes.
    Events(File),
    /// The kernel tells nothing: the counter does, afterwards.
    Silent,
}

impl Oom {
    /// Asks the kernel to end the whole jar, or to tell.
    pub(super) fn arm(folder: &Path, version: Version) -> Result<Self, CgroupError> {
        match version {
            Version::V1 => register(folder),
            Version::V2 => match files::write(&folder.join("memory.oom.group"), "1") {
                Ok(()) => Ok(Self::Group),
                Err(error) if missing(&error) => {
                    let path = folder.join("memory.events");
                    let open = || {
                        let mut file = File::open(&path)?;
                        // The first read arms the notification.
                        file.read_to_end(&mut Vec::new())?;
                        Ok(file)
                    };
                    open().map(Self::Events).map_err(|error| files::failed("watch", &path, error))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Takes note of the event, so that the next poll waits for the next one.
    pub(super) fn drain(&self) {
        match self {
            Self::Group | Self::Silent => {}
            // It does not block, and an empty one is as good.
            Self::Event(event) => drop(event.read()),
            Self::Events(file) => {
                use std::os::unix::fs::FileExt;
                let _ = file.read_at(&mut [0; 512], 0);
            }
        }
    }

    pub(super) fn watch(&self) -> Option<OomWatch<'_>> {
        match self {
            Self::Group | Self::Silent => None,
            Self::Event(event) => Some(OomWatch { fd: event.as_fd(), flags: PollFlags::POLLIN }),
            Self::Events(file) => Some(OomWatch { fd: file.as_fd(), flags: PollFlags::POLLPRI }),
        }
    }
}

/// Registers an eventfd as the kernel's `cgroup-v1/memory.rst` has it in chapter 10.
fn register(folder: &Path) -> Result<Oom, CgroupError> {
    let path = folder.join("memory.oom_control");
    // Needed only while it is registered.
    let control = File::open(&path).map_err(|error| files::failed("open", &path, error))?;
    let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|error| files::failed("make an event for", &path, error.into()))?;
    let line = format!("{} {}", event.as_fd().as_raw_fd(), control.as_raw_fd());
    match files::write(&folder.join("cgroup.event_control"), &line) {
        Ok(()) => Ok(Oom::Event(event)),
        // Real-time kernels have no such file.
        Err(error) if missing(&error) => Ok(Oom::Silent),
        Err(error) => Err(error),
    }
}

fn missing(error: &CgroupError) -> bool {
    matches!(error, CgroupError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
