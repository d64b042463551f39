//! The laboratory: a bridge, nodes and a client.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    Capture, Mac, Namespace, Node, PacketSocket, Seen,
    netns::{self, exclusive, lab_dir, lab_prefix},
    wait_until,
    wire::{self, What},
};

/// Number of labs this process has made; part of their names.
static LABS: AtomicUsize = AtomicUsize::new(0);

const BRIDGE: &str = "br0";
/// Host numbers in [`Lab::NETWORK`]: nodes are .11, .12, …; .201 and on are senders of
/// [`Lab::answerers`], which exist nowhere.
const FIRST_NODE: u8 = 11;
const CLIENT: u8 = 100;
const FIRST_ASKER: u8 = 201;
/// An answer takes microseconds; this is how long none is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(150);

/// A bridge as the switch of 192.0.2.0/24, with nodes and a client on veth pairs. Each has its own
/// namespace, its interface is called `eth0`, and the last octets of its addresses (MAC, IPv4) are
/// equal. Labs are independent of each other, also at the same time.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    dir: PathBuf,
    nodes: Vec<Node>,
    client: Node,
}

impl Lab {
    /// The network of every lab, for documentation by RFC 5737.
    pub const NETWORK: [u8; 3] = [192, 0, 2];

    /// Makes a lab with `nodes` nodes (at most 80), and removes what killed processes left behind.
    ///
    /// # Errors
    /// Not root, no iproute2, or the kernel refused a device; the error has the command.
    pub fn new(nodes: u8) -> Result<Self> {
        let _exclusive = exclusive();
        netns::remove(netns::is_orphan);
        let prefix = lab_prefix(LABS.fetch_add(1, Ordering::Relaxed));
        let cleaner = Cleaner { prefix: &prefix };
        let lab = Self::build(&prefix, nodes)
            .context("cannot make a lab of network namespaces (this needs root and iproute2)")?;
        std::mem::forget(cleaner);
        Ok(lab)
    }

    /// The node with address 192.0.2.11 (`index` 0), .12 (1), …
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The observer, 192.0.2.100.
    pub fn client(&self) -> &Node {
        &self.client
    }

    /// A directory for files of this lab, removed with it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// An address of the lab's network.
    pub const fn address(host: u8) -> Ipv4Addr {
        let [a, b, c] = Self::NETWORK;
        Ipv4Addr::new(a, b, c, host)
    }

    /// Who answers ARP for `vip`: the indices of the nodes that answered a request sent to their
    /// own MAC, each counted once per answer. A node that answers twice stands twice.
    ///
    /// # Errors
    /// The client cannot send.
    pub fn answerers(&self, capture: &Capture, vip: Ipv4Addr) -> Result<Vec<usize>> {
        let socket = PacketSocket::open(&self.client)?;
        let start = SystemTime::now();
        for (asker, node) in self.askers().zip(&self.nodes) {
            socket.send(&wire::arp_request(node.mac(), asker, vip))?;
        }
        // Silence is part of the answer, so the whole time is waited for.
        capture.wait_for(start, ANSWER_TIMEOUT, |_| false);
        let answers = capture.seen_since(start).into_iter().filter_map(|Seen { what, .. }| {
            let What::ArpReply { sender, target, .. } = what else { return None };
            let asker = self.askers().position(|(_, address)| address == target.1)?;
            (sender.1 == vip).then_some(asker)
        });
        Ok(answers.collect())
    }

    /// Waits until `node` (its index) alone answers for `vip`.
    ///
    /// # Errors
    /// That did not happen within `timeout`; the error tells who answered last.
    pub fn wait_for_answerer(
        &self,
        capture: &Capture,
        vip: Ipv4Addr,
        node: usize,
        timeout: Duration,
    ) -> Result<()> {
        let mut answerers = Vec::new();
        let what = format!("node {node} alone answers for {vip}");
        wait_until(&what, timeout, || {
            answerers = self.answerers(capture, vip)?;
            Ok(answerers == [node])
        })
        .with_context(|| format!("nodes {answerers:?} answer for {vip}"))
    }

    /// One asker for each node, so that an answer tells which node was asked.
    fn askers(&self) -> impl Iterator<Item = (Mac, Ipv4Addr)> {
        (FIRST_ASKER..).map(|host| (Mac::local(host), Self::address(host))).take(self.nodes.len())
    }

    fn build(prefix: &str, nodes: u8) -> Result<Self> {
        let dir = lab_dir(prefix);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let switch = Namespace::add(format!("{prefix}sw"))?;
        let bridge = ["stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"];
        switch.ip(&[&["link", "add", BRIDGE, "type", "bridge"], &bridge[..]].concat())?;
        switch.ip(&["link", "set", BRIDGE, "up"])?;
        let member = |role: &str, host: u8| {
            let namespace = Namespace::add(format!("{prefix}{role}"))?;
            let dir = dir.join(role);
            std::fs::create_dir_all(&dir)?;
            Node::plug(namespace, &switch, BRIDGE, host, dir)
        };
        let client = member("cl", CLIENT)?;
        let nodes = (0..nodes).map(|n| member(&format!("n{}", n + 1), FIRST_NODE + n));
        let nodes = nodes.collect::<Result<_>>()?;
        Ok(Self { prefix: prefix.into(), dir, nodes, client })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _exclusive = exclusive();
        drop(Cleaner { prefix: &self.prefix });
    }
}

/// Removes a lab, whole or half made.
struct Cleaner<'a> {
    prefix: &'a str,
}

impl Drop for Cleaner<'_> {
    fn drop(&mut self) {
        let dir = self.prefix.trim_end_matches('-');
        netns::remove(|name| name.starts_with(self.prefix) || name == dir);
    }
}

/// From now on SIGINT and SIGTERM remove everything that the labs of this process made, processes
/// included, and end it with 128 + the signal's number.
///
/// # Errors
/// The handlers cannot be installed.
pub fn remove_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            eprintln!("\ninterrupted, cleaning up");
            // Held until the end: nobody makes anything any more.
            let _exclusive = exclusive();
            netns::remove(netns::is_own);
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
