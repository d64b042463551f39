//! The rings in which the kernel program leaves word.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{MapData, RingBuf};
use vrrp_common::{
    Addr,
    abi::{Doorbell, Rejected, Reported, Requester},
};

/// News for the pulse thread.
pub type Doorbells = Ring<Doorbell>;
/// Rejected adverts, for the log.
pub type Rejects = Ring<Rejected>;
/// Adverts that passed every check, for people.
pub type Adverts = Ring<Reported>;
/// Hosts that the program answered and that the kernel is to know.
pub type Requesters = Ring<Requester>;

/// A ring of records. Readable when one waits.
pub struct Ring<R> {
    ring: RingBuf<MapData>,
    records: PhantomData<R>,
}

impl<R> Ring<R> {
    pub(super) const fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, records: PhantomData }
    }
}

impl<R: Record> Iterator for Ring<R> {
    type Item = R;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<R> {
        R::read(&self.ring.next()?)
    }
}

impl<R> AsFd for Ring<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// What a ring has, in the layout of [`vrrp_common::abi`].
pub trait Record: Sized {
    /// `None` for one of another length.
    fn read(octets: &[u8]) -> Option<Self>;
}

impl Record for Doorbell {
    fn read(octets: &[u8]) -> Option<Self> {
        let [slot, kind] = words(octets)?;
        Some(Self { slot, kind })
    }
}

impl Record for Rejected {
    fn read(octets: &[u8]) -> Option<Self> {
        let [a0, a1, h0, h1, l0, l1, family, slot, reason, ifindex] = words(octets)?;
        let source = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Self { at: long(a0, a1), source, family, slot, reason, ifindex })
    }
}

impl Record for Reported {
    fn read(octets: &[u8]) -> Option<Self> {
        let [a0, a1, w0, w1, h0, h1, l0, l1, slot, fate] = words(octets)?;
        let source = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Self { at: long(a0, a1), advert: long(w0, w1), source, slot, fate })
    }
}

impl Record for Requester {
    fn read(octets: &[u8]) -> Option<Self> {
        let [h0, h1, l0, l1, m0, m1, family, ifindex] = words(octets)?;
        let address = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Self { address, mac: long(m0, m1), family, ifindex })
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
