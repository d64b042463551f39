//! Frames to feed the program with.

use vrrp_common::{
    AdverInterval, Priority, Version, Vrid,
    wire::{
        Mac,
        checksum::Sum,
        ethernet::{self, BROADCAST},
        ipv4::{self, VRRP_GROUP, advert_header, group_mac},
        ipv6,
        vrrp::{Advertisement, Auth, Coverage},
    },
};

use super::{
    DEVICE_MAC, GLOBAL, LINK_LOCAL, PEER, PEER_V6, VIP, VIRTUAL_MAC, VIRTUAL_MAC_V6, VRID,
};

/// A host that asks.
pub(crate) const HOST: Mac = [2, 0, 0, 0, 0, 0x64];
const HOST_V6: [u8; 16] = [0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64];
const HOST_IP: [u8; 4] = [192, 0, 2, 100];

/// An ARP frame.
#[derive(Clone, Copy)]
pub(crate) struct Arp {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    pub(crate) hardware: u16,
    pub(crate) protocol: u16,
    pub(crate) lengths: [u8; 2],
    pub(crate) operation: u16,
    pub(crate) sender: (Mac, [u8; 4]),
    pub(crate) target: (Mac, [u8; 4]),
}

impl Arp {
    /// The ordinary broadcast request for `address`.
    pub(crate) const fn request(address: [u8; 4]) -> Self {
        Self {
            destination: BROADCAST,
            source: HOST,
            hardware: 1,
            protocol: 0x0800,
            lengths: [6, 4],
            operation: 1,
            sender: (HOST, HOST_IP),
            target: ([0; 6], address),
        }
    }

    /// The answer that the program owes to this request.
    pub(crate) const fn answer(&self) -> Self {
        Self {
            destination: self.sender.0,
            source: DEVICE_MAC,
            operation: 2,
            sender: (VIRTUAL_MAC, self.target.1),
            target: self.sender,
            ..*self
        }
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame = ethernet::header(self.destination, self.source, ethernet::ARP).to_vec();
        frame.extend(self.hardware.to_be_bytes());
        frame.extend(self.protocol.to_be_bytes());
        frame.extend(self.lengths);
        frame.extend(self.operation.to_be_bytes());
        for (mac, address) in [self.sender, self.target] {
            frame.extend(mac);
            frame.extend(address);
        }
        frame
    }
}

/// An advert of a peer, with the priority of [`super::v3_rules`]' router.
#[derive(Clone)]
pub(crate) struct Advert {
    pub(crate) version: Version,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) centiseconds: u16,
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    pub(crate) ttl: u8,
    pub(crate) identification: u16,
    pub(crate) addresses: Vec<[u8; 4]>,
    pub(crate) auth: Auth,
    pub(crate) coverage: Coverage,
}

impl Default for Advert {
    fn default() -> Self {
        Self {
            version: Version::V3,
            vrid: VRID,
            priority: 100,
            centiseconds: 100,
            source: PEER,
            destination: VRRP_GROUP,
            ttl: ipv4::TTL,
            identification: 1,
            addresses: vec![VIP],
            auth: Auth::None,
            coverage: Coverage::Message,
        }
    }
}

impl Advert {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let advertisement = Advertisement {
            version: self.version,
            vrid: Vrid::new(self.vrid).unwrap(),
            priority: Priority::new(self.priority),
            interval: AdverInterval::from_centiseconds(self.centiseconds).unwrap(),
            addresses: &self.addresses,
            auth: self.auth,
            coverage: self.coverage,
        };
        let mut message = vec![0xa5; advertisement.length()];
        advertisement.emit(self.source, self.destination, &mut message).unwrap();
        let header = advert_header(
            self.source,
            self.destination,
            self.ttl,
            self.identification,
            message.len(),
        );
        let link =
            ethernet::header(group_mac(self.destination), [2, 0, 0, 0, 0, 3], ethernet::IPV4);
        [&link[..], &header, &message].concat()
    }
}

/// An advert of a peer with IPv6.
#[derive(Clone)]
pub(crate) struct Advert6 {
    pub(crate) priority: u8,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) hop_limit: u8,
    pub(crate) addresses: Vec<[u8; 16]>,
}

impl Default for Advert6 {
    fn default() -> Self {
        Self {
            priority: 100,
            source: PEER_V6,
            destination: ipv6::VRRP_GROUP,
            hop_limit: ipv6::HOP_LIMIT,
            addresses: vec![LINK_LOCAL, GLOBAL],
        }
    }
}

impl Advert6 {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let advertisement = Advertisement {
            version: Version::V3,
            vrid: Vrid::new(VRID).unwrap(),
            priority: Priority::new(self.priority),
            interval: AdverInterval::DEFAULT,
            addresses: &self.addresses,
            auth: Auth::None,
            coverage: Coverage::default(),
        };
        let mut message = vec![0xa5; advertisement.length()];
        advertisement.emit(self.source, self.destination, &mut message).unwrap();
        let header =
            ipv6::advert_header(self.source, self.destination, self.hop_limit, message.len());
        let group = ipv6::group_mac(self.destination);
        let link = ethernet::header(group, [2, 0, 0, 0, 0, 3], ethernet::IPV6);
        [&link[..], &header, &message].concat()
    }
}

/// A Neighbor Solicitation.
#[derive(Clone)]
pub(crate) struct Solicitation {
    pub(crate) destination_mac: Mac,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) target: [u8; 16],
    pub(crate) options: Vec<u8>,
}

impl Solicitation {
    /// The ordinary one for `target`.
    pub(crate) fn of(target: [u8; 16]) -> Self {
        let group = ipv6::solicited_node(target);
        Self {
            destination_mac: ipv6::group_mac(group),
            source: HOST_V6,
            destination: group,
            target,
            options: [&[1, 1], &HOST[..]].concat(),
        }
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let message = [&[135, 0, 0, 0, 0, 0, 0, 0], &self.target[..], &self.options].concat();
        nd(self.destination_mac, HOST, self.source, self.destination, &message)
    }

    /// The advertisement that the program owes to it.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let mac = [&[2, 1], &VIRTUAL_MAC_V6[..]].concat();
        let probe = self.source == [0; 16];
        let flags = if probe { 0xa0 } else { 0xe0 };
        let message = [&[136, 0, 0, 0, flags, 0, 0, 0], &self.target[..], &mac].concat();
        let (to, destination) = if probe {
            (ipv6::group_mac(ipv6::ALL_NODES), ipv6::ALL_NODES)
        } else {
            (HOST, self.source)
        };
        nd(to, DEVICE_MAC, self.target, destination, &message)
    }
}

/// An ICMPv6 message as a frame, its checksum filled in.
pub(crate) fn nd(
    to: Mac,
    from: Mac,
    source: [u8; 16],
    destination: [u8; 16],
    message: &[u8],
) -> Vec<u8> {
    let length = message.len();
    let link = ethernet::header(to, from, ethernet::IPV6);
    let header = ipv6::header(0, ipv6::ICMP, ipv6::HOP_LIMIT, length, source, destination);
    let pseudo = ipv6::pseudo_header(source.into(), destination.into(), ipv6::ICMP, length);
    let checksum = pseudo.octets(message).complement();
    let mut frame = [&link[..], &header, message].concat();
    frame[56..58].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// A packet of `protocol` from a host to `destination`.
pub(crate) fn ip(protocol: u8, destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let header = advert_header(HOST_IP, destination, 64, 1, payload.len());
    let link = ethernet::header(DEVICE_MAC, HOST, ethernet::IPV4);
    let mut frame = [&link[..], &header, payload].concat();
    frame[23] = protocol;
    seal_ip(&mut frame);
    frame
}

/// The frame with tags, outermost first: EtherType and tag control of each.
pub(crate) fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let octets: Vec<u8> = tags
        .iter()
        .flat_map(|(kind, control)| [kind.to_be_bytes(), control.to_be_bytes()].concat())
        .collect();
    [&frame[..12], &octets, &frame[12..]].concat()
}

/// The frame as a driver delivers it: at least 60 octets, the rest whatever was in the buffer.
pub(crate) fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(60.max(frame.len()), 0xa5);
    frame
}

/// Makes the IP header's checksum of an untagged frame right.
pub(crate) fn seal_ip(frame: &mut [u8]) {
    let end = ethernet::HEADER + usize::from(frame[14] & 0xf) * 4;
    seal(&mut frame[ethernet::HEADER..end], 10);
}

/// Fills in the checksum at `field` over all of `octets`.
pub(crate) fn seal(octets: &mut [u8], field: usize) {
    octets[field..field + 2].fill(0);
    let checksum = Sum::default().octets(octets).complement();
    octets[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
}
