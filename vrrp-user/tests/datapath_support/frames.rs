//! Frames to feed the program with.

use vrrp_common::{
    AdverInterval, Priority, Version, Vrid,
    wire::{
        Mac,
        checksum::Sum,
        ethernet::{self, BROADCAST},
        ipv4::{self, VRRP_GROUP, advert_header, group_mac},
        vrrp::{Advertisement, Auth, Coverage},
    },
};

use super::{DEVICE_MAC, PEER, VIP, VIRTUAL_MAC, VRID};

/// A host that asks.
pub(crate) const HOST: Mac = [2, 0, 0, 0, 0, 0x64];
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
