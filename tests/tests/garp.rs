//! Gratuitous ARP as the file wants it.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, SystemTime},
};

use rig::{Bench, Capture, Daemon, Lab, Node, Router, Subject, ms_between, wire::Advert};

const SETTLING: Duration = Duration::from_secs(15);
/// Cables of the node that go nowhere: its end and the other one.
const CABLES: [[&str; 2]; 3] = [["lan0", "far0"], ["lan1", "far1"], ["lan2", "far2"]];

fn plug(node: &Node) {
    for (number, [near, far]) in CABLES.iter().enumerate() {
        let address = format!("10.0.{number}.1/24");
        for words in [
            format!("link add {near} type veth peer name {far}"),
            format!("addr add {address} dev {near}"),
            format!("link set {far} up"),
            format!("link set {near} up"),
        ] {
            node.namespace().ip(&words.split(' ').collect::<Vec<_>>()).unwrap();
        }
    }
}

/// The virtual address number `last` on a cable.
fn vip(cable: usize, last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, u8::try_from(cable).unwrap(), last).into()
}

/// When the capture saw an announcement of `vip`.
fn announcements(capture: &Capture, vip: IpAddr) -> Vec<SystemTime> {
    capture.seen().iter().filter(|seen| seen.announces(vip)).map(|seen| seen.at).collect()
}

/// keywords `garp_group`, `garp_interval`, `interfaces`, `vrrp_garp_interval`: the interfaces of a group
/// share one spacing, that of the group; another interface has its own.
#[test]
fn interfaces_of_a_group_share_their_spacing() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    plug(node);
    let instance = |cable: usize| {
        format!(
            "vrrp_instance V{cable} {{\n interface lan{cable}\n virtual_router_id 5{cable}\n version 3\n \
             advert_int 0.1\n garp_master_delay 0\n virtual_ipaddress {{\n {}\n {}\n }}\n}}\n",
            vip(cable, 101),
            vip(cable, 102)
        )
    };
    let config = format!(
        "global_defs {{\n vrrp_garp_interval 0.01\n}}\n\
         garp_group {{\n garp_interval 0.05\n interfaces {{\n lan0\n lan1\n }}\n}}\n{}{}{}",
        instance(0),
        instance(1),
        instance(2)
    );
    let captures = CABLES.map(|[_, far]| Capture::start_on(node, far).unwrap());
    let router = Router::start(node, Daemon::Xvrrp, &config).unwrap();
    for cable in 0..3 {
        let name = format!("V{cable}");
        router.wait_for_state(router.started(), &name, "MASTER", SETTLING).unwrap();
    }
    let times = |cables: &[usize]| {
        let vips = cables.iter().flat_map(|cable| [(*cable, 101), (*cable, 102)]);
        let mut times: Vec<_> = vips
            .flat_map(|(cable, last)| announcements(&captures[cable], vip(cable, last)))
            .collect();
        times.sort();
        times
    };
    // 20 of the group take a second.
    rig::wait_until("all announcements", SETTLING, || Ok(times(&[0, 1]).len() == 20)).unwrap();
    let shortest = |times: &[SystemTime]| {
        let gaps = times.windows(2).map(|pair| ms_between(pair[0], pair[1]));
        gaps.fold(f64::INFINITY, f64::min)
    };
    let (group, other) = (times(&[0, 1]), times(&[2]));
    assert!(shortest(&group) >= 49.0, "{} ms apart", shortest(&group));
    assert_eq!(other.len(), 10);
    assert!(shortest(&other) >= 9.0, "{} ms apart", shortest(&other));
    assert!(ms_between(other[0], other[9]) < 400.0, "it waits for nobody");
}

/// keywords `garp_extra_if`, `vrrp_garp_extra_if`, `garp_master_delay`: the address on another interface
/// is announced once in each period as long as the router is MASTER, that on its own interface is not;
/// without `all`, none is.
#[test]
fn other_interfaces_are_refreshed() {
    for (all, extra) in [(true, "garp_extra_if all 1"), (false, "garp_extra_if 1")] {
        let subject = Subject::new(1);
        let [first, second] = subject.vips();
        let config = subject
            .to_string()
            .replace(&second.to_string(), &format!("{} dev lan0", vip(0, 101)))
            .replace(
                "virtual_ipaddress",
                &format!("garp_master_delay 0\n {extra}\n virtual_ipaddress"),
            );
        let lab = Bench::lab(false).unwrap();
        plug(lab.node(0));
        let far = Capture::start_on(lab.node(0), CABLES[0][1]).unwrap();
        let bench = Bench::start(lab, &config).unwrap();
        bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
        thread::sleep(Duration::from_millis(3600));
        // It may be more since the first: three periods and a half count.
        let elsewhere = announcements(&far, vip(0, 101));
        let until = *elsewhere.first().unwrap() + Duration::from_millis(3500);
        let expected = if all { 5 + 3 } else { 5 };
        let counted = elsewhere.iter().filter(|at| **at <= until).count();
        assert_eq!(counted, expected, "{extra}: {elsewhere:?}");
        assert_eq!(announcements(&bench.capture, first).len(), 5);
        let better = Advert { addresses: vec![first], ..subject.peer() };
        let yields = bench.send(&better.frame()).unwrap();
        bench.wait_for_state(&subject, yields, "BACKUP").unwrap();
        let quiet = SystemTime::now();
        // It takes over again later than that.
        thread::sleep(Duration::from_millis(1100));
        assert!(announcements(&far, vip(0, 101)).iter().all(|at| *at <= quiet), "{extra}");
    }
}

/// keyword `vrrp_min_garp`: one announcement of each address, and no second burst.
#[test]
fn as_few_as_can_be() {
    let subject = Subject::new(1);
    let config = format!("global_defs {{\n vrrp_min_garp\n}}\n{subject}");
    let bench = Bench::start(Bench::lab(false).unwrap(), &config).unwrap();
    bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
    thread::sleep(Duration::from_millis(5500));
    for vip in subject.vips() {
        assert_eq!(announcements(&bench.capture, vip).len(), 1);
    }
}

/// keywords `garp_master_refresh`, `garp_master_refresh_repeat`: as many in each period after many
/// takeovers as after one, where keepalived has one timer more each time, and none as BACKUP.
#[test]
fn refreshes_do_not_multiply() {
    let extra = "garp_master_delay 0\n garp_master_repeat 1\n garp_master_refresh 1\n \
                 garp_master_refresh_repeat 2";
    let subject = Subject { interval: Duration::from_millis(100), extra, ..Subject::new(1) };
    let [vip, _] = subject.vips();
    let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
    for _ in 0..5 {
        let yields = bench.send(&subject.peer().frame()).unwrap();
        bench.wait_for_state(&subject, yields, "BACKUP").unwrap();
        bench.wait_for_state(&subject, yields, "MASTER").unwrap();
    }
    let master = SystemTime::now();
    thread::sleep(Duration::from_millis(4500));
    let since: Vec<_> =
        announcements(&bench.capture, vip).into_iter().filter(|at| *at > master).collect();
    // The first may be that of the takeover.
    assert!((8..=9).contains(&since.len()), "{} announcements", since.len());
}

/// R-8.1.2-06, R-8.2.2-06, issue 6: an address that a master gets in a reload is announced at once and
/// again after `garp_master_delay`.
#[test]
fn an_address_that_is_added_is_announced() {
    for is_ipv6 in [false, true] {
        let extra = "garp_master_delay 1";
        let subject = Subject { is_ipv6, extra, ..Subject::new(1) };
        let [first, second] = subject.vips();
        let whole = subject.to_string();
        let lab = Bench::lab(is_ipv6).unwrap();
        let bench = Bench::start(lab, &whole.replace(&format!("        {second}\n"), "")).unwrap();
        bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
        let announced = |vip, least| {
            let enough = || Ok(announcements(&bench.capture, vip).len() >= least);
            rig::wait_until("the announcements", SETTLING, enough).unwrap();
        };
        announced(first, 10);
        assert_eq!(announcements(&bench.capture, second).len(), 0);

        let reloaded = SystemTime::now();
        bench.router.reload(&whole).unwrap();
        announced(second, 10);
        let times = announcements(&bench.capture, second);
        assert!(ms_between(reloaded, times[0]) < 150.0, "{times:?}");
        assert!((990.0..1200.0).contains(&ms_between(times[0], times[5])), "{times:?}");
    }
}

/// keywords `garp_lower_prio_repeat`, `garp_lower_prio_delay`: after an advert that loses so many, and
/// as many again.
#[test]
fn after_a_losing_advert() {
    let extra = "garp_master_delay 0\n garp_lower_prio_repeat 2\n garp_lower_prio_delay 1";
    let subject = Subject { extra, ..Subject::new(1) };
    let [vip, _] = subject.vips();
    let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
    rig::wait_until("the burst", SETTLING, || Ok(announcements(&bench.capture, vip).len() == 5))
        .unwrap();
    let heard = bench.send(&Advert { priority: 50, ..subject.peer() }.frame()).unwrap();
    thread::sleep(Duration::from_millis(2500));
    let times: Vec<_> = announcements(&bench.capture, vip)
        .into_iter()
        .filter(|at| *at >= heard)
        .map(|at| ms_between(heard, at))
        .collect();
    assert_eq!(times.len(), 4, "{times:?}");
    assert!(times[1] < 150.0 && (990.0..1200.0).contains(&times[2]), "{times:?}");
}
