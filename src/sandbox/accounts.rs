//! The users and groups that a root filesystem knows.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;

use belljar_harness::spec::User;

use super::ids::Ids;
use super::sys;

/// `/etc/passwd` and `/etc/group` of an image.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    users: Vec<Account>,
    groups: Vec<(u32, Vec<String>)>,
}

#[derive(Debug)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// A user inside, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
}

impl Accounts {
    /// Reads both files of the image at `root`, following links only inside of it.
    pub(crate) fn read(root: &Path) -> Self {
        Self {
            users: read_inside(root, "etc/passwd").lines().filter_map(account).collect(),
            groups: read_inside(root, "etc/group").lines().filter_map(group).collect(),
        }
    }

    /// The numbers of a user.
    pub(crate) fn identify(&self, user: &User, ids: &Ids) -> Result<Identity, String> {
        let identity = match user {
            User::Root => self.by_uid(0, Some(0)),
            User::Ids(uid, gid) => self.by_uid(*uid, *gid),
            User::Name(name) => {
                let known = self.users.iter().find(|a| a.name == *name).ok_or_else(|| {
                    format!("there is no user `{name}` in the /etc/passwd of the root filesystem")
                })?;
                let groups = self
                    .groups
                    .iter()
                    .filter(|(gid, members)| *gid != known.gid && members.contains(name))
                    .map(|(gid, _)| *gid)
                    .collect();
                Identity { uid: known.uid, gid: known.gid, groups, home: known.home.clone() }
            }
        };
        if ids.has_uid(identity.uid) && ids.has_gid(identity.gid) {
            let mut identity = identity;
            identity.groups.retain(|gid| ids.has_gid(*gid));
            Ok(identity)
        } else {
            Err(format!(
                "user {}:{} does not exist in this sandbox: {}",
                identity.uid,
                identity.gid,
                ids.describe()
            ))
        }
    }

    fn by_uid(&self, uid: u32, gid: Option<u32>) -> Identity {
        let known = self.users.iter().find(|a| a.uid == uid);
        Identity {
            uid,
            gid: gid.or(known.map(|a| a.gid)).unwrap_or(uid),
            groups: Vec::new(),
            home: known.map_or(if uid == 0 { "/root" } else { "/" }, |a| &a.home).to_owned(),
        }
    }
}

fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Account { name, uid, gid, home: fields.nth(1)?.to_owned() })
}

fn group(line: &str) -> Option<(u32, Vec<String>)> {
    let mut fields = line.split(':').skip(2);
    let gid = fields.next()?.parse().ok()?;
    Some((gid, fields.next()?.split(',').map(str::to_owned).collect()))
}

/// The text of a file inside, or nothing where there is none.
fn read_inside(root: &Path, path: &str) -> String {
    /// More than any sane file of accounts has.
    const LIMIT: u64 = 4 << 20;
    let read = || {
        let root = File::open(root).ok()?;
        let path = CString::new(path).ok()?;
        let flags = libc::O_RDONLY | libc::O_NONBLOCK;
        let file = sys::openat2(root.as_raw_fd(), &path, flags, 0, libc::RESOLVE_IN_ROOT).ok()?;
        // SAFETY: the call above just opened it.
        let file = unsafe { File::from_raw_fd(file) };
        let mut bytes = Vec::new();
        file.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use belljar_harness::spec::User;

    use super::{Accounts, Ids};

    #[test]
    fn users_are_found_in_the_image_and_checked_against_the_map() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(
            root.path().join("etc/passwd"),
            "root:x:0:0:root:/home/admin:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
        )
        .unwrap();
        fs::write(root.path().join("etc/group"), "g:x:7:a,nobody\nnogroup:x:65534:\n").unwrap();
        let accounts = Accounts::read(root.path());
        let all = Ids::Shifted;
        assert_eq!(accounts.identify(&User::Root, &all).unwrap().home, "/home/admin");
        let nobody = accounts.identify(&User::Name("nobody".to_owned()), &all).unwrap();
        assert_eq!((nobody.uid, nobody.gid, nobody.groups), (65534, 65534, vec![7]));
        assert_eq!(accounts.identify(&User::Ids(12, None), &all).unwrap().gid, 12);
        let none = accounts.identify(&User::Name("who".to_owned()), &all).unwrap_err();
        assert!(none.contains("no user `who`"), "{none}");
        let single = Ids::Single { uid: 1000, gid: 1000 };
        let refused = accounts.identify(&User::Name("nobody".to_owned()), &single).unwrap_err();
        assert!(refused.contains("uid 1000"), "{refused}");
    }
}
