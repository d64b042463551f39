//! VRRP adverts in full: what a daemon sent, and what a peer says that is no daemon.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::{
    ETHERNET_HEADER, ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_HEADER, Mac, PROTOCOL_VRRP, at, ethernet,
    internet_checksum, ipv4,
};

/// The groups of RFC 9568 5.1.1.2 and 5.1.2.2.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// See [`GROUP`].
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

const ADVERTISEMENT: u8 = 1;
const HEADER: usize = 8;
const AUTH_DATA: usize = 8;

const IPV6_HEADER: usize = 40;
const CENTISECOND: Duration = Duration::from_millis(10);

/// An advert with its envelope. A field of the message that follows from others (count, checksum)
/// is made when it is written and verified when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Destination MAC.
    pub to: Mac,
    /// Source MAC.
    pub from: Mac,
    /// IP source; its family is that of the advert.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// 2 or 3.
    pub version: u8,
    /// Virtual router.
    pub vrid: u8,
    /// 0 when the sender resigns.
    pub priority: u8,
    /// Seconds in version 2, centiseconds in version 3.
    pub interval: Duration,
    /// The four bits before the interval; in version 2 the authentication type.
    pub reserved: u8,
    /// All of them, in their order.
    pub addresses: Vec<IpAddr>,
    /// Authentication data; version 3 has none.
    pub password: [u8; AUTH_DATA],
}

impl Advert {
    /// A good one of version 3 to the group, priority 100, an advert each second.
    pub fn new(from: Mac, source: IpAddr, vrid: u8, addresses: Vec<IpAddr>) -> Self {
        let (to, destination) = match source {
            IpAddr::V4(_) => (Mac([1, 0, 0x5e, 0, 0, 0x12]), GROUP.into()),
            IpAddr::V6(_) => (Mac([0x33, 0x33, 0, 0, 0, 0x12]), GROUP_V6.into()),
        };
        Self {
            to,
            from,
            source,
            destination,
            hop_limit: 255,
            version: 3,
            vrid,
            priority: 100,
            interval: Duration::from_secs(1),
            reserved: 0,
            addresses,
            password: [0; AUTH_DATA],
        }
    }

    /// Reads an untagged frame without IP options or extension headers. `None` unless it is an
    /// advertisement that is complete, as long as its IP header says, and has a right checksum.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let (link, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
        let (source, destination, hop_limit, message): (IpAddr, IpAddr, u8, &[u8]) =
            match (u16::from_be_bytes(at(link, 12)?), *packet.first()?) {
                (ETHERTYPE_IPV4, 0x45) => {
                    let length = usize::from(u16::from_be_bytes(at(packet, 2)?));
                    let (header, message) = packet.get(..length)?.split_at_checked(IPV4_HEADER)?;
                    let [hop_limit, protocol] = at(header, 8)?;
                    let is_sound = protocol == PROTOCOL_VRRP && internet_checksum(header) == 0;
                    let addresses = (at::<4>(header, 12)?.into(), at::<4>(header, 16)?.into());
                    is_sound.then_some((addresses.0, addresses.1, hop_limit, message))?
                }
                (ETHERTYPE_IPV6, _) => {
                    let (header, message) = packet.split_at_checked(IPV6_HEADER)?;
                    let [high, low, next_header, hop_limit] = at(header, 4)?;
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    let addresses = (at::<16>(header, 8)?.into(), at::<16>(header, 24)?.into());
                    let message = message.get(..length)?;
                    (next_header == PROTOCOL_VRRP).then_some((
                        addresses.0,
                        addresses.1,
                        hop_limit,
                        message,
                    ))?
                }
                _ => return None,
            };
        let [first, vrid, priority, count] = at(message, 0)?;
        let version = first >> 4;
        let size = if source.is_ipv4() { 4 } else { 16 };
        let password = if version == 2 { AUTH_DATA } else { 0 };
        let end = HEADER + usize::from(count) * size;
        let is_complete = message.len() == end + password && first & 0x0f == ADVERTISEMENT;
        let body = is_complete.then(|| &message[HEADER..end])?;
        let addresses = body.chunks(size).filter_map(|octets| {
            let v4 = || octets.first_chunk::<4>().map(|octets| IpAddr::from(*octets));
            octets.first_chunk::<16>().map(|octets| IpAddr::from(*octets)).or_else(v4)
        });
        let [high, low] = at(message, 4)?;
        let advert = Self {
            to: Mac(at(link, 0)?),
            from: Mac(at(link, 6)?),
            source,
            destination,
            hop_limit,
            version,
            vrid,
            priority,
            reserved: if version == 2 { high } else { high >> 4 },
            interval: match version {
                2 => Duration::from_secs(low.into()),
                _ => CENTISECOND * u32::from(u16::from_be_bytes([high & 0x0f, low])),
            },
            addresses: addresses.collect(),
            password: at(message, end).unwrap_or_default(),
        };
        let sent = at(message, 6)?;
        advert.checksums().contains(&sent).then_some(advert)
    }

    /// The frame, in IPv4 of version 3 with the checksum over message and pseudo-header, which
    /// keepalived sends.
    pub fn frame(&self) -> Vec<u8> {
        let mut message = self.message();
        message[6..8].copy_from_slice(&self.checksums()[0]);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let ends = (source, destination);
                ipv4((self.to, self.from), ends, self.hop_limit, PROTOCOL_VRRP, &message)
            }
            (source, destination) => {
                let length = message.len() as u16;
                let fixed = [PROTOCOL_VRRP, self.hop_limit];
                let header = [&[0x6c, 0, 0, 0], &length.to_be_bytes()[..], &fixed].concat();
                let addresses = [octets(source), octets(destination)].concat();
                let link = ethernet(self.to, self.from, ETHERTYPE_IPV6);
                [link, header, addresses, message].concat()
            }
        }
    }

    /// The message with 0 as its checksum.
    fn message(&self) -> Vec<u8> {
        let [high, low] = if self.version == 2 {
            [self.reserved, self.interval.as_secs() as u8]
        } else {
            let field = (self.interval.as_millis() / CENTISECOND.as_millis()) as u16;
            (field | u16::from(self.reserved) << 12).to_be_bytes()
        };
        let first = self.version << 4 | ADVERTISEMENT;
        let count = self.addresses.len() as u8;
        let mut message = vec![first, self.vrid, self.priority, count, high, low, 0, 0];
        self.addresses.iter().for_each(|address| message.extend(octets(*address)));
        if self.version == 2 {
            message.extend(self.password);
        }
        message
    }

    /// The right checksums: over pseudo-header and message (RFC 5798 5.2.8, RFC 8200 8.1), and, in
    /// IPv4, over the message alone (RFC 9568 5.2.8); of version 2 there is only the latter.
    fn checksums(&self) -> Vec<[u8; 2]> {
        let message = self.message();
        let length = (message.len() as u32).to_be_bytes();
        let addresses = [octets(self.source), octets(self.destination)].concat();
        let pseudo = match self.source {
            IpAddr::V4(_) => [&addresses[..], &[0, PROTOCOL_VRRP], &length[2..]].concat(),
            IpAddr::V6(_) => [&addresses[..], &length, &[0, 0, 0, PROTOCOL_VRRP]].concat(),
        };
        let with_pseudo = internet_checksum(&[pseudo, message.clone()].concat()).to_be_bytes();
        let alone = internet_checksum(&message).to_be_bytes();
        match (self.source, self.version) {
            (_, 2) => vec![alone],
            (IpAddr::V4(_), _) => vec![with_pseudo, alone],
            (IpAddr::V6(_), _) => vec![with_pseudo],
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Mac = Mac::local(3);

    fn adverts() -> Vec<Advert> {
        let v4 = |host| IpAddr::from([192, 0, 2, host]);
        let version_3 = Advert::new(PEER, v4(3), 51, vec![v4(254), v4(1)]);
        let v6 = |host| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, host]);
        let ipv6 = Advert { reserved: 5, ..Advert::new(PEER, v6(3), 51, vec![v6(0x33)]) };
        let version_2 =
            Advert { version: 2, reserved: 1, password: *b"abc\0\0\0\0\0", ..version_3.clone() };
        vec![version_3, version_2, ipv6]
    }

    /// The rig reads what it writes, and nothing of which a bit of the message has flipped
    /// or the end is missing.
    #[test]
    fn adverts_read_back() {
        for advert in adverts() {
            let frame = advert.frame();
            assert_eq!(Advert::read(&frame), Some(advert.clone()));
            let message = frame.len() - advert.message().len();
            for bit in message * 8..frame.len() * 8 {
                let mut flipped = frame.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Advert::read(&flipped), None, "bit {bit}");
            }
            for length in 0..frame.len() {
                assert_eq!(Advert::read(&frame[..length]), None, "{length} octets");
            }
        }
    }

    /// What others have written is read: a version 2 advert of the vector file.
    #[test]
    fn a_vector_is_read() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/vectors.json");
        let vectors = crate::vectors::read(file.as_ref()).unwrap();
        for vector in vectors.iter().filter(|vector| vector.kind == "vrrp-advert" && vector.valid) {
            let frame = vector.frame().unwrap();
            let is_plain = frame[12..14] != [0x81, 0] && frame[14] & 0x0f != 6;
            let exceptions = ["padded", "trailing", "ah", "ffff", "hopbyhop", "pol_"];
            if is_plain && !exceptions.iter().any(|name| vector.name.contains(name)) {
                let advert = Advert::read(&frame);
                let advert = advert.unwrap_or_else(|| panic!("{} is not read", vector.name));
                assert_eq!(advert.vrid, frame[frame.len() - advert.message().len() + 1]);
            }
        }
    }
}
