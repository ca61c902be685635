//! The id map of the floors: the one that a default jar of this caller has.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::raw;

/// Where root's jars have their ids.
const SHIFTED: u32 = 0x7000_0000;

/// Which ids of the host stand behind those inside.
pub(crate) enum Ids {
    /// No user namespace.
    None,
    /// Root's: a high range, with the lower layer mapped through this user namespace.
    Shifted(OwnedFd),
    /// Root's where the lower layer cannot be mapped.
    Identity,
    /// One id only.
    Single(u32, u32),
    /// One id and the subordinate ones, which only `newuidmap` and `newgidmap` may map.
    Ranges(u32, u32, [u32; 4]),
}

impl Ids {
    /// Those of the bare floor: none for root, what cannot be avoided for others.
    pub(crate) fn least() -> Self {
        let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
        if uid.is_root() { Self::None } else { Self::Single(uid.as_raw(), gid.as_raw()) }
    }

    /// Those of a default jar over this lower layer.
    pub(crate) fn of_a_jar(lower: &Path) -> io::Result<Self> {
        let Self::Single(uid, gid) = Self::least() else {
            let holder = userns_holder()?;
            let shifted = Self::Shifted(holder);
            return Ok(if shifted.map_lower(lower).is_ok() { shifted } else { Self::Identity });
        };
        let name = nix::unistd::User::from_uid(uid.into())?.map(|user| user.name);
        let range = |file: &str| {
            let text = fs::read_to_string(file).ok()?;
            text.lines().find_map(|line| {
                let mut fields = line.split(':');
                let owner = fields.next()?;
                if Some(owner) != name.as_deref() && owner != uid.to_string() {
                    return None;
                }
                let start: u32 = fields.next()?.parse().ok()?;
                Some([start, fields.next()?.parse::<u32>().ok()?.min(65535)])
            })
        };
        let helpers = Path::new("/usr/bin/newuidmap").exists();
        Ok(match (range("/etc/subuid"), range("/etc/subgid")) {
            (Some([a, b]), Some([c, d])) if helpers => Self::Ranges(uid, gid, [a, b, c, d]),
            _ => Self::Single(uid, gid),
        })
    }

    /// How the table calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shifted(_) => "shifted, over an id-mapped lower layer",
            Self::Identity => "those of the host",
            Self::Single(..) => "one",
            Self::Ranges(..) => "subordinate, by newuidmap",
        }
    }

    /// Whether root inside is another user outside, which clears the dumpable flag.
    pub(crate) fn changes_user(&self) -> bool {
        matches!(self, Self::Shifted(_))
    }

    /// Whether there is a user namespace.
    pub(crate) fn namespaced(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The id-mapped clone of the lower layer, where there is one.
    pub(crate) fn map_lower(&self, lower: &Path) -> io::Result<Option<usize>> {
        const IDMAP_NODEV_RDONLY: u64 = 0x10_0000 | 0x4 | 0x1;
        let Self::Shifted(holder) = self else { return Ok(None) };
        let path = CString::new(lower.as_os_str().as_encoded_bytes())?;
        let mount = raw::open_tree(&path).map_err(error)?;
        let userns = u64::try_from(holder.as_raw_fd()).map_err(io::Error::other)?;
        let mapped = raw::mount_flags(mount, c"", IDMAP_NODEV_RDONLY, userns);
        if mapped.is_err() {
            raw::close(mount);
        }
        mapped.map_err(error).map(|()| Some(mount))
    }

    /// Writes the maps of a child.
    pub(crate) fn write(&self, pid: usize) -> io::Result<()> {
        let put = |file: &str, text: &str| {
            crate::cgroup::poke(Path::new(&format!("/proc/{pid}/{file}")), text)
        };
        match self {
            Self::None => Ok(()),
            Self::Shifted(_) => {
                put("uid_map", &format!("0 {SHIFTED} 65536\n"))?;
                put("gid_map", &format!("0 {SHIFTED} 65536\n"))
            }
            Self::Identity => {
                put("uid_map", "0 0 4294967295\n")?;
                put("gid_map", "0 0 4294967295\n")
            }
            Self::Single(uid, gid) => {
                put("setgroups", "deny")?;
                put("uid_map", &format!("0 {uid} 1\n"))?;
                put("gid_map", &format!("0 {gid} 1\n"))
            }
            Self::Ranges(uid, gid, [uids, uid_count, gids, gid_count]) => {
                let helper = |name: &str, map: [&u32; 2], own: &u32| {
                    let args = [0, *own, 1, 1, *map[0], *map[1]].map(|n| n.to_string());
                    let mut command = Command::new(format!("/usr/bin/{name}"));
                    command.arg(pid.to_string()).args(args).stdin(Stdio::null()).spawn()
                };
                let both = [
                    helper("newuidmap", [uids, uid_count], uid)?,
                    helper("newgidmap", [gids, gid_count], gid)?,
                ];
                for mut child in both {
                    if !child.wait()?.success() {
                        return Err(io::Error::other("newuidmap or newgidmap failed"));
                    }
                }
                Ok(())
            }
        }
    }
}

/// A user namespace with root's map, as `mount_setattr(2)` takes it.
fn userns_holder() -> io::Result<OwnedFd> {
    let mut sleeper = Command::new("unshare")
        .args(["--user", "sh", "-c", "echo; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // Its line says that it is in its namespace.
    let mut line = [0];
    if let Some(stdout) = &mut sleeper.stdout {
        io::Read::read_exact(stdout, &mut line)?;
    }
    let pid = sleeper.id();
    let map = format!("0 {SHIFTED} 65536\n");
    let made = ["uid_map", "gid_map"]
        .iter()
        .try_for_each(|file| fs::write(format!("/proc/{pid}/{file}"), &map))
        .and_then(|()| fs::File::open(format!("/proc/{pid}/ns/user")));
    drop(sleeper.stdin.take());
    sleeper.wait()?;
    made.map(OwnedFd::from)
}

/// The standard library's form of an error.
pub(crate) fn error(errno: syscalls::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.into_raw())
}
