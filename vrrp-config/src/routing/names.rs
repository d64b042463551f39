//! What routes and rules are made of: prefixes, and numbers that have names.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use vrrp_common::Family;

use crate::format::Text;

/// An address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// 0-32 of IPv4, 0-128 of IPv6.
    pub length: u8,
}

impl Prefix {
    /// All addresses of a family: `default`.
    pub const fn everything(family: Family) -> Self {
        let address = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, length: 0 }
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.address.into()
    }

    /// The same without the bits that do not count.
    #[must_use]
    pub fn network(&self) -> Self {
        let host_bits = |most: u8| u32::from(most.saturating_sub(self.length));
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(host_bits(32)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(host_bits(128)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, ..*self }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A number, or the name that a file below `/etc/iproute2` of the host gives to one. Names that the
/// kernel itself defines are numbers already.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named<T> {
    /// The number.
    Number(T),
    /// The name, to be looked up on the host.
    Name(String),
}

impl<T: fmt::Display> fmt::Display for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => Text(name).fmt(f),
        }
    }
}

impl<T: fmt::Display> Named<T> {
    /// Without quotes, as a part of a word.
    fn bare(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

/// `realms [FROM/]TO` of IPv4, 0-255 each; names are those of `rt_realms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realms {
    /// Where packets come from; 0 without.
    pub from: Named<u8>,
    /// Where they go.
    pub to: Named<u8>,
}

impl fmt::Display for Realms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.bare(), self.to.bare());
        // What stands in front of the first / is where they come from.
        if self.from == Named::Number(0) && !to.contains('/') {
            return Text(&to).fmt(f);
        }
        Text(&format!("{from}/{to}")).fmt(f)
    }
}

/// What becomes of a route or rule that somebody else deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// It is restored. With keepalived a virtual router that had it goes to Backup for a moment.
    #[default]
    On,
    /// `no_track`, or there is no interface by which keepalived could follow it. With `no_track` it
    /// stays deleted.
    Off,
    /// `track_group`, static ones only: if it cannot be restored, the virtual routers of the group go
    /// to FAULT.
    Group(String),
}

impl fmt::Display for Tracking {
    /// With a blank in front of it, if there is anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => Ok(()),
            Self::Off => f.write_str(" no_track"),
            Self::Group(name) => write!(f, " track_group {}", Text(name)),
        }
    }
}

/// Names that the kernel defines, with their numbers.
pub(crate) type Known = &'static [(&'static str, u32)];

/// Routing tables, of `linux/rtnetlink.h`.
pub(super) const TABLES: Known = &[("unspec", 0), ("default", 253), ("main", 254), ("local", 255)];

/// Scopes, likewise.
pub(crate) const SCOPES: Known =
    &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

/// Who has made a route, likewise (`RTPROT_`).
pub(super) const PROTOCOLS: Known = &[
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("mrouted", 17),
    ("keepalived", KEEPALIVED as u32),
    ("babel", 42),
    ("openr", 99),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

/// keepalived's own number among them: what it may follow.
pub(super) const KEEPALIVED: u8 = 18;

/// Groups of interfaces.
pub(super) const GROUPS: Known = &[("default", 0)];

/// Nothing but numbers, or names of the host.
pub(super) const NO_NAMES: Known = &[];
