//! The advert that a virtual router sends, kept ready as a whole Ethernet frame.

use std::net::Ipv4Addr;

use vrrp_common::{
    AdverInterval, Priority, Version, Vrid,
    wire::{
        Mac, ethernet,
        ipv4::{self, advert_header, group_mac},
        vrrp::{Advertisement, Auth, Coverage, MAX_MESSAGE},
    },
};

const MESSAGE: usize = ethernet::HEADER + ipv4::HEADER;

/// Everything that decides the octets of an advert, but for the IP identification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Content<'a> {
    pub(super) mac: Mac,
    pub(super) source: Ipv4Addr,
    pub(super) group: Ipv4Addr,
    pub(super) version: Version,
    pub(super) vrid: Vrid,
    pub(super) priority: Priority,
    pub(super) interval: AdverInterval,
    pub(super) addresses: &'a [[u8; 4]],
    pub(super) auth: Auth,
    pub(super) coverage: Coverage,
}

/// A buffer for one advert. Nothing is allocated after it was made.
pub(super) struct AdvertFrame {
    octets: Box<[u8; MESSAGE + MAX_MESSAGE]>,
    /// Counts up by one with each advert, from 1, as keepalived does.
    identification: u16,
}

impl AdvertFrame {
    pub(super) fn new() -> Self {
        Self { octets: Box::new([0; MESSAGE + MAX_MESSAGE]), identification: 0 }
    }

    /// Writes the next advert and returns it. `None` for more addresses than an advert can carry,
    /// which the configuration does not let through.
    pub(super) fn write(&mut self, content: &Content<'_>) -> Option<&[u8]> {
        self.identification = self.identification.wrapping_add(1);
        let (source, group) = (content.source.octets(), content.group.octets());
        let message = Advertisement {
            version: content.version,
            vrid: content.vrid,
            priority: content.priority,
            interval: content.interval,
            addresses: content.addresses,
            auth: content.auth,
            coverage: content.coverage,
        };
        let length = message.emit(source, group, &mut self.octets[MESSAGE..])?.len();
        let header = advert_header(source, group, ipv4::TTL, self.identification, length);
        self.octets[ethernet::HEADER..MESSAGE].copy_from_slice(&header);
        self.octets[..ethernet::HEADER].copy_from_slice(&ethernet::header(
            group_mac(group),
            content.mac,
            ethernet::IPV4,
        ));
        Some(&self.octets[..MESSAGE + length])
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
            source: Ipv4Addr::new(192, 0, 2, 3),
            group: Ipv4Addr::new(224, 0, 0, 18),
            version: Version::V2,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses: &[[192, 0, 2, 254]],
            auth: Auth::Pass(*b"abc\0\0\0\0\0"),
            coverage: Coverage::default(),
        };
        let mut frame = AdvertFrame::new();
        let first = frame.write(&content).unwrap();
        #[rustfmt::skip]
        assert_eq!(first, [
            0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 2, 0, 0, 0, 0, 3, 0x08, 0x00,
            0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, 112, 0x18, 0x8f, 192, 0, 2, 3, 224, 0, 0, 18,
            0x21, 51, 100, 1, 1, 1, 0xf2, 0x68, 192, 0, 2, 254, b'a', b'b', b'c', 0, 0, 0, 0, 0,
        ]);
        let second = frame.write(&content).unwrap();
        assert_eq!(second[18..20], [0, 2]);
        assert!(ipv4::Header(second[14..34].first_chunk().unwrap()).sum().is_intact());
    }
}
