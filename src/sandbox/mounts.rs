//! The mounts of a jar besides its root: made in the child, with the rules of [`init`](super::init).

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use syscalls::Errno;

use super::blueprint::{Cover, Init};
use super::lay::{BENEATH, folder, parent_of};
use super::report::{At, Failure};
use super::step::Step;
use super::sys::{self, FsOption, MountAttr, NODEV, NOEXEC, NOSUID, RDONLY};

pub(crate) fn mount_proc(init: &Init, root: RawFd) -> Result<(), Failure> {
    let target = folder(root, c"proc")?;
    let mount = if init.own_proc {
        sys::new_mount(c"proc", c"proc", &[], NOSUID | NODEV | NOEXEC)
    } else {
        sys::open_tree(sys::CWD, c"/proc", false).and_then(|mount| {
            let attr = MountAttr { set: NOSUID | NODEV | NOEXEC, ..MountAttr::default() };
            sys::mount_setattr(mount, &attr, false).map(|()| mount)
        })
    }
    .at(Step::Proc)?;
    sys::attach(mount, target).at(Step::Proc)?;
    sys::close(mount);
    sys::close(target);
    Ok(())
}

pub(crate) fn mount_sys(init: &Init, root: RawFd) -> Result<(), Failure> {
    let target = folder(root, c"sys")?;
    let flags = RDONLY | NOSUID | NODEV | NOEXEC;
    let mount = if init.own_sys {
        sys::new_mount(c"sysfs", c"sysfs", &[], flags).at(Step::Sys)?
    } else {
        let mount = sys::open_tree(sys::CWD, c"/sys", true).at(Step::Sys)?;
        let attr = MountAttr { set: flags, ..MountAttr::default() };
        sys::mount_setattr(mount, &attr, true).at(Step::Sys)?;
        mount
    };
    sys::attach(mount, target).at(Step::Sys)?;
    sys::close(mount);
    sys::close(target);
    Ok(())
}

pub(crate) fn mount_dev(init: &Init, root: RawFd) -> Result<(), Failure> {
    let target = folder(root, c"dev")?;
    let small = [FsOption::Value(c"mode", c"0755"), FsOption::Value(c"size", c"64k")];
    let dev = sys::new_mount(c"tmpfs", c"dev", &small, NOSUID | NOEXEC).at(Step::Dev)?;
    sys::attach(dev, target).at(Step::Dev)?;
    sys::close(target);
    for (name, source) in &init.devices {
        let node = sys::open_tree(sys::CWD, source, false).on(Step::DevNode, source)?;
        // Through a user namespace the flags that the caller's /dev has are locked; these only add.
        let attr = MountAttr { set: NOSUID | NOEXEC, ..MountAttr::default() };
        sys::mount_setattr(node, &attr, false).on(Step::DevNode, source)?;
        sys::mkfile(dev, name).on(Step::DevNode, source)?;
        attach_in(node, dev, name).on(Step::DevNode, source)?;
    }
    let pts = match &init.pts_gid {
        Some(gid) => sys::new_mount(
            c"devpts",
            c"devpts",
            &[
                FsOption::Flag(c"newinstance"),
                FsOption::Value(c"ptmxmode", c"0666"),
                FsOption::Value(c"mode", c"0620"),
                FsOption::Value(c"gid", gid),
            ],
            NOSUID | NOEXEC,
        ),
        None => sys::new_mount(
            c"devpts",
            c"devpts",
            &[
                FsOption::Flag(c"newinstance"),
                FsOption::Value(c"ptmxmode", c"0666"),
                FsOption::Value(c"mode", c"0620"),
            ],
            NOSUID | NOEXEC,
        ),
    }
    .at(Step::DevPts)?;
    sys::mkdirat(dev, c"pts", 0o755).at(Step::DevPts)?;
    attach_in(pts, dev, c"pts").at(Step::DevPts)?;
    let options = [FsOption::Value(c"mode", c"1777"), FsOption::Value(c"size", &init.shm_size)];
    let shm = sys::new_mount(c"tmpfs", c"shm", &options, NOSUID | NODEV | NOEXEC).at(Step::Shm)?;
    sys::mkdirat(dev, c"shm", 0o755).at(Step::Shm)?;
    attach_in(shm, dev, c"shm").at(Step::Shm)?;
    for (link, to) in [
        (c"ptmx", c"pts/ptmx"),
        (c"fd", c"/proc/self/fd"),
        (c"stdin", c"/proc/self/fd/0"),
        (c"stdout", c"/proc/self/fd/1"),
        (c"stderr", c"/proc/self/fd/2"),
    ] {
        sys::symlinkat(to, dev, link).on(Step::Dev, link)?;
    }
    read_only(dev, 0).at(Step::Dev)?;
    sys::close(dev);
    Ok(())
}

/// Attaches a detached mount at a name in an open folder, and closes the mount's descriptor.
pub(crate) fn attach_in(mount: RawFd, dir: RawFd, name: &CStr) -> sys::Result<()> {
    let target = sys::openat2(dir, name, libc::O_PATH, 0, BENEATH)?;
    let done = sys::attach(mount, target);
    sys::close(target);
    sys::close(mount);
    done
}

/// Covers what would tell too much of the host, and write-protects what would change it.
pub(crate) fn cover(init: &Init, root: RawFd) -> Result<(), Failure> {
    for mask in &init.masked {
        let Some(target) = existing(root, mask)? else { continue };
        let mount = if mask.is_dir {
            let options = [FsOption::Value(c"size", c"0"), FsOption::Value(c"mode", c"0755")];
            sys::new_mount(c"tmpfs", c"masked", &options, RDONLY | NOSUID | NODEV | NOEXEC)
        } else {
            sys::open_tree(sys::CWD, c"/dev/null", false).and_then(|mount| {
                let attr = MountAttr { set: NOSUID | NOEXEC, ..MountAttr::default() };
                sys::mount_setattr(mount, &attr, false).map(|()| mount)
            })
        }
        .on(Step::Mask, &mask.path)?;
        sys::attach(mount, target).on(Step::Mask, &mask.path)?;
        sys::close(mount);
        sys::close(target);
    }
    for path in &init.read_only {
        let Some(target) = existing(root, path)? else { continue };
        let mount = sys::open_tree(target, c"", false).on(Step::ReadOnly, &path.path)?;
        read_only(mount, NOSUID | NODEV | NOEXEC).on(Step::ReadOnly, &path.path)?;
        sys::attach(mount, target).on(Step::ReadOnly, &path.path)?;
        sys::close(mount);
        sys::close(target);
    }
    Ok(())
}

pub(crate) fn existing(root: RawFd, cover: &Cover) -> Result<Option<RawFd>, Failure> {
    match sys::openat2(root, &cover.path, libc::O_PATH, 0, BENEATH) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::ENOENT) => {
            cover.absent.store(true, Ordering::Relaxed);
            Ok(None)
        }
        Err(errno) => Err(errno).on(Step::Mask, &cover.path),
    }
}

pub(crate) fn binds(init: &Init, root: RawFd) -> Result<(), Failure> {
    for bind in &init.binds {
        let shown = bind.target.shown.as_c_str();
        let mount = bind.mount.load(Ordering::Relaxed);
        let parent = parent_of(root, &bind.target).on(Step::MountPoint, shown)?;
        let name = bind.target.name.as_c_str();
        let target = match sys::openat2(parent, name, libc::O_PATH, 0, BENEATH) {
            Err(Errno::ENOENT) => {
                if bind.is_dir {
                    sys::mkdirat(parent, name, 0o755)
                } else {
                    sys::mkfile(parent, name)
                }
                .on(Step::MountPoint, shown)?;
                sys::openat2(parent, name, libc::O_PATH, 0, BENEATH)
            }
            other => other,
        }
        .on(Step::MountPoint, shown)?;
        let set = NOSUID | NODEV | if bind.read_only { RDONLY } else { 0 };
        let attr = MountAttr { set, ..MountAttr::default() };
        sys::mount_setattr(mount, &attr, true).on(Step::Bind, &bind.source)?;
        sys::attach(mount, target).on(Step::Bind, shown)?;
        sys::close(mount);
        sys::close(target);
        sys::close(parent);
    }
    if init.keep_lower {
        let lower = sys::open_tree(sys::CWD, c"l", false).at(Step::Lower)?;
        sys::mkdirat(root, c".belljar/lower", 0o755).at(Step::Lower)?;
        attach_in(lower, root, c".belljar/lower").at(Step::Lower)?;
    }
    Ok(())
}

/// Attaches a detached mount at a path of our own making.
pub(crate) fn attach_at(mount: RawFd, path: &CStr) -> sys::Result<()> {
    let target = sys::openat2(sys::CWD, path, libc::O_PATH, 0, BENEATH)?;
    let done = sys::attach(mount, target);
    sys::close(target);
    done
}

/// Makes a mount read-only; before Linux 5.12 by remounting it, which needs a path.
pub(crate) fn read_only(mount: RawFd, more: u64) -> sys::Result<()> {
    let attr = MountAttr { set: RDONLY | more, ..MountAttr::default() };
    sys::mount_setattr(mount, &attr, false)
}
