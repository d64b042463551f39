//! The hooks of the kernel through which frames come, and what each does in its own way.

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_F_RECOMPUTE_CSUM,
    helpers::generated::{
        bpf_skb_change_tail, bpf_skb_change_type, bpf_skb_pull_data, bpf_skb_store_bytes,
        bpf_xdp_adjust_tail,
    },
    programs::{TcContext, XdpContext},
};
use vrrp_common::wire::ethernet;

/// Type of a frame that is to this host (linux/if_packet.h).
const PACKET_HOST: u32 = 0;

/// The context that a program is called with.
pub(crate) trait Hook: EbpfContext {
    /// Where the frame begins, and where what can be read of it ends. Valid until the frame is
    /// gathered, written or resized.
    fn bounds(&self) -> (usize, usize);

    /// The device that the frame came in on, or leaves from.
    fn ifindex(&self) -> u32;

    /// Control field of the outermost VLAN tag, where it stands beside the frame.
    fn taken_tag(&self) -> Option<u16>;

    /// Makes the first `length` octets readable, all of a shorter frame. True when the bounds are
    /// no longer valid.
    fn gather(&self, length: usize) -> bool;

    /// Writes words into the frame, the first octet of each highest. False where it is shorter.
    fn put<const N: usize>(&self, offset: usize, words: &[u64; N]) -> bool;

    /// Says that the frame is to this host, after its destination was written.
    fn take_in(&self);

    /// Makes the frame `length` octets long. What it gains is not defined. False, and nothing is
    /// changed, where there is no room.
    fn resize(&self, length: usize) -> bool;
}

impl Hook for XdpContext {
    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        // SAFETY: the context is the one that the program was called with. Volatile, because the
        // compiler does not know that a helper changes it.
        unsafe {
            (
                (&raw const (*self.ctx).data).read_volatile() as usize,
                (&raw const (*self.ctx).data_end).read_volatile() as usize,
            )
        }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.ingress_ifindex() as u32
    }

    /// A tag that the device has taken off is lost on XDP.
    #[inline(always)]
    fn taken_tag(&self) -> Option<u16> {
        None
    }

    /// Frames in pieces do not come here: the program does not say that it can deal with them.
    #[inline(always)]
    fn gather(&self, _: usize) -> bool {
        false
    }

    #[inline(always)]
    fn put<const N: usize>(&self, offset: usize, words: &[u64; N]) -> bool {
        let (data, end) = self.bounds();
        let start = data + offset;
        if start + N * size_of::<u64>() > end {
            return false;
        }
        // SAFETY: the words lie between data and data_end, as the verifier checks once more, and
        // nobody else looks at the frame while the program runs.
        unsafe { (start as *mut [u64; N]).write_unaligned(words.map(u64::to_be)) };
        true
    }

    /// Behind the program, drivers and the generic hook look at the destination themselves. Native
    /// mode on veth does so before, and is not used with virtual MACs.
    #[inline(always)]
    fn take_in(&self) {}

    #[inline(always)]
    fn resize(&self, length: usize) -> bool {
        let (data, end) = self.bounds();
        let longer = length as i32 - (end - data) as i32;
        // SAFETY: the context is the one that the program was called with.
        longer == 0 || unsafe { bpf_xdp_adjust_tail(self.ctx, longer) } == 0
    }
}

impl Hook for TcContext {
    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        // SAFETY: as for XDP.
        unsafe {
            (
                (&raw const (*self.skb.skb).data).read_volatile() as usize,
                (&raw const (*self.skb.skb).data_end).read_volatile() as usize,
            )
        }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the context is the one that the program was called with.
        unsafe { (*self.skb.skb).ifindex }
    }

    /// The kernel takes the outermost tag off before the program sees the frame, unless the device
    /// has done so already.
    #[inline(always)]
    fn taken_tag(&self) -> Option<u16> {
        let skb = self.skb.skb;
        // SAFETY: the context is the one that the program was called with.
        let (present, tag) = unsafe { ((*skb).vlan_present, (*skb).vlan_tci) };
        (present != 0).then_some(tag as u16)
    }

    /// Headers of ordinary traffic are in one piece: whoever reads them next wants it so, too.
    #[inline(always)]
    fn gather(&self, length: usize) -> bool {
        let (data, end) = self.bounds();
        let wanted = length.min(self.len() as usize);
        if wanted > end - data {
            // What could not be gathered cannot be read.
            // SAFETY: the context is the one that the program was called with.
            let _ = unsafe { bpf_skb_pull_data(self.skb.skb, wanted as u32) };
        }
        // In either case: the verifier would follow both to the end.
        true
    }

    /// With the helper, not through the pointers: a program that writes through them first gets a
    /// copy of every frame that somebody else holds as well, whether it will write or not.
    #[inline(always)]
    fn put<const N: usize>(&self, offset: usize, words: &[u64; N]) -> bool {
        let words = words.map(u64::to_be);
        // What the device has summed up begins behind the Ethernet header.
        let flags = if offset < ethernet::HEADER { 0 } else { u64::from(BPF_F_RECOMPUTE_CSUM) };
        // SAFETY: the words are a valid array, and the helper checks where they go.
        let outcome = unsafe {
            bpf_skb_store_bytes(
                self.skb.skb,
                offset as u32,
                words.as_ptr().cast(),
                size_of_val(&words) as u32,
                flags,
            )
        };
        outcome == 0
    }

    /// The kernel has looked at the destination before.
    #[inline(always)]
    fn take_in(&self) {
        // It refuses only types that no frame can have.
        // SAFETY: the context is the one that the program was called with.
        let _ = unsafe { bpf_skb_change_type(self.skb.skb, PACKET_HOST) };
    }

    #[inline(always)]
    fn resize(&self, length: usize) -> bool {
        // SAFETY: the context is the one that the program was called with.
        length == self.len() as usize
            || unsafe { bpf_skb_change_tail(self.skb.skb, length as u32, 0) } == 0
    }
}
