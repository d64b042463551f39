//! Configurations that users have written: several virtual routers on three or two nodes.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;
use rig::{Capture, Daemon, Lab, Router, seed, wait_until};

const SETTLING: Duration = Duration::from_secs(15);

/// A virtual address with the nodes that should have it: the first one, and the one that follows
/// when the first is dead.
struct Vip {
    address: Ipv4Addr,
    first: usize,
    second: usize,
}

const fn vip(host: u8, first: usize, second: usize) -> Vip {
    Vip { address: Lab::address(host), first, second }
}

const THREE_NODES: [&str; 3] = ["three-node-1.conf", "three-node-2.conf", "three-node-3.conf"];
const THREE_VIPS: [Vip; 3] = [vip(187, 0, 1), vip(188, 1, 2), vip(189, 2, 0)];
const TWO_NODES: [&str; 2] = ["dual-master-a.conf", "dual-master-b.conf"];
const TWO_VIPS: [Vip; 2] = [vip(120, 0, 1), vip(121, 1, 0)];

struct Cluster {
    configs: Vec<String>,
    vips: &'static [Vip],
    routers: Vec<Router>,
    capture: Capture,
    lab: Lab,
}

impl Cluster {
    fn start(seeds: &[&str], vips: &'static [Vip]) -> Self {
        let configs: Vec<_> = seeds.iter().map(|name| seed(name).unwrap()).collect();
        let lab = Lab::new(configs.len() as u8).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let start = |(node, config): (_, &String)| Router::start(node, Daemon::Xvrrp, config);
        let routers = lab.nodes().iter().zip(&configs).map(start).map(Result::unwrap).collect();
        Self { configs, vips, routers, capture, lab }
    }

    /// Waits until each address is where it belongs while `dead` is dead: exactly that node
    /// answers, and among the living only it has the address.
    fn expect_placed(&self, dead: Option<usize>) {
        for vip in self.vips {
            let owner = if dead == Some(vip.first) { vip.second } else { vip.first };
            let address = vip.address;
            self.lab.wait_for_answerer(&self.capture, address, owner, SETTLING).unwrap();
            wait_until(&format!("{address} on node {owner} alone"), SETTLING, || {
                Ok(self.living_holders(address, dead)? == [owner])
            })
            .unwrap();
        }
    }

    /// The nodes that have the address on their interface. That of a dead node may well be there
    /// still.
    fn living_holders(&self, address: Ipv4Addr, dead: Option<usize>) -> Result<Vec<usize>> {
        let mut holders = Vec::new();
        for node in (0..self.lab.nodes().len()).filter(|node| Some(*node) != dead) {
            if self.lab.node(node).addresses()?.contains(&address.into()) {
                holders.push(node);
            }
        }
        Ok(holders)
    }

    /// The addresses are where they should be at first, while `node` is dead, and when it is back.
    fn survives_the_death_of(mut self, node: usize) {
        self.expect_placed(None);
        self.routers[node].crash().unwrap();
        self.expect_placed(Some(node));
        self.lab.node(node).reconnect().unwrap();
        let config = &self.configs[node];
        self.routers[node] = Router::start(self.lab.node(node), Daemon::Xvrrp, config).unwrap();
        self.expect_placed(None);
    }
}

/// Issue 2, R-4.2-01: three nodes with three addresses, and the first dies.
#[test]
fn three_nodes_survive_the_first() {
    Cluster::start(&THREE_NODES, &THREE_VIPS).survives_the_death_of(0);
}

/// Issue 2, R-4.2-01: the second dies.
#[test]
fn three_nodes_survive_the_second() {
    Cluster::start(&THREE_NODES, &THREE_VIPS).survives_the_death_of(1);
}

/// Issue 2, R-4.2-01: the third dies.
#[test]
fn three_nodes_survive_the_third() {
    Cluster::start(&THREE_NODES, &THREE_VIPS).survives_the_death_of(2);
}

/// Issue 2, R-4.2-01: two nodes, each the other's backup, and the first dies.
#[test]
fn dual_masters_survive_the_first() {
    Cluster::start(&TWO_NODES, &TWO_VIPS).survives_the_death_of(0);
}

/// Issue 2, R-4.2-01: the second dies.
#[test]
fn dual_masters_survive_the_second() {
    Cluster::start(&TWO_NODES, &TWO_VIPS).survives_the_death_of(1);
}
