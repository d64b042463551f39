//! The rings in which the kernel program leaves word.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{MapData, RingBuf};
use vrrp_common::{
    Addr,
    abi::{Doorbell, Rejected, Reported, Requester},
};

/// News for the pulse thread. Readable when a doorbell waits.
pub struct Doorbells(RingBuf<MapData>);

impl Doorbells {
    pub(super) const fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }
}

impl Iterator for Doorbells {
    type Item = Doorbell;

    /// The next doorbell, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Doorbell> {
        let item = self.0.next()?;
        let [slot, kind] = words(&item)?;
        Some(Doorbell { slot, kind })
    }
}

impl AsFd for Doorbells {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Rejected adverts, for the log. Readable when a record waits.
pub struct Rejects(RingBuf<MapData>);

impl Rejects {
    pub(super) const fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }
}

impl Iterator for Rejects {
    type Item = Rejected;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Rejected> {
        let item = self.0.next()?;
        let [a0, a1, h0, h1, l0, l1, family, slot, reason, ifindex] = words(&item)?;
        let source = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Rejected { at: long(a0, a1), source, family, slot, reason, ifindex })
    }
}

impl AsFd for Rejects {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Adverts that passed every check, for people. Readable when a record waits.
pub struct Adverts(RingBuf<MapData>);

impl Adverts {
    pub(super) const fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }
}

impl Iterator for Adverts {
    type Item = Reported;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Reported> {
        let item = self.0.next()?;
        let [a0, a1, w0, w1, h0, h1, l0, l1, slot, fate] = words(&item)?;
        let source = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Reported { at: long(a0, a1), advert: long(w0, w1), source, slot, fate })
    }
}

impl AsFd for Adverts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Hosts that the program answered and that the kernel is to know. Readable when a record waits.
pub struct Requesters(RingBuf<MapData>);

impl Requesters {
    pub(super) const fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }
}

impl Iterator for Requesters {
    type Item = Requester;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Requester> {
        let item = self.0.next()?;
        let [h0, h1, l0, l1, m0, m1, family, ifindex] = words(&item)?;
        let address = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Requester { address, mac: long(m0, m1), family, ifindex })
    }
}

impl AsFd for Requesters {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A number from its halves.
const fn long(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// A record as the words of its layout, on the little-endian machines that the program is built for.
fn words<const N: usize>(record: &[u8]) -> Option<[u32; N]> {
    let (words, []) = record.as_chunks::<4>() else { return None };
    let words: &[[u8; 4]; N] = words.try_into().ok()?;
    Some(words.map(u32::from_le_bytes))
}
