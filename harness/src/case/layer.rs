//! The keys of one file, checked one by one; what several files say together
//! is settled in `resolve`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::expect_layer::ExpectLayer;
use super::files::{self, FixtureBase};
use super::keys::Table;
use super::reader::Reader;
use super::source::Source;
use super::values;
use crate::spec::{Capabilities, FileSpec, Network, RootfsRef, User};

/// A value and where it stands in its file's TOML.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A value that may be written as `"none"`, which is `None`.
pub(super) type Ceiling<T> = Option<T>;

/// What one file says: a case's header or a `belljar.toml`.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) source: Arc<Source>,
    pub(super) hostname: Option<String>,
    pub(super) rootfs: Option<At<RootfsRef>>,
    pub(super) memory: Option<Ceiling<u64>>,
    pub(super) swap: Option<Ceiling<u64>>,
    pub(super) pids: Option<Ceiling<u64>>,
    pub(super) cpus: Option<Ceiling<f64>>,
    pub(super) disk: Option<u64>,
    pub(super) timeout: Option<Ceiling<Duration>>,
    pub(super) output: Option<u64>,
    pub(super) user: Option<User>,
    pub(super) network: Option<Network>,
    pub(super) capabilities: Option<Capabilities>,
    pub(super) no_new_privileges: Option<bool>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) workdir: Option<String>,
    /// What each key of `files` puts into the sandbox: one entry, or a folder's.
    pub(super) files: BTreeMap<String, At<Vec<FileSpec>>>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) skip: Option<String>,
    pub(super) shell: Option<Vec<String>>,
    pub(super) expect: ExpectLayer,
}

impl Layer {
    /// A file that says nothing.
    fn empty(source: Arc<Source>) -> Self {
        Self {
            source,
            hostname: None,
            rootfs: None,
            memory: None,
            swap: None,
            pids: None,
            cpus: None,
            disk: None,
            timeout: None,
            output: None,
            user: None,
            network: None,
            capabilities: None,
            no_new_privileges: None,
            env: BTreeMap::new(),
            args: None,
            stdin: None,
            workdir: None,
            files: BTreeMap::new(),
            tags: None,
            skip: None,
            shell: None,
            expect: ExpectLayer::default(),
        }
    }

    /// Reads the TOML of one file.
    ///
    /// `folder` is where relative rootfs references start, as a path that the
    /// caller can open; `base` is where fixtures are looked for.
    pub(super) fn read(
        source: Source,
        folder: &Path,
        base: FixtureBase<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let source = Arc::new(source);
        let mut layer = Self::empty(Arc::clone(&source));
        if source.toml.is_empty() {
            return Ok(layer);
        }
        let table = match DeTable::parse(&source.toml) {
            Ok(table) => table,
            Err(error) => {
                let span = error.span().unwrap_or_default();
                return Err(vec![source.error(&span, error.message().trim_end())]);
            }
        };
        let mut reader = Reader::new(&source);
        for (key, value) in table.get_ref() {
            layer.read_key(&mut reader, key, value, folder, base);
        }
        reader.finish().map(|()| layer)
    }

    /// Reads one key of the top table.
    fn read_key(
        &mut self,
        reader: &mut Reader<'_>,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        folder: &Path,
        base: FixtureBase<'_>,
    ) {
        let name: &str = key.get_ref();
        match name {
            "hostname" => self.hostname = reader.parsed(name, value, values::hostname),
            "rootfs" => {
                self.rootfs = reader
                    .parsed(name, value, |text| {
                        RootfsRef::parse(text, folder).map_err(values::Refusal::bare)
                    })
                    .map(|rootfs| At { value: rootfs, span: value.span() });
            }
            "memory" => self.memory = reader.sized(name, value, values::memory),
            "swap" => {
                self.swap = reader.sized(name, value, |text| match text {
                    "none" => Ok(None),
                    _ => values::size(text).map(Some),
                });
            }
            "disk" => self.disk = reader.sized(name, value, |text| values::least(text, "64K")),
            "output" => self.output = reader.sized(name, value, |text| values::least(text, "1B")),
            "pids" => self.pids = reader.pids(name, value),
            "cpus" => self.cpus = reader.cpus(name, value),
            "timeout" => self.timeout = reader.timeout(name, value),
            "user" => self.user = reader.user(name, value),
            "network" => {
                let choices = [("none", Network::None), ("host", Network::Host)];
                self.network = reader.choice(name, value, &choices);
            }
            "capabilities" => self.capabilities = reader.capabilities(name, value),
            "no-new-privileges" => self.no_new_privileges = reader.boolean(name, value),
            "env" => self.env = reader.env(name, value),
            "args" => self.args = reader.strings(name, value),
            "stdin" => self.stdin = reader.text(name, value).map(|text| text.as_bytes().to_vec()),
            "workdir" => self.workdir = reader.parsed(name, value, values::inside_path),
            "files" => self.files = files::read(reader, value, base),
            "tags" => self.tags = reader.tags(name, value),
            "skip" => self.skip = reader.skip(name, value),
            "shell" => self.shell = reader.shell(name, value),
            "expect" => self.expect = ExpectLayer::read(reader, value),
            _ => reader.unknown(Table::Top, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::case::header;

    const HEADER: &str = r#"#!/bin/bash
# /// case
# hostname = "alpha"
# memory = "64M"
# cpus = 1.5
# tags = ["slow",
#   "net"]
# skip = """
# höher"""
# capabilities = ["NET_ADMIN"]
# env = { A = "1" }
# [files]
# "/etc/motd" = { content = "hi", mode = "0600" }
# [expect]
# exit = [1, 2]
# stdout = { contains = "e", matches = '^e$' }
# isolation.hostname = false
# ///
true
"#;

    /// Reads a script as far as it goes, and draws what is wrong with it.
    fn read(script: &[u8]) -> String {
        let here = Path::new("/nowhere");
        let base = FixtureBase { folder: here, root: here };
        let source = header::find(Path::new("a.sh"), script).map_err(|mistake| vec![mistake]);
        match source.and_then(|source| Layer::read(source, here, base)) {
            Ok(_) => String::new(),
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn whatever_stands_in_a_header_is_read_or_refused() {
        let bytes = HEADER.as_bytes();
        assert_eq!(read(bytes), "");
        let mut refused = 0;
        for at in 0..bytes.len() {
            refused += usize::from(!read(&bytes[..at]).is_empty());
            for byte in [b'\n', b'"', b'[', b'=', b'#', b' ', b'\0', 0xff] {
                let mut changed = bytes.to_vec();
                changed[at] = byte;
                refused += usize::from(!read(&changed).is_empty());
            }
        }
        assert!(refused > bytes.len());
    }
}
