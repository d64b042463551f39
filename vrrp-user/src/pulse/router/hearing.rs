//! What a virtual router hears: through the kernel program, and through raw sockets.

use std::{net::IpAddr, time::Duration};

use vrrp_common::{
    Priority, Version,
    abi::{Fate, Kind},
    ladder::{Heard, Reject},
};

use super::{
    super::{Oddity, Report, board::Own, clock::since_1970, doorbells::Doorbells, receive::Sender},
    Outlet, Router,
};
use crate::{
    auth::Judged,
    config::Unicast,
    election::{Advert, Event, Instant, State},
};

/// How often a virtual router reports one reason for refusing adverts, or one oddity.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

impl Router {
    /// Puts a packet that a raw socket received through the ladder. What it demands of its peers
    /// comes last, as in keepalived.
    pub(in crate::pulse) fn judge(
        &mut self,
        packet: &[u8],
        sender: Sender,
    ) -> Result<Judged, Reject> {
        let (family, rules) = (self.family(), self.slot().rules());
        let judged = self.authenticator.judge(family, packet, &rules, since_1970())?;
        let Some(Unicast { peers, check_source, .. }) = &self.spec.unicast else {
            return Ok(judged);
        };
        match peers.iter().find(|peer| peer.address == sender.address) {
            Some(peer) if peer.ttl.contains(&sender.hop_limit) => Ok(judged),
            Some(_) => Err(Reject::PeerTtl),
            None if *check_source => Err(Reject::NotPeer),
            None => Ok(judged),
        }
    }

    /// The kernel program rang: there are news of `kind`.
    pub(in crate::pulse) fn answer_doorbell(&mut self, kind: Kind, outlet: &Outlet<'_>) {
        if self.doorbells.ring(kind) {
            self.slot().answer(kind);
        }
        self.catch_up(outlet);
    }

    /// A deadline has come: answers the doorbells that had to wait; as Active, whose deadlines are an
    /// interval apart, not those for losing adverts where there are some again. Their news are read after
    /// this.
    pub(super) fn answer_late(&mut self) {
        let (slot, handled) = (self.slots.get(self.spec.slot), &self.handled);
        let is_active = self.election.state() == State::Active;
        let pours = |kind: Kind| {
            let loses = is_active && matches!(kind, Kind::Lower | Kind::Equal);
            loses && slot.news(kind).at != handled[kind as usize]
        };
        self.doorbells.expire(pours, |kind| {
            slot.answer(kind);
        });
    }

    /// True when the kernel program has dealt with an advert that passed the ladder and has come to a
    /// raw socket since then.
    pub(in crate::pulse) fn knows(&self, heard: &Heard, since: Instant) -> bool {
        self.slot().has_taken(heard.digest, since, self.stamped)
    }

    /// An advert that a raw socket received passed the ladder. Returns what became of it.
    pub(in crate::pulse) fn hear(
        &mut self,
        heard: &Heard,
        at: Instant,
        outlet: &Outlet<'_>,
    ) -> Fate {
        let (expected, ignored) = self.slot().expected();
        if heard.digest == expected {
            self.slot().stamp(at);
            self.stamped = at;
            Fate::Absorbed
        } else if heard.digest == ignored {
            Fate::Ignored
        } else {
            self.catch_up(outlet);
            self.handle_advert(heard, at, outlet);
            Fate::News
        }
    }

    /// An advert that a raw socket received failed the ladder.
    pub(in crate::pulse) fn refuse(
        &mut self,
        reject: Reject,
        source: IpAddr,
        at: Instant,
        outlet: &Outlet<'_>,
    ) {
        outlet.board.count_reject(self.id, reject);
        if may_report(&mut self.refused[reject as usize], at) {
            outlet.report(Report::Rejected { router: self.id, reject, source });
        }
    }

    /// An advert that a raw socket received is accepted, although its authentication is not right.
    pub(in crate::pulse) fn tolerate(
        &mut self,
        reject: Reject,
        source: IpAddr,
        at: Instant,
        outlet: &Outlet<'_>,
    ) {
        outlet.board.count(self.id, Own::AuthTolerated);
        self.report_odd(Oddity::Authentication { reject }, source, at, outlet);
    }

    /// Reports what is odd about an advert that is accepted. Its repetitions do not come here.
    fn wonder(&mut self, heard: &Heard, advert: &Advert, at: Instant, outlet: &Outlet<'_>) {
        let own = *self.election.parameters();
        let is_known = self.election.active_router() == Some(advert.source);
        if heard.addresses_differ && !(self.spec.skip_check_addresses && is_known) {
            self.report_odd(Oddity::Addresses, advert.source, at, outlet);
        }
        if own.version == Version::V3 && advert.interval != own.interval {
            self.report_odd(Oddity::Interval, advert.source, at, outlet);
        }
        let accepted = self.election.accepted().map(|known| (known.priority, known.source));
        let mut others = [Some((own.priority, own.source)), accepted].into_iter().flatten();
        if advert.priority.is_owner()
            && let Some((_, other)) =
                others.find(|(priority, source)| priority.is_owner() && *source != advert.source)
        {
            self.report_odd(Oddity::Owner { other }, advert.source, at, outlet);
        }
    }

    fn report_odd(&mut self, oddity: Oddity, source: IpAddr, at: Instant, outlet: &Outlet<'_>) {
        if may_report(&mut self.wondered[oddity.index()], at) {
            outlet.report(Report::Odd { router: self.id, oddity, source });
        }
    }

    /// Hands the election all that the kernel program has seen and the election has not.
    pub(in crate::pulse) fn catch_up(&mut self, outlet: &Outlet<'_>) {
        self.see_repetition(outlet);
        self.read_news(outlet);
    }

    pub(super) fn see_repetition(&mut self, outlet: &Outlet<'_>) {
        let seen = self.slot().last_seen();
        if seen > self.repeated {
            self.repeated = seen;
            self.handle(Event::Repeat, seen, outlet);
        }
    }

    /// News in the order in which they came. Stamps of two processors may come in the wrong order,
    /// so a stamp that differs is new.
    fn read_news(&mut self, outlet: &Outlet<'_>) {
        let mut news = Kind::ALL.map(|kind| (kind, self.slot().news(kind)));
        news.sort_unstable_by_key(|(_, news)| news.at);
        for (kind, news) in news {
            if news.at != Instant::default() && news.at != self.handled[kind as usize] {
                self.handled[kind as usize] = news.at;
                self.handle_advert(&news.heard, news.at, outlet);
            }
        }
        if self.election.state() == State::Active && self.slot().lease().is_none() {
            // The program closed the slot because of an advert that did not win after all.
            self.open();
        }
    }

    /// What came in before the start is not for this election.
    pub(super) fn skip_old_news(&mut self) {
        for kind in Kind::ALL {
            self.handled[kind as usize] = self.slot().answer(kind).at;
        }
        self.doorbells = Doorbells::new();
        self.repeated = self.slot().last_seen();
    }

    fn handle_advert(&mut self, heard: &Heard, at: Instant, outlet: &Outlet<'_>) {
        let Some(interval) = vrrp_common::AdverInterval::from_centiseconds(heard.interval) else {
            return;
        };
        let advert = Advert {
            source: heard.source.to_ip(self.family()),
            priority: Priority::new(heard.priority),
            interval,
        };
        if advert.priority.is_resign() {
            outlet.board.count(self.id, Own::PriorityZeroReceived);
        }
        self.wonder(heard, &advert, at, outlet);
        self.heard[0] = Some((advert, heard.digest));
        self.handle(Event::Advert(advert), at, outlet);
    }
}

/// Whether something that was last reported then is to be reported again; if so, it was now.
fn may_report(last: &mut Instant, now: Instant) -> bool {
    let may = now.since(*last) >= REPORT_INTERVAL || *last == Instant::default();
    if may {
        *last = now;
    }
    may
}
