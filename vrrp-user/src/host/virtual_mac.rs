//! What a virtual MAC needs of the host: that the network card lets frames to it in, or, without a
//! kernel program that takes them, an interface of its own.

use rtnetlink::{
    packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{
            InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
            MacVlanMode,
        },
        neighbour::{
            NeighbourAttribute, NeighbourFlags, NeighbourHeader, NeighbourMessage, NeighbourState,
        },
    },
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use vrrp_common::wire::Mac;

use super::{Error, Host, Result};

/// A MAC in the unicast filter of an interface, beside the interface's own (`bridge fdb add MAC dev
/// IF self`). A device without such a filter becomes promiscuous instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Filter {
    /// Index of the interface.
    pub index: u32,
    /// Name of the interface, for messages.
    pub interface: String,
    /// The MAC.
    pub mac: Mac,
    /// The interface is a bridge, which may have learnt that the MAC is behind one of its ports:
    /// from now on it is the bridge's own.
    pub is_bridge: bool,
}

/// A macvlan in private mode: an interface with a MAC of its own on another interface, which talks
/// to nobody else there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Macvlan {
    /// Index of the interface below.
    pub parent: u32,
    /// Its name.
    pub name: String,
    /// Its MAC.
    pub mac: Mac,
}

impl Host {
    /// Adds a MAC to an interface's filter. `false` if it was there before: then it is not ours to
    /// remove. EOPNOTSUPP where the interface takes none, such as a macvlan.
    pub async fn add_filter(&self, filter: &Filter) -> Result<bool> {
        let request = RouteNetlinkMessage::NewNeighbour(filter_message(filter));
        let unless_there = if filter.is_bridge { NLM_F_REPLACE } else { NLM_F_EXCL };
        match self.request(request, NLM_F_CREATE | unless_there).await? {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(refused("add", &filter_name(filter), errno)),
        }
    }

    /// Removes a MAC from an interface's filter. One that is not there is as good as removed, and so
    /// is the interface.
    pub async fn remove_filter(&self, filter: &Filter) -> Result<()> {
        let request = RouteNetlinkMessage::DelNeighbour(filter_message(filter));
        match self.request(request, 0).await? {
            Ok(()) | Err(Errno::NOENT | Errno::NODEV) => Ok(()),
            Err(errno) => Err(refused("remove", &filter_name(filter), errno)),
        }
    }

    /// Makes a macvlan, which is down.
    pub async fn add_macvlan(&self, macvlan: &Macvlan) -> Result<()> {
        let mode = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(macvlan.name.clone()),
            LinkAttribute::Link(macvlan.parent),
            LinkAttribute::Address(macvlan.mac.to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(mode)]),
        ];
        let request = RouteNetlinkMessage::NewLink(message);
        self.request(request, NLM_F_CREATE | NLM_F_EXCL)
            .await?
            .map_err(|errno| refused("make", &format!("macvlan {}", macvlan.name), errno))
    }

    /// Removes an interface. One that does not exist is as good as removed.
    pub async fn remove_link(&self, index: u32) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        match self.request(RouteNetlinkMessage::DelLink(message), 0).await? {
            Ok(()) | Err(Errno::NODEV) => Ok(()),
            Err(errno) => Err(refused("remove", &format!("interface {index}"), errno)),
        }
    }

    /// Switches an interface on or off.
    pub async fn set_up(&self, index: u32, up: bool) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        message.header.change_mask = LinkFlags::Up;
        let action = if up { "switch on" } else { "switch off" };
        self.request(RouteNetlinkMessage::SetLink(message), 0)
            .await?
            .map_err(|errno| refused(action, &format!("interface {index}"), errno))
    }

    async fn request(
        &self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<std::result::Result<(), Errno>> {
        let answers = self.batch(vec![request], flags).await;
        answers.into_iter().next().unwrap_or(Err(Error::ConnectionLost))
    }
}

fn filter_message(filter: &Filter) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header = NeighbourHeader {
        family: AddressFamily::Bridge,
        ifindex: filter.index,
        state: NeighbourState::Permanent,
        flags: NeighbourFlags::Own,
        ..NeighbourHeader::default()
    };
    message.attributes = vec![NeighbourAttribute::LinkLayerAddress(filter.mac.to_vec())];
    message
}

fn filter_name(filter: &Filter) -> String {
    let octets = filter.mac.map(|octet| format!("{octet:02x}")).join(":");
    format!("{octets} in the unicast filter of {}", filter.interface)
}

fn refused(action: &'static str, what: &str, errno: Errno) -> Error {
    Error::Change { action, what: what.to_owned(), errno }
}
