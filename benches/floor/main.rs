//! How much more than the kernel itself a sandbox costs: two floors of raw system calls,
//! belljar, and whichever of its peers this machine has, interleaved in one run.
//!
//! `cargo bench --bench floor -- --runs 300 --svg floor.svg`

mod cgroup;
mod contender;
mod ids;
mod jar;
mod ours;
mod peers;
mod raw;
mod report;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use belljar::JarRunner;
use belljar::harness::Cancel;
use belljar::rootfs::{ResolveOptions, Silent, Store};
use clap::Parser;

use contender::{Contender, Kind, Result};
use jar::Floor;

/// The memory ceiling of every jar: the default.
const MEMORY: u64 = 256 << 20;
/// The trivial script; more than one command, so that bash stays bash everywhere.
const SCRIPT: &[u8] = b":\nexit 0\n";

/// Compares belljar with the floors and its peers.
#[derive(Debug, Parser)]
#[command(name = "floor")]
struct Args {
    /// Rounds; each times every contender once
    #[arg(long, default_value_t = 300)]
    runs: u32,
    /// Cases of one `belljar run`
    #[arg(long, default_value_t = 200)]
    cases: u32,
    /// How often each `belljar run` is timed
    #[arg(long, default_value_t = 10)]
    batches: u32,
    /// Where to write the plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The root filesystem, a folder; a copy of it is used [default: belljar's `host` snapshot]
    #[arg(long, value_name = "DIR")]
    rootfs: Option<PathBuf>,
    /// Only contenders whose name contains one of these; the floors always run
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// What `cargo bench` passes; without it this is a short run that shows that all is well
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if !args.bench {
        (args.runs, args.cases, args.batches) = (2, 4, 1);
    }
    match measure(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything that is ours ran.
fn measure(args: &Args) -> Result<bool> {
    let temp = tempfile::Builder::new().prefix("belljar-floor-").tempdir()?;
    fs::set_permissions(temp.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let root = copy_of_root(args.rootfs.as_deref(), temp.path())?;
    let staging = temp.path().join("staging");
    fs::create_dir(&staging)?;

    // First of all: on v2 it may move this process to where it can make cgroups.
    let runner = ours::runner()?;
    let place = cgroup::Place::find()?;
    let mut bare = Floor::new(&root, &staging, place.clone(), false)?;
    let mut same = Floor::new(&root, &staging, place, true)?;
    compare(&mut same, &runner, &root, temp.path())?;
    let facts = belljar::harness::Runner::host(&runner);
    let title = format!(
        "Linux {}, cgroup {}, {}; ids: {}",
        facts.kernel,
        serde_json::to_value(facts.cgroup)?.as_str().unwrap_or_default(),
        if facts.rootless { "an ordinary user" } else { "root" },
        same.ids().name()
    );

    let mut field = Vec::new();
    field.push(Contender {
        name: "floor, bare".to_owned(),
        kind: Kind::Floor,
        batch: 1,
        run: Box::new(|| Ok(bare.run(SCRIPT, None)?)),
    });
    field.push(Contender {
        name: "floor, same jar".to_owned(),
        kind: Kind::Floor,
        batch: 1,
        run: Box::new(|| Ok(same.run(SCRIPT, None)?)),
    });
    let (ours, mut absent) = ours::contenders(&runner, &root, temp.path(), args.cases)?;
    let (peers, missing) = peers::contenders(&root, temp.path())?;
    absent.extend(missing);
    let wanted = |one: &Contender<'_>| {
        args.only.is_empty() || args.only.iter().any(|part| one.name.contains(part.as_str()))
    };
    field.extend(ours.into_iter().chain(peers).filter(wanted));

    println!("{title}");
    let (measured, failed) = contender::race(field, args.runs, args.batches);
    let median =
        |name| measured.iter().find(|one| one.name == name).map(contender::Measured::median);
    let (Some(bare), Some(same)) = (median("floor, bare"), median("floor, same jar")) else {
        return Err(format!("a floor could not be measured: {failed:?}").into());
    };
    let floors = report::Floors { bare, same };
    print!("{}", report::table(&measured, &floors));
    println!("absent: {}", if absent.is_empty() { "none".to_owned() } else { absent.join(", ") });
    for (name, why) in &failed {
        println!("failed: {name}: {why}");
    }
    if let Some(file) = &args.svg {
        fs::write(file, report::svg(&measured, &floors, &title))?;
    }
    Ok(!failed.iter().any(|(name, _)| name.starts_with("belljar") || name.starts_with("floor")))
}

/// A root filesystem that every contender can use, with the script in it.
fn copy_of_root(given: Option<&Path>, temp: &Path) -> Result<PathBuf> {
    let from = if let Some(folder) = given {
        folder.to_owned()
    } else {
        let store = Store::open(None)?;
        let options = ResolveOptions {
            offline: true,
            progress: &Silent,
            notice: &|_| {},
            cancel: &Cancel::new(),
        };
        store.resolve(&belljar::RootfsRef::Host, &options)?.path.clone()
    };
    let root = temp.join("root");
    peers::succeed(Command::new("cp").arg("-a").arg(from).arg(&root))?;
    for folder in ["proc", "sys", "dev", "tmp", "run"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join(peers::INSIDE.trim_start_matches('/')), SCRIPT)?;
    Ok(root)
}

/// The floor that is called the same jar has to be one: it has the mounts, ids, capabilities
/// and limits that belljar gives, as a script sees them.
fn compare(same: &mut Floor, runner: &JarRunner, root: &Path, temp: &Path) -> Result<()> {
    const LOOK: &[u8] = b"while read -r _ _ _ _ target options _ kind _; do
        echo \"mount $target $options $kind\"
        done < /proc/self/mountinfo
        while read -r key value; do case $key in Cap*|NoNewPrivs:|Uid:|Gid:|NSpid:)
        echo \"$key\" $value;; esac; done < /proc/self/status
        echo \"host $HOSTNAME pid $$\"; ulimit -n -c
        while read -r inside _ count; do echo \"ids $inside $count\"; done < /proc/self/uid_map\n";
    let seen = temp.join("seen");
    same.run(LOOK, Some(File::create(&seen)?.as_raw_fd()))?;
    let lines = |bytes: &[u8]| -> BTreeSet<String> {
        String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
    };
    let (floor, ours) =
        (lines(&fs::read(&seen)?), lines(&ours::call(runner, root, LOOK)?.stdout.bytes));
    let differing: Vec<&String> = floor.symmetric_difference(&ours).collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!("the floor is not the same jar as belljar's: {differing:#?}").into())
}
