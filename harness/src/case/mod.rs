//! Case files: the header, names, folder defaults and discovery.
//!
//! [`load`] is what `belljar run` calls: every case under some paths, or every
//! mistake in them. [`list`] and [`find`] are what a test binary calls: names
//! that never fail to list, and one case by its name.

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
mod source;
pub mod values;

pub use diagnostic::{CaseError, Diagnostic, LoadErrors, Place};
pub use load::{Listed, Overrides, find, list, load};
pub use model::{Case, Expect, StreamExpect};
