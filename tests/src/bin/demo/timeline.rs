//! Failovers as numbers: each event of each run, relative to the last advert and to the cut.

use std::time::{Duration, SystemTime};

use rig::{Failover, ms_between};

/// What a machine may add to the limit: it is no real-time system.
pub(crate) const TOLERANCE_MS: f64 = 20.0;

/// One or more failovers under the same limit.
pub(crate) struct Timeline {
    /// After the last advert, ms: when the backup must act.
    pub(crate) limit_ms: f64,
    /// In the order in which they are expected.
    pub(crate) events: Vec<Event>,
    /// Number of runs.
    pub(crate) runs: usize,
}

/// An event with its time in each run.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) from_last_advert: Times,
    pub(crate) from_cut: Times,
}

/// Milliseconds, one value per run, sorted.
pub(crate) struct Times(Vec<f64>);

impl Timeline {
    /// `limit` is counted from the last advert.
    pub(crate) fn new(limit: Duration, trials: &[Failover]) -> Self {
        type Moment = fn(&Failover) -> SystemTime;
        let moments: [(&str, Moment); 6] = [
            ("last advert", |trial| trial.last_advert),
            ("master cut off", |trial| trial.cut),
            ("takeover advert", |trial| trial.takeover),
            ("gratuitous ARP", |trial| trial.announced),
            ("ARP answer", |trial| trial.arp_answer),
            ("ping answer", |trial| trial.ping_answer),
        ];
        let events = moments.map(|(name, moment)| {
            let since = |start: Moment| {
                Times::new(trials.iter().map(|trial| ms_between(start(trial), moment(trial))))
            };
            Event {
                name,
                from_last_advert: since(|trial| trial.last_advert),
                from_cut: since(|trial| trial.cut),
            }
        });
        let limit_ms = limit.as_secs_f64() * 1e3;
        Self { limit_ms, events: events.into(), runs: trials.len() }
    }

    /// The events that the limit is for.
    pub(crate) fn takeovers(&self) -> &[Event] {
        &self.events[2..]
    }

    /// The limit counted from the cut; it differs between runs because the cut does.
    pub(crate) fn limit_from_cut(&self) -> Times {
        Times::new(self.events[1].from_last_advert.0.iter().map(|cut| self.limit_ms - cut))
    }

    /// The latest time that must be shown, ms after the last advert.
    pub(crate) fn end_ms(&self) -> f64 {
        let times = self.events.iter().map(|event| event.from_last_advert.max());
        times.fold(self.limit_ms, f64::max)
    }
}

impl Times {
    fn new(times: impl Iterator<Item = f64>) -> Self {
        let mut times: Vec<_> = times.collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The middle value, of an even number the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let (lower, upper) = (self.0.len().saturating_sub(1) / 2, self.0.len() / 2);
        let at = |index: usize| self.0.get(index).copied().unwrap_or(f64::NAN);
        f64::midpoint(at(lower), at(upper))
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// How many are at most `limit`.
    pub(crate) fn within(&self, limit: f64) -> usize {
        self.iter().filter(|time| *time <= limit).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(values: &[f64]) -> Times {
        Times::new(values.iter().copied())
    }

    /// Issue 2: minimum, median and maximum of the runs.
    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(times(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(times(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        let one = times(&[7.0]);
        assert_eq!((one.min(), one.median(), one.max()), (7.0, 7.0, 7.0));
    }

    /// Issue 2: a run exactly at the limit is within it.
    #[test]
    fn the_limit_is_included() {
        assert_eq!(times(&[1.0, 2.0, 2.5]).within(2.0), 2);
    }
}
