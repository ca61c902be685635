//! Cloning a child that shares the caller's memory, and keeping that memory in place
//! until the child has left it.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::sys::{self, ChildMain, CloneArgs};

/// Bytes of a child's stack: the child calls a dozen small functions deep.
const STACK: usize = 64 * 1024;
const GUARD: usize = 4096;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// A stack with an inaccessible page below it.
pub(crate) struct Stack(NonNull<c_void>);

impl Stack {
    /// Maps one.
    pub(crate) fn new() -> io::Result<Self> {
        let size = NonZeroUsize::new(STACK + GUARD).unwrap_or(NonZeroUsize::MIN);
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping, wherever the kernel likes.
        let base = unsafe { mmap_anonymous(None, size, access, flags)? };
        let stack = Self(base);
        // SAFETY: the lowest page of the mapping just made, which nothing uses yet.
        unsafe { mprotect(base, GUARD, ProtFlags::PROT_NONE)? };
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever ran on it is gone: see `spawn`.
        let _ = unsafe { munmap(self.0, STACK + GUARD) };
    }
}

// SAFETY: the mapping belongs to this value alone, and any thread may unmap it.
unsafe impl Send for Stack {}

/// A child of ours, not yet reaped.
pub(crate) struct Child {
    /// Its pid, valid until it is reaped.
    pub(crate) pid: i32,
    pidfd: OwnedFd,
}

/// Clones a child on `stack` that runs `main(arg)`; `args` gives the flags.
///
/// # Safety
/// As for [`sys::clone3`]: the stack and `arg` must outlive the child's exec or death.
pub(crate) unsafe fn spawn(
    args: &CloneArgs,
    stack: &Stack,
    main: ChildMain,
    arg: *const c_void,
) -> io::Result<Child> {
    let mut pidfd: RawFd = -1;
    let args = CloneArgs {
        flags: args.flags | flag_bits(libc::CLONE_PIDFD) | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        stack: stack.0.as_ptr() as u64 + GUARD as u64,
        stack_size: STACK as u64,
        ..*args
    };
    // A handler of the caller's must not run in the child: it would run in our memory.
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: promised by the caller.
    let cloned = unsafe { sys::clone3(&args, main, arg) };
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    let pid = cloned.map_err(|errno| io::Error::from_raw_os_error(errno.into_raw()))?;
    // SAFETY: the kernel just opened it for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid, pidfd })
}

impl Child {
    /// A descriptor that is readable once the child has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Kills it, and with it all of its pid namespace.
    pub(crate) fn kill(&self) {
        kill(self.pidfd.as_fd());
    }

    /// Waits for its end and gives its status and processor time.
    pub(crate) fn reap(&self) -> io::Result<(WaitStatus, libc::rusage)> {
        let mut status = 0;
        loop {
            // SAFETY: rusage is made of integers, for which zero is valid.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: both pointers are to locals that outlive the call.
            let pid = unsafe { libc::wait4(self.pid, &raw mut status, WAIT, &raw mut usage) };
            if pid == self.pid {
                // What a tracee's thread shows before it is gone does not end it.
                match WaitStatus::from_raw(Pid::from_raw(pid), status)? {
                    end @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => {
                        return Ok((end, usage));
                    }
                    _ => continue,
                }
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Waits for its next stop or end, as its tracer.
    pub(crate) fn wait_stop(&self) -> io::Result<WaitStatus> {
        let flags = WaitPidFlag::from_bits_truncate(WAIT);
        loop {
            match waitpid(Pid::from_raw(self.pid), Some(flags)) {
                Err(nix::errno::Errno::EINTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// The flags of clone(2) as clone3(2) takes them.
pub(crate) fn flag_bits(flags: i32) -> u64 {
    u64::from(u32::from_ne_bytes(flags.to_ne_bytes()))
}

/// Only children of this very thread, whatever signal they end with.
const WAIT: i32 = libc::__WALL | libc::__WNOTHREAD;

/// Sends SIGKILL through a pidfd (`pidfd_send_signal(2)`, Linux 5.1).
pub(crate) fn kill(pidfd: BorrowedFd<'_>) {
    // SAFETY: no pointer is passed but a null one, which the call allows. The error of a
    // process that has ended already is of no interest.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<c_void>(),
            0,
        )
    };
}

/// Keeps the dumpable flag of this process as it was: a child that shares its memory and
/// changes its ids clears it (prctl(2), `PR_SET_DUMPABLE`).
pub(crate) struct KeepDumpable(());

struct InFlight {
    children: usize,
    dumpable: bool,
}

static IN_FLIGHT: Mutex<InFlight> = Mutex::new(InFlight { children: 0, dumpable: true });

impl KeepDumpable {
    /// Remembers the flag, if no other child is on its way.
    pub(crate) fn new() -> io::Result<(Self, bool)> {
        let mut state = IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner);
        if state.children == 0 {
            state.dumpable = nix::sys::prctl::get_dumpable()?;
        }
        state.children += 1;
        Ok((Self(()), state.dumpable))
    }
}

impl Drop for KeepDumpable {
    fn drop(&mut self) {
        let mut state = IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner);
        state.children -= 1;
        if state.children == 0 {
            // It cannot fail with these two values.
            let _ = nix::sys::prctl::set_dumpable(state.dumpable);
        }
    }
}
