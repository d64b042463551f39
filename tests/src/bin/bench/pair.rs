//! A MASTER and its BACKUP.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;
use rig::{Config, Daemon, Lab, Router};

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
        let start = |node: usize, priority, state| {
            let config = Self::config(priority, interval).to_string();
            let router = Router::start(lab.node(node), daemon, &config)?;
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
