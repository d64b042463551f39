//! What a raw socket brings: one packet of protocol 112 at a time, with its IP header.

use std::io::Read;

use socket2::Socket;
use vrrp_common::{Frame, abi::Counter, ladder::Envelope, wire::ipv4};

use super::{
    clock::now,
    router::{Heeded, Outlet, Router},
};

/// The largest packet that any of our adverts' kind can be, with IP options and room to see that a
/// longer one is longer.
const BUFFER: usize = 2048;

/// Packets that one wake-up reads from one socket at the most. A flood may delay, but not starve,
/// what the thread is there for.
const BATCH: usize = 1024;

/// Reads what waits at the socket of the device `ifindex` and lets the virtual routers there hear it.
pub(super) fn drain(
    mut socket: &Socket,
    ifindex: u32,
    routers: &mut [Router],
    outlet: &Outlet<'_>,
) {
    let mut buffer = [0; BUFFER];
    for _ in 0..BATCH {
        // An error other than "nothing there" is the device's; its link event tells the daemon.
        let Ok(length) = socket.read(&mut buffer) else { return };
        hear(&buffer[..length], ifindex, routers, outlet);
    }
}

/// Throws away what waits at a socket that nobody has listened to: it may be hours old.
pub(super) fn discard(mut socket: &Socket) {
    let mut buffer = [0; BUFFER];
    for _ in 0..BATCH {
        if socket.read(&mut buffer).is_err() {
            return;
        }
    }
}

fn hear(packet: &[u8], ifindex: u32, routers: &mut [Router], outlet: &Outlet<'_>) {
    // What names no virtual router is nobody's to count here; with a kernel program it has been.
    let Ok(envelope) = Envelope::open(packet, 0) else { return };
    let ours =
        |router: &&mut Router| router.ifindex() == Some(ifindex) && router.vrid() == envelope.vrid;
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
        Err(reject) => {
            let source = packet.octets(0).map_or([0; 4], |octets| ipv4::Header(octets).source());
            router.refuse(reject, source, now(), outlet);
        }
    }
}
