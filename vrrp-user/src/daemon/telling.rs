//! What the daemon tells: the log, those who follow events, and those who ask.

use std::{net::IpAddr, time::Instant};

use tracing::warn;
use vrrp_common::ladder::Reject;

use super::{Daemon, events, groups::GroupNews, log, refusals::Matter, service};
use crate::{
    api::{self, What},
    election,
    pulse::{self, Report, RouterId},
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
        self.feed.publish(at, what);
    }

    /// What a report of the pulse says. Returns what that means for a sync group, which is told, too.
    pub(super) fn tell_report(&mut self, report: &Report) -> Option<GroupNews> {
        let happened = events::of_report(&self.plan, &self.devices, self.stopping, report);
        let news = match (report, &happened) {
            (Report::Transition { router, at, .. }, Some((_, What::Transition { state, .. }))) => {
                self.groups.follow(*router, *state).map(|news| (*at, news))
            }
            _ => None,
        };
        let of_group = news.as_ref().map(|(at, news)| (*at, news.event()));
        let news = news.map(|(_, news)| news);
        let leads = news.as_ref().is_some_and(|news| news.leads);
        let in_order = if leads { [of_group, happened] } else { [happened, of_group] };
        in_order.into_iter().for_each(|happened| self.tell(happened));
        news
    }

    /// Virtual routers are in states that were told of. Tells everybody what that means for their groups.
    pub(super) fn tell_groups(&mut self, states: impl IntoIterator<Item = (RouterId, api::State)>) {
        for news in self.groups.follow_all(states) {
            self.tell(Some((pulse::now(), news.event())));
            self.notices.group(&news);
        }
    }

    /// Says to scripts, FIFOs and mail how everything is, where nobody has said it.
    pub(super) fn catch_up_notices(&mut self) {
        self.notices.catch_up(&self.plan, self.pulse.board(), self.stopping);
        let state =
            |router| service::state(self.pulse.board().state(router), &self.devices, router);
        let states = self.plan.present().map(|(router, _)| (router, state(router)));
        let begun = states.filter(|(_, state)| self.stopping || *state != api::State::Init);
        self.tell_groups(begun.collect::<Vec<_>>());
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
        service::follow(self, adverts)
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
        service::status(self)
    }
}
