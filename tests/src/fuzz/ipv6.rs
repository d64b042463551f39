//! The walk over IPv6 extension headers, and the header itself.

use vrrp_common::wire::{
    ethernet,
    ipv6::{self, Header, Payload},
};

use super::{
    Seeds,
    naive::{behind_options, word},
};

pub(super) fn check(packet: &[u8]) {
    for front in [0, ethernet::HEADER, ethernet::MAX_HEADER] {
        let frame = [&[0xa5; ethernet::MAX_HEADER][..front], packet].concat();
        let expected = behind_options(packet).map(|(protocol, extensions)| Payload {
            network: front,
            protocol,
            start: front + ipv6::HEADER + extensions,
            extensions,
        });
        assert_eq!(Payload::find(&frame[..], front), expected);
    }

    let Some((octets, _)) = packet.split_first_chunk::<{ ipv6::HEADER }>() else { return };
    let header = Header(octets);
    let payload_length = word(&octets[4..]) as usize;
    assert_eq!(header.version(), octets[0] / 16);
    assert_eq!(header.payload_length(), payload_length);
    assert_eq!((header.next_header(), header.hop_limit()), (octets[6], octets[7]));
    let (source, destination) = (header.source().octets_v6(), header.destination().octets_v6());
    assert_eq!(octets[8..], [source, destination].concat());
    if let Some(payload) = Payload::find(packet, 0) {
        let left = payload_length as i64 - payload.extensions as i64;
        assert_eq!(payload.length(&header).map(|left| left as i64), (left >= 0).then_some(left));
    }

    // The header without its flow label, which is not sent.
    let class = octets[0] % 16 * 16 + octets[1] / 16;
    let (protocol, hop_limit) = (header.next_header(), header.hop_limit());
    let written = ipv6::header(class, protocol, hop_limit, payload_length, source, destination);
    let mut expected = *octets;
    expected[0] = 0x60 | (octets[0] % 16);
    expected[1] &= 0xf0;
    expected[2..4].fill(0);
    assert_eq!(written, expected);
}

/// All IPv6 packets, as they are and behind options.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let mut inputs = seeds.payloads(ethernet::IPV6);
    for packet in inputs.clone() {
        let (header, payload) = packet.split_at(ipv6::HEADER);
        for option in [0, 60] {
            let options = [header[6], 0, 1, 4, 0, 0, 0, 0];
            let mut input = [header, &options, payload].concat();
            input[6] = option;
            inputs.push(input);
        }
    }
    inputs
}
