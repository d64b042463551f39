//! Slots as shared memory.
#![expect(unsafe_code, reason = "maps the kernel's array into our address space")]

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr, slice,
    sync::atomic::AtomicU64,
};

use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};
use vrrp_common::abi::Slot;

/// An array of slots, the kernel program's or a file's, mapped for reading and writing.
pub struct SlotMemory {
    start: ptr::NonNull<Slot<AtomicU64>>,
    slots: usize,
    source: OwnedFd,
}

// SAFETY: the memory is shared with the kernel and with other threads alike, and all of it is
// accessed through atomics.
unsafe impl Send for SlotMemory {}
// SAFETY: as above.
unsafe impl Sync for SlotMemory {}

impl SlotMemory {
    /// Maps the first `slots` elements of the mmapable array map, or of the file, behind `source`. A file
    /// must be as long as that, and stay so.
    pub fn map(source: impl AsFd, slots: usize) -> io::Result<Self> {
        let source = source.as_fd().try_clone_to_owned()?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                Self::length(slots),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &source,
                0,
            )?
        };
        let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::Other)?;
        Ok(Self { start, slots, source })
    }

    /// Maps a new file of `slots` zeroed slots, which is in memory only.
    pub fn anonymous(slots: usize) -> io::Result<Self> {
        let file = memfd_create("slots", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, Self::length(slots) as u64)?;
        Self::map(file, slots)
    }

    /// What is mapped, for another process to map it as well.
    pub fn source(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }

    /// The slots.
    pub fn slots(&self) -> &[Slot<AtomicU64>] {
        // SAFETY: the mapping holds `slots` elements, is aligned to a page, and lives as long as
        // `self`; all zeroes is a valid slot.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.slots) }
    }

    const fn length(slots: usize) -> usize {
        slots * size_of::<Slot<AtomicU64>>()
    }
}

impl Drop for SlotMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference outlives `self`.
        // An error would mean that it was not mapped; then there is nothing to undo.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), Self::length(self.slots)) };
    }
}
