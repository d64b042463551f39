//! ARP requests for the virtual addresses.

use vrrp_common::{
    Addr, Family, Frame, FrameMut,
    abi::{self, Counter, Requester},
    wire::{
        arp::{self, LENGTH},
        ethernet::{Link, Vlan},
    },
};

use crate::{
    Verdict,
    hook::Hook,
    maps::{self, Router},
    packet::Packet,
};

/// Answers a request for an address of ours while the lease is fresh; keeps the kernel from
/// answering when it has lapsed, and what must not be answered at all.
#[inline(always)]
pub(crate) fn receive(packet: &mut Packet<impl Hook>, link: &Link) -> Verdict {
    let Some(octets) = packet.octets::<LENGTH>(link.payload) else { return Verdict::Pass };
    let Some(request) = arp::Packet::parse(octets) else { return Verdict::Pass };
    let sender = request.sender_mac();
    let claimed =
        Router::by_address(packet.filter, packet.ifindex(), link.vlan, request.sender_ip());
    if let Some((router, answer_mac, _)) = claimed
        && sender != answer_mac
        && router.is_open(maps::now())
    {
        maps::count(router.slot, Counter::ArpConflict);
    }
    if !request.is_question() {
        return Verdict::Pass;
    }
    let found = Router::by_address(packet.filter, packet.ifindex(), link.vlan, request.target_ip());
    let Some((router, answer_mac, device_mac)) = found else { return Verdict::Pass };
    if !packet.is_for([device_mac, answer_mac]) {
        return Verdict::Pass;
    }
    let now = maps::now();
    if !request.is_answerable() || !router.is_open(now) {
        if !router.is_installed() {
            return Verdict::Pass;
        }
        maps::count(router.slot, Counter::ArpDropped);
        return Verdict::Drop;
    }
    let asker = request.sender_ip();
    let reply = arp::answer(octets, answer_mac);
    if packet.address(sender, device_mac).is_none()
        || packet.put(link.payload + arp::ANSWER, &reply).is_none()
    {
        return Verdict::Drop;
    }
    maps::count(router.slot, Counter::ArpAnswered);
    // A probe is from nobody, and the device of a VLAN is another.
    if asker != [0; 4] && link.vlan == Vlan::NONE {
        let requester = Requester {
            address: Addr::v4(asker),
            mac: abi::mac_word(sender),
            family: Family::V4.number().into(),
            ifindex: packet.ifindex(),
        };
        maps::introduce(&requester, now);
    }
    Verdict::Answer
}
