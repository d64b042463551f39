//! The IP authentication header of VRRPv2's authentication type 2: HMAC-MD5-96 (RFC 2338 5.3.6.3,
//! RFC 2402, RFC 2403), which only user space can check.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use vrrp_common::{
    Frame,
    ladder::{Envelope, Reject},
    wire::ipv4,
};

/// Octets of the header with its 96-bit value.
pub const HEADER: usize = 24;
/// Octets in front of the value.
const FIXED: usize = 12;
/// Octets of the value: the digest is cut.
const VALUE: usize = HEADER - FIXED;
/// The length field: 32-bit words of the header, less two.
const PAYLOAD_LENGTH: u8 = 4;

/// Which fields the digest leaves out. The two do not understand each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// keepalived's: the TTL counts as it is.
    #[default]
    Keepalived,
    /// RFC 2402 3.3.3.1: the TTL counts as zero, as everything that changes on the way.
    Rfc2402,
}

/// A packet whose authentication header is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The advert behind the header.
    pub envelope: Envelope,
    /// Counts up with each packet; one that does not is a replay, which the caller drops.
    pub sequence: u32,
}

/// Checks the authentication header of an IPv4 packet of protocol 51 that carries VRRP.
///
/// # Errors
/// [`Reject::AuthType`] when something other than VRRP is inside, [`Reject::AuthData`] for a wrong
/// digest, and what the ladder says of a packet that is too short or damaged.
pub fn open(packet: &[u8], key: &[u8], dialect: Dialect) -> Result<Opened, Reject> {
    let header = ipv4::Header(packet.octets(0).ok_or(Reject::Length)?);
    let (start, total) = (header.header_length(), header.total_length());
    let packet = packet.get(..total).ok_or(Reject::Length)?;
    if start < ipv4::HEADER {
        return Err(Reject::IpHeader);
    }
    let authentication: &[u8; HEADER] = packet.octets(start).ok_or(Reject::Length)?;
    let [next, length, _, _, _, _, _, _, s0, s1, s2, s3, value @ ..] = authentication;
    if *next != ipv4::VRRP || *length != PAYLOAD_LENGTH {
        return Err(Reject::AuthType);
    }
    // Compared in constant time.
    digest(packet, start, key, dialect)
        .verify_truncated_left(value)
        .map_err(|_| Reject::AuthData)?;
    Ok(Opened {
        envelope: Envelope::open_vouched(packet, 0, HEADER)?,
        sequence: u32::from_be_bytes([*s0, *s1, *s2, *s3]),
    })
}

/// The digest over the packet with its changing fields and the value itself as zero.
fn digest(packet: &[u8], start: usize, key: &[u8], dialect: Dialect) -> Hmac<Md5> {
    let (header, rest) = packet.split_at(start);
    let mut header = header.to_vec();
    // Type of service; flags and fragment offset; header checksum.
    for changing in [1, 6, 7, 10, 11] {
        header[changing] = 0;
    }
    if dialect == Dialect::Rfc2402 {
        header[8] = 0;
    }
    let (authentication, message) = rest.split_at(HEADER);
    let mut mac = Hmac::<Md5>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(&header);
    mac.update(&authentication[..FIXED]);
    mac.update(&[0; VALUE]);
    mac.update(message);
    mac
}
