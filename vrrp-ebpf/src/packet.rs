//! The frame at hand: a pair of pointers and the device that it came in on.

use core::arch::asm;

use vrrp_common::{
    Frame, FrameMut,
    wire::{
        Mac,
        ethernet::{self, Link},
        ipv4,
    },
};

use crate::{hook::Hook, maps::Filter};

/// A length that no frame has.
pub(crate) const WHOLE: usize = 0x1_0000;

/// A frame in the kernel's memory. Valid while the program runs.
pub(crate) struct Packet<'a, H> {
    /// What the program was called with.
    pub(crate) hook: &'a H,
    /// What the tables need not be asked for.
    pub(crate) filter: Filter,
    data: usize,
    end: usize,
    /// A number that the verifier knows nothing of.
    unknown: usize,
}

impl<'a, H: Hook> Packet<'a, H> {
    #[inline(always)]
    pub(crate) fn new(hook: &'a H, filter: Filter) -> Self {
        let (data, end) = hook.bounds();
        Self { hook, filter, data, end, unknown: opaque(end - data) }
    }

    /// What stands in front of the payload.
    #[inline(always)]
    pub(crate) fn link(&self) -> Option<Link> {
        Link::parse_behind(self, self.hook.taken_tag())
    }

    /// Makes the first `length` octets readable, or all that there are. Frames are not always in one
    /// piece.
    #[inline(always)]
    pub(crate) fn gather(&mut self, length: usize) {
        if self.hook.gather(length) {
            self.look_again();
        }
    }

    /// Makes the frame `length` octets long. What it gains is not defined. False, and nothing is
    /// changed, where there is no room.
    #[inline(always)]
    pub(crate) fn resize(&mut self, length: usize) -> bool {
        let done = self.hook.resize(length);
        // The pointers are invalid whether it went well or not.
        self.look_again();
        done
    }

    /// Reads where the frame is, as if nothing of it had been checked. The compiler leaves out a check
    /// that follows from one further back in the frame. The verifier does not see that it follows, so
    /// the pointer could be any for the compiler.
    #[inline(always)]
    fn look_again(&mut self) {
        let (data, end) = self.hook.bounds();
        (self.data, self.end) = (opaque(data), end);
    }

    /// The device that it came in on, or leaves from.
    #[inline(always)]
    pub(crate) fn ifindex(&self) -> u32 {
        self.hook.ifindex()
    }

    /// Source of the frame.
    #[inline(always)]
    pub(crate) fn sender(&self) -> Option<Mac> {
        self.octets(ethernet::SOURCE).copied()
    }

    /// Protocol of the IPv4 packet behind `link`.
    #[inline(always)]
    pub(crate) fn protocol(&self, link: &Link) -> Option<u8> {
        Some(ipv4::Header(self.octets(link.payload)?).protocol())
    }

    /// True for a frame that the kernel would take as sent to this host: to one of these MACs, or to
    /// a group. A switch that has forgotten a station floods what is meant for it.
    #[inline(always)]
    pub(crate) fn is_for(&self, macs: [Mac; 2]) -> bool {
        self.octets::<6>(0)
            .is_some_and(|to| ethernet::is_group(to) || *to == macs[0] || *to == macs[1])
    }

    /// True for a frame from one of these MACs.
    #[inline(always)]
    pub(crate) fn is_from(&self, macs: [Mac; 2]) -> bool {
        self.octets::<6>(ethernet::SOURCE).is_some_and(|from| *from == macs[0] || *from == macs[1])
    }

    /// Turns the Ethernet addresses round: to `destination`, from `source`. Tags stay.
    #[inline(always)]
    pub(crate) fn address(&mut self, destination: Mac, source: Mac) -> Option<()> {
        let [d0, d1, d2, d3, d4, d5] = destination;
        let [s0, s1, s2, s3, s4, s5] = source;
        let [p0, p1, p2, p3] = *self.octets(ethernet::SOURCE + source.len())?;
        let first = u64::from_be_bytes([d0, d1, d2, d3, d4, d5, s0, s1]);
        self.put(0, &[first, u64::from_be_bytes([s2, s3, s4, s5, p0, p1, p2, p3])])
    }
}

impl<H: Hook> Frame for Packet<'_, H> {
    #[inline(always)]
    fn octets<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        let start = self.data + offset;
        if start + N > self.end {
            return None;
        }
        // SAFETY: the octets lie between data and data_end, as the verifier checks once more, and a
        // shared borrow of the packet lasts as long as the reference.
        Some(unsafe { &*(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn forget_how(&self, number: usize) -> usize {
        let nothing = opaque(self.unknown) - self.unknown;
        (number + nothing) & 0x1ff
    }
}

impl<H: Hook> FrameMut for Packet<'_, H> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, offset: usize, words: &[u64; N]) -> Option<()> {
        let done = self.hook.put(offset, words);
        self.look_again();
        done.then_some(())
    }
}

/// The same number, of which the compiler does not know that it is. Each is another one for the
/// compiler: one for all would be one for the verifier, too, which then remembers what it is.
#[inline(always)]
fn opaque(number: usize) -> usize {
    let mut same = number;
    // Without an instruction, the line would have none in the BTF, which the kernel refuses.
    // SAFETY: the instruction changes nothing.
    unsafe { asm!("{0} = {0}", inout(reg) same, options(nomem, nostack, preserves_flags)) };
    same
}
