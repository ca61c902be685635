//! The system calls of the floors, with nothing between them and the kernel.
//!
//! The child of a floor shares this process's memory, as the fastest clone does. So what it
//! calls here neither allocates nor touches errno.

use std::ffi::{CStr, c_char, c_void};

use syscalls::{Errno, Sysno};

/// What a call gives.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// The working directory, as a descriptor.
#[expect(clippy::cast_sign_loss, reason = "the kernel takes it as an int")]
pub(crate) const CWD: usize = libc::AT_FDCWD as isize as usize;

fn call(nr: Sysno, a: [usize; 6]) -> Result<usize> {
    // SAFETY: the callers in this file pass pointers that outlive the call, with the length
    // or terminator that the kernel expects.
    unsafe { syscalls::syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]) }
}

fn ptr(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// mount(2).
pub(crate) fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Result<()> {
    let (kind, data) = (kind.map_or(0, ptr), data.map_or(0, ptr));
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as the flags")]
    call(Sysno::mount, [ptr(source), ptr(target), kind, flags as usize, data, 0]).map(drop)
}

/// Adds flags to the mount at a path, or to an open one where the path is empty.
pub(crate) fn mount_flags(dir: usize, path: &CStr, set: u64, userns: u64) -> Result<()> {
    let attr = [set, 0, 0, userns];
    let at = if path.is_empty() { libc::AT_EMPTY_PATH as usize } else { 0 };
    let args = [dir, ptr(path), at, attr.as_ptr() as usize, size_of_val(&attr), 0];
    call(Sysno::mount_setattr, args).map(drop)
}

/// A detached clone of the mount at a path.
pub(crate) fn open_tree(path: &CStr) -> Result<usize> {
    const CLONE: usize = 1;
    call(Sysno::open_tree, [CWD, ptr(path), CLONE | libc::O_CLOEXEC as usize, 0, 0, 0])
}

/// Attaches a detached mount at a path.
pub(crate) fn move_mount(mount: usize, path: &CStr) -> Result<()> {
    const FROM_EMPTY: usize = 4;
    call(Sysno::move_mount, [mount, ptr(c""), CWD, ptr(path), FROM_EMPTY, 0]).map(drop)
}

/// Detaches the mount at a path.
pub(crate) fn detach(path: &CStr) -> Result<()> {
    call(Sysno::umount2, [ptr(path), libc::MNT_DETACH as usize, 0, 0, 0, 0]).map(drop)
}

/// `pivot_root(2)`.
pub(crate) fn pivot_root(new: &CStr, old: &CStr) -> Result<()> {
    call(Sysno::pivot_root, [ptr(new), ptr(old), 0, 0, 0, 0]).map(drop)
}

/// chdir(2).
pub(crate) fn chdir(path: &CStr) -> Result<()> {
    call(Sysno::chdir, [ptr(path), 0, 0, 0, 0, 0]).map(drop)
}

/// mkdir(2).
pub(crate) fn mkdir(path: &CStr) -> Result<()> {
    call(Sysno::mkdirat, [CWD, ptr(path), 0o755, 0, 0, 0]).map(drop)
}

/// mknod(2).
pub(crate) fn mknod(path: &CStr, mode: u32, device: u64) -> Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "a device number of 32 bits")]
    call(Sysno::mknodat, [CWD, ptr(path), mode as usize, device as usize, 0, 0]).map(drop)
}

/// symlink(2).
pub(crate) fn symlink(to: &CStr, path: &CStr) -> Result<()> {
    call(Sysno::symlinkat, [ptr(to), CWD, ptr(path), 0, 0, 0]).map(drop)
}

/// open(2), with close-on-exec.
pub(crate) fn open(path: &CStr, flags: i32, mode: usize) -> Result<usize> {
    #[expect(clippy::cast_sign_loss, reason = "open flags")]
    call(Sysno::openat, [CWD, ptr(path), (flags | libc::O_CLOEXEC) as usize, mode, 0, 0])
}

/// write(2).
pub(crate) fn write(file: usize, bytes: &[u8]) -> Result<()> {
    call(Sysno::write, [file, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]).map(drop)
}

/// read(2) of one byte; whether there was one.
pub(crate) fn read_byte(file: usize) -> Result<bool> {
    let mut byte = 0_u8;
    call(Sysno::read, [file, &raw mut byte as usize, 1, 0, 0, 0]).map(|n| n == 1)
}

/// close(2).
pub(crate) fn close(file: usize) {
    let _ = call(Sysno::close, [file, 0, 0, 0, 0, 0]);
}

/// dup3(2).
pub(crate) fn dup(old: usize, new: usize) -> Result<()> {
    call(Sysno::dup3, [old, new, 0, 0, 0, 0]).map(drop)
}

/// Makes a file with this content.
pub(crate) fn put(path: &CStr, bytes: &[u8], mode: usize) -> Result<()> {
    let file = open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, mode)?;
    write(file, bytes)?;
    close(file);
    Ok(())
}

/// Writes into a file that is there.
pub(crate) fn poke(path: &CStr, bytes: &[u8]) -> Result<()> {
    let file = open(path, libc::O_WRONLY, 0)?;
    write(file, bytes)?;
    close(file);
    Ok(())
}

/// A call that takes numbers only.
pub(crate) fn plain(nr: Sysno, args: [usize; 3]) -> Result<usize> {
    call(nr, [args[0], args[1], args[2], 0, 0, 0])
}

/// prlimit64(2) on this process.
pub(crate) fn set_rlimit(resource: u32, limit: &libc::rlimit64) -> Result<()> {
    let limit = std::ptr::from_ref(limit) as usize;
    call(Sysno::prlimit64, [0, resource as usize, limit, 0, 0, 0]).map(drop)
}

/// sethostname(2).
pub(crate) fn sethostname(name: &CStr) -> Result<()> {
    call(Sysno::sethostname, [ptr(name), name.count_bytes(), 0, 0, 0, 0]).map(drop)
}

/// capset(2): permitted and effective are `caps`.
pub(crate) fn capset(caps: u64) -> Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    let (low, high) = (caps as u32, (caps >> 32) as u32);
    let header = [0x2008_0522_u32, 0];
    let data = [low, low, 0, high, high, 0];
    let args = [header.as_ptr() as usize, data.as_ptr() as usize, 0, 0, 0, 0];
    call(Sysno::capset, args).map(drop)
}

/// Brings `lo` up.
pub(crate) fn loopback_up() -> Result<()> {
    #[repr(C, align(8))]
    struct Request([u8; 40]);
    let mut request = Request([0; 40]);
    request.0[0] = b'l';
    request.0[1] = b'o';
    // The flags are a short behind the name (netdevice(7)): IFF_UP and IFF_RUNNING.
    let [a, b] = 0x41_u16.to_ne_bytes();
    request.0[16] = a;
    request.0[17] = b;
    let (family, kind) = (libc::AF_INET as usize, (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize);
    let socket = call(Sysno::socket, [family, kind, 0, 0, 0, 0])?;
    #[expect(clippy::cast_possible_truncation, reason = "usize is as wide as the number")]
    let up = libc::SIOCSIFFLAGS as usize;
    call(Sysno::ioctl, [socket, up, &raw const request as usize, 0, 0, 0])?;
    close(socket);
    Ok(())
}

/// Lets one signal do what it does by default.
pub(crate) fn default_signal(signal: i32) -> Result<()> {
    let action = [0_u64; 4];
    #[expect(clippy::cast_sign_loss, reason = "a signal number")]
    let signal = signal as usize;
    call(Sysno::rt_sigaction, [signal, action.as_ptr() as usize, 0, 8, 0, 0]).map(drop)
}

/// execve(2).
///
/// # Safety
/// Both arrays end in a null pointer and hold C strings.
pub(crate) unsafe fn execve(
    path: &CStr,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> Result<()> {
    call(Sysno::execve, [ptr(path), argv as usize, envp as usize, 0, 0, 0]).map(drop)
}

/// `exit_group(2)`.
pub(crate) fn exit(status: usize) -> ! {
    loop {
        let _ = call(Sysno::exit_group, [status, 0, 0, 0, 0, 0]);
    }
}

/// Waits for the end of a child and gives its wait status.
pub(crate) fn wait(pid: usize) -> Result<i32> {
    let mut status = 0_i32;
    let all = libc::__WALL as usize;
    loop {
        match call(Sysno::wait4, [pid, &raw mut status as usize, all, 0, 0, 0]) {
            Ok(_) => return Ok(status),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The arguments of clone3(2), up to and with `cgroup`.
#[repr(C, align(8))]
#[derive(Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

/// Clones a child that runs `main(arg)` on the stack in `args`.
///
/// # Safety
/// The child shares this memory: `main` keeps the rules of this module, and its stack and
/// `arg` live until it has executed or is gone.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn clone3(
    args: &CloneArgs,
    main: unsafe extern "C" fn(*const c_void) -> !,
    arg: *const c_void,
) -> Result<usize> {
    // clone3(2), the same number on every architecture.
    let result: usize;
    // SAFETY: the child jumps into `main` and never comes back to this frame.
    unsafe {
        std::arch::asm!(
            "syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r13", "call r12",
            "ud2", "2:",
            inlateout("rax") 435_usize => result,
            in("rdi") args, in("rsi") size_of::<CloneArgs>(), in("r12") main, in("r13") arg,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    Errno::from_ret(result)
}

/// See the x86-64 version.
///
/// # Safety
/// As there.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn clone3(
    args: &CloneArgs,
    main: unsafe extern "C" fn(*const c_void) -> !,
    arg: *const c_void,
) -> Result<usize> {
    // clone3(2), the same number on every architecture.
    let result: usize;
    // SAFETY: the child jumps into `main` and never comes back to this frame.
    unsafe {
        std::arch::asm!(
            "svc 0", "cbnz x0, 2f", "mov x29, xzr", "mov x0, x21", "blr x20", "brk 1", "2:",
            in("x8") 435_usize,
            inlateout("x0") args as *const CloneArgs as usize => result,
            in("x1") size_of::<CloneArgs>(), in("x20") main, in("x21") arg,
        );
    }
    Errno::from_ret(result)
}
