//! Bounds-checked access to a frame, wherever it lies: a slice in user space, a pair of pointers in
//! the kernel. A header is read with one check, as a reference to an array of its size, so that the
//! accesses to its fields need none.

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
pub trait FrameMut: Frame {
    /// Writes octets at `offset`. `None`, with nothing written, where the frame is shorter than that.
    fn put<const N: usize>(&mut self, offset: usize, octets: &[u8; N]) -> Option<()>;
}

impl Frame for [u8] {
    fn octets<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.get(offset..)?.first_chunk()
    }
}

impl FrameMut for [u8] {
    fn put<const N: usize>(&mut self, offset: usize, octets: &[u8; N]) -> Option<()> {
        *self.get_mut(offset..)?.first_chunk_mut()? = *octets;
        Some(())
    }
}
