//! Gratuitous ARP and unsolicited Neighbor Advertisements: telling the segment where a virtual
//! address is now.
//!
//! The pattern is keepalived's: `repeat` rounds over all addresses when a router becomes Active,
//! again after `delay`, then every `refresh`; and the same, with numbers of its own, when a losing
//! advert was heard, because its sender may have taught the segment otherwise. Timers end when the
//! router stops being Active.

mod schedule;

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    io::{self, ErrorKind},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use socket2::Socket;
use tokio::sync::{mpsc, oneshot};
use vrrp_common::wire::{arp, ndp};

use self::schedule::{Due, Schedule};
use crate::{
    config::Garp,
    sys::packet::{is_bound, packet_socket},
};

/// Commands that may wait for the announcer.
const QUEUE: usize = 64;
/// Frames between two looks at the commands: a few hundred microseconds.
const BATCH: usize = 64;
/// Sockets that may be open beyond those of the interfaces that are announced on.
const SPARE: usize = 64;
/// How long an interface with a full queue is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// A virtual router, by its index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub usize);

/// An address to announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Index of the interface to announce it on.
    pub interface: u32,
    /// The MAC address to announce: the interface's own, or the virtual one.
    pub mac: [u8; 6],
    /// The virtual address.
    pub address: IpAddr,
    /// What it shares its spacing with, if that is more than its interface.
    pub group: Option<Group>,
    /// Period of a refresh of its own, of one round (keepalived's `garp_extra_if`).
    pub extra: Option<Duration>,
}

impl Target {
    /// One with nothing but the three that every target has.
    pub const fn new(interface: u32, mac: [u8; 6], address: IpAddr) -> Self {
        Self { interface, mac, address, group: None, extra: None }
    }
}

/// keepalived's `garp_group`: interfaces that share the spacing of what is sent on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Tells it from others.
    pub number: usize,
    /// Spacing of gratuitous ARP; zero for that of the router.
    pub interval: Duration,
    /// Spacing of Neighbor Advertisements, likewise.
    pub gna_interval: Duration,
}

/// What became of the frames of one router since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The kernel took them.
    pub sent: u64,
    /// The kernel refused them: interface down (ENETDOWN) or gone (ENODEV, ENXIO), no memory
    /// (ENOBUFS).
    pub failed: u64,
}

/// Handle of the task that sends the announcements. The task ends with its last handle.
///
/// Methods wait only while many commands are queued, which the task works off between frames.
#[derive(Clone, Debug)]
pub struct Announcer {
    commands: mpsc::Sender<Command>,
    counts: SharedCounts,
}

#[derive(Debug)]
enum Command {
    Start(RouterId, Vec<Target>, Garp),
    Losing(RouterId),
    Once(RouterId, Target, Garp),
    Cancel(RouterId, oneshot::Sender<()>),
}

type SharedCounts = Arc<Mutex<BTreeMap<RouterId, Counts>>>;

impl Announcer {
    /// Starts the task on the current tokio runtime. Its sockets belong to the network namespace of
    /// the runtime's threads.
    pub fn spawn() -> Self {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let counts = SharedCounts::default();
        let task = Task {
            schedule: Schedule::default(),
            sockets: HashMap::new(),
            counts: Arc::clone(&counts),
        };
        tokio::spawn(task.run(receiver));
        Self { commands, counts }
    }

    /// `router` became Active, or its addresses changed while it is: announce `targets` as `plan`
    /// says. Replaces whatever was planned for it.
    pub async fn start(&self, router: RouterId, targets: Vec<Target>, plan: Garp) {
        self.command(Command::Start(router, targets, plan)).await;
    }

    /// `router`, which is Active, heard a losing advert (RFC 9568 6.4.3; keepalived's
    /// `garp_lower_prio_*`). Without effect after [`cancel`](Self::cancel).
    pub async fn losing(&self, router: RouterId) {
        self.command(Command::Losing(router)).await;
    }

    /// Announces `target`, an address that `router` has whether it is Active or not, one time, spaced as
    /// `plan` says. What is planned for its virtual addresses stays.
    pub async fn once(&self, router: RouterId, target: Target, plan: Garp) {
        self.command(Command::Once(router, target, plan)).await;
    }

    /// `router` is no longer Active. On return nothing is planned for it and nothing waits: the
    /// kernel gets no further frame of its virtual addresses.
    pub async fn cancel(&self, router: RouterId) {
        let (done, wait) = oneshot::channel();
        self.command(Command::Cancel(router, done)).await;
        // An error means that the runtime, and so the task, is being shut down.
        let _ = wait.await;
    }

    /// `router` is no more: [`Self::cancel`], and its frames are not counted any longer.
    pub async fn forget(&self, router: RouterId) {
        self.cancel(router).await;
        lock(&self.counts).remove(&router);
    }

    /// The frames of `router` so far.
    pub fn counts(&self, router: RouterId) -> Counts {
        lock(&self.counts).get(&router).copied().unwrap_or_default()
    }

    async fn command(&self, command: Command) {
        // As in `cancel`.
        let _ = self.commands.send(command).await;
    }
}

struct Task {
    schedule: Schedule,
    /// By interface index, opened when first needed. They stay open, because closing one waits for
    /// all processors (RCU), and virtual routers come and go by the hundred. Where
    /// interfaces do, too, one beyond [`SPARE`] goes for each that comes.
    sockets: HashMap<u32, Socket>,
    counts: SharedCounts,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let wake = self.schedule.next_timeout();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                () = sleep_until(wake) => self.send_due(),
            }
        }
    }

    fn handle(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Start(router, targets, plan) => {
                self.schedule.handle_start(router, targets, plan, now);
            }
            Command::Losing(router) => self.schedule.handle_losing(router, now),
            Command::Once(router, target, plan) => {
                self.schedule.handle_once(router, target, &plan, now);
            }
            Command::Cancel(router, done) => {
                self.schedule.handle_cancel(router);
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }

    fn send_due(&mut self) {
        self.schedule.handle_timeout(Instant::now());
        for _ in 0..BATCH {
            let now = Instant::now();
            let Some(due) = self.schedule.poll_frame(now) else {
                break;
            };
            let result = self.send(&due.target);
            if let Err(error) = &result {
                if error.kind() == ErrorKind::WouldBlock {
                    self.schedule.handle_full(due, now + FULL_PAUSE);
                    continue;
                }
                tracing::debug!(
                    "announcement of {} on interface {}: {error}",
                    due.target.address,
                    due.target.interface
                );
                // The interface may be back under this number with the next frame.
                self.sockets.remove(&due.target.interface);
            }
            self.count(&due, result.is_ok());
        }
    }

    fn send(&mut self, target: &Target) -> io::Result<()> {
        self.make_room(target.interface);
        let socket = match self.sockets.entry(target.interface) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(packet_socket(target.interface)?),
        };
        let sent = match target.address {
            IpAddr::V4(address) => socket.send(&arp::gratuitous(target.mac, address.octets())),
            IpAddr::V6(address) => socket.send(&ndp::unsolicited(target.mac, address.octets())),
        };
        sent.map(|_| ())
    }

    /// Closes the sockets of interfaces that are gone, and one that nobody needs, should one for
    /// `interface` be one too many.
    fn make_room(&mut self, interface: u32) {
        if self.sockets.contains_key(&interface) {
            return;
        }
        self.sockets.retain(|_, socket| is_bound(socket));
        if self.sockets.len() < SPARE {
            return;
        }
        let used = self.schedule.interfaces();
        let unused = self.sockets.keys().copied().find(|socket| !used.contains(socket));
        if let Some(unused) = unused.filter(|_| self.sockets.len() >= SPARE + used.len()) {
            self.sockets.remove(&unused);
        }
    }

    fn count(&self, due: &Due, sent: bool) {
        let mut counts = lock(&self.counts);
        let counts = counts.entry(due.router).or_default();
        if sent {
            counts.sent += 1;
        } else {
            counts.failed += 1;
        }
    }
}

/// Never, for `None`. What is due is due now: tokio's timer would round up to the next millisecond.
async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) if wake <= Instant::now() => {}
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

/// Numbers cannot be left half changed by a panic.
fn lock(counts: &SharedCounts) -> MutexGuard<'_, BTreeMap<RouterId, Counts>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
