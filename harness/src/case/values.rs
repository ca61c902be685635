//! The values of single keys: sizes, durations, signals and the like.

use std::time::Duration;

use crate::spec::User;

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What is wrong, in one lowercase sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Refusal {
    /// A refusal with advice.
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }

    /// A refusal that says everything itself.
    pub(crate) fn bare(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }
}

/// The least memory ceiling: below it bash does not even start.
pub const MIN_MEMORY: u64 = 4 << 20;

/// The units of sizes, with their power of two.
const SIZE_UNITS: [(&str, u32); 14] = [
    ("B", 0),
    ("K", 10),
    ("KB", 10),
    ("KiB", 10),
    ("M", 20),
    ("MB", 20),
    ("MiB", 20),
    ("G", 30),
    ("GB", 30),
    ("GiB", 30),
    ("T", 40),
    ("TB", 40),
    ("TiB", 40),
    ("", 0),
];

/// Splits `64M` into its digits, as a number, and what follows them.
fn split_number(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (!digits.is_empty()).then(|| (digits.parse().ok(), unit))
}

/// Reads a size such as `64M` or `1G`: a whole number and a unit, powers of 1024.
/// A bare `0` needs no unit.
///
/// # Errors
/// When the text is no size, lacks its unit, or is beyond what the kernel can count.
pub fn size(text: &str) -> Result<u64, Refusal> {
    const HELP: &str = "write a whole number and a unit, such as \"64M\" or \"1G\"";
    let Some((number, unit)) = split_number(text) else {
        return Err(Refusal::new(format!("`{text}` is no size"), HELP));
    };
    let Some(&(_, shift)) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))
    else {
        return Err(Refusal::new(
            format!("`{text}` is no size: `{unit}` is no unit"),
            "the units are B, K, M, G and T (powers of 1024), after a whole number",
        ));
    };
    if unit.is_empty() && number != Some(0) {
        return Err(Refusal::new(
            format!("the size `{text}` has no unit"),
            "write the unit after the number, such as \"64M\" or \"1G\"",
        ));
    }
    // The kernel counts bytes in signed 64-bit numbers.
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| Refusal::bare(format!("the size `{text}` is larger than any memory")))
}

/// Reads a memory ceiling: a [`size`] of at least [`MIN_MEMORY`], or `none`.
///
/// # Errors
/// When the text is neither.
pub fn memory(text: &str) -> Result<Option<u64>, Refusal> {
    if text == "none" {
        return Ok(None);
    }
    let bytes = size(text)?;
    if bytes < MIN_MEMORY {
        return Err(Refusal::new(
            format!("a memory ceiling of `{text}` is too small for a shell to start"),
            "write at least \"4M\", or \"none\" for no ceiling",
        ));
    }
    Ok(Some(bytes))
}

/// Reads a duration such as `300ms`, `10s`, `2m` or `1h`, or `none`.
///
/// # Errors
/// When the text is neither, or the duration is zero.
pub fn duration(text: &str) -> Result<Option<Duration>, Refusal> {
    const HELP: &str =
        "write a whole number and a unit (ms, s, m, h), such as \"300ms\" or \"10s\", or \"none\"";
    if text == "none" {
        return Ok(None);
    }
    let Some((number, unit)) = split_number(text) else {
        return Err(Refusal::new(format!("`{text}` is no duration"), HELP));
    };
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => {
            return Err(Refusal::new(
                format!("the duration `{text}` has no unit"),
                format!("did you mean \"{text}s\"?"),
            ));
        }
        _ => {
            return Err(Refusal::new(
                format!("`{text}` is no duration: `{unit}` is no unit"),
                HELP,
            ));
        }
    };
    // The kernel's clocks count nanoseconds in signed 64-bit numbers.
    match number.and_then(|number| number.checked_mul(millis)) {
        Some(0) => Err(Refusal::new("a duration of zero leaves no time to run", HELP)),
        Some(total) if total <= i64::MAX as u64 / 1_000_000 => {
            Ok(Some(Duration::from_millis(total)))
        }
        _ => Err(Refusal::new(
            format!("the duration `{text}` is longer than any clock counts"),
            "write \"none\" for no limit",
        )),
    }
}

/// Reads a user: `root`, a name, or `uid[:gid]`.
///
/// # Errors
/// When the text is none of them.
pub fn user(text: &str) -> Result<User, Refusal> {
    const HELP: &str = "write \"root\", a name of /etc/passwd inside, or \"uid\" or \"uid:gid\"";
    // The kernel keeps the highest id for "no id".
    let id = |digits: &str| {
        digits.parse::<u32>().ok().filter(|id| *id != u32::MAX).ok_or_else(|| {
            Refusal::new(format!("`{digits}` is no numeric id between 0 and 4294967294"), HELP)
        })
    };
    if text == "root" {
        return Ok(User::Root);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return match text.split_once(':') {
            Some((uid, gid)) => Ok(User::Ids(id(uid)?, Some(id(gid)?))),
            None => Ok(User::Ids(id(text)?, None)),
        };
    }
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Ok(User::Name(text.to_owned()));
    }
    Err(Refusal::new(format!("`{text}` is no user"), HELP))
}

/// Checks a hostname: labels of letters, digits and inner hyphens, joined by
/// dots, at most 64 bytes in all (the kernel's `HOST_NAME_MAX`).
///
/// # Errors
/// When the text is no hostname.
pub fn hostname(text: &str) -> Result<String, Refusal> {
    const HELP: &str = "use letters, digits and hyphens, at most 63 of them";
    if text.is_empty() {
        return Err(Refusal::new("a hostname cannot be empty", HELP));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > 64 || !text.split('.').all(label) {
        return Err(Refusal::new(format!("`{text}` is no valid hostname"), HELP));
    }
    Ok(text.to_owned())
}

/// The hostname of a case that asks for none: its stem, made valid.
pub fn hostname_of_stem(stem: &str) -> String {
    let text: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let text = text.trim_matches('-');
    let text = text[..text.len().min(63)].trim_end_matches('-');
    if text.is_empty() { "jar".to_owned() } else { text.to_owned() }
}

/// The signals of signal(7) by number; some have two names, the usual one first.
const SIGNALS: [(&str, i32); 33] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// Reads the name of a signal, with or without `SIG`, in any case.
///
/// # Errors
/// When there is no such signal.
pub fn signal(text: &str) -> Result<i32, Refusal> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = SIGNALS.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    Err(Refusal {
        message: format!("`{text}` is no signal"),
        help: Some(nearest(name, SIGNALS.iter().map(|(name, _)| *name)).map_or_else(
            || "write a name such as \"SIGKILL\" or a number between 1 and 64".to_owned(),
            |name| format!("did you mean \"SIG{name}\"?"),
        )),
    })
}

/// The capabilities of capabilities(7) by number, without `CAP_`.
pub const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Reads the name of a capability, with or without `CAP_`, in any case.
///
/// # Errors
/// When there is no such capability.
pub fn capability(text: &str) -> Result<u8, Refusal> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let known = (0_u8..).zip(CAPABILITIES).find(|(_, known)| *known == name);
    known.map(|(number, _)| number).ok_or_else(|| Refusal {
        message: format!("`{text}` is no capability"),
        help: nearest(name, CAPABILITIES).map(|name| format!("did you mean \"CAP_{name}\"?")),
    })
}

/// Checks an absolute path inside the sandbox and tidies it: one `/` between
/// components, none at the end, no `.`.
///
/// # Errors
/// When the path is relative or has a `..`.
pub fn inside_path(text: &str) -> Result<String, Refusal> {
    if !text.starts_with('/') {
        return Err(Refusal::new(
            format!("`{text}` is no absolute path"),
            format!("write \"/{text}\""),
        ));
    }
    let mut tidy = String::with_capacity(text.len());
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Err(Refusal::bare(format!("the path `{text}` has a `..`")));
        }
        tidy.push('/');
        tidy.push_str(part);
    }
    Ok(if tidy.is_empty() { "/".to_owned() } else { tidy })
}

/// The candidate that is near enough to `word` to be what its author meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|known| {
            let plain = known.to_lowercase().replace('_', "-");
            (strsim::damerau_levenshtein(&word, &plain), known)
        })
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Reads a size of at least `least`, itself a size.
pub(crate) fn least(text: &str, least: &str) -> Result<u64, Refusal> {
    let bytes = size(text)?;
    if bytes < size(least)? {
        return Err(Refusal::new(
            format!("the size `{text}` is too small"),
            format!("write at least \"{least}\""),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("1B", 1),
            ("512K", 512 << 10),
            ("64M", 64 << 20),
            ("64MB", 64 << 20),
            ("64MiB", 64 << 20),
            ("1g", 1 << 30),
            ("2T", 2 << 40),
            ("0", 0),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "1", "M", "-1M", "1.5G", "1 M", "64Q", "none", "9223372036854775808B"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("9223372036854775807B"), Ok(i64::MAX as u64));
        assert!(size("18446744073709551616T").is_err());
    }

    #[test]
    fn memory_is_at_least_four_mebibytes_or_none() {
        assert_eq!(memory("none"), Ok(None));
        assert_eq!(memory("4M"), Ok(Some(4 << 20)));
        assert!(memory("4095K").is_err());
        assert!(memory("0").is_err());
        assert!(memory("1").is_err());
    }

    #[test]
    fn durations_have_a_unit_and_are_never_zero() {
        let millis = |text| duration(text).expect(text).map(|duration| duration.as_millis());
        assert_eq!(millis("300ms"), Some(300));
        assert_eq!(millis("10s"), Some(10_000));
        assert_eq!(millis("2m"), Some(120_000));
        assert_eq!(millis("1h"), Some(3_600_000));
        assert_eq!(millis("none"), None);
        for text in ["", "0s", "0ms", "10", "s", "-1s", "1d", "1.5s", "9999999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn users_are_root_a_name_or_ids() {
        assert_eq!(user("root"), Ok(User::Root));
        assert_eq!(user("www-data"), Ok(User::Name("www-data".to_owned())));
        assert_eq!(user("1000"), Ok(User::Ids(1000, None)));
        assert_eq!(user("1000:100"), Ok(User::Ids(1000, Some(100))));
        for text in ["", "-x", "a:b", "1000:", "1000:x", "4294967295", "4294967296", "a b", "1a"] {
            assert!(user(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hostnames_follow_the_rules_of_their_labels() {
        let long = "a".repeat(63);
        for text in ["a", "alpha", "A-1", "web.example", "1", &long] {
            assert_eq!(hostname(text).as_deref(), Ok(text));
        }
        let longer = "a".repeat(64);
        let total = format!("{}.{}", "a".repeat(32), "b".repeat(32));
        for text in ["", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "ü", &longer, &total] {
            assert!(hostname(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_stem_makes_a_valid_hostname() {
        assert_eq!(hostname_of_stem("oom-kill"), "oom-kill");
        assert_eq!(hostname_of_stem("a_b.c+d"), "a-b-c-d");
        assert_eq!(hostname_of_stem("-x-"), "x");
        assert_eq!(hostname_of_stem("+"), "jar");
        let cut = format!("{}-b", "a".repeat(62));
        assert_eq!(hostname_of_stem(&cut), "a".repeat(62));
        for stem in ["", "...", "ünï", &"x-".repeat(100)] {
            let name = hostname_of_stem(stem);
            assert_eq!(hostname(&name).as_ref(), Ok(&name), "{stem}");
        }
    }

    #[test]
    fn signals_and_capabilities_are_found_in_every_spelling() {
        for text in ["KILL", "SIGKILL", "sigkill"] {
            assert_eq!(signal(text), Ok(9));
        }
        assert_eq!(signal("SYS"), Ok(31));
        assert!(signal("SIG").is_err());
        assert!(signal("EXIT").is_err());
        for text in ["NET_ADMIN", "CAP_NET_ADMIN", "cap_net_admin"] {
            assert_eq!(capability(text), Ok(12));
        }
        assert_eq!(capability("CHECKPOINT_RESTORE"), Ok(40));
        assert!(capability("ROOT").is_err());
    }

    #[test]
    fn inside_paths_are_absolute_and_tidy() {
        assert_eq!(inside_path("/a//b/./c/").as_deref(), Ok("/a/b/c"));
        assert_eq!(inside_path("/").as_deref(), Ok("/"));
        assert!(inside_path("a").is_err());
        assert!(inside_path("/a/../b").is_err());
        assert_eq!(inside_path("/a..b").as_deref(), Ok("/a..b"));
    }
}
