//! The fuzz targets without a fuzzer: `cargo xtask fuzz` has one.

use std::{collections::BTreeMap, path::Path};

use rig::fuzz::{Seeds, TARGETS};

/// Issue 3, fuzz targets: there are seeds for each, and none is a finding.
#[test]
fn seeds_hold() {
    let seeds = Seeds::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data")).unwrap();
    let mut counts = BTreeMap::new();
    for target in TARGETS {
        let inputs = (target.seeds)(&seeds);
        inputs.iter().for_each(|input| (target.check)(input));
        counts.insert(target.name, inputs.len());
    }
    assert!(counts.values().all(|count| *count >= 12), "{counts:?}");
}
