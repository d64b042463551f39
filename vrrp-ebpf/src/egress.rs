//! What this host's kernel says of the virtual addresses by itself: its own requests and
//! announcements would give the device's MAC for them, and neighbours believe the last they heard.

use vrrp_common::{
    Frame, FrameMut, abi,
    wire::{
        Mac, arp,
        ethernet::{self, Link},
        ipv6,
        ndp::{self, SOLICITATION},
    },
};

use crate::{
    hook::Hook,
    maps::{self, Router},
    packet::Packet,
};

/// Gives ARP and Neighbor Discovery that speak for an address with a virtual MAC that MAC, where
/// they have the device's (RFC 9568 8.1.2, 8.2.2). Nothing else is touched.
#[inline(always)]
pub(crate) fn send(packet: &mut Packet<impl Hook>) {
    let Some(link) = packet.link() else { return };
    // `None` is a frame that is not concerned.
    let _ = match link.ethertype {
        ethernet::ARP => send_arp(packet, &link),
        ethernet::IPV6 => send_nd(packet, &link),
        _ => None,
    };
}

#[inline(always)]
fn send_arp(packet: &mut Packet<impl Hook>, link: &Link) -> Option<()> {
    packet.gather(link.payload + arp::LENGTH);
    let message = arp::Packet::parse(packet.octets(link.payload)?)?;
    let key = abi::address_key(packet.ifindex, link.vlan, message.sender_ip());
    let (router, virtual_mac, device_mac) = Router::by_address(&key)?;
    if virtual_mac == device_mac || message.sender_mac() != device_mac {
        return None;
    }
    packet.put(link.payload + arp::SENDER_MAC, &virtual_mac)?;
    send_from(packet, &router, virtual_mac)
}

#[inline(always)]
fn send_nd(packet: &mut Packet<impl Hook>, link: &Link) -> Option<()> {
    packet.gather(link.payload + ipv6::HEADER);
    let header = ipv6::Header(packet.octets(link.payload)?);
    // The kernel puts nothing in front of Neighbor Discovery.
    if header.next_header() != ipv6::ICMP {
        return None;
    }
    let (source, start) = (header.source(), link.payload + ipv6::HEADER);
    packet.gather(start + ndp::ADVERTISEMENT);
    let message = ndp::Outgoing::parse(packet.octets(start)?)?;
    let key = abi::address_key_ipv6(packet.ifindex, link.vlan, message.subject(source));
    let (router, virtual_mac, device_mac) = Router::by_address_ipv6(&key)?;
    if virtual_mac == device_mac || packet.sender()? != device_mac {
        return None;
    }
    // An answer to a neighbour that knows the MAC need not say it.
    let option = packet.octets(start + SOLICITATION);
    if let Some((checksum, option)) =
        option.and_then(|option| message.replace(option, device_mac, virtual_mac))
    {
        packet.put(start + ndp::CHECKSUM, &checksum)?;
        packet.put(start + SOLICITATION, &option)?;
    }
    send_from(packet, &router, virtual_mac)
}

/// The frame itself comes from the virtual MAC only while this host has it: a switch sends what is
/// for that MAC to where it last saw it.
#[inline(always)]
fn send_from(packet: &mut Packet<impl Hook>, router: &Router, virtual_mac: Mac) -> Option<()> {
    if router.is_open(maps::now()) { packet.put(ethernet::SOURCE, &virtual_mac) } else { None }
}
