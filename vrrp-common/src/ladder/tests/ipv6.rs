//! The ladder with IPv6: what differs from IPv4.

use super::*;
use crate::wire::ipv6::{self, HEADER, HOP_LIMIT, Payload};

const OWN: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const PEER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x33];
const GLOBAL: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe];
const MESSAGE: usize = HEADER;

#[derive(Clone)]
struct Advert6 {
    packet: Vec<u8>,
    rules: Rules,
}

impl Advert6 {
    fn new(addresses: &[[u8; 16]]) -> Self {
        let advertisement = Advertisement {
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses,
            auth: Auth::None,
            coverage: Coverage::default(),
        };
        let mut message = vec![0xa5; advertisement.length()];
        advertisement.emit(PEER, ipv6::VRRP_GROUP, &mut message).unwrap();
        let header = ipv6::advert_header(PEER, ipv6::VRRP_GROUP, HOP_LIMIT, message.len());
        let rules = Rules {
            version: Version::V3,
            destination: ipv6::VRRP_GROUP.into(),
            own: OWN.into(),
            own_priority: 100,
            auth: Auth::None,
            adver_int: 1,
            believe: Believe::Either,
            addresses: address_set(addresses),
            link_local_first: true,
            check_addresses: false,
            owner_ignores: false,
            unicast: false,
            deferred: false,
        };
        Self { packet: [&header[..], &message].concat(), rules }
    }

    fn judge(&self) -> Result<Heard, Reject> {
        let payload = Payload::find(&self.packet[..], 0).ok_or(Reject::Length)?;
        Envelope::open_ipv6(&self.packet[..], &payload)?.judge(&self.packet[..], &self.rules.pack())
    }

    fn rejected(&self) -> Option<Reject> {
        self.judge().err()
    }

    fn with(&self, offset: usize, octets: &[u8]) -> Self {
        let mut other = self.clone();
        other.packet[offset..][..octets.len()].copy_from_slice(octets);
        other.seal();
        other
    }

    fn under(&self, change: impl FnOnce(&mut Rules)) -> Self {
        let mut other = self.clone();
        change(&mut other.rules);
        other
    }

    /// Makes the checksum of the message right, whose end is where its count says.
    fn seal(&mut self) {
        let length = vrrp::HEADER + usize::from(self.packet[MESSAGE + 3]) * 16;
        let end = (MESSAGE + length).min(self.packet.len());
        let header = ipv6::Header(self.packet.first_chunk().unwrap());
        let pseudo = vrrp::pseudo_header(header.source(), header.destination(), length);
        self.packet[MESSAGE + 6..MESSAGE + 8].fill(0);
        let checksum = pseudo.octets(&self.packet[MESSAGE..end]).complement();
        self.packet[MESSAGE + 6..MESSAGE + 8].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// R-7.1-05, R-5.2.5-03: what passes, and what is heard; any number of addresses.
#[test]
fn accepted() {
    let heard = Advert6::new(&[LINK_LOCAL, GLOBAL]).judge().unwrap();
    let expected = Heard {
        source: PEER.into(),
        priority: 100,
        interval: 100,
        pseudo_header: true,
        addresses_differ: false,
        digest: heard.digest,
    };
    assert_eq!(heard, expected);
    for count in 1..=255 {
        let mut addresses = vec![GLOBAL; count];
        addresses[0] = LINK_LOCAL;
        let advert = Advert6::new(&addresses);
        assert_eq!(advert.judge().map(|heard| heard.addresses_differ), Ok(false), "{count}");
        let other = advert.under(|rules| rules.addresses = address_set(&[GLOBAL]));
        assert_eq!(other.judge().map(|heard| heard.addresses_differ), Ok(true), "{count}");
    }
}

/// the same behind extension headers, which count into the length of the packet.
#[test]
fn extensions() {
    let advert = Advert6::new(&[LINK_LOCAL, GLOBAL]);
    let plain = advert.judge();
    for (count, kind) in [(1, 0), (1, 60), (4, 60)] {
        let mut other = advert.clone();
        for _ in 0..count {
            let mut extension = [0; 16];
            extension[..2].copy_from_slice(&[other.packet[6], 1]);
            other.packet.splice(MESSAGE..MESSAGE, extension);
            other.packet[5] += 16;
            other.packet[6] = kind;
        }
        assert_eq!(other.judge(), plain, "{count} of {kind}");
        other.packet[5] -= 1;
        assert_eq!(other.rejected(), Some(Reject::Length), "{count} of {kind}");
    }
}

/// Each rung, in the order of the ladder, with all that come after it broken as well.
#[test]
fn rungs() {
    type Fault = (Reject, fn(&mut Advert6));
    let faults: [Fault; 12] = [
        (Reject::IpHeader, |it| it.packet[0] = 0x40),
        (Reject::Source, |it| it.packet[8..24].copy_from_slice(&GLOBAL)),
        (Reject::OwnSource, |it| it.rules.own = PEER.into()),
        (Reject::Destination, |it| it.packet[39] = 1),
        (Reject::Ttl, |it| it.packet[7] = 254),
        (Reject::Version, |it| it.packet[MESSAGE] ^= 0x10),
        (Reject::Type, |it| it.packet[MESSAGE] ^= 0x02),
        (Reject::Length, |it| it.packet[5] -= 1),
        (Reject::Checksum, |it| it.packet[MESSAGE + 6] ^= 1),
        (Reject::FirstNotLinkLocal, |it| it.packet[MESSAGE + 8] = 0x20),
        (Reject::IntervalZero, |it| it.packet[MESSAGE + 4..MESSAGE + 6].fill(0)),
        (Reject::LocalOwner, |it| it.rules.owner_ignores = true),
    ];
    for (index, (reject, _)) in faults.iter().enumerate() {
        let mut advert = Advert6::new(&[LINK_LOCAL, GLOBAL]);
        let (checksum, others): (Vec<&Fault>, Vec<&Fault>) =
            faults[index..].iter().partition(|fault| fault.0 == Reject::Checksum);
        others.iter().for_each(|fault| fault.1(&mut advert));
        advert.seal();
        checksum.iter().for_each(|fault| fault.1(&mut advert));
        assert_eq!(advert.rejected(), Some(*reject));
        let mut alone = Advert6::new(&[LINK_LOCAL, GLOBAL]);
        if *reject != Reject::Checksum {
            faults[index].1(&mut alone);
            alone.seal();
        } else {
            faults[index].1(&mut alone);
        }
        assert_eq!(alone.rejected(), Some(*reject), "alone");
    }
    assert_eq!(Advert6::new(&[]).rejected(), Some(Reject::CountZero));
}

/// only link-local sources, of the whole of fe80::/10.
#[test]
fn source() {
    let advert = Advert6::new(&[LINK_LOCAL]);
    for (source, expected) in [
        ([0; 16], Some(Reject::Source)),
        (GLOBAL, Some(Reject::Source)),
        (ipv6::VRRP_GROUP, Some(Reject::Source)),
        ([0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3], Some(Reject::Source)),
        ([0xfe, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3], None),
    ] {
        assert_eq!(advert.with(8, &source).rejected(), expected, "{source:x?}");
    }
}

/// R-7.1-07: the link-local address must be the first, not only one of them.
#[test]
fn first_not_link_local() {
    for addresses in [&[GLOBAL][..], &[GLOBAL, LINK_LOCAL]] {
        let advert = Advert6::new(addresses);
        assert_eq!(advert.rejected(), Some(Reject::FirstNotLinkLocal), "{addresses:x?}");
        // Between two routers without one, as keepalived runs them, it is no fault.
        let among_likes = advert.under(|rules| rules.link_local_first = false);
        assert_eq!(among_likes.rejected(), None, "{addresses:x?}");
    }
}

/// R-5.2.8-04: a checksum without the pseudo-header, or with that of another protocol, is wrong,
/// whatever is believed of IPv4.
#[test]
fn checksum() {
    let advert = Advert6::new(&[LINK_LOCAL, GLOBAL]);
    let without = {
        let mut other = advert.clone();
        seal(&mut other.packet[MESSAGE..], 6);
        other
    };
    for believe in [Believe::Either, Believe::Message, Believe::PseudoHeader] {
        assert_eq!(advert.under(|rules| rules.believe = believe).rejected(), None);
        let rejected = without.under(|rules| rules.believe = believe).rejected();
        assert_eq!(rejected, Some(Reject::Checksum), "{believe:?}");
    }
}

/// R-7.1-04: cut at every length, by the frame or by the IP header, and with more addresses than
/// there are.
#[test]
fn length() {
    let advert = Advert6::new(&[LINK_LOCAL, GLOBAL]);
    for length in 0..advert.packet.len() {
        let mut other = advert.clone();
        other.packet.truncate(length);
        assert_eq!(other.rejected(), Some(Reject::Length), "{length} octets of frame");
    }
    for length in 0..40 {
        let other = advert.with(5, &[length]);
        assert_eq!(other.rejected(), Some(Reject::Length), "{length} octets of payload");
    }
    for count in 3..=255 {
        let other = advert.with(MESSAGE + 3, &[count]);
        assert_eq!(other.rejected(), Some(Reject::Length), "{count} addresses of 2");
    }
}

/// R-5.2.8-01: no single bit of a message or its addresses can flip on the way unnoticed.
#[test]
fn bit_flips() {
    let advert = Advert6::new(&[LINK_LOCAL, GLOBAL]);
    for bit in 8 * 8..advert.packet.len() * 8 {
        let mut other = advert.clone();
        other.packet[bit / 8] ^= 1 << (bit % 8);
        assert!(other.judge().is_err(), "bit {bit}");
    }
}

/// Design, "a packet that brings no news": whatever an advert says differently makes another
/// digest, the order of the addresses behind the first does not.
#[test]
fn digest() {
    let other_global = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xfe];
    let base = Advert6::new(&[LINK_LOCAL, GLOBAL, other_global]);
    let digest = |advert: &Advert6| advert.judge().unwrap().digest;
    let mut said = vec![digest(&base)];
    for bit in 10..128 {
        let mut source = PEER;
        source[bit / 8] ^= 0x80 >> (bit % 8);
        if source != OWN {
            said.push(digest(&base.with(8, &source)));
        }
        let at = MESSAGE + vrrp::HEADER + bit / 8;
        said.push(digest(&base.with(at, &[base.packet[at] ^ 0x80 >> (bit % 8)])));
    }
    said.push(digest(&base.with(MESSAGE + 2, &[99])));
    said.push(digest(&base.with(MESSAGE + 5, &[99])));
    said.push(digest(&Advert6::new(&[LINK_LOCAL, GLOBAL])));
    let distinct = said.len();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), distinct);
    let reordered = Advert6::new(&[LINK_LOCAL, other_global, GLOBAL]);
    assert_eq!(digest(&reordered), digest(&base));
}

/// Issue 3, X-08, X-09: a unicast router hears what was sent to its own address, from addresses of
/// any scope, with any hop limit, and whatever the first virtual address is.
#[test]
fn unicast() {
    const FAR: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3];
    const HERE: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    for addresses in [&[LINK_LOCAL, GLOBAL][..], &[GLOBAL]] {
        let advert = Advert6::new(addresses)
            .under(|rules| {
                (rules.unicast, rules.own, rules.destination) = (true, HERE.into(), HERE.into());
            })
            .with(8, &FAR)
            .with(24, &HERE);
        for hop_limit in [0, 1, 64, 254, 255] {
            assert_eq!(advert.with(7, &[hop_limit]).rejected(), None, "{hop_limit}");
        }
        assert_eq!(advert.with(8, &PEER).rejected(), None);
        assert_eq!(advert.with(8, &HERE).rejected(), Some(Reject::OwnSource));
        for source in [[0; 16], ipv6::VRRP_GROUP] {
            assert_eq!(advert.with(8, &source).rejected(), Some(Reject::Source), "{source:?}");
        }
        for other in [ipv6::VRRP_GROUP, OWN, GLOBAL] {
            assert_eq!(advert.with(24, &other).rejected(), Some(Reject::Destination), "{other:?}");
        }
    }
}
