//! A growing list that one thread writes and others wait on.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Entries in the order in which they came. Nothing is ever taken out, so everybody who waits sees
/// the whole past.
#[derive(Debug)]
pub struct Journal<T> {
    entries: Mutex<Vec<T>>,
    grown: Condvar,
}

impl<T: Clone> Journal<T> {
    /// An empty journal.
    pub const fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()), grown: Condvar::new() }
    }

    /// Appends an entry and wakes everybody who waits.
    pub fn push(&self, entry: T) {
        self.lock().push(entry);
        self.grown.notify_all();
    }

    /// All entries so far.
    pub fn snapshot(&self) -> Vec<T> {
        self.lock().clone()
    }

    /// Waits until `find` returns something; it looks at all entries, now and after each new one.
    /// `None` when that did not happen within `timeout`.
    pub fn wait<R>(&self, timeout: Duration, mut find: impl FnMut(&[T]) -> Option<R>) -> Option<R> {
        let deadline = Instant::now() + timeout;
        let mut entries = self.lock();
        loop {
            if let Some(found) = find(&entries) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            entries = self
                .grown
                .wait_timeout(entries, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Default for Journal<T> {
    fn default() -> Self {
        Self::new()
    }
}
