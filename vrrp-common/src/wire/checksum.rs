//! The Internet checksum (RFC 1071): the one's complement of the one's-complement sum of 16-bit
//! words.

/// A running sum. The words may be added in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u32);

impl Sum {
    /// Adds one 16-bit word.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        // 65,536 additions fit before the carries need folding; an IP packet has 32,768 words.
        Self(self.0 + word as u32)
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
        self.word(u16::from_be_bytes([octets[0], octets[1]]))
            .word(u16::from_be_bytes([octets[2], octets[3]]))
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
        let once = (self.0 & 0xffff) + (self.0 >> 16);
        let twice = (once & 0xffff) + (once >> 16);
        twice as u16
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

    /// R-5.2.8-01: an odd octet is padded on the right.
    #[test]
    fn odd_length() {
        assert_eq!(Sum::default().octets(&[0x12, 0x34, 0x56]).fold(), 0x1234 + 0x5600);
    }
}
