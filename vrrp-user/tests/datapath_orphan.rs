//! `xdp_orphan serve-until-peer`: a lease that has lapsed goes on while nobody else is heard. They
//! need root.

mod datapath_support;

use datapath_support::{Advert, Arp, Bench, SLOT, State, VIP, Verdict, v3_rules};
use vrrp_common::{
    Version,
    abi::Kind,
    ladder::{Envelope, Rules},
    wire::ethernet,
};
use xvrrp::pulse;

fn bench(state: State) -> Bench {
    let bench = Bench::new();
    bench.slot().set_serves_on(true);
    bench.put(state);
    bench
}

/// Issue 4, keyword `xdp_orphan`: with a lease that has lapsed the host answers until any router of
/// the segment is heard, a lower one, too; then it is as closed as any.
#[test]
fn served_until_a_peer_is_heard() {
    let request = Arp::request(VIP);
    for priority in [1, 100, 200] {
        let mut bench = bench(State::LapsedInstalled);
        let row = format!("peer of priority {priority}");
        assert!(bench.slot().is_open(pulse::now()));
        bench.expect_answer(&row, &request.frame(), &request.answer().frame());
        let peer = Advert { priority, ..Advert::default() };
        let judged = ["adverts_received", "adverts_news", "checksum_message", "closed_by_program"];
        bench.expect(&row, &peer.frame(), Verdict::Drop, &judged);
        assert_eq!(bench.slot().lease(), None);
        assert!(!bench.slot().is_open(pulse::now()));
        bench.expect(&row, &request.frame(), Verdict::Drop, &["arp_dropped"]);
    }
}

/// Issue 4, keyword `xdp_orphan`: who has no lease at all answers nothing, and a fresh lease is lost to
/// a better router only.
#[test]
fn no_change_for_those_who_live() {
    let request = Arp::request(VIP);
    let mut closed = bench(State::ClosedInstalled);
    assert!(!closed.slot().is_open(pulse::now()));
    closed.expect("closed", &request.frame(), Verdict::Drop, &["arp_dropped"]);

    let mut fresh = bench(State::FreshInstalled);
    let lower = Advert { priority: 1, ..Advert::default() };
    let judged = ["adverts_received", "adverts_news", "checksum_message"];
    fresh.expect("a lower one", &lower.frame(), Verdict::Drop, &judged);
    assert!(fresh.slot().lease().is_some());
    fresh.expect_answer("fresh", &request.frame(), &request.answer().frame());
}

/// Issue 4, keyword `xdp_orphan`, V-7.1-05: an owner that ignores what others say is an orphan, too,
/// only until one of them is heard; while its lease is fresh it ignores them.
#[test]
fn an_owner_serves_until_a_peer_is_heard() {
    let request = Arp::request(VIP);
    for version in [Version::V2, Version::V3] {
        let rules = Rules { version, own_priority: 255, owner_ignores: true, ..v3_rules() };
        let peer = Advert { version, ..Advert::default() }.frame();

        let mut fresh = bench(State::FreshInstalled);
        fresh.slot().set_rules(&rules);
        fresh.expect("fresh", &peer, Verdict::Drop, &["rejected_local_owner"]);
        assert!(fresh.slot().lease().is_some(), "{version:?}");

        let mut orphan = bench(State::LapsedInstalled);
        orphan.slot().set_rules(&rules);
        orphan.expect_answer("alone", &request.frame(), &request.answer().frame());
        let closed = ["closed_by_program", "rejected_local_owner"];
        orphan.expect("a peer", &peer, Verdict::Drop, &closed);
        assert_eq!(orphan.slot().lease(), None, "{version:?}");
        orphan.expect("after", &request.frame(), Verdict::Drop, &["arp_dropped"]);
    }
}

/// Issue 4, keyword `xdp_orphan`: an advert that is known, or loses, is a peer as well; it is counted as
/// what it is, and brings no news.
#[test]
fn an_advert_without_news_is_a_peer() {
    let frame = Advert::default().frame();
    let envelope = Envelope::open(&frame[..], ethernet::HEADER).unwrap();
    let digest = envelope.judge(&frame[..], &v3_rules().pack()).unwrap().digest;
    for (fate, expected, ignored) in
        [("adverts_absorbed", digest, 0), ("adverts_ignored", 0, digest)]
    {
        let mut bench = bench(State::LapsedInstalled);
        bench.slot().expect(expected, ignored);
        let before = bench.news();
        let moved = ["adverts_received", fate, "checksum_message", "closed_by_program"];
        bench.expect(fate, &frame, Verdict::Drop, &moved);
        assert_eq!(bench.slot().lease(), None, "{fate}");
        assert_eq!(bench.news(), before, "{fate}");
        assert_eq!(bench.doorbells(), [], "{fate}");
        assert_eq!(bench.slot().last_seen().as_nanos() != 0, expected != 0, "{fate}");
    }
}

/// Issue 4, flood defence: the advert that closes an orphan rings at once, though a doorbell of its kind
/// is under way, as that which closes any other slot does.
#[test]
fn the_end_of_an_orphan_rings_at_once() {
    let mut bench = bench(State::FreshInstalled);
    let lower = |priority| Advert { priority, ..Advert::default() }.frame();
    let bell = (SLOT, Kind::Lower as u32);
    bench.run(&lower(1));
    assert_eq!(bench.doorbells(), [bell]);
    bench.run(&lower(2));
    assert_eq!(bench.doorbells(), [], "the first is not answered");
    bench.put(State::LapsedInstalled);
    bench.run(&lower(3));
    assert_eq!(bench.doorbells(), [bell]);
    assert_eq!(bench.slot().lease(), None);
}
