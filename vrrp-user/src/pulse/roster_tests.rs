use std::io::Read;

use socket2::Socket;
use vrrp_common::{Addr, Vrid, abi::Kind, ladder::Heard};

use super::*;
use crate::{
    election::Parameters,
    pulse::{
        Addresses, Board, Change, Member, Port, Report, Snapshot,
        router::tests::{port, spec},
        thread::Reports,
    },
};

const MS: Duration = Duration::from_millis(1);
/// An advert interval in centiseconds, and as time.
const FAST: (u16, Duration) = (1, Duration::from_millis(10));

/// Virtual routers on one port.
struct Bench {
    roster: Roster,
    slots: Arc<Slots>,
    board: Board,
    reports: Reports,
    port: Arc<Port>,
    network: Socket,
    _reported: tokio::sync::mpsc::Receiver<Report>,
}

impl Bench {
    fn new(count: usize, priority: u8) -> Self {
        let mut bench = Self::with(count, |parameters| {
            parameters.priority = vrrp_common::Priority::new(priority);
        });
        for id in 0..count {
            bench.start(id);
            // What an owner says when it starts is not for these tests.
            bench.frames();
        }
        bench
    }

    /// Members of one sync group, none of which takes part.
    fn grouped(count: usize) -> Self {
        let mut bench = Self::with(count, |parameters| parameters.grouped = true);
        let outlet = Outlet { board: &bench.board, reports: &bench.reports };
        bench.roster.regroup(&mut vec![(0..count).collect()], &outlet);
        bench
    }

    /// Routers that take no part.
    fn with(count: usize, change: impl Fn(&mut Parameters)) -> Self {
        let slots = Arc::new(Slots::own(count as u32 + 1).unwrap());
        let specs = (0..count).map(|id| {
            let mut spec = spec();
            spec.slot = id as u32 + 1;
            spec.vrid = Vrid::new((id % 255) as u8 + 1).unwrap();
            change(&mut spec.parameters);
            spec.parameters.interval =
                vrrp_common::AdverInterval::from_centiseconds(FAST.0).unwrap();
            spec
        });
        let (reports, reported) = tokio::sync::mpsc::channel(16 * count);
        let (port, network) = port();
        Self {
            roster: Roster::new(specs.collect(), &slots),
            slots,
            board: Board::new(count),
            reports,
            port,
            network,
            _reported: reported,
        }
    }

    fn start(&mut self, router: RouterId) {
        let port = Arc::clone(&self.port);
        let source = [192, 0, 2, 2].into();
        self.visit(router, |router, outlet| router.start(port, source, None, outlet));
    }

    fn visit(&mut self, router: RouterId, act: impl FnOnce(&mut Router, &Outlet<'_>)) {
        let outlet = Outlet { board: &self.board, reports: &self.reports };
        self.roster.visit(router, &outlet, |router| act(router, &outlet));
    }

    fn expire(&mut self, now: Instant) {
        self.roster.expire(now, &Outlet { board: &self.board, reports: &self.reports });
    }

    /// An advert for `router` reaches the kernel program at `at`; the first one rings.
    fn hear(&mut self, router: RouterId, at: Instant) {
        if let Some(kind) = self.receive(router, at) {
            self.visit(router, |router, outlet| router.answer_doorbell(kind, outlet));
        }
    }

    /// The same, but nobody answers yet. What it rang for, if it did.
    fn receive(&mut self, router: RouterId, at: Instant) -> Option<Kind> {
        let heard = Heard {
            source: Addr::v4([192, 0, 2, 3]),
            priority: 200,
            interval: FAST.0,
            digest: 7,
            ..Heard::default()
        };
        let slot = self.slots.get(router as u32 + 1);
        let kind = vrrp_common::abi::kind(&heard, slot.rules().rank());
        slot.receive(&heard, at).then_some(kind)
    }

    /// Waits for the next deadline, and does what is due.
    fn wake(&mut self) -> Instant {
        let next = self.roster.next_deadline().unwrap();
        while now() < next {
            std::hint::spin_loop();
        }
        self.expire(next);
        next
    }

    fn lease(&self, router: RouterId) -> Option<Instant> {
        self.slots.get(router as u32 + 1).lease()
    }

    /// Frames that have left since the last call.
    fn frames(&self) -> usize {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 2048];
        std::iter::from_fn(|| self.network.recv(&mut buffer).ok()).count()
    }

    fn shown(&self, router: RouterId) -> Snapshot {
        self.board.snapshot(router)
    }

    fn counter(&self, router: RouterId, name: &str) -> u64 {
        let counters = self.shown(router).counters;
        counters.into_iter().find(|(counter, _)| counter == name).unwrap().1
    }

    fn active(&self) -> Vec<RouterId> {
        let all = self.roster.iter().filter(|router| router.state() == State::Active);
        all.map(Router::id).collect()
    }
}

/// Issue 4, rule 3 of the design: 255 Backups at 10 ms that hear their Active router at 255 different
/// times wake the thread 50 times a second at the most, not 7,000 times.
#[test]
fn wake_ups_are_shared() {
    let mut bench = Bench::new(255, 100);
    let start = now();
    let phase = |router: RouterId| FAST.1 * router as u32 / 255;
    let (mut wake_ups, mut heard_until) = (0, vec![0; 255]);
    loop {
        let next = bench.roster.next_deadline().unwrap();
        if next > start + MS * 1000 {
            break;
        }
        // Everything that came in until then has been absorbed without a word.
        for (router, count) in heard_until.iter_mut().enumerate() {
            while start + phase(router) + FAST.1 * *count <= next {
                bench.hear(router, start + phase(router) + FAST.1 * *count);
                *count += 1;
            }
        }
        bench.expire(next);
        wake_ups += 1;
    }
    assert!((20..=50).contains(&wake_ups), "{wake_ups} wake-ups in a second");
    assert!(bench.active().is_empty());
}

/// R-6.4.2-05, issue 4: a look at many does not move the deadline of the one whose Active router is
/// dead: it takes over when its time has come, not before and not later.
#[test]
fn the_dead_one_is_noticed_in_time() {
    let mut bench = Bench::new(4, 100);
    let start = now();
    for router in 0..4 {
        bench.hear(router, start + MS * router as u32);
    }
    // Router 2 is heard no more; its priority 100 makes 3 x 10 ms and 156/256 of 10 ms.
    let due = start + MS * 2 + FAST.1 * 3 + FAST.1 * 156 / 256;
    let mut last = start;
    for interval in 1..10 {
        for router in [0, 1, 3] {
            last = start + MS * router as u32 + FAST.1 * interval;
            if last < due {
                bench.hear(router, last);
            }
        }
    }
    assert!(last > due);
    while bench.roster.next_deadline().unwrap() < due {
        let next = bench.roster.next_deadline().unwrap();
        bench.expire(next);
        assert!(bench.active().is_empty());
    }
    assert_eq!(bench.roster.next_deadline(), Some(due));
    bench.expire(due);
    assert_eq!(bench.active(), [2]);
}

/// R-6.4.3-05, issue 4: regular adverts that are due within a fifth of a millisecond leave together,
/// each once, and the next of each is due an interval after it was due, not after it left.
#[test]
fn adverts_leave_together() {
    let due_of = |bench: &Bench| [0, 1, 2].map(|router| bench.roster.adverts.of(router).unwrap());
    // A loaded machine may take longer for three starts.
    let mut tries = std::iter::repeat_with(|| Bench::new(3, 255)).take(100);
    let mut bench = tries
        .find(|bench| due_of(bench)[2].since(due_of(bench)[0]) < EARLY)
        .expect("three routers that start within a fifth of a millisecond");
    assert_eq!(bench.active(), [0, 1, 2]);
    let due = due_of(&bench);
    let first = bench.roster.next_deadline().unwrap();
    bench.expire(first);
    assert_eq!(bench.frames(), 3);
    for (router, due) in due.into_iter().enumerate() {
        assert_eq!(bench.roster.adverts.of(router), Some(due + FAST.1));
        assert_eq!(bench.counter(router, "adverts_sent"), 2);
    }
}

/// Rule 1 of the design, issue 4: of a batch that the queue takes in part, each router whose advert
/// was refused counts an error and gets no lease, and those whose advert left have one.
#[test]
fn a_queue_takes_a_part() {
    const COUNT: usize = 1020;
    let mut bench = Bench::new(COUNT, 255);
    bench.port.sender.set_send_buffer_size(1).unwrap();
    let before: Vec<_> = (0..COUNT).map(|id| bench.slots.get(id as u32 + 1).lease()).collect();
    let last = (0..COUNT).filter_map(|router| bench.roster.adverts.of(router)).max().unwrap();
    bench.expire(last);
    let left = bench.frames();
    assert!((1..COUNT).contains(&left), "{left} of {COUNT} left");
    let mut renewed = 0;
    for (router, before) in before.into_iter().enumerate() {
        let lease = bench.slots.get(router as u32 + 1).lease();
        let (sent, lost) =
            (bench.counter(router, "adverts_sent") - 1, bench.counter(router, "send_errors"));
        assert_eq!(sent + lost, 1, "router {router}");
        assert_eq!(lease > before, sent == 1, "router {router}: the lease is for what left");
        renewed += sent as usize;
    }
    assert_eq!(renewed, left);
}

/// Issue 4: how late an advert was is counted, once for each.
#[test]
fn lateness_is_counted() {
    let mut bench = Bench::new(1, 255);
    let due = bench.roster.next_deadline().unwrap();
    while now() < due + MS * 3 {
        std::hint::spin_loop();
    }
    bench.expire(now());
    let lateness = bench.shown(0).lateness;
    assert!(lateness.most >= MS * 3);
    let late: u64 = lateness
        .counts
        .iter()
        .filter(|(end, _)| end.is_none_or(|end| end > MS * 3))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(late, 1);
    assert_eq!(lateness.counts.iter().map(|(_, count)| count).sum::<u64>(), 1);
}

/// Issue 6: a virtual router that is removed resigns, answers for nothing and is forgotten, and its number
/// can be another's, which begins as one that never was. The others notice nothing.
#[test]
fn coming_and_going() {
    let mut bench = Bench::new(3, 255);
    let due = bench.roster.adverts.of(0);
    bench.visit(1, Router::retire);
    let former = bench.roster.remove(1).unwrap();
    assert_eq!(former.state(), State::Initialize);
    assert_eq!(bench.slots.get(2).lease(), None);
    assert_eq!(bench.counter(1, "priority_zero_sent"), 1);
    assert_eq!((bench.active(), bench.roster.iter().count()), (vec![0, 2], 2));
    assert!(bench.roster.remove(1).is_none());
    assert!(bench.roster.touch(1, |_| ()).is_none());
    assert_eq!(bench.roster.with_vrid(Family::V4, 2).count(), 0);
    // Whatever was due for it is nobody's.
    assert_eq!(bench.roster.adverts.of(1), None);

    let mut spec = spec();
    spec.slot = 2;
    spec.vrid = Vrid::new(77).unwrap();
    let Member(newcomer) = Member::new(spec, &bench.slots);
    bench.board.clear(1);
    bench.roster.install(newcomer);
    assert_eq!(bench.roster.with_vrid(Family::V4, 77).map(Router::id).collect::<Vec<_>>(), [1]);
    assert_eq!((bench.shown(1).state, bench.counter(1, "adverts_sent")), (State::Initialize, 0));
    let port = Arc::clone(&bench.port);
    let source = [192, 0, 2, 2].into();
    bench.visit(1, |router, outlet| router.start(port, source, None, outlet));
    assert_eq!(bench.shown(1).state, State::Backup);
    assert_eq!(bench.roster.adverts.of(0), due);
}

fn spec_of(bench: &Bench, router: RouterId) -> Spec {
    bench.roster.get(router).unwrap().spec.clone()
}

/// Issue 6: another configuration is in the next advert and in what is demanded of others; the state,
/// the lease and the time of that advert stay.
#[test]
fn another_configuration() {
    let mut bench = Bench::new(1, 255);
    let (due, lease) = (bench.roster.adverts.of(0).unwrap(), bench.slots.get(1).lease());
    let rules = bench.slots.get(1).rules();
    let old = spec_of(&bench, 0);
    let mut new = old.clone();
    new.addresses = Addresses::V4(vec![[192, 0, 2, 7], [192, 0, 2, 8]]);
    let mut change = Change::new(&old, new.clone());
    bench.visit(0, |router, outlet| router.change(&mut change, outlet));
    assert_eq!((bench.active(), bench.slots.get(1).lease()), (vec![0], lease));
    assert_ne!(bench.slots.get(1).rules(), rules);
    assert_eq!((bench.frames(), bench.roster.adverts.of(0)), (0, Some(due)));
    bench.expire(due);
    let mut buffer = [0; 2048];
    let length = bench.network.read(&mut buffer).unwrap();
    assert!(buffer[..length].windows(8).any(|octets| octets == [192, 0, 2, 7, 192, 0, 2, 8]));
    let mut back = Change::new(&new, old.clone());
    bench.visit(0, |router, outlet| router.change(&mut back, outlet));
    assert_eq!((spec_of(&bench, 0), bench.slots.get(1).rules()), (old, rules));
}

/// Keyword `vrrp_sync_group`, issue 6: with the member whose timer fires last all take over in the same
/// wake-up, each with an advert and a lease.
#[test]
fn groups_take_over_together() {
    let mut bench = Bench::grouped(3);
    (0..3).for_each(|router| bench.start(router));
    let start = now();
    (0..3).for_each(|router| bench.hear(router, start + MS * router as u32));
    let due = start + MS * 2 + FAST.1 * 3 + FAST.1 * 156 / 256;
    while bench.roster.next_deadline().unwrap() < due {
        bench.wake();
        assert!(bench.active().is_empty());
    }
    assert_eq!(bench.wake(), due);
    assert_eq!(bench.active(), [0, 1, 2]);
    assert_eq!(bench.frames(), 3);
    assert!((0..3).all(|router| bench.lease(router).is_some()));
}

/// Issue 6: what the kernel program has seen and nobody has read yet counts for the whole group.
#[test]
fn unread_news_hold_a_group_back() {
    let mut bench = Bench::grouped(2);
    (0..2).for_each(|router| bench.start(router));
    let start = now();
    bench.hear(1, start + MS);
    while bench.roster.next_deadline().unwrap() < start + FAST.1 * 3 {
        bench.wake();
    }
    // The first has waited in vain.
    let first = bench.wake();
    assert!(first < start + MS + FAST.1 * 3 + FAST.1 * 156 / 256);
    assert!(bench.receive(0, first).is_some());
    bench.wake();
    assert!(bench.active().is_empty());
    assert_eq!(bench.frames(), 0);
}

/// Issue 6: of a batch of adverts none is sent by who has yielded with another of the batch.
#[test]
fn groups_yield_in_the_midst_of_a_batch() {
    let mut bench = Bench::grouped(2);
    (0..2).for_each(|router| bench.start(router));
    while bench.active().is_empty() {
        bench.wake();
    }
    bench.frames();
    assert!(bench.receive(1, now()).is_some());
    bench.wake();
    assert_eq!(bench.active(), [0; 0]);
    assert_eq!(bench.frames(), 0);
    assert!((0..2).all(|router| bench.lease(router).is_none()));
}

/// Keyword `vrrp_sync_group`, issue 6: all begin with the last that may, and end with the first that
/// may not, whatever the daemon says of the others.
#[test]
fn groups_begin_and_end_together() {
    let states = |bench: &Bench| [0, 1].map(|router| bench.shown(router).state);
    let mut bench = Bench::grouped(2);
    bench.start(0);
    assert_eq!(states(&bench), [State::Initialize; 2]);
    bench.start(1);
    assert_eq!(states(&bench), [State::Backup; 2]);
    while bench.active().is_empty() {
        bench.wake();
    }
    bench.frames();
    bench.visit(0, Router::shut_down);
    assert_eq!(states(&bench), [State::Initialize; 2]);
    assert_eq!(bench.frames(), 2);
    bench.start(0);
    assert_eq!(states(&bench), [State::Backup; 2]);
    // One that has left the group does not concern the other.
    bench.roster.ungroup(1);
    bench.visit(1, Router::shut_down);
    assert_eq!(states(&bench), [State::Backup, State::Initialize]);
}

/// Issue 6: who has waited for its sync group begins when there is none any more; who leaves with the
/// group does not.
#[test]
fn members_of_a_dissolved_group_begin() {
    let mut bench = Bench::grouped(4);
    bench.slots.get(2).open(now() + MS * 60_000);
    (0..3).for_each(|router| bench.start(router));
    for router in [0, 1, 3] {
        let old = spec_of(&bench, router);
        let mut new = old.clone();
        new.parameters.grouped = false;
        let mut change = Change::new(&old, new);
        bench.visit(router, |router, outlet| router.change(&mut change, outlet));
    }
    let states = |bench: &Bench| [0, 1, 2, 3].map(|router| bench.shown(router).state);
    assert_eq!(states(&bench), [State::Initialize; 4]);
    let outlet = Outlet { board: &bench.board, reports: &bench.reports };
    bench.roster.regroup(&mut Vec::new(), &outlet);
    let expected = [State::Backup, State::Active, State::Initialize, State::Initialize];
    assert_eq!(states(&bench), expected);
    assert!(bench.roster.next_deadline().is_some());
}

/// Issues 4 and 6: a group goes on with the leases that a daemon before this one has left if all
/// members have one; else none does.
#[test]
fn groups_inherit_as_a_whole() {
    let mut bench = Bench::grouped(2);
    (1..=2).for_each(|slot| bench.slots.get(slot).open(now() + MS * 60_000));
    bench.start(0);
    assert_eq!(bench.frames(), 0);
    bench.start(1);
    assert_eq!(bench.active(), [0, 1]);
    assert_eq!(bench.frames(), 2);

    let mut bench = Bench::grouped(2);
    bench.slots.get(1).open(now() + MS * 60_000);
    (0..2).for_each(|router| bench.start(router));
    assert_eq!(bench.active(), [0; 0]);
    assert_eq!(bench.lease(0), None);
}

/// Keywords `timer_expired_backup` and `vrrp_sync_group`, issue 6: after a silence so long that another
/// must have taken over the whole group steps down, and no advert leaves.
#[test]
fn groups_step_down_after_a_silence() {
    let mut bench = Bench::with(2, |parameters| {
        parameters.grouped = true;
        parameters.preempt = false;
        parameters.other_priority = Some(vrrp_common::Priority::new(254));
    });
    let outlet = Outlet { board: &bench.board, reports: &bench.reports };
    bench.roster.regroup(&mut vec![vec![0, 1]], &outlet);
    (0..2).for_each(|router| bench.start(router));
    while bench.active().is_empty() {
        bench.wake();
    }
    bench.frames();
    let late = bench.roster.next_deadline().unwrap() + FAST.1 * 3;
    bench.expire(late);
    assert_eq!(bench.active(), [0; 0]);
    assert_eq!(bench.frames(), 0);
    assert!((0..2).all(|router| bench.lease(router).is_none()));
}
