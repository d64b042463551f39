extern crate std;

use std::{vec, vec::Vec};

use super::*;
use crate::{
    AdverInterval, Priority, Vrid,
    wire::{
        ipv4::{HEADER, TTL, VRRP_GROUP, advert_header},
        vrrp::{ADDRESS, AUTH_DATA, Advertisement, Auth, Coverage},
    },
};

mod digest;
mod ipv6;
mod order;
mod random;
mod rungs;

const OWN: [u8; 4] = [192, 0, 2, 2];
const PEER: [u8; 4] = [192, 0, 2, 3];
const VIP: [u8; 4] = [192, 0, 2, 254];
const PASSWORD: [u8; AUTH_DATA] = *b"abc\0\0\0\0\0";

/// The message begins here: the packets of these tests have no options unless they say so.
const MESSAGE: usize = HEADER;

/// An IPv4 packet with an advert, and the rules of who receives it. A test changes either, seals
/// the packet again, and asks.
#[derive(Clone)]
struct Advert {
    packet: Vec<u8>,
    rules: Rules,
}

impl Advert {
    /// v3 from a peer of our own priority, in the form of RFC 9568, as a router with both forms
    /// believed hears it.
    fn v3(addresses: &[[u8; 4]]) -> Self {
        Self::new(Version::V3, Auth::None, Coverage::Message, addresses)
    }

    /// The same in the form of RFC 5798.
    fn v3_pseudo(addresses: &[[u8; 4]]) -> Self {
        Self::new(Version::V3, Auth::None, Coverage::PseudoHeader, addresses)
    }

    /// v2 with a password.
    fn v2(addresses: &[[u8; 4]]) -> Self {
        Self::new(Version::V2, Auth::Pass(PASSWORD), Coverage::Message, addresses)
    }

    fn new(version: Version, auth: Auth, coverage: Coverage, addresses: &[[u8; 4]]) -> Self {
        let advertisement = Advertisement {
            version,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses,
            auth,
            coverage,
        };
        let mut message = vec![0xa5; advertisement.length()];
        advertisement.emit(PEER, VRRP_GROUP, &mut message).unwrap();
        let mut packet = advert_header(PEER, VRRP_GROUP, TTL, 1, message.len()).to_vec();
        packet.extend(message);
        let rules = Rules {
            version,
            destination: VRRP_GROUP.into(),
            own: OWN.into(),
            own_priority: 100,
            auth,
            adver_int: 1,
            believe: Believe::Either,
            addresses: address_set(addresses),
            link_local_first: false,
            check_addresses: false,
            owner_ignores: false,
            unicast: false,
            deferred: false,
        };
        Self { packet, rules }
    }

    fn judge(&self) -> Result<Heard, Reject> {
        Envelope::open(&self.packet[..], 0)?.judge(&self.packet[..], &self.rules.pack())
    }

    fn rejected(&self) -> Option<Reject> {
        self.judge().err()
    }

    /// The same advert with other octets from `offset` on, sealed.
    fn with(&self, offset: usize, octets: &[u8]) -> Self {
        let mut other = self.clone();
        other.packet[offset..][..octets.len()].copy_from_slice(octets);
        other.seal();
        other
    }

    /// The same advert heard under other rules.
    fn under(&self, change: impl FnOnce(&mut Rules)) -> Self {
        let mut other = self.clone();
        change(&mut other.rules);
        other
    }

    /// Makes both checksums right again; the message's is RFC 9568's.
    fn seal(&mut self) {
        self.seal_message();
        self.seal_header();
    }

    fn seal_header(&mut self) {
        let end = (self.packet[0] & 0xf) as usize * 4;
        let end = end.clamp(HEADER, self.packet.len());
        seal(&mut self.packet[..end], 10);
    }

    fn seal_message(&mut self) {
        let auth = if self.packet[MESSAGE] >> 4 == 2 { AUTH_DATA } else { 0 };
        let end = MESSAGE + vrrp::HEADER + self.packet[MESSAGE + 3] as usize * ADDRESS + auth;
        let end = end.min(self.packet.len());
        seal(&mut self.packet[MESSAGE..end], 6);
    }

    /// Sets the total length of the IP header.
    fn with_total_length(&self, length: usize) -> Self {
        self.with(2, &u16::try_from(length).unwrap().to_be_bytes())
    }
}

/// Fills in the checksum at `field` over all of `octets`.
fn seal(octets: &mut [u8], field: usize) {
    octets[field..field + 2].fill(0);
    let checksum = Sum::default().octets(octets).complement();
    octets[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// `count` addresses.
fn addresses(count: u8) -> Vec<[u8; 4]> {
    (0..count).map(|last| [192, 0, 2, last]).collect()
}

/// R-7.1-05, R-5.2.8-02, R-5.2.8-03, V-7.1-06: what passes, and what is heard.
#[test]
fn accepted() {
    let heard = |interval, pseudo_header| Heard {
        source: PEER.into(),
        priority: 100,
        interval,
        pseudo_header,
        addresses_differ: false,
        digest: 0,
    };
    for (name, advert, expected) in [
        ("v3, message", Advert::v3(&[VIP]), heard(100, false)),
        ("v3, pseudo-header", Advert::v3_pseudo(&[VIP]), heard(100, true)),
        ("v2, password", Advert::v2(&[VIP]), heard(100, false)),
        (
            "v2, no authentication",
            Advert::new(Version::V2, Auth::None, Coverage::Message, &[VIP]),
            heard(100, false),
        ),
    ] {
        let judged = advert.judge().unwrap();
        assert_eq!(Heard { digest: 0, ..judged }, expected, "{name}");
        assert_ne!(judged.digest, 0, "{name}");
    }
}

/// R-5.2.5-03: any number of addresses that the field can say; R-6.4.2-10, V-6.4.2-06: priority 0
/// and every other passes.
#[test]
fn every_count_and_priority() {
    for count in 1..=255 {
        let addresses = addresses(count);
        for advert in
            [Advert::v3(&addresses), Advert::v3_pseudo(&addresses), Advert::v2(&addresses)]
        {
            let heard = advert.judge().unwrap();
            assert!(!heard.addresses_differ, "{count} addresses, {:?}", advert.rules.version);
        }
    }
    for priority in 0..=255 {
        for advert in [Advert::v3(&[VIP]), Advert::v2(&[VIP])] {
            let heard = advert.with(MESSAGE + 2, &[priority]).judge().unwrap();
            assert_eq!(heard.priority, priority);
        }
    }
}

/// R-7.1-09, R-5.2.7-01, R-5.2.6-02: another v3 interval is heard, without the reserved nibble.
#[test]
fn v3_interval() {
    for (octets, interval) in
        [([0, 1], 1), ([0x0f, 0xff], 4095), ([0x01, 0x2c], 300), ([0xf0, 0x64], 100)]
    {
        let heard = Advert::v3(&[VIP]).with(MESSAGE + 4, &octets).judge().unwrap();
        assert_eq!(heard.interval, interval, "{octets:x?}");
    }
}

/// R-7.1-10: another v3 address list is said, not rejected, whatever v2's rule says; the order
/// does not matter, a repeated address does.
#[test]
fn v3_address_list() {
    let (a, b) = ([192, 0, 2, 1], [192, 0, 2, 9]);
    for (sent, differ) in [
        (&[a, b][..], false),
        (&[b, a], false),
        (&[a], true),
        (&[a, a], true),
        (&[a, VIP], true),
        (&[a, b, b], true),
    ] {
        let advert = Advert::v3(sent).under(|rules| {
            rules.addresses = address_set(&[a, b]);
            rules.check_addresses = true;
        });
        assert_eq!(advert.judge().map(|heard| heard.addresses_differ), Ok(differ), "{sent:?}");
    }
}

/// the message is found behind IP options of any length; R-7.1-04, X-10: link padding and
/// octets behind the last address inside the IP length change nothing.
#[test]
fn options_and_padding() {
    for advert in [Advert::v3(&[VIP]), Advert::v3_pseudo(&[VIP]), Advert::v2(&[VIP])] {
        let plain = advert.judge().unwrap();
        for words in 1..=10_u8 {
            let mut other = advert.clone();
            let options = vec![1; usize::from(words) * 4];
            other.packet[0] += words;
            other.packet[3] += words * 4;
            other.packet.splice(HEADER..HEADER, options);
            other.seal_header();
            assert_eq!(other.judge(), Ok(plain), "{words} words of options");
            let last = HEADER + usize::from(words) * 4 - 1;
            other.packet[last] ^= 1;
            assert_eq!(other.rejected(), Some(Reject::IpHeader), "{words} words of options");
        }
        for trailing in 1..=9 {
            let mut other = advert.clone();
            other.packet.extend(vec![0xa5; trailing]);
            assert_eq!(other.judge(), Ok(plain), "{trailing} octets of padding");
            other.packet[3] += u8::try_from(trailing).unwrap();
            other.seal_header();
            assert_eq!(other.judge(), Ok(plain), "{trailing} trailing octets");
        }
    }
}

/// R-6.4.3-13: what a slot's words say of an advert, and what they leave out.
#[test]
fn heard_word() {
    for priority in [0, 1, 100, 255] {
        for interval in [1, 100, 4095, 25_500] {
            for source in [Addr::v4(PEER), Addr::v6([255; 16]), Addr::v4([0, 0, 0, 1])] {
                let heard = Heard { source, priority, interval, digest: 7, ..Heard::default() };
                assert_eq!(Heard::from_word(heard.to_word(), source, 7), heard);
                assert_eq!(heard.rank(), Rank { priority, address: source });
            }
        }
    }
}

/// Design, "slots": no two sets of rules are the same words.
#[test]
fn packed_rules() {
    let rules = Advert::v2(&[VIP]).rules;
    let mut packed = vec![];
    for version in [Version::V2, Version::V3] {
        for auth in [Auth::None, Auth::Pass([255; 8]), Auth::Pass(PASSWORD), Auth::Header] {
            for believe in [Believe::Either, Believe::Message, Believe::PseudoHeader] {
                for (own, own_priority, destination) in
                    [(OWN, 100, VRRP_GROUP), ([255; 4], 254, VRRP_GROUP), ([0; 4], 1, [255; 4])]
                {
                    let (own, destination) = (Addr::v4(own), Addr::v4(destination));
                    for (flags, adver_int) in (0..32).flat_map(|flags| [(flags, 1), (flags, 255)]) {
                        let check_addresses = flags & 1 != 0;
                        let owner_ignores = flags & 2 != 0;
                        let (unicast, deferred) = (flags & 4 != 0, flags & 8 != 0);
                        let link_local_first = flags & 16 != 0;
                        packed.push(
                            Rules {
                                version,
                                auth,
                                believe,
                                own,
                                own_priority,
                                destination,
                                adver_int,
                                check_addresses,
                                owner_ignores,
                                unicast,
                                deferred,
                                link_local_first,
                                ..rules
                            }
                            .pack(),
                        );
                    }
                }
            }
        }
    }
    let mut words: Vec<_> = packed
        .iter()
        .map(|it| (it.rules, it.addresses, it.secret, it.own, it.destination))
        .collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), packed.len());
}

/// R-7.1-15: a name and a sentence for each reason, none twice.
#[test]
fn reject_names() {
    for (texts, what) in [
        (Reject::ALL.map(Reject::name), "names"),
        (Reject::ALL.map(Reject::describe), "descriptions"),
    ] {
        let mut distinct = texts;
        distinct.sort_unstable();
        assert!(distinct.windows(2).all(|pair| pair[0] != pair[1]), "{what}");
        assert!(texts.iter().all(|text| !text.is_empty()), "{what}");
    }
}
