//! Time as the election sees it: a number that the caller reads from the clock.

use std::{ops::Add, time::Duration};

/// A point of CLOCK_MONOTONIC in nanoseconds, the clock of the pulse, of its timerfd and of
/// `bpf_ktime_get_ns`, so that stamps of the kernel program need no conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// From nanoseconds since the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this instant; zero when `earlier` is the later one, which
    /// happens with stamps that were taken on different CPUs.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The first instant after `now`, and after this one, that is whole intervals from this one.
    pub(super) fn next_beat(self, interval: Duration, now: Self) -> Self {
        let missed = now.since(self).as_nanos().checked_div(interval.as_nanos()).unwrap_or(0);
        let beats = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self + interval.saturating_mul(beats)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of the clock, 584 years after its origin.
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
