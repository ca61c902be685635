//! What is reported.

use serde::Serialize;

use crate::harness::{Evidence, Lack};

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It is there.
    Ok,
    /// It is not there.
    Lack,
    /// It could not be found out, because something else is lacking.
    Unknown,
}

/// One thing that a host offers or lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was checked.
    pub(crate) name: &'static str,
    /// How it came out.
    pub(crate) state: State,
    /// What was seen.
    pub(crate) found: String,
    /// What a lack leads to.
    pub(crate) consequence: Option<String>,
    /// The command that mends it.
    pub(crate) remedy: Option<String>,
    /// Whether no case can run without it.
    pub(crate) blocks: bool,
}

impl Check {
    /// It is there.
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            found: found.into(),
            consequence: None,
            remedy: None,
            blocks: false,
        }
    }

    /// It is not there, with what that leads to and what mends it.
    pub(crate) fn lack(
        name: &'static str,
        found: impl Into<String>,
        consequence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Lack,
            consequence: Some(consequence.into()),
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }

    /// A lack that the rest of belljar words in the same way.
    pub(crate) fn of(name: &'static str, lack: &Lack, consequence: &str) -> Self {
        Self::lack(name, &lack.what, consequence, &lack.remedy)
    }

    /// Something else has to be mended first.
    pub(crate) fn unknown(name: &'static str, why: impl Into<String>) -> Self {
        Self { state: State::Unknown, ..Self::ok(name, why) }
    }

    /// No case can run without it.
    pub(crate) fn blocking(self) -> Self {
        Self { blocks: self.state == State::Lack, ..self }
    }
}

/// The jar that was run to see.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trial {
    /// Milliseconds from nothing to torn down.
    pub(crate) milliseconds: f64,
    /// The root filesystem that it ran on.
    pub(crate) rootfs: String,
    /// What was proved about it.
    pub(crate) evidence: Vec<Evidence>,
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The version of this document.
    pub(crate) schema: u32,
    /// The version of belljar.
    pub(crate) belljar: &'static str,
    /// Whether an ordinary user asks.
    pub(crate) rootless: bool,
    /// Whether cases can run here.
    pub(crate) runs: bool,
    /// What the host offers and lacks.
    pub(crate) checks: Vec<Check>,
    /// The jar that was run, if one could be.
    pub(crate) trial: Option<Trial>,
}
