//! Putting addresses on interfaces and taking them away, many in one go.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::{
    packet_core::{NLM_F_CREATE, NLM_F_EXCL},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{
            AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage,
            CacheInfo,
        },
    },
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Error, Host, Result};
use crate::config::{AddressOptions, Broadcast, VirtualAddress};

/// A virtual address and the interface that it belongs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Index of the interface.
    pub index: u32,
    /// Name of the interface, for messages and for the next start of the daemon.
    pub interface: String,
    /// The address with its prefix, label, broadcast address and scope.
    pub address: VirtualAddress,
}

/// An address on an interface as the kernel tells it from others: what it takes to remove it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owned {
    /// Index of the interface.
    pub index: u32,
    /// Name of the interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Label, if one was asked for: with another one it is to be added anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The other end of a point-to-point link, if one was given; then the prefix length is that of its
    /// network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
}

/// What [`Host::add_addresses`] did not add. All others are in place now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Were there before us: never to be removed, nor to be closed, by us.
    pub present: Vec<Placed>,
    /// Refused.
    pub failed: Vec<(Placed, Error)>,
}

impl Placed {
    /// What it takes to remove the address again.
    pub fn owned(&self) -> Owned {
        Owned {
            index: self.index,
            interface: self.interface.clone(),
            address: self.address.address,
            prefix: self.address.prefix,
            label: self.address.label.clone(),
            peer: self.address.options.peer,
        }
    }
}

impl Host {
    /// Adds `addresses` in their order, in one batch: 200 take a few milliseconds.
    ///
    /// An IPv4 address counts as present only if interface, address and prefix are the same: the
    /// kernel takes the same address with another prefix as a further one. An IPv6 address is
    /// present with any prefix.
    pub async fn add_addresses(&self, addresses: &[Placed]) -> Added {
        let mut added = Added::default();
        let requests = addresses.iter().map(add_message).map(RouteNetlinkMessage::NewAddress);
        let results = self.batch(requests.collect(), NLM_F_CREATE | NLM_F_EXCL).await;
        for (placed, result) in addresses.iter().zip(results) {
            match result {
                Ok(Ok(())) => {}
                Ok(Err(Errno::EXIST)) => added.present.push(placed.clone()),
                Ok(Err(errno)) => {
                    let error = refused("add", &placed.owned(), errno);
                    added.failed.push((placed.clone(), error));
                }
                Err(error) => added.failed.push((placed.clone(), error)),
            }
        }
        added
    }

    /// Removes `addresses` in one batch and returns those that may still be there. An address or an
    /// interface that does not exist is as good as removed.
    pub async fn remove_addresses(&self, addresses: &[Owned]) -> Vec<(Owned, Error)> {
        let mut failed = Vec::new();
        let requests = addresses.iter().map(message).map(RouteNetlinkMessage::DelAddress);
        let results = self.batch(requests.collect(), 0).await;
        for (owned, result) in addresses.iter().zip(results) {
            match result {
                Ok(Ok(()) | Err(Errno::ADDRNOTAVAIL | Errno::NODEV)) => {}
                Ok(Err(errno)) => failed.push((owned.clone(), refused("remove", owned, errno))),
                Err(error) => failed.push((owned.clone(), error)),
            }
        }
        failed
    }

    /// Removes what a daemon that died left behind. An interface that was replaced since (another
    /// index for the name) took its addresses with it: what is there now is not ours to touch.
    pub async fn remove_leftovers(&self, leftovers: &[Owned]) -> Result<Vec<(Owned, Error)>> {
        if leftovers.is_empty() {
            return Ok(Vec::new());
        }
        let links = self.links().await?;
        let there: Vec<Owned> = leftovers
            .iter()
            .filter(|owned| {
                links.iter().any(|link| link.index == owned.index && link.name == owned.interface)
            })
            .cloned()
            .collect();
        Ok(self.remove_addresses(&there).await)
    }
}

fn add_message(placed: &Placed) -> AddressMessage {
    let address = &placed.address;
    let mut message = message(&placed.owned());
    message.header.scope = address.scope.into();
    if let Some(label) = &address.label {
        message.attributes.push(AddressAttribute::Label(label.clone()));
    }
    if let Some(broadcast) = broadcast(address) {
        message.attributes.push(AddressAttribute::Broadcast(broadcast));
    }
    let flags = flags(address);
    // The header has room for the first eight.
    message.header.flags = AddressHeaderFlags::from_bits_retain(flags.bits() as u8);
    if flags.bits() > u32::from(u8::MAX) {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if let Some(preferred) = address.options.preferred_lifetime {
        // Nobody but us ends its validity.
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = u32::try_from(preferred.as_secs()).unwrap_or(u32::MAX);
        lifetimes.ifa_valid = u32::MAX;
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    message
}

/// What the words of the line, and those that it lacks, are to the kernel.
fn flags(address: &VirtualAddress) -> AddressFlags {
    let AddressOptions { home, temporary_parent, no_prefix_route, autojoin, .. } = address.options;
    // Else an IPv6 address could not be used for a second, and never again once two had it for a
    // moment.
    let undoubted = address.address.is_ipv6() && !address.detect_duplicates;
    [
        (undoubted, AddressFlags::Nodad),
        (home, AddressFlags::Homeaddress),
        (temporary_parent, AddressFlags::Managetempaddr),
        (no_prefix_route, AddressFlags::Noprefixroute),
        (autojoin, AddressFlags::Mcautojoin),
    ]
    .into_iter()
    .filter_map(|(set, flag)| set.then_some(flag))
    .collect()
}

/// The part that identifies the address. The label is no part of it: the kernel rewrites it where the
/// interface is renamed, and would not find the address under the old one.
fn message(owned: &Owned) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: match owned.address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        },
        prefix_len: owned.prefix,
        index: owned.index,
        ..AddressHeader::default()
    };
    message.attributes = vec![
        AddressAttribute::Local(owned.address),
        AddressAttribute::Address(owned.peer.unwrap_or(owned.address)),
    ];
    message
}

/// The broadcast address that `brd` asks for. `+` and `-` mean nothing where no host bits are left
/// to set or clear, or where both addresses are hosts (RFC 3021).
fn broadcast(address: &VirtualAddress) -> Option<Ipv4Addr> {
    let IpAddr::V4(host) = address.address else {
        return None;
    };
    let host_mask = u32::MAX.checked_shr(u32::from(address.prefix)).unwrap_or(0);
    match address.broadcast? {
        Broadcast::Address(given) => Some(given),
        Broadcast::HostBitsSet | Broadcast::HostBitsClear if address.prefix >= 31 => None,
        Broadcast::HostBitsSet => Some((host.to_bits() | host_mask).into()),
        Broadcast::HostBitsClear => Some((host.to_bits() & !host_mask).into()),
    }
}

fn refused(action: &'static str, owned: &Owned, errno: Errno) -> Error {
    Error::Address {
        action,
        address: owned.address,
        prefix: owned.prefix,
        interface: owned.interface.clone(),
        errno,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn placed(address: &str, prefix: u8, broadcast: Option<Broadcast>) -> Placed {
        Placed {
            index: 2,
            interface: "eth0".to_owned(),
            address: VirtualAddress {
                address: address.parse().unwrap(),
                prefix,
                device: None,
                broadcast,
                scope: 253,
                label: Some("eth0:vip".to_owned()),
                detect_duplicates: false,
                options: Default::default(),
                span: Default::default(),
            },
        }
    }

    /// keywords `virtual_ipaddress`, `scope`, `label`, `brd`: all of them reach the kernel.
    #[test]
    fn request_to_add() {
        let given = Broadcast::Address([192, 0, 2, 200].into());
        let message = add_message(&placed("192.0.2.254", 24, Some(given)));
        let vip = IpAddr::from([192, 0, 2, 254]);
        assert_eq!(message.header.index, 2);
        assert_eq!(message.header.prefix_len, 24);
        assert_eq!(u8::from(message.header.scope), 253);
        assert_eq!(
            message.attributes,
            [
                AddressAttribute::Local(vip),
                AddressAttribute::Address(vip),
                AddressAttribute::Label("eth0:vip".to_owned()),
                AddressAttribute::Broadcast([192, 0, 2, 200].into()),
            ]
        );
    }

    /// keyword `label`: the kernel changes it with the name of the interface, so it is not asked for when
    /// the address is removed.
    #[test]
    fn request_to_remove() {
        let vip = IpAddr::from([192, 0, 2, 254]);
        assert_eq!(
            message(&placed("192.0.2.254", 24, None).owned()).attributes,
            [AddressAttribute::Local(vip), AddressAttribute::Address(vip)]
        );
    }

    /// keyword `brd`: `+` sets the host bits, `-` clears them, and neither means anything for a
    /// host or a link of two.
    #[test]
    fn broadcast_addresses() {
        let brd = |address, prefix, form| broadcast(&placed(address, prefix, Some(form)).address);
        let (set, clear) = (Broadcast::HostBitsSet, Broadcast::HostBitsClear);
        assert_eq!(brd("192.0.2.9", 24, set), Some([192, 0, 2, 255].into()));
        assert_eq!(brd("192.0.2.9", 24, clear), Some([192, 0, 2, 0].into()));
        assert_eq!(brd("192.0.2.9", 0, set), Some(Ipv4Addr::BROADCAST));
        assert_eq!(brd("192.0.2.9", 31, set), None);
        assert_eq!(brd("192.0.2.9", 32, clear), None);
        assert_eq!(broadcast(&placed("192.0.2.9", 24, None).address), None);
    }

    /// keywords `virtual_ipaddress`, `-nodad`, `preferred_lft`: an IPv6 address is used without
    /// duplicate address detection unless that is asked for, and with no preferred lifetime it is no
    /// source address.
    #[test]
    fn request_to_add_ipv6() {
        let message = add_message(&placed("2001:db8::1", 64, None));
        assert_eq!(message.header.family, AddressFamily::Inet6);
        assert_eq!(message.header.flags, AddressHeaderFlags::Nodad);
        let lifetimes = |message: &AddressMessage| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::CacheInfo(info) => Some((info.ifa_preferred, info.ifa_valid)),
                _ => None,
            })
        };
        assert_eq!(lifetimes(&message), None);

        let mut host = placed("2001:db8::1", 128, None);
        host.address.detect_duplicates = true;
        for seconds in [0, 600] {
            host.address.options.preferred_lifetime = Some(Duration::from_secs(seconds));
            let message = add_message(&host);
            assert_eq!(message.header.flags, AddressHeaderFlags::empty());
            assert_eq!(lifetimes(&message), Some((seconds as u32, u32::MAX)));
        }
    }

    /// keywords `virtual_ipaddress`, `home`, `mngtmpaddr`, `noprefixroute`, `autojoin`, `peer`: flags
    /// that the header has no room for stand behind it, and the peer is part of what identifies an
    /// address.
    #[test]
    fn words_that_few_use() {
        let mut placed = placed("2001:db8::1", 64, None);
        let flags = |placed: &Placed| {
            let message = add_message(placed);
            let long = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Flags(flags) => Some(*flags),
                _ => None,
            });
            (message.header.flags, long)
        };
        placed.address.options.home = true;
        let short = AddressHeaderFlags::Nodad | AddressHeaderFlags::Homeaddress;
        assert_eq!(flags(&placed), (short, None));
        let options = &mut placed.address.options;
        (options.temporary_parent, options.no_prefix_route, options.autojoin) = (true, true, true);
        let long = AddressFlags::Nodad
            | AddressFlags::Homeaddress
            | AddressFlags::Managetempaddr
            | AddressFlags::Noprefixroute
            | AddressFlags::Mcautojoin;
        assert_eq!(flags(&placed), (short, Some(long)));

        let peer = "2001:db8::2".parse().unwrap();
        placed.address.options.peer = Some(peer);
        for message in [add_message(&placed), message(&placed.owned())] {
            assert!(message.attributes.contains(&AddressAttribute::Address(peer)));
        }
    }
}
