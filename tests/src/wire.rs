//! What the rig reads from frames and the frames that it sends.
//!
//! Deliberately not the codec of vrrp-common: what a test observes must not depend on the code
//! under test.

mod advert;
mod groups;
mod icmpv6;
mod ipv6;
mod tcp;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

pub use advert::{Advert, GROUP, GROUP_V6};
pub use groups::{joined_groups, left_groups, mld_query};
pub use icmpv6::{
    ALL_ROUTERS, advertisement, icmpv6, is_router_advert, message_of, router_solicitation,
    solicited_target, unsolicited, with_router_alert,
};
pub(crate) use ipv6::echo_request as echo_request_v6;
pub use ipv6::{ALL_NODES, NdParty, NeighborAdvert, neighbor_solicitation, solicited_node};
pub use tcp::syn;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everybody.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The virtual MAC of a virtual router of IPv4 (RFC 9568 7.3).
    pub const fn of_virtual_router(vrid: u8) -> Self {
        Self([0, 0, 0x5e, 0, 1, vrid])
    }

    /// The same of IPv6.
    pub const fn of_virtual_router_v6(vrid: u8) -> Self {
        Self([0, 0, 0x5e, 0, 2, vrid])
    }

    /// The locally administered address 02:00:00:00:00:`last`.
    pub const fn local(last: u8) -> Self {
        Self([0x02, 0, 0, 0, 0, last])
    }

    /// The MAC of a virtual router (RFC 9568 7.3); `vip` tells the family.
    pub const fn virtual_router(vip: IpAddr, vrid: u8) -> Self {
        Self([0, 0, 0x5e, 0, if vip.is_ipv6() { 2 } else { 1 }, vrid])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One side of an ARP message: hardware and protocol address.
pub type ArpParty = (Mac, Ipv4Addr);

/// What the rig understands of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A VRRP advert, valid or not.
    Advert {
        /// IP source.
        source: IpAddr,
        /// TTL or hop limit.
        hop_limit: u8,
        /// High nibble of the first byte.
        version: u8,
        /// Virtual router.
        vrid: u8,
        /// 0 when the sender resigns.
        priority: u8,
    },
    /// An ARP message in which sender and target protocol address are equal, request or reply
    /// (RFC 5227 3).
    GratuitousArp {
        /// Whose address it is.
        sender: ArpParty,
    },
    /// Any other ARP request.
    ArpRequest {
        /// Who asks.
        sender: ArpParty,
        /// Whom it asks for.
        target: Ipv4Addr,
    },
    /// Any other ARP reply.
    ArpReply {
        /// Who answers.
        sender: ArpParty,
        /// Whom it answers.
        target: ArpParty,
    },
    /// A Neighbor Advertisement, asked for or not.
    NeighborAdvert(NeighborAdvert),
    /// An ICMP or ICMPv6 echo reply.
    EchoReply {
        /// Who answers.
        source: IpAddr,
    },
    /// The answer of one who takes a TCP connection over IPv4.
    Accepted {
        /// Who takes it, and at which port.
        source: (Ipv4Addr, u16),
        /// Whose connection it is.
        target: Ipv4Addr,
    },
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_AH: u8 = 51;
const PROTOCOL_VRRP: u8 = 112;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;

/// Reads an untagged Ethernet frame. `None` for everything that the rig has no use for, truncated
/// frames included.
pub fn decode(frame: &[u8]) -> Option<What> {
    let (ethernet, payload) = frame.split_at_checked(ETHERNET_HEADER)?;
    match u16::from_be_bytes(at(ethernet, 12)?) {
        ETHERTYPE_ARP => decode_arp(payload),
        ETHERTYPE_IPV4 => decode_ipv4(payload),
        ETHERTYPE_IPV6 => ipv6::decode(payload),
        _ => None,
    }
}

/// Source MAC of a frame.
pub fn source_mac(frame: &[u8]) -> Option<Mac> {
    at(frame, 6).map(Mac)
}

fn decode_arp(arp: &[u8]) -> Option<What> {
    let sender = (Mac(at(arp, 8)?), at::<4>(arp, 14)?.into());
    let target = (Mac(at(arp, 18)?), at::<4>(arp, 24)?.into());
    if sender.1 == target.1 {
        return Some(What::GratuitousArp { sender });
    }
    match u16::from_be_bytes(at(arp, 6)?) {
        ARP_REQUEST => Some(What::ArpRequest { sender, target: target.1 }),
        ARP_REPLY => Some(What::ArpReply { sender, target }),
        _ => None,
    }
}

fn decode_ipv4(ip: &[u8]) -> Option<What> {
    let payload = ip.get(usize::from(ip.first()? & 0x0f) * 4..)?;
    let source = IpAddr::from(at::<4>(ip, 12)?);
    let [hop_limit, protocol] = at(ip, 8)?;
    let (protocol, payload) = match protocol {
        PROTOCOL_AH => behind_authentication_header(payload)?,
        _ => (protocol, payload),
    };
    match protocol {
        PROTOCOL_VRRP => {
            let [first, vrid, priority] = at(payload, 0)?;
            Some(What::Advert { source, hop_limit, version: first >> 4, vrid, priority })
        }
        PROTOCOL_ICMP if payload.first() == Some(&0) => Some(What::EchoReply { source }),
        tcp::PROTOCOL => tcp::decode(ip, payload),
        _ => None,
    }
}

/// The protocol that an IP Authentication Header protects, and its message (RFC 2402 2).
fn behind_authentication_header(payload: &[u8]) -> Option<(u8, &[u8])> {
    let [protocol, words] = at(payload, 0)?;
    Some((protocol, payload.get((usize::from(words) + 2) * 4..)?))
}

/// `N` bytes from `offset` on.
fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// An ARP request frame from `sender` for `target`, sent to the MAC `to`.
pub fn arp_request(to: Mac, sender: ArpParty, target: Ipv4Addr) -> Vec<u8> {
    let (mac, address) = sender;
    // Ethernet, IPv4, with 6 and 4 bytes of address (RFC 826).
    let kind = [0, 1, 8, 0, 6, 4, 0, 1];
    let parties = [&mac.0[..], &address.octets(), &[0; 6], &target.octets()].concat();
    [&ethernet(to, mac, ETHERTYPE_ARP)[..], &kind, &parties].concat()
}

/// The header of a frame.
fn ethernet(to: Mac, from: Mac, ethertype: u16) -> Vec<u8> {
    [&to.0[..], &from.0, &ethertype.to_be_bytes()].concat()
}

/// A frame with an IPv4 packet without options, precedence 6; `link` is whom it goes to and whom it
/// is from, `ends` are source and destination.
pub fn ipv4(
    link: (Mac, Mac),
    ends: (Ipv4Addr, Ipv4Addr),
    ttl: u8,
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let total = ((IPV4_HEADER + payload.len()) as u16).to_be_bytes();
    let addresses = [ends.0.octets(), ends.1.octets()].concat();
    let fixed = [ttl, protocol, 0, 0];
    let mut header = [&[0x45, 0xc0], &total[..], &[0; 4], &fixed, &addresses].concat();
    let checksum = internet_checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&ethernet(link.0, link.1, ETHERTYPE_IPV4)[..], &header, payload].concat()
}

/// `frame` with an 802.1Q tag in the frame itself, priority 0.
pub fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &ETHERTYPE_VLAN.to_be_bytes(), &vlan.to_be_bytes(), rest].concat()
}

/// An ICMP echo request message (RFC 792) with 24 bytes of padding.
pub fn echo_request(identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message =
        [&[8, 0, 0, 0][..], &identifier.to_be_bytes(), &sequence.to_be_bytes()].concat();
    message.resize(message.len() + 24, 0);
    let checksum = internet_checksum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// A ping from `sender` to `target`, sent to the MAC `to`.
pub fn ping(to: Mac, sender: ArpParty, target: Ipv4Addr) -> Vec<u8> {
    const IDENTIFIER: u16 = 0x766d;
    let message = echo_request(IDENTIFIER, 1);
    ipv4((to, sender.0), (sender.1, target), 64, PROTOCOL_ICMP, &message)
}

/// The Internet checksum of an even number of bytes (RFC 1071).
fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: ArpParty = (Mac::local(1), Ipv4Addr::new(192, 0, 2, 1));
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 129);

    /// The rig's own probes are ARP requests as RFC 826 wants them.
    #[test]
    fn an_arp_request_reads_back() {
        let frame = arp_request(Mac::BROADCAST, ASKER, VIP);
        assert_eq!(frame.len(), 42);
        assert_eq!(decode(&frame), Some(What::ArpRequest { sender: ASKER, target: VIP }));
        assert_eq!(source_mac(&frame), Some(ASKER.0));
    }

    /// A request for one's own address is the announcement of RFC 5227 3.
    #[test]
    fn an_announcement_is_told_from_a_request() {
        let frame = arp_request(Mac::BROADCAST, ASKER, ASKER.1);
        assert_eq!(decode(&frame), Some(What::GratuitousArp { sender: ASKER }));
    }

    /// A tagged frame is no untagged one.
    #[test]
    fn a_tagged_frame_is_longer_and_not_decoded() {
        let frame = tagged(&arp_request(Mac::BROADCAST, ASKER, VIP), 100);
        assert_eq!(frame[12..16], [0x81, 0x00, 0x00, 0x64]);
        assert_eq!((frame.len(), decode(&frame)), (46, None));
    }

    /// Issue 3: an advert is read behind an authentication header, too.
    #[test]
    fn an_authenticated_advert_is_an_advert() {
        let address = |host| [192, 0, 2, host];
        let head = [0x45, 0xc0, 0, 64, 0, 0, 0, 0, 255, PROTOCOL_AH, 0, 0];
        let ip = [&head[..], &address(11), &[224, 0, 0, 18]].concat();
        let authentication = [&[PROTOCOL_VRRP, 4, 0, 0][..], &[0; 20]].concat();
        let advert = [0x21, 51, 100, 1, 2, 1, 0, 0];
        let to = Mac([1, 0, 0x5e, 0, 0, 0x12]);
        let header = ethernet(to, ASKER.0, ETHERTYPE_IPV4);
        let frame = [header, ip, authentication, advert.to_vec()].concat();
        let source = IpAddr::from(address(11));
        let expected = What::Advert { source, hop_limit: 255, version: 2, vrid: 51, priority: 100 };
        assert_eq!(decode(&frame), Some(expected));
        for length in 0..61 {
            assert_eq!(decode(&frame[..length]), None, "{length} bytes");
        }
    }

    /// A message with its checksum in place sums to zero (RFC 1071).
    #[test]
    fn an_echo_request_carries_its_checksum() {
        let message = echo_request(0x1234, 7);
        assert_eq!(internet_checksum(&message), 0);
    }

    /// A ping is a whole IPv4 packet, whose header sums to zero.
    #[test]
    fn a_ping_carries_both_checksums() {
        let frame = ping(Mac::BROADCAST, ASKER, VIP);
        assert_eq!(frame.len(), ETHERNET_HEADER + IPV4_HEADER + 32);
        let (header, message) = frame[ETHERNET_HEADER..].split_at(IPV4_HEADER);
        assert_eq!((internet_checksum(header), internet_checksum(message)), (0, 0));
    }

    /// No prefix of a frame makes the decoder read beyond its end.
    #[test]
    fn truncated_frames_are_ignored() {
        let frame = arp_request(Mac::BROADCAST, ASKER, VIP);
        for length in 0..frame.len() {
            assert_eq!(decode(&frame[..length]), None, "{length} bytes");
        }
    }
}
