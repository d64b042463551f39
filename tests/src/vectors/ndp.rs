//! Neighbor Solicitations: answered, and how, or not; and the advertisements that we send unasked.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use vrrp_common::{
    Vrid,
    wire::{
        Mac,
        ethernet::{self, Link, Vlan},
        ipv6::{self, Header, Payload},
        ndp::{self, Fault, Question},
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
    let frame = vector.frame()?;
    let fault = fault(vector)?;
    let examined = examine(&frame)?;
    ensure!(examined.err() == fault, "codec: {examined:?}");
    run_program(vector, &frame).context("kernel program")
}

/// An unsolicited advertisement must be the demanded one.
pub(super) fn run_emit(vector: &Vector) -> Result<()> {
    let demanded = vector.frame()?;
    let demanded = Advertisement::read(&demanded).context("what is demanded")?;
    let sent = ndp::unsolicited(demanded.link_layer, demanded.target.octets());
    let sent = Advertisement::read(&sent)?;
    ensure!(sent == demanded, "sent {sent:?} for {demanded:?}");
    Ok(())
}

/// The fault that the vector demands, if any.
fn fault(vector: &Vector) -> Result<Option<Fault>> {
    Ok(Some(match vector.reason_code.as_str() {
        "ok" => return Ok(None),
        "nd-hlim" => Fault::HopLimit,
        "nd-length" => Fault::Length,
        "nd-checksum" => Fault::Checksum,
        "nd-code" => Fault::Code,
        "nd-target" => Fault::Target,
        "nd-option" => Fault::Option,
        "nd-unspec-dst" => Fault::UnspecifiedToOther,
        "nd-unspec-sllao" => Fault::UnspecifiedWithLinkLayer,
        other => bail!("unknown reason {other}"),
    }))
}

fn examine(frame: &[u8]) -> Result<Result<Question, Fault>> {
    let link = Link::parse(frame).filter(|link| link.ethertype == ethernet::IPV6);
    let link = link.context("not IPv6")?;
    let payload = Payload::find(frame, link.payload).context("no payload")?;
    let sender = frame[6..].first_chunk().context("no source MAC")?;
    Ok(Question::examine(frame, &payload, *sender))
}

fn run_program(vector: &Vector, frame: &[u8]) -> Result<()> {
    let routers = vector
        .context
        .get("vrids")
        .and_then(Value::as_object)
        .context("no vrids in the context")?;
    let device_mac = mac(vector.string("dut_mac").context("no dut_mac in the context")?)?;
    let vlan = Vlan::from_tags(vector.number("vlan").unwrap_or(0) as u16, 0);
    let active = vector.string("state") == Some("active");

    let mut bench = Bench::new(routers.len() as u32, 64)?;
    for (slot, (vrid, list)) in (1..).zip(routers) {
        let vrid = vrid.parse().ok().and_then(Vrid::new).context("a VRID is 1-255")?;
        let entry = VirtualMac { ifindex: IFINDEX, vlan, mac: vrid.mac_ipv6(), device_mac };
        bench.datapath.add_virtual_mac(&entry, slot)?;
        for address in addresses(list).into_iter().filter(IpAddr::is_ipv6) {
            let answer_mac = vrid.mac_ipv6();
            let entry = Address { ifindex: IFINDEX, vlan, address, answer_mac, device_mac };
            bench.datapath.add_address(&entry, slot)?;
        }
        if active {
            let slot = bench.slot(slot);
            slot.open(pulse::now() + std::time::Duration::from_secs(60));
            slot.set_presence(Presence::Installed);
        }
    }

    let effect = bench.run(frame)?;
    if vector.expect.get("action").and_then(Value::as_str) != Some("reply") {
        // The kernel's own business, or nobody's: the program neither answers nor touches it.
        ensure_left_alone(&effect, frame, vector.valid, active)?;
        ensure!(!effect.moved.contains_key("nd_answered"), "counted as answered");
        return Ok(());
    }
    ensure!(effect.action == TX, "action {}, not answered", effect.action);
    ensure!(effect.moved.get("nd_answered") == Some(&1), "counters moved: {:?}", effect.moved);
    let demanded = vector.expect.get("hex").and_then(Value::as_str).context("no reply given")?;
    let demanded = Advertisement::read(&octets(demanded)?).context("what is demanded")?;
    let sent = Advertisement::read(&effect.frame)?;
    ensure!(sent == demanded, "sent {sent:?} for {demanded:?}");
    ensure!(sent.link_layer != device_mac, "the device's own MAC");
    Ok(())
}

/// What two advertisements must have in common. The source address may be any of the interface.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Advertisement {
    destination_mac: Mac,
    vlan: Vlan,
    destination: Ipv6Addr,
    hop_limit: u8,
    kind: u8,
    code: u8,
    flags: u8,
    target: Ipv6Addr,
    link_layer: Mac,
}

impl Advertisement {
    /// From a whole frame, which must be as long as its headers say and intact.
    fn read(frame: &[u8]) -> Result<Self> {
        let link = Link::parse(frame).filter(|link| link.ethertype == ethernet::IPV6);
        let link = link.context("not IPv6")?;
        let packet: &[u8; ndp::ANSWER] =
            frame[link.payload..].try_into().context("not the length of an advertisement")?;
        let (header, message) = packet.split_first_chunk().context("no header")?;
        let header = Header(header);
        ensure!(header.next_header() == ipv6::ICMP, "not ICMPv6");
        ensure!(header.payload_length() == message.len(), "wrong payload length");
        let (source, destination) = (header.source(), header.destination());
        let pseudo = ipv6::pseudo_header(source, destination, ipv6::ICMP, message.len());
        ensure!(pseudo.octets(message).is_intact(), "wrong checksum");
        ensure!(message[24..26] == [2, 1], "no target link-layer address");
        let target: [u8; 16] = message[8..24].try_into()?;
        Ok(Self {
            destination_mac: frame[..6].try_into()?,
            vlan: link.vlan,
            destination: destination.octets_v6().into(),
            hop_limit: header.hop_limit(),
            kind: message[0],
            code: message[1],
            flags: message[4],
            target: target.into(),
            link_layer: message[26..32].try_into()?,
        })
    }
}
