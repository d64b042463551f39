//! RFC 9568 6.4.3.

use std::net::Ipv6Addr;

use super::*;

/// The answer to a losing advert.
fn assertion(priority: u8) -> Vec<Action> {
    vec![advertise(priority), Action::Announce(Announce::LosingAdvert)]
}

/// R-6.4.3-10: 1000 adverts without drift, though the thread wakes late each time; R-6.2-01: and
/// nothing but adverts.
#[test]
fn adverts_are_phase_locked() {
    let mut bench = Bench::active(v3());
    for n in 1..=1000 {
        let late = n * 7919 % 900_000;
        assert_eq!(bench.on(n * 1_000_000 + late, Event::Timer), [advertise(100)]);
        assert_eq!(bench.deadline(), Some((n + 1) * 1_000_000));
    }
}

/// R-6.4.3-10: after a pause of an interval or more the missed adverts are not caught up, and the
/// phase stays.
#[test]
fn missed_adverts_are_not_caught_up() {
    for (late, next) in [(999_999, 2), (1_000_000, 3), (1_000_001, 3), (60_300_000, 62)] {
        let mut bench = Bench::active(v3());
        assert_eq!(bench.on(1_000_000 + late, Event::Timer)[0], advertise(100));
        assert_eq!(bench.deadline(), Some(next * 1_000_000));
    }
}

/// Issue 6 (pain 2): after a silence of three intervals, or as many as `down_timer_adverts` says, a
/// Backup has taken over and yields to the next advert, which is all that it takes; what it told the
/// hosts has to be put right. Two missed adverts are no reason.
#[test]
fn announced_again_after_a_silence() {
    let announced = [advertise(100), Action::Announce(Announce::Silence)];
    for (down_timer_adverts, enough) in [(3, 2_000_000), (5, 4_000_000), (1, 1_000_000)] {
        let parameters = Parameters { down_timer_adverts, ..v3() };
        let mut bench = Bench::active(parameters);
        assert_eq!(bench.on(1_000_000 + enough - 1, Event::Timer), [advertise(100)]);
        let mut bench = Bench::active(parameters);
        assert_eq!(bench.on(1_000_000 + enough, Event::Timer), announced);
        assert_eq!(bench.run_to_deadline().1, [advertise(100)]);
    }
}

/// R-6.4.3-11, V-6.4.3-07: priority 0 is answered at once, and the next advert comes a whole
/// interval later.
#[test]
fn priority_0_is_answered_at_once() {
    for parameters in [v3(), v2()] {
        let mut bench = Bench::active(parameters);
        assert_eq!(bench.hear(400_000, HIGHER, 0, 300), [advertise(100)]);
        assert_eq!(bench.election.state(), State::Active);
        assert_eq!(bench.run_to_deadline(), (1_400_000, vec![advertise(100)]));
    }
}

/// R-6.4.3-12, R-6.4.3-19, V-6.4.3-08: a higher priority: close, tell, remove, and no priority 0.
/// Then the sender's interval counts: return after 3 of them and the skew.
#[test]
fn higher_priority_deposes() {
    for (priority, source) in [(101, LOWER), (254, HIGHER), (255, LOWER)] {
        let mut bench = Bench::active(v3());
        assert_eq!(bench.hear(400_000, source, priority, 300), yielding(Cause::HigherPriority));
        assert_eq!(bench.election.accepted(), Some(advert(source, priority, 300)));
        assert_eq!(bench.election.active_router(), Some(source));
        let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
        assert_eq!(bench.run_to_deadline(), (400_000 + 10_828_125, taken));
    }
    let mut bench = Bench::active(v2());
    bench.hear(400_000, LOWER, 255, 100);
    assert_eq!(bench.deadline(), Some(400_000 + 3_609_375));
}

/// R-5.2.7-03: a fast router that took over too early yields to the first advert of the slow one,
/// and then waits by the slow interval.
#[test]
fn fast_router_yields_to_a_slow_one() {
    let mut bench = Bench::active(Parameters { interval: interval(10), ..v3() });
    bench.hear(50_000, HIGHER, 200, 300);
    assert_eq!(bench.election.state(), State::Backup);
    assert_eq!(bench.deadline(), Some(50_000 + 10_828_125));
}

/// R-6.4.3-13: equal priority: the higher address wins, compared as an unsigned number in network
/// byte order, which the pairs tell from a signed and from a little-endian one.
#[test]
fn tie_goes_to_the_higher_address() {
    let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last));
    let pairs = [
        (v4(192, 0, 2, 2), v4(192, 0, 2, 3)),
        (v4(10, 0, 0, 254), v4(10, 0, 1, 1)),
        (v4(100, 0, 0, 1), v4(200, 0, 0, 1)),
        (v6(2), v6(3)),
        (v6(0x00ff), v6(0x0100)),
    ];
    for version in [Version::V2, Version::V3] {
        for (low, high) in pairs {
            let mut loser = Bench::active(Parameters { version, source: low, ..v3() });
            let yields = yielding(Cause::EqualPriorityHigherAddress);
            assert_eq!(loser.hear(10, high, 100, 100), yields, "{low} {high}");
            let mut winner = Bench::active(Parameters { version, source: high, ..v3() });
            assert_eq!(winner.hear(10, low, 100, 100), assertion(100), "{high} {low}");
        }
    }
}

/// R-6.4.3-14, R-6.4.3-17: a losing advert is answered at once, and the regular adverts keep their
/// times. Appendix C: keepalived answers in v2 too (against R-6.4.3-15, V-6.4.3-09).
#[test]
fn losing_advert_is_answered_at_once() {
    for (source, priority) in [(HIGHER, 99), (HIGHER, 1), (LOWER, 100)] {
        for parameters in [v3(), v2()] {
            let mut bench = Bench::active(parameters);
            assert_eq!(bench.hear(300_000, source, priority, 100), assertion(100));
            assert_eq!(bench.election.state(), State::Active);
            assert_eq!(bench.run_to_deadline(), (1_000_000, vec![advertise(100)]));
        }
    }
}

/// Keyword `lower_prio_no_advert`, R-6.4.3-15, V-6.4.3-09: no answer; the hosts are told all the
/// same, as keepalived does.
#[test]
fn lower_prio_no_advert() {
    for parameters in [v3(), v2()] {
        let mut bench = Bench::active(Parameters { lower_prio_no_advert: true, ..parameters });
        let announced = [Action::Announce(Announce::LosingAdvert)];
        assert_eq!(bench.hear(300_000, LOWER, 50, 100), announced);
    }
}

/// Keyword `higher_prio_send_advert`: one own advert, then yielding as ever.
#[test]
fn higher_prio_send_advert() {
    let mut bench = Bench::active(Parameters { higher_prio_send_advert: true, ..v3() });
    let mut expected = yielding(Cause::HigherPriority);
    expected.insert(0, advertise(100));
    assert_eq!(bench.hear(300_000, HIGHER, 200, 100), expected);
}

/// reflections of our own adverts, and two routers with one address, cause nothing, in
/// particular no advert that would be reflected again.
#[test]
fn own_source_is_ignored() {
    for priority in [0, 1, 100, 200, 255] {
        let mut bench = Bench::active(v3());
        assert_eq!(bench.hear(300_000, SELF, priority, 100), []);
        assert_eq!(bench.deadline(), Some(1_000_000));
    }
}

/// R-7.1-11 (erratum 8298): of two owners the one with the lower address yields; R-8.3.2-02: the
/// cause says why.
#[test]
fn owners_compare_addresses() {
    let mut bench = Bench::active(owner());
    assert_eq!(bench.hear(10, LOWER, 255, 100), assertion(255));
    let yields = yielding(Cause::EqualPriorityHigherAddress);
    assert_eq!(bench.hear(20, HIGHER, 255, 100), yields);
}

/// 10,000 losing adverts per second lead to a few answers at once and then to one in four intervals,
/// as many resignations to four in each. The regular adverts keep their times, except that an answer to a
/// resignation stands for one.
#[test]
fn floods_are_not_amplified() {
    for (priority, answers, announcements) in [(50, 6, 13), (0, 43, 0)] {
        let mut bench = Bench::active(v3());
        let (mut regular, mut sent, mut announced) = (0, 0, 0);
        for n in 0..100_000_u64 {
            let micros = n * 100;
            if bench.deadline().is_some_and(|deadline| deadline <= micros) {
                assert_eq!(bench.on(micros, Event::Timer), [advertise(100)]);
                regular += 1;
            }
            for action in bench.hear(micros, LOWER, priority, 100) {
                match action {
                    Action::Advertise { .. } => sent += 1,
                    Action::Announce(Announce::LosingAdvert) => announced += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!((sent, announced), (answers, announcements), "priority {priority}");
        assert!(priority == 0 || regular == 9, "{regular} regular adverts");
    }
}

/// X-11, issue 4 row 9: at 10 ms a flood of losing adverts leads to one more advert in four intervals, and
/// the hosts are told no more than once a second; who loses later is answered at once.
#[test]
fn a_flood_at_10_ms_is_announced_once_a_second() {
    let interval = AdverInterval::from_centiseconds(1).unwrap();
    let mut bench = Bench::active(Parameters { interval, ..v3() });
    let (mut sent, mut announced) = (0, 0);
    for n in 0..30_000_u64 {
        let micros = n * 100;
        if bench.deadline().is_some_and(|deadline| deadline <= micros) {
            bench.on(micros, Event::Timer);
        }
        for action in bench.hear(micros, LOWER, 50, 1) {
            match action {
                Action::Advertise { .. } => sent += 1,
                Action::Announce(Announce::LosingAdvert) => announced += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((sent, announced), (4 + 74, 4 + 2));
    assert_eq!(bench.hear(10_000_000, LOWER, 50, 1), assertion(100));
}

/// R-6.4.3-11: keepalived resigns twice within microseconds on FAULT; both are answered, since each
/// starts the Skew_Time of the Backups.
#[test]
fn double_resignation_is_answered_twice() {
    let mut bench = Bench::active(v3());
    assert_eq!(bench.hear(400_000, HIGHER, 0, 100), [advertise(100)]);
    assert_eq!(bench.hear(400_020, HIGHER, 0, 100), [advertise(100)]);
    assert_eq!(bench.deadline(), Some(1_400_020));
}

/// Issue 6: a lowered effective priority is advertised at once, a raised or unchanged one with the
/// next regular advert; neither moves that one.
#[test]
fn lowered_priority_is_advertised_at_once() {
    for (priority, sent) in [(80, vec![advertise(80)]), (100, vec![]), (120, vec![])] {
        let mut bench = Bench::active(v3());
        assert_eq!(bench.on(300_000, Event::Priority(Priority::new(priority))), sent);
        assert_eq!(bench.election.effective_priority(), Priority::new(priority));
        assert_eq!(bench.run_to_deadline(), (1_000_000, vec![advertise(priority)]));
    }
}

/// R-6.4.3-13: after a change of the own primary address ties are decided by the new one.
#[test]
fn tie_uses_the_present_source() {
    let mut bench = Bench::active(Parameters { source: LOWER, ..v3() });
    assert_eq!(bench.on(10, Event::Source(HIGHER)), []);
    assert_eq!(bench.election.active_router(), Some(HIGHER));
    assert_eq!(bench.hear(20, SELF, 100, 100), assertion(100));
}

/// A stamp from before the take-over is judged like any other and breaks nothing.
#[test]
fn stamps_from_before_the_take_over() {
    let mut bench = Bench::active(v3());
    let mut actions = Actions::new();
    let old = Instant::from_nanos(1);
    bench.election.handle(Event::Timer, old, &mut actions);
    assert_eq!(actions.as_slice(), []);
    bench.election.handle(Event::Advert(advert(LOWER, 50, 100)), old, &mut actions);
    assert_eq!(actions.as_slice(), assertion(100));
    bench.election.handle(Event::Advert(advert(HIGHER, 200, 100)), old, &mut actions);
    assert_eq!(actions.as_slice(), yielding(Cause::HigherPriority));
}
