//! Case files: the header, names, folder defaults and discovery.
//!
//! [`load`] is what `belljar run` calls: every case under some paths, or every
//! mistake in them. [`list`] and [`find`] are what a test binary calls: names
//! that never fail to list, and one case by its name.
//!
//! What a case says comes from layers: its own header, the `belljar.toml` files
//! from its folder up to the case root, flags, the built-in defaults. Scalars and
//! lists of an inner layer replace those of an outer one; `env`, `files` and
//! `expect.isolation` merge by key. A `belljar.toml` may hold `[expect]` too: there
//! `exit`, `signal` and `timeout` are one word on the ending and replace each
//! other together, and a snapshot beside a case replaces what a folder says of that stream.

mod defaults;
mod diagnostic;
mod discover;
mod expect_layer;
mod files;
mod header;
mod keys;
mod layer;
mod load;
mod model;
mod names;
mod reader;
mod resolve;
mod root;
mod sealed;
mod source;
pub mod values;

pub use diagnostic::{CaseError, Diagnostic, LoadErrors, Place};
pub(crate) use load::list_for;
pub use load::{Listed, Overrides, find, list, load};
pub use model::{Case, Expect, StreamExpect};
