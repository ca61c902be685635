//! `ubuntu:20.04`: Canonical's Ubuntu Base archive, pinned by its SHA-256.

use std::time::Duration;

use belljar_harness::RootfsUsed;

#[cfg(feature = "fetch")]
use super::fetch::fetch;
use super::image::Meta;
use super::options::ResolveOptions;
use super::store::Opened;
use super::{FetchError, Rootfs, RootfsError, Store, archive};
use crate::error::chain;

/// Where Canonical publishes the archives.
const OFFICIAL: &str = "https://cdimage.ubuntu.com";
const NAME: &str = "ubuntu:20.04";
const FOLDER: &str = "ubuntu-base/releases/20.04/release";

/// Ubuntu Base 20.04.5, by architecture as Rust and as Debian name it.
const PINS: [(&str, &str, &str); 3] = [
    ("x86_64", "amd64", "60e216b60947653dc8989be3821380268315b99b2959c29882781541bfe5a426"),
    ("aarch64", "arm64", "f9b999afb4c4b10193087ea8c11be36d688f19e609b05179b571f29357954b52"),
    ("arm", "armhf", "6bcbfa7f603d79d368d40e138dad98938907d2fb0d6416521417cf8702c2f5de"),
];

/// One archive: where it is, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its address.
    pub url: String,
    /// Its SHA-256, 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// Where `ubuntu:20.04` comes from, and how long a server may take.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The archive, or why there is none.
    pub ubuntu: Result<Pin, SourceLack>,
    /// How long a connection may take when the root was asked for by name.
    pub connect: Duration,
    /// How long a connection may take for `auto`.
    pub connect_auto: Duration,
    /// How long a server may send nothing.
    pub stall: Duration,
    /// How long `auto` remembers that there is no network.
    pub remember: Duration,
}

/// Why there is no archive to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceLack {
    /// None is pinned for this architecture.
    Architecture(&'static str),
    /// The mirror's address cannot be used.
    Mirror(String, &'static str),
}

impl From<SourceLack> for RootfsError {
    fn from(lack: SourceLack) -> Self {
        match lack {
            SourceLack::Architecture(arch) => Self::NoPin { arch },
            SourceLack::Mirror(value, detail) => Self::Mirror { value, detail },
        }
    }
}

impl Sources {
    /// The official archive for this machine, or the same one from `mirror`.
    ///
    /// A mirror's address takes the place of `https://cdimage.ubuntu.com`; the pin stays,
    /// unless the address ends in `#sha256=HEX` for a mirror with a build of its own.
    pub fn new(mirror: Option<&str>) -> Self {
        Self {
            ubuntu: pin(std::env::consts::ARCH, mirror),
            connect: Duration::from_secs(20),
            connect_auto: Duration::from_secs(3),
            stall: Duration::from_secs(30),
            remember: Duration::from_secs(600),
        }
    }
}

impl Pin {
    /// What the root filesystem is called: the reference, and the start of the digest where it
    /// is not the official one.
    fn name(&self) -> String {
        if PINS.iter().any(|(_, _, sha256)| *sha256 == self.sha256) {
            NAME.to_owned()
        } else {
            format!("{NAME}#sha256={}", &self.sha256[..12])
        }
    }
}

fn pin(arch: &'static str, mirror: Option<&str>) -> Result<Pin, SourceLack> {
    let (base, own) = match mirror {
        None | Some("") => (OFFICIAL, None),
        Some(mirror) => {
            parse_mirror(mirror).map_err(|detail| SourceLack::Mirror(mirror.to_owned(), detail))?
        }
    };
    let (_, debian, sha256) =
        PINS.iter().find(|(rust, _, _)| *rust == arch).ok_or(SourceLack::Architecture(arch))?;
    Ok(Pin {
        url: format!("{base}/{FOLDER}/ubuntu-base-20.04.5-base-{debian}.tar.gz"),
        sha256: own.unwrap_or_else(|| (*sha256).to_owned()),
    })
}

/// The base address, and the pin if the mirror brings its own.
fn parse_mirror(mirror: &str) -> Result<(&str, Option<String>), &'static str> {
    let (base, fragment) = match mirror.split_once('#') {
        Some((base, fragment)) => (base, Some(fragment)),
        None => (mirror, None),
    };
    let host = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        return Err("");
    }
    if base.contains(|c: char| c == '?' || c.is_whitespace()) {
        return Err(" that a path can be appended to");
    }
    let own = fragment
        .map(|fragment| {
            fragment
                .strip_prefix("sha256=")
                .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                .map(str::to_ascii_lowercase)
                .ok_or(" with `#sha256=` and 64 hexadecimal digits after it")
        })
        .transpose()?;
    Ok((base.trim_end_matches('/'), own))
}

impl Store {
    /// `ubuntu:20.04` from the store, else from the network.
    pub(super) fn resolve_ubuntu(
        &self,
        asked: &str,
        options: &ResolveOptions<'_>,
    ) -> Result<Rootfs, RootfsError> {
        let pin = self.sources.ubuntu.clone()?;
        let opened = self.fetched(&pin, options, self.sources.connect, false)?;
        Ok(opened.into_rootfs(used(asked, &pin)))
    }

    /// The same for `auto`, which is impatient and remembers a failure.
    pub(super) fn resolve_ubuntu_soon(
        &self,
        options: &ResolveOptions<'_>,
    ) -> Result<Rootfs, RootfsError> {
        let pin = self.sources.ubuntu.clone()?;
        let opened = self.fetched(&pin, options, self.sources.connect_auto, true)?;
        Ok(opened.into_rootfs(used("auto", &pin)))
    }

    fn fetched(
        &self,
        pin: &Pin,
        options: &ResolveOptions<'_>,
        connect: Duration,
        remember: bool,
    ) -> Result<Opened, RootfsError> {
        let key = archive::key(&pin.sha256);
        if let Some(opened) = self.open_image(&key, options.cancel)? {
            return Ok(opened);
        }
        if options.offline {
            return Err(RootfsError::Offline { reference: NAME.to_owned() });
        }
        let failed = |source| RootfsError::Fetch { url: pin.url.clone(), source };
        if remember {
            if let Some(earlier) = self.remembered(&pin.url) {
                return Err(failed(earlier));
            }
        }
        self.make_image(&key, options.cancel, &|work, root| {
            // Once more under the lock: those who waited learn from the one who tried.
            if remember {
                if let Some(earlier) = self.remembered(&pin.url) {
                    return Err(failed(earlier));
                }
            }
            let file = work.join("archive.tar.gz");
            let times = Times { connect, stall: self.sources.stall };
            match fetch(pin, &file, times, options) {
                Ok(()) => {}
                Err(None) => return Err(RootfsError::Interrupted),
                Err(Some(error)) => {
                    if remember && !matches!(error, FetchError::NotBuilt) {
                        self.remember(&pin.url, &chain(&error));
                    }
                    return Err(failed(error));
                }
            }
            let size = archive::extract(&file, root, options)?;
            Ok(Meta::new(pin.name(), Some(format!("sha256:{}", pin.sha256)), size))
        })
    }

    /// The name that an archive of this digest has whoever brings it.
    pub(super) fn name_of(&self, digest: &str) -> Option<String> {
        self.sources.ubuntu.as_ref().ok().filter(|pin| pin.sha256 == digest).map(Pin::name)
    }
}

fn used(asked: &str, pin: &Pin) -> RootfsUsed {
    RootfsUsed {
        asked: asked.to_owned(),
        used: pin.name(),
        digest: Some(format!("sha256:{}", pin.sha256)),
    }
}

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "fetch"), expect(dead_code, reason = "nothing is fetched"))]
pub(super) struct Times {
    pub(super) connect: Duration,
    pub(super) stall: Duration,
}

/// Without the feature there is nothing to fetch with.
#[cfg(not(feature = "fetch"))]
fn fetch(
    _: &Pin,
    _: &std::path::Path,
    _: Times,
    _: &ResolveOptions<'_>,
) -> Result<(), Option<FetchError>> {
    Err(Some(FetchError::NotBuilt))
}

#[cfg(test)]
mod tests {
    use super::{PINS, SourceLack, pin};

    #[test]
    fn addresses() {
        let official = pin("x86_64", None).unwrap();
        assert_eq!(
            official.url,
            "https://cdimage.ubuntu.com/ubuntu-base/releases/20.04/release/\
             ubuntu-base-20.04.5-base-amd64.tar.gz"
        );
        let mirror = pin("aarch64", Some("http://localhost:8080/mirror/")).unwrap();
        assert_eq!(
            mirror.url,
            "http://localhost:8080/mirror/ubuntu-base/releases/20.04/release/\
             ubuntu-base-20.04.5-base-arm64.tar.gz"
        );
        assert_eq!(mirror.sha256, PINS[1].2);
        assert_eq!(pin("s390x", None), Err(SourceLack::Architecture("s390x")));
        assert!(PINS.iter().all(|(_, _, sha256)| sha256.len() == 64));
    }

    #[test]
    fn a_mirror_may_bring_a_pin_of_its_own() {
        let digest = "ab".repeat(32);
        let own = pin("x86_64", Some(&format!("http://h#sha256={digest}"))).unwrap();
        assert_eq!(own.sha256, digest);
        assert!(own.url.starts_with("http://h/ubuntu-base/"));
        assert_ne!(own.name(), "ubuntu:20.04");
        // The official digest is the official archive, however it is written.
        let same = pin("x86_64", Some(&format!("http://h#sha256={}", PINS[0].2))).unwrap();
        assert_eq!(same.name(), "ubuntu:20.04");
    }

    #[test]
    fn mirrors_that_are_no_address() {
        for bad in ["mirror.example", "ftp://h", "http://", "http:///x", "http://h?x", "http://h#x"]
        {
            assert!(matches!(pin("x86_64", Some(bad)), Err(SourceLack::Mirror(..))), "{bad}");
        }
        let short = format!("http://h#sha256={}", "a".repeat(63));
        assert!(pin("x86_64", Some(&short)).is_err());
    }
}
