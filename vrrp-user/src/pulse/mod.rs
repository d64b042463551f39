//! The pulse: the thread that sends adverts and notices a dead Active router. It does nothing that
//! can block: no netlink, no file, no log, no fork, no lock that slow work holds. The rest of the
//! daemon talks to it through bounded queues and reads its state from the [`Board`].

mod board;
mod clock;
mod frame;
mod receive;
mod router;
mod thread;

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use socket2::Socket;
use vrrp_common::{
    Vrid,
    ladder::Reject,
    wire::{Mac, vrrp},
};

pub use board::{Board, Snapshot};
pub use clock::now;
pub use thread::{Handle, spawn};

use crate::{
    election::{Announce, Cause, Instant, Parameters, State},
    sys,
};

/// Index of a virtual router, in the order of the configuration. Its slot is this plus one.
pub type RouterId = usize;

/// What the pulse must know of a virtual router. It is `Backup` of nothing until a
/// [`Command::Start`] gives it a port.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Slot in shared memory.
    pub slot: u32,
    /// The election's parameters; the source is unspecified until the start.
    pub parameters: Parameters,
    /// Virtual router.
    pub vrid: Vrid,
    /// Advertised addresses, in the order of the configuration, at most 255.
    pub addresses: Vec<[u8; 4]>,
    /// Where adverts go.
    pub group: Ipv4Addr,
    /// v2 authentication.
    pub auth: vrrp::Auth,
    /// v3 checksum on send.
    pub coverage: vrrp::Coverage,
}

/// A device as the pulse uses it: where adverts leave and come in.
pub struct Port {
    /// The device.
    pub ifindex: u32,
    /// Its MAC, the source of frames.
    pub mac: Mac,
    carrier: AtomicBool,
    sender: Socket,
    receiver: Socket,
}

impl Port {
    /// Opens the sockets on a device and joins `groups`. Needs CAP_NET_RAW.
    pub fn open(device: &str, ifindex: u32, mac: Mac, groups: &[Ipv4Addr]) -> io::Result<Self> {
        Ok(Self {
            ifindex,
            mac,
            carrier: AtomicBool::new(true),
            sender: sys::packet::packet_socket(ifindex)?,
            receiver: sys::raw::vrrp_socket(device, ifindex, groups)?,
        })
    }

    /// Says whether frames can leave. A send without carrier reports success, too, so that only
    /// this tells whether an advert earns a lease.
    pub fn set_carrier(&self, carrier: bool) {
        self.carrier.store(carrier, Relaxed);
    }
}

/// What the daemon tells the pulse.
pub enum Command {
    /// A virtual router may take part on this port, with this source address. Again for a router
    /// that takes part already: it moves.
    Start {
        /// Which.
        router: RouterId,
        /// Its device.
        port: Arc<Port>,
        /// Source of its adverts.
        source: Ipv4Addr,
    },
    /// A virtual router may not take part for now: keepalived's FAULT.
    Fault {
        /// Which.
        router: RouterId,
    },
    /// All virtual routers resign, and the thread ends.
    Stop,
}

/// What the pulse tells the daemon. A report that finds the queue full is lost and counted; the
/// [`Board`] has the state all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Report {
    /// The state changed.
    Transition {
        /// Whose.
        router: RouterId,
        /// From here.
        from: State,
        /// To there.
        to: State,
        /// Why.
        cause: Cause,
        /// When.
        at: Instant,
    },
    /// Addresses are to be added.
    AddAddresses {
        /// Whose.
        router: RouterId,
    },
    /// Addresses are to be removed.
    RemoveAddresses {
        /// Whose.
        router: RouterId,
    },
    /// A raw socket brought an advert that failed a check. At most one for each reason and second.
    Rejected {
        /// Whose.
        router: RouterId,
        /// Why.
        reject: Reject,
        /// Its sender.
        source: [u8; 4],
    },
    /// The network is to be told where the addresses are.
    Announce {
        /// Whose.
        router: RouterId,
        /// On what occasion.
        occasion: Announce,
    },
}
