//! What the pulse shows of itself, readable at any time without disturbing it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use vrrp_common::{
    Addr, Priority,
    abi::Counter,
    ladder::{Heard, Reject},
};

use super::{
    RouterId,
    clock::now,
    lateness::{Histogram, Lateness},
};
use crate::election::{Election, Instant, State};

/// One row for each virtual router, and the thread's own counters.
pub struct Board {
    rows: Vec<Row>,
    lost_reports: AtomicU64,
    reports_adverts: AtomicBool,
}

/// Counters that only user space has.
#[derive(Clone, Copy)]
pub(super) enum Own {
    AdvertsSent,
    SendErrors,
    PriorityZeroSent,
    PriorityZeroReceived,
    BecameActive,
    AuthTolerated,
}

impl Own {
    const COUNT: usize = 6;
    const NAMES: [&'static str; Self::COUNT] = [
        "adverts_sent",
        "send_errors",
        "priority_zero_sent",
        "priority_zero_received",
        "became_master",
        "auth_tolerated",
    ];
}

#[derive(Default)]
struct Row {
    state: AtomicU64,
    priority: AtomicU64,
    active_router: [AtomicU64; 2],
    since: AtomicU64,
    own: [AtomicU64; Own::COUNT],
    lateness: Histogram,
    /// What the raw socket's ladder counted, as the kernel program counts.
    ladder: [AtomicU64; Counter::COUNT],
    rejects: [AtomicU64; Reject::COUNT],
}

impl Row {
    fn since(now: Instant) -> Self {
        Self { since: AtomicU64::new(now.as_nanos()), ..Self::default() }
    }

    fn clear(&self, now: Instant) {
        let all = [&self.state, &self.priority].into_iter().chain(&self.active_router);
        let all = all.chain(&self.own).chain(&self.ladder).chain(&self.rejects);
        all.for_each(|word| word.store(0, Relaxed));
        self.since.store(now.as_nanos(), Relaxed);
        self.lateness.clear();
    }
}

/// A virtual router as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// State of the election.
    pub state: State,
    /// Effective priority.
    pub priority: Priority,
    /// Who is Active, as far as known.
    pub active_router: Option<Addr>,
    /// Since when the state is what it is.
    pub since: Instant,
    /// Names and values of the counters that user space has. Those of the kernel program have the
    /// same names where they count the same, and are to be added.
    pub counters: Vec<(String, u64)>,
    /// How late its deadlines were kept.
    pub lateness: Lateness,
}

impl Board {
    pub(super) fn new(routers: usize) -> Self {
        Self {
            rows: (0..routers).map(|_| Row::since(now())).collect(),
            lost_reports: AtomicU64::new(0),
            reports_adverts: AtomicBool::new(false),
        }
    }

    /// Effective priority of a virtual router.
    pub fn priority(&self, router: RouterId) -> Priority {
        Priority::new(self.rows[router].priority.load(Relaxed) as u8)
    }

    /// A virtual router as it is now.
    pub fn snapshot(&self, router: RouterId) -> Snapshot {
        let row = &self.rows[router];
        let value = |counter: &AtomicU64| counter.load(Relaxed);
        let own = Own::NAMES
            .iter()
            .zip(&row.own)
            .map(|(name, counter)| ((*name).to_owned(), value(counter)));
        let ladder = Counter::NAMES
            .iter()
            .zip(&row.ladder)
            .map(|(name, counter)| ((*name).to_owned(), value(counter)));
        let rejects = Reject::ALL
            .iter()
            .zip(&row.rejects)
            .map(|(reject, counter)| (format!("rejected_{}", reject.name()), value(counter)));
        Snapshot {
            state: state_from(value(&row.state)),
            priority: Priority::new(value(&row.priority) as u8),
            active_router: Some(Addr {
                high: value(&row.active_router[0]),
                low: value(&row.active_router[1]),
            })
            .filter(|address| *address != Addr::UNSPECIFIED),
            since: Instant::from_nanos(value(&row.since)),
            counters: own.chain(ladder).chain(rejects).collect(),
            lateness: row.lateness.read(),
        }
    }

    /// State of the election, as [`Self::snapshot`] has it.
    pub fn state(&self, router: RouterId) -> State {
        state_from(self.rows[router].state.load(Relaxed))
    }

    /// Reports that found the queue full. Whoever sees this number change compares everything with
    /// the board.
    pub fn lost_reports(&self) -> u64 {
        self.lost_reports.load(Relaxed)
    }

    /// How many adverts from the raw sockets were dropped for each reason.
    pub fn rejects_of(&self, router: RouterId) -> [u64; Reject::COUNT] {
        self.rows[router].rejects.each_ref().map(|count| count.load(Relaxed))
    }

    /// Says whether each advert that a raw socket brings is to be reported.
    pub fn report_adverts(&self, wanted: bool) {
        self.reports_adverts.store(wanted, Relaxed);
    }

    /// True while it is to be.
    pub fn reports_adverts(&self) -> bool {
        self.reports_adverts.load(Relaxed)
    }

    /// The row is for another virtual router from now on.
    pub(super) fn clear(&self, router: RouterId) {
        self.rows[router].clear(now());
    }

    pub(super) fn show(&self, router: RouterId, election: &Election) {
        let row = &self.rows[router];
        row.priority.store(election.effective_priority().get().into(), Relaxed);
        let active_router = election.active_router().map(Addr::from).unwrap_or_default();
        row.active_router[0].store(active_router.high, Relaxed);
        row.active_router[1].store(active_router.low, Relaxed);
    }

    pub(super) fn change(&self, router: RouterId, state: State, since: Instant) {
        let row = &self.rows[router];
        row.state.store(state as u64, Relaxed);
        row.since.store(since.as_nanos(), Relaxed);
    }

    pub(super) fn count(&self, router: RouterId, counter: Own) {
        self.add(router, counter, 1);
    }

    pub(super) fn add(&self, router: RouterId, counter: Own, by: u64) {
        self.rows[router].own[counter as usize].fetch_add(by, Relaxed);
    }

    pub(super) fn count_lateness(&self, router: RouterId, lateness: Duration) {
        self.rows[router].lateness.count(lateness);
    }

    pub(super) fn count_heard(&self, router: RouterId, heard: &Heard, outcome: Counter) {
        let ladder = &self.rows[router].ladder;
        let checksum = if heard.pseudo_header {
            Counter::ChecksumPseudoHeader
        } else {
            Counter::ChecksumMessage
        };
        for counter in [Counter::AdvertsReceived, checksum, outcome] {
            ladder[counter as usize].fetch_add(1, Relaxed);
        }
        if heard.addresses_differ {
            ladder[Counter::AddressListDiffers as usize].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count_ladder(&self, router: RouterId, counter: Counter) {
        self.rows[router].ladder[counter as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_reject(&self, router: RouterId, reject: Reject) {
        self.rows[router].rejects[reject as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn lose_report(&self) {
        self.lost_reports.fetch_add(1, Relaxed);
    }
}

const fn state_from(number: u64) -> State {
    if number == State::Active as u64 {
        State::Active
    } else if number == State::Backup as u64 {
        State::Backup
    } else {
        State::Initialize
    }
}
