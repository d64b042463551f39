//! Counts the processes of one `vrrp_track_process`.

use std::{collections::BTreeSet, time::Instant};

use super::{super::Value, table};
use crate::config::TrackProcess;

/// Those that are running, and what was told of them.
pub(super) struct Tally {
    wanted: TrackProcess,
    running: BTreeSet<u32>,
    /// What was told last; `None` before the first time.
    told: Option<Value>,
    /// When what was told changes, unless the number of processes changes back before.
    due: Option<Instant>,
}

impl Tally {
    pub(super) fn new(wanted: TrackProcess) -> Self {
        Self { wanted, running: BTreeSet::new(), told: None, due: None }
    }

    /// Goes on as `wanted` from now on, with what was told; what was about to change after a delay is,
    /// unless something else counts now or for another time. Nobody is counted yet.
    pub(super) fn goes_on_as(self, wanted: TrackProcess) -> Self {
        let is_same = TrackProcess { weight: wanted.weight, ..self.wanted } == wanted;
        let due = self.due.filter(|_| is_same);
        Self { wanted, running: BTreeSet::new(), told: self.told, due }
    }

    pub(super) fn name(&self) -> &str {
        &self.wanted.name
    }

    /// What was told last.
    pub(super) const fn told(&self) -> Option<&Value> {
        self.told.as_ref()
    }

    /// Whether a process is one of those that count.
    pub(super) fn wants(&self, process: &table::Process) -> bool {
        process.matches(&self.wanted)
    }

    /// All that are running.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.running.iter().copied()
    }

    pub(super) fn replace(&mut self, running: BTreeSet<u32>) {
        self.running = running;
    }

    pub(super) fn add(&mut self, pid: u32) {
        self.running.insert(pid);
    }

    pub(super) fn remove(&mut self, pid: u32) {
        self.running.remove(&pid);
    }

    /// A new process is at first what its parent is.
    pub(super) fn inherit(&mut self, parent: u32, child: u32) {
        if self.running.contains(&parent) {
            self.running.insert(child);
        }
    }

    /// When [`Self::settle`] is to be called, even if no process comes or goes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be told now; `None` for no news. The first time there is no delay.
    pub(super) fn settle(&mut self, now: Instant) -> Option<Value> {
        let is_up = self.is_up();
        if self.told.as_ref().is_some_and(|told| (*told == Value::Up) == is_up) {
            self.due = None;
            return None;
        }
        if self.told.is_some() {
            let delay = if is_up { self.wanted.fork_delay } else { self.wanted.terminate_delay };
            if *self.due.get_or_insert(now + delay) > now {
                return None;
            }
        }
        self.due = None;
        self.told = Some(if is_up { Value::Up } else { Value::Down(self.complaint()) });
        self.told.clone()
    }

    /// `quorum_max 0` wants none at all.
    fn is_up(&self) -> bool {
        let (count, quorum) = (self.running.len(), usize::from(self.wanted.quorum));
        match self.wanted.quorum_max.map(usize::from) {
            None => count >= quorum,
            Some(0) => count == 0,
            Some(most) => (quorum..=most).contains(&count),
        }
    }

    fn complaint(&self) -> String {
        let count = self.running.len();
        match self.wanted.quorum_max {
            Some(most) if count > usize::from(most) => format!("{count} running, {most} at most"),
            _ => format!("{count} running, {} needed", self.wanted.quorum),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Parameters, Weight};

    fn tally(quorum: u16, quorum_max: Option<u16>, fork: u64, terminate: u64) -> Tally {
        Tally::new(TrackProcess {
            name: "p".to_owned(),
            span: crate::config::Place::default(),
            process: "haproxy".to_owned(),
            parameters: Parameters::Any,
            full_command: false,
            weight: Weight::default(),
            quorum,
            quorum_max,
            fork_delay: Duration::from_secs(fork),
            terminate_delay: Duration::from_secs(terminate),
        })
    }

    fn told(tally: &mut Tally, running: u32, now: Instant) -> Option<String> {
        tally.replace((1..=running).collect());
        tally.settle(now).map(|value| match value {
            Value::Down(why) => why,
            other => format!("{other:?}"),
        })
    }

    /// keywords `quorum`, `quorum_max`: how many have to run, and how many may.
    #[test]
    fn quorums() {
        let now = Instant::now();
        for (quorum, most, running, expected) in [
            (1, None, 0, "0 running, 1 needed"),
            (1, None, 1, "Up"),
            (2, None, 1, "1 running, 2 needed"),
            (2, None, 70_000, "Up"),
            (1, Some(2), 2, "Up"),
            (1, Some(2), 3, "3 running, 2 at most"),
            (1, Some(2), 0, "0 running, 1 needed"),
            (1, Some(0), 0, "Up"),
            (1, Some(0), 1, "1 running, 0 at most"),
        ] {
            let said = told(&mut tally(quorum, most, 0, 0), running, now);
            assert_eq!(said.as_deref(), Some(expected), "{quorum} {most:?} {running}");
        }
    }

    /// Only changes are told.
    #[test]
    fn news() {
        let (mut tally, now) = (tally(1, None, 0, 0), Instant::now());
        assert_eq!(told(&mut tally, 1, now).as_deref(), Some("Up"));
        assert_eq!(told(&mut tally, 2, now), None);
        assert_eq!(told(&mut tally, 0, now).as_deref(), Some("0 running, 1 needed"));
        assert_eq!(told(&mut tally, 0, now), None);
    }

    /// keywords `fork_delay`, `terminate_delay`: a change counts when it has lasted so long, but for
    /// the first look.
    #[test]
    fn delays() {
        let (mut tally, start) = (tally(1, None, 2, 3), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(told(&mut tally, 1, start).as_deref(), Some("Up"));
        assert_eq!(told(&mut tally, 0, after(1)), None);
        assert_eq!(tally.deadline(), Some(after(4)));
        assert_eq!(told(&mut tally, 1, after(3)), None);
        assert_eq!(tally.deadline(), None, "it is back in time");
        assert_eq!(told(&mut tally, 0, after(5)), None);
        assert!(told(&mut tally, 0, after(8)).is_some());
        assert_eq!(told(&mut tally, 1, after(9)), None);
        assert_eq!(tally.deadline(), Some(after(11)));
        assert_eq!(told(&mut tally, 2, after(11)).as_deref(), Some("Up"));
    }

    /// Issue 6: over a reload what was told stays, and a delay goes on, whatever the weight is; another delay
    /// counts from now on.
    #[test]
    fn goes_on() {
        let (mut first, start) = (tally(1, None, 2, 3), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(told(&mut first, 1, start).as_deref(), Some("Up"));
        assert_eq!(told(&mut first, 0, after(1)), None);
        let mut wanted = first.wanted.clone();
        wanted.weight = Weight::new(7, false).unwrap();
        let mut next = first.goes_on_as(wanted);
        assert_eq!(next.told(), Some(&Value::Up));
        assert_eq!(told(&mut next, 0, after(2)), None);
        assert_eq!(next.deadline(), Some(after(4)));
        let terminate_delay = Duration::from_secs(9);
        let wanted = TrackProcess { terminate_delay, ..next.wanted.clone() };
        let mut last = next.goes_on_as(wanted);
        assert_eq!(told(&mut last, 0, after(3)), None);
        assert_eq!(last.deadline(), Some(after(12)));
    }

    /// keyword `process`: a process that forks is two.
    #[test]
    fn children() {
        let mut tally = tally(2, None, 0, 0);
        tally.add(7);
        tally.inherit(7, 8);
        tally.inherit(9, 10);
        assert_eq!(tally.pids().collect::<Vec<_>>(), [7, 8]);
        tally.remove(7);
        assert_eq!(tally.pids().collect::<Vec<_>>(), [8]);
    }
}
