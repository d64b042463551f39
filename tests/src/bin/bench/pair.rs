//! A MASTER and its BACKUP.

use std::{
    iter::once,
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use rig::{Config, Daemon, Lab, Router, ms_between};

use crate::{SETTLING, steady::transitions};

/// The MASTER (priority 200) on node 0, and the BACKUP (priority 100) on node 1.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) master: Router,
    pub(crate) backup: Router,
}

impl Pair {
    /// The virtual router's address.
    pub(crate) const VIP: Ipv4Addr = Lab::address(129);
    /// Priority of the MASTER.
    pub(crate) const HIGHER: u8 = 200;
    /// Priority of the BACKUP.
    pub(crate) const LOWER: u8 = 100;

    /// Starts one after the other, and waits until each is in its state.
    ///
    /// # Errors
    /// A router does not start, or does not get into its state.
    pub(crate) fn start(lab: &Lab, daemon: Daemon, interval: Duration) -> Result<Self> {
        Self::start_with(lab, daemon, interval, "")
    }

    /// The same with more lines for the instance.
    ///
    /// # Errors
    /// As [`Pair::start`].
    pub(crate) fn start_with(
        lab: &Lab,
        daemon: Daemon,
        interval: Duration,
        extra: &'static str,
    ) -> Result<Self> {
        let start = |node: usize, priority, state| {
            let config = Config { extra, ..Self::config(priority, interval) };
            let router = Router::start(lab.node(node), daemon, &config.to_string())?;
            router.wait_for_state(router.started(), Config::INSTANCE, state, SETTLING)?;
            anyhow::Ok(router)
        };
        let (master, backup) =
            (start(0, Self::HIGHER, "MASTER")?, start(1, Self::LOWER, "BACKUP")?);
        Ok(Self { master, backup })
    }

    /// The virtual router on a node.
    pub(crate) fn config(priority: u8, interval: Duration) -> Config {
        let vip = Self::VIP.into();
        Config { version: 3, priority, advert_int: interval, vip, ..Config::default() }
    }

    /// How often the BACKUP became MASTER, and the MASTER BACKUP after its start.
    pub(crate) fn false_failovers(&self) -> usize {
        let lost = transitions(&self.master, "BACKUP").saturating_sub(1);
        transitions(&self.backup, "MASTER") + lost
    }
}

/// The longest time without an advert, in ms. Silence to the end is a gap, too.
pub(crate) fn longest_gap(
    began: SystemTime,
    adverts: impl Iterator<Item = SystemTime>,
    ended: SystemTime,
) -> f64 {
    let times: Vec<_> = once(began).chain(adverts).chain(once(ended)).collect();
    let gaps = times.windows(2).map(|pair| ms_between(pair[0], pair[1]));
    gaps.fold(0.0, f64::max)
}
