//! What the child does between clone and exec, top to bottom in the order in which it
//! happens.
//!
//! The child shares the caller's memory (`CLONE_VM`) and runs beside its threads. So
//! nothing here allocates, takes a lock, panics or calls libc: all that it needs was
//! made by the parent as [`Init`], and what it finds goes back through [`Report`].

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use syscalls::Errno;

use super::step::Step;
use super::sys::{self, FsOption, MountAttr, NODEV, NOEXEC, NOSUID, RDONLY};
use crate::seccomp::Filter;

/// Everything that the child needs; immutable but for the [`Report`].
pub(crate) struct Init {
    /// Read end: one byte once the ids are mapped, another once the cgroups are joined.
    pub(crate) gate: RawFd,
    /// The parent's end of it: closed at once, so that the parent's death is seen.
    pub(crate) gate_writer: RawFd,
    /// Where the pieces are put together: any folder of the caller's mount namespace.
    pub(crate) staging: CString,
    /// Options of the tmpfs there.
    pub(crate) staging_options: CString,
    /// An id-mapped, detached clone of the lower layer, made by the parent.
    pub(crate) lower_mount: Option<RawFd>,
    /// The lower layer by path, where there is no such clone.
    pub(crate) lower_path: CString,
    /// A folder on disk for the upper layer, where tmpfs cannot carry one.
    pub(crate) upper_path: Option<CString>,
    /// Options of the overlay.
    pub(crate) overlay_options: CString,
    /// Flags of the overlay's mount.
    pub(crate) overlay_flags: libc::c_ulong,
    /// Whether the child is in a user namespace of its own and becomes its root.
    pub(crate) become_root: bool,
    /// Whether setgroups(2) is allowed.
    pub(crate) set_groups: bool,
    /// The caller's dumpable flag, put back after each change of ids clears it.
    pub(crate) dumpable: usize,
    /// Files that go into the upper layer before the overlay exists.
    pub(crate) own_files: Vec<InitFile>,
    /// Files that are laid over the image.
    pub(crate) files: Vec<InitFile>,
    /// Mounts of folders and files of the caller.
    pub(crate) binds: Vec<InitBind>,
    /// Whether `/proc` is a fresh one (else the caller's, which only a weakened jar has).
    pub(crate) own_proc: bool,
    /// Whether `/sys` is a fresh one; the caller's, read-only, goes with its network.
    pub(crate) own_sys: bool,
    /// The gid of terminals, where it is mapped.
    pub(crate) pts_gid: Option<CString>,
    /// Size of `/dev/shm` in bytes.
    pub(crate) shm_size: CString,
    /// Device nodes bound from the caller's `/dev`, by name.
    pub(crate) devices: Vec<(CString, CString)>,
    /// Paths below `/proc` and `/sys` that are covered.
    pub(crate) masked: Vec<Cover>,
    /// Paths below `/proc` that are made read-only.
    pub(crate) read_only: Vec<Cover>,
    /// Whether to enter a new cgroup namespace.
    pub(crate) cgroup_namespace: bool,
    /// The hostname to set.
    pub(crate) hostname: Option<CString>,
    /// Whether the network namespace is new and needs its `lo`.
    pub(crate) loopback: bool,
    /// Keep the caller's root in sight: only a weakened jar does.
    pub(crate) keep_old_root: bool,
    /// Keep the lower layer in sight, writable: only a weakened jar does.
    pub(crate) keep_lower: bool,
    /// Components of the working directory.
    pub(crate) workdir: Vec<CString>,
    /// Standard input, output and error; or a unix socket that takes a terminal.
    pub(crate) stdio: InitStdio,
    /// Whether to give the pipes to the user: a parent without privileges cannot.
    pub(crate) give_pipes: bool,
    /// A pipe that the shell reads its script from, to appear as descriptor 3.
    pub(crate) script_pipe: Option<RawFd>,
    /// Descriptors of the caller's are left open: only a weakened jar does.
    pub(crate) keep_descriptors: bool,
    /// Resource limits to set.
    pub(crate) rlimits: Vec<(u32, libc::rlimit64)>,
    /// Who runs the script.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
    /// Its supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// Capabilities that stay in the bounding set, as a bit mask.
    pub(crate) bounding: u64,
    /// Capabilities that the script starts with, as a bit mask.
    pub(crate) capabilities: u64,
    /// The highest capability that the kernel knows.
    pub(crate) last_capability: usize,
    /// Whether to set `no_new_privs`.
    pub(crate) no_new_privileges: bool,
    /// The system calls that the script may make; only a weakened jar has none.
    pub(crate) filter: Option<Arc<Filter>>,
    /// Paths to try for the program, in order.
    pub(crate) programs: Vec<CString>,
    /// Its arguments and environment.
    pub(crate) exec: ExecArrays,
    /// What the child tells.
    pub(crate) report: Report,
}

/// What the child's descriptors 0 to 2 become.
pub(crate) enum InitStdio {
    /// These descriptors.
    Pipes([RawFd; 3]),
    /// A new terminal of the jar's own, whose master goes through this socket.
    Terminal(RawFd),
}

/// A path inside, taken apart so that no component can be a link of the image.
pub(crate) struct Target {
    /// The folders above, outermost first.
    pub(crate) folders: Vec<CString>,
    /// The last component.
    pub(crate) name: CString,
    /// The whole path, for messages.
    pub(crate) shown: CString,
}

/// A file to lay down.
pub(crate) struct InitFile {
    pub(crate) target: Target,
    pub(crate) content: InitContent,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What is laid down.
pub(crate) enum InitContent {
    File(Vec<u8>),
    Directory,
    Symlink(CString),
}

/// A mount of the caller's.
pub(crate) struct InitBind {
    pub(crate) source: CString,
    pub(crate) target: Target,
    pub(crate) is_dir: bool,
    pub(crate) read_only: bool,
    /// The detached clone, filled in by the child.
    pub(crate) mount: AtomicI32,
}

/// A path that is covered or made read-only.
pub(crate) struct Cover {
    pub(crate) path: CString,
    pub(crate) is_dir: bool,
    /// Set by the child where the path does not exist in the jar.
    pub(crate) absent: AtomicBool,
}

/// `argv` and `envp` with the strings that they point to.
pub(crate) struct ExecArrays {
    _strings: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

impl ExecArrays {
    /// Lays out both arrays.
    pub(crate) fn new(argv: Vec<CString>, envp: Vec<CString>) -> Self {
        let list = |strings: &[CString]| {
            strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        let (args, env) = (list(&argv), list(&envp));
        let mut strings = argv;
        strings.extend(envp);
        Self { _strings: strings, argv: args, envp: env }
    }
}

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

    fn fail(&self, Failure(step, errno, detail): &Failure) -> ! {
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
struct Failure(Step, Errno, *const c_char);

trait At<T> {
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

/// What a child needs that only tries whether tmpfs carries the attributes of an overlay.
pub(crate) struct Probe {
    /// Read end: one byte once the ids are mapped.
    pub(crate) gate: RawFd,
    /// The parent's end of it.
    pub(crate) gate_writer: RawFd,
    /// Any folder of the caller's mount namespace.
    pub(crate) staging: CString,
    /// What the child tells.
    pub(crate) report: Report,
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
    layers(init)?;
    let root = overlay(init)?;
    mount_proc(init, root)?;
    mount_sys(init, root)?;
    mount_dev(init, root)?;
    cover(init, root)?;
    binds(init, root)?;
    wait_for_parent(init)?;
    if init.cgroup_namespace {
        sys::unshare(libc::CLONE_NEWCGROUP).at(Step::CgroupNamespace)?;
    }
    for file in &init.files {
        lay(root, file)?;
    }
    if let Some(name) = &init.hostname {
        sys::sethostname(name).on(Step::Hostname, name)?;
    }
    sys::uname(init.report.names.get()).at(Step::Hostname)?;
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
    #[expect(clippy::cast_sign_loss, reason = "a signal number")]
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

/// Attaches a detached mount at a path of our own making.
fn attach_at(mount: RawFd, path: &CStr) -> sys::Result<()> {
    let target = sys::openat2(sys::CWD, path, libc::O_PATH, 0, BENEATH)?;
    let done = sys::attach(mount, target);
    sys::close(target);
    done
}

/// Makes a mount read-only; before Linux 5.12 by remounting it, which needs a path.
fn read_only(mount: RawFd, more: u64) -> sys::Result<()> {
    let attr = MountAttr { set: RDONLY | more, ..MountAttr::default() };
    sys::mount_setattr(mount, &attr, false)
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

/// Links are never followed: an image that puts one where a mount or a file belongs would
/// otherwise choose where it lands (the class of CVE-2025-31133).
const BENEATH: u64 =
    libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

/// Opens a folder right below `root`, making it where the image lacks it.
fn folder(root: RawFd, name: &CStr) -> Result<RawFd, Failure> {
    open_or_make(root, name).on(Step::MountPoint, name)
}

fn open_or_make(dir: RawFd, name: &CStr) -> sys::Result<RawFd> {
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
fn parent_of(root: RawFd, target: &Target) -> sys::Result<RawFd> {
    let mut dir = sys::openat2(root, c".", libc::O_PATH | libc::O_DIRECTORY, 0, BENEATH)?;
    for name in &target.folders {
        let next = open_or_make(dir, name);
        sys::close(dir);
        dir = next?;
    }
    Ok(dir)
}

fn mount_proc(init: &Init, root: RawFd) -> Result<(), Failure> {
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

fn mount_sys(init: &Init, root: RawFd) -> Result<(), Failure> {
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

fn mount_dev(init: &Init, root: RawFd) -> Result<(), Failure> {
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
fn attach_in(mount: RawFd, dir: RawFd, name: &CStr) -> sys::Result<()> {
    let target = sys::openat2(dir, name, libc::O_PATH, 0, BENEATH)?;
    let done = sys::attach(mount, target);
    sys::close(target);
    sys::close(mount);
    done
}

/// Covers what would tell too much of the host, and write-protects what would change it.
fn cover(init: &Init, root: RawFd) -> Result<(), Failure> {
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

fn existing(root: RawFd, cover: &Cover) -> Result<Option<RawFd>, Failure> {
    match sys::openat2(root, &cover.path, libc::O_PATH, 0, BENEATH) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::ENOENT) => {
            cover.absent.store(true, Ordering::Relaxed);
            Ok(None)
        }
        Err(errno) => Err(errno).on(Step::Mask, &cover.path),
    }
}

fn binds(init: &Init, root: RawFd) -> Result<(), Failure> {
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

/// Lays one file down below `root`, replacing what is there but never following it.
fn lay(root: RawFd, file: &InitFile) -> Result<(), Failure> {
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

fn remove_old(parent: RawFd, name: &CStr) -> sys::Result<()> {
    match sys::unlinkat(parent, name) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
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
