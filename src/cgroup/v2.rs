//! The place on v2, where the cgroup that holds processes cannot have limited
//! children: a leaf is made of our own cgroup if it is ours alone, or the jars
//! go beside us, into the nearest cgroup above that can hand the controllers on.
//!
//! What the kernel asks for, to clone or move a process from our cgroup into a
//! jar's: write permission on the jar's `cgroup.procs` (we made it) and on that of
//! the nearest common ancestor, which is the place itself (cgroups(7),
//! "Cgroup delegation: delegating to a less privileged user").

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use belljar_harness::host::Lack;
use nix::errno::Errno;
use nix::unistd::{geteuid, getpid};

use super::place::{Place, Version, may_write};
use super::procfs::{self, Mount};
use super::{CgroupError, Controller, files, lack};

/// The place on v2 and what has to be done before the first jar.
#[derive(Debug)]
pub(super) struct Unified {
    /// Where jars go.
    pub(super) place: Place,
    /// The controllers that it offers or can be made to offer.
    pub(super) offers: Vec<&'static str>,
    /// The leaf that we have to move into first, when the place is our own cgroup.
    leaf: Option<Leaf>,
}

/// The leaf that we move into to make room in our own cgroup.
#[derive(Debug)]
struct Leaf {
    folder: PathBuf,
    /// Whether we moved.
    moved: Mutex<bool>,
}

/// What one cgroup looks like to us.
struct Look {
    folder: PathBuf,
    cgroup: String,
    controllers: String,
    enabled: String,
    /// The root of the whole tree: the only one that may hold processes and hand controllers on.
    real_root: bool,
    threaded: bool,
    /// We may make cgroups in it and move processes between those.
    ours: bool,
    /// We may write its `cgroup.subtree_control`.
    ours_to_enable: bool,
    /// Nobody stands in the way of handing controllers on.
    free: bool,
    only_us: bool,
}

impl Look {
    fn at(folder: &Path, cgroup: &str) -> Result<Self, CgroupError> {
        let controllers = files::read(&folder.join("cgroup.controllers"))?;
        let enabled = files::read(&folder.join("cgroup.subtree_control"))?;
        let kind = files::read_if_there(&folder.join("cgroup.type"))?;
        let real_root = kind.is_none();
        let threaded = kind.is_some_and(|kind| kind.trim() != "domain");
        // A threaded cgroup refuses the read.
        let procs =
            if threaded { String::new() } else { files::read(&folder.join("cgroup.procs"))? };
        let us = getpid().to_string();
        Ok(Self {
            folder: folder.to_owned(),
            cgroup: cgroup.to_owned(),
            controllers,
            enabled,
            real_root,
            threaded,
            ours: may_write(folder).and_then(|()| may_write(&folder.join("cgroup.procs"))).is_ok(),
            ours_to_enable: may_write(&folder.join("cgroup.subtree_control")).is_ok(),
            free: real_root || procs.trim().is_empty(),
            only_us: !procs.is_empty() && procs.lines().all(|pid| pid == us),
        })
    }

    /// Which of `wanted` the children of this cgroup have or can be given.
    fn offers(&self, wanted: &[&'static str], can_be_freed: bool) -> Vec<&'static str> {
        let has = |list: &str, name: &str| list.split_ascii_whitespace().any(|word| word == name);
        let can_enable = self.ours_to_enable && (self.free || can_be_freed);
        let offered =
            |name: &&&str| has(&self.enabled, name) || (can_enable && has(&self.controllers, name));
        wanted.iter().filter(offered).copied().collect()
    }

    fn serves(&self) -> bool {
        self.ours && !self.threaded && (self.free || !self.enabled.trim().is_empty())
    }

    /// Whether the manager of the system wrote on it that its subtree is handed
    /// over (systemd's `Delegate=`), or it is all that a container sees.
    fn marked_delegated(&self, point: &Path) -> bool {
        let marked = |name: &str| xattr_is_one(&self.folder, name);
        self.folder == point || marked("user.delegate") || marked("trusted.delegate")
    }
}

/// Finds the place; `own` is the path of our cgroup, `wanted` what v2 would have to limit,
/// the first of it being what a place is useless without.
pub(super) fn place(
    own: &str,
    mounts: &[Mount],
    wanted: &[&'static str],
    run_id: &str,
) -> Result<Unified, Lack> {
    let mut candidates: Vec<&Mount> = mounts.iter().filter(|mount| mount.v2).collect();
    candidates.reverse();
    candidates.sort_by_key(|mount| mount.read_only);
    let Some(first) = candidates.first() else { return Err(lack::nothing_mounted()) };
    let Some((mount, folder)) =
        candidates.iter().find_map(|mount| Some((*mount, mount.folder_of(own)?)))
    else {
        return Err(lack::not_shown(own, &first.point));
    };
    match Version::of(&folder) {
        Ok(Some(Version::V2)) => {}
        Ok(_) => return Err(lack::no_cgroup_folder(&folder)),
        Err(error) => return Err(lack::unreadable(&folder, error)),
    }
    if mount.read_only || may_write(&folder) == Err(Errno::EROFS) {
        return Err(lack::read_only(&mount.point));
    }

    let looks = looks(&folder, own, &mount.point);
    let Some((ours, above)) = looks.split_first() else {
        return Err(lack::unreadable(&folder, Errno::EACCES));
    };
    let essential = wanted[0];
    let at = |look: &Look, offers, leaf| Unified {
        place: Place {
            version: Version::V2,
            hierarchy: String::new(),
            folder: look.folder.clone(),
            cgroup: look.cgroup.clone(),
        },
        offers,
        leaf,
    };
    let as_leaf = || {
        let offers = ours.offers(wanted, true);
        let fits = ours.ours
            && !ours.threaded
            && !ours.real_root
            && ours.only_us
            && offers.contains(&essential);
        let leaf = Leaf {
            folder: folder.join(format!("belljar-{run_id}-leaf")),
            moved: Mutex::new(false),
        };
        fits.then(|| at(ours, offers, Some(leaf)))
    };

    // Root may write everywhere: only what is marked is handed over to it.
    if !geteuid().is_root() || ours.marked_delegated(&mount.point) {
        if let Some(found) = as_leaf() {
            return Ok(found);
        }
    }
    let beside = || {
        let own_root = ours.real_root.then_some(ours);
        own_root
            .into_iter()
            .chain(above)
            .filter(|look| look.serves())
            .map(|look| (look, look.offers(wanted, false)))
    };
    // The processor ceiling is asked for seldom: no reason to go further up.
    let usual: Vec<_> =
        wanted.iter().filter(|name| **name != Controller::Cpus.kernel_name()).collect();
    let full = beside().find(|(_, offers)| {
        offers.contains(&essential) && usual.iter().all(|name| offers.contains(name))
    });
    if let Some((look, offers)) =
        full.or_else(|| beside().find(|(_, offers)| offers.contains(&essential)))
    {
        return Ok(at(look, offers, None));
    }
    if let Some(found) = as_leaf() {
        return Ok(found);
    }
    Err(explain(&looks, &mount.point, essential))
}

/// Our own cgroup and those above it, as far as the mount shows them.
fn looks(folder: &Path, own: &str, point: &Path) -> Vec<Look> {
    let mut looks = Vec::new();
    let (mut folder, mut cgroup) = (folder.to_owned(), Path::new(own).to_owned());
    while let Ok(look) = Look::at(&folder, &cgroup.to_string_lossy()) {
        looks.push(look);
        if folder == point || !folder.pop() || !cgroup.pop() {
            break;
        }
    }
    looks
}

/// Why none of them serves.
fn explain(looks: &[Look], point: &Path, essential: &'static str) -> Lack {
    let controller = Controller::ALL
        .into_iter()
        .find(|one| one.kernel_name() == essential)
        .unwrap_or(Controller::Memory);
    let (Some(ours), Some(top)) = (looks.first(), looks.last()) else {
        return lack::nothing_mounted();
    };
    let offered =
        |look: &Look| look.controllers.split_ascii_whitespace().any(|word| word == essential);
    if !offered(top) {
        return lack::v2_not_offered(
            controller,
            &top.folder,
            switched_off(essential),
            top.real_root,
        );
    }
    if ours.threaded {
        return lack::v2_threaded(&ours.folder);
    }
    if !looks.iter().any(|look| look.ours) {
        return lack::v2_not_delegated(&ours.folder, point);
    }
    if let Some(look) = looks.iter().find(|look| look.ours && !offered(look)) {
        return lack::v2_not_offered(
            controller,
            &look.folder,
            switched_off(essential),
            look.real_root,
        );
    }
    if ours.ours && geteuid().is_root() {
        return lack::v2_in_the_way(&ours.folder);
    }
    if ours.ours && !ours.only_us {
        // Delegated, but shared with the shell or cargo, and nothing above it is ours.
        return lack::v2_in_the_way(&ours.folder);
    }
    let look = looks.iter().find(|look| look.ours).unwrap_or(ours);
    lack::v2_not_enabled(controller, &look.folder)
}

/// Whether the kernel has the controller, switched off.
pub(super) fn switched_off(controller: &str) -> bool {
    fs::read_to_string("/proc/cgroups").is_ok_and(|text| procfs::switched_off(&text, controller))
}

impl Unified {
    /// Why `controller` cannot be had in the place, if it cannot.
    pub(super) fn lack(&self, controller: Controller) -> Option<Lack> {
        let name = controller.kernel_name();
        if self.offers.contains(&name) {
            return None;
        }
        let folder = &self.place.folder;
        let offered = fs::read_to_string(folder.join("cgroup.controllers"))
            .is_ok_and(|list| list.split_ascii_whitespace().any(|word| word == name));
        Some(if offered {
            lack::v2_not_enabled(controller, folder)
        } else {
            let real_root = !folder.join("cgroup.type").exists();
            lack::v2_not_offered(controller, folder, switched_off(name), real_root)
        })
    }

    /// Makes the place hand `controllers` on; moves us out of the way first where need be.
    pub(super) fn prepare(&self, controllers: &[&str]) -> Result<(), CgroupError> {
        if let Some(leaf) = &self.leaf {
            let mut moved = leaf.moved.lock().unwrap_or_else(PoisonError::into_inner);
            if !*moved {
                leaf.enter()?;
                *moved = true;
            }
        }
        let path = self.place.folder.join("cgroup.subtree_control");
        let enabled = files::read(&path)?;
        let missing: Vec<String> = controllers
            .iter()
            .filter(|name| !enabled.split_ascii_whitespace().any(|word| word == **name))
            .map(|name| format!("+{name}"))
            .collect();
        if missing.is_empty() { Ok(()) } else { files::write(&path, &missing.join(" ")) }
    }
}

impl Leaf {
    fn enter(&self) -> Result<(), CgroupError> {
        match fs::create_dir(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(files::failed("make the cgroup", &self.folder, error));
            }
            _ => {}
        }
        // 0 is the writer, with all its threads.
        files::write(&self.folder.join("cgroup.procs"), "0")
    }
}

impl Drop for Unified {
    /// Goes back out of the leaf, so that the cgroup is as it was found.
    fn drop(&mut self) {
        let Some(leaf) = &mut self.leaf else { return };
        if !*leaf.moved.get_mut().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        let folder = &self.place.folder;
        // A jar that is still there would lose its ceilings.
        match files::subfolders(folder) {
            Ok(folders) if folders == [leaf.folder.clone()] => {}
            _ => return,
        }
        let control = folder.join("cgroup.subtree_control");
        let Ok(enabled) = files::read(&control) else { return };
        let off: Vec<String> =
            enabled.split_ascii_whitespace().map(|name| format!("-{name}")).collect();
        let undone = files::write(&control, &off.join(" "))
            .and_then(|()| files::write(&folder.join("cgroup.procs"), "0"));
        if undone.is_ok() {
            // Busy if a child of ours is in it: then it stays for the sweep.
            let _ = fs::remove_dir(&leaf.folder);
        }
    }
}

fn xattr_is_one(path: &Path, name: &str) -> bool {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let (Ok(path), Ok(name)) = (CString::new(path.as_os_str().as_bytes()), CString::new(name))
    else {
        return false;
    };
    let mut value = [0_u8; 8];
    // SAFETY: both strings end in NUL, and the kernel writes at most `value.len()` bytes into `value`.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    length == 1 && value[0] == b'1'
}
