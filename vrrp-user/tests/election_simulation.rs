//! A simulated network: two to five elections under one fake clock, with delay, reordering, loss,
//! duplication, partitions, pauses, kills, stops, restarts and priority changes, all drawn from one
//! seed.
//!
//! Invariants, counted from the end of the faults, within the largest Active_Down_Interval and
//! twice the largest delay (`calm` names two cases that need longer): exactly one router is Active,
//! it stays the only one, and it has the highest priority where everybody preempts. At all times:
//! answers and addresses are switched strictly in turn.
//!
//! A failing run prints its seed and the end of its trace. `XVRRP_SEED=N` runs that seed alone and
//! prints all of it; `XVRRP_RUNS=N` runs more seeds than the usual.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use vrrp_common::{AdverInterval, Priority, Version};
use xvrrp::election::{Action, Actions, Advert, Election, Event, Instant, Parameters, State};

const RUNS: u64 = 500;
/// How late a router notices its deadlines.
const WAKE_LATENCY: Duration = Duration::from_micros(300);
const MIN_DOWN_INTERVALS: u32 = 50;
const MIN_FAULTS: usize = 3;

/// Design, "Layers of tests" 2; R-6.4-01, R-6.4.2-11, -14, R-6.4.3-11 to -14: the election itself.
#[test]
fn one_active_router_after_the_faults() {
    let replay = number_from_env("XVRRP_SEED");
    let seeds = match replay {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_env("XVRRP_RUNS").unwrap_or(RUNS),
    };
    let mut kinds = BTreeSet::new();
    for seed in seeds {
        let run = Run::new(seed, None).execute();
        if replay.is_some() {
            println!("{}", run.trace.join("\n"));
        }
        assert_eq!(run.violation, None, "{run}");
        assert!(run.faults.len() >= MIN_FAULTS, "{run}");
        kinds.extend(run.faults);
    }
    assert!(replay.is_some() || kinds.len() == 7, "only {kinds:?} happened");
}

/// The simulation is worth something: it finds each of these broken elections. The break is in what
/// the routers are told, so that no code of the election is there for it.
#[test]
fn broken_elections_are_found() {
    use Mutation::*;
    for mutation in
        [TieBreakInverted, DeafWhileActive, LearnsNoInterval, NeverPreempts, IgnoresRepetitions]
    {
        let found =
            (0..RUNS).find(|&seed| Run::new(seed, Some(mutation)).execute().violation.is_some());
        assert!(found.is_some(), "{mutation:?} went unnoticed");
    }
}

/// The same seed gives the same run, so a printed seed is a bug report.
#[test]
fn runs_are_reproducible() {
    for seed in 0..5 {
        assert_eq!(Run::new(seed, None).execute().trace, Run::new(seed, None).execute().trace);
    }
}

/// A broken election, made from a right one by changing what it hears.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    /// Every second router takes the lower address for the higher one.
    TieBreakInverted,
    /// An Active hears nothing.
    DeafWhileActive,
    /// A Backup counts by its own interval.
    LearnsNoInterval,
    /// A Backup takes every priority for one that is not lower.
    NeverPreempts,
    /// Absorbed adverts are not reported.
    IgnoresRepetitions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Loss,
    Partition,
    Pause,
    Kill,
    Stop,
    Start,
    Reprioritise,
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform enough in `0..end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("below a usize")
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// Up to `longest`, in nanoseconds.
    fn span(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).expect("spans of hours");
        Duration::from_nanos(self.below(nanos + 1))
    }
}

/// One host: the election and what the caller of it keeps.
struct Router {
    election: Election,
    up: bool,
    paused: bool,
    /// The kernel program is loaded: it absorbs what the election allows.
    absorbs: bool,
    last_seen: Option<Instant>,
    /// Adverts in the socket of a paused host, with the kernel's stamps.
    inbox: Vec<(Instant, Advert)>,
    open: bool,
    has_addresses: bool,
}

impl Router {
    fn new(parameters: Parameters, absorbs: bool) -> Self {
        Self {
            election: Election::new(parameters),
            up: false,
            paused: false,
            absorbs,
            last_seen: None,
            inbox: Vec::new(),
            open: false,
            has_addresses: false,
        }
    }

    fn runs(&self) -> bool {
        self.up && !self.paused
    }

    fn is_active(&self) -> bool {
        self.up && self.election.state() == State::Active
    }

    /// Active_Down_Interval by RFC 9568 6.1, or RFC 3768 6.1, as if `interval` had been learned.
    fn down_interval(&self, interval: Duration) -> Duration {
        let parameters = self.election.parameters();
        let scale =
            if parameters.version == Version::V2 { Duration::from_secs(1) } else { interval };
        let missed = interval * u32::from(parameters.down_timer_adverts);
        missed + scale * (256 - u32::from(parameters.priority.get())) / 256
    }
}

/// One seed's network and its history.
struct Run {
    seed: u64,
    mutation: Option<Mutation>,
    rng: Rng,
    now: Instant,
    routers: Vec<Router>,
    /// Adverts on their way, by arrival and order of sending.
    wire: BTreeMap<(Instant, u64), (usize, Advert)>,
    same_interval: bool,
    sent: u64,
    longest_delay: Duration,
    /// Out of 1000.
    loss: u64,
    duplication: u64,
    /// Bit `i` says on which side router `i` is.
    partition: u64,
    /// Since when exactly one router has to be Active.
    settled: Option<Instant>,
    faults: Vec<Fault>,
    trace: Vec<String>,
    violation: Option<String>,
}

impl Run {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = Rng(seed);
        let version = rng.pick(&[Version::V2, Version::V3, Version::V3]);
        let base = match version {
            Version::V2 => rng.pick(&[100, 200, 300]),
            Version::V3 => rng.pick(&[10, 20, 50, 100]),
        };
        let same_interval = version == Version::V2 || rng.one_in(2);
        let same_priority = rng.one_in(3);
        let everybody_preempts = rng.one_in(2);
        let routers = (0..2 + rng.below(4))
            .map(|n| {
                let centiseconds = if same_interval { base } else { base * rng.pick(&[1, 2, 8]) };
                let priority =
                    if same_priority { 100 } else { rng.pick(&[1, 50, 99, 100, 200, 254, 255]) };
                let preempt = everybody_preempts || rng.one_in(2);
                let preempt_delay = if rng.one_in(4) { base * 20 } else { 0 };
                let parameters = Parameters {
                    version,
                    priority: Priority::new(priority),
                    interval: AdverInterval::from_centiseconds(centiseconds).expect("an interval"),
                    preempt,
                    preempt_delay: Duration::from_millis(u64::from(preempt_delay) * 10),
                    down_timer_adverts: rng.pick(&[2, 3, 3, 3, 5]),
                    source: IpAddr::V4(Ipv4Addr::from(
                        0x0a00_0064 + u32::try_from(n).expect("below 5"),
                    )),
                    // Without answers a slow Active needs its own interval to convince a fast
                    // Backup, and RFC 5798 promises nothing.
                    lower_prio_no_advert: same_interval && rng.one_in(4),
                    higher_prio_send_advert: rng.one_in(4),
                };
                Router::new(parameters, rng.one_in(2))
            })
            .collect();
        let longest_delay = Duration::from_millis(u64::from(base) * 10) / rng.pick(&[4, 20, 500]);
        Self {
            seed,
            mutation,
            now: Instant::from_nanos(1_000_000_000 + rng.below(1_000_000)),
            routers,
            wire: BTreeMap::new(),
            same_interval,
            sent: 0,
            longest_delay,
            loss: 0,
            duplication: rng.pick(&[0, 0, 50, 500]),
            partition: 0,
            settled: None,
            faults: Vec::new(),
            trace: Vec::new(),
            violation: None,
            rng,
        }
    }

    /// Faults and calm in turn, until enough of both has passed.
    fn execute(mut self) -> Self {
        for router in &self.routers {
            self.trace.push(format!(
                "{:?} absorbs: {}",
                router.election.parameters(),
                router.absorbs
            ));
        }
        let start = self.now;
        for index in 0..self.routers.len() {
            self.start(index);
        }
        self.calm();
        let slowest = self.largest_down_interval();
        while self.violation.is_none()
            && (self.now.since(start) < slowest * MIN_DOWN_INTERVALS
                || self.faults.len() < MIN_FAULTS)
        {
            for _ in 0..=self.rng.below(3) {
                self.inject();
                let span = self.rng.span(slowest * 2);
                self.run_for(span);
            }
            self.heal();
            self.calm();
        }
        self
    }

    /// The time in which order must return, and then some in which it must last.
    fn calm(&mut self) {
        let down = self.largest_down_interval();
        let mut bound = down + (self.longest_delay + WAKE_LATENCY) * 2;
        if !self.same_interval {
            // A slow router's first advert may cross the last one of a fast router. Who hears them
            // in that order counts by the fast interval once more, and needs an answer.
            bound += down;
        }
        let preempt_delay =
            self.up().map(|router| router.election.parameters().preempt_delay).max();
        if let Some(delay) = preempt_delay.filter(|delay| !delay.is_zero()) {
            // It starts with the first advert of the router that order has returned to.
            bound += down * 2 + delay;
        }
        self.run_for(bound);
        self.settled = Some(self.now);
        self.check();
        let lasting = down + self.rng.span(down * 4);
        self.run_for(lasting);
        self.settled = None;
    }

    fn largest_down_interval(&self) -> Duration {
        let own = self.up().map(|router| router.election.interval().duration());
        let learned = self.up().map(|router| router.election.active_adver_interval());
        let interval = own.chain(learned).max().unwrap_or_default();
        self.up().map(|router| router.down_interval(interval)).max().unwrap_or_default()
    }

    fn up(&self) -> impl Iterator<Item = &Router> {
        self.routers.iter().filter(|router| router.up)
    }

    fn inject(&mut self) {
        use Fault::*;
        let fault = self.rng.pick(&[Loss, Partition, Pause, Kill, Stop, Start, Reprioritise]);
        let index = self.rng.index(self.routers.len());
        let (up, others) = (self.routers[index].runs(), self.up().count() > 1);
        match fault {
            Loss => self.loss = self.rng.pick(&[100, 300, 700, 1000]),
            Partition => self.partition = self.rng.below(1 << self.routers.len()),
            Pause if up => self.routers[index].paused = true,
            Kill if up && others => self.routers[index].up = false,
            Stop if up && others => {
                self.tell(index, Event::Shutdown, self.now);
                self.routers[index].up = false;
            }
            Start if !self.routers[index].up => self.start(index),
            Reprioritise if up && !self.routers[index].election.effective_priority().is_owner() => {
                let priority = Priority::new(self.rng.pick(&[1, 50, 100, 150, 254]));
                self.tell(index, Event::Priority(priority), self.now);
            }
            _ => return,
        }
        self.faults.push(fault);
        self.note(&format!(
            "FAULT {fault:?} router {index} loss {} cut {:b}",
            self.loss, self.partition
        ));
    }

    fn heal(&mut self) {
        self.loss = 0;
        self.partition = 0;
        for index in 0..self.routers.len() {
            let restart = !self.routers[index].up && self.rng.one_in(2);
            if restart {
                self.start(index);
            }
            if std::mem::take(&mut self.routers[index].paused) {
                for (stamp, advert) in std::mem::take(&mut self.routers[index].inbox) {
                    self.hear(index, advert, stamp);
                }
            }
        }
        self.note("healed");
    }

    fn start(&mut self, index: usize) {
        let old = &self.routers[index];
        self.routers[index] = Router::new(*old.election.parameters(), old.absorbs);
        self.routers[index].up = true;
        self.tell(index, Event::Startup, self.now);
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.violation.is_none() {
            let arrival = self.wire.first_key_value().map(|(&(time, _), _)| time);
            let wake = self.next_wake();
            let wake_time = wake.map(|(time, _)| time);
            let Some(next) = arrival.into_iter().chain(wake_time).min().filter(|&next| next <= end)
            else {
                break;
            };
            // A paused router wakes up to deadlines that are long past.
            self.now = self.now.max(next);
            if arrival == Some(next) {
                if let Some((_, (index, advert))) = self.wire.pop_first() {
                    self.arrive(index, advert);
                }
            } else if let Some((_, index)) = wake {
                self.wake(index);
            }
            self.check();
        }
        self.now = end;
    }

    fn next_wake(&self) -> Option<(Instant, usize)> {
        let deadline = |(index, router): (usize, &Router)| {
            let deadline = router.election.next_deadline().filter(|_| router.runs())?;
            Some((deadline + WAKE_LATENCY, index))
        };
        self.routers.iter().enumerate().filter_map(deadline).min()
    }

    fn arrive(&mut self, index: usize, advert: Advert) {
        let router = &mut self.routers[index];
        if !router.up {
            return;
        }
        if router.absorbs && router.election.accepted() == Some(advert) {
            router.last_seen = Some(self.now);
        } else if router.absorbs && router.election.discarded() == Some(advert) {
            // Counted only.
        } else if router.paused {
            router.inbox.push((self.now, advert));
        } else {
            self.hear(index, advert, self.now);
        }
    }

    /// What the pulse does at a deadline: first the kernel's stamp, then the timer.
    fn wake(&mut self, index: usize) {
        self.report_repetition(index);
        self.tell(index, Event::Timer, self.now);
        if self.routers[index].election.next_deadline().is_some_and(|next| next <= self.now) {
            self.violation = Some(format!("router {index} waits for the past"));
        }
    }

    fn report_repetition(&mut self, index: usize) {
        let last_seen = self.routers[index].last_seen.take();
        if let Some(stamp) =
            last_seen.filter(|_| self.mutation != Some(Mutation::IgnoresRepetitions))
        {
            self.tell(index, Event::Repeat, stamp);
        }
    }

    /// Delivers an advert, or what the mutation makes of it.
    fn hear(&mut self, index: usize, mut advert: Advert, stamp: Instant) {
        let election = &self.routers[index].election;
        let own = election.parameters();
        match self.mutation {
            Some(Mutation::DeafWhileActive) if election.state() == State::Active => return,
            Some(Mutation::LearnsNoInterval) => advert.interval = own.interval,
            Some(Mutation::NeverPreempts) if election.state() == State::Backup => {
                advert.priority = advert.priority.max(own.priority);
            }
            Some(Mutation::TieBreakInverted) if index % 2 == 1 => {
                advert.source = mirrored(advert.source, own.source);
            }
            _ => {}
        }
        self.report_repetition(index);
        self.tell(index, Event::Advert(advert), stamp);
    }

    /// One call of the election, and what it asks for.
    fn tell(&mut self, index: usize, event: Event, stamp: Instant) {
        let mut actions = Actions::new();
        self.routers[index].election.handle(event, stamp, &mut actions);
        self.note(&format!("router {index} {event:?} -> {actions:?}"));
        for action in actions {
            let router = &mut self.routers[index];
            let in_turn = match action {
                Action::Open => !std::mem::replace(&mut router.open, true),
                Action::Close => std::mem::replace(&mut router.open, false),
                Action::AddAddresses => {
                    router.open && !std::mem::replace(&mut router.has_addresses, true)
                }
                Action::RemoveAddresses => {
                    !router.open && std::mem::replace(&mut router.has_addresses, false)
                }
                Action::Advertise { priority } => {
                    self.send(index, priority);
                    true
                }
                Action::Announce(_) => router.open,
                Action::Transition { from, to, .. } => from != to,
            };
            if !in_turn {
                self.violation = Some(format!("router {index}: {action:?} out of turn"));
            }
        }
        let router = &self.routers[index];
        if router.open != router.is_active() || router.has_addresses != router.is_active() {
            self.violation =
                Some(format!("router {index}: serves and is {:?}", router.election.state()));
        }
    }

    fn send(&mut self, from: usize, priority: Priority) {
        let parameters = self.routers[from].election.parameters();
        let advert = Advert { source: parameters.source, priority, interval: parameters.interval };
        for to in (0..self.routers.len()).filter(|&to| to != from) {
            let cut = (self.partition >> from ^ self.partition >> to) & 1 == 1;
            if cut || self.rng.below(1000) < self.loss {
                continue;
            }
            let copies = if self.rng.below(1000) < self.duplication { 2 } else { 1 };
            for _ in 0..copies {
                let arrival = self.now + self.rng.span(self.longest_delay);
                self.sent += 1;
                self.wire.insert((arrival, self.sent), (to, advert));
            }
        }
    }

    /// The invariants that hold once order has returned.
    fn check(&mut self) {
        if self.settled.is_none() || self.violation.is_some() {
            return;
        }
        let active: Vec<_> = self.up().filter(|router| router.is_active()).collect();
        let [one] = active.as_slice() else {
            self.violation = Some(format!("{} routers are Active", active.len()));
            return;
        };
        let best = self.up().map(|router| router.election.effective_priority()).max();
        let all_preempt = self.up().all(|router| router.election.parameters().preempt);
        if all_preempt && best != Some(one.election.effective_priority()) {
            self.violation = Some(format!("{best:?} did not preempt"));
        }
    }

    fn note(&mut self, line: &str) {
        self.trace
            .push(format!("{:>12.6} {line}", self.now.since(Instant::default()).as_secs_f64()));
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settled = self.settled.map(|settled| settled.since(Instant::default()));
        writeln!(f, "seed {}: {:?}, settled at {settled:?}", self.seed, self.violation)?;
        let (head, tail) = self.trace.split_at(self.routers.len());
        for line in head.iter().chain(&tail[tail.len().saturating_sub(60)..]) {
            writeln!(f, "{line}")?;
        }
        write!(
            f,
            "replay: XVRRP_SEED={} cargo test --test election_simulation one_active",
            self.seed
        )
    }
}

/// `address` on the other side of `own`: what was higher is lower.
fn mirrored(address: IpAddr, own: IpAddr) -> IpAddr {
    let (IpAddr::V4(address), IpAddr::V4(own)) = (address, own) else {
        return address;
    };
    IpAddr::V4(Ipv4Addr::from(2 * u32::from(own) - u32::from(address)))
}

fn number_from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}={value}: {error}")))
}
