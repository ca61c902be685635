//! `auto`: `ubuntu:20.04` if it is there or can be fetched soon, else the host's snapshot.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use super::options::ResolveOptions;
use super::store::settled;
use super::{FetchError, Rootfs, RootfsError, Store};

impl Store {
    /// Settled once per process, so that all cases of a run have the same root.
    pub(super) fn resolve_auto(&self, options: &ResolveOptions<'_>) -> Result<Rootfs, RootfsError> {
        let mut chosen = settled(&self.auto);
        if let Some(rootfs) = &*chosen {
            return Ok(rootfs.clone());
        }
        let rootfs = match self.resolve_ubuntu_soon(options) {
            Ok(rootfs) => rootfs,
            Err(
                error @ (RootfsError::Fetch { .. }
                | RootfsError::Offline { .. }
                | RootfsError::NoPin { .. }),
            ) => {
                let rootfs = self.resolve_host("auto", options)?;
                (options.notice)(&format!(
                    "rootfs: using a snapshot of this machine (`host`): {}",
                    error.chain()
                ));
                rootfs
            }
            Err(error) => return Err(error),
        };
        *chosen = Some(rootfs.clone());
        Ok(rootfs)
    }

    fn memo(&self) -> PathBuf {
        self.records().join("no-network")
    }

    /// Remembers that this address could not be had.
    pub(super) fn remember(&self, url: &str, reason: &str) {
        let new = self.memo().with_extension("new");
        // Without the note the next run tries again, which is no more than slow.
        let _ = fs::write(&new, format!("{url}\n{reason}\n"))
            .and_then(|()| fs::rename(&new, self.memo()));
    }

    /// Why this address could not be had, a short time ago.
    pub(super) fn remembered(&self, url: &str) -> Option<FetchError> {
        let path = self.memo();
        let then = fs::metadata(&path).and_then(|meta| meta.modified()).ok()?;
        let ago = SystemTime::now().duration_since(then).ok()?;
        if ago >= self.sources.remember {
            return None;
        }
        let text = fs::read_to_string(&path).ok()?;
        let (address, reason) = text.split_once('\n')?;
        (address == url)
            .then(|| FetchError::Remembered { reason: reason.trim_end().to_owned(), ago })
    }
}
