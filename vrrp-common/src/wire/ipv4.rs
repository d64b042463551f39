//! The IPv4 header (RFC 791).

use super::{be16, checksum::Sum};

/// Octets of a header without options.
pub const HEADER: usize = 20;
/// Protocol number of VRRP.
pub const VRRP: u8 = 112;
/// Protocol number of the IP authentication header.
pub const AH: u8 = 51;
/// Where adverts go (RFC 9568 5.1.1.2).
pub const VRRP_GROUP: [u8; 4] = [224, 0, 0, 18];
/// Type of service of adverts: internetwork control, as keepalived sends them.
pub const TOS_CONTROL: u8 = 0xc0;
/// The time to live of adverts, sent and demanded (RFC 9568 5.1.1.3).
pub const TTL: u8 = 255;

/// View on a header's fixed part.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a>(pub &'a [u8; HEADER]);

impl Header<'_> {
    /// Version, 4 in anything that deserves the name.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.0[0] >> 4
    }

    /// Length of the header with its options, in octets, as the field says: 0-60.
    #[inline(always)]
    pub const fn header_length(&self) -> usize {
        (self.0[0] & 0x0f) as usize * 4
    }

    /// Length of header and payload in octets.
    #[inline(always)]
    pub const fn total_length(&self) -> usize {
        be16(self.0[2], self.0[3]) as usize
    }

    /// True when the more-fragments flag is set.
    #[inline(always)]
    pub const fn more_fragments(&self) -> bool {
        self.0[6] & 0x20 != 0
    }

    /// True for a fragment other than the first: its payload does not begin with a header.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        be16(self.0[6], self.0[7]) & 0x1fff != 0
    }

    /// Time to live.
    #[inline(always)]
    pub const fn ttl(&self) -> u8 {
        self.0[8]
    }

    /// Protocol of the payload.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.0[9]
    }

    /// Source address.
    #[inline(always)]
    pub const fn source(&self) -> [u8; 4] {
        let o = self.0;
        [o[12], o[13], o[14], o[15]]
    }

    /// Destination address.
    #[inline(always)]
    pub const fn destination(&self) -> [u8; 4] {
        let o = self.0;
        [o[16], o[17], o[18], o[19]]
    }

    /// Sum over the fixed part; options are the caller's to add.
    #[inline(always)]
    pub fn sum(&self) -> Sum {
        let o = self.0;
        Sum::default()
            .quad([o[0], o[1], o[2], o[3]])
            .quad([o[4], o[5], o[6], o[7]])
            .quad([o[8], o[9], o[10], o[11]])
            .quad(self.source())
            .quad(self.destination())
    }
}

/// The multicast MAC that a group address maps to (RFC 1112 6.4).
pub const fn group_mac(group: [u8; 4]) -> super::Mac {
    [0x01, 0x00, 0x5e, group[1] & 0x7f, group[2], group[3]]
}

/// The header of an advert: no options, no fragmentation, its checksum filled in.
pub fn advert_header(
    source: [u8; 4],
    destination: [u8; 4],
    ttl: u8,
    identification: u16,
    payload: usize,
) -> [u8; HEADER] {
    header(VRRP, source, destination, ttl, identification, payload)
}

/// The same in front of an authentication header, which counts as payload.
pub fn authenticated_header(
    source: [u8; 4],
    destination: [u8; 4],
    ttl: u8,
    identification: u16,
    payload: usize,
) -> [u8; HEADER] {
    header(AH, source, destination, ttl, identification, payload)
}

fn header(
    protocol: u8,
    source: [u8; 4],
    destination: [u8; 4],
    ttl: u8,
    identification: u16,
    payload: usize,
) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = 0x45;
    header[1] = TOS_CONTROL;
    let total = u16::try_from(HEADER + payload).unwrap_or(u16::MAX);
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[4..6].copy_from_slice(&identification.to_be_bytes());
    header[8] = ttl;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source);
    header[16..20].copy_from_slice(&destination);
    let checksum = Header(&header).sum().complement();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS: [u8; HEADER] =
        [0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, 112, 0x18, 0x8f, 192, 0, 2, 3, 224, 0, 0, 18];

    /// R-5.1.1.1-01 and its neighbours: every field of an advert's header.
    #[test]
    fn deconstruct() {
        let header = Header(&OCTETS);
        assert_eq!((header.version(), header.header_length(), header.total_length()), (4, 20, 40));
        assert_eq!((header.ttl(), header.protocol()), (TTL, VRRP));
        assert_eq!((header.source(), header.destination()), ([192, 0, 2, 3], VRRP_GROUP));
        assert!(!header.more_fragments() && !header.is_later_fragment());
        assert!(header.sum().is_intact());
    }

    /// R-5.1.1.3-01, R-5.1.1.4-01: the header that is sent.
    #[test]
    fn construct() {
        assert_eq!(advert_header([192, 0, 2, 3], VRRP_GROUP, TTL, 1, 20), OCTETS);
    }

    /// fragments are recognised.
    #[test]
    fn fragments() {
        let mut octets = OCTETS;
        octets[6] = 0x20;
        assert!(Header(&octets).more_fragments() && !Header(&octets).is_later_fragment());
        octets[6] = 0x40; // don't fragment
        assert!(!Header(&octets).more_fragments() && !Header(&octets).is_later_fragment());
        octets[7] = 1;
        assert!(Header(&octets).is_later_fragment());
    }

    /// R-5.1-01: the mapped multicast MAC.
    #[test]
    fn mapped_mac() {
        assert_eq!(group_mac(VRRP_GROUP), [0x01, 0, 0x5e, 0, 0, 0x12]);
        assert_eq!(group_mac([239, 255, 0, 1]), [0x01, 0, 0x5e, 0x7f, 0, 1]);
    }
}
