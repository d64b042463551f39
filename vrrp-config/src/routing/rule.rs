//! A rule, as `static_rules` and `virtual_rules` describe it, and as keepalived writes it.

use std::{fmt, ops::RangeInclusive};

use vrrp_common::Family;

use super::{
    encap::write_option,
    names::{KEEPALIVED, Named, Prefix, Realms, Tracking},
};
use crate::{Place, format::Text};

/// One line of `static_rules` or `virtual_rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Packets of which family it is about.
    pub family: Family,
    /// `preference`: rules are tried in the order of these, lowest first. `None` only until the whole
    /// file has been read: as in keepalived it is 16384 for the first rule of a family that gives none,
    /// and one less for each further one.
    pub preference: Option<u32>,
    /// `not`: it holds for packets that do not match.
    pub inverted: bool,
    /// `from`, `None` for any source.
    pub from: Option<Prefix>,
    /// `to`, `None` for any destination.
    pub to: Option<Prefix>,
    /// `tos`, 0 for any.
    pub tos: Named<u8>,
    /// `fwmark MARK[/MASK]`.
    pub mark: Option<Mark>,
    /// `iif`.
    pub input: Option<String>,
    /// `oif`.
    pub output: Option<String>,
    /// `uidrange`: who owns the socket.
    pub users: Option<RangeInclusive<u32>>,
    /// `ipproto`: the number of the protocol above IP.
    pub ip_protocol: Option<u8>,
    /// `sport`.
    pub source_ports: Option<RangeInclusive<u16>>,
    /// `dport`.
    pub destination_ports: Option<RangeInclusive<u16>>,
    /// `tunnel-id`.
    pub tunnel: Option<u64>,
    /// `realms`, IPv4 only.
    pub realms: Option<Realms>,
    /// `suppress_prefixlength`: routes of no more bits than this are passed over.
    pub suppress_prefix_length: Option<u8>,
    /// `suppress_ifgroup`: routes to interfaces of this group are passed over.
    pub suppress_group: Option<Named<u32>>,
    /// What becomes of the packets.
    pub action: Action,
    /// `protocol`: who has made the rule, else keepalived, 18.
    pub protocol: u8,
    /// What happens when somebody deletes it.
    pub tracking: Tracking,
    /// Where the line stands.
    pub span: Place,
}

impl Rule {
    /// A rule for which nothing is said but what it does.
    pub fn new(family: Family, action: Action, span: Place) -> Self {
        Self {
            family,
            preference: None,
            inverted: false,
            from: None,
            to: None,
            tos: Named::Number(0),
            mark: None,
            input: None,
            output: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            tunnel: None,
            realms: None,
            suppress_prefix_length: None,
            suppress_group: None,
            action,
            protocol: KEEPALIVED,
            tracking: Tracking::On,
            span,
        }
    }
}

/// `fwmark MARK[/MASK]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What the firewall has marked the packet with.
    pub mark: u32,
    /// Which bits of it count.
    pub mask: u32,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.mark)?;
        if self.mask == u32::MAX { Ok(()) } else { write!(f, "/{:#x}", self.mask) }
    }
}

/// What a rule does with its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `table`: they are routed by it, unless it has no route for them.
    Table(Named<u32>),
    /// `l3mdev`: they are routed by the table of their VRF.
    L3mdev,
    /// `goto`: the search goes on at the rule of this preference, a higher one.
    Goto(u32),
    /// `nop`: the search goes on.
    Nop,
    /// `blackhole`: dropped.
    Blackhole,
    /// `unreachable`: refused.
    Unreachable,
    /// `prohibit`: refused.
    Prohibit,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "table {table}"),
            Self::L3mdev => f.write_str("l3mdev"),
            Self::Goto(target) => write!(f, "goto {target}"),
            Self::Nop => f.write_str("nop"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibit => f.write_str("prohibit"),
        }
    }
}

impl fmt::Display for Rule {
    /// The line, as keepalived reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inverted { "not " } else { "" })?;
        match self.from {
            Some(from) => write!(f, "from {from}")?,
            None if self.family == Family::V6 => f.write_str("from default6")?,
            None => f.write_str("from all")?,
        }
        write_option(f, "to", self.to.as_ref())?;
        write_option(f, "tos", Some(&self.tos).filter(|tos| **tos != Named::Number(0)))?;
        write_option(f, "fwmark", self.mark.as_ref())?;
        write_option(f, "iif", self.input.as_deref().map(Text).as_ref())?;
        write_option(f, "oif", self.output.as_deref().map(Text).as_ref())?;
        write_range(f, "uidrange", self.users.as_ref())?;
        write_option(f, "ipproto", self.ip_protocol.as_ref())?;
        write_range(f, "sport", self.source_ports.as_ref())?;
        write_range(f, "dport", self.destination_ports.as_ref())?;
        write_option(f, "tunnel-id", self.tunnel.as_ref())?;
        write_option(f, "realms", self.realms.as_ref())?;
        write_option(f, "suppress_prefixlength", self.suppress_prefix_length.as_ref())?;
        write_option(f, "suppress_ifgroup", self.suppress_group.as_ref())?;
        write_option(f, "protocol", Some(&self.protocol).filter(|own| **own != KEEPALIVED))?;
        write_option(f, "preference", self.preference.as_ref())?;
        write!(f, " {}{}", self.action, self.tracking)
    }
}

fn write_range<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    range: Option<&RangeInclusive<T>>,
) -> fmt::Result {
    range.map_or(Ok(()), |range| write!(f, " {word} {}-{}", range.start(), range.end()))
}
