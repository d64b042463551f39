//! When to try again what the kernel has refused: an address, a route, a rule.

use std::time::{Duration, Instant};

/// After the first refusal; each pause is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(20);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(10);
/// Nor is it, once something has happened that may help.
const HURRIED: Duration = Duration::from_millis(100);

/// What was refused last, and how often in a row, of one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    refused: Instant,
    pause: Duration,
}

impl Patience {
    /// After a refusal at `now`, which follows a `former` one.
    pub(super) fn after(former: Option<Self>, now: Instant) -> Self {
        let pause = former.map_or(FIRST, |former| (former.pause * 2).min(LONGEST));
        Self { refused: now, pause }
    }

    /// When to try again if nothing happens.
    pub(super) fn next(self) -> Instant {
        self.refused + self.pause
    }

    /// When to try again if something has happened that may help: much of it leads to ten tries a
    /// second.
    pub(super) fn soonest(self) -> Instant {
        self.refused + self.pause.min(HURRIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 6: pauses grow, and have a limit; what happens meanwhile makes them shorter, not too short.
    #[test]
    fn pauses_grow() {
        let now = Instant::now();
        let mut patience = None;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let next = Patience::after(patience, now);
            pauses.push(((next.next() - now).as_millis(), (next.soonest() - now).as_millis()));
            patience = Some(next);
        }
        assert_eq!(pauses[..4], [(20, 20), (40, 40), (80, 80), (160, 100)]);
        assert_eq!(pauses[8..], [(5120, 100), (10_000, 100), (10_000, 100), (10_000, 100)]);
    }
}
