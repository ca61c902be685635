//! Both floors: a jar by raw system calls, with nothing of the library in it.
//!
//! The child is cloned with `CLONE_VM` on a stack of its own (vfork-like, but the parent goes
//! on), which is the fastest clone there is, whatever the size of this process.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr;

use syscalls::{Errno, Sysno};

use crate::cgroup::Place;
use crate::ids::Ids;
use crate::raw;

const RDONLY: u64 = libc::MS_RDONLY;
const NOSUID: u64 = libc::MS_NOSUID;
const NODEV: u64 = libc::MS_NODEV;
const NOEXEC: u64 = libc::MS_NOEXEC;

/// What the OCI runtimes cover, and so a jar does.
const MASKED: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/timer_list",
    "proc/timer_stats",
    "proc/sched_debug",
    "proc/scsi",
    "sys/firmware",
    "sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];
/// The device nodes, with their numbers for where they can be made.
const DEVICES: [(&CStr, &CStr, u64); 6] = [
    (c"dev/null", c"/dev/null", 0x103),
    (c"dev/zero", c"/dev/zero", 0x105),
    (c"dev/full", c"/dev/full", 0x107),
    (c"dev/random", c"/dev/random", 0x108),
    (c"dev/urandom", c"/dev/urandom", 0x109),
    (c"dev/tty", c"/dev/tty", 0x500),
];
/// Docker's capabilities less `CAP_MKNOD`.
const CAPABILITIES: u64 = 0xa004_25fb;

/// One of the two floors, ready to be run any number of times.
pub(crate) struct Floor {
    full: bool,
    place: Place,
    ids: Ids,
    lower: std::path::PathBuf,
    plan: Plan,
    null: OwnedFd,
    stack: Stack,
    number: u64,
}

/// What the child works through; its own memory in all but name.
struct Plan {
    full: bool,
    namespaced: bool,
    changes_user: bool,
    set_groups: bool,
    staging: CString,
    lower_path: CString,
    overlay: CString,
    masked: Vec<(CString, bool)>,
    read_only: Vec<CString>,
    rlimits: Vec<(u32, libc::rlimit64)>,
    last_capability: usize,
    script: Vec<u8>,
    lower_mount: Option<usize>,
    gate: usize,
    joins: Vec<CString>,
    stdout: usize,
    null: usize,
    argv: [*const c_char; 3],
    envp: [*const c_char; 5],
    failed_at: UnsafeCell<(u32, i32)>,
}

/// The child's stack: ordinary memory of ours.
struct Stack(Vec<u128>);

impl Floor {
    /// Prepares a floor over a root filesystem; `full` is the one that is the same jar.
    pub(crate) fn new(lower: &Path, staging: &Path, place: Place, full: bool) -> io::Result<Self> {
        let text =
            |path: &Path| Ok::<_, io::Error>(CString::new(path.as_os_str().as_encoded_bytes())?);
        let ids = if full { Ids::of_a_jar(lower)? } else { Ids::least() };
        let null =
            OwnedFd::from(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?);
        let mut overlay = if full {
            "lowerdir=l,upperdir=s/u,workdir=s/w".to_owned()
        } else {
            format!("lowerdir={},upperdir=s/u,workdir=s/w", lower.display())
        };
        if ids.namespaced() {
            overlay.push_str(",userxattr");
        }
        let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?;
        let plan = Plan {
            full,
            namespaced: ids.namespaced(),
            changes_user: ids.changes_user(),
            set_groups: !matches!(ids, Ids::Single(..)),
            staging: text(staging)?,
            lower_path: text(lower)?,
            overlay: CString::new(overlay)?,
            masked: existing(&MASKED),
            read_only: existing(&READ_ONLY).into_iter().map(|(path, _)| path).collect(),
            rlimits: rlimits(),
            last_capability: last.trim().parse().map_err(io::Error::other)?,
            script: Vec::new(),
            lower_mount: None,
            gate: 0,
            joins: Vec::new(),
            stdout: 0,
            null: 0,
            argv: [c"/bin/bash".as_ptr(), c"/.belljar/script.sh".as_ptr(), ptr::null()],
            envp: [
                c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".as_ptr(),
                c"HOME=/root".as_ptr(),
                c"LANG=C.UTF-8".as_ptr(),
                c"HOSTNAME=belljar".as_ptr(),
                ptr::null(),
            ],
            failed_at: UnsafeCell::new((0, 0)),
        };
        let stack = Stack(vec![0; 4096]);
        Ok(Self { full, place, ids, lower: lower.to_owned(), plan, null, stack, number: 0 })
    }

    /// Which ids it has.
    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Runs a script, from nothing to nothing; its output goes to `stdout` or nowhere.
    pub(crate) fn run(&mut self, script: &[u8], stdout: Option<RawFd>) -> io::Result<()> {
        self.number += 1;
        let cgroup = self.place.make(self.number, self.full)?;
        let (reader, gate) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let into = cgroup.clone_into();
        let plan = &mut self.plan;
        if plan.script != script {
            plan.script = script.to_vec();
        }
        plan.lower_mount = self.ids.map_lower(&self.lower)?;
        plan.gate = number(reader.as_raw_fd());
        plan.null = number(self.null.as_raw_fd());
        plan.stdout = number(stdout.unwrap_or(self.null.as_raw_fd()));
        plan.joins = paths(cgroup.joins())?;
        let mut flags = libc::CLONE_VM
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWNET;
        if self.ids.namespaced() {
            flags |= libc::CLONE_NEWUSER;
        }
        if !self.full {
            // A jar makes it once it has joined.
            flags |= libc::CLONE_NEWCGROUP;
        }
        let mut args = raw::CloneArgs {
            flags: u64::from(u32::from_ne_bytes(flags.to_ne_bytes())),
            stack: self.stack.0.as_mut_ptr() as u64,
            stack_size: size_of_val(self.stack.0.as_slice()) as u64,
            ..raw::CloneArgs::default()
        };
        if let Some(folder) = into {
            args.flags |= 0x2_0000_0000;
            args.cgroup = number(folder) as u64;
        }
        // SAFETY: plan and stack belong to self, and the child is reaped before this returns.
        let pid = unsafe { raw::clone3(&args, child, ptr::from_ref(plan).cast()) };
        let pid = pid.map_err(crate::ids::error)?;
        drop(reader);
        if let Some(mount) = plan.lower_mount.take() {
            raw::close(mount);
        }
        let guided = if plan.namespaced {
            self.ids.write(pid).and_then(|()| Ok(nix::unistd::write(&gate, b"g").map(drop)?))
        } else {
            Ok(())
        };
        drop(gate);
        let status = raw::wait(pid).map_err(crate::ids::error)?;
        if self.ids.changes_user() {
            // The child's change of ids cleared it for this process as well.
            nix::sys::prctl::set_dumpable(true)?;
        }
        // SAFETY: the child is gone.
        let (line, errno) = unsafe { *plan.failed_at.get() };
        if line != 0 {
            let source = crate::ids::error(Errno::new(errno));
            return Err(io::Error::other(format!("jar.rs:{line}: {source}")));
        }
        guided?;
        drop(cgroup);
        if status == 0 {
            return Ok(());
        }
        Err(io::Error::other(format!("the floor's script ended with wait status {status:#x}")))
    }
}

fn number(fd: RawFd) -> usize {
    usize::try_from(fd).unwrap_or(usize::MAX)
}

fn paths(list: impl Iterator<Item = std::path::PathBuf>) -> io::Result<Vec<CString>> {
    list.map(|path| Ok(CString::new(path.into_os_string().into_encoded_bytes())?)).collect()
}

fn existing(list: &[&str]) -> Vec<(CString, bool)> {
    list.iter()
        .filter_map(|path| {
            let kind = std::fs::symlink_metadata(Path::new("/").join(path)).ok()?;
            Some((CString::new(*path).ok()?, kind.is_dir()))
        })
        .collect()
}

/// The two that differ from a login's almost everywhere; the calls are what counts here.
fn rlimits() -> Vec<(u32, libc::rlimit64)> {
    [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_NOFILE, 1024)]
        .into_iter()
        .filter_map(|(resource, soft)| {
            let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the pointer is to a local that outlives the call.
            let known = unsafe { libc::getrlimit64(resource, &raw mut limit) } == 0;
            limit.rlim_cur = soft;
            #[expect(clippy::unnecessary_cast, reason = "the type differs between C libraries")]
            (known && soft <= limit.rlim_max).then_some((resource as u32, limit))
        })
        .collect()
}

/// An error and the line that it came from.
struct Failed(u32, Errno);

macro_rules! at {
    ($call:expr) => {
        $call.map_err(|errno| Failed(line!(), errno))?
    };
}

unsafe extern "C" fn child(arg: *const c_void) -> ! {
    // SAFETY: `Floor::run` passes its plan, which outlives this child.
    let plan = unsafe { &*arg.cast::<Plan>() };
    let Err(Failed(line, errno)) = work(plan);
    // SAFETY: the parent reads it only once this child is gone.
    unsafe { *plan.failed_at.get() = (line, errno.into_raw()) };
    raw::exit(127)
}

fn work(plan: &Plan) -> std::result::Result<std::convert::Infallible, Failed> {
    for file in &plan.joins {
        at!(raw::poke(file, b"0"));
    }
    if plan.namespaced {
        at!(raw::read_byte(plan.gate));
    }
    if plan.full {
        at!(raw::plain(Sysno::prctl, [1, 9, 0]));
    }
    at!(raw::mount(c"", c"/", None, libc::MS_REC | libc::MS_PRIVATE, None));
    layers(plan)?;
    at!(raw::mount(c"o", c"m", Some(c"overlay"), NODEV | NOSUID, Some(&plan.overlay)));
    at!(raw::chdir(c"m"));
    at!(raw::mount(c"proc", c"proc", Some(c"proc"), NOSUID | NODEV | NOEXEC, None));
    devices(plan)?;
    if plan.full {
        cover(plan)?;
        at!(raw::plain(Sysno::unshare, [0x0200_0000, 0, 0]));
    }
    at!(raw::sethostname(c"belljar"));
    at!(raw::loopback_up());
    at!(raw::pivot_root(c".", c"."));
    at!(raw::detach(c"."));
    at!(raw::chdir(c"/"));
    for (from, to) in [(plan.null, 0), (plan.stdout, 1), (plan.null, 2)] {
        at!(raw::dup(from, to));
    }
    if plan.full {
        privileges(plan)?;
    }
    at!(raw::default_signal(libc::SIGPIPE));
    // SAFETY: both arrays are built of C string literals and end in null.
    at!(unsafe { raw::execve(c"/bin/bash", plan.argv.as_ptr(), plan.envp.as_ptr()) });
    raw::exit(126)
}

/// The layers, and what is written into the upper one.
fn layers(plan: &Plan) -> std::result::Result<(), Failed> {
    let lower = match plan.lower_mount {
        Some(mount) => Some(mount),
        None if plan.full => Some(at!(raw::open_tree(&plan.lower_path))),
        None => None,
    };
    let options = c"size=134217728,nr_inodes=36864,mode=0755,uid=0,gid=0";
    at!(raw::mount(c"t", &plan.staging, Some(c"tmpfs"), NOSUID | NODEV, Some(options)));
    at!(raw::chdir(&plan.staging));
    if plan.namespaced {
        become_root(plan)?;
    }
    for folder in [c"s", c"s/u", c"s/w", c"m", c"s/u/.belljar"] {
        at!(raw::mkdir(folder));
    }
    if let Some(lower) = lower {
        at!(raw::mkdir(c"l"));
        at!(raw::move_mount(lower, c"l"));
        at!(raw::mount_flags(raw::CWD, c"l", RDONLY, 0));
        at!(raw::mkdir(c"s/u/etc"));
        at!(raw::put(c"s/u/etc/hostname", b"belljar\n", 0o644));
        at!(raw::put(
            c"s/u/etc/hosts",
            b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
              127.0.1.1\tbelljar\n",
            0o644
        ));
        let resolv = b"# There is no network but the loopback interface.\n";
        at!(raw::put(c"s/u/etc/resolv.conf", resolv, 0o644));
    }
    at!(raw::put(c"s/u/.belljar/script.sh", &plan.script, 0o555));
    Ok(())
}

fn become_root(plan: &Plan) -> std::result::Result<(), Failed> {
    if plan.set_groups {
        at!(raw::plain(Sysno::setgroups, [0, 0, 0]));
    }
    at!(raw::plain(Sysno::setresgid, [0, 0, 0]));
    at!(raw::plain(Sysno::setresuid, [0, 0, 0]));
    if plan.changes_user {
        at!(raw::plain(Sysno::prctl, [4, 1, 0]));
    }
    Ok(())
}

fn devices(plan: &Plan) -> std::result::Result<(), Failed> {
    at!(raw::mount(c"dev", c"dev", Some(c"tmpfs"), NOSUID | NOEXEC, Some(c"mode=0755,size=64k")));
    for (path, source, device) in DEVICES {
        if !plan.full && !plan.namespaced {
            at!(raw::mknod(path, libc::S_IFCHR | 0o666, device));
            continue;
        }
        at!(raw::mknod(path, libc::S_IFREG | 0o644, 0));
        at!(raw::mount(source, path, None, libc::MS_BIND, None));
        if plan.full {
            at!(raw::mount_flags(raw::CWD, path, 0x2 | 0x8, 0));
        }
    }
    if !plan.full {
        return Ok(());
    }
    let sys = RDONLY | NOSUID | NODEV | NOEXEC;
    at!(raw::mount(c"sysfs", c"sys", Some(c"sysfs"), sys, None));
    at!(raw::mkdir(c"dev/pts"));
    let options = if plan.set_groups {
        c"newinstance,ptmxmode=0666,mode=0620,gid=5"
    } else {
        c"newinstance,ptmxmode=0666,mode=0620"
    };
    at!(raw::mount(c"devpts", c"dev/pts", Some(c"devpts"), NOSUID | NOEXEC, Some(options)));
    at!(raw::mkdir(c"dev/shm"));
    let (flags, options) = (NOSUID | NODEV | NOEXEC, c"mode=1777,size=67108864");
    at!(raw::mount(c"shm", c"dev/shm", Some(c"tmpfs"), flags, Some(options)));
    for (to, link) in [
        (c"pts/ptmx", c"dev/ptmx"),
        (c"/proc/self/fd", c"dev/fd"),
        (c"/proc/self/fd/0", c"dev/stdin"),
        (c"/proc/self/fd/1", c"dev/stdout"),
        (c"/proc/self/fd/2", c"dev/stderr"),
    ] {
        at!(raw::symlink(to, link));
    }
    at!(raw::mount_flags(raw::CWD, c"dev", 0x1, 0));
    Ok(())
}

fn cover(plan: &Plan) -> std::result::Result<(), Failed> {
    let flags = RDONLY | NOSUID | NODEV | NOEXEC;
    for (path, is_folder) in &plan.masked {
        let covered = if *is_folder {
            raw::mount(c"masked", path, Some(c"tmpfs"), flags, Some(c"size=0,mode=0755"))
        } else {
            raw::mount(c"/dev/null", path, None, libc::MS_BIND, None)
                .and_then(|()| raw::mount_flags(raw::CWD, path, 0x2 | 0x8, 0))
        };
        // What the caller's /proc has and this one lacks needs no mask.
        match covered {
            Err(Errno::ENOENT) => {}
            other => at!(other),
        }
    }
    for path in &plan.read_only {
        match raw::mount(path, path, None, libc::MS_BIND, None) {
            Err(Errno::ENOENT) => continue,
            other => at!(other),
        }
        at!(raw::mount_flags(raw::CWD, path, 0x1 | 0x2 | 0x4 | 0x8, 0));
    }
    Ok(())
}

/// What a jar gives up and resets before its program starts.
fn privileges(plan: &Plan) -> std::result::Result<(), Failed> {
    at!(raw::plain(Sysno::setsid, [0; 3]));
    match raw::plain(Sysno::keyctl, [1, 0, 0]) {
        Err(Errno::ENOSYS) => {}
        other => drop(at!(other)),
    }
    for (resource, limit) in &plan.rlimits {
        at!(raw::set_rlimit(*resource, limit));
    }
    for capability in (0..=plan.last_capability).filter(|c| CAPABILITIES >> c & 1 == 0) {
        at!(raw::plain(Sysno::prctl, [24, capability, 0]));
    }
    at!(raw::capset(CAPABILITIES));
    at!(raw::plain(Sysno::prctl, [38, 1, 0]));
    at!(raw::plain(Sysno::prctl, [1, 9, 0]));
    at!(raw::plain(Sysno::close_range, [3, u32::MAX as usize, 4]));
    Ok(())
}
