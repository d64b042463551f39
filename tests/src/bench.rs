//! Many virtual routers on one node, and a peer that is no daemon.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use crate::{Capture, Daemon, Lab, Mac, Node, PacketSocket, Router, wire::Advert};

/// A virtual router under test. `to_string` is its part of a keepalived.conf.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its number, at most 60; name and addresses follow from it.
    pub vrid: u8,
    /// Whether it has IPv6 addresses; then its version is 3.
    pub is_ipv6: bool,
    /// 2 or 3.
    pub version: u8,
    /// 255 for the owner.
    pub priority: u8,
    /// Whole seconds in version 2.
    pub interval: Duration,
    /// More lines for the instance.
    pub extra: &'static str,
}

impl Subject {
    /// Of version 3 with IPv4 addresses, priority 100, an advert each 400 ms.
    pub const fn new(vrid: u8) -> Self {
        let interval = Duration::from_millis(400);
        Self { vrid, is_ipv6: false, version: 3, priority: 100, interval, extra: "" }
    }

    /// Of version 2, with an advert each second.
    pub const fn version_2(vrid: u8) -> Self {
        Self { version: 2, interval: Duration::from_secs(1), ..Self::new(vrid) }
    }

    /// With IPv6 addresses.
    pub const fn ipv6(vrid: u8) -> Self {
        Self { is_ipv6: true, ..Self::new(vrid) }
    }

    /// Name of the instance.
    pub fn instance(&self) -> String {
        let family = if self.is_ipv6 { 6 } else { 4 };
        format!("V{family}_{}", self.vrid)
    }

    /// Two virtual addresses, in the order of the file.
    pub fn vips(&self) -> [IpAddr; 2] {
        let low = 0x100 + u16::from(self.vrid);
        if self.is_ipv6 {
            let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, low);
            [link_local.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low).into()]
        } else {
            // The higher one first: the order is the file's, not that of the numbers.
            [Lab::address(180 + self.vrid % 60), Lab::address(120 + self.vrid % 60)].map(IpAddr::V4)
        }
    }

    /// When it takes over, counted from the last advert of one who sends with `interval`.
    pub fn active_down_interval(&self, interval: Duration) -> Duration {
        crate::active_down_interval(self.version, interval, self.priority)
    }

    /// When it takes over after priority 0 of one who sends with `interval`.
    pub fn skew_time(&self, interval: Duration) -> Duration {
        crate::skew_time(self.version, interval, self.priority)
    }

    /// What its peer says: right in every bit, priority 200, with its own interval.
    pub fn peer(&self) -> Advert {
        let source = if self.is_ipv6 {
            IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3))
        } else {
            IpAddr::V4(Bench::PEER)
        };
        let advert = Advert::new(Bench::PEER_MAC, source, self.vrid, self.vips().to_vec());
        Advert { priority: 200, version: self.version, interval: self.interval, ..advert }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vrrp_instance {} {{\n    interface {}", self.instance(), Node::INTERFACE)?;
        writeln!(f, "    state BACKUP\n    virtual_router_id {}", self.vrid)?;
        writeln!(f, "    version {}\n    priority {}", self.version, self.priority)?;
        writeln!(f, "    advert_int {}\n    {}", self.interval.as_secs_f64(), self.extra)?;
        writeln!(f, "    virtual_ipaddress {{")?;
        self.vips().iter().try_for_each(|vip| writeln!(f, "        {vip}"))?;
        writeln!(f, "    }}\n}}")
    }
}

/// Node 0 of a lab with the daemon, and the peer's cable.
#[derive(Debug)]
pub struct Bench {
    /// The daemon.
    pub router: Router,
    /// What the client sees.
    pub capture: Capture,
    /// The network.
    pub lab: Lab,
    peer: PacketSocket,
}

impl Bench {
    /// Source of the peer's adverts, lower than the node's own.
    pub const PEER: Ipv4Addr = Lab::address(3);
    /// Source MAC of its frames.
    pub const PEER_MAC: Mac = Mac::local(3);
    /// What a busy machine may add to a time.
    pub const TOLERANCE: Duration = Duration::from_millis(150);
    /// How long anything may take that has no time limit.
    pub const SETTLING: Duration = Duration::from_secs(15);

    /// A lab with one node, and nothing that runs on it yet.
    ///
    /// # Errors
    /// The lab cannot be made.
    pub fn lab(is_ipv6: bool) -> Result<Lab> {
        if is_ipv6 { Lab::with_ipv6(1) } else { Lab::new(1) }
    }

    /// Starts the daemon with a whole file.
    ///
    /// # Errors
    /// The lab cannot be made, or the daemon does not start.
    pub fn start(lab: Lab, config: &str) -> Result<Self> {
        let capture = Capture::start(lab.client())?;
        let peer = PacketSocket::open(lab.client())?;
        let router = Router::start(lab.node(0), Daemon::Xvrrp, config)?;
        Ok(Self { router, capture, lab, peer })
    }

    /// Starts the daemon with these virtual routers, and waits until all are in their first state:
    /// BACKUP, and MASTER for owners.
    ///
    /// # Errors
    /// As [`Bench::start`], or one of them does not get there.
    pub fn with(subjects: &[Subject]) -> Result<Self> {
        let lab = Self::lab(subjects.iter().any(|subject| subject.is_ipv6))?;
        let config: String = subjects.iter().map(Subject::to_string).collect();
        let bench = Self::start(lab, &config)?;
        for subject in subjects {
            let state = if subject.priority == 255 { "MASTER" } else { "BACKUP" };
            bench.wait_for_state(subject, bench.router.started(), state)?;
        }
        Ok(bench)
    }

    /// The node with the daemon.
    pub fn node(&self) -> &Node {
        self.lab.node(0)
    }

    /// Waits until the log says that the virtual router has come into a state.
    ///
    /// # Errors
    /// It does not.
    pub fn wait_for_state(&self, subject: &Subject, since: SystemTime, state: &str) -> Result<()> {
        self.router.wait_for_state(since, &subject.instance(), state, Self::SETTLING).map(drop)
    }

    /// Puts a frame on the wire; the time is before it left.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn send(&self, frame: &[u8]) -> Result<SystemTime> {
        let now = SystemTime::now();
        self.peer.send(frame)?;
        Ok(now)
    }

    /// The adverts of a virtual router since then, with the times at which the client saw them.
    ///
    /// # Errors
    /// One of them is not sound.
    pub fn adverts(
        &self,
        subject: &Subject,
        since: SystemTime,
    ) -> Result<Vec<(SystemTime, Advert)>> {
        let mut adverts = self.capture.adverts_of(self.node(), since)?;
        adverts.retain(|(_, advert)| {
            advert.vrid == subject.vrid && advert.source.is_ipv6() == subject.is_ipv6
        });
        Ok(adverts)
    }

    /// The next advert of a virtual router, sent at `since` or later.
    ///
    /// # Errors
    /// None comes within `timeout`, or it is not sound.
    pub fn next_advert(
        &self,
        subject: &Subject,
        since: SystemTime,
        timeout: Duration,
    ) -> Result<(SystemTime, Advert)> {
        crate::wait_until("an advert", timeout, || Ok(!self.adverts(subject, since)?.is_empty()))?;
        self.adverts(subject, since)?.into_iter().next().context("it was there")
    }
}
