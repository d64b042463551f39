//! When a Backup takes over, to the millisecond: a peer that is no daemon says one thing, then
//! another, then nothing. Each virtual router of the node is one case, all at the same time.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::IpAddr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Bench, Lab, Seen, Subject, ms_between,
    wire::{self, Advert},
};

/// What a virtual router is told, and when it is to take over.
struct Case {
    what: &'static str,
    subject: Subject,
    /// With the time since the start of the script.
    script: Vec<(Duration, Advert)>,
    /// Counted from the advert of the script with this index.
    takeover: (usize, Duration),
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Where each script says its second thing: late enough that the times after the first and after
/// the second differ by more than the tolerance.
const THEN: Duration = ms(500);

/// Longer intervals are not waited for to see the second advert.
const LONGEST_SPACING: Duration = ms(1000);

impl Case {
    /// The peer is heard once, then the one thing of the case.
    fn new(what: &'static str, subject: Subject, then: Option<Advert>, after: Duration) -> Self {
        let mut script = vec![(Duration::ZERO, subject.peer())];
        script.extend(then.map(|advert| (THEN, advert)));
        let takeover = (script.len() - 1, after);
        Self { what, subject, script, takeover }
    }

    /// The second advert has no effect on the timer.
    fn without_effect(what: &'static str, subject: Subject, then: Advert) -> Self {
        let after = subject.active_down_interval(subject.interval);
        let mut case = Self::new(what, subject, Some(then), after);
        case.takeover.0 = 0;
        case
    }

    /// The second advert restarts the timer, with the interval that it teaches.
    fn with_effect(what: &'static str, subject: Subject, then: Advert) -> Self {
        let interval = if subject.version == 2 { subject.interval } else { then.interval };
        let after = subject.active_down_interval(interval);
        Self::new(what, subject, Some(then), after)
    }
}

/// Runs all cases at once, each on its own virtual router, and compares the takeovers.
fn run(cases: &[Case]) -> Bench {
    let subjects: Vec<_> = cases.iter().map(|case| case.subject.clone()).collect();
    let bench = Bench::with(&subjects).unwrap();
    let mut due: Vec<_> = cases
        .iter()
        .enumerate()
        .flat_map(|(number, case)| {
            case.script.iter().map(move |(offset, advert)| (*offset, number, advert))
        })
        .collect();
    due.sort_by_key(|(offset, ..)| *offset);
    let start = SystemTime::now();
    let mut said = vec![Vec::new(); cases.len()];
    for (offset, case, advert) in due {
        thread::sleep((start + offset).duration_since(SystemTime::now()).unwrap_or_default());
        said[case].push(bench.send(&advert.frame()).unwrap());
    }
    for (case, said) in cases.iter().zip(&said) {
        let (from, after) = (said[case.takeover.0], case.takeover.1);
        let limit = after + Bench::SETTLING;
        let first = bench.next_advert(&case.subject, said[0], limit);
        let (at, advert) = first.unwrap_or_else(|error| panic!("{}: {error:#}", case.what));
        let (took, after) = (ms_between(from, at), after.as_secs_f64() * 1e3);
        let tolerance = Bench::TOLERANCE.as_secs_f64() * 1e3;
        assert!((after..=after + tolerance).contains(&took), "{}: {took} of {after}", case.what);
        let own = &case.subject;
        assert_eq!(
            (advert.priority, advert.interval),
            (own.priority, own.interval),
            "{}",
            case.what
        );
        if own.interval <= LONGEST_SPACING {
            let (next, _) = bench.next_advert(own, at + ms(1), limit).unwrap();
            let spacing = next.duration_since(at).unwrap().abs_diff(own.interval);
            assert!(spacing <= Bench::TOLERANCE, "{}: {spacing:?} off the interval", case.what);
        }
    }
    bench
}

/// All that a Backup of version 3 may hear, by the numbers of `numbered`, which makes subjects.
fn version_3(numbered: fn(u8) -> Subject) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, priority) in (1..).zip([1, 100, 254]) {
        let subject = Subject { priority, ..numbered(number) };
        let after = subject.active_down_interval(subject.interval);
        // Everybody loses against 255.
        let peer = Advert { priority: 255, ..subject.peer() };
        let mut case = Case::new("R-6.1-06: silence", subject, None, after);
        case.script[0].1 = peer.clone();
        cases.push(case);

        let subject = Subject { vrid: number + 3, priority, ..numbered(number) };
        let skew = subject.skew_time(subject.interval);
        let zero = Advert { priority: 0, ..subject.peer() };
        let mut case =
            Case::new("R-6.1-05, R-6.4.2-10: priority 0", subject.clone(), Some(zero), skew);
        case.script[0].1 = Advert { priority: 255, ..subject.peer() };
        cases.push(case);
    }
    let base = numbered(10);
    let long = base.interval * 2;
    let other = |host: u16| match base.peer().source {
        IpAddr::V4(_) => IpAddr::from(Lab::address(host as u8)),
        IpAddr::V6(_) => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, host]),
    };
    let peer = |number: u8| numbered(number).peer();
    cases.extend([
        Case::with_effect(
            "R-6.4.2-11: a longer interval is learned",
            numbered(10),
            Advert { interval: long, ..peer(10) },
        ),
        Case::with_effect(
            "R-6.4.2-13: equal priority, lower address",
            numbered(11),
            Advert { priority: 100, ..peer(11) },
        ),
        Case::with_effect(
            "R-6.4.2-12: lower priority without preemption",
            Subject { extra: "nopreempt", ..numbered(12) },
            Advert { priority: 1, interval: long, ..peer(12) },
        ),
        Case::without_effect(
            "R-6.4.2-14, R-6.1-07: lower priority with preemption",
            numbered(13),
            Advert { priority: 99, interval: long, ..peer(13) },
        ),
        Case::new(
            "R-6.4.2-15: priority 0 teaches nothing",
            numbered(14),
            Some(Advert { priority: 0, interval: ms(40_950), ..peer(14) }),
            base.skew_time(base.interval),
        ),
        Case::new(
            "R-6.4.2-16: priority 0 of a third",
            numbered(15),
            Some(Advert { priority: 0, source: other(9), ..peer(15) }),
            base.skew_time(base.interval),
        ),
    ]);
    let mut learned = Case::new(
        "R-6.4.2-18: the skew follows what was learned",
        numbered(16),
        Some(Advert { interval: base.interval * 4, ..peer(16) }),
        base.skew_time(base.interval * 4),
    );
    learned.script.push((THEN * 2, Advert { priority: 0, ..peer(16) }));
    learned.takeover.0 = 2;
    cases.push(learned);
    cases
}

/// R-6.1-05, -06, -07, R-6.4.2-09 to R-6.4.2-16, R-6.4.2-18: all that a Backup may hear over IPv4,
/// and when it takes over then; it sends at its own interval, whatever it has learned.
#[test]
fn takeover_times_of_version_3() {
    run(&version_3(Subject::new));
}

/// R-6.1-05, -06, -07, R-6.4.2-09 to R-6.4.2-16, R-6.4.2-18: the same over IPv6.
#[test]
fn takeover_times_of_ipv6() {
    run(&version_3(Subject::ipv6));
}

/// V-6.1-01, V-6.1-02, V-6.4.2-05 to V-6.4.2-08, V-7.1-02, V-7.1-10, R-6.4.2-14: the same in version 2, where
/// nothing is learned, and the skew is no part of the interval.
#[test]
fn takeover_times_of_version_2() {
    let numbered = Subject::version_2;
    let peer = |number: u8| numbered(number).peer();
    let slow = Subject { interval: ms(10_000), ..numbered(1) };
    let silence = numbered(2).active_down_interval(ms(1000));
    let skew = numbered(3).skew_time(ms(1000));
    assert_eq!((silence, skew), (Duration::from_micros(3_609_375), Duration::from_micros(609_375)));
    run(&[
        Case::new("V-6.1-01", slow.clone(), Some(Advert { priority: 0, ..slow.peer() }), skew),
        Case::new("V-6.1-02", numbered(2), None, silence),
        Case::new("V-6.4.2-06", numbered(3), Some(Advert { priority: 0, ..peer(3) }), skew),
        Case::with_effect("V-6.4.2-07: equal", numbered(4), Advert { priority: 100, ..peer(4) }),
        Case::with_effect(
            "V-6.4.2-07: lower, without preemption",
            Subject { extra: "nopreempt", ..numbered(5) },
            Advert { priority: 1, ..peer(5) },
        ),
        Case::without_effect("V-6.4.2-08", numbered(6), Advert { priority: 99, ..peer(6) }),
        Case::without_effect("V-7.1-10", numbered(7), Advert { interval: ms(2000), ..peer(7) }),
        Case::without_effect("V-7.1-02", numbered(8), Advert { version: 3, ..peer(8) }),
    ]);
}

/// R-8.4-01, V-7.1-02, R-7.1-02: a router of each version does not hear the other: both sides become
/// Active.
#[test]
fn versions_do_not_hear_each_other() {
    let subjects = [Subject::new(1), Subject::version_2(2)];
    let other =
        |own: &Subject, version| Advert { version, interval: Duration::from_secs(1), ..own.peer() };
    let [version_3, version_2] = subjects;
    let adverts = [other(&version_3, 2), other(&version_2, 3)];
    let cases = [version_3, version_2]
        .into_iter()
        .zip(adverts)
        .map(|(subject, advert)| Case::without_effect("R-8.4-01", subject, advert));
    run(&cases.collect::<Vec<_>>());
}

/// an advert behind an extension header is heard like any other.
#[test]
fn an_advert_behind_a_header_is_heard() {
    let subject = Subject::ipv6(1);
    let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    bench.send(&subject.peer().frame()).unwrap();
    thread::sleep(THEN);
    let said = bench.send(&wire::with_router_alert(&subject.peer().frame())).unwrap();
    let (at, _) = bench.next_advert(&subject, said, Bench::SETTLING).unwrap();
    let (took, due) = (at.duration_since(said).unwrap(), subject.active_down_interval(ms(400)));
    assert!((due..due + Bench::TOLERANCE).contains(&took), "{took:?} of {due:?}");
}

/// R-6.1-12: at the shortest interval Skew_Time is still finer than a centisecond: priority 100
/// waits more than 6 ms after a resignation, and priority 200 less than that.
#[test]
fn the_skew_of_the_shortest_interval_is_there() {
    const ROUNDS: usize = 20;
    let interval = ms(10);
    let subjects =
        [100, 200].map(|priority| Subject { priority, interval, ..Subject::new(priority / 100) });
    let bench = Bench::with(&subjects).unwrap();
    let mut shortest = [Duration::MAX; 2];
    for (subject, shortest) in subjects.iter().zip(&mut shortest) {
        bench.wait_for_state(subject, bench.router.started(), "MASTER").unwrap();
        for _ in 0..ROUNDS {
            // Heard to be slow at first, so that it is a Backup when it matters.
            let better = Advert { priority: 255, ..subject.peer() };
            let slow = Advert { interval: ms(1000), ..better.clone() };
            let heard = bench.send(&slow.frame()).unwrap();
            bench.wait_for_state(subject, heard, "BACKUP").unwrap();
            bench.send(&better.frame()).unwrap();
            let sent = bench.send(&Advert { priority: 0, ..better }.frame()).unwrap();
            let (at, _) = bench.next_advert(subject, sent, Bench::SETTLING).unwrap();
            *shortest = at.duration_since(sent).unwrap().min(*shortest);
        }
    }
    let [of_100, of_200] = [&subjects[0], &subjects[1]].map(|own| own.skew_time(interval));
    assert!(shortest[0] >= of_100, "{shortest:?}, not below {of_100:?}");
    assert!(
        (of_200..of_100).contains(&shortest[1]),
        "{shortest:?}, between {of_200:?} and {of_100:?}"
    );
}

/// R-6.4.2-17, R-6.2-02, R-6.4.2-06, V-6.4.2-04: while its Active is heard a Backup sends nothing,
/// and it leaves in silence, too. R-6.4.2-03: no Router Advertisement either, though one is asked for.
#[test]
fn a_backup_is_silent_to_its_end() {
    const INTERVALS: u32 = 10;
    let subjects = [Subject::new(1), Subject::version_2(2), Subject::ipv6(3)];
    let mut bench = Bench::with(&subjects).unwrap();
    let start = SystemTime::now();
    for _ in 0..INTERVALS {
        for subject in &subjects {
            bench.send(&subject.peer().frame()).unwrap();
        }
        bench.send(&wire::router_solicitation(Bench::PEER_MAC)).unwrap();
        thread::sleep(subjects[0].interval);
    }
    assert!(bench.router.status().unwrap().iter().all(|row| row.state == "BACKUP"));
    assert!(bench.router.stop().unwrap().success());
    // The farewell, were there one, has been sent by now.
    thread::sleep(Bench::TOLERANCE);
    for (_, frame) in bench.capture.frames_since(start) {
        let is_own = wire::source_mac(&frame) == Some(bench.node().mac());
        assert!(!(is_own && Advert::read(&frame).is_some()), "an advert: {frame:02x?}");
        assert!(!wire::is_router_advert(&frame), "a Router Advertisement: {frame:02x?}");
    }
}

/// R-6.4.1-05, R-6.1-04, V-6.4.1-02: a router that hears nobody is silent for an
/// Active_Down_Interval of its own interval, then takes over.
#[test]
fn a_start_among_nobody_is_patient() {
    let subjects = [Subject::new(1), Subject::version_2(2), Subject::ipv6(3)];
    let bench = Bench::with(&subjects).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        let wait = subject.active_down_interval(subject.interval);
        let (at, _) = bench.next_advert(subject, started, wait + Bench::SETTLING).unwrap();
        assert!(
            at >= started + wait,
            "{subject:?} took over after {:?}",
            at.duration_since(started)
        );
        let vips = subject.vips();
        let announces = |seen: &Seen| vips.iter().any(|vip| seen.announces(*vip));
        let announced = bench.capture.expect("announcements", started, Bench::SETTLING, announces);
        assert!(announced.unwrap().at >= at, "{subject:?}");
    }
}
