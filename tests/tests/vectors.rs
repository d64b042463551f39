//! Every test vector, through the codec and the kernel program, or on a host. Needs root.

use std::path::Path;

use rig::vectors::{self, Outcome};

/// issues 2, 3: every frame of the vector file gets the demanded verdict and reply; the rows of the
/// conformance matrix that each proves stand in its `ref`.
#[test]
fn vectors_get_their_verdict() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/vectors.json");
    let mut failed = Vec::new();
    let mut passed = 0;
    for vector in vectors::read(&file).unwrap() {
        match vector.run() {
            Outcome::Passed => passed += 1,
            Outcome::Failed(why) => failed.push(format!("{}: {why}", vector.name)),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        failed.len() + passed,
        failed.join("\n")
    );
    // 71 adverts, 25 ARP frames and one that we send with IPv4; 21, 16 and two with IPv6. Four
    // packets to virtual addresses with IPv4 and two with IPv6.
    assert_eq!(passed, 142);
}
