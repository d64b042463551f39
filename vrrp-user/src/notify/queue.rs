//! A queue whose writer never waits.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Entries in the order in which they came. Where there is no room for one more, the oldest is lost:
/// what a reader comes back for is the state of affairs now.
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    changed: Notify,
    room: usize,
}

struct Inner<T> {
    entries: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        let inner = Inner { entries: VecDeque::new(), closed: false };
        Self { inner: Mutex::new(inner), changed: Notify::new(), room }
    }

    /// Adds an entry and returns the one that is lost by it.
    pub(super) fn push(&self, entry: T) -> Option<T> {
        let mut inner = self.lock();
        let lost = if inner.entries.len() >= self.room { inner.entries.pop_front() } else { None };
        inner.entries.push_back(entry);
        drop(inner);
        self.changed.notify_one();
        lost
    }

    /// The oldest entry, as soon as there is one; `None` when nothing comes any more.
    pub(super) async fn next(&self) -> Option<T> {
        loop {
            {
                let mut inner = self.lock();
                match inner.entries.pop_front() {
                    Some(entry) => return Some(entry),
                    None if inner.closed => return None,
                    None => {}
                }
            }
            self.changed.notified().await;
        }
    }

    /// Nothing is added any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits until nothing is added any more.
    pub(super) async fn closed(&self) {
        while !self.lock().closed {
            self.changed.notified().await;
        }
    }

    /// How many entries wait.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pain 12: what a bounded queue can hold is in order, and what it cannot is told to the writer,
    /// who never waits.
    #[tokio::test]
    async fn the_oldest_is_lost() {
        let queue = Queue::new(2);
        assert_eq!([1, 2, 3, 4].map(|entry| queue.push(entry)), [None, None, Some(1), Some(2)]);
        queue.close();
        assert_eq!(queue.next().await, Some(3));
        assert_eq!(queue.next().await, Some(4));
        assert_eq!(queue.next().await, None);
    }
}
