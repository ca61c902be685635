//! The `files` table: what is laid into the sandbox before the start.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::keys::Table;
use super::layer::At;
use super::reader::{Reader, Value};
use super::values::{self, Refusal};
use crate::spec::{FileKind, FileSpec, User};

/// Where the fixtures of one file are looked for; both paths are canonical.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixtureBase<'a> {
    /// The folder of the file that names them.
    pub(super) folder: &'a Path,
    /// The case root, which no fixture may leave.
    pub(super) root: &'a Path,
}

/// Reads the table and every fixture that it names, by the path inside.
pub(super) fn read(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    base: FixtureBase<'_>,
) -> BTreeMap<String, At<Vec<FileSpec>>> {
    let mut files: BTreeMap<String, At<Vec<FileSpec>>> = BTreeMap::new();
    for (key, value) in reader.table("files", value).into_iter().flatten() {
        let named: &str = key.get_ref();
        let inside = match values::inside_path(named) {
            Ok(_) if named.contains('\0') => Err(Refusal::bare("a path cannot hold a NUL byte")),
            other => other,
        };
        let inside = match inside {
            Ok(inside) => inside,
            Err(refusal) => {
                reader.refuse(&key.span(), refusal.message, refusal.help);
                continue;
            }
        };
        let entries = match value.get_ref() {
            DeValue::String(_) => reader
                .parsed(&format!("files.{named:?}"), value, |text| fixture(&inside, text, base)),
            DeValue::Table(table) => written(reader, &inside, value, table).map(|file| vec![file]),
            _ => {
                let help = "write \"fixture\" or { content = \"...\", mode = \"0644\" }".to_owned();
                let wanted = "the path of a fixture or a table";
                reader.mistyped(&format!("files.{named:?}"), value, wanted, Some(help));
                None
            }
        };
        if let Some(entries) = entries {
            let at = At { value: entries, span: key.span() };
            if files.insert(inside.clone(), at).is_some() {
                reader.refuse(&key.span(), format!("`{inside}` is written twice"), None);
            }
        }
    }
    files
}

/// A file whose content stands in the table.
fn written(
    reader: &mut Reader<'_>,
    inside: &str,
    value: &Value<'_>,
    table: &DeTable<'_>,
) -> Option<FileSpec> {
    let mut file = FileSpec {
        path: inside.to_owned(),
        kind: FileKind::File(Vec::new()),
        mode: 0o644,
        owner: User::Root,
    };
    let mut complete = inside != "/";
    if !complete {
        reader.refuse(&value.span(), "`/` is a folder, not a file", None);
    }
    let mut has_content = false;
    for (key, value) in table {
        let name: &str = key.get_ref();
        let read = match name {
            "content" => {
                has_content = true;
                reader
                    .text(name, value)
                    .map(|text| file.kind = FileKind::File(text.as_bytes().to_vec()))
            }
            "mode" => mode(reader, name, value).map(|mode| file.mode = mode),
            "owner" => reader.user(name, value).map(|owner| file.owner = owner),
            _ => {
                reader.unknown(Table::File, key);
                None
            }
        };
        complete &= read.is_some();
    }
    if !has_content {
        let help = "write content = \"...\", or the path of a fixture in place of the table";
        reader.refuse(&value.span(), format!("`{inside}` lacks `content`"), Some(help.to_owned()));
    }
    (complete && has_content).then_some(file)
}

/// Permission bits: octal digits in a string, since TOML has no `0755`.
fn mode(reader: &mut Reader<'_>, name: &str, value: &Value<'_>) -> Option<u32> {
    if let DeValue::Integer(number) = value.get_ref() {
        let help = match number.radix() {
            8 | 10 => format!("write \"0{}\"", number.as_str()),
            _ => "write such as \"0755\"".to_owned(),
        };
        reader.mistyped(name, value, "octal digits, as a string", Some(help));
        return None;
    }
    reader.parsed(name, value, |text| {
        let octal = (3..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| octal && *bits <= 0o7777);
        bits.ok_or_else(|| {
            Refusal::new(format!("`{text}` is no mode"), "write octal digits such as \"0755\"")
        })
    })
}

/// Reads a fixture, a folder with all that is in it.
fn fixture(inside: &str, named: &str, base: FixtureBase<'_>) -> Result<Vec<FileSpec>, Refusal> {
    let source = locate(named, base)?;
    let mut entries = Vec::new();
    if inside == "/" && !source.is_dir() {
        return Err(Refusal::bare("`/` is a folder, not a file"));
    }
    collect(inside, &source, &mut entries)?;
    Ok(entries)
}

/// Finds a fixture: it exists, and beneath the case root wherever links lead.
fn locate(named: &str, base: FixtureBase<'_>) -> Result<PathBuf, Refusal> {
    let source = base.folder.join(named).canonicalize().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Refusal::new(
                format!("the fixture `{named}` does not exist"),
                format!("it is looked for in {}", base.folder.display()),
            )
        } else {
            Refusal::bare(format!("the fixture `{named}` cannot be found: {error}"))
        }
    })?;
    if !source.starts_with(base.root) {
        return Err(Refusal::new(
            format!("the fixture `{named}` lies outside of the case root"),
            format!("move it into {}", base.root.display()),
        ));
    }
    Ok(source)
}

/// Adds a file, a link, or a folder and all that is in it; parents first.
fn collect(inside: &str, source: &Path, entries: &mut Vec<FileSpec>) -> Result<(), Refusal> {
    let failed = |error: io::Error| {
        Refusal::bare(format!("the fixture {} cannot be read: {error}", source.display()))
    };
    let metadata = fs::symlink_metadata(source).map_err(failed)?;
    let kind = metadata.file_type();
    let mut push = |kind: FileKind, mode: u32| {
        entries.push(FileSpec { path: inside.to_owned(), kind, mode, owner: User::Root });
    };
    if kind.is_symlink() {
        let target = fs::read_link(source).map_err(failed)?;
        let target = target.to_str().ok_or_else(|| not_utf8(source))?;
        push(FileKind::Symlink(target.to_owned()), 0o777);
    } else if kind.is_file() {
        // The rest of the bits depends on who checked the folder out.
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let content = fs::read(source).map_err(failed)?;
        push(FileKind::File(content), if executable { 0o755 } else { 0o644 });
    } else if kind.is_dir() {
        if inside != "/" {
            push(FileKind::Directory, 0o755);
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(source).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        for name in names {
            let child = source.join(&name);
            let name = name.to_str().ok_or_else(|| not_utf8(&child))?;
            collect(&format!("{}/{name}", inside.trim_end_matches('/')), &child, entries)?;
        }
    } else {
        return Err(Refusal::bare(format!(
            "the fixture {} is neither a file, a folder nor a symbolic link",
            source.display()
        )));
    }
    Ok(())
}

fn not_utf8(path: &Path) -> Refusal {
    Refusal::bare(format!("the fixture {} has a name that is not UTF-8", path.display()))
}

/// The fixtures that some TOML names, as far as they can be found: enough to
/// know which files are no cases, without checking anything.
pub(super) fn fixtures_named(toml: &str, base: FixtureBase<'_>) -> Vec<PathBuf> {
    // Most cases name none, and then the TOML need not be read.
    if !toml.contains("files") {
        return Vec::new();
    }
    let Ok(table) = DeTable::parse(toml) else { return Vec::new() };
    let files = table.get_ref().get("files").and_then(|value| value.get_ref().as_table());
    files
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| locate(value.get_ref().as_str()?, base).ok())
        .collect()
}
