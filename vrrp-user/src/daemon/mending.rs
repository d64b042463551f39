//! Addresses that somebody else removes: how soon they are added again, and when the network and the
//! log are told.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{host::Placed, pulse::RouterId};

/// So often in a row they are added again at once, and announced. Who removes them may be a program that
/// does so whenever it sees them, as systemd-networkd does for as long as it sets up an interface.
const AT_ONCE: u32 = 10;
/// Then they are added once in this time: a removal is undone within 100 ms, also on a busy host.
const ADDING: Duration = Duration::from_millis(25);
/// Then they are announced, and named in the log, once in this time: whoever knows where they are does
/// not forget it.
const TELLING: Duration = Duration::from_secs(1);
/// Addresses that the log names in one line.
const NAMED: usize = 8;

/// Which routers have had addresses added again, and how often.
#[derive(Debug, Default)]
pub(super) struct Mending {
    routers: BTreeMap<RouterId, Record>,
}

#[derive(Debug)]
struct Record {
    adding: Allowance,
    telling: Allowance,
    times: u64,
    /// Something was added that nobody was told of yet.
    untold: bool,
    /// Something is to be added that was not allowed yet.
    waiting: bool,
}

impl Mending {
    /// Which of `lacking` may have their addresses added again at `now`. That counts. The others wait.
    pub(super) fn select(&mut self, lacking: Vec<RouterId>, now: Instant) -> Vec<RouterId> {
        self.routers.values_mut().for_each(|record| record.waiting = false);
        lacking.into_iter().filter(|router| self.allows(*router, now)).collect()
    }

    fn allows(&mut self, router: RouterId, now: Instant) -> bool {
        let record = self.routers.entry(router).or_insert_with(|| Record {
            adding: Allowance::new(ADDING, now),
            telling: Allowance::new(TELLING, now),
            times: 0,
            untold: false,
            waiting: false,
        });
        let allowed = record.adding.take(now);
        record.waiting = !allowed;
        record.untold |= allowed;
        record.times += u64::from(allowed);
        allowed
    }

    /// The routers of which is to be told now that their addresses were added again. That counts.
    pub(super) fn take_told(&mut self, now: Instant) -> Vec<RouterId> {
        let untold = self.routers.iter_mut().filter(|(_, record)| record.untold);
        let told = untold.filter_map(|(router, record)| {
            record.untold = !record.telling.take(now);
            (!record.untold).then_some(*router)
        });
        told.collect()
    }

    /// When something that was not allowed yet will be.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let timeouts = self.routers.values().flat_map(|record| {
            [(record.waiting, &record.adding), (record.untold, &record.telling)]
        });
        timeouts.filter(|(is_due, _)| *is_due).map(|(_, allowance)| allowance.next()).min()
    }

    /// Nothing is to be added for `router` any more.
    pub(super) fn stop(&mut self, router: RouterId) {
        if let Some(record) = self.routers.get_mut(&router) {
            (record.untold, record.waiting) = (false, false);
        }
    }

    /// Forgets all routers but those that `stay`.
    pub(super) fn retain(&mut self, stay: impl Fn(RouterId) -> bool) {
        self.routers.retain(|router, _| stay(*router));
    }

    /// How often `router` was allowed to.
    pub(super) fn times(&self, router: RouterId) -> u64 {
        self.routers.get(&router).map_or(0, |record| record.times)
    }

    /// What the log says once [`take_told`](Self::take_told) wants it told. `missing` has what was added
    /// last; it is empty where that was some time ago.
    pub(super) fn describe(&self, router: RouterId, missing: &[Placed]) -> String {
        let name =
            |p: &Placed| format!("{}/{} on {}", p.address.address, p.address.prefix, p.interface);
        let mut text = missing.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
        if missing.len() > NAMED {
            text += &format!(" and {} more", missing.len() - NAMED);
        }
        text += match missing {
            [] => "addresses were missing and have been added again",
            [_] => " is missing: adding it again",
            _ => " are missing: adding them again",
        };
        let silence = match self.routers.get(&router) {
            Some(record) if record.telling.left == 0 => "; told once a second from now on",
            _ => "",
        };
        match self.times(router) {
            0 | 1 => text,
            times => text + &format!(" ({times} times so far{silence})"),
        }
    }
}

/// So much at once, and then one in a time.
#[derive(Debug)]
struct Allowance {
    left: u32,
    /// When `left` last grew, or was full.
    since: Instant,
    /// How long it takes to earn one more.
    pace: Duration,
}

impl Allowance {
    const fn new(pace: Duration, now: Instant) -> Self {
        Self { left: AT_ONCE, since: now, pace }
    }

    fn take(&mut self, now: Instant) -> bool {
        while self.left < AT_ONCE && now.saturating_duration_since(self.since) >= self.pace {
            self.left += 1;
            self.since += self.pace;
        }
        if self.left == AT_ONCE {
            self.since = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    /// When there is one again, after [`take`](Self::take) has found none.
    fn next(&self) -> Instant {
        self.since + self.pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Issue 6, self-healing: ten times at once, then each 25 ms, each router for itself; who is left
    /// alone for a quarter of a second has all ten again.
    #[test]
    fn ten_at_once_then_each_25_ms() {
        let start = Instant::now();
        let mut mending = Mending::default();
        let mut allowed = |router, millis| {
            let now = start + MS * millis;
            (0..100).filter(|_| mending.allows(router, now)).count()
        };
        assert_eq!(allowed(0, 0), 10);
        assert_eq!(allowed(1, 12), 10);
        assert_eq!(allowed(0, 24), 0);
        assert_eq!(allowed(0, 25), 1);
        assert_eq!(allowed(0, 87), 2);
        assert_eq!(allowed(0, 100), 1);
        assert_eq!(allowed(0, 60_000), 10);
        assert_eq!(mending.times(0), 24);
        assert_eq!(mending.next_timeout(), Some(start + MS * 37));
        assert!(mending.select(vec![1], start + MS * 15).is_empty());
        assert_eq!(mending.next_timeout(), Some(start + MS * 37));
        // It has them by now, from somebody else.
        assert!(mending.select(vec![], start + MS * 15).is_empty());
        mending.stop(0);
        mending.stop(1);
        mending.retain(|router| router == 1);
        assert_eq!((mending.next_timeout(), mending.times(0)), (None, 0));
    }

    /// Issue 6, self-healing: the network and the log are told ten times at once, then once a second;
    /// what was added untold is told then.
    #[test]
    fn told_ten_times_then_once_a_second() {
        let start = Instant::now();
        let mut mending = Mending::default();
        let mut told = 0;
        for step in 0..100 {
            let now = start + MS * 50 * step;
            assert!(mending.allows(0, now));
            told += mending.take_told(now).len();
        }
        assert_eq!(told, 10 + 4);
        assert_eq!(mending.next_timeout(), Some(start + MS * 5000));
        assert!(mending.take_told(start + MS * 4999).is_empty());
        assert_eq!(mending.take_told(start + MS * 5000), [0]);
        assert_eq!(mending.next_timeout(), None);
    }
}
