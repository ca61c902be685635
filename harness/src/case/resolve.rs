//! From what several files say to one case: a case's own keys, then those of the
//! folders from the inside out, then flags, then the built-in defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::discover::read_regular;
use super::layer::{At, Ceiling, Layer};
use super::load::Overrides;
use super::model::{Case, Expect, StreamExpect};
use super::values::hostname_of_stem;
use crate::outcome::Property;
use crate::spec::{
    Asked, Capabilities, FileKind, FileSpec, Limits, Network, RootfsRef, Spec, User,
};

/// Memory without a word about it.
const MEMORY: u64 = 256 << 20;
/// The writable layer where there is no memory ceiling to take half of.
const DISK: u64 = 256 << 20;
const PIDS: u64 = 256;
const TIMEOUT: Duration = Duration::from_secs(60);
const OUTPUT: u64 = 1 << 20;

/// What is known of a case besides the keys.
pub(super) struct Subject {
    pub(super) name: String,
    /// The file, as a path that the caller can open.
    pub(super) file: PathBuf,
    pub(super) script: Vec<u8>,
}

/// The layers of one case, its own first, and what is wrong between them.
struct Merge {
    layers: Vec<Arc<Layer>>,
    mistakes: Vec<Diagnostic>,
}

/// A key of `files` as one layer writes it.
type Written<'a> = (&'a Arc<Layer>, &'a At<Vec<FileSpec>>);

/// Makes the case; `layers` begins with the case's own.
pub(super) fn resolve(
    subject: Subject,
    layers: Vec<Arc<Layer>>,
    overrides: &Overrides,
) -> Result<Case, Vec<Diagnostic>> {
    let mut merge = Merge { layers, mistakes: Vec::new() };
    let file_name = subject.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = file_name.strip_suffix(".sh").unwrap_or(&file_name).to_owned();

    let timeout = merge.pick(|layer| layer.timeout);
    let limits = merge.limits(overrides);
    let expect = merge.expect(&subject.file, &stem, timeout, limits.memory);
    let spec = Spec {
        name: subject.name.clone(),
        hostname: merge
            .pick(|layer| layer.hostname.clone())
            .unwrap_or_else(|| hostname_of_stem(&stem)),
        rootfs: merge.rootfs(overrides),
        shell: merge
            .pick(|layer| layer.shell.clone())
            .unwrap_or_else(|| vec!["/bin/bash".to_owned()]),
        script_name: file_name,
        script: subject.script,
        args: merge.pick(|layer| layer.args.clone()).unwrap_or_default(),
        env: merge.env(),
        stdin: merge.pick(|layer| layer.stdin.clone()).unwrap_or_default(),
        workdir: merge.pick(|layer| layer.workdir.clone()).unwrap_or_else(|| "/".to_owned()),
        user: merge.pick(|layer| layer.user.clone()).unwrap_or(User::Root),
        files: merge.files(),
        limits,
        timeout: timeout.or(overrides.timeout).unwrap_or(Some(TIMEOUT)),
        output: merge.pick(|layer| layer.output).unwrap_or(OUTPUT),
        network: merge.pick(|layer| layer.network).unwrap_or(Network::None),
        capabilities: merge
            .pick(|layer| layer.capabilities.clone())
            .unwrap_or(Capabilities::Default),
        no_new_privileges: merge.pick(|layer| layer.no_new_privileges).unwrap_or(true),
    };
    let case = Case {
        name: subject.name,
        file: subject.file,
        tags: merge.pick(|layer| layer.tags.clone()).unwrap_or_default(),
        skip: merge.pick(|layer| layer.skip.clone()),
        spec,
        expect,
    };
    if merge.mistakes.is_empty() { Ok(case) } else { Err(merge.mistakes) }
}

impl Merge {
    /// The innermost word on a key.
    fn pick<T>(&self, key: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| key(layer))
    }

    /// Notes a mistake at a place of the file that says so.
    fn refuse(&mut self, layer: &Layer, span: &Range<usize>, message: String, help: &str) {
        self.mistakes.push(layer.source.error(span, message).with_help(help));
    }

    fn limits(&self, overrides: &Overrides) -> Limits {
        fn asked<T>(written: Option<T>, default: T) -> Asked<T> {
            written.map_or(Asked::default_of(default), Asked::written)
        }
        let memory =
            asked(self.pick(|layer| layer.memory), overrides.memory.unwrap_or(Some(MEMORY)));
        // Swap is counted on top of a memory ceiling, and means nothing without one.
        let swap = memory.value.map(|_| 0);
        let disk = memory.value.map_or(DISK, |memory| memory / 2);
        Limits {
            memory,
            swap: asked(self.pick(|layer| layer.swap), swap),
            pids: asked(self.pick(|layer| layer.pids), Some(PIDS)),
            cpus: asked(self.pick(|layer| layer.cpus), None),
            disk: asked(self.pick(|layer| layer.disk), disk),
        }
    }

    fn rootfs(&mut self, overrides: &Overrides) -> RootfsRef {
        if let Some(rootfs) = &overrides.rootfs {
            return rootfs.clone();
        }
        let found = self.layers.iter().find_map(|layer| {
            layer.rootfs.as_ref().map(|rootfs| (Arc::clone(layer), rootfs.clone()))
        });
        let Some((layer, At { value, span })) = found else { return RootfsRef::Auto };
        if let RootfsRef::Path(path) = &value {
            if let Err(error) = fs::metadata(path) {
                // Without the `.` in `folder/./root`.
                let tidy: PathBuf = path.components().collect();
                let message =
                    format!("the root filesystem {} cannot be used: {error}", tidy.display());
                let help = "a path is taken from the folder of the file that says it";
                self.refuse(&layer, &span, message, help);
            }
        }
        value
    }

    fn env(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            env.extend(layer.env.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        env
    }

    /// The files of all layers, parents first; of two that meet at one path the
    /// one with the longer key counts.
    fn files(&mut self) -> Vec<FileSpec> {
        if self.layers.iter().all(|layer| layer.files.is_empty()) {
            return Vec::new();
        }
        let mut keys: BTreeMap<&str, Written<'_>> = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            keys.extend(layer.files.iter().map(|(key, files)| (key.as_str(), (layer, files))));
        }
        let mut files: BTreeMap<&str, (Written<'_>, &FileSpec)> = BTreeMap::new();
        for written in keys.values() {
            let brought = written.1.value.iter();
            files.extend(brought.map(|file| (file.path.as_str(), (*written, file))));
        }
        let mut mistakes = Vec::new();
        // One mistake for each key, however many files it brings.
        let mut told = BTreeSet::new();
        for (path, ((layer, at), _)) in &files {
            let blocked = parents(path).find(|parent| {
                files.get(parent).is_some_and(|(_, file)| file.kind != FileKind::Directory)
            });
            if let Some(parent) = blocked {
                if told.insert((layer.source.path.clone(), at.span.start)) {
                    let message = format!("`{path}` lies below `{parent}`, which is no folder");
                    let help = "keep one of the two, or make the upper one a folder";
                    mistakes.push(layer.source.error(&at.span, message).with_help(help));
                }
            }
        }
        let files = files.values().map(|(_, file)| (*file).clone()).collect();
        self.mistakes.extend(mistakes);
        files
    }

    fn expect(
        &mut self,
        file: &Path,
        stem: &str,
        timeout: Option<Ceiling<Duration>>,
        memory: Asked<Option<u64>>,
    ) -> Expect {
        let mut expect = Expect::default();
        // One file's word on the ending replaces another's as a whole.
        let ending = self.layers.iter().find(|layer| layer.expect.says_ending()).map(Arc::clone);
        if let Some(layer) = ending {
            expect.exit = layer.expect.exit.clone().unwrap_or_default();
            expect.signal = layer.expect.signal;
            if let Some(At { value: true, span }) = &layer.expect.timeout {
                expect.timeout = true;
                if timeout == Some(None) {
                    let message = "the clock cannot end a run with `timeout = \"none\"`".to_owned();
                    self.refuse(&layer, span, message, "give `timeout` a limit");
                }
            }
        }
        let oom = self.layers.iter().find(|layer| layer.expect.oom.is_some()).map(Arc::clone);
        if let Some(layer) = oom {
            if let Some(At { value: true, span }) = &layer.expect.oom {
                expect.oom = true;
                if memory.written && memory.value.is_none() {
                    let message = "nothing runs out of memory with `memory = \"none\"`".to_owned();
                    self.refuse(&layer, span, message, "give `memory` a ceiling");
                }
            }
        }
        if expect.exit.is_empty() && expect.signal.is_none() && !expect.timeout && !expect.oom {
            expect.exit = vec![0];
        }
        expect.stdout = self.stream(file, stem, "stdout", |layer| layer.expect.stdout.as_ref());
        expect.stderr = self.stream(file, stem, "stderr", |layer| layer.expect.stderr.as_ref());
        let changes = file.with_file_name(format!("{stem}.changes"));
        if fs::symlink_metadata(&changes).is_ok() {
            self.mistakes.push(
                Diagnostic::of_path(changes, "a snapshot of changes is not yet supported")
                    .with_help(format!("remove it, or call it other than `{stem}.changes`")),
            );
        }
        let mut judged: BTreeMap<Property, bool> = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            judged.extend(&layer.expect.isolation);
        }
        expect.unjudged = judged
            .into_iter()
            .filter(|(_, judged)| !judged)
            .map(|(property, _)| property)
            .collect();
        expect
    }

    /// What is expected of one stream: its snapshot, or the innermost word on it.
    fn stream(
        &mut self,
        file: &Path,
        stem: &str,
        name: &str,
        key: impl Fn(&Layer) -> Option<&At<StreamExpect>>,
    ) -> StreamExpect {
        let snapshot = file.with_file_name(format!("{stem}.{name}"));
        let bytes = match read_regular(&snapshot) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let message = format!("the snapshot of {name} cannot be read: {error}");
                self.mistakes.push(Diagnostic::of_path(snapshot, message));
                return StreamExpect::default();
            }
        };
        let Some(bytes) = bytes else {
            return self.pick(|layer| key(layer).map(|at| at.value.clone())).unwrap_or_default();
        };
        let own = self.layers.first().map(Arc::clone);
        if let Some(layer) = own {
            if let Some(At { span, .. }) = key(&layer) {
                let message =
                    format!("`{name}` is given here and by the snapshot {}", snapshot.display());
                self.refuse(&layer, span, message, "keep one of the two");
            }
        }
        StreamExpect { equals: Some(bytes), snapshot: Some(snapshot), ..StreamExpect::default() }
    }
}

/// The folders above an absolute path, nearest first, without `/`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices().rev().filter(|(at, c)| *c == '/' && *at > 0).map(|(at, _)| &path[..at])
}
