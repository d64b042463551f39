//! One virtual router on the pulse: its election, its slot, and what the election's actions mean.

mod adverts;
mod hearing;

use std::{net::IpAddr, sync::Arc};

use vrrp_common::{
    Addr, Family, Priority, Version,
    abi::{Counter, Fate, Kind},
    ladder::{Heard, Reject, Rules},
};

use super::{
    Board, Oddity, Port, Report, RouterId, Spec, board::Own, clock::now, difference::router_of,
    doorbells::Doorbells, frame::AdvertFrame, thread::Reports,
};
use crate::{
    auth::Authenticator,
    datapath::{Slot, Slots},
    election::{
        Action, Actions, Advert, Announce, Election, Event, Instant, State,
        group::{Pull, Standing},
    },
};

/// A virtual router with everything that its adverts need.
pub(super) struct Router {
    id: RouterId,
    pub(super) spec: Spec,
    pub(super) election: Election,
    slots: Arc<Slots>,
    port: Option<Arc<Port>>,
    frame: AdvertFrame,
    pub(super) authenticator: Authenticator,
    /// When the advert that [`Self::prepare`] has written is due.
    prepared_for: Instant,
    /// What is announced when the prepared advert has left.
    announced_then: Option<Announce>,
    /// Until when the last advert that left pays for answers.
    paid_until: Option<Instant>,
    /// Stamps of the news that were handled, by kind, and of the last repetition.
    handled: [Instant; Kind::COUNT],
    repeated: Instant,
    /// The last repetition that a raw socket received.
    stamped: Instant,
    doorbells: Doorbells,
    /// Since when its port has listened for it.
    since: Option<Instant>,
    /// What has happened to it that its sync group does not know yet.
    pull: Option<Pull>,
    /// When a refused advert was last reported, by reason.
    refused: [Instant; Reject::COUNT],
    /// When an odd advert was last reported, by oddity.
    wondered: [Instant; Oddity::COUNT],
    /// The last advert that the election saw, and those that it calls accepted and discarded, each
    /// with its digest.
    heard: [Option<(Advert, u64)>; 3],
}

/// Where a router's actions go.
pub(super) struct Outlet<'a> {
    pub(super) board: &'a Board,
    pub(super) reports: &'a Reports,
}

impl Router {
    pub(super) fn new(spec: Spec, slots: Arc<Slots>) -> Self {
        let election = Election::new(spec.parameters);
        let authenticator = Authenticator::new(spec.authentication.as_ref());
        let router = Self {
            id: router_of(spec.slot),
            spec,
            election,
            slots,
            port: None,
            frame: AdvertFrame::new(),
            authenticator,
            prepared_for: Instant::default(),
            announced_then: None,
            paid_until: None,
            handled: [Instant::default(); Kind::COUNT],
            repeated: Instant::default(),
            stamped: Instant::default(),
            doorbells: Doorbells::new(),
            since: None,
            pull: None,
            refused: [Instant::default(); Reject::COUNT],
            wondered: [Instant::default(); Oddity::COUNT],
            heard: [None; 3],
        };
        // Adverts come in before this router may take part; they are to be counted for what they are.
        router.show_rules();
        router
    }

    /// Tells the kernel program what the configuration says.
    pub(super) fn show_rules(&self) {
        self.slot().set_rules(&self.demanded());
        // Whose adverts the program cannot judge, it could not close for them.
        self.slot().set_serves_on(self.spec.serves_on && self.is_heard_by_program());
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.election.next_deadline()
    }

    /// State of its election.
    pub(super) fn state(&self) -> State {
        self.election.state()
    }

    /// True while it serves the addresses.
    pub(super) fn is_active(&self) -> bool {
        self.state() == State::Active
    }

    /// The port that it takes part on.
    pub(super) fn port(&self) -> Option<&Port> {
        self.port.as_deref()
    }

    /// Index of the device that it takes part on.
    pub(super) fn ifindex(&self) -> Option<u32> {
        self.port.as_ref().map(|port| port.ifindex)
    }

    /// True while it takes part on this port.
    pub(super) fn is_on(&self, port: &Arc<Port>) -> bool {
        self.port.as_ref().is_some_and(|own| Arc::ptr_eq(own, port))
    }

    /// True while both take part on the same port.
    pub(super) fn shares_port(&self, other: &Self) -> bool {
        other.port.as_ref().is_some_and(|port| self.is_on(port))
    }

    /// Which it is.
    pub(super) fn id(&self) -> RouterId {
        self.id
    }

    /// Its VRID.
    pub(super) fn vrid(&self) -> u8 {
        self.spec.vrid.get()
    }

    /// Family of its addresses and adverts.
    pub(super) fn family(&self) -> Family {
        self.spec.addresses.family()
    }

    /// True when adverts go to single peers, not to a group.
    pub(super) fn is_unicast(&self) -> bool {
        self.spec.unicast.is_some()
    }

    /// True unless only user space can judge its adverts.
    pub(super) fn is_heard_by_program(&self) -> bool {
        !self.slot().rules().is_deferred()
    }

    /// True when this address is a peer's.
    pub(super) fn has_peer(&self, address: IpAddr) -> bool {
        let peers = self.spec.unicast.iter().flat_map(|unicast| &unicast.peers);
        peers.into_iter().any(|peer| peer.address == address)
    }

    /// Takes part on `port` from now on, or has listened there `since` then.
    pub(super) fn start(
        &mut self,
        port: Arc<Port>,
        source: IpAddr,
        since: Option<Instant>,
        outlet: &Outlet<'_>,
    ) {
        self.port = Some(port);
        // What was heard counts before what it is compared with changes.
        self.catch_up(outlet);
        self.handle(Event::Source(source), now(), outlet);
        self.since = since;
        if self.election.state() != State::Initialize {
            return;
        }
        if self.election.parameters().grouped {
            self.pull = self.pull.max(Some(Pull::Ready));
        } else if self.has_lease() {
            self.begin(Event::Resume, outlet);
        } else {
            self.begin(Event::Startup, outlet);
        }
    }

    /// Only a daemon before this one can have left a lease in Initialize. The kernel program has closed
    /// it if somebody better was heard; where only user space hears, the next advert tells.
    fn has_lease(&self) -> bool {
        self.slot().is_open(now())
    }

    /// Takes part, with `event` of the election's Initialize.
    fn begin(&mut self, event: Event, outlet: &Outlet<'_>) {
        self.skip_old_news();
        let now = now();
        let since = self.since.take();
        if event == Event::Startup {
            // Of a sync group that cannot resume as a whole.
            self.slot().close();
            self.handle(event, self.began(since, now), outlet);
        } else {
            self.handle(event, now, outlet);
        }
    }

    /// When the wait for others has begun: with the last that the program has heard of them, for that
    /// is skipped. At most an interval counts of the time before now: what waits at a socket may be all
    /// that it had room for, and two more intervals tell the rest. An owner waits for nobody.
    fn began(&self, since: Option<Instant>, now: Instant) -> Instant {
        let own = self.election.parameters();
        let since = since.filter(|_| !own.priority.is_owner()).unwrap_or(now);
        let heard = self.handled.into_iter().fold(self.repeated, Instant::max);
        let waited = now.since(since.max(heard)).min(own.interval.duration());
        Instant::from_nanos(now.as_nanos() - waited.as_nanos() as u64)
    }

    /// Takes no part from now on.
    pub(super) fn shut_down(&mut self, outlet: &Outlet<'_>) {
        if self.election.state() == State::Initialize && self.slot().lease().is_some() {
            // It was to resume what a daemon before this one has left.
            self.slot().close();
            outlet.report(Report::RemoveAddresses { router: self.id });
        }
        self.handle(Event::Shutdown, now(), outlet);
        self.port = None;
    }

    /// Has another effective priority from now on.
    pub(super) fn change_priority(&mut self, priority: Priority, outlet: &Outlet<'_>) {
        // What was heard counts before what it is compared with changes.
        self.catch_up(outlet);
        self.handle(Event::Priority(priority), now(), outlet);
    }

    /// Whether it takes part, for its sync group.
    pub(super) fn standing(&self) -> Standing {
        match self.state() {
            State::Initialize if self.port.is_none() => Standing::Absent,
            State::Initialize if self.has_lease() => Standing::Heir,
            State::Initialize => Standing::Ready,
            state => Standing::Runs(state),
        }
    }

    /// True when nothing that it has heard up to now speaks against its being Active.
    pub(super) fn is_willing(&mut self, outlet: &Outlet<'_>) -> bool {
        if self.state() == State::Backup {
            self.catch_up(outlet);
        }
        self.election.is_willing()
    }

    /// Does as its sync group says. After a shutdown it may still take part, as soon as all may.
    pub(super) fn follow(&mut self, event: Event, outlet: &Outlet<'_>) {
        match event {
            Event::Startup | Event::Resume | Event::TakeOver
                if self.state() == State::Initialize =>
            {
                self.begin(event, outlet);
            }
            _ => self.handle(event, now(), outlet),
        }
    }

    /// Takes part if it may, where only a sync group that it is not in any more has kept it from that.
    pub(super) fn begin_alone(&mut self, outlet: &Outlet<'_>) {
        if self.election.parameters().grouped {
            return;
        }
        match self.standing() {
            Standing::Ready => self.begin(Event::Startup, outlet),
            Standing::Heir => self.begin(Event::Resume, outlet),
            Standing::Absent | Standing::Runs(_) => {}
        }
    }

    /// What has happened to it since the last call that concerns its sync group.
    pub(super) fn take_pull(&mut self) -> Option<Pull> {
        self.pull.take()
    }

    /// Sees whether absorbed adverts have moved the deadline, and if it has passed all the same, does
    /// what is due.
    pub(super) fn watch(&mut self, now: Instant, outlet: &Outlet<'_>) {
        self.see_repetition(outlet);
        if self.is_due(now) {
            self.expire(now, outlet);
        }
    }

    /// The deadline has passed. What the kernel saw counts first: a thread that was late is not an
    /// Active router that was dead.
    pub(super) fn expire(&mut self, now: Instant, outlet: &Outlet<'_>) {
        self.answer_late();
        self.catch_up(outlet);
        if !self.is_due(now) {
            return;
        }
        // From here on nothing is absorbed: the very advert that comes in now is either seen by the
        // second look or rings.
        self.slot().expect(0, 0);
        self.see_repetition(outlet);
        if let Some(deadline) = self.next_deadline().filter(|deadline| *deadline <= now) {
            outlet.board.count_lateness(self.id, now.since(deadline));
            self.handle(Event::Timer, now, outlet);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// One event through the election, its actions carried out in their order, and the slot brought
    /// up to date.
    pub(super) fn handle(&mut self, event: Event, at: Instant, outlet: &Outlet<'_>) {
        let own_before = self.own();
        let mut actions = Actions::new();
        self.election.handle(event, at, &mut actions);
        if self.own() != own_before {
            self.slot().set_rules(&self.demanded());
        }
        if self.election.parameters().grouped {
            self.pull = self.pull.max(Pull::of(&actions));
        }
        for action in actions {
            self.act(action, outlet);
        }
        self.say_what_is_no_news();
        outlet.board.show(self.id, &self.election);
    }

    fn act(&mut self, action: Action, outlet: &Outlet<'_>) {
        let router = self.id;
        match action {
            Action::Advertise { priority } => self.advertise(priority, outlet),
            Action::Open => self.open(),
            Action::Close => {
                self.slot().close();
                // The next period as Active has to pay for itself.
                self.paid_until = None;
            }
            Action::AddAddresses => outlet.report(Report::AddAddresses { router }),
            Action::RemoveAddresses => outlet.report(Report::RemoveAddresses { router }),
            Action::Announce(occasion) => outlet.report(Report::Announce { router, occasion }),
            // The roster sees to it: see `take_pull`.
            Action::Ask => {}
            Action::Transition { from, to, cause } => {
                let at = now();
                if to == State::Active {
                    outlet.board.count(router, Own::BecameActive);
                }
                outlet.board.change(router, to, at);
                outlet.report(Report::Transition { router, from, to, cause, at });
            }
        }
    }

    /// Answers for the addresses as long as the adverts that left pay for it.
    fn open(&self) {
        if let Some(until) = self.paid_until {
            self.slot().open(until);
        }
    }

    /// Tells the kernel program which adverts may be absorbed. A digest that is not known any more
    /// is none: the next such advert is news.
    fn say_what_is_no_news(&mut self) {
        let heard = self.heard;
        let find = |known: Option<Advert>| {
            heard.into_iter().flatten().find(|(advert, _)| Some(*advert) == known)
        };
        let known = [self.election.accepted(), self.election.discarded()].map(find);
        [self.heard[1], self.heard[2]] = known;
        let [expected, ignored] = known.map(|known| known.map_or(0, |(_, digest)| digest));
        if self.slot().expected() != (expected, ignored) {
            self.slot().expect(expected, ignored);
        }
    }

    /// What the ladder demands now.
    fn demanded(&self) -> Rules {
        let (priority, own) = self.own();
        let unicast = self.spec.unicast.is_some();
        let parameters = self.election.parameters();
        Rules {
            version: parameters.version,
            destination: if unicast { own } else { self.spec.group.into() },
            own,
            own_priority: priority.get(),
            auth: self.spec.auth,
            adver_int: parameters.interval.seconds(),
            believe: self.spec.believe,
            addresses: self.spec.addresses.set(),
            link_local_first: self.spec.addresses.begin_link_local(),
            // RFC 3768 7.1 leaves it open, RFC 9568 7.1 forbids to drop them, and keepalived does
            // not since 2.3.3: two masters are worse than a list that is being changed.
            check_addresses: false,
            // RFC 3768 7.1 has an owner discard what others say. RFC 9568 7.1 says so, too, but its
            // erratum 8298 has it processed and logged: of two owners one must yield. keepalived
            // does likewise.
            owner_ignores: priority.is_owner()
                && (self.spec.owner_ignores || parameters.version == Version::V2),
            unicast,
            // The program knows nothing of peers, nor which of several routers has which, and checks
            // no digests.
            deferred: unicast || self.authenticator.is_needed(),
        }
    }

    fn own(&self) -> (Priority, Addr) {
        let parameters = self.election.parameters();
        (parameters.priority, parameters.source.into())
    }

    pub(super) fn slot(&self) -> Slot<'_> {
        self.slots.get(self.spec.slot)
    }
}

impl Outlet<'_> {
    /// Never waits: a full queue loses the report, and the board says so.
    pub(super) fn report(&self, report: Report) {
        if self.reports.try_send(report).is_err() {
            self.board.lose_report();
        }
    }

    /// Reports an advert to whoever wants to see each. They get at most half of the queue: what the
    /// daemon must know has the rest for itself.
    pub(super) fn report_heard(&self, router: RouterId, heard: Heard, fate: Fate, at: Instant) {
        if !self.board.reports_adverts() {
            return;
        }
        let report = Report::Heard { router, heard, fate, at };
        let has_room = self.reports.capacity() > self.reports.max_capacity() / 2;
        if !has_room || self.reports.try_send(report).is_err() {
            self.board.count_ladder(router, Counter::ReportsLost);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
