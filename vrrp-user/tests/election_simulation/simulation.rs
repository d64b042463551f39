//! One run: faults and calm in turn under one clock, and the invariants after every step.

use std::{fmt, time::Duration};

use xvrrp::election::{Action, Event, Instant};

use crate::{
    faults::Fault,
    invariants::{Promise, Violation},
    mutation::Mutation,
    network::Network,
    random::Random,
    router::{Arrival, Router, WAKE_LATENCY},
    scenario::Scenario,
    trace::{self, Trace},
};

const MIN_DOWN_INTERVALS: u32 = 50;
const MIN_FAULTS: usize = 3;

/// One seed's routers, their network and their history.
pub(crate) struct Simulation {
    seed: u64,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) random: Random,
    pub(crate) now: Instant,
    pub(crate) routers: Vec<Router>,
    pub(crate) halted_at: Vec<Instant>,
    pub(crate) network: Network,
    same_interval: bool,
    pub(crate) congested_delay: Duration,
    promise: Promise,
    pub(crate) faults: Vec<Fault>,
    pub(crate) handovers: usize,
    pub(crate) steps: u64,
    configuration: Vec<String>,
    trace: Trace,
    /// The first one, with the router that it is about.
    violation: Option<(Option<usize>, Violation)>,
}

impl Simulation {
    /// Runs `seed` to its end or to the first violation. A trace is kept if `is_traced`.
    pub(crate) fn run(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::new(mutation, &mut random);
        let now = Instant::from_nanos(1_000_000_000);
        let configuration = (scenario.routers.iter().enumerate())
            .map(|(n, router)| trace::configuration(n, router.subject.parameters(), router.absorbs))
            .collect();
        let mut simulation = Self {
            seed,
            mutation,
            now,
            halted_at: vec![now; scenario.routers.len()],
            routers: scenario.routers,
            network: scenario.network,
            same_interval: scenario.same_interval,
            congested_delay: scenario.congested_delay,
            promise: Promise::Nothing,
            faults: Vec::new(),
            handovers: 0,
            steps: 0,
            configuration,
            trace: Trace::new(is_traced, now),
            violation: None,
            random,
        };
        simulation.execute();
        simulation
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.violation.map(|(_, violation)| violation)
    }

    pub(crate) fn trace(&self) -> &[String] {
        self.trace.lines()
    }

    fn execute(&mut self) {
        for index in 0..self.routers.len() {
            self.start(index);
        }
        let start = self.now;
        self.calm();
        let slowest = self.down_interval();
        while self.violation.is_none()
            && (self.now.since(start) < slowest * MIN_DOWN_INTERVALS
                || self.faults.len() < MIN_FAULTS)
        {
            for _ in 0..=self.random.below(3) {
                self.inject();
                let span = self.random.span(slowest * 2);
                self.run_for(span);
            }
            self.heal();
            self.calm();
            if self.random.one_in(2) {
                self.hand_over();
            }
        }
    }

    /// The time in which order must return, and then some in which it must last.
    fn calm(&mut self) {
        let down = self.down_interval();
        let mut bound = down + self.two_delays();
        if !self.same_interval {
            // A slow router's first advert may cross the last one of a fast router. Who hears them
            // in that order counts by the fast interval once more, and needs an answer.
            bound += down;
        }
        let delays = self.up().map(|router| router.subject.parameters().preempt_delay);
        if let Some(delay) = delays.max().filter(|delay| !delay.is_zero()) {
            // It starts with the first advert of the router that order has returned to.
            bound += down * 2 + delay;
        }
        self.run_for(bound);
        self.expect(Promise::One);
        self.routers.iter_mut().for_each(Router::forget_priorities);
        let lasting = down + self.random.span(down * 4);
        self.run_for(lasting);
        self.promise = Promise::Nothing;
    }

    /// The Active router resigns in a healthy network: somebody serves after the largest Skew_Time
    /// (R-6.4.2-10), and order is back as ever.
    fn hand_over(&mut self) {
        // An older advert that came after the resignation would take it back.
        while let Some(last) = self.network.last_arrival().filter(|_| self.violation.is_none()) {
            self.run_until(last);
        }
        let active = self.routers.iter().position(Router::is_active);
        let Some(active) = active.filter(|_| self.up().count() > 1 && self.violation.is_none())
        else {
            return;
        };
        self.handovers += 1;
        self.stop(active);
        let interval = self.largest_interval();
        let skew = self.up().map(|router| router.skew_time(interval)).max().unwrap_or_default();
        self.run_for(skew + self.two_delays());
        self.expect(Promise::Somebody);
        self.calm();
    }

    /// The largest Active_Down_Interval that a router may have learned.
    fn down_interval(&self) -> Duration {
        let interval = self.largest_interval();
        self.up().map(|router| router.down_interval(interval)).max().unwrap_or_default()
    }

    fn largest_interval(&self) -> Duration {
        let own = self.up().map(|router| router.subject.parameters().interval.duration());
        let learned = self.up().map(|router| router.subject.active_adver_interval());
        own.chain(learned).max().unwrap_or_default()
    }

    fn two_delays(&self) -> Duration {
        (self.network.usual_delay + WAKE_LATENCY) * 2
    }

    pub(crate) fn up(&self) -> impl Iterator<Item = &Router> {
        self.routers.iter().filter(|router| router.is_up())
    }

    fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Arrivals and deadlines up to `end`, in their order.
    pub(crate) fn run_until(&mut self, end: Instant) {
        while self.violation.is_none() {
            let arrival = self.network.next_arrival();
            let wake = self.next_wake();
            let next = arrival.into_iter().chain(wake.map(|(time, _)| time)).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                break;
            };
            // A router that hung wakes up to deadlines that are long past.
            self.now = self.now.max(next);
            self.steps += 1;
            match wake {
                Some((_, index)) if arrival != Some(next) => self.wake(index),
                _ => self.arrive(),
            }
            self.check();
        }
        self.now = end;
    }

    fn next_wake(&self) -> Option<(Instant, usize)> {
        let wakes = self.routers.iter().enumerate();
        wakes.filter_map(|(index, router)| Some((router.next_wake()?, index))).min()
    }

    fn arrive(&mut self) {
        let Some((index, advert)) = self.network.deliver() else { return };
        let router = &mut self.routers[index];
        if !router.is_up() {
            return;
        }
        match router.receive(advert, self.now) {
            Arrival::Heard => {
                let at = router.time(self.now);
                self.report_repetition(index);
                self.tell(index, Event::Advert(advert), at);
            }
            Arrival::Absorbed => self.trace.note(self.now, || {
                format!("r{index} the kernel absorbs {}", trace::content(advert))
            }),
            Arrival::Waits => self
                .trace
                .note(self.now, || format!("r{index} will hear {}", trace::content(advert))),
        }
    }

    /// What the pulse does at a deadline: first the kernel's stamp, then the timer if still due.
    fn wake(&mut self, index: usize) {
        self.report_repetition(index);
        let now = self.routers[index].time(self.now);
        let is_due = |router: &Router| {
            router.subject.next_deadline().is_some_and(|deadline| deadline <= now)
        };
        if is_due(&self.routers[index]) {
            self.tell_now(index, Event::Timer);
            if is_due(&self.routers[index]) {
                self.blame(index, Violation::WaitsForThePast);
            }
        }
    }

    pub(crate) fn report_repetition(&mut self, index: usize) {
        if let Some(stamp) = self.routers[index].take_repetition() {
            self.tell(index, Event::Repeat, stamp);
        }
    }

    pub(crate) fn tell_now(&mut self, index: usize, event: Event) {
        let at = self.routers[index].time(self.now);
        self.tell(index, event, at);
    }

    /// One call of the election with the host's time of the event, and what it asks for.
    pub(crate) fn tell(&mut self, index: usize, event: Event, at: Instant) {
        let router = &mut self.routers[index];
        let before = router.subject.state();
        let (actions, verdict) = router.tell(event, at, self.now);
        self.trace.note(self.now, || trace::step(index, before, event, &actions));
        for action in actions {
            if let Action::Advertise { priority } = action {
                let advert = self.routers[index].advert(priority);
                self.network.send(index, advert, self.now, &mut self.random);
            }
        }
        if let Err(violation) = verdict {
            self.blame(index, violation);
        }
    }

    /// From now on `promise` has to be kept.
    fn expect(&mut self, promise: Promise) {
        self.promise = promise;
        self.check();
    }

    /// The invariants that time alone can violate.
    fn check(&mut self) {
        for index in 0..self.routers.len() {
            let router = &self.routers[index];
            if router.runs() {
                let verdict = router.witness.check(&router.subject, router.time(self.now));
                if let Err(violation) = verdict {
                    self.blame(index, violation);
                }
            }
        }
        if let Err(violation) = self.promise.check(&self.routers) {
            self.violation.get_or_insert((None, violation));
        }
    }

    fn blame(&mut self, index: usize, violation: Violation) {
        self.violation.get_or_insert((Some(index), violation));
    }

    pub(crate) fn note_fault(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now, || format!("** {}", line()));
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, network, .. } = self;
        write!(f, "seed {seed}: ")?;
        match self.violation {
            Some((Some(index), violation)) => writeln!(f, "r{index} {violation}")?,
            Some((None, violation)) => writeln!(f, "{violation}")?,
            None => writeln!(f, "no violation")?,
        }
        writeln!(
            f,
            "adverts take up to {:?}, {} of 1000 come twice",
            network.usual_delay, network.duplication
        )?;
        for line in self.configuration.iter().chain(self.trace.tail()) {
            writeln!(f, "{line}")?;
        }
        write!(f, "all of it: XVRRP_SEED={seed} ")?;
        if let Some(mutation) = self.mutation {
            write!(f, "XVRRP_MUTATION={mutation:?} ")?;
        }
        write!(f, "cargo test --test election_simulation replay -- --nocapture")
    }
}
