//! How bytes, sizes and times are written for people.

use std::fmt::Write as _;
use std::time::Duration;

/// Renders `bytes` so that nothing in them acts on a terminal: control bytes,
/// bytes that are no UTF-8 and invisible or direction-changing characters become
/// escapes such as `\x1b`. Tabs and line feeds are kept.
///
/// The rendering is unambiguous: a backslash that would read as an escape is doubled.
pub fn visible(bytes: &[u8]) -> String {
    render(bytes, |c| c == '\t' || c == '\n')
}

/// Our own text with foreign text in it, made harmless for a terminal. Unlike
/// [`visible`] it doubles no backslash, so what is escaped already stays as it is.
pub fn neutral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' => out.push(c),
            c if acts(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Like [`visible`] for one line without its line feed: tabs are escaped too, and
/// so are blanks at the end, as `\x20`.
pub fn visible_line(bytes: &[u8]) -> String {
    let keep = bytes.len() - bytes.iter().rev().take_while(|&&b| b == b' ').count();
    let mut out = render(&bytes[..keep], |_| false);
    if keep < bytes.len() && out.ends_with('\\') {
        out.push('\\');
    }
    for _ in keep..bytes.len() {
        out.push_str("\\x20");
    }
    out
}

/// `bytes` in double quotes on one line, cut after 200 characters.
pub fn quoted(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let text = render(bytes, |_| false);
    if text.chars().count() <= MOST {
        return format!("\"{text}\"");
    }
    let short: String = text.chars().take(MOST).collect();
    format!("\"{short}\"… ({} bytes)", bytes.len())
}

fn render(bytes: &[u8], keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut chars = chunk.valid().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    let invalid_follows = !chunk.invalid().is_empty();
                    let reads_as_escape = match chars.peek() {
                        Some(&next) => {
                            matches!(next, '\\' | 'n' | 'r' | 't' | 'u' | 'x')
                                || (acts(next) && !keep(next))
                        }
                        None => invalid_follows,
                    };
                    out.push_str(if reads_as_escape { "\\\\" } else { "\\" });
                }
                c if keep(c) || !acts(c) => out.push(c),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Whether a character does something else than appear.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A number of bytes in powers of 1024, as case files write it: `64M`, `1.5G`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["", "K", "M", "G", "T"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    if unit == 0 {
        return match bytes {
            1 => "1 byte".to_owned(),
            _ => format!("{bytes} bytes"),
        };
    }
    // One decimal, rounded down: a peak just below its ceiling must not be shown above it.
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    match tenths % 10 {
        0 => format!("{}{}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth}{}", tenths / 10, UNITS[unit]),
    }
}

/// A time in seconds with three decimals at most: `0.003s`, `60s`.
pub fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The name of a signal, such as `SIGKILL`, or its number.
pub fn signal(number: i32) -> String {
    // Linux numbers of x86 and arm, from signal(7).
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name =
        usize::try_from(number).ok().and_then(|n| n.checked_sub(1)).and_then(|n| NAMES.get(n));
    match name {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{neutral, quoted, seconds, signal, size, visible, visible_line};

    #[test]
    fn nothing_acts_on_a_terminal() {
        assert_eq!(visible(b"a\x1b[31mb\tc\r\n"), "a\\x1b[31mb\tc\\r\n");
        assert_eq!(visible("\u{9b}x \u{202e}y é".as_bytes()), "\\u{9b}x \\u{202e}y é");
        assert_eq!(visible(b"\xff\x00"), "\\xff\\x00");
    }

    #[test]
    fn our_own_text_is_escaped_once() {
        assert_eq!(neutral("a\x1b[0m\tb\n\\x1b"), "a\\u{1b}[0m\tb\n\\x1b");
    }

    #[test]
    fn an_escape_and_its_spelling_look_different() {
        assert_eq!(visible(br"C:\dir"), r"C:\dir");
        assert_eq!(visible(br"\x1b"), r"\\x1b");
        assert_ne!(visible(br"\x1b"), visible(b"\x1b"));
        assert_ne!(visible(b"\\\x1b"), visible(br"\\x1b"));
        assert_eq!(visible(b"\\\xff"), r"\\\xff");
        assert_ne!(visible(b"\\\\\xff"), visible(b"\\\xff"));
    }

    #[test]
    fn blanks_at_the_end_of_a_line_show() {
        assert_eq!(visible_line(b"a b  "), "a b\\x20\\x20");
        assert_eq!(visible_line(b"a \t"), "a \\t");
        assert_eq!(visible_line(b"a\r"), "a\\r");
        assert_eq!(visible_line(b"  "), "\\x20\\x20");
        assert_eq!(visible_line(b""), "");
    }

    #[test]
    fn quotes_stay_on_one_line_and_short() {
        assert_eq!(quoted(b"a\nb"), "\"a\\nb\"");
        assert!(quoted(&[b'x'; 5000]).ends_with("\"… (5000 bytes)"));
    }

    #[test]
    fn sizes_are_those_of_case_files() {
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(64 << 20), "64M");
        assert_eq!(size(3 << 29), "1.5G");
        assert_eq!(size((64 << 20) - 1), "63.9M");
        assert_eq!(size(u64::MAX), "16777215.9T");
    }

    #[test]
    fn times_and_signals() {
        assert_eq!(seconds(Duration::from_micros(3200)), "0.003s");
        assert_eq!(seconds(Duration::from_secs(60)), "60s");
        assert_eq!(seconds(Duration::from_millis(300)), "0.3s");
        assert_eq!(seconds(Duration::ZERO), "0s");
        assert_eq!(signal(9), "SIGKILL");
        assert_eq!(signal(31), "SIGSYS");
        assert_eq!(signal(34), "signal 34");
        assert_eq!(signal(0), "signal 0");
    }
}
