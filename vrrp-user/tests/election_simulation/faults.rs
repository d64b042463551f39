//! What goes wrong between and in the hosts, and how it ends.

use vrrp_common::Priority;
use xvrrp::election::Event;

use crate::{router::Condition, simulation::Simulation};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Up to 30 % of the adverts, at times all of them.
    Loss,
    /// Delays of up to two intervals, so that adverts overtake each other.
    Congestion,
    /// Two halves that do not hear each other.
    Partition,
    /// One router is mute, or deaf, or some directions are cut.
    OneWayPartition,
    /// A process stops for a while.
    Hang,
    /// A machine stops for a while, and its clock too.
    Pause,
    /// A process ends without a word.
    Kill,
    /// A process ends with priority 0.
    Stop,
    /// A process that is down starts.
    Start,
    /// A process dies and its successor starts at once.
    Restart,
    /// The effective priority changes, as tracking changes it.
    Reprioritise,
}

impl Fault {
    pub(crate) const ALL: [Self; 11] = [
        Self::Loss,
        Self::Congestion,
        Self::Partition,
        Self::OneWayPartition,
        Self::Hang,
        Self::Pause,
        Self::Kill,
        Self::Stop,
        Self::Start,
        Self::Restart,
        Self::Reprioritise,
    ];
}

impl Simulation {
    /// Lets one thing go wrong, if it can in this situation.
    pub(crate) fn inject(&mut self) {
        let fault = self.random.pick(&Fault::ALL);
        let index = self.random.index(self.routers.len());
        let victim = &self.routers[index];
        let (runs, is_up) = (victim.runs(), victim.is_up());
        let is_last = self.up().count() == 1;
        let is_owner = victim.subject.parameters().priority.is_owner();
        let possible = match fault {
            Fault::Loss | Fault::Congestion | Fault::Partition | Fault::OneWayPartition => true,
            Fault::Kill | Fault::Stop => runs && !is_last,
            Fault::Hang | Fault::Pause | Fault::Restart => runs,
            Fault::Start => !is_up,
            Fault::Reprioritise => runs && !is_owner,
        };
        if possible {
            self.faults.push(fault);
            self.happen(fault, index);
        }
    }

    fn happen(&mut self, fault: Fault, index: usize) {
        match fault {
            Fault::Loss => {
                let some = self.random.below(301);
                self.network.loss = self.random.pick(&[some, some, some, 1000]);
                let loss = self.network.loss;
                self.note_fault(|| format!("{loss} of 1000 adverts are lost"));
            }
            Fault::Congestion => {
                self.network.delay = self.congested_delay;
                let delay = self.congested_delay;
                self.note_fault(|| format!("adverts take up to {delay:?}"));
            }
            Fault::Partition => {
                let side = self.random.below(1 << self.routers.len());
                self.cut(|from, to| (side >> from ^ side >> to) & 1 == 1);
            }
            Fault::OneWayPartition => match self.random.below(3) {
                0 => self.cut(|from, _| from == index),
                1 => self.cut(|_, to| to == index),
                _ => {
                    let some = self.random.below(u64::MAX);
                    self.cut(|from, to| some >> (from * 7 + to) & 1 == 1);
                }
            },
            Fault::Hang => self.halt(index, Condition::Hung),
            Fault::Pause => self.halt(index, Condition::Paused),
            Fault::Kill => {
                self.note_fault(|| format!("r{index} is killed"));
                self.routers[index].condition = Condition::Down;
            }
            Fault::Stop => self.stop(index),
            Fault::Start => self.start(index),
            Fault::Restart => {
                self.note_fault(|| format!("r{index} is killed"));
                self.start(index);
            }
            Fault::Reprioritise => {
                let priority = Priority::new(self.random.pick(&[1, 50, 100, 150, 254]));
                self.report_repetition(index);
                self.tell_now(index, Event::Priority(priority));
            }
        }
    }

    /// Ends all that can end. What was on its way meanwhile arrives before that is over.
    pub(crate) fn heal(&mut self) {
        self.note_fault(|| "the network is healthy".to_owned());
        self.network.heal();
        for index in 0..self.routers.len() {
            let starts = !self.routers[index].is_up() && self.random.one_in(2);
            if starts {
                self.start(index);
            }
            self.resume(index);
        }
        if let Some(last) = self.network.last_arrival() {
            self.run_until(last);
        }
    }

    /// Ends the process of `index` with a word to the others.
    pub(crate) fn stop(&mut self, index: usize) {
        self.report_repetition(index);
        self.tell_now(index, Event::Shutdown);
        self.routers[index].condition = Condition::Down;
    }

    /// Starts a process on `index`, whatever became of the one before.
    pub(crate) fn start(&mut self, index: usize) {
        let mutation = self.mutation;
        self.routers[index].boot(mutation, index % 2 == 1);
        self.tell_now(index, Event::Startup);
    }

    fn halt(&mut self, index: usize, condition: Condition) {
        self.note_fault(|| format!("r{index} is {condition:?}"));
        self.halted_at[index] = self.now;
        self.routers[index].halt(condition);
    }

    fn resume(&mut self, index: usize) {
        if !matches!(self.routers[index].condition, Condition::Hung | Condition::Paused) {
            return;
        }
        self.note_fault(|| format!("r{index} goes on"));
        let halted = self.now.since(self.halted_at[index]);
        for (at, advert) in self.routers[index].resume(halted, self.now) {
            self.report_repetition(index);
            self.tell(index, Event::Advert(advert), at);
        }
        let at = self.routers[index].time(self.now);
        self.routers[index].witness.lose_track(at);
    }

    fn cut(&mut self, is_cut: impl Fn(usize, usize) -> bool) {
        let count = self.routers.len();
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            if from != to && is_cut(from, to) {
                self.network.cut(from, to);
                self.note_fault(|| format!("r{to} does not hear r{from}"));
            }
        }
    }
}
