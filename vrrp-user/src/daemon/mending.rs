//! Addresses that somebody else removes: how soon they are added again, and what the log says of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{host::Placed, pulse::RouterId};

/// So often in a row they are added again at once. Who removes them may be a program that does so
/// whenever it sees them, as systemd-networkd does for as long as it sets up an interface.
const AT_ONCE: u32 = 10;
/// Then once in this time, which is also how long it takes to earn one more.
const PACE: Duration = Duration::from_secs(1);
/// Addresses that the log names in one line.
const NAMED: usize = 8;

/// Which routers have had addresses added again, and how often.
#[derive(Debug, Default)]
pub(super) struct Mending {
    routers: BTreeMap<RouterId, Allowance>,
}

/// What is left of [`AT_ONCE`].
#[derive(Debug)]
struct Allowance {
    left: u32,
    /// When `left` last grew, or was full.
    since: Instant,
    /// How often it was used.
    times: u64,
}

impl Mending {
    /// Whether `router` may have its addresses added again at `now`. If so, that counts.
    pub(super) fn allows(&mut self, router: RouterId, now: Instant) -> bool {
        let full = Allowance { left: AT_ONCE, since: now, times: 0 };
        self.routers.entry(router).or_insert(full).take(now)
    }

    /// Forgets all routers but those that `stay`.
    pub(super) fn retain(&mut self, stay: impl Fn(RouterId) -> bool) {
        self.routers.retain(|router, _| stay(*router));
    }

    /// How often `router` was allowed to.
    pub(super) fn times(&self, router: RouterId) -> u64 {
        self.routers.get(&router).map_or(0, |allowance| allowance.times)
    }

    /// What happened, with the addresses that are missing now, after [`allows`](Self::allows).
    pub(super) fn describe(&self, router: RouterId, missing: &[Placed]) -> String {
        let name =
            |p: &Placed| format!("{}/{} on {}", p.address.address, p.address.prefix, p.interface);
        let mut text = missing.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
        if missing.len() > NAMED {
            text += &format!(" and {} more", missing.len() - NAMED);
        }
        text += &match missing {
            [_] => " is missing: adding it again".to_owned(),
            _ => " are missing: adding them again".to_owned(),
        };
        match self.routers.get(&router) {
            Some(Allowance { left: 0, times, .. }) => {
                text + &format!(" ({times} times so far; from now on at most once a second)")
            }
            Some(Allowance { times: 2.., .. }) => {
                text + &format!(" ({} times so far)", self.times(router))
            }
            _ => text,
        }
    }
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        while self.left < AT_ONCE && now.saturating_duration_since(self.since) >= PACE {
            self.left += 1;
            self.since += PACE;
        }
        if self.left == AT_ONCE {
            self.since = now;
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.times += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 6, self-healing: ten times at once, then once a second, each router for itself; who is
    /// left alone for ten seconds has all ten again.
    #[test]
    fn ten_at_once_then_one_a_second() {
        let start = Instant::now();
        let mut mending = Mending::default();
        let mut allowed = |router, millis| {
            let now = start + Duration::from_millis(millis);
            (0..100).filter(|_| mending.allows(router, now)).count()
        };
        assert_eq!(allowed(0, 0), 10);
        assert_eq!(allowed(1, 500), 10);
        assert_eq!(allowed(0, 999), 0);
        assert_eq!(allowed(0, 1000), 1);
        assert_eq!(allowed(0, 3500), 2);
        assert_eq!(allowed(0, 4000), 1);
        assert_eq!(allowed(0, 60_000), 10);
        assert_eq!(mending.times(0), 24);
    }
}
