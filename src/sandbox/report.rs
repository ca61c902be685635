//! What a child tells its parent, in memory that both see.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};

use syscalls::Errno;

use super::step::Step;
use super::sys;

/// What the child tells its parent, in memory that both see.
pub(crate) struct Report {
    step: AtomicU32,
    errno: AtomicI32,
    detail: AtomicPtr<c_char>,
    names: UnsafeCell<libc::utsname>,
}

impl Report {
    /// An empty report.
    pub(crate) fn new() -> Self {
        Self {
            step: AtomicU32::new(Step::None as u32),
            errno: AtomicI32::new(0),
            detail: AtomicPtr::new(ptr::null_mut()),
            // SAFETY: utsname is made of byte arrays, for which zero is valid.
            names: UnsafeCell::new(unsafe { std::mem::zeroed() }),
        }
    }

    /// Notes what failed and ends the child.
    pub(crate) fn fail(&self, Failure(step, errno, detail): &Failure) -> ! {
        self.errno.store(errno.into_raw(), Ordering::Release);
        self.detail.store(detail.cast_mut(), Ordering::Release);
        self.step.store(*step as u32, Ordering::Release);
        sys::exit(127)
    }

    /// The step that failed, why, and at which path; once the child is gone.
    pub(crate) fn failure(&self) -> Option<(Step, i32, Option<String>)> {
        let step = Step::from_number(self.step.load(Ordering::Acquire))?;
        let detail = self.detail.load(Ordering::Acquire);
        // SAFETY: the child only stores pointers into the `Init` that this report is part of.
        let detail = (!detail.is_null())
            .then(|| unsafe { CStr::from_ptr(detail) }.to_string_lossy().into_owned());
        Some((step, self.errno.load(Ordering::Acquire), detail))
    }

    /// Asks the kernel for the names of this system; in the child.
    pub(crate) fn ask_names(&self) -> sys::Result<()> {
        sys::uname(self.names.get())
    }

    /// The hostname that the kernel told the child just before exec; once it has executed.
    pub(crate) fn hostname(&self) -> String {
        // SAFETY: the child wrote this before exec, and it has executed or is gone.
        let names = unsafe { &*self.names.get() };
        let bytes: Vec<u8> =
            names.nodename.iter().take_while(|c| **c != 0).map(|c| c.to_ne_bytes()[0]).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A step that failed.
pub(crate) struct Failure(pub(crate) Step, pub(crate) Errno, pub(crate) *const c_char);

/// Adds what was being done to the error of a system call.
pub(crate) trait At<T> {
    /// Names the step that a result belongs to.
    fn at(self, step: Step) -> Result<T, Failure>;
    /// The same, with the path.
    fn on(self, step: Step, path: &CStr) -> Result<T, Failure>;
}

impl<T> At<T> for sys::Result<T> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|errno| Failure(step, errno, ptr::null()))
    }

    fn on(self, step: Step, path: &CStr) -> Result<T, Failure> {
        self.map_err(|errno| Failure(step, errno, path.as_ptr()))
    }
}
