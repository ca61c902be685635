//! The front for `cargo test` and `cargo nextest`: one libtest-mimic trial per case.

mod env;
mod front;
#[cfg(test)]
mod tests;

pub use env::{BadVariable, EnvOptions};
pub use front::main;
