//! What there is to see while the master lives.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use rig::{Daemon, Node, Router};

use crate::{progress::headline, settings::Settings, trial::Stage};

/// Requests that arping sends.
const BROADCASTS: u64 = 3;
/// Those that node 1 answers: arping's, and one to its own MAC.
const REQUESTS: u64 = BROADCASTS + 1;

/// Shows both nodes' status and addresses, and who answers an ARP request.
pub(crate) fn show(stage: &Stage, settings: &Settings) -> Result<()> {
    for (router, name) in stage.routers().iter().zip(["node 1", "node 2"]) {
        headline(&format!("{name}, {}", router.node().address()));
        if router.daemon() == Daemon::Xvrrp {
            quote("xvrrp status", &router.xvrrp(&["status"])?);
        }
        let addresses = ["ip", "-brief", "-4", "addr", "show", "dev", Node::INTERFACE];
        quote(&addresses.join(" "), &router.node().run(&addresses)?);
    }
    headline("The client asks who has the virtual address");
    let [master, _] = stage.routers();
    match master.daemon() {
        other @ (Daemon::Keepalived | Daemon::Frr) => {
            exchange(stage, settings.vip())?;
            println!("  {other} leaves the answer to the kernel.");
        }
        Daemon::Xvrrp => {
            let before = answered(master)?;
            exchange(stage, settings.vip())?;
            let after = answered(master)?;
            println!(
                "  arp_answered on node 1: {before} before, {after} after {REQUESTS} requests"
            );
            ensure!(
                after >= before + REQUESTS,
                "the XDP program did not answer: its counter went from {before} to {after}"
            );
            println!("  The XDP program answered; the kernel never saw the requests.");
        }
    }
    Ok(())
}

/// Broadcast requests of the client, then one to each node's own MAC.
fn exchange(stage: &Stage, vip: Ipv4Addr) -> Result<()> {
    let (count, vip_text) = (BROADCASTS.to_string(), vip.to_string());
    let arping = ["arping", "-b", "-c", &count, "-I", Node::INTERFACE, &vip_text];
    quote(&arping.join(" "), &stage.lab().client().run(&arping)?);
    let answerers = stage.lab().answerers(stage.capture(), vip)?;
    println!("  Asked one by one at their own MAC, these nodes answer: {}", names(&answerers));
    Ok(())
}

/// The counter of ARP answers.
fn answered(router: &Router) -> Result<u64> {
    let status = router.status()?;
    Ok(status.first().context("`xvrrp status` has no row")?.counter("arp_answered"))
}

fn names(nodes: &[usize]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| format!("node {}", node + 1)).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// A command and what it printed.
fn quote(command: &str, output: &str) {
    println!("  $ {command}");
    for line in output.lines() {
        println!("    {line}");
    }
}
