//! What this host offers and lacks, found out by trying it.

mod cgroups;
mod check;
mod examine;
mod kernel;
mod namespaces;
mod store;
mod trial;

pub(crate) use check::{Check, Report, State};
pub(crate) use examine::examine;
