//! One host: its clock, its kernel program, its election, and what the caller of it keeps.

use std::time::Duration;

use vrrp_common::{Priority, Version};
use xvrrp::election::{Action, Actions, Advert, Event, Instant, Parameters, State};

use crate::{
    invariants::{Serving, Violation, Witness},
    mutation::{Mutation, Subject, earlier},
};

/// How late a router notices its deadlines.
pub(crate) const WAKE_LATENCY: Duration = Duration::from_micros(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    /// The process is stopped (SIGSTOP): its clock runs, the kernel goes on receiving.
    Hung,
    /// The machine is stopped, and its clock with it.
    Paused,
    /// Neither process nor addresses.
    Down,
}

pub(crate) struct Router {
    pub(crate) subject: Subject,
    pub(crate) condition: Condition,
    pub(crate) witness: Witness,
    /// The kernel program is loaded: it absorbs what the election allows.
    pub(crate) absorbs: bool,
    clock: Clock,
    serving: Serving,
    /// The lowest priority that a running Active_Down_Timer may come from: a change of priority
    /// leaves it as it is.
    timed_by: Priority,
    /// The last repetition that was absorbed and not reported.
    last_seen: Option<Instant>,
    /// Adverts in the socket of a hung process with the kernel's stamps, or in front of a paused
    /// machine without.
    inbox: Vec<(Option<Instant>, Advert)>,
}

/// What became of an advert that arrived.
pub(crate) enum Arrival {
    Heard,
    Absorbed,
    Waits,
}

impl Router {
    /// A host that is down, whose clock is `ahead` of the simulation's.
    pub(crate) fn new(
        parameters: Parameters,
        mutation: Option<Mutation>,
        is_odd: bool,
        absorbs: bool,
        ahead: Duration,
    ) -> Self {
        Self {
            subject: Subject::new(parameters, mutation, is_odd),
            condition: Condition::Down,
            witness: Witness::default(),
            absorbs,
            clock: Clock { ahead },
            serving: Serving::default(),
            timed_by: parameters.priority,
            last_seen: None,
            inbox: Vec::new(),
        }
    }

    /// The same host with a new process.
    pub(crate) fn boot(&mut self, mutation: Option<Mutation>, is_odd: bool) {
        let parameters = *self.subject.parameters();
        *self = Self::new(parameters, mutation, is_odd, self.absorbs, self.clock.ahead);
        self.condition = Condition::Running;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.condition != Condition::Down
    }

    pub(crate) fn runs(&self) -> bool {
        self.condition == Condition::Running
    }

    pub(crate) fn is_active(&self) -> bool {
        self.is_up() && self.subject.state() == State::Active
    }

    /// This host's time when the simulation's is `now`.
    pub(crate) fn time(&self, now: Instant) -> Instant {
        now + self.clock.ahead
    }

    /// When the process wakes to its next deadline, in the simulation's time.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let deadline = self.subject.next_deadline().filter(|_| self.runs())?;
        Some(earlier(deadline, self.clock.ahead) + WAKE_LATENCY)
    }

    /// What the kernel does with an advert; one that is `Heard` is for [`Self::hear`].
    pub(crate) fn receive(&mut self, advert: Advert, now: Instant) -> Arrival {
        let at = self.time(now);
        if self.condition == Condition::Paused {
            self.inbox.push((None, advert));
            return Arrival::Waits;
        }
        self.witness.hear(&self.subject, advert, at);
        if self.absorbs && self.subject.accepts_silently(advert) {
            self.last_seen = Some(at);
            Arrival::Absorbed
        } else if self.absorbs && self.subject.discards_silently(advert) {
            Arrival::Absorbed
        } else if self.runs() {
            Arrival::Heard
        } else {
            self.inbox.push((Some(at), advert));
            Arrival::Waits
        }
    }

    /// What the pulse does before it looks at anything else: the kernel's stamp.
    pub(crate) fn take_repetition(&mut self) -> Option<Instant> {
        self.last_seen.take()
    }

    /// Stops the process or the machine.
    pub(crate) fn halt(&mut self, condition: Condition) {
        self.condition = condition;
    }

    /// Goes on after `halted`. Returns what has to be heard now, with its stamps.
    pub(crate) fn resume(&mut self, halted: Duration, now: Instant) -> Vec<(Instant, Advert)> {
        if self.condition == Condition::Paused {
            self.clock.ahead = self.clock.ahead.saturating_sub(halted);
        }
        self.condition = Condition::Running;
        let at = self.time(now);
        self.inbox.drain(..).map(|(stamp, advert)| (stamp.unwrap_or(at), advert)).collect()
    }

    /// One call of the election. Returns what it wants done and sent, and what is wrong with it.
    pub(crate) fn tell(
        &mut self,
        event: Event,
        at: Instant,
        now: Instant,
    ) -> (Actions, Result<(), Violation>) {
        let before = self.subject.state();
        let actions = self.subject.handle(event, at);
        let after = self.subject.state();
        self.timed_by = self.timed_by.min(self.subject.parameters().priority);
        let verdict = actions
            .iter()
            .try_for_each(|action| self.serving.follow(*action, before, after))
            .and_then(|()| self.serving.matches(after))
            .and_then(|()| self.witness.see(&self.subject, before, event, at));
        if actions.iter().any(|action| matches!(action, Action::Advertise { .. })) {
            self.witness.hear_own(self.time(now));
        }
        (actions, verdict)
    }

    /// Skew_Time by RFC 9568 6.1 or RFC 3768 6.1, as if `interval` had been learned.
    pub(crate) fn skew_time(&self, interval: Duration) -> Duration {
        skew_time(self.subject.parameters(), interval)
    }

    /// Active_Down_Interval likewise, as its timer may still run from before the last change of
    /// priority.
    pub(crate) fn down_interval(&self, interval: Duration) -> Duration {
        let parameters = Parameters { priority: self.timed_by, ..*self.subject.parameters() };
        down_interval(&parameters, interval)
    }

    /// Its timer was restarted since the last change of priority.
    pub(crate) fn forget_priorities(&mut self) {
        self.timed_by = self.subject.parameters().priority;
    }

    /// The advert that it sends with `priority`.
    pub(crate) fn advert(&self, priority: Priority) -> Advert {
        let parameters = self.subject.parameters();
        Advert { source: parameters.source, priority, interval: parameters.interval }
    }
}

/// A host's CLOCK_MONOTONIC: as fast as everybody's, with an origin of its own.
struct Clock {
    ahead: Duration,
}

pub(crate) fn skew_time(parameters: &Parameters, interval: Duration) -> Duration {
    let whole = match parameters.version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    whole * (256 - u32::from(parameters.priority.get())) / 256
}

pub(crate) fn down_interval(parameters: &Parameters, interval: Duration) -> Duration {
    interval * u32::from(parameters.down_timer_adverts) + skew_time(parameters, interval)
}
