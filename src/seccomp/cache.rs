//! What was compiled, once per process for each set of capabilities that makes a difference.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::abi::Abi;
use super::compile::{Filter, compile};
use super::profile;

static COMPILED: Mutex<BTreeMap<u64, Arc<Filter>>> = Mutex::new(BTreeMap::new());

/// The default filter of a jar that keeps these capabilities, as a bit mask.
pub(crate) fn for_capabilities(
    capabilities: u64,
) -> Result<Arc<Filter>, seccompiler::BackendError> {
    let key = profile::relevant(capabilities);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(filter) = compiled.get(&key) {
        return Ok(Arc::clone(filter));
    }
    let policies: Vec<_> = Abi::of_this_machine()
        .iter()
        .map(|abi| profile::policy(*abi, key))
        .collect::<Result<_, _>>()?;
    let filter = Arc::new(compile(&policies)?);
    compiled.insert(key, Arc::clone(&filter));
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::for_capabilities;

    #[test]
    fn one_filter_serves_all_jars_that_it_fits() {
        let plain = for_capabilities(0xa000_25fb).unwrap();
        assert!(Arc::ptr_eq(&plain, &for_capabilities(0).unwrap()));
        assert!(!Arc::ptr_eq(&plain, &for_capabilities(1 << 21).unwrap()));
    }
}
