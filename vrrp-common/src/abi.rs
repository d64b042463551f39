//! The layout of what kernel and controller share. Every word is an aligned `u64`, written by one
//! side and read by the other: atomics in user space, volatile accesses in the kernel (Rust's
//! atomics do not compile for bpfel). What must not be read torn fits one word.

use core::net::IpAddr;

use crate::{
    Addr, Family,
    ladder::{Heard, Rank, Reject},
    wire::{Mac, ethernet::Vlan},
};

/// Changes with every change of this file: a controller only adopts a program that says the same.
pub const VERSION: u32 = 12;

/// Slot 0 belongs to no virtual router: its counters are for what cannot be ascribed to one.
pub const NO_SLOT: u32 = 0;

/// Virtual routers that one daemon can serve when it does not ask for another size.
pub const DEFAULT_SLOTS: u32 = 64;

/// Bit of [`Slot::presence`]: addresses are on the interface because of us, or may be. Then what is
/// sent to them is dropped when the lease has lapsed.
pub const INSTALLED: u64 = 1 << 0;

/// Bit of [`Slot::presence`]: addresses will be on the interface because of us, and are not yet. What
/// is sent to them while the lease is fresh is dropped: a host that routes would send it on.
pub const AWAITED: u64 = 1 << 1;

/// What a virtual router shares with the kernel program. `W` is `u64` there and `AtomicU64` here.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Slot<W> {
    /// Until when this host answers for the addresses, in nanoseconds of CLOCK_MONOTONIC. Past or 0
    /// means closed. Nothing else says Active.
    pub lease: W,
    /// Whether the addresses are on the interface because of us: [`INSTALLED`], [`AWAITED`].
    pub presence: W,
    /// 1 where what is sent to such addresses is dropped while the lease is fresh, too, Neighbor
    /// Discovery and ARP apart: `xdp_no_accept`.
    pub no_accept: W,
    /// 1 where a lease that has lapsed goes on until an advert is heard: `xdp_orphan`.
    pub serves_on: W,
    /// When the last advert that was accepted came in, in nanoseconds of CLOCK_MONOTONIC.
    pub last_seen: W,
    /// [`Heard::digest`] of the advert whose repetitions are no news, 0 for none.
    pub expected: W,
    /// [`Heard::digest`] of a losing advert whose repetitions change nothing, 0 for none.
    pub ignored: W,
    /// [`crate::ladder::PackedRules`], first word.
    pub rules: W,
    /// Second word: addresses.
    pub addresses: W,
    /// Third word: secret.
    pub secret: W,
    /// Fourth and fifth word: own address, its high word first. Unlike the others it may be read
    /// half changed; all that comes of it is a slot that is closed, or told of, once too often.
    pub own: [W; 2],
    /// Sixth and seventh word: destination, its high word first.
    pub destination: [W; 2],
    /// The latest news of each [`Kind`].
    pub news: [News<W>; Kind::COUNT],
}

/// One piece of news: the latest advert of its kind that said something new.
///
/// Several processors may write at a time, so what is read counts only if the seal fits. The kernel
/// rings unless a doorbell is under way: `rung` is neither 0 nor `answered`. Each of the two words
/// has one side that writes it, so no doorbell is taken for under way when it is not. One case is
/// left where news wait for the next advert of their kind: the processor reads `answered` before its
/// news can be seen elsewhere. That is a lost packet's due, not more.
#[derive(Debug, Default)]
#[repr(C)]
pub struct News<W> {
    /// When it came in, in nanoseconds of CLOCK_MONOTONIC.
    pub at: W,
    /// [`Heard::to_word`].
    pub advert: W,
    /// Source address, its high word first.
    pub source: [W; 2],
    /// [`Heard::digest`].
    pub digest: W,
    /// [`seal`] of them all.
    pub seal: W,
    /// The stamp of the news that the kernel last rang for; 0 when the ring was full.
    pub rung: W,
    /// What `rung` was when the controller last answered. It reads the news after that.
    pub answered: W,
}

/// What tells news that were read whole from a mixture of two.
#[inline(always)]
pub const fn seal(at: u64, advert: u64, source: Addr, digest: u64) -> u64 {
    at.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ advert.rotate_left(7)
        ^ source.high.rotate_left(19)
        ^ source.low.rotate_left(31)
        ^ digest
}

/// How an advert compares with our own priority. Each kind has room of its own in the slot, so that
/// none can hide another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Lower priority than ours.
    Lower,
    /// Our priority.
    Equal,
    /// Higher priority.
    Higher,
    /// Priority 0: the sender resigns.
    Zero,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All of them, in the order of the slot.
    pub const ALL: [Self; Self::COUNT] = [Self::Lower, Self::Equal, Self::Higher, Self::Zero];
}

/// Record of the doorbell ring: news of `kind` wait in `slot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Doorbell {
    /// Index into the slots.
    pub slot: u32,
    /// [`Kind`] as a number.
    pub kind: u32,
}

/// Record of the reject ring, rate-limited: an advert was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rejected {
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    pub at: u64,
    /// Source address, [`Addr::UNSPECIFIED`] where there is none.
    pub source: Addr,
    /// [`Family::number`] of the packet.
    pub family: u32,
    /// Index into the slots, or [`NO_SLOT`].
    pub slot: u32,
    /// [`Reject`] as a number.
    pub reason: u32,
    /// Device that received it.
    pub ifindex: u32,
}

impl Rejected {
    /// Who sent the advert.
    pub fn sender(&self) -> IpAddr {
        let is_v6 = self.family == u32::from(Family::V6.number());
        self.source.to_ip(if is_v6 { Family::V6 } else { Family::V4 })
    }
}

/// Record of the requester ring: a host whose question was answered without the kernel's knowledge,
/// so that the kernel does not know its MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Requester {
    /// Its address.
    pub address: Addr,
    /// Its MAC, as [`mac_word`].
    pub mac: u64,
    /// [`Family::number`] of the address.
    pub family: u32,
    /// Device behind which it is.
    pub ifindex: u32,
}

impl Requester {
    /// A number that stands for it, all of its bits alike.
    #[inline(always)]
    pub const fn fingerprint(&self) -> u64 {
        let Addr { high, low } = self.address;
        let mixed = high ^ low.rotate_left(29) ^ self.mac ^ (self.ifindex as u64) << 48;
        let spread = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        spread ^ spread >> 32
    }
}

/// Requesters that are remembered at the same time, so that each leaves one record and not one with
/// each question. A power of two.
pub const REMEMBERED_REQUESTERS: u32 = 1024;

/// For how long one is remembered, as a shift of nanoseconds: 34 seconds.
pub const REQUESTER_AGE_SHIFT: u32 = 35;

/// Beyond a burst of [`REQUESTER_BURST`] records one leaves in this time, in nanoseconds, whoever
/// asks and on whatever processor. The kernel forgets unused neighbours after a minute (gc_stale_time)
/// and only when there are many; with these numbers there are never more of ours than 512
/// (gc_thresh2), from which on it forgets others, too.
pub const REQUESTER_INTERVAL: u64 = 250_000_000;

/// See [`REQUESTER_INTERVAL`].
pub const REQUESTER_BURST: u64 = 256;

/// What became of an advert that passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fate {
    /// It repeats the last accepted one and wakes nobody.
    Absorbed,
    /// It loses, and changes nothing.
    Ignored,
    /// It says something new.
    News,
}

impl Fate {
    /// All of them, by their numbers.
    pub const ALL: [Self; 3] = [Self::Absorbed, Self::Ignored, Self::News];

    /// Where such adverts are counted.
    #[inline(always)]
    pub const fn counter(self) -> Counter {
        match self {
            Self::Absorbed => Counter::AdvertsAbsorbed,
            Self::Ignored => Counter::AdvertsIgnored,
            Self::News => Counter::AdvertsNews,
        }
    }
}

/// Record of the advert ring, left for each advert that passed every check while
/// [`Setting::ReportAdverts`] is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Reported {
    /// When it came in, in nanoseconds of CLOCK_MONOTONIC.
    pub at: u64,
    /// [`Heard::to_word`].
    pub advert: u64,
    /// Source address.
    pub source: Addr,
    /// Index into the slots.
    pub slot: u32,
    /// [`Fate`] as a number.
    pub fate: u32,
}

/// Of each reject reason at most one record leaves per processor in this time, in nanoseconds.
pub const REJECT_RECORD_INTERVAL: u64 = 100_000_000;

/// Counters of a slot, an index into its per-CPU array. The rejects follow, one for each [`Reject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Adverts that passed every check.
    AdvertsReceived,
    /// Adverts that repeated the last accepted one and woke nobody.
    AdvertsAbsorbed,
    /// Adverts that lose and change nothing.
    AdvertsIgnored,
    /// Adverts that said something new.
    AdvertsNews,
    /// Accepted adverts whose checksum covered the pseudo-header.
    ChecksumPseudoHeader,
    /// Accepted adverts whose checksum covered the message alone.
    ChecksumMessage,
    /// Accepted adverts whose address list is not ours.
    AddressListDiffers,
    /// ARP requests answered by the kernel program.
    ArpAnswered,
    /// ARP requests for our addresses dropped, because the lease was not fresh, or because nobody
    /// must answer them.
    ArpDropped,
    /// Announcements of our addresses by somebody else.
    ArpConflict,
    /// Other packets to our addresses dropped, because the lease was not fresh.
    TrafficDropped,
    /// Times that the program closed the slot itself, because a better router was heard.
    ClosedByProgram,
    /// Doorbells that found the ring full.
    DoorbellsLost,
    /// Adverts of virtual routers that are not ours; only counted in [`NO_SLOT`].
    AdvertsForeign,
    /// Neighbor Solicitations answered by the kernel program.
    NdAnswered,
    /// Neighbor Solicitations for our addresses dropped, because the lease was not fresh, or because
    /// nobody must answer them.
    NdDropped,
    /// Adverts that only the controller can judge, passed to its raw sockets.
    AdvertsDeferred,
    /// Packets to our addresses dropped although the lease was fresh, `xdp_no_accept`.
    NotAccepted,
    /// Frames to the virtual MAC dropped, because the lease was not fresh.
    VirtualMacDropped,
    /// What this host itself sent in the name of our addresses and that was dropped, because the
    /// lease was not fresh.
    OutgoingDropped,
    /// Records of adverts that found the ring full.
    ReportsLost,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 21;

    /// Their names in `xvrrp status`, in order.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "adverts_received",
        "adverts_absorbed",
        "adverts_ignored",
        "adverts_news",
        "checksum_pseudo_header",
        "checksum_message",
        "address_list_differs",
        "arp_answered",
        "arp_dropped",
        "arp_conflict",
        "traffic_dropped",
        "closed_by_program",
        "doorbells_lost",
        "adverts_foreign",
        "nd_answered",
        "nd_dropped",
        "adverts_deferred",
        "not_accepted",
        "virtual_mac_dropped",
        "outgoing_dropped",
        "advert_reports_lost",
    ];

    /// Where a reject is counted.
    #[inline(always)]
    pub const fn of_reject(reject: Reject) -> usize {
        Self::COUNT + reject as usize
    }
}

/// The counters of one slot on one processor.
pub type Counters = [u64; Counter::COUNT + Reject::COUNT];

/// Settings of the whole program, one word each in the settings array. The first two stay what they
/// are in every version: by them a controller knows what it has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Setting {
    /// [`VERSION`].
    AbiVersion,
    /// A number that stands for the runtime directory of the daemon whose program it is; 0 for nobody's.
    Owner,
    /// 1: multicast adverts of virtual routers that are not ours are dropped, `xdp_drop_foreign`.
    DropForeign,
    /// 1: each advert of ours that passes every check leaves a record for people.
    ReportAdverts,
    /// 1: adverts go on to the kernel when they have been dealt with, `xdp_absorb off`.
    PassOn,
}

impl Setting {
    /// How many there are.
    pub const COUNT: u32 = 5;
}

/// The filter has a bit for each address and virtual MAC in the tables, on whatever
/// device and VLAN: most frames are for none, and need no look into a table. Some have a bit in common
/// with another; with a thousand of them that is one frame of thirty.
pub type Filter = [u64; 512];

/// Word and bit of the filter for an address.
#[inline(always)]
pub const fn address_bit(address: Addr) -> (usize, u64) {
    filter_bit(address.high.wrapping_add(address.low))
}

/// Word and bit of the filter for a virtual MAC, as [`mac_word`].
#[inline(always)]
pub const fn mac_bit(mac: u64) -> (usize, u64) {
    filter_bit(mac)
}

#[inline(always)]
const fn filter_bit(number: u64) -> (usize, u64) {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((spread >> 55) as usize, 1 << (spread >> 49 & 63))
}

/// Key of the router table.
#[inline(always)]
pub const fn router_key(ifindex: u32, vlan: Vlan, family: Family, vrid: u8) -> [u32; 3] {
    [ifindex, vlan.number(), (family.number() as u32) << 8 | vrid as u32]
}

/// Key of the IPv4 address table.
#[inline(always)]
pub const fn address_key(ifindex: u32, vlan: Vlan, address: [u8; 4]) -> [u32; 3] {
    [ifindex, vlan.number(), u32::from_be_bytes(address)]
}

/// Key of the IPv6 address table.
#[inline(always)]
pub const fn address_key_ipv6(ifindex: u32, vlan: Vlan, address: Addr) -> [u32; 6] {
    let Addr { high, low } = address;
    [ifindex, vlan.number(), (high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32]
}

/// Key of the table of virtual MACs: device, VLAN, and the MAC, a [`mac_word`], in two words.
#[inline(always)]
pub const fn mac_key(ifindex: u32, vlan: Vlan, mac: u64) -> [u32; 4] {
    [ifindex, vlan.number(), (mac >> 32) as u32, mac as u32]
}

/// Value of the table of virtual MACs: the slot, and the MAC of the device, to which what is sent to
/// the virtual one is rewritten.
pub type Alias = [u64; 2];

/// The [`Alias`] of a device.
pub const fn alias(slot: u32, device_mac: Mac) -> Alias {
    [slot as u64, mac_word(device_mac)]
}

/// Value of the address tables: the slot, the MAC that answers give for the address, and the MAC of
/// the device, which is the source of the frame. See [`place`].
pub type Place = [u64; 3];

/// The [`Place`] of an address. With a virtual MAC the two differ (RFC 9568 8.1.2).
pub const fn place(slot: u32, answer_mac: Mac, device_mac: Mac) -> Place {
    [slot as u64, mac_word(answer_mac), mac_word(device_mac)]
}

/// A MAC in the low 48 bits of a word, its first octet highest.
#[inline(always)]
pub const fn mac_word(mac: Mac) -> u64 {
    u64::from_be_bytes([0, 0, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]])
}

/// The MAC of a word.
#[inline(always)]
pub const fn word_mac(word: u64) -> Mac {
    let [_, _, a, b, c, d, e, f] = word.to_be_bytes();
    [a, b, c, d, e, f]
}

/// How an accepted advert compares with our own priority.
#[inline(always)]
pub const fn kind(heard: &Heard, own: Rank) -> Kind {
    if heard.priority == 0 {
        Kind::Zero
    } else if heard.priority < own.priority {
        Kind::Lower
    } else if heard.priority == own.priority {
        Kind::Equal
    } else {
        Kind::Higher
    }
}

/// True when an Active router with `own` must yield to this advert: higher priority, or the same
/// and a higher address (RFC 9568 6.4.3; unsigned, network byte order).
#[inline(always)]
pub fn beats(heard: &Heard, own: Rank) -> bool {
    heard.rank() > own
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    fn rank(priority: u8, address: &str) -> Rank {
        Rank { priority, address: address.parse::<IpAddr>().unwrap().into() }
    }

    fn heard(priority: u8, last: u8) -> Heard {
        Heard { source: Addr::v4([192, 0, 2, last]), priority, ..Heard::default() }
    }

    /// R-6.4.3-13, R-6.4.3-12: who beats whom; the address decides only a tie, and as unsigned.
    #[test]
    fn comparison() {
        let own = rank(100, "192.0.2.2");
        for (priority, last, expected_kind, expected_beats) in [
            (0, 9, Kind::Zero, false),
            (99, 9, Kind::Lower, false),
            (100, 1, Kind::Equal, false),
            (100, 2, Kind::Equal, false),
            (100, 3, Kind::Equal, true),
            (101, 1, Kind::Higher, true),
            (255, 1, Kind::Higher, true),
        ] {
            let heard = heard(priority, last);
            assert_eq!(kind(&heard, own), expected_kind, "{priority} from .{last}");
            assert_eq!(beats(&heard, own), expected_beats, "{priority} from .{last}");
        }
        assert!(beats(&heard(100, 1), rank(100, "100.64.0.2")));
    }

    /// R-6.4.3-13: the same with IPv6, where an address that is higher in network byte order may be
    /// lower in another.
    #[test]
    fn comparison_ipv6() {
        let own = rank(100, "fe80::2");
        for (priority, source, expected) in [
            (99, "fe80::3", false),
            (100, "fe80::1", false),
            (100, "fe80::2", false),
            (100, "fe80::3", true),
            (100, "fe80::1:0:0:1", true),
            (101, "fe80::1", true),
        ] {
            let Rank { address: source, .. } = rank(priority, source);
            let heard = Heard { source, priority, ..Heard::default() };
            assert_eq!(beats(&heard, own), expected, "{priority} from {source:?}");
        }
    }

    /// R-7.1-13: a mixture of two adverts passes for neither; an empty slot is sealed as it is.
    #[test]
    fn seal_of_mixtures() {
        let sealed = |words: [u64; 5]| {
            let [at, advert, high, low, digest] = words;
            seal(at, advert, Addr { high, low }, digest)
        };
        let one = [10, 0x64_0064, 0xfe80 << 48, 2, 0xabc];
        let other = [11, 0x65_0064, 0xfe80 << 48 | 1, 3, 0xdef];
        for mixture in 1..32 {
            let mut words = one;
            for (word, of_other) in other.into_iter().enumerate() {
                if mixture >> word & 1 == 1 {
                    words[word] = of_other;
                }
            }
            assert_ne!(sealed(words), sealed(one), "mixture {mixture:05b}");
        }
        assert_eq!(sealed([0; 5]), 0);
    }

    /// R-6.4-01: no two virtual routers, no two addresses have the same key.
    #[test]
    fn keys() {
        let key = |family| router_key(2, Vlan::NONE, family, 51);
        assert_ne!(key(Family::V4), key(Family::V6));
        let Rank { address, .. } = rank(0, "2001:db8:1:2:3:4:5:6");
        let parts = [0x2001_0db8, 0x0001_0002, 0x0003_0004, 0x0005_0006];
        assert_eq!(address_key_ipv6(2, Vlan::NONE, address)[2..], parts);
        let mac = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];
        assert_eq!(mac_key(2, Vlan::NONE, mac_word(mac))[2..], [0x1234, 0x5678_9abc]);
    }

    /// issue 4, row 13: the filter has a place for every address and MAC, and neighbours do not share
    /// theirs.
    #[test]
    fn filter() {
        let addresses = (0..=255).map(|last| address_bit(Addr::v4([192, 0, 2, last])));
        let macs = (0..=255).map(|vrid| mac_bit(mac_word([0, 0, 0x5e, 0, 1, vrid])));
        for places in [addresses.collect::<BTreeSet<_>>(), macs.collect()] {
            assert_eq!(places.len(), 256);
            assert!(
                places
                    .iter()
                    .all(|(word, bit)| *word < size_of::<Filter>() / 8 && bit.is_power_of_two())
            );
        }
    }

    /// The layout that both sides rely on: words without gaps, a name for each counter.
    #[test]
    fn layout() {
        assert_eq!(size_of::<Slot<u64>>(), (14 + 8 * Kind::COUNT) * 8);
        assert_eq!(Counter::ReportsLost as usize + 1, Counter::COUNT);
        assert_eq!(size_of::<Requester>(), 32);
        assert_eq!(word_mac(mac_word([1, 2, 3, 4, 5, 6])), [1, 2, 3, 4, 5, 6]);
    }
}
