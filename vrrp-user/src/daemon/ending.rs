//! How the daemon ends: with everything as it was before, or with everything left to the next one.

use std::{
    collections::BTreeSet,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tracing::{error, info};

use super::{Daemon, Error, refusals};
use crate::{
    notify::Subject,
    pulse::{Command, RouterId},
};

/// Why the loop ended.
pub(super) enum End {
    /// A signal.
    Signal(&'static str),
    /// A client, who waits for it to be over, and is told whether it ended well.
    Request(oneshot::Sender<bool>),
    /// The same for a client who wants everything left as it is.
    Handover(oneshot::Sender<bool>),
    /// Something without which there is no going on.
    Failure(Error),
}

/// How long the pulse may take to resign for all routers.
const FAREWELL: Duration = Duration::from_secs(5);

impl Daemon {
    pub(super) async fn stop(mut self, end: End) -> Result<(), Error> {
        let end = match end {
            End::Handover(done) => return self.hand_over(done).await,
            end => end,
        };
        match &end {
            End::Signal(name) => info!("{name}: stopping"),
            End::Request(_) | End::Handover(_) => info!("asked to stop: stopping"),
            End::Failure(error) => error!("{error}"),
        }
        let broken = matches!(end, End::Failure(_));
        let told = self.notices.stop(&self.groups, broken);
        self.carry_on_until(told).await;
        self.stopping = true;
        // The pulse resigns for all routers and closes its end of the queue.
        let in_time = self.pulse.send(Command::Stop) && self.hear_out().await;
        self.log_more_rejects(Instant::now() + refusals::WINDOW);
        self.clear().await;
        self.notices.close().await;
        let ended_well = in_time && self.pulse.join();
        // After a failure somebody else may go on.
        if !matches!(end, End::Failure(_)) {
            self.hooks.shutdown().await;
        }
        info!("stopped");
        match end {
            End::Failure(error) => return Err(error),
            End::Request(done) | End::Handover(done) => {
                // Whoever asked may have gone.
                let _ = done.send(ended_well);
            }
            End::Signal(_) => {}
        }
        if ended_well { Ok(()) } else { Err(Error::EndedBadly) }
    }

    /// Ends without a word: what the kernel program keeps a lease of goes on until that lapses. All
    /// others resign, since nobody would notice that they have no daemon any more.
    async fn hand_over(mut self, done: oneshot::Sender<bool>) -> Result<(), Error> {
        info!("asked to hand over: leaving everything to the next daemon");
        let resigning: Vec<_> = self.devices.without_program().collect();
        let told = self.notices.stop_some(&self.groups, self.subjects(&resigning));
        self.carry_on_until(told).await;
        self.stopping = true;
        let commands = resigning.into_iter().map(|router| Command::Fault { router });
        let asked = commands.chain([Command::Abandon]).all(|command| self.pulse.send(command));
        let in_time = asked && self.hear_out().await;
        if !in_time {
            // Who did not resign may have addresses that no lease is kept of.
            self.clear().await;
        }
        let ended_well = in_time && self.pulse.join();
        if ended_well {
            info!("handed over");
        }
        // Whoever asked may have gone.
        let _ = done.send(ended_well);
        if ended_well { Ok(()) } else { Err(Error::EndedBadly) }
    }

    /// Virtual routers, and the groups that they are in.
    fn subjects(&self, routers: &[RouterId]) -> BTreeSet<Subject> {
        let groups = routers.iter().filter_map(|router| self.plan.group_of(*router));
        let groups = groups.map(|group| Subject::Group(group.name.clone()));
        let instance = |router: &RouterId| self.plan.routers[*router].name.clone();
        routers.iter().map(|router| Subject::Instance(instance(router))).chain(groups).collect()
    }

    /// Removes all that is on the host because of us.
    async fn clear(&mut self) {
        self.routes.leave(|_| false).await;
        self.addresses.remove_all().await;
        self.routes.end().await;
        self.virtual_macs.remove_all().await;
        self.devices.detach_all();
    }

    /// Carries out reports until something else is done, which may take a while.
    async fn carry_on_until(&mut self, done: impl Future<Output = ()>) {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                () = &mut done => return,
                Some(report) = self.reports.recv() => self.carry_out(report).await,
            }
        }
    }

    /// Carries out all reports until the pulse, which was told to, has ended. `false` if it does not.
    async fn hear_out(&mut self) -> bool {
        let all = async {
            while let Some(report) = self.reports.recv().await {
                self.carry_out(report).await;
            }
        };
        tokio::time::timeout(FAREWELL, all).await.is_ok()
    }
}
