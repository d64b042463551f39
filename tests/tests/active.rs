//! What an Active does with the adverts of others: a peer that is no daemon says one thing in the
//! middle between two of its adverts. Each virtual router of the node is one case.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::IpAddr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Bench, Lab, Mac, PacketSocket, Seen, Subject, wait_until,
    wire::{self, Advert, What},
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What a virtual router does when it is told something.
enum Reaction {
    /// Nothing: its adverts go on.
    None,
    /// An advert at once, and the next when it would have come anyway.
    Answer,
    /// An advert at once, and the next a whole interval later.
    AnswerAndRestart,
    /// It leaves without a word, and is back when its peer, who says so this once, is dead.
    Yield,
}

struct Case {
    what: &'static str,
    subject: Subject,
    advert: Advert,
    reaction: Reaction,
}

/// Long enough that the middle of an interval is far from both its ends.
const INTERVAL: Duration = ms(1000);

impl Case {
    fn new(what: &'static str, subject: Subject, advert: Advert, reaction: Reaction) -> Self {
        Self { what, subject, advert, reaction }
    }

    /// A case of version 3 in which the peer changes what it says by `change`.
    fn of(
        what: &'static str,
        subject: &Subject,
        change: impl FnOnce(Advert) -> Advert,
        reaction: Reaction,
    ) -> Self {
        let subject = Subject { interval: INTERVAL, ..subject.clone() };
        let advert = change(subject.peer());
        Self::new(what, subject, advert, reaction)
    }

    /// Waits for the middle of an interval, says the advert, and returns when that was, with the
    /// time of the advert before.
    fn say(&self, bench: &Bench) -> (SystemTime, SystemTime) {
        let since = SystemTime::now();
        let (before, _) = bench.next_advert(&self.subject, since, Bench::SETTLING).unwrap();
        let middle = before + self.subject.interval / 2;
        thread::sleep(middle.duration_since(SystemTime::now()).unwrap_or_default());
        (bench.send(&self.advert.frame()).unwrap(), before)
    }

    /// Asserts what followed within two intervals after `said`. What is counted from the advert before
    /// may seem early, since the client may have seen that one late.
    fn check(&self, bench: &Bench, said: SystemTime, before: SystemTime) {
        let Self { what, subject, .. } = self;
        let interval = subject.interval;
        let by_phase = |intervals| (before + interval * intervals, Bench::TOLERANCE);
        // Adverts may leave a fifth of a millisecond early, to share a wake-up with others.
        let by_cause = |after| (said + after, ms(1));
        let mut expected = match self.reaction {
            Reaction::None => vec![by_phase(1), by_phase(2)],
            Reaction::Answer => vec![by_cause(Duration::ZERO), by_phase(1), by_phase(2)],
            Reaction::AnswerAndRestart => [0, 1, 2].map(|n| by_cause(interval * n)).to_vec(),
            Reaction::Yield => {
                let learned = if subject.version == 2 { interval } else { self.advert.interval };
                let back = subject.active_down_interval(learned);
                vec![by_cause(back), by_cause(back + interval)]
            }
        };
        let (last, _) = *expected.last().unwrap();
        thread::sleep(
            (last + Bench::TOLERANCE).duration_since(SystemTime::now()).unwrap_or_default(),
        );
        for (at, advert) in bench.adverts(subject, said).unwrap() {
            let due = expected
                .iter()
                .position(|(due, early)| (*due - *early..=*due + Bench::TOLERANCE).contains(&at));
            let due = due.unwrap_or_else(|| {
                panic!("{what}: an advert {:?} after it", at.duration_since(said))
            });
            expected.remove(due);
            assert_eq!(advert.priority, subject.priority, "{what}");
        }
        let missing: Vec<_> = expected.iter().map(|(due, _)| due.duration_since(said)).collect();
        assert!(missing.is_empty(), "{what}: no advert {missing:?} after it");
    }
}

/// Runs all cases, each on its own virtual router and its own thread.
fn run(cases: &[Case]) {
    let subjects: Vec<_> = cases.iter().map(|case| case.subject.clone()).collect();
    let bench = Bench::with(&subjects).unwrap();
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| {
                bench.wait_for_state(&case.subject, bench.router.started(), "MASTER").unwrap();
                let (said, before) = case.say(&bench);
                case.check(&bench, said, before);
            });
        }
    });
}

/// The cases of version 3 in one family; `low` and `high` are addresses below and above the node's,
/// such that a comparison of signed or of little-endian numbers has it the other way round.
fn version_3(numbered: fn(u8) -> Subject, low: [IpAddr; 2], high: [IpAddr; 2]) -> Vec<Case> {
    let zero = |advert| Advert { priority: 0, ..advert };
    let lower = |advert| Advert { priority: 99, ..advert };
    let higher = |advert| Advert { priority: 101, interval: ms(1300), ..advert };
    let tie = |source| move |advert| Advert { priority: 100, source, ..advert };
    let deaf = Subject { extra: "nopreempt", ..numbered(5) };
    let own = |advert: Advert| {
        let lab = Lab::address(11);
        // The node's link-local address is made from its MAC 02:00:00:00:00:0b.
        let link_local = [0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x0b];
        let source = if advert.source.is_ipv4() { lab.into() } else { link_local.into() };
        Advert { priority: 255, source, ..advert }
    };
    let quiet = Subject { extra: "lower_prio_no_advert true", ..numbered(6) };
    vec![
        Case::of("R-6.4.3-11", &numbered(1), zero, Reaction::AnswerAndRestart),
        Case::of("R-6.4.3-14, R-6.4.3-17", &numbered(2), lower, Reaction::Answer),
        Case::of("R-6.4.3-12, R-6.4.3-19", &numbered(3), higher, Reaction::Yield),
        Case::of("X-06", &numbered(4), own, Reaction::None),
        Case::of("R-6.4.3-16", &deaf, higher, Reaction::Yield),
        Case::of("lower_prio_no_advert", &quiet, lower, Reaction::None),
        Case::of("R-6.4.3-13: lower address", &numbered(7), tie(low[0]), Reaction::Answer),
        Case::of("R-6.4.3-13: lower address", &numbered(8), tie(low[1]), Reaction::Answer),
        Case::of("R-6.4.3-13: higher address", &numbered(9), tie(high[0]), Reaction::Yield),
        Case::of("R-6.4.3-13: higher address", &numbered(10), tie(high[1]), Reaction::Yield),
    ]
}

/// R-6.4.3-11 to R-6.4.3-14, R-6.4.3-16, R-6.4.3-17, R-6.4.3-19, X-06: what an Active does about
/// each kind of advert over IPv4, and when.
#[test]
fn an_active_reacts() {
    let address = |octets: [u8; 4]| IpAddr::from(octets);
    let low = [address([192, 0, 1, 200]), address([127, 255, 255, 254])];
    run(&version_3(Subject::new, low, [address([192, 0, 2, 200]), address([193, 0, 2, 1])]));
}

/// R-6.4.3-11 to R-6.4.3-14, R-6.4.3-16, R-6.4.3-17, R-6.4.3-19, X-06: the same over IPv6.
#[test]
fn an_active_reacts_over_ipv6() {
    let address =
        |group: u16, last: u16| IpAddr::from([0xfe80, 0, 0, 0, group, 0xff, 0xfe00, last]);
    // The node has fe80::ff:fe00:b, in its fifth group 0.
    let low = [IpAddr::from([0xfe80, 0, 0, 0, 0, 0xfe, 0xfe00, 0xff0b]), address(0, 0x000a)];
    run(&version_3(Subject::ipv6, low, [address(0x8000, 1), address(0, 0x0100)]));
}

/// V-6.4.3-07, V-6.4.3-08, R-6.4.3-12, X-06: an Active of version 2, which learns nothing when it
/// yields. V-6.4.3-09, R-6.4.3-15, keyword `lower_prio_no_advert`: it discards a losing advert in
/// silence.
#[test]
fn an_active_of_version_2_reacts() {
    let numbered = Subject::version_2;
    let case = |what, subject: Subject, priority, source: Option<IpAddr>, reaction| {
        let peer = subject.peer();
        let advert = Advert { priority, source: source.unwrap_or(peer.source), ..peer };
        Case::new(what, subject, advert, reaction)
    };
    let quiet = Subject { extra: "lower_prio_no_advert true", ..numbered(4) };
    let [high, own] = [200, 11].map(|host| Some(IpAddr::V4(Lab::address(host))));
    run(&[
        case("V-6.4.3-07", numbered(1), 0, None, Reaction::AnswerAndRestart),
        case("V-6.4.3-08: priority", numbered(2), 255, None, Reaction::Yield),
        case("V-6.4.3-08: address", numbered(3), 100, high, Reaction::Yield),
        case("V-6.4.3-09", quiet, 99, None, Reaction::None),
        case("X-06", numbered(5), 255, own, Reaction::None),
    ]);
}

/// R-5.2.7-03: a fast router that took over too early yields to the first advert of a slow one.
#[test]
fn a_fast_router_yields_to_a_slow_one() {
    let fast = Subject { interval: ms(100), ..Subject::new(1) };
    let bench = Bench::with(std::slice::from_ref(&fast)).unwrap();
    bench.wait_for_state(&fast, bench.router.started(), "MASTER").unwrap();
    let slow = Advert { interval: ms(3000), ..fast.peer() };
    let said = bench.send(&slow.frame()).unwrap();
    bench.wait_for_state(&fast, said, "BACKUP").unwrap();
    let settled = said + Bench::TOLERANCE;
    thread::sleep(ms(2000));
    assert_eq!(bench.adverts(&fast, settled).unwrap(), []);
}

/// R-6.4.3-18, R-6.4.3-12: the request right behind a better advert is not answered any more, over
/// IPv4 and IPv6; until then it was.
#[test]
fn the_better_advert_ends_the_answers_at_once() {
    const ASKER: Mac = Mac::local(99);
    let subjects = [Subject::new(1), Subject::ipv6(2)];
    let bench = Bench::with(&subjects).unwrap();
    let cable = PacketSocket::at_switch(bench.node()).unwrap();
    for subject in &subjects {
        bench.wait_for_state(subject, bench.router.started(), "MASTER").unwrap();
        let request = |vip: IpAddr| match vip {
            IpAddr::V4(vip) => wire::arp_request(Mac::BROADCAST, (ASKER, Lab::address(99)), vip),
            IpAddr::V6(vip) => wire::neighbor_solicitation(None, (ASKER, Lab::address_v6(99)), vip),
        };
        let [_, vip] = subject.vips();
        let answered = |seen: &Seen| seen.is_arp_answer(vip);
        let asked = SystemTime::now();
        cable.send(&request(vip)).unwrap();
        bench.capture.expect("an answer before", asked, Bench::SETTLING, answered).unwrap();
        // The answer itself may be older than the next question by less than the clock tells.
        thread::sleep(ms(20));
        let yields = SystemTime::now();
        cable.send(&subject.peer().frame()).unwrap();
        cable.send(&request(vip)).unwrap();
        bench.wait_for_state(subject, yields, "BACKUP").unwrap();
        assert_eq!(bench.capture.wait_for(yields, ms(300), answered), None);
        let resigned = |seen: &Seen| matches!(seen.what, What::Advert { priority: 0, .. });
        assert!(!bench.capture.seen_since(yields).iter().any(resigned), "R-6.4.3-19");
    }
}

/// R-6.2-01: a router that stays Active does not take over again: for ten Active_Down_Intervals its
/// addresses are announced no second time.
#[test]
fn an_active_takes_over_once() {
    let interval = ms(100);
    let extra = "garp_master_delay 0";
    let subjects = [
        Subject { interval, extra, ..Subject::new(1) },
        Subject { interval, extra, ..Subject::ipv6(2) },
    ];
    let bench = Bench::with(&subjects).unwrap();
    let announcements = |subject: &Subject, since| {
        let vips = subject.vips();
        let seen = bench.capture.seen_since(since);
        seen.iter().filter(|seen| vips.iter().any(|vip| seen.announces(*vip))).count()
    };
    let start = bench.router.started();
    for subject in &subjects {
        bench.wait_for_state(subject, start, "MASTER").unwrap();
        wait_until("announcements", Bench::SETTLING, || Ok(announcements(subject, start) > 0))
            .unwrap();
    }
    let settled = SystemTime::now() + Bench::TOLERANCE;
    thread::sleep(Bench::TOLERANCE + subjects[0].active_down_interval(interval) * 10);
    for subject in &subjects {
        assert_eq!(announcements(subject, settled), 0, "{subject:?}");
        assert!(bench.adverts(subject, settled).unwrap().len() > 20, "it is Active");
    }
}

/// 10,000 losing adverts make an Active send a few more than it would anyway, and its regular
/// adverts keep coming.
#[test]
fn losing_adverts_are_not_amplified() {
    const FLOOD: usize = 10_000;
    let subject = Subject { interval: ms(200), ..Subject::new(1) };
    let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
    let frames: Vec<_> = [1, 99]
        .iter()
        .map(|priority| Advert { priority: *priority, ..subject.peer() }.frame())
        .collect();
    let start = SystemTime::now();
    for n in 0..FLOOD {
        bench.send(&frames[n % 2]).unwrap();
        if n % 100 == 0 {
            thread::sleep(ms(8));
        }
    }
    let took = start.elapsed().unwrap();
    let intervals = took.div_duration_f64(subject.interval).ceil() as usize + 1;
    let sent = bench.adverts(&subject, start).unwrap();
    assert!((intervals / 2..=intervals * 5).contains(&sent.len()), "{} in {took:?}", sent.len());
    let longest = sent.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0).unwrap()).max();
    assert!(longest.unwrap() <= subject.interval + Bench::TOLERANCE, "{longest:?}");
    assert_eq!(bench.router.status().unwrap()[0].state, "MASTER");
}
