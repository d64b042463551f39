//! Frames to the virtual MACs: for this host while it answers for their addresses, for nobody
//! otherwise (RFC 9568 6.4.2, 6.4.3).

use vrrp_common::{Frame, FrameMut, abi::Counter, wire::ethernet::Link};

use crate::{
    hook::Hook,
    maps::{self, Router},
    packet::Packet,
};

/// What the destination MAC of a frame means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// No virtual MAC of ours; the frame is as it was.
    Other,
    /// Ours, and the frame is to the device now.
    Host,
    /// Ours, and the frame is for nobody here.
    Nobody,
}

/// Gives a frame to a virtual MAC to the device while the lease is fresh. What it carries, ARP for a
/// virtual address for one, is looked at as in any other frame after that.
///
/// All other traffic pays for a look into the filter.
#[inline(always)]
pub(crate) fn receive(packet: &mut Packet<impl Hook>, link: &Link) -> Destination {
    let Some(octets) = packet.octets(0) else { return Destination::Other };
    let destination = u64::from_be_bytes(*octets) >> 16;
    let found = Router::by_mac(packet.filter, packet.ifindex(), link.vlan, destination);
    let Some((router, device_mac)) = found else { return Destination::Other };
    if !router.is_open(maps::now()) {
        maps::count(router.slot, Counter::VirtualMacDropped);
        return Destination::Nobody;
    }
    if packet.put_mac(0, device_mac).is_none() {
        return Destination::Nobody;
    }
    packet.hook.take_in();
    Destination::Host
}
