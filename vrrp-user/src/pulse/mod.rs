//! The pulse: the thread that sends adverts and notices a dead Active router. It does nothing that
//! can block: no netlink, no file, no log, no fork, no lock that slow work holds. The rest of the
//! daemon talks to it through bounded queues and reads its state from the [`Board`].

mod board;
mod clock;
mod deadlines;
mod difference;
mod doorbells;
mod frame;
mod groups;
mod lateness;
mod receive;
mod roster;
mod router;
mod scheduling;
mod send;
mod thread;

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use socket2::Socket;
use tokio::sync::oneshot;
use vrrp_common::{
    Addr, Family, Priority, Vrid,
    abi::Fate,
    ladder::{Believe, Heard, Reject, address_set},
    wire::{Mac, ipv4, ipv6, vrrp},
};

pub use board::{Board, Snapshot};
pub use clock::now;
pub use difference::{Change, Member};
pub use lateness::Lateness;
pub use scheduling::Scheduling;
pub use thread::{Handle, spawn};

use crate::{
    config::{Authentication, Unicast},
    election::{Announce, Cause, Instant, Parameters, State},
    sys,
};

/// Number of a virtual router, at the start in the order of the configuration. Its slot is this plus
/// one.
pub type RouterId = usize;

/// What the pulse must know of a virtual router. It is `Backup` of nothing until a
/// [`Command::Start`] gives it a port.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Slot in shared memory.
    pub slot: u32,
    /// The election's parameters; the source is unspecified until the start.
    pub parameters: Parameters,
    /// Virtual router.
    pub vrid: Vrid,
    /// Virtual MAC that adverts come from (RFC 9568 7.2); `None` for the device's own.
    pub mac: Option<Mac>,
    /// Advertised addresses.
    pub addresses: Addresses,
    /// Where adverts go without `unicast`, of the family of the addresses.
    pub group: IpAddr,
    /// The peers that adverts go to instead, and what is demanded of them.
    pub unicast: Option<Unicast>,
    /// v2 authentication as it stands in the message.
    pub auth: vrrp::Auth,
    /// All of the authentication.
    pub authentication: Option<Authentication>,
    /// v3 checksum on send.
    pub coverage: vrrp::Coverage,
    /// v3/IPv4 checksums that are believed.
    pub believe: Believe,
    /// As the owner of its addresses it discards what others say, as it must in v2.
    pub owner_ignores: bool,
    /// `xdp_orphan serve-until-peer`: a lease that has lapsed goes on in the program, which closes it
    /// with the first advert that it hears.
    pub serves_on: bool,
    /// `skip_check_adv_addr`: whether the Active router lists other addresses is not looked at.
    pub skip_check_addresses: bool,
}

/// The advertised addresses of a virtual router, in the order of the configuration, at most 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Of IPv4.
    V4(Vec<[u8; 4]>),
    /// Of IPv6.
    V6(Vec<[u8; 16]>),
}

impl Addresses {
    /// Their family, which is the virtual router's.
    pub const fn family(&self) -> Family {
        match self {
            Self::V4(_) => Family::V4,
            Self::V6(_) => Family::V6,
        }
    }

    /// True when the first is a link-local address, as those of IPv6 demand (RFC 9568 6.1).
    fn begin_link_local(&self) -> bool {
        match self {
            Self::V4(_) => false,
            Self::V6(addresses) => {
                addresses.first().is_some_and(|first| Addr::v6(*first).is_link_local_v6())
            }
        }
    }

    /// The number that stands for their set in any order.
    fn set(&self) -> u64 {
        match self {
            Self::V4(addresses) => address_set(addresses),
            Self::V6(addresses) => address_set(addresses),
        }
    }
}

/// Where adverts leave and come in: the groups of a device, or an address of unicast routers.
pub struct Port {
    /// The device. Unicast goes where the routing table says, but without this device the router
    /// does not take part.
    pub ifindex: u32,
    /// Its MAC, the source of frames of virtual routers without one of their own.
    pub mac: Mac,
    /// TTL or hop limit of adverts that the configuration says nothing of.
    hop_limit: u8,
    carrier: AtomicBool,
    /// The kernel program hears adverts that come in here, and passes them on.
    is_heard: bool,
    sender: Socket,
    /// A raw socket for each family that is spoken here, one for IPv4 behind authentication headers,
    /// and the same on each [`Ear`].
    receivers: Vec<(Family, Socket)>,
    /// How many of them, from the first, look at the VRID.
    filtered: usize,
}

/// A macvlan on a port's device. It takes away from the device what others send with its MAC: the
/// adverts of the same virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ear {
    /// Index of the macvlan.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Its MAC.
    pub mac: Mac,
}

impl Port {
    /// Opens the sockets on a device, joins `groups`, and listens for adverts of the virtual routers
    /// `vrids` and for whatever comes from the MAC of each of the `ears` there. Needs CAP_NET_RAW.
    pub fn open(
        device: &str,
        ifindex: u32,
        mac: Mac,
        groups: &[IpAddr],
        vrids: &BTreeSet<u8>,
        ears: &[Ear],
    ) -> io::Result<Self> {
        let mut receivers = receivers(device, ifindex, groups, vrids)?;
        let families: BTreeSet<_> = receivers.iter().map(|(family, _)| *family).collect();
        for ear in ears {
            receivers.extend(receivers_of_ear(ear, groups, vrids)?);
        }
        let sender = sys::packet::packet_socket(ifindex)?;
        let port = Self::new(ifindex, mac, ipv4::TTL, sender, receivers);
        Ok(Self { filtered: families.len(), ..port })
    }

    /// Opens the socket of unicast routers that send from `source`, which is on any device, and
    /// hear what is sent to it, on whichever device that comes in. Needs CAP_NET_RAW; an error, too,
    /// if this host does not have the address.
    pub fn unicast(ifindex: u32, mac: Mac, source: IpAddr) -> io::Result<Self> {
        let socket = sys::raw::unicast_socket(source, ifindex)?;
        // keepalived's defaults: 255, and with IPv6 whatever the kernel is set to.
        let hop_limit = match source {
            IpAddr::V4(_) => ipv4::TTL,
            IpAddr::V6(_) => u8::try_from(socket.unicast_hops_v6()?).unwrap_or(ipv6::HOP_LIMIT),
        };
        let mut receivers = vec![(source.into(), socket.try_clone()?)];
        if let IpAddr::V4(source) = source {
            receivers.push((Family::V4, sys::raw::unicast_ah_socket(source)?));
        }
        Ok(Self::new(ifindex, mac, hop_limit, socket, receivers))
    }

    fn new(
        ifindex: u32,
        mac: Mac,
        hop_limit: u8,
        sender: Socket,
        receivers: Vec<(Family, Socket)>,
    ) -> Self {
        let carrier = AtomicBool::new(true);
        Self { ifindex, mac, hop_limit, carrier, is_heard: false, sender, receivers, filtered: 0 }
    }

    /// Says whether the kernel program hears adverts that come in here and passes them on, so that
    /// those that it has dealt with are not to be heard a second time.
    #[must_use]
    pub fn heard_elsewhere(self, is_heard: bool) -> Self {
        Self { is_heard, ..self }
    }

    /// Has it listen for adverts of these virtual routers from now on. What has come in already is
    /// heard as before.
    pub fn listen_for(&self, vrids: &BTreeSet<u8>) -> io::Result<()> {
        let filtered = &self.receivers[..self.filtered];
        filtered.iter().try_for_each(|(family, socket)| {
            sys::raw::only_vrids(socket, *family, vrids.iter().copied())
        })
    }

    /// Says whether frames can leave. A send without carrier reports success, too, so that only
    /// this tells whether an advert earns a lease.
    pub fn set_carrier(&self, carrier: bool) {
        self.carrier.store(carrier, Relaxed);
    }
}

/// The raw sockets on a device for the families of `groups`.
fn receivers(
    device: &str,
    ifindex: u32,
    groups: &[IpAddr],
    vrids: &BTreeSet<u8>,
) -> io::Result<Vec<(Family, Socket)>> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for group in groups {
        match group {
            IpAddr::V4(group) => v4.push(*group),
            IpAddr::V6(group) => v6.push(*group),
        }
    }
    let mut receivers = Vec::new();
    if !v4.is_empty() {
        let socket = sys::raw::vrrp_socket(device, ifindex, &v4)?;
        sys::raw::only_vrids(&socket, Family::V4, vrids.iter().copied())?;
        receivers.push((Family::V4, socket));
    }
    if !v6.is_empty() {
        let socket = sys::raw::vrrp_socket_v6(device, ifindex, &v6)?;
        sys::raw::only_vrids(&socket, Family::V6, vrids.iter().copied())?;
        receivers.push((Family::V6, socket));
    }
    if !v4.is_empty() {
        receivers.push((Family::V4, sys::raw::ah_socket(device, ifindex, &v4)?));
    }
    Ok(receivers)
}

/// The same on a macvlan, for what the device below does not get.
fn receivers_of_ear(
    ear: &Ear,
    groups: &[IpAddr],
    vrids: &BTreeSet<u8>,
) -> io::Result<Vec<(Family, Socket)>> {
    let receivers = receivers(&ear.name, ear.ifindex, groups, vrids)?;
    for (_, socket) in &receivers {
        sys::raw::hear_only(socket, ear.mac)?;
    }
    Ok(receivers)
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
        source: IpAddr,
        /// Since when its device has been listened to for it: what waits at the sockets is to be
        /// heard. `None` for from now on: what waits may be hours old.
        since: Option<Instant>,
    },
    /// A virtual router may not take part for now: keepalived's FAULT.
    Fault {
        /// Which.
        router: RouterId,
    },
    /// The effective priority of a virtual router, whether it takes part or not.
    Priority {
        /// Which.
        router: RouterId,
        /// 1-254, or 255 of an owner.
        priority: Priority,
    },
    /// There is one more virtual router. It takes no part yet.
    Install(Member),
    /// The configuration of a virtual router is another. It goes on as what it is.
    Change {
        /// Which.
        router: RouterId,
        /// What is new. The answer has what was.
        change: Box<Change>,
        /// Hears when it is so.
        done: oneshot::Sender<Box<Change>>,
    },
    /// A virtual router is no more. It resigns if it is Active.
    Remove {
        /// Which.
        router: RouterId,
        /// Gets it. Nothing is reported of it any more.
        done: oneshot::Sender<Option<Member>>,
    },
    /// These virtual routers are sync groups, each with its members in the order of the configuration.
    Group {
        /// Which.
        members: Vec<Vec<RouterId>>,
        /// Gets what it was before.
        done: oneshot::Sender<Vec<Vec<RouterId>>>,
    },
    /// The thread goes on in another scheduling class.
    Schedule {
        /// Which.
        class: sys::sched::Class,
        /// Hears whether the kernel lets it.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// All virtual routers resign, and the thread ends.
    Stop,
    /// The thread ends without a word: each Active router's lease lasts as long as its last advert
    /// pays for, and who comes after us may resume it until then.
    Abandon,
}

/// What is worth a word about an advert that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It lists other addresses than ours (RFC 9568 7.1, RFC 3768 7.1).
    Addresses,
    /// v3: it states another interval than ours (RFC 9568 7.1).
    Interval,
    /// It comes from an owner of the addresses, as which another router is known: the Active one, or
    /// this one (RFC 9568 8.3.2, erratum 8298).
    Owner {
        /// The other one's address.
        other: IpAddr,
    },
    /// It is not signed, or not signed right, which `mode` of `auth_hmac` does not enforce.
    Authentication {
        /// Why it would be refused otherwise.
        reject: Reject,
    },
}

impl Oddity {
    /// How many there are.
    const COUNT: usize = 4;

    const fn index(self) -> usize {
        match self {
            Self::Addresses => 0,
            Self::Interval => 1,
            Self::Owner { .. } => 2,
            Self::Authentication { .. } => 3,
        }
    }
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
    /// A raw socket brought an advert that failed a check. At most one for each reason in ten
    /// seconds.
    Rejected {
        /// Whose.
        router: RouterId,
        /// Why.
        reject: Reject,
        /// Its sender.
        source: IpAddr,
    },
    /// An advert was accepted that gives food for thought. At most one for each oddity in ten
    /// seconds.
    Odd {
        /// Whose.
        router: RouterId,
        /// What about it.
        oddity: Oddity,
        /// Its sender.
        source: IpAddr,
    },
    /// A raw socket brought an advert that passed every check. Only while the [`Board`] says that
    /// somebody wants to know.
    Heard {
        /// Whose.
        router: RouterId,
        /// What it says.
        heard: Heard,
        /// What became of it.
        fate: Fate,
        /// When.
        at: Instant,
    },
    /// The network is to be told where the addresses are.
    Announce {
        /// Whose.
        router: RouterId,
        /// On what occasion.
        occasion: Announce,
    },
}

impl Report {
    /// True when something is to be done about it, other than to tell of it.
    pub const fn asks_for_something(&self) -> bool {
        match self {
            Self::Transition { .. }
            | Self::AddAddresses { .. }
            | Self::RemoveAddresses { .. }
            | Self::Announce { .. } => true,
            Self::Rejected { .. } | Self::Odd { .. } | Self::Heard { .. } => false,
        }
    }
}
