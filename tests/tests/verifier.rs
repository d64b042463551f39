//! What the kernel's verifier thinks of the program.

use xvrrp::datapath::{Datapath, Sizes};

/// issue 2: the program loads with room to spare. Other kernels count differently, and all give up
/// at a million instructions.
#[test]
fn verifier_has_little_to_do() {
    let sizes = Sizes { routers: 1, addresses: 1 };
    let mut datapath = Datapath::load(sizes, false, false).expect("must run as root");
    let instructions = datapath.verified_instructions().expect("the program is loaded");
    let instructions = instructions.expect("the kernel counts since Linux 5.16");
    println!("{instructions} instructions verified");
    assert!(instructions < 200_000, "{instructions} instructions verified");
}
