//! ICMPv6 messages that no host needs for a virtual address, and that a router may be asked for.

use std::net::Ipv6Addr;

use super::{
    ALL_NODES, ETHERNET_HEADER, ETHERTYPE_IPV6, Mac, NdParty, at, ethernet, internet_checksum,
};

/// ff02::2
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

const HEADER: usize = 40;
const NEXT_HEADER_ICMPV6: u8 = 58;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// A frame with an ICMPv6 message whose checksum is still 0. It is addressed to the MAC of its
/// destination's group, or to `to`.
pub fn icmpv6(
    from: NdParty,
    to: (Option<Mac>, Ipv6Addr),
    hop_limit: u8,
    message: &[u8],
) -> Vec<u8> {
    let (mac, source) = from;
    let (to, destination) = to;
    let [.., a, b, c, d] = destination.octets();
    let to = to.unwrap_or(Mac([0x33, 0x33, a, b, c, d]));
    let length = (message.len() as u16).to_be_bytes();
    let addresses = [source.octets(), destination.octets()].concat();
    let pseudo_header = [&length[..], &[0, NEXT_HEADER_ICMPV6]].concat();
    let checksum = internet_checksum(&[&addresses, &pseudo_header, message].concat());
    let mut message = message.to_vec();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let header = [&[0x60, 0, 0, 0], &length[..], &[NEXT_HEADER_ICMPV6, hop_limit]].concat();
    [ethernet(to, mac, ETHERTYPE_IPV6), header, addresses, message].concat()
}

/// `frame` with a hop-by-hop header between the IPv6 header and what followed it (RFC 2711).
pub fn with_router_alert(frame: &[u8]) -> Vec<u8> {
    let (head, payload) = frame.split_at(ETHERNET_HEADER + HEADER);
    let option = [head[ETHERNET_HEADER + 6], 0, 5, 2, 0, 0, 1, 0];
    let mut frame = [head, &option, payload].concat();
    frame[ETHERNET_HEADER + 6] = 0;
    let length = ((option.len() + payload.len()) as u16).to_be_bytes();
    frame[ETHERNET_HEADER + 4..ETHERNET_HEADER + 6].copy_from_slice(&length);
    frame
}

/// A Router Solicitation from a host without an address (RFC 4861 4.1).
pub fn router_solicitation(from: Mac) -> Vec<u8> {
    let message = [ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    icmpv6((from, Ipv6Addr::UNSPECIFIED), (None, ALL_ROUTERS), 255, &message)
}

/// True for a Router Advertisement from anybody.
pub fn is_router_advert(frame: &[u8]) -> bool {
    message_of(frame).is_some_and(|message| message.first() == Some(&ROUTER_ADVERTISEMENT))
}

/// Whom a Neighbor Solicitation asks for.
pub fn solicited_target(frame: &[u8]) -> Option<Ipv6Addr> {
    let message = message_of(frame)?;
    let is_question = message.first() == Some(&NEIGHBOR_SOLICITATION);
    is_question.then(|| at::<16>(message, 8).map(Ipv6Addr::from))?
}

/// An unsolicited Neighbor Advertisement of `from` for its own address (RFC 4861 4.4, 7.2.6), with
/// or without O, and with or without its MAC.
pub fn unsolicited(from: NdParty, overrides: bool, tells_mac: bool) -> Vec<u8> {
    icmpv6(from, (None, ALL_NODES), 255, &advertisement(from, overrides, tells_mac))
}

/// The message of [`unsolicited`] alone.
pub fn advertisement(from: NdParty, overrides: bool, tells_mac: bool) -> Vec<u8> {
    let (mac, target) = from;
    let flags = if overrides { 0x20 } else { 0 };
    let mut message =
        [&[NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0], &target.octets()[..]].concat();
    if tells_mac {
        message.extend([2, 1]);
        message.extend(mac.0);
    }
    message
}

/// The ICMPv6 message of a frame, behind a hop-by-hop header if there is one.
pub fn message_of(frame: &[u8]) -> Option<&[u8]> {
    let (link, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
    let (header, payload) = packet.split_at_checked(HEADER)?;
    let next = (u16::from_be_bytes(at(link, 12)?) == ETHERTYPE_IPV6).then_some(header[6])?;
    match (next, at(payload, 0)) {
        (NEXT_HEADER_ICMPV6, _) => Some(payload),
        (0, Some([NEXT_HEADER_ICMPV6, length])) => payload.get(8 + usize::from(length) * 8..),
        _ => None,
    }
}
