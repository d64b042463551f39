//! The timers of one election and the limit on answers. Only deadlines are kept: a timer that was
//! stopped or set anew cannot expire by mistake.

use std::time::Duration;

use super::time::Instant;

/// What the election waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// When the next regular advert is due (RFC 9568 6.2). Runs in Active only.
    Adver,
    /// When the Active router counts as dead (RFC 9568 6.2). Runs in Backup only.
    ActiveDown,
    /// When adverts of a lower priority are no longer put up with (keepalived `preempt_delay`).
    /// Runs in Backup only.
    PreemptDelay,
}

/// The deadline of each [`Timer`], `None` while it does not run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers([Option<Instant>; 3]);

impl Timers {
    /// None of them runs.
    pub(super) const fn new() -> Self {
        Self([None; 3])
    }

    /// Starts `timer` or moves it to another deadline.
    pub(super) fn set(&mut self, timer: Timer, deadline: Instant) {
        self.0[timer as usize] = Some(deadline);
    }

    /// Lets `timer` expire at `deadline` if it runs and would expire later.
    pub(super) fn bring_forward(&mut self, timer: Timer, deadline: Instant) {
        if let Some(set) = &mut self.0[timer as usize] {
            *set = deadline.min(*set);
        }
    }

    /// Stops `timer`.
    pub(super) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// The deadline of `timer` if it is due at `now`.
    pub(super) fn expired(&self, timer: Timer, now: Instant) -> Option<Instant> {
        self.0[timer as usize].filter(|&deadline| deadline <= now)
    }

    /// True while `timer` runs, due or not.
    pub(super) fn runs(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
}

/// How often an Active router does something about what it hears: a few times at once, since several
/// may have to be convinced, and under a flood no more than once in a period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    at_once: u8,
    /// Each time takes a period from here on, and at most so many periods ahead of now.
    taken_until: Instant,
}

impl Limit {
    pub(super) const fn new(at_once: u8) -> Self {
        Self { at_once, taken_until: Instant::from_nanos(0) }
    }

    /// Takes one period at `now`; false when too many are taken.
    pub(super) fn allows(&mut self, now: Instant, period: Duration) -> bool {
        let taken_until = self.taken_until.max(now) + period;
        let allowed = taken_until <= now + period * u32::from(self.at_once);
        if allowed {
            self.taken_until = taken_until;
        }
        allowed
    }
}
