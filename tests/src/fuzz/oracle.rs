//! The second opinion on adverts: RFC 9568 7.1, RFC 3768 7.1 and 5.1 read as lists of demands on a
//! slice of octets. It knows nothing of rungs, words or frames: it finds all faults of an advert,
//! where the ladder stops at the first.

use std::net::{IpAddr, Ipv6Addr};

use vrrp_common::{
    Family, Version,
    ladder::{Believe, Reject, Rules},
    wire::vrrp::Auth,
};

use super::naive::{behind_options, is_intact, pseudo_header, word};

/// Octets of an IP authentication header.
pub(super) const AH: usize = 24;

/// How an advert is to be read.
pub(super) struct Reader<'a> {
    pub(super) family: Family,
    pub(super) rules: &'a Rules,
    /// The addresses of the virtual router, which the rules have as a number only.
    pub(super) addresses: &'a [IpAddr],
    /// The message stands behind an authentication header that somebody has found right.
    pub(super) vouched: bool,
    /// What the checksum of IPv6 covers besides the message, which it follows.
    pub(super) trailer: &'a [u8],
}

/// What an advert is found to be.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// All that is wrong; no order.
    pub(super) faults: Vec<Reject>,
    /// What it says, where enough came in.
    pub(super) said: Option<Said>,
}

/// What an advert says.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) vrid: u8,
    pub(super) priority: u8,
    /// In centiseconds.
    pub(super) interval: u16,
    pub(super) addresses: Vec<IpAddr>,
    /// Its checksum is right with the pseudo-header, and believed.
    pub(super) pseudo_header: bool,
    pub(super) addresses_differ: bool,
    /// The message without what stands behind it.
    pub(super) message: Vec<u8>,
}

/// What the IP header says of the message.
struct Envelope<'a> {
    source: IpAddr,
    destination: IpAddr,
    hops: u8,
    /// The octets of both addresses.
    addresses: &'a [u8],
    /// From the message's first octet to the end of what came in.
    rest: &'a [u8],
    /// Octets that the message may have.
    length: Option<usize>,
}

impl Finding {
    fn demand(&mut self, holds: bool, otherwise: Reject) {
        if !holds {
            self.faults.push(otherwise);
        }
    }
}

impl Reader<'_> {
    /// Reads a packet of which it is known that it carries protocol 112.
    pub(super) fn read(&self, packet: &[u8]) -> Finding {
        let mut finding = Finding::default();
        let envelope = match self.family {
            Family::V4 => self.open_ipv4(packet, &mut finding),
            Family::V6 => self.open_ipv6(packet, &mut finding),
        };
        match envelope {
            Some(envelope) => {
                self.read_envelope(&envelope, &mut finding);
                finding.said = self.read_message(&envelope, &mut finding);
            }
            None => finding.faults.push(Reject::Length),
        }
        finding
    }

    fn open_ipv4<'p>(&self, packet: &'p [u8], finding: &mut Finding) -> Option<Envelope<'p>> {
        let fixed = packet.get(..20)?;
        let header_length = usize::from(fixed[0] % 16) * 4;
        let total = word(&fixed[2..]) as usize;
        finding.demand(fixed[0] / 16 == 4, Reject::IpHeader);
        finding.demand(header_length >= 20, Reject::IpHeader);
        finding.demand(total >= header_length, Reject::IpHeader);
        let more_fragments = fixed[6] & 0b0010_0000 != 0;
        let offset = word(&fixed[6..]) % 0x2000;
        finding.demand(!more_fragments && offset == 0, Reject::Fragment);
        let header = packet.get(..header_length)?;
        finding.demand(is_intact(header), Reject::IpHeader);
        finding.demand(total <= packet.len(), Reject::Length);
        let source = [fixed[12], fixed[13], fixed[14], fixed[15]];
        finding.demand(source != [0; 4] && source[0] < 224, Reject::Source);
        let start = header_length + if self.vouched { AH } else { 0 };
        Some(Envelope {
            source: source.into(),
            destination: [fixed[16], fixed[17], fixed[18], fixed[19]].into(),
            hops: fixed[8],
            addresses: &fixed[12..20],
            rest: packet.get(start..)?,
            length: total.checked_sub(start),
        })
    }

    fn open_ipv6<'p>(&self, packet: &'p [u8], finding: &mut Finding) -> Option<Envelope<'p>> {
        let (_, options) = behind_options(packet)?;
        let header = packet.get(..40)?;
        let address = |at: usize| header[at..].first_chunk::<16>().map(|it| Ipv6Addr::from(*it));
        let (source, destination) = (address(8)?, address(24)?);
        let payload = word(&header[4..]) as usize;
        finding.demand(header[0] / 16 == 6, Reject::IpHeader);
        finding.demand(40 + payload <= packet.len(), Reject::Length);
        if self.rules.unicast {
            let is_host = !source.is_unspecified() && !source.is_multicast();
            finding.demand(is_host, Reject::Source);
        } else {
            finding.demand(source.is_unicast_link_local(), Reject::Source);
        }
        Some(Envelope {
            source: source.into(),
            destination: destination.into(),
            hops: header[7],
            addresses: &header[8..],
            rest: packet.get(40 + options..)?,
            length: payload.checked_sub(options),
        })
    }

    fn read_envelope(&self, envelope: &Envelope<'_>, finding: &mut Finding) {
        let (own, destination) =
            (self.rules.own.to_ip(self.family), self.rules.destination.to_ip(self.family));
        finding.demand(envelope.source != own, Reject::OwnSource);
        finding.demand(envelope.destination == destination, Reject::Destination);
        finding.demand(self.rules.unicast || envelope.hops == 255, Reject::Ttl);
    }

    fn read_message(&self, envelope: &Envelope<'_>, finding: &mut Finding) -> Option<Said> {
        let header = envelope.rest.get(..8).or_else(|| {
            finding.faults.push(Reject::Length);
            None
        })?;
        let is_v2 = self.family == Family::V4 && self.rules.version == Version::V2;
        finding.demand(header[0] / 16 == if is_v2 { 2 } else { 3 }, Reject::Version);
        finding.demand(header[0] % 16 == 1, Reject::Type);

        let count = usize::from(header[3]);
        let size = if self.family == Family::V4 { 4 } else { 16 };
        let addresses_end = 8 + count * size;
        let end = addresses_end + if is_v2 { 8 } else { 0 };
        finding.demand(envelope.length.is_some_and(|length| length >= end), Reject::Length);
        let Some(message) = envelope.rest.get(..end) else {
            finding.faults.push(Reject::Length);
            return None;
        };
        let addresses: Vec<IpAddr> = message[8..addresses_end].chunks(size).map(address).collect();
        let addresses_differ = !are_same(&addresses, self.addresses);
        let mut said = Said {
            source: envelope.source,
            destination: envelope.destination,
            vrid: header[1],
            priority: header[2],
            interval: 0,
            addresses,
            pseudo_header: false,
            addresses_differ,
            message: message.to_vec(),
        };
        finding.demand(!self.rules.owner_ignores, Reject::LocalOwner);
        if is_v2 {
            self.read_v2(&mut said, finding);
        } else {
            let pseudo = pseudo_header(envelope.addresses, 112, end + self.trailer.len());
            self.read_v3(&mut said, &pseudo, finding);
        }
        Some(said)
    }

    fn read_v2(&self, said: &mut Said, finding: &mut Finding) {
        let (message, rules) = (&said.message, self.rules);
        finding.demand(is_intact(message), Reject::Checksum);
        let (kind, data) = match rules.auth {
            Auth::None => (0, None),
            Auth::Pass(password) => (1, Some(password)),
            Auth::Header => (2, None),
        };
        finding.demand(message[4] == kind, Reject::AuthType);
        finding.demand(data.is_none_or(|data| message.ends_with(&data)), Reject::AuthData);
        finding.demand(rules.auth != Auth::Header || self.vouched, Reject::AuthData);
        let is_tolerated = !rules.check_addresses || !said.addresses_differ || said.priority == 255;
        finding.demand(is_tolerated, Reject::AddressList);
        finding.demand(message[5] == rules.adver_int, Reject::Interval);
        said.interval = u16::from(message[5]) * 100;
    }

    fn read_v3(&self, said: &mut Said, pseudo: &[u8], finding: &mut Finding) {
        let is_v6 = self.family == Family::V6;
        let believe = self.rules.believe;
        let with_pseudo = is_intact(&[pseudo, &said.message, self.trailer].concat())
            && (is_v6 || believe != Believe::Message);
        let alone = is_intact(&said.message) && !is_v6 && believe != Believe::PseudoHeader;
        finding.demand(with_pseudo || alone, Reject::Checksum);
        finding.demand(!said.addresses.is_empty(), Reject::CountZero);
        if is_v6 && self.rules.link_local_first && !self.rules.unicast {
            let first_is_link_local = match said.addresses.first() {
                Some(IpAddr::V6(first)) => first.is_unicast_link_local(),
                _ => false,
            };
            finding.demand(first_is_link_local, Reject::FirstNotLinkLocal);
        }
        said.interval = (word(&said.message[4..]) % 0x1000) as u16;
        finding.demand(said.interval != 0, Reject::IntervalZero);
        said.pseudo_header = with_pseudo;
    }
}

/// An address of either family from its octets.
fn address(octets: &[u8]) -> IpAddr {
    match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
        (Ok(octets), _) => octets.into(),
        (_, Ok(octets)) => octets.into(),
        _ => unreachable!("addresses have 4 or 16 octets"),
    }
}

/// The same addresses in any order. The inputs of the fuzzer mostly have them in reverse, which needs
/// no sorting.
fn are_same(some: &[IpAddr], others: &[IpAddr]) -> bool {
    let sorted = |addresses: &[IpAddr]| {
        let mut addresses = addresses.to_vec();
        addresses.sort();
        addresses
    };
    some.len() == others.len() && (some.iter().rev().eq(others) || sorted(some) == sorted(others))
}
