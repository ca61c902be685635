//! What a sealed run refuses: whatever lets a case decide how well it is locked up.
//!
//! Cases of a sealed run come from strangers, and so do the `belljar.toml` files beside them.
//! Every layer is judged by itself, also where an inner one replaces what it says: whether a
//! file is refused does not depend on which of its cases are asked for.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::defaults::DEFAULTS;
use super::diagnostic::Diagnostic;
use super::layer::Layer;
use super::load::Overrides;
use crate::spec::{Capabilities, Limits, Network, RootfsRef, Spec};

const UNSEALED: &str = "remove it, or run the case unsealed if you trust its author";
const LOWER: &str = "write no more than that, or remove it";

/// Every key of one file that a sealed run refuses, in the order of the file.
pub(super) fn refusals(layer: &Layer, overrides: &Overrides) -> Vec<Diagnostic> {
    // No `..`: a key that is new has to be judged here, one way or the other.
    let Layer {
        source,
        rootfs,
        memory,
        swap,
        pids,
        disk,
        timeout,
        output,
        network,
        capabilities,
        no_new_privileges,
        expect,
        // By default there is no ceiling on processor time, so none can be given up.
        cpus: _,
        // Read from beneath the case root only, whether sealed or not.
        files: _,
        // What the script is and sees inside, which no defence of the sandbox leans on.
        hostname: _,
        user: _,
        env: _,
        args: _,
        stdin: _,
        workdir: _,
        shell: _,
        // Selection.
        tags: _,
        skip: _,
    } = layer;

    let mut refused: Vec<(Vec<&str>, String, &str)> = Vec::new();
    let mut refuse = |is: bool, key: &'static str, message: &str, help: &'static str| {
        if is {
            refused.push((vec![key], message.to_owned(), help));
        }
    };
    refuse(
        rootfs.as_ref().is_some_and(|at| !same(&at.value, overrides.rootfs.as_ref())),
        "rootfs",
        "a sealed run takes no root filesystem of a case's own choice",
        "name it with `--rootfs`, or remove it",
    );
    let granted = overrides.memory.unwrap_or(Some(Limits::MEMORY));
    refuse(
        memory.is_some_and(|memory| raises(memory, granted)),
        "memory",
        "a sealed run grants no case more memory than its caller does",
        "write no more than `--memory` allows (256M without it)",
    );
    refuse(
        swap.is_some_and(|swap| raises(swap, granted.map(|_| 0))),
        "swap",
        "a sealed run grants no case any swap",
        "write \"0\", or remove it",
    );
    refuse(
        disk.is_some_and(|disk| disk > granted.map_or(Limits::DISK, |memory| memory / 2)),
        "disk",
        "a sealed run grants no case a larger writable layer than its caller does",
        "write no more than half of what `--memory` allows (128M without it)",
    );
    refuse(
        pids.is_some_and(|pids| raises(pids, Some(Limits::PIDS))),
        "pids",
        "a sealed run grants no case more than 256 processes",
        LOWER,
    );
    refuse(
        timeout.is_some_and(|timeout| {
            raises(timeout, overrides.timeout.unwrap_or(Some(Spec::TIMEOUT)))
        }),
        "timeout",
        "a sealed run grants no case more time than its caller does",
        "write no more than `--timeout` allows (60s without it)",
    );
    // It is kept in memory outside, where no ceiling of the sandbox holds.
    refuse(
        output.is_some_and(|output| output > Spec::OUTPUT),
        "output",
        "a sealed run keeps no more than 1M of each stream",
        LOWER,
    );
    refuse(
        *network == Some(Network::Host),
        "network",
        "a sealed run gives no case the caller's network",
        UNSEALED,
    );
    refuse(
        capabilities.as_ref().is_some_and(beyond_default),
        "capabilities",
        "a sealed run gives no case a capability beyond the default set",
        UNSEALED,
    );
    refuse(
        *no_new_privileges == Some(false),
        "no-new-privileges",
        "a sealed run lets no program gain privileges",
        UNSEALED,
    );
    for (property, judged) in &expect.isolation {
        if !judged {
            let name = property.name();
            let message = format!("a sealed run judges every property, and so `{name}`");
            refused.push((vec!["expect", "isolation", name], message, UNSEALED));
        }
    }

    let mut refused: Vec<(Range<usize>, String, &str)> = refused
        .into_iter()
        .map(|(keys, message, help)| (span(&source.toml, &keys), message, help))
        .collect();
    refused.sort_by_key(|(span, ..)| span.start);
    refused
        .into_iter()
        .map(|(span, message, help)| source.error(&span, message).with_help(help))
        .collect()
}

/// Whether a ceiling is above the one that is granted; `None` is no ceiling at all.
fn raises<T: PartialOrd>(written: Option<T>, granted: Option<T>) -> bool {
    granted.is_some_and(|granted| written.is_none_or(|written| written > granted))
}

fn beyond_default(capabilities: &Capabilities) -> bool {
    match capabilities {
        Capabilities::Default | Capabilities::None => false,
        Capabilities::All => true,
        Capabilities::List(list) => list.iter().any(|c| !Capabilities::DEFAULT.contains(c)),
    }
}

/// Whether a file asks for the very root filesystem that the caller named, or leaves the
/// choice to belljar.
fn same(asked: &RootfsRef, named: Option<&RootfsRef>) -> bool {
    match (asked, named) {
        (RootfsRef::Auto, _) => true,
        (RootfsRef::Path(asked), Some(RootfsRef::Path(named))) => {
            asked == named
                || matches!((asked.canonicalize(), named.canonicalize()), (Ok(a), Ok(b)) if a == b)
        }
        (asked, named) => Some(asked) == named,
    }
}

/// Where a key and its value stand in TOML that was read before, below the tables named
/// first. Layers keep no place of most keys, since nothing else asks for it.
fn span(toml: &str, keys: &[&str]) -> Range<usize> {
    let Ok(table) = DeTable::parse(toml) else { return 0..0 };
    let mut table = table.into_inner();
    let mut place = 0..0;
    for name in keys {
        let Some((key, value)) = take(&mut table, name) else { break };
        place = key.span().start..value.span().end.max(key.span().end);
        match value.into_inner() {
            DeValue::Table(below) => table = below,
            _ => break,
        }
    }
    place
}

type Entry<'a> = (Spanned<Cow<'a, str>>, Spanned<DeValue<'a>>);

fn take<'a>(table: &mut DeTable<'a>, name: &str) -> Option<Entry<'a>> {
    std::mem::take(table).into_iter().find(|(key, _)| key.get_ref() == name)
}

/// The files that a case at `file` is read from, as far as they are links out of the case
/// root: itself, and the defaults of the folders above. All paths are canonical but for
/// their last part; `shown` makes them fit for a person.
pub(super) fn sources_outside(
    file: &Path,
    root: &Path,
    shown: impl Fn(&Path) -> PathBuf,
) -> Vec<Diagnostic> {
    let folders = file.ancestors().skip(1).take_while(|above| above.starts_with(root));
    folders
        .map(|folder| folder.join(DEFAULTS))
        .chain([file.to_owned()])
        .filter(|path| leads_out(path, root))
        .map(|path| outside(&shown(&path)))
        .collect()
}

/// The snapshots of a case at `file`, as far as they are links out of the case root: what
/// they lead to would be shown beside what the script wrote.
pub(super) fn snapshots_outside(
    file: &Path,
    root: &Path,
    shown: impl Fn(&Path) -> PathBuf,
) -> Vec<Diagnostic> {
    ["stdout", "stderr", "changes"]
        .map(|stream| file.with_extension(stream))
        .into_iter()
        .filter(|path| leads_out(path, root))
        .map(|path| outside(&shown(&path)))
        .collect()
}

fn outside(shown: &Path) -> Diagnostic {
    Diagnostic::of_path(shown, "a sealed run follows no link out of the case root")
        .with_help("put the file itself there")
}

/// Whether a path leads to something outside of a canonical folder.
pub(super) fn leads_out(path: &Path, root: &Path) -> bool {
    path.canonicalize().is_ok_and(|real| !real.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_is_raised_by_more_and_by_none() {
        assert!(!raises(Some(1), Some(2)) && !raises(Some(2), Some(2)));
        assert!(raises(Some(3), Some(2)) && raises(None, Some(2)));
        assert!(!raises(Some(3), None) && !raises(None::<u64>, None));
    }

    #[test]
    fn keys_are_found_however_they_are_written() {
        for (toml, text) in [
            ("a = 1\nnetwork = \"host\"\n", "network = \"host\""),
            ("\"network\" = 'host'", "\"network\" = 'host'"),
        ] {
            assert_eq!(&toml[span(toml, &["network"])], text);
        }
        for toml in [
            "expect.isolation.hostname = false",
            "[expect]\nisolation.hostname = false",
            "[expect.isolation]\nseccomp = false\nhostname = false",
            "expect = { isolation = { hostname = false } }",
        ] {
            let found = &toml[span(toml, &["expect", "isolation", "hostname"])];
            assert_eq!(found, "hostname = false", "{toml}");
        }
    }
}
