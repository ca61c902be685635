//! Case files: the header, names, folder defaults and discovery.
//!
//! [`load`] is what `belljar run` calls: every case under some paths, or every
//! mistake in them. [`list`] and [`find`] are what a test binary calls: names
//! that never fail to list, and one case by its name.

mod diagnostic;
mod load;
mod model;
pub mod values;

pub use diagnostic::{CaseError, Diagnostic, LoadErrors};
pub use load::{Listed, Overrides, find, list, load};
pub use model::{Case, Expect, StreamExpect};
