//! One virtual router on the pulse: its election, its slot, and what the election's actions mean.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use vrrp_common::{
    Addr, Family, Priority, Version,
    abi::{Counter, Fate, Kind},
    ladder::{Heard, Reject, Rules},
    wire::ipv4,
};

use super::{
    Board, Oddity, Port, Report, RouterId, Spec,
    board::Own,
    clock::{now, since_1970},
    doorbells::Doorbells,
    frame::{AdvertFrame, Content},
    receive::Sender,
    send::{Sent, send},
    thread::Reports,
};
use crate::{
    auth::{Authenticator, Judged},
    config::Unicast,
    datapath::{Slot, Slots},
    election::{Action, Actions, Advert, Election, Event, Instant, State},
};

/// How often a virtual router reports one reason for refusing adverts, or one oddity.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// A virtual router with everything that its adverts need.
pub(super) struct Router {
    id: RouterId,
    spec: Spec,
    election: Election,
    slots: Arc<Slots>,
    port: Option<Arc<Port>>,
    frame: AdvertFrame,
    authenticator: Authenticator,
    /// When the advert that [`Self::prepare`] has written is due.
    prepared_for: Instant,
    /// Until when the last advert that left pays for answers.
    paid_until: Option<Instant>,
    /// Stamps of the news that were handled, by kind, and of the last repetition.
    handled: [Instant; Kind::COUNT],
    repeated: Instant,
    /// The last repetition that a raw socket received.
    stamped: Instant,
    doorbells: Doorbells,
    /// When a refused advert was last reported, by reason.
    refused: [Instant; Reject::COUNT],
    /// When an odd advert was last reported, by oddity.
    wondered: [Instant; Oddity::COUNT],
    /// The last advert that the election saw, and those that it calls accepted and discarded, each
    /// with its digest.
    heard: [Option<(Advert, u64)>; 3],
}

/// The buffer for an advert, what is to be in it, and who gets it instead of the group.
struct Draft<'a> {
    frame: &'a mut AdvertFrame,
    content: Content<'a>,
    unicast: Option<&'a Unicast>,
}

/// Where a router's actions go.
pub(super) struct Outlet<'a> {
    pub(super) board: &'a Board,
    pub(super) reports: &'a Reports,
}

impl Router {
    pub(super) fn new(id: RouterId, spec: Spec, slots: Arc<Slots>) -> Self {
        let election = Election::new(spec.parameters);
        let authenticator = Authenticator::new(spec.authentication.as_ref());
        let router = Self {
            id,
            spec,
            election,
            slots,
            port: None,
            frame: AdvertFrame::new(),
            authenticator,
            prepared_for: Instant::default(),
            paid_until: None,
            handled: [Instant::default(); Kind::COUNT],
            repeated: Instant::default(),
            stamped: Instant::default(),
            doorbells: Doorbells::new(),
            refused: [Instant::default(); Reject::COUNT],
            wondered: [Instant::default(); Oddity::COUNT],
            heard: [None; 3],
        };
        // Adverts come in before this router may take part; they are to be counted for what they are.
        router.slot().set_rules(&router.demanded());
        // Whose adverts the program cannot judge, it could not close for them.
        router.slot().set_serves_on(router.spec.serves_on && router.is_heard_by_program());
        router
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.election.next_deadline()
    }

    /// State of its election.
    pub(super) fn state(&self) -> State {
        self.election.state()
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

    /// Puts a packet that a raw socket received through the ladder. What it demands of its peers
    /// comes last, as in keepalived.
    pub(super) fn judge(&mut self, packet: &[u8], sender: Sender) -> Result<Judged, Reject> {
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
        if self.election.state() == State::Initialize {
            self.skip_old_news();
            let now = now();
            // Only a daemon before this one can have left a lease. The kernel program has closed it
            // if somebody better was heard; where only user space hears, the next advert tells.
            if self.slot().is_open(now) {
                self.handle(Event::Resume, now, outlet);
            } else {
                self.handle(Event::Startup, self.began(since, now), outlet);
            }
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

    /// The kernel program rang: there are news of `kind`.
    pub(super) fn answer_doorbell(&mut self, kind: Kind, outlet: &Outlet<'_>) {
        if self.doorbells.ring(kind) {
            self.slot().answer(kind);
        }
        self.catch_up(outlet);
    }

    /// A deadline has come: answers the doorbells that had to wait; as Active, whose deadlines are an
    /// interval apart, not those for losing adverts where there are some again. Their news are read after
    /// this.
    fn answer_late(&mut self) {
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
    pub(super) fn knows(&self, heard: &Heard, since: Instant) -> bool {
        self.slot().has_taken(heard.digest, since, self.stamped)
    }

    /// An advert that a raw socket received passed the ladder. Returns what became of it.
    pub(super) fn hear(&mut self, heard: &Heard, at: Instant, outlet: &Outlet<'_>) -> Fate {
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
    pub(super) fn refuse(
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
    pub(super) fn tolerate(
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

    /// Sees whether absorbed adverts have moved the deadline, and if it has passed all the same, does
    /// what is due.
    pub(super) fn watch(&mut self, now: Instant, outlet: &Outlet<'_>) {
        self.see_repetition(outlet);
        if self.is_due(now) {
            self.expire(now, outlet);
        }
    }

    /// Writes the regular advert if it is due at `now`. True if [`Self::prepared`] is to be sent and
    /// [`Self::settle_prepared`] told of it: what goes to single peers is sent already.
    pub(super) fn prepare(&mut self, now: Instant, outlet: &Outlet<'_>) -> bool {
        if self.is_unicast() {
            self.expire(now, outlet);
            return false;
        }
        self.answer_late();
        self.catch_up(outlet);
        let due = self.next_deadline().filter(|due| *due <= now);
        let (Some(due), State::Active) = (due, self.state()) else { return false };
        self.prepared_for = due;
        let mut actions = Actions::new();
        self.election.handle(Event::Timer, now, &mut actions);
        // Adver_Timer leads to nothing but an advert (RFC 9568 6.4.3).
        actions.into_iter().any(|action| match action {
            Action::Advertise { priority } => self.write(priority),
            _ => false,
        })
    }

    /// What [`Self::prepare`] has written.
    pub(super) fn prepared(&self) -> &[u8] {
        self.frame.written()
    }

    /// The prepared advert was handed over at `before`; `left` says whether the kernel took it.
    pub(super) fn settle_prepared(&mut self, left: bool, before: Instant, outlet: &Outlet<'_>) {
        outlet.board.count_lateness(self.id, before.since(self.prepared_for));
        self.settle(self.election.effective_priority(), before, Sent::one(left), outlet);
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

    /// Hands the election all that the kernel program has seen and the election has not.
    fn catch_up(&mut self, outlet: &Outlet<'_>) {
        self.see_repetition(outlet);
        self.read_news(outlet);
    }

    fn see_repetition(&mut self, outlet: &Outlet<'_>) {
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
    fn skip_old_news(&mut self) {
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

    /// One event through the election, its actions carried out in their order, and the slot brought
    /// up to date.
    fn handle(&mut self, event: Event, at: Instant, outlet: &Outlet<'_>) {
        let own_before = self.own();
        let mut actions = Actions::new();
        self.election.handle(event, at, &mut actions);
        if self.own() != own_before {
            self.slot().set_rules(&self.demanded());
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

    /// Sends one advert.
    fn advertise(&mut self, priority: Priority, outlet: &Outlet<'_>) {
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

    fn slot(&self) -> Slot<'_> {
        self.slots.get(self.spec.slot)
    }
}

impl Outlet<'_> {
    /// Never waits: a full queue loses the report, and the board says so.
    fn report(&self, report: Report) {
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

/// Whether something that was last reported then is to be reported again; if so, it was now.
fn may_report(last: &mut Instant, now: Instant) -> bool {
    let may = now.since(*last) >= REPORT_INTERVAL || *last == Instant::default();
    if may {
        *last = now;
    }
    may
}

/// How long one advert pays for answers.
fn lease(interval: Duration, down_timer_adverts: u8) -> Duration {
    interval * u32::from(down_timer_adverts)
}

#[cfg(test)]
#[path = "router_tests.rs"]
pub(super) mod tests;
