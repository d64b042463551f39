//! What must hold. After every step, whatever the network does: what one router may do
//! ([`Serving`]) and when it must do it ([`Witness`]). Once order has to be back: what the routers
//! are together ([`Promise`]).

use std::{fmt, time::Duration};

use vrrp_common::{Priority, Version};
use xvrrp::election::{Action, Advert, Event, Instant, Parameters, State};

use crate::{
    mutation::Subject,
    router::{Router, WAKE_LATENCY, down_interval, skew_time},
};

/// What an election did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    OutOfTurn(Action),
    ServesAs(State),
    SendsAs(State),
    WaitsForThePast,
    TakesOverEarly(Duration),
    TakesOverLate(Duration),
    IsSilent(Duration),
    Actives(usize),
    WorseIsActive { best: Priority, active: Priority },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfTurn(action) => write!(f, "{action:?} out of turn"),
            Self::ServesAs(state) => write!(f, "answers or addresses do not fit {state:?}"),
            Self::SendsAs(state) => write!(f, "sends an advert as {state:?}"),
            Self::WaitsForThePast => write!(f, "waits for a deadline that has passed"),
            Self::TakesOverEarly(by) => write!(f, "took over {by:?} early"),
            Self::TakesOverLate(by) => write!(f, "should have taken over {by:?} ago"),
            Self::IsSilent(by) => write!(f, "is Active and {by:?} late with an advert"),
            Self::Actives(count) => write!(f, "{count} routers are Active"),
            Self::WorseIsActive { best, active } => {
                write!(f, "{active:?} is Active, {best:?} did not preempt")
            }
        }
    }
}

/// Answers and addresses of one router, which are switched in turn.
#[derive(Default)]
pub(crate) struct Serving {
    open: bool,
    has_addresses: bool,
}

impl Serving {
    /// Carries out `action`, which belongs to a step from one state to another. R-6.2-02, R-6.4.2-17:
    /// only an Active sends.
    pub(crate) fn follow(
        &mut self,
        action: Action,
        before: State,
        after: State,
    ) -> Result<(), Violation> {
        let in_turn = match action {
            Action::Open => !std::mem::replace(&mut self.open, true),
            Action::Close => std::mem::replace(&mut self.open, false),
            Action::AddAddresses => self.open && !std::mem::replace(&mut self.has_addresses, true),
            Action::RemoveAddresses => {
                !self.open && std::mem::replace(&mut self.has_addresses, false)
            }
            Action::Advertise { .. } if before != State::Active && after != State::Active => {
                return Err(Violation::SendsAs(after));
            }
            Action::Advertise { .. } => true,
            Action::Announce(_) => self.open,
            Action::Ask => before == State::Backup,
            Action::Transition { from, to, .. } => from == before && to == after && from != to,
        };
        if in_turn { Ok(()) } else { Err(Violation::OutOfTurn(action)) }
    }

    /// R-6.4.2-01, R-6.4.3-01, R-6.4.3-18: serves exactly while Active.
    pub(crate) fn matches(&self, state: State) -> Result<(), Violation> {
        let active = state == State::Active;
        let fits = self.open == active && self.has_addresses == active;
        if fits { Ok(()) } else { Err(Violation::ServesAs(state)) }
    }
}

/// A bystander who hears what reaches one router, and knows from RFC 9568 6.1 and 6.4.2 when it has
/// to take over. Where only the state of `preempt_delay` could tell, or after a halt, it says
/// nothing until the next advert that everybody accepts. Times are those of the router's host.
#[derive(Default)]
pub(crate) struct Witness {
    /// When Active_Down_Timer fires. Backup only.
    due: Option<Instant>,
    /// Active_Adver_Interval.
    learned: Option<Duration>,
    /// When this router last sent, or was last excused.
    last_sent: Instant,
}

impl Witness {
    /// An advert reaches the router. What an Active makes of it shows in [`Self::see`].
    pub(crate) fn hear(&mut self, subject: &Subject, advert: Advert, at: Instant) {
        let own = subject.parameters();
        let may_preempt = own.preempt || own.priority.is_owner();
        if subject.state() != State::Backup || advert.source == own.source {
            return;
        }
        if advert.priority.is_resign() {
            // R-6.4.2-10, -15, -18.
            self.due = self.learned.map(|interval| at + skew_time(own, interval));
        } else if advert.priority >= own.priority || !may_preempt {
            // R-6.4.2-11, -12, -13.
            self.accept(own, advert, at);
        } else if !own.preempt_delay.is_zero() && !own.priority.is_owner() {
            self.lose_track(self.last_sent);
        }
        // R-6.4.2-14: anything else is discarded, and the timer runs on.
    }

    /// The router sends.
    pub(crate) fn hear_own(&mut self, at: Instant) {
        self.last_sent = at;
    }

    /// The router took `event` and was in state `before`. R-6.1-06: it never takes over early.
    pub(crate) fn see(
        &mut self,
        subject: &Subject,
        before: State,
        event: Event,
        at: Instant,
    ) -> Result<(), Violation> {
        let own = subject.parameters();
        match (before, subject.state(), event) {
            (State::Initialize, State::Backup, _) => {
                // R-6.1-04, R-6.4.1-05.
                let interval = own.interval.duration();
                self.learned = Some(interval);
                self.due = Some(at + down_interval(own, interval));
            }
            // R-6.4.3-12.
            (State::Active, State::Backup, Event::Advert(advert)) => self.accept(own, advert, at),
            (State::Backup, State::Active, _) => {
                let early = self.due.take().map(|due| due.since(at)).unwrap_or_default();
                if !early.is_zero() {
                    return Err(Violation::TakesOverEarly(early));
                }
            }
            (_, State::Initialize, _) => self.due = None,
            _ => {}
        }
        Ok(())
    }

    /// R-6.1-06, R-6.4.2-10: a Backup that runs never takes over late. R-6.4.3-10: an Active that
    /// runs is never silent for longer than its interval.
    pub(crate) fn check(&self, subject: &Subject, now: Instant) -> Result<(), Violation> {
        if subject.state() == State::Active {
            let interval = subject.parameters().interval.duration();
            let late = now.since(self.last_sent + interval + WAKE_LATENCY);
            return if late.is_zero() { Ok(()) } else { Err(Violation::IsSilent(late)) };
        }
        let late = self.due.map(|due| now.since(due + WAKE_LATENCY)).unwrap_or_default();
        if late.is_zero() { Ok(()) } else { Err(Violation::TakesOverLate(late)) }
    }

    /// Nothing is known and nothing missed until `now`.
    pub(crate) fn lose_track(&mut self, now: Instant) {
        *self = Self { due: None, learned: None, last_sent: now };
    }

    fn accept(&mut self, own: &Parameters, advert: Advert, at: Instant) {
        let interval = match own.version {
            // V-6.1-02: nothing is learned.
            Version::V2 => own.interval.duration(),
            Version::V3 => advert.interval.duration(),
        };
        self.learned = Some(interval);
        self.due = Some(at + down_interval(own, interval));
    }
}

/// What all routers together have to be at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// There are faults, or there were not long ago.
    Nothing,
    /// A router serves, be it that another does too.
    Somebody,
    /// Exactly one serves, and where everybody preempts it is one of the best.
    One,
}

impl Promise {
    pub(crate) fn check(self, routers: &[Router]) -> Result<(), Violation> {
        if self == Self::Nothing {
            return Ok(());
        }
        let up = || routers.iter().filter(|router| router.is_up());
        let priority = |router: &Router| router.subject.parameters().priority;
        let mut actives = up().filter(|router| router.is_active());
        let Some(active) = actives.next().map(priority) else {
            return Err(Violation::Actives(0));
        };
        let others = actives.count();
        if self == Self::Somebody {
            return Ok(());
        }
        if others > 0 {
            return Err(Violation::Actives(1 + others));
        }
        let best = up().map(priority).max().unwrap_or(active);
        if active < best && up().all(|router| router.subject.parameters().preempt) {
            return Err(Violation::WorseIsActive { best, active });
        }
        Ok(())
    }
}
