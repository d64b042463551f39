//! A client that asks for a virtual address without pause.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Lab, Mac, Node, PacketSocket, wire};

/// Between two probes; also the resolution of what a capture says about the answers.
const PERIOD: Duration = Duration::from_millis(1);
/// Sender of the ARP probes. It exists nowhere, so the probes do not touch the client's own
/// neighbour entry, which the pings use.
const ASKER: u8 = 200;
const ECHO_IDENTIFIER: u16 = 0x7876;

/// Sends one ARP request and one ICMP echo request for an address each millisecond until it is
/// dropped. The echo requests go through the client's kernel and its neighbour cache, as those of
/// any host would. The answers are what a [`crate::Capture`] sees.
#[derive(Debug)]
pub struct Prober {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Starts to probe for `vip` from `client`.
    ///
    /// # Errors
    /// The sockets cannot be opened.
    pub fn start(client: &Node, vip: Ipv4Addr) -> Result<Self> {
        let arp = PacketSocket::open(client)?;
        let asker = (Mac::local(ASKER), Lab::address(ASKER));
        let request = wire::arp_request(Mac::BROADCAST, asker, vip);
        let icmp = client.namespace().enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
            // Nobody reads the answers here.
            socket.shutdown(std::net::Shutdown::Read).or_else(ignore_not_connected)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let target = SocketAddrV4::new(vip, 0).into();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut next = Instant::now();
                let mut sequence = 0_u16;
                while !stop.load(Ordering::Relaxed) {
                    // A probe that is not sent (queue full, no route for a moment) is a probe that
                    // is not answered: the next one follows in a millisecond.
                    let _ = arp.send(&request);
                    let _ = icmp.send_to(&wire::echo_request(ECHO_IDENTIFIER, sequence), &target);
                    sequence = sequence.wrapping_add(1);
                    next += PERIOD;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed where it happened.
            let _ = thread.join();
        }
    }
}

/// shutdown() of a socket without a peer works and reports this nevertheless.
fn ignore_not_connected(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }
}
