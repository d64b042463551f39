//! Whole packets through ladder and authentication.

use std::collections::BTreeMap;

use vrrp_common::{
    Addr, Version,
    ladder::{Believe, Rules, address_set},
    wire::vrrp::Auth,
};

use super::*;
use crate::config::{AntiReplay, AuthHmac, HmacMode};

/// The moment of the vectors.
const NOW: Duration = Duration::new(0x6800_0000, 500_000_000);

#[rustfmt::skip]
const V4: [u8; 60] = [
    0x45, 0xc0, 0, 60, 0, 1, 0, 0, 255, 112, 0xb0, 0x40, 198, 51, 100, 10, 224, 0, 0, 18,
    0x31, 51, 200, 1, 0, 100, 0x44, 0x02, 192, 0, 2, 100,
    1, 1, 0, 0, 0x68, 0, 0, 0, 0x80, 0, 0, 0,
    0x1b, 0x84, 0xbc, 0x4e, 0x8e, 0x43, 0x89, 0x2d, 0xc6, 0xd9, 0x84, 0x48, 0xf8, 0xee, 0x22, 0x65,
];
/// Sent to fe80::20, with a checksum over message and trailer.
#[rustfmt::skip]
const V6: [u8; 92] = [
    0x6c, 0, 0, 0, 0, 52, 112, 255,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20,
    0x31, 51, 200, 1, 0, 100, 0xa2, 0xe9,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
    1, 1, 0, 0, 0x68, 0, 0, 0, 0x80, 0, 0, 0,
    0xc8, 0xc5, 0x61, 0x46, 0xeb, 0xfd, 0x66, 0xee, 0x10, 0xec, 0x4d, 0x81, 0x86, 0x46, 0x1b, 0x78,
];
/// The vector valid_v2_ah_keepalived.
#[rustfmt::skip]
const AH: [u8; 64] = [
    0x45, 0xc0, 0, 0x40, 0, 1, 0, 0, 0xff, 51, 0x18, 0xb4, 192, 0, 2, 3, 224, 0, 0, 18,
    112, 4, 0, 0, 192, 0, 2, 3, 0, 0, 0, 1,
    0x63, 0x7f, 0x8c, 0x6c, 0x99, 0xf8, 0x23, 0xbe, 0xe0, 0x63, 0xce, 0xbe,
    0x21, 0x33, 0x64, 1, 2, 1, 0xb5, 0xcb, 192, 0, 2, 254, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn rules() -> Rules {
    Rules {
        version: Version::V3,
        destination: Addr::v4([224, 0, 0, 18]),
        own: Addr::v4([192, 0, 2, 2]),
        own_priority: 100,
        auth: Auth::None,
        adver_int: 1,
        believe: Believe::Either,
        addresses: address_set(&[[192, 0, 2, 100]]),
        link_local_first: false,
        check_addresses: false,
        owner_ignores: false,
        unicast: false,
        deferred: true,
    }
}

fn rules_v6() -> Rules {
    let address = |last| {
        let mut octets = [0; 16];
        (octets[0], octets[1], octets[15]) = (0xfe, 0x80, last);
        Addr::v6(octets)
    };
    Rules { destination: address(0x20), own: address(0x20), unicast: true, ..rules() }
}

fn rules_ah() -> Rules {
    Rules { version: Version::V2, auth: Auth::Header, ..rules() }
}

fn hmac(mode: HmacMode) -> Authenticator {
    Authenticator::new(Some(&Authentication::Hmac(AuthHmac {
        keys: BTreeMap::from([(1, (0..32).collect())]),
        active: 1,
        anti_replay: AntiReplay::Time,
        window: Duration::from_secs(5),
        mode,
    })))
}

fn ah() -> Authenticator {
    Authenticator::new(Some(&Authentication::Ah(*b"1111\0\0\0\0")))
}

/// What became of a packet: why it was tolerated, or refused.
fn judge(
    authenticator: &mut Authenticator,
    packet: &[u8],
    rules: &Rules,
) -> Result<Option<Reject>, Reject> {
    let family = if packet[0] >> 4 == 6 { Family::V6 } else { Family::V4 };
    let judged = authenticator.judge(family, packet, &rules.pack(), NOW);
    judged.map(|judged| judged.tolerated)
}

/// Issue 3, R-5.2.8-04: signed adverts of both families pass once; the checksum of IPv6 covers the
/// trailer, that of IPv4 does not.
#[test]
fn signed() {
    for (packet, rules) in [(&V4[..], rules()), (&V6, rules_v6())] {
        let mut authenticator = hmac(HmacMode::Enforce);
        let mut damaged = packet.to_vec();
        let header = if packet[0] == 0x45 { ipv4::HEADER } else { ipv6::HEADER };
        damaged[header + 6] ^= 1;
        assert_eq!(judge(&mut authenticator, &damaged, &rules), Err(Reject::Checksum));
        assert_eq!(judge(&mut authenticator, packet, &rules), Ok(None));
        assert_eq!(judge(&mut authenticator, packet, &rules), Err(Reject::Replay));
    }
    assert_eq!(judge(&mut Authenticator::None, &V4, &rules()), Ok(None));
    assert_eq!(judge(&mut Authenticator::None, &V6, &rules_v6()), Err(Reject::Checksum));
}

/// The advert without its trailer.
fn unsigned() -> Vec<u8> {
    let mut packet = V4[..32].to_vec();
    (packet[3], packet[11]) = (32, packet[11] + 28);
    packet
}

/// Issue 3: what is not signed, or not signed right, is refused in `enforce` and accepted, with the
/// reason, in the other modes. What the ladder refuses is refused in all of them.
#[test]
fn modes() {
    let mut forged = V4;
    forged[59] ^= 1;
    let mut routed = V4;
    (routed[8], routed[10]) = (254, routed[10] + 1);
    for (mode, tolerates) in
        [(HmacMode::Enforce, false), (HmacMode::Permissive, true), (HmacMode::ReceiveOnly, true)]
    {
        let mut authenticator = hmac(mode);
        for (packet, reject) in
            [(&unsigned()[..], Reject::AuthMissing), (&forged, Reject::AuthData)]
        {
            let expected = if tolerates { Ok(Some(reject)) } else { Err(reject) };
            assert_eq!(judge(&mut authenticator, packet, &rules()), expected, "{mode:?}");
        }
        assert_eq!(judge(&mut authenticator, &routed, &rules()), Err(Reject::Ttl), "{mode:?}");
    }
}

/// Issue 3, V-5.3.6.3-01: adverts behind an authentication header are for those who expect one, and
/// for them there are no others.
#[test]
fn authentication_header() {
    let mut authenticator = ah();
    assert_eq!(judge(&mut authenticator, &AH, &rules_ah()), Ok(None));
    assert_eq!(judge(&mut authenticator, &AH, &rules_ah()), Err(Reject::Replay));
    assert_eq!(judge(&mut authenticator, &V4, &rules_ah()), Err(Reject::Version));
    let plain = Rules { auth: Auth::None, ..rules_ah() };
    for mut other in [Authenticator::None, hmac(HmacMode::Permissive)] {
        assert_eq!(judge(&mut other, &AH, &plain), Err(Reject::AuthType));
    }

    // The same message without the header, as it is and with authentication type 0.
    let mut bare = [&AH[..20], &AH[44..]].concat();
    (bare[3], bare[9]) = (40, 112);
    (bare[10], bare[11]) = (0x18, 0x8f);
    assert_eq!(judge(&mut authenticator, &bare, &rules_ah()), Err(Reject::AuthData));
    (bare[24], bare[26]) = (0, bare[26] + 2);
    assert_eq!(judge(&mut authenticator, &bare, &rules_ah()), Err(Reject::AuthType));
}

/// Issue 3: who seals what is sent, and with what.
#[test]
fn seals() {
    assert!(matches!(Authenticator::None.seal(NOW), Seal::None));
    assert!(matches!(ah().seal(NOW), Seal::Header(_, 0x6800_0000)));
    for mode in [HmacMode::Enforce, HmacMode::Permissive] {
        let mut signing = hmac(mode);
        let Seal::Trailer(_, number) = signing.seal(NOW) else { panic!("{mode:?} signs nothing") };
        assert_eq!(number, Sequence::at(NOW));
    }
    assert!(matches!(hmac(HmacMode::ReceiveOnly).seal(NOW), Seal::None));
}
