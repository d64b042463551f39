//! Neighbor Discovery for IPv6 (RFC 4861), as far as a virtual router needs it: solicitations for
//! its addresses, their answers, and unsolicited advertisements.

use super::{
    Mac, be16,
    checksum::Sum,
    ethernet::{self, is_group},
    ipv6::{self, ALL_NODES, HOP_LIMIT, ICMP, Payload},
};
use crate::{Addr, Frame};

/// Octets of a solicitation without options.
pub const SOLICITATION: usize = 24;
/// Octets of an advertisement with the target's link-layer address.
pub const ADVERTISEMENT: usize = 32;
/// Where the checksum stands in each ICMPv6 message.
const CHECKSUM: usize = 2;
/// Octets of an advertisement with its IPv6 header.
pub const ANSWER: usize = ipv6::HEADER + ADVERTISEMENT;

/// ICMPv6 type of a solicitation.
const SOLICITATION_TYPE: u8 = 135;
/// ICMPv6 type of an advertisement.
const ADVERTISEMENT_TYPE: u8 = 136;
/// Option: source link-layer address.
const SOURCE_LINK_LAYER: u8 = 1;
/// Option: target link-layer address.
const TARGET_LINK_LAYER: u8 = 2;
/// Octets in which options are measured.
const UNIT: usize = 8;
/// Units of all options of a solicitation that is answered.
const MAX_UNITS: usize = 16;
/// No unit.
const NOWHERE: usize = MAX_UNITS;
/// Flags of an advertisement: from a router, to override what the neighbour knows.
const ROUTER_OVERRIDE: u8 = 0xa0;
/// Flag: the answer to a solicitation, to the one who asked.
const SOLICITED: u8 = 0x40;

/// True for the types of ICMPv6 that resolve addresses: solicitation and advertisement.
#[inline(always)]
pub const fn is_discovery(kind: u8) -> bool {
    matches!(kind, SOLICITATION_TYPE | ADVERTISEMENT_TYPE)
}

/// Why a solicitation is not answered. The order is the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Hop limit other than 255 (N-4861-01).
    HopLimit,
    /// Shorter than a solicitation, or than the IP header says (N-4861-04).
    Length,
    /// Wrong checksum (N-4861-02).
    Checksum,
    /// Code other than 0 (N-4861-03).
    Code,
    /// The target is a multicast address (N-4861-05).
    Target,
    /// An option of length 0, or one that is longer than the message, or more options than anybody
    /// sends (N-4861-06).
    Option,
    /// From `::`, but not to a solicited-node group (N-4861-07).
    UnspecifiedToOther,
    /// From `::`, but with a link-layer address (N-4861-08).
    UnspecifiedWithLinkLayer,
    /// It asks for an answer to a group.
    Sender,
}

/// View on the fixed part of a solicitation.
#[derive(Clone, Copy, Debug)]
pub struct Solicitation<'a>(&'a [u8; SOLICITATION]);

impl<'a> Solicitation<'a> {
    /// `None` for any other ICMPv6 message.
    #[inline(always)]
    pub fn parse(octets: &'a [u8; SOLICITATION]) -> Option<Self> {
        (octets[0] == SOLICITATION_TYPE).then_some(Self(octets))
    }

    /// Code; 0 in what is valid.
    #[inline(always)]
    pub const fn code(&self) -> u8 {
        self.0[1]
    }

    /// Which address is asked for.
    #[inline(always)]
    pub const fn target(&self) -> Addr {
        let [_, _, _, _, _, _, _, _, target @ ..] = self.0;
        Addr::v6(*target)
    }

    /// Sum over the fixed part, checksum field included.
    #[inline(always)]
    const fn sum(&self) -> Sum {
        let o = self.0;
        Sum::new()
            .quad([o[0], o[1], o[2], o[3]])
            .quad([o[4], o[5], o[6], o[7]])
            .address(self.target())
    }
}

/// View on the fixed part of a solicitation or advertisement that this host sends.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a>(&'a [u8; SOLICITATION]);

impl<'a> Outgoing<'a> {
    /// `None` for any other ICMPv6 message.
    #[inline(always)]
    pub const fn parse(octets: &'a [u8; SOLICITATION]) -> Option<Self> {
        match octets[0] {
            SOLICITATION_TYPE | ADVERTISEMENT_TYPE => Some(Self(octets)),
            _ => None,
        }
    }

    /// The address that it speaks for, in a packet from `source`: a solicitation for its sender's,
    /// an advertisement for its target.
    #[inline(always)]
    pub fn subject(&self, source: Addr) -> Addr {
        if self.0[0] == SOLICITATION_TYPE { source } else { Solicitation(self.0).target() }
    }

    /// What the first word of the message, which has the checksum, and the first option become when
    /// the option's link-layer address is not `old` but `new` (RFC 1624 3). `None` when the option
    /// says something else.
    #[inline(always)]
    pub fn replace(&self, option: &[u8; UNIT], old: Mac, new: Mac) -> Option<(u64, u64)> {
        let kind =
            if self.0[0] == SOLICITATION_TYPE { SOURCE_LINK_LAYER } else { TARGET_LINK_LAYER };
        let before = u64::from_be_bytes(*option);
        if before != link_layer(kind, old) {
            return None;
        }
        let after = link_layer(kind, new);
        let o = self.0;
        let checksum = be16(o[CHECKSUM], o[CHECKSUM + 1]);
        let sum = Sum::new().word(!checksum).long(!before).long(after);
        let [c0, c1] = sum.complement().to_be_bytes();
        Some((u64::from_be_bytes([o[0], o[1], c0, c1, o[4], o[5], o[6], o[7]]), after))
    }
}

/// An option with a link-layer address.
#[inline(always)]
const fn link_layer(kind: u8, mac: Mac) -> u64 {
    u64::from_be_bytes([kind, 1, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]])
}

/// A valid solicitation: who is to be told what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks; `::` for a host that looks whether the address is free (RFC 4862 5.4.2).
    pub source: Addr,
    /// Its link-layer address: the option's, else the frame's.
    pub mac: Mac,
    /// Which address is asked for.
    pub target: Addr,
    /// It says its link-layer address, so that who is asked learns it (RFC 4861 7.2.3).
    pub introduces: bool,
}

impl Question {
    /// The checks of RFC 4861 7.1.1 on the solicitation in `payload`, in a frame from `sender`.
    ///
    /// # Errors
    /// What is wrong with it. Whoever sent it is at fault.
    #[inline(always)]
    pub fn examine<F: Frame + ?Sized>(
        frame: &F,
        payload: &Payload,
        sender: Mac,
    ) -> Result<Self, Fault> {
        let header = ipv6::Header(frame.octets(payload.network).ok_or(Fault::Length)?);
        if header.hop_limit() != HOP_LIMIT {
            return Err(Fault::HopLimit);
        }
        let length = payload.length(&header).ok_or(Fault::Length)?;
        let octets = frame.octets(payload.start).ok_or(Fault::Length)?;
        let message = Solicitation::parse(octets).ok_or(Fault::Length)?;
        let options = length.checked_sub(SOLICITATION).ok_or(Fault::Length)?;
        let (source, destination) = (header.source(), header.destination());
        let options = Options::read(frame, payload.start + SOLICITATION, options)?;

        let pseudo = ipv6::pseudo_header(source, destination, ICMP, length);
        if !pseudo.plus(message.sum()).plus(options.sum).is_intact() {
            return Err(Fault::Checksum);
        }
        if message.code() != 0 {
            return Err(Fault::Code);
        }
        let target = message.target();
        if target.is_multicast_v6() {
            return Err(Fault::Target);
        }
        if !options.are_whole {
            return Err(Fault::Option);
        }
        if source == Addr::UNSPECIFIED {
            if !ipv6::is_solicited_node(destination) {
                return Err(Fault::UnspecifiedToOther);
            }
            if options.link_layer.is_some() {
                return Err(Fault::UnspecifiedWithLinkLayer);
            }
        }
        let mac = options.link_layer.unwrap_or(sender);
        if is_group(&mac) || source.is_multicast_v6() {
            return Err(Fault::Sender);
        }
        // Whoever has no address yet must not say it, see above.
        Ok(Self { source, mac, target, introduces: options.link_layer.is_some() })
    }

    /// The answer: to the one who asked, or to all nodes when that one has no address yet (RFC 4861
    /// 7.2.4). `mac` is where the target lives.
    #[inline(always)]
    pub const fn answer(&self, mac: Mac) -> Packet {
        if self.is_probe() {
            advertisement(self.target, Addr::v6(ALL_NODES), mac, ROUTER_OVERRIDE)
        } else {
            advertisement(self.target, self.source, mac, ROUTER_OVERRIDE | SOLICITED)
        }
    }

    /// Where the frame with the answer goes.
    #[inline(always)]
    pub const fn answer_to(&self) -> Mac {
        if self.is_probe() { ipv6::group_mac(ALL_NODES) } else { self.mac }
    }

    /// True for a host that asks whether it may have the address.
    #[inline(always)]
    const fn is_probe(&self) -> bool {
        self.source.high == 0 && self.source.low == 0
    }
}

/// What the options of a solicitation say.
struct Options {
    sum: Sum,
    link_layer: Option<Mac>,
    /// None has length 0, and the last ends where the message ends.
    are_whole: bool,
}

impl Options {
    /// Reads `length` octets of options, in their unit, of which each option has one or more. More
    /// than anybody sends are no options.
    #[inline(always)]
    fn read<F: Frame + ?Sized>(frame: &F, start: usize, length: usize) -> Result<Self, Fault> {
        let units = length / UNIT;
        if units > MAX_UNITS || !length.is_multiple_of(UNIT) {
            return Err(Fault::Option);
        }
        let mut sum = Sum::new();
        // Units to come of the option at hand; 1 after an option of length 0; the unit with the
        // source's link-layer address.
        let (mut rest, mut empty, mut found) = (0, 0, NOWHERE);
        for unit in 0..MAX_UNITS {
            let unit = frame.forget_how(unit);
            if unit >= units {
                break;
            }
            let octets: &[u8; UNIT] = frame.octets(start + unit * UNIT).ok_or(Fault::Length)?;
            let [kind, size, ..] = *octets;
            sum = sum.long(u64::from_be_bytes(*octets));
            if rest == 0 {
                rest = size as usize;
                if size == 0 {
                    empty = 1;
                }
                if kind == SOURCE_LINK_LAYER && size == 1 {
                    found = unit;
                }
            }
            rest = frame.forget_how(rest.saturating_sub(1));
            empty = frame.forget_how(empty);
            found = frame.forget_how(found);
        }
        let mut link_layer = None;
        if found != NOWHERE {
            let octets: &[u8; UNIT] = frame.octets(start + found * UNIT).ok_or(Fault::Length)?;
            let [_, _, mac @ ..] = *octets;
            link_layer = Some(mac);
        }
        Ok(Self { sum, link_layer, are_whole: rest == 0 && empty == 0 })
    }
}

/// An advertisement with its IPv6 header as words of eight octets, the first octet highest. Nothing
/// in it crosses a word.
pub type Packet = [u64; ANSWER / 8];

/// An advertisement for `target`, which also sends it.
#[inline(always)]
const fn advertisement(target: Addr, destination: Addr, mac: Mac, flags: u8) -> Packet {
    let [l0, l1] = (ADVERTISEMENT as u16).to_be_bytes();
    let option = link_layer(TARGET_LINK_LAYER, mac);
    let [c0, c1] = ipv6::pseudo_header(target, destination, ICMP, ADVERTISEMENT)
        .quad([ADVERTISEMENT_TYPE, 0, 0, 0])
        .quad([flags, 0, 0, 0])
        .address(target)
        .long(option)
        .complement()
        .to_be_bytes();
    [
        u64::from_be_bytes([0x60, 0, 0, 0, l0, l1, ICMP, HOP_LIMIT]),
        target.high,
        target.low,
        destination.high,
        destination.low,
        u64::from_be_bytes([ADVERTISEMENT_TYPE, 0, c0, c1, flags, 0, 0, 0]),
        target.high,
        target.low,
        option,
    ]
}

/// An unsolicited advertisement of `address` to all nodes, as a whole untagged frame (RFC 9568
/// 6.4.2, RFC 4861 7.2.6).
pub fn unsolicited(mac: Mac, address: [u8; 16]) -> [u8; ethernet::HEADER + ANSWER] {
    let mut frame = [0; ethernet::HEADER + ANSWER];
    let (link, octets) = frame.split_at_mut(ethernet::HEADER);
    link.copy_from_slice(&ethernet::header(ipv6::group_mac(ALL_NODES), mac, ethernet::IPV6));
    let packet = advertisement(Addr::v6(address), Addr::v6(ALL_NODES), mac, ROUTER_OVERRIDE);
    for (octets, word) in octets.chunks_exact_mut(8).zip(packet) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    frame
}

#[cfg(test)]
mod tests;
