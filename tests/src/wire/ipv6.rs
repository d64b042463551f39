//! IPv6: adverts, neighbour discovery, pings.

use std::net::Ipv6Addr;

use super::{ETHERTYPE_IPV6, Mac, PROTOCOL_VRRP, What, at, ethernet, internet_checksum};

/// One side of neighbour discovery: link-layer and IPv6 address.
pub type NdParty = (Mac, Ipv6Addr);

/// ff02::1, where advertisements go that nobody asked for.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The message of a Neighbor Advertisement (RFC 4861 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborAdvert {
    /// IP source.
    pub source: Ipv6Addr,
    /// IP destination.
    pub destination: Ipv6Addr,
    /// 255, or a router has touched it.
    pub hop_limit: u8,
    /// R: the sender is a router.
    pub router: bool,
    /// S: somebody asked for it.
    pub solicited: bool,
    /// O: it replaces what the receiver knows.
    pub overrides: bool,
    /// Whose MAC it tells.
    pub target: Ipv6Addr,
    /// The target link-layer address option, when it is the first option.
    pub link_layer: Option<Mac>,
}

const HEADER: usize = 40;
const NEXT_HEADER_ICMPV6: u8 = 58;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// Reads a packet without extension headers.
pub(super) fn decode(ip: &[u8]) -> Option<What> {
    let (header, payload) = ip.split_at_checked(HEADER)?;
    let source = Ipv6Addr::from(at::<16>(header, 8)?);
    let [next_header, hop_limit] = at(header, 6)?;
    match (next_header, *payload.first()?) {
        (PROTOCOL_VRRP, _) => {
            let [first, vrid, priority] = at(payload, 0)?;
            let (source, version) = (source.into(), first >> 4);
            Some(What::Advert { source, hop_limit, version, vrid, priority })
        }
        (NEXT_HEADER_ICMPV6, ECHO_REPLY) => Some(What::EchoReply { source: source.into() }),
        (NEXT_HEADER_ICMPV6, NEIGHBOR_ADVERTISEMENT) => {
            let [flags] = at(payload, 4)?;
            let link_layer = match at(payload, 24) {
                Some([TARGET_LINK_LAYER, 1]) => Some(Mac(at(payload, 26)?)),
                _ => None,
            };
            Some(What::NeighborAdvert(NeighborAdvert {
                source,
                destination: at::<16>(header, 24)?.into(),
                hop_limit,
                router: flags & 0x80 != 0,
                solicited: flags & 0x40 != 0,
                overrides: flags & 0x20 != 0,
                target: at::<16>(payload, 8)?.into(),
                link_layer,
            }))
        }
        _ => None,
    }
}

/// The group in which the owner of `target` listens (RFC 4291 2.7.1), and the MAC of that group.
pub fn solicited_node(target: Ipv6Addr) -> NdParty {
    let [.., a, b, c] = target.octets();
    let group =
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    (Mac([0x33, 0x33, 0xff, a, b, c]), group)
}

/// A Neighbor Solicitation frame for `target`. Sent to `to`, it is the unicast of somebody who
/// verifies what he knows; without `to`, it goes to the solicited-node group. A sender with the
/// unspecified address is one who looks for duplicates, and does not tell his MAC (RFC 4861 4.3).
pub fn neighbor_solicitation(to: Option<Mac>, sender: NdParty, target: Ipv6Addr) -> Vec<u8> {
    let (to, destination) = to.map_or_else(|| solicited_node(target), |mac| (mac, target));
    let (mac, source) = sender;
    let mut message =
        [&[NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0], &target.octets()[..]].concat();
    if !source.is_unspecified() {
        message.extend([SOURCE_LINK_LAYER, 1]);
        message.extend(mac.0);
    }
    let (addresses, length) = ([source.octets(), destination.octets()].concat(), message.len());
    let length = length as u16;
    let pseudo_header = [&length.to_be_bytes()[..], &[0, NEXT_HEADER_ICMPV6]].concat();
    let checksum = internet_checksum(&[&addresses[..], &pseudo_header, &message].concat());
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let header = [&[0x60, 0, 0, 0], &length.to_be_bytes()[..], &[NEXT_HEADER_ICMPV6, 255]].concat();
    [ethernet(to, mac, ETHERTYPE_IPV6), header, addresses, message].concat()
}

/// An ICMPv6 echo request message (RFC 4443 4.1) with 24 bytes of padding, for a socket that fills
/// in the checksum.
pub(crate) fn echo_request(identifier: u16, sequence: u16) -> Vec<u8> {
    let head = [ECHO_REQUEST, 0, 0, 0];
    let message = [&head[..], &identifier.to_be_bytes(), &sequence.to_be_bytes(), &[0; 24]];
    message.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    const ASKER: NdParty = (Mac::local(1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x1234, 0x5678);

    /// The rig's own questions go where RFC 4861 7.2.2 wants them.
    #[test]
    fn a_solicitation_goes_to_the_group_of_its_target() {
        let frame = neighbor_solicitation(None, ASKER, VIP);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x34, 0x56, 0x78]);
        assert_eq!(frame[38..54], "ff02::1:ff34:5678".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(frame.len(), 14 + 40 + 24 + 8);
        let probe = neighbor_solicitation(None, (ASKER.0, Ipv6Addr::UNSPECIFIED), VIP);
        assert_eq!(probe.len(), 14 + 40 + 24);
    }

    /// A message with its checksum in place sums to zero with its pseudo-header (RFC 4443 2.3).
    #[test]
    fn a_solicitation_carries_its_checksum() {
        let frame = neighbor_solicitation(Some(Mac::local(2)), ASKER, VIP);
        let pseudo_header = [&frame[22..54], &[0, 32, 0, NEXT_HEADER_ICMPV6]].concat();
        assert_eq!(internet_checksum(&[&pseudo_header[..], &frame[54..]].concat()), 0);
    }

    /// Flags, target and link-layer address are read from where RFC 4861 4.4 puts them,
    /// and no prefix makes the decoder read beyond its end.
    #[test]
    fn an_advertisement_is_read() {
        let mut frame = neighbor_solicitation(Some(Mac::local(2)), ASKER, VIP);
        frame[54] = NEIGHBOR_ADVERTISEMENT;
        frame[58] = 0xa0;
        frame[78] = TARGET_LINK_LAYER;
        let expected = NeighborAdvert {
            source: ASKER.1,
            destination: VIP,
            hop_limit: 255,
            router: true,
            solicited: false,
            overrides: true,
            target: VIP,
            link_layer: Some(ASKER.0),
        };
        assert_eq!(wire::decode(&frame), Some(What::NeighborAdvert(expected)));
        for length in 0..78 {
            assert_eq!(wire::decode(&frame[..length]), None, "{length} bytes");
        }
    }
}
