//! The frame at hand: a pair of pointers and the device that it came in on.

use core::hint::black_box;

use aya_ebpf::{helpers::generated::bpf_xdp_adjust_tail, programs::XdpContext};
use vrrp_common::{
    Frame, FrameMut,
    wire::{
        Mac,
        ethernet::{self, Link},
        ipv4,
    },
};

/// A frame in the kernel's memory. Valid while the program runs.
pub(crate) struct Packet {
    data: usize,
    end: usize,
    /// Device that received it.
    pub(crate) ifindex: u32,
    /// A number that the verifier knows nothing of.
    unknown: usize,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn from_xdp(ctx: &XdpContext) -> Self {
        Self {
            data: ctx.data(),
            end: ctx.data_end(),
            ifindex: ctx.ingress_ifindex() as u32,
            unknown: ctx.rx_queue_index() as usize,
        }
    }

    /// Makes the frame `length` octets long. What it gains is not defined. False, and nothing is
    /// changed, where there is no room.
    #[inline(always)]
    pub(crate) fn resize(&mut self, ctx: &XdpContext, length: usize) -> bool {
        let longer = length as i32 - (self.end - self.data) as i32;
        if longer == 0 {
            return true;
        }
        // SAFETY: the context is the one that the program was called with.
        let outcome = unsafe { bpf_xdp_adjust_tail(ctx.ctx, longer) };
        // The pointers are invalid whether it went well or not.
        self.data = ctx.data();
        self.end = ctx.data_end();
        outcome == 0
    }

    /// Source of the frame.
    #[inline(always)]
    pub(crate) fn sender(&self) -> Option<Mac> {
        self.octets::<6>(6).copied()
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

    /// Turns the Ethernet addresses round: to `destination`, from `source`. Tags stay.
    #[inline(always)]
    pub(crate) fn address(&mut self, destination: Mac, source: Mac) {
        if let Some(header) = self.octets_mut::<{ ethernet::HEADER }>(0) {
            let [d0, d1, d2, d3, d4, d5] = destination;
            let [s0, s1, s2, s3, s4, s5] = source;
            *header = [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, header[12], header[13]];
        }
    }
}

impl Frame for Packet {
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
        let nothing = black_box(self.unknown) - self.unknown;
        (number + nothing) & 0x1ff
    }
}

impl FrameMut for Packet {
    #[inline(always)]
    fn octets_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        let start = self.data + offset;
        if start + N > self.end {
            return None;
        }
        // SAFETY: as above, with an exclusive borrow.
        Some(unsafe { &mut *(start as *mut [u8; N]) })
    }
}
