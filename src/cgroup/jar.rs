//! The cgroups of one jar.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::oom::Oom;
use super::place::{Place, Version};
use super::{
    Ceilings, CgroupError, Controller, OomWatch, Usage, files, folder, lack, limits, procfs,
};

/// The cgroups of one jar: one folder on v2, one per hierarchy on v1. Dropped, it
/// kills and removes what is left of them.
#[derive(Debug)]
pub struct JarCgroup {
    folders: Vec<Folder>,
    limits: Ceilings,
    /// A swap ceiling that holds because the machine has no swap and the kernel counts none.
    swap_by_itself: Option<u64>,
    oom: Oom,
}

/// One of them.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    version: Version,
    /// As in [`Place`].
    hierarchy: String,
    /// As `/proc/PID/cgroup` names it.
    cgroup: String,
    /// Open for `CLONE_INTO_CGROUP`, on v2.
    descriptor: Option<File>,
    /// What this jar limits in it.
    limited: Vec<Controller>,
}

impl Folder {
    fn limits(&self, controller: Controller) -> bool {
        self.limited.contains(&controller)
    }

    fn has(&self, controller: &str) -> bool {
        self.version == Version::V2 || self.hierarchy.split(',').any(|name| name == controller)
    }
}

impl JarCgroup {
    /// Makes the folders, each with what is to be limited in it, and sets the
    /// ceilings, which are rounded already.
    pub(super) fn make(
        name: &str,
        places: &[(&Place, Vec<Controller>)],
        asked: &Ceilings,
        swap_by_itself: Option<u64>,
    ) -> Result<Self, CgroupError> {
        // From here on an early return drops, and so removes, what was made.
        let mut jar = Self {
            folders: Vec::new(),
            limits: Ceilings::default(),
            swap_by_itself,
            oom: Oom::Silent,
        };
        for (place, limited) in places {
            let path = place.folder.join(name);
            folder::make(&path)?;
            jar.folders.push(Folder {
                version: place.version,
                hierarchy: place.hierarchy.clone(),
                cgroup: place.child(name),
                descriptor: None,
                limited: limited.clone(),
                path,
            });
            let made = jar.folders.last_mut().expect("one was pushed just now");
            if made.version == Version::V2 {
                let opened = File::open(&made.path);
                made.descriptor = Some(
                    opened.map_err(|error| files::failed("open the cgroup", &made.path, error))?,
                );
            }
        }
        jar.settle_swap(asked)?;
        jar.set(asked)?;
        jar.limits = jar.reread()?;
        jar.check(asked)?;
        if let Some(memory) = jar.folder_of(Controller::Memory) {
            jar.oom = Oom::arm(&memory.path, memory.version)?;
        }
        Ok(jar)
    }

    fn folder_of(&self, controller: Controller) -> Option<&Folder> {
        self.folders.iter().find(|folder| folder.limits(controller))
    }

    /// A kernel that counts no swap shows it by a missing file, below a v2 root only
    /// in the jar's own folder: fine where the machine has no swap.
    fn settle_swap(&mut self, asked: &Ceilings) -> Result<(), CgroupError> {
        let Some(folder) = self.folders.iter_mut().find(|folder| folder.limits(Controller::Swap))
        else {
            return Ok(());
        };
        let file = limits::swap_file(folder.version);
        if folder.path.join(file).exists() {
            return Ok(());
        }
        if !procfs::machine_has_no_swap() {
            let lack = lack::no_swap_accounting(file);
            return Err(CgroupError::Lacking { controller: Controller::Swap, lack });
        }
        folder.limited.retain(|controller| *controller != Controller::Swap);
        self.swap_by_itself = asked.swap;
        Ok(())
    }

    fn set(&self, asked: &Ceilings) -> Result<(), CgroupError> {
        for folder in &self.folders {
            let (path, version) = (folder.path.as_path(), folder.version);
            for controller in &folder.limited {
                match controller {
                    Controller::Memory => {
                        asked.memory.map(|bytes| limits::set_memory(path, version, bytes))
                    }
                    Controller::Swap => asked.swap.map(|bytes| {
                        limits::set_swap(path, version, asked.memory.unwrap_or_default(), bytes)
                    }),
                    Controller::Pids => {
                        asked.pids.map(|count| limits::set_pids(path, version, count))
                    }
                    Controller::Cpus => {
                        asked.cpus.map(|cpus| limits::set_cpus(path, version, cpus))
                    }
                }
                .transpose()?;
            }
        }
        Ok(())
    }

    fn check(&self, asked: &Ceilings) -> Result<(), CgroupError> {
        fn one<T: PartialEq + std::fmt::Debug>(
            jar: &JarCgroup,
            controller: Controller,
            asked: Option<&T>,
            found: Option<&T>,
        ) -> Result<(), CgroupError> {
            let Some(asked) = asked else { return Ok(()) };
            let path = jar.folder_of(controller).map_or(Path::new(""), |folder| &folder.path);
            limits::kept(controller, path, asked, found)
        }
        let found = &self.limits;
        one(self, Controller::Memory, asked.memory.as_ref(), found.memory.as_ref())?;
        one(self, Controller::Swap, asked.swap.as_ref(), found.swap.as_ref())?;
        one(self, Controller::Pids, asked.pids.as_ref(), found.pids.as_ref())?;
        one(self, Controller::Cpus, asked.cpus.as_ref(), found.cpus.as_ref())
    }

    /// The descriptor for `CLONE_INTO_CGROUP`, where there is a v2 folder.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.folders.iter().find_map(|folder| folder.descriptor.as_ref()).map(AsFd::as_fd)
    }

    /// Whether there are v1 hierarchies, which a process enters only by [`join`](Self::join).
    pub fn needs_join(&self) -> bool {
        self.folders.iter().any(|folder| folder.version == Version::V1)
    }

    /// Moves a process into the jar's cgroups; into the v2 one only if it was not
    /// `cloned_into` it. Blocks for 5 to 17 ms when no process was moved lately.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn join(&self, pid: i32, cloned_into: bool) -> Result<(), CgroupError> {
        self.folders
            .iter()
            .filter(|folder| folder.version == Version::V1 || !cloned_into)
            .try_for_each(|folder| {
                files::write(&folder.path.join("cgroup.procs"), &pid.to_string())
            })
    }

    /// The files through which a process without other threads moves itself into the v1 cgroups, by
    /// writing `0`: opened here, since the permission is that of whoever opens them.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn doors(&self) -> Result<Vec<File>, CgroupError> {
        let v1 = self.folders.iter().filter(|folder| folder.version == Version::V1);
        v1.map(|folder| {
            let path = folder.path.join("tasks");
            File::options().write(true).open(&path).map_err(|source| CgroupError::Io {
                what: "open".to_owned(),
                path,
                source,
            })
        })
        .collect()
    }

    /// Whether the text of a `/proc/PID/cgroup` says that the process is in (or
    /// beneath) every cgroup of this jar. The text must be read by this process,
    /// or one in its cgroup namespace.
    pub fn contains(&self, proc_cgroup_file: &str) -> bool {
        self.folders.iter().all(|folder| {
            procfs::memberships(proc_cgroup_file)
                .filter(|membership| membership.controllers == folder.hierarchy)
                .any(|membership| Path::new(membership.path).starts_with(&folder.cgroup))
        })
    }

    /// The folders of this jar's cgroups, for messages and the check that none is left.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|folder| folder.path.as_path())
    }

    /// The ceilings as the kernel reported them after they were set.
    pub fn limits(&self) -> &Ceilings {
        &self.limits
    }

    /// Reads the ceilings from the kernel once more.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn reread(&self) -> Result<Ceilings, CgroupError> {
        let mut found = Ceilings { swap: self.swap_by_itself, ..Ceilings::default() };
        for folder in &self.folders {
            let (path, version) = (folder.path.as_path(), folder.version);
            if folder.limits(Controller::Memory) {
                found.memory = limits::memory(path, version)?;
            }
            if folder.limits(Controller::Swap) {
                found.swap = limits::swap(path, version, found.memory)?;
            }
            if folder.limits(Controller::Pids) {
                found.pids = limits::pids(path)?;
            }
            if folder.limits(Controller::Cpus) {
                found.cpus = limits::cpus(path, version)?;
            }
        }
        Ok(found)
    }

    /// What to poll to learn of an OOM, where the kernel does not end the whole jar
    /// by itself (`memory.oom.group`): when it wakes, ask [`oom_killed`](Self::oom_killed),
    /// and only if so kill the jar. The verdict is [`usage`](Self::usage)'s counter,
    /// read after the processes are reaped.
    pub fn oom_watch(&self) -> Option<OomWatch<'_>> {
        self.oom.watch()
    }

    /// Whether the kernel killed for want of memory; to be called when
    /// [`oom_watch`](Self::oom_watch) woke.
    ///
    /// v1 tells before it kills. A jar that is killed in between is one in which the
    /// kernel finds nobody left to kill, and its counter never moves; and memory
    /// freed in between means that nobody is killed. So this waits for the counter,
    /// for a tenth of a second at most, which is a thousand times what the kernel takes.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn oom_killed(&self) -> Result<bool, CgroupError> {
        const PATIENCE: Duration = Duration::from_millis(100);
        self.oom.drain();
        let Some(folder) = self.folder_of(Controller::Memory) else { return Ok(false) };
        let path = folder.path.join(match folder.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        });
        let end = Instant::now() + PATIENCE;
        loop {
            if oom_kills(&path)?.is_some_and(|kills| kills > 0) {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            // Nothing on v1 tells of the kill itself.
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Reads the counters: one read of one file each.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub fn usage(&self) -> Result<Usage, CgroupError> {
        let mut usage = Usage::default();
        for folder in &self.folders {
            let path = folder.path.as_path();
            match folder.version {
                Version::V1 => {
                    if folder.limits(Controller::Memory) {
                        usage.memory_peak =
                            Some(files::number(&path.join("memory.max_usage_in_bytes"))?);
                        usage.oom_kills =
                            oom_kills(&path.join("memory.oom_control"))?.unwrap_or_default();
                    }
                    if folder.has("cpuacct") {
                        usage.cpu = files::number_if_there(&path.join("cpuacct.usage"))?
                            .map(Duration::from_nanos);
                    }
                }
                Version::V2 => {
                    // Since Linux 5.19.
                    usage.memory_peak =
                        usage.memory_peak.or(files::number_if_there(&path.join("memory.peak"))?);
                    if let Some(kills) = oom_kills(&path.join("memory.events"))? {
                        usage.oom_kills = kills;
                    }
                    let stat = path.join("cpu.stat");
                    if let Some(text) = files::read_if_there(&stat)? {
                        usage.cpu =
                            Some(Duration::from_micros(files::keyed(&stat, &text, "usage_usec")?));
                    }
                }
            }
            if folder.has("pids") {
                // Since Linux 6.1.
                usage.processes_peak =
                    files::number_if_there(&path.join("pids.peak"))?.or(usage.processes_peak);
            }
        }
        Ok(usage)
    }

    /// Sends SIGKILL to everything in the jar; does not wait for it to end.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn kill(&self) -> Result<(), CgroupError> {
        // A process is in all of them, or on its way into them.
        let results: Vec<_> =
            self.folders.iter().map(|folder| folder::kill(&folder.path, folder.version)).collect();
        results.into_iter().collect()
    }

    /// Removes the cgroups, after killing and waiting for what may still be in them.
    ///
    /// # Errors
    /// Processes that do not die, or the kernel's refusal; the first, after all were tried.
    pub fn remove(mut self) -> Result<(), CgroupError> {
        self.remove_all()
    }

    fn remove_all(&mut self) -> Result<(), CgroupError> {
        let results: Vec<_> = self
            .folders
            .drain(..)
            .map(|folder| folder::remove(&folder.path, folder.version))
            .collect();
        results.into_iter().collect()
    }
}

impl Drop for JarCgroup {
    fn drop(&mut self) {
        // Nobody is left to tell; the sweep of the next start finds what remains.
        let _ = self.remove_all();
    }
}

/// The counter of OOM kills; `None` if the memory controller is not on here.
fn oom_kills(path: &Path) -> Result<Option<u64>, CgroupError> {
    files::read_if_there(path)?.map(|text| files::keyed(path, &text, "oom_kill")).transpose()
}
