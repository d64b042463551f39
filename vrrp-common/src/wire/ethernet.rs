//! Ethernet II with at most two VLAN tags (IEEE 802.1Q, 802.1ad).

use core::hint::cold_path;

use super::{Mac, be16};
use crate::Frame;

/// Octets of an untagged header.
pub const HEADER: usize = 14;
/// Where the source stands in it.
pub const SOURCE: usize = 6;
/// Octets that each tag adds.
pub const TAG: usize = 4;
/// Octets of a header with all the tags that are read.
pub const MAX_HEADER: usize = HEADER + 2 * TAG;
/// Where a host sends to everybody.
pub const BROADCAST: Mac = [0xff; 6];

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q customer tag.
const CUSTOMER_TAG: u16 = 0x8100;
/// EtherType of an 802.1ad service tag.
const SERVICE_TAG: u16 = 0x88a8;

/// True for broadcast and multicast addresses, which no station may have as its own.
#[inline(always)]
pub const fn is_group(mac: &Mac) -> bool {
    mac[0] & 1 == 1
}

/// The VLAN that a frame belongs to: the identifiers of its tags, 0 where there is none. A tag with
/// identifier 0 carries only a priority and does not make another VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlan(u32);

impl Vlan {
    /// No tag.
    pub const NONE: Self = Self(0);

    /// From the tag control fields, outermost first; 0 for a missing tag.
    #[inline(always)]
    pub const fn from_tags(outer: u16, inner: u16) -> Self {
        Self(((outer & 0xfff) as u32) << 12 | (inner & 0xfff) as u32)
    }

    /// A number that is unique for each VLAN, 0 for none.
    #[inline(always)]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What stands in front of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// EtherType behind the tags.
    pub ethertype: u16,
    /// VLAN of the tags in the frame.
    pub vlan: Vlan,
    /// Where the payload begins.
    pub payload: usize,
}

impl Link {
    /// Reads the header and its tags. `None` when the frame ends before the payload. Behind a third
    /// tag the EtherType is that tag's, which nobody here asks for.
    #[inline(always)]
    pub fn parse<F: Frame + ?Sized>(frame: &F) -> Option<Self> {
        Self::parse_behind(frame, None)
    }

    /// The same for a frame whose outermost tag was taken off: `taken` is that tag's control field.
    #[inline(always)]
    pub fn parse_behind<F: Frame + ?Sized>(frame: &F, taken: Option<u16>) -> Option<Self> {
        let header: &[u8; HEADER] = frame.octets(0)?;
        let ethertype = be16(header[12], header[13]);
        if !is_tag(ethertype) {
            let vlan = taken.map_or(Vlan::NONE, |outer| Vlan::from_tags(outer, 0));
            return Some(Self { ethertype, vlan, payload: frame.forget_how(HEADER) });
        }
        cold_path();
        let first: &[u8; TAG] = frame.octets(HEADER)?;
        let first_tag = be16(first[0], first[1]);
        let ethertype = be16(first[2], first[3]);
        if taken.is_some() || !is_tag(ethertype) {
            let vlan = taken
                .map_or(Vlan::from_tags(first_tag, 0), |outer| Vlan::from_tags(outer, first_tag));
            return Some(Self { ethertype, vlan, payload: frame.forget_how(HEADER + TAG) });
        }
        let second: &[u8; TAG] = frame.octets(HEADER + TAG)?;
        Some(Self {
            ethertype: be16(second[2], second[3]),
            vlan: Vlan::from_tags(first_tag, be16(second[0], second[1])),
            payload: frame.forget_how(HEADER + 2 * TAG),
        })
    }
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    ethertype == CUSTOMER_TAG || ethertype == SERVICE_TAG
}

/// An untagged header.
pub const fn header(destination: Mac, source: Mac, ethertype: u16) -> [u8; HEADER] {
    let ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]) = (destination, source);
    let [t0, t1] = ethertype.to_be_bytes();
    [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESTINATION: Mac = [1, 0, 0x5e, 0, 0, 0x12];
    const SOURCE: Mac = [2, 0, 0, 0, 0, 3];

    fn frame(types: &[u16]) -> ([u8; 64], usize) {
        let mut octets = [0xa5; 64];
        octets[..12].copy_from_slice(&header(DESTINATION, SOURCE, 0)[..12]);
        for (i, word) in types.iter().enumerate() {
            octets[12 + 2 * i..][..2].copy_from_slice(&word.to_be_bytes());
        }
        (octets, 12 + 2 * types.len())
    }

    /// untagged, one tag, two tags, a third tag, and a priority tag.
    #[test]
    fn tags() {
        let cases: [(&[u16], Option<Link>); 5] = [
            (&[IPV4], Some(Link { ethertype: IPV4, vlan: Vlan::NONE, payload: 14 })),
            (
                &[0x8100, 0x6064, ARP],
                Some(Link { ethertype: ARP, vlan: Vlan::from_tags(100, 0), payload: 18 }),
            ),
            (
                &[0x88a8, 7, 0x8100, 8, ARP],
                Some(Link { ethertype: ARP, vlan: Vlan::from_tags(7, 8), payload: 22 }),
            ),
            (
                &[0x88a8, 7, 0x8100, 8, 0x8100, 9, ARP],
                Some(Link { ethertype: 0x8100, vlan: Vlan::from_tags(7, 8), payload: 22 }),
            ),
            (&[0x8100, 0xe000, ARP], Some(Link { ethertype: ARP, vlan: Vlan::NONE, payload: 18 })),
        ];
        for (types, expected) in cases {
            let octets = frame(types).0;
            assert_eq!(Link::parse(&octets[..]), expected, "{types:x?}");
            if let [_, outer, ..] = *types {
                let expected = expected.map(|link| Link { payload: link.payload - TAG, ..link });
                let behind = Link::parse_behind(&frame(&types[2..]).0[..], Some(outer));
                assert_eq!(behind, expected, "{types:x?}, the outer tag taken off");
            }
        }
    }

    /// a frame that ends within its tags has no payload.
    #[test]
    fn truncated() {
        let (octets, end) = frame(&[0x8100, 100, 0x8100, 8, ARP]);
        for length in 0..end {
            assert_eq!(Link::parse(&octets[..length]), None, "{length}");
        }
        assert!(Link::parse(&octets[..end]).is_some());
    }

    /// R-5.1-01: the header that is written is read back.
    #[test]
    fn round_trip() {
        let octets = header(DESTINATION, SOURCE, IPV4);
        assert_eq!(Link::parse(&octets[..]).unwrap().ethertype, IPV4);
        assert!(is_group(&DESTINATION) && !is_group(&SOURCE));
    }
}
