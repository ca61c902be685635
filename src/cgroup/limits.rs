//! Setting one ceiling through its cgroups-rs controller, and reading it back.
//!
//! Each is set on its own: the crate's builder swallows errors. What the kernel
//! rounds is rounded before, so that what is read back must be equal.

use std::error::Error as _;
use std::io;
use std::path::Path;

use cgroups_rs::MaxValue;
use cgroups_rs::cpu::CpuController;
use cgroups_rs::memory::MemController;
use cgroups_rs::pid::PidController;

use super::place::Version;
use super::{Ceilings, CgroupError, Controller, files};

/// The kernel's default, in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// v1 shows "no limit" as the highest number of whole pages that a signed 64-bit
/// number of bytes holds; this is lower than that for every page size.
const V1_UNLIMITED: u64 = 0x7fff_ffff_fff0_0000;

/// Checks the ranges, and rounds to what the kernel can keep.
pub(super) fn rounded(asked: &Ceilings) -> Result<Ceilings, CgroupError> {
    let invalid = |text: String| Err(CgroupError::Invalid(text));
    let page = page_size();
    let whole_pages = |bytes: u64| bytes - bytes % page;
    if asked.memory.is_some_and(|bytes| !(page..V1_UNLIMITED).contains(&bytes)) {
        return invalid(format!("a memory ceiling is from {page} to {V1_UNLIMITED} bytes"));
    }
    if asked
        .swap
        .is_some_and(|bytes| bytes.saturating_add(asked.memory.unwrap_or(0)) >= V1_UNLIMITED)
    {
        return invalid(format!(
            "a swap ceiling is, with that on memory, below {V1_UNLIMITED} bytes"
        ));
    }
    if asked.pids == Some(0) {
        return invalid("a ceiling on processes is at least 1".to_owned());
    }
    if asked.cpus.is_some_and(|cpus| !(0.01..=100_000.0).contains(&cpus)) {
        return invalid("a ceiling on processors is from 0.01 to 100000".to_owned());
    }
    Ok(Ceilings {
        memory: asked.memory.map(whole_pages),
        swap: asked.swap.map(whole_pages),
        pids: asked.pids,
        cpus: asked.cpus.map(|cpus| (cpus * 1000.0).round() / 1000.0),
    })
}

/// Sets the memory ceiling.
pub(super) fn set_memory(folder: &Path, version: Version, bytes: u64) -> Result<(), CgroupError> {
    let file = folder.join(memory_file(version));
    MemController::new(folder.to_owned(), version == Version::V2)
        .set_limit(signed(bytes)?)
        .map_err(|error| refused(&file, bytes, &error))
}

/// Sets the swap ceiling; on v1 after the memory ceiling, as the sum of both.
pub(super) fn set_swap(
    folder: &Path,
    version: Version,
    memory: u64,
    swap: u64,
) -> Result<(), CgroupError> {
    let bytes = match version {
        Version::V1 => memory + swap,
        Version::V2 => swap,
    };
    let file = folder.join(swap_file(version));
    MemController::new(folder.to_owned(), version == Version::V2)
        .set_memswap_limit(signed(bytes)?)
        .map_err(|error| refused(&file, bytes, &error))
}

/// Sets the ceiling on processes.
pub(super) fn set_pids(folder: &Path, version: Version, count: u64) -> Result<(), CgroupError> {
    PidController::new(folder.to_owned(), version == Version::V2)
        .set_pid_max(MaxValue::Value(signed(count)?))
        .map_err(|error| refused(&folder.join("pids.max"), count, &error))
}

/// Sets the ceiling on processors.
pub(super) fn set_cpus(folder: &Path, version: Version, cpus: f64) -> Result<(), CgroupError> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the range was checked"
    )]
    let quota = (cpus * CPU_PERIOD as f64).round() as i64;
    let file = folder.join(match version {
        Version::V1 => "cpu.cfs_quota_us",
        Version::V2 => "cpu.max",
    });
    CpuController::new(folder.to_owned(), version == Version::V2)
        .set_cfs_quota_and_period(Some(quota), Some(CPU_PERIOD))
        .map_err(|error| refused(&file, quota, &error))
}

/// Reads the memory ceiling.
pub(super) fn memory(folder: &Path, version: Version) -> Result<Option<u64>, CgroupError> {
    limit(&folder.join(memory_file(version)), version)
}

/// Reads the swap ceiling; on v1 what memory and swap may use together, less `memory`.
pub(super) fn swap(
    folder: &Path,
    version: Version,
    memory: Option<u64>,
) -> Result<Option<u64>, CgroupError> {
    let found = limit(&folder.join(swap_file(version)), version)?;
    Ok(match version {
        Version::V1 => found.map(|both| both.saturating_sub(memory.unwrap_or(0))),
        Version::V2 => found,
    })
}

/// Reads the ceiling on processes.
pub(super) fn pids(folder: &Path) -> Result<Option<u64>, CgroupError> {
    files::number_or_max(&folder.join("pids.max"))
}

/// Reads the ceiling on processors.
pub(super) fn cpus(folder: &Path, version: Version) -> Result<Option<f64>, CgroupError> {
    let (quota, period) = match version {
        Version::V1 => {
            let path = folder.join("cpu.cfs_quota_us");
            let quota = files::read(&path)?;
            if quota.trim() == "-1" {
                return Ok(None);
            }
            (files::parse(&path, quota.trim())?, files::number(&folder.join("cpu.cfs_period_us"))?)
        }
        Version::V2 => {
            let path = folder.join("cpu.max");
            let text = files::read(&path)?;
            let (quota, period) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            if quota == "max" {
                return Ok(None);
            }
            (files::parse::<u64>(&path, quota)?, files::parse(&path, period)?)
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a period are small")]
    let cpus = quota as f64 / period as f64;
    Ok(Some((cpus * 1000.0).round() / 1000.0))
}

/// The file of the swap ceiling, which a kernel that counts no swap does not have.
pub(super) const fn swap_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.memsw.limit_in_bytes",
        Version::V2 => "memory.swap.max",
    }
}

const fn memory_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    }
}

fn limit(path: &Path, version: Version) -> Result<Option<u64>, CgroupError> {
    let found = files::number_or_max(path)?;
    Ok(found.filter(|bytes| version == Version::V2 || *bytes < V1_UNLIMITED))
}

/// Fails if the kernel keeps another value than the one written.
pub(super) fn kept<T: PartialEq + std::fmt::Debug>(
    controller: Controller,
    folder: &Path,
    asked: &T,
    found: Option<&T>,
) -> Result<(), CgroupError> {
    if found == Some(asked) {
        return Ok(());
    }
    Err(CgroupError::NotKept {
        controller,
        path: folder.to_owned(),
        asked: format!("{asked:?}"),
        found: found.map_or_else(|| "none".to_owned(), |found| format!("{found:?}")),
    })
}

fn signed(value: u64) -> Result<i64, CgroupError> {
    i64::try_from(value)
        .map_err(|_| CgroupError::Invalid(format!("{value} is more than any ceiling can be")))
}

/// Takes the kernel's error out of the crate's.
fn refused(
    file: &Path,
    value: impl std::fmt::Display,
    error: &cgroups_rs::error::Error,
) -> CgroupError {
    let source = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map_or_else(
        || io::Error::other(error.to_string()),
        |cause| {
            cause
                .raw_os_error()
                .map_or_else(|| io::Error::other(cause.to_string()), io::Error::from_raw_os_error)
        },
    );
    files::failed(format!("write {value} to"), file, source)
}

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_as_the_kernel_would() {
        let page = page_size();
        let asked = Ceilings {
            memory: Some(page * 3 + 1),
            swap: Some(1),
            pids: Some(1),
            cpus: Some(0.123_4),
        };
        let rounded = rounded(&asked).unwrap();
        assert_eq!(
            rounded,
            Ceilings { memory: Some(page * 3), swap: Some(0), pids: Some(1), cpus: Some(0.123) }
        );
    }

    #[test]
    fn impossible_values_are_refused() {
        let none = Ceilings::default();
        for bad in [
            Ceilings { memory: Some(1), ..none },
            Ceilings { memory: Some(u64::MAX), ..none },
            Ceilings { swap: Some(u64::MAX), ..none },
            Ceilings { pids: Some(0), ..none },
            Ceilings { cpus: Some(0.0), ..none },
            Ceilings { cpus: Some(f64::NAN), ..none },
        ] {
            assert!(matches!(rounded(&bad), Err(CgroupError::Invalid(_))), "{bad:?}");
        }
    }
}
