//! What `/proc` says of one process: read from outside, taken apart, not judged.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::Error;

/// The namespaces that are compared with the caller's.
const NAMESPACES: [&str; 7] = ["uts", "pid", "mnt", "net", "ipc", "cgroup", "user"];

/// One process's folder in `/proc`, held open.
pub(crate) struct Process {
    folder: File,
    pid: i32,
}

impl Process {
    pub(crate) fn open(pid: i32) -> Result<Self, Error> {
        let folder = File::open(format!("/proc/{pid}"))
            .map_err(|e| Error::outside("opening the sandbox's folder in /proc", e))?;
        Ok(Self { folder, pid })
    }

    pub(crate) fn read(&self, name: &str) -> Result<String, Error> {
        let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC;
        let read = || {
            let file =
                nix::fcntl::openat(&self.folder, name, flags, nix::sys::stat::Mode::empty())?;
            // Not `read_to_end`, which asks for a size that these files do not have.
            let mut bytes = vec![0; 8192];
            let mut length = 0;
            loop {
                match nix::unistd::read(&file, &mut bytes[length..])? {
                    0 => break,
                    n => length += n,
                }
                if length == bytes.len() {
                    bytes.resize(2 * length, 0);
                }
            }
            bytes.truncate(length);
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().map_err(|e| self.error(name, &e))
    }

    pub(crate) fn link(&self, name: &str) -> Result<String, Error> {
        nix::fcntl::readlinkat(&self.folder, name)
            .map(|text| text.to_string_lossy().into_owned())
            .map_err(|e| self.error(name, &e.into()))
    }

    pub(crate) fn error(&self, name: &str, source: &std::io::Error) -> Error {
        Error::Outside {
            doing: "reading the evidence of isolation",
            source: std::io::Error::new(
                source.kind(),
                format!("/proc/{}/{name}: {source}", self.pid),
            ),
            remedy: None,
        }
    }

    pub(crate) fn namespaces(&self) -> Result<HashMap<&'static str, u64>, Error> {
        NAMESPACES
            .iter()
            .map(|name| {
                // `uts:[4026531838]`
                let link = self.link(&format!("ns/{name}"))?;
                let digits = link.trim_end_matches(']').rsplit('[').next().unwrap_or_default();
                let number = digits.parse().map_err(|_| {
                    self.error(name, &std::io::Error::other(format!("`{link}` is no namespace")))
                })?;
                Ok((*name, number))
            })
            .collect()
    }

    /// What a link to this pipe says.
    pub(crate) fn pipe_name(&self, pipe: BorrowedFd<'_>) -> Result<String, Error> {
        let stat = nix::sys::stat::fstat(pipe).map_err(|e| self.error("fd", &e.into()))?;
        Ok(format!("pipe:[{}]", stat.st_ino))
    }

    pub(crate) fn descriptors(
        &self,
        status: &Status,
        pidfd: BorrowedFd<'_>,
    ) -> Result<Vec<i32>, Error> {
        let folder = match fs::read_dir(format!("/proc/self/fd/{}/fd", self.folder.as_raw_fd())) {
            // The folder belongs to a subordinate id, which its user cannot read: ask one by one.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return (0..status.descriptor_slots)
                    .filter_map(|n| is_open(pidfd, n).map(|open| open.then_some(n)).transpose())
                    .collect::<Result<_, _>>()
                    .map_err(|e| self.error("fd", &e));
            }
            other => other.map_err(|e| self.error("fd", &e))?,
        };
        let mut found: Vec<i32> =
            folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        found.sort_unstable();
        Ok(found)
    }
}

/// Whether a process has this descriptor, by taking a copy of it (`pidfd_getfd(2)`, Linux 5.6).
pub(crate) fn is_open(pidfd: BorrowedFd<'_>, number: i32) -> std::io::Result<bool> {
    // SAFETY: no memory is passed.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    if copy < 0 {
        let error = std::io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::EBADF) { Ok(false) } else { Err(error) };
    }
    // SAFETY: the kernel just opened it for us, as an int.
    drop(unsafe { OwnedFd::from_raw_fd(i32::try_from(copy).map_err(std::io::Error::other)?) });
    Ok(true)
}

/// What `/proc/PID/status` says of privileges.
#[derive(Default)]
pub(crate) struct Status {
    pub(crate) innermost_pid: Option<u32>,
    pub(crate) uid: u32,
    pub(crate) inheritable: u64,
    pub(crate) permitted: u64,
    pub(crate) effective: u64,
    pub(crate) bounding: u64,
    pub(crate) ambient: u64,
    pub(crate) no_new_privileges: bool,
    /// Whether system calls are filtered (mode 2), and by how many filters (Linux 5.9).
    pub(crate) filtered: bool,
    pub(crate) filters: u32,
    pub(crate) descriptor_slots: i32,
}

impl Status {
    pub(crate) fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let hex = || u64::from_str_radix(value, 16).unwrap_or(u64::MAX);
            match key {
                "NSpid" => {
                    status.innermost_pid = value.rsplit('\t').next().and_then(|n| n.parse().ok());
                }
                "Uid" => {
                    let first = value.split('\t').next();
                    status.uid = first.and_then(|n| n.parse().ok()).unwrap_or(u32::MAX);
                }
                "CapInh" => status.inheritable = hex(),
                "CapPrm" => status.permitted = hex(),
                "CapEff" => status.effective = hex(),
                "CapBnd" => status.bounding = hex(),
                "CapAmb" => status.ambient = hex(),
                "FDSize" => status.descriptor_slots = value.parse().unwrap_or(0),
                "NoNewPrivs" => status.no_new_privileges = value == "1",
                "Seccomp" => status.filtered = value == "2",
                "Seccomp_filters" => status.filters = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        status
    }
}

/// One line of `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    pub(crate) device: &'a str,
    pub(crate) target: &'a str,
    pub(crate) options: &'a str,
    pub(crate) kind: &'a str,
}

impl Mount<'_> {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|o| o == option)
    }
}

pub(crate) fn mounts(text: &str) -> Vec<Mount<'_>> {
    text.lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let fields: Vec<&str> = left.split(' ').collect();
            Some(Mount {
                device: fields.get(2)?,
                target: fields.get(4)?,
                options: fields.get(5)?,
                kind: right.split(' ').next()?,
            })
        })
        .collect()
}

/// Whether no interface leads anywhere. Where the tunnel modules are loaded, the kernel puts their
/// fallback devices into every new network namespace, down and without a peer
/// (`net.core.fb_tunnels_only_for_init_net`, Linux 4.18).
pub(crate) fn sealed(interfaces: &[String]) -> bool {
    const FALLBACK: [&str; 10] = [
        "tunl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "sit0",
        "ip6tnl0",
        "ip6gre0",
        "ip6erspan0",
    ];
    interfaces.iter().any(|name| name == "lo")
        && interfaces.iter().all(|name| name == "lo" || FALLBACK.contains(&name.as_str()))
}

/// The names of the interfaces in `/proc/PID/net/dev`.
pub(crate) fn interfaces(text: &str) -> Vec<String> {
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

pub(crate) fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|n| n.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Mount, Status, interfaces, mounts, sealed};

    #[test]
    fn proc_files_are_understood() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=c\n";
        let expected =
            Mount { device: "98:0", target: "/mnt\\0402", options: "rw,noatime", kind: "ext3" };
        assert_eq!(mounts(text), [expected]);
        assert_eq!(interfaces("Inter-| R\n face |b\n    lo: 0 0\n  eth0: 1 2\n"), ["lo", "eth0"]);
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(sealed(&names(&["lo", "sit0"])));
        assert!(!sealed(&names(&["lo", "eth0"])) && !sealed(&names(&["sit0"])));
        let status = Status::parse(
            "Name:\tbash\nUid:\t0\t0\t0\t0\nNSpid:\t512\t1\nCapInh:\t0000000000000000\n\
             CapPrm:\t00000000a00425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n\
             Seccomp_filters:\t3\n",
        );
        assert_eq!(status.innermost_pid, Some(1));
        assert_eq!(status.permitted, 0xa004_25fb);
        assert!(status.no_new_privileges && status.filtered);
        assert_eq!(status.filters, 3);
    }
}
