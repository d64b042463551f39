//! Traffic to the virtual addresses: it comes in only while this host answers for them, and where
//! it accepts it.

use vrrp_common::{
    Frame,
    abi::{self, Counter},
    wire::{Mac, ethernet::Link, ipv4, ipv6, ndp},
};

use crate::{
    Verdict,
    hook::Hook,
    maps::{self, Router},
    packet::Packet,
};

/// Drops what is sent to an address that is on the interface because of us while the lease is not
/// fresh, or if nothing is to be accepted there; and while the lease is fresh and the address is not
/// there yet. An address that is here for another reason is none of our business.
#[inline(always)]
pub(crate) fn receive(packet: &Packet<impl Hook>, link: &Link) -> Verdict {
    let Some(octets) = packet.octets(link.payload) else { return Verdict::Pass };
    let destination = ipv4::Header(octets).destination();
    Router::by_address(packet.filter, packet.ifindex(), link.vlan, destination)
        .map_or(Verdict::Pass, |found| guard(packet, &found, false))
}

/// The same with IPv6. Neighbor Discovery is accepted in any case (RFC 9568 6.1, Accept_Mode).
#[inline(always)]
pub(crate) fn receive_ipv6(
    packet: &Packet<impl Hook>,
    link: &Link,
    payload: &ipv6::Payload,
) -> Verdict {
    let Some(octets) = packet.octets(link.payload) else { return Verdict::Pass };
    let destination = ipv6::Header(octets).destination();
    let found = Router::by_address_ipv6(packet.filter, packet.ifindex(), link.vlan, destination);
    let Some(found) = found else { return Verdict::Pass };
    let is_discovery = payload.protocol == ipv6::ICMP
        // Type and code: of a single octet the verifier does not see that it is there.
        && packet.octets::<2>(payload.start).is_some_and(|[kind, _]| ndp::is_discovery(*kind));
    guard(packet, &found, is_discovery)
}

#[inline(always)]
fn guard(
    packet: &Packet<impl Hook>,
    (router, answer_mac, device_mac): &(Router, Mac, Mac),
    is_discovery: bool,
) -> Verdict {
    let presence = router.presence();
    if presence == 0 || !packet.is_for([*device_mac, *answer_mac]) {
        return Verdict::Pass;
    }
    // Open and not there yet, or there and not open.
    let barred = if router.is_open(maps::now()) { abi::AWAITED } else { abi::INSTALLED };
    let counter = if presence & barred != 0 {
        Counter::TrafficDropped
    } else if presence & abi::INSTALLED == 0 || router.accepts() || is_discovery {
        return Verdict::Pass;
    } else {
        Counter::NotAccepted
    };
    maps::count(router.slot, counter);
    Verdict::Drop
}
