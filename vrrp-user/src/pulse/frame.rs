//! The advert that a virtual router sends, as an IP packet or a whole Ethernet frame.

use std::net::IpAddr;

use vrrp_common::{
    Addr, AdverInterval, Priority, Version, Vrid,
    wire::{
        Mac, ethernet, ipv4, ipv6,
        vrrp::{Advertisement, Auth, Coverage, MAX_MESSAGE},
    },
};

use super::Addresses;

/// Where the message of an advert begins.
const MESSAGE_V4: usize = ethernet::HEADER + ipv4::HEADER;
const MESSAGE_V6: usize = ethernet::HEADER + ipv6::HEADER;

/// Everything that decides the octets of an advert, but for the IPv4 identification.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    octets: Box<[u8; MESSAGE_V6 + MAX_MESSAGE]>,
    /// Counts up by one with each advert, from 1, as keepalived does. IPv6 has no such field.
    identification: u16,
}

impl AdvertFrame {
    pub(super) fn new() -> Self {
        Self { octets: Box::new([0; MESSAGE_V6 + MAX_MESSAGE]), identification: 0 }
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
        Some(&self.octets[..end])
    }

    /// The same to any address, as an IP packet.
    pub(super) fn packet(&mut self, content: &Content<'_>) -> Option<&[u8]> {
        let end = self.write(content)?;
        Some(&self.octets[ethernet::HEADER..end])
    }

    /// Writes the next advert behind the room for the Ethernet header and returns where it ends.
    fn write(&mut self, content: &Content<'_>) -> Option<usize> {
        let hop_limit = content.hop_limit;
        match (content.addresses, content.source, content.destination) {
            (Addresses::V4(addresses), IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.identification = self.identification.wrapping_add(1);
                let (source, destination) = (source.octets(), destination.octets());
                let room = &mut self.octets[MESSAGE_V4..];
                let length = content.message(addresses).emit(source, destination, room)?.len();
                let id = self.identification;
                let header = ipv4::advert_header(source, destination, hop_limit, id, length);
                self.octets[ethernet::HEADER..MESSAGE_V4].copy_from_slice(&header);
                Some(MESSAGE_V4 + length)
            }
            (Addresses::V6(addresses), IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let room = &mut self.octets[MESSAGE_V6..];
                let length = content.message(addresses).emit(source, destination, room)?.len();
                let header = ipv6::advert_header(source, destination, hop_limit, length);
                self.octets[ethernet::HEADER..MESSAGE_V6].copy_from_slice(&header);
                Some(MESSAGE_V6 + length)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        };
        let mut frame = AdvertFrame::new();
        let octets = frame.frame(&content).unwrap();
        assert_eq!(octets[..14], [0x33, 0x33, 0, 0, 0, 0x12, 2, 0, 0, 0, 0, 3, 0x86, 0xdd]);
        assert_eq!(octets[14..22], [0x6c, 0, 0, 0, 0, 24, 112, 255]);
        assert_eq!(octets[54..62], [0x31, 0x33, 0x64, 1, 0, 0x64, 0x6d, 0x92]);
        assert_eq!(octets[62..], vip);
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
        };
        assert!(AdvertFrame::new().frame(&content).is_none());
    }
}
