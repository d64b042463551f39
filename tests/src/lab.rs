//! The laboratory: a bridge, nodes and a client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    Capture, Mac, Namespace, Node, PacketSocket,
    netns::{self, changing, exclusive, lab_dir, lab_prefix},
    output_of, wait_until,
    wire::{self, What},
};

/// Number of labs this process has made; part of their names.
static LABS: AtomicUsize = AtomicUsize::new(0);
/// Held while a lab is made.
static MAKING: Mutex<()> = Mutex::new(());

const BRIDGE: &str = "br0";
const SECOND_BRIDGE: &str = "br1";
/// Host numbers in [`Lab::NETWORK`]: nodes are .11, .12, …; .201 and on are senders of
/// [`Lab::answerers`], which exist nowhere.
const FIRST_NODE: u8 = 11;
const CLIENT: u8 = 100;
const FIRST_ASKER: u8 = 201;
/// An answer takes microseconds; this is how long none is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(150);
/// How long the kernel may take to give the interfaces their link-local addresses.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);

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
        Self::make(nodes, false)
    }

    /// A lab with IPv6 besides: nodes and client have a link-local address, made from their MAC,
    /// and one of 2001:db8::/64 with the same last byte. All of them are in use already, without
    /// duplicate address detection.
    ///
    /// # Errors
    /// As [`Lab::new`], or the kernel makes no link-local addresses.
    pub fn with_ipv6(nodes: u8) -> Result<Self> {
        Self::make(nodes, true)
    }

    fn make(nodes: u8, ipv6: bool) -> Result<Self> {
        let _changing = changing();
        // `ip netns add` does not get along with another one that makes the first namespace of all.
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        netns::remove(netns::is_orphan);
        let prefix = lab_prefix(LABS.fetch_add(1, Ordering::Relaxed));
        let cleaner = Cleaner { prefix: &prefix };
        let lab = Self::build(&prefix, nodes, ipv6)
            .context("cannot make a lab of network namespaces (this needs root and iproute2)")?;
        std::mem::forget(cleaner);
        Ok(lab)
    }

    /// One more switch, which every node and the client is connected to with an interface `eth1`, see
    /// [`Node::SECOND_INTERFACE`]: 198.51.100.0/24, with the last octets that they have elsewhere.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn add_network(&self) -> Result<()> {
        let _changing = changing();
        let switch = self.client.switch();
        add_bridge(switch, SECOND_BRIDGE)?;
        self.nodes.iter().chain([&self.client]).try_for_each(|node| node.plug_second(SECOND_BRIDGE))
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

    /// An address of the lab's network of IPv6, for documentation by RFC 3849.
    pub const fn address_v6(host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host as u16)
    }

    /// Who answers ARP or Neighbor Solicitations for `vip`: the indices of the nodes that answered a
    /// request sent to their own MAC, each counted once per answer. A node that answers twice stands
    /// twice.
    ///
    /// # Errors
    /// The client cannot send.
    pub fn answerers(&self, capture: &Capture, vip: impl Into<IpAddr>) -> Result<Vec<usize>> {
        let vip = vip.into();
        let socket = PacketSocket::open(&self.client)?;
        let start = SystemTime::now();
        for (asker, node) in self.askers().zip(&self.nodes) {
            let (sender, to) = (Mac::local(asker), node.mac());
            socket.send(&match vip {
                IpAddr::V4(vip) => wire::arp_request(to, (sender, Self::address(asker)), vip),
                IpAddr::V6(vip) => {
                    let sender = (sender, Self::address_v6(asker));
                    wire::neighbor_solicitation(Some(to), sender, vip)
                }
            })?;
        }
        // Silence is part of the answer, so the whole time is waited for.
        capture.wait_for(start, ANSWER_TIMEOUT, |_| false);
        let answers = capture.seen_since(start).into_iter().filter_map(|seen| {
            let asker: IpAddr = match seen.what {
                What::ArpReply { target, .. } => target.1.into(),
                What::NeighborAdvert(answer) => answer.destination.into(),
                _ => return None,
            };
            let is_asker = |host| asker == Self::address(host) || asker == Self::address_v6(host);
            seen.is_arp_answer(vip).then(|| self.askers().position(is_asker))?
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
        vip: impl Into<IpAddr>,
        node: usize,
        timeout: Duration,
    ) -> Result<()> {
        let vip = vip.into();
        let mut answerers = Vec::new();
        let what = format!("node {node} alone answers for {vip}");
        wait_until(&what, timeout, || {
            answerers = self.answerers(capture, vip)?;
            Ok(answerers == [node])
        })
        .with_context(|| format!("nodes {answerers:?} answer for {vip}"))
    }

    /// The MACs that the client is told when it asks everybody for `vip`: one for each answer.
    ///
    /// # Errors
    /// The client cannot send.
    pub fn answers(&self, capture: &Capture, vip: impl Into<IpAddr>) -> Result<Vec<Mac>> {
        let (vip, mac) = (vip.into(), Mac::local(FIRST_ASKER));
        let (v4, v6) = (Self::address(FIRST_ASKER), Self::address_v6(FIRST_ASKER));
        let socket = PacketSocket::open(&self.client)?;
        let start = SystemTime::now();
        socket.send(&match vip {
            IpAddr::V4(vip) => wire::arp_request(Mac::BROADCAST, (mac, v4), vip),
            IpAddr::V6(vip) => wire::neighbor_solicitation(None, (mac, v6), vip),
        })?;
        capture.wait_for(start, ANSWER_TIMEOUT, |_| false);
        let answers = capture.seen_since(start).into_iter().filter_map(|seen| match seen.what {
            What::ArpReply { sender, target } if sender.1 == vip && target.1 == v4 => {
                Some(sender.0)
            }
            What::NeighborAdvert(na) if na.target == vip && na.destination == v6 => na.link_layer,
            _ => None,
        });
        Ok(answers.collect())
    }

    /// The node behind whose port the bridge has learnt `mac`; `None` for none.
    ///
    /// # Errors
    /// `bridge` failed, or its output was not understood.
    pub fn node_with(&self, mac: Mac) -> Result<Option<usize>> {
        #[derive(Deserialize)]
        struct Entry {
            mac: String,
            ifname: String,
            #[serde(default)]
            state: String,
        }
        let switch = self.client.switch().name();
        let json = output_of(Command::new("bridge").args(["-n", switch, "-j", "fdb", "show"]))?;
        let entries: Vec<Entry> = serde_json::from_str(&json)?;
        // A port's own MAC is permanent; what was learnt has no state.
        let learnt = entries.into_iter().filter(|entry| entry.state.is_empty());
        let port = learnt.filter(|entry| entry.mac == mac.to_string()).map(|entry| entry.ifname);
        let port: Vec<_> = port.collect();
        Ok(self.nodes.iter().position(|node| port.iter().any(|port| port == node.port())))
    }

    /// From now on the switch is a hub: the client sees unicast between nodes, too.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn make_hub(&self) -> Result<()> {
        let forget = ["type", "bridge", "ageing_time", "0"];
        self.client.switch().ip(&[&["link", "set", BRIDGE], &forget[..]].concat()).map(drop)
    }

    /// The host number of one asker for each node, so that an answer tells which node was asked.
    fn askers(&self) -> impl Iterator<Item = u8> {
        (FIRST_ASKER..).take(self.nodes.len())
    }

    fn build(prefix: &str, nodes: u8, ipv6: bool) -> Result<Self> {
        let dir = lab_dir(prefix);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let switch = Namespace::add(format!("{prefix}sw"), false)?;
        add_bridge(&switch, BRIDGE)?;
        let member = |role: &str, host: u8| {
            let namespace = Namespace::add(format!("{prefix}{role}"), ipv6)?;
            let dir = dir.join(role);
            std::fs::create_dir_all(&dir)?;
            Node::plug(namespace, &switch, BRIDGE, host, dir)
        };
        let client = member("cl", CLIENT)?;
        let nodes = (0..nodes).map(|n| member(&format!("n{}", n + 1), FIRST_NODE + n));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        if ipv6 {
            for node in nodes.iter().chain([&client]) {
                node.add_address_v6()?;
                // Made when the kernel has noticed the carrier, which takes it up to a second.
                let ready = || Ok(node.addresses()?.contains(&node.link_local().into()));
                wait_until("a link-local address", ADDRESS_TIMEOUT, ready)?;
            }
        }
        Ok(Self { prefix: prefix.into(), dir, nodes, client })
    }
}

fn add_bridge(switch: &Namespace, name: &str) -> Result<()> {
    let bridge = ["stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"];
    switch.ip(&[&["link", "add", name, "type", "bridge"], &bridge[..]].concat())?;
    switch.ip(&["link", "set", name, "up"]).map(drop)
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _changing = changing();
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
