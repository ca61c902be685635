//! What the tests of sandboxes share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use belljar::harness::spec::{Asked, Capabilities, Limits, Network, RootfsRef, Spec, User};
use belljar::{JarOptions, JarRunner};

/// The root filesystem that the tests use.
pub fn rootfs() -> RootfsRef {
    match std::env::var("BELLJAR_ROOTFS") {
        Ok(text) => RootfsRef::parse(&text, &PathBuf::from(".")).unwrap(),
        Err(_) => RootfsRef::Host,
    }
}

/// A runner with the usual store.
pub fn runner() -> JarRunner {
    JarRunner::new(JarOptions::default()).unwrap()
}

/// A plan with every default, for a script.
pub fn spec(script: &str) -> Spec {
    Spec {
        name: "test".to_owned(),
        hostname: "jar".to_owned(),
        rootfs: rootfs(),
        shell: vec!["/bin/bash".to_owned()],
        script_name: "test.sh".to_owned(),
        script: script.as_bytes().to_vec(),
        args: Vec::new(),
        env: BTreeMap::new(),
        stdin: Vec::new(),
        workdir: "/".to_owned(),
        user: User::Root,
        files: Vec::new(),
        limits: Limits {
            memory: Asked::default_of(Some(256 << 20)),
            swap: Asked::default_of(Some(0)),
            pids: Asked::default_of(Some(256)),
            cpus: Asked::default_of(None),
            disk: Asked::default_of(128 << 20),
        },
        timeout: Some(Duration::from_secs(60)),
        output: 1 << 20,
        network: Network::None,
        capabilities: Capabilities::Default,
        no_new_privileges: true,
    }
}
