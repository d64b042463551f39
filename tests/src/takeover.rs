//! How fast a backup follows a daemon that was killed.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};

use crate::{Capture, Config, Daemon, Lab, Prober, Router, Seen, ms_between};

/// Adverts in which nothing may happen before the kill.
const QUIET_ADVERTS: u32 = 100;
/// What a busy machine may add to a time that the protocol defines.
const PATIENCE: Duration = Duration::from_secs(10);

/// One failover between two routers whose host lives on.
#[derive(Clone, Copy, Debug)]
pub struct Takeover {
    /// From the last advert of the dead router to the first one of its heir.
    pub ms: f64,
    /// From the same advert to the first ARP answer of the heir, who is asked each
    /// [`Takeover::PROBE_PERIOD`] from the kill on.
    pub answered_ms: f64,
    /// How often a router changed its state before that, beyond what the start needs.
    pub false_failovers: usize,
}

impl Takeover {
    /// Between two ARP requests for the address.
    pub const PROBE_PERIOD: Duration = Duration::from_micros(100);

    /// Starts `daemon` on two fresh nodes, the MASTER with the first of `configs`, kills that one
    /// `phase` after one of its adverts, and waits for its heir. The times are the kernel's stamps
    /// at the client.
    ///
    /// # Errors
    /// The routers do not get into their states, or the heir stays silent.
    pub fn measure(daemon: Daemon, configs: [&Config; 2], phase: Duration) -> Result<Self> {
        let quiet = configs[0].advert_int * QUIET_ADVERTS;
        Self::measure_after(daemon, configs, phase, quiet)
    }

    /// As [`Takeover::measure`], with another time of quiet before the kill.
    ///
    /// # Errors
    /// As [`Takeover::measure`].
    pub fn measure_after(
        daemon: Daemon,
        configs: [&Config; 2],
        phase: Duration,
        quiet: Duration,
    ) -> Result<Self> {
        let lab = Lab::new(2)?;
        let capture = Capture::start(lab.client())?;
        // One after the other: so the number of transitions is known.
        let start = |node: usize, state| {
            let router = Router::start(lab.node(node), daemon, &configs[node].to_string())?;
            router.wait_for_state(router.started(), Config::INSTANCE, state, PATIENCE)?;
            anyhow::Ok(router)
        };
        let (mut master, backup) = (start(0, "MASTER")?, start(1, "BACKUP")?);
        let (of_master, of_backup) = (
            |seen: &Seen| seen.is_advert_of(lab.node(0)),
            |seen: &Seen| seen.is_advert_of(lab.node(1)),
        );

        thread::sleep(quiet);
        let now = SystemTime::now();
        let beat = capture.expect("an advert of the master", now, PATIENCE, of_master)?;
        thread::sleep((beat.at + phase).duration_since(SystemTime::now()).unwrap_or_default());
        let killed = SystemTime::now();
        master.process().kill()?;
        let _prober = Prober::resolve(lab.client(), configs[1].vip, Self::PROBE_PERIOD)?;
        let first = capture.expect("an advert of the backup", killed, PATIENCE, of_backup)?;
        let answers =
            |seen: &Seen| seen.from == lab.node(1).mac() && seen.is_arp_answer(configs[1].vip);
        let answered = capture.expect("an ARP answer of the backup", killed, PATIENCE, answers)?;
        let backup_up = backup.wait_for_state(killed, Config::INSTANCE, "MASTER", PATIENCE);
        backup_up.context("the backup does not say that it is MASTER")?;

        let seen = capture.seen();
        let last = seen.iter().rfind(|seen| of_master(seen)).context("the master never sent")?;
        let transitions = |router: &Router| {
            let entering = format!("({}) Entering ", Config::INSTANCE);
            router.log().iter().filter(|line| line.contains(&entering)).count()
        };
        // BACKUP and MASTER, each.
        let transitions = transitions(&master) + transitions(&backup);
        let false_failovers = transitions.saturating_sub(4);
        let early = seen.iter().any(|seen| of_backup(seen) && seen.at < last.at);
        ensure!(
            !early || false_failovers > 0,
            "the backup spoke before the kill, and did not say so"
        );
        Ok(Self {
            ms: ms_between(last.at, first.at),
            answered_ms: ms_between(last.at, answered.at),
            false_failovers,
        })
    }

    /// When to kill after an advert in run `run`: spread evenly over the interval (by the golden
    /// ratio).
    pub fn phase(run: u16, advert_int: Duration) -> Duration {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        advert_int.mul_f64((f64::from(run) * GOLDEN).fract())
    }
}
