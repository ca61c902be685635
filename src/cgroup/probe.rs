//! Where this process may make cgroups.

use std::fs;
use std::path::{Path, PathBuf};

use belljar_harness::host::{CgroupLayout, Lack};

use super::place::{Place, Version};
use super::v2::Unified;
use super::{Ceilings, CgroupError, Controller, JarCgroup, lack, limits, procfs, sweep, v1, v2};

/// The probed placement of this process: where the cgroups of its jars go.
///
/// Where the place is our own v2 cgroup, the first [`create`](Self::create) moves this
/// process into a leaf of it, and dropping this value moves it back.
#[derive(Debug)]
pub struct Cgroups {
    layout: CgroupLayout,
    /// One for each v1 hierarchy in use.
    v1: Vec<Place>,
    v2: Option<Unified>,
    /// In the order of [`Controller::ALL`].
    spots: [Result<Spot, Lack>; 4],
    parents: Vec<PathBuf>,
}

/// Where one controller is.
#[derive(Clone, Copy, Debug)]
enum Spot {
    /// In the v1 place of this index.
    V1(usize),
    V2,
    /// The machine has no swap, so a ceiling on it holds without being set.
    ByItself,
}

/// What the kernel calls the controllers that we look for, the essential one first.
const NAMES: [&str; 3] = ["memory", "pids", "cpu"];

impl Cgroups {
    /// Looks at `/proc/self/cgroup`, the mounts and the permissions; changes nothing.
    pub fn probe(run_id: &str) -> Self {
        let texts =
            [Path::new("/proc/self/cgroup"), Path::new("/proc/self/mountinfo")].map(|path| {
                fs::read_to_string(path)
                    .map_err(|error| lack::unknown(&path.to_string_lossy(), &error))
            });
        let [cgroup, mountinfo] = match texts {
            [Ok(cgroup), Ok(mountinfo)] => [cgroup, mountinfo],
            [Err(lack), _] | [_, Err(lack)] => return Self::without(CgroupLayout::None, &lack),
        };
        Self::probe_texts(&cgroup, &mountinfo, run_id)
    }

    fn without(layout: CgroupLayout, lack: &Lack) -> Self {
        let spots = Controller::ALL.map(|_| Err(lack.clone()));
        Self { layout, v1: Vec::new(), v2: None, spots, parents: Vec::new() }
    }

    fn probe_texts(cgroup: &str, mountinfo: &str, run_id: &str) -> Self {
        let mounts = procfs::mounts(mountinfo);
        let layout = layout(cgroup, &mounts);
        let own: Vec<_> = procfs::memberships(cgroup).collect();
        let mut found = Self::without(layout, &lack::nothing_mounted());

        let mut on_v2 = Vec::new();
        for name in NAMES {
            let hierarchy =
                own.iter().find(|one| one.controllers.split(',').any(|other| other == name));
            let Some(hierarchy) = hierarchy else {
                on_v2.push(name);
                continue;
            };
            let known = found.v1.iter().position(|place| place.hierarchy == hierarchy.controllers);
            let spot = match known {
                Some(index) => Ok(Spot::V1(index)),
                None => v1::place(hierarchy, &mounts).map(|place| {
                    found.v1.push(place);
                    Spot::V1(found.v1.len() - 1)
                }),
            };
            found.put(name, &spot);
        }
        if !on_v2.is_empty() {
            found.probe_v2(&own, &mounts, &on_v2, run_id);
        }
        found.probe_swap();
        found.probe_bandwidth();
        found.parents = found
            .v1
            .iter()
            .chain(found.v2.as_ref().map(|v2| &v2.place))
            .map(|p| p.folder.clone())
            .collect();
        found
    }

    /// Finds the v2 place for the controllers that no v1 hierarchy has.
    fn probe_v2(
        &mut self,
        own: &[procfs::Membership<'_>],
        mounts: &[procfs::Mount],
        names: &[&'static str],
        run_id: &str,
    ) {
        let Some(ours) = own.iter().find(|one| one.controllers.is_empty()) else {
            for name in names {
                self.put(
                    name,
                    &Err(lack::no_controller(controller_named(name), v2::switched_off(name))),
                );
            }
            return;
        };
        match v2::place(ours.path, mounts, names, run_id) {
            Err(lack) => names.iter().for_each(|name| self.put(name, &Err(lack.clone()))),
            Ok(unified) => {
                for name in names {
                    let spot = unified.lack(controller_named(name)).map_or(Ok(Spot::V2), Err);
                    self.put(name, &spot);
                }
                self.v2 = Some(unified);
            }
        }
    }

    /// Notes where a controller of the kernel is, under each of our names for it.
    fn put(&mut self, name: &str, spot: &Result<Spot, Lack>) {
        for controller in Controller::ALL {
            if controller.kernel_name() == name {
                self.spots[controller as usize].clone_from(spot);
            }
        }
    }

    /// Swap is counted with memory, if the kernel counts it at all.
    fn probe_swap(&mut self) {
        let (version, folder) = match &self.spots[Controller::Memory as usize] {
            Ok(Spot::V1(index)) => (Version::V1, Some(self.v1[*index].folder.clone())),
            Ok(_) => {
                (Version::V2, self.v2.as_ref().and_then(|v2| with_memory_files(&v2.place.folder)))
            }
            Err(_) => (Version::V2, None),
        };
        let counted = folder.is_none_or(|folder| folder.join(limits::swap_file(version)).exists());
        let lacking = self.spots[Controller::Memory as usize].is_err();
        if counted && !lacking {
            return;
        }
        if procfs::machine_has_no_swap() {
            self.spots[Controller::Swap as usize] = Ok(Spot::ByItself);
        } else if !lacking {
            self.spots[Controller::Swap as usize] =
                Err(lack::no_swap_accounting(limits::swap_file(version)));
        }
    }

    /// The cpu controller may come without ceilings (`CONFIG_CFS_BANDWIDTH`).
    fn probe_bandwidth(&mut self) {
        let spot = &mut self.spots[Controller::Cpus as usize];
        let (folder, file, beside) = match (&*spot, &self.v2) {
            (Ok(Spot::V1(index)), _) => (&self.v1[*index].folder, "cpu.cfs_quota_us", "cpu.shares"),
            (Ok(Spot::V2), Some(v2)) => (&v2.place.folder, "cpu.max", "cpu.weight"),
            _ => return,
        };
        // A v2 root has neither: there the jar's own folder tells, when it is limited.
        if folder.join(beside).exists() && !folder.join(file).exists() {
            *spot = Err(lack::no_bandwidth(file));
        }
    }

    /// How cgroups are mounted here.
    pub fn layout(&self) -> CgroupLayout {
        self.layout
    }

    /// Why a ceiling on `controller` cannot be set, if it cannot.
    pub fn lack(&self, controller: Controller) -> Option<&Lack> {
        self.spots[controller as usize].as_ref().err()
    }

    /// The absolute folders in which the cgroups of jars are made, for the sweep.
    pub fn parents(&self) -> &[PathBuf] {
        &self.parents
    }

    /// Makes the cgroups of one jar, with its ceilings set and read back. Only the
    /// hierarchies that `limits` asks for are used; with no ceiling there is none.
    /// On v1 a ceiling on swap needs one on memory.
    ///
    /// # Errors
    /// A ceiling that the host cannot set, a name in use, a refusal of the kernel.
    pub fn create(&self, name: &str, limits: &Ceilings) -> Result<JarCgroup, CgroupError> {
        if name.is_empty()
            || name.len() > 255
            || name.starts_with('.')
            || name.contains(['/', '\n', '\0'])
        {
            return Err(CgroupError::Invalid(format!("{name:?} is no name for one")));
        }
        let asked = limits::rounded(limits)?;
        let mut wanted: Vec<Controller> = Vec::new();
        wanted.extend(asked.memory.map(|_| Controller::Memory));
        wanted.extend(asked.swap.map(|_| Controller::Swap));
        wanted.extend(asked.pids.map(|_| Controller::Pids));
        wanted.extend(asked.cpus.map(|_| Controller::Cpus));

        let mut swap_by_itself = None;
        let mut places: Vec<(&Place, Vec<Controller>)> = Vec::new();
        for controller in wanted {
            let lacking = |lack| Err(CgroupError::Lacking { controller, lack });
            let place = match &self.spots[controller as usize] {
                Err(lack) => return lacking(lack.clone()),
                Ok(Spot::ByItself) => {
                    swap_by_itself = asked.swap;
                    continue;
                }
                Ok(Spot::V1(_)) if controller == Controller::Swap && asked.memory.is_none() => {
                    return lacking(lack::swap_needs_memory());
                }
                Ok(Spot::V1(index)) => &self.v1[*index],
                Ok(Spot::V2) => match &self.v2 {
                    Some(unified) => &unified.place,
                    None => return lacking(lack::nothing_mounted()),
                },
            };
            match places.iter_mut().find(|(known, _)| known.folder == place.folder) {
                Some((_, controllers)) => controllers.push(controller),
                None => places.push((place, vec![controller])),
            }
        }
        if let (Some(unified), Some((_, controllers))) =
            (&self.v2, places.iter().find(|(place, _)| place.version == Version::V2))
        {
            let mut names: Vec<_> =
                controllers.iter().map(|controller| controller.kernel_name()).collect();
            names.dedup();
            unified.prepare(&names)?;
        }
        JarCgroup::make(name, &places, &asked, swap_by_itself)
    }

    /// Kills and removes the cgroups in `parents` whose names start with `prefix`;
    /// says how many. Parents that are gone are passed over, and so is a cgroup
    /// that holds this process.
    ///
    /// # Errors
    /// The first failure, after everything else was tried.
    pub fn sweep(parents: &[PathBuf], prefix: &str) -> Result<usize, CgroupError> {
        sweep::sweep(parents, prefix)
    }
}

fn controller_named(name: &str) -> Controller {
    Controller::ALL.into_iter().find(|one| one.kernel_name() == name).unwrap_or(Controller::Memory)
}

/// What is mounted, as one word.
fn layout(cgroup: &str, mounts: &[procfs::Mount]) -> CgroupLayout {
    let v1 = procfs::memberships(cgroup).any(|one| {
        !one.controllers.is_empty() && mounts.iter().any(|mount| mount.has_v1(one.controllers))
    });
    let v2 = mounts.iter().any(|mount| mount.v2);
    match (v1, v2) {
        (true, true) => CgroupLayout::Hybrid,
        (true, false) => CgroupLayout::V1,
        (false, true) => CgroupLayout::V2,
        (false, false) => CgroupLayout::None,
    }
}

/// A v2 cgroup that has the memory controller's files: the place, unless it is the
/// root, which has none; then any cgroup in it that has.
fn with_memory_files(place: &Path) -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("memory.max").exists();
    let place = place.to_owned();
    if has(&place) {
        return Some(place);
    }
    super::files::subfolders(&place).ok()?.into_iter().find(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_apart() {
        let v1 = "32 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n";
        let systemd = "33 31 0:33 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n";
        let v2 = "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n";
        let old = "4:memory:/\n0::/\n";
        let of = |cgroup: &str, mountinfo: &str| layout(cgroup, &procfs::mounts(mountinfo));
        assert_eq!(of(old, v1), CgroupLayout::V1);
        assert_eq!(of(old, &format!("{v1}{v2}")), CgroupLayout::Hybrid);
        assert_eq!(of("1:name=systemd:/\n0::/\n", &format!("{systemd}{v2}")), CgroupLayout::V2);
        assert_eq!(of("0::/\n", ""), CgroupLayout::None);
    }

    #[test]
    fn a_host_without_cgroups_lacks_everything_by_name() {
        let found = Cgroups::probe_texts("0::/\n", "", "x");
        assert_eq!(found.layout(), CgroupLayout::None);
        let lack = found.lack(Controller::Memory).unwrap();
        assert!(lack.what.contains("no cgroup file system"), "{lack}");
        assert!(found.parents().is_empty());
        let asked = Ceilings { memory: Some(1 << 24), ..Ceilings::default() };
        let error = found.create("belljar-test", &asked).unwrap_err();
        assert!(
            matches!(error, CgroupError::Lacking { controller: Controller::Memory, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_is_no_cgroup_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let found = Cgroups::probe_texts(
            "4:memory:/\n",
            &format!("1 2 0:3 / {path} rw - cgroup cgroup rw,memory\n"),
            "x",
        );
        let lack = found.lack(Controller::Memory).unwrap();
        assert!(lack.what.contains("ordinary folder"), "{lack}");
        let found = Cgroups::probe_texts(
            "0::/\n",
            &format!("1 2 0:3 / {path} rw - cgroup2 cgroup2 rw\n"),
            "x",
        );
        let lack = found.lack(Controller::Memory).unwrap();
        assert!(lack.what.contains("ordinary folder"), "{lack}");
    }

    #[test]
    fn a_hierarchy_that_is_not_mounted_is_named_with_its_mount_command() {
        let mountinfo = "1 2 0:3 / /x rw - cgroup cgroup rw,cpuset\n";
        let found = Cgroups::probe_texts("4:memory:/\n3:pids:/\n2:cpuset:/\n", mountinfo, "x");
        assert_eq!(found.layout(), CgroupLayout::V1);
        let lack = found.lack(Controller::Memory).unwrap();
        assert!(
            lack.what.contains("memory is not mounted")
                && lack.remedy.contains("mount -t cgroup -o memory"),
            "{lack}"
        );
    }

    #[test]
    fn names_that_would_leave_the_place_are_refused() {
        let found = Cgroups::probe_texts("0::/\n", "", "x");
        for name in ["", ".", "..", "a/b", "../a", "a\nb"] {
            let made = found.create(name, &Ceilings::default());
            assert!(matches!(made, Err(CgroupError::Invalid(_))), "{name:?}");
        }
    }
}
