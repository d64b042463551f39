//! The receive ladder: every check that an advert of either family must pass, in the order of
//! RFC 9568 7.1 and RFC 3768 7.1, preceded by what the IP layer would have checked. One rung, one [`Reject`], one
//! counter. An advert that fails has no other effect (R-7.1-13).

use crate::{
    Addr, Family, Frame, Version,
    wire::{checksum::Sum, ipv4, ipv6, vrrp},
};

mod reject;
mod rules;

pub use reject::Reject;
use rules::field;
pub use rules::{Believe, PackedRules, Rank, Rules};

/// An advert that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub source: Addr,
    /// Its priority, 0 included.
    pub priority: u8,
    /// Its interval in centiseconds, never 0.
    pub interval: u16,
    /// True when its v3 checksum covered the pseudo-header, too.
    pub pseudo_header: bool,
    /// True when its addresses are not ours.
    pub addresses_differ: bool,
    /// Stands for all that it said: two adverts with one digest say the same. Never 0.
    pub digest: u64,
}

impl Heard {
    /// Its sender's priority and address.
    #[inline(always)]
    pub const fn rank(&self) -> Rank {
        Rank { priority: self.priority, address: self.source }
    }

    /// Priority, interval and whether the addresses differ as one word, for a slot; the source has
    /// two of its own.
    #[inline(always)]
    pub const fn to_word(&self) -> u64 {
        (self.addresses_differ as u64) << 24 | (self.priority as u64) << 16 | self.interval as u64
    }

    /// What [`Self::to_word`] put into the word, and the source; the rest is not in them.
    pub const fn from_word(word: u64, source: Addr, digest: u64) -> Self {
        Self {
            source,
            priority: (word >> 16) as u8,
            interval: word as u16,
            pseudo_header: false,
            addresses_differ: word >> 24 & 1 != 0,
            digest,
        }
    }
}

/// A packet of protocol 112 that says which virtual router it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// VRID, 0 included.
    pub vrid: u8,
    /// Family of the packet.
    family: Family,
    /// Where the IP header begins.
    network: usize,
    /// Where the VRRP message begins.
    message: usize,
    /// Octets from there to the end of the IP packet.
    length: usize,
    /// An IP authentication header stood before the message, and was found right.
    vouched: bool,
    /// What the checksum covers besides the message.
    trailer: Sum,
}

impl Envelope {
    /// Finds the VRID in the IPv4 packet of protocol 112 at `network`. What cannot even be ascribed
    /// to a virtual router is rejected here.
    #[inline(always)]
    pub fn open<F: Frame + ?Sized>(frame: &F, network: usize) -> Result<Self, Reject> {
        Self::find(frame, network, 0)
    }

    /// The same behind an IP authentication header of `length` octets, which the caller has found
    /// right.
    pub fn open_vouched<F: Frame + ?Sized>(
        frame: &F,
        network: usize,
        length: usize,
    ) -> Result<Self, Reject> {
        Ok(Self { vouched: true, ..Self::find(frame, network, length)? })
    }

    #[inline(always)]
    fn find<F: Frame + ?Sized>(frame: &F, network: usize, skip: usize) -> Result<Self, Reject> {
        let header = ipv4::Header(frame.octets(network).ok_or(Reject::Length)?);
        let header_length = header.header_length();
        if header.version() != 4
            || header_length < ipv4::HEADER
            || header.total_length() < header_length
        {
            return Err(Reject::IpHeader);
        }
        if header.is_later_fragment() {
            return Err(Reject::Fragment);
        }
        let message = frame.forget_how(network + header_length + skip);
        let length = header.total_length().checked_sub(header_length + skip);
        Self::read(frame, Family::V4, network, message, length)
    }

    /// Finds the VRID in an IPv6 packet whose payload is of protocol 112.
    #[inline(always)]
    pub fn open_ipv6<F: Frame + ?Sized>(
        frame: &F,
        payload: &ipv6::Payload,
    ) -> Result<Self, Reject> {
        let header = ipv6::Header(frame.octets(payload.network).ok_or(Reject::Length)?);
        if header.version() != 6 {
            return Err(Reject::IpHeader);
        }
        let length = payload.length(&header);
        Self::read(frame, Family::V6, payload.network, payload.start, length)
    }

    #[inline(always)]
    fn read<F: Frame + ?Sized>(
        frame: &F,
        family: Family,
        network: usize,
        message: usize,
        length: Option<usize>,
    ) -> Result<Self, Reject> {
        let start: &[u8; 2] = frame.octets(message).ok_or(Reject::Length)?;
        match length {
            Some(length) if length >= start.len() => {
                let (vouched, trailer) = (false, Sum::new());
                Ok(Self { vrid: start[1], family, network, message, length, vouched, trailer })
            }
            _ => Err(Reject::Length),
        }
    }

    /// True when the packet was sent to a multicast group, not to one host.
    #[inline(always)]
    pub fn is_to_group<F: Frame + ?Sized>(&self, frame: &F) -> bool {
        match self.family {
            Family::V4 => frame
                .octets(self.network)
                .is_some_and(|octets| ipv4::Header(octets).destination()[0] >> 4 == 0xe),
            Family::V6 => frame
                .octets(self.network)
                .is_some_and(|octets| ipv6::Header(octets).destination().is_multicast_v6()),
        }
    }

    /// What the IP packet in `frame` carries: the message and all that follows it. `None` where the
    /// frame is shorter than that.
    pub fn payload<'f>(&self, frame: &'f [u8]) -> Option<&'f [u8]> {
        frame.get(self.message..)?.get(..self.length)
    }

    /// The same with a checksum that covers these octets behind the message, too. Their number is
    /// even.
    #[must_use]
    pub fn covering(self, trailer: &[u8]) -> Self {
        // The pseudo-header has the length, to which they add.
        let length = u16::try_from(trailer.len()).unwrap_or(u16::MAX);
        Self { trailer: self.trailer.octets(trailer).word(length), ..self }
    }

    /// Puts the packet through the ladder of the virtual router that it is for, which is of the
    /// packet's family.
    #[inline(always)]
    pub fn judge<F: Frame + ?Sized>(
        &self,
        frame: &F,
        rules: &PackedRules,
    ) -> Result<Heard, Reject> {
        let packet = match self.family {
            Family::V4 => judge_ipv4(frame, self.network)?,
            Family::V6 => judge_ipv6(frame, self.network, rules)?,
        };
        if packet.source == rules.own {
            return Err(Reject::OwnSource);
        }
        if packet.destination != rules.destination {
            return Err(Reject::Destination);
        }
        if packet.hops != ipv4::TTL && !rules.has(field::UNICAST) {
            return Err(Reject::Ttl);
        }

        let start = frame.forget_how(self.message);
        let message = vrrp::Header(frame.octets(start).ok_or(Reject::Length)?);
        // IPv6 came with VRRPv3.
        let version = match self.family {
            Family::V4 => rules.version(),
            Family::V6 => Version::V3.number(),
        };
        // Before the length, as in the RFC: a message of another version has another layout.
        if message.version() != version {
            return Err(Reject::Version);
        }
        if message.kind() != vrrp::ADVERTISEMENT {
            return Err(Reject::Type);
        }
        let auth_data = match self.family {
            Family::V4 => rules.auth_data(),
            Family::V6 => 0,
        };
        let end = vrrp::HEADER + message.count() * self.family.address_length();
        if self.length < end + auth_data {
            return Err(Reject::Length);
        }
        // Its end must have come in, even where nobody reads it.
        frame.octets::<0>(self.message + self.length).ok_or(Reject::Length)?;
        let addresses = Addresses::read(frame, self.family, start + vrrp::HEADER, message.count())
            .ok_or(Reject::Length)?;
        let sum = addresses.sum.plus(message.sum()).plus(self.trailer);

        let heard = if self.family == Family::V6 || rules.is_v3() {
            let pseudo = vrrp::pseudo_header(packet.source, packet.destination, end);
            let pseudo_header = judge_v3(self.family, &message, sum, pseudo, &addresses, rules)?;
            Heard { interval: message.max_advertise_interval(), pseudo_header, ..Heard::default() }
        } else {
            let data: &[u8; vrrp::AUTH_DATA] = frame.octets(start + end).ok_or(Reject::Length)?;
            if !sum.long(u64::from_be_bytes(*data)).is_intact() {
                return Err(Reject::Checksum);
            }
            judge_v2(&message, data, addresses.set, rules, self.vouched)?
        };
        Ok(Heard {
            source: packet.source,
            priority: message.priority(),
            addresses_differ: addresses.set != rules.addresses,
            digest: digest(packet.source, &message, addresses.set),
            ..heard
        })
    }
}

/// What the ladder needs to know of an IP header that is in order.
struct Packet {
    source: Addr,
    destination: Addr,
    /// TTL or hop limit.
    hops: u8,
}

/// The rungs of the IPv4 layer.
#[inline(always)]
fn judge_ipv4<F: Frame + ?Sized>(frame: &F, network: usize) -> Result<Packet, Reject> {
    let header = ipv4::Header(frame.octets(network).ok_or(Reject::Length)?);
    if !header_sum(frame, network, &header).ok_or(Reject::Length)?.is_intact() {
        return Err(Reject::IpHeader);
    }
    if header.more_fragments() {
        return Err(Reject::Fragment);
    }
    let source = header.source();
    // 224.0.0.0/4 and everything above, 255.255.255.255 included, is no host's address.
    if source == [0; 4] || source[0] >= 224 {
        return Err(Reject::Source);
    }
    let (source, destination) = (Addr::v4(source), Addr::v4(header.destination()));
    Ok(Packet { source, destination, hops: header.ttl() })
}

/// The rungs of the IPv6 layer. A fragment never comes here: its header is not walked.
#[inline(always)]
fn judge_ipv6<F: Frame + ?Sized>(
    frame: &F,
    network: usize,
    rules: &PackedRules,
) -> Result<Packet, Reject> {
    let header = ipv6::Header(frame.octets(network).ok_or(Reject::Length)?);
    let (source, destination) = (header.source(), header.destination());
    let is_from_a_router = if rules.has(field::UNICAST) {
        source != Addr::UNSPECIFIED && !source.is_multicast_v6()
    } else {
        source.is_link_local_v6()
    };
    if !is_from_a_router {
        return Err(Reject::Source);
    }
    Ok(Packet { source, destination, hops: header.hop_limit() })
}

/// The rungs of RFC 9568 7.1 behind the length. Returns whether the checksum covered the
/// pseudo-header, which with IPv6 it must.
#[inline(always)]
fn judge_v3(
    family: Family,
    message: &vrrp::Header<'_>,
    sum: Sum,
    pseudo: Sum,
    addresses: &Addresses,
    rules: &PackedRules,
) -> Result<bool, Reject> {
    let is_v6 = family == Family::V6;
    let alone = !is_v6 && sum.is_intact() && !rules.has(field::DISBELIEVE_MESSAGE);
    let with_pseudo =
        pseudo.plus(sum).is_intact() && (is_v6 || !rules.has(field::DISBELIEVE_PSEUDO_HEADER));
    if !alone && !with_pseudo {
        return Err(Reject::Checksum);
    }
    if message.count() == 0 {
        return Err(Reject::CountZero);
    }
    if is_v6
        && rules.has(field::LINK_LOCAL_FIRST)
        && !addresses.first.is_link_local_v6()
        && !rules.has(field::UNICAST)
    {
        return Err(Reject::FirstNotLinkLocal);
    }
    if message.max_advertise_interval() == 0 {
        return Err(Reject::IntervalZero);
    }
    if rules.has(field::OWNER_IGNORES) {
        return Err(Reject::LocalOwner);
    }
    Ok(with_pseudo)
}

/// The rungs of RFC 3768 7.1 behind the checksum.
#[inline(always)]
fn judge_v2(
    message: &vrrp::Header<'_>,
    data: &[u8; vrrp::AUTH_DATA],
    addresses: u64,
    rules: &PackedRules,
    vouched: bool,
) -> Result<Heard, Reject> {
    if rules.has(field::OWNER_IGNORES) {
        return Err(Reject::LocalOwner);
    }
    if message.auth_type() != rules.auth_type() {
        return Err(Reject::AuthType);
    }
    let authentic = match rules.auth_type() {
        0 => true,
        // One comparison of one word takes the same time whatever differs.
        1 => u64::from_be_bytes(*data) == rules.secret,
        _ => vouched,
    };
    if !authentic {
        return Err(Reject::AuthData);
    }
    if rules.has(field::CHECK_ADDRESSES)
        && addresses != rules.addresses
        && message.priority() != 255
    {
        return Err(Reject::AddressList);
    }
    if message.adver_int() != rules.adver_int() {
        return Err(Reject::Interval);
    }
    Ok(Heard { interval: u16::from(message.adver_int()) * 100, ..Heard::default() })
}

/// Sum over the header and its options.
#[inline(always)]
fn header_sum<F: Frame + ?Sized>(
    frame: &F,
    network: usize,
    header: &ipv4::Header<'_>,
) -> Option<Sum> {
    let mut sum = header.sum();
    for option in 0..10 {
        let offset = frame.forget_how(ipv4::HEADER + option * 4);
        if offset >= header.header_length() {
            break;
        }
        sum = sum.quad(*frame.octets(network + offset)?);
    }
    Some(sum)
}

/// The addresses behind the message's header.
struct Addresses {
    sum: Sum,
    /// As of [`address_set`].
    set: u64,
    first: Addr,
}

impl Addresses {
    #[inline(always)]
    fn read<F: Frame + ?Sized>(
        frame: &F,
        family: Family,
        start: usize,
        count: usize,
    ) -> Option<Self> {
        let mut addresses = Self { sum: Sum::new(), set: 0, first: Addr::UNSPECIFIED };
        if family == Family::V6 && count > 0 {
            addresses.first = Addr::v6(*frame.octets(start)?);
        }
        for index in 0..255 {
            let index = frame.forget_how(index);
            if index >= count {
                break;
            }
            let at = start + index * family.address_length();
            let address = match family {
                Family::V4 => Addr::v4(*frame.octets(at)?),
                Family::V6 => Addr::v6(*frame.octets(at)?),
            };
            addresses.sum = addresses.sum.address(address);
            addresses.set = include(addresses.set, address);
        }
        Some(addresses)
    }
}

/// A number that stands for a set of addresses in any order: the sum of their hashes.
pub fn address_set<'a, const N: usize>(addresses: impl IntoIterator<Item = &'a [u8; N]>) -> u64
where
    Addr: From<[u8; N]>,
{
    addresses.into_iter().fold(0, |set, address| include(set, Addr::from(*address)))
}

#[inline(always)]
const fn include(set: u64, address: Addr) -> u64 {
    set.wrapping_add(mix(mix(address.high) ^ address.low))
}

/// Everything that an advert says, as one word, never 0: no advert that is news passes for a
/// repetition, but for one in 2^64.
#[inline(always)]
fn digest(source: Addr, message: &vrrp::Header<'_>, addresses: u64) -> u64 {
    // All but the checksum.
    let [o0, o1, o2, o3, o4, o5, ..] = *message.0;
    let said = u64::from_be_bytes([0, 0, o0, o1, o2, o3, o4, o5]);
    // Odd factors, so that no bit of a word is lost; products that do not wait for each other.
    let sum = addresses
        .wrapping_add(source.high.wrapping_mul(0xff51_afd7_ed55_8ccd))
        .wrapping_add(source.low.wrapping_mul(0xc4ce_b9fe_1a85_ec53))
        .wrapping_add(said.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mix(sum) | 1
}

/// The finalizer of SplitMix64: every bit of the input changes half of the output.
#[inline(always)]
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests;
