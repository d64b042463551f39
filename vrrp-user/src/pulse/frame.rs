//! The advert that a virtual router sends, as an IP packet or a whole Ethernet frame.

use std::net::IpAddr;

use vrrp_common::{
    Addr, AdverInterval, Family, Priority, Version, Vrid,
    wire::{
        Mac, ethernet, ipv4, ipv6,
        vrrp::{self, Advertisement, Auth, Coverage, MAX_MESSAGE},
    },
};

use super::Addresses;
use crate::auth::{
    Seal, ah,
    trailer::{Subject, TRAILER},
};

/// Where the payload of an advert begins: the message, or an authentication header before it.
const PAYLOAD_V4: usize = ethernet::HEADER + ipv4::HEADER;
const PAYLOAD_V6: usize = ethernet::HEADER + ipv6::HEADER;
/// Room for the longest advert.
const ROOM: usize = PAYLOAD_V6 + MAX_MESSAGE + TRAILER;

/// Everything that decides the octets of an advert, but for the IPv4 identification.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) mac: Mac,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// TTL or hop limit.
    pub(super) hop_limit: u8,
    pub(super) version: Version,
    pub(super) vrid: Vrid,
    pub(super) priority: Priority,
    pub(super) interval: AdverInterval,
    pub(super) addresses: &'a Addresses,
    pub(super) auth: Auth,
    pub(super) coverage: Coverage,
    pub(super) seal: Seal<'a>,
}

impl Content<'_> {
    fn message<'a, const N: usize>(&self, addresses: &'a [[u8; N]]) -> Advertisement<'a, N>
    where
        Addr: From<[u8; N]>,
    {
        Advertisement {
            version: self.version,
            vrid: self.vrid,
            priority: self.priority,
            interval: self.interval,
            addresses,
            auth: self.auth,
            coverage: self.coverage,
        }
    }
}

/// A buffer for one advert. Nothing is allocated after it was made.
pub(super) struct AdvertFrame {
    octets: Box<[u8; ROOM]>,
    /// Where the advert in it ends; 0 where there is none.
    end: usize,
    /// Counts up by one with each advert, from 1, as keepalived does, and leaves out 0, in whose
    /// place the kernel would put a number of its own. IPv6 has no such field.
    identification: u16,
}

impl AdvertFrame {
    pub(super) fn new() -> Self {
        Self { octets: Box::new([0; ROOM]), end: 0, identification: 0 }
    }

    /// Writes the next advert to a group and returns it as an Ethernet frame. `None` for more
    /// addresses than an advert can carry, or of another family than source and destination, which
    /// the configuration does not let through.
    pub(super) fn frame(&mut self, content: &Content<'_>) -> Option<&[u8]> {
        let end = self.write(content)?;
        let (group_mac, ethertype) = match content.destination {
            IpAddr::V4(group) => (ipv4::group_mac(group.octets()), ethernet::IPV4),
            IpAddr::V6(group) => (ipv6::group_mac(group.octets()), ethernet::IPV6),
        };
        let link = ethernet::header(group_mac, content.mac, ethertype);
        self.octets[..ethernet::HEADER].copy_from_slice(&link);
        self.end = end;
        Some(self.written())
    }

    /// What [`Self::frame`] has returned last.
    pub(super) fn written(&self) -> &[u8] {
        &self.octets[..self.end]
    }

    /// The same to any address, as an IP packet.
    pub(super) fn packet(&mut self, content: &Content<'_>) -> Option<&[u8]> {
        let end = self.write(content)?;
        Some(&self.octets[ethernet::HEADER..end])
    }

    /// Writes the next advert behind the room for the Ethernet header and returns where it ends.
    fn write(&mut self, content: &Content<'_>) -> Option<usize> {
        match (content.addresses, content.source, content.destination) {
            (Addresses::V4(addresses), IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.write_v4(content, addresses, source.octets(), destination.octets())
            }
            (Addresses::V6(addresses), IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.write_v6(content, addresses, source.octets(), destination.octets())
            }
            _ => None,
        }
    }

    fn write_v4(
        &mut self,
        content: &Content<'_>,
        addresses: &[[u8; 4]],
        source: [u8; 4],
        destination: [u8; 4],
    ) -> Option<usize> {
        self.identification = self.identification.checked_add(1).unwrap_or(1);
        let before = if let Seal::Header(..) = content.seal { ah::HEADER } else { 0 };
        let room = self.octets.get_mut(PAYLOAD_V4 + before..)?;
        let length = content.message(addresses).emit(source, destination, room)?.len();
        let behind =
            sign(content, Subject { family: Family::V4, source: source.into() }, room, length)?;
        let payload = before + length + behind;
        let header = match content.seal {
            Seal::Header(..) => ipv4::authenticated_header,
            Seal::None | Seal::Trailer(..) => ipv4::advert_header,
        };
        let header = header(source, destination, content.hop_limit, self.identification, payload);
        self.octets[ethernet::HEADER..PAYLOAD_V4].copy_from_slice(&header);
        let end = PAYLOAD_V4 + payload;
        if let Seal::Header(association, number) = content.seal {
            association.seal(&mut self.octets[ethernet::HEADER..end], number).then_some(end)
        } else {
            Some(end)
        }
    }

    fn write_v6(
        &mut self,
        content: &Content<'_>,
        addresses: &[[u8; 16]],
        source: [u8; 16],
        destination: [u8; 16],
    ) -> Option<usize> {
        let room = &mut self.octets[PAYLOAD_V6..];
        let length = content.message(addresses).emit(source, destination, room)?.len();
        let behind =
            sign(content, Subject { family: Family::V6, source: source.into() }, room, length)?;
        let payload = length + behind;
        if behind > 0 {
            vrrp::cover(room.get_mut(..payload)?, source.into(), destination.into())?;
        }
        let header = ipv6::advert_header(source, destination, content.hop_limit, payload);
        self.octets[ethernet::HEADER..PAYLOAD_V6].copy_from_slice(&header);
        Some(PAYLOAD_V6 + payload)
    }
}

/// Signs the message of `length` octets at the beginning of `room`, if that is wanted, and returns
/// how many octets the signature has behind it.
fn sign(content: &Content<'_>, subject: Subject, room: &mut [u8], length: usize) -> Option<usize> {
    let Seal::Trailer(signatures, number) = content.seal else { return Some(0) };
    let (message, behind) = room.split_at_mut_checked(length)?;
    let trailer = signatures.sign(&subject, message, number)?;
    *behind.first_chunk_mut()? = trailer;
    Some(trailer.len())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv6Addr, time::Duration};

    use super::*;
    use crate::{
        auth::{
            Sequence,
            ah::{Association, Dialect},
            trailer::Signatures,
        },
        config::{AntiReplay, AuthHmac, HmacMode},
    };

    /// R-7.2-01, R-5.1-01, R-5.1.1.2-01, R-5.1.1.3-01: the whole frame of an advert, and the
    /// identification of the next one.
    #[test]
    fn whole_frame() {
        let content = Content {
            mac: [2, 0, 0, 0, 0, 3],
            source: [192, 0, 2, 3].into(),
            destination: [224, 0, 0, 18].into(),
            hop_limit: 255,
            version: Version::V2,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses: &Addresses::V4(vec![[192, 0, 2, 254]]),
            auth: Auth::Pass(*b"abc\0\0\0\0\0"),
            coverage: Coverage::default(),
            seal: Seal::None,
        };
        let mut frame = AdvertFrame::new();
        let first = frame.frame(&content).unwrap();
        #[rustfmt::skip]
        assert_eq!(first, [
            0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 2, 0, 0, 0, 0, 3, 0x08, 0x00,
            0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, 112, 0x18, 0x8f, 192, 0, 2, 3, 224, 0, 0, 18,
            0x21, 51, 100, 1, 1, 1, 0xf2, 0x68, 192, 0, 2, 254, b'a', b'b', b'c', 0, 0, 0, 0, 0,
        ]);
        let second = frame.frame(&content).unwrap();
        assert_eq!(second[18..20], [0, 2]);
        assert!(ipv4::Header(second[14..34].first_chunk().unwrap()).sum().is_intact());
    }

    /// R-7.2-01, R-5.1-01, R-5.1.2.2-01, R-5.1.2.3-01: the same of IPv6, octet for octet that of the
    /// vector valid_v3_ipv6_ll_only but for the MAC.
    #[test]
    fn whole_frame_of_ipv6() {
        let mut vip = [0; 16];
        (vip[0], vip[1], vip[15]) = (0xfe, 0x80, 0x33);
        let content = Content {
            mac: [2, 0, 0, 0, 0, 3],
            source: "fe80::3".parse().unwrap(),
            destination: "ff02::12".parse().unwrap(),
            hop_limit: 255,
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses: &Addresses::V6(vec![vip]),
            auth: Auth::None,
            coverage: Coverage::default(),
            seal: Seal::None,
        };
        let mut frame = AdvertFrame::new();
        let octets = frame.frame(&content).unwrap();
        assert_eq!(octets[..14], [0x33, 0x33, 0, 0, 0, 0x12, 2, 0, 0, 0, 0, 3, 0x86, 0xdd]);
        assert_eq!(octets[14..22], [0x6c, 0, 0, 0, 0, 24, 112, 255]);
        assert_eq!(octets[54..62], [0x31, 0x33, 0x64, 1, 0, 0x64, 0x6d, 0x92]);
        assert_eq!(octets[62..], vip);
    }

    /// The signatures of the vectors: key 1 is 00 01 02 … 1f.
    fn signatures() -> Signatures {
        Signatures::new(&AuthHmac {
            keys: BTreeMap::from([(1, (0..32).collect())]),
            active: 1,
            anti_replay: AntiReplay::Time,
            window: Duration::from_secs(5),
            mode: HmacMode::Enforce,
        })
    }

    const SIGNED: Sequence = Sequence::from_bits(0x6800_0000_8000_0000);

    /// Issue 3, V-5.3.6.3-01, V-5.3.6.3-02: the packet of an advert behind an authentication header
    /// is the vector valid_v2_ah_keepalived, as a frame and as a packet.
    #[test]
    fn authentication_header() {
        let association = Association::new(b"1111\0\0\0\0", Dialect::Keepalived);
        let content = Content {
            mac: [0, 0, 0x5e, 0, 1, 51],
            source: [192, 0, 2, 3].into(),
            destination: [224, 0, 0, 18].into(),
            hop_limit: 255,
            version: Version::V2,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses: &Addresses::V4(vec![[192, 0, 2, 254]]),
            auth: Auth::Header,
            coverage: Coverage::default(),
            seal: Seal::Header(&association, 1),
        };
        #[rustfmt::skip]
        let expected = [
            0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0, 0, 0x5e, 0, 1, 51, 0x08, 0x00,
            0x45, 0xc0, 0, 64, 0, 1, 0, 0, 255, 51, 0x18, 0xb4, 192, 0, 2, 3, 224, 0, 0, 18,
            112, 4, 0, 0, 192, 0, 2, 3, 0, 0, 0, 1,
            0x63, 0x7f, 0x8c, 0x6c, 0x99, 0xf8, 0x23, 0xbe, 0xe0, 0x63, 0xce, 0xbe,
            0x21, 51, 100, 1, 2, 1, 0xb5, 0xcb, 192, 0, 2, 254, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(AdvertFrame::new().frame(&content).unwrap(), expected);
        assert_eq!(AdvertFrame::new().packet(&content).unwrap(), &expected[14..]);
    }

    /// Issue 3: a signed IPv4 advert. The total length has the trailer in it, the checksum has not.
    #[test]
    fn signed() {
        let content = Content {
            mac: [2, 0, 0, 0, 0, 3],
            source: [198, 51, 100, 10].into(),
            destination: [198, 51, 100, 20].into(),
            hop_limit: 255,
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::new(200),
            interval: AdverInterval::DEFAULT,
            addresses: &Addresses::V4(vec![[192, 0, 2, 100]]),
            auth: Auth::None,
            coverage: Coverage::Message,
            seal: Seal::Trailer(&signatures(), SIGNED),
        };
        let mut frame = AdvertFrame::new();
        let packet = frame.packet(&content).unwrap();
        assert!(ipv4::Header(packet.first_chunk().unwrap()).sum().is_intact());
        assert_eq!(packet[..10], [0x45, 0xc0, 0, 60, 0, 1, 0, 0, 255, 112]);
        #[rustfmt::skip]
        assert_eq!(packet[20..], [
            0x31, 51, 200, 1, 0, 100, 0x44, 0x02, 192, 0, 2, 100,
            1, 1, 0, 0, 0x68, 0, 0, 0, 0x80, 0, 0, 0,
            0x1b, 0x84, 0xbc, 0x4e, 0x8e, 0x43, 0x89, 0x2d,
            0xc6, 0xd9, 0x84, 0x48, 0xf8, 0xee, 0x22, 0x65,
        ]);
    }

    /// Issue 3, R-5.2.8-04: a signed IPv6 advert, whose checksum covers the trailer.
    #[test]
    fn signed_ipv6() {
        let vip: Ipv6Addr = "fe80::100".parse().unwrap();
        let content = Content {
            mac: [2, 0, 0, 0, 0, 3],
            source: "fe80::10".parse().unwrap(),
            destination: "fe80::20".parse().unwrap(),
            hop_limit: 255,
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::new(200),
            interval: AdverInterval::DEFAULT,
            addresses: &Addresses::V6(vec![vip.octets()]),
            auth: Auth::None,
            coverage: Coverage::default(),
            seal: Seal::Trailer(&signatures(), SIGNED),
        };
        let mut frame = AdvertFrame::new();
        let packet = frame.packet(&content).unwrap();
        assert_eq!(packet[..8], [0x6c, 0, 0, 0, 0, 52, 112, 255]);
        #[rustfmt::skip]
        assert_eq!(packet[40..], [
            0x31, 51, 200, 1, 0, 100, 0xa2, 0xe9,
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
            1, 1, 0, 0, 0x68, 0, 0, 0, 0x80, 0, 0, 0,
            0xc8, 0xc5, 0x61, 0x46, 0xeb, 0xfd, 0x66, 0xee,
            0x10, 0xec, 0x4d, 0x81, 0x86, 0x46, 0x1b, 0x78,
        ]);
    }

    /// R-5.2.9-03: families are never mixed.
    #[test]
    fn mixed_families() {
        let content = Content {
            mac: [2, 0, 0, 0, 0, 3],
            source: [192, 0, 2, 3].into(),
            destination: [224, 0, 0, 18].into(),
            hop_limit: 255,
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses: &Addresses::V6(vec![[0xfe; 16]]),
            auth: Auth::None,
            coverage: Coverage::default(),
            seal: Seal::None,
        };
        assert!(AdvertFrame::new().frame(&content).is_none());
    }
}
