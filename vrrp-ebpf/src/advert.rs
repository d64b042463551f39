//! Adverts: the ladder, then what is new about them.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::debug;
use vrrp_common::{
    Frame,
    abi::{self, Counter, NO_SLOT, Setting},
    ladder::{Envelope, Heard, Reject},
    wire::{ethernet::Link, ipv4},
};

use crate::{
    Verdict,
    maps::{self, Router},
    packet::Packet,
};

/// Address family of the router table.
const IPV4: u8 = 4;

/// An IPv4 packet of protocol 112.
#[inline(always)]
pub(crate) fn receive(ctx: &XdpContext, packet: &Packet, link: &Link) -> Verdict {
    let envelope = match Envelope::open(packet, link.payload) {
        Ok(envelope) => envelope,
        Err(reason) => return reject(ctx, packet, link, NO_SLOT, reason),
    };
    let Some(router) =
        Router::by_vrid(&abi::router_key(packet.ifindex, link.vlan, IPV4, envelope.vrid))
    else {
        maps::count(NO_SLOT, Counter::AdvertsForeign);
        return if maps::setting(Setting::DropForeign) == 0 {
            Verdict::Pass
        } else {
            Verdict::Drop
        };
    };
    let rules = router.rules();
    match envelope.judge(packet, &rules) {
        Ok(heard) => accept(&router, &heard, rules.own),
        Err(reason) => return reject(ctx, packet, link, router.slot, reason),
    }
    Verdict::Drop
}

/// An advert without news is stamped and wakes nobody. A better router closes our slot at once; the
/// controller confirms or opens it again.
#[inline(always)]
fn accept(router: &Router, heard: &Heard, own: u64) {
    let now = maps::now();
    maps::count(router.slot, Counter::AdvertsReceived);
    maps::count(
        router.slot,
        if heard.pseudo_header { Counter::ChecksumPseudoHeader } else { Counter::ChecksumMessage },
    );
    if heard.addresses_differ {
        maps::count(router.slot, Counter::AddressListDiffers);
    }
    let (expected, ignored) = router.known();
    if heard.digest == expected {
        router.stamp(now);
        maps::count(router.slot, Counter::AdvertsAbsorbed);
    } else if heard.digest == ignored {
        maps::count(router.slot, Counter::AdvertsIgnored);
    } else {
        if abi::beats(heard, own) && router.is_open(now) {
            router.close();
            maps::count(router.slot, Counter::ClosedByProgram);
        }
        router.tell(abi::kind(heard, own), now, heard.to_word(), heard.digest);
        maps::count(router.slot, Counter::AdvertsNews);
    }
}

#[inline(always)]
fn reject(ctx: &XdpContext, packet: &Packet, link: &Link, slot: u32, reason: Reject) -> Verdict {
    let source = packet.octets(link.payload).map_or([0; 4], |octets| ipv4::Header(octets).source());
    if maps::reject(slot, reason, source, packet.ifindex) {
        debug!(ctx, "advert from {:i} dropped, reason {}", source, reason as u32);
    }
    Verdict::Drop
}
