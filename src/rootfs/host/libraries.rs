//! Which libraries an ELF file asks for, and where the host has them.
//!
//! Read from the files themselves: neither `ldd` nor a loader is run, so any libc will do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::abi::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, PT_INTERP, PT_LOAD};
use elf::endian::AnyEndian;

/// What an ELF file says about the libraries it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Class (32 or 64 bit) and machine: a library must have the same.
    pub(super) kind: (u8, u16),
    /// The dynamic loader; libraries and static programs have none.
    pub(super) loader: Option<PathBuf>,
    pub(super) libraries: Vec<String>,
    pub(super) rpath: Option<String>,
    pub(super) runpath: Option<String>,
}

/// Reads an ELF file; `None` for anything else.
pub(super) fn needs(bytes: &[u8]) -> Option<Needs> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).ok()?;
    let kind = (*bytes.get(4)?, file.ehdr.e_machine);
    let mut needs = Needs { kind, ..Needs::default() };
    let Some(segments) = file.segments() else { return Some(needs) };
    let range = |offset: u64, size: u64| -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    };
    for segment in segments.iter().filter(|segment| segment.p_type == PT_INTERP) {
        needs.loader = text(range(segment.p_offset, segment.p_filesz)?).map(PathBuf::from);
    }
    let Some(dynamic) = file.dynamic().ok()? else { return Some(needs) };
    let tag =
        |wanted| dynamic.iter().find(|entry| entry.d_tag == wanted).map(elf::dynamic::Dyn::d_val);
    let (Some(address), Some(size)) = (tag(DT_STRTAB), tag(DT_STRSZ)) else {
        return Some(needs);
    };
    // The table is named by its address in memory.
    let offset = segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr)?;
        (segment.p_type == PT_LOAD && within < segment.p_filesz)
            .then(|| segment.p_offset.checked_add(within))?
    })?;
    let strings = range(offset, size)?;
    let string = |at: u64| text(strings.get(usize::try_from(at).ok()?..)?);
    for entry in dynamic.iter() {
        match entry.d_tag {
            DT_NEEDED => needs.libraries.push(string(entry.d_val())?),
            DT_RPATH => needs.rpath = string(entry.d_val()),
            DT_RUNPATH => needs.runpath = string(entry.d_val()),
            _ => {}
        }
    }
    Some(needs)
}

/// The text up to the first byte 0.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).ok().map(str::to_owned)
}

/// The folders of an RPATH or RUNPATH of a file that lies in `origin` (ld.so(8)).
pub(super) fn expand(list: &str, origin: &Path) -> Vec<PathBuf> {
    let origin = origin.to_string_lossy();
    list.split(':')
        .filter(|part| !part.is_empty())
        .map(|part| part.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin).into())
        .filter(|part: &PathBuf| part.is_absolute())
        .collect()
}

/// Where the host's loaders look by themselves.
#[derive(Debug)]
pub(super) struct SystemFolders {
    pub(super) folders: Vec<PathBuf>,
    /// Those of them that only configuration names, not the loader.
    configured: BTreeSet<PathBuf>,
}

impl SystemFolders {
    pub(super) fn of_this_machine() -> Self {
        let mut folders = Vec::new();
        for base in ["/lib", "/usr/lib"] {
            // Debian's multiarch folders, such as x86_64-linux-gnu.
            folders.extend(children(Path::new(base)).into_iter().filter(|path| {
                path.file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|n| n.contains("-linux-"))
            }));
        }
        folders.extend(
            ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib32", "/usr/lib32"].map(PathBuf::from),
        );
        let mut configured = BTreeSet::new();
        let mut named = Vec::new();
        read_conf(Path::new("/etc/ld.so.conf"), 0, &mut named);
        for path in children(Path::new("/etc")) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("ld-musl-") && path.extension().is_some_and(|end| end == "path") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                named.extend(text.split([':', '\n']).map(str::trim).map(PathBuf::from));
            }
        }
        for folder in named {
            if folder.is_absolute() && !folders.contains(&folder) {
                configured.insert(folder.clone());
                folders.push(folder);
            }
        }
        Self { folders, configured }
    }

    /// Whether a loader finds this folder only by the host's configuration.
    pub(super) fn needs_configuration(&self, folder: &Path) -> bool {
        self.configured.contains(folder)
    }
}

/// The folders that an `ld.so.conf` names, those of the files that it includes too.
fn read_conf(path: &Path, depth: u32, folders: &mut Vec<PathBuf>) {
    let Ok(text) = fs::read_to_string(path) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include ") {
            // In practice the pattern is always DIR/*.conf.
            let pattern = Path::new("/etc").join(pattern.trim());
            if depth < 4 && pattern.file_name().is_some_and(|name| name == "*.conf") {
                for file in children(pattern.parent().unwrap_or(Path::new("/"))) {
                    if file.extension().is_some_and(|end| end == "conf") {
                        read_conf(&file, depth + 1, folders);
                    }
                }
            } else if depth < 4 {
                read_conf(&pattern, depth + 1, folders);
            }
        } else if line.starts_with('/') {
            folders.push(line.trim_end_matches('/').into());
        }
    }
}

/// What is in a folder, sorted; nothing if it cannot be read.
pub(super) fn children(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{expand, needs};

    #[test]
    fn this_test_binary_needs_a_libc_and_a_loader() {
        let found = needs(&std::fs::read("/proc/self/exe").unwrap()).unwrap();
        assert!(found.libraries.iter().any(|name| name.starts_with("libc.")), "{found:?}");
        assert!(found.loader.unwrap().is_absolute());
    }

    #[test]
    fn what_is_no_elf_file() {
        assert_eq!(needs(b"#!/bin/sh\n"), None);
        assert_eq!(needs(b"\x7fELF"), None);
    }

    #[test]
    fn origins() {
        let found = expand("$ORIGIN/../lib:/opt/lib::relative:${ORIGIN}", Path::new("/usr/bin"));
        let expected = ["/usr/bin/../lib", "/opt/lib", "/usr/bin"].map(PathBuf::from);
        assert_eq!(found, expected);
    }
}
