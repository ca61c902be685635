//! What is wrong with a case file, and where, in the manner of rustc.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file or folder, as a path that the caller can open.
    pub path: PathBuf,
    /// Where in the file; `None` when the whole file is meant.
    pub place: Option<Place>,
    /// What is wrong, in one lowercase sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A stretch of one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The first character of the stretch, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// The whole line, without its line ending.
    pub text: String,
}

impl Diagnostic {
    /// A mistake that concerns a file or folder as a whole.
    pub fn of_path(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { path: path.into(), place: None, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let path = visible(&path);
        writeln!(f, "error: {}", visible(&self.message))?;
        let Some(place) = &self.place else {
            write!(f, " --> {path}")?;
            if let Some(help) = &self.help {
                write!(f, "\n  = help: {}", visible(help))?;
            }
            return Ok(());
        };
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        // A tab takes one column here as it does in `column`, and no control
        // character of the file reaches the reader's terminal.
        let text: String = place
            .text
            .chars()
            .map(|c| match c {
                '\t' => ' ',
                c if c.is_control() => char::REPLACEMENT_CHARACTER,
                c => c,
            })
            .collect();
        let indent = " ".repeat(place.column - 1);
        let marks = "^".repeat(place.width.max(1));
        writeln!(f, "{gutter}--> {path}:{}:{}", place.line, place.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {text}")?;
        write!(f, "{gutter} | {indent}{marks}")?;
        if let Some(help) = &self.help {
            write!(f, "\n{gutter} = help: {}", visible(help))?;
        }
        Ok(())
    }
}

/// A text whose control characters are spelled out, as in `\u{1b}`.
fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let spell = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(spell).collect()
}

/// Everything that is wrong with one case: at least one [`Diagnostic`], in the
/// order of the file. Its `Display` is the full text for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", joined(.first, .more))]
pub struct CaseError {
    /// The first mistake.
    pub first: Box<Diagnostic>,
    /// The other mistakes of the same file.
    pub more: Vec<Diagnostic>,
}

impl CaseError {
    /// The error for these mistakes; `None` if there are none.
    pub fn from_diagnostics(diagnostics: Vec<Diagnostic>) -> Option<Self> {
        let mut rest = diagnostics.into_iter();
        rest.next().map(|first| Self { first: Box::new(first), more: rest.collect() })
    }

    /// The file that is wrong: the case, or a `belljar.toml` that it inherits from.
    pub fn path(&self) -> &Path {
        &self.first.path
    }

    /// The line of the first mistake, from 1.
    pub fn line(&self) -> Option<usize> {
        self.first.place.as_ref().map(|place| place.line)
    }

    /// The column of the first mistake in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.first.place.as_ref().map(|place| place.column)
    }

    /// The first mistake without its place: one lowercase sentence.
    pub fn message(&self) -> &str {
        &self.first.message
    }

    /// What to do about the first mistake.
    pub fn help(&self) -> Option<&str> {
        self.first.help.as_deref()
    }
}

impl From<Diagnostic> for CaseError {
    fn from(first: Diagnostic) -> Self {
        Self { first: Box::new(first), more: Vec::new() }
    }
}

/// The mistakes of one file, a blank line between them.
fn joined(first: &Diagnostic, more: &[Diagnostic]) -> String {
    let mut text = first.to_string();
    for diagnostic in more {
        text.push_str("\n\n");
        text.push_str(&diagnostic.to_string());
    }
    text
}

/// Every invalid file found under the paths of a run; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", all(.0))]
pub struct LoadErrors(pub Vec<CaseError>);

/// The errors of all files, a blank line between them.
fn all(errors: &[CaseError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("\n\n")
}
