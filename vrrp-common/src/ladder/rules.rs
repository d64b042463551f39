//! What a virtual router demands of an advert, plainly and as words.

use crate::{Addr, Version, wire::vrrp};

/// Which v3/IPv4 checksums are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Believe {
    /// Either form; the default, because the deployed base sends both (R-5.2.8-03).
    #[default]
    Either,
    /// Only RFC 9568's, over the message.
    Message,
    /// Only RFC 5798's, with the pseudo-header.
    PseudoHeader,
}

/// What a virtual router demands of an advert, besides the RFCs' constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Version of the virtual router.
    pub version: Version,
    /// Where adverts are to be sent to: the group, or a unicast router's own source address.
    pub destination: Addr,
    /// Own source address, [`Addr::UNSPECIFIED`] for none yet.
    pub own: Addr,
    /// Own effective priority.
    pub own_priority: u8,
    /// v2: authentication.
    pub auth: vrrp::Auth,
    /// v2: own interval in seconds.
    pub adver_int: u8,
    /// v3: which checksums are believed.
    pub believe: Believe,
    /// [`address_set`] of the virtual router's addresses.
    pub addresses: u64,
    /// v6: drop adverts whose first address is not link-local (erratum 8300). That is for virtual
    /// routers that have one themselves: keepalived also runs without, and two of them must not
    /// reject each other's adverts.
    pub link_local_first: bool,
    /// v2: drop adverts with another address list.
    pub check_addresses: bool,
    /// Drop all adverts, because we own the addresses.
    pub owner_ignores: bool,
    /// Adverts are sent to each router by itself, and may be routed: any TTL, with IPv6 any source
    /// and any first address. keepalived's `unicast_peer`; no RFC has it.
    pub unicast: bool,
    /// The kernel program cannot judge the adverts, and passes them to the raw sockets.
    pub deferred: bool,
}

/// What decides which of two routers is to be Active: the priority, then the address (RFC 9568
/// 6.4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Priority, 0-255.
    pub priority: u8,
    /// Primary address, source of the router's adverts.
    pub address: Addr,
}

/// Bits of the first rules word.
pub(super) mod field {
    pub(in crate::ladder) const VERSION_3: u64 = 1 << 0;
    pub(in crate::ladder) const CHECK_ADDRESSES: u64 = 1 << 1;
    pub(in crate::ladder) const OWNER_IGNORES: u64 = 1 << 2;
    pub(in crate::ladder) const DISBELIEVE_MESSAGE: u64 = 1 << 3;
    pub(in crate::ladder) const DISBELIEVE_PSEUDO_HEADER: u64 = 1 << 4;
    pub(in crate::ladder) const DEFERRED: u64 = 1 << 5;
    pub(in crate::ladder) const UNICAST: u64 = 1 << 6;
    pub(in crate::ladder) const LINK_LOCAL_FIRST: u64 = 1 << 7;
    pub(in crate::ladder) const AUTH: u32 = 8;
    pub(in crate::ladder) const ADVER_INT: u32 = 16;
    pub(in crate::ladder) const PRIORITY: u32 = 24;
}

impl Rules {
    /// The rules as a slot keeps them.
    pub const fn pack(&self) -> PackedRules {
        let mut rules = (self.auth.number() as u64) << field::AUTH
            | (self.adver_int as u64) << field::ADVER_INT
            | (self.own_priority as u64) << field::PRIORITY;
        if matches!(self.version, Version::V3) {
            rules |= field::VERSION_3;
        }
        if self.link_local_first {
            rules |= field::LINK_LOCAL_FIRST;
        }
        if self.check_addresses {
            rules |= field::CHECK_ADDRESSES;
        }
        if self.owner_ignores {
            rules |= field::OWNER_IGNORES;
        }
        if self.unicast {
            rules |= field::UNICAST;
        }
        if self.deferred {
            rules |= field::DEFERRED;
        }
        rules |= match self.believe {
            Believe::Either => 0,
            Believe::Message => field::DISBELIEVE_PSEUDO_HEADER,
            Believe::PseudoHeader => field::DISBELIEVE_MESSAGE,
        };
        PackedRules {
            rules,
            addresses: self.addresses,
            secret: u64::from_be_bytes(self.auth.data()),
            own: self.own,
            destination: self.destination,
        }
    }
}

/// [`Rules`] as words. Each is looked at only where the ladder needs it: every early decision
/// would double the paths that the kernel's verifier has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedRules {
    /// Version, authentication type, interval, own priority and flags.
    pub rules: u64,
    /// [`address_set`] of the virtual router's addresses.
    pub addresses: u64,
    /// Password.
    pub secret: u64,
    /// Own address.
    pub own: Addr,
    /// Where adverts are to be sent to: the group, or a unicast router's own source address.
    pub destination: Addr,
}

impl PackedRules {
    #[inline(always)]
    pub(super) const fn is_v3(&self) -> bool {
        self.has(field::VERSION_3)
    }

    /// Octets of authentication data that a message has to have.
    #[inline(always)]
    pub(super) const fn auth_data(&self) -> usize {
        vrrp::AUTH_DATA * (self.rules & field::VERSION_3 ^ field::VERSION_3) as usize
    }

    #[inline(always)]
    pub(super) const fn version(&self) -> u8 {
        2 + (self.rules & field::VERSION_3) as u8
    }

    /// True when the kernel program is to pass adverts on without judging them.
    #[inline(always)]
    pub const fn is_deferred(&self) -> bool {
        self.has(field::DEFERRED)
    }

    /// Own priority and address.
    #[inline(always)]
    pub const fn rank(&self) -> Rank {
        Rank { priority: (self.rules >> field::PRIORITY) as u8, address: self.own }
    }

    #[inline(always)]
    pub(super) const fn auth_type(&self) -> u8 {
        (self.rules >> field::AUTH) as u8
    }

    #[inline(always)]
    pub(super) const fn adver_int(&self) -> u8 {
        (self.rules >> field::ADVER_INT) as u8
    }

    #[inline(always)]
    pub(super) const fn has(&self, flag: u64) -> bool {
        self.rules & flag != 0
    }
}
