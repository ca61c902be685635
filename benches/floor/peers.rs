//! Other programs that run a script in namespaces of its own.
//!
//! Each is asked for the same: new mount, pid, uts, ipc, network and cgroup namespaces (a user
//! namespace where the caller is not root), the same root filesystem, and `bash FILE` in it.
//! Most of them do less than a jar does: see the README beside this folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::contender::{Contender, Kind, Result};

/// The script's path in the root filesystem.
pub(crate) const INSIDE: &str = "/floor.sh";

/// Who is here, and the names of those who are not.
pub(crate) fn contenders<'a>(
    root: &'a Path,
    temp: &'a Path,
) -> Result<(Vec<Contender<'a>>, Vec<String>)> {
    let mut list = Vec::new();
    let mut absent = Vec::new();
    let rootless = !nix::unistd::geteuid().is_root();
    let mut add = |program: &str, args: &mut dyn FnMut(&mut Command) -> Result<()>| -> Result<()> {
        let Some(path) = find(program) else {
            absent.push(program.to_owned());
            return Ok(());
        };
        let mut command = Command::new(path);
        args(&mut command)?;
        list.push(Contender {
            name: program.to_owned(),
            kind: Kind::Peer,
            batch: 1,
            run: Box::new(move || succeed(&mut command)),
        });
        Ok(())
    };
    add("unshare", &mut |c| {
        c.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork"]);
        if rootless {
            c.args(["--user", "--map-root-user"]);
        }
        c.arg("--root").arg(root).args(["--mount-proc", "/bin/bash", INSIDE]);
        Ok(())
    })?;
    add("bwrap", &mut |c| {
        c.args(["--unshare-all", "--hostname", "belljar", "--ro-bind"]).arg(root).arg("/");
        c.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/bin/bash", INSIDE]);
        Ok(())
    })?;
    add("nsjail", &mut |c| {
        c.args(["-Mo", "--quiet", "--hostname", "belljar", "--chroot"]).arg(root);
        c.args(["--", "/bin/bash", INSIDE]);
        Ok(())
    })?;
    let runc = find("runc");
    add("runc", &mut |c| {
        let bundle = bundle(&temp.join("runc"), root, runc.as_deref(), rootless)?;
        c.arg("--root").arg(temp.join("runc-state")).args(["run", "--bundle"]).arg(bundle);
        c.arg("belljar-floor");
        Ok(())
    })?;
    let crun = find("crun");
    add("crun", &mut |c| {
        let bundle = bundle(&temp.join("crun"), root, crun.as_deref(), rootless)?;
        c.arg("--root").arg(temp.join("crun-state")).args(["run", "--bundle"]).arg(bundle);
        c.arg("belljar-floor");
        Ok(())
    })?;
    add("systemd-nspawn", &mut |c| {
        c.args(["--quiet", "--register=no", "--keep-unit", "--private-network"]);
        c.args(["--volatile=overlay", "--directory"]).arg(root).args(["/bin/bash", INSIDE]);
        Ok(())
    })?;
    add("podman", &mut |c| {
        let rootfs = format!("{}:O", root.display());
        c.args(["run", "--rm", "--network=none", "--rootfs", &rootfs, "/bin/bash", INSIDE]);
        Ok(())
    })?;
    add("hakoniwa", &mut |c| {
        c.args(["run", "--rootfs"]).arg(root).args(["--", "/bin/bash", INSIDE]);
        Ok(())
    })?;
    Ok((list, absent))
}

/// Runs a command to its end; what it said is part of the error.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default();
    Err(format!("{}: {last}", output.status).into())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A bundle as the runtime itself writes it, with our root filesystem and script.
fn bundle(folder: &Path, root: &Path, runtime: Option<&Path>, rootless: bool) -> Result<PathBuf> {
    fs::create_dir(folder)?;
    let mut spec = Command::new(runtime.ok_or("no runtime")?);
    spec.arg("spec").current_dir(folder);
    if rootless {
        spec.arg("--rootless");
    }
    succeed(&mut spec)?;
    let file = folder.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    config["root"] = serde_json::json!({ "path": root, "readonly": true });
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = serde_json::json!(["/bin/bash", INSIDE]);
    fs::write(&file, serde_json::to_vec(&config)?)?;
    Ok(folder.to_owned())
}
