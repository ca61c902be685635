//! The TOML of one file, and the way back from it to lines and columns.

use std::ops::Range;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Place};

/// One line of a file that carries TOML.
#[derive(Debug)]
struct Line {
    /// The line's number in the file, from 1.
    number: usize,
    /// Where its TOML begins in [`Source::toml`].
    start: usize,
    /// How many bytes of the line come before its TOML (`# `).
    prefix: usize,
    /// The whole line, without its line ending.
    text: String,
}

/// The TOML of one file with a map of its lines.
#[derive(Debug)]
pub(super) struct Source {
    /// The file, as a path that the caller can open.
    pub(super) path: PathBuf,
    /// The TOML, free of comment signs.
    pub(super) toml: String,
    lines: Vec<Line>,
}

impl Source {
    /// A source without any TOML yet.
    pub(super) fn empty(path: PathBuf) -> Self {
        Self { path, toml: String::new(), lines: Vec::new() }
    }

    /// A file that is TOML from end to end.
    pub(super) fn whole(path: PathBuf, text: &str) -> Self {
        let mut source = Self::empty(path);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            source.push(index + 1, line, 0);
        }
        source
    }

    /// Adds a line of the file, of which the first `prefix` bytes are no TOML.
    pub(super) fn push(&mut self, number: usize, line: &str, prefix: usize) {
        let text = line.trim_end_matches(['\n', '\r']);
        let prefix = prefix.min(text.len());
        self.lines.push(Line { number, start: self.toml.len(), prefix, text: text.to_owned() });
        self.toml.push_str(&text[prefix..]);
        self.toml.push('\n');
    }

    /// Where a stretch of the TOML stands in the file; its first line only.
    fn place(&self, span: &Range<usize>) -> Option<Place> {
        let index = self.lines.partition_point(|line| line.start <= span.start).checked_sub(1)?;
        let line = &self.lines[index];
        let at = |offset: usize| (line.prefix + offset - line.start).min(line.text.len());
        Some(place(line.number, &line.text, at(span.start)..at(span.end.max(span.start))))
    }

    /// A mistake at a stretch of the TOML.
    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            path: self.path.clone(),
            place: self.place(span),
            message: message.into(),
            help: None,
        }
    }
}

/// The place of a byte range of one line.
pub(super) fn place(number: usize, line: &str, bytes: Range<usize>) -> Place {
    let text = line.trim_end_matches(['\n', '\r']);
    let count = |end: usize| text.char_indices().take_while(|(at, _)| *at < end).count();
    let before = count(bytes.start);
    let width = count(bytes.end).saturating_sub(before).max(1);
    Place { line: number, column: before + 1, width, text: text.to_owned() }
}
