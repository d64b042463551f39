//! The receive ladder: every check that an IPv4 advert must pass, in the order of RFC 9568 7.1 and
//! RFC 3768 7.1, preceded by what the IP layer would have checked. One rung, one [`Reject`], one
//! counter. An advert that fails has no other effect (R-7.1-13).

use crate::{
    Frame, Version,
    wire::{checksum::Sum, ipv4, vrrp},
};

/// Why an advert was dropped. The order is the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Reject {
    /// Not a sound IPv4 header: version, header length or header checksum.
    IpHeader,
    /// A fragment.
    Fragment,
    /// The source address is nobody's: zero, broadcast or multicast.
    Source,
    /// The source address is our own: an echo of our advert, or another host with our address.
    OwnSource,
    /// Not sent to the group of the virtual router.
    Destination,
    /// TTL other than 255 (R-5.1.1.3-02).
    Ttl,
    /// Another protocol version than ours (R-7.1-02).
    Version,
    /// Type other than ADVERTISEMENT (R-7.1-03).
    Type,
    /// Shorter than its address count says, or than the IP header says (R-7.1-04).
    Length,
    /// Wrong checksum (R-7.1-05).
    Checksum,
    /// No address (R-5.2.5-02, erratum 8299).
    CountZero,
    /// Interval 0 (R-7.1-08, erratum 8301).
    IntervalZero,
    /// We own the addresses and ignore what others say of them (R-7.1-11, V-7.1-05).
    LocalOwner,
    /// v2: another authentication type than ours (V-5.3.6-01).
    AuthType,
    /// v2: wrong password or digest (V-5.3.6.2-01).
    AuthData,
    /// v2: the address list is checked and differs, and the sender does not own it (V-7.1-09).
    AddressList,
    /// v2: another interval than ours (V-7.1-10).
    Interval,
}

impl Reject {
    /// How many there are.
    pub const COUNT: usize = 17;

    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::IpHeader,
        Self::Fragment,
        Self::Source,
        Self::OwnSource,
        Self::Destination,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Length,
        Self::Checksum,
        Self::CountZero,
        Self::IntervalZero,
        Self::LocalOwner,
        Self::AuthType,
        Self::AuthData,
        Self::AddressList,
        Self::Interval,
    ];

    /// Name in counters (`rejected_<name>`) and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpHeader => "ip_header",
            Self::Fragment => "fragment",
            Self::Source => "source",
            Self::OwnSource => "own_source",
            Self::Destination => "destination",
            Self::Ttl => "ttl",
            Self::Version => "version",
            Self::Type => "type",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::CountZero => "count_zero",
            Self::IntervalZero => "interval_zero",
            Self::LocalOwner => "local_owner",
            Self::AuthType => "auth_type",
            Self::AuthData => "auth_data",
            Self::Interval => "interval",
            Self::AddressList => "address_list",
        }
    }
}

impl Reject {
    /// What was wrong, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::IpHeader => "damaged IP header",
            Self::Fragment => "a fragment",
            Self::Source => "its source is no host's address",
            Self::OwnSource => {
                "it comes from our own address: another host or daemon uses it, or something reflects our adverts"
            }
            Self::Destination => "not sent to the VRRP group",
            Self::Ttl => "TTL is not 255: it was routed",
            Self::Version => "another VRRP version than ours",
            Self::Type => "not an advertisement",
            Self::Length => "too short",
            Self::Checksum => "wrong checksum",
            Self::CountZero => "no address",
            Self::IntervalZero => "interval 0",
            Self::LocalOwner => "this router owns the addresses",
            Self::AuthType => "another authentication type than ours",
            Self::AuthData => "wrong password",
            Self::Interval => "another advert_int than ours",
            Self::AddressList => "other virtual addresses than ours",
        }
    }
}

/// Which v3/IPv4 checksums are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Believe {
    /// Either form; the default, because the deployed base sends both (R-5.2.8-03).
    #[default]
    Either,
    /// Only RFC 9568's, over the message.
    Message,
    /// Only RFC 5798's, with the pseudo-header.
    PseudoHeader,
}

/// What a virtual router demands of an advert, besides the RFCs' constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Version of the virtual router.
    pub version: Version,
    /// Group that adverts are sent to.
    pub group: [u8; 4],
    /// Own source address, 0.0.0.0 for none yet.
    pub own: [u8; 4],
    /// Own effective priority.
    pub own_priority: u8,
    /// v2: authentication.
    pub auth: vrrp::Auth,
    /// v2: own interval in seconds.
    pub adver_int: u8,
    /// v3: which checksums are believed.
    pub believe: Believe,
    /// [`address_set`] of the virtual router's addresses.
    pub addresses: u64,
    /// v2: drop adverts with another address list.
    pub check_addresses: bool,
    /// Drop all adverts, because we own the addresses.
    pub owner_ignores: bool,
}

/// Own priority and address as one word, which orders like "beats" of RFC 9568 6.4.3.
pub const fn own_word(priority: u8, address: [u8; 4]) -> u64 {
    (priority as u64) << 32 | u32::from_be_bytes(address) as u64
}

/// Bits of the first rules word, below the group's 32.
mod field {
    pub(super) const VERSION_3: u64 = 1 << 0;
    pub(super) const CHECK_ADDRESSES: u64 = 1 << 1;
    pub(super) const OWNER_IGNORES: u64 = 1 << 2;
    pub(super) const DISBELIEVE_MESSAGE: u64 = 1 << 3;
    pub(super) const DISBELIEVE_PSEUDO_HEADER: u64 = 1 << 4;
    pub(super) const AUTH: u32 = 8;
    pub(super) const ADVER_INT: u32 = 16;
    pub(super) const GROUP: u32 = 32;
}

impl Rules {
    /// The rules as a slot keeps them.
    pub const fn pack(&self) -> PackedRules {
        let mut rules = (self.auth.number() as u64) << field::AUTH
            | (self.adver_int as u64) << field::ADVER_INT
            | (u32::from_be_bytes(self.group) as u64) << field::GROUP;
        if matches!(self.version, Version::V3) {
            rules |= field::VERSION_3;
        }
        if self.check_addresses {
            rules |= field::CHECK_ADDRESSES;
        }
        if self.owner_ignores {
            rules |= field::OWNER_IGNORES;
        }
        rules |= match self.believe {
            Believe::Either => 0,
            Believe::Message => field::DISBELIEVE_PSEUDO_HEADER,
            Believe::PseudoHeader => field::DISBELIEVE_MESSAGE,
        };
        PackedRules {
            rules,
            addresses: self.addresses,
            secret: u64::from_be_bytes(self.auth.data()),
            own: own_word(self.own_priority, self.own),
        }
    }
}

/// [`Rules`] as four words. Each is looked at only where the ladder needs it: every early decision
/// would double the paths that the kernel's verifier has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedRules {
    /// Group, version, authentication type, interval and flags.
    pub rules: u64,
    /// [`address_set`] of the virtual router's addresses.
    pub addresses: u64,
    /// Password.
    pub secret: u64,
    /// [`own_word`].
    pub own: u64,
}

impl PackedRules {
    #[inline(always)]
    const fn is_v3(&self) -> bool {
        self.has(field::VERSION_3)
    }

    #[inline(always)]
    const fn version(&self) -> u8 {
        2 + (self.rules & field::VERSION_3) as u8
    }

    #[inline(always)]
    const fn group(&self) -> [u8; 4] {
        ((self.rules >> field::GROUP) as u32).to_be_bytes()
    }

    #[inline(always)]
    const fn own_address(&self) -> [u8; 4] {
        (self.own as u32).to_be_bytes()
    }

    #[inline(always)]
    const fn auth_type(&self) -> u8 {
        (self.rules >> field::AUTH) as u8
    }

    #[inline(always)]
    const fn adver_int(&self) -> u8 {
        (self.rules >> field::ADVER_INT) as u8
    }

    #[inline(always)]
    const fn has(&self, flag: u64) -> bool {
        self.rules & flag != 0
    }
}

/// An advert that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub source: [u8; 4],
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
    /// Priority, interval and source as one word.
    #[inline(always)]
    pub const fn to_word(&self) -> u64 {
        (self.priority as u64) << 48
            | (self.interval as u64) << 32
            | u32::from_be_bytes(self.source) as u64
    }

    /// Priority, interval and source of a word; the rest is not in it.
    pub const fn from_word(word: u64, digest: u64) -> Self {
        Self {
            source: (word as u32).to_be_bytes(),
            priority: (word >> 48) as u8,
            interval: (word >> 32) as u16,
            pseudo_header: false,
            addresses_differ: false,
            digest,
        }
    }
}

/// A packet of protocol 112 that says which virtual router it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// VRID, 0 included.
    pub vrid: u8,
    /// Where the IP header begins.
    network: usize,
    /// Where the VRRP message begins.
    message: usize,
    /// Octets from there to the end of the IP packet.
    length: usize,
    /// An IP authentication header stood before the message, and was found right.
    vouched: bool,
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
        let start: &[u8; 2] = frame.octets(message).ok_or(Reject::Length)?;
        match header.total_length().checked_sub(header_length + skip) {
            Some(length) if length >= start.len() => {
                Ok(Self { vrid: start[1], network, message, length, vouched: false })
            }
            _ => Err(Reject::Length),
        }
    }

    /// Puts the packet through the ladder of the virtual router that it is for.
    #[inline(always)]
    pub fn judge<F: Frame + ?Sized>(
        &self,
        frame: &F,
        rules: &PackedRules,
    ) -> Result<Heard, Reject> {
        let header = ipv4::Header(frame.octets(self.network).ok_or(Reject::Length)?);
        let source = header.source();
        let destination = header.destination();

        if !header_sum(frame, self.network, &header).ok_or(Reject::Length)?.is_intact() {
            return Err(Reject::IpHeader);
        }
        if header.more_fragments() {
            return Err(Reject::Fragment);
        }
        // 224.0.0.0/4 and everything above, 255.255.255.255 included, is no host's address.
        if source == [0; 4] || source[0] >= 224 {
            return Err(Reject::Source);
        }
        if source == rules.own_address() {
            return Err(Reject::OwnSource);
        }
        if destination != rules.group() {
            return Err(Reject::Destination);
        }
        if header.ttl() != ipv4::TTL {
            return Err(Reject::Ttl);
        }

        let start = frame.forget_how(self.message);
        let message = vrrp::Header(frame.octets(start).ok_or(Reject::Length)?);
        // Before the length, as in the RFC: a message of another version has another layout.
        if message.version() != rules.version() {
            return Err(Reject::Version);
        }
        if message.kind() != vrrp::ADVERTISEMENT {
            return Err(Reject::Type);
        }
        let end = vrrp::HEADER + message.count() * vrrp::ADDRESS;
        if self.length < end + if rules.is_v3() { 0 } else { vrrp::AUTH_DATA } {
            return Err(Reject::Length);
        }
        // Its end must have come in, even where nobody reads it.
        frame.octets::<0>(self.message + self.length).ok_or(Reject::Length)?;
        let (mut sum, addresses) =
            read_addresses(frame, start, message.count()).ok_or(Reject::Length)?;
        sum = sum.plus(message.sum());

        let heard = if rules.is_v3() {
            let pseudo_header = judge_v3(&message, sum, source, destination, rules)?;
            Heard { interval: message.max_advertise_interval(), pseudo_header, ..Heard::default() }
        } else {
            let data: &[u8; vrrp::AUTH_DATA] = frame.octets(start + end).ok_or(Reject::Length)?;
            let [a, b, c, d, e, f, g, h] = *data;
            if !sum.quad([a, b, c, d]).quad([e, f, g, h]).is_intact() {
                return Err(Reject::Checksum);
            }
            judge_v2(&message, data, addresses, rules, self.vouched)?
        };
        Ok(Heard {
            source,
            priority: message.priority(),
            addresses_differ: addresses != rules.addresses,
            digest: digest(source, &message, addresses),
            ..heard
        })
    }
}

/// The rungs of RFC 9568 7.1 behind the length. Returns whether the checksum covered the
/// pseudo-header.
#[inline(always)]
fn judge_v3(
    message: &vrrp::Header<'_>,
    sum: Sum,
    source: [u8; 4],
    destination: [u8; 4],
    rules: &PackedRules,
) -> Result<bool, Reject> {
    let length = vrrp::HEADER + message.count() * vrrp::ADDRESS;
    let alone = sum.is_intact() && !rules.has(field::DISBELIEVE_MESSAGE);
    let with_pseudo = vrrp::pseudo_header(source, destination, length).plus(sum).is_intact()
        && !rules.has(field::DISBELIEVE_PSEUDO_HEADER);
    if !alone && !with_pseudo {
        return Err(Reject::Checksum);
    }
    if message.count() == 0 {
        return Err(Reject::CountZero);
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

/// Sum and set of the addresses behind the message's header.
#[inline(always)]
fn read_addresses<F: Frame + ?Sized>(
    frame: &F,
    message: usize,
    count: usize,
) -> Option<(Sum, u64)> {
    let mut sum = Sum::default();
    let mut set = 0;
    for index in 0..255 {
        let index = frame.forget_how(index);
        if index >= count {
            break;
        }
        let address: &[u8; vrrp::ADDRESS] =
            frame.octets(message + vrrp::HEADER + index * vrrp::ADDRESS)?;
        sum = sum.quad(*address);
        set = include(set, *address);
    }
    Some((sum, set))
}

/// A number that stands for a set of addresses in any order: the sum of their hashes.
pub fn address_set<'a>(addresses: impl IntoIterator<Item = &'a [u8; 4]>) -> u64 {
    addresses.into_iter().fold(0, |set, address| include(set, *address))
}

#[inline(always)]
const fn include(set: u64, address: [u8; 4]) -> u64 {
    set.wrapping_add(mix(u32::from_be_bytes(address) as u64))
}

/// Everything that an advert says, as one word, never 0: no advert that is news passes for a
/// repetition, but for one in 2^64.
#[inline(always)]
fn digest(source: [u8; 4], message: &vrrp::Header<'_>, addresses: u64) -> u64 {
    let o = message.0;
    let first =
        u64::from_be_bytes([source[0], source[1], source[2], source[3], o[0], o[1], o[2], o[3]]);
    let second = be_interval(o);
    mix(mix(first ^ addresses).wrapping_add(second)) | 1
}

#[inline(always)]
const fn be_interval(o: &[u8; vrrp::HEADER]) -> u64 {
    (o[4] as u64) << 8 | o[5] as u64
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
