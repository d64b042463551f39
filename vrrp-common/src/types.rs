//! The field types of VRRP. Each is checked once, where a value enters the program.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU8,
    time::Duration,
};

/// Address family of a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, which only VRRPv3 knows.
    V6,
}

impl Family {
    /// 4 or 6.
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// Octets of an address.
    pub const fn address_length(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// An address as the unsigned number that it is in network byte order (RFC 9568 6.4.3), in two
/// words; IPv4 addresses have the low one. Which family it is of, it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Addr {
    /// The first eight octets of an IPv6 address.
    pub high: u64,
    /// The last eight, or an IPv4 address.
    pub low: u64,
}

impl Addr {
    /// No address: 0.0.0.0 or `::`.
    pub const UNSPECIFIED: Self = Self { high: 0, low: 0 };

    /// An IPv4 address.
    #[inline(always)]
    pub const fn v4(octets: [u8; 4]) -> Self {
        Self { high: 0, low: u32::from_be_bytes(octets) as u64 }
    }

    /// An IPv6 address.
    #[inline(always)]
    pub const fn v6(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self {
            high: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            low: u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        }
    }

    /// The octets of an IPv4 address.
    #[inline(always)]
    pub const fn octets_v4(self) -> [u8; 4] {
        (self.low as u32).to_be_bytes()
    }

    /// The octets of an IPv6 address.
    #[inline(always)]
    pub const fn octets_v6(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.high.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// As an address of `family`.
    pub const fn to_ip(self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_octets(self.octets_v4())),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_octets(self.octets_v6())),
        }
    }

    /// True for IPv6 addresses in fe80::/10 (RFC 4291 2.4).
    #[inline(always)]
    pub const fn is_link_local_v6(self) -> bool {
        self.high >> 54 == 0xfe80 >> 6
    }

    /// True for IPv6 addresses in ff00::/8 (RFC 4291 2.4).
    #[inline(always)]
    pub const fn is_multicast_v6(self) -> bool {
        self.high >> 56 == 0xff
    }
}

impl From<[u8; 4]> for Addr {
    #[inline(always)]
    fn from(octets: [u8; 4]) -> Self {
        Self::v4(octets)
    }
}

impl From<[u8; 16]> for Addr {
    #[inline(always)]
    fn from(octets: [u8; 16]) -> Self {
        Self::v6(octets)
    }
}

impl From<IpAddr> for Addr {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::v4(address.octets()),
            IpAddr::V6(address) => Self::v6(address.octets()),
        }
    }
}

/// Protocol version of a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// VRRPv2, RFC 3768 with RFC 2338 authentication.
    V2,
    /// VRRPv3, RFC 9568 and RFC 5798.
    V3,
}

impl Version {
    /// The number as it stands in the advert's first nibble.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Virtual router identifier, 1-255 (RFC 9568 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0, which no virtual router may have.
    pub const fn new(vrid: u8) -> Option<Self> {
        match NonZeroU8::new(vrid) {
            Some(vrid) => Some(Self(vrid)),
            None => None,
        }
    }

    /// The number, 1-255.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// The virtual router MAC for IPv4, 00-00-5E-00-01-{VRID} (RFC 9568 7.3).
    pub const fn mac_ipv4(self) -> [u8; 6] {
        [0x00, 0x00, 0x5e, 0x00, 0x01, self.get()]
    }

    /// The virtual router MAC for IPv6, 00-00-5E-00-02-{VRID} (RFC 9568 7.3).
    pub const fn mac_ipv6(self) -> [u8; 6] {
        [0x00, 0x00, 0x5e, 0x00, 0x02, self.get()]
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority of a router for a virtual router (RFC 9568 5.2.4): 255 is the address owner, 0 says
/// that the sender resigns, 1-254 are for everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// Sent once by an Active router that stops.
    pub const RESIGN: Self = Self(0);
    /// Default of a router that does not own the addresses.
    pub const DEFAULT: Self = Self(100);
    /// The router that owns the addresses.
    pub const OWNER: Self = Self(255);

    /// Any value that can stand in an advert.
    pub const fn new(priority: u8) -> Self {
        Self(priority)
    }

    /// The number, 0-255.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// True for 255.
    pub const fn is_owner(self) -> bool {
        self.0 == Self::OWNER.0
    }

    /// True for 0.
    pub const fn is_resign(self) -> bool {
        self.0 == Self::RESIGN.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Advertisement interval, kept in centiseconds: 1-4095 in v3 (12 bits, RFC 9568 5.2.7 with
/// erratum 8301), 100-25500 in whole seconds in v2 (RFC 3768 5.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdverInterval(u16);

impl AdverInterval {
    /// One second, the default of both versions.
    pub const DEFAULT: Self = Self(100);
    /// The largest interval that a v3 advert can carry, 40.95 s.
    pub const MAX_V3: Self = Self(4095);
    /// The largest interval that a v2 advert can carry, 255 s.
    pub const MAX_V2: Self = Self(25_500);

    /// From centiseconds; `None` for 0 and for more than 255 s.
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        if centiseconds == 0 || centiseconds > Self::MAX_V2.0 {
            None
        } else {
            Some(Self(centiseconds))
        }
    }

    /// From the whole seconds of a v2 advert; `None` for 0.
    pub const fn from_seconds(seconds: u8) -> Option<Self> {
        Self::from_centiseconds(seconds as u16 * 100)
    }

    /// The interval in centiseconds, 1-25500.
    pub const fn centiseconds(self) -> u16 {
        self.0
    }

    /// The whole seconds of a v2 advert, at least 1.
    pub const fn seconds(self) -> u8 {
        let seconds = self.0 / 100;
        if seconds == 0 { 1 } else { seconds as u8 }
    }

    /// The interval as a time span.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

impl fmt::Display for AdverInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} s", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-6.1-01: VRID 1-255, no 0.
    #[test]
    fn vrid_range() {
        assert_eq!(Vrid::new(0), None);
        assert_eq!(Vrid::new(255).map(Vrid::get), Some(255));
    }

    /// R-6.1-03, V-5.3.7-01: the interval's range and units.
    #[test]
    fn interval_range_and_units() {
        assert_eq!(AdverInterval::from_centiseconds(0), None);
        assert_eq!(AdverInterval::from_centiseconds(25_501), None);
        assert_eq!(AdverInterval::from_seconds(0), None);
        let longest = AdverInterval::from_seconds(255).unwrap();
        assert_eq!(longest, AdverInterval::MAX_V2);
        assert_eq!(longest.duration(), Duration::from_secs(255));
        assert_eq!(
            AdverInterval::from_centiseconds(1).unwrap().duration(),
            Duration::from_millis(10)
        );
    }

    /// R-7.3-01, R-7.3-02: the virtual MACs end in the VRID.
    #[test]
    fn virtual_mac() {
        assert_eq!(Vrid::new(51).unwrap().mac_ipv4(), [0, 0, 0x5e, 0, 1, 0x33]);
        assert_eq!(Vrid::new(51).unwrap().mac_ipv6(), [0, 0, 0x5e, 0, 2, 0x33]);
    }

    /// R-6.4.3-13: addresses order as unsigned numbers in network byte order, and come back as they
    /// went in.
    #[test]
    fn addresses() {
        let v6: [Ipv6Addr; 6] =
            ["::", "::1", "2001:db8::1", "fe80::2", "fe80::1:0:0:1", "fe80:0:0:1::"]
                .map(|address| address.parse().unwrap());
        let v4 = [[0; 4], [10, 0, 0, 200], [10, 0, 1, 0], [192, 0, 2, 1], [255; 4]];
        let as_v6 = v6.map(|address| Addr::from(IpAddr::V6(address)));
        let as_v4 = v4.map(Addr::from);
        assert!(as_v6.is_sorted() && as_v4.is_sorted());
        assert_eq!(as_v6.map(|address| address.to_ip(Family::V6)), v6.map(IpAddr::V6));
        assert_eq!(as_v4.map(Addr::octets_v4), v4);
    }

    /// R-7.1-07, X-08, N-4861-05: which IPv6 addresses are link-local, which are groups.
    #[test]
    fn scopes() {
        for (address, link_local, multicast) in [
            ("fe7f:ffff::", false, false),
            ("fe80::", true, false),
            ("febf:ffff::1", true, false),
            ("fec0::", false, false),
            ("feff::", false, false),
            ("ff00::", false, true),
            ("ff02::12", false, true),
            ("::", false, false),
        ] {
            let number = Addr::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(number.is_link_local_v6(), link_local, "{address}");
            assert_eq!(number.is_multicast_v6(), multicast, "{address}");
        }
    }
}
