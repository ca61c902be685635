//! A line diff over bytes, readable whatever they are.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffTag};

use super::text::visible_line;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Lines of a diff; what follows is counted only.
const MOST_LINES: usize = 200;
/// Characters of a line; what follows is counted only.
const MOST_CHARS: usize = 1000;
/// How long the search for a small diff may take. Afterwards a longer one is taken,
/// so that two huge streams with nothing in common do not hold the run.
const PATIENCE: Duration = Duration::from_millis(300);

/// The difference of two streams in the unified format, `-` for what was expected
/// and `+` for what came. Control bytes, blanks at the end of a line and a missing
/// final line feed are visible. `None` when both are equal.
pub fn line_diff(expected: &[u8], actual: &[u8], name: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let old: Vec<&[u8]> = expected.split_inclusive(|&b| b == b'\n').collect();
    let new: Vec<&[u8]> = actual.split_inclusive(|&b| b == b'\n').collect();
    let ops = similar::capture_diff_slices_deadline(
        Algorithm::Myers,
        &old,
        &new,
        Instant::now().checked_add(PATIENCE),
    );

    let mut lines = vec![format!("--- expected {name}"), format!("+++ {name}")];
    for group in similar::group_diff_ops(ops, CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        lines.push(format!(
            "@@ -{} +{} @@",
            range(first.old_range().start, last.old_range().end),
            range(first.new_range().start, last.new_range().end),
        ));
        for op in &group {
            match op.tag() {
                DiffTag::Equal => push(&mut lines, ' ', &old[op.old_range()]),
                DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                    push(&mut lines, '-', &old[op.old_range()]);
                    push(&mut lines, '+', &new[op.new_range()]);
                }
            }
        }
    }

    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    let mut text = lines.join("\n");
    if more > 0 {
        let _ = write!(text, "\n… {more} more lines");
    }
    text.push('\n');
    Some(text)
}

/// A range of lines as diff(1) writes it: counted from one, the length only if it is not one.
fn range(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        length => format!("{},{length}", start + 1),
    }
}

fn push(lines: &mut Vec<String>, sign: char, changed: &[&[u8]]) {
    for line in changed {
        let (body, ended) = match line.strip_suffix(b"\n") {
            Some(body) => (body, true),
            None => (*line, false),
        };
        lines.push(format!("{sign}{}", clip(visible_line(body))));
        if !ended {
            lines.push("\\ no line feed at the end".to_owned());
        }
    }
}

fn clip(line: String) -> String {
    let Some((cut, _)) = line.char_indices().nth(MOST_CHARS) else { return line };
    format!("{}… ({} more bytes)", &line[..cut], line.len() - cut)
}

#[cfg(test)]
mod tests {
    use super::line_diff;

    #[test]
    fn equal_streams_have_none() {
        assert_eq!(line_diff(b"a\n", b"a\n", "stdout"), None);
    }

    #[test]
    fn a_changed_line_stands_in_its_context() {
        let diff =
            line_diff(b"1\n2\n3\n4\n5\n6\n7\n8\n9\n", b"1\n2\n3\n4\nV\n6\n7\n8\n9\n", "stdout");
        assert_eq!(
            diff.unwrap(),
            "--- expected stdout\n+++ stdout\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n 6\n 7\n 8\n"
        );
    }

    #[test]
    fn a_missing_line_feed_shows() {
        let diff = line_diff(b"alpha\n", b"alpha", "stdout").unwrap();
        assert_eq!(
            diff,
            "--- expected stdout\n+++ stdout\n@@ -1 +1 @@\n-alpha\n+alpha\n\\ no line feed at the end\n"
        );
    }

    #[test]
    fn control_bytes_and_blanks_show() {
        let diff = line_diff(b"a\nb\n", b"a\r\nb \n\x1b[2J\n", "stderr").unwrap();
        assert!(diff.contains("+a\\r\n"), "{diff}");
        assert!(diff.contains("+b\\x20\n"), "{diff}");
        assert!(diff.contains("+\\x1b[2J\n"), "{diff}");
        assert!(!diff.contains('\x1b'));
    }

    #[test]
    fn against_nothing() {
        let diff = line_diff(b"", b"x\n", "stdout").unwrap();
        assert!(diff.contains("@@ -0,0 +1 @@\n+x\n"), "{diff}");
        let diff = line_diff(b"x\n", b"", "stdout").unwrap();
        assert!(diff.contains("@@ -1 +0,0 @@\n-x\n"), "{diff}");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let flood = b"y\n".repeat(5000);
        let diff = line_diff(b"", &flood, "stdout").unwrap();
        assert!(diff.ends_with("… 4803 more lines\n"), "{}", &diff[diff.len() - 40..]);
        let long = line_diff(b"", &[b'z'; 3000], "stdout").unwrap();
        assert!(long.contains("… (2000 more bytes)"));
    }
}
