//! Namespaces, each made by doing so, and what forbids them where that fails.

use std::fs;
use std::io;

use nix::unistd::geteuid;

use super::Check;
use super::kernel::sysctl;
use crate::sandbox::probe;

const BLOCKED: &str = "no sandbox can be made, so no case can run";

/// Name in reports, flag of clone(2), and the name in the sysctl that limits it.
const KINDS: [(&str, i32, &str); 7] = [
    ("user namespace", 0, "user"),
    ("mount namespace", libc::CLONE_NEWNS, "mnt"),
    ("pid namespace", libc::CLONE_NEWPID, "pid"),
    ("uts namespace", libc::CLONE_NEWUTS, "uts"),
    ("ipc namespace", libc::CLONE_NEWIPC, "ipc"),
    ("network namespace", libc::CLONE_NEWNET, "net"),
    ("cgroup namespace", libc::CLONE_NEWCGROUP, "cgroup"),
];

/// One check for each kind.
pub(super) fn checks() -> Vec<Check> {
    let mut without_user = None;
    KINDS
        .into_iter()
        .map(|(name, flag, kind)| {
            if let Some(first) = without_user {
                return Check::unknown(name, format!("not tried: there is no {first}"));
            }
            match probe::namespaces(libc::CLONE_NEWUSER | flag) {
                Ok(()) => Check::ok(name, "can be made"),
                Err(error) => {
                    if flag == 0 {
                        without_user = Some(name);
                    }
                    refused(name, kind, &error)
                }
            }
        })
        .collect()
}

fn refused(name: &'static str, kind: &str, error: &io::Error) -> Check {
    let (because, remedy) = reason(kind, error.raw_os_error());
    let found = match because {
        Some(because) => format!("refused ({error}): {because}"),
        None => format!("refused ({error})"),
    };
    Check::lack(name, found, BLOCKED, remedy).blocking()
}

/// What forbids it, as far as it can be told, and the command that allows it.
fn reason(kind: &str, errno: Option<i32>) -> (Option<String>, String) {
    let limit = format!("user.max_{kind}_namespaces");
    let set = |name: &str, value: &str| format!("`sudo sysctl -w {name}={value}`");
    match errno {
        Some(libc::ENOSPC) => match sysctl(&limit) {
            Some(value) if value == "0" => (Some(format!("{limit} is 0")), set(&limit, "15000")),
            Some(value) => (
                Some(format!("{limit} is {value} and used up, or 32 of them are nested already")),
                set(&limit, "60000"),
            ),
            None => (None, set(&limit, "15000")),
        },
        Some(libc::EINVAL | libc::ENOSYS) => (
            Some("the kernel does not have it".to_owned()),
            format!(
                "use Linux 5.11 or newer, built with CONFIG_{}_NS",
                if kind == "mnt" {
                    "NAMESPACES and CONFIG_USER".to_owned()
                } else {
                    kind.to_uppercase()
                }
            ),
        ),
        _ => denied(geteuid().is_root()),
    }
}

fn denied(root: bool) -> (Option<String>, String) {
    let is = |name: &str, value: &str| sysctl(name).is_some_and(|found| found == value);
    if !root && is("kernel.unprivileged_userns_clone", "0") {
        return (
            Some("kernel.unprivileged_userns_clone is 0".to_owned()),
            "`sudo sysctl -w kernel.unprivileged_userns_clone=1`".to_owned(),
        );
    }
    if let Some(found) = apparmor(root) {
        return found;
    }
    if in_chroot() {
        return (
            Some("the root folder of this process is a chroot".to_owned()),
            "run belljar outside of the chroot, or enter it with pivot_root(8) instead".to_owned(),
        );
    }
    (
        Some("a filter of system calls or a security module is in the way".to_owned()),
        "in a container, start it with `docker run --privileged` or \
         `docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
            .to_owned(),
    )
}

/// Ubuntu since 23.10 takes away the rights of namespaces that users make.
pub(super) fn apparmor(root: bool) -> Option<(Option<String>, String)> {
    const NAME: &str = "kernel.apparmor_restrict_unprivileged_userns";
    (!root && sysctl(NAME).is_some_and(|value| value != "0")).then(|| {
        (
            Some(format!("AppArmor restricts the namespaces of users ({NAME})")),
            format!("`sudo sysctl -w {NAME}=0`"),
        )
    })
}

/// Whether `/` is no mount point, as it is in a chroot (clone(2), EPERM).
fn in_chroot() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    !mounts.is_empty() && !mounts.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

/// Which ids there are inside.
pub(super) fn ids() -> Check {
    const NAME: &str = "ids";
    let (found, single) = probe::ids();
    if !single {
        return Check::ok(NAME, found);
    }
    let user = nix::unistd::User::from_uid(geteuid()).ok().flatten();
    let user = user.map_or_else(|| geteuid().to_string(), |user| user.name);
    Check::lack(
        NAME,
        found,
        "root is the only user inside, and a case with another `user` is an error",
        format!(
            "`sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`, with \
             newuidmap and newgidmap installed (`sudo apt-get install uidmap`)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn a_used_up_limit_is_named_with_the_command_that_raises_it() {
        let (because, remedy) = reason("net", Some(libc::ENOSPC));
        assert!(because.is_none_or(|text| text.contains("user.max_net_namespaces")));
        assert!(remedy.contains("sysctl -w user.max_net_namespaces="), "{remedy}");
    }

    #[test]
    fn every_refusal_has_a_remedy() {
        for errno in [Some(libc::EPERM), Some(libc::ENOSYS), Some(libc::EACCES), None] {
            let (because, remedy) = reason("user", errno);
            assert!(because.is_some() && !remedy.is_empty(), "{errno:?}");
        }
    }
}
