//! Finds the present snapshot, or takes a new one when the host has changed.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use belljar_harness::RootfsUsed;
use sha2::{Digest, Sha256};

use super::build::build;
use super::gather::{Gathered, Source, Stamp, gather};
use super::tools;
use crate::rootfs::archive::hex;
use crate::rootfs::image::Meta;
use crate::rootfs::options::{ResolveOptions, Step};
use crate::rootfs::store::{Opened, settled};
use crate::rootfs::{Rootfs, RootfsError, Store};

/// Counts up when the same sources give another snapshot.
const FORMAT: u32 = 1;

const PREFIX: &str = "host-";

impl Store {
    /// The snapshot of this machine; settled once per process.
    pub(in crate::rootfs) fn resolve_host(
        &self,
        asked: &str,
        options: &ResolveOptions<'_>,
    ) -> Result<Rootfs, RootfsError> {
        let mut snapshot = settled(&self.host);
        if snapshot.is_none() {
            let used =
                RootfsUsed { asked: asked.to_owned(), used: "host".to_owned(), digest: None };
            *snapshot = Some(self.snapshot(options)?.into_rootfs(used));
        }
        let mut rootfs = snapshot.clone().ok_or(RootfsError::Interrupted)?;
        asked.clone_into(&mut rootfs.used.asked);
        Ok(rootfs)
    }

    fn snapshot(&self, options: &ResolveOptions<'_>) -> Result<Opened, RootfsError> {
        let list = self.records().join("host");
        if let Some(key) = unchanged(&list) {
            if let Some(opened) = self.open_image(&key, options.cancel)? {
                return Ok(opened);
            }
        }
        let mut tries = 0;
        loop {
            let gathered = gather()?;
            let text = describe(&gathered);
            let key = format!("{PREFIX}{}", &hex(&Sha256::digest(&text))[..32]);
            let made = self.make_image(&key, options.cancel, &|_, root| {
                let step = Step::start(options.progress, "taking a snapshot of this machine", None);
                let size = build(root, &gathered, options.cancel)?;
                step.advance(size);
                Ok(Meta::new("host".to_owned(), None, size))
            });
            match made {
                // A package was being installed: what was gathered is no longer there.
                Err(RootfsError::Changed { .. }) if tries < 3 => tries += 1,
                Err(error) => return Err(error),
                Ok(opened) => {
                    write_list(&list, &key, &gathered, &text)?;
                    self.discard_others(&key)?;
                    return Ok(opened);
                }
            }
        }
    }

    /// Removes the earlier snapshots that nobody uses.
    fn discard_others(&self, key: &str) -> Result<(), RootfsError> {
        let images = self.images();
        for entry in fs::read_dir(&images).map_err(RootfsError::io("list", &images))? {
            let name = entry.map_err(RootfsError::io("list", &images))?.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_image = name.starts_with(PREFIX) && Path::new(name).extension().is_none();
            if is_image && name != key {
                self.discard(name)?;
            }
        }
        Ok(())
    }
}

/// Every source in a line: what the snapshot is keyed by, and what is compared later.
fn describe(gathered: &Gathered) -> String {
    let mut text = format!("format {FORMAT} {}\n", env!("CARGO_PKG_VERSION"));
    for (path, content) in tools::MADE_FILES {
        let _ = writeln!(text, "made {path} {}", hex(&Sha256::digest(content)));
    }
    for (path, source) in &gathered.sources {
        let path = path.display();
        let _ = match source {
            Source::Folder => writeln!(text, "folder {path}"),
            Source::Link(target) => writeln!(text, "link {path}\t{}", target.display()),
            Source::File(stamp) => writeln!(text, "file {} {path}", stamp_text(stamp)),
        };
    }
    text
}

fn stamp_text(stamp: &Stamp) -> String {
    let (seconds, nanos) = stamp.time;
    format!("{}/{}/{seconds}.{nanos:09}/{}", stamp.ino, stamp.size, u8::from(stamp.executable))
}

/// The list: the key, the folders that were searched with their times, and every source.
fn write_list(
    list: &Path,
    key: &str,
    gathered: &Gathered,
    described: &str,
) -> Result<(), RootfsError> {
    let mut text = format!("{key}\n");
    for folder in &gathered.folders {
        // Gone since: the list will not hold, and the next time all is looked at again.
        let time = folder_time(folder).unwrap_or_default();
        let _ = writeln!(text, "searched {time} {}", folder.display());
    }
    text.push_str(described);
    let new = tempfile::Builder::new()
        .prefix("host-")
        .tempfile_in(list.parent().unwrap_or(Path::new("/")))
        .map_err(RootfsError::io("write", list))?;
    fs::write(new.path(), text).map_err(RootfsError::io("write", list))?;
    new.persist(list)
        .map(drop)
        .map_err(|error| RootfsError::io("move into place", list)(error.error))
}

fn folder_time(path: &Path) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    Ok(format!("{}/{}.{:09}", meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// The key in the list, if everything in it is as it was.
fn unchanged(list: &Path) -> Option<String> {
    let text = fs::read_to_string(list).ok()?;
    let mut lines = text.lines();
    let key = lines.next()?.to_owned();
    for line in lines {
        let (kind, rest) = line.split_once(' ')?;
        let same = match kind {
            "searched" => {
                let (time, path) = rest.split_once(' ')?;
                folder_time(Path::new(path)).is_ok_and(|now| now == time)
            }
            "file" => {
                let (stamp, path) = rest.split_once(' ')?;
                fs::symlink_metadata(path)
                    .is_ok_and(|meta| meta.is_file() && stamp_text(&Stamp::of(&meta)) == stamp)
            }
            "link" => {
                let (path, target) = rest.split_once('\t')?;
                fs::read_link(path).is_ok_and(|now| now == Path::new(target))
            }
            "format" => rest == format!("{FORMAT} {}", env!("CARGO_PKG_VERSION")),
            _ => true,
        };
        if !same {
            return None;
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::{Gathered, Source, Stamp, describe, unchanged, write_list};

    #[test]
    fn any_change_of_a_source_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let list = at("list");
        let lay = || {
            let _ = fs::remove_dir_all(at("bin"));
            fs::create_dir(at("bin")).unwrap();
            fs::write(at("bin/tool"), "one").unwrap();
            symlink("tool", at("bin/link")).unwrap();
            // A change within the same tick of the clock must show too.
            fs::File::open(at("bin")).unwrap().set_modified(UNIX_EPOCH).unwrap();
            let meta = fs::metadata(at("bin/tool")).unwrap();
            let sources = BTreeMap::from([
                (at("bin"), Source::Folder),
                (at("bin/link"), Source::Link("tool".into())),
                (at("bin/tool"), Source::File(Stamp::of(&meta))),
            ]);
            let gathered = Gathered { sources, folders: vec![at("bin")] };
            write_list(&list, "host-key", &gathered, &describe(&gathered)).unwrap();
            assert_eq!(unchanged(&list).as_deref(), Some("host-key"));
        };
        let replace = |name: &str, content: &str| {
            fs::write(at("new"), content).unwrap();
            fs::rename(at("new"), at(name)).unwrap();
        };
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(at("bin/tool"), "longer").unwrap(),
            &|| replace("bin/tool", "two"),
            &|| fs::remove_file(at("bin/tool")).unwrap(),
            &|| {
                fs::remove_file(at("bin/link")).unwrap();
                symlink("other", at("bin/link")).unwrap();
            },
            &|| fs::write(at("bin/more"), "new").unwrap(),
            &|| fs::rename(at("bin"), at("gone")).unwrap(),
        ];
        for (index, change) in changes.iter().enumerate() {
            lay();
            change();
            assert_eq!(unchanged(&list), None, "change {index}");
        }
        assert_eq!(unchanged(Path::new("/absent")), None);
    }
}
