//! The slots: what each virtual router shares with the kernel program.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

use vrrp_common::{
    abi::{self, Kind},
    ladder::{Heard, PackedRules, Rules},
};

use crate::{election::Instant, sys::memory::SlotMemory};

/// All slots. Where there is no kernel program they are ordinary memory, and everything that is
/// written about them holds with nobody on the other side.
pub struct Slots(Memory);

enum Memory {
    Shared(SlotMemory),
    Own(Vec<abi::Slot<AtomicU64>>),
}

/// News that the kernel program left in a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct News {
    /// When the advert came in.
    pub at: Instant,
    /// What it said.
    pub heard: Heard,
}

impl Slots {
    /// Memory shared with the kernel program.
    pub fn shared(memory: SlotMemory) -> Self {
        Self(Memory::Shared(memory))
    }

    /// Memory of our own, for `count` slots.
    pub fn own(count: u32) -> Self {
        Self(Memory::Own((0..count).map(|_| abi::Slot::default()).collect()))
    }

    /// The slot with this index.
    ///
    /// # Panics
    ///
    /// If there is no such slot: indices come from the daemon's own numbering, never from outside.
    pub fn get(&self, index: u32) -> Slot<'_> {
        let slots = match &self.0 {
            Memory::Shared(memory) => memory.slots(),
            Memory::Own(slots) => slots,
        };
        Slot(&slots[index as usize])
    }
}

/// One slot. Each method is one load or store of a word, or a few whose order matters.
#[derive(Clone, Copy)]
pub struct Slot<'a>(&'a abi::Slot<AtomicU64>);

impl Slot<'_> {
    /// Answers for the addresses until `until`.
    pub fn open(&self, until: Instant) {
        self.0.lease.store(until.as_nanos(), Release);
    }

    /// Stops answering.
    pub fn close(&self) {
        self.0.lease.store(0, Release);
    }

    /// Until when the slot is open; `None` when it is closed.
    pub fn lease(&self) -> Option<Instant> {
        match self.0.lease.load(Acquire) {
            0 => None,
            until => Some(Instant::from_nanos(until)),
        }
    }

    /// Says whether the addresses are on the interface because of us.
    pub fn set_installed(&self, installed: bool) {
        self.0.installed.store(installed.into(), Release);
    }

    /// When the known advert was last repeated.
    pub fn last_seen(&self) -> Instant {
        Instant::from_nanos(self.0.last_seen.load(Acquire))
    }

    /// Stamps a repetition that a raw socket received.
    pub fn stamp(&self, at: Instant) {
        self.0.last_seen.store(at.as_nanos(), Release);
    }

    /// Says which advert is no news, and which loses without effect: digests, 0 for none.
    pub fn expect(&self, expected: u64, ignored: u64) {
        self.0.expected.store(expected, Release);
        self.0.ignored.store(ignored, Release);
    }

    /// The digests of [`Self::expect`].
    pub fn expected(&self) -> (u64, u64) {
        (self.0.expected.load(Acquire), self.0.ignored.load(Acquire))
    }

    /// Sets what the receive ladder demands.
    pub fn set_rules(&self, rules: &Rules) {
        let packed = rules.pack();
        self.0.addresses.store(packed.addresses, Release);
        self.0.secret.store(packed.secret, Release);
        self.0.own.store(packed.own, Release);
        self.0.rules.store(packed.rules, Release);
    }

    /// What the receive ladder demands.
    pub fn rules(&self) -> PackedRules {
        PackedRules {
            rules: self.0.rules.load(Acquire),
            addresses: self.0.addresses.load(Acquire),
            secret: self.0.secret.load(Acquire),
            own: self.0.own.load(Acquire),
        }
    }

    /// Takes the doorbell of `kind` off the hook, then reads its news. In this order: news that come
    /// in between ring again.
    pub fn answer(&self, kind: Kind) -> News {
        let news = &self.0.news[kind as usize];
        news.rung.store(0, SeqCst);
        fence(SeqCst);
        self.news(kind)
    }

    /// The news of `kind` as they are.
    pub fn news(&self, kind: Kind) -> News {
        let news = &self.0.news[kind as usize];
        // Another processor may be writing: what is read twice alike was not torn. The writer's
        // last word is `at`.
        loop {
            let at = news.at.load(Acquire);
            let (advert, digest) = (news.advert.load(Acquire), news.digest.load(Acquire));
            if news.at.load(Acquire) == at && news.advert.load(Relaxed) == advert {
                return News {
                    at: Instant::from_nanos(at),
                    heard: Heard::from_word(advert, digest),
                };
            }
        }
    }
}
