//! A client that pings a virtual address at a steady pace and misses no lost answer.

use std::{
    collections::BTreeSet,
    io::Read,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{Node, wire};

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Octets; the answers of some seconds.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Tells these pings from those of a [`crate::Prober`].
const IDENTIFIER: u16 = 0x7870;
/// Offsets in an answer with its IP header.
const IDENTIFIER_OFFSET: usize = 24;
const SEQUENCE_OFFSET: usize = 26;

/// Sends echo requests, through the kernel and its neighbour cache, until [`Pings::lost`].
#[derive(Debug)]
pub struct Pings {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<BTreeSet<u16>>>,
}

impl Pings {
    /// Starts to ping `vip` from `client`, each `period`, up to 65,536 times.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub fn start(client: &Node, vip: Ipv4Addr, period: Duration) -> Result<Self> {
        let socket = client
            .namespace()
            .enter(|| Ok(Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?))?;
        socket.set_nonblocking(true)?;
        // The thread may have to wait for a processor, and no answer is to be lost here.
        set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || ping(&socket, vip, period, &stop)
        });
        Ok(Self { stop, thread })
    }

    /// Ends, and returns the numbers of the pings without an answer, from 0.
    ///
    /// # Errors
    /// One could not be sent.
    pub fn lost(self) -> Result<BTreeSet<u16>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("panic in a pinging thread"))?
    }
}

fn ping(
    socket: &Socket,
    vip: Ipv4Addr,
    period: Duration,
    stop: &AtomicBool,
) -> Result<BTreeSet<u16>> {
    let target = SockAddr::from(SocketAddr::from((vip, 0)));
    let mut waiting = BTreeSet::new();
    let mut next = Instant::now();
    for sequence in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        socket.send_to(&wire::echo_request(IDENTIFIER, sequence), &target)?;
        waiting.insert(sequence);
        next += period;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        take_answers(socket, &mut waiting);
    }
    let end = Instant::now() + PATIENCE;
    while !waiting.is_empty() && Instant::now() < end {
        thread::sleep(period);
        take_answers(socket, &mut waiting);
    }
    Ok(waiting)
}

fn take_answers(mut socket: &Socket, waiting: &mut BTreeSet<u16>) {
    let mut buffer = [0; 128];
    while let Ok(length) = socket.read(&mut buffer) {
        let packet = &buffer[..length];
        let number = |offset: usize| {
            let octets = packet.get(offset..)?.first_chunk()?;
            Some(u16::from_be_bytes(*octets))
        };
        if number(IDENTIFIER_OFFSET) == Some(IDENTIFIER)
            && let Some(sequence) = number(SEQUENCE_OFFSET)
        {
            waiting.remove(&sequence);
        }
    }
}
