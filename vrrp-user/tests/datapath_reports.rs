//! Adverts that people want to see, through the real kernel program: records of them, and the frames
//! themselves with `xdp_absorb off`. They need root.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod datapath_support;

use datapath_support::{Advert, Bench, PEER, SLOT, VIP, Verdict, v3_rules};
use vrrp_common::{
    Addr,
    abi::{Fate, Reported},
    ladder::{Envelope, Heard},
    wire::ethernet,
};
use xvrrp::pulse;

/// What the ladder says of a frame that is in order.
fn judge(frame: &[u8]) -> Heard {
    let envelope = Envelope::open(frame, ethernet::HEADER).unwrap();
    envelope.judge(frame, &v3_rules().pack()).unwrap()
}

/// Adverts of each fate, with the counters that they move. The first is news, and the others are
/// known then.
fn of_each_fate(bench: &Bench) -> [(Fate, Vec<u8>, [&'static str; 3]); 3] {
    let advert = |priority| Advert { priority, ..Advert::default() }.frame();
    bench.slot().expect(judge(&advert(120)).digest, judge(&advert(50)).digest);
    let counters = |fate| ["adverts_received", fate, "checksum_message"];
    [
        (Fate::News, advert(130), counters("adverts_news")),
        (Fate::Absorbed, advert(120), counters("adverts_absorbed")),
        (Fate::Ignored, advert(50), counters("adverts_ignored")),
    ]
}

/// Issue 4, `xvrrp events --adverts`: each advert that passes the checks leaves a record with what
/// it says and what became of it, while somebody wants to know and not otherwise.
#[test]
fn records() {
    let mut bench = Bench::new();
    let mut records = bench.datapath.adverts().unwrap();
    let adverts = of_each_fate(&bench);
    for (_, frame, counters) in &adverts {
        bench.expect("nobody asked", frame, Verdict::Drop, counters);
    }
    assert_eq!(records.next(), None);

    bench.datapath.report_adverts(true).unwrap();
    for (fate, frame, counters) in &adverts {
        let row = format!("{fate:?}");
        let before = pulse::now();
        bench.expect(&row, frame, Verdict::Drop, counters);
        let record = records.next().expect(&row);
        assert!((before.as_nanos()..=pulse::now().as_nanos()).contains(&record.at));
        let (advert, source) = (judge(frame).to_word(), Addr::v4(PEER));
        let Reported { at, .. } = record;
        assert_eq!(record, Reported { at, advert, source, slot: SLOT, fate: *fate as u32 });
    }
    // What is dropped for a reason has a ring of its own.
    bench.run(&Advert { ttl: 254, ..Advert::default() }.frame());
    assert_eq!(records.next(), None);

    bench.datapath.report_adverts(false).unwrap();
    bench.run(&adverts[0].1);
    assert_eq!(records.next(), None);
}

/// Issue 4, `xvrrp events --adverts`: a ring that nobody empties holds up no advert. The records
/// that it has no room for are counted.
#[test]
fn full_ring() {
    let mut bench = Bench::new();
    let mut records = bench.datapath.adverts().unwrap();
    bench.datapath.report_adverts(true).unwrap();
    let [_, (_, frame, counters), _] = of_each_fate(&bench);
    let mut kept = 0;
    while bench.run(&frame).moved.len() == counters.len() {
        kept += 1;
        assert!(kept < 100_000, "the ring has no end");
    }
    let lost = [&counters[..], &["advert_reports_lost"]].concat();
    bench.expect("the ring is full", &frame, Verdict::Drop, &lost);
    assert_eq!(records.by_ref().count(), kept);
    bench.expect("there is room again", &frame, Verdict::Drop, &counters);
}

/// Issue 4, keyword `xdp_absorb`: adverts are dealt with as ever and passed on; those that fail a
/// check are dropped all the same.
#[test]
fn passed_on() {
    let mut bench = Bench::new();
    bench.datapath.pass_on(true).unwrap();
    for (fate, frame, counters) in of_each_fate(&bench) {
        let before = pulse::now();
        bench.expect(&format!("{fate:?}"), &frame, Verdict::Pass, &counters);
        assert_eq!(bench.slot().last_seen() >= before, fate == Fate::Absorbed, "{fate:?}");
        assert_eq!(bench.doorbells().len(), usize::from(fate == Fate::News), "{fate:?}");
    }
    let bad = Advert { ttl: 254, addresses: vec![VIP], ..Advert::default() }.frame();
    assert_eq!(bench.run(&bad).verdict, Verdict::Drop);
}
