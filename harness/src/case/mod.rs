//! Case files: the header, names, folder defaults and discovery.

mod model;

pub use model::{Case, Expect, StreamExpect};
