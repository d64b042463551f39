//! The VRRP advertisement: VRRPv2 (RFC 3768 5.1, RFC 2338 5.3 for authentication) and VRRPv3
//! (RFC 9568 5.1), with addresses of either family.

use super::{be16, checksum::Sum, ipv6};
use crate::{Addr, AdverInterval, Priority, Version, Vrid};

/// Octets in front of the addresses.
pub const HEADER: usize = 8;
/// Octets of one IPv4 address.
pub const ADDRESS: usize = 4;
/// Octets of the authentication data behind the addresses of a v2 message, always there.
pub const AUTH_DATA: usize = 8;
/// Octets of one IPv6 address.
pub const ADDRESS_V6: usize = 16;
/// The largest message: 255 IPv6 addresses.
pub const MAX_MESSAGE: usize = HEADER + 255 * ADDRESS_V6;
/// The only type that there is.
pub const ADVERTISEMENT: u8 = 1;

/// Offset of the checksum field.
const CHECKSUM: usize = 6;

/// View on the fixed part of a message.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a>(pub &'a [u8; HEADER]);

impl Header<'_> {
    /// Version nibble, unchecked: any of 0-15.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.0[0] >> 4
    }

    /// Type nibble, unchecked.
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        self.0[0] & 0x0f
    }

    /// VRID, 0 included.
    #[inline(always)]
    pub const fn vrid(&self) -> u8 {
        self.0[1]
    }

    /// Priority; 0 resigns.
    #[inline(always)]
    pub const fn priority(&self) -> u8 {
        self.0[2]
    }

    /// Number of addresses that follow.
    #[inline(always)]
    pub const fn count(&self) -> usize {
        self.0[3] as usize
    }

    /// v2: authentication type.
    #[inline(always)]
    pub const fn auth_type(&self) -> u8 {
        self.0[4]
    }

    /// v2: interval in seconds.
    #[inline(always)]
    pub const fn adver_int(&self) -> u8 {
        self.0[5]
    }

    /// v3: interval in centiseconds, without the reserved nibble (R-5.2.6-02).
    #[inline(always)]
    pub const fn max_advertise_interval(&self) -> u16 {
        be16(self.0[4], self.0[5]) & 0x0fff
    }

    /// The eight octets with the checksum as zero.
    pub const fn without_checksum(&self) -> [u8; HEADER] {
        let [o0, o1, o2, o3, o4, o5, ..] = *self.0;
        [o0, o1, o2, o3, o4, o5, 0, 0]
    }

    /// Sum over the eight octets, checksum field included.
    #[inline(always)]
    pub fn sum(&self) -> Sum {
        let o = self.0;
        Sum::default().quad([o[0], o[1], o[2], o[3]]).quad([o[4], o[5], o[6], o[7]])
    }
}

/// The sum over the pseudo-header of a message of `message` octets: with IPv6 always part of the
/// checksum (RFC 9568 5.2.8), with IPv4 in what RFC 5798 implementations send. Both families have
/// the same fields in it.
#[inline(always)]
pub const fn pseudo_header(source: Addr, destination: Addr, message: usize) -> Sum {
    ipv6::pseudo_header(source, destination, ipv6::VRRP, message)
}

/// Makes the checksum of an IPv6 message cover all of `payload`, whose beginning the message is.
/// `None` for what is no message.
pub fn cover(payload: &mut [u8], source: Addr, destination: Addr) -> Option<()> {
    let pseudo = pseudo_header(source, destination, payload.len());
    let header = Header(payload.first_chunk()?).without_checksum();
    let checksum = pseudo.octets(&header).octets(&payload[HEADER..]).complement();
    payload[CHECKSUM..HEADER].copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// Authentication of a v2 message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Type 0: the data is zero on send and ignored on receipt.
    #[default]
    None,
    /// Type 1: a password, zero padded.
    Pass([u8; AUTH_DATA]),
    /// Type 2: the data is zero, an IP authentication header vouches for the packet.
    Header,
}

impl Auth {
    /// The type as it stands in the message.
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Pass(_) => 1,
            Self::Header => 2,
        }
    }

    /// The authentication data as it is sent.
    pub const fn data(self) -> [u8; AUTH_DATA] {
        match self {
            Self::Pass(password) => password,
            Self::None | Self::Header => [0; AUTH_DATA],
        }
    }
}

/// What the checksum of a v3/IPv4 message covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Pseudo-header and message (RFC 5798 as keepalived reads it).
    #[default]
    PseudoHeader,
    /// The message (RFC 9568 5.2.8).
    Message,
}

/// An advertisement to be sent, with addresses of `N` octets: 4 or 16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advertisement<'a, const N: usize> {
    /// Version, which decides the layout.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// Priority; [`Priority::RESIGN`] to resign.
    pub priority: Priority,
    /// Own interval. v2 sends whole seconds, v3 twelve bits of centiseconds.
    pub interval: AdverInterval,
    /// At most 255 addresses, in the order of the configuration (R-5.2.9-01); of IPv6 ones the
    /// link-local first (R-5.2.9-02).
    pub addresses: &'a [[u8; N]],
    /// v2 only.
    pub auth: Auth,
    /// v3 with IPv4 only.
    pub coverage: Coverage,
}

impl<const N: usize> Advertisement<'_, N>
where
    Addr: From<[u8; N]>,
{
    /// Octets of the message.
    pub const fn length(&self) -> usize {
        let auth = match self.version {
            Version::V2 => AUTH_DATA,
            Version::V3 => 0,
        };
        HEADER + self.addresses.len() * N + auth
    }

    /// Writes the message with its checksum to the beginning of `out` and returns that part.
    /// `source` and `destination` are those of the IP header. `None` when `out` is shorter than
    /// [`Self::length`], there are more than 255 addresses, or v2 is to carry IPv6 addresses.
    pub fn emit<'o>(
        &self,
        source: [u8; N],
        destination: [u8; N],
        out: &'o mut [u8],
    ) -> Option<&'o mut [u8]> {
        let is_v6 = N == ADDRESS_V6;
        if is_v6 && self.version == Version::V2 {
            return None;
        }
        let count = u8::try_from(self.addresses.len()).ok()?;
        let message = out.get_mut(..self.length())?;
        let interval = match self.version {
            Version::V2 => [self.auth.number(), self.interval.seconds()],
            Version::V3 => (self.interval.centiseconds() & 0x0fff).to_be_bytes(),
        };
        let (header, rest) = message.split_first_chunk_mut::<HEADER>()?;
        *header = [
            self.version.number() << 4 | ADVERTISEMENT,
            self.vrid.get(),
            self.priority.get(),
            count,
            interval[0],
            interval[1],
            0,
            0,
        ];
        let (addresses, auth) = rest.split_at_mut(self.addresses.len() * N);
        for (field, address) in addresses.chunks_exact_mut(N).zip(self.addresses) {
            field.copy_from_slice(address);
        }
        if self.version == Version::V2 {
            auth.copy_from_slice(&self.auth.data());
        }
        let covers_pseudo_header =
            self.version == Version::V3 && (is_v6 || self.coverage == Coverage::PseudoHeader);
        let pseudo = if covers_pseudo_header {
            pseudo_header(source.into(), destination.into(), message.len())
        } else {
            Sum::new()
        };
        let checksum = pseudo.octets(message).complement();
        message[CHECKSUM..HEADER].copy_from_slice(&checksum.to_be_bytes());
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ipv4, *};

    const SOURCE: [u8; 4] = [192, 0, 2, 3];
    const V2: [u8; 20] =
        [0x21, 0x33, 0x64, 1, 1, 1, 0xf2, 0x68, 192, 0, 2, 254, 0x61, 0x62, 0x63, 0, 0, 0, 0, 0];
    const V3_MESSAGE: [u8; 12] = [0x31, 0x33, 0x64, 1, 0, 0x64, 0xa7, 0x68, 192, 0, 2, 254];
    const V3_PSEUDO: [u8; 12] = [0x31, 0x33, 0x64, 1, 0, 0x64, 0x04, 0xd6, 192, 0, 2, 254];

    fn advertisement(version: Version, coverage: Coverage) -> Advertisement<'static, 4> {
        Advertisement {
            version,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            addresses: &[[192, 0, 2, 254]],
            auth: Auth::Pass(*b"abc\0\0\0\0\0"),
            coverage,
        }
    }

    /// V-5.3.1-01, R-5.2.1-01 and their neighbours: deconstruct both versions.
    #[test]
    fn deconstruct() {
        let v2 = Header(V2.first_chunk().unwrap());
        assert_eq!(
            (v2.version(), v2.kind(), v2.vrid(), v2.priority(), v2.count()),
            (2, 1, 51, 100, 1)
        );
        assert_eq!((v2.auth_type(), v2.adver_int()), (1, 1));
        let v3 = Header(V3_MESSAGE.first_chunk().unwrap());
        assert_eq!((v3.version(), v3.kind(), v3.max_advertise_interval()), (3, 1, 100));
    }

    /// V-5.3.8-01, R-5.2.8-02, R-5.2.8-03: the octets that are sent, in all three checksum forms,
    /// into a buffer that was not zero.
    #[test]
    fn emit() {
        for (version, coverage, expected) in [
            (Version::V2, Coverage::PseudoHeader, &V2[..]),
            (Version::V3, Coverage::Message, &V3_MESSAGE[..]),
            (Version::V3, Coverage::PseudoHeader, &V3_PSEUDO[..]),
        ] {
            let mut out = [0xa5; 64];
            let sent = advertisement(version, coverage).emit(SOURCE, ipv4::VRRP_GROUP, &mut out);
            assert_eq!(sent.as_deref(), Some(expected), "{version:?} {coverage:?}");
        }
    }

    const SOURCE_V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
    #[rustfmt::skip]
    const V6: [u8; 40] = [
        0x31, 0x33, 0x64, 2, 0, 0x64, 0x3e, 0xca,
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x33,
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe,
    ];

    fn advertisement_v6(version: Version, coverage: Coverage) -> Advertisement<'static, 16> {
        const ADDRESSES: &[[u8; 16]] = &[
            [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x33],
            [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe],
        ];
        let Advertisement { vrid, priority, interval, auth, .. } = advertisement(version, coverage);
        Advertisement { version, vrid, priority, interval, addresses: ADDRESSES, auth, coverage }
    }

    /// R-5.2.8-04, R-5.2.9-02: the octets that are sent with IPv6, whatever IPv4 messages cover,
    /// and that VRRPv2 has none.
    #[test]
    fn emit_v6() {
        for coverage in [Coverage::Message, Coverage::PseudoHeader] {
            let mut out = [0xa5; 64];
            let advertisement = advertisement_v6(Version::V3, coverage);
            assert_eq!(advertisement.length(), V6.len());
            let sent = advertisement.emit(SOURCE_V6, ipv6::VRRP_GROUP, &mut out);
            assert_eq!(sent.as_deref(), Some(&V6[..]));
            assert_eq!(out[V6.len()..], [0xa5; 24]);
        }
        let v2 = advertisement_v6(Version::V2, Coverage::Message);
        assert!(v2.emit(SOURCE_V6, ipv6::VRRP_GROUP, &mut [0; 64]).is_none());
    }

    /// keepalived 2.2.7's own octets (reference, 2.1): v2 with a password, priority 150.
    #[test]
    fn emit_as_keepalived() {
        let mut out = [0xa5; 64];
        let sent = Advertisement {
            priority: Priority::new(150),
            addresses: &[[10, 9, 0, 100], [10, 9, 0, 101]],
            auth: Auth::Pass(*b"1111\0\0\0\0"),
            ..advertisement(Version::V2, Coverage::Message)
        }
        .emit(SOURCE, ipv4::VRRP_GROUP, &mut out)
        .unwrap();
        assert_eq!(
            *sent,
            [
                0x21, 0x33, 0x96, 2, 1, 1, 0xd0, 0x8b, 10, 9, 0, 100, 10, 9, 0, 101, 0x31, 0x31,
                0x31, 0x31, 0, 0, 0, 0
            ]
        );
    }

    /// R-5.2.5-01: a buffer that is too short gets nothing.
    #[test]
    fn emit_needs_room() {
        let advertisement = advertisement(Version::V2, Coverage::Message);
        for length in 0..advertisement.length() {
            assert!(advertisement.emit(SOURCE, ipv4::VRRP_GROUP, &mut [0; 64][..length]).is_none());
        }
    }
}
