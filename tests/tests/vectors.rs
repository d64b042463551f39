//! Every test vector, through the codec and the kernel program. Needs root.

use std::path::Path;

use rig::vectors::{self, Outcome};

/// issue 2: the IPv4 adverts and ARP frames of the vector file get the demanded verdict and reply;
/// the rows of the conformance matrix that each proves stand in its `ref`.
#[test]
fn vectors_get_their_verdict() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/vectors.json");
    let mut failed = Vec::new();
    let mut passed = 0;
    for vector in vectors::read(&file).unwrap() {
        match vector.run() {
            Outcome::Passed => passed += 1,
            Outcome::Failed(why) => failed.push(format!("{}: {why}", vector.name)),
            Outcome::Skipped(why) => {
                let later = vector.family == "ipv6" || vector.kind == "accept";
                assert!(later, "{} was skipped: {why}", vector.name);
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        failed.len() + passed,
        failed.join("\n")
    );
    // 71 adverts, 25 ARP frames and one that we send.
    assert_eq!(passed, 97);
}
