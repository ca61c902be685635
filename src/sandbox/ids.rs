//! User and group ids: which ones the jar has, and which ones of the host stand behind them.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, getgid, getuid};

use super::clone::{self, Stack};
use super::sys::{self, CloneArgs, IDMAP, MountAttr, NODEV, RDONLY};

/// Root's jars take their ids from here: a range that no allocator of the usual tools hands
/// out (systemd's "Users, Groups, UIDs and GIDs" page lists it as unused).
const SHIFTED_BASE: u32 = 0x7000_0000;
/// How many ids a jar has where the range allows.
const COUNT: u32 = 65536;

/// How the ids inside map to those outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// No user namespace at all: only a weakened jar.
    Host,
    /// Root runs belljar, and the kernel can map the ids of the lower layer: 0 to 65535 inside
    /// are a high range outside.
    Shifted,
    /// Root runs belljar where the lower layer cannot be mapped: a user namespace, but with
    /// the ids of the host: the ranges that the caller itself has.
    Identity(Vec<(u32, u32)>),
    /// A user without subordinate ids: root inside is that user, and there is nobody else.
    Single {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// A user with subordinate ids: root inside is that user, the others are subordinate.
    Ranges {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
        /// First subordinate uid and how many.
        sub_uids: (u32, u32),
        /// First subordinate gid and how many.
        sub_gids: (u32, u32),
    },
}

impl Ids {
    /// The best that this caller can have, before any jar was tried.
    pub(crate) fn detect() -> Self {
        if Uid::effective().is_root() {
            let own = own_ranges();
            let last = SHIFTED_BASE + (COUNT - 1);
            let fits = own.iter().any(|(start, count)| {
                *start <= SHIFTED_BASE && u64::from(last) < u64::from(*start) + u64::from(*count)
            });
            return if fits { Self::Shifted } else { Self::Identity(own) };
        }
        let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
        let ranges = || {
            find_program("newuidmap")?;
            find_program("newgidmap")?;
            let user = nix::unistd::User::from_uid(getuid()).ok().flatten().map(|u| u.name);
            let range = |file| subordinate(&fs::read_to_string(file).ok()?, user.as_deref(), uid);
            Some((range("/etc/subuid")?, range("/etc/subgid")?))
        };
        match ranges() {
            Some((sub_uids, sub_gids)) => Self::Ranges { uid, gid, sub_uids, sub_gids },
            None => Self::Single { uid, gid },
        }
    }

    /// Root's way out where the ids of the lower layer cannot be mapped.
    pub(crate) fn identity() -> Self {
        Self::Identity(own_ranges())
    }

    /// Whether there is a user namespace.
    pub(crate) fn namespaced(&self) -> bool {
        *self != Self::Host
    }

    /// Whether setgroups(2) works inside (`user_namespaces(7)`: denied where a user without
    /// privileges writes the map).
    pub(crate) fn set_groups(&self) -> bool {
        match self {
            Self::Single { .. } => false,
            // Who is root of such a namespace passes the denial on to those below.
            Self::Identity(_) => {
                fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() != "deny")
            }
            _ => true,
        }
    }

    /// Whether the jar has this uid.
    pub(crate) fn has_uid(&self, uid: u32) -> bool {
        match self {
            Self::Host => true,
            Self::Identity(ranges) => ranges
                .iter()
                .any(|(start, count)| uid.checked_sub(*start).is_some_and(|n| n < *count)),
            Self::Shifted => uid < COUNT,
            Self::Single { .. } => uid == 0,
            Self::Ranges { sub_uids, .. } => uid <= sub_uids.1,
        }
    }

    /// Whether the jar has this gid.
    pub(crate) fn has_gid(&self, gid: u32) -> bool {
        match self {
            Self::Ranges { sub_gids, .. } => gid <= sub_gids.1,
            other => other.has_uid(gid),
        }
    }

    /// The id outside of one inside.
    pub(crate) fn outer(&self, id: u32) -> u32 {
        match self {
            Self::Host | Self::Identity(_) => id,
            Self::Shifted => SHIFTED_BASE + id,
            Self::Single { uid, .. } | Self::Ranges { uid, .. } if id == 0 => *uid,
            Self::Single { uid, .. } => *uid,
            Self::Ranges { sub_uids, .. } => sub_uids.0 + id - 1,
        }
    }

    /// What is expected in `/proc/PID/uid_map`, as numbers.
    pub(crate) fn uid_map(&self) -> Vec<[u32; 3]> {
        match self {
            Self::Host => vec![[0, 0, u32::MAX]],
            Self::Shifted => vec![[0, SHIFTED_BASE, COUNT]],
            Self::Identity(ranges) => {
                ranges.iter().map(|(start, n)| [*start, *start, *n]).collect()
            }
            Self::Single { uid, .. } => vec![[0, *uid, 1]],
            Self::Ranges { uid, sub_uids, .. } => {
                vec![[0, *uid, 1], [1, sub_uids.0, sub_uids.1]]
            }
        }
    }

    fn gid_map(&self) -> Vec<[u32; 3]> {
        match self {
            Self::Single { gid, .. } => vec![[0, *gid, 1]],
            Self::Ranges { gid, sub_gids, .. } => vec![[0, *gid, 1], [1, sub_gids.0, sub_gids.1]],
            other => other.uid_map(),
        }
    }

    /// How it is named in evidence.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Host => "none".to_owned(),
            Self::Shifted => format!("root inside is uid {SHIFTED_BASE} outside"),
            Self::Identity(_) => "root inside is uid 0 outside, because the root filesystem's ids \
                 cannot be mapped here"
                .to_owned(),
            Self::Single { uid, .. } => format!("root inside is uid {uid} outside, the only id"),
            Self::Ranges { uid, sub_uids, .. } => {
                format!("root inside is uid {uid} outside, with {} subordinate ids", sub_uids.1)
            }
        }
    }

    /// Writes the maps of a process in a fresh user namespace.
    pub(crate) fn write_maps(&self, pid: i32) -> io::Result<()> {
        if let Self::Ranges { .. } = self {
            return self.run_helpers(pid);
        }
        if matches!(self, Self::Single { .. }) {
            write_proc(pid, "setgroups", "deny")?;
        }
        write_proc(pid, "uid_map", &lines(&self.uid_map()))?;
        write_proc(pid, "gid_map", &lines(&self.gid_map()))
    }

    /// Has the maps written by the set-id helpers of shadow-utils, side by side.
    fn run_helpers(&self, pid: i32) -> io::Result<()> {
        let spawn = |program: &str, map: &[[u32; 3]]| {
            Command::new(program)
                .arg(pid.to_string())
                .args(map.iter().flatten().map(u32::to_string))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|e| io::Error::new(e.kind(), format!("{program}: {e}")))
        };
        let uids = spawn("newuidmap", &self.uid_map())?;
        let gids = spawn("newgidmap", &self.gid_map());
        for (program, child) in [("newuidmap", Ok(uids)), ("newgidmap", gids)] {
            let output = child?.wait_with_output()?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(io::Error::other(format!("{program} failed: {}", said.trim())));
            }
        }
        Ok(())
    }
}

/// The ranges of ids that the caller's own user namespace has, as start and count.
fn own_ranges() -> Vec<(u32, u32)> {
    let text = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let start = fields.next()?.parse().ok()?;
            Some((start, fields.nth(1)?.parse().ok()?))
        })
        .collect()
}

fn lines(map: &[[u32; 3]]) -> String {
    let line = |[inside, outside, count]: &[u32; 3]| format!("{inside} {outside} {count}");
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Writes a file of `/proc/PID` that only accepts one write. The file belongs to root while
/// another jar of this process changes ids, since the dumpable flag is shared: so once more then.
fn write_proc(pid: i32, file: &str, text: &str) -> io::Result<()> {
    let path = format!("/proc/{pid}/{file}");
    let mut attempts = 0;
    loop {
        let result = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut f| f.write_all(text.as_bytes()));
        match result {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && attempts < 64 => {
                attempts += 1;
                nix::sys::prctl::set_dumpable(true)?;
                std::thread::yield_now();
            }
            Err(e) => return Err(io::Error::new(e.kind(), format!("{path}: {e}"))),
            Ok(()) => return Ok(()),
        }
    }
}

fn find_program(name: &str) -> Option<()> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/bin:/bin").to_owned());
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file()).then_some(())
}

/// Finds the first range of a user in a file of subuid(5).
fn subordinate(text: &str, name: Option<&str>, uid: u32) -> Option<(u32, u32)> {
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if owner != number && Some(owner) != name {
            return None;
        }
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse::<u32>().ok()?);
        (count > 0).then_some((start, count.min(COUNT - 1)))
    })
}

/// A user namespace that stands for a map, for use with `mount_setattr(2)`.
pub(crate) struct IdMap {
    namespace: OwnedFd,
}

impl IdMap {
    /// Makes one that holds the map of `ids`.
    pub(crate) fn new(ids: &Ids) -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let stack = Stack::new()?;
        let gate: Box<RawFd> = Box::new(reader.as_raw_fd());
        let args = CloneArgs {
            flags: clone::flag_bits(libc::CLONE_VM | libc::CLONE_NEWUSER),
            ..CloneArgs::default()
        };
        // SAFETY: `hold` reads a byte and exits; gate and stack outlive it, as it is reaped here.
        let child =
            unsafe { clone::spawn(&args, &stack, super::init::hold, (&raw const *gate).cast())? };
        let result = ids.write_maps(child.pid).and_then(|()| {
            fs::File::open(format!("/proc/{}/ns/user", child.pid)).map(OwnedFd::from)
        });
        child.kill();
        child.reap()?;
        drop(writer);
        result.map(|namespace| Self { namespace })
    }

    /// A detached, read-only clone of the mount at `path` with its ids mapped. Linux 5.12.
    pub(crate) fn apply(&self, path: &Path, writable: bool) -> io::Result<OwnedFd> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let mount = sys::open_tree(sys::CWD, &path, false).map_err(raw)?;
        // SAFETY: the call above just opened it.
        let mount = unsafe { OwnedFd::from_raw_fd(mount) };
        #[expect(clippy::cast_sign_loss, reason = "an open descriptor")]
        let attr = MountAttr {
            set: IDMAP | NODEV | if writable { 0 } else { RDONLY },
            userns: self.namespace.as_raw_fd() as u64,
            ..MountAttr::default()
        };
        sys::mount_setattr(mount.as_raw_fd(), &attr, false).map_err(raw)?;
        Ok(mount)
    }
}

fn raw(errno: syscalls::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.into_raw())
}

#[cfg(test)]
mod tests {
    use super::subordinate;

    #[test]
    fn ranges_are_found_by_name_or_number() {
        let text = "other:1:2\nme:100000:65536\n1000:200000:10\n";
        assert_eq!(subordinate(text, Some("me"), 1000), Some((100_000, 65535)));
        assert_eq!(subordinate(text, None, 1000), Some((200_000, 10)));
        assert_eq!(subordinate(text, Some("nobody"), 1), None);
        assert_eq!(subordinate("me:x:y\nme:5:0\n", Some("me"), 1), None);
    }
}
