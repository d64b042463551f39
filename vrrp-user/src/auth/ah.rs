//! The IP authentication header of VRRPv2's authentication type 2: HMAC-MD5-96 (RFC 2338 5.3.6.3,
//! RFC 2402, RFC 2403).
//!
//! keepalived has one counter for each virtual router, for what it sends and what it hears from
//! anybody, and takes only higher numbers. So a number that we send is always higher than all that
//! we have heard, too. What we hear we compare for each sender by itself: two routers that were
//! Active on two sides of a divided network understand each other at once.
//!
//! Nothing is kept over a restart. A counter that began with 1 again would be refused by all who
//! remember the last one, so ours begins with the seconds since 1970: as there is about one advert a
//! second at the most, it has always been overtaken by then. keepalived begins with 1, but as Backup,
//! and learns the number of the Active router before it speaks. Should it have heard nobody, while
//! we remember it, its adverts are refused until it has heard one of ours, which becomes Active for
//! that reason; forgetting what it sent would let in everything that was ever recorded.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use vrrp_common::{
    Addr, Frame,
    ladder::{Envelope, Reject},
    wire::ipv4,
};

use super::{Sequence, sequence::Marks};

/// Octets of the header with its 96-bit value.
pub const HEADER: usize = 24;
/// Octets in front of the value.
const FIXED: usize = 12;
/// Octets of the value: the digest is cut.
const VALUE: usize = HEADER - FIXED;
/// The length field: 32-bit words of the header, less two.
const PAYLOAD_LENGTH: u8 = 4;
/// The largest IPv4 header.
const MAX_IP_HEADER: usize = 60;
/// The 32-bit numbers of the header are the high half of ours.
const STEP: u64 = 1 << 32;

/// Which fields the digest leaves out. The two do not understand each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// keepalived's (2.2.7): the TTL counts as it is in packets to a group, which nobody forwards,
    /// and as zero in those to a peer.
    #[default]
    Keepalived,
    /// RFC 2402 3.3.3.1: the TTL counts as zero, as everything that changes on the way.
    Rfc2402,
}

/// What the routers of one virtual router share: a key, and how far each of them has counted.
#[derive(Clone, Debug)]
pub struct Association {
    keyed: Hmac<Md5>,
    dialect: Dialect,
    /// The highest number that was sent or heard.
    highest: Option<Sequence>,
    marks: Marks,
}

impl Association {
    /// With a key of any length; zeroes at its end make no difference up to 64 octets.
    pub fn new(key: &[u8], dialect: Dialect) -> Self {
        let keyed = Hmac::new_from_slice(key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Self { keyed, dialect, highest: None, marks: Marks::default() }
    }

    /// The number of the next advert, when `clock` has passed since 1970. Copies of one advert for
    /// several peers have the same number.
    pub fn next(&mut self, clock: Duration) -> u32 {
        let now = Sequence::from_bits(clock.as_secs() << 32);
        let next = match self.highest {
            Some(highest) if !now.is_after(highest) => highest.plus(STEP),
            _ => now,
        };
        self.highest = Some(next);
        next.seconds()
    }

    /// Fills in the header of an IPv4 packet without options, behind whose header [`HEADER`] octets
    /// were left for it. `false` for a packet that is too short, which is left alone.
    #[must_use]
    pub fn seal(&self, packet: &mut [u8], sequence: u32) -> bool {
        let Some((source, header)) = packet
            .split_first_chunk_mut::<{ ipv4::HEADER }>()
            .and_then(|(ip, rest)| Some((ipv4::Header(ip).source(), rest.first_chunk_mut()?)))
        else {
            return false;
        };
        *header = fixed(source, sequence);
        let digest = self.digest(packet, ipv4::HEADER).finalize().into_bytes();
        packet[ipv4::HEADER + FIXED..][..VALUE].copy_from_slice(&digest[..VALUE]);
        true
    }

    /// Checks the header of an IPv4 packet of protocol 51 that carries VRRP.
    ///
    /// # Errors
    /// [`Reject::AuthType`] when something other than VRRP is inside, [`Reject::AuthData`] for a
    /// wrong digest, [`Reject::Replay`] for a number that is not higher than the last one of this
    /// sender, and what the ladder says of a packet that is too short or damaged.
    pub fn open(&mut self, packet: &[u8]) -> Result<Envelope, Reject> {
        let (packet, start) = bounds(packet)?;
        let envelope = inside(packet, start)?;
        let header: &[u8; HEADER] = packet.octets(start).ok_or(Reject::Length)?;
        let [_, _, _, _, _, _, _, _, s0, s1, s2, s3, value @ ..] = header;
        // Compared in constant time.
        self.digest(packet, start).verify_truncated_left(value).map_err(|_| Reject::AuthData)?;
        let source = ipv4::Header(packet.octets(0).ok_or(Reject::Length)?).source();
        let number = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
        self.count(Addr::v4(source), Sequence::from_bits(u64::from(number) * STEP))?;
        Ok(envelope)
    }

    fn count(&mut self, sender: Addr, sequence: Sequence) -> Result<(), Reject> {
        if self.marks.of(sender).is_some_and(|mark| !sequence.is_after(mark)) {
            return Err(Reject::Replay);
        }
        self.marks.set(sender, sequence);
        if self.highest.is_none_or(|highest| sequence.is_after(highest)) {
            self.highest = Some(sequence);
        }
        Ok(())
    }

    /// The digest over a packet that has the header at `start`, with its changing fields and the
    /// value itself as zero.
    fn digest(&self, packet: &[u8], start: usize) -> Hmac<Md5> {
        let (ip, rest) = packet.split_at(start);
        let mut header = [0; MAX_IP_HEADER];
        let header = &mut header[..start];
        header.copy_from_slice(ip);
        // Type of service; flags and fragment offset; header checksum.
        for changing in [1, 6, 7, 10, 11] {
            header[changing] = 0;
        }
        // A destination of 224.0.0.0/4.
        let is_to_group = header[16] >> 4 == 0xe;
        if self.dialect == Dialect::Rfc2402 || !is_to_group {
            header[8] = 0;
        }
        let (authentication, message) = rest.split_at(HEADER);
        let mut mac = self.keyed.clone();
        mac.update(header);
        mac.update(&authentication[..FIXED]);
        mac.update(&[0; VALUE]);
        mac.update(message);
        mac
    }
}

/// For which virtual router the VRRP message in a packet of protocol 51 is, `None` for any other
/// packet. Nothing has been checked.
pub fn vrid(packet: &[u8]) -> Option<u8> {
    let (packet, start) = bounds(packet).ok()?;
    inside(packet, start).ok().map(|envelope| envelope.vrid)
}

/// The packet without padding, and where the header begins. All of the header is there.
fn bounds(packet: &[u8]) -> Result<(&[u8], usize), Reject> {
    let header = ipv4::Header(packet.octets(0).ok_or(Reject::Length)?);
    let (start, total) = (header.header_length(), header.total_length());
    if start < ipv4::HEADER {
        return Err(Reject::IpHeader);
    }
    let packet = packet.get(..total).ok_or(Reject::Length)?;
    if total < start + HEADER { Err(Reject::Length) } else { Ok((packet, start)) }
}

fn inside(packet: &[u8], start: usize) -> Result<Envelope, Reject> {
    if packet[start] != ipv4::VRRP || packet[start + 1] != PAYLOAD_LENGTH {
        return Err(Reject::AuthType);
    }
    Envelope::open_vouched(packet, 0, HEADER)
}

/// The header with the value as zero; the sender's address is the index of the association.
const fn fixed(source: [u8; 4], sequence: u32) -> [u8; HEADER] {
    let ([a, b, c, d], [s0, s1, s2, s3]) = (source, sequence.to_be_bytes());
    let mut header = [0; HEADER];
    [header[0], header[1]] = [ipv4::VRRP, PAYLOAD_LENGTH];
    [header[4], header[5], header[6], header[7]] = [a, b, c, d];
    [header[8], header[9], header[10], header[11]] = [s0, s1, s2, s3];
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IP packets of the vectors valid_v2_ah_keepalived, which keepalived 2.2.7 has sent in this
    /// form, and valid_v2_ah.
    #[rustfmt::skip]
    const KEEPALIVED: [u8; 64] = [
        0x45, 0xc0, 0, 0x40, 0, 1, 0, 0, 0xff, 51, 0x18, 0xb4, 192, 0, 2, 3, 224, 0, 0, 18,
        112, 4, 0, 0, 192, 0, 2, 3, 0, 0, 0, 1,
        0x63, 0x7f, 0x8c, 0x6c, 0x99, 0xf8, 0x23, 0xbe, 0xe0, 0x63, 0xce, 0xbe,
        0x21, 0x33, 0x64, 1, 2, 1, 0xb5, 0xcb, 192, 0, 2, 254, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    #[rustfmt::skip]
    const RFC2402: [u8; 64] = [
        0x45, 0xc0, 0, 0x40, 0, 1, 0, 0, 0xff, 51, 0x18, 0xb4, 192, 0, 2, 3, 224, 0, 0, 18,
        112, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1,
        0x16, 0x0f, 0x17, 0xa5, 0x05, 0x56, 0xb2, 0x9f, 0x9a, 0x40, 0x2f, 0x2c,
        0x21, 0x33, 0x64, 1, 2, 1, 0xb5, 0xcb, 192, 0, 2, 254, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    fn keepalived() -> Association {
        Association::new(b"1111\0\0\0\0", Dialect::Keepalived)
    }

    /// What keepalived 2.2.7 has sent to a peer with the password "secret", and its key.
    #[rustfmt::skip]
    const UNICAST: [u8; 64] = [
        0x45, 0xc0, 0, 0x40, 0, 1, 0, 0, 0xff, 51, 0x36, 0xb2, 192, 0, 2, 11, 192, 0, 2, 12,
        112, 4, 0, 0, 192, 0, 2, 11, 0, 0, 0, 1,
        0x28, 0xbf, 0xcd, 0x3f, 0x0e, 0xf7, 0x59, 0xe8, 0xef, 0xb8, 0x79, 0x0d,
        0x21, 0x33, 200, 1, 2, 1, 0x52, 0x48, 192, 0, 2, 129, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    const SECRET: &[u8] = b"secret\0\0";

    /// A packet of `keepalived` with this number, from 192.0.2.`last`.
    fn numbered(last: u8, sequence: u32) -> [u8; 64] {
        let mut packet = KEEPALIVED;
        packet[15] = last;
        assert!(keepalived().seal(&mut packet, sequence));
        packet
    }

    /// V-5.3.6.3-01, V-5.3.6.3-02: the vectors of both dialects are understood, each in its own.
    #[test]
    fn vectors() {
        let key = b"0123456789abcdef";
        for (packet, key, dialect, expected) in [
            (KEEPALIVED, &b"1111"[..], Dialect::Keepalived, Ok(51)),
            (KEEPALIVED, b"1111", Dialect::Rfc2402, Err(Reject::AuthData)),
            (KEEPALIVED, b"1112", Dialect::Keepalived, Err(Reject::AuthData)),
            (UNICAST, SECRET, Dialect::Keepalived, Ok(51)),
            (UNICAST, SECRET, Dialect::Rfc2402, Ok(51)),
            (RFC2402, key, Dialect::Rfc2402, Ok(51)),
            (RFC2402, key, Dialect::Keepalived, Err(Reject::AuthData)),
        ] {
            let opened = Association::new(key, dialect).open(&packet);
            assert_eq!(opened.map(|envelope| envelope.vrid), expected, "{dialect:?}");
        }
    }

    /// V-5.3.6.3-01, V-5.3.6.3-02: a sealed packet is keepalived's, octet for octet, whatever was
    /// where the header belongs.
    #[test]
    fn seal() {
        let mut packet = KEEPALIVED;
        packet[20..44].fill(0xa5);
        assert!(keepalived().seal(&mut packet, 1));
        assert_eq!(packet, KEEPALIVED);
        assert!(!keepalived().seal(&mut packet[..43], 1));

        let mut packet = UNICAST;
        packet[20..44].fill(0xa5);
        assert!(Association::new(SECRET, Dialect::Keepalived).seal(&mut packet, 1));
        assert_eq!(packet, UNICAST);
    }

    /// V-5.3.6.3-01: every octet counts but those that may change on the way.
    #[test]
    fn every_octet_counts() {
        for at in 0..KEEPALIVED.len() {
            let mut packet = KEEPALIVED;
            packet[at] ^= 1;
            let opened = keepalived().open(&packet);
            match at {
                1 | 10 | 11 => assert!(opened.is_ok(), "octet {at}: {opened:?}"),
                // Length, version and fragment fields make another packet of it.
                0 | 2 | 3 | 6 | 7 => {
                    assert_ne!(opened, keepalived().open(&KEEPALIVED), "octet {at}");
                }
                20 | 21 => assert_eq!(opened, Err(Reject::AuthType), "octet {at}"),
                _ => assert_eq!(opened, Err(Reject::AuthData), "octet {at}"),
            }
        }
    }

    /// Issue 3, V-5.3.6.3-02: what was sent to a peer may have been routed.
    #[test]
    fn routed() {
        let mut packet = UNICAST;
        (packet[8], packet[10]) = (0xfe, packet[10] + 1);
        assert!(Association::new(SECRET, Dialect::Keepalived).open(&packet).is_ok());
        let mut packet = KEEPALIVED;
        (packet[8], packet[10]) = (0xfe, packet[10] + 1);
        assert_eq!(keepalived().open(&packet), Err(Reject::AuthData));
    }

    /// V-5.3.6.3-01: packets that end early are refused, not read beyond their end.
    #[test]
    fn cut_packets() {
        for length in 0..KEEPALIVED.len() {
            assert_eq!(keepalived().open(&KEEPALIVED[..length]), Err(Reject::Length), "{length}");
            assert_eq!(vrid(&KEEPALIVED[..length]), None);
        }
        assert_eq!(vrid(&KEEPALIVED), Some(51));
    }

    /// Issue 3: a number is taken once, and none that is lower afterwards, of each sender by itself.
    #[test]
    fn replays() {
        let mut association = keepalived();
        for (last, sequence, expected) in [
            (3, 7, Ok(())),
            (3, 7, Err(Reject::Replay)),
            (3, 6, Err(Reject::Replay)),
            (4, 6, Ok(())),
            (3, 8, Ok(())),
            (3, 1 << 31, Ok(())),
            (3, u32::MAX, Ok(())),
            (3, 1 << 31, Err(Reject::Replay)),
            (3, 1, Ok(())),
        ] {
            let opened = association.open(&numbered(last, sequence)).map(drop);
            assert_eq!(opened, expected, "{sequence} from .{last}");
        }
    }

    /// Issue 3: a packet with a wrong digest leaves no trace: the true one with a lower number is
    /// taken afterwards, and ours does not follow it.
    #[test]
    fn forgeries_leave_no_trace() {
        let mut association = keepalived();
        let mut forged = numbered(3, 1000);
        forged[63] ^= 1;
        assert_eq!(association.open(&forged), Err(Reject::AuthData));
        assert!(association.open(&numbered(3, 5)).is_ok());
        assert_eq!(association.next(Duration::ZERO), 6);
    }

    /// Issue 3: numbers that are sent begin with the time, so that a restarted router is taken at
    /// once, and are higher than any that was sent or heard, which is what keepalived wants.
    #[test]
    fn numbers_that_are_sent() {
        let clock = Duration::from_secs;
        let mut association = keepalived();
        assert_eq!(association.next(clock(1000)), 1000);
        assert_eq!(association.next(clock(1000)), 1001);
        assert_eq!(association.next(clock(1005)), 1005);
        assert!(association.open(&numbered(3, 2000)).is_ok());
        assert!(association.open(&numbered(4, 1500)).is_ok());
        assert_eq!(association.next(clock(1006)), 2001);

        let mut association = keepalived();
        let last = u64::from(u32::MAX);
        let numbers = [last, last + 1, last + 1].map(|seconds| association.next(clock(seconds)));
        assert_eq!(numbers, [u32::MAX, 0, 1]);
    }
}
