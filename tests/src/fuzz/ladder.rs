//! The receive ladder against the [oracle](super::oracle): accepted is what has no fault, a rejected
//! advert has the fault that it is rejected for, and what was heard is what was said.

use std::net::IpAddr;

use vrrp_common::{
    Addr, AdverInterval, Family, Priority, Version, Vrid,
    ladder::{Believe, Envelope, Heard, Reject, Rules, address_set},
    wire::{
        ipv4, ipv6,
        vrrp::{self, Advertisement, Auth, Coverage},
    },
};

use xvrrp::auth::trailer::TRAILER;

use super::{
    Seeds,
    naive::{behind_options, is_intact, pseudo_header, seal, word},
    oracle::{AH, Finding, Reader, Said},
};

/// Octets of an input that say how the packet behind them is received.
const SETTING: usize = 4;

/// Flags of the first octet; two bits more say which checksums are believed.
const V2: u8 = 1 << 0;
const BELIEVE: u8 = 3 << 1;
const CHECK_ADDRESSES: u8 = 1 << 3;
const OWNER_IGNORES: u8 = 1 << 4;
const UNICAST: u8 = 1 << 5;
const IPV6: u8 = 1 << 6;
/// Behind an authentication header that was found right; with IPv6, in front of a trailer.
const VOUCHED: u8 = 1 << 7;

/// Flags of the second; the two lowest bits are the authentication type.
const SEAL_HEADER: u8 = 1 << 2;
const SEAL_MESSAGE: u8 = 1 << 3;
const SEAL_PSEUDO_HEADER: u8 = 1 << 4;
const NO_ADDRESS_YET: u8 = 1 << 5;
const ANY_ADDRESS_FIRST: u8 = 1 << 6;
const BEHIND_A_TAG: u8 = 1 << 7;

/// The receiver of the vectors.
const OWN: [u8; 4] = [192, 0, 2, 2];
const OWN_V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// The password of the vectors.
const PASSWORD: [u8; vrrp::AUTH_DATA] = *b"abc\0\0\0\0\0";

pub(super) fn check(data: &[u8]) {
    judge(data);
}

/// The ladder's verdict, which the oracle shares; `None` for what is no advert.
fn judge(data: &[u8]) -> Option<Result<Heard, Reject>> {
    let (setting, packet) = Setting::read(data)?;
    let mut packet = packet.to_vec();
    setting.seal(&mut packet);
    let addresses = setting.own_addresses(&packet);
    let rules = setting.rules(&addresses);
    let mut frame = vec![0xa5; setting.front];
    frame.extend(&packet);

    let opened = setting.open(&frame)?;
    let finding = Reader {
        family: setting.family,
        rules: &rules,
        addresses: &addresses,
        vouched: setting.vouched,
        trailer: setting.trailer(&packet),
    }
    .read(&packet);
    let judged = opened.and_then(|envelope| {
        if let Some(said) = &finding.said {
            assert_eq!(envelope.vrid, said.vrid);
        }
        envelope.covering(setting.trailer(&packet)).judge(&frame[..], &rules.pack())
    });
    compare(judged, &finding, &setting, &packet);
    Some(judged)
}

/// The ladder and the oracle must agree.
fn compare(
    judged: Result<Heard, Reject>,
    Finding { faults, said }: &Finding,
    setting: &Setting,
    packet: &[u8],
) {
    let heard = match (judged, said) {
        (Err(reject), _) => {
            assert!(faults.contains(&reject), "{reject:?} is none of {faults:?}");
            return;
        }
        (Ok(heard), Some(said)) if faults.is_empty() => {
            assert_ne!(heard.digest, 0);
            let expected = Heard {
                source: said.source.into(),
                priority: said.priority,
                interval: said.interval,
                pseudo_header: said.pseudo_header,
                addresses_differ: said.addresses_differ,
                digest: heard.digest,
            };
            assert_eq!(heard, expected);
            heard
        }
        (Ok(heard), _) => panic!("{heard:?}, but {faults:?}"),
    };
    let stored = Heard::from_word(heard.to_word(), heard.source, heard.digest);
    assert_eq!(stored, Heard { pseudo_header: false, ..heard });
    if let Some(said) = said {
        emit_again(said, setting, packet);
    }
}

/// What was accepted can be sent, and is then the same message but for what receivers ignore.
fn emit_again(said: &Said, setting: &Setting, packet: &[u8]) {
    // A v2 router may be set up with an interval of 0 here, and VRID 0 names no router.
    let (Some(vrid), Some(interval)) =
        (Vrid::new(said.vrid), AdverInterval::from_centiseconds(said.interval))
    else {
        return;
    };
    let version = setting.version();
    let auth = if version == Version::V2 { setting.auth } else { Auth::None };
    let coverage = if said.pseudo_header { Coverage::PseudoHeader } else { Coverage::Message };
    let mut out = [0xa5; vrrp::MAX_MESSAGE];
    let priority = Priority::new(said.priority);
    let sent = match (said.source, said.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let addresses: Vec<_> = said.addresses.iter().filter_map(octets_v4).collect();
            let addresses = &addresses;
            Advertisement { version, vrid, priority, interval, addresses, auth, coverage }.emit(
                source.octets(),
                destination.octets(),
                &mut out,
            )
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let addresses: Vec<_> = said.addresses.iter().filter_map(octets_v6).collect();
            let addresses = &addresses;
            Advertisement { version, vrid, priority, interval, addresses, auth, coverage }.emit(
                source.octets(),
                destination.octets(),
                &mut out,
            )
        }
        _ => None,
    };
    let mut expected = said.message.clone();
    match version {
        Version::V3 => expected[4] &= 0x0f,
        Version::V2 => {
            let data = expected.len() - vrrp::AUTH_DATA;
            expected[data..].copy_from_slice(&auth.data());
        }
    }
    let trailer = setting.trailer(packet);
    if !trailer.is_empty() {
        expected.extend(trailer);
        let covered = vrrp::cover(&mut expected, said.source.into(), said.destination.into());
        assert_eq!(covered, Some(()));
        let pseudo = pseudo_header(setting.ip_addresses(packet), ipv4::VRRP, expected.len());
        assert!(is_intact(&[pseudo, expected].concat()));
        return;
    }
    let covered = match (version, said.pseudo_header) {
        (Version::V3, true) => {
            pseudo_header(setting.ip_addresses(packet), ipv4::VRRP, expected.len())
        }
        _ => Vec::new(),
    };
    seal(&covered, &mut expected, 6);
    assert_eq!(sent.as_deref(), Some(&expected[..]));
}

/// How a packet is received.
struct Setting {
    family: Family,
    flags: u8,
    auth: Auth,
    repairs: u8,
    adver_int: u8,
    /// How many of the packet's addresses are ours; 0 for all.
    ours: usize,
    vouched: bool,
    /// The checksum covers what follows the message, if it can be a trailer.
    has_trailer: bool,
    /// Octets in front of the packet.
    front: usize,
}

impl Setting {
    fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let ([flags, repairs, adver_int, ours], packet) = data.split_first_chunk::<SETTING>()?;
        let family = if flags & IPV6 == 0 { Family::V4 } else { Family::V6 };
        let setting = Self {
            family,
            flags: *flags,
            auth: match repairs & 3 {
                1 => Auth::Pass(PASSWORD),
                2 => Auth::Header,
                _ => Auth::None,
            },
            repairs: *repairs,
            adver_int: *adver_int,
            ours: usize::from(*ours),
            vouched: flags & VOUCHED != 0 && family == Family::V4,
            has_trailer: flags & VOUCHED != 0 && family == Family::V6,
            front: if repairs & BEHIND_A_TAG == 0 { 0 } else { 18 },
        };
        Some((setting, packet))
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// IPv6 came with version 3.
    fn version(&self) -> Version {
        if self.has(V2) && self.family == Family::V4 { Version::V2 } else { Version::V3 }
    }

    fn rules(&self, addresses: &[IpAddr]) -> Rules {
        let own: Addr = match self.family {
            _ if self.repairs & NO_ADDRESS_YET != 0 => Addr::UNSPECIFIED,
            Family::V4 => OWN.into(),
            Family::V6 => OWN_V6.into(),
        };
        let unicast = self.has(UNICAST);
        Rules {
            version: if self.has(V2) { Version::V2 } else { Version::V3 },
            destination: match self.family {
                _ if unicast => own,
                Family::V4 => ipv4::VRRP_GROUP.into(),
                Family::V6 => ipv6::VRRP_GROUP.into(),
            },
            own,
            own_priority: 100,
            auth: self.auth,
            adver_int: self.adver_int,
            believe: match (self.flags & BELIEVE) >> 1 {
                1 => Believe::Message,
                2 => Believe::PseudoHeader,
                _ => Believe::Either,
            },
            addresses: match self.family {
                Family::V4 => {
                    address_set(&addresses.iter().filter_map(octets_v4).collect::<Vec<_>>())
                }
                Family::V6 => {
                    address_set(&addresses.iter().filter_map(octets_v6).collect::<Vec<_>>())
                }
            },
            link_local_first: self.repairs & ANY_ADDRESS_FIRST == 0,
            check_addresses: self.has(CHECK_ADDRESSES),
            owner_ignores: self.has(OWNER_IGNORES),
            unicast,
            deferred: false,
        }
    }

    /// Opens the packet as a receiver does; `None` when it does not carry protocol 112.
    fn open(&self, frame: &[u8]) -> Option<Result<Envelope, Reject>> {
        match self.family {
            Family::V4 if self.vouched => Some(Envelope::open_vouched(frame, self.front, AH)),
            Family::V4 => Some(Envelope::open(frame, self.front)),
            Family::V6 => ipv6::Payload::find(frame, self.front)
                .filter(|payload| payload.protocol == ipv6::VRRP)
                .map(|payload| Envelope::open_ipv6(frame, &payload)),
        }
    }

    /// Where the message begins, and where in it the addresses end.
    fn message(&self, packet: &[u8]) -> Option<(usize, usize)> {
        let start = match self.family {
            Family::V4 => usize::from(packet.first()? % 16) * 4 + if self.vouched { AH } else { 0 },
            Family::V6 => 40 + behind_options(packet)?.1,
        };
        let count = usize::from(*packet.get(start + 3)?);
        Some((start, vrrp::HEADER + count * self.family.address_length()))
    }

    /// What follows the message, if its checksum covers that, too.
    fn trailer<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let trailer = || {
            let (start, end) = self.message(packet).filter(|_| self.has_trailer)?;
            let packet = packet.get(..40 + word(&packet[4..]) as usize)?;
            packet.get(start + end..).filter(|rest| rest.len() == TRAILER)
        };
        trailer().unwrap_or_default()
    }

    /// The octets of the addresses in the IP header.
    fn ip_addresses<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        match self.family {
            Family::V4 => packet.get(12..20),
            Family::V6 => packet.get(8..40),
        }
        .unwrap_or_default()
    }

    /// Makes right what the input says is to be right, so that changes get past the checksums.
    fn seal(&self, packet: &mut [u8]) {
        if self.family == Family::V4 && self.repairs & SEAL_HEADER != 0 {
            let length = packet.first().map_or(0, |first| usize::from(first % 16) * 4);
            if let Some(header) = packet.get_mut(..length).filter(|header| header.len() >= 20) {
                seal(&[], header, 10);
            }
        }
        let Some((start, addresses_end)) = self.message(packet) else { return };
        let end = addresses_end + if self.version() == Version::V2 { vrrp::AUTH_DATA } else { 0 };
        let trailer = self.trailer(packet).len();
        let end = end + trailer;
        let mut before = Vec::new();
        if self.repairs & SEAL_PSEUDO_HEADER != 0 {
            before = pseudo_header(self.ip_addresses(packet), ipv4::VRRP, end);
        } else if self.repairs & SEAL_MESSAGE == 0 {
            return;
        }
        if let Some(message) = packet.get_mut(start..start + end) {
            seal(&before, message, 6);
        }
    }

    /// The addresses of the virtual router: those of the packet in another order, or some of them.
    fn own_addresses(&self, packet: &[u8]) -> Vec<IpAddr> {
        let octets = self
            .message(packet)
            .and_then(|(start, end)| packet.get(start + vrrp::HEADER..start + end))
            .unwrap_or_default();
        let read = |octets: &[u8]| match self.family {
            Family::V4 => octets.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
            Family::V6 => octets.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        };
        let mut addresses: Vec<_> =
            octets.chunks(self.family.address_length()).rev().filter_map(read).collect();
        if self.ours > 0 {
            addresses.truncate(self.ours - 1);
        }
        addresses
    }
}

fn octets_v4(address: &IpAddr) -> Option<[u8; 4]> {
    match address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    }
}

fn octets_v6(address: &IpAddr) -> Option<[u8; 16]> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address.octets()),
    }
}

/// Every advert under the settings of its version, as it is and sealed.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for packet in &seeds.adverts {
        let is_v6 = packet[0] / 16 == 6;
        let is_authenticated = !is_v6 && packet.get(9) == Some(&ipv4::AH);
        let family = if is_v6 { IPV6 } else { 0 };
        let vouched = if is_authenticated { VOUCHED } else { 0 };
        if is_v6 {
            inputs.push(with_trailer(packet));
        }
        let mut add = |flags: u8, repairs: u8, ours: u8| {
            let setting = [family | vouched | flags, repairs, 1, ours];
            inputs.push([&setting, &packet[..]].concat());
        };
        for version in [0, V2] {
            for repairs in [0, 1, 2, SEAL_HEADER | SEAL_MESSAGE, SEAL_HEADER | SEAL_PSEUDO_HEADER] {
                add(version, repairs, 0);
            }
            add(version | CHECK_ADDRESSES, 0, 1);
            add(version | OWNER_IGNORES, 0, 0);
            add(version | UNICAST, 0, 0);
        }
    }
    inputs
}

/// An IPv6 packet of so many octets more, sealed.
fn with_trailer(packet: &[u8]) -> Vec<u8> {
    let setting = [IPV6 | VOUCHED, SEAL_PSEUDO_HEADER, 1, 0];
    let mut input = [&setting, packet, &[0x5a; TRAILER]].concat();
    let length = (packet.len() - 40 + TRAILER) as u16;
    input[SETTING + 4..SETTING + 6].copy_from_slice(&length.to_be_bytes());
    input
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Issue 3, fuzz targets: the seeds reach all that an advert can be found to be, but for what
    /// others than the ladder look at: signatures, replays and unicast peers.
    #[test]
    fn seeds_reach_every_rung() {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
        let inputs = seeds(&Seeds::read(data.as_ref()).unwrap());
        let verdicts: Vec<_> = inputs.iter().filter_map(|input| judge(input)).collect();
        let accepted = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
        assert!(accepted > 200, "{accepted} of {}", verdicts.len());
        let reached: BTreeSet<_> = verdicts.into_iter().filter_map(Result::err).collect();
        let missing: Vec<_> =
            Reject::ALL.into_iter().filter(|reject| !reached.contains(reject)).collect();
        let of_others = [
            Reject::AuthMissing,
            Reject::AuthTime,
            Reject::AuthKey,
            Reject::Replay,
            Reject::NotPeer,
            Reject::PeerTtl,
        ];
        assert_eq!(missing, of_others);
    }
}
