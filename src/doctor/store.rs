//! The store and its room.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::Check;
use crate::rootfs::Store;

const NAME: &str = "store";
/// What an Ubuntu root filesystem takes with its archive, and some.
const ENOUGH: u64 = 256 << 20;

/// Opens it, as every run does, and looks how much more it can take.
pub(super) fn check(folder: Option<&Path>) -> (Check, Option<Store>) {
    let store = match Store::open(folder) {
        Ok(store) => store,
        Err(error) => {
            let remedy = error.remedy().unwrap_or_else(|| {
                "choose a folder that is yours, by `--store DIR` or BELLJAR_STORE".to_owned()
            });
            let check = Check::lack(NAME, error.chain(), "no case can run", remedy).blocking();
            return (check, None);
        }
    };
    let path = store.path().display().to_string();
    let check = match statvfs(store.path()) {
        Err(errno) => Check::ok(NAME, format!("{path} (free space unknown: {})", errno.desc())),
        Ok(room) => {
            #[expect(clippy::useless_conversion, reason = "its types differ between platforms")]
            let free = u64::from(room.blocks_available()) * u64::from(room.fragment_size());
            let found = format!("{path}, {} free", indicatif::BinaryBytes(free));
            if free < ENOUGH {
                Check::lack(
                    NAME,
                    found,
                    "another root filesystem may not fit",
                    "`belljar rootfs list` shows what is there and `belljar rootfs remove NAME` \
                     removes it; or choose another folder by `--store DIR`",
                )
            } else {
                Check::ok(NAME, found)
            }
        }
    };
    (check, Some(store))
}
