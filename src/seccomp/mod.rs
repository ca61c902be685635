//! The system calls that a jar may make (seccomp(2)).
//!
//! A [`profile`] says what is allowed to whom, an [`abi`] which number a call has, and
//! [`compile`] makes one program of both that answers for every way into the kernel that the
//! machine has. [`cache`] keeps what was compiled.

mod abi;
mod cache;
mod compile;
#[cfg(test)]
mod machine;
mod policy;
mod profile;

pub(crate) use cache::for_capabilities;
pub(crate) use compile::Filter;
pub(crate) use seccompiler::sock_filter;
