//! What is proved about a jar: the properties, read from outside while PID 1 has become
//! the shell and has not run anything yet, and after teardown.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::path::Path;

use belljar_harness::spec::Network;
use belljar_harness::{Evidence, Property, State};

use super::Error;
use super::blueprint::Init;
use super::capability;
use super::ids::Ids;
use super::mount_table::{judge_lower, judge_mounts};
use super::prepare::comm;
use super::procfs::{Process, Status, interfaces, mounts, numbers, sealed};
use super::request::Request;
use crate::cgroup::{Ceilings, JarCgroup};

/// What the caller itself is in, to compare with.
#[derive(Debug)]
pub(crate) struct Own {
    namespaces: HashMap<&'static str, u64>,
    /// Seccomp filters, which every child inherits.
    filters: u32,
}

impl Own {
    /// Reads them.
    pub(crate) fn read() -> Result<Self, Error> {
        let process = Process::open(nix::unistd::getpid().as_raw())?;
        let filters = Status::parse(&process.read("status")?).filters;
        Ok(Self { namespaces: process.namespaces()?, filters })
    }
}

/// What the parent knows of a jar when it looks at it.
pub(crate) struct Observed<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) init: &'a Init,
    pub(crate) ids: &'a Ids,
    pub(crate) own: &'a Own,
    pub(crate) cgroup: Option<&'a JarCgroup>,
    /// The ceilings that were asked of the kernel.
    pub(crate) asked: &'a Ceilings,
    pub(crate) lower: &'a Path,
    pub(crate) pid: i32,
    pub(crate) pidfd: BorrowedFd<'a>,
    /// The pipe that the script comes through, where ptrace(2) is refused.
    pub(crate) script_pipe: Option<BorrowedFd<'a>>,
}

/// Reads every property that can be seen while PID 1 stands still.
pub(crate) fn read(o: &Observed<'_>) -> Result<Vec<Evidence>, Error> {
    let process = Process::open(o.pid)?;
    let spaces = process.namespaces()?;
    let status = Status::parse(&process.read("status")?);
    let mountinfo = process.read("mountinfo")?;
    let mounts = mounts(&mountinfo);
    let separate = |name: &str| spaces.get(name) != o.own.namespaces.get(name);
    let space = |name: &str| {
        let number = spaces.get(name).copied().unwrap_or_default();
        let whose = if separate(name) { "its own" } else { "the caller's" };
        format!("{whose}, {name}:[{number}]")
    };
    let mut list = Vec::with_capacity(Property::ALL.len());
    let mut add = |property, held: Option<bool>, observed: String| {
        let state = match held {
            Some(true) => State::Held,
            Some(false) => State::Broken,
            None => State::NotAsked,
        };
        list.push(Evidence { property, state, observed });
    };

    let hostname = o.init.report.hostname();
    add(
        Property::Hostname,
        Some(hostname == o.request.spec.hostname && separate("uts")),
        format!("{hostname} ({})", space("uts")),
    );

    let name = process.read("comm")?.trim_end().to_owned();
    let exe = process.link("exe")?;
    let shell = o.request.spec.shell.first().map(String::as_str).unwrap_or_default();
    let is_shell = name == comm(shell) || comm(&exe) == comm(shell);
    let first = status.innermost_pid == Some(1);
    add(
        Property::PidNamespace,
        Some(first && is_shell && separate("pid")),
        format!("pid {} is {exe} ({})", status.innermost_pid.unwrap_or_default(), space("pid")),
    );

    let (table_held, table) = judge_mounts(o.init, &mounts);
    add(
        Property::MountNamespace,
        Some(table_held && separate("mnt")),
        format!("{table} ({})", space("mnt")),
    );

    let interfaces = interfaces(&process.read("net/dev")?);
    let asked = o.request.spec.network == Network::None;
    add(
        Property::NetworkNamespace,
        asked.then(|| separate("net") && sealed(&interfaces)),
        format!("interfaces {} ({})", interfaces.join(" "), space("net")),
    );
    add(Property::IpcNamespace, Some(separate("ipc")), space("ipc"));
    add(Property::CgroupNamespace, Some(separate("cgroup")), space("cgroup"));

    let map = numbers(&process.read("uid_map")?);
    let expected: Vec<u32> = o.ids.uid_map().into_iter().flatten().collect();
    add(
        Property::UserNamespace,
        Some(separate("user") && map == expected && o.ids.namespaced()),
        format!("{} ({})", o.ids.describe(), space("user")),
    );

    let in_cgroup = match o.cgroup {
        Some(cgroup) => cgroup.contains(&process.read("cgroup")?),
        None => false,
    };
    let now = match o.cgroup {
        Some(cgroup) => cgroup.reread()?,
        None => Ceilings::default(),
    };
    add_ceiling(&mut add, Property::MemoryCeiling, "bytes", o.asked.memory, now.memory, in_cgroup);
    add_ceiling(&mut add, Property::PidsCeiling, "processes", o.asked.pids, now.pids, in_cgroup);

    let wanted = capability::mask(&o.request.spec.capabilities, capability_count(o));
    let effective = if status.uid == o.ids.outer(0) { wanted } else { 0 };
    let sets_held = status.bounding == wanted
        && status.permitted == effective
        && status.effective == effective
        && status.inheritable == 0
        && status.ambient == 0;
    add(
        Property::Capabilities,
        Some(sets_held),
        format!(
            "effective {:x}, permitted {:x}, inheritable {:x}, bounding {:x}, ambient {:x}",
            status.effective, status.permitted, status.inheritable, status.bounding, status.ambient
        ),
    );
    add(
        Property::NoNewPrivileges,
        o.request.spec.no_new_privileges.then_some(status.no_new_privileges),
        if status.no_new_privileges { "set" } else { "not set" }.to_owned(),
    );
    let added = status.filters.saturating_sub(o.own.filters);
    add(
        Property::Seccomp,
        Some(status.filtered && added == 1),
        format!("filters of its own: {added}, of the caller: {}", o.own.filters),
    );

    let mut descriptors = process.descriptors(&status, o.pidfd)?;
    if let Some(pipe) = o.script_pipe {
        // The shell may have moved the pipe out of the way, or copied it.
        let link = process.pipe_name(pipe)?;
        descriptors
            .retain(|n| *n < 3 || process.link(&format!("fd/{n}")).ok() != Some(link.clone()));
    }
    let shown: Vec<String> = descriptors.iter().map(i32::to_string).collect();
    add(Property::Descriptors, Some(descriptors == [0, 1, 2]), shown.join(" "));

    let (untouched, seen) = judge_lower(o.lower, &mounts, o.request)?;
    add(Property::RootfsUntouched, Some(untouched), seen);
    Ok(list)
}

fn capability_count(o: &Observed<'_>) -> u8 {
    u8::try_from(o.init.last_capability).unwrap_or(63)
}

fn add_ceiling(
    add: &mut impl FnMut(Property, Option<bool>, String),
    property: Property,
    unit: &str,
    asked: Option<u64>,
    now: Option<u64>,
    in_cgroup: bool,
) {
    let seen = now.map_or("no limit".to_owned(), |n| format!("{n} {unit}"));
    let place = if in_cgroup { "" } else { ", but PID 1 is not in the sandbox's cgroup" };
    match asked {
        // The kernel counts whole pages.
        Some(wanted) => add(
            property,
            Some(in_cgroup && now.is_some_and(|n| n <= wanted && wanted - n < 65536)),
            format!("{seen}{place}"),
        ),
        None => add(property, None, "no limit was asked for".to_owned()),
    }
}
