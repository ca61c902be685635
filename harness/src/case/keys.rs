//! Which keys exist, which are still to come, and what to say about the rest.

use super::values::nearest;

/// Where a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// At the top of the header or of a `belljar.toml`.
    Top,
    /// In `[expect]`.
    Expect,
    /// In `stdout` or `stderr` of `[expect]`.
    Stream,
    /// In one entry of `files`.
    File,
}

impl Table {
    /// The keys that are read here.
    const fn known(self) -> &'static [&'static str] {
        match self {
            Self::Top => &[
                "hostname",
                "rootfs",
                "memory",
                "swap",
                "pids",
                "cpus",
                "disk",
                "timeout",
                "output",
                "user",
                "network",
                "capabilities",
                "no-new-privileges",
                "env",
                "args",
                "stdin",
                "workdir",
                "files",
                "tags",
                "skip",
                "shell",
                "expect",
            ],
            Self::Expect => &["exit", "signal", "oom", "timeout", "stdout", "stderr", "isolation"],
            Self::Stream => &["contains", "not-contains", "matches"],
            Self::File => &["content", "mode", "owner"],
        }
    }

    /// The keys that will be read here one day.
    const fn later(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["requires", "retries", "retry-on", "matrix", "run"],
            Self::Expect => &["files", "changes", "max-memory", "max-time", "max-processes"],
            Self::Stream => &["like", "json"],
            Self::File => &[],
        }
    }

    /// The message and the advice for a key that is not read here.
    pub(super) fn refuse(self, key: &str) -> (String, Option<String>) {
        if self.later().contains(&key) {
            return (format!("`{key}` is not yet supported"), None);
        }
        let help = self
            .elsewhere(key)
            .or_else(|| {
                let here = nearest(key, self.known().iter().copied());
                here.map(|key| format!("did you mean `{key}`?"))
            })
            .or_else(|| match (self, key) {
                (Self::Stream, "equals" | "equal" | "is" | "exact") => {
                    Some("a plain string is compared byte for byte: `stdout = \"...\"`".to_owned())
                }
                (Self::File, "path" | "source" | "fixture" | "from") => Some(
                    "a fixture is written as a plain string: `\"/inside\" = \"fixture\"`"
                        .to_owned(),
                ),
                (Self::Top, _) => {
                    let there = nearest(key, Self::Expect.known().iter().copied());
                    there.map(|key| format!("did you mean `{key}`, under `[expect]`?"))
                }
                (Self::Expect, _) => {
                    let there = nearest(key, Self::Top.known().iter().copied());
                    there.map(|key| format!("did you mean `{key}`, above `[expect]`?"))
                }
                _ => None,
            })
            .or_else(|| match self {
                Self::Top => None,
                _ => Some(format!("the keys here are {}", self.known().join(", "))),
            });
        (format!("unknown key `{key}`"), help)
    }

    /// The advice for a key that exists in another table.
    fn elsewhere(self, key: &str) -> Option<String> {
        let knows = |table: Self| table.known().contains(&key) || table.later().contains(&key);
        match self {
            Self::Top if knows(Self::Expect) => {
                Some(format!("`{key}` is an expectation and belongs under `[expect]`"))
            }
            Self::Top | Self::Expect if knows(Self::Stream) => Some(format!(
                "`{key}` belongs to a stream: `stdout = {{ {key} = \"...\" }}` under `[expect]`"
            )),
            Self::Expect if knows(Self::Top) => {
                Some(format!("`{key}` belongs above `[expect]`, at the top"))
            }
            Self::Stream if knows(Self::Expect) || knows(Self::Top) => {
                let table = if knows(Self::Expect) { "under `[expect]`" } else { "at the top" };
                Some(format!("`{key}` belongs {table}, not to a stream"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(table: Table, key: &str) -> String {
        let (message, help) = table.refuse(key);
        assert_eq!(message, format!("unknown key `{key}`"));
        help.unwrap_or_default()
    }

    #[test]
    fn a_slip_gets_the_nearest_key() {
        assert_eq!(help(Table::Top, "memroy"), "did you mean `memory`?");
        assert_eq!(help(Table::Top, "no_new_privileges"), "did you mean `no-new-privileges`?");
        assert_eq!(help(Table::Expect, "exot"), "did you mean `exit`?");
        assert_eq!(help(Table::Stream, "contain"), "did you mean `contains`?");
        assert_eq!(help(Table::File, "contents"), "did you mean `content`?");
        assert_eq!(help(Table::Top, "zzzzzz"), "");
    }

    #[test]
    fn a_key_of_another_table_is_sent_there() {
        let expectation = "`stdout` is an expectation and belongs under `[expect]`";
        assert_eq!(help(Table::Top, "stdout"), expectation);
        assert_eq!(help(Table::Expect, "memory"), "`memory` belongs above `[expect]`, at the top");
        assert_eq!(help(Table::Stream, "exit"), "`exit` belongs under `[expect]`, not to a stream");
        assert_eq!(help(Table::Top, "stdot"), "did you mean `stdout`, under `[expect]`?");
        assert_eq!(help(Table::Expect, "memroy"), "did you mean `memory`, above `[expect]`?");
    }

    #[test]
    fn keys_to_come_are_named_as_such() {
        for (table, key) in [
            (Table::Top, "retries"),
            (Table::Top, "matrix"),
            (Table::Top, "run"),
            (Table::Expect, "changes"),
            (Table::Expect, "files"),
            (Table::Expect, "max-time"),
            (Table::Stream, "json"),
        ] {
            assert_eq!(table.refuse(key).0, format!("`{key}` is not yet supported"));
        }
    }
}
