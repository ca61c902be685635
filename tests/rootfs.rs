//! Root filesystems, from reference to folder: sources, damage, attacks, concurrency.

#[path = "rootfs/support.rs"]
mod support;

#[path = "rootfs/archives.rs"]
mod archives;
#[path = "rootfs/attacks.rs"]
mod attacks;
#[cfg(feature = "cli")]
#[path = "rootfs/command.rs"]
mod command;
#[cfg(feature = "fetch")]
#[path = "rootfs/download.rs"]
mod download;
#[path = "rootfs/host.rs"]
mod host;
#[path = "rootfs/sharing.rs"]
mod sharing;
#[path = "rootfs/store.rs"]
mod store;
