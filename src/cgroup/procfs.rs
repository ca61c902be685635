//! The texts of `/proc/self/cgroup`, `/proc/self/mountinfo`, `/proc/cgroups` and
//! `/proc/swaps`, and what they say together: which folder is which cgroup.

use std::path::{Path, PathBuf};

/// One line of `/proc/PID/cgroup` (cgroups(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership<'a> {
    /// The controllers of a v1 hierarchy as written; empty for v2.
    pub(super) controllers: &'a str,
    /// The cgroup, relative to the reader's cgroup namespace.
    pub(super) path: &'a str,
}

/// Reads the lines of a `/proc/PID/cgroup`; hierarchies without a controller
/// (`name=systemd`) are left out.
pub(super) fn memberships(text: &str) -> impl Iterator<Item = Membership<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let id = fields.next()?;
        let controllers = fields.next()?;
        let path = fields.next()?;
        let v2 = id == "0" && controllers.is_empty();
        (v2 || (!controllers.is_empty() && !controllers.starts_with("name=")))
            .then_some(Membership { controllers, path })
    })
}

/// One mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Whether it is the v2 tree.
    pub(super) v2: bool,
    /// The cgroup that the mount point shows, relative to the reader's cgroup namespace.
    pub(super) root: String,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// The options of the hierarchy; on v1 they name its controllers.
    pub(super) options: String,
    /// Whether the mount or the hierarchy is read-only.
    pub(super) read_only: bool,
}

impl Mount {
    /// Whether this is the v1 hierarchy with all of these controllers.
    pub(super) fn has_v1(&self, controllers: &str) -> bool {
        !self.v2
            && controllers
                .split(',')
                .all(|wanted| self.options.split(',').any(|option| option == wanted))
    }

    /// The folder of the cgroup `path`, if the mount shows it.
    pub(super) fn folder_of(&self, path: &str) -> Option<PathBuf> {
        // `/../x` is outside of our cgroup namespace: no mount names it reliably.
        let outside =
            |path: &str| Path::new(path).components().any(|part| part.as_os_str() == "..");
        if outside(path) || outside(&self.root) {
            return None;
        }
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        Some(if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) })
    }
}

/// Reads the cgroup mounts out of a `mountinfo` (proc(5)), in its order.
pub(super) fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let v2 = match right.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let options = right.nth(1)?;
    let mut left = left.split(' ').skip(3);
    let root = unescape(left.next()?);
    let point = unescape(left.next()?);
    let mount_options = left.next()?;
    let read_only =
        [mount_options, options].iter().any(|list| list.split(',').any(|option| option == "ro"));
    Some(Mount { v2, root, point: PathBuf::from(point), options: options.to_owned(), read_only })
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Whether `/proc/cgroups` knows the controller and has it switched off.
pub(super) fn switched_off(proc_cgroups: &str, controller: &str) -> bool {
    proc_cgroups.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        fields.next() == Some(controller) && fields.nth(2) == Some("0")
    })
}

/// Whether there is nothing that memory could be swapped out to now.
pub(super) fn machine_has_no_swap() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|text| no_swap(&text))
}

/// Whether a `/proc/swaps` lists no swap at all.
fn no_swap(proc_swaps: &str) -> bool {
    proc_swaps.lines().skip(1).all(|line| line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory ro,relatime shared:9 master:1 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/a\\040b rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn memberships_are_read_and_named_hierarchies_left_out() {
        let text = "9:name=systemd:/\n4:memory:/a:b/c\n2:cpu,cpuacct:/\n0::/user.slice\n";
        let read: Vec<_> = memberships(text).map(|m| (m.controllers, m.path)).collect();
        assert_eq!(read, [("memory", "/a:b/c"), ("cpu,cpuacct", "/"), ("", "/user.slice")]);
    }

    #[test]
    fn mounts_are_read_with_optional_fields_and_escapes() {
        let read = mounts(HYBRID);
        assert_eq!(read.len(), 4);
        assert!(
            read[0].has_v1("cpu") && read[0].has_v1("cpu,cpuacct") && !read[0].has_v1("memory")
        );
        assert!(!read[0].read_only && read[1].read_only);
        assert!(read[3].v2 && read[3].point == Path::new("/sys/fs/cgroup/a b"));
    }

    #[test]
    fn a_container_that_mounts_its_own_subtree_is_resolved() {
        let mount = |root: &str| Mount {
            v2: true,
            root: root.to_owned(),
            point: PathBuf::from("/cg"),
            options: String::new(),
            read_only: false,
        };
        assert_eq!(mount("/").folder_of("/"), Some(PathBuf::from("/cg")));
        assert_eq!(mount("/").folder_of("/a/b"), Some(PathBuf::from("/cg/a/b")));
        assert_eq!(mount("/docker/1").folder_of("/docker/1"), Some(PathBuf::from("/cg")));
        assert_eq!(mount("/docker/1").folder_of("/docker/1/x"), Some(PathBuf::from("/cg/x")));
        assert_eq!(mount("/docker/1").folder_of("/docker/12"), None);
        assert_eq!(mount("/../..").folder_of("/"), None);
        assert_eq!(mount("/").folder_of("/../x"), None);
    }

    #[test]
    fn a_switched_off_controller_is_seen() {
        let text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\nmemory\t0\t1\t0\n";
        assert!(switched_off(text, "memory"));
        assert!(!switched_off(text, "cpu"));
        assert!(!switched_off(text, "pids"));
    }

    #[test]
    fn swap_is_seen() {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(no_swap(head));
        assert!(!no_swap(&format!("{head}/dev/sda2 partition 1 0 -2\n")));
    }
}
