//! `host`: a snapshot of this machine's bash, core tools and the libraries they need.
//!
//! Nothing of the machine gets in but world-readable files of the lists in `tools`, what
//! their symbolic links lead through, and the libraries that they name. `/etc` is our own.

mod build;
mod gather;
mod libraries;
mod snapshot;
mod tools;
