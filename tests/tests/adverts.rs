//! The adverts that are sent, octet by octet: envelope, fields, spacing. What the fields say is
//! what the configuration says. A checksum that is wrong ends a test, see `Advert::read`.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fmt::Write,
    net::IpAddr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Bench, Lab, Mac, Node, Subject,
    wire::{self, Advert, GROUP, GROUP_V6},
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// All adverts of a virtual router from its takeover to its end: regular ones, answers to a losing
/// advert and to a resignation, and its own resignation, which must be the only one and the last.
fn whole_life(bench: &mut Bench, subject: &Subject) -> Vec<Advert> {
    let started = bench.router.started();
    bench.wait_for_state(subject, started, "MASTER").unwrap();
    for priority in [1, 0] {
        let (at, _) = bench.next_advert(subject, SystemTime::now(), Bench::SETTLING).unwrap();
        thread::sleep((at + ms(100)).duration_since(SystemTime::now()).unwrap_or_default());
        let said = bench.send(&Advert { priority, ..subject.peer() }.frame()).unwrap();
        let (answered, _) = bench.next_advert(subject, said, Bench::SETTLING).unwrap();
        assert!(answered <= said + Bench::TOLERANCE, "no answer to priority {priority}");
    }
    // It yields, and comes back.
    let said = bench.send(&subject.peer().frame()).unwrap();
    bench.wait_for_state(subject, said, "BACKUP").unwrap();
    bench.wait_for_state(subject, said, "MASTER").unwrap();
    assert!(bench.router.stop().unwrap().success());
    thread::sleep(Bench::TOLERANCE);
    let adverts = bench.adverts(subject, started).unwrap();
    let adverts: Vec<_> = adverts.into_iter().map(|(_, advert)| advert).collect();
    let resigned = adverts.iter().position(|advert| advert.priority == 0);
    assert_eq!(resigned, Some(adverts.len() - 1), "one resignation, the last advert");
    adverts
}

/// R-5.1-01, R-5.1.1.1-01, R-5.1.1.2-01, R-5.1.1.3-01, R-5.1.1.4-01, R-5.2.1-01, R-5.2.2-01,
/// R-5.2.4-04, R-5.2.6-01, R-6.4.3-09, R-6.4.3-19, R-7.2-02, R-7.2-04, R-7.2-05: every advert over
/// IPv4, the resignation included, has the same envelope; its source is the primary of several
/// addresses.
#[test]
fn every_advert_over_ipv4_has_its_envelope() {
    let subject = Subject::new(1);
    let lab = Bench::lab(false).unwrap();
    for second in ["192.0.2.5/24", "198.51.100.1/24"] {
        lab.node(0).run(&["ip", "addr", "add", second, "dev", Node::INTERFACE]).unwrap();
    }
    let mut bench = Bench::start(lab, &subject.to_string()).unwrap();
    for advert in whole_life(&mut bench, &subject) {
        assert_eq!(advert.to, Mac([0x01, 0x00, 0x5e, 0x00, 0x00, 0x12]));
        assert_eq!(advert.source, IpAddr::V4(bench.node().address()));
        assert_eq!(advert.destination, IpAddr::V4(GROUP));
        assert_eq!((advert.hop_limit, advert.version, advert.reserved), (255, 3, 0));
        assert_eq!((advert.interval, &advert.addresses[..]), (ms(400), &subject.vips()[..]));
    }
}

/// R-5.1-01, R-5.1.2.1-01, R-5.1.2.2-01, R-5.1.2.3-01, R-5.1.2.4-01, R-5.2.1-01, R-5.2.2-01,
/// R-5.2.4-04, R-5.2.6-01, R-5.2.9-02, R-6.4.3-09, R-6.4.3-19, R-7.2-02, R-7.2-04, R-7.2-05: the
/// same over IPv6, from the interface's own link-local address; the virtual one leads the list.
#[test]
fn every_advert_over_ipv6_has_its_envelope() {
    let subject = Subject::ipv6(1);
    let mut bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    for advert in whole_life(&mut bench, &subject) {
        assert_eq!(advert.to, Mac([0x33, 0x33, 0x00, 0x00, 0x00, 0x12]));
        assert_eq!(advert.source, IpAddr::V6(bench.node().link_local()));
        assert_eq!(advert.destination, IpAddr::V6(GROUP_V6));
        assert_eq!((advert.hop_limit, advert.version, advert.reserved), (255, 3, 0));
        assert_eq!((advert.interval, &advert.addresses[..]), (ms(400), &subject.vips()[..]));
    }
}

/// V-5.3.1-01, V-5.3.5-01, V-5.3.8-01, V-6.4.3-05, R-5.1.1.3-01, R-5.2.4-04, R-6.4.3-09: the same in
/// version 2.
#[test]
fn every_advert_of_version_2_has_its_envelope() {
    let subject = Subject::version_2(1);
    let mut bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    for advert in whole_life(&mut bench, &subject) {
        assert_eq!(advert.source, IpAddr::V4(bench.node().address()));
        assert_eq!(advert.destination, IpAddr::V4(GROUP));
        assert_eq!((advert.hop_limit, advert.version, advert.reserved), (255, 2, 0));
        assert_eq!((advert.interval, &advert.addresses[..]), (ms(1000), &subject.vips()[..]));
    }
}

/// An instance with exactly these lines, and what its adverts must say.
struct Instance {
    vrid: u8,
    version: u8,
    lines: &'static str,
    priority: u8,
    interval: Duration,
    auth_type: u8,
    password: &'static [u8],
    vips: Vec<IpAddr>,
}

impl Instance {
    fn new(vrid: u8, version: u8, lines: &'static str, vips: Vec<IpAddr>) -> Self {
        let (priority, interval) = (100, ms(1000));
        Self { vrid, version, lines, priority, interval, auth_type: 0, password: &[], vips }
    }

    /// An owner says at once what it has to say.
    fn owner(self, interval: Duration) -> Self {
        Self { priority: 255, interval, ..self }
    }

    fn password(self, password: &'static [u8]) -> Self {
        Self { auth_type: 1, password, ..self }
    }

    fn config(&self) -> String {
        let mut text = format!("vrrp_instance V{} {{\n interface eth0\n", self.vrid);
        let Self { vrid, version, lines, .. } = self;
        write!(text, " virtual_router_id {vrid}\n version {version}\n {lines}\n").unwrap();
        text += " virtual_ipaddress {\n";
        // keepalived's own limit for a line is far below 255 addresses.
        self.vips.iter().for_each(|vip| writeln!(text, "  {vip}").unwrap());
        text + " }\n}\n"
    }
}

/// `count` addresses that nobody else has, in descending order.
fn many(network: u8, count: u8) -> Vec<IpAddr> {
    (1..=count).rev().map(|host| IpAddr::from([10, 0, network, host])).collect()
}

/// R-5.2.3-01, R-5.2.4-01, R-5.2.4-03, R-5.2.5-01, R-5.2.6-01, R-5.2.7-01, R-5.2.9-01, R-6.1-03,
/// R-7.2-01, R-7.2-02, V-5.3.5-01, V-5.3.6-02, V-5.3.6-03, V-5.3.7-01, V-5.3.8-01, V-5.3.10-01,
/// V-6.1-03: VRID, priority, interval, addresses and password are the configured ones, from end to
/// end of their ranges, and the defaults where none are; instances on one interface differ in all.
#[test]
fn fields_are_what_the_configuration_says() {
    const ABC: &str = "priority 255\n authentication {\n auth_type PASS\n auth_pass abc\n }";
    const FULL: &str = "priority 255\n authentication {\n auth_type PASS\n auth_pass 12345678\n }";
    let vips = |network: u8| many(network, 1);
    let instances = [
        Instance::new(1, 3, "", vips(1)),
        Instance::new(2, 2, "", vips(2)),
        Instance::new(51, 3, "priority 255\n advert_int 0.01", many(51, 2)).owner(ms(10)),
        Instance::new(255, 3, "priority 255\n advert_int 40.95", many(255, 20)).owner(ms(40_950)),
        Instance::new(100, 3, "priority 255", many(100, 255)).owner(ms(1000)),
        Instance::new(101, 2, "priority 255\n advert_int 255", vips(101)).owner(ms(255_000)),
        Instance::new(102, 2, ABC, many(102, 3)).owner(ms(1000)).password(b"abc"),
        Instance::new(103, 2, FULL, vips(103)).owner(ms(1000)).password(b"12345678"),
    ];
    let config: String = instances.iter().map(Instance::config).collect();
    let bench = Bench::start(Bench::lab(false).unwrap(), &config).unwrap();
    let started = bench.router.started();
    for instance in &instances {
        let subject = Subject::new(instance.vrid);
        let (_, advert) = bench.next_advert(&subject, started, Bench::SETTLING).unwrap();
        let mut password = [0; 8];
        password[..instance.password.len()].copy_from_slice(instance.password);
        let source = bench.node().address().into();
        let vips = instance.vips.clone();
        let expected = Advert {
            version: instance.version,
            priority: instance.priority,
            interval: instance.interval,
            reserved: instance.auth_type,
            password,
            ..Advert::new(bench.node().mac(), source, instance.vrid, vips)
        };
        assert_eq!(advert, expected);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// R-6.4.3-10, R-6.1-03, R-5.2.7-02, V-6.1-03: a thousand adverts, and none drifts; in each version
/// and family they are apart by what their interval field says.
#[test]
fn adverts_are_spaced_by_their_interval() {
    const MANY: u32 = 1000;
    let subjects = [
        Subject { interval: ms(10), priority: 254, ..Subject::new(1) },
        Subject { interval: ms(100), priority: 254, ..Subject::new(2) },
        Subject { interval: ms(100), priority: 254, ..Subject::ipv6(3) },
        Subject { priority: 254, ..Subject::version_2(4) },
    ];
    let bench = Bench::with(&subjects).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        bench.wait_for_state(subject, started, "MASTER").unwrap();
    }
    let from = SystemTime::now();
    let period = ms(10) * MANY;
    thread::sleep(period + Bench::TOLERANCE);
    for subject in &subjects {
        let adverts = bench.adverts(subject, from).unwrap();
        let (first, said) = &adverts[0];
        assert_eq!(said.interval, subject.interval);
        // A machine that stands still for more than an interval loses adverts, but not their phase.
        let expected = period.div_duration_f64(subject.interval);
        let share = adverts.len() as f64 / expected;
        assert!((0.9..1.1).contains(&share), "{} of {expected} adverts", adverts.len());
        let phases: Vec<_> = adverts
            .iter()
            .map(|(at, _)| {
                let intervals =
                    at.duration_since(*first).unwrap().div_duration_f64(subject.interval);
                intervals - intervals.round()
            })
            .collect();
        let (early, late) = phases.split_at(phases.len() / 2);
        let drift = (median(late) - median(early)).abs();
        assert!(drift < 0.25, "the adverts of {subject:?} drift by {drift} intervals");
    }
}

/// R-5.1-02: the group of the adverts is joined when the daemon starts, and said to the switches.
#[test]
fn the_groups_are_joined() {
    let subjects = [Subject::new(1), Subject::ipv6(2)];
    let bench = Bench::with(&subjects).unwrap();
    let started = bench.router.started();
    let reported = |group: IpAddr| {
        let frames = bench.capture.frames_since(started);
        frames.iter().any(|(_, frame)| wire::joined_groups(frame).contains(&group))
    };
    for group in [IpAddr::V4(GROUP), IpAddr::V6(GROUP_V6)] {
        let what = format!("a report for {group}");
        rig::wait_until(&what, Bench::SETTLING, || Ok(reported(group))).unwrap();
    }
    assert!(!reported(IpAddr::V4(Lab::address(1))));
}
