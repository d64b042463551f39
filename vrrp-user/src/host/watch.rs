//! Following links, addresses, routes and rules as they change.

use std::{
    net::IpAddr,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
};

use futures_util::{Stream, StreamExt};
use rtnetlink::{
    MulticastGroup, new_multicast_connection,
    packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload},
    packet_route::RouteNetlinkMessage,
    proto::sys::AsyncSocket,
};
use tracing::warn;

use super::{Error, Host, Link, LinkAddress, Result, RouteInterest, RoutingPlace, error::errno};

/// Something that happened to the links and addresses of the namespace, whoever did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A link appeared or anything about it changed.
    LinkChanged {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
        /// As [`Link::mac`].
        mac: Option<[u8; 6]>,
        /// As [`Link::up`].
        up: bool,
        /// As [`Link::carrier`].
        carrier: bool,
    },
    /// A link was deleted or moved to another namespace.
    LinkGone(u32),
    /// An address was added, or anything about one of IPv6 changed: that it can be used, for example.
    AddressAdded {
        /// Index of the link.
        index: u32,
        /// The address.
        address: IpAddr,
    },
    /// An address was removed.
    AddressRemoved {
        /// Index of the link.
        index: u32,
        /// The address.
        address: IpAddr,
    },
    /// Changes were lost because they came faster than they were read. Only
    /// [`Host::links`](Host::links) tells what is true now.
    Resync,
}

/// The changes in the network namespace of the calling thread, from this call on.
///
/// The stream ends only when the socket fails. Its task runs on the current tokio runtime.
pub fn watch() -> Result<impl Stream<Item = Change> + Unpin + Send + use<>> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    // The handle is dropped: on a socket without requests no notification can be mistaken for an
    // answer.
    let (task, _, messages) =
        new_multicast_connection(&groups).map_err(|e| Error::Socket(errno(&e)))?;
    tokio::spawn(task);
    Ok(messages.filter_map(|(message, _)| std::future::ready(change(message))))
}

/// `None` for news about something else.
fn change(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<Change> {
    let message = match message.payload {
        NetlinkPayload::InnerMessage(message) => message,
        NetlinkPayload::Overrun(_) => return Some(Change::Resync),
        _ => return None,
    };
    match message {
        RouteNetlinkMessage::NewLink(message) => {
            let link = Link::from_message(&message)?;
            Some(Change::LinkChanged {
                index: link.index,
                name: link.name,
                mac: link.mac,
                up: link.up,
                carrier: link.carrier,
            })
        }
        RouteNetlinkMessage::DelLink(message) => {
            Link::from_message(&message).map(|link| Change::LinkGone(link.index))
        }
        RouteNetlinkMessage::NewAddress(message) => {
            let address = LinkAddress::from_message(&message)?.address;
            let index = message.header.index;
            Some(Change::AddressAdded { index, address })
        }
        RouteNetlinkMessage::DelAddress(message) => {
            let address = LinkAddress::from_message(&message)?.address;
            let index = message.header.index;
            Some(Change::AddressRemoved { index, address })
        }
        _ => None,
    }
}

/// Something that happened to the routes and rules of the namespace, whoever did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingChange {
    /// A route or a rule was removed, or replaced by another one.
    Gone(RoutingPlace),
    /// A route was added.
    Come(RoutingPlace),
    /// Changes were lost because they came faster than they were read.
    Resync,
}

/// What others than a [`Host`] do to the routing tables and rules in a network namespace. When an
/// interface is switched off, the kernel removes its IPv4 routes without a word.
pub struct RoutingNews {
    changes: Pin<Box<dyn Stream<Item = RoutingChange> + Send>>,
    socket: OwnedFd,
}

impl RoutingNews {
    /// Of all rules, and of those routes at least, in the network namespace of the calling thread from
    /// this call on. Its task runs on the current tokio runtime.
    pub fn watch(host: &Host, interest: &RouteInterest) -> Result<Self> {
        let host = host.clone();
        let groups = [
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Rule,
        ];
        let failed = |error| Error::Socket(errno(&error));
        let (mut task, _, messages) = new_multicast_connection(&groups).map_err(failed)?;
        let socket = task.socket_mut().socket_mut().as_fd().try_clone_to_owned().map_err(failed)?;
        tokio::spawn(task);
        let changes = messages.filter_map(move |(message, _)| {
            let by_others = Some(message).filter(|message| !host.has_asked_for(message));
            std::future::ready(by_others.and_then(routing_change))
        });
        let news = Self { changes: Box::pin(changes), socket };
        news.restrict(interest);
        Ok(news)
    }

    /// Of these routes at least, from now on.
    pub fn restrict(&self, interest: &RouteInterest) {
        if let Err(error) = interest.attach(&self.socket) {
            warn!("every change of a route on this host costs time: no filter: {error}");
        }
    }

    /// The next change. `None` when the socket has failed.
    pub async fn next(&mut self) -> Option<RoutingChange> {
        self.changes.next().await
    }
}

/// `None` for rules that were added.
fn routing_change(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<RoutingChange> {
    let replaces = message.header.flags & NLM_F_REPLACE != 0;
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) if !replaces => {
            RoutingPlace::of_route(&route).map(RoutingChange::Come)
        }
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::DelRoute(route) | RouteNetlinkMessage::NewRoute(route),
        ) => RoutingPlace::of_route(&route).map(RoutingChange::Gone),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRule(rule)) => {
            Some(RoutingChange::Gone(RoutingPlace::of_rule(&rule)))
        }
        NetlinkPayload::Overrun(_) => Some(RoutingChange::Resync),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// issue 2: a bridge port that goes is not the device that goes.
    #[test]
    fn bridge_port_is_no_link() {
        use rtnetlink::packet_route::{AddressFamily, link::LinkMessage};
        let mut port = LinkMessage::default();
        port.header.interface_family = AddressFamily::Bridge;
        let message = NetlinkMessage::from(RouteNetlinkMessage::DelLink(port));
        assert_eq!(change(message), None);
    }
}
