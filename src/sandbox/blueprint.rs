//! The tables that a child works through: everything that it needs, made by its parent.

use std::ffi::{CString, c_char};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32};

use super::report::Report;
use crate::seccomp::Filter;

/// Everything that the child needs; immutable but for the [`Report`].
pub(crate) struct Init {
    /// Read end: one byte once the ids are mapped.
    pub(crate) gate: RawFd,
    /// The parent's end of it: closed at once, so that the parent's death is seen.
    pub(crate) gate_writer: RawFd,
    /// Open `tasks` files of the v1 cgroups to join.
    pub(crate) cgroup_doors: Vec<RawFd>,
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
    /// Whether to mount the v2 tree of the new cgroup namespace.
    pub(crate) own_cgroup: bool,
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
    pub(crate) argv: Vec<*const c_char>,
    pub(crate) envp: Vec<*const c_char>,
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
