//! What makes an advert news.

use super::*;

/// Design, "a packet that brings no news": whatever an advert says differently makes another
/// digest; what it does not say does not.
#[test]
fn digest() {
    let base = Advert::v3(&addresses(3)).under(|rules| rules.addresses = 0);
    let digest = |advert: &Advert| advert.judge().unwrap().digest;
    let known = digest(&base);

    let mut said = vec![known];
    for bit in 0..32 {
        let mut source = PEER;
        source[bit / 8] ^= 1 << (bit % 8);
        if source[0] < 224 && source != OWN {
            said.push(digest(&base.with(12, &source)));
        }
    }
    for priority in (0..=255).filter(|priority| *priority != 100) {
        said.push(digest(&base.with(MESSAGE + 2, &[priority])));
    }
    for interval in (1..=0x0fff_u16).filter(|interval| *interval != 100) {
        said.push(digest(&base.with(MESSAGE + 4, &interval.to_be_bytes())));
    }
    for count in (1..=255).filter(|count| *count != 3) {
        said.push(digest(&Advert::v3(&addresses(count))));
    }
    for bit in 0..3 * ADDRESS * 8 {
        let at = MESSAGE + vrrp::HEADER + bit / 8;
        said.push(digest(&base.with(at, &[base.packet[at] ^ 1 << (bit % 8)])));
    }
    let distinct = said.len();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), distinct);
    assert_ne!(said[0], 0);

    let mut reversed = addresses(3);
    reversed.reverse();
    for (name, same) in [
        ("identification", base.with(4, &[0xbe, 0xef])),
        ("type of service", base.with(1, &[0])),
        ("don't fragment", base.with(6, &[0x40, 0])),
        ("checksum form", Advert::v3_pseudo(&addresses(3))),
        ("order of the addresses", Advert::v3(&reversed)),
    ] {
        assert_eq!(digest(&same), known, "{name}");
    }
}

/// The same of v2, where interval and password cannot differ in what is accepted.
#[test]
fn v2_digest() {
    let base = Advert::v2(&[VIP]);
    let digest = |advert: &Advert| advert.judge().unwrap().digest;
    for (name, other) in [
        ("priority", base.with(MESSAGE + 2, &[99])),
        ("source", base.with(12, &[192, 0, 2, 4])),
        ("address", base.with(MESSAGE + 8, &PEER)),
        ("count", Advert::v2(&[VIP, VIP])),
        ("version", Advert::v3(&[VIP])),
    ] {
        assert_ne!(digest(&other), digest(&base), "{name}");
    }
    assert_eq!(digest(&base.with(4, &[0xbe, 0xef])), digest(&base));
}
