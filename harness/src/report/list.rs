//! The selected cases, without running them.

use std::io::{self, Write};

use serde::Serialize;

use crate::case::Case;

/// Writes the names, one per line.
///
/// # Errors
/// When they cannot be written.
pub fn list_pretty<'a>(
    cases: impl IntoIterator<Item = &'a Case>,
    mut out: impl Write,
) -> io::Result<()> {
    for case in cases {
        writeln!(out, "{}", case.name)?;
    }
    out.flush()
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    file: String,
    tags: &'a [String],
    skip: Option<&'a str>,
}

/// Writes one JSON object per line: `name`, `file`, `tags`, and `skip` with the
/// author's reason or `null`.
///
/// # Errors
/// When they cannot be written.
pub fn list_jsonl<'a>(
    cases: impl IntoIterator<Item = &'a Case>,
    mut out: impl Write,
) -> io::Result<()> {
    for case in cases {
        let entry = Entry {
            name: &case.name,
            file: case.file.to_string_lossy().into_owned(),
            tags: &case.tags,
            skip: case.skip.as_deref(),
        };
        serde_json::to_writer(&mut out, &entry)?;
        writeln!(out)?;
    }
    out.flush()
}
