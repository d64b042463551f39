//! The death of a master, as the client sees it.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};

use crate::{Capture, Lab, Node, Prober, Router, Seen, ms_between};

/// What a busy machine may add to a time that the protocol defines.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a backup that hears nobody takes over, counted from the last advert that it heard: three
/// intervals and the Skew_Time of its priority (RFC 3768 6.1 for version 2, RFC 9568 6.1).
pub fn active_down_interval(version: u8, advert_int: Duration, priority: u8) -> Duration {
    advert_int * 3 + skew_time(version, advert_int, priority)
}

/// When a backup takes over after an advert with priority 0. In version 2 it does not depend on the
/// interval.
pub fn skew_time(version: u8, advert_int: Duration, priority: u8) -> Duration {
    let full = if version == 2 { Duration::from_secs(1) } else { advert_int };
    full * (256 - u32::from(priority)) / 256
}

/// When things happened in one failover.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The last advert of the master that died.
    pub last_advert: SystemTime,
    /// SIGKILL to the master; its link went down right after.
    pub cut: SystemTime,
    /// The new master's first advert.
    pub takeover: SystemTime,
    /// Its first gratuitous ARP or unsolicited Neighbor Advertisement.
    pub announced: SystemTime,
    /// The first answer to an ARP request or Neighbor Solicitation.
    pub arp_answer: SystemTime,
    /// The first answer to a ping, which goes where the client's neighbour cache says.
    pub ping_answer: SystemTime,
}

impl Failover {
    /// What the Active_Down_Interval is the limit for: takeover advert, gratuitous ARP, ARP answer
    /// and ping answer, in ms after the last advert.
    pub fn delays(&self) -> [f64; 4] {
        [self.takeover, self.announced, self.arp_answer, self.ping_answer]
            .map(|moment| ms_between(self.last_advert, moment))
    }
}

/// A master that has just been killed.
#[derive(Debug)]
pub struct Cut<'a> {
    capture: &'a Capture,
    vip: IpAddr,
    dead: Node,
    heir: &'a Node,
    at: SystemTime,
    /// From here on nothing came from the dead node.
    silent: SystemTime,
    prober: Prober,
}

impl<'a> Cut<'a> {
    /// Kills `master` and cuts its link `phase` after one of its adverts, while the client probes
    /// for `vip`. `heir` is the node that will take over.
    ///
    /// # Errors
    /// The master sends no advert, or is dead already.
    pub fn make(
        lab: &Lab,
        capture: &'a Capture,
        vip: impl Into<IpAddr>,
        master: &mut Router,
        heir: &'a Node,
        phase: Duration,
    ) -> Result<Self> {
        let (vip, dead) = (vip.into(), master.node().clone());
        let prober = Prober::start(lab.client(), vip)?;
        let now = SystemTime::now();
        let patience = phase * 4 + PATIENCE;
        let beat = capture
            .expect("an advert of the master", now, patience, |seen| seen.is_advert_of(&dead))?;
        let moment = beat.at + phase;
        thread::sleep(moment.duration_since(SystemTime::now()).unwrap_or_default());
        let at = SystemTime::now();
        master.crash()?;
        let silent = SystemTime::now();
        Ok(Self { capture, vip, dead, heir, at, silent, prober })
    }

    /// The heir's first advert; `None` when none came within `timeout`.
    pub fn takeover(&self, timeout: Duration) -> Option<Seen> {
        self.capture.wait_for(self.at, timeout, |seen| seen.is_advert_of(self.heir))
    }

    /// What followed the `takeover`.
    ///
    /// # Errors
    /// The address is not announced or not answered for.
    pub fn observe(self, takeover: &Seen) -> Result<Failover> {
        let (capture, vip) = (self.capture, self.vip);
        // The dead node's kernel goes on answering until the link is down.
        let first = |what: &str, fits: &dyn Fn(&Seen) -> bool| {
            let from_heir = |seen: &Seen| seen.from != self.dead.mac() && fits(seen);
            capture.expect(what, self.at, PATIENCE, from_heir).map(|seen| seen.at)
        };
        let last_advert = capture.seen().into_iter().rfind(|seen| seen.is_advert_of(&self.dead));
        let failover = Failover {
            last_advert: last_advert.context("the master never sent an advert")?.at,
            cut: self.at,
            takeover: takeover.at,
            announced: first("an announcement", &|seen| seen.announces(vip))?,
            arp_answer: first("an answer to who has the address", &|seen| seen.is_arp_answer(vip))?,
            ping_answer: first("a ping answer", &|seen| seen.is_ping_answer(vip))?,
        };
        drop(self.prober);
        ensure!(failover.last_advert <= self.silent, "the dead master sent an advert");
        Ok(failover)
    }
}
