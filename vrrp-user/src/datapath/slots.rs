//! The slots: what each virtual router shares with the kernel program.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release, SeqCst};
use std::sync::atomic::fence;
use std::time::Duration;

use vrrp_common::{
    Addr,
    abi::{self, Kind},
    ladder::{Heard, PackedRules, Rules},
};

use crate::{election::Instant, sys::memory::SlotMemory};

/// How often news are read that somebody writes at the same time: each write takes nanoseconds.
const READS: usize = 64;

/// How long at most what the program passes on is on its way to a raw socket. Right after the program
/// has gone one advert may be taken for what it dealt with; the next is not.
const PASSING: Duration = Duration::from_millis(1);

/// All slots. Where there is no kernel program they are memory without it, and everything that is
/// written about them holds with nobody on the other side.
pub struct Slots(SlotMemory);

/// News that the kernel program left in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct News {
    /// When the advert came in.
    pub at: Instant,
    /// What it said.
    pub heard: Heard,
}

/// Whether the addresses of a virtual router are on their interface because of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// One is there without us: nothing that is sent to them is ours to drop.
    NotOurs,
    /// They will be, when this host answers for them.
    Awaited,
    /// They are being added.
    Arriving,
    /// They are.
    Installed,
}

impl Presence {
    /// For the kernel program.
    const fn word(self) -> u64 {
        match self {
            Self::NotOurs => 0,
            Self::Awaited => abi::AWAITED,
            Self::Arriving => abi::AWAITED | abi::INSTALLED,
            Self::Installed => abi::INSTALLED,
        }
    }
}

impl Slots {
    /// Memory shared with the kernel program, or with another process.
    pub fn shared(memory: SlotMemory) -> Self {
        Self(memory)
    }

    /// Memory of our own, for `count` slots.
    pub fn own(count: u32) -> io::Result<Self> {
        SlotMemory::anonymous(count as usize).map(Self)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.slots().len() as u32
    }

    /// The memory, for [`SlotMemory::map`] in another process.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.0.source()
    }

    /// The slot with this index.
    ///
    /// # Panics
    ///
    /// If there is no such slot: indices come from the daemon's own numbering, never from outside.
    pub fn get(&self, index: u32) -> Slot<'_> {
        Slot(&self.0.slots()[index as usize])
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

    /// Answers until `until` instead, unless the program has closed the slot meanwhile.
    pub fn renew(&self, until: Instant) {
        // An error means that it has.
        let _ = self
            .0
            .lease
            .fetch_update(AcqRel, Acquire, |lease| (lease != 0).then_some(until.as_nanos()));
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

    /// True while the program answers: the lease holds, or goes on as nobody else was heard.
    pub fn is_open(&self, now: Instant) -> bool {
        let goes_on = self.0.serves_on.load(Acquire) != 0;
        self.lease().is_some_and(|until| now < until || goes_on)
    }

    /// Says whether a lease that has lapsed goes on until an advert is heard. In a new slot it does
    /// not.
    pub fn set_serves_on(&self, serves_on: bool) {
        self.0.serves_on.store(serves_on.into(), Release);
    }

    /// Makes it a new slot.
    pub fn clear(&self) {
        let abi::Slot {
            lease,
            presence,
            no_accept,
            serves_on,
            last_seen,
            expected,
            ignored,
            rules,
            addresses,
            secret,
            own,
            destination,
            news,
        } = self.0;
        let words = [lease, presence, no_accept, serves_on, last_seen, expected, ignored];
        let demands = [rules, addresses, secret].into_iter().chain(own).chain(destination);
        let told = news.iter().flat_map(|news| {
            let abi::News { at, advert, source, digest, seal, rung, answered } = news;
            [at, advert, digest, seal, rung, answered].into_iter().chain(source)
        });
        words.into_iter().chain(demands).chain(told).for_each(|word| word.store(0, Release));
    }

    /// Takes over the lease of another slot of the same virtual router, and what is dropped for it.
    pub fn copy(&self, other: Slot<'_>) {
        self.0.no_accept.store(other.0.no_accept.load(Acquire), Release);
        self.0.presence.store(other.0.presence.load(Acquire), Release);
        self.0.lease.store(other.0.lease.load(Acquire), Release);
    }

    /// Says whether the addresses are on the interface because of us. In a new slot they are not
    /// ours.
    pub fn set_presence(&self, presence: Presence) {
        self.0.presence.store(presence.word(), Release);
    }

    /// Says whether what is sent to the addresses is for this host. It is in a new slot.
    pub fn set_accept(&self, accept: bool) {
        self.0.no_accept.store((!accept).into(), Release);
    }

    /// When the known advert was last repeated.
    pub fn last_seen(&self) -> Instant {
        Instant::from_nanos(self.0.last_seen.load(Acquire))
    }

    /// Stamps a repetition that a raw socket received.
    pub fn stamp(&self, at: Instant) {
        self.0.last_seen.store(at.as_nanos(), Release);
    }

    /// True when the program has dealt with an advert with this digest that came in `since` then, or
    /// nothing comes of it in any case. `own` is the last [`Self::stamp`], which is not the program's.
    pub fn has_taken(&self, digest: u64, since: Instant, own: Instant) -> bool {
        let (expected, ignored) = self.expected();
        let is_new = |at: Instant| at + PASSING >= since;
        let seen = self.last_seen();
        let is_told = |kind: Kind| {
            let news = self.news(kind);
            news.heard.digest == digest && is_new(news.at)
        };
        digest == ignored
            || digest == expected && seen != own && is_new(seen)
            || Kind::ALL.into_iter().any(is_told)
    }

    /// Says which advert is no news, and which loses without effect: digests, 0 for none. What is
    /// read from the slot after this, was written by a program that knew, or before.
    pub fn expect(&self, expected: u64, ignored: u64) {
        self.0.expected.store(expected, Release);
        self.0.ignored.store(ignored, Release);
        fence(SeqCst);
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
        store(&self.0.own, packed.own);
        store(&self.0.destination, packed.destination);
        self.0.rules.store(packed.rules, Release);
    }

    /// What the receive ladder demands.
    pub fn rules(&self) -> PackedRules {
        PackedRules {
            rules: self.0.rules.load(Acquire),
            addresses: self.0.addresses.load(Acquire),
            secret: self.0.secret.load(Acquire),
            own: load(&self.0.own),
            destination: load(&self.0.destination),
        }
    }

    /// Says that the doorbell of `kind` was heard, then reads its news. In this order: news that come
    /// in between ring again.
    pub fn answer(&self, kind: Kind) -> News {
        let news = &self.0.news[kind as usize];
        news.answered.store(news.rung.load(SeqCst), SeqCst);
        fence(SeqCst);
        self.news(kind)
    }

    /// The news of `kind` as they are; of time 0 where there are none, or none that could be read
    /// whole, because other processors write without end or have written over each other.
    pub fn news(&self, kind: Kind) -> News {
        let news = &self.0.news[kind as usize];
        for _ in 0..READS {
            let at = news.at.load(Acquire);
            let (advert, digest) = (news.advert.load(Acquire), news.digest.load(Acquire));
            let source = load(&news.source);
            if news.seal.load(Acquire) == abi::seal(at, advert, source, digest) {
                let heard = Heard::from_word(advert, source, digest);
                return News { at: Instant::from_nanos(at), heard };
            }
            std::hint::spin_loop();
        }
        News::default()
    }
}

/// An address in two words, its high one first.
fn load(words: &[AtomicU64; 2]) -> Addr {
    Addr { high: words[0].load(Acquire), low: words[1].load(Acquire) }
}

fn store(words: &[AtomicU64; 2], address: Addr) {
    words[0].store(address.high, Release);
    words[1].store(address.low, Release);
}

#[cfg(test)]
pub(crate) mod testing {
    //! The kernel program's side of a slot, step by step as in `vrrp-ebpf`.

    use super::*;

    impl Slot<'_> {
        /// An advert that passed the ladder came in. True when it rang.
        pub(crate) fn receive(&self, heard: &Heard, at: Instant) -> bool {
            let (expected, ignored) = self.expected();
            if heard.digest == expected {
                self.stamp(at);
                return false;
            }
            if heard.digest == ignored {
                return false;
            }
            let own = self.rules().rank();
            let closes = abi::beats(heard, own) && self.lease().is_some();
            if closes {
                self.close();
            }
            self.tell(abi::kind(heard, own), heard, at, closes)
        }

        fn tell(&self, kind: Kind, heard: &Heard, at: Instant, urgent: bool) -> bool {
            let news = &self.0.news[kind as usize];
            let (at, advert) = (at.as_nanos(), heard.to_word());
            news.advert.store(advert, Release);
            store(&news.source, heard.source);
            news.digest.store(heard.digest, Release);
            news.seal.store(abi::seal(at, advert, heard.source, heard.digest), Release);
            news.at.store(at, Release);
            let (rung, answered) = (news.rung.load(Acquire), news.answered.load(Acquire));
            if rung != 0 && rung != answered && !urgent {
                return false;
            }
            news.rung.store(at, Release);
            true
        }
    }

    const fn heard(priority: u8) -> Heard {
        Heard {
            source: Addr::v4([192, 0, 2, 3]),
            priority,
            interval: 100,
            pseudo_header: false,
            addresses_differ: false,
            digest: priority as u64 | 1 << 32,
        }
    }

    const fn second(second: u64) -> Instant {
        Instant::from_nanos(second * 1_000_000_000)
    }

    /// Rule 3 of the design: one doorbell at a time, and a new one after each answer, also when the
    /// kernel's stamp of the doorbell comes after the answer to another.
    #[test]
    fn doorbells() {
        let slots = Slots::own(1).unwrap();
        let slot = slots.get(0);
        let kind = Kind::Higher;
        assert!(slot.tell(kind, &heard(200), second(1), false));
        assert!(!slot.tell(kind, &heard(201), second(2), false));
        assert_eq!(slot.answer(kind).heard, heard(201));
        // A processor that saw no doorbell under way rings late, and is heard late.
        slots.get(0).0.news[kind as usize].rung.store(second(1).as_nanos() + 1, Release);
        assert!(!slot.tell(kind, &heard(202), second(3), false));
        assert_eq!(slot.answer(kind).at, second(3));
        assert!(slot.tell(kind, &heard(203), second(4), false));
        assert!(!slot.tell(kind, &heard(204), second(5), false));
        assert!(slot.tell(kind, &heard(205), second(6), true));
    }

    /// R-7.1-13: news that two processors wrote over each other are no news.
    #[test]
    fn torn_news() {
        let slots = Slots::own(1).unwrap();
        let slot = slots.get(0);
        let kind = Kind::Higher;
        slot.tell(kind, &heard(200), second(1), false);
        assert_eq!(slot.news(kind), News { at: second(1), heard: heard(200) });
        slots.get(0).0.news[kind as usize].advert.store(heard(201).to_word(), Release);
        assert_eq!(slot.news(kind), News::default());
    }

    /// Keyword `xdp_absorb`: what the program passes on is known from what it leaves in the slot; what
    /// a raw socket has stamped, or the program before that, is not its doing.
    #[test]
    fn taken_by_the_program() {
        let slots = Slots::own(1).unwrap();
        let slot = slots.get(0);
        slot.expect(heard(200).digest, heard(50).digest);
        let taken = |priority: u8, own| slot.has_taken(heard(priority).digest, second(9), own);
        let none = Instant::default();
        assert_eq!([200, 201, 50].map(|priority| taken(priority, none)), [false, false, true]);
        for (at, expected) in [(8, false), (9, true)] {
            for priority in [200, 201] {
                slot.receive(&heard(priority), second(at));
                assert_eq!(taken(priority, none), expected, "{priority} at {at}");
            }
        }
        assert!(!taken(202, none));
        slot.stamp(second(10));
        assert!(!taken(200, second(10)));
        slot.receive(&heard(200), second(11));
        assert!(taken(200, second(10)));
    }

    /// Rule 1 of the design: an advert of ours does not open what the program has closed.
    #[test]
    fn closed_stays_closed() {
        let slots = Slots::own(1).unwrap();
        let slot = slots.get(0);
        slot.open(second(1));
        slot.renew(second(2));
        assert_eq!(slot.lease(), Some(second(2)));
        slot.close();
        slot.renew(second(3));
        assert_eq!(slot.lease(), None);
    }
}
