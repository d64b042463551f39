//! Each rung by itself: everything that it must refuse, and what it must let pass.

use super::*;

/// version, header length, total length and checksum of the IP header.
#[test]
fn ip_header() {
    let advert = Advert::v3(&[VIP]);
    for version in (0..16).filter(|version| *version != 4) {
        let other = advert.with(0, &[version << 4 | 5]);
        assert_eq!(other.rejected(), Some(Reject::IpHeader), "version {version}");
    }
    for words in 0..5 {
        let other = advert.with(0, &[0x40 | words]);
        assert_eq!(other.rejected(), Some(Reject::IpHeader), "header of {words} words");
    }
    for length in 0..HEADER {
        let other = advert.with_total_length(length);
        assert_eq!(other.rejected(), Some(Reject::IpHeader), "total length {length}");
    }
    for bit in 0..HEADER * 8 {
        let mut other = advert.clone();
        other.packet[bit / 8] ^= 1 << (bit % 8);
        let reason = other.rejected();
        // A header that says it is longer covers the message, or more than there is; one that says
        // it is a fragment, or shorter, is believed so far.
        let expected = [Reject::IpHeader, Reject::Fragment, Reject::Length];
        assert!(reason.is_some_and(|reason| expected.contains(&reason)), "bit {bit}: {reason:?}");
    }
}

/// neither a first fragment nor a later one; "don't fragment" is none.
#[test]
fn fragment() {
    let advert = Advert::v3(&[VIP]);
    for octets in [[0x20, 0], [0, 1], [0x1f, 0xff], [0x20, 1]] {
        let other = advert.with(6, &octets);
        assert_eq!(other.rejected(), Some(Reject::Fragment), "{octets:x?}");
    }
    assert_eq!(advert.with(6, &[0x40, 0]).rejected(), None);
}

/// a source that is no host's.
#[test]
fn source() {
    for advert in [Advert::v3(&[VIP]), Advert::v2(&[VIP])] {
        for source in [[0; 4], [224, 0, 0, 0], VRRP_GROUP, [239, 1, 2, 3], [240, 0, 0, 1], [255; 4]]
        {
            let other = advert.with(12, &source);
            assert_eq!(other.rejected(), Some(Reject::Source), "{source:?}");
        }
        assert_eq!(advert.with(12, &[223, 255, 255, 255]).rejected(), None);
    }
}

/// our own adverts, looped back.
#[test]
fn own_source() {
    let advert = Advert::v3(&[VIP]).with(12, &OWN);
    assert_eq!(advert.rejected(), Some(Reject::OwnSource));
    assert_eq!(advert.under(|rules| rules.own = Addr::UNSPECIFIED).rejected(), None);
}

/// only what was sent to the group of the virtual router.
#[test]
fn destination() {
    let advert = Advert::v3(&[VIP]);
    for destination in [OWN, VIP, [224, 0, 0, 1], [255; 4], [0; 4]] {
        let other = advert.with(16, &destination);
        assert_eq!(other.rejected(), Some(Reject::Destination), "{destination:?}");
        assert_eq!(other.under(|rules| rules.destination = destination.into()).rejected(), None);
    }
}

/// R-5.1.1.3-02, V-7.1-01: nothing that was routed.
#[test]
fn ttl() {
    for advert in [Advert::v3(&[VIP]), Advert::v2(&[VIP])] {
        for ttl in 0..255 {
            assert_eq!(advert.with(8, &[ttl]).rejected(), Some(Reject::Ttl), "{ttl}");
        }
    }
}

/// Issue 3, X-09: a unicast router hears what was sent to its own address, however far it came, and
/// nothing else.
#[test]
fn unicast() {
    for advert in [Advert::v3(&[VIP]), Advert::v2(&[VIP])] {
        let advert = advert.under(|rules| (rules.unicast, rules.destination) = (true, OWN.into()));
        for ttl in [0, 1, 63, 64, 254, 255] {
            let sent_to = |address: [u8; 4]| advert.with(8, &[ttl]).with(16, &address).rejected();
            assert_eq!(sent_to(OWN), None, "{ttl}");
            for other in [VRRP_GROUP, PEER, VIP, [224, 0, 0, 1], [255; 4]] {
                assert_eq!(sent_to(other), Some(Reject::Destination), "{other:?}");
            }
        }
    }
}

/// R-7.1-02, V-7.1-02: every version but ours.
#[test]
fn version() {
    for (advert, ours) in [(Advert::v3(&[VIP]), 3), (Advert::v2(&[VIP]), 2)] {
        for version in (0..16).filter(|version| *version != ours) {
            let other = advert.with(MESSAGE, &[version << 4 | 1]);
            assert_eq!(other.rejected(), Some(Reject::Version), "{version} at v{ours}");
        }
    }
}

/// R-7.1-03, V-5.3.2-01: every type but ADVERTISEMENT.
#[test]
fn kind() {
    for (advert, version) in [(Advert::v3(&[VIP]), 3), (Advert::v2(&[VIP]), 2)] {
        for kind in (0..16).filter(|kind| *kind != 1) {
            let other = advert.with(MESSAGE, &[version << 4 | kind]);
            assert_eq!(other.rejected(), Some(Reject::Type), "type {kind}, v{version}");
        }
    }
}

/// R-7.1-04, V-7.1-03, V-5.3.5-01: cut at every length, by the frame or by the IP header, and with
/// more addresses than there are.
#[test]
fn length() {
    let addresses = addresses(3);
    for advert in [Advert::v3(&addresses), Advert::v3_pseudo(&addresses), Advert::v2(&addresses)] {
        for length in 0..advert.packet.len() {
            let mut other = advert.clone();
            other.packet.truncate(length);
            assert_eq!(other.rejected(), Some(Reject::Length), "{length} octets of frame");
        }
        for length in HEADER..advert.packet.len() {
            let other = advert.with_total_length(length);
            assert_eq!(other.rejected(), Some(Reject::Length), "{length} octets of IP packet");
        }
        for count in 4..=255 {
            let other = advert.with(MESSAGE + 3, &[count]);
            assert_eq!(other.rejected(), Some(Reject::Length), "{count} addresses of 3");
        }
    }
}

/// R-7.1-04, X-01: an IP packet whose end did not arrive is not complete, even if all addresses
/// did; the IP layer drops it, too.
#[test]
fn length_of_ip_packet() {
    for advert in [Advert::v3(&[VIP]), Advert::v2(&[VIP])] {
        let longer = advert.packet.len() + 1;
        for length in [longer, longer + 100, 0xffff] {
            let other = advert.with_total_length(length);
            assert_eq!(other.rejected(), Some(Reject::Length), "total length {length}");
        }
    }
}

/// R-7.1-05, V-7.1-04: the two forms of v3 (R-5.2.8-02, R-5.2.8-03), and v2 with neither a
/// pseudo-header nor its authentication data left out (V-5.3.8-01).
#[test]
fn checksum() {
    let (message, pseudo) = (Advert::v3(&[VIP]), Advert::v3_pseudo(&[VIP]));
    for (believe, message_passes, pseudo_passes) in [
        (Believe::Either, true, true),
        (Believe::Message, true, false),
        (Believe::PseudoHeader, false, true),
    ] {
        for (advert, passes) in [(&message, message_passes), (&pseudo, pseudo_passes)] {
            let advert = advert.under(|rules| rules.believe = believe);
            let expected = if passes { None } else { Some(Reject::Checksum) };
            assert_eq!(advert.rejected(), expected, "{believe:?}");
        }
    }

    let mut with_pseudo = Advert::v2(&[VIP]);
    let sum = pseudo_header_sum(&with_pseudo);
    add_to_checksum(&mut with_pseudo, sum);
    let mut without_auth = Advert::v2(&[VIP]);
    seal(&mut without_auth.packet[MESSAGE..MESSAGE + 12], 6);
    for advert in [with_pseudo, without_auth] {
        assert_eq!(advert.rejected(), Some(Reject::Checksum));
    }
}

fn pseudo_header_sum(advert: &Advert) -> u16 {
    vrrp::pseudo_header(PEER.into(), VRRP_GROUP.into(), advert.packet.len() - MESSAGE).fold()
}

/// What the sender would have filled in, had it summed `word`, too.
fn add_to_checksum(advert: &mut Advert, word: u16) {
    let field: &mut [u8; 2] = advert.packet[MESSAGE + 6..].first_chunk_mut().unwrap();
    *field = Sum::default().word(!u16::from_be_bytes(*field)).word(word).complement().to_be_bytes();
}

/// R-5.2.8-05: a checksum that comes out as 0x0000 is right, and 0xffff in its place is the same
/// number; 0x0000 does not mean "absent".
#[test]
fn checksum_zero() {
    let mut advert = Advert::v3(&[VIP]);
    assert_eq!(advert.with(MESSAGE, &[0x31]).rejected(), None);
    let field = MESSAGE + 6..MESSAGE + 8;
    advert.packet[field.clone()].fill(0);
    assert_eq!(advert.rejected(), Some(Reject::Checksum));

    // The address that makes the sum of all other words up to 0xffff.
    let rest = Sum::default().octets(&advert.packet[MESSAGE..MESSAGE + 10]).complement();
    advert.packet[MESSAGE + 10..MESSAGE + 12].copy_from_slice(&rest.to_be_bytes());
    assert_eq!(advert.rejected(), None);
    advert.packet[field].fill(0xff);
    assert_eq!(advert.rejected(), None);
}

/// R-5.2.5-02: a v3 advert without addresses.
#[test]
fn count_zero() {
    for advert in [Advert::v3(&[]), Advert::v3_pseudo(&[])] {
        assert_eq!(advert.rejected(), Some(Reject::CountZero));
    }
    assert_eq!(Advert::v3(&[VIP]).with(MESSAGE + 3, &[0]).rejected(), Some(Reject::CountZero));
}

/// R-7.1-08: interval 0, also behind a reserved nibble.
#[test]
fn interval_zero() {
    for octets in [[0, 0], [0xf0, 0], [0x10, 0]] {
        let advert = Advert::v3(&[VIP]).with(MESSAGE + 4, &octets);
        assert_eq!(advert.rejected(), Some(Reject::IntervalZero), "{octets:x?}");
    }
}

/// R-7.1-11, V-7.1-05: an owner that ignores adverts.
#[test]
fn local_owner() {
    for advert in [Advert::v3(&[VIP]), Advert::v3_pseudo(&[VIP]), Advert::v2(&[VIP])] {
        let other = advert.under(|rules| rules.owner_ignores = true);
        assert_eq!(other.rejected(), Some(Reject::LocalOwner));
    }
}

/// V-5.3.6-01: every authentication type but ours.
#[test]
fn auth_type() {
    for (auth, ours) in [(Auth::None, 0), (Auth::Pass(PASSWORD), 1), (Auth::Header, 2)] {
        let advert = Advert::new(Version::V2, auth, Coverage::Message, &[VIP]);
        for kind in (0..=255).filter(|kind| *kind != ours) {
            let other = advert.with(MESSAGE + 4, &[kind]);
            assert_eq!(other.rejected(), Some(Reject::AuthType), "{kind} at {auth:?}");
        }
    }
}

/// V-5.3.6.2-01: every bit of the password counts, and no beginning is enough. V-5.3.6.3-01: type 2
/// without an authentication header. V-5.3.6-02: type 0 ignores the data.
#[test]
fn auth_data() {
    let data = MESSAGE + 12;
    let advert = Advert::v2(&[VIP]);
    for bit in 0..AUTH_DATA * 8 {
        let octet = PASSWORD[bit / 8] ^ 1 << (bit % 8);
        let other = advert.with(data + bit / 8, &[octet]);
        assert_eq!(other.rejected(), Some(Reject::AuthData), "bit {bit}");
    }
    for password in [*b"abcdefgh", *b"ab\0\0\0\0\0\0", [0; AUTH_DATA]] {
        assert_eq!(advert.with(data, &password).rejected(), Some(Reject::AuthData));
    }
    let header = Advert::new(Version::V2, Auth::Header, Coverage::Message, &[VIP]);
    assert_eq!(header.rejected(), Some(Reject::AuthData));
    let none = Advert::new(Version::V2, Auth::None, Coverage::Message, &[VIP]);
    assert_eq!(none.with(data, b"whatever").rejected(), None);
}

/// V-5.3.6.3-01: type 2 behind an authentication header that somebody has found right, and only
/// then; the header vouches for no other type.
#[test]
fn vouched() {
    let header_length = 24;
    let behind_header = |auth| {
        let mut advert = Advert::new(Version::V2, auth, Coverage::Message, &[VIP]);
        advert.packet[3] += header_length;
        advert.packet[9] = 51;
        advert.packet.splice(MESSAGE..MESSAGE, vec![0xa5; header_length.into()]);
        advert.seal_header();
        advert
    };
    let judge = |advert: &Advert| {
        Envelope::open_vouched(&advert.packet[..], 0, header_length.into())?
            .judge(&advert.packet[..], &advert.rules.pack())
    };
    let advert = behind_header(Auth::Header);
    assert_eq!(judge(&advert).map(|heard| heard.priority), Ok(100));
    let other = advert.under(|rules| rules.auth = Auth::None);
    assert_eq!(judge(&other), Err(Reject::AuthType));
    let other = behind_header(Auth::Pass(PASSWORD)).under(|rules| rules.auth = Auth::Pass([1; 8]));
    assert_eq!(judge(&other), Err(Reject::AuthData));
    for length in 0..advert.packet.len() {
        let mut other = advert.clone();
        other.packet.truncate(length);
        assert_eq!(judge(&other), Err(Reject::Length), "{length} octets");
    }
}

/// V-7.1-10: another v2 interval is no learning matter.
#[test]
fn v2_interval() {
    let advert = Advert::v2(&[VIP]);
    for seconds in (0..=255).filter(|seconds| *seconds != 1) {
        let other = advert.with(MESSAGE + 5, &[seconds]);
        assert_eq!(other.rejected(), Some(Reject::Interval), "{seconds} s");
        if seconds > 0 {
            let heard = other.under(|rules| rules.adver_int = seconds).judge().unwrap();
            assert_eq!(heard.interval, u16::from(seconds) * 100);
        }
    }
}

/// V-7.1-09: where it is checked, another address list is rejected, unless the owner sent it.
#[test]
fn v2_address_list() {
    let advert = Advert::v2(&[VIP]).under(|rules| rules.addresses = address_set(&[PEER]));
    assert_eq!(advert.judge().map(|heard| heard.addresses_differ), Ok(true));
    let advert = advert.under(|rules| rules.check_addresses = true);
    assert_eq!(advert.rejected(), Some(Reject::AddressList));
    let owner = advert.with(MESSAGE + 2, &[255]);
    assert_eq!(owner.judge().map(|heard| heard.addresses_differ), Ok(true));
}

/// R-5.2.8-01, R-7.1-05: no single bit of a message can flip on the way unnoticed. One in the VRID
/// makes it another router's advert, and would not pass there either.
#[test]
fn bit_flips() {
    for (advert, length) in [
        (Advert::v3(&addresses(8)), 40),
        (Advert::v3_pseudo(&addresses(8)), 40),
        (Advert::v2(&addresses(6)), 40),
        (Advert::v3(&[VIP]), 12),
        (Advert::v3_pseudo(&[VIP]), 12),
        (Advert::v2(&[VIP]), 20),
    ] {
        assert_eq!(advert.rejected(), None);
        for bit in 0..length * 8 {
            let mut other = advert.clone();
            other.packet[MESSAGE + bit / 8] ^= 1 << (bit % 8);
            assert!(other.judge().is_err(), "bit {bit} of {:?}", advert.packet);
            let vrid = Envelope::open(&other.packet[..], 0).unwrap().vrid;
            assert_eq!(vrid != 51, bit / 8 == 1, "bit {bit}");
        }
    }
}
