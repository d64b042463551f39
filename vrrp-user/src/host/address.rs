//! Putting addresses on interfaces and taking them away, many in one go.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::{
    packet_core::{NLM_F_CREATE, NLM_F_EXCL},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressHeader, AddressMessage},
    },
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Error, Host, Result};
use crate::config::{Broadcast, VirtualAddress};

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
    /// Label, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
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
        }
    }
}

impl Host {
    /// Adds `addresses` in their order, in one batch: 200 take a few milliseconds.
    ///
    /// An address counts as present only if interface, address and prefix are the same; the kernel
    /// takes the same address with another prefix as a further one.
    pub async fn add_addresses(&self, addresses: &[Placed]) -> Added {
        let mut added = Added::default();
        let mut requests = Vec::with_capacity(addresses.len());
        let mut asked = Vec::with_capacity(addresses.len());
        for placed in addresses {
            match add_message(placed) {
                Ok(message) => {
                    requests.push(RouteNetlinkMessage::NewAddress(message));
                    asked.push(placed);
                }
                Err(error) => added.failed.push((placed.clone(), error)),
            }
        }
        let results = self.batch(requests, NLM_F_CREATE | NLM_F_EXCL).await;
        for (placed, result) in asked.into_iter().zip(results) {
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
        let mut requests = Vec::with_capacity(addresses.len());
        let mut asked = Vec::with_capacity(addresses.len());
        for owned in addresses {
            match message(owned) {
                Ok(message) => {
                    requests.push(RouteNetlinkMessage::DelAddress(message));
                    asked.push(owned);
                }
                Err(error) => failed.push((owned.clone(), error)),
            }
        }
        let results = self.batch(requests, 0).await;
        for (owned, result) in asked.into_iter().zip(results) {
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

fn add_message(placed: &Placed) -> Result<AddressMessage> {
    let mut message = message(&placed.owned())?;
    message.header.scope = placed.address.scope.into();
    if let Some(broadcast) = broadcast(&placed.address) {
        message.attributes.push(AddressAttribute::Broadcast(broadcast));
    }
    Ok(message)
}

/// The part that identifies the address.
fn message(owned: &Owned) -> Result<AddressMessage> {
    if owned.address.is_ipv6() {
        return Err(Error::Ipv6Unsupported(owned.address));
    }
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: AddressFamily::Inet,
        prefix_len: owned.prefix,
        index: owned.index,
        ..AddressHeader::default()
    };
    message.attributes =
        vec![AddressAttribute::Local(owned.address), AddressAttribute::Address(owned.address)];
    if let Some(label) = &owned.label {
        message.attributes.push(AddressAttribute::Label(label.clone()));
    }
    Ok(message)
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
                span: Default::default(),
            },
        }
    }

    /// keywords `virtual_ipaddress`, `scope`, `label`, `brd`: all of them reach the kernel.
    #[test]
    fn request_to_add() {
        let given = Broadcast::Address([192, 0, 2, 200].into());
        let message = add_message(&placed("192.0.2.254", 24, Some(given))).unwrap();
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

    /// keyword `virtual_ipaddress`: an IPv6 address is refused by name.
    #[test]
    fn ipv6_is_refused() {
        let placed = placed("2001:db8::1", 64, None);
        let error = Error::Ipv6Unsupported(placed.address.address);
        assert_eq!(add_message(&placed), Err(error));
    }
}
