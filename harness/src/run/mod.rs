//! The scheduler: works a plan off, several cases at a time.

mod notices;
mod result;
mod scheduler;
#[cfg(test)]
mod tests;

pub use notices::Notices;
pub use result::{CaseResult, Status, Summary};
pub use scheduler::{Event, RunOptions, default_jobs, run, run_case};
