//! Which doorbells of the kernel program are answered when.

use vrrp_common::abi::Kind;

/// Doorbells of a router that may come at any time, one more with each deadline. Beyond these it answers
/// none before a deadline: until then the kernel program does not ring. So whoever floods the network
/// with news wakes nobody, and at the deadline they are read all the same.
pub(super) const PATIENCE: u8 = 8;

/// The doorbells of one router.
#[derive(Debug)]
pub(super) struct Doorbells {
    patience: u8,
    /// Those that wait for a deadline, by kind.
    waiting: [bool; Kind::COUNT],
}

impl Doorbells {
    pub(super) const fn new() -> Self {
        Self { patience: PATIENCE, waiting: [false; Kind::COUNT] }
    }

    /// The kernel program rang for news of `kind`. True if that is to be answered now.
    pub(super) fn ring(&mut self, kind: Kind) -> bool {
        let left = self.patience.checked_sub(1);
        match left {
            Some(left) => self.patience = left,
            None => self.waiting[kind as usize] = true,
        }
        left.is_some()
    }

    /// A deadline has come. Calls `answer` for those that have waited, but not for what `pours` in still.
    pub(super) fn expire(&mut self, pours: impl Fn(Kind) -> bool, mut answer: impl FnMut(Kind)) {
        for kind in Kind::ALL {
            let waits = &mut self.waiting[kind as usize];
            if *waits && !pours(kind) {
                *waits = false;
                answer(kind);
            }
        }
        if self.waiting == [false; Kind::COUNT] {
            self.patience = PATIENCE.min(self.patience + 1);
        }
    }
}
