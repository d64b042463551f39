//! What a raw socket brings: one packet of protocol 112 at a time, or of protocol 51 with VRRP inside,
//! with its IP header.

use std::{
    io::{self, Read},
    net::IpAddr,
    sync::Arc,
};

use socket2::Socket;
use vrrp_common::{
    Addr, Family, Frame,
    ladder::Envelope,
    wire::{ipv4, ipv6},
};

use super::{
    Port,
    clock::now,
    roster::Roster,
    router::{Outlet, Router},
};
use crate::{
    auth::{Judged, ah},
    election::Instant,
    sys,
};

/// The largest packet that an advert can be, 255 addresses of IPv6, and room to see that a longer one
/// is longer.
const BUFFER: usize = 8192;

/// Packets that one wake-up reads from one socket at the most. A flood may delay, but not starve,
/// what the thread is there for.
const BATCH: usize = 1024;

/// Who sent a packet, and how far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) address: IpAddr,
    /// TTL or hop limit that was left.
    pub(super) hop_limit: u8,
}

/// Reads what waits at a raw socket of `port`, where nothing waited at `since`, and lets the virtual
/// routers there hear it.
pub(super) fn drain(
    (family, socket): (Family, &Socket),
    port: &Arc<Port>,
    since: Instant,
    roster: &mut Roster,
    outlet: &Outlet<'_>,
) {
    let mut buffer = [0; BUFFER];
    for _ in 0..BATCH {
        // An error other than "nothing there" is the device's; its link event tells the daemon.
        let Ok(length) = read(family, socket, &mut buffer) else { return };
        hear(family, &buffer[..length], port, since, roster, outlet);
    }
}

/// Throws away what waits at a socket that nobody has listened to: it may be hours old.
pub(super) fn discard((family, socket): (Family, &Socket)) {
    let mut buffer = [0; BUFFER];
    for _ in 0..BATCH {
        if read(family, socket, &mut buffer).is_err() {
            return;
        }
    }
}

/// One packet with its IP header.
fn read(family: Family, mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    match family {
        Family::V4 => socket.read(buffer),
        Family::V6 => sys::raw::receive_v6(socket, buffer),
    }
}

/// Who sent a packet, where to, and for which virtual router, if it names one.
fn open(family: Family, packet: &[u8]) -> Option<(Sender, IpAddr, u8)> {
    let to_ip = |address: Addr| address.to_ip(family);
    match family {
        Family::V4 => {
            let header = ipv4::Header(packet.octets(0)?);
            let sender = Sender { address: header.source().into(), hop_limit: header.ttl() };
            let vrid = match header.protocol() {
                ipv4::AH => ah::vrid(packet)?,
                _ => Envelope::open(packet, 0).ok()?.vrid,
            };
            Some((sender, header.destination().into(), vrid))
        }
        Family::V6 => {
            let header = ipv6::Header(packet.octets(0)?);
            let address = to_ip(header.source());
            let sender = Sender { address, hop_limit: header.hop_limit() };
            let payload = ipv6::Payload::find(packet, 0)?;
            let envelope = Envelope::open_ipv6(packet, &payload).ok()?;
            Some((sender, to_ip(header.destination()), envelope.vrid))
        }
    }
}

fn hear(
    family: Family,
    packet: &[u8],
    port: &Arc<Port>,
    since: Instant,
    roster: &mut Roster,
    outlet: &Outlet<'_>,
) {
    // What names no virtual router is nobody's to count here; with a kernel program it has been.
    let Some((sender, destination, vrid)) = open(family, packet) else { return };
    let ours = |router: &&Router| {
        // A unicast router must know, too, that somebody speaks to the group.
        router.is_on(port)
            || destination.is_multicast()
                && router.is_unicast()
                && router.ifindex() == Some(port.ifindex)
    };
    // keepalived lets unicast routers share a VRID if they share no peer.
    let of_another = |router: &&Router| !router.has_peer(sender.address);
    let candidates = roster.with_vrid(family, vrid).filter(ours);
    let Some(router) = candidates.min_by_key(of_another).map(Router::id) else { return };
    let known_since = port.is_heard.then_some(since);
    roster.visit(router, outlet, |router| take(router, packet, sender, known_since, outlet));
}

/// Lets a router have a packet that is for it, unless it is known from the kernel program, which may
/// have passed it on since `known_since`.
fn take(
    router: &mut Router,
    packet: &[u8],
    sender: Sender,
    known_since: Option<Instant>,
    outlet: &Outlet<'_>,
) {
    match router.judge(packet, sender) {
        Ok(Judged { heard, .. }) if known_since.is_some_and(|at| router.knows(&heard, at)) => {}
        Ok(Judged { heard, tolerated }) => {
            if let Some(reject) = tolerated {
                router.tolerate(reject, sender.address, now(), outlet);
            }
            let at = now();
            let fate = router.hear(&heard, at, outlet);
            outlet.board.count_heard(router.id(), &heard, fate.counter());
            outlet.report_heard(router.id(), heard, fate, at);
        }
        Err(reject) => router.refuse(reject, sender.address, now(), outlet),
    }
}
