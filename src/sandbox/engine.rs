//! What all jars of one process share: the store, the run's folder, the placement of
//! cgroups, and what was learnt about the kernel on the way.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use belljar_harness::spec::RootfsRef;
use belljar_harness::{Cancel, HostFacts, Lack, Outcome, Property};
use nix::unistd::Uid;

use super::Error;
use super::accounts::Accounts;
use super::evidence::Own;
use super::ids::{IdMap, Ids};
use super::request::Request;
use super::run::{self, Remains, UpperFolder};
use super::run_folder::{self, RunFolder};
use super::start::{self, Place, Running, StartError};
use super::tables::Tables;
use crate::cgroup::{Ceilings, Cgroups, Controller, JarCgroup};
use crate::rootfs::{ResolveOptions, Rootfs, Store};

/// Everything that jars of this process have in common.
pub(crate) struct Engine {
    store: Store,
    run: RunFolder,
    cgroups: Cgroups,
    facts: HostFacts,
    tables: Tables,
    own: Own,
    ids: Ids,
    idmap: OnceLock<Option<IdMap>>,
    tmpfs_upper: bool,
    no_ptrace: AtomicBool,
    lowers: Mutex<HashMap<RootfsRef, Arc<Slot>>>,
}

type Slot = Mutex<Option<Resolved>>;

/// What came of a reference; a failure is as lasting as a success, or every case of a run would
/// wait for the same time-out.
#[derive(Clone)]
enum Resolved {
    Ready(Arc<Lower>),
    Failed { what: String, remedy: Option<String> },
}

impl Resolved {
    fn get(&self) -> Result<Arc<Lower>, Error> {
        match self.clone() {
            Self::Ready(lower) => Ok(lower),
            Self::Failed { what, remedy } => Err(Error::Impossible { what, remedy }),
        }
    }
}

/// A root filesystem, and what jars need to know of it.
struct Lower {
    rootfs: Rootfs,
    accounts: Accounts,
    /// Cleared once its ids turn out not to be mappable.
    mappable: AtomicBool,
}

/// A running jar with all that its end needs.
pub(crate) struct Started<'a> {
    /// The jar.
    pub(crate) running: Running<'a>,
    lower: Arc<Lower>,
    upper: Option<UpperFolder>,
    cgroup_name: String,
}

impl Engine {
    /// Opens the store, sweeps what dead runs left there, and looks at the host.
    pub(crate) fn open(store: Option<&Path>, notice: &dyn Fn(&str)) -> Result<Self, Error> {
        let store = Store::open(store)?;
        let runs = store.runs_dir();
        if let Err(error) = run_folder::sweep(&runs) {
            // What a dead run left harms nobody's next run.
            let why = crate::error::chain(&error);
            notice(&format!(
                "a killed run could not be cleared away, `belljar clean` tries again: {why}"
            ));
        }
        let run = RunFolder::create(&runs)?;
        let cgroups = Cgroups::probe(run.id());
        run.note_cgroups(cgroups.parents())?;
        let mut ids = Ids::detect();
        let tmpfs_upper = start::tmpfs_takes_attributes(&ids, run.path())?;
        if let (false, Ids::Ranges { uid, gid, .. }) = (tmpfs_upper, &ids) {
            // The upper layer is on disk, and what subordinate ids own there its user cannot remove.
            ids = Ids::Single { uid: *uid, gid: *gid };
        }
        let facts = facts(&cgroups, tmpfs_upper);
        Ok(Self {
            store,
            run,
            facts,
            cgroups,
            tables: Tables::read(),
            own: Own::read()?,
            ids,
            idmap: OnceLock::new(),
            tmpfs_upper,
            no_ptrace: AtomicBool::new(false),
            lowers: Mutex::default(),
        })
    }

    /// The facts of the host.
    pub(crate) fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// Takes the way of hosts that refuse ptrace(2).
    pub(crate) fn give_up_ptrace(&self) {
        self.no_ptrace.store(true, Ordering::Relaxed);
    }

    /// Where the cgroups of jars are made.
    #[cfg(feature = "cli")]
    pub(crate) fn cgroup_parents(&self) -> &[std::path::PathBuf] {
        self.cgroups.parents()
    }

    /// Whether ptrace(2) was refused so far.
    #[cfg(feature = "cli")]
    pub(crate) fn without_ptrace(&self) -> bool {
        self.no_ptrace.load(Ordering::Relaxed)
    }

    /// Makes sure that a root filesystem is there, which may take a download.
    pub(crate) fn resolve(
        &self,
        rootfs: &RootfsRef,
        how: &ResolveOptions<'_>,
    ) -> Result<(), Error> {
        self.lower(rootfs, how).map(drop)
    }

    /// Runs one jar from start to end.
    pub(crate) fn run(
        &self,
        request: &Request<'_>,
        how: &ResolveOptions<'_>,
        cancel: &Cancel,
    ) -> Result<Outcome, Error> {
        let started = self.start(request, how, cancel)?;
        let pidfd = started.running.child().pidfd().try_clone_to_owned();
        let pidfd = pidfd.map_err(|e| Error::outside("copying a pidfd", e))?;
        let guard = cancel.on_raise(move || super::clone::kill(std::os::fd::AsFd::as_fd(&pidfd)));
        let outcome = self.finish(started, request, cancel);
        drop(guard);
        outcome
    }

    /// Waits for a started jar and tears it down.
    pub(crate) fn finish(
        &self,
        started: Started<'_>,
        request: &Request<'_>,
        cancel: &Cancel,
    ) -> Result<Outcome, Error> {
        let remains = Remains {
            upper: started.upper,
            cgroup_parents: self.cgroups.parents(),
            cgroup_name: &started.cgroup_name,
            keep: request.weaken.has(Property::NoLeftovers),
        };
        let used = &started.lower.rootfs.used;
        run::finish(started.running, request.spec.timeout, remains, used, || cancel.is_raised())
    }

    /// Starts one jar, by the best way that this kernel turns out to have.
    pub(crate) fn start<'a>(
        &self,
        request: &Request<'a>,
        how: &ResolveOptions<'_>,
        cancel: &Cancel,
    ) -> Result<Started<'a>, Error> {
        let lower = self.lower(&request.spec.rootfs, how)?;
        loop {
            if cancel.is_raised() {
                return Err(Error::Interrupted);
            }
            let (ids, idmap) = self.ids_for(&lower, request);
            let number = self.run.next_number();
            let cgroup_name = format!("{}{number}", run_folder::cgroup_prefix(self.run.id()));
            let limits = &request.spec.limits;
            let asked = Ceilings {
                memory: limits.memory.value,
                // Swap is only bounded together with memory.
                swap: limits.memory.value.and(limits.swap.value),
                pids: limits.pids.value,
                cpus: limits.cpus.value,
            };
            if limits.disk.written {
                if let Some(lack) = &self.facts.no_disk {
                    return Err(Error::Lacking(lack.clone()));
                }
            }
            let cgroup = self.cgroup(&cgroup_name, &asked, request)?;
            let upper = if self.tmpfs_upper {
                None
            } else {
                let folder = UpperFolder::create(self.run.path().join(number.to_string()), &ids);
                Some(folder.map_err(|source| Error::RunFolder {
                    doing: "making the writable layer in",
                    path: self.run.path().to_owned(),
                    source,
                })?)
            };
            let by_pipe = self.no_ptrace.load(Ordering::Relaxed);
            let place = Place {
                tables: &self.tables,
                own: &self.own,
                accounts: &lower.accounts,
                ids: &ids,
                idmap,
                lower: &lower.rootfs.path,
                staging: self.run.path(),
                upper: upper.as_ref().map(UpperFolder::path),
                by_pipe,
            };
            match start::start(request, &place, cgroup, &asked, cancel) {
                Ok(running) => return Ok(Started { running, lower, upper, cgroup_name }),
                // Whatever step a cancelled jar was at, it failed because it was killed.
                Err(StartError::Final(_)) if cancel.is_raised() => return Err(Error::Interrupted),
                Err(StartError::Final(error)) => return Err(error),
                Err(StartError::NotMappable) => lower.mappable.store(false, Ordering::Relaxed),
                Err(StartError::NoPtrace(errno)) if by_pipe => {
                    return Err(Error::outside("tracing the sandbox", errno));
                }
                Err(StartError::NoPtrace(_)) => self.no_ptrace.store(true, Ordering::Relaxed),
            }
        }
    }

    /// The ids of a jar, with the map for its lower layer.
    fn ids_for(&self, lower: &Lower, request: &Request<'_>) -> (Ids, Option<&IdMap>) {
        if request.weaken.has(Property::UserNamespace) {
            return (Ids::Host, None);
        }
        if self.ids != Ids::Shifted {
            return (self.ids.clone(), None);
        }
        if lower.mappable.load(Ordering::Relaxed) {
            if let Some(map) = self.idmap.get_or_init(|| IdMap::new(&Ids::Shifted).ok()) {
                return (Ids::Shifted, Some(map));
            }
        }
        (Ids::identity(), None)
    }

    fn cgroup(
        &self,
        name: &str,
        asked: &Ceilings,
        request: &Request<'_>,
    ) -> Result<Option<JarCgroup>, Error> {
        let mut set = *asked;
        if request.weaken.has(Property::MemoryCeiling) {
            (set.memory, set.swap) = (None, None);
        }
        if request.weaken.has(Property::PidsCeiling) {
            set.pids = None;
        }
        if set == Ceilings::default() {
            return Ok(None);
        }
        Ok(Some(self.cgroups.create(name, &set)?))
    }

    fn lower(&self, rootfs: &RootfsRef, how: &ResolveOptions<'_>) -> Result<Arc<Lower>, Error> {
        let slot = {
            let mut lowers = self.lowers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lowers.entry(rootfs.clone()).or_default())
        };
        // Whoever asks for the same one meanwhile waits for this thread's answer.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolved) = &*slot {
            return resolved.get();
        }
        let resolved = match self.store.resolve(rootfs, how) {
            Ok(rootfs) => {
                let accounts = Accounts::read(&rootfs.path);
                let mappable = AtomicBool::new(true);
                Resolved::Ready(Arc::new(Lower { rootfs, accounts, mappable }))
            }
            Err(error) if error.is_interrupted() => return Err(error.into()),
            Err(error) => Resolved::Failed { what: error.chain(), remedy: error.remedy() },
        };
        slot.insert(resolved).get()
    }
}

fn facts(cgroups: &Cgroups, tmpfs_upper: bool) -> HostFacts {
    let release = nix::sys::utsname::uname()
        .map_or_else(|_| "unknown".to_owned(), |n| n.release().to_string_lossy().into_owned());
    let lack = |controller| cgroups.lack(controller).cloned();
    HostFacts {
        kernel: release,
        cgroup: cgroups.layout(),
        rootless: !Uid::effective().is_root(),
        no_memory: lack(Controller::Memory),
        no_swap: lack(Controller::Swap),
        no_pids: lack(Controller::Pids),
        no_cpus: lack(Controller::Cpus),
        no_disk: (!tmpfs_upper).then(|| Lack {
            what: "tmpfs carries no user attributes on this kernel, so the writable layer is a \
                   folder on disk without a size of its own"
                .to_owned(),
            remedy: "use Linux 6.6 or newer, or leave `disk` out".to_owned(),
        }),
    }
}
