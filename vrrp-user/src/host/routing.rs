//! Routes and rules: put into the kernel and taken out again, many in one go.
//!
//! A [`Directive`] is a line of the configuration in the kernel's form. One that is there already is
//! refused with EEXIST, so adding it once more is also the question whether it still is.

mod attributes;
mod interest;
mod names;
mod route;
mod rule;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rtnetlink::packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{InfoData, InfoVrf, LinkAttribute, LinkInfo, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage},
    rule::{RuleAttribute, RuleFlags, RuleHeader, RuleMessage},
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use vrrp_common::Family;

pub use self::interest::RouteInterest;
use self::{attributes::Attributes, names::resolve};
use super::{Error, Host, Result};
use crate::config::Realms;

/// A route or a rule as the kernel is told of it: what it takes to add and to remove it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Directive {
    sort: Sort,
    /// The line of the configuration, for messages.
    line: String,
    place: RoutingPlace,
    /// Names of the interfaces that it speaks of.
    interfaces: Vec<String>,
    header: Header,
    attributes: Attributes,
    /// `NLM_F_` flags of the request to add it.
    flags: u16,
}

/// What a [`Directive`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sort {
    /// An entry of a routing table.
    Route,
    /// What decides which table is asked.
    Rule,
}

/// Where the kernel keeps routes and rules. It tells who looks for one from most others, not from
/// all: a table may have several routes to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RoutingPlace {
    /// In a routing table.
    Route {
        /// Number of the table.
        table: u32,
        /// Address and prefix length.
        destination: (IpAddr, u8),
    },
    /// In the list of rules.
    Rule {
        /// It is about packets of IPv6, else of IPv4.
        ipv6: bool,
        /// Rules with lower ones come first.
        preference: u32,
    },
}

/// `struct rtmsg`, and `struct fib_rule_hdr`, which has the same shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Header {
    family: u8,
    destination_length: u8,
    source_length: u8,
    tos: u8,
    /// 0 where its number takes more than 8 bits.
    table: u8,
    /// Of a route.
    protocol: u8,
    /// Of a route.
    scope: u8,
    /// Type of a route, action of a rule.
    kind: u8,
    flags: u32,
}

/// What lines name and the kernel counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Indices of the interfaces by name.
    pub interfaces: BTreeMap<String, u32>,
    /// Tables of the VRFs by name: [`Host::vrf_tables`].
    pub vrfs: BTreeMap<String, u32>,
}

/// Why a line cannot be put in the kernel's form now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// It names an interface that there is not.
    #[error("there is no interface {0}")]
    Interface(String),
    /// It names a VRF that there is not.
    #[error("there is no VRF {0}")]
    Vrf(String),
    /// It has a name that the administrator has given no number to, or one that is too large.
    #[error("there is no `{name}` in {file} of /etc/iproute2")]
    Name {
        /// The name.
        name: String,
        /// The file, such as `rt_tables`.
        file: &'static str,
    },
}

/// What has become of a request to add something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Laid {
    /// It was not there, and is now.
    Added,
    /// It is there already, or something that the line does not want to stand beside.
    Present,
    /// The kernel refuses it.
    Refused(Error),
}

impl Directive {
    /// What it is.
    pub const fn sort(&self) -> Sort {
        self.sort
    }

    /// Where it belongs.
    pub const fn place(&self) -> &RoutingPlace {
        &self.place
    }

    /// True when it speaks of this interface.
    pub fn is_about(&self, interface: &str) -> bool {
        self.interfaces.iter().any(|own| own == interface)
    }

    fn add(&self) -> (RouteNetlinkMessage, u16) {
        let message = match self.sort {
            Sort::Route => RouteNetlinkMessage::NewRoute(self.route_message()),
            Sort::Rule => RouteNetlinkMessage::NewRule(self.rule_message()),
        };
        (message, self.flags)
    }

    fn remove(&self) -> (RouteNetlinkMessage, u16) {
        let message = match self.sort {
            Sort::Route => RouteNetlinkMessage::DelRoute(self.route_message()),
            Sort::Rule => RouteNetlinkMessage::DelRule(self.rule_message()),
        };
        (message, 0)
    }

    fn route_message(&self) -> RouteMessage {
        let own = &self.header;
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: own.family.into(),
            destination_prefix_length: own.destination_length,
            source_prefix_length: own.source_length,
            tos: own.tos,
            table: own.table,
            protocol: own.protocol.into(),
            scope: own.scope.into(),
            kind: own.kind.into(),
            flags: RouteFlags::from_bits_retain(own.flags),
        };
        message.attributes = self.attributes.to_nlas().map(RouteAttribute::Other).collect();
        message
    }

    fn rule_message(&self) -> RuleMessage {
        let own = &self.header;
        let mut message = RuleMessage::default();
        message.header = RuleHeader {
            family: own.family.into(),
            dst_len: own.destination_length,
            src_len: own.source_length,
            tos: own.tos,
            table: own.table,
            action: own.kind.into(),
            flags: RuleFlags::from_bits_retain(own.flags),
        };
        message.attributes = self.attributes.to_nlas().map(RuleAttribute::Other).collect();
        message
    }
}

impl RoutingPlace {
    /// Of a route that the kernel speaks of; `None` for one of another family than IPv4 and IPv6, and
    /// for those that it makes for itself as it goes.
    pub(super) fn of_route(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        if header.flags.contains(RouteFlags::Cloned) {
            return None;
        }
        let everything: IpAddr = match header.address_family {
            AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
            AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        let (mut address, mut table) = (everything, u32::from(header.table));
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(own)) => address = (*own).into(),
                RouteAttribute::Destination(RouteAddress::Inet6(own)) => address = (*own).into(),
                RouteAttribute::Table(own) => table = *own,
                _ => {}
            }
        }
        Some(Self::Route { table, destination: (address, header.destination_prefix_length) })
    }

    /// Of a rule that the kernel speaks of.
    pub(super) fn of_rule(message: &RuleMessage) -> Self {
        let preference = message.attributes.iter().find_map(|attribute| match attribute {
            RuleAttribute::Priority(preference) => Some(*preference),
            _ => None,
        });
        Self::Rule {
            ipv6: message.header.family == AddressFamily::Inet6,
            preference: preference.unwrap_or(0),
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self.sort {
            Sort::Route => "route",
            Sort::Rule => "rule",
        };
        write!(f, "{sort} `{}`", self.line)
    }
}

impl Host {
    /// Adds all in their order, in one batch, and tells of each what became of it.
    pub async fn lay(&self, directives: &[Directive]) -> Vec<Laid> {
        let answers = self.batch_of(directives.iter().map(Directive::add).collect()).await;
        let laid = directives.iter().zip(answers).map(|(directive, answer)| match answer {
            Ok(Ok(())) => Laid::Added,
            Ok(Err(Errno::EXIST)) => Laid::Present,
            Ok(Err(errno)) => Laid::Refused(refused("add", directive, errno)),
            Err(error) => Laid::Refused(error),
        });
        laid.collect()
    }

    /// Removes all in their order, in one batch, and returns those that may still be there. What is
    /// not there is as good as removed.
    pub async fn lift(&self, directives: &[Directive]) -> Vec<(Directive, Error)> {
        let answers = self.batch_of(directives.iter().map(Directive::remove).collect()).await;
        let mut left = Vec::new();
        for (directive, answer) in directives.iter().zip(answers) {
            match answer {
                // ESRCH and ENOENT: no such route, no such rule. ENODEV and EINVAL: its interface has
                // gone, and taken it along.
                Ok(Ok(()) | Err(Errno::SRCH | Errno::NOENT | Errno::NODEV | Errno::INVAL)) => {}
                Ok(Err(errno)) => {
                    left.push((directive.clone(), refused("remove", directive, errno)));
                }
                Err(error) => left.push((directive.clone(), error)),
            }
        }
        left
    }

    /// The routing table of each VRF, by the name of its interface.
    pub async fn vrf_tables(&self) -> Result<BTreeMap<String, u32>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let answers = self.dump("links", request).await?;
        Ok(answers.iter().filter_map(vrf_table).collect())
    }
}

fn refused(action: &'static str, directive: &Directive, errno: Errno) -> Error {
    Error::Change { action, what: directive.to_string(), errno }
}

fn vrf_table(message: &RouteNetlinkMessage) -> Option<(String, u32)> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let infos = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    let table = infos.flatten().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vrf(data)) => data.iter().find_map(|own| match own {
            InfoVrf::TableId(table) => Some(*table),
            _ => None,
        }),
        _ => None,
    })?;
    Some((name, table))
}

/// The table for the header; where that has no room for it, it goes into an attribute.
fn split_table(table: u32, attribute: u16, attributes: &mut Attributes) -> u8 {
    u8::try_from(table).unwrap_or_else(|_| {
        attributes.put_u32(attribute, table);
        0
    })
}

/// Realms as routes and rules have them.
fn realms(realms: &Realms) -> std::result::Result<u32, Unready> {
    let number = |realm| resolve(realm, "rt_realms").map(u32::from);
    Ok(number(&realms.from)? << 16 | number(&realms.to)?)
}

fn family_number(family: Family) -> u8 {
    let number = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    u8::try_from(number).unwrap_or_default()
}
