//! Adverts that the kernel program leaves to the controller. They need root.

mod datapath_support;

use datapath_support::{Advert, Advert6, Bench, OWN, OWN_V6, State, Verdict, v3_rules, v6_rules};
use vrrp_common::{abi::Kind, ladder::Rules};
use xvrrp::datapath::News;

/// Issue 3: what the program cannot judge goes to the raw sockets as it came, right or wrong, and
/// changes nothing: no stamp, no news, no doorbell, no slot that closes because of a better router.
#[test]
fn passed_to_the_raw_sockets() {
    let better = Advert { priority: 200, ..Advert::default() };
    let mut damaged = better.frame();
    *damaged.last_mut().unwrap() ^= 1;
    let frames = [
        ("better", better.frame()),
        ("unicast", Advert { destination: OWN, ttl: 63, ..better.clone() }.frame()),
        ("own source", Advert { source: OWN, ..better.clone() }.frame()),
        ("damaged", damaged),
    ];
    let mut bench = Bench::dropping_foreign();
    bench.slot().set_rules(&Rules { deferred: true, ..v3_rules() });
    bench.put(State::FreshInstalled);
    let lease = bench.slot().lease();
    for (row, frame) in &frames {
        bench.expect(row, frame, Verdict::Pass, &["adverts_deferred"]);
    }
    assert_eq!(bench.slot().lease(), lease);
    assert_eq!(bench.slot().last_seen(), xvrrp::election::Instant::default());
    assert_eq!(bench.news(), [News::default(); Kind::COUNT]);
    assert!(bench.doorbells().is_empty());

    bench.slot().set_rules(&v3_rules());
    let judged = ["adverts_received", "adverts_news", "checksum_message", "closed_by_program"];
    bench.expect("judged again", &frames[0].1, Verdict::Drop, &judged);
}

/// Issue 3: the same of IPv6.
#[test]
fn passed_to_the_raw_sockets_ipv6() {
    let better = Advert6 { priority: 200, ..Advert6::default() };
    let mut bench = Bench::ipv6();
    bench.slot().set_rules(&Rules { deferred: true, ..v6_rules() });
    bench.put(State::FreshInstalled);
    let lease = bench.slot().lease();
    bench.expect("better", &better.frame(), Verdict::Pass, &["adverts_deferred"]);
    assert_eq!(bench.slot().lease(), lease);
    assert!(bench.doorbells().is_empty());
}

/// Issue 3, keyword `xdp_drop_foreign`: a unicast advert may be for a virtual router of another
/// device, so it passes; what was sent to the group does not.
#[test]
fn foreign_unicast_passes() {
    let foreign = Advert { vrid: 53, ..Advert::default() };
    let to_us = Advert { destination: OWN, ..foreign.clone() };
    for (mut bench, verdict) in
        [(Bench::new(), Verdict::Pass), (Bench::dropping_foreign(), Verdict::Drop)]
    {
        bench.expect("to the group", &foreign.frame(), verdict, &["0/adverts_foreign"]);
        bench.expect("to us", &to_us.frame(), Verdict::Pass, &["0/adverts_foreign"]);
        let ipv6 = Advert6::default();
        let to_us = Advert6 { destination: OWN_V6, ..ipv6.clone() };
        bench.expect("IPv6, to the group", &ipv6.frame(), verdict, &["0/adverts_foreign"]);
        bench.expect("IPv6, to us", &to_us.frame(), Verdict::Pass, &["0/adverts_foreign"]);
    }
}
