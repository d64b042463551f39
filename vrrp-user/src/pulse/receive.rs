//! What a raw socket brings: one packet of protocol 112 at a time, with its IP header.

use std::{
    io::{self, Read},
    net::IpAddr,
};

use socket2::Socket;
use vrrp_common::{
    Family, Frame,
    abi::Counter,
    ladder::Envelope,
    wire::{ipv4, ipv6},
};

use super::{
    clock::now,
    router::{Heeded, Outlet, Router},
};
use crate::sys;

/// The largest packet that an advert can be, 255 addresses of IPv6, and room to see that a longer one
/// is longer.
const BUFFER: usize = 8192;

/// Packets that one wake-up reads from one socket at the most. A flood may delay, but not starve,
/// what the thread is there for.
const BATCH: usize = 1024;

/// Reads what waits at a raw socket of the device `ifindex` and lets the virtual routers there hear
/// it.
pub(super) fn drain(
    (family, socket): (Family, &Socket),
    ifindex: u32,
    routers: &mut [Router],
    outlet: &Outlet<'_>,
) {
    let mut buffer = [0; BUFFER];
    for _ in 0..BATCH {
        // An error other than "nothing there" is the device's; its link event tells the daemon.
        let Ok(length) = read(family, socket, &mut buffer) else { return };
        hear(family, &buffer[..length], ifindex, routers, outlet);
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

/// Who sent a packet, and for which virtual router, if it names one.
fn open(family: Family, packet: &[u8]) -> Option<(IpAddr, Envelope)> {
    match family {
        Family::V4 => {
            let source = ipv4::Header(packet.octets(0)?).source();
            Some((source.into(), Envelope::open(packet, 0).ok()?))
        }
        Family::V6 => {
            let source = ipv6::Header(packet.octets(0)?).source().to_ip(family);
            let payload = ipv6::Payload::find(packet, 0)?;
            Some((source, Envelope::open_ipv6(packet, &payload).ok()?))
        }
    }
}

fn hear(family: Family, packet: &[u8], ifindex: u32, routers: &mut [Router], outlet: &Outlet<'_>) {
    // What names no virtual router is nobody's to count here; with a kernel program it has been.
    let Some((source, envelope)) = open(family, packet) else { return };
    let ours = |router: &&mut Router| {
        router.ifindex() == Some(ifindex)
            && router.vrid() == envelope.vrid
            && router.family() == family
    };
    let Some(router) = routers.iter_mut().find(ours) else { return };
    match envelope.judge(packet, &router.rules()) {
        Ok(heard) => {
            let outcome = match router.hear(&heard, now(), outlet) {
                Heeded::Repetition => Counter::AdvertsAbsorbed,
                Heeded::Ignored => Counter::AdvertsIgnored,
                Heeded::News => Counter::AdvertsNews,
            };
            outlet.board.count_heard(router.id(), &heard, outcome);
        }
        Err(reject) => router.refuse(reject, source, now(), outlet),
    }
}
