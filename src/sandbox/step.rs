//! The steps of setting a sandbox up, by name: what an error says was being done.

/// One step between clone and exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Step {
    /// Nothing failed.
    None,
    Gate,
    ParentDeath,
    Propagation,
    Lower,
    Upper,
    UpperXattr,
    Bind,
    Staging,
    Ids,
    Folders,
    Overlay,
    MountPoint,
    Proc,
    Sys,
    Dev,
    DevNode,
    DevPts,
    Shm,
    Mask,
    ReadOnly,
    Cgroup,
    CgroupNamespace,
    CgroupMount,
    File,
    Hostname,
    Loopback,
    PivotRoot,
    DetachOldRoot,
    Workdir,
    Session,
    Terminal,
    Stdio,
    Keyring,
    Rlimit,
    Capabilities,
    NoNewPrivileges,
    Seccomp,
    Descriptors,
    Signals,
    Exec,
}

const ALL: [(Step, &str); 40] = [
    (Step::Gate, "waiting for the parent"),
    (Step::ParentDeath, "tying the sandbox to its parent's life (PR_SET_PDEATHSIG)"),
    (Step::Propagation, "making the mounts private"),
    (Step::Lower, "attaching the root filesystem as a lower layer"),
    (Step::Upper, "attaching the writable layer"),
    (Step::UpperXattr, "setting a user attribute on tmpfs"),
    (Step::Bind, "binding a path of the host"),
    (Step::Staging, "mounting the tmpfs of the writable layer"),
    (Step::Ids, "becoming the user inside"),
    (Step::Folders, "making the folders of the layers"),
    (Step::Overlay, "mounting the overlay"),
    (Step::MountPoint, "opening a mount point in the image without following links"),
    (Step::Proc, "mounting /proc"),
    (Step::Sys, "mounting /sys"),
    (Step::Dev, "mounting /dev"),
    (Step::DevNode, "binding a device node"),
    (Step::DevPts, "mounting /dev/pts"),
    (Step::Shm, "mounting /dev/shm"),
    (Step::Mask, "masking a path"),
    (Step::ReadOnly, "making a path read-only"),
    (Step::Cgroup, "joining the cgroups"),
    (Step::CgroupNamespace, "entering a cgroup namespace"),
    (Step::CgroupMount, "mounting /sys/fs/cgroup"),
    (Step::File, "laying down a file"),
    (Step::Hostname, "setting the hostname"),
    (Step::Loopback, "bringing up the loopback interface"),
    (Step::PivotRoot, "changing the root"),
    (Step::DetachOldRoot, "detaching the host's root"),
    (Step::Workdir, "entering the working directory"),
    (Step::Session, "starting a session"),
    (Step::Terminal, "opening a terminal"),
    (Step::Stdio, "arranging the standard streams"),
    (Step::Keyring, "starting a keyring"),
    (Step::Rlimit, "resetting the resource limits"),
    (Step::Capabilities, "reducing the capabilities"),
    (Step::NoNewPrivileges, "setting no_new_privs"),
    (Step::Seccomp, "installing the seccomp filter"),
    (Step::Descriptors, "closing the caller's descriptors"),
    (Step::Signals, "resetting the signals"),
    (Step::Exec, "executing the shell"),
];

impl Step {
    /// The failed step of this number, if one failed.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        ALL.iter().map(|(step, _)| *step).find(|step| *step as u32 == number)
    }

    /// What was being done, as a lowercase fragment.
    pub(crate) fn doing(self) -> &'static str {
        ALL.iter().find(|(step, _)| *step == self).map_or("starting", |(_, text)| text)
    }
}
