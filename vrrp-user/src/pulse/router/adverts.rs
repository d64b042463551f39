//! What a virtual router sends: its adverts, and what each that has left pays for.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use vrrp_common::{Priority, wire::ipv4};

use super::{
    super::{
        board::Own,
        clock::{now, since_1970},
        frame::{AdvertFrame, Content},
        send::{Sent, send},
    },
    Outlet, Port, Report, Router,
};
use crate::{
    config::Unicast,
    election::{Action, Actions, Event, Instant, State},
};

/// The buffer for an advert, what is to be in it, and who gets it instead of the group.
struct Draft<'a> {
    frame: &'a mut AdvertFrame,
    content: Content<'a>,
    unicast: Option<&'a Unicast>,
}

impl Router {
    /// Writes the regular advert if it is due at `now`. True if [`Self::prepared`] is to be sent and
    /// [`Self::settle_prepared`] told of it: what goes to single peers is sent already.
    pub(in crate::pulse) fn prepare(&mut self, now: Instant, outlet: &Outlet<'_>) -> bool {
        if self.is_unicast() {
            self.expire(now, outlet);
            return false;
        }
        self.answer_late();
        self.catch_up(outlet);
        let due = self.next_deadline().filter(|due| *due <= now);
        let (Some(due), State::Active) = (due, self.state()) else { return false };
        if self.election.is_overdue(now) {
            self.handle(Event::Timer, now, outlet);
            return false;
        }
        self.prepared_for = due;
        let mut actions = Actions::new();
        self.election.handle(Event::Timer, now, &mut actions);
        // Adver_Timer leads to nothing but an advert (RFC 9568 6.4.3), and after a silence to
        // announcements.
        self.announced_then = None;
        let mut is_written = false;
        for action in actions {
            match action {
                Action::Advertise { priority } => is_written = self.write(priority),
                Action::Announce(occasion) => self.announced_then = Some(occasion),
                _ => {}
            }
        }
        is_written
    }

    /// What [`Self::prepare`] has written.
    pub(in crate::pulse) fn prepared(&self) -> &[u8] {
        self.frame.written()
    }

    /// The prepared advert was handed over at `before`; `left` says whether the kernel took it.
    pub(in crate::pulse) fn settle_prepared(
        &mut self,
        left: bool,
        before: Instant,
        outlet: &Outlet<'_>,
    ) {
        outlet.board.count_lateness(self.id, before.since(self.prepared_for));
        self.settle(self.election.effective_priority(), before, Sent::one(left), outlet);
        if let Some(occasion) = self.announced_then.take() {
            outlet.report(Report::Announce { router: self.id, occasion });
        }
    }

    /// Sends one advert.
    pub(super) fn advertise(&mut self, priority: Priority, outlet: &Outlet<'_>) {
        let Some(port) = self.port.clone() else { return };
        let before = now();
        let Draft { frame, content, unicast } = self.draft(priority, &port);
        let sent = send(frame, &content, &port, unicast);
        self.settle(priority, before, sent, outlet);
    }

    /// Writes one advert to the group. False if there is none to send.
    fn write(&mut self, priority: Priority) -> bool {
        let Some(port) = self.port.clone() else { return false };
        let Draft { frame, content, .. } = self.draft(priority, &port);
        frame.frame(&content).is_some()
    }

    fn draft(&mut self, priority: Priority, port: &Port) -> Draft<'_> {
        let parameters = self.election.parameters();
        let content = Content {
            mac: self.spec.mac.unwrap_or(port.mac),
            source: parameters.source,
            destination: self.spec.group,
            hop_limit: ipv4::TTL,
            version: parameters.version,
            vrid: self.spec.vrid,
            priority,
            interval: parameters.interval,
            addresses: &self.spec.addresses,
            auth: self.spec.auth,
            coverage: self.spec.coverage,
            seal: self.authenticator.seal(since_1970()),
        };
        Draft { frame: &mut self.frame, content, unicast: self.spec.unicast.as_ref() }
    }

    /// Accounts for an advert. The clock was read before it was sent: when it left, answers are paid
    /// for until then plus as many intervals as a Backup waits, without its skew. A unicast advert has
    /// left when one copy has, to whichever peer: a peer that no route leads to must not silence the
    /// Active router of all others. Whoever has no peers never answers.
    fn settle(&mut self, priority: Priority, before: Instant, sent: Sent, outlet: &Outlet<'_>) {
        outlet.board.add(self.id, Own::SendErrors, sent.lost);
        if sent.left == 0 {
            return;
        }
        outlet.board.count(self.id, Own::AdvertsSent);
        let has_carrier = self.port().is_some_and(|port| port.carrier.load(Relaxed));
        let parameters = self.election.parameters();
        if priority.is_resign() {
            outlet.board.count(self.id, Own::PriorityZeroSent);
        } else if self.election.state() == State::Active && has_carrier {
            let until =
                before + lease(parameters.interval.duration(), parameters.down_timer_adverts);
            match self.paid_until.replace(until) {
                None => self.slot().open(until),
                Some(_) => self.slot().renew(until),
            }
        }
    }
}

/// How long one advert pays for answers.
fn lease(interval: Duration, down_timer_adverts: u8) -> Duration {
    interval * u32::from(down_timer_adverts)
}
