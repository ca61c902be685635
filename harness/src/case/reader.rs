//! Reading single values of one file: the types, and the errors when a value
//! has the wrong one. Every method notes what is wrong and gives `None`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::keys::Table;
use super::layer::Ceiling;
use super::source::Source;
use super::values::{self, Refusal};
use crate::spec::{Capabilities, User};

/// A TOML value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Collects the mistakes of one file.
pub(super) struct Reader<'a> {
    source: &'a Source,
    found: Vec<(usize, Diagnostic)>,
}

impl<'a> Reader<'a> {
    /// A reader of this file.
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, found: Vec::new() }
    }

    /// The mistakes in the order of the file, if there are any.
    pub(super) fn finish(mut self) -> Result<(), Vec<Diagnostic>> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|(start, _)| *start);
        Err(self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect())
    }

    /// Notes a mistake.
    pub(super) fn refuse(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let mut diagnostic = self.source.error(span, message);
        diagnostic.help = help;
        self.found.push((span.start, diagnostic));
    }

    /// Notes a key that is not read in this table.
    pub(super) fn unknown(&mut self, table: Table, key: &Spanned<Cow<'_, str>>) {
        let (message, help) = table.refuse(key.get_ref());
        self.refuse(&key.span(), message, help);
    }

    /// Notes a value of the wrong type.
    pub(super) fn mistyped(
        &mut self,
        name: &str,
        value: &Value<'_>,
        wanted: &str,
        help: Option<String>,
    ) {
        let message = format!("`{name}` must be {wanted}, not {}", type_of(value.get_ref()));
        self.refuse(&value.span(), message, help);
    }

    /// Keeps a checked value, or notes why it is refused.
    pub(super) fn checked<T>(
        &mut self,
        value: &Value<'_>,
        result: Result<T, Refusal>,
    ) -> Option<T> {
        result.map_err(|refusal| self.refuse(&value.span(), refusal.message, refusal.help)).ok()
    }

    /// A string, whatever its bytes.
    pub(super) fn text<'v>(&mut self, name: &str, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let help = match value.get_ref() {
                DeValue::Integer(number) => Some(format!("write \"{number}\"")),
                DeValue::Float(number) => Some(format!("write \"{number}\"")),
                _ => None,
            };
            self.mistyped(name, value, "a string", help);
        }
        text
    }

    /// A string that reaches the kernel, where a NUL byte would end it.
    pub(super) fn string<'v>(&mut self, name: &str, value: &'v Value<'_>) -> Option<&'v str> {
        let text = self.text(name, value)?;
        if text.contains('\0') {
            self.refuse(&value.span(), format!("`{name}` cannot hold a NUL byte"), None);
            return None;
        }
        Some(text)
    }

    /// A string with a meaning.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let result = parse(self.string(name, value)?);
        self.checked(value, result)
    }

    /// A size, with advice for one that is no string.
    pub(super) fn sized<T>(
        &mut self,
        name: &str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        if value.get_ref().is_str() {
            return self.parsed(name, value, parse);
        }
        let help = "write the unit after the number, such as \"64M\" or \"1G\"".to_owned();
        self.mistyped(name, value, "a size with a unit, as a string", Some(help));
        None
    }

    /// A truth value.
    pub(super) fn boolean(&mut self, name: &str, value: &Value<'_>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mistyped(name, value, "true or false", None);
        }
        flag
    }

    /// A table.
    pub(super) fn table<'v, 'i>(
        &mut self,
        name: &str,
        value: &'v Value<'i>,
    ) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.mistyped(name, value, "a table", None);
        }
        table
    }

    /// A list.
    fn list<'v, 'i>(
        &mut self,
        name: &str,
        value: &'v Value<'i>,
        help: Option<String>,
    ) -> Option<&'v DeArray<'i>> {
        let list = value.get_ref().as_array();
        if list.is_none() {
            self.mistyped(name, value, "a list", help);
        }
        list
    }

    /// One value, or a list of at least one.
    pub(super) fn one_or_many<'v, 'i>(
        &mut self,
        name: &str,
        value: &'v Value<'i>,
    ) -> &'v [Value<'i>] {
        match value.get_ref() {
            DeValue::Array(list) if list.is_empty() => {
                self.refuse(&value.span(), format!("the list of `{name}` is empty"), None);
                &[]
            }
            DeValue::Array(list) => list,
            _ => std::slice::from_ref(value),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        name: &str,
        value: &Value<'_>,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let DeValue::Integer(number) = value.get_ref() else {
            self.mistyped(name, value, "a whole number", None);
            return None;
        };
        let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let read = read.filter(|number| bounds.contains(number));
        if read.is_none() {
            let (low, high) = bounds.into_inner();
            let message = format!("`{name}` must be between {low} and {high}");
            self.refuse(&value.span(), message, None);
        }
        read
    }

    /// A list of strings.
    pub(super) fn strings(&mut self, name: &str, value: &Value<'_>) -> Option<Vec<String>> {
        let help = value.get_ref().as_str().map(|text| format!("write [{text:?}]"));
        let list = self.list(name, value, help)?;
        // Every wrong item is named, so no short cut.
        let items: Vec<Option<&str>> = list.iter().map(|item| self.string(name, item)).collect();
        items.into_iter().map(|item| item.map(str::to_owned)).collect()
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &str,
        value: &Value<'_>,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.parsed(name, value, |text| {
            let found = choices.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let words: Vec<String> =
                    choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                Refusal::new(
                    format!("`{name}` cannot be `{text}`"),
                    format!("write {}", words.join(" or ")),
                )
            })
        })
    }

    /// A ceiling on processes, or `none`.
    pub(super) fn pids(&mut self, name: &str, value: &Value<'_>) -> Option<Ceiling<u64>> {
        /// The kernel's `PID_MAX_LIMIT`.
        const MOST: i64 = 1 << 22;
        match value.get_ref() {
            DeValue::String(text) if text == "none" => Some(None),
            DeValue::Integer(_) => {
                let number = self.number(name, value, 1..=MOST)?;
                u64::try_from(number).ok().map(Some)
            }
            _ => {
                self.mistyped(name, value, "a whole number or \"none\"", None);
                None
            }
        }
    }

    /// A ceiling on processor time, or `none`.
    pub(super) fn cpus(&mut self, name: &str, value: &Value<'_>) -> Option<Ceiling<f64>> {
        // The kernel gives no less than 1 ms of a period of 100 ms.
        const LEAST: f64 = 0.01;
        const MOST: f64 = 8192.0;
        let number: Option<f64> = match value.get_ref() {
            DeValue::String(text) if text == "none" => return Some(None),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .and_then(|number| i32::try_from(number).ok())
                .map(f64::from),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => {
                self.mistyped(name, value, "a number such as 1.5, or \"none\"", None);
                return None;
            }
        };
        let number = number.filter(|number| (LEAST..=MOST).contains(number));
        if number.is_none() {
            let message = format!("`{name}` must be between {LEAST} and {MOST}");
            self.refuse(&value.span(), message, None);
        }
        number.map(Some)
    }

    /// A wall clock, or `none`.
    pub(super) fn timeout(&mut self, name: &str, value: &Value<'_>) -> Option<Ceiling<Duration>> {
        let help = match value.get_ref() {
            DeValue::Integer(number) => Some(format!("did you mean \"{number}s\"?")),
            DeValue::Boolean(_) => Some(
                "to expect that the clock ends the run, write `timeout = true` under `[expect]`"
                    .to_owned(),
            ),
            _ => return self.parsed(name, value, values::duration),
        };
        self.mistyped(name, value, "a duration with a unit, as a string", help);
        None
    }

    /// A user: a string, or a bare uid.
    pub(super) fn user(&mut self, name: &str, value: &Value<'_>) -> Option<User> {
        match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => {
                let result = values::user(number.as_str());
                self.checked(value, result)
            }
            _ => self.parsed(name, value, values::user),
        }
    }

    /// `default`, `none`, `all` or a list of names.
    pub(super) fn capabilities(&mut self, name: &str, value: &Value<'_>) -> Option<Capabilities> {
        let list = match value.get_ref() {
            DeValue::Array(list) => list,
            DeValue::String(text) => {
                let set = match &**text {
                    "default" => Ok(Capabilities::Default),
                    "none" => Ok(Capabilities::None),
                    "all" => Ok(Capabilities::All),
                    text => Err(Refusal::new(
                        format!("`{name}` cannot be `{text}`"),
                        if values::capability(text).is_ok() {
                            format!("write a list: [\"{text}\"]")
                        } else {
                            "write \"default\", \"none\", \"all\" or a list of names".to_owned()
                        },
                    )),
                };
                return self.checked(value, set);
            }
            _ => {
                let wanted = "\"default\", \"none\", \"all\" or a list of names";
                self.mistyped(name, value, wanted, None);
                return None;
            }
        };
        let numbers: Vec<Option<u8>> =
            list.iter().map(|item| self.parsed(name, item, values::capability)).collect();
        let mut numbers = numbers.into_iter().collect::<Option<Vec<u8>>>()?;
        numbers.sort_unstable();
        numbers.dedup();
        Some(if numbers.is_empty() { Capabilities::None } else { Capabilities::List(numbers) })
    }

    /// Environment variables.
    pub(super) fn env(&mut self, name: &str, value: &Value<'_>) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        for (key, value) in self.table(name, value).into_iter().flatten() {
            let variable: &str = key.get_ref();
            if variable.is_empty() || variable.contains(['=', '\0']) {
                let message = format!("`{}` is no name of a variable", variable.escape_debug());
                let help = "a name is not empty and has neither `=` nor a NUL byte".to_owned();
                self.refuse(&key.span(), message, Some(help));
                continue;
            }
            if let Some(text) = self.string(&format!("{name}.{variable}"), value) {
                env.insert(variable.to_owned(), text.to_owned());
            }
        }
        env
    }

    /// Tags: words that a selection can name.
    pub(super) fn tags(&mut self, name: &str, value: &Value<'_>) -> Option<Vec<String>> {
        let help = value.get_ref().as_str().map(|text| format!("write [{text:?}]"));
        let list = self.list(name, value, help)?;
        let tags: Vec<Option<String>> = list
            .iter()
            .map(|item| {
                self.parsed(name, item, |text| {
                    if super::names::is_component(text) {
                        Ok(text.to_owned())
                    } else {
                        Err(Refusal::new(
                            format!("`{text}` is no tag"),
                            "use letters, digits and . _ + -",
                        ))
                    }
                })
            })
            .collect();
        tags.into_iter().collect()
    }

    /// The reason for a skip.
    pub(super) fn skip(&mut self, name: &str, value: &Value<'_>) -> Option<String> {
        if let DeValue::Boolean(_) = value.get_ref() {
            let help = "write the reason: skip = \"needs a kernel with ...\"".to_owned();
            self.mistyped(name, value, "the reason for the skip, as a string", Some(help));
            return None;
        }
        self.parsed(name, value, |text| match text.trim() {
            "" => Err(Refusal::new("a skip needs a reason", "say why the case cannot run")),
            reason => Ok(reason.to_owned()),
        })
    }

    /// The argument vector of the shell.
    pub(super) fn shell(&mut self, name: &str, value: &Value<'_>) -> Option<Vec<String>> {
        let words = self.strings(name, value)?;
        let result = match words.first() {
            Some(first) if first.starts_with('/') => Ok(words),
            Some(first) => Err(Refusal::new(
                format!("the shell `{first}` is no absolute path"),
                "write where it stands inside, such as [\"/bin/sh\"]",
            )),
            None => Err(Refusal::new("`shell` is empty", "write such as [\"/bin/bash\"]")),
        };
        self.checked(value, result)
    }
}

/// A type's name with its article.
fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
