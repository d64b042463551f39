//! RFC 9568 6.4.2, except Preempt_Mode.

use super::*;

/// R-6.4.2-07, -09, V-6.4.2-05: the down timer fires: the advert first, then answers, addresses,
/// announcements; the regular adverts follow by the own interval, not the learned one.
#[test]
fn down_timer_takes_over() {
    let mut bench = Bench::backup(v3());
    bench.hear(1_000_000, HIGHER, 200, 300);
    assert_eq!(bench.election.active_router(), Some(HIGHER));
    let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
    assert_eq!(bench.run_to_deadline(), (1_000_000 + 10_828_125, taken));
    assert_eq!(bench.election.interval(), AdverInterval::DEFAULT);
    assert_eq!(bench.run_to_deadline().0, 1_000_000 + 10_828_125 + 1_000_000);
}

/// R-6.4.2-11: an advert of at least the own priority restarts the timer, with the interval it
/// teaches. V-6.1-02, V-6.4.2-07: in v2 nothing is learned.
#[test]
fn accepted_advert_restarts_the_timer() {
    for (priority, centiseconds, down) in [
        (100, 100, 3_609_375),
        (101, 300, 10_828_125),
        (255, 10, 360_937),
        (254, 4095, 147_803_906),
    ] {
        let mut bench = Bench::backup(v3());
        assert_eq!(bench.hear(700_000, HIGHER, priority, centiseconds), []);
        assert_eq!(bench.deadline(), Some(700_000 + down), "{priority} {centiseconds}");
        assert_eq!(bench.election.accepted(), Some(advert(HIGHER, priority, centiseconds)));
    }
    let mut bench = Bench::backup(v2());
    bench.hear(700_000, HIGHER, 200, 300);
    assert_eq!(bench.deadline(), Some(700_000 + 3_609_375));
    assert_eq!(bench.election.active_adver_interval(), Duration::from_secs(1));
}

/// R-6.4.2-17, R-6.2-02: a Backup that hears its Active sends nothing, for any length of time.
#[test]
fn backup_is_silent() {
    let mut bench = Bench::backup(v3());
    for n in 1..3600 {
        assert_eq!(bench.hear(n * 1_000_000, HIGHER, 200, 100), []);
        assert_eq!(bench.on(n * 1_000_000 + 500_000, Event::Timer), []);
    }
}

/// R-6.4.2-13: a Backup accepts its own priority from a lower address too.
#[test]
fn equal_priority_is_accepted_from_any_address() {
    for source in [LOWER, HIGHER] {
        let mut bench = Bench::backup(v3());
        bench.hear(500_000, source, 100, 100);
        assert_eq!(bench.deadline(), Some(500_000 + 3_609_375));
    }
}

/// R-6.4.2-10, R-6.1-05, V-6.4.2-06: priority 0 sets the timer to Skew_Time; it is never absorbed.
#[test]
fn priority_0_leaves_only_the_skew() {
    for parameters in [v3(), v2()] {
        let mut bench = Bench::backup(parameters);
        bench.hear(500_000, HIGHER, 200, 100);
        assert_eq!(bench.hear(900_000, HIGHER, 0, 100), []);
        assert_eq!(bench.election.accepted(), None);
        assert_eq!(bench.election.active_router(), None);
        let taken = take_over(State::Backup, 100, Cause::Resignation);
        assert_eq!(bench.run_to_deadline(), (900_000 + 609_375, taken));
    }
}

/// R-6.4.2-10, V-6.1-01: the Skew_Time after priority 0 by interval and version: with 10 s it is
/// 6.09 s in v3 and stays 0.609 s in v2.
#[test]
fn priority_0_skew_scales_in_v3_only() {
    for (version, skew) in [(Version::V3, 6_093_750), (Version::V2, 609_375)] {
        let mut bench = Bench::backup(Parameters { version, interval: interval(1000), ..v3() });
        bench.hear(0, HIGHER, 0, 1000);
        assert_eq!(bench.deadline(), Some(skew));
    }
}

/// R-6.4.2-15: priority 0 teaches no interval; R-6.4.2-18: its skew uses the learned one.
#[test]
fn priority_0_uses_the_learned_interval() {
    let mut bench = Bench::backup(v3());
    bench.hear(100, HIGHER, 200, 100);
    bench.hear(200, HIGHER, 0, 4095);
    assert_eq!(bench.deadline(), Some(200 + 609_375));

    let mut bench = Bench::backup(v3());
    bench.hear(100, HIGHER, 200, 100);
    bench.hear(200, HIGHER, 200, 400);
    bench.hear(300, HIGHER, 0, 100);
    assert_eq!(bench.deadline(), Some(300 + 2_437_500));
}

/// R-6.4.2-16: priority 0 counts whoever sent it; only its sender is no longer the Active router.
#[test]
fn priority_0_from_a_third_router() {
    let mut bench = Bench::backup(v3());
    bench.hear(100, HIGHER, 200, 100);
    bench.hear(200, LOWER, 0, 100);
    assert_eq!(bench.deadline(), Some(200 + 609_375));
    assert_eq!(bench.election.active_router(), Some(HIGHER));
}

/// R-6.4.2-10, -11: an Active that goes on after a priority 0 is accepted again.
#[test]
fn advert_after_priority_0_restarts_the_timer() {
    let mut bench = Bench::backup(v3());
    bench.hear(200, HIGHER, 0, 100);
    bench.hear(300_000, LOWER, 150, 100);
    let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
    assert_eq!(bench.run_to_deadline(), (300_000 + 3_609_375, taken));
}

/// an advert from the own address changes nothing, whatever it says.
#[test]
fn own_source_is_ignored() {
    for priority in [0, 1, 100, 200, 255] {
        let mut bench = Bench::backup(v3());
        assert_eq!(bench.hear(500_000, SELF, priority, 300), []);
        assert_eq!(bench.deadline(), Some(3_609_375), "{priority}");
        assert_eq!(bench.election.accepted(), None);
        assert_eq!(bench.election.discarded(), None);
    }
}

/// A repetition that the kernel absorbed counts as the advert it repeats: the timer runs from its
/// stamp, and the report is in time even when the old deadline has passed (issue 2).
#[test]
fn absorbed_repetition_restarts_the_timer() {
    let mut bench = Bench::backup(v3());
    bench.hear(0, HIGHER, 200, 100);
    assert_eq!(bench.on(3_000_000, Event::Repeat), []);
    assert_eq!(bench.on(3_609_400, Event::Timer), []);
    assert_eq!(bench.deadline(), Some(3_000_000 + 3_609_375));
    let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
    assert_eq!(bench.run_to_deadline(), (6_609_375, taken));
}

/// A repetition of what was not accepted has no effect: nothing heard, a discarded advert, a
/// resignation, another state.
#[test]
fn repetition_of_nothing_has_no_effect() {
    let mut bench = Bench::backup(v3());
    bench.on(500_000, Event::Repeat);
    assert_eq!(bench.deadline(), Some(3_609_375));
    bench.hear(600_000, LOWER, 50, 100);
    bench.on(700_000, Event::Repeat);
    assert_eq!(bench.deadline(), Some(3_609_375));
    bench.hear(800_000, HIGHER, 200, 100);
    bench.hear(900_000, HIGHER, 0, 100);
    bench.on(950_000, Event::Repeat);
    assert_eq!(bench.deadline(), Some(900_000 + 609_375));

    let mut bench = Bench::active(v3());
    assert_eq!(bench.on(500_000, Event::Repeat), []);
    assert_eq!(bench.deadline(), Some(1_000_000));
}

/// A stamp that is older than the last one, as two CPUs may deliver them, never shortens the timer;
/// nor does a timer event that comes before its time.
#[test]
fn time_does_not_go_backwards() {
    let mut bench = Bench::backup(v3());
    bench.hear(1_000_000, HIGHER, 200, 100);
    bench.hear(999_000, LOWER, 150, 100);
    assert_eq!(bench.deadline(), Some(1_000_000 + 3_609_375));
    bench.on(900_000, Event::Repeat);
    assert_eq!(bench.deadline(), Some(1_000_000 + 3_609_375));
    bench.hear(998_000, HIGHER, 0, 100);
    assert_eq!(bench.deadline(), Some(1_000_000 + 609_375));
    assert_eq!(bench.on(0, Event::Timer), []);
}

/// An advert that arrived before a late thread looked at the expired timer wins over the timer.
#[test]
fn late_thread_does_not_depose_a_timely_master() {
    let mut bench = Bench::backup(v3());
    bench.hear(0, HIGHER, 200, 100);
    bench.hear(5_000_000, HIGHER, 200, 100);
    assert_eq!(bench.on(5_000_000, Event::Timer), []);
    assert_eq!(bench.election.state(), State::Backup);
}

/// A changed own priority or address lets every next advert be judged afresh: nothing stays
/// absorbed. The running timer is not touched.
#[test]
fn judgements_end_with_what_they_compared() {
    for event in [Event::Priority(Priority::new(180)), Event::Source(LOWER)] {
        let mut bench = Bench::backup(v3());
        bench.hear(100, HIGHER, 150, 100);
        bench.hear(200, HIGHER, 50, 100);
        assert!(bench.election.accepted().is_some() && bench.election.discarded().is_some());
        assert_eq!(bench.on(300, event), []);
        assert_eq!((bench.election.accepted(), bench.election.discarded()), (None, None));
        assert_eq!(bench.deadline(), Some(100 + 3_609_375));
    }
    let mut bench = Bench::backup(v3());
    bench.hear(100, HIGHER, 150, 100);
    bench.on(300, Event::Priority(Priority::DEFAULT));
    assert!(bench.election.accepted().is_some(), "an unchanged priority is no change");
}

/// A Backup whose priority rises above the Active's preempts when the running timer expires, as
/// keepalived does; one whose priority falls accepts what it discarded (R-6.4.2-14, R-6.4.2-11).
#[test]
fn changed_priority_decides_the_next_advert() {
    let mut bench = Bench::backup(v3());
    bench.hear(0, HIGHER, 150, 100);
    bench.on(100_000, Event::Priority(Priority::new(180)));
    bench.hear(1_000_000, HIGHER, 150, 100);
    let taken = take_over(State::Backup, 180, Cause::Preemption);
    assert_eq!(bench.run_to_deadline(), (3_609_375, taken));

    let mut bench = Bench::backup(v3());
    bench.hear(0, HIGHER, 50, 100);
    bench.on(100_000, Event::Priority(Priority::new(40)));
    bench.hear(1_000_000, HIGHER, 50, 100);
    assert_eq!(bench.deadline(), Some(1_000_000 + 3_000_000 + 843_750));
}
