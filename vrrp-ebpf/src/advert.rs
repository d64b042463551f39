//! Adverts: the ladder, then what is new about them.

use aya_log_ebpf::debug;
use vrrp_common::{
    Addr, Family, Frame,
    abi::{self, Counter, Fate, NO_SLOT, Setting},
    ladder::{Envelope, Heard, Rank, Reject},
    wire::{ethernet::Link, ipv4, ipv6},
};

use crate::{
    Verdict,
    hook::Hook,
    maps::{self, Router, Tally},
    packet::{Packet, WHOLE},
};

/// An IPv4 packet of protocol 112.
#[inline(always)]
pub(crate) fn receive(packet: &mut Packet<impl Hook>, link: &Link) -> Verdict {
    packet.gather(WHOLE);
    let outcome = match Envelope::open(packet, link.payload) {
        Ok(envelope) => deliver(packet, link, Family::V4, &envelope),
        Err(reason) => Err((NO_SLOT, reason)),
    };
    outcome.unwrap_or_else(|(slot, reason)| {
        let reason = packet.forget_how(reason as usize);
        let octets = packet.octets(link.payload);
        let source = octets.map_or([0; 4], |octets| ipv4::Header(octets).source());
        if maps::reject(slot, reason, Family::V4, Addr::v4(source), packet.ifindex()) {
            debug!(packet.hook, "advert from {:i} dropped, reason {}", source, reason as u32);
        }
        Verdict::Drop
    })
}

/// An IPv6 packet whose payload is of protocol 112.
#[inline(always)]
pub(crate) fn receive_ipv6(
    packet: &mut Packet<impl Hook>,
    link: &Link,
    payload: &ipv6::Payload,
) -> Verdict {
    packet.gather(WHOLE);
    let outcome = match Envelope::open_ipv6(packet, payload) {
        Ok(envelope) => deliver(packet, link, Family::V6, &envelope),
        Err(reason) => Err((NO_SLOT, reason)),
    };
    outcome.unwrap_or_else(|(slot, reason)| {
        let reason = packet.forget_how(reason as usize);
        let octets = packet.octets(link.payload);
        let source = octets.map_or(Addr::UNSPECIFIED, |octets| ipv6::Header(octets).source());
        if maps::reject(slot, reason, Family::V6, source, packet.ifindex()) {
            debug!(
                packet.hook,
                "advert from {:i} dropped, reason {}",
                source.octets_v6(),
                reason as u32
            );
        }
        Verdict::Drop
    })
}

/// To the virtual router that it is for. An error is the reason and who counts it.
#[inline(always)]
fn deliver(
    packet: &Packet<impl Hook>,
    link: &Link,
    family: Family,
    envelope: &Envelope,
) -> Result<Verdict, (u32, Reject)> {
    let found = Router::by_vrid(packet.ifindex(), link.vlan, family, envelope.vrid);
    let Some(router) = found else {
        maps::count(NO_SLOT, Counter::AdvertsForeign);
        // What was sent to this host alone may be for a unicast router of another device.
        let is_dropped = maps::setting(Setting::DropForeign) != 0 && envelope.is_to_group(packet);
        return Ok(if is_dropped { Verdict::Drop } else { Verdict::Pass });
    };
    let rules = router.rules();
    if rules.is_deferred() {
        maps::count(router.slot, Counter::AdvertsDeferred);
        return Ok(Verdict::Pass);
    }
    let heard = envelope.judge(packet, &rules).map_err(|reason| {
        // An owner ignores others while it lives. Asked at once for all reasons, each of which the
        // verifier would follow by itself.
        let is_owner = packet.forget_how(reason as usize) == Reject::LocalOwner as usize;
        if is_owner && router.is_orphan(maps::now()) && router.close() {
            maps::count(router.slot, Counter::ClosedByProgram);
        }
        (router.slot, reason)
    })?;
    accept(&router, &heard, rules.rank());
    Ok(if maps::setting(Setting::PassOn) != 0 { Verdict::Pass } else { Verdict::Drop })
}

/// An advert without news is stamped and wakes nobody. A better router closes our slot at once; the
/// controller confirms or opens it again.
#[inline(always)]
fn accept(router: &Router, heard: &Heard, own: Rank) {
    let now = maps::now();
    // There are as many counters as slots (`Sizes::tables` of the controller), and this slot is there.
    let Some(tally) = Tally::of(router.slot) else { return };
    tally.count(Counter::AdvertsReceived);
    tally.count(if heard.pseudo_header {
        Counter::ChecksumPseudoHeader
    } else {
        Counter::ChecksumMessage
    });
    if heard.addresses_differ {
        tally.count(Counter::AddressListDiffers);
    }
    let (expected, ignored) = router.known();
    let fate = if heard.digest == expected {
        Fate::Absorbed
    } else if heard.digest == ignored {
        Fate::Ignored
    } else {
        Fate::News
    };
    let is_beaten = fate == Fate::News && abi::beats(heard, own);
    // An orphan only served because nobody was heard: whoever this is serves now, or will.
    let closes = (is_beaten || router.is_orphan(now)) && router.close();
    if closes {
        tally.count(Counter::ClosedByProgram);
    }
    match fate {
        Fate::Absorbed => router.stamp(now),
        Fate::Ignored => {}
        Fate::News => router.tell(abi::kind(heard, own), now, heard, closes),
    }
    tally.count(fate.counter());
    if maps::setting(Setting::ReportAdverts) != 0 {
        maps::report(router.slot, now, heard, fate);
    }
}
