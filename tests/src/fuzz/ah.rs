//! The IP authentication header against RFC 2402 and RFC 2104 written out.

use md5::{Digest, Md5};
use vrrp_common::{ladder::Reject, wire::ipv4};
use xvrrp::auth::ah::{self, Association, Dialect};

use super::{Seeds, naive::word, oracle::AH};

/// The first octet: which dialect, and whether the digest is made right.
const RFC_2402: u8 = 1;
const SEAL: u8 = 2;
/// The key of the vector of that dialect.
const KEY: &[u8] = b"0123456789abcdef";
/// Octets of the authentication header in front of the value, and of the value.
const FIXED: usize = 12;
const VALUE: usize = 12;

pub(super) fn check(data: &[u8]) {
    let Some((setting, packet)) = data.split_first() else { return };
    let dialect = if setting & RFC_2402 == 0 { Dialect::Keepalived } else { Dialect::Rfc2402 };
    let mut packet = packet.to_vec();
    if setting & SEAL != 0
        && let Some((start, digest)) = digest(&packet, dialect)
    {
        packet[start + FIXED..start + AH].copy_from_slice(&digest);
    }
    let mut association = Association::new(KEY, dialect);
    let opened = association.open(&packet);
    let expected = read(&packet, dialect);
    assert_eq!(opened.ok().map(|envelope| envelope.vrid), expected.map(|(vrid, _)| vrid));
    let Some((vrid, sequence)) = expected else { return };
    assert_eq!(ah::vrid(&packet), Some(vrid));
    assert_eq!(association.open(&packet), Err(Reject::Replay));
    let mut other = Association::new(b"another key", dialect);
    assert_eq!(other.open(&packet), Err(Reject::AuthData));

    // What we send, we understand. It has no options.
    if packet[0] == 0x45 {
        packet.truncate(word(&packet[2..]) as usize);
        let ours = Association::new(KEY, dialect);
        assert!(ours.seal(&mut packet, sequence));
        assert_eq!(read(&packet, dialect), Some((vrid, sequence)));
    }
}

/// VRID and sequence number of a packet that is authentic.
fn read(packet: &[u8], dialect: Dialect) -> Option<(u8, u32)> {
    let (start, digest) = digest(packet, dialect)?;
    let header = &packet[start..start + AH];
    let message = &packet[start + AH..word(&packet[2..]) as usize];
    let holds = packet[0] / 16 == 4
        && word(&packet[6..]).is_multiple_of(0x2000)
        && header[0] == ipv4::VRRP
        && header[1] == 4
        && header[FIXED..] == digest
        && message.len() >= 2;
    holds.then(|| (message[1], word(&header[8..]) << 16 | word(&header[10..])))
}

/// Where the authentication header begins, and what its value must be. `None` for a packet that has
/// no room for it.
fn digest(packet: &[u8], dialect: Dialect) -> Option<(usize, [u8; VALUE])> {
    let fixed = packet.get(..20)?;
    let start = usize::from(fixed[0] % 16) * 4;
    let mut packet = packet.get(..word(&fixed[2..]) as usize)?.to_vec();
    if start < 20 || packet.len() < start + AH {
        return None;
    }
    // RFC 2402 3.3.3.1.1.1: TOS, flags, fragment offset, TTL and checksum change on the way;
    // keepalived takes the TTL for constant in packets to a group.
    packet[1] = 0;
    packet[6..8].fill(0);
    let is_to_group = (224..240).contains(&packet[16]);
    if dialect == Dialect::Rfc2402 || !is_to_group {
        packet[8] = 0;
    }
    packet[10..12].fill(0);
    packet[start + FIXED..start + AH].fill(0);
    // RFC 2104 2, for a key that is shorter than a block.
    let pad = |with: u8| -> [u8; 64] {
        std::array::from_fn(|at| KEY.get(at).copied().unwrap_or_default() ^ with)
    };
    let inner = Md5::digest([&pad(0x36), &packet[..]].concat());
    let outer = Md5::digest([&pad(0x5c), &inner[..]].concat());
    Some((start, *outer.first_chunk()?))
}

/// The authenticated adverts in both dialects, as they are and sealed; and the others, which are
/// not.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let settings = [0, RFC_2402, SEAL, RFC_2402 | SEAL];
    let inputs = seeds.adverts.iter().filter(|packet| packet[0] / 16 == 4);
    inputs.flat_map(|packet| settings.map(|it| [&[it], &packet[..]].concat())).collect()
}
