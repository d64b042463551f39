//! Valid adverts with single bits flipped: no flip goes unnoticed but those that this file lists.
//! Needs root, for the kernel program.

use std::{collections::BTreeMap, path::Path};

use rig::vectors::{self, Fate, Vector};

/// What a flip may come to that is not a counted rejection, and why nothing more can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Excuse {
    /// Accepted: the card looks at the destination, and no RFC makes a receiver look at the source.
    MacAddress,
    /// Accepted: the priority in a VLAN tag is the switches' business.
    TagPriority,
    /// Foreign: it comes in on another VLAN, which belongs to another virtual router or to none.
    VlanIdentifier,
    /// Unknown: neither ARP nor IP, or of another protocol. The kernel program cannot know what it
    /// was, and passes it to the kernel, to which the checksums are wrong.
    Protocol,
    /// Accepted: IPv6 has no checksum of its header, and the pseudo-header leaves out traffic class
    /// and flow label (RFC 8200 8.1).
    ClassOrFlow,
    /// Accepted: padding behind the IP packet, and octets behind the message that its checksum does
    /// not cover (RFC 9568 5.2.8). Nobody reads them.
    BehindTheMessage,
    /// Foreign, if octets that are 0 come to stand for the VRID: it is nobody's.
    NoVrid,
}

impl Excuse {
    /// Of a bit in the frame of a valid advert.
    fn of(frame: &[u8], bit: usize) -> Option<Self> {
        let is_tagged = frame[12..14] == [0x81, 0];
        let network = if is_tagged { 18 } else { 14 };
        match (bit / 8, bit % 8) {
            (0..12, _) => Some(Self::MacAddress),
            (12..14, _) => Some(Self::Protocol),
            (14, 0..4) if is_tagged => Some(Self::TagPriority),
            (14..16, _) if is_tagged => Some(Self::VlanIdentifier),
            (16..18, _) if is_tagged => Some(Self::Protocol),
            (octet, bit) => Self::of_packet(&frame[network..], octet - network, bit),
        }
    }

    /// Of a bit in an octet of the IP packet.
    fn of_packet(packet: &[u8], octet: usize, bit: usize) -> Option<Self> {
        let is_v6 = packet[0] >> 4 == 6;
        let start = match is_v6 {
            true => 40,
            false if packet[9] == 51 => 44,
            false => usize::from(packet[0] & 0xf) * 4,
        };
        let message = &packet[start..];
        let (address, data) =
            (if is_v6 { 16 } else { 4 }, if message[0] >> 4 == 2 { 8 } else { 0 });
        let end = start + 8 + usize::from(message[3]) * address + data;
        match (octet, bit) {
            (0, 4..) | (1..4, _) if is_v6 => Some(Self::ClassOrFlow),
            (6, _) if is_v6 => Some(Self::Protocol),
            (9, _) if !is_v6 => Some(Self::Protocol),
            (0, 4..) if !is_v6 => Some(Self::NoVrid),
            _ if octet == start + 1 => Some(Self::NoVrid),
            _ if octet >= end => Some(Self::BehindTheMessage),
            _ => None,
        }
    }

    fn allows(self, fate: Fate) -> bool {
        match self {
            Self::MacAddress | Self::TagPriority | Self::ClassOrFlow | Self::BehindTheMessage => {
                fate == Fate::Accepted
            }
            Self::VlanIdentifier => fate == Fate::Foreign,
            Self::Protocol => fate == Fate::Unknown,
            Self::NoVrid => matches!(fate, Fate::Foreign | Fate::Rejected(_)),
        }
    }
}

/// Issue 3, single-bit flips; R-7.1-13: of each valid advert, in both versions and families, with
/// password and authentication header, each bit in turn, by codec and kernel program, and by a
/// router that has every VRID. What is not rejected and counted has an excuse, and every excuse is
/// needed.
#[test]
fn single_bit_flips_are_rejected() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/vectors.json");
    let is_valid_advert = |it: &Vector| it.kind == "vrrp-advert" && it.valid;
    let (mut adverts, mut rejected) = (0, 0);
    let mut excused = BTreeMap::new();
    for vector in vectors::read(&file).unwrap().into_iter().filter(is_valid_advert) {
        let frame = vector.frame().unwrap();
        for (bit, fate) in vector.flip_bits().unwrap().into_iter().enumerate() {
            let excuse = Excuse::of(&frame, bit);
            let is_rejected = matches!(fate, Fate::Rejected(_));
            let is_right = excuse.map_or(is_rejected, |excuse| excuse.allows(fate));
            assert!(is_right, "{}, octet {}, bit {}: {fate:?}", vector.name, bit / 8, bit % 8);
            rejected += usize::from(is_rejected);
            if let Some(excuse) = excuse.filter(|_| !is_rejected) {
                *excused.entry(excuse).or_insert(0) += 1;
            }
        }
        adverts += 1;
    }
    println!("{adverts} adverts: {rejected} flips rejected, excused {excused:?}");
    assert_eq!(adverts, 42);
    assert_eq!(excused.len(), 7, "{excused:?}");
    assert!(rejected > 37_000, "{rejected}");
}
