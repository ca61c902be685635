//! Removing what killed runs left.

use std::path::PathBuf;

use super::CgroupError;

pub(super) fn sweep(_parents: &[PathBuf], _prefix: &str) -> Result<usize, CgroupError> {
    unimplemented!()
}
