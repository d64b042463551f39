use std::collections::BTreeMap;

use super::*;

/// The moment of the vectors.
const NOW: Duration = Duration::new(0x6800_0000, 500_000_000);
const WINDOW: Duration = Duration::from_secs(5);

#[rustfmt::skip]
const V3: [u8; 12] = [0x31, 51, 200, 1, 0, 100, 0x44, 0x02, 192, 0, 2, 100];
#[rustfmt::skip]
const V6: [u8; 24] = [
    0x31, 51, 200, 1, 0, 100, 0xa2, 0xe9,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
];
#[rustfmt::skip]
const V2: [u8; 24] = [
    0x21, 51, 150, 2, 0, 1, 0xe2, 0xee, 10, 9, 0, 100, 10, 9, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0,
];
#[rustfmt::skip]
const V2_ZERO: [u8; 24] = [
    0x21, 51, 0, 2, 0, 1, 0x78, 0xef, 10, 9, 0, 100, 10, 9, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// An advert and its trailer, whose signature another implementation of HMAC-SHA256 made.
struct Vector {
    what: &'static str,
    subject: Subject,
    message: &'static [u8],
    key: u8,
    sequence: u64,
    signature: u128,
}

impl Vector {
    fn trailer(&self) -> [u8; TRAILER] {
        let mut trailer = [0; TRAILER];
        [trailer[0], trailer[1]] = [1, self.key];
        trailer[4..12].copy_from_slice(&self.sequence.to_be_bytes());
        trailer[12..].copy_from_slice(&self.signature.to_be_bytes());
        trailer
    }

    fn payload(&self) -> Vec<u8> {
        [self.message, &self.trailer()].concat()
    }
}

/// The first two are those of the draft that keepalived's form comes from.
fn vectors() -> [Vector; 4] {
    let v4 = |address| Subject { family: Family::V4, source: Addr::v4(address) };
    let mut link_local = [0; 16];
    (link_local[0], link_local[1], link_local[15]) = (0xfe, 0x80, 0x10);
    let v6 = Subject { family: Family::V6, source: Addr::v6(link_local) };
    let sequence = 0x6800_0000_8000_0000;
    [
        Vector {
            what: "v3/IPv4",
            subject: v4([198, 51, 100, 10]),
            message: &V3,
            key: 1,
            sequence,
            signature: 0x1b84_bc4e_8e43_892d_c6d9_8448_f8ee_2265,
        },
        Vector {
            what: "v3/IPv6",
            subject: v6,
            message: &V6,
            key: 1,
            sequence,
            signature: 0xc8c5_6146_ebfd_66ee_10ec_4d81_8646_1b78,
        },
        Vector {
            what: "v2, with another key",
            subject: v4([192, 0, 2, 3]),
            message: &V2,
            key: 7,
            sequence: sequence + 1,
            signature: 0x3fdb_ab82_7144_99db_6bd1_4c12_6552_dcc9,
        },
        Vector {
            what: "v2, priority 0",
            subject: v4([192, 0, 2, 3]),
            message: &V2_ZERO,
            key: 7,
            sequence: sequence + 2,
            signature: 0x48f3_3bcc_1940_5966_702c_23e9_c779_f79f,
        },
    ]
}

fn config() -> AuthHmac {
    AuthHmac {
        keys: BTreeMap::from([(1, (0..32).collect()), (7, vec![b'K'; 64])]),
        active: 1,
        anti_replay: AntiReplay::Time,
        window: WINDOW,
        mode: HmacMode::Enforce,
    }
}

fn verify(signatures: &mut Signatures, vector: &Vector, payload: &[u8]) -> Result<(), Reject> {
    let parts = Parts::of(payload, vector.subject.family).unwrap();
    signatures.verify(&vector.subject, &parts, NOW)
}

/// Issue 3: what others have signed is accepted with any of our keys, priority 0 included.
#[test]
fn signed_by_others() {
    let mut signatures = Signatures::new(&config());
    for vector in vectors() {
        let verdict = verify(&mut signatures, &vector, &vector.payload());
        assert_eq!(verdict, Ok(()), "{}", vector.what);
    }
}

/// Issue 3: what we sign is what others sign, octet for octet, with the active key.
#[test]
fn sign() {
    for vector in vectors() {
        let signatures = Signatures::new(&AuthHmac { active: vector.key, ..config() });
        let sequence = Sequence::from_bits(vector.sequence);
        let trailer = signatures.sign(&vector.subject, vector.message, sequence);
        assert_eq!(trailer, Some(vector.trailer()), "{}", vector.what);
    }
    let signatures = Signatures::new(&config());
    let [Vector { subject, .. }, ..] = vectors();
    assert_eq!(signatures.sign(&subject, &V3[..7], Sequence::at(NOW)), None);
}

/// Issue 3: every octet counts but the checksum, and so do virtual router and sender.
#[test]
fn every_octet_counts() {
    let monotonic = AuthHmac { anti_replay: AntiReplay::Monotonic, ..config() };
    for vector in vectors() {
        let payload = vector.payload();
        let trailer = vector.message.len();
        for at in 0..payload.len() {
            // Version and number of addresses make another message of it, of another length.
            if at == 0 || at == 3 {
                continue;
            }
            let mut changed = payload.clone();
            changed[at] ^= 1;
            let expected = match at.checked_sub(trailer) {
                None if at == 6 || at == 7 => Ok(()),
                Some(0 | 2 | 3) => Err(Reject::AuthType),
                Some(1) => Err(Reject::AuthKey),
                _ => Err(Reject::AuthData),
            };
            let verdict = verify(&mut Signatures::new(&monotonic), &vector, &changed);
            assert_eq!(verdict, expected, "{}, octet {at}", vector.what);
        }
        let Addr { high, low } = vector.subject.source;
        let other = Addr { high, low: low ^ 1 };
        let vector = Vector { subject: Subject { source: other, ..vector.subject }, ..vector };
        let verdict = verify(&mut Signatures::new(&monotonic), &vector, &payload);
        assert_eq!(verdict, Err(Reject::AuthData), "{} from another sender", vector.what);
    }
}

/// Issue 3: an advert without a trailer, or with something else behind it, is not signed; one that
/// is shorter than it says is no advert.
#[test]
fn unsigned() {
    let [vector, ..] = vectors();
    let mut payload = vector.payload();
    payload.push(0);
    for length in [V3.len(), V3.len() + TRAILER - 1, V3.len() + TRAILER + 1] {
        let verdict = verify(&mut Signatures::new(&config()), &vector, &payload[..length]);
        assert_eq!(verdict, Err(Reject::AuthMissing), "{length} octets");
    }
    for length in 0..V3.len() {
        assert_eq!(Parts::of(&payload[..length], Family::V4), None, "{length} octets");
    }
}

/// A signed v3/IPv4 advert with this number.
fn numbered(sequence: Sequence) -> (Vector, Vec<u8>) {
    let [vector, ..] = vectors();
    let trailer = Signatures::new(&config()).sign(&vector.subject, &V3, sequence).unwrap();
    let payload = [&V3[..], &trailer].concat();
    (vector, payload)
}

/// Issue 3: with `time`, adverts older or newer than the window are refused, right at its ends not;
/// with `monotonic` only the order counts.
#[test]
fn time_window() {
    for (offset, timely) in [(-6, false), (-5, true), (0, true), (5, true), (6, false)] {
        let seconds = NOW.as_secs().checked_add_signed(offset).unwrap();
        let (vector, payload) = numbered(Sequence::at(Duration::from_secs(seconds)));
        let verdict = verify(&mut Signatures::new(&config()), &vector, &payload);
        let expected = if timely { Ok(()) } else { Err(Reject::AuthTime) };
        assert_eq!(verdict, expected, "{offset} s");

        let monotonic = AuthHmac { anti_replay: AntiReplay::Monotonic, ..config() };
        let verdict = verify(&mut Signatures::new(&monotonic), &vector, &payload);
        assert_eq!(verdict, Ok(()), "{offset} s, monotonic");
    }
}

/// Issue 3: a number is taken once, and none that is lower afterwards; forgeries with a higher one
/// change nothing.
#[test]
fn replays() {
    for anti_replay in [AntiReplay::Time, AntiReplay::Monotonic] {
        let mut signatures = Signatures::new(&AuthHmac { anti_replay, ..config() });
        let now = Sequence::at(NOW);
        let (vector, mut forged) = numbered(now.plus(100));
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(verify(&mut signatures, &vector, &forged), Err(Reject::AuthData));
        for (step, expected) in [
            (7, Ok(())),
            (7, Err(Reject::Replay)),
            (6, Err(Reject::Replay)),
            (8, Ok(())),
            (7, Err(Reject::Replay)),
        ] {
            let (vector, payload) = numbered(now.plus(step));
            let verdict = verify(&mut signatures, &vector, &payload);
            assert_eq!(verdict, expected, "{step}, {anti_replay:?}");
        }
    }
}

/// Issue 3: when our clock is set back, what was heard before stands in nobody's way; with
/// `monotonic` it stays.
#[test]
fn marks_outside_of_the_window() {
    for (anti_replay, expected) in
        [(AntiReplay::Time, Ok(())), (AntiReplay::Monotonic, Err(Reject::Replay))]
    {
        let mut signatures = Signatures::new(&AuthHmac { anti_replay, ..config() });
        let later = NOW + 2 * WINDOW;
        let (vector, payload) = numbered(Sequence::at(later));
        let parts = Parts::of(&payload, Family::V4).unwrap();
        assert_eq!(signatures.verify(&vector.subject, &parts, later), Ok(()));
        let (vector, payload) = numbered(Sequence::at(NOW));
        assert_eq!(verify(&mut signatures, &vector, &payload), expected, "{anti_replay:?}");
    }
}

/// Issue 3: numbers are the time, grow when it stands still, and follow a clock that was set back
/// when, and only when, the others would refuse them otherwise.
#[test]
fn numbers_that_are_sent() {
    let mut signatures = Signatures::new(&config());
    let now = Sequence::at(NOW);
    assert_eq!(signatures.next(NOW), now);
    assert_eq!(signatures.next(NOW), now.plus(1));
    assert_eq!(signatures.next(NOW - WINDOW), now.plus(2));
    let earlier = NOW - WINDOW - Duration::from_secs(1);
    assert_eq!(signatures.next(earlier), Sequence::at(earlier));

    let monotonic = AuthHmac { anti_replay: AntiReplay::Monotonic, ..config() };
    let mut signatures = Signatures::new(&monotonic);
    assert_eq!(signatures.next(NOW), now);
    assert_eq!(signatures.next(earlier), now.plus(1));
}

/// Issue 3: who signs, and who accepts what is not signed.
#[test]
fn modes() {
    for (mode, signs, tolerates) in [
        (HmacMode::Enforce, true, false),
        (HmacMode::Permissive, true, true),
        (HmacMode::ReceiveOnly, false, true),
    ] {
        let signatures = Signatures::new(&AuthHmac { mode, ..config() });
        assert_eq!((signatures.signs(), signatures.tolerates()), (signs, tolerates), "{mode:?}");
    }
}
