//! Opening and laying down files below a root, following no link of the image: in the child,
//! with the rules of [`init`](super::init).

use std::ffi::CStr;
use std::os::fd::RawFd;

use syscalls::Errno;

use super::blueprint::{InitContent, InitFile, Target};
use super::report::{At, Failure};
use super::step::Step;
use super::sys;

/// Links are never followed: an image that puts one where a mount or a file belongs would
/// otherwise choose where it lands (the class of CVE-2025-31133).
pub(crate) const BENEATH: u64 =
    libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

/// Opens a folder right below `root`, making it where the image lacks it.
pub(crate) fn folder(root: RawFd, name: &CStr) -> Result<RawFd, Failure> {
    open_or_make(root, name).on(Step::MountPoint, name)
}

pub(crate) fn open_or_make(dir: RawFd, name: &CStr) -> sys::Result<RawFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    match sys::openat2(dir, name, flags, 0, BENEATH) {
        Err(Errno::ENOENT) => {
            sys::mkdirat(dir, name, 0o755)?;
            sys::openat2(dir, name, flags, 0, BENEATH)
        }
        other => other,
    }
}

/// Opens the folder that `target` is in, making what is missing.
pub(crate) fn parent_of(root: RawFd, target: &Target) -> sys::Result<RawFd> {
    let mut dir = sys::openat2(root, c".", libc::O_PATH | libc::O_DIRECTORY, 0, BENEATH)?;
    for name in &target.folders {
        let next = open_or_make(dir, name);
        sys::close(dir);
        dir = next?;
    }
    Ok(dir)
}

/// Lays one file down below `root`, replacing what is there but never following it.
pub(crate) fn lay(root: RawFd, file: &InitFile) -> Result<(), Failure> {
    let shown = file.target.shown.as_c_str();
    let name = file.target.name.as_c_str();
    let parent = parent_of(root, &file.target).on(Step::File, shown)?;
    match &file.content {
        InitContent::File(bytes) => {
            remove_old(parent, name).on(Step::File, shown)?;
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
            let out = sys::openat2(parent, name, flags, 0o600, BENEATH).on(Step::File, shown)?;
            sys::write_all(out, bytes).on(Step::File, shown)?;
            if file.uid != 0 || file.gid != 0 {
                sys::fchown(out, file.uid, file.gid).on(Step::File, shown)?;
            }
            // After the change of owner, which clears set-id bits.
            sys::fchmod(out, file.mode).on(Step::File, shown)?;
            sys::close(out);
        }
        InitContent::Directory => {
            let path_only = open_or_make(parent, name).on(Step::File, shown)?;
            sys::close(path_only);
            let flags = libc::O_RDONLY | libc::O_DIRECTORY;
            let dir = sys::openat2(parent, name, flags, 0, BENEATH).on(Step::File, shown)?;
            if file.uid != 0 || file.gid != 0 {
                sys::fchown(dir, file.uid, file.gid).on(Step::File, shown)?;
            }
            sys::fchmod(dir, file.mode).on(Step::File, shown)?;
            sys::close(dir);
        }
        InitContent::Symlink(to) => {
            remove_old(parent, name).on(Step::File, shown)?;
            sys::symlinkat(to, parent, name).on(Step::File, shown)?;
            if file.uid != 0 || file.gid != 0 {
                sys::lchownat(parent, name, file.uid, file.gid).on(Step::File, shown)?;
            }
        }
    }
    sys::close(parent);
    Ok(())
}

pub(crate) fn remove_old(parent: RawFd, name: &CStr) -> sys::Result<()> {
    match sys::unlinkat(parent, name) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
