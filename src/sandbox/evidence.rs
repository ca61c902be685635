//! What is proved about a jar: the properties, read from outside while PID 1 has become
//! the shell and has not run anything yet, and after teardown.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use belljar_harness::spec::Network;
use belljar_harness::{Evidence, Property, State};

use super::Error;
use super::capability;
use super::ids::Ids;
use super::init::Init;
use super::prepare::comm;
use super::request::Request;
use crate::cgroup::{Ceilings, JarCgroup};

/// The namespaces that are compared with the caller's.
const NAMESPACES: [&str; 7] = ["uts", "pid", "mnt", "net", "ipc", "cgroup", "user"];

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
        let process = Process::open(std::process::id().cast_signed())?;
        let filters = Status::parse(&process.read("status")?).filters;
        Ok(Self { namespaces: process.namespaces()?, filters })
    }
}

/// One process's folder in `/proc`, held open.
struct Process {
    folder: File,
    pid: i32,
}

impl Process {
    fn open(pid: i32) -> Result<Self, Error> {
        let folder = File::open(format!("/proc/{pid}"))
            .map_err(|e| Error::outside("opening the sandbox's folder in /proc", e))?;
        Ok(Self { folder, pid })
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC;
        let read = || {
            let file =
                nix::fcntl::openat(&self.folder, name, flags, nix::sys::stat::Mode::empty())?;
            let mut bytes = Vec::with_capacity(4096);
            File::from(file).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().map_err(|e| self.error(name, &e))
    }

    fn link(&self, name: &str) -> Result<String, Error> {
        nix::fcntl::readlinkat(&self.folder, name)
            .map(|text| text.to_string_lossy().into_owned())
            .map_err(|e| self.error(name, &e.into()))
    }

    fn error(&self, name: &str, source: &std::io::Error) -> Error {
        Error::Outside {
            doing: "reading the evidence of isolation",
            source: std::io::Error::new(
                source.kind(),
                format!("/proc/{}/{name}: {source}", self.pid),
            ),
            remedy: None,
        }
    }

    fn namespaces(&self) -> Result<HashMap<&'static str, u64>, Error> {
        NAMESPACES
            .iter()
            .map(|name| {
                // `uts:[4026531838]`
                let link = self.link(&format!("ns/{name}"))?;
                let digits = link.trim_end_matches(']').rsplit('[').next().unwrap_or_default();
                let number = digits.parse().map_err(|_| {
                    self.error(name, &std::io::Error::other(format!("`{link}` is no namespace")))
                })?;
                Ok((*name, number))
            })
            .collect()
    }

    /// What a link to this pipe says.
    fn pipe_name(&self, pipe: BorrowedFd<'_>) -> Result<String, Error> {
        let stat = nix::sys::stat::fstat(pipe).map_err(|e| self.error("fd", &e.into()))?;
        Ok(format!("pipe:[{}]", stat.st_ino))
    }

    fn descriptors(&self, status: &Status, pidfd: BorrowedFd<'_>) -> Result<Vec<i32>, Error> {
        let folder = match fs::read_dir(format!("/proc/self/fd/{}/fd", self.folder.as_raw_fd())) {
            // The folder belongs to a subordinate id, which its user cannot read: ask one by one.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return (0..status.descriptor_slots)
                    .filter_map(|n| is_open(pidfd, n).map(|open| open.then_some(n)).transpose())
                    .collect::<Result<_, _>>()
                    .map_err(|e| self.error("fd", &e));
            }
            other => other.map_err(|e| self.error("fd", &e))?,
        };
        let mut found: Vec<i32> =
            folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        found.sort_unstable();
        Ok(found)
    }
}

/// Whether a process has this descriptor, by taking a copy of it (pidfd_getfd(2), Linux 5.6).
fn is_open(pidfd: BorrowedFd<'_>, number: i32) -> std::io::Result<bool> {
    // SAFETY: no memory is passed.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    if copy < 0 {
        let error = std::io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::EBADF) { Ok(false) } else { Err(error) };
    }
    // SAFETY: the kernel just opened it for us, as an int.
    drop(unsafe { OwnedFd::from_raw_fd(i32::try_from(copy).map_err(std::io::Error::other)?) });
    Ok(true)
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
        asked.then(|| separate("net") && interfaces == ["lo"]),
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

/// What `/proc/PID/status` says of privileges.
#[derive(Default)]
struct Status {
    innermost_pid: Option<u32>,
    uid: u32,
    inheritable: u64,
    permitted: u64,
    effective: u64,
    bounding: u64,
    ambient: u64,
    no_new_privileges: bool,
    /// Whether system calls are filtered (mode 2), and by how many filters (Linux 5.9).
    filtered: bool,
    filters: u32,
    descriptor_slots: i32,
}

impl Status {
    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let hex = || u64::from_str_radix(value, 16).unwrap_or(u64::MAX);
            match key {
                "NSpid" => {
                    status.innermost_pid = value.rsplit('\t').next().and_then(|n| n.parse().ok());
                }
                "Uid" => {
                    let first = value.split('\t').next();
                    status.uid = first.and_then(|n| n.parse().ok()).unwrap_or(u32::MAX);
                }
                "CapInh" => status.inheritable = hex(),
                "CapPrm" => status.permitted = hex(),
                "CapEff" => status.effective = hex(),
                "CapBnd" => status.bounding = hex(),
                "CapAmb" => status.ambient = hex(),
                "FDSize" => status.descriptor_slots = value.parse().unwrap_or(0),
                "NoNewPrivs" => status.no_new_privileges = value == "1",
                "Seccomp" => status.filtered = value == "2",
                "Seccomp_filters" => status.filters = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        status
    }
}

/// One line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    device: &'a str,
    target: &'a str,
    options: &'a str,
    kind: &'a str,
}

impl Mount<'_> {
    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|o| o == option)
    }
}

fn mounts(text: &str) -> Vec<Mount<'_>> {
    text.lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let fields: Vec<&str> = left.split(' ').collect();
            Some(Mount {
                device: fields.get(2)?,
                target: fields.get(4)?,
                options: fields.get(5)?,
                kind: right.split(' ').next()?,
            })
        })
        .collect()
}

/// One mount that the table has to have: its file system (any where there is none), whether it
/// must be read-only, and whether devices can be opened through it.
struct Wanted {
    kind: Option<&'static str>,
    read_only: bool,
    devices: bool,
    set_ids: bool,
}

/// Compares the mount table with the one that was built.
fn judge_mounts(init: &Init, mounts: &[Mount<'_>]) -> (bool, String) {
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

fn bind_target(bind: &super::init::InitBind) -> String {
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
fn judge_lower(
    lower: &Path,
    mounts: &[Mount<'_>],
    request: &Request<'_>,
) -> Result<(bool, String), Error> {
    let device =
        fs::metadata(lower).map_err(|e| Error::outside("looking at the root filesystem", e))?.dev();
    let device = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let root = mounts.iter().find(|m| m.target == "/");
    if !root.is_some_and(|m| m.kind == "overlay") {
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

/// The names of the interfaces in `/proc/PID/net/dev`.
fn interfaces(text: &str) -> Vec<String> {
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|n| n.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Mount, Status, interfaces, mounts, octal};

    #[test]
    fn proc_files_are_understood() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=c\n";
        let expected =
            Mount { device: "98:0", target: "/mnt\\0402", options: "rw,noatime", kind: "ext3" };
        assert_eq!(mounts(text), [expected]);
        assert_eq!(octal("/mnt 2"), "/mnt\\0402");
        assert_eq!(interfaces("Inter-| R\n face |b\n    lo: 0 0\n  eth0: 1 2\n"), ["lo", "eth0"]);
        let status = Status::parse(
            "Name:\tbash\nUid:\t0\t0\t0\t0\nNSpid:\t512\t1\nCapInh:\t0000000000000000\n\
             CapPrm:\t00000000a00425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n\
             Seccomp_filters:\t3\n",
        );
        assert_eq!(status.innermost_pid, Some(1));
        assert_eq!(status.permitted, 0xa004_25fb);
        assert!(status.no_new_privileges && status.filtered);
        assert_eq!(status.filters, 3);
    }
}
