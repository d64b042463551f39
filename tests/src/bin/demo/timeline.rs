//! Failovers as numbers: each event of each run, relative to the last advert and to the cut.

use std::time::{Duration, SystemTime};

use rig::{Failover, Times, ms_between};

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
        Times::new(self.events[1].from_last_advert.iter().map(|cut| self.limit_ms - cut))
    }

    /// The latest time that must be shown, ms after the last advert.
    pub(crate) fn end_ms(&self) -> f64 {
        let times = self.events.iter().map(|event| event.from_last_advert.max());
        times.fold(self.limit_ms, f64::max)
    }
}
