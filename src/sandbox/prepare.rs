//! From a specification to the tables that the child works through: pure preparation,
//! all of it before the clone.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32};

use belljar_harness::Property;
use belljar_harness::spec::{FileKind, Network};

use super::accounts::{Accounts, Identity};
use super::blueprint::{
    Cover, ExecArrays, Init, InitBind, InitContent, InitFile, InitStdio, Target,
};
use super::capability;
use super::ids::Ids;
use super::report::Report;
use super::request::{Program, Request};
use super::tables::{Place, Tables};
use super::{Error, SCRIPT_FOLDER};
use crate::seccomp::{self, Filter};

/// The search path inside.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Docker's size of `/dev/shm`.
const SHM: u64 = 64 << 20;

/// What of the surroundings goes into the tables.
pub(crate) struct Surroundings<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) accounts: &'a Accounts,
    pub(crate) ids: &'a Ids,
    /// Who runs the script.
    pub(crate) user: &'a Identity,
    /// The root filesystem.
    pub(crate) lower: &'a Path,
    /// The id-mapped clone of it.
    pub(crate) lower_mount: Option<RawFd>,
    /// Where the pieces are put together.
    pub(crate) staging: &'a Path,
    /// A folder on disk for the upper layer, where tmpfs will not do.
    pub(crate) upper: Option<&'a Path>,
    /// Open `tasks` files of the v1 cgroups to join.
    pub(crate) cgroup_doors: Vec<RawFd>,
    pub(crate) gate: RawFd,
    pub(crate) gate_writer: RawFd,
    pub(crate) dumpable: bool,
    pub(crate) stdio: InitStdio,
    pub(crate) script_pipe: Option<RawFd>,
}

/// Makes the tables.
pub(crate) fn prepare(request: &Request<'_>, s: Surroundings<'_>) -> Result<Init, Error> {
    let spec = request.spec;
    let off = |property| request.weaken.has(property);
    let identify = |user, what: &str| {
        s.accounts
            .identify(user, s.ids)
            .map_err(|e| Error::impossible(format!("cannot {what} of `{}`: {e}", spec.name)))
    };
    let user = s.user;
    let own_network = spec.network == Network::None && !off(Property::NetworkNamespace);
    let own_pids = !off(Property::PidNamespace);
    let keep_capabilities = off(Property::Capabilities);
    let all = capability::all(s.tables.last_capability);
    let bounding = if keep_capabilities {
        all
    } else {
        capability::mask(&spec.capabilities, s.tables.last_capability)
    };
    let root = user.uid == 0;
    let disk = spec.limits.disk.value;
    let mut files = Vec::with_capacity(spec.files.len());
    for file in &spec.files {
        let owner = identify(&file.owner, "find the owner of a file")?;
        let content = match &file.kind {
            FileKind::File(bytes) => InitContent::File(bytes.clone()),
            FileKind::Directory => InitContent::Directory,
            FileKind::Symlink(to) => InitContent::Symlink(text(to)?),
        };
        let target = target(&file.path)?;
        files.push(InitFile { target, content, mode: file.mode, uid: owner.uid, gid: owner.gid });
    }
    let mut binds = Vec::with_capacity(request.binds.len());
    for bind in request.binds {
        let kind = fs::metadata(&bind.source).map_err(|source| Error::Outside {
            doing: "looking at the source of a bind",
            source: std::io::Error::new(
                source.kind(),
                format!("{}: {source}", bind.source.display()),
            ),
            remedy: None,
        })?;
        binds.push(InitBind {
            source: path(&bind.source)?,
            target: target(&bind.target)?,
            is_dir: kind.is_dir(),
            read_only: bind.read_only,
            mount: AtomicI32::new(-1),
        });
    }
    let mut overlay_options = b"lowerdir=l,upperdir=s/u,workdir=s/w,userxattr".to_vec();
    if s.upper.is_some() {
        // The layer is thrown away: nothing is gained by writing it to disk.
        overlay_options.extend_from_slice(b",volatile");
    }
    let nosuid = if spec.no_new_privileges { libc::MS_NOSUID } else { 0 };
    // The last place that a tmpfs counts is its root folder; the kernel keeps a page for each.
    let staging_size = if s.upper.is_some() { 1 << 20 } else { disk.max(4096) };
    let inodes = staging_size / 4096 + 4096;
    let init = Init {
        gate: s.gate,
        gate_writer: s.gate_writer,
        cgroup_doors: s.cgroup_doors,
        staging: path(s.staging)?,
        staging_options: text(&format!(
            "size={staging_size},nr_inodes={inodes},mode=0755,uid=0,gid=0"
        ))?,
        lower_mount: s.lower_mount,
        lower_path: path(s.lower)?,
        upper_path: s.upper.map(path).transpose()?,
        overlay_options: CString::new(overlay_options).unwrap_or_default(),
        overlay_flags: libc::MS_NODEV | nosuid,
        become_root: s.ids.namespaced(),
        set_groups: s.ids.set_groups(),
        dumpable: usize::from(s.dumpable),
        own_files: own_files(request, s.lower, s.script_pipe.is_some())?,
        files,
        binds,
        own_proc: own_pids,
        own_sys: own_network,
        pts_gid: s.ids.has_gid(5).then(|| c"5".to_owned()),
        shm_size: text(&SHM.min(disk.max(4096)).to_string())?,
        devices: s.tables.devices.clone(),
        masked: covers(&s.tables.masked),
        read_only: covers(&s.tables.read_only),
        own_cgroup: s.tables.pure_v2 && !off(Property::CgroupNamespace) && s.ids.namespaced(),
        cgroup_namespace: !off(Property::CgroupNamespace),
        hostname: if off(Property::Hostname) { None } else { Some(text(&spec.hostname)?) },
        loopback: own_network,
        keep_old_root: off(Property::MountNamespace),
        keep_lower: off(Property::RootfsUntouched),
        workdir: components(&spec.workdir)?,
        stdio: s.stdio,
        give_pipes: request.program == Program::Script && matches!(s.ids, Ids::Ranges { .. }),
        script_pipe: s.script_pipe,
        keep_descriptors: off(Property::Descriptors),
        rlimits: s.tables.rlimits.clone(),
        uid: user.uid,
        gid: user.gid,
        groups: user.groups.clone(),
        bounding,
        // exec gives root its whole bounding set and others nothing (capabilities(7)).
        capabilities: if root { bounding } else { 0 },
        last_capability: usize::from(s.tables.last_capability),
        no_new_privileges: spec.no_new_privileges && !off(Property::NoNewPrivileges),
        filter: if off(Property::Seccomp) { None } else { Some(filter(bounding)?) },
        programs: programs(request)?,
        exec: exec(request, user, s.script_pipe.is_some())?,
        report: Report::new(),
    };
    Ok(init)
}

fn filter(capabilities: u64) -> Result<Arc<Filter>, Error> {
    seccomp::for_capabilities(capabilities)
        .map_err(|e| Error::impossible(format!("cannot compile the seccomp filter: {e}")))
}

/// The script's path inside.
pub(crate) fn script_path(name: &str) -> String {
    format!("/{SCRIPT_FOLDER}/{name}")
}

fn text(s: &str) -> Result<CString, Error> {
    CString::new(s)
        .map_err(|_| Error::impossible(format!("`{}` holds a NUL byte", s.escape_debug())))
}

fn path(p: &Path) -> Result<CString, Error> {
    // Relative paths are the caller's, and the child keeps its working directory until then.
    CString::new(p.as_os_str().as_bytes())
        .map_err(|_| Error::impossible(format!("the path `{}` holds a NUL byte", p.display())))
}

fn components(inside: &str) -> Result<Vec<CString>, Error> {
    inside
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".")
        .map(|name| {
            if name == ".." {
                return Err(Error::impossible(format!("the path `{inside}` inside contains `..`")));
            }
            text(name)
        })
        .collect()
}

fn target(inside: &str) -> Result<Target, Error> {
    let mut folders = components(inside)?;
    let name = folders.pop().ok_or_else(|| {
        Error::impossible(format!("`{inside}` names no file inside: it is the root"))
    })?;
    Ok(Target { folders, name, shown: text(inside)? })
}

fn covers(places: &[Place]) -> Vec<Cover> {
    places
        .iter()
        .map(|(path, is_dir)| Cover {
            path: path.clone(),
            is_dir: *is_dir,
            absent: AtomicBool::new(false),
        })
        .collect()
}

/// What belljar itself puts into every jar.
fn own_files(request: &Request<'_>, lower: &Path, by_pipe: bool) -> Result<Vec<InitFile>, Error> {
    let spec = request.spec;
    let file = |inside: &str, content: Vec<u8>, mode| {
        Ok::<_, Error>(InitFile {
            target: target(inside)?,
            content: InitContent::File(content),
            mode,
            uid: 0,
            gid: 0,
        })
    };
    let name = &spec.hostname;
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{name}\n"
    );
    let resolv = match spec.network {
        Network::None => b"# There is no network but the loopback interface.\n".to_vec(),
        Network::Host => fs::read("/etc/resolv.conf").unwrap_or_default(),
    };
    // The upper layer's folder stands for the image's own, so it takes that one's mode.
    let etc_mode = fs::symlink_metadata(lower.join("etc"))
        .ok()
        .filter(fs::Metadata::is_dir)
        .map_or(0o755, |m| m.permissions().mode() & 0o7777);
    let folder = |inside, mode| {
        Ok::<_, Error>(InitFile {
            target: target(inside)?,
            content: InitContent::Directory,
            mode,
            uid: 0,
            gid: 0,
        })
    };
    let mut files = vec![
        folder("etc", etc_mode)?,
        file("etc/hostname", format!("{name}\n").into_bytes(), 0o644)?,
        file("etc/hosts", hosts.into_bytes(), 0o644)?,
        file("etc/resolv.conf", resolv, 0o644)?,
    ];
    if request.program == Program::Script {
        files.push(folder(SCRIPT_FOLDER, 0o755)?);
        if !by_pipe {
            files.push(file(&script_path(&spec.script_name), spec.script.clone(), 0o555)?);
        }
    }
    Ok(files)
}

fn programs(request: &Request<'_>) -> Result<Vec<CString>, Error> {
    let program = request
        .spec
        .shell
        .first()
        .filter(|p| !p.is_empty())
        .ok_or_else(|| Error::impossible("`shell` is empty"))?;
    if program.contains('/') {
        return Ok(vec![text(program)?]);
    }
    let search = request.spec.env.get("PATH").map_or(PATH, String::as_str);
    search.split(':').map(|dir| text(&format!("{dir}/{program}"))).collect()
}

fn exec(request: &Request<'_>, user: &Identity, by_pipe: bool) -> Result<ExecArrays, Error> {
    let spec = request.spec;
    let mut argv = spec.shell.clone();
    if request.program == Program::Script {
        argv.push(if by_pipe { "/dev/fd/3".to_owned() } else { script_path(&spec.script_name) });
    }
    argv.extend(spec.args.iter().cloned());
    let mut env = vec![
        ("PATH", PATH),
        ("HOME", user.home.as_str()),
        ("LANG", "C.UTF-8"),
        ("HOSTNAME", spec.hostname.as_str()),
    ];
    env.retain(|(key, _)| !spec.env.contains_key(*key));
    env.extend(spec.env.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    let envp: Result<Vec<_>, _> = env.iter().map(|(k, v)| text(&format!("{k}={v}"))).collect();
    let argv: Result<Vec<_>, _> = argv.iter().map(|a| text(a)).collect();
    Ok(ExecArrays::new(argv?, envp?))
}

/// The name that the kernel shows for a program (`/proc/PID/comm`, 15 bytes).
pub(crate) fn comm(program: &str) -> String {
    let name = Path::new(program).file_name().unwrap_or(OsStr::new(program));
    String::from_utf8_lossy(&name.as_bytes()[..name.len().min(15)]).into_owned()
}
