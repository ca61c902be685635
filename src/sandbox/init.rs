//! What the child does between clone and exec, top to bottom in the order in which it
//! happens.
//!
//! The child shares the caller's memory (`CLONE_VM`) and runs beside its threads. So
//! nothing here allocates, takes a lock, panics or calls libc: all that it needs was
//! made by the parent as [`Init`], and what it finds goes back through
//! [`Report`](super::report::Report).

use std::ffi::c_void;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::Ordering;

use syscalls::Errno;

use super::blueprint::{Init, InitStdio, Probe};
use super::lay::{BENEATH, lay};
use super::mounts::{
    attach_at, binds, cover, mount_cgroup, mount_dev, mount_proc, mount_sys, read_only,
};
use super::report::{At, Failure};
use super::step::Step;
use super::sys;

/// The first function of the child.
///
/// # Safety
/// `arg` points to an [`Init`] that outlives the child's exec or exit.
pub(crate) unsafe extern "C" fn main(arg: *const c_void) -> ! {
    // SAFETY: promised by the caller.
    let init = unsafe { &*arg.cast::<Init>() };
    let Err(failure) = run(init);
    init.report.fail(&failure)
}

/// The first function of a child that only probes.
///
/// # Safety
/// `arg` points to a [`Probe`] that outlives the child's exit.
pub(crate) unsafe extern "C" fn probe(arg: *const c_void) -> ! {
    // SAFETY: promised by the caller.
    let probe = unsafe { &*arg.cast::<Probe>() };
    sys::close(probe.gate_writer);
    let tried = (|| {
        if sys::read_byte(probe.gate).at(Step::Gate)?.is_none() {
            sys::exit(126);
        }
        let private = libc::MS_REC | libc::MS_PRIVATE;
        sys::mount(None, c"/", None, private, None).at(Step::Propagation)?;
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        let options = Some(c"size=64k,mode=0755,uid=0,gid=0");
        sys::mount(Some(c"belljar"), &probe.staging, Some(c"tmpfs"), flags, options)
            .on(Step::Staging, &probe.staging)?;
        sys::probe_user_xattr(&probe.staging).at(Step::UpperXattr)
    })();
    match tried {
        Ok(()) => sys::exit(0),
        Err(failure) => probe.report.fail(&failure),
    }
}

/// A child that only keeps a user namespace alive until the pipe `*arg` ends.
///
/// # Safety
/// `arg` points to a [`RawFd`] that outlives the child.
pub(crate) unsafe extern "C" fn hold(arg: *const c_void) -> ! {
    // SAFETY: promised by the caller.
    let gate = unsafe { *arg.cast::<RawFd>() };
    let _ = sys::read_byte(gate);
    sys::exit(0)
}

fn run(init: &Init) -> Result<std::convert::Infallible, Failure> {
    sys::close(init.gate_writer);
    wait_for_parent(init)?;
    // Die with the thread that cloned us; a change of ids clears this, so it is set again.
    die_with_parent(init)?;
    for door in &init.cgroup_doors {
        // A thread that moves itself needs no lock over all processes (Linux 5.5), and so no RCU
        // grace period: the parent would wait 5 to 17 ms to move it.
        sys::write_all(*door, b"0").at(Step::Cgroup)?;
    }
    layers(init)?;
    let root = overlay(init)?;
    mount_proc(init, root)?;
    mount_sys(init, root)?;
    mount_dev(init, root)?;
    cover(init, root)?;
    binds(init, root)?;
    if init.cgroup_namespace {
        sys::unshare(libc::CLONE_NEWCGROUP).at(Step::CgroupNamespace)?;
    }
    mount_cgroup(init, root)?;
    for file in &init.files {
        lay(root, file)?;
    }
    if let Some(name) = &init.hostname {
        sys::sethostname(name).on(Step::Hostname, name)?;
    }
    init.report.ask_names().at(Step::Hostname)?;
    if init.loopback {
        sys::loopback_up().at(Step::Loopback)?;
    }
    enter_root(init, root)?;
    sys::setsid().at(Step::Session)?;
    stdio(init)?;
    // Kernels without keyrings have nothing to leave behind.
    match sys::new_keyring() {
        Ok(()) | Err(Errno::ENOSYS) => {}
        Err(errno) => return Err(errno).at(Step::Keyring),
    }
    for (resource, limit) in &init.rlimits {
        sys::set_rlimit(*resource, limit).at(Step::Rlimit)?;
    }
    sys::umask(0o022);
    privileges(init)?;
    die_with_parent(init)?;
    if !init.keep_descriptors {
        let first = if init.script_pipe.is_some() { 4 } else { 3 };
        sys::cloexec_from(first).at(Step::Descriptors)?;
    }
    sys::reset_signals();
    sys::unblock_signals().at(Step::Signals)?;
    execute(init)
}

fn wait_for_parent(init: &Init) -> Result<(), Failure> {
    match sys::read_byte(init.gate).at(Step::Gate)? {
        Some(_) => Ok(()),
        // The parent is gone or has given up, and nobody reads a report.
        None => sys::exit(126),
    }
}

fn die_with_parent(init: &Init) -> Result<(), Failure> {
    let kill = libc::SIGKILL as usize;
    sys::prctl(libc::PR_SET_PDEATHSIG, kill, 0).at(Step::ParentDeath)?;
    if sys::hung_up(init.gate) {
        sys::exit(126);
    }
    Ok(())
}

/// Puts the layers of the root file system beside each other: `l`, `s/u`, `s/w`, `m`.
fn layers(init: &Init) -> Result<(), Failure> {
    let private = libc::MS_REC | libc::MS_PRIVATE;
    sys::mount(None, c"/", None, private, None).at(Step::Propagation)?;
    // What is reached by path comes first: the staging area may cover it, and root of the
    // jar may not be allowed to walk there.
    let lower = match init.lower_mount {
        Some(mount) => mount,
        None => {
            sys::open_tree(sys::CWD, &init.lower_path, false).on(Step::Lower, &init.lower_path)?
        }
    };
    let upper = match &init.upper_path {
        Some(path) => Some(sys::open_tree(sys::CWD, path, false).on(Step::Upper, path)?),
        None => None,
    };
    for bind in &init.binds {
        let mount = sys::open_tree(sys::CWD, &bind.source, true).on(Step::Bind, &bind.source)?;
        bind.mount.store(mount, Ordering::Relaxed);
    }
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    let options = Some(init.staging_options.as_c_str());
    sys::mount(Some(c"belljar"), &init.staging, Some(c"tmpfs"), flags, options)
        .on(Step::Staging, &init.staging)?;
    sys::chdir(&init.staging).on(Step::Staging, &init.staging)?;
    if init.become_root {
        become_ids(init, 0, 0, &[])?;
        // At once: other jars that start meanwhile have a copy of our gate's other end until they
        // execute, so that a caller who dies now is not seen by the gate.
        die_with_parent(init)?;
    }
    sys::umask(0o022);
    for folder in [c"l", c"m", c"s"] {
        sys::mkdirat(sys::CWD, folder, 0o755).on(Step::Folders, folder)?;
    }
    attach_at(lower, c"l").at(Step::Lower)?;
    if !init.keep_lower {
        read_only(lower, 0).at(Step::Lower)?;
    }
    if let Some(upper) = upper {
        attach_at(upper, c"s").at(Step::Upper)?;
    }
    for folder in [c"s/u", c"s/w"] {
        sys::mkdirat(sys::CWD, folder, 0o755).on(Step::Folders, folder)?;
    }
    Ok(())
}

fn become_ids(init: &Init, uid: u32, gid: u32, groups: &[u32]) -> Result<(), Failure> {
    if init.set_groups {
        sys::setgroups(groups).at(Step::Ids)?;
    }
    sys::setgid(gid).at(Step::Ids)?;
    sys::setuid(uid).at(Step::Ids)?;
    // The flag belongs to the memory that we share with the caller.
    sys::prctl(libc::PR_SET_DUMPABLE, init.dumpable, 0).at(Step::Ids).map(drop)
}

/// Mounts the overlay at `m` and opens it.
fn overlay(init: &Init) -> Result<RawFd, Failure> {
    let upper = sys::openat2(sys::CWD, c"s/u", libc::O_PATH | libc::O_DIRECTORY, 0, BENEATH)
        .at(Step::Upper)?;
    for file in &init.own_files {
        lay(upper, file)?;
    }
    sys::close(upper);
    let options = Some(init.overlay_options.as_c_str());
    sys::mount(Some(c"belljar"), c"m", Some(c"overlay"), init.overlay_flags, options)
        .at(Step::Overlay)?;
    sys::openat2(sys::CWD, c"m", libc::O_PATH | libc::O_DIRECTORY, 0, BENEATH).at(Step::Overlay)
}

/// Makes the overlay the root and lets go of the caller's.
fn enter_root(init: &Init, root: RawFd) -> Result<(), Failure> {
    sys::fchdir(root).at(Step::PivotRoot)?;
    if init.keep_old_root {
        sys::mkdirat(sys::CWD, c".belljar/host", 0o755).at(Step::PivotRoot)?;
        sys::pivot_root(c".", c".belljar/host").at(Step::PivotRoot)?;
    } else {
        // The new root is stacked below the old one, which then is what "." detaches.
        sys::pivot_root(c".", c".").at(Step::PivotRoot)?;
        sys::detach(c".").at(Step::DetachOldRoot)?;
    }
    sys::chdir(c"/").at(Step::PivotRoot)?;
    for name in &init.workdir {
        match sys::chdir(name) {
            Err(Errno::ENOENT) => {
                sys::mkdirat(sys::CWD, name, 0o755).on(Step::Workdir, name)?;
                sys::chdir(name).on(Step::Workdir, name)?;
            }
            other => other.on(Step::Workdir, name)?,
        }
    }
    Ok(())
}

fn stdio(init: &Init) -> Result<(), Failure> {
    let from = match init.stdio {
        InitStdio::Pipes(pipes) => {
            if init.give_pipes {
                for pipe in pipes.iter().chain(&init.script_pipe) {
                    sys::fchown(*pipe, init.uid, init.gid).at(Step::Stdio)?;
                }
            }
            pipes
        }
        InitStdio::Terminal(socket) => {
            let flags = libc::O_RDWR | libc::O_NOCTTY;
            let master =
                sys::openat2(sys::CWD, c"/dev/pts/ptmx", flags, 0, libc::RESOLVE_NO_SYMLINKS)
                    .at(Step::Terminal)?;
            sys::pty_unlock(master).at(Step::Terminal)?;
            let terminal = sys::pty_peer(master).at(Step::Terminal)?;
            sys::take_terminal(terminal).at(Step::Terminal)?;
            sys::fchown(terminal, init.uid, init.gid).at(Step::Terminal)?;
            sys::send_fd(socket, master).at(Step::Terminal)?;
            [terminal; 3]
        }
    };
    // First out of the way of 0 to 3, so that no copy overwrites a source.
    let mut above = [0; 3];
    for (copy, source) in above.iter_mut().zip(from) {
        *copy = sys::dup_from(source, 10).at(Step::Stdio)?;
    }
    let script = match init.script_pipe {
        Some(pipe) => Some(sys::dup_from(pipe, 10).at(Step::Stdio)?),
        None => None,
    };
    for (number, copy) in (0..).zip(above) {
        sys::dup_to(copy, number).at(Step::Stdio)?;
        sys::close(copy);
    }
    if let Some(copy) = script {
        sys::dup_to(copy, 3).at(Step::Stdio)?;
        sys::close(copy);
    }
    Ok(())
}

/// Gives up what the script is not to have.
fn privileges(init: &Init) -> Result<(), Failure> {
    if !init.no_new_privileges {
        // Without that flag it takes a capability that is about to go.
        filter(init)?;
    }
    for capability in 0..=init.last_capability {
        if init.bounding >> capability & 1 == 0 {
            sys::prctl(libc::PR_CAPBSET_DROP, capability, 0).at(Step::Capabilities)?;
        }
    }
    if init.uid != 0 || init.gid != 0 || !init.groups.is_empty() {
        become_ids(init, init.uid, init.gid, &init.groups)?;
    }
    sys::capset(init.capabilities).at(Step::Capabilities)?;
    if init.no_new_privileges {
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).at(Step::NoNewPrivileges)?;
        filter(init)?;
    }
    Ok(())
}

fn filter(init: &Init) -> Result<(), Failure> {
    match &init.filter {
        Some(filter) => sys::seccomp(filter.instructions()).at(Step::Seccomp),
        None => Ok(()),
    }
}

fn execute(init: &Init) -> Result<std::convert::Infallible, Failure> {
    let mut failure = Failure(Step::Exec, Errno::ENOENT, ptr::null());
    for program in &init.programs {
        // SAFETY: both arrays end in a null pointer and point into `init`.
        let errno =
            unsafe { sys::execve(program, init.exec.argv.as_ptr(), init.exec.envp.as_ptr()) };
        failure = Failure(Step::Exec, errno, program.as_ptr());
        if errno != Errno::ENOENT && errno != Errno::EACCES {
            break;
        }
    }
    Err(failure)
}
