//! How virtual routers begin: owners at once, the others as Backups, and nobody before there is an
//! address to speak from; and how several of them keep out of each other's way.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::IpAddr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Bench, Capture, Config, Daemon, Lab, Mac, Node, PacketSocket, Router, Seen, Subject,
    wait_until,
    wire::{self, Advert, What},
};

const SETTLING: Duration = Bench::SETTLING;
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(300);
const ASKER: Mac = Mac::local(99);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A question for `vip` to everybody.
fn question(vip: IpAddr) -> Vec<u8> {
    match vip {
        IpAddr::V4(vip) => wire::arp_request(Mac::BROADCAST, (ASKER, Lab::address(99)), vip),
        IpAddr::V6(vip) => wire::neighbor_solicitation(None, (ASKER, Lab::address_v6(99)), vip),
    }
}

/// The node gets the subject's addresses as its own.
fn own(node: &Node, subject: &Subject) {
    for vip in subject.vips() {
        let (prefix, nodad) = if vip.is_ipv4() { ("/32", None) } else { ("/128", Some("nodad")) };
        let address = format!("{vip}{prefix}");
        let add = ["ip", "addr", "add", &address, "dev", Node::INTERFACE];
        node.run(&add.into_iter().chain(nodad).collect::<Vec<_>>()).unwrap();
    }
}

/// R-5.2.4-01, R-5.1.2.1-01, R-6.1-08, R-6.4.1-01, R-6.4.1-04, R-6.4.1-06, R-6.4.3-05, V-6.4.1-01, V-6.4.3-04,
/// R-8.1.2-03: an owner advertises as soon as it starts, with priority 255, then announces its
/// addresses, answers and accepts; one interval later the next advert follows. A peer with priority
/// 254 changes nothing, even with `nopreempt`. In version 2, in version 3 and over IPv6.
#[test]
fn an_owner_is_active_at_once() {
    let interval = ms(3000);
    let owner = |subject| Subject { priority: 255, interval, extra: "nopreempt", ..subject };
    let subjects = [Subject::new(1), Subject::version_2(2), Subject::ipv6(3)].map(owner);
    let lab = Bench::lab(true).unwrap();
    subjects.iter().for_each(|subject| own(lab.node(0), subject));
    let config: String = subjects.iter().map(Subject::to_string).collect();
    let bench = Bench::start(lab, &config).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        let (at, advert) = bench.next_advert(subject, started, SETTLING).unwrap();
        let waited = at.duration_since(started).unwrap();
        assert!(waited < interval, "{subject:?}: the first advert after {waited:?}");
        assert_eq!((advert.priority, advert.version), (255, subject.version));
        for vip in subject.vips() {
            let announces = |seen: &Seen| seen.announces(vip);
            let seen = bench.capture.expect("an announcement", started, SETTLING, announces);
            assert!(seen.unwrap().at >= at, "the advert comes first");
            let asked = bench.send(&question(vip)).unwrap();
            let answers = |seen: &Seen| seen.is_arp_answer(vip);
            bench.capture.expect("an answer", asked, SETTLING, answers).unwrap();
            let mut host = vip.to_string();
            if host.starts_with("fe80") {
                host += &format!("%{}", Node::INTERFACE);
            } else {
                let route = ["ip", "route", "replace", &host, "dev", Node::INTERFACE];
                bench.lab.client().run(&route).unwrap();
            }
            bench.lab.client().run(&["ping", "-c", "1", "-W", "2", &host]).unwrap();
        }
        let second = at + interval;
        let (next, _) = bench.next_advert(subject, at + ms(1), interval + SETTLING).unwrap();
        let late = next.duration_since(second).unwrap_or_default();
        assert!(next + ms(20) >= second && late < Bench::TOLERANCE, "{subject:?}: second advert");
        bench.send(&Advert { priority: 254, ..subject.peer() }.frame()).unwrap();
    }
    thread::sleep(Bench::TOLERANCE);
    assert!(bench.router.status().unwrap().iter().all(|row| row.state == "MASTER"));
}

/// R-7.1-11 (erratum 8298), V-7.1-05: an owner hears another owner: of version 3 the one with the
/// lower address yields and says why, of version 2 it hears nothing.
#[test]
fn owners_of_one_address() {
    let owner = |subject| Subject { priority: 255, ..subject };
    let subjects = [Subject::new(1), Subject::ipv6(2), Subject::version_2(3)].map(owner);
    let bench = Bench::with(&subjects).unwrap();
    let say = |subject: &Subject, host: u8| {
        let source = match subject.is_ipv6 {
            false => IpAddr::V4(Lab::address(host)),
            true => IpAddr::from([0xfe80, 0, 0, 0, u16::from(host / 200), 0, 0, u16::from(host)]),
        };
        bench.send(&Advert { priority: 255, source, ..subject.peer() }.frame()).unwrap()
    };
    let [ipv4, ipv6, version_2] = &subjects;
    let state = |row: usize| bench.router.status().unwrap()[row].state.clone();
    for (row, subject) in [ipv4, ipv6].into_iter().enumerate() {
        say(subject, 3);
        thread::sleep(Bench::TOLERANCE);
        assert_eq!(state(row), "MASTER", "the lower address");
        let since = say(subject, 200);
        let line = bench.router.wait_for_state(since, &subject.instance(), "BACKUP", SETTLING);
        let line = line.unwrap().text;
        assert!(line.contains("same priority from a higher address"), "{line}");
    }
    say(version_2, 200);
    thread::sleep(Bench::TOLERANCE);
    assert_eq!(state(2), "MASTER");
    let rows = bench.router.status().unwrap();
    assert_eq!(rows[2].counter("rejected_local_owner"), 1, "{:?}", rows[2]);
}

/// R-6.4.1-07, R-7.2-04, R-8.1.2-07, R-8.2.2-07: without an address to speak from a router says
/// nothing, answers nothing and learns nothing; once there is one it starts as a Backup.
#[test]
fn nothing_is_said_before_there_is_an_address() {
    let subjects = [Subject::new(1), Subject::ipv6(2)];
    let lab = Bench::lab(true).unwrap();
    let node = lab.node(0).clone();
    node.run(&["ip", "addr", "flush", "dev", Node::INTERFACE]).unwrap();
    let config: String = subjects.iter().map(Subject::to_string).collect();
    let bench = Bench::start(lab, &config).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        bench.wait_for_state(subject, started, "FAULT").unwrap();
        // Had it an effect, the router would wait by this interval.
        bench.send(&Advert { interval: ms(40_950), ..subject.peer() }.frame()).unwrap();
        for vip in subject.vips() {
            bench.send(&question(vip)).unwrap();
        }
    }
    thread::sleep(subjects[0].active_down_interval(subjects[0].interval) + Bench::TOLERANCE);
    let said = bench.capture.frames_since(started);
    let from_node = |frame: &[u8]| wire::source_mac(frame) == Some(node.mac());
    let is_report = |frame: &[u8]| {
        !(wire::joined_groups(frame).is_empty() && wire::left_groups(frame).is_empty())
    };
    let said: Vec<_> = said.iter().filter(|(_, f)| from_node(f) && !is_report(f)).collect();
    assert!(said.is_empty(), "{said:02x?}");

    let addresses = [format!("{}/24", node.address()), format!("{}/64", node.link_local())];
    for (subject, address) in subjects.iter().zip(&addresses) {
        let since = SystemTime::now();
        node.run(&["ip", "addr", "add", address, "dev", Node::INTERFACE]).unwrap();
        bench.wait_for_state(subject, since, "BACKUP").unwrap();
        let (at, _) = bench.next_advert(subject, since, SETTLING).unwrap();
        let wait = subject.active_down_interval(subject.interval);
        assert!(
            at >= since + wait,
            "the first advert {:?} after the address",
            at.duration_since(since)
        );
    }
}

/// X-13, R-6.4.1-07: a router whose link was cut has stopped, and when the link is back it starts as
/// a Backup: nothing is sent before an Active_Down_Interval has passed.
#[test]
fn a_link_that_comes_back_is_a_start() {
    let subjects = [Subject::new(1), Subject::ipv6(2)];
    let bench = Bench::with(&subjects).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        bench.wait_for_state(subject, started, "MASTER").unwrap();
    }
    let cut = SystemTime::now();
    bench.node().cut().unwrap();
    for subject in &subjects {
        bench.wait_for_state(subject, cut, "FAULT").unwrap();
    }
    let back = SystemTime::now();
    bench.node().reconnect().unwrap();
    for subject in &subjects {
        bench.wait_for_state(subject, back, "BACKUP").unwrap();
        let (at, advert) = bench.next_advert(subject, back, SETTLING).unwrap();
        let wait = subject.active_down_interval(subject.interval);
        assert!(at >= back + wait, "the first advert {:?} after the link", at.duration_since(back));
        assert_eq!(advert.priority, subject.priority);
    }
}

/// D-4862-01, R-8.2.2-05: a kernel that looks for duplicates does not do so for the addresses of a
/// takeover: they are answered for right after the advert, none is tentative, nobody was asked.
#[test]
fn addresses_are_not_tentative() {
    let subject = Subject::ipv6(1);
    let lab = Bench::lab(true).unwrap();
    let node = lab.node(0).clone();
    for (switch, value) in [("accept_dad", "1"), ("dad_transmits", "5")] {
        node.set_sysctl(&format!("ipv6/conf/{}/{switch}", Node::INTERFACE), value).unwrap();
    }
    let bench = Bench::start(lab, &subject.to_string()).unwrap();
    let (at, _) = bench.next_advert(&subject, bench.router.started(), SETTLING).unwrap();
    for vip in subject.vips() {
        let asked = bench.send(&question(vip)).unwrap();
        let answers = |seen: &Seen| seen.is_arp_answer(vip);
        let answer = bench.capture.expect("an answer", asked, SETTLING, answers).unwrap();
        let waited = answer.at.duration_since(at).unwrap();
        assert!(waited < Bench::TOLERANCE, "{vip} is answered for after {waited:?}");
        wait_until("the address", SETTLING, || Ok(node.addresses()?.contains(&vip))).unwrap();
    }
    let show = ["ip", "-6", "addr", "show", "dev", Node::INTERFACE];
    let tentative = node.run(&[&show[..], &["tentative"]].concat()).unwrap();
    assert_eq!(tentative, "", "tentative addresses");
    for (_, frame) in bench.capture.frames_since(bench.router.started()) {
        let asked = wire::solicited_target(&frame);
        let is_own = wire::source_mac(&frame) == Some(node.mac());
        let concerns = |vip: IpAddr| asked.is_some_and(|target| IpAddr::V6(target) == vip);
        assert!(!(is_own && subject.vips().into_iter().any(concerns)), "asked for {asked:?}");
    }
}

/// R-6.4.2-07, R-6.4.1-06, A-5227-05, A-5227-07, V-6.4.2-05: a takeover is an advert and then an ARP
/// announcement for each address, a broadcast request in the form of RFC 5227 3 as far as anybody
/// looks at it; nobody probes before.
#[test]
fn a_takeover_announces_and_does_not_probe() {
    let subjects = [Subject::new(1), Subject::version_2(2)];
    let bench = Bench::with(&subjects).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        let (at, _) = bench.next_advert(subject, started, SETTLING).unwrap();
        for vip in subject.vips() {
            let announces = |seen: &Seen| seen.announces(vip);
            let seen = bench.capture.expect("an announcement", started, SETTLING, announces);
            let seen = seen.unwrap().at;
            let waited = seen.duration_since(at).expect("the advert comes first");
            assert!(waited < Bench::TOLERANCE, "announced {waited:?} after the advert");
        }
    }
    let vips: Vec<_> = subjects.iter().flat_map(Subject::vips).collect();
    for (_, frame) in bench.capture.frames_since(started) {
        match wire::decode(&frame) {
            Some(What::GratuitousArp { sender }) if vips.contains(&sender.1.into()) => {
                assert_eq!(frame[..6], Mac::BROADCAST.0);
                assert_eq!(frame[20..22], [0, 1], "a request");
                assert_eq!(sender.0, bench.node().mac());
            }
            Some(What::ArpRequest { target, .. }) => assert!(!vips.contains(&target.into())),
            _ => {}
        }
    }
}

/// R-6.4-01, R-3-01: two VRIDs in two families on one interface are four virtual routers: when the
/// Active of one falls silent, that one takes over and the others do not.
#[test]
fn each_virtual_router_is_on_its_own() {
    let subjects = [Subject::new(1), Subject::new(2), Subject::ipv6(1), Subject::ipv6(2)];
    for dead in 0..subjects.len() {
        let bench = Bench::with(&subjects).unwrap();
        let start = SystemTime::now();
        let end = start + subjects[0].active_down_interval(subjects[0].interval) * 2;
        while SystemTime::now() < end {
            for (number, subject) in subjects.iter().enumerate() {
                if number != dead || start.elapsed().unwrap() < subject.interval {
                    bench.send(&subject.peer().frame()).unwrap();
                }
            }
            thread::sleep(subjects[0].interval / 2);
        }
        for (number, subject) in subjects.iter().enumerate() {
            let adverts = bench.adverts(subject, start).unwrap();
            assert_eq!(adverts.is_empty(), number != dead, "{subject:?} while {dead} is dead");
        }
    }
}

/// R-3-02: the same VRID on two LANs is two virtual routers, whose adverts and answers stay where
/// they belong; a peer on one LAN is not heard on the other (R-7.1-06).
#[test]
fn the_same_vrid_on_two_lans() {
    let near = Subject::new(51);
    let lab = Bench::lab(false).unwrap();
    let (node, client) = (lab.node(0).clone(), lab.client().clone());
    node.join(&client).unwrap();
    // Linux answers on every interface for every address of the host, unless it is told otherwise.
    node.set_sysctl("ipv4/conf/all/arp_ignore", "1").unwrap();
    let [first, second] = near.vips().map(|vip| vip.to_string());
    let far_config = near
        .to_string()
        .replace(&near.instance(), "FAR")
        .replace(Node::INTERFACE, Node::SECOND_INTERFACE)
        .replace(&first, "198.51.100.254")
        .replace(&second, "198.51.100.253");
    let far_vips = ["198.51.100.254", "198.51.100.253"].map(|vip| vip.parse::<IpAddr>().unwrap());
    let far_capture = Capture::start_on(&client, Node::SECOND_INTERFACE).unwrap();
    let far = PacketSocket::open_on(&client, Node::SECOND_INTERFACE).unwrap();
    let bench = Bench::start(lab, &format!("{near}{far_config}")).unwrap();
    let started = bench.router.started();
    bench.wait_for_state(&near, started, "MASTER").unwrap();
    bench.router.wait_for_state(started, "FAR", "MASTER", SETTLING).unwrap();

    let asked = SystemTime::now();
    for vip in near.vips().into_iter().chain(far_vips) {
        bench.send(&question(vip)).unwrap();
        far.send(&question(vip)).unwrap();
    }
    thread::sleep(SILENCE);
    for (capture, own, others) in
        [(&bench.capture, near.vips(), far_vips), (&far_capture, far_vips, near.vips())]
    {
        let seen = capture.seen_since(asked);
        let answered = |vip: &IpAddr| seen.iter().filter(|seen| seen.is_arp_answer(*vip)).count();
        assert_eq!(
            (own.map(|vip| answered(&vip)), others.map(|vip| answered(&vip))),
            ([1; 2], [0; 2])
        );
        let lists = capture.frames_since(started).into_iter();
        let lists = lists.filter_map(|(_, frame)| Advert::read(&frame)).map(|a| a.addresses);
        let lists: Vec<_> = lists.collect();
        assert!(!lists.is_empty() && lists.iter().all(|addresses| *addresses == own));
    }
    let said = bench.send(&near.peer().frame()).unwrap();
    bench.wait_for_state(&near, said, "BACKUP").unwrap();
    let states: Vec<_> = bench.router.status().unwrap().into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["BACKUP", "MASTER"]);
}

/// Routers with these priorities in one segment.
fn routers(lab: &Lab, priorities: &[u8]) -> Vec<Router> {
    let interval = ms(200);
    let start = |(node, priority): (&Node, &u8)| {
        let config =
            Config { version: 3, advert_int: interval, priority: *priority, ..Config::default() };
        Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap()
    };
    lab.nodes().iter().zip(priorities).map(start).collect()
}

/// R-8.3.2-03: of two Backups with distinct priorities the better one takes over, and the other
/// never says anything.
#[test]
fn one_of_several_backups_takes_over() {
    let lab = Lab::new(3).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let mut routers = routers(&lab, &[200, 150, 100]);
    let vip = Config::default().vip;
    lab.wait_for_answerer(&capture, vip, 0, SETTLING).unwrap();
    let killed = SystemTime::now();
    routers[0].crash().unwrap();
    lab.wait_for_answerer(&capture, vip, 1, SETTLING).unwrap();
    thread::sleep(ms(1000));
    let seen = capture.seen_since(killed);
    assert!(!seen.iter().any(|seen| seen.is_advert_of(lab.node(2))));
    let announcers = seen.iter().filter(|seen| seen.announces(vip)).map(|seen| seen.from);
    assert!(announcers.into_iter().all(|mac| mac == lab.node(1).mac()));
}

/// R-9-03: two routers that a switch keeps from hearing each other are both Active; when they hear
/// each other again exactly one of them remains.
#[test]
fn a_filtered_segment_comes_together_again() {
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let _routers = routers(&lab, &[200, 100]);
    let vip = Config::default().vip;
    lab.wait_for_answerer(&capture, vip, 0, SETTLING).unwrap();
    lab.nodes().iter().for_each(|node| node.isolate(true).unwrap());
    let both = || Ok(lab.answerers(&capture, vip)? == [0, 1]);
    wait_until("both answer", SETTLING, both).unwrap();
    lab.nodes().iter().for_each(|node| node.isolate(false).unwrap());
    lab.wait_for_answerer(&capture, vip, 0, SETTLING).unwrap();
    let since = SystemTime::now();
    thread::sleep(ms(1000));
    let seen = capture.seen_since(since);
    assert!(seen.iter().any(|seen| seen.is_advert_of(lab.node(0))));
    assert!(!seen.iter().any(|seen| seen.is_advert_of(lab.node(1))));
}
