//! Neighbours that the kernel has not met, because the kernel program answered them.

use std::net::IpAddr;

use rtnetlink::{
    packet_core::{NLM_F_CREATE, NLM_F_EXCL},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        neighbour::{
            NeighbourAddress, NeighbourAttribute, NeighbourHeader, NeighbourMessage, NeighbourState,
        },
    },
};
use rustix::io::Errno;
use vrrp_common::wire::Mac;

use super::{Error, Host, Result};

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Index of the interface that it is behind.
    pub index: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its MAC.
    pub mac: Mac,
}

impl Host {
    /// Tells the kernel of neighbours, as if it had been asked by them: STALE, so that it makes sure
    /// when it uses one. What it knows of an address already stays as it is. The entries are the
    /// kernel's to forget. Returns those that it does not take, with the reason.
    pub async fn introduce(&self, neighbours: &[Neighbour]) -> Vec<(Neighbour, Error)> {
        let requests = neighbours.iter().map(message).map(RouteNetlinkMessage::NewNeighbour);
        let answers = self.batch(requests.collect(), NLM_F_CREATE | NLM_F_EXCL).await;
        let refused = |(neighbour, answer): (&Neighbour, Result<_>)| match answer {
            Ok(Ok(()) | Err(Errno::EXIST)) => None,
            Ok(Err(errno)) => {
                let what = format!("neighbour {}", neighbour.address);
                Some((*neighbour, Error::Change { action: "add", what, errno }))
            }
            Err(error) => Some((*neighbour, error)),
        };
        neighbours.iter().zip(answers).filter_map(refused).collect()
    }
}

fn message(neighbour: &Neighbour) -> NeighbourMessage {
    let (family, address) = match neighbour.address {
        IpAddr::V4(address) => (AddressFamily::Inet, NeighbourAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, NeighbourAddress::Inet6(address)),
    };
    let mut message = NeighbourMessage::default();
    message.header = NeighbourHeader {
        family,
        ifindex: neighbour.index,
        state: NeighbourState::Stale,
        ..NeighbourHeader::default()
    };
    message.attributes = vec![
        NeighbourAttribute::Destination(address),
        NeighbourAttribute::LinkLayerAddress(neighbour.mac.to_vec()),
    ];
    message
}
