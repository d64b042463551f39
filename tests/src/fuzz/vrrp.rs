//! Adverts that we send: octet for octet as a plain writing of the message, and accepted by the
//! ladder of whoever receives them, who hears what was said.

use vrrp_common::{
    Addr, AdverInterval, Family, Priority, Version, Vrid,
    ladder::{Believe, Envelope, Reject, Rules, address_set},
    wire::{
        ipv4, ipv6,
        vrrp::{self, Advertisement, Auth, Coverage, Header},
    },
};

use super::{
    Seeds,
    naive::{pseudo_header, seal, word},
};

/// Octets of an input in front of the addresses: flags, VRID, priority, interval, password.
const SETTING: usize = 5 + vrrp::AUTH_DATA;

/// Flags of the first octet; the two lowest bits are the authentication type.
const V2: u8 = 1 << 2;
const IPV6: u8 = 1 << 3;
const MESSAGE_ONLY: u8 = 1 << 4;

const SOURCE: [u8; 4] = [192, 0, 2, 3];
const SOURCE_V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];

pub(super) fn check(data: &[u8]) {
    check_header(data);
    let Some((setting, addresses)) = data.split_first_chunk::<SETTING>() else { return };
    if setting[0] & IPV6 == 0 {
        let addresses = addresses.as_chunks::<4>().0;
        check_advertisement(setting, addresses, SOURCE, ipv4::VRRP_GROUP, |payload| {
            ipv4::advert_header(SOURCE, ipv4::VRRP_GROUP, ipv4::TTL, 1, payload).to_vec()
        });
    } else {
        let addresses = addresses.as_chunks::<16>().0;
        check_advertisement(setting, addresses, SOURCE_V6, ipv6::VRRP_GROUP, |payload| {
            ipv6::advert_header(SOURCE_V6, ipv6::VRRP_GROUP, ipv6::HOP_LIMIT, payload).to_vec()
        });
    }
}

/// Each field is where RFC 9568 5.2 and RFC 3768 5.3 put it.
fn check_header(data: &[u8]) {
    let Some((octets, _)) = data.split_first_chunk::<{ vrrp::HEADER }>() else { return };
    let header = Header(octets);
    assert_eq!((header.version(), header.kind()), (octets[0] / 16, octets[0] % 16));
    assert_eq!((header.vrid(), header.priority()), (octets[1], octets[2]));
    assert_eq!(header.count(), usize::from(octets[3]));
    assert_eq!((header.auth_type(), header.adver_int()), (octets[4], octets[5]));
    assert_eq!(u32::from(header.max_advertise_interval()), word(&octets[4..]) % 4096);
}

fn check_advertisement<const N: usize>(
    setting: &[u8; SETTING],
    addresses: &[[u8; N]],
    source: [u8; N],
    destination: [u8; N],
    header: impl Fn(usize) -> Vec<u8>,
) where
    Addr: From<[u8; N]>,
{
    let [flags, vrid, priority, i0, i1, password @ ..] = *setting;
    let version = if flags & V2 == 0 { Version::V3 } else { Version::V2 };
    let interval = match version {
        Version::V2 => AdverInterval::from_seconds(i1),
        Version::V3 => AdverInterval::from_centiseconds(u16::from_be_bytes([i0, i1]) % 4096),
    };
    let (Some(vrid), Some(interval)) = (Vrid::new(vrid), interval) else { return };
    let auth = match flags & 3 {
        1 => Auth::Pass(password),
        2 => Auth::Header,
        _ => Auth::None,
    };
    let coverage =
        if flags & MESSAGE_ONLY == 0 { Coverage::PseudoHeader } else { Coverage::Message };
    let priority = Priority::new(priority);
    let advertisement =
        Advertisement { version, vrid, priority, interval, addresses, auth, coverage };

    let mut out = [0xa5; vrrp::MAX_MESSAGE + 8];
    let sent = advertisement.emit(source, destination, &mut out);
    let is_v6 = N == vrrp::ADDRESS_V6;
    let is_possible = addresses.len() < 256 && !(is_v6 && version == Version::V2);
    assert_eq!(sent.is_some(), is_possible);
    let Some(message) = sent else { return };
    assert_eq!(*message, write(&advertisement, source, destination));

    let packet = [&header(message.len()), &*message].concat();
    let family = if is_v6 { Family::V6 } else { Family::V4 };
    let rules = Rules {
        version,
        destination: destination.into(),
        own: Addr::UNSPECIFIED,
        own_priority: 100,
        auth,
        adver_int: interval.seconds(),
        believe: match coverage {
            Coverage::Message => Believe::Message,
            Coverage::PseudoHeader => Believe::PseudoHeader,
        },
        addresses: address_set(addresses),
        link_local_first: true,
        check_addresses: true,
        owner_ignores: false,
        unicast: false,
        deferred: false,
    };
    let fault = match (version, addresses.first()) {
        (Version::V3, None) => Some(Reject::CountZero),
        (Version::V3, Some(first)) if is_v6 && (first[0], first[1] & 0xc0) != (0xfe, 0x80) => {
            Some(Reject::FirstNotLinkLocal)
        }
        (Version::V2, _) if auth == Auth::Header => Some(Reject::AuthData),
        _ => None,
    };
    match open(family, &packet).and_then(|it| it.judge(&packet[..], &rules.pack())) {
        Err(reject) => assert_eq!(Some(reject), fault),
        Ok(heard) => {
            assert_eq!(fault, None);
            assert_eq!((heard.source, heard.priority), (source.into(), priority.get()));
            assert_eq!(heard.interval, interval.centiseconds());
            assert!(!heard.addresses_differ);
        }
    }
}

fn open(family: Family, packet: &[u8]) -> Result<Envelope, Reject> {
    match family {
        Family::V4 => Envelope::open(packet, 0),
        Family::V6 => {
            let payload = ipv6::Payload::find(packet, 0).ok_or(Reject::Length)?;
            Envelope::open_ipv6(packet, &payload)
        }
    }
}

/// The message as the RFCs draw it.
fn write<const N: usize>(
    advertisement: &Advertisement<'_, N>,
    source: [u8; N],
    destination: [u8; N],
) -> Vec<u8> {
    let Advertisement { version, vrid, priority, interval, addresses, auth, coverage } =
        *advertisement;
    let (vrid, priority, count) = (vrid.get(), priority.get(), addresses.len() as u8);
    let centiseconds = interval.centiseconds();
    let mut covered = Vec::new();
    let mut message;
    match version {
        Version::V2 => {
            let seconds = (centiseconds / 100) as u8;
            message = vec![0x21, vrid, priority, count, auth.number(), seconds, 0, 0];
            message.extend(addresses.as_flattened());
            message.extend(auth.data());
        }
        Version::V3 => {
            let (high, low) = ((centiseconds / 256) as u8, (centiseconds % 256) as u8);
            message = vec![0x31, vrid, priority, count, high, low, 0, 0];
            message.extend(addresses.as_flattened());
            if N == vrrp::ADDRESS_V6 || coverage == Coverage::PseudoHeader {
                covered = pseudo_header(&[source, destination].concat(), 112, message.len());
            }
        }
    }
    seal(&covered, &mut message, 6);
    message
}

/// Messages of both versions and families, with every kind of authentication and coverage.
pub(super) fn seeds(_: &Seeds) -> Vec<Vec<u8>> {
    let link_local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x33];
    let mut inputs = Vec::new();
    for flags in 0..32 {
        let setting = [&[flags, 51, 100, 0, 100][..], b"abc\0\0\0\0\0"].concat();
        for count in [0, 1, 3, 255] {
            inputs.push([&setting[..], &link_local.repeat(count)].concat());
        }
    }
    inputs
}
