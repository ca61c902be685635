//! The header: a TOML block in the comments at the top of a script, delimited
//! as PEP 723 does it for Python.
//!
//! ```bash
//! #!/bin/bash
//! # /// case
//! # memory = "64M"
//! # ///
//! ```
//!
//! Blocks of another type (`# /// script`) are left alone. Unlike in PEP 723 the
//! first closing line ends a block, so that a second header is seen as one.

use std::borrow::Cow;
use std::path::Path;

use super::diagnostic::Diagnostic;
use super::source::{Source, place};

/// Reads the header of a script into the [`Source`] of its TOML, which is empty
/// for a script without a header.
pub(super) fn find(path: &Path, script: &[u8]) -> Result<Source, Diagnostic> {
    let mut found: Option<Source> = None;
    let mut lines = Lines { rest: script, number: 0 };
    while let Some((number, line)) = lines.next() {
        match classify(&line) {
            Kind::Script => break,
            Kind::Open("case") => {
                if found.is_some() {
                    return Err(error(path, number, &line, "a second header in one file")
                        .with_help("a case has one header; join the two"));
                }
                found = Some(block(path, number, &line, &mut lines)?);
            }
            // The lines of a block of another type are comments, and so is its end.
            Kind::Blank | Kind::Comment | Kind::Open(_) => {}
            Kind::Slip => {
                return Err(error(path, number, &line, "this line does not open a header")
                    .with_help("did you mean `# /// case`?"));
            }
        }
    }
    Ok(found.unwrap_or_else(|| Source::empty(path.to_owned())))
}

/// Reads the lines of a block up to its end.
fn block(
    path: &Path,
    opened: usize,
    opening: &str,
    lines: &mut Lines<'_>,
) -> Result<Source, Diagnostic> {
    let mut source = Source::empty(path.to_owned());
    while let Some((number, line)) = lines.next() {
        let text = line.trim_end();
        if text == "# ///" {
            return Ok(source);
        }
        if matches!(classify(&line), Kind::Open("case")) {
            return Err(error(
                path,
                number,
                &line,
                format!("a second header begins before the one of line {opened} ends"),
            )
            .with_help("end the first one with a line `# ///`, and keep one header"));
        }
        if text == "#" {
            source.push(number, text, 1);
        } else if line.starts_with("# ") {
            if matches!(line, Cow::Owned(_)) {
                return Err(error(path, number, &line, "this line of the header is not UTF-8"));
            }
            source.push(number, &line, 2);
        } else if line.starts_with('#') {
            return Err(error(path, number, &line, "a header line lacks the space after its `#`")
                .with_help("begin the line with `# `"));
        } else {
            return Err(unclosed(path, opened, opening, number));
        }
    }
    Err(unclosed(path, opened, opening, lines.number + 1))
}

/// The error of a header without an end, which should have come before `line`.
fn unclosed(path: &Path, opened: usize, opening: &str, line: usize) -> Diagnostic {
    error(path, opened, opening, "this header is not closed")
        .with_help(format!("end it with a line `# ///` before line {line}"))
}

/// A mistake in a whole line.
fn error(path: &Path, number: usize, line: &str, message: impl Into<String>) -> Diagnostic {
    let text = line.trim_end();
    Diagnostic {
        path: path.to_owned(),
        place: Some(place(number, line, 0..text.len())),
        message: message.into(),
        help: None,
    }
}

/// What a line above the script is.
#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    Blank,
    Comment,
    /// `# /// TYPE`.
    Open(&'a str),
    /// Something that its author may have meant as `# /// case`.
    Slip,
    Script,
}

/// Sorts a line.
fn classify(line: &str) -> Kind<'_> {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim_end();
    if line.trim_start().is_empty() {
        return Kind::Blank;
    }
    let Some(comment) = line.trim_start().strip_prefix('#') else {
        return Kind::Script;
    };
    if let Some(kind) = line.strip_prefix("# /// ") {
        return if looks_like_case(kind) { Kind::Slip } else { Kind::Open(kind) };
    }
    // `#/// case`, `# ///case`, ` # /// case`: silence would drop the whole header.
    match comment.trim_start().strip_prefix("///") {
        Some(rest) if rest.trim().eq_ignore_ascii_case("case") => Kind::Slip,
        _ => Kind::Comment,
    }
}

/// Whether a block's type is `case` with a slip.
fn looks_like_case(kind: &str) -> bool {
    kind != "case" && strsim::damerau_levenshtein(&kind.trim().to_ascii_lowercase(), "case") <= 1
}

/// The lines of a script that need not be UTF-8, numbered from 1, endings kept.
struct Lines<'a> {
    rest: &'a [u8],
    /// The number of the last line handed out.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(usize, Cow<'a, str>)> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|b| *b == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.number += 1;
        Some((self.number, String::from_utf8_lossy(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toml(script: &str) -> String {
        find(Path::new("a.sh"), script.as_bytes()).expect("a valid header").toml
    }

    fn refused(script: &str) -> (usize, String) {
        let error = find(Path::new("a.sh"), script.as_bytes()).expect_err("an invalid header");
        (error.place.expect("a place").line, error.message)
    }

    #[test]
    fn a_header_is_found_behind_a_shebang_comments_and_blank_lines() {
        let script =
            "#!/bin/bash\n\n# about\n# /// case\n# a = 1\n#\n#  b = 2\n# ///\n# more\ntrue\n";
        assert_eq!(toml(script), "a = 1\n\n b = 2\n");
    }

    #[test]
    fn a_script_may_have_no_header() {
        assert_eq!(toml(""), "");
        assert_eq!(toml("true\n"), "");
        assert_eq!(toml("# only a comment"), "");
    }

    #[test]
    fn what_looks_like_a_header_below_the_first_command_is_script() {
        assert_eq!(toml("true\n# /// case\n# a = 1\n# ///\n"), "");
        assert_eq!(toml("# /// case\n# a = 1\n# ///\ntrue\n# /// case\n"), "a = 1\n");
    }

    #[test]
    fn the_script_need_not_be_utf8_but_the_header_must() {
        let ok = find(Path::new("a.sh"), b"# /// case\n# a = 1\n# ///\necho \xff\n");
        assert_eq!(ok.expect("valid").toml, "a = 1\n");
        let bad = find(Path::new("a.sh"), b"# /// case\n# a = '\xff'\n# ///\n");
        assert_eq!(bad.expect_err("not utf-8").place.expect("a place").line, 2);
    }

    #[test]
    fn carriage_returns_and_trailing_blanks_do_not_hide_a_header() {
        assert_eq!(toml("# /// case\r\n# a = 1\r\n# ///  \r\ntrue\r\n"), "a = 1\n");
        assert_eq!(toml("\u{feff}# /// case\n# a = 1\n# ///\n"), "a = 1\n");
    }

    #[test]
    fn other_blocks_are_left_alone() {
        assert_eq!(toml("# /// script\n# x\n# ///\n# /// case\n# a = 1\n# ///\n"), "a = 1\n");
    }

    #[test]
    fn broken_headers_are_refused_where_they_break() {
        let unclosed = "this header is not closed".to_owned();
        assert_eq!(refused("\n# /// case\n# a = 1\n\n# ///\n"), (2, unclosed.clone()));
        assert_eq!(refused("# /// case\n# a = 1\ntrue\n"), (1, unclosed.clone()));
        assert_eq!(refused("# /// case"), (1, unclosed));
        let second = "a second header in one file".to_owned();
        assert_eq!(refused("# /// case\n# ///\n# /// case\n# ///\n"), (3, second));
        let nested = "a second header begins before the one of line 1 ends".to_owned();
        assert_eq!(refused("# /// case\n# /// case\n# ///\n"), (2, nested));
        let space = "a header line lacks the space after its `#`".to_owned();
        assert_eq!(refused("# /// case\n#a = 1\n# ///\n"), (2, space));
    }

    #[test]
    fn a_slip_in_the_opening_line_is_named() {
        for opening in
            ["#/// case", "# ///case", "# /// Case", "# /// cas", "#\t/// case", " # /// case"]
        {
            let script = format!("{opening}\n# a = 1\n# ///\n");
            let (line, message) = refused(&script);
            assert_eq!(
                (line, message.as_str()),
                (1, "this line does not open a header"),
                "{opening}"
            );
        }
    }
}
