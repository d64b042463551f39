//! Traffic to the virtual addresses: it comes in only while this host answers for them.

use vrrp_common::{
    Frame,
    abi::{self, Counter},
    wire::{ethernet::Link, ipv4},
};

use crate::{
    Verdict,
    maps::{self, Router},
    packet::Packet,
};

/// Drops what is sent to an address that is on the interface because of us while the lease is not
/// fresh. An address that is here for another reason is none of our business.
#[inline(always)]
pub(crate) fn receive(packet: &Packet, link: &Link) -> Verdict {
    let Some(octets) = packet.octets(link.payload) else { return Verdict::Pass };
    let key = abi::address_key(packet.ifindex, link.vlan, ipv4::Header(octets).destination());
    let Some((router, answer_mac, device_mac)) = Router::by_address(&key) else {
        return Verdict::Pass;
    };
    if !router.is_installed()
        || !packet.is_for([device_mac, answer_mac])
        || router.is_open(maps::now())
    {
        return Verdict::Pass;
    }
    maps::count(router.slot, Counter::TrafficDropped);
    Verdict::Drop
}
