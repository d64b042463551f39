//! ARP packets: what they say, what they ask, and the answers.

use vrrp_common::{
    FrameMut,
    wire::{
        Mac,
        arp::{self, Packet},
        ethernet,
    },
};

use super::{Seeds, naive::word};

const ANSWERING: Mac = [0, 0, 0x5e, 0, 1, 0x33];

pub(super) fn check(octets: &[u8]) {
    let Some((octets, _)) = octets.split_first_chunk::<{ arp::LENGTH }>() else { return };
    let on_ethernet = octets[..6] == [0, 1, 8, 0, 6, 4];
    let on_ieee_802 = octets[..6] == [0, 6, 8, 0, 6, 4];
    let parsed = Packet::parse(octets);
    assert_eq!(parsed.is_some(), on_ethernet || on_ieee_802);
    let Some(packet) = parsed else { return };

    let (sender, sender_mac, target) = (&octets[14..18], &octets[8..14], &octets[24..28]);
    assert_eq!(packet.sender_ip(), sender);
    assert_eq!(packet.sender_mac(), sender_mac);
    assert_eq!(packet.target_ip(), target);
    let opcode = word(&octets[6..]);
    assert_eq!((packet.is_request(), packet.is_reply()), (opcode == 1, opcode == 2));
    assert_eq!(packet.is_gratuitous(), sender == target);
    assert_eq!(packet.is_question(), opcode == 1 && sender != target);
    assert_eq!(packet.is_answerable(), on_ethernet && sender_mac[0] % 2 == 0);

    // RFC 826: the opcode becomes a reply, the parties change places, the answer is filled in.
    let mut answer = *octets;
    assert_eq!(answer.put(arp::ANSWER, &arp::answer(octets, ANSWERING)), Some(()));
    let swapped = [&octets[..6], &[0, 2], &ANSWERING, target, sender_mac, sender].concat();
    assert_eq!(answer[..], swapped);
    assert!(Packet::parse(&answer).is_some_and(|answer| answer.is_reply()));

    let frame = arp::gratuitous(packet.sender_mac(), packet.target_ip());
    let announced = frame.last_chunk().and_then(Packet::parse);
    assert!(announced.is_some_and(|it| {
        it.is_request()
            && it.is_gratuitous()
            && it.target_ip() == packet.target_ip()
            && it.sender_mac() == packet.sender_mac()
    }));
    let header = [&[0xff; 6], sender_mac, &[8, 6]].concat();
    assert_eq!(frame[..ethernet::HEADER], header);
}

/// What stands behind the Ethernet headers of ARP frames.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    seeds.payloads(ethernet::ARP)
}
