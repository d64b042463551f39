//! How late the pulse is, as it measures itself.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper ends of the classes; what is later is in one more. Adverts that leave early to share a
/// system call are in the first.
const CLASSES: [Duration; 10] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(100),
];

/// Counts deadlines by how much later than they were set something happened: a regular advert was
/// handed to the kernel, the Active router was found to be dead.
#[derive(Default)]
pub(super) struct Histogram {
    counts: [AtomicU64; CLASSES.len() + 1],
    /// Nanoseconds.
    most: AtomicU64,
}

/// What a histogram has counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// For each class its upper end, inclusive, and how many were in it and in none before. The last
    /// class has no end.
    pub counts: Vec<(Option<Duration>, u64)>,
    /// The latest of all.
    pub most: Duration,
}

impl Histogram {
    /// Only one thread may count.
    pub(super) fn count(&self, lateness: Duration) {
        let class = CLASSES.partition_point(|end| *end < lateness);
        let count = &self.counts[class];
        count.store(count.load(Relaxed) + 1, Relaxed);
        let nanos = u64::try_from(lateness.as_nanos()).unwrap_or(u64::MAX);
        if nanos > self.most.load(Relaxed) {
            self.most.store(nanos, Relaxed);
        }
    }

    /// Begins anew. Only the thread that counts may.
    pub(super) fn clear(&self) {
        self.counts.iter().chain([&self.most]).for_each(|count| count.store(0, Relaxed));
    }

    pub(super) fn read(&self) -> Lateness {
        let ends = CLASSES.into_iter().map(Some).chain([None]);
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        Lateness {
            counts: ends.zip(counts).collect(),
            most: Duration::from_nanos(self.most.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 4: each deadline is counted once, in the first class that holds it.
    #[test]
    fn classes() {
        let histogram = Histogram::default();
        let micros = [0, 50, 51, 1000, 100_000, 100_001];
        micros.into_iter().for_each(|micros| histogram.count(Duration::from_micros(micros)));
        let read = histogram.read();
        let in_use = read.counts.iter().filter(|(_, count)| *count > 0);
        let in_use: Vec<_> =
            in_use.map(|(end, count)| (end.map(|end| end.as_micros()), *count)).collect();
        assert_eq!(
            in_use,
            [(Some(50), 2), (Some(100), 1), (Some(1000), 1), (Some(100_000), 1), (None, 1)]
        );
        assert_eq!(read.most, Duration::from_micros(100_001));
    }
}
