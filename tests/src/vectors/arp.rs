//! ARP frames: answered, and how, or not.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use vrrp_common::{
    Vrid,
    wire::{
        arp,
        ethernet::{self, Link, Vlan},
    },
};
use xvrrp::{
    datapath::{Address, Presence, VirtualMac},
    pulse,
};

use super::{
    Vector, addresses,
    bench::{Bench, IFINDEX, TX},
    ensure_left_alone, mac, octets,
};

pub(super) fn run(vector: &Vector) -> Result<()> {
    let routers = vector
        .context
        .get("vrids")
        .and_then(Value::as_object)
        .context("no vrids in the context")?;
    let device_mac = mac(vector.string("dut_mac").context("no dut_mac in the context")?)?;
    let own: Option<std::net::Ipv4Addr> = vector.string("dut_ip").and_then(|own| own.parse().ok());
    let vlan = Vlan::from_tags(vector.number("vlan").unwrap_or(0) as u16, 0);
    let active = vector.string("state") == Some("active");

    let mut bench = Bench::new(routers.len() as u32, 64)?;
    for (slot, (vrid, list)) in (1..).zip(routers) {
        let vrid = vrid.parse().ok().and_then(Vrid::new).context("a VRID is 1-255")?;
        let entry = VirtualMac { ifindex: IFINDEX, vlan, mac: vrid.mac_ipv4(), device_mac };
        bench.datapath.add_virtual_mac(&entry, slot)?;
        for address in addresses(list).into_iter().filter(std::net::IpAddr::is_ipv4) {
            let answer_mac = vrid.mac_ipv4();
            let entry = Address { ifindex: IFINDEX, vlan, address, answer_mac, device_mac };
            bench.datapath.add_address(&entry, slot)?;
        }
        if active {
            let slot = bench.slot(slot);
            slot.open(pulse::now() + std::time::Duration::from_secs(60));
            slot.set_presence(Presence::Installed);
        }
    }

    let frame = vector.frame()?;
    let effect = bench.run(&frame)?;
    let action = vector.expect.get("action").and_then(Value::as_str).unwrap_or("none");
    let target = target(&frame).map(std::net::Ipv4Addr::from);
    if action != "reply" || target == own {
        // The kernel's own business, or nobody's: the program neither answers nor touches it. What
        // the kernel would answer and must not, it drops, and so it does with frames to a virtual
        // MAC that it does not have.
        ensure_left_alone(&effect, &frame, vector.valid, active)?;
        ensure!(!effect.moved.contains_key("arp_answered"), "counted as answered");
        return Ok(());
    }
    ensure!(effect.action == TX, "action {}, not answered", effect.action);
    ensure!(effect.moved.get("arp_answered") == Some(&1), "counters moved: {:?}", effect.moved);
    let forms =
        ["hex", "also_conformant_hex"].map(|form| vector.expect.get(form).and_then(Value::as_str));
    let mut wrong = Vec::new();
    for form in forms.into_iter().flatten() {
        match compare(&effect.frame, &octets(form)?) {
            Ok(()) => return Ok(()),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    anyhow::bail!("{}", wrong.join("; "))
}

/// The reply must be the demanded frame; behind it there may be the request's padding.
fn compare(sent: &[u8], demanded: &[u8]) -> Result<()> {
    let link = Link::parse(sent).context("the reply is no frame")?;
    ensure!(
        link.vlan == Link::parse(demanded).context("the demanded reply is no frame")?.vlan,
        "another VLAN"
    );
    ensure!(sent.get(..demanded.len()) == Some(demanded), "sent {sent:02x?} for {demanded:02x?}");
    Ok(())
}

fn target(frame: &[u8]) -> Option<[u8; 4]> {
    let link = Link::parse(frame).filter(|link| link.ethertype == ethernet::ARP)?;
    let packet = frame.get(link.payload..)?.first_chunk()?;
    Some(arp::Packet::parse(packet)?.target_ip())
}
