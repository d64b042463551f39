//! A client that asks for a virtual address without pause.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    num::NonZeroU64,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;
use rustix::{net::netdevice::name_to_index, thread::set_current_timer_slack};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{Lab, Mac, Node, PacketSocket, wire};

/// Between two probes; also the resolution of what a capture says about the answers.
const PERIOD: Duration = Duration::from_millis(1);
/// Sender of the probes for the MAC. It exists nowhere, so the probes do not touch the client's own
/// neighbour entry, which the pings use.
const ASKER: u8 = 200;
const ECHO_IDENTIFIER: u16 = 0x7876;

/// Sends one ARP request (or Neighbor Solicitation) and one echo request for an address each
/// millisecond until it is dropped. The echo requests go through the client's kernel and its
/// neighbour cache, as those of any host would. The answers are what a [`crate::Capture`] sees.
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
    pub fn start(client: &Node, vip: impl Into<IpAddr>) -> Result<Self> {
        let vip = vip.into();
        let (domain, protocol, echo_request): (_, _, fn(u16, u16) -> Vec<u8>) = match vip {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, wire::echo_request),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, wire::echo_request_v6),
        };
        let mut resolve = resolver(client, vip)?;
        let (icmp, target) = client.namespace().enter(|| {
            let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
            // Nobody reads the answers here.
            socket.shutdown(std::net::Shutdown::Read).or_else(ignore_not_connected)?;
            socket.set_nonblocking(true)?;
            let scope = name_to_index(socket.as_fd(), Node::INTERFACE)?;
            let target: SocketAddr = match vip {
                IpAddr::V4(vip) => (vip, 0).into(),
                IpAddr::V6(vip) => SocketAddrV6::new(vip, 0, 0, scope).into(),
            };
            Ok((socket, SockAddr::from(target)))
        })?;
        let mut sequence = 0_u16;
        Ok(Self::each(PERIOD, move || {
            resolve();
            let _ = icmp.send_to(&echo_request(ECHO_IDENTIFIER, sequence), &target);
            sequence = sequence.wrapping_add(1);
        }))
    }

    /// Sends one ARP request (or Neighbor Solicitation) for `vip` each `period`, and nothing else.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub fn resolve(client: &Node, vip: impl Into<IpAddr>, period: Duration) -> Result<Self> {
        Ok(Self::each(period, resolver(client, vip.into())?))
    }

    /// A probe that is not sent (queue full, no route for a moment) is a probe that is not answered:
    /// the next one follows soon.
    fn each(period: Duration, mut probe: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                // The usual 50 us would make every second of the shortest sleeps too long. Who cannot
                // have it otherwise is a bit slower.
                let _ = set_current_timer_slack(NonZeroU64::new(1));
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    probe();
                    next += period;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

/// What asks everybody for `vip` when it is called.
fn resolver(client: &Node, vip: IpAddr) -> Result<impl FnMut() + use<>> {
    let socket = PacketSocket::open(client)?;
    let mac = Mac::local(ASKER);
    let request = match vip {
        IpAddr::V4(vip) => wire::arp_request(Mac::BROADCAST, (mac, Lab::address(ASKER)), vip),
        IpAddr::V6(vip) => wire::neighbor_solicitation(None, (mac, Lab::address_v6(ASKER)), vip),
    };
    Ok(move || {
        let _ = socket.send(&request);
    })
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
