//! Refused adverts in the log: the first for each reason at once, those that follow as a number, so
//! that whoever floods a network with them does not fill disks as well.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// For how long the log says nothing more of a matter.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Matters that the log speaks of in this time. The counters have them all.
const MATTERS: usize = 64;

/// A slot, and why its adverts are refused, as a number.
pub(super) type Matter = (u32, usize);

#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// How many adverts the log has spoken of.
    told: BTreeMap<Matter, u64>,
    /// When the log speaks again of what it spoke of lately.
    windows: BTreeMap<Matter, Instant>,
    /// Until when it does not repeat that there is too much to speak of.
    overflow: Option<Instant>,
}

/// What the log is to say of an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// That it was refused.
    It,
    /// That there are so many matters that this one and others are only counted.
    TooMany,
    Nothing,
}

impl Refusals {
    /// `counted` is what was refused before; nobody is to hear of it.
    pub(super) fn new(counted: impl IntoIterator<Item = (Matter, u64)>) -> Self {
        let told = counted.into_iter().filter(|(_, count)| *count != 0).collect();
        Self { told, ..Self::default() }
    }

    /// An advert was refused.
    pub(super) fn handle(&mut self, matter: Matter, now: Instant) -> Say {
        if self.windows.contains_key(&matter) {
            return Say::Nothing;
        }
        if self.windows.len() < MATTERS {
            self.windows.insert(matter, now + WINDOW);
            *self.told.entry(matter).or_default() += 1;
            return Say::It;
        }
        if self.overflow.is_some_and(|until| now < until) {
            return Say::Nothing;
        }
        self.overflow = Some(now + WINDOW);
        Say::TooMany
    }

    /// The slot has another router from now on, of which nothing was refused.
    pub(super) fn forget(&mut self, slot: u32) {
        self.told.retain(|(of, _), _| *of != slot);
        self.windows.retain(|(of, _), _| *of != slot);
    }

    /// When [`Self::poll`] may have something to tell.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.windows.values().min().copied()
    }

    /// What is to be told of matters whose time is over: how many adverts were refused that nobody
    /// was told of. `count` says how many there were in all. A matter that goes on is told of again
    /// after the same time.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        count: impl Fn(Matter) -> u64,
    ) -> Vec<(Matter, u64)> {
        let over = self.windows.extract_if(.., |_, until| *until <= now);
        let over: Vec<_> = over.map(|(matter, _)| matter).collect();
        let mut news = Vec::new();
        for matter in over {
            let (all, told) = (count(matter), self.told.entry(matter).or_default());
            let more = all.saturating_sub(*told);
            *told = all;
            if more > 0 {
                self.windows.insert(matter, now + WINDOW);
                news.push((matter, more));
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-7.1-14, issue 4 "logs are rate-limited per reason with a count of what was suppressed": each
    /// refused advert is either told of or part of a number, and of nothing is told twice.
    #[test]
    fn first_and_number() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut refusals = Refusals::new([((1, 3), 100), ((1, 4), 0)]);
        assert_eq!(refusals.next_timeout(), None);
        assert_eq!(refusals.handle((1, 3), at(0)), Say::It);
        assert_eq!(refusals.handle((1, 3), at(9)), Say::Nothing);
        assert_eq!(refusals.handle((2, 3), at(9)), Say::It);
        assert_eq!(refusals.next_timeout(), Some(at(10)));
        let count = |counts: [u64; 2]| move |(slot, _): Matter| counts[slot as usize - 1];
        assert_eq!(refusals.poll(at(9), count([150, 1])), []);
        assert_eq!(refusals.poll(at(10), count([150, 1])), [((1, 3), 49)]);
        assert_eq!(refusals.poll(at(19), count([170, 1])), []);
        assert_eq!(refusals.poll(at(20), count([170, 1])), [((1, 3), 20)]);
        assert_eq!(refusals.poll(at(30), count([170, 1])), []);
        assert_eq!(refusals.next_timeout(), None);
        assert_eq!(refusals.handle((1, 3), at(31)), Say::It);
        assert_eq!(refusals.poll(at(41), count([171, 1])), []);
    }

    /// R-7.1-14: whoever finds many things to be refused for is logged of some, and that there are more.
    #[test]
    fn too_many() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let said = (0..1000).map(|slot| refusals.handle((slot, 0), start)).collect::<Vec<_>>();
        let count = |say| said.iter().filter(|said| **said == say).count();
        assert_eq!([Say::It, Say::TooMany].map(count), [MATTERS, 1]);
        assert_eq!(refusals.poll(start + WINDOW, |_| 5).len(), MATTERS);
        let later = start + WINDOW * 2;
        assert_eq!(refusals.poll(later, |_| 5), []);
        assert_eq!(refusals.handle((999, 0), later), Say::It);
    }
}
