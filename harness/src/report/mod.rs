//! Reports: one file per format, each writing to any [`Write`](std::io::Write).

mod details;
mod json;
mod jsonl;
mod list;
mod pretty;
mod record;
mod sink;
mod style;

#[cfg(test)]
mod tests;

pub use details::{Details, first_line};
pub use json::JsonDocument;
pub use jsonl::Jsonl;
pub use list::{list_jsonl, list_pretty};
pub use pretty::{Pretty, PrettyOptions, Verbosity};
pub use record::Record;
pub use sink::Report;
pub use style::Palette;
