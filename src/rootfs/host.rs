//! The host snapshot.
use super::options::ResolveOptions;
use super::{Rootfs, RootfsError, Store};
impl Store {
    pub(super) fn resolve_host(
        &self,
        _asked: &str,
        _options: &ResolveOptions<'_>,
    ) -> Result<Rootfs, RootfsError> {
        Err(RootfsError::Host { what: "not built yet".to_owned() })
    }
}
