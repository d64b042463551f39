//! The trailer of `auth_hmac`, against the form that keepalived documents and RFC 2104 written out.

use std::{collections::BTreeMap, time::Duration};

use sha2::{Digest, Sha256};
use vrrp_common::{Addr, Family, ladder::Reject, wire::vrrp};
use xvrrp::{
    auth::{
        Sequence,
        trailer::{Parts, Signatures, Subject, TRAILER},
    },
    config::{AntiReplay, AuthHmac, HmacMode},
};

use super::{Seeds, naive::word};

/// The first octet: family, `anti_replay`, and whether the signature is made right.
const IPV6: u8 = 1;
const MONOTONIC: u8 = 2;
const SEAL: u8 = 4;

const SOURCE: [u8; 4] = [192, 0, 2, 3];
const SOURCE_V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
const KEYS: [(u8, &[u8; 32]); 2] =
    [(1, b"0123456789abcdef0123456789abcdef"), (7, b"another key, but as long as that")];
/// When the advert comes in: seconds since 1970.
const NOW: u32 = 0x6800_0000;
const WINDOW: u32 = 5;
/// Octets of the trailer in front of the signature.
const FIXED: usize = 12;

pub(super) fn check(data: &[u8]) {
    let Some((setting, payload)) = data.split_first() else { return };
    let family = if setting & IPV6 == 0 { Family::V4 } else { Family::V6 };
    let mut payload = payload.to_vec();
    let Some(end) = message_end(family, &payload) else {
        assert_eq!(Parts::of(&payload, family), None);
        return;
    };
    let has_trailer = payload.len() == end + TRAILER;
    if setting & SEAL != 0
        && has_trailer
        && let Some(signature) = signature(family, &payload[..end], &payload[end..])
    {
        payload[end + FIXED..].copy_from_slice(&signature);
    }

    let (message, rest) = payload.split_at(end);
    let trailer = rest.try_into().ok();
    let parts = Parts { message, trailer };
    assert_eq!((Parts::of(&payload, family), trailer.is_some()), (Some(parts), has_trailer));
    let is_monotonic = setting & MONOTONIC != 0;
    let mut signatures = signatures(is_monotonic);
    let subject = Subject {
        family,
        source: match family {
            Family::V4 => SOURCE.into(),
            Family::V6 => SOURCE_V6.into(),
        },
    };
    let clock = Duration::new(NOW.into(), 500_000_000);
    let faults = faults(family, message, rest, is_monotonic);
    match signatures.verify(&subject, &parts, clock) {
        Err(reject) => assert!(faults.contains(&reject), "{reject:?} is none of {faults:?}"),
        Ok(()) => {
            assert_eq!(faults, []);
            let again = signatures.verify(&subject, &parts, clock);
            assert_eq!(again, Err(Reject::Replay));
            // It is worth nothing in another's name.
            let other = Subject { source: Addr::v4([192, 0, 2, 4]), ..subject };
            assert_eq!(signatures.verify(&other, &parts, clock), Err(Reject::AuthData));
            // The same number, signed by us with the active key, is understood, too.
            let number = u64::from(word(&rest[4..])) << 48
                | u64::from(word(&rest[6..])) << 32
                | u64::from(word(&rest[8..])) << 16
                | u64::from(word(&rest[10..]));
            let ours = signatures.sign(&subject, message, Sequence::from_bits(number));
            let ours = ours.unwrap_or_default();
            let expected = signature(family, message, &ours);
            assert_eq!(expected.as_ref().map(|it| &it[..]), Some(&ours[FIXED..]));
        }
    }
}

fn signatures(is_monotonic: bool) -> Signatures {
    Signatures::new(&AuthHmac {
        keys: KEYS.iter().map(|(number, key)| (*number, key.to_vec())).collect::<BTreeMap<_, _>>(),
        active: KEYS[1].0,
        anti_replay: if is_monotonic { AntiReplay::Monotonic } else { AntiReplay::Time },
        window: Duration::from_secs(WINDOW.into()),
        mode: HmacMode::Enforce,
    })
}

/// All that is wrong with a trailer that nobody has sent before.
fn faults(family: Family, message: &[u8], trailer: &[u8], is_monotonic: bool) -> Vec<Reject> {
    if trailer.len() != TRAILER {
        return vec![Reject::AuthMissing];
    }
    let mut faults = Vec::new();
    if (trailer[0], trailer[2], trailer[3]) != (1, 0, 0) {
        faults.push(Reject::AuthType);
    }
    let seconds = word(&trailer[4..]) << 16 | word(&trailer[6..]);
    // Signed, so that 2106 is not the end.
    let distance = i64::from(seconds.wrapping_sub(NOW).cast_signed()).abs();
    if !is_monotonic && distance > i64::from(WINDOW) {
        faults.push(Reject::AuthTime);
    }
    match signature(family, message, trailer) {
        None => faults.push(Reject::AuthKey),
        Some(signature) if trailer[FIXED..] != signature => faults.push(Reject::AuthData),
        Some(_) => {}
    }
    faults
}

/// Where the message ends, in front of what may be a trailer.
fn message_end(family: Family, payload: &[u8]) -> Option<usize> {
    let header = payload.get(..vrrp::HEADER)?;
    let size = if family == Family::V4 { 4 } else { 16 };
    let data = if header[0] / 16 == 2 { 8 } else { 0 };
    let end = vrrp::HEADER + usize::from(header[3]) * size + data;
    (end <= payload.len()).then_some(end)
}

/// HMAC-SHA256 cut to 128 bits; `None` for a key that nobody has.
fn signature(family: Family, message: &[u8], trailer: &[u8]) -> Option<[u8; 16]> {
    let key = KEYS.iter().find(|(number, _)| *number == trailer[1])?.1;
    let mut block = vec![if family == Family::V4 { 4 } else { 6 }, message[0] / 16, message[1], 0];
    match family {
        Family::V4 => block.extend([&SOURCE[..], &[0; 12]].concat()),
        Family::V6 => block.extend(SOURCE_V6),
    }
    let mut message = message.to_vec();
    message[6..8].fill(0);
    let signed = [&block, &message[..], &trailer[..FIXED], &[0; 16]].concat();
    // RFC 2104 2, for a key that is shorter than a block.
    let pad = |with: u8| -> [u8; 64] {
        std::array::from_fn(|at| key.get(at).copied().unwrap_or_default() ^ with)
    };
    let inner = Sha256::digest([&pad(0x36), &signed[..]].concat());
    let outer = Sha256::digest([&pad(0x5c), &inner[..]].concat());
    outer.first_chunk().copied()
}

/// The messages of all adverts with a trailer for each key, as it is and sealed.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for packet in &seeds.adverts {
        let is_v6 = packet[0] / 16 == 6;
        let start = if is_v6 { 40 } else { usize::from(packet[0] % 16) * 4 };
        let Some(message) = packet.get(start..) else { continue };
        for (key, _) in KEYS {
            let mut trailer = [0; TRAILER];
            (trailer[0], trailer[1], trailer[4]) = (1, key, (NOW >> 24) as u8);
            for flags in [0, SEAL, SEAL | MONOTONIC] {
                let setting = flags | if is_v6 { IPV6 } else { 0 };
                inputs.push([&[setting], message, &trailer].concat());
            }
        }
    }
    inputs
}
