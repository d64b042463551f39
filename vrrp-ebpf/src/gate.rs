//! Traffic to the virtual addresses: it comes in only while this host answers for them.

use vrrp_common::{
    Frame,
    abi::{self, Counter},
    wire::{Mac, ethernet::Link, ipv4, ipv6},
};

use crate::{
    Verdict,
    hook::Hook,
    maps::{self, Router},
    packet::Packet,
};

/// Drops what is sent to an address that is on the interface because of us while the lease is not
/// fresh. An address that is here for another reason is none of our business.
#[inline(always)]
pub(crate) fn receive(packet: &Packet<impl Hook>, link: &Link) -> Verdict {
    let Some(octets) = packet.octets(link.payload) else { return Verdict::Pass };
    let key = abi::address_key(packet.ifindex, link.vlan, ipv4::Header(octets).destination());
    Router::by_address(&key).map_or(Verdict::Pass, |found| guard(packet, &found))
}

/// The same with IPv6.
#[inline(always)]
pub(crate) fn receive_ipv6(packet: &Packet<impl Hook>, link: &Link) -> Verdict {
    let Some(octets) = packet.octets(link.payload) else { return Verdict::Pass };
    let destination = ipv6::Header(octets).destination();
    let key = abi::address_key_ipv6(packet.ifindex, link.vlan, destination);
    Router::by_address_ipv6(&key).map_or(Verdict::Pass, |found| guard(packet, &found))
}

#[inline(always)]
fn guard(
    packet: &Packet<impl Hook>,
    (router, answer_mac, device_mac): &(Router, Mac, Mac),
) -> Verdict {
    if !router.is_installed()
        || !packet.is_for([*device_mac, *answer_mac])
        || router.is_open(maps::now())
    {
        return Verdict::Pass;
    }
    maps::count(router.slot, Counter::TrafficDropped);
    Verdict::Drop
}
