//! Root filesystems: references, the store, and one file per source.
//!
//! A [`Store`] turns a [`RootfsRef`](belljar_harness::spec::RootfsRef) into a
//! [`Rootfs`]: a folder that sandboxes use as the lower layer of an overlay and
//! that nobody writes to. What comes from an archive is unpacked once, under the
//! SHA-256 of that archive; any number of threads and processes may ask at the same
//! time, and one of them does the work while the others wait for it.

mod archive;
mod auto;
mod decompress;
mod error;
#[cfg(feature = "fetch")]
mod fetch;
mod folder;
mod host;
mod image;
mod lock;
mod options;
mod store;
mod ubuntu;
mod unpack;
mod work;

pub use error::{FetchError, RootfsError, UnpackError};
pub use image::{Image, Rootfs};
pub use options::{Progress, ResolveOptions, Silent};
pub use store::Store;
#[doc(hidden)]
pub use ubuntu::{Pin, SourceLack, Sources};
