//! What leaves this host in the name of the virtual addresses: nothing while it does not answer for
//! them, for neighbours believe the last they heard; and with the virtual MAC where there is one, for
//! the kernel by itself would give the device's.

use vrrp_common::{
    Addr, Frame, FrameMut,
    abi::Counter,
    wire::{
        Mac, arp,
        ethernet::{self, Link},
        ipv4, ipv6,
        ndp::{self, SOLICITATION},
    },
};

use crate::{
    HEADERS, Verdict,
    hook::Hook,
    maps::{self, Filter, Router},
    packet::Packet,
};

/// Drops what speaks for an address that is on the interface because of us while the lease is not
/// fresh. Adverts are left alone: they are what earns a lease. Gives ARP and Neighbor Discovery that
/// speak for an address with a virtual MAC that MAC, where they have the device's (RFC 9568 8.1.2,
/// 8.2.2).
///
/// All other traffic pays for the look at its source address; the clock is read only behind that.
#[inline(always)]
pub(crate) fn send(hook: &impl Hook) -> Verdict {
    let Some(filter) = Filter::find() else { return Verdict::Pass };
    let packet = &mut Packet::new(hook, filter);
    packet.gather(HEADERS);
    let Some(link) = packet.link() else { return Verdict::Pass };
    // `None` is a frame that is not concerned.
    let verdict = match link.ethertype {
        ethernet::ARP => send_arp(packet, &link),
        ethernet::IPV4 => send_ipv4(packet, &link),
        ethernet::IPV6 => send_ipv6(packet, &link),
        _ => None,
    };
    verdict.unwrap_or(Verdict::Pass)
}

#[inline(always)]
fn send_arp(packet: &mut Packet<impl Hook>, link: &Link) -> Option<Verdict> {
    let message = arp::Packet::parse(packet.octets(link.payload)?)?;
    let found =
        Router::by_address(packet.filter, packet.ifindex(), link.vlan, message.sender_ip())?;
    if is_silenced(packet, &found) {
        return Some(Verdict::Drop);
    }
    let (router, virtual_mac, device_mac) = found;
    if virtual_mac == device_mac || message.sender_mac() != device_mac {
        return None;
    }
    packet.put_mac(link.payload + arp::SENDER_MAC, virtual_mac)?;
    send_from(packet, &router, virtual_mac)
}

#[inline(always)]
fn send_ipv4(packet: &mut Packet<impl Hook>, link: &Link) -> Option<Verdict> {
    let header = ipv4::Header(packet.octets(link.payload)?);
    let found = Router::by_address(packet.filter, packet.ifindex(), link.vlan, header.source())?;
    let is_dropped = header.protocol() != ipv4::VRRP && is_silenced(packet, &found);
    is_dropped.then_some(Verdict::Drop)
}

#[inline(always)]
fn send_ipv6(packet: &mut Packet<impl Hook>, link: &Link) -> Option<Verdict> {
    let header = ipv6::Header(packet.octets(link.payload)?);
    let (source, next_header) = (header.source(), header.next_header());
    if let Some(found) = Router::by_address_ipv6(packet.filter, packet.ifindex(), link.vlan, source)
        && next_header != ipv6::VRRP
        && is_silenced(packet, &found)
    {
        return Some(Verdict::Drop);
    }
    // The kernel puts nothing in front of Neighbor Discovery.
    if next_header != ipv6::ICMP {
        return None;
    }
    send_nd(packet, link, source)
}

#[inline(always)]
fn send_nd(packet: &mut Packet<impl Hook>, link: &Link, source: Addr) -> Option<Verdict> {
    let start = link.payload + ipv6::HEADER;
    packet.gather(start + ndp::ADVERTISEMENT);
    let message = ndp::Outgoing::parse(packet.octets(start)?)?;
    let found = Router::by_address_ipv6(
        packet.filter,
        packet.ifindex(),
        link.vlan,
        message.subject(source),
    )?;
    if is_silenced(packet, &found) {
        return Some(Verdict::Drop);
    }
    let (router, virtual_mac, device_mac) = found;
    if virtual_mac == device_mac || packet.sender()? != device_mac {
        return None;
    }
    // An answer to a neighbour that knows the MAC need not say it.
    let option = packet.octets(start + SOLICITATION);
    if let Some((head, option)) =
        option.and_then(|option| message.replace(option, device_mac, virtual_mac))
    {
        packet.put(start, &[head])?;
        packet.put(start + SOLICITATION, &[option])?;
    }
    send_from(packet, &router, virtual_mac)
}

/// True, and counted, for a frame that must not leave. What another host or a guest sends through
/// this device is not this host's.
#[inline(always)]
fn is_silenced(
    packet: &Packet<impl Hook>,
    (router, answer_mac, device_mac): &(Router, Mac, Mac),
) -> bool {
    let is_silenced = router.is_installed()
        && packet.is_from([*device_mac, *answer_mac])
        && !router.is_open(maps::now());
    if is_silenced {
        maps::count(router.slot, Counter::OutgoingDropped);
    }
    is_silenced
}

/// The frame itself comes from the virtual MAC only while this host has it: a switch sends what is
/// for that MAC to where it last saw it.
#[inline(always)]
fn send_from(packet: &mut Packet<impl Hook>, router: &Router, virtual_mac: Mac) -> Option<Verdict> {
    if router.is_open(maps::now()) {
        packet.put_mac(ethernet::SOURCE, virtual_mac)?;
    }
    Some(Verdict::Pass)
}
