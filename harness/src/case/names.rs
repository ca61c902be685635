//! Names of cases: `memory/oom-kill.sh` is `memory::oom-kill`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a case file's name ends in.
const EXTENSION: &str = ".sh";

/// The name of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The name; a byte that no name may have is written as `%XX`, which keeps
    /// the name unique and lets an invalid case be listed and looked up.
    pub(super) text: String,
    /// Whether every component is made of `[A-Za-z0-9._+-]`.
    pub(super) valid: bool,
}

/// Whether a byte may stand in a name.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-".contains(&byte)
}

/// Whether a text can be one component of a name.
pub(super) fn is_component(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_plain)
}

/// The stem of a file name that ends in `.sh`.
pub(super) fn stem(file_name: &[u8]) -> Option<&[u8]> {
    file_name.strip_suffix(EXTENSION.as_bytes()).filter(|stem| !stem.is_empty())
}

/// Whether a file or folder name keeps what it names from being a case.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'_' | b'.'))
}

/// The name of the case (or folder) at `relative`, a path below the case root.
pub(super) fn name_of(relative: &Path) -> Name {
    let mut name = Name { text: String::new(), valid: true };
    let mut components = relative.components().peekable();
    while let Some(component) = components.next() {
        let bytes = component.as_os_str().as_bytes();
        let last = components.peek().is_none();
        let bytes = if last { stem(bytes).unwrap_or(bytes) } else { bytes };
        if !name.text.is_empty() {
            name.text.push_str("::");
        }
        for byte in bytes {
            if is_plain(*byte) {
                name.text.push(char::from(*byte));
            } else {
                name.valid = false;
                // Writing to a String cannot fail.
                let _ = write!(name.text, "%{byte:02X}");
            }
        }
    }
    name
}

/// The path, below the case root and without `.sh`, of the case with this name;
/// `None` for what is no name of a case.
pub(super) fn path_of(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in name.split("::") {
        let bytes = decoded(component)?;
        if bytes.is_empty() || is_hidden(&bytes) || bytes.contains(&b'/') || bytes.contains(&0) {
            return None;
        }
        path.push(OsString::from_vec(bytes));
    }
    // Only the one spelling that listing gives.
    let mut file = path.clone().into_os_string();
    file.push(EXTENSION);
    (name_of(Path::new(&file)).text == name).then_some(path)
}

/// The file of the case at `path`, a path without `.sh`.
pub(super) fn with_extension(path: PathBuf) -> PathBuf {
    let mut file = path.into_os_string();
    file.push(EXTENSION);
    PathBuf::from(file)
}

/// A component with each `%XX` made a byte again.
fn decoded(component: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(component.len());
    let mut rest = component.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_path_without_its_extension() {
        let name = name_of(Path::new("memory/oom-kill.sh"));
        assert_eq!(name, Name { text: "memory::oom-kill".to_owned(), valid: true });
        assert_eq!(name_of(Path::new("a.b/c.sh.sh")).text, "a.b::c.sh");
    }

    #[test]
    fn names_lead_back_to_their_paths() {
        for path in ["memory/oom-kill.sh", "a b/ü.sh", "x%y.sh", "a.sh.sh"] {
            let name = name_of(Path::new(path)).text;
            let back = with_extension(path_of(&name).expect("a name"));
            assert_eq!(back, Path::new(path), "{name}");
        }
        assert!(!name_of(Path::new("a b.sh")).valid);
    }

    #[test]
    fn what_listing_never_gives_is_no_name() {
        for name in
            ["", "a::", "::a", "..::a", "_x", "a::.b", "a/b", "%2E%2E::a", "a%2", "%61", "a b"]
        {
            assert_eq!(path_of(name), None, "{name}");
        }
    }
}
