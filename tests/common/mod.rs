//! What the tests of sandboxes share.

use std::path::Path;

use belljar::harness::Spec;
use belljar::harness::spec::RootfsRef;
use belljar::{JarOptions, JarRunner};

/// The root filesystem that the tests use.
pub(crate) fn rootfs() -> RootfsRef {
    match std::env::var("BELLJAR_ROOTFS") {
        Ok(text) => RootfsRef::parse(&text, Path::new("")).unwrap(),
        Err(_) => RootfsRef::Host,
    }
}

/// A runner with the usual store.
pub(crate) fn runner() -> JarRunner {
    JarRunner::new(JarOptions::default()).unwrap()
}

/// A plan with every default, for a script.
pub(crate) fn spec(script: &str) -> Spec {
    Spec {
        hostname: "jar".to_owned(),
        rootfs: rootfs(),
        script_name: "test.sh".to_owned(),
        ..Spec::new("test", script)
    }
}
