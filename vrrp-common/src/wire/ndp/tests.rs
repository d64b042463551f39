extern crate std;

use std::vec::Vec;

use super::*;
use crate::FrameMut;

const HOST: Mac = [2, 0, 0, 0, 0, 0x64];
const ROUTER: Mac = [0, 0, 0x5e, 0, 2, 0x33];
const HOST_IP: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64];
const VIP: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe];
const LINK_LAYER: [u8; 8] = [1, 1, 2, 0, 0, 0, 0, 0x64];

/// A solicitation for [`VIP`] with the source's link-layer address, and its IPv6 header.
#[rustfmt::skip]
const OCTETS: [u8; 72] = [
    0x60, 0, 0, 0, 0, 32, 58, 255,
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
    0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0xfe,
    135, 0, 0x19, 0x69, 0, 0, 0, 0,
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe,
    1, 1, 2, 0, 0, 0, 0, 0x64,
];
/// The advertisement that answers it.
#[rustfmt::skip]
const ANSWER_OCTETS: [u8; ANSWER] = [
    0x60, 0, 0, 0, 0, 32, 58, 255,
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe,
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
    136, 0, 0xa9, 0xe4, 0xe0, 0, 0, 0,
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe,
    2, 1, 0, 0, 0x5e, 0, 2, 0x33,
];

fn examine(packet: &[u8]) -> Result<Question, Fault> {
    let payload = Payload::find(packet, 0).ok_or(Fault::Length)?;
    Question::examine(packet, &payload, HOST)
}

/// A solicitation with other addresses and options, its lengths and checksum right.
fn solicitation(source: [u8; 16], destination: [u8; 16], options: &[u8]) -> Vec<u8> {
    let length = SOLICITATION + options.len();
    let mut packet = ipv6::header(0, ICMP, HOP_LIMIT, length, source, destination).to_vec();
    packet.extend(&OCTETS[40..64]);
    packet.extend(options);
    seal(&mut packet);
    packet
}

/// A packet as it is written, and nothing beyond.
fn octets(packet: &Packet) -> [u8; ANSWER] {
    let mut out = [0xa5; 96];
    out.put(4, packet).unwrap();
    assert_eq!((&out[..4], &out[76..]), (&[0xa5; 4][..], &[0xa5; 20][..]));
    assert!([0; ANSWER - 1].put(0, packet).is_none());
    *out[4..].first_chunk().unwrap()
}

fn seal(packet: &mut [u8]) {
    packet[42..44].fill(0);
    let header = ipv6::Header(packet.first_chunk().unwrap());
    let length = packet.len() - 40;
    let pseudo = ipv6::pseudo_header(header.source(), header.destination(), ICMP, length);
    let checksum = pseudo.octets(&packet[40..]).complement();
    packet[42..44].copy_from_slice(&checksum.to_be_bytes());
}

fn changed(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut packet = OCTETS.to_vec();
    change(&mut packet);
    seal(&mut packet);
    packet
}

/// R-6.4.3-03: deconstruct a solicitation.
#[test]
fn deconstruct() {
    let message = Solicitation::parse(OCTETS[40..].first_chunk().unwrap()).unwrap();
    assert_eq!((message.code(), message.target()), (0, VIP.into()));
}

/// R-6.4.3-03: who asks for what.
#[test]
fn parse() {
    let (source, target) = (HOST_IP.into(), VIP.into());
    let expected = Question { source, mac: HOST, target, introduces: true };
    assert_eq!(examine(&OCTETS), Ok(expected));
    for kind in (0..=255).filter(|kind| *kind != SOLICITATION_TYPE) {
        let mut octets = OCTETS;
        octets[40] = kind;
        assert!(Solicitation::parse(octets[40..].first_chunk().unwrap()).is_none(), "{kind}");
    }
}

/// R-8.2.2-01, N-4861-14 to N-4861-17: construct the answer.
#[test]
fn construct() {
    let question = examine(&OCTETS).unwrap();
    assert_eq!(octets(&question.answer(ROUTER)), ANSWER_OCTETS);
    assert_eq!(question.answer_to(), HOST);
}

/// R-6.4.2-08, R-6.4.1-03: emit an unsolicited advertisement.
#[test]
fn emit() {
    let mut out = [0xa5; 128];
    let sent = unsolicited(ROUTER, VIP);
    out[..sent.len()].copy_from_slice(&sent);
    let all_nodes = [0x33, 0x33, 0, 0, 0, 1];
    assert_eq!(out[..14], ethernet::header(all_nodes, ROUTER, ethernet::IPV6));
    let mut expected = ANSWER_OCTETS;
    expected[24..40].copy_from_slice(&ALL_NODES);
    expected[42..44].copy_from_slice(&[0x18, 0xfe]);
    expected[44] = 0xa0;
    assert_eq!(out[14..86], expected);
    assert_eq!(out[86..], [0xa5; 42]);
}

/// N-4861-11, N-4861-16, R-8.2.2-05: a host that looks whether the address is free is answered for
/// everybody to hear, without the solicited flag.
#[test]
fn probe() {
    let probe = solicitation([0; 16], ipv6::solicited_node(VIP), &[]);
    let question = examine(&probe).unwrap();
    assert_eq!(question.answer_to(), [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(octets(&question.answer(ROUTER)), unsolicited(ROUTER, VIP)[14..]);
}

/// N-4861-13: without an option the answer goes where the frame came from, with one to where that
/// says.
#[test]
fn link_layer_address() {
    let mac = |options: &[u8]| {
        examine(&solicitation(HOST_IP, ipv6::solicited_node(VIP), options)).map(|it| it.mac)
    };
    let other = [2, 0, 0, 0, 0, 9];
    let option = [1, 1, 2, 0, 0, 0, 0, 9];
    assert_eq!(mac(&[]), Ok(HOST));
    assert_eq!(mac(&option), Ok(other));
    assert_eq!(mac(&[[14, 1, 1, 2, 3, 4, 5, 6], option].concat()), Ok(other));
    // The second half of a longer option is no option of its own.
    assert_eq!(mac(&[[14, 2, 1, 2, 3, 4, 5, 6], option].concat()), Ok(HOST));
    assert_eq!(mac(&[1, 1, 0x33, 0x33, 0, 0, 0, 1]), Err(Fault::Sender));
}

/// N-4861-01 to N-4861-08: one fault each.
#[test]
fn faults() {
    let group = ipv6::solicited_node(VIP);
    for (fault, packet) in [
        (Fault::HopLimit, changed(|it| it[7] = 254)),
        (Fault::Checksum, {
            let mut packet = OCTETS.to_vec();
            packet[42] ^= 1;
            packet
        }),
        (Fault::Code, changed(|it| it[41] = 1)),
        (Fault::Target, changed(|it| it[48] = 0xff)),
        (Fault::Option, changed(|it| it[65] = 0)),
        (Fault::Option, changed(|it| it[65] = 2)),
        (
            Fault::Option,
            solicitation(HOST_IP, group, &[LINK_LAYER, [253, 0, 0, 0, 0, 0, 0, 0]].concat()),
        ),
        (Fault::Option, solicitation(HOST_IP, group, &[1, 1, 2, 0])),
        (Fault::Option, solicitation(HOST_IP, group, &[LINK_LAYER; 17].concat())),
        (Fault::UnspecifiedToOther, solicitation([0; 16], VIP, &[])),
        (Fault::UnspecifiedToOther, solicitation([0; 16], ALL_NODES, &[])),
        (Fault::UnspecifiedWithLinkLayer, solicitation([0; 16], group, &LINK_LAYER)),
        (Fault::Sender, solicitation(ALL_NODES, group, &[])),
    ] {
        assert_eq!(examine(&packet), Err(fault), "{packet:02x?}");
    }
}

/// N-4861-04: cut by the frame, or by the IP header.
#[test]
fn length() {
    for length in 0..OCTETS.len() {
        assert_eq!(examine(&OCTETS[..length]), Err(Fault::Length), "{length} octets");
    }
    for length in 0..SOLICITATION {
        let mut packet = OCTETS;
        packet[5] = length as u8;
        assert_eq!(examine(&packet), Err(Fault::Length), "payload of {length} octets");
    }
}

/// N-4861-09: reserved octets and unknown options change nothing, as many as there is room for.
#[test]
fn ignored() {
    let question = examine(&OCTETS);
    assert_eq!(examine(&changed(|it| it[44..48].fill(0xff))), question);
    for count in 0..=15 {
        let mut options = [[253, 1, 2, 3, 4, 5, 6, 7]].repeat(count).concat();
        options.extend(LINK_LAYER);
        let packet = solicitation(HOST_IP, ipv6::solicited_node(VIP), &options);
        assert_eq!(examine(&packet), question, "{count} options before");
    }
}

/// N-4861-02: no single bit of a solicitation can flip on the way unnoticed.
#[test]
fn bit_flips() {
    let whole = examine(&OCTETS).unwrap();
    for bit in 8 * 8..OCTETS.len() * 8 {
        let mut packet = OCTETS;
        packet[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(examine(&packet), Ok(whole), "bit {bit}");
        assert!(examine(&packet).is_err(), "bit {bit}");
    }
}

/// R-8.2.2-02, R-8.2.2-03: another MAC in what this host says of its addresses, with the checksum to
/// match.
#[test]
fn replace_mac() {
    for octets in [OCTETS, ANSWER_OCTETS] {
        let fixed: &[u8; SOLICITATION] = octets[40..].first_chunk().unwrap();
        let option: &[u8; UNIT] = octets[64..].first_chunk().unwrap();
        let old: Mac = *option[2..].first_chunk().unwrap();
        let message = Outgoing::parse(fixed).unwrap();
        for new in [[0; 6], [0xff; 6], [2, 0, 0, 0, 0, 9], old] {
            let mut expected = octets;
            expected[66..].copy_from_slice(&new);
            seal(&mut expected);
            let (head, option) = message.replace(option, old, new).unwrap();
            let mut replaced = octets;
            replaced.put(40, &[head]).unwrap();
            replaced.put(64, &[option]).unwrap();
            assert_eq!(replaced, expected, "{new:x?}");
        }
        assert_eq!(message.replace(option, [2; 6], old), None);
        let nonce = [14, option[1], option[2], option[3], option[4], option[5], option[6], 0];
        assert_eq!(message.replace(&nonce, old, ROUTER), None);
    }
}

/// R-8.2.2-02, R-8.2.2-03: whose MAC a message says: its sender's, or its target's.
#[test]
fn subject_of_outgoing() {
    let message = |kind: u8| {
        let mut octets: [u8; SOLICITATION] = *OCTETS[40..].first_chunk().unwrap();
        octets[0] = kind;
        octets
    };
    let subject = |kind| Outgoing::parse(&message(kind)).map(|it| it.subject(HOST_IP.into()));
    assert_eq!(subject(SOLICITATION_TYPE), Some(HOST_IP.into()));
    assert_eq!(subject(ADVERTISEMENT_TYPE), Some(VIP.into()));
    assert_eq!([128, 133, 134, 137].map(subject), [None; 4]);
}
