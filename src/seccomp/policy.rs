//! What is answered to each system call of one ABI, before it becomes a program.

use std::collections::BTreeMap;

use seccompiler::{SeccompAction, SeccompRule};

use super::abi::Abi;

/// What one ABI is answered.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// The ABI.
    pub(crate) abi: Abi,
    /// The answers by number.
    pub(crate) calls: BTreeMap<u32, Answer>,
    /// The answer to every other number.
    pub(crate) other: Answer,
}

/// The answer to one system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This, whatever the arguments are.
    Always(SeccompAction),
    /// Looks at the arguments: `then` if all conditions of any rule hold.
    When {
        /// The rules.
        rules: Vec<SeccompRule>,
        /// The answer when one of them matches.
        then: SeccompAction,
        /// The answer otherwise.
        otherwise: SeccompAction,
    },
}
