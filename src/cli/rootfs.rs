//! `belljar rootfs`: looks after the store of root filesystems.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::args::Global;
use super::exit::Exit;
use crate::harness::Cancel;
use crate::harness::spec::RootfsRef;
use crate::signals::Watch;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::rootfs::{Image, Progress, ResolveOptions, Rootfs, RootfsError, Store};

/// Look after the store of root filesystems
#[derive(Debug, clap::Args)]
pub struct RootfsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows what the store holds
    List,
    /// Fetches a root filesystem into the store
    #[command(long_about = PULL_HELP)]
    Pull {
        /// Which one
        #[arg(default_value = "ubuntu:20.04", value_name = "REFERENCE")]
        reference: String,
    },
    /// Brings an archive into the store: tar, plain or compressed with gzip, xz or zstd
    Import {
        /// The archive
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Removes root filesystems from the store
    #[command(visible_alias = "rm")]
    Remove {
        /// Names as `list` shows them, or digests (the first four digits do)
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

const PULL_HELP: &str = "\
Fetches a root filesystem into the store, checked against its SHA-256.

BELLJAR_MIRROR takes the place of https://cdimage.ubuntu.com; where it ends in #sha256=HEX, that \
is the digest to expect. Proxies are taken from https_proxy, http_proxy, all_proxy and no_proxy.";

/// Does `belljar rootfs`.
pub(crate) fn execute(args: &RootfsArgs, global: &Global) -> Exit {
    let cancel = Cancel::new();
    let watch = Watch::start(cancel.clone(), || ());
    let status = run(
        args,
        global.store.as_deref(),
        global.offline,
        &cancel,
        &mut io::stdout(),
        &mut io::stderr(),
    );
    match watch.ok().and_then(|watch| watch.received()) {
        Some(signal) => Exit::signal(signal),
        None => Exit::new(status),
    }
}

/// Runs the command: results go to `out`, everything else to `err`. Gives the exit status:
/// 0, 1 for a failure, 2 for wrong usage, 130 when interrupted.
pub fn run(
    args: &RootfsArgs,
    store: Option<&Path>,
    offline: bool,
    cancel: &Cancel,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let failure = match perform(&args.command, store, offline, cancel, out) {
        Ok(()) => return 0,
        Err(failure) => failure,
    };
    // Where even that cannot be written, the status is all there is.
    match failure {
        // Whoever reads the list has seen enough.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Failure::Output(error) => {
            let _ = writeln!(err, "error: could not write the result: {error}");
            1
        }
        Failure::Usage(message) => {
            let _ = writeln!(err, "error: {message}");
            2
        }
        Failure::Rootfs(error) => {
            let _ = writeln!(err, "error: {}", error.chain());
            if let Some(remedy) = error.remedy() {
                let _ = writeln!(err, "  help: {remedy}");
            }
            if error.is_interrupted() { 130 } else { 1 }
        }
    }
}

enum Failure {
    Rootfs(RootfsError),
    Usage(String),
    Output(io::Error),
}

impl From<RootfsError> for Failure {
    fn from(error: RootfsError) -> Self {
        Self::Rootfs(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn perform(
    command: &Command,
    store: Option<&Path>,
    offline: bool,
    cancel: &Cancel,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let bar = Bar::default();
    let notice = |line: &str| eprintln!("{line}");
    let options = ResolveOptions { offline, progress: &bar, notice: &notice, cancel };
    match command {
        Command::List => {
            let store = Store::open(store)?;
            let images = store.list()?;
            if images.is_empty() {
                writeln!(out, "the store {} is empty", store.path().display())?;
            } else {
                out.write_all(table(&images, SystemTime::now()).as_bytes())?;
            }
        }
        Command::Pull { reference } => {
            let reference = RootfsRef::parse(reference, Path::new("")).map_err(Failure::Usage)?;
            let rootfs = Store::open(store)?.pull(&reference, &options)?;
            say(out, &rootfs)?;
        }
        Command::Import { file } => {
            let rootfs = Store::open(store)?.import(file, &options)?;
            say(out, &rootfs)?;
        }
        Command::Remove { names } => {
            let store = Store::open(store)?;
            for name in names {
                let image = store.remove(name)?;
                writeln!(out, "removed {} ({})", image.name, bytes(image.size))?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn say(out: &mut dyn Write, rootfs: &Rootfs) -> io::Result<()> {
    let digest = rootfs.used.digest.as_deref().unwrap_or("-");
    writeln!(out, "{} {digest}", rootfs.used.used)
}

fn table(images: &[Image], now: SystemTime) -> String {
    let mut rows = vec![["NAME", "DIGEST", "SIZE", "LAST USED"].map(str::to_owned)];
    for image in images {
        // Sixteen digits tell them apart, and `remove` takes them.
        let digest =
            image.digest.as_deref().map_or("-", |digest| digest.get(..23).unwrap_or(digest));
        let used = if image.in_use { "in use".to_owned() } else { ago(image.last_used, now) };
        rows.push([image.name.clone(), digest.to_owned(), bytes(image.size), used]);
    }
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let (name, digest, size) = (width(0), width(1), width(2));
    let mut text = String::new();
    for [a, b, c, d] in &rows {
        let _ = writeln!(text, "{a:name$}  {b:digest$}  {c:>size$}  {d}");
    }
    text
}

fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

fn ago(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Shows progress on standard error, where that is a terminal.
#[derive(Debug, Default)]
pub(crate) struct Bar {
    current: Mutex<Option<ProgressBar>>,
    among: Option<MultiProgress>,
}

impl Bar {
    /// A bar that keeps clear of the others of `lines`.
    pub(crate) fn among(lines: MultiProgress) -> Self {
        Self { current: Mutex::default(), among: Some(lines) }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress for Bar {
    fn start(&self, what: &str, total: Option<u64>) {
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {eta}",
            ),
            None => (ProgressBar::new_spinner(), "{msg} {spinner} {binary_bytes}"),
        };
        let bar = match &self.among {
            Some(lines) => lines.insert(0, bar),
            None => bar,
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        *self.current() = Some(bar);
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.current() {
            bar.inc(bytes);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.current().take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::ago;

    #[test]
    fn ages() {
        let now = SystemTime::now();
        let at = |seconds| ago(now - Duration::from_secs(seconds), now);
        assert_eq!(at(59), "just now");
        assert_eq!(at(60), "1 min ago");
        assert_eq!(at(7200), "2 h ago");
        assert_eq!(at(172_800), "2 days ago");
        assert_eq!(ago(now + Duration::from_secs(5), now), "just now");
    }
}
