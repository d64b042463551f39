//! Packets to a virtual address, on a real host with a real daemon: whether it takes them in.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Vector, addresses, mac};
use crate::{Capture, Daemon, Lab, Node, PacketSocket, Router, wait_until};

const SETTLING: Duration = Duration::from_secs(15);

/// The host that the vectors speak of is the lab's client: same MAC, same addresses.
pub(super) fn run(vector: &Vector) -> Result<()> {
    let setting = Setting::of(vector)?;
    let lab = Lab::with_ipv6(2)?;
    let node = lab.node(0);
    setting.configure(node)?;
    let capture = Capture::start(lab.client())?;

    // A router that is Backup needs one that is not.
    let other = if setting.is_active {
        None
    } else {
        let other = Router::start(lab.node(1), Daemon::Xvrrp, &setting.config(MASTER, true))?;
        setting.wait(&other, "MASTER")?;
        Some(other)
    };
    let priority = if setting.is_owner { OWNER } else { BACKUP };
    let router = Router::start(node, Daemon::Xvrrp, &setting.config(priority, setting.accepts))?;
    setting.wait(&router, if other.is_some() { "BACKUP" } else { "MASTER" })?;

    let frame = vector.frame()?;
    let start = SystemTime::now();
    // Not past the switch, which may know another port for the virtual MAC.
    PacketSocket::at_switch(node)?.send(&frame)?;
    let destination = setting.destination(&frame).context("the packet has no destination")?;
    let is_answer = |seen: &crate::Seen| seen.is_ping_answer(destination);
    if vector.expect.get("action").and_then(Value::as_str) == Some("reply") {
        capture.expect("an echo reply from the virtual address", start, SETTLING, is_answer)?;
        return Ok(());
    }
    // What the host does with later packets it has done with this one before.
    let own = setting.own_address().to_string();
    lab.client().run(&["ping", "-c", "2", "-i", "0.3", "-W", "2", &own])?;
    ensure!(!capture.seen_since(start).iter().any(is_answer), "{destination} has answered");
    Ok(())
}

/// Priorities of the routers: a vector's own one and the one beside it.
const OWNER: u8 = 255;
const MASTER: u8 = 200;
const BACKUP: u8 = 100;

/// The host and the virtual routers of a vector's context.
struct Setting {
    routers: Vec<(String, Vec<IpAddr>)>,
    mac: String,
    ipv4: Ipv4Addr,
    link_local: Ipv6Addr,
    is_ipv6: bool,
    is_active: bool,
    is_owner: bool,
    accepts: bool,
}

impl Setting {
    fn of(vector: &Vector) -> Result<Self> {
        let text = |key: &str| vector.string(key).with_context(|| format!("no {key}"));
        let is_ipv6 = vector.family == "ipv6";
        let vrids = vector.context.get("vrids").and_then(Value::as_object).context("no vrids")?;
        let of_family = |list| {
            let mut list = addresses(list);
            list.retain(|address| address.is_ipv6() == is_ipv6);
            list
        };
        mac(text("dut_mac")?)?;
        Ok(Self {
            routers: vrids.iter().map(|(vrid, list)| (vrid.clone(), of_family(list))).collect(),
            mac: text("dut_mac")?.to_owned(),
            ipv4: text("dut_ip")?.parse()?,
            link_local: text("dut_ll")?.parse()?,
            is_ipv6,
            is_active: text("state")? == "active",
            is_owner: vector.flag("owner"),
            accepts: vector.flag("accept_mode"),
        })
    }

    /// Gives the node the MAC and the addresses that the vector's frame is made for.
    fn configure(&self, node: &Node) -> Result<()> {
        let device = ["dev", Node::INTERFACE];
        let (ipv4, link_local) = (format!("{}/24", self.ipv4), format!("{}/64", self.link_local));
        let global = format!("{}/64", self.global());
        node.namespace().ip(&["link", "set", Node::INTERFACE, "address", &self.mac])?;
        node.namespace().ip(&[&["addr", "flush"], &device[..]].concat())?;
        for address in [&ipv4, &link_local, &global] {
            node.namespace().ip(&[&["addr", "add", address], &device[..]].concat())?;
        }
        Ok(())
    }

    /// An address in the lab's network of IPv6 with the end of the link-local one.
    fn global(&self) -> Ipv6Addr {
        Lab::address_v6(self.link_local.octets()[15])
    }

    fn own_address(&self) -> IpAddr {
        if self.is_ipv6 { self.global().into() } else { self.ipv4.into() }
    }

    fn config(&self, priority: u8, accepts: bool) -> String {
        let accept = if accepts { "accept" } else { "no_accept" };
        self.routers.iter().fold(String::new(), |mut text, (vrid, addresses)| {
            let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            let addresses = addresses.join("\n");
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "vrrp_instance VI_{vrid} {{\n interface {}\n virtual_router_id {vrid}\n version 3\n \
                 priority {priority}\n advert_int 0.2\n use_vmac\n {accept}\n virtual_ipaddress \
                 {{\n{addresses}\n }}\n}}",
                Node::INTERFACE
            );
            text
        })
    }

    /// Waits until all virtual routers are in `state`, and as MASTER have their addresses.
    fn wait(&self, router: &Router, state: &str) -> Result<()> {
        for (vrid, _) in &self.routers {
            let instance = format!("VI_{vrid}");
            router.wait_for_state(router.started(), &instance, state, SETTLING)?;
        }
        if state != "MASTER" {
            return Ok(());
        }
        wait_until("the virtual addresses", SETTLING, || {
            let present = router.node().addresses()?;
            Ok(self.routers.iter().flat_map(|(_, list)| list).all(|it| present.contains(it)))
        })
    }

    /// Where the packet behind an untagged Ethernet header goes.
    fn destination(&self, frame: &[u8]) -> Option<IpAddr> {
        Some(if self.is_ipv6 {
            frame.get(38..)?.first_chunk::<16>().copied()?.into()
        } else {
            frame.get(30..)?.first_chunk::<4>().copied()?.into()
        })
    }
}
