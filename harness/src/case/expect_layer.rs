//! The `[expect]` table of one file.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::keys::Table;
use super::layer::At;
use super::model::StreamExpect;
use super::reader::{Reader, Value};
use super::values::{self, Refusal};
use crate::outcome::Property;

/// What one file expects.
#[derive(Debug, Default)]
pub(super) struct ExpectLayer {
    pub(super) exit: Option<Vec<i32>>,
    pub(super) signal: Option<i32>,
    pub(super) timeout: Option<At<bool>>,
    pub(super) oom: Option<At<bool>>,
    pub(super) stdout: Option<At<StreamExpect>>,
    pub(super) stderr: Option<At<StreamExpect>>,
    /// Which properties are judged.
    pub(super) isolation: BTreeMap<Property, bool>,
}

impl ExpectLayer {
    /// Reads the table.
    pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Self {
        let mut expect = Self::default();
        let Some(table) = reader.table("expect", value) else { return expect };
        // The keys that say how the run ends, in the order of the file.
        let mut endings = Vec::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let at = |value: &Value<'_>| value.span();
            match name {
                "exit" => {
                    endings.push((key.span(), name));
                    expect.exit = exit(reader, value);
                }
                "signal" => {
                    endings.push((key.span(), name));
                    expect.signal = signal(reader, value);
                }
                "timeout" => {
                    expect.timeout =
                        timeout(reader, value).map(|flag| At { value: flag, span: at(value) });
                    if expect.timeout.as_ref().is_some_and(|flag| flag.value) {
                        endings.push((key.span(), "timeout = true"));
                    }
                }
                "oom" => {
                    expect.oom =
                        reader.boolean(name, value).map(|flag| At { value: flag, span: at(value) });
                }
                "stdout" => expect.stdout = Some(stream(reader, name, value)),
                "stderr" => expect.stderr = Some(stream(reader, name, value)),
                "isolation" => expect.isolation = isolation(reader, value),
                _ => reader.unknown(Table::Expect, key),
            }
        }
        endings.sort_by_key(|(span, _)| span.start);
        if let [(_, first), others @ ..] = &endings[..] {
            for (span, name) in others {
                let message = format!("`{name}` and `{first}` exclude each other");
                let help = "a run has one ending: keep one of the two".to_owned();
                reader.refuse(span, message, Some(help));
            }
        }
        expect
    }

    /// Whether this file says how the run ends.
    pub(super) fn says_ending(&self) -> bool {
        self.exit.is_some() || self.signal.is_some() || self.timeout.is_some()
    }
}

/// One exit status, or a list of them.
fn exit(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<i32>> {
    let items: Vec<Option<i32>> = reader
        .one_or_many("exit", value)
        .iter()
        .map(|item| reader.number("exit", item, 0..=255).and_then(|code| i32::try_from(code).ok()))
        .collect();
    items.into_iter().collect()
}

/// A signal by name or number.
fn signal(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<i32> {
    match value.get_ref() {
        DeValue::Integer(_) => {
            reader.number("signal", value, 1..=64).and_then(|number| i32::try_from(number).ok())
        }
        _ => reader.parsed("signal", value, values::signal),
    }
}

/// Whether the clock ends the run.
fn timeout(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<bool> {
    if let DeValue::String(text) = value.get_ref() {
        let help = format!(
            "the limit itself stands above `[expect]`: `timeout = \"{}\"`",
            text.escape_debug()
        );
        reader.mistyped("expect.timeout", value, "true or false", Some(help));
        return None;
    }
    reader.boolean("timeout", value)
}

/// What is expected of one stream.
fn stream(reader: &mut Reader<'_>, name: &str, value: &Value<'_>) -> At<StreamExpect> {
    let mut expect = StreamExpect::default();
    let span = value.span();
    match value.get_ref() {
        DeValue::String(text) => expect.equals = Some(text.as_bytes().to_vec()),
        DeValue::Table(table) => {
            if table.is_empty() {
                let help = "write `contains`, `not-contains` or `matches`".to_owned();
                reader.refuse(&span, format!("`{name}` expects nothing"), Some(help));
            }
            for (key, value) in table {
                let name: &str = key.get_ref();
                match name {
                    "contains" => expect.contains = texts(reader, name, value),
                    "not-contains" => expect.not_contains = texts(reader, name, value),
                    "matches" => {
                        for item in reader.one_or_many(name, value) {
                            let text = reader.text(name, item);
                            if let Some(result) = text.map(regex) {
                                expect.matches.extend(reader.checked(item, result));
                            }
                        }
                    }
                    _ => reader.unknown(Table::Stream, key),
                }
            }
        }
        _ => {
            let help = format!("{name} = \"...\" or {name} = {{ contains = \"...\" }}");
            reader.mistyped(name, value, "a string or a table", Some(help));
        }
    }
    At { value: expect, span }
}

/// One string, or a list of them; an empty one would say nothing.
fn texts(reader: &mut Reader<'_>, name: &str, value: &Value<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for item in reader.one_or_many(name, value) {
        match reader.text(name, item) {
            Some("") => {
                let message = format!("`{name}` is empty, and every output contains nothing");
                reader.refuse(&item.span(), message, None);
            }
            Some(text) => texts.push(text.to_owned()),
            None => {}
        }
    }
    texts
}

/// A regular expression over bytes, `^` and `$` at lines.
fn regex(text: &str) -> Result<regex::bytes::Regex, Refusal> {
    regex::bytes::RegexBuilder::new(text).multi_line(true).build().map_err(|error| {
        // A syntax error is drawn over several lines, the last of which says what it is.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let said = last.strip_prefix("error: ").unwrap_or(last);
        Refusal::bare(format!("this is no regular expression: {said}"))
    })
}

/// Which properties are judged.
fn isolation(reader: &mut Reader<'_>, value: &Value<'_>) -> BTreeMap<Property, bool> {
    let mut judged = BTreeMap::new();
    for (key, value) in reader.table("isolation", value).into_iter().flatten() {
        let name: &str = key.get_ref();
        let Some(property) = Property::ALL.into_iter().find(|known| known.name() == name) else {
            let near = values::nearest(name, Property::ALL.map(Property::name));
            let help = near.map_or_else(
                || format!("the properties are {}", Property::ALL.map(Property::name).join(", ")),
                |name| format!("did you mean `{name}`?"),
            );
            reader.refuse(&key.span(), format!("unknown property `{name}`"), Some(help));
            continue;
        };
        if let Some(flag) = reader.boolean(name, value) {
            judged.insert(property, flag);
        }
    }
    judged
}
