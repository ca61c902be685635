//! What a host lacks for a ceiling, each with the command that mends it.

use std::path::Path;

use belljar_harness::host::Lack;
use nix::errno::Errno;
use nix::unistd::geteuid;

use super::Controller;

/// What the design promises to a user without a delegated cgroup.
const SCOPE: &str = "systemd-run --user --scope -p Delegate=yes belljar run";

fn lack(what: impl Into<String>, remedy: impl Into<String>) -> Lack {
    Lack { what: what.into(), remedy: remedy.into() }
}

fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// No hierarchy is mounted at all.
pub(super) fn nothing_mounted() -> Lack {
    lack(
        "no cgroup file system is mounted",
        "mount it: `sudo mkdir -p /sys/fs/cgroup && sudo mount -t cgroup2 none /sys/fs/cgroup`",
    )
}

/// `/proc` did not tell.
pub(super) fn unknown(path: &str, error: &std::io::Error) -> Lack {
    lack(format!("{path} cannot be read ({error})"), "mount it: `sudo mount -t proc none /proc`")
}

/// The kernel has the controller, but switched it off or moved it nowhere.
pub(super) fn no_controller(controller: Controller, switched_off: bool) -> Lack {
    let name = controller.kernel_name();
    if switched_off {
        lack(
            format!("the kernel has the {name} controller switched off (/proc/cgroups)"),
            format!("boot it with `cgroup_enable={name}` and without `cgroup_disable={name}`"),
        )
    } else {
        lack(
            format!("the kernel has no {name} controller"),
            format!(
                "use a kernel that is built with it, or ask for no such ceiling (`{controller} = \"none\"`)"
            ),
        )
    }
}

/// A v1 hierarchy exists, but is mounted nowhere.
pub(super) fn v1_not_mounted(hierarchy: &str) -> Lack {
    lack(
        format!("the cgroup v1 hierarchy {hierarchy} is not mounted"),
        format!(
            "mount it: `sudo mkdir -p /sys/fs/cgroup/{hierarchy} && sudo mount -t cgroup -o {hierarchy} none /sys/fs/cgroup/{hierarchy}`"
        ),
    )
}

/// The mount shows another part of the tree than the one we are in.
pub(super) fn not_shown(own: &str, point: &Path) -> Lack {
    lack(
        format!("our own cgroup {own} is not in what {} shows", point.display()),
        "in a container, mount the cgroup file system of its own cgroup namespace \
         (`docker run --cgroupns=private`, without `-v /sys/fs/cgroup`)",
    )
}

/// A folder that should be a cgroup is none.
pub(super) fn no_cgroup_folder(folder: &Path) -> Lack {
    lack(
        format!("{} is an ordinary folder and no cgroup", folder.display()),
        format!("unmount what hides the cgroup file system: `findmnt {}`", folder.display()),
    )
}

/// A folder cannot be looked at.
pub(super) fn unreadable(folder: &Path, error: Errno) -> Lack {
    lack(
        format!("our own cgroup {} cannot be looked at ({})", folder.display(), error.desc()),
        format!(
            "see what hides or guards it: `findmnt -R /sys/fs/cgroup; namei -l {}`",
            folder.display()
        ),
    )
}

/// The cgroup file system is mounted read-only.
pub(super) fn read_only(point: &Path) -> Lack {
    let point = point.display();
    lack(
        format!("{point} is mounted read-only"),
        format!(
            "start the container with writable cgroups (`docker run --privileged --cgroupns=private`, \
             `podman run --security-opt unmask=/sys/fs/cgroup`), or as root `mount -o remount,rw {point}`"
        ),
    )
}

/// Our cgroup on v1 belongs to another.
pub(super) fn v1_not_ours(hierarchy: &str, folder: &Path, error: Errno) -> Lack {
    let folder = folder.display();
    lack(
        format!("this user may not make cgroups in {folder} ({})", error.desc()),
        format!(
            "delegate one to your shell: `sudo sh -c \"mkdir -p {folder}/belljar && chown -R $(id -u) {folder}/belljar && \
             echo $$ > {folder}/belljar/cgroup.procs\"` (the {hierarchy} hierarchy of cgroup v1)"
        ),
    )
}

/// The controller is not in the `cgroup.controllers` of the folder where jars go, or of the tree that we see.
pub(super) fn v2_not_offered(
    controller: Controller,
    folder: &Path,
    switched_off: bool,
    real_root: bool,
) -> Lack {
    let name = controller.kernel_name();
    if switched_off || real_root {
        return no_controller(controller, switched_off);
    }
    let remedy = if geteuid().is_root() || !has_systemd() {
        format!(
            "as root on the host, write `+{name}` to the cgroup.subtree_control of every cgroup above it"
        )
    } else {
        "let the user manager hand it on: `sudo systemctl edit user@.service` with the two lines `[Service]` and \
         `Delegate=cpu cpuset io memory pids`, then log in again"
            .to_owned()
    };
    lack(format!("the {name} controller is not delegated to {}", folder.display()), remedy)
}

/// It is offered, but we may not hand it on to the cgroups of jars.
pub(super) fn v2_not_enabled(controller: Controller, folder: &Path) -> Lack {
    let name = controller.kernel_name();
    let folder = folder.display();
    lack(
        format!("{folder} does not hand the {name} controller on to the cgroups in it"),
        format!("switch it on: `echo +{name} | sudo tee {folder}/cgroup.subtree_control`"),
    )
}

/// An ordinary user on v2 with no cgroup of its own.
pub(super) fn v2_not_delegated(own: &Path, point: &Path) -> Lack {
    let what = format!("no cgroup is delegated to this user (we run in {})", own.display());
    let point = point.display();
    let remedy = if has_systemd() {
        let uid = geteuid();
        if Path::new(&format!("/run/user/{uid}/systemd")).is_dir() {
            format!(
                "run it in a scope of your own: `{SCOPE} …` (before `cargo test` just the same)"
            )
        } else {
            format!(
                "start your user manager with `sudo loginctl enable-linger {uid}`, then run it in a scope of your own: \
                 `XDG_RUNTIME_DIR=/run/user/{uid} {SCOPE} …` (before `cargo test` just the same)"
            )
        }
    } else {
        format!(
            "delegate one to your shell: `sudo sh -c \"echo +memory +pids +cpu > {point}/cgroup.subtree_control; \
             mkdir -p {point}/belljar/shell && cd {point}/belljar && \
             chown $(id -u) . cgroup.procs cgroup.subtree_control cgroup.threads && echo $$ > shell/cgroup.procs\"`"
        )
    };
    lack(what, remedy)
}

/// Root (of a container) on v2, where processes stand in the only cgroup that could serve.
pub(super) fn v2_in_the_way(own: &Path) -> Lack {
    let own = own.display();
    lack(
        format!(
            "{own} holds other processes, so that it cannot hand controllers on to cgroups in it"
        ),
        format!(
            "move them into a leaf first: `mkdir -p {own}/init && for p in $(cat {own}/cgroup.procs); do \
             echo $p > {own}/init/cgroup.procs; done`"
        ),
    )
}

/// The cgroups that we see are threaded.
pub(super) fn v2_threaded(own: &Path) -> Lack {
    lack(
        format!("{} is a threaded cgroup, which cannot limit memory", own.display()),
        "run it from a cgroup whose cgroup.type is `domain`",
    )
}

/// The kernel counts no swap, and there is some.
pub(super) fn no_swap_accounting(file: &str) -> Lack {
    lack(
        format!(
            "the kernel does not count swap by cgroup ({file} is missing), and this machine has swap"
        ),
        "boot with `swapaccount=1`, or do without swap: `sudo swapoff -a`",
    )
}

/// On v1 swap is limited only together with memory.
pub(super) fn swap_needs_memory() -> Lack {
    lack(
        "cgroup v1 limits swap only together with memory",
        "give a memory ceiling too, or ask for no swap ceiling (`swap = \"none\"`)",
    )
}

/// The scheduler of this kernel cannot hold processor time back.
pub(super) fn no_bandwidth(file: &str) -> Lack {
    lack(
        format!("the kernel cannot hold processor time back ({file} is missing)"),
        "use a kernel that is built with CONFIG_CFS_BANDWIDTH, or ask for no such ceiling (`cpus = \"none\"`)",
    )
}
