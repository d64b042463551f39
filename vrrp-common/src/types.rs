//! The field types of VRRP. Each is checked once, where a value enters the program.

use core::{fmt, num::NonZeroU8, time::Duration};

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

    /// R-7.3-01: the virtual MAC ends in the VRID.
    #[test]
    fn virtual_mac() {
        assert_eq!(Vrid::new(51).unwrap().mac_ipv4(), [0, 0, 0x5e, 0, 1, 0x33]);
    }
}
