//! What the daemon tells: the log, those who follow events, and those who ask.

use std::{net::IpAddr, time::Instant};

use tracing::warn;
use vrrp_common::ladder::Reject;

use super::{Daemon, events, log, refusals::Matter, service};
use crate::{
    api::{self, What},
    election,
};

impl Daemon {
    /// To the log, and to all who follow.
    pub(super) fn tell(&mut self, happened: Option<(election::Instant, What)>) {
        let Some((at, what)) = happened else { return };
        log::write(&what);
        if let What::Priority { router, priority, .. } = &what {
            self.notices.priority(router, *priority);
        }
        if matches!(what, What::Advert { .. }) && !self.feed.wants_adverts() {
            // Whoever wanted them has gone; what was under way to them may be many.
            if self.pulse.board().reports_adverts() {
                self.report_adverts(false);
            }
            return;
        }
        let group = self.groups.follow(&what);
        self.feed.publish(at, what);
        self.tell(group.map(|group| (at, group)));
    }

    pub(super) fn tell_reject(
        &mut self,
        at: election::Instant,
        slot: u32,
        reject: Reject,
        source: IpAddr,
    ) {
        let refused = events::of_reject(&self.plan, slot, reject, source);
        let say = self.refusals.handle((slot, reject as usize), Instant::now());
        log::reject(say, &refused);
        self.feed.publish(at, refused);
    }

    /// Lets a client see what happens from now on.
    pub(super) fn follow(&mut self, adverts: bool) -> api::Following {
        if adverts {
            self.report_adverts(true);
        }
        service::follow(&self.plan, &self.pulse, &self.devices, &self.feed, adverts)
    }

    /// Has each advert reported, by the kernel program and by the pulse.
    pub(super) fn report_adverts(&mut self, wanted: bool) {
        self.pulse.board().report_adverts(wanted);
        if let Err(error) = self.devices.report_adverts(wanted) {
            warn!("adverts that the kernel program absorbs cannot be followed: {error}");
        }
    }

    /// Logs of refused adverts that the log was silent of until then.
    pub(super) fn log_more_rejects(&mut self, until: Instant) {
        let (devices, board) = (&self.devices, self.pulse.board());
        let count = |(slot, reject): Matter| {
            let heard = (slot as usize).checked_sub(1).map(|id| board.rejects_of(id)[reject]);
            devices.rejects_of(slot)[reject] + heard.unwrap_or_default()
        };
        for ((slot, reject), more) in self.refusals.poll(until, count) {
            log::more_rejects(&self.plan, slot, Reject::ALL[reject], more);
        }
    }

    pub(super) fn status(&self) -> Vec<api::RouterStatus> {
        service::status(
            &self.plan,
            &self.pulse,
            &self.slots,
            &self.devices,
            &self.addresses,
            &self.announcer,
            &self.notices,
        )
    }
}
