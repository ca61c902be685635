//! Unpacks a tar archive below a folder, and nowhere else.
//!
//! The archive may come from a stranger. Every path is walked by the kernel with the
//! folder as its root (openat2(2), `RESOLVE_IN_ROOT`), so a symbolic link of the archive
//! means inside what it would mean in the finished root, and never leads out of it. The
//! last component is never followed: what stands in the way is removed first.

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use belljar_harness::Cancel;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, fstatat, futimens, mkdirat,
    utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{
    Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fchownat, geteuid, linkat, mkfifoat, symlinkat,
    unlinkat,
};
use tar::{Archive, Entry, EntryType};

use super::UnpackError;
use super::image::open_in_root;

/// Bytes that are looked at as one when holes are kept.
const HOLE: usize = 4096;

/// Unpacks `archive` into the folder `root`, which is empty; gives the bytes that its files hold.
///
/// Owners are kept where the caller may give files away, else everything is the caller's.
/// Device nodes are left out, since a sandbox brings its own.
pub(super) fn unpack(archive: impl Read, root: &Path, cancel: &Cancel) -> Result<u64, UnpackError> {
    let ended = Rc::new(Cell::new(false));
    let reader = Watched { inner: archive, ended: Rc::clone(&ended) };
    let mut archive = Archive::new(reader);
    let root = File::open(root).map_err(|source| write_error(b".", source))?;
    let mut target = Target {
        root: root.into(),
        keep_owners: geteuid().is_root(),
        parent: None,
        skipped: HashSet::new(),
        folders: Vec::new(),
        size: 0,
        cancel,
    };
    let mut count = 0_u64;
    for entry in archive.entries().map_err(UnpackError::Read)? {
        if cancel.is_raised() {
            return Err(UnpackError::Interrupted);
        }
        target.entry(&mut entry.map_err(UnpackError::Read)?)?;
        count += 1;
    }
    // The end marker is a block of zeros. Without it something is missing, even where the
    // cut is between two entries.
    if ended.get() {
        return Err(UnpackError::Truncated);
    }
    // What is left is padding, and the checksum of the compression.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(UnpackError::Read)?;
    if count == 0 {
        return Err(UnpackError::Empty);
    }
    if let Some(what) = target.container_image() {
        return Err(UnpackError::Image { what });
    }
    target.finish()
}

/// Notices that the input came to its end.
struct Watched<R> {
    inner: R,
    ended: Rc<Cell<bool>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        if count == 0 && !buf.is_empty() {
            self.ended.set(true);
        }
        Ok(count)
    }
}

/// What an entry says about itself.
struct Facts {
    mode: Mode,
    uid: u32,
    gid: u32,
    time: TimeSpec,
}

struct Target<'a> {
    root: OwnedFd,
    keep_owners: bool,
    /// The folder of the entry before, by its path: neighbours share it.
    parent: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Device nodes that were left out, as hard links may name them.
    skipped: HashSet<Vec<u8>>,
    /// The times of folders, set when nothing is written into them any more.
    folders: Vec<(Vec<u8>, TimeSpec)>,
    size: u64,
    cancel: &'a Cancel,
}

impl Target<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let raw = entry.path_bytes().into_owned();
        if is_pax_sparse(entry)? {
            return Err(kind_error(&raw, "a sparse file in the PAX format".to_owned()));
        }
        let path = inside(&raw, &raw)?;
        let facts = facts(entry)?;
        let failed = |source: Errno| write_error(&raw, source.into());

        // Before POSIX a folder was a file whose name ends in a slash.
        let folder = kind.is_dir() || (kind.is_file() && raw.ends_with(b"/"));
        let Some((parent, name)) = split(&path) else {
            if !folder {
                return Err(UnpackError::Path { entry: lossy(&raw) });
            }
            self.folders.push((Vec::new(), facts.time));
            return Ok(());
        };
        let parent = self.parent(parent).map_err(failed)?;
        let name = OsStr::from_bytes(name);
        match kind {
            _ if folder => {
                self.folder(&parent, name, &facts).map_err(failed)?;
                self.folders.push((path, facts.time));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&parent, name, &facts, entry, &raw)?;
            }
            EntryType::Symlink => {
                let link = link_name(entry, &raw)?;
                self.make(&parent, name, || symlinkat(OsStr::from_bytes(&link), &parent, name))
                    .map_err(failed)?;
                self.own(&parent, name, &facts).map_err(failed)?;
                set_time(&parent, name, &facts.time).map_err(failed)?;
            }
            EntryType::Link => {
                let link = link_name(entry, &raw)?;
                self.hard_link(&parent, name, &raw, &link, &path)?;
            }
            EntryType::Fifo => {
                self.make(&parent, name, || {
                    mkfifoat(&parent, name, Mode::from_bits_truncate(0o600))
                })
                .map_err(failed)?;
                self.own(&parent, name, &facts).map_err(failed)?;
                set_mode(&parent, name, facts.mode).map_err(failed)?;
                set_time(&parent, name, &facts.time).map_err(failed)?;
            }
            EntryType::Char | EntryType::Block => {
                self.skipped.insert(path);
            }
            other => {
                return Err(kind_error(&raw, format!("type {:?}", char::from(other.as_byte()))));
            }
        }
        Ok(())
    }

    /// The folder at `path`, made if need be.
    fn parent(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Errno> {
        if let Some((known, fd)) = &self.parent {
            if known == path {
                return Ok(Rc::clone(fd));
            }
        }
        let fd = match self.open(path) {
            Err(Errno::ENOENT) => {
                self.make_parents(path)?;
                self.open(path)?
            }
            other => other?,
        };
        let fd = Rc::new(fd);
        self.parent = Some((path.to_owned(), Rc::clone(&fd)));
        Ok(fd)
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        open_in_root(&self.root, Path::new(OsStr::from_bytes(path)), flags)
    }

    /// Makes the folders that no entry came for.
    fn make_parents(&self, path: &[u8]) -> Result<(), Errno> {
        for end in (0..=path.len()).filter(|at| path.get(*at).is_none_or(|byte| *byte == b'/')) {
            let (above, name) = split(&path[..end]).unwrap_or((b"", b"."));
            match self.open(&path[..end]) {
                Ok(_) => {}
                Err(Errno::ENOENT) => {
                    let above = self.open(above)?;
                    let name = OsStr::from_bytes(name);
                    mkdirat(&above, name, Mode::from_bits_truncate(0o700))?;
                    set_mode(&above, name, Mode::from_bits_truncate(0o755))?;
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Makes something at a name; what is in the way is removed, and never followed.
    fn make<T>(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        mut make: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match make() {
            Err(Errno::EEXIST) => {
                self.clear(parent, name)?;
                make()
            }
            other => other,
        }
    }

    fn clear(&mut self, parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
        // The folder remembered may be the one that goes, or lie behind a link that goes.
        self.parent = None;
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => unlinkat(parent, name, UnlinkatFlags::RemoveDir),
            other => other,
        }
    }

    fn folder(&mut self, parent: &OwnedFd, name: &OsStr, facts: &Facts) -> Result<(), Errno> {
        let first = Mode::from_bits_truncate(0o700);
        match mkdirat(parent, name, first) {
            Err(Errno::EEXIST) => {
                let there = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                if there.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits() {
                    self.clear(parent, name)?;
                    mkdirat(parent, name, first)?;
                }
            }
            other => other?,
        }
        self.own(parent, name, facts)?;
        // Without these an ordinary user could neither fill the folder nor remove it again.
        let needed = if geteuid().is_root() { Mode::empty() } else { first };
        set_mode(parent, name, facts.mode | needed)
    }

    fn file<R: Read>(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        facts: &Facts,
        entry: &mut Entry<'_, R>,
        raw: &[u8],
    ) -> Result<(), UnpackError> {
        let failed = |source: Errno| write_error(raw, source.into());
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = self
            .make(parent, name, || openat(parent, name, flags, Mode::from_bits_truncate(0o600)))
            .map_err(failed)?;
        let mut file = File::from(fd);
        let expected = entry.size();
        let holes = entry.header().entry_type() == EntryType::GNUSparse;
        let count = copy(entry, &mut file, holes, raw, self.cancel)?;
        if count != expected {
            return Err(UnpackError::Truncated);
        }
        self.size += count;
        self.give(facts, |uid, gid| fchown(&file, uid, gid)).map_err(failed)?;
        // After the owner: a change of owner takes the set-id bits away. An ordinary user
        // must be able to read what overlayfs copies up in their name.
        let needed = if geteuid().is_root() { Mode::empty() } else { Mode::S_IRUSR };
        fchmod(&file, facts.mode | needed).map_err(failed)?;
        futimens(&file, &facts.time, &facts.time).map_err(failed)
    }

    fn hard_link(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        raw: &[u8],
        link: &[u8],
        path: &[u8],
    ) -> Result<(), UnpackError> {
        let target = inside(link, raw)?;
        if self.skipped.contains(&target) {
            self.skipped.insert(path.to_owned());
            return Ok(());
        }
        let failed = |source: Errno| UnpackError::HardLink {
            entry: lossy(raw),
            target: lossy(link),
            source: source.into(),
        };
        let Some((above, last)) = split(&target) else {
            return Err(failed(Errno::EISDIR));
        };
        if target == path {
            return Ok(());
        }
        let above = self.open(above).map_err(failed)?;
        let last = OsStr::from_bytes(last);
        // Without AT_SYMLINK_FOLLOW: a link to a symbolic link is one more symbolic link.
        self.make(parent, name, || linkat(&above, last, parent, name, LinkatFlags::empty()))
            .map_err(failed)
    }

    fn own(&mut self, parent: &OwnedFd, name: &OsStr, facts: &Facts) -> Result<(), Errno> {
        self.give(facts, |uid, gid| fchownat(parent, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW))
    }

    fn give(
        &mut self,
        facts: &Facts,
        give: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        if !self.keep_owners {
            return Ok(());
        }
        match give(Some(Uid::from_raw(facts.uid)), Some(Gid::from_raw(facts.gid))) {
            // Root of a user namespace in which the id is not mapped: as an ordinary user.
            Err(Errno::EPERM | Errno::EINVAL) => {
                self.keep_owners = false;
                Ok(())
            }
            other => other,
        }
    }

    /// What kind of container image this is, if it is one and not a root filesystem.
    fn container_image(&self) -> Option<&'static str> {
        let has = |path: &str| open_in_root(&self.root, Path::new(path), OFlag::O_PATH).is_ok();
        if ["usr", "bin", "etc"].into_iter().any(has) {
            None
        } else if has("manifest.json") {
            Some("an archive of `docker save`")
        } else if has("oci-layout") {
            Some("an archive of an OCI image layout")
        } else {
            None
        }
    }

    /// Sets the times of the folders.
    fn finish(self) -> Result<u64, UnpackError> {
        for (path, time) in &self.folders {
            let result = match split(path) {
                None => futimens(&self.root, time, time),
                Some((above, name)) => self
                    .open(above)
                    .and_then(|above| set_time(&above, OsStr::from_bytes(name), time)),
            };
            match result {
                // A later entry took its place.
                Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => return Err(write_error(path, errno.into())),
            }
        }
        Ok(self.size)
    }
}

/// A path of the archive as one below the root: `bin/sh` for `./bin//sh` and `/bin/sh`.
fn inside(path: &[u8], entry: &[u8]) -> Result<Vec<u8>, UnpackError> {
    if path.contains(&0) {
        return Err(UnpackError::Path { entry: lossy(entry) });
    }
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&b"..".as_slice()) {
        return Err(UnpackError::Escape { entry: lossy(entry) });
    }
    Ok(parts.join(&b'/'))
}

/// The folder and the name of a path below the root; `None` for the root itself.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    })
}

fn facts<R: Read>(entry: &Entry<'_, R>) -> Result<Facts, UnpackError> {
    let header = entry.header();
    let id = |id: u64| u32::try_from(id).map_err(|_| UnpackError::Read(bad("an id is too large")));
    let seconds = header.mtime().map_err(UnpackError::Read)?;
    Ok(Facts {
        mode: Mode::from_bits_truncate(header.mode().map_err(UnpackError::Read)? & 0o7777),
        uid: id(header.uid().map_err(UnpackError::Read)?)?,
        gid: id(header.gid().map_err(UnpackError::Read)?)?,
        time: TimeSpec::new(i64::try_from(seconds).unwrap_or(0), 0),
    })
}

fn link_name<R: Read>(entry: &Entry<'_, R>, raw: &[u8]) -> Result<Vec<u8>, UnpackError> {
    match entry.link_name_bytes() {
        Some(link) if !link.is_empty() && !link.contains(&0) => Ok(link.into_owned()),
        _ => Err(UnpackError::Path { entry: lossy(raw) }),
    }
}

/// GNU tar's newer sparse formats keep a map in front of the data, which would be taken for it.
fn is_pax_sparse<R: Read>(entry: &mut Entry<'_, R>) -> Result<bool, UnpackError> {
    let Some(extensions) = entry.pax_extensions().map_err(UnpackError::Read)? else {
        return Ok(false);
    };
    for extension in extensions {
        if extension.map_err(UnpackError::Read)?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Copies a file's content; with `holes`, what is zero is not written.
fn copy(
    entry: &mut impl Read,
    file: &mut File,
    holes: bool,
    raw: &[u8],
    cancel: &Cancel,
) -> Result<u64, UnpackError> {
    let mut buffer = vec![0_u8; HOLE * 16];
    let mut count = 0_u64;
    loop {
        let got = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(UnpackError::Read(error)),
        };
        if cancel.is_raised() {
            return Err(UnpackError::Interrupted);
        }
        for part in buffer[..got].chunks(HOLE) {
            let result = if holes && part.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(i64::try_from(part.len()).unwrap_or(0))).map(drop)
            } else if holes {
                file.write_all(part)
            } else {
                Ok(())
            };
            result.map_err(|source| write_error(raw, source))?;
        }
        if !holes {
            file.write_all(&buffer[..got]).map_err(|source| write_error(raw, source))?;
        }
        count += got as u64;
    }
    if holes {
        file.set_len(count).map_err(|source| write_error(raw, source))?;
    }
    Ok(count)
}

/// Sets the mode of what was just made at a name, so it is no symbolic link.
fn set_mode(parent: impl AsFd, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    fchmodat(parent, name, mode, FchmodatFlags::FollowSymlink)
}

fn set_time(parent: impl AsFd, name: &OsStr, time: &TimeSpec) -> Result<(), Errno> {
    utimensat(parent, name, time, time, UtimensatFlags::NoFollowSymlink)
}

fn write_error(entry: &[u8], source: io::Error) -> UnpackError {
    UnpackError::Write { entry: lossy(entry), source }
}

fn kind_error(entry: &[u8], kind: String) -> UnpackError {
    UnpackError::Kind { entry: lossy(entry), kind }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
