//! Numbers that only grow, and the memory of who has sent which.

use std::time::Duration;

use arrayvec::ArrayVec;
use vrrp_common::Addr;

/// Senders of one virtual router that are remembered. More than two speak at a time only while they
/// have not agreed yet.
const SENDERS: usize = 16;

/// A serial number of 64 bits that goes on with 0 behind the last one (RFC 1982). Where it is the
/// time, the high half counts seconds since 1970, the next 16 bits 1/65536 s, and the last 16 what
/// has no time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(u64);

impl Sequence {
    /// The number with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The first number of a moment, given as the time since 1970. It wraps in 2106.
    pub const fn at(clock: Duration) -> Self {
        let fraction = ((clock.subsec_nanos() as u64) << 16) / 1_000_000_000;
        Self(clock.as_secs() << 32 | fraction << 16)
    }

    /// The high half.
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The number `step` further on.
    #[must_use]
    pub const fn plus(self, step: u64) -> Self {
        Self(self.0.wrapping_add(step))
    }

    /// True when it is less than half of all numbers further on than `other`.
    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// True when the seconds of the two differ by `window` at the most.
    pub const fn is_within(self, window: Duration, other: Self) -> bool {
        let seconds = self.seconds().wrapping_sub(other.seconds()).cast_signed();
        seconds.unsigned_abs() as u64 <= window.as_secs()
    }
}

/// The highest number of each sender, of those that were heard last.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// The sender heard last comes first.
    senders: ArrayVec<(Addr, Sequence), SENDERS>,
}

impl Marks {
    /// The highest number of this sender, if it is remembered.
    pub(super) fn of(&self, sender: Addr) -> Option<Sequence> {
        self.senders.iter().find(|(known, _)| *known == sender).map(|(_, mark)| *mark)
    }

    /// Remembers a number that was found right. The sender that has been silent for longest is
    /// forgotten when there is no room.
    pub(super) fn set(&mut self, sender: Addr, mark: Sequence) {
        let known = self.senders.iter().position(|(known, _)| *known == sender);
        let place = known.unwrap_or_else(|| {
            if self.senders.is_full() {
                self.senders.pop();
            }
            self.senders.push((sender, mark));
            self.senders.len() - 1
        });
        self.senders[place].1 = mark;
        self.senders[..=place].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 3: after and not after, over the end of the numbers.
    #[test]
    fn serial_order() {
        let number = Sequence::from_bits;
        for (number, other, after) in [
            (number(1), number(0), true),
            (number(1), number(1), false),
            (number(0), number(1), false),
            (number(5), number(u64::MAX), true),
            (number(u64::MAX), number(5), false),
            (number(u64::MAX).plus(1), number(u64::MAX), true),
        ] {
            assert_eq!(number.is_after(other), after, "{number:?} after {other:?}");
        }
    }

    /// Issue 3: seconds, 1/65536 s, and whole seconds of difference.
    #[test]
    fn time_as_a_number() {
        let at = |seconds, nanos| Sequence::at(Duration::new(seconds, nanos));
        assert_eq!(at(0x6800_0000, 500_000_000), Sequence::from_bits(0x6800_0000_8000_0000));
        assert_eq!(at(0x1_0000_0001, 999_999_999), Sequence::from_bits(0x0000_0001_ffff_0000));
        let window = Duration::from_secs(5);
        for (seconds, within) in [(94, false), (95, true), (100, true), (105, true), (106, false)] {
            assert_eq!(at(seconds, 0).is_within(window, at(100, 999)), within, "{seconds}");
        }
        assert!(at(1, 0).is_within(window, at(u64::from(u32::MAX), 0)));
    }

    /// Issue 3: the memory is bounded, and the sender that was silent for longest is forgotten.
    #[test]
    fn marks_are_bounded() {
        let sender = |last| Addr::v4([192, 0, 2, last]);
        let mark = |number: u8| Sequence::from_bits(u64::from(number));
        let mut marks = Marks::default();
        for last in 0..=SENDERS as u8 {
            marks.set(sender(last), mark(last));
            marks.set(sender(0), mark(100 + last));
        }
        assert_eq!(marks.of(sender(0)), Some(mark(100 + SENDERS as u8)));
        assert_eq!(marks.of(sender(1)), None);
        for last in 2..=SENDERS as u8 {
            assert_eq!(marks.of(sender(last)), Some(mark(last)));
        }
    }
}
