//! The kernel side of xvrrp. A frame is taken apart once and goes to the one part that it concerns;
//! every other frame leaves after a handful of instructions.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "packets and maps are raw pointers that the verifier checks")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "the macros of aya-ebpf generate public items without documentation, and want the context by value"
)]

mod advert;
mod arp;
mod gate;
mod maps;
mod ndp;
mod packet;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use packet::Packet;
use vrrp_common::wire::{
    ethernet::{self, Link},
    ipv4,
    ipv6::{self, Payload},
};

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
pub fn xvrrp(ctx: XdpContext) -> u32 {
    let mut packet = Packet::from_xdp(&ctx);
    match receive(&ctx, &mut packet) {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Answer => xdp_action::XDP_TX,
    }
}

#[inline(always)]
fn receive(ctx: &XdpContext, packet: &mut Packet) -> Verdict {
    let Some(link) = Link::parse(packet) else { return Verdict::Pass };
    match link.ethertype {
        ethernet::ARP => arp::receive(packet, &link),
        ethernet::IPV4 => match packet.protocol(&link) {
            Some(ipv4::VRRP) => advert::receive(ctx, packet, &link),
            Some(_) => gate::receive(packet, &link),
            None => Verdict::Pass,
        },
        ethernet::IPV6 => match Payload::find(packet, link.payload) {
            Some(payload) => match payload.protocol {
                ipv6::VRRP => advert::receive_ipv6(ctx, packet, &link, &payload),
                ipv6::ICMP => ndp::receive(ctx, packet, &link, &payload),
                _ => gate::receive_ipv6(packet, &link),
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
