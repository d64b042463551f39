//! The Internet checksum (RFC 1071): the one's complement of the one's-complement sum of 16-bit
//! words.

use crate::Addr;

/// A running sum. The words may be added in any order, also two or four at a time as one: their
/// carries come back when the sum is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    #[inline(always)]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds one 16-bit word.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        // 2^32 additions of up to 32 bits fit before the carries need folding.
        Self(self.0 + word as u64)
    }

    /// Adds what another sum has gathered.
    #[inline(always)]
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        self.word(other.fold())
    }

    /// Adds four octets, such as an IPv4 address.
    #[inline(always)]
    #[must_use]
    pub const fn quad(self, octets: [u8; 4]) -> Self {
        Self(self.0 + u32::from_be_bytes(octets) as u64)
    }

    /// Adds eight octets, the first highest.
    #[inline(always)]
    #[must_use]
    pub const fn long(self, octets: u64) -> Self {
        Self(self.0 + (octets >> 32) + (octets & 0xffff_ffff))
    }

    /// Adds an address of either family.
    #[inline(always)]
    #[must_use]
    pub const fn address(self, address: Addr) -> Self {
        self.long(address.high).long(address.low)
    }

    /// Adds a run of octets; a last odd one counts as the high half of a word.
    #[must_use]
    pub fn octets(self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<2>();
        let sum = words.iter().fold(self, |sum, word| sum.word(u16::from_be_bytes(*word)));
        match rest {
            [last] => sum.word(u16::from_be_bytes([*last, 0])),
            _ => sum,
        }
    }

    /// The sum with its carries folded in.
    #[inline(always)]
    pub const fn fold(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }

    /// The checksum to send, when the field itself was summed as zero.
    pub const fn complement(self) -> u16 {
        !self.fold()
    }

    /// True when a message that was summed with its checksum field is intact. A field of 0x0000 is
    /// a value like any other here, it does not mean "absent" (R-5.2.8-05).
    #[inline(always)]
    pub const fn is_intact(self) -> bool {
        self.fold() == 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-5.2.8-01: RFC 1071's own example.
    #[test]
    fn rfc_1071_example() {
        let sum = Sum::default().octets(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), 0xddf2);
        assert_eq!(sum.complement(), 0x220d);
        assert!(sum.word(0x220d).is_intact());
    }

    /// R-5.2.8-01, R-5.2.8-04: words added two and four at a time give the same sum.
    #[test]
    fn wide_words() {
        let octets = [0xff, 0xfe, 0x80, 0x01, 0xab, 0xcd, 0xff, 0xff];
        let words = Sum::default().octets(&octets);
        let (one, other) = octets.split_at(4);
        let quads = Sum::default().quad(one.try_into().unwrap()).quad(other.try_into().unwrap());
        let long = Sum::default().long(u64::from_be_bytes(octets));
        assert_eq!([quads.fold(), long.fold()], [words.fold(); 2]);
        let all = Sum::default().long(u64::MAX).long(u64::MAX).word(1);
        assert_eq!(all.fold(), 1);
    }

    /// R-5.2.8-01: an odd octet is padded on the right.
    #[test]
    fn odd_length() {
        assert_eq!(Sum::default().octets(&[0x12, 0x34, 0x56]).fold(), 0x1234 + 0x5600);
    }
}
