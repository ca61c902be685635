//! Options that reach a test binary through its environment.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;

use crate::case::{Overrides, values};
use crate::plan::{PlanOptions, TimeoutScale};
use crate::spec::RootfsRef;

/// What `BELLJAR_*` variables say. One that is empty counts as not set, since that is
/// how CI systems pass on what nobody filled in.
///
/// `BELLJAR_STORE`, `BELLJAR_OFFLINE` and `BELLJAR_MIRROR` are the runner's own.
#[derive(Clone, Debug, Default)]
pub struct EnvOptions {
    /// `BELLJAR_ROOTFS`, `BELLJAR_MEMORY`, `BELLJAR_TIMEOUT`; `BELLJAR_SEALED=1`: what
    /// weakens the sandbox is an invalid case.
    pub overrides: Overrides,
    /// `BELLJAR_TIMEOUT_SCALE`; `BELLJAR_REQUIRE=1`: what the host lacks is a failure.
    pub plan: PlanOptions,
}

/// A variable with a value that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} cannot be used: {problem}")]
pub struct BadVariable {
    name: &'static str,
    problem: String,
}

impl EnvOptions {
    /// Reads the variables through `var`; relative paths are taken from `base`.
    ///
    /// # Errors
    /// For the first variable with a value that makes no sense.
    pub fn read(var: impl Fn(&str) -> Option<OsString>, base: &Path) -> Result<Self, BadVariable> {
        let mut options = Self::default();
        if let Some(rootfs) = value(&var, "BELLJAR_ROOTFS", |text| RootfsRef::parse(text, base))? {
            options.overrides.rootfs = Some(rootfs);
        }
        if let Some(memory) = value(&var, "BELLJAR_MEMORY", values::memory)? {
            options.overrides.memory = Some(memory);
            options.plan.memory_none = memory.is_none();
        }
        options.overrides.timeout = value(&var, "BELLJAR_TIMEOUT", values::duration)?;
        options.overrides.sealed = value(&var, "BELLJAR_SEALED", switch)?.unwrap_or(false);
        if let Some(scale) = value(&var, "BELLJAR_TIMEOUT_SCALE", str::parse::<TimeoutScale>)? {
            options.plan.timeout_scale = scale;
        }
        options.plan.deny_skips = value(&var, "BELLJAR_REQUIRE", switch)?.unwrap_or(false);
        Ok(options)
    }
}

/// Reads one variable, if it is there and not empty.
fn value<T, E: Display>(
    var: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, BadVariable> {
    let Some(text) = var(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let bad = |problem: String| BadVariable { name, problem };
    let text = text.to_str().ok_or_else(|| bad("it is not UTF-8".to_owned()))?;
    parse(text).map(Some).map_err(|error| bad(error.to_string()))
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(format!("`{text}` is neither 1 nor 0")),
    }
}
