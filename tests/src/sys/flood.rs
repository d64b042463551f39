//! Many messages, as fast as one processor sends them or at a rate.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::{
    net::netdevice::name_to_index,
    thread::{CpuSet, sched_setaffinity},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{link_address, set_option};
use crate::Node;

/// Messages of one system call.
const BATCH: usize = 64;
/// What may wait in the queues of the sender's own host.
const SEND_BUFFER: libc::c_int = 8 << 20;
/// How long a generator with a rate rests when it is ahead.
const REST: Duration = Duration::from_micros(500);

/// A thread that sends messages, round and round, until [`Flood::end`].
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<f64>>,
}

/// How fast a flood is.
enum Pace {
    /// All that the processor with this number can do.
    AllOf(usize),
    /// So many in a second.
    Rate(u32),
}

impl Flood {
    /// Sends whole Ethernet frames from a node past its queueing discipline, as fast as this
    /// processor can.
    ///
    /// # Errors
    /// Not root, or the interface is gone.
    pub fn of_frames(node: &Node, frames: Vec<Vec<u8>>, on: usize) -> Result<Self> {
        let socket = node.namespace().enter(|| {
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
            set_option(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
            let index = name_to_index(socket.as_fd(), Node::INTERFACE)?;
            socket.bind(&link_address(index.cast_signed(), 0))?;
            Ok(socket)
        })?;
        Ok(Self::start(socket, frames, Pace::AllOf(on)))
    }

    /// Sends UDP datagrams of `size` octets from a node, so many in a second if its kernel takes them.
    ///
    /// # Errors
    /// There is no route.
    pub fn of_datagrams(node: &Node, to: SocketAddr, size: usize, rate: u32) -> Result<Self> {
        let socket = node.namespace().enter(|| {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(to)?;
            let socket = Socket::from(socket);
            set_option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, SEND_BUFFER)?;
            Ok(socket)
        })?;
        Ok(Self::start(socket, vec![vec![0; size]], Pace::Rate(rate)))
    }

    fn start(socket: Socket, messages: Vec<Vec<u8>>, pace: Pace) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let rate = match pace {
                    Pace::AllOf(processor) => {
                        let mut processors = CpuSet::new();
                        processors.set(processor);
                        sched_setaffinity(None, &processors)?;
                        None
                    }
                    Pace::Rate(rate) => Some(rate),
                };
                send(&socket, &messages, rate, &stop).context("the flood cannot be sent")
            }
        });
        Self { stop, thread }
    }

    /// Ends, and returns how many messages left in a second.
    ///
    /// # Errors
    /// They cannot be sent at all.
    pub fn end(self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("panic in a flooding thread"))?
    }
}

/// Returns the rate at which messages left.
fn send(
    socket: &Socket,
    messages: &[Vec<u8>],
    rate: Option<u32>,
    stop: &AtomicBool,
) -> io::Result<f64> {
    let rounds = BATCH.div_ceil(messages.len());
    let mut parts: Vec<_> = (0..rounds)
        .flat_map(|_| messages)
        .map(|message| libc::iovec {
            iov_base: message.as_ptr().cast_mut().cast(),
            iov_len: message.len(),
        })
        .collect();
    let mut headers: Vec<_> = parts.iter_mut().map(header).collect();
    let start = Instant::now();
    // Of `tried` messages the kernel took `sent`; `next` stands first in the following call.
    let (mut tried, mut sent, mut next) = (0_u64, 0_u64, 0);
    while !stop.load(Ordering::Relaxed) {
        let mut count = BATCH.min(headers.len() - next);
        if let Some(rate) = rate {
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            count = count.min(due.saturating_sub(tried) as usize);
            if count == 0 {
                thread::sleep(REST);
                continue;
            }
        }
        let batch = &mut headers[next..next + count];
        // SAFETY: each header points to one part, which points to a message; all of them outlive the
        // call, and the kernel writes only the headers' lengths.
        let taken = unsafe {
            let length = batch.len() as libc::c_uint;
            libc::sendmmsg(socket.as_raw_fd(), batch.as_mut_ptr(), length, libc::MSG_DONTWAIT)
        };
        let taken = match u64::try_from(taken) {
            Ok(taken) => {
                sent += taken;
                taken
            }
            // A full queue loses a message.
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => 1,
                error if error.raw_os_error() == Some(libc::ENOBUFS) => 1,
                error => return Err(error),
            },
        };
        tried += taken;
        next = (next + taken as usize) % headers.len();
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

fn header(part: &mut libc::iovec) -> libc::mmsghdr {
    let msg_hdr = libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: ptr::from_mut(part),
        msg_iovlen: 1,
        msg_control: ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    };
    libc::mmsghdr { msg_hdr, msg_len: 0 }
}
