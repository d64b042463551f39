//! Tables with exact times. A router of 192.0.2.2 is fed events; each answer is the complete list
//! of actions.

mod active;
mod backup;
mod groups;
mod parameters;
mod preempt;
mod timers;

use std::net::{IpAddr, Ipv4Addr};

use super::*;

/// The address of the router under test.
const SELF: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// A peer whose address loses against [`SELF`].
const LOWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// A peer whose address wins against [`SELF`].
const HIGHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));

/// An election, and a clock that starts at an odd time.
struct Bench {
    election: Election,
    actions: Actions,
}

impl Bench {
    fn new(parameters: Parameters) -> Self {
        Self { election: Election::new(parameters), actions: Actions::new() }
    }

    /// A Backup since time zero.
    fn backup(parameters: Parameters) -> Self {
        let mut bench = Self::new(parameters);
        bench.on(0, Event::Startup);
        assert_eq!(bench.election.state(), State::Backup);
        bench
    }

    /// An Active since time zero.
    fn active(parameters: Parameters) -> Self {
        let mut bench = Self::new(parameters);
        bench.election.handle(Event::Startup, Instant::default(), &mut bench.actions);
        if bench.election.state() == State::Backup {
            bench.election.handle(Event::Timer, at(0), &mut bench.actions);
        }
        assert_eq!(bench.election.state(), State::Active);
        bench
    }

    /// Lets `event` happen `micros` after time zero and returns what follows.
    fn on(&mut self, micros: u64, event: Event) -> Vec<Action> {
        self.election.handle(event, at(micros), &mut self.actions);
        self.actions.to_vec()
    }

    fn hear(
        &mut self,
        micros: u64,
        source: IpAddr,
        priority: u8,
        centiseconds: u16,
    ) -> Vec<Action> {
        self.on(micros, Event::Advert(advert(source, priority, centiseconds)))
    }

    /// The next deadline in microseconds after time zero, rounded down.
    fn deadline(&self) -> Option<u64> {
        self.election.next_deadline().map(|deadline| micros_of(deadline.since(at(0))))
    }

    /// Nothing happens before the next deadline, and at it, this.
    fn run_to_deadline(&mut self) -> (u64, Vec<Action>) {
        let deadline = self.election.next_deadline().unwrap();
        let before = Instant::from_nanos(deadline.as_nanos() - 1);
        self.election.handle(Event::Timer, before, &mut self.actions);
        assert_eq!(self.actions.as_slice(), [], "a timer was early");
        self.election.handle(Event::Timer, deadline, &mut self.actions);
        (micros_of(deadline.since(at(0))), self.actions.to_vec())
    }
}

/// `micros` after time zero, which lies far enough from the clock's origin for any interval.
fn at(micros: u64) -> Instant {
    Instant::from_nanos(3_600_000_000_000) + Duration::from_micros(micros)
}

fn micros_of(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap()
}

fn interval(centiseconds: u16) -> AdverInterval {
    AdverInterval::from_centiseconds(centiseconds).unwrap()
}

fn advert(source: IpAddr, priority: u8, centiseconds: u16) -> Advert {
    Advert { source, priority: Priority::new(priority), interval: interval(centiseconds) }
}

/// Priority 100, one second, preempting.
fn v3() -> Parameters {
    Parameters {
        version: Version::V3,
        priority: Priority::DEFAULT,
        interval: AdverInterval::DEFAULT,
        preempt: true,
        preempt_delay: Duration::ZERO,
        down_timer_adverts: 3,
        source: SELF,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        other_priority: None,
        grouped: false,
    }
}

fn v2() -> Parameters {
    Parameters { version: Version::V2, ..v3() }
}

fn owner() -> Parameters {
    Parameters { priority: Priority::OWNER, ..v3() }
}

fn advertise(priority: u8) -> Action {
    Action::Advertise { priority: Priority::new(priority) }
}

/// All of "becoming Active", in the order of the module documentation.
fn take_over(from: State, priority: u8, cause: Cause) -> Vec<Action> {
    vec![
        advertise(priority),
        Action::Open,
        Action::Transition { from, to: State::Active, cause },
        Action::AddAddresses,
        Action::Announce(Announce::TakeOver),
    ]
}

/// All of "yielding".
fn yielding(cause: Cause) -> Vec<Action> {
    vec![
        Action::Close,
        Action::Transition { from: State::Active, to: State::Backup, cause },
        Action::RemoveAddresses,
    ]
}

/// R-6.4.1-01, -04, -06 and V-6.4.1-01: the owner advertises at once, before the announcements,
/// and again one interval later.
#[test]
fn owner_starts_as_active() {
    for version in [Version::V2, Version::V3] {
        let mut bench = Bench::new(Parameters { version, preempt: false, ..owner() });
        let started = bench.on(0, Event::Startup);
        assert_eq!(started, take_over(State::Initialize, 255, Cause::OwnerStartup));
        assert_eq!(bench.run_to_deadline(), (1_000_000, vec![advertise(255)]));
        assert_eq!(bench.election.active_router(), Some(SELF));
    }
}

/// R-6.4.1-05 and V-6.4.1-02: everybody else waits a whole Active_Down_Interval in silence;
/// R-6.1-04: by the own interval, as nothing was learned.
#[test]
fn others_start_as_backup() {
    let half_second = Parameters { interval: interval(50), ..v3() };
    for (parameters, down) in [(v3(), 3_609_375), (v2(), 3_609_375), (half_second, 1_804_687)] {
        let mut bench = Bench::new(parameters);
        let started = bench.on(0, Event::Startup);
        let (from, to) = (State::Initialize, State::Backup);
        assert_eq!(started, [Action::Transition { from, to, cause: Cause::Startup }]);
        assert_eq!(bench.election.active_router(), None);
        let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
        assert_eq!(bench.run_to_deadline(), (down, taken));
    }
}

/// issue 4: who resumes as Active advertises at once, whatever the priority, and regularly from then
/// on. It obeys the election like any other Active.
#[test]
fn resumes_as_active() {
    for parameters in [v2(), v3(), owner(), Parameters { preempt: false, ..v3() }] {
        let priority = parameters.priority.get();
        let mut bench = Bench::new(parameters);
        let resumed = bench.on(0, Event::Resume);
        assert_eq!(resumed, take_over(State::Initialize, priority, Cause::Resumed));
        assert_eq!(bench.run_to_deadline(), (1_000_000, vec![advertise(priority)]));
        assert_eq!(bench.election.active_router(), Some(SELF));
    }
    let mut bench = Bench::new(v3());
    bench.on(0, Event::Resume);
    assert_eq!(bench.hear(10, HIGHER, 200, 100), yielding(Cause::HigherPriority));
}

/// issue 4: only a router that does not take part can resume.
#[test]
fn nobody_resumes_what_runs() {
    for mut bench in [Bench::backup(v3()), Bench::active(v3())] {
        let (state, deadline) = (bench.election.state(), bench.deadline());
        assert_eq!(bench.on(500_000, Event::Resume), []);
        assert_eq!((bench.election.state(), bench.deadline()), (state, deadline));
    }
}

/// R-6.4.1-07: in Initialize nothing but Startup has an effect.
#[test]
fn initialize_is_deaf() {
    let mut bench = Bench::new(v3());
    let heard = Event::Advert(advert(HIGHER, 200, 300));
    for event in [heard, Event::Repeat, Event::Timer, Event::Shutdown] {
        assert_eq!(bench.on(0, event), []);
        assert_eq!(bench.election.state(), State::Initialize);
        assert_eq!(bench.deadline(), None);
        assert_eq!(bench.election.active_adver_interval(), Duration::from_secs(1));
    }
}

/// R-6.4.2-06 and V-6.4.2-04: a Backup leaves in silence, in particular without priority 0.
#[test]
fn backup_shuts_down_in_silence() {
    let mut bench = Bench::backup(v3());
    bench.hear(10, HIGHER, 200, 100);
    let stopped = bench.on(20, Event::Shutdown);
    let (from, to) = (State::Backup, State::Initialize);
    assert_eq!(stopped, [Action::Transition { from, to, cause: Cause::Shutdown }]);
    assert_eq!(bench.deadline(), None);
    assert_eq!(bench.election.accepted(), None);
    assert_eq!(bench.election.active_router(), None);
}

/// R-6.4.3-09 and V-6.4.3-05: an Active closes, resigns once, then removes the addresses; after
/// that no timer runs.
#[test]
fn active_shuts_down_with_priority_0() {
    for parameters in [v2(), v3(), owner()] {
        let mut bench = Bench::active(parameters);
        let stopped = bench.on(300_000, Event::Shutdown);
        let (from, to) = (State::Active, State::Initialize);
        let transition = Action::Transition { from, to, cause: Cause::Shutdown };
        assert_eq!(stopped, [Action::Close, advertise(0), transition, Action::RemoveAddresses]);
        assert_eq!(bench.deadline(), None);
        assert_eq!(bench.on(1_000_000, Event::Timer), []);
    }
}

/// after Shutdown and Startup everything learned is forgotten, and a whole
/// Active_Down_Interval passes before the first advert.
#[test]
fn restart_begins_anew() {
    let mut bench = Bench::backup(v3());
    bench.hear(10, HIGHER, 200, 300);
    bench.on(20, Event::Shutdown);
    bench.on(30, Event::Startup);
    assert_eq!(bench.election.active_adver_interval(), Duration::from_secs(1));
    assert_eq!(bench.deadline(), Some(30 + 3_609_375));
}

/// A second Startup, and a Shutdown of what is not running, change nothing.
#[test]
fn startup_and_shutdown_are_idempotent() {
    for mut bench in [Bench::backup(v3()), Bench::active(v3())] {
        let deadline = bench.deadline();
        assert_eq!(bench.on(500_000, Event::Startup), []);
        assert_eq!(bench.deadline(), deadline);
        bench.on(600_000, Event::Shutdown);
        assert_eq!(bench.on(700_000, Event::Shutdown), []);
    }
}

/// The clock of `handle`: sums saturate and differences are never negative.
#[test]
fn instants_do_not_wrap() {
    let end = Instant::from_nanos(u64::MAX);
    assert_eq!(end + Duration::from_secs(1), end);
    assert_eq!(Instant::default() + Duration::MAX, end);
    assert_eq!(at(5).since(at(7)), Duration::ZERO);
    assert_eq!(at(7).since(at(5)), Duration::from_micros(2));
}
