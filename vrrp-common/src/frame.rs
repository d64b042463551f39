//! Bounds-checked access to a frame, wherever it lies: a slice in user space, a pair of pointers in
//! the kernel. A header is read with one check, as a reference to an array of its size, so that the
//! accesses to its fields need none.

use crate::wire::Mac;

/// Read access to a frame.
pub trait Frame {
    /// The `N` octets at `offset`, or `None` where the frame is shorter than that.
    fn octets<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;

    /// The same number, below 512, with its history forgotten. The kernel's verifier follows each
    /// value that an offset or index may have on a path of its own, through all that comes after,
    /// unless the paths are made to meet.
    fn forget_how(&self, number: usize) -> usize {
        number
    }
}

/// Write access to a frame; its length does not change.
///
/// What is written are words of eight octets, the first octet highest: in the kernel it may have to
/// stand on the stack before, where the verifier wants words to be aligned.
pub trait FrameMut: Frame {
    /// Writes words at `offset`. `None`, with nothing written, where the frame is shorter than that.
    fn put<const N: usize>(&mut self, offset: usize, words: &[u64; N]) -> Option<()>;

    /// Writes a MAC at `offset`, which is not the end of the frame.
    #[inline(always)]
    fn put_mac(&mut self, offset: usize, mac: Mac) -> Option<()> {
        let [next, last] = *self.octets(offset + mac.len())?;
        let [a, b, c, d, e, f] = mac;
        self.put(offset, &[u64::from_be_bytes([a, b, c, d, e, f, next, last])])
    }
}

impl Frame for [u8] {
    fn octets<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.get(offset..)?.first_chunk()
    }
}

impl FrameMut for [u8] {
    fn put<const N: usize>(&mut self, offset: usize, words: &[u64; N]) -> Option<()> {
        let (octets, _) = self.get_mut(offset..)?.as_chunks_mut();
        for (octets, word) in octets.get_mut(..N)?.iter_mut().zip(words) {
            *octets = word.to_be_bytes();
        }
        Some(())
    }
}
