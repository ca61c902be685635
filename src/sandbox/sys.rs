//! System calls for the code between clone and exec: no libc, so no errno in
//! thread-local storage that belongs to the parent, no lock, no allocation.
//!
//! Each wrapper is safe: what it takes by reference is alive and terminated for the
//! length of the call, and what the kernel could do to the caller's memory is bounded
//! by the types. The few calls that end or replace the process are named so.

use std::ffi::{CStr, c_void};
use std::os::fd::RawFd;

use syscalls::{Errno, Sysno};

use crate::seccomp::sock_filter;

/// The error number of a failed call.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

fn call(nr: Sysno, a: [usize; 6]) -> Result<usize> {
    // SAFETY: every caller in this file passes pointers that outlive the call, with the
    // length or terminator that the kernel expects there.
    unsafe { syscalls::syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]) }
}

fn ptr(text: &CStr) -> usize {
    text.as_ptr() as usize
}

fn opt(text: Option<&CStr>) -> usize {
    text.map_or(0, ptr)
}

#[expect(clippy::cast_sign_loss, reason = "the kernel takes descriptors as int")]
const fn fd(fd: RawFd) -> usize {
    fd as isize as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a descriptor")]
const fn as_fd(value: usize) -> RawFd {
    value as RawFd
}

/// The descriptor that stands for the working directory.
pub(crate) const CWD: RawFd = libc::AT_FDCWD;

/// openat2(2), with the resolve flags given. Linux 5.6.
pub(crate) fn openat2(
    dir: RawFd,
    path: &CStr,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> Result<RawFd> {
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    #[expect(clippy::cast_sign_loss, reason = "open flags are a bit set")]
    let how = OpenHow { flags: (flags | libc::O_CLOEXEC) as u64, mode: u64::from(mode), resolve };
    let size = size_of::<OpenHow>();
    call(Sysno::openat2, [fd(dir), ptr(path), &raw const how as usize, size, 0, 0]).map(as_fd)
}

/// close(2); the result is of no use.
pub(crate) fn close(descriptor: RawFd) {
    let _ = call(Sysno::close, [fd(descriptor), 0, 0, 0, 0, 0]);
}

/// Marks every descriptor from `first` on as close-on-exec. Linux 5.11.
pub(crate) fn cloexec_from(first: RawFd) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    call(Sysno::close_range, [fd(first), u32::MAX as usize, CLOSE_RANGE_CLOEXEC, 0, 0, 0]).map(drop)
}

/// Reads one byte; `None` at the end of the file.
pub(crate) fn read_byte(from: RawFd) -> Result<Option<u8>> {
    let mut byte = 0_u8;
    loop {
        match call(Sysno::read, [fd(from), &raw mut byte as usize, 1, 0, 0, 0]) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Writes all of `bytes`.
pub(crate) fn write_all(to: RawFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match call(Sysno::write, [fd(to), bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or(&[]),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// mkdirat(2).
pub(crate) fn mkdirat(dir: RawFd, path: &CStr, mode: u32) -> Result<()> {
    call(Sysno::mkdirat, [fd(dir), ptr(path), mode as usize, 0, 0, 0]).map(drop)
}

/// mknodat(2) of an empty regular file, as a mount point.
pub(crate) fn mkfile(dir: RawFd, path: &CStr) -> Result<()> {
    let mode = (libc::S_IFREG | 0o644) as usize;
    call(Sysno::mknodat, [fd(dir), ptr(path), mode, 0, 0, 0]).map(drop)
}

/// symlinkat(2).
pub(crate) fn symlinkat(target: &CStr, dir: RawFd, path: &CStr) -> Result<()> {
    call(Sysno::symlinkat, [ptr(target), fd(dir), ptr(path), 0, 0, 0]).map(drop)
}

/// unlinkat(2) of a file.
pub(crate) fn unlinkat(dir: RawFd, path: &CStr) -> Result<()> {
    call(Sysno::unlinkat, [fd(dir), ptr(path), 0, 0, 0, 0]).map(drop)
}

/// fchmod(2).
pub(crate) fn fchmod(file: RawFd, mode: u32) -> Result<()> {
    call(Sysno::fchmod, [fd(file), mode as usize, 0, 0, 0, 0]).map(drop)
}

/// fchownat(2) of `path` below `dir` itself, following no link.
pub(crate) fn lchownat(dir: RawFd, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flag = libc::AT_SYMLINK_NOFOLLOW as usize;
    call(Sysno::fchownat, [fd(dir), ptr(path), uid as usize, gid as usize, flag, 0]).map(drop)
}

/// Changes the owner of an open file.
pub(crate) fn fchown(file: RawFd, uid: u32, gid: u32) -> Result<()> {
    call(Sysno::fchown, [fd(file), uid as usize, gid as usize, 0, 0, 0]).map(drop)
}

/// Whether `path` takes an extended attribute of the user namespace ("user.").
pub(crate) fn probe_user_xattr(path: &CStr) -> Result<()> {
    let (name, value) = (c"user.belljar", b"1");
    call(Sysno::setxattr, [ptr(path), ptr(name), value.as_ptr() as usize, 1, 0, 0]).map(drop)
}

/// mount(2).
pub(crate) fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as c_ulong")]
    let flags = flags as usize;
    call(Sysno::mount, [opt(source), ptr(target), opt(kind), flags, opt(data), 0]).map(drop)
}

/// Detaches the mount at `target` with all below it.
pub(crate) fn detach(target: &CStr) -> Result<()> {
    let flag = libc::MNT_DETACH as usize;
    call(Sysno::umount2, [ptr(target), flag, 0, 0, 0, 0]).map(drop)
}

/// `pivot_root(2)`.
pub(crate) fn pivot_root(new: &CStr, old: &CStr) -> Result<()> {
    call(Sysno::pivot_root, [ptr(new), ptr(old), 0, 0, 0, 0]).map(drop)
}

/// Clones the mount at `path` below `dir` into a detached one. Linux 5.2.
pub(crate) fn open_tree(dir: RawFd, path: &CStr, recursive: bool) -> Result<RawFd> {
    const OPEN_TREE_CLONE: usize = 1;
    const AT_RECURSIVE: usize = 0x8000;
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as usize | libc::AT_EMPTY_PATH as usize;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    call(Sysno::open_tree, [fd(dir), ptr(path), flags, 0, 0, 0]).map(as_fd)
}

/// Attaches the detached mount `from` at the open folder or file `to`. Linux 5.2.
pub(crate) fn attach(from: RawFd, to: RawFd) -> Result<()> {
    const BOTH_EMPTY: usize = 0x4 | 0x40;
    call(Sysno::move_mount, [fd(from), ptr(c""), fd(to), ptr(c""), BOTH_EMPTY, 0]).map(drop)
}

/// What `mount_setattr(2)` changes.
#[repr(C)]
#[derive(Default)]
pub(crate) struct MountAttr {
    /// Flags to set.
    pub(crate) set: u64,
    /// Flags to clear.
    pub(crate) clear: u64,
    /// Propagation type.
    pub(crate) propagation: u64,
    /// A user namespace that ids are mapped by.
    pub(crate) userns: u64,
}

/// The mount is read-only.
pub(crate) const RDONLY: u64 = 0x1;
/// Set-id bits have no effect.
pub(crate) const NOSUID: u64 = 0x2;
/// Device nodes cannot be opened.
pub(crate) const NODEV: u64 = 0x4;
/// Files cannot be executed.
pub(crate) const NOEXEC: u64 = 0x8;
/// Ids are mapped.
pub(crate) const IDMAP: u64 = 0x10_0000;

/// `mount_setattr(2)` on an open mount. Linux 5.12.
pub(crate) fn mount_setattr(mount: RawFd, attr: &MountAttr, recursive: bool) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH as usize | if recursive { 0x8000 } else { 0 };
    let args =
        [fd(mount), ptr(c""), flags, std::ptr::from_ref(attr) as usize, size_of::<MountAttr>(), 0];
    call(Sysno::mount_setattr, args).map(drop)
}

/// One option of a file system that is being made.
pub(crate) enum FsOption<'a> {
    /// A name alone.
    Flag(&'a CStr),
    /// A name with a value.
    Value(&'a CStr, &'a CStr),
}

/// Makes a new file system as a detached mount: fsopen, fsconfig, fsmount. Linux 5.2.
pub(crate) fn new_mount(
    kind: &CStr,
    source: &CStr,
    options: &[FsOption<'_>],
    attr: u64,
) -> Result<RawFd> {
    const FSOPEN_CLOEXEC: usize = 1;
    const FSMOUNT_CLOEXEC: usize = 1;
    const SET_FLAG: usize = 0;
    const SET_STRING: usize = 1;
    const CREATE: usize = 6;
    let context = call(Sysno::fsopen, [ptr(kind), FSOPEN_CLOEXEC, 0, 0, 0, 0])?;
    let config =
        |command, key, value| call(Sysno::fsconfig, [context, command, key, value, 0, 0]).map(drop);
    let made = (|| {
        config(SET_STRING, ptr(c"source"), ptr(source))?;
        for option in options {
            match option {
                FsOption::Flag(name) => config(SET_FLAG, ptr(name), 0)?,
                FsOption::Value(name, value) => config(SET_STRING, ptr(name), ptr(value))?,
            }
        }
        config(CREATE, 0, 0)?;
        #[expect(clippy::cast_possible_truncation, reason = "flags of 32 bits")]
        let attr = attr as usize;
        call(Sysno::fsmount, [context, FSMOUNT_CLOEXEC, attr, 0, 0, 0]).map(as_fd)
    })();
    close(as_fd(context));
    made
}

/// chdir(2).
pub(crate) fn chdir(path: &CStr) -> Result<()> {
    call(Sysno::chdir, [ptr(path), 0, 0, 0, 0, 0]).map(drop)
}

/// fchdir(2).
pub(crate) fn fchdir(dir: RawFd) -> Result<()> {
    call(Sysno::fchdir, [fd(dir), 0, 0, 0, 0, 0]).map(drop)
}

/// umask(2).
pub(crate) fn umask(mask: u32) {
    let _ = call(Sysno::umask, [mask as usize, 0, 0, 0, 0, 0]);
}

/// dup3(2) without flags.
pub(crate) fn dup_to(old: RawFd, new: RawFd) -> Result<()> {
    call(Sysno::dup3, [fd(old), fd(new), 0, 0, 0, 0]).map(drop)
}

/// fcntl(2) `F_DUPFD`: a copy at `least` or above that survives exec.
pub(crate) fn dup_from(old: RawFd, least: RawFd) -> Result<RawFd> {
    let command = libc::F_DUPFD as usize;
    call(Sysno::fcntl, [fd(old), command, fd(least), 0, 0, 0]).map(as_fd)
}

/// unshare(2).
pub(crate) fn unshare(flags: i32) -> Result<()> {
    call(Sysno::unshare, [fd(flags), 0, 0, 0, 0, 0]).map(drop)
}

/// sethostname(2).
pub(crate) fn sethostname(name: &CStr) -> Result<()> {
    call(Sysno::sethostname, [ptr(name), name.count_bytes(), 0, 0, 0, 0]).map(drop)
}

/// uname(2).
pub(crate) fn uname(into: *mut libc::utsname) -> Result<()> {
    call(Sysno::uname, [into as usize, 0, 0, 0, 0, 0]).map(drop)
}

/// setsid(2).
pub(crate) fn setsid() -> Result<()> {
    call(Sysno::setsid, [0; 6]).map(drop)
}

/// prctl(2).
pub(crate) fn prctl(option: i32, a: usize, b: usize) -> Result<usize> {
    call(Sysno::prctl, [fd(option), a, b, 0, 0, 0])
}

/// setresuid(2) with one id for all three, for this task alone.
pub(crate) fn setuid(uid: u32) -> Result<()> {
    call(Sysno::setresuid, [uid as usize, uid as usize, uid as usize, 0, 0, 0]).map(drop)
}

/// setresgid(2) with one id for all three, for this task alone.
pub(crate) fn setgid(gid: u32) -> Result<()> {
    call(Sysno::setresgid, [gid as usize, gid as usize, gid as usize, 0, 0, 0]).map(drop)
}

/// setgroups(2).
pub(crate) fn setgroups(groups: &[u32]) -> Result<()> {
    call(Sysno::setgroups, [groups.len(), groups.as_ptr() as usize, 0, 0, 0, 0]).map(drop)
}

/// capset(2): permitted and effective become `caps`, inheritable becomes empty.
pub(crate) fn capset(caps: u64) -> Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    let low = caps as u32;
    let high = (caps >> 32) as u32;
    let header = Header { version: VERSION_3, pid: 0 };
    let data = [
        Data { effective: low, permitted: low, inheritable: 0 },
        Data { effective: high, permitted: high, inheritable: 0 },
    ];
    let args = [&raw const header as usize, data.as_ptr() as usize, 0, 0, 0, 0];
    call(Sysno::capset, args).map(drop)
}

/// Adds a filter of system calls to this task (seccomp(2)).
pub(crate) fn seccomp(filter: &[sock_filter]) -> Result<()> {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const sock_filter,
    }
    const SET_MODE_FILTER: usize = 1;
    // Kernels before 5.16 slow a filtered task down against speculation, unless told otherwise;
    // later ones, and the OCI runtimes, leave that to prctl(2).
    const FLAG_SPEC_ALLOW: usize = 4;
    let len = u16::try_from(filter.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program { len, filter: filter.as_ptr() };
    let args = [SET_MODE_FILTER, FLAG_SPEC_ALLOW, &raw const program as usize, 0, 0, 0];
    call(Sysno::seccomp, args).map(drop)
}

/// Joins a new, empty session keyring (keyctl(2)).
pub(crate) fn new_keyring() -> Result<()> {
    const JOIN_SESSION_KEYRING: usize = 1;
    call(Sysno::keyctl, [JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0]).map(drop)
}

/// prlimit64(2) on this process.
pub(crate) fn set_rlimit(resource: u32, limit: &libc::rlimit64) -> Result<()> {
    let limit = std::ptr::from_ref(limit) as usize;
    call(Sysno::prlimit64, [0, resource as usize, limit, 0, 0, 0]).map(drop)
}

/// Sets the disposition of every signal to its default.
pub(crate) fn reset_signals() {
    #[repr(C)]
    struct KernelSigaction {
        handler: usize,
        flags: usize,
        restorer: usize,
        mask: u64,
    }
    let default = KernelSigaction { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
    for signal in 1..=64_usize {
        // KILL and STOP refuse, which is as good.
        let _ = call(Sysno::rt_sigaction, [signal, &raw const default as usize, 0, 8, 0, 0]);
    }
}

/// Blocks no signal.
pub(crate) fn unblock_signals() -> Result<()> {
    let none = 0_u64;
    let how = libc::SIG_SETMASK as usize;
    call(Sysno::rt_sigprocmask, [how, &raw const none as usize, 0, 8, 0, 0]).map(drop)
}

/// Brings the loopback interface of this network namespace up (netdevice(7)).
pub(crate) fn loopback_up() -> Result<()> {
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: i16,
        rest: [u8; 22],
    }
    let (family, kind) = (libc::AF_INET as usize, (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize);
    let socket = call(Sysno::socket, [family, kind, 0, 0, 0, 0])?;
    let mut request = Request { name: [0; libc::IFNAMSIZ], flags: 0, rest: [0; 22] };
    request.name[0] = b'l';
    request.name[1] = b'o';
    #[expect(clippy::cast_possible_truncation, reason = "IFF_UP and IFF_RUNNING are low bits")]
    {
        request.flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    }
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as the request number")]
    let number = libc::SIOCSIFFLAGS as usize;
    let done = call(Sysno::ioctl, [socket, number, &raw const request as usize, 0, 0, 0]);
    close(as_fd(socket));
    done.map(drop)
}

/// The other end of a pseudo-terminal, opened without a path (`TIOCGPTPEER`, Linux 4.13).
pub(crate) fn pty_peer(master: RawFd) -> Result<RawFd> {
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as the request number")]
    let number = libc::TIOCGPTPEER as usize;
    let flags = (libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) as usize;
    call(Sysno::ioctl, [fd(master), number, flags, 0, 0, 0]).map(as_fd)
}

/// Unlocks the other end of a pseudo-terminal (`TIOCSPTLCK`).
pub(crate) fn pty_unlock(master: RawFd) -> Result<()> {
    let zero = 0_i32;
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as the request number")]
    let number = libc::TIOCSPTLCK as usize;
    call(Sysno::ioctl, [fd(master), number, &raw const zero as usize, 0, 0, 0]).map(drop)
}

/// Makes a terminal the controlling one of this session (`TIOCSCTTY`).
pub(crate) fn take_terminal(terminal: RawFd) -> Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as the request number")]
    let number = libc::TIOCSCTTY as usize;
    call(Sysno::ioctl, [fd(terminal), number, 0, 0, 0, 0]).map(drop)
}

/// Whether the writer of a pipe is gone.
pub(crate) fn hung_up(pipe: RawFd) -> bool {
    let mut poll = libc::pollfd { fd: pipe, events: 0, revents: 0 };
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let args = [&raw mut poll as usize, 1, &raw const now as usize, 0, 0, 0];
    matches!(call(Sysno::ppoll, args), Ok(n) if n > 0 && poll.revents & libc::POLLHUP != 0)
}

/// Sends one descriptor over a unix socket (unix(7), `SCM_RIGHTS`).
pub(crate) fn send_fd(socket: RawFd, descriptor: RawFd) -> Result<()> {
    #[repr(C, align(8))]
    struct Control {
        len: usize,
        level: i32,
        kind: i32,
        fd: i32,
        pad: i32,
    }
    let mut byte = 0_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast::<c_void>(), iov_len: 1 };
    let mut control = Control {
        len: size_of::<usize>() + 12,
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        fd: descriptor,
        pad: 0,
    };
    // SAFETY: an all-zero msghdr is a valid empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    call(Sysno::sendmsg, [fd(socket), &raw const message as usize, 0, 0, 0, 0]).map(drop)
}

/// execve(2): only returns when it failed.
///
/// # Safety
/// `argv` and `envp` are arrays of C strings that end in a null pointer.
pub(crate) unsafe fn execve(
    path: &CStr,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
) -> Errno {
    match call(Sysno::execve, [ptr(path), argv as usize, envp as usize, 0, 0, 0]) {
        Ok(_) => Errno::ENOSYS,
        Err(errno) => errno,
    }
}

/// `exit_group(2)`, without any of the clean-up that belongs to the parent's memory.
pub(crate) fn exit(status: i32) -> ! {
    loop {
        let _ = call(Sysno::exit_group, [fd(status), 0, 0, 0, 0, 0]);
    }
}

/// The arguments of clone3(2).
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
pub(crate) struct CloneArgs {
    /// `CLONE_*`.
    pub(crate) flags: u64,
    /// Where the kernel stores the pidfd.
    pub(crate) pidfd: u64,
    /// Unused.
    pub(crate) child_tid: u64,
    /// Unused.
    pub(crate) parent_tid: u64,
    /// Zero: the caller's own wait(2) calls do not see the child before it executes.
    pub(crate) exit_signal: u64,
    /// The lowest address of the child's stack.
    pub(crate) stack: u64,
    /// The size of the child's stack in bytes.
    pub(crate) stack_size: u64,
    /// Unused.
    pub(crate) tls: u64,
    /// Unused.
    pub(crate) set_tid: u64,
    /// Unused.
    pub(crate) set_tid_size: u64,
    /// A v2 cgroup, with `CLONE_INTO_CGROUP`.
    pub(crate) cgroup: u64,
}

/// The number of `clone3(2)`, the same on every architecture. Linux 5.3.
const CLONE3: usize = 435;

/// What a cloned child runs: it never returns.
pub(crate) type ChildMain = unsafe extern "C" fn(*const c_void) -> !;

/// Clones a child that runs `main(arg)` on the stack in `args`; gives its pid.
///
/// # Safety
/// With `CLONE_VM` the child shares this memory: `main` must neither allocate, lock, panic nor
/// touch thread-local storage, and the stack and all that `arg` points to must live until the
/// child has executed another program or is gone.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn clone3(args: &CloneArgs, main: ChildMain, arg: *const c_void) -> Result<i32> {
    let result: usize;
    // SAFETY: the child never returns from `main`, so it never uses the frame of this function;
    // the system call changes rcx and r11 besides rax.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") CLONE3 => result,
            in("rdi") args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") main,
            in("r13") arg,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    Errno::from_ret(result).map(as_fd)
}

/// See the x86-64 version.
///
/// # Safety
/// As there.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn clone3(args: &CloneArgs, main: ChildMain, arg: *const c_void) -> Result<i32> {
    let result: usize;
    // SAFETY: the child never returns from `main`, so it never uses the frame of this function.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x21",
            "blr x20",
            "brk 1",
            "2:",
            in("x8") CLONE3,
            inlateout("x0") args as *const CloneArgs as usize => result,
            in("x1") size_of::<CloneArgs>(),
            in("x20") main,
            in("x21") arg,
        );
    }
    Errno::from_ret(result).map(as_fd)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("belljar knows the system call convention of x86-64 and aarch64 only");
