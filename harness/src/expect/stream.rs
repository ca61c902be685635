//! What a case expects of one stream.

use super::diff::line_diff;
use super::judge::Failure;
use super::text::{quoted, size};
use crate::case::StreamExpect;
use crate::outcome::Captured;

/// Judges one stream; `name` is `stdout` or `stderr`.
pub(super) fn judge(
    name: &str,
    expect: &StreamExpect,
    got: &Captured,
    failures: &mut Vec<Failure>,
) {
    if got.truncated() {
        truncated(name, expect, got, failures);
        return;
    }
    if let Some(expected) = &expect.equals {
        equals(name, expect, expected, got, failures);
    }
    for needle in &expect.contains {
        if !contains(&got.bytes, needle.as_bytes()) {
            failures.push(Failure::new(
                format!("{name}.contains"),
                format!("does not contain {}{}", quoted(needle.as_bytes()), but_empty(got)),
            ));
        }
    }
    for needle in &expect.not_contains {
        if let Some(at) = find(&got.bytes, needle.as_bytes()) {
            failures.push(Failure::new(
                format!("{name}.not-contains"),
                format!(
                    "contains {}, in line {}",
                    quoted(needle.as_bytes()),
                    line_of(&got.bytes, at)
                ),
            ));
        }
    }
    for pattern in &expect.matches {
        if !pattern.is_match(&got.bytes) {
            failures.push(Failure::new(
                format!("{name}.matches"),
                format!("nothing matches `{}`{}", pattern.as_str(), but_empty(got)),
            ));
        }
    }
}

/// With the end thrown away nothing is known but what the beginning contains.
fn truncated(name: &str, expect: &StreamExpect, got: &Captured, failures: &mut Vec<Failure>) {
    let missing = expect.contains.iter().any(|n| !contains(&got.bytes, n.as_bytes()));
    let mut unknown = Vec::new();
    if expect.equals.is_some() {
        unknown.push("equality");
    }
    if missing {
        unknown.push("`contains`");
    }
    if !expect.not_contains.is_empty() {
        unknown.push("`not-contains`");
    }
    if !expect.matches.is_empty() {
        unknown.push("`matches`");
    }
    if unknown.is_empty() {
        return;
    }
    failures.push(Failure::new(
        name,
        format!(
            "only the first {} of {} were kept, so {} cannot be judged; raise `output`",
            size(got.bytes.len() as u64),
            size(got.total),
            unknown.join(", ")
        ),
    ));
}

fn equals(
    name: &str,
    expect: &StreamExpect,
    expected: &[u8],
    got: &Captured,
    failures: &mut Vec<Failure>,
) {
    if expected == got.bytes {
        return;
    }
    let wanted = match &expect.snapshot {
        Some(path) => format!("the snapshot {}", path.display()),
        None => "what was expected".to_owned(),
    };
    let message = if got.bytes.is_empty() {
        format!("is empty; {wanted} is {}", size(expected.len() as u64))
    } else if expected.is_empty() {
        format!("should be empty, but {} came", size(got.total))
    } else if expected.strip_suffix(b"\n") == Some(&got.bytes) {
        format!("lacks the line feed at the end of {wanted}")
    } else if got.bytes.strip_suffix(b"\n") == Some(expected) {
        format!("ends with a line feed that {wanted} does not have")
    } else {
        let at = expected.iter().zip(&got.bytes).take_while(|(a, b)| a == b).count();
        format!("differs from {wanted}, first in line {}", line_of(&got.bytes, at))
    };
    failures.push(Failure {
        expectation: name.to_owned(),
        message,
        diff: line_diff(expected, &got.bytes, name),
    });
}

fn but_empty(got: &Captured) -> &'static str {
    if got.bytes.is_empty() { ": it is empty" } else { "" }
}

/// The line, counted from one, in which the byte at `at` stands.
fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at.min(bytes.len())].split(|&b| b == b'\n').count().saturating_sub(1)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    find(haystack, needle).is_some()
}

/// Where `needle` starts in `haystack`. The regex crate's literal search is linear
/// and vectorised, where comparing windows is quadratic.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut pattern = String::with_capacity(needle.len());
    for chunk in needle.utf8_chunks() {
        pattern.push_str(&regex::escape(chunk.valid()));
        for byte in chunk.invalid() {
            use std::fmt::Write as _;
            let _ = write!(pattern, r"(?-u:\x{byte:02x})");
        }
    }
    match regex::bytes::Regex::new(&pattern) {
        Ok(regex) => regex.find(haystack).map(|m| m.start()),
        // A needle too long for a compiled pattern; correctness over speed.
        Err(_) => haystack.windows(needle.len().max(1)).position(|w| w == needle),
    }
}

#[cfg(test)]
mod tests {
    use super::{find, judge};
    use crate::case::StreamExpect;
    use crate::expect::Failure;
    use crate::outcome::Captured;

    fn failures(expect: &StreamExpect, bytes: &[u8], total: u64) -> Vec<Failure> {
        let mut failures = Vec::new();
        judge("stdout", expect, &Captured { bytes: bytes.to_vec(), total }, &mut failures);
        failures
    }

    fn whole(expect: &StreamExpect, bytes: &[u8]) -> Vec<Failure> {
        failures(expect, bytes, bytes.len() as u64)
    }

    fn equal_to(bytes: &[u8]) -> StreamExpect {
        StreamExpect { equals: Some(bytes.to_vec()), ..StreamExpect::default() }
    }

    #[test]
    fn nothing_expected_is_satisfied_by_anything() {
        assert_eq!(whole(&StreamExpect::default(), b"\xff\x00"), []);
        assert_eq!(failures(&StreamExpect::default(), b"x", 5000), []);
    }

    #[test]
    fn equality_is_byte_exact() {
        assert_eq!(whole(&equal_to(b"alpha\n"), b"alpha\n"), []);
        for (got, message) in [
            (&b"alpha"[..], "lacks the line feed at the end of what was expected"),
            (b"alpha\n\n", "ends with a line feed that what was expected does not have"),
            (b"alphA\n", "differs from what was expected, first in line 1"),
            (b"alpha\nx", "differs from what was expected, first in line 2"),
            (b"", "is empty; what was expected is 6 bytes"),
        ] {
            let failures = whole(&equal_to(b"alpha\n"), got);
            assert_eq!(failures.len(), 1);
            assert_eq!(failures[0].expectation, "stdout");
            assert_eq!(failures[0].message, message);
            assert!(failures[0].diff.is_some());
        }
        let failures = whole(&equal_to(b""), b"noise");
        assert_eq!(failures[0].message, "should be empty, but 5 bytes came");
    }

    #[test]
    fn a_snapshot_is_named() {
        let expect = StreamExpect { snapshot: Some("a/b.stdout".into()), ..equal_to(b"x\n") };
        let failures = whole(&expect, b"y\n");
        assert_eq!(failures[0].message, "differs from the snapshot a/b.stdout, first in line 1");
    }

    #[test]
    fn tables_are_judged_one_by_one() {
        let expect = StreamExpect {
            contains: vec!["one".into(), "nine".into()],
            not_contains: vec!["two".into(), "ten".into()],
            matches: vec![
                regex::bytes::Regex::new("(?m)^three$").unwrap(),
                regex::bytes::Regex::new("(?m)^hree$").unwrap(),
            ],
            ..StreamExpect::default()
        };
        let failures = whole(&expect, b"one\ntwo\nthree\n");
        let got: Vec<_> =
            failures.iter().map(|f| (f.expectation.as_str(), f.message.as_str())).collect();
        assert_eq!(
            got,
            [
                ("stdout.contains", "does not contain \"nine\""),
                ("stdout.not-contains", "contains \"two\", in line 2"),
                ("stdout.matches", "nothing matches `(?m)^hree$`"),
            ]
        );
    }

    #[test]
    fn cut_output_satisfies_only_contains() {
        let satisfied = StreamExpect { contains: vec!["abc".into()], ..StreamExpect::default() };
        assert_eq!(failures(&satisfied, b"xabcx", 9000), []);

        for expect in [
            equal_to(b"xabcx"),
            StreamExpect { contains: vec!["abc".into(), "no".into()], ..StreamExpect::default() },
            StreamExpect { not_contains: vec!["no".into()], ..StreamExpect::default() },
            StreamExpect {
                matches: vec![regex::bytes::Regex::new("abc").unwrap()],
                ..StreamExpect::default()
            },
        ] {
            let failures = failures(&expect, b"xabcx", 9216);
            assert_eq!(failures.len(), 1, "{expect:?}");
            assert_eq!(failures[0].expectation, "stdout");
            assert!(failures[0].message.contains("`output`"), "{}", failures[0].message);
            assert!(failures[0].message.contains("first 5 bytes of 9K"), "{}", failures[0].message);
        }
    }

    #[test]
    fn needles_are_bytes_not_patterns() {
        assert_eq!(find(b"a.c abc", b"."), Some(1));
        assert_eq!(find(b"xx\xffy", b"\xffy"), Some(2));
        assert_eq!(find(b"abc", b""), Some(0));
        assert_eq!(find(b"ab", b"abc"), None);
        assert_eq!(find(b"\xc3\xa9", "é".as_bytes()), Some(0));
    }
}
