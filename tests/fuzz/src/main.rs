//! The targets of [`rig::fuzz`] under libFuzzer, which has `main` and reads the command line. The
//! environment says which target: XVRRP_FUZZ is its name.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rig::fuzz::{TARGETS, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("XVRRP_FUZZ").unwrap_or_default();
        if let Some(target) = TARGETS.into_iter().find(|target| target.name == name) {
            TARGET.get_or_init(|| target);
        }
    },
    |data: &[u8]| match TARGET.get() {
        Some(target) => (target.check)(data),
        None => panic!("XVRRP_FUZZ names none of {:?}", TARGETS.map(|target| target.name)),
    }
);
