//! The kernel side of xvrrp. A frame is taken apart once and goes to the one part that it concerns;
//! every other frame leaves after a handful of instructions.

#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![expect(unsafe_code, reason = "packets and maps are raw pointers that the verifier checks")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "the macros of aya-ebpf generate public items without documentation, and want the context by value"
)]

mod advert;
mod arp;
mod egress;
mod gate;
mod hook;
mod maps;
mod ndp;
mod packet;
mod vmac;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, tcx_action_base::TCX_NEXT, xdp_action},
    helpers::generated::bpf_redirect,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use hook::Hook;
use maps::Filter;
use packet::Packet;
use vmac::Destination;
use vrrp_common::wire::{
    ethernet, ipv4,
    ipv6::{self, Payload},
};

/// Octets of what all frames are looked at for: MACs, tags, and an IP header or an ARP packet.
const HEADERS: usize = ethernet::MAX_HEADER + ipv6::HEADER;

/// What is to become of a frame, whichever hook it came through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// On to the kernel.
    Pass,
    /// Gone.
    Drop,
    /// Back to where it came from, rewritten.
    Answer,
}

/// Entry point of the XDP hook.
#[xdp]
#[inline(always)]
pub fn xvrrp(ctx: XdpContext) -> u32 {
    match receive(&ctx) {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Answer => xdp_action::XDP_TX,
    }
}

/// Entry point of the tcx hook, inwards. Here the kernel has made its own structure around the
/// frame, with the tag that XDP may not see.
#[classifier]
#[inline(always)]
pub fn xvrrp_ingress(ctx: TcContext) -> i32 {
    match receive(&ctx) {
        // Others may be attached behind us.
        Verdict::Pass => TCX_NEXT,
        Verdict::Drop => TC_ACT_SHOT,
        // A tag beside the frame goes with it.
        // SAFETY: the helper takes two numbers and has no precondition.
        Verdict::Answer => unsafe { bpf_redirect(ctx.ifindex(), 0) as i32 },
    }
}

/// Entry point of the tcx hook, outwards.
#[classifier]
#[inline(always)]
pub fn xvrrp_egress(ctx: TcContext) -> i32 {
    // SAFETY: the context is the one that the program was called with.
    let (origin, protocol) = unsafe { ((*ctx.skb.skb).ingress_ifindex, (*ctx.skb.skb).protocol) };
    // ARP that came in here and goes back is an answer of the program for what comes in, and right
    // already; the kernel's own has come in nowhere.
    if origin == ctx.ifindex() && protocol == u32::from(ethernet::ARP.to_be()) {
        return TCX_NEXT;
    }
    match egress::send(&ctx) {
        Verdict::Drop => TC_ACT_SHOT,
        Verdict::Pass | Verdict::Answer => TCX_NEXT,
    }
}

#[inline(always)]
fn receive(hook: &impl Hook) -> Verdict {
    let Some(filter) = Filter::find() else { return Verdict::Pass };
    let packet = &mut Packet::new(hook, filter);
    packet.gather(HEADERS);
    let Some(link) = packet.link() else { return Verdict::Pass };
    if vmac::receive(packet, &link) == Destination::Nobody {
        return Verdict::Drop;
    }
    match link.ethertype {
        ethernet::ARP => arp::receive(packet, &link),
        ethernet::IPV4 => match packet.protocol(&link) {
            Some(ipv4::VRRP) => advert::receive(packet, &link),
            Some(_) => gate::receive(packet, &link),
            None => Verdict::Pass,
        },
        ethernet::IPV6 => match Payload::find(packet, link.payload) {
            Some(payload) => match payload.protocol {
                ipv6::VRRP => advert::receive_ipv6(packet, &link, &payload),
                ipv6::ICMP => ndp::receive(packet, &link, &payload),
                _ => gate::receive_ipv6(packet, &link, &payload),
            },
            None => Verdict::Pass,
        },
        _ => Verdict::Pass,
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never linked in: the verifier would refuse the loop, so a reachable panic fails the load.
    loop {}
}

/// The kernel offers GPL-only helpers to a program with a compatible licence, and this crate has it.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
