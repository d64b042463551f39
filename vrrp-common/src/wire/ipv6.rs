//! The IPv6 header (RFC 8200) and the extension headers that may stand before what concerns us.

use super::{Mac, be16, checksum::Sum};
use crate::{Addr, Frame};

/// Octets of the header without extension headers.
pub const HEADER: usize = 40;
/// Next header number of VRRP.
pub const VRRP: u8 = 112;
/// Next header number of ICMPv6.
pub const ICMP: u8 = 58;
/// Where adverts go (RFC 9568 5.1.2.2).
pub const VRRP_GROUP: [u8; 16] = group(0, 0x12);
/// All nodes of the link (RFC 4291 2.7.1).
pub const ALL_NODES: [u8; 16] = group(0, 1);
/// Traffic class of adverts: internetwork control, as keepalived sends them.
pub const CLASS_CONTROL: u8 = 0xc0;
/// The hop limit of adverts and of Neighbor Discovery, sent and demanded (RFC 9568 5.1.2.3,
/// RFC 4861 7.1.1).
pub const HOP_LIMIT: u8 = 255;

/// Next header number of the hop-by-hop options.
const HOP_BY_HOP: u8 = 0;
/// Next header number of the destination options.
const DESTINATION_OPTIONS: u8 = 60;
/// Extension headers that are walked; what stands behind more is left to the kernel.
const MAX_EXTENSIONS: usize = 4;
/// Octets of them all.
const MAX_EXTENSION: usize = 256;

/// View on a header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a>(pub &'a [u8; HEADER]);

impl Header<'_> {
    /// Version, 6 in anything that deserves the name.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.0[0] >> 4
    }

    /// Octets behind the header: extension headers and payload.
    #[inline(always)]
    pub const fn payload_length(&self) -> usize {
        be16(self.0[4], self.0[5]) as usize
    }

    /// What follows the header.
    #[inline(always)]
    pub const fn next_header(&self) -> u8 {
        self.0[6]
    }

    /// Hop limit.
    #[inline(always)]
    pub const fn hop_limit(&self) -> u8 {
        self.0[7]
    }

    /// Source address.
    #[inline(always)]
    pub const fn source(&self) -> Addr {
        let [_, _, _, _, _, _, _, _, source @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            self.0;
        Addr::v6(*source)
    }

    /// Destination address.
    #[inline(always)]
    pub const fn destination(&self) -> Addr {
        let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *self.0;
        Addr::v6([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }
}

/// Where the payload of a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Where the IPv6 header begins.
    pub network: usize,
    /// What the payload is; an extension header that is not walked stands for itself.
    pub protocol: u8,
    /// Where the payload begins.
    pub start: usize,
    /// Octets in front of it that belong to extension headers.
    pub extensions: usize,
}

impl Payload {
    /// Walks hop-by-hop and destination options, at most four headers and 256 octets. `None`
    /// when the frame ends before, or there are more.
    #[inline(always)]
    pub fn find<F: Frame + ?Sized>(frame: &F, network: usize) -> Option<Self> {
        let header = Header(frame.octets(network)?);
        let mut protocol = header.next_header();
        let mut extensions = 0;
        for _ in 0..MAX_EXTENSIONS {
            if protocol != HOP_BY_HOP && protocol != DESTINATION_OPTIONS {
                break;
            }
            let extension: &[u8; 2] = frame.octets(network + HEADER + extensions)?;
            protocol = extension[0];
            extensions = frame.forget_how(extensions) + 8 + extension[1] as usize * 8;
            if extensions > MAX_EXTENSION {
                return None;
            }
        }
        let protocol = frame.forget_how(protocol as usize) as u8;
        let extensions = frame.forget_how(extensions);
        let start = frame.forget_how(network + HEADER + extensions);
        Some(Self { network, protocol, start, extensions })
    }

    /// Octets of the payload, as the IPv6 header says; `None` when the extension headers alone are
    /// longer than that.
    #[inline(always)]
    pub const fn length(&self, header: &Header<'_>) -> Option<usize> {
        header.payload_length().checked_sub(self.extensions)
    }
}

/// The sum over the pseudo-header of a payload of `length` octets (RFC 8200 8.1).
#[inline(always)]
pub const fn pseudo_header(source: Addr, destination: Addr, protocol: u8, length: usize) -> Sum {
    Sum::new().address(source).address(destination).word(protocol as u16).word(length as u16)
}

/// A multicast group of link scope that ends in these two words.
const fn group(high: u16, low: u16) -> [u8; 16] {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// The group that solicitations for an address go to, ff02::1:ff00:0/104 and its last 24 bits
/// (RFC 4291 2.7.1).
pub const fn solicited_node(address: [u8; 16]) -> [u8; 16] {
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, address[13], address[14], address[15]]
}

/// True for a solicited-node group, whichever address it is of.
#[inline(always)]
pub const fn is_solicited_node(address: Addr) -> bool {
    address.high == 0xff02 << 48 && address.low >> 24 == 0x1_ff
}

/// The multicast MAC that a group address maps to (RFC 2464 7).
pub const fn group_mac(group: [u8; 16]) -> Mac {
    [0x33, 0x33, group[12], group[13], group[14], group[15]]
}

/// A header without extension headers.
#[inline(always)]
pub const fn header(
    class: u8,
    protocol: u8,
    hop_limit: u8,
    payload: usize,
    source: [u8; 16],
    destination: [u8; 16],
) -> [u8; HEADER] {
    let [l0, l1] = (payload as u16).to_be_bytes();
    let (s, d) = (source, destination);
    [
        0x60 | class >> 4,
        class << 4,
        0,
        0,
        l0,
        l1,
        protocol,
        hop_limit,
        s[0],
        s[1],
        s[2],
        s[3],
        s[4],
        s[5],
        s[6],
        s[7],
        s[8],
        s[9],
        s[10],
        s[11],
        s[12],
        s[13],
        s[14],
        s[15],
        d[0],
        d[1],
        d[2],
        d[3],
        d[4],
        d[5],
        d[6],
        d[7],
        d[8],
        d[9],
        d[10],
        d[11],
        d[12],
        d[13],
        d[14],
        d[15],
    ]
}

/// The header of an advert whose message has `payload` octets (RFC 9568 5.1.2).
pub const fn advert_header(
    source: [u8; 16],
    destination: [u8; 16],
    hop_limit: u8,
    payload: usize,
) -> [u8; HEADER] {
    header(CLASS_CONTROL, VRRP, hop_limit, payload, source, destination)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
    const OCTETS: [u8; HEADER] = [
        0x6c, 0, 0, 0, 0, 24, 112, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0xff,
        2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12,
    ];

    /// R-5.1.2.1-01 and its neighbours: every field of an advert's header.
    #[test]
    fn deconstruct() {
        let header = Header(&OCTETS);
        assert_eq!((header.version(), header.payload_length()), (6, 24));
        assert_eq!((header.next_header(), header.hop_limit()), (VRRP, HOP_LIMIT));
        assert_eq!((header.source(), header.destination()), (SOURCE.into(), VRRP_GROUP.into()));
    }

    /// R-5.1.2.2-01, R-5.1.2.3-01, R-5.1.2.4-01: the header that is sent.
    #[test]
    fn construct() {
        assert_eq!(advert_header(SOURCE, VRRP_GROUP, HOP_LIMIT, 24), OCTETS);
    }

    fn packet(extensions: &[(u8, u8)], protocol: u8) -> ([u8; 512], usize) {
        let mut packet = [0xa5; 512];
        packet[..HEADER].copy_from_slice(&OCTETS);
        let (mut next, mut at) = (6, HEADER);
        for (kind, length) in extensions {
            packet[next] = *kind;
            packet[at + 1] = *length;
            (next, at) = (at, at + 8 + usize::from(*length) * 8);
        }
        packet[next] = protocol;
        (packet, at)
    }

    /// the payload behind options of both kinds, up to four headers; what is behind more, or
    /// behind another header, is not taken for the payload.
    #[test]
    fn extensions() {
        for (walked, protocol) in [
            (&[][..], VRRP),
            (&[(HOP_BY_HOP, 0)], VRRP),
            (&[(HOP_BY_HOP, 3), (DESTINATION_OPTIONS, 1)], ICMP),
            (&[(60, 0), (60, 0), (60, 0), (60, 28)], VRRP),
            (&[(0, 0); 4], DESTINATION_OPTIONS),
            (&[(0, 0)], 44),
            (&[], 43),
        ] {
            let (octets, start) = packet(walked, protocol);
            let extensions = start - HEADER;
            let expected = Payload { network: 0, protocol, start, extensions };
            assert_eq!(Payload::find(&octets[..], 0), Some(expected), "{walked:?}");
        }
    }

    /// a frame that ends within a header, and headers that are longer than the walk.
    #[test]
    fn cut_extensions() {
        let (octets, start) = packet(&[(HOP_BY_HOP, 1), (DESTINATION_OPTIONS, 0)], VRRP);
        for length in 0..start - 8 + 2 {
            assert_eq!(Payload::find(&octets[..length], 0), None, "{length}");
        }
        let (octets, _) = packet(&[(HOP_BY_HOP, 32)], VRRP);
        assert_eq!(Payload::find(&octets[..], 0), None);
    }

    /// extension headers count into the packet's length, not the payload's.
    #[test]
    fn length() {
        let payload = Payload { network: 0, protocol: VRRP, start: 56, extensions: 16 };
        assert_eq!(payload.length(&Header(&OCTETS)), Some(8));
        let longer = Payload { extensions: 32, ..payload };
        assert_eq!(longer.length(&Header(&OCTETS)), None);
    }

    /// R-6.4.3-02, N-4861-07: solicited-node groups.
    #[test]
    fn groups() {
        let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef, 0x12];
        let group = solicited_node(address);
        assert_eq!(group, [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xcd, 0xef, 0x12]);
        assert!(is_solicited_node(group.into()));
        for other in [address, VRRP_GROUP, ALL_NODES] {
            assert!(!is_solicited_node(other.into()), "{other:x?}");
        }
        assert_eq!(group_mac(group), [0x33, 0x33, 0xff, 0xcd, 0xef, 0x12]);
        assert_eq!(group_mac(VRRP_GROUP), [0x33, 0x33, 0, 0, 0, 0x12]);
    }

    /// R-5.2.8-04: the pseudo-header of a message whose checksum is known to be right.
    #[test]
    fn pseudo_header_sum() {
        let message = [
            0x31, 0x33, 0x64, 1, 0, 0x64, 0x6d, 0x92, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0x33,
        ];
        let sum = pseudo_header(SOURCE.into(), VRRP_GROUP.into(), VRRP, message.len());
        assert!(sum.octets(&message).is_intact());
    }
}
