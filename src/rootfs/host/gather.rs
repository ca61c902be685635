//! Collects which files of the host a snapshot consists of.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::libraries::{Needs, SystemFolders, children, expand, needs};
use super::tools;
use crate::rootfs::RootfsError;

/// One thing of the host, at its own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Folder,
    Link(PathBuf),
    File(Stamp),
}

/// What changes whenever a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) time: (i64, i64),
    pub(super) executable: bool,
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            ino: meta.ino(),
            size: meta.len(),
            time: (meta.mtime(), meta.mtime_nsec()),
            executable: meta.mode() & 0o111 != 0,
        }
    }
}

/// What a snapshot consists of.
#[derive(Debug)]
pub(super) struct Gathered {
    /// By absolute path, so parents come first.
    pub(super) sources: BTreeMap<PathBuf, Source>,
    /// Folders whose change may mean that there is more to gather.
    pub(super) folders: Vec<PathBuf>,
}

/// Looks through the host.
pub(super) fn gather() -> Result<Gathered, RootfsError> {
    let mut gatherer = Gatherer {
        sources: BTreeMap::new(),
        system: SystemFolders::of_this_machine(),
        elves: HashMap::new(),
        configured: false,
    };
    for folder in tools::FOLDERS {
        gatherer.add(Path::new(folder));
    }
    let perl: Vec<PathBuf> = children(Path::new("/usr/lib"))
        .into_iter()
        .map(|path| path.join(tools::PERL_BASE))
        .filter(|path| path.is_dir())
        .collect();
    for name in tools::PROGRAMS {
        if *name == "perl" && perl.is_empty() {
            continue;
        }
        for folder in tools::PROGRAM_FOLDERS {
            if gatherer.program(&Path::new(folder).join(name)) {
                break;
            }
        }
    }
    let bash = ["/bin/bash", "/usr/bin/bash"]
        .into_iter()
        .find_map(|path| gatherer.add(Path::new(path)))
        .ok_or_else(|| RootfsError::Host {
            what: "it has no bash in /bin or /usr/bin".to_owned(),
        })?;
    let Some(Some(shell)) = gatherer.elves.get(&bash).cloned() else {
        return Err(RootfsError::Host {
            what: format!("a library that {} needs was not found", bash.display()),
        });
    };
    for name in tools::LOADED_LATER {
        gatherer.library(name, &shell, &bash, &[]);
    }
    for folder in &perl {
        gatherer.tree(folder);
    }
    for tree in tools::TREES {
        gatherer.tree(Path::new(tree));
    }
    for file in tools::FILES {
        gatherer.add(Path::new(file));
    }
    for base in children(Path::new("/usr/share/vim")) {
        // Without it `vi` greets with an error.
        gatherer.add(&base.join("defaults.vim"));
    }
    for terminal in tools::TERMINALS {
        let first = &terminal[..1];
        let hex = format!("{:x}", terminal.as_bytes()[0]);
        for base in tools::TERMINFO.map(Path::new) {
            if gatherer.add(&base.join(first).join(terminal)).is_some()
                || gatherer.add(&base.join(&hex).join(terminal)).is_some()
            {
                break;
            }
        }
    }
    if gatherer.configured {
        for file in ["/etc/ld.so.cache", "/etc/ld.so.conf"] {
            gatherer.add(Path::new(file));
        }
    }
    let mut folders: Vec<PathBuf> = tools::PROGRAM_FOLDERS.map(PathBuf::from).to_vec();
    folders.extend(gatherer.system.folders);
    folders.extend(perl);
    folders.retain(|folder| folder.is_dir());
    Ok(Gathered { sources: gatherer.sources, folders })
}

struct Gatherer {
    sources: BTreeMap<PathBuf, Source>,
    system: SystemFolders,
    /// ELF files that were looked at: what they need, or `None` where something is missing.
    elves: HashMap<PathBuf, Option<Needs>>,
    /// Whether a library is found only by the loader's configuration.
    configured: bool,
}

impl Gatherer {
    /// Takes what is at a path, with all folders and links on the way to it; gives where it
    /// really is. Takes nothing if it is not there, or not for everybody to read.
    fn add(&mut self, path: &Path) -> Option<PathBuf> {
        let mut found = Vec::new();
        let mut rest: VecDeque<OsString> = names(path);
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            if let Some(Source::Folder) = self.sources.get(&next) {
                here = next;
                continue;
            }
            let meta = fs::symlink_metadata(&next).ok()?;
            // Such names could not be told apart in the list that is kept.
            if next.as_os_str().as_bytes().contains(&b'\n') {
                return None;
            }
            if meta.is_symlink() {
                links += 1;
                let target = fs::read_link(&next).ok()?;
                if links > 40 || target.as_os_str().as_bytes().contains(&b'\n') {
                    return None;
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names(&target).into_iter().rev() {
                    rest.push_front(name);
                }
                found.push((next, Source::Link(target)));
            } else if meta.is_dir() {
                found.push((next.clone(), Source::Folder));
                here = next;
            } else if meta.is_file() && rest.is_empty() && meta.mode() & 0o004 != 0 {
                found.push((next.clone(), Source::File(Stamp::of(&meta))));
                here = next;
            } else {
                return None;
            }
        }
        self.sources.extend(found);
        Some(here)
    }

    /// Takes a program with all that it needs, or nothing of it.
    fn program(&mut self, path: &Path) -> bool {
        let Ok(real) = fs::canonicalize(path) else { return false };
        let usable = match head(&real).as_deref() {
            Some([0x7f, b'E', b'L', b'F', ..]) => self.elf(&real, &[]),
            Some([b'#', b'!', line @ ..]) => is_usable_script(line),
            _ => false,
        };
        usable && self.add(path).is_some()
    }

    /// Takes what an ELF file needs, not the file itself.
    fn elf(&mut self, path: &Path, inherited: &[PathBuf]) -> bool {
        if let Some(known) = self.elves.get(path) {
            return known.is_some();
        }
        let Some(needs) = fs::read(path).ok().as_deref().and_then(needs) else {
            self.elves.insert(path.to_owned(), None);
            return false;
        };
        // Known before its libraries are looked at: two of them may need each other.
        self.elves.insert(path.to_owned(), Some(needs.clone()));
        let complete = needs.loader.as_deref().is_none_or(|loader| self.add(loader).is_some())
            && needs.libraries.iter().all(|name| self.library(name, &needs, path, inherited));
        if !complete {
            self.elves.insert(path.to_owned(), None);
        }
        complete
    }

    /// Takes a library for the file `user`, and what the library needs; ld.so(8) has the order.
    fn library(&mut self, name: &str, user: &Needs, path: &Path, inherited: &[PathBuf]) -> bool {
        if name.starts_with('/') {
            let file = Path::new(name);
            return self.elf(file, &[]) && self.add(file).is_some();
        }
        let origin = path.parent().unwrap_or(Path::new("/"));
        let mut passed_on = Vec::new();
        let mut folders = Vec::new();
        match (&user.runpath, &user.rpath) {
            (Some(runpath), _) => folders = expand(runpath, origin),
            (None, Some(rpath)) => {
                passed_on = expand(rpath, origin);
                folders.clone_from(&passed_on);
            }
            (None, None) => {}
        }
        passed_on.extend_from_slice(inherited);
        folders.extend_from_slice(inherited);
        folders.extend_from_slice(&self.system.folders);
        for folder in folders {
            let file = folder.join(name);
            let Ok(real) = fs::canonicalize(&file) else { continue };
            if !self.elf(&real, &passed_on) {
                continue;
            }
            let fits = self.elves.get(&real).and_then(Option::as_ref).map(|it| it.kind);
            if fits == Some(user.kind) && self.add(&file).is_some() {
                self.configured |= self.system.needs_configuration(&folder);
                return true;
            }
        }
        false
    }

    /// Takes a folder with everything in it, and what its libraries need.
    fn tree(&mut self, folder: &Path) {
        if !folder.is_dir() || self.add(folder).is_none() {
            return;
        }
        for path in children(folder) {
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_dir() {
                self.tree(&path);
            } else if path.extension() != Some(OsStr::new("so")) || self.elf(&path, &[]) {
                self.add(&path);
            }
        }
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// The first bytes of a file.
fn head(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(128).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether the interpreter on the first line of a script is one that gets in too.
fn is_usable_script(line: &[u8]) -> bool {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let name = |word: &[u8]| word.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
    let known = |name: &[u8]| tools::INTERPRETERS.iter().any(|it| it.as_bytes() == name);
    match words.next().and_then(name) {
        Some(first) if first == b"env" => words.next().is_some_and(known),
        Some(first) => known(&first),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_usable_script;

    #[test]
    fn scripts_need_an_interpreter_that_is_there() {
        assert!(is_usable_script(b"/bin/sh -e\nexit"));
        assert!(is_usable_script(b" /usr/bin/env bash\n"));
        assert!(!is_usable_script(b"/usr/bin/env python3\n"));
        assert!(!is_usable_script(b"/usr/bin/python3\n"));
        assert!(!is_usable_script(b"\n/bin/sh"));
    }
}
