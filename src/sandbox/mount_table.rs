//! Judging the mount table of a jar: is it the one that was built, and can the root filesystem
//! be reached another way?

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Error;
use super::blueprint::{Init, InitBind};
use super::procfs::Mount;
use super::request::Request;

/// One mount that the table has to have: its file system (any where there is none), whether it
/// must be read-only, and whether devices can be opened through it.
struct Wanted {
    kind: Option<&'static str>,
    read_only: bool,
    devices: bool,
    set_ids: bool,
}

/// Compares the mount table with the one that was built.
pub(crate) fn judge_mounts(init: &Init, mounts: &[Mount<'_>]) -> (bool, String) {
    let mut wanted = wanted(init);
    for mount in mounts {
        let Some(expected) = wanted.remove(mount.target) else {
            if below_bind(init, mount.target) {
                continue;
            }
            return (false, format!("an unexpected mount at {} ({})", mount.target, mount.kind));
        };
        if expected.kind.is_some_and(|kind| kind != mount.kind) {
            return (false, format!("{} is a {} filesystem", mount.target, mount.kind));
        }
        if expected.read_only && !mount.has("ro") {
            return (false, format!("{} is writable", mount.target));
        }
        if !expected.devices && !mount.has("nodev") {
            return (false, format!("{} is without nodev", mount.target));
        }
        if !expected.set_ids && !mount.has("nosuid") {
            return (false, format!("{} is without nosuid", mount.target));
        }
    }
    match wanted.keys().next() {
        Some(missing) => (false, format!("no mount at {missing}")),
        None => (true, format!("{} mounts, all as built", mounts.len())),
    }
}

fn wanted(init: &Init) -> HashMap<String, Wanted> {
    let plain =
        |kind| Wanted { kind: Some(kind), read_only: false, devices: false, set_ids: false };
    let device = |kind| Wanted { kind, read_only: false, devices: true, set_ids: false };
    let mut table = HashMap::new();
    let set_ids = init.overlay_flags & libc::MS_NOSUID == 0;
    table.insert("/".to_owned(), Wanted { set_ids, ..plain("overlay") });
    table.insert("/proc".to_owned(), plain("proc"));
    table.insert("/sys".to_owned(), Wanted { read_only: true, ..plain("sysfs") });
    table.insert("/dev".to_owned(), Wanted { read_only: true, ..device(Some("tmpfs")) });
    table.insert("/dev/pts".to_owned(), device(Some("devpts")));
    table.insert("/dev/shm".to_owned(), plain("tmpfs"));
    for (name, _) in &init.devices {
        table.insert(format!("/dev/{}", name.to_string_lossy()), device(None));
    }
    for cover in &init.masked {
        if !cover.absent.load(std::sync::atomic::Ordering::Relaxed) {
            let want = if cover.is_dir {
                Wanted { read_only: true, ..plain("tmpfs") }
            } else {
                device(None)
            };
            table.insert(format!("/{}", cover.path.to_string_lossy()), want);
        }
    }
    for cover in &init.read_only {
        if !cover.absent.load(std::sync::atomic::Ordering::Relaxed) {
            let want = Wanted { read_only: true, ..plain("proc") };
            table.insert(format!("/{}", cover.path.to_string_lossy()), want);
        }
    }
    for bind in &init.binds {
        let want = Wanted { kind: None, read_only: bind.read_only, devices: false, set_ids: false };
        table.insert(octal(&bind_target(bind)), want);
    }
    table
}

fn bind_target(bind: &InitBind) -> String {
    let mut path = String::new();
    for part in bind.target.folders.iter().chain([&bind.target.name]) {
        path.push('/');
        path.push_str(&part.to_string_lossy());
    }
    path
}

/// Whether a mount came along with a bind of its parent; the caller's `/sys`, which goes with
/// the caller's network, brings its own as well.
fn below_bind(init: &Init, target: &str) -> bool {
    let below = |top: &str| {
        target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    init.binds.iter().any(|bind| below(&octal(&bind_target(bind))))
        || (!init.own_sys && below("/sys"))
        || (!init.own_proc && below("/proc"))
        || (init.keep_lower && below("/.belljar/lower"))
}

/// How mountinfo writes a path.
fn octal(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            ' ' => text.push_str("\\040"),
            '\t' => text.push_str("\\011"),
            '\n' => text.push_str("\\012"),
            '\\' => text.push_str("\\134"),
            c => text.push(c),
        }
    }
    text
}

/// Looks for a writable way to the file system that the root filesystem is kept on.
pub(crate) fn judge_lower(
    lower: &Path,
    mounts: &[Mount<'_>],
    request: &Request<'_>,
) -> Result<(bool, String), Error> {
    let device =
        fs::metadata(lower).map_err(|e| Error::outside("looking at the root filesystem", e))?.dev();
    let device = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let root = mounts.iter().find(|m| m.target == "/");
    if root.is_none_or(|m| m.kind != "overlay") {
        return Ok((false, "the root is no overlay".to_owned()));
    }
    let asked_for = |target: &str| {
        request.binds.iter().any(|b| target.starts_with(&octal(b.target.trim_end_matches('/'))))
    };
    let way = mounts.iter().find(|m| m.device == device && !m.has("ro") && !asked_for(m.target));
    Ok(match way {
        Some(mount) => (false, format!("its filesystem is writable at {}", mount.target)),
        None => (true, "reachable only through the overlay, as its lower layer".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::octal;

    #[test]
    fn paths_are_written_as_the_kernel_writes_them() {
        assert_eq!(octal("/mnt 2"), "/mnt\\0402");
        assert_eq!(octal("/a\\b\n"), "/a\\134b\\012");
    }
}
