//! What the kernel's verifier thinks of the programs.

use xvrrp::datapath::{Datapath, Program, Sizes};

/// issue 2: the programs load with room to spare. Other kernels count differently, and all give up
/// at a million instructions.
#[test]
fn verifier_has_little_to_do() {
    let sizes = Sizes { routers: 1, addresses: 1 };
    let mut datapath = Datapath::load(sizes, false, false).expect("must run as root");
    for program in [Program::Xdp, Program::Ingress, Program::Egress] {
        let instructions = datapath.verified_instructions(program).expect("it is loaded");
        let instructions = instructions.expect("the kernel counts since Linux 5.16");
        println!("{program:?}: {instructions} instructions verified");
        assert!(instructions < 200_000, "{program:?}: {instructions} instructions verified");
    }
}
