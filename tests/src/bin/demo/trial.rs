//! One failover: two nodes, the death of the master, and what the client sees.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rig::{Capture, Cut, Daemon, Failover, Lab, Router};

use crate::{progress, settings::Settings};

/// What a busy machine may add to a time that the protocol defines.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two running nodes; the first one is MASTER.
pub(crate) struct Stage {
    // In the order in which they must go: the daemons before their namespaces.
    routers: [Router; 2],
    capture: Capture,
    lab: Lab,
}

impl Stage {
    /// Makes the lab, starts both daemons and waits until they agree.
    pub(crate) fn set(daemon: Daemon, settings: &Settings) -> Result<Self> {
        let lab = Lab::new(2)?;
        let capture = Capture::start(lab.client())?;
        let [master, backup] = settings.configurations();
        let routers = [
            Router::start(lab.node(0), daemon, master)?,
            Router::start(lab.node(1), daemon, backup)?,
        ];
        let stage = Self { routers, capture, lab };
        stage.wait_for_election(settings)?;
        Ok(stage)
    }

    pub(crate) fn lab(&self) -> &Lab {
        &self.lab
    }

    pub(crate) fn capture(&self) -> &Capture {
        &self.capture
    }

    /// The nodes' daemons, the master's first.
    pub(crate) fn routers(&self) -> &[Router; 2] {
        &self.routers
    }

    /// Until the master has sent several adverts in a row and nobody else has.
    fn wait_for_election(&self, settings: &Settings) -> Result<()> {
        const IN_A_ROW: usize = 3;
        let [master, backup] = &self.routers;
        let started = master.started();
        let limit = settings.limit() + settings.advert_int() * 4 + PATIENCE;
        let agreed = || {
            let seen = self.capture.seen_since(started);
            let adverts = seen.iter().rev().filter(|seen| {
                seen.is_advert_of(master.node()) || seen.is_advert_of(backup.node())
            });
            adverts.take_while(|seen| seen.is_advert_of(master.node())).count() >= IN_A_ROW
        };
        progress::during("waiting for the election", limit, |tick| {
            let now = SystemTime::now();
            let news = self.capture.wait_for(now, tick, |seen| seen.is_advert_of(master.node()));
            Ok((news.is_some() && agreed()).then_some(()))
        })
        .with_context(|| {
            let logs: Vec<_> = self.routers.iter().flat_map(Router::log).collect();
            format!("no stable master; what the daemons said:\n{}", logs.join("\n"))
        })
    }

    /// Kills the master `phase` after one of its adverts and watches the backup take over.
    pub(crate) fn kill_master(&mut self, settings: &Settings, phase: Duration) -> Result<Failover> {
        let [master, backup] = &mut self.routers;
        let (capture, vip) = (&self.capture, settings.vip());
        let cut = Cut::make(&self.lab, capture, vip, master, backup.node(), phase)?;
        let limit = settings.limit() + PATIENCE;
        let takeover =
            progress::during("waiting for the backup", limit, |tick| Ok(cut.takeover(tick)))?;
        cut.observe(&takeover)
    }
}
