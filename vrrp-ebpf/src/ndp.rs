//! Neighbor Solicitations for the virtual addresses.

use vrrp_common::{
    Family, Frame, FrameMut,
    abi::{self, Counter, Requester},
    wire::{
        ethernet::{Link, Vlan},
        ipv6::Payload,
        ndp::{ANSWER, Question, SOLICITATION, Solicitation},
    },
};

use crate::{
    Verdict, gate,
    hook::Hook,
    maps::{self, Router},
    packet::{Packet, WHOLE},
};

/// Answers a solicitation for an address of ours while the lease is fresh; keeps the kernel from
/// answering when it has lapsed, and what must not be answered at all. Everything else of ICMPv6 is
/// traffic.
#[inline(always)]
pub(crate) fn receive(packet: &mut Packet<impl Hook>, link: &Link, payload: &Payload) -> Verdict {
    packet.gather(payload.start + SOLICITATION);
    let message = packet.octets::<SOLICITATION>(payload.start);
    let Some(solicitation) = message.and_then(Solicitation::parse) else {
        return gate::receive_ipv6(packet, link, payload);
    };
    let target = solicitation.target();
    let Some((router, answer_mac, device_mac)) =
        Router::by_address_ipv6(packet.filter, packet.ifindex(), link.vlan, target)
    else {
        return gate::receive_ipv6(packet, link, payload);
    };
    if !packet.is_for([device_mac, answer_mac]) {
        return Verdict::Pass;
    }
    packet.gather(WHOLE);
    let now = maps::now();
    let question = question(packet, payload).filter(|_| router.is_open(now));
    // The answer is longer than a solicitation without a link-layer address, and shorter than one
    // with more options. A frame that cannot be resized is lost like any other.
    if let Some(question) = question
        && packet.resize(link.payload + ANSWER)
    {
        // From front to back: what the verifier learns of the back says nothing of the front.
        if packet.address(question.answer_to(), device_mac).is_none()
            || packet.put(link.payload, &question.answer(answer_mac)).is_none()
        {
            return Verdict::Drop;
        }
        maps::count(router.slot, Counter::NdAnswered);
        // The device of a VLAN is another.
        if question.introduces && link.vlan == Vlan::NONE {
            let requester = Requester {
                address: question.source,
                mac: abi::mac_word(question.mac),
                family: Family::V6.number().into(),
                ifindex: packet.ifindex(),
            };
            maps::introduce(&requester, now);
        }
        return Verdict::Answer;
    }
    if !router.is_installed() {
        return Verdict::Pass;
    }
    maps::count(router.slot, Counter::NdDropped);
    Verdict::Drop
}

/// What the solicitation asks for, when it may be answered.
#[inline(always)]
fn question(packet: &Packet<impl Hook>, payload: &Payload) -> Option<Question> {
    // Nobody sends it behind extension headers.
    if payload.extensions != 0 {
        return None;
    }
    Question::examine(packet, payload, packet.sender()?).ok()
}
