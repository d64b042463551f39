//! Network interfaces as the kernel describes them.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rtnetlink::packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{InfoKind, InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};

use super::{Host, Result};

/// A network interface at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it, never reused while the interface exists.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address, `None` where it has none of six octets.
    pub mac: Option<[u8; 6]>,
    /// Switched on (IFF_UP).
    pub up: bool,
    /// Frames can leave: carrier present (IFF_LOWER_UP) and operational (IFF_RUNNING, which is what
    /// keepalived goes by).
    pub carrier: bool,
    /// What the device is.
    pub kind: LinkKind,
    /// Largest IP packet, in octets.
    pub mtu: u32,
    /// Its addresses in the kernel's order.
    pub addresses: Vec<LinkAddress>,
    /// A VLAN device of this namespace sits on top of it.
    pub vlan_uppers: bool,
    /// What it is a port of, by the kernel's name for such devices, where that takes all that comes in
    /// before IP sees it: a bridge, a bond or a team, but not a VRF.
    pub port_of: Option<String>,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Scope as rtnetlink counts it: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// Another IPv4 address of the same network came first; a temporary one of IPv6.
    pub secondary: bool,
    /// An IPv6 address that cannot be used: duplicate address detection runs or has failed.
    pub tentative: bool,
}

/// What a device is, as far as the choice of a fast path depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A driver's own device.
    Physical,
    /// One end of a pair.
    Veth,
    /// A software bridge.
    Bridge,
    /// An 802.1Q device.
    Vlan,
    /// A macvlan.
    Macvlan,
    /// A bond.
    Bond,
    /// `lo`.
    Loopback,
    /// Any other virtual device, by the kernel's name for its kind.
    Other(String),
}

const SCOPE_GLOBAL: u8 = 0;

impl Link {
    /// The address that adverts come from: the first IPv4 address of global scope that is not
    /// secondary, leaving out those in `not`. These are the virtual addresses, which a daemon that
    /// died may have left behind.
    pub fn primary_ipv4(&self, not: &[Ipv4Addr]) -> Option<Ipv4Addr> {
        self.addresses.iter().filter(|a| a.scope == SCOPE_GLOBAL && !a.secondary).find_map(|a| {
            match a.address {
                IpAddr::V4(address) if !not.contains(&address) => Some(address),
                _ => None,
            }
        })
    }

    /// The address that adverts over IPv6 come from (RFC 9568 5.1.2.1): the first link-local one that
    /// can be used, leaving out those in `not`, as in [`primary_ipv4`](Self::primary_ipv4).
    pub fn primary_link_local(&self, not: &[Ipv6Addr]) -> Option<Ipv6Addr> {
        self.addresses.iter().filter(|own| !own.tentative).find_map(|own| match own.address {
            IpAddr::V6(address) if address.is_unicast_link_local() && !not.contains(&address) => {
                Some(address)
            }
            _ => None,
        })
    }

    /// All but the addresses and `vlan_uppers`; `None` for messages about something else, such as a
    /// bridge port or a wireless event.
    pub(super) fn from_message(message: &LinkMessage) -> Option<Self> {
        let header = &message.header;
        if header.interface_family != AddressFamily::Unspec {
            return None;
        }
        let mut link = Self {
            index: header.index,
            name: String::new(),
            mac: None,
            up: header.flags.contains(LinkFlags::Up),
            carrier: header.flags.contains(LinkFlags::Running | LinkFlags::LowerUp),
            kind: if header.flags.contains(LinkFlags::Loopback) {
                LinkKind::Loopback
            } else {
                LinkKind::Physical
            },
            mtu: 0,
            addresses: Vec::new(),
            vlan_uppers: false,
            port_of: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().ok(),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::LinkInfo(info) => {
                    if let Some(kind) = info.iter().find_map(kind) {
                        link.kind = kind;
                    }
                    link.port_of = info.iter().find_map(port_of);
                }
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}

impl LinkAddress {
    /// `None` for a message without an address.
    pub(super) fn from_message(message: &AddressMessage) -> Option<Self> {
        // IFA_LOCAL is ours; IFA_ADDRESS is the peer's on a point-to-point link, and the only one
        // that IPv6 has.
        let local = message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
        let address = local.or_else(|| {
            message.attributes.iter().find_map(|a| match a {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        })?;
        let flags = message.header.flags;
        Some(Self {
            address,
            prefix: message.header.prefix_len,
            scope: message.header.scope.into(),
            secondary: flags.contains(AddressHeaderFlags::Secondary),
            tentative: flags
                .intersects(AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed),
        })
    }
}

impl Host {
    /// The interface `name`, `None` when there is none. For several names, [`links`](Self::links)
    /// is cheaper.
    pub async fn link(&self, name: &str) -> Result<Option<Link>> {
        let links = self.links().await?;
        Ok(links.into_iter().find(|link| link.name == name))
    }

    /// All interfaces. To follow them from there, call [`watch`](super::watch) first.
    pub async fn links(&self) -> Result<Vec<Link>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let messages: Vec<_> = self
            .dump("links", request)
            .await?
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(message) => Some(message),
                _ => None,
            })
            .collect();
        let vlan_lowers: HashSet<u32> = messages.iter().filter_map(vlan_lower).collect();
        let mut links: Vec<_> = messages.iter().filter_map(Link::from_message).collect();
        for link in &mut links {
            link.vlan_uppers = vlan_lowers.contains(&link.index);
        }

        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        for message in self.dump("addresses", request).await? {
            if let RouteNetlinkMessage::NewAddress(message) = message
                && let Some(address) = LinkAddress::from_message(&message)
                && let Some(link) = links.iter_mut().find(|l| l.index == message.header.index)
            {
                link.addresses.push(address);
            }
        }
        Ok(links)
    }
}

fn kind(info: &LinkInfo) -> Option<LinkKind> {
    let LinkInfo::Kind(kind) = info else {
        return None;
    };
    Some(match kind {
        InfoKind::Veth => LinkKind::Veth,
        InfoKind::Bridge => LinkKind::Bridge,
        InfoKind::Vlan => LinkKind::Vlan,
        InfoKind::MacVlan => LinkKind::Macvlan,
        InfoKind::Bond => LinkKind::Bond,
        other => LinkKind::Other(other.to_string()),
    })
}

fn port_of(info: &LinkInfo) -> Option<String> {
    match info {
        LinkInfo::PortKind(InfoPortKind::Vrf) => None,
        LinkInfo::PortKind(kind) => Some(kind.to_string()),
        _ => None,
    }
}

/// The index of the device below, if the message is about a VLAN device. With IFLA_LINK_NETNSID
/// that index counts in another namespace.
fn vlan_lower(message: &LinkMessage) -> Option<u32> {
    let link = Link::from_message(message)?;
    let elsewhere = message.attributes.iter().any(|a| matches!(a, LinkAttribute::LinkNetNsId(_)));
    if link.kind != LinkKind::Vlan || elsewhere {
        return None;
    }
    message.attributes.iter().find_map(|a| match a {
        LinkAttribute::Link(lower) => Some(*lower),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(index: u32, name: &str, flags: LinkFlags) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = flags;
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        message
    }

    fn vlan_over(index: u32, lower: u32) -> LinkMessage {
        let mut vlan = message(index, "eth0.10", LinkFlags::Up);
        vlan.attributes.push(LinkAttribute::Link(lower));
        vlan.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)]));
        vlan
    }

    fn link_with(addresses: &[(&str, u8, bool)]) -> Link {
        let mut link = Link::from_message(&message(2, "eth0", LinkFlags::Up)).unwrap();
        link.addresses = addresses
            .iter()
            .map(|&(address, scope, secondary)| LinkAddress {
                address: address.parse().unwrap(),
                prefix: 24,
                scope,
                secondary,
                tentative: false,
            })
            .collect();
        link
    }

    /// keyword `interface`: adverts come from its primary address.
    #[test]
    fn primary_is_first_global_address() {
        let link = link_with(&[
            ("fe80::1", 253, false),
            ("169.254.0.1", 253, false),
            ("192.0.2.7", 0, true),
            ("192.0.2.2", 0, false),
            ("198.51.100.2", 0, false),
        ]);
        assert_eq!(link.primary_ipv4(&[]), Some([192, 0, 2, 2].into()));
    }

    /// issue 2: a virtual address left behind by a killed daemon is nobody's source address.
    #[test]
    fn primary_is_never_a_virtual_address() {
        let link = link_with(&[("192.0.2.254", 0, false)]);
        assert_eq!(link.primary_ipv4(&[[192, 0, 2, 254].into()]), None);
    }

    /// R-5.1.2.1-01: adverts over IPv6 come from a link-local address of the interface that is in use
    /// and not one of the virtual ones.
    #[test]
    fn primary_link_local_is_in_use() {
        let mut link = link_with(&[
            ("2001:db8::2", 0, false),
            ("fe80::1", 253, false),
            ("fe80::2", 253, false),
            ("fe80::3", 253, false),
        ]);
        link.addresses[1].tentative = true;
        let virtual_one = "fe80::2".parse().unwrap();
        assert_eq!(link.primary_link_local(&[]), Some(virtual_one));
        assert_eq!(link.primary_link_local(&[virtual_one]), Some("fe80::3".parse().unwrap()));
        link.addresses.truncate(2);
        assert_eq!(link.primary_link_local(&[]), None);
    }

    /// keyword `interface`: carrier as keepalived sees it needs IFF_RUNNING, not only IFF_UP.
    #[test]
    fn carrier_needs_running_and_lower_up() {
        let carrier = |flags| Link::from_message(&message(2, "eth0", flags)).unwrap().carrier;
        assert!(carrier(LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp));
        assert!(!carrier(LinkFlags::Up | LinkFlags::Running));
        assert!(!carrier(LinkFlags::Up | LinkFlags::LowerUp));
    }

    /// keyword `xdp_mode` (auto): kinds come from the kernel's own names.
    #[test]
    fn kinds() {
        let kind = |message| Link::from_message(&message).unwrap().kind;
        assert_eq!(kind(message(2, "eth0", LinkFlags::Up)), LinkKind::Physical);
        assert_eq!(kind(message(1, "lo", LinkFlags::Loopback)), LinkKind::Loopback);
        assert_eq!(kind(vlan_over(3, 2)), LinkKind::Vlan);
        let mut tap = message(4, "tap0", LinkFlags::Up);
        tap.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Tun)]));
        assert_eq!(kind(tap), LinkKind::Other("tun".to_owned()));
    }

    /// Issue 6 (hosts that change under us): a port of a bridge receives nothing for itself; an
    /// interface in a VRF does.
    #[test]
    fn ports() {
        let port_of = |kind| {
            let mut port = message(2, "eth0", LinkFlags::Up);
            port.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::PortKind(kind)]));
            Link::from_message(&port).unwrap().port_of
        };
        assert_eq!(port_of(InfoPortKind::Bridge).as_deref(), Some("bridge"));
        assert_eq!(port_of(InfoPortKind::Vrf), None);
    }

    /// keyword `xdp_mode` (auto): a VLAN device over a link is seen from its lower link, but not
    /// when the index counts in another namespace.
    #[test]
    fn vlan_lower_in_this_namespace_only() {
        let mut vlan = vlan_over(3, 2);
        assert_eq!(vlan_lower(&vlan), Some(2));
        vlan.attributes.push(LinkAttribute::LinkNetNsId(0));
        assert_eq!(vlan_lower(&vlan), None);
        assert_eq!(vlan_lower(&message(2, "eth0", LinkFlags::Up)), None);
    }

    /// keyword `interface`: bridge port and wireless events are not links.
    #[test]
    fn foreign_messages() {
        let mut port = message(2, "eth0", LinkFlags::Up);
        port.header.interface_family = AddressFamily::Bridge;
        assert_eq!(Link::from_message(&port), None);
        let mut wireless = message(2, "eth0", LinkFlags::Up);
        wireless.attributes.clear();
        assert_eq!(Link::from_message(&wireless), None);
    }
}
