//! The values of single keys: sizes, durations, signals and the like.

use std::time::Duration;

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
            format!("did you mean \"{text}M\"?"),
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
