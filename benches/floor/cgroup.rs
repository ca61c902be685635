//! The cgroups of the floors: found once, then made and removed per jar by plain file calls.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use crate::MEMORY;

/// The ceiling on processes of a default jar.
const PIDS: &str = "256";

/// Where the floors make cgroups.
#[derive(Clone)]
pub(crate) enum Place {
    /// Below our own cgroups of the old hierarchies.
    V1 { memory: PathBuf, pids: PathBuf, swap: bool },
    /// Beneath a folder of the unified tree that hands memory and pids down.
    V2(PathBuf),
}

impl Place {
    /// Finds it as this process may use it.
    pub(crate) fn find() -> Result<Self, String> {
        let text = |path| fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"));
        let (own, mounts) = (text("/proc/self/cgroup")?, text("/proc/self/mountinfo")?);
        let v1 = |controller: &str| {
            let path = own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let names = fields.next()?;
                names.split(',').any(|name| name == controller).then(|| fields.next())?
            })?;
            mount_point(&mounts, " - cgroup ", Some(controller)).map(|point| inside(&point, path))
        };
        if let (Some(memory), Some(pids)) = (v1("memory"), v1("pids")) {
            let swap = memory.join("memory.memsw.limit_in_bytes").exists();
            return Ok(Self::V1 { memory, pids, swap });
        }
        let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let point = mount_point(&mounts, " - cgroup2 ", None).ok_or("no cgroups are mounted")?;
        let hands_down = |folder: &&Path| {
            let on = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
            ["memory", "pids"].iter().all(|name| on.split_whitespace().any(|one| one == *name))
        };
        inside(&point, path)
            .ancestors()
            .take_while(|folder| folder.starts_with(&point))
            .find(hands_down)
            .map(|folder| Self::V2(folder.to_owned()))
            .ok_or_else(|| "no cgroup above ours hands down memory and pids".to_owned())
    }

    /// Makes the cgroups of one jar: memory only, or memory, swap and pids.
    pub(crate) fn make(&self, number: u64, full: bool) -> io::Result<Cgroup> {
        let name = format!("belljar-floor-{}-{number}", std::process::id());
        let mut made = Cgroup { folders: Vec::with_capacity(2), descriptor: None };
        let mut make = |parent: &Path| -> io::Result<PathBuf> {
            let path = parent.join(&name);
            fs::create_dir(&path)?;
            made.folders.push(path.clone());
            Ok(path)
        };
        match self {
            Self::V1 { memory, pids, swap } => {
                let folder = make(memory)?;
                poke(&folder.join("memory.limit_in_bytes"), &MEMORY.to_string())?;
                if full {
                    if *swap {
                        poke(&folder.join("memory.memsw.limit_in_bytes"), &MEMORY.to_string())?;
                    }
                    poke(&make(pids)?.join("pids.max"), PIDS)?;
                }
            }
            Self::V2(parent) => {
                let folder = make(parent)?;
                poke(&folder.join("memory.max"), &MEMORY.to_string())?;
                if full {
                    match poke(&folder.join("memory.swap.max"), "0") {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                        _ => poke(&folder.join("pids.max"), PIDS)?,
                    }
                }
                made.descriptor = Some(File::open(&folder)?);
            }
        }
        Ok(made)
    }
}

/// The cgroups of one jar; removed when dropped.
pub(crate) struct Cgroup {
    folders: Vec<PathBuf>,
    descriptor: Option<File>,
}

impl Cgroup {
    /// What `CLONE_INTO_CGROUP` takes, on v2.
    pub(crate) fn clone_into(&self) -> Option<RawFd> {
        self.descriptor.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The files through which a process moves itself in, on v1. A thread that writes "0" into
    /// `tasks` needs no lock on all processes, for which `cgroup.procs` waits out an RCU grace
    /// period: 5 to 17 ms where nobody moved lately. Linux 5.5.
    pub(crate) fn joins(&self) -> impl Iterator<Item = PathBuf> {
        let v1 = self.descriptor.is_none();
        self.folders.iter().filter(move |_| v1).map(|folder| folder.join("tasks"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // The kernel may need a moment to see that it is empty.
            while fs::remove_dir(folder).is_err_and(|e| e.raw_os_error() == Some(libc::EBUSY)) {
                std::thread::yield_now();
            }
        }
    }
}

/// Writes a value in one go, without making the file.
pub(crate) fn poke(path: &Path, value: &str) -> io::Result<()> {
    use io::Write as _;
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

fn inside(point: &Path, path: &str) -> PathBuf {
    point.join(path.trim_start_matches('/'))
}

fn mount_point(mounts: &str, kind: &str, controller: Option<&str>) -> Option<PathBuf> {
    mounts
        .lines()
        .find(|line| {
            let options = line.rsplit(' ').next().unwrap_or_default();
            line.contains(kind)
                && controller.is_none_or(|name| options.split(',').any(|option| option == name))
        })
        .and_then(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
}
