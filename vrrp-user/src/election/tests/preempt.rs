//! Preempt_Mode, keepalived's `nopreempt` and `preempt_delay`, and the owner.

use super::*;

fn delayed(seconds: u64) -> Parameters {
    Parameters { preempt_delay: Duration::from_secs(seconds), ..v3() }
}

/// R-6.4.2-14, V-6.4.2-08, R-6.1-07: preempting, a lower priority is discarded: the timer is not
/// restarted, the interval not learned, and the take-over comes neither at once nor never.
#[test]
fn lower_priority_is_discarded() {
    for parameters in [v3(), v2()] {
        let mut bench = Bench::backup(parameters);
        bench.hear(400_000, HIGHER, 200, 100);
        for n in 1..=3 {
            assert_eq!(bench.hear(400_000 + n * 1_000_000, LOWER, 99, 300), []);
        }
        assert_eq!(bench.election.discarded(), Some(advert(LOWER, 99, 300)));
        assert_eq!(bench.election.active_adver_interval(), Duration::from_secs(1));
        let taken = take_over(State::Backup, 100, Cause::Preemption);
        assert_eq!(bench.run_to_deadline(), (400_000 + 3_609_375, taken));
        assert_eq!(bench.election.discarded(), None);
    }
}

/// R-6.4.2-14: a discarded advert does not unsettle the accepted one: its repetitions still count.
#[test]
fn discarded_beside_accepted() {
    let mut bench = Bench::backup(v3());
    bench.hear(0, HIGHER, 200, 100);
    bench.hear(100_000, LOWER, 50, 100);
    bench.on(1_000_000, Event::Repeat);
    assert_eq!(bench.election.accepted(), Some(advert(HIGHER, 200, 100)));
    assert_eq!(bench.election.discarded(), Some(advert(LOWER, 50, 100)));
    let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
    assert_eq!(bench.run_to_deadline(), (1_000_000 + 3_609_375, taken));
}

/// R-6.4.2-12, V-6.4.2-07, keyword `nopreempt`: a lower priority is accepted like any other, and
/// its interval learned.
#[test]
fn nopreempt_accepts_lower_priorities() {
    let mut bench = Bench::backup(Parameters { preempt: false, ..v3() });
    for n in 1..=10 {
        bench.hear(n * 3_000_000, LOWER, 1, 300);
        assert_eq!(bench.deadline(), Some(n * 3_000_000 + 10_828_125));
    }
    assert_eq!(bench.election.accepted(), Some(advert(LOWER, 1, 300)));
    let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
    assert_eq!(bench.run_to_deadline(), (30_000_000 + 10_828_125, taken));
}

/// R-6.4.3-16: `nopreempt` is one-sided: an Active yields to a higher priority.
#[test]
fn nopreempt_active_yields() {
    let mut bench = Bench::active(Parameters { preempt: false, ..v3() });
    assert_eq!(bench.hear(10, HIGHER, 101, 100), yielding(Cause::HigherPriority));
}

/// R-6.1-08: the owner, once it had to yield to another owner, preempts whatever `nopreempt` and
/// `preempt_delay` say.
#[test]
fn owner_preempts_always() {
    let stubborn =
        Parameters { preempt: false, preempt_delay: Duration::from_secs(100), ..owner() };
    let mut bench = Bench::active(stubborn);
    bench.hear(0, HIGHER, 255, 100);
    assert_eq!(bench.election.state(), State::Backup);
    bench.hear(500_000, LOWER, 254, 100);
    let taken = take_over(State::Backup, 255, Cause::Preemption);
    assert_eq!(bench.run_to_deadline(), (3_003_906, taken));
}

/// R-6.1-08: an Active owner is not stopped by 254.
#[test]
fn owner_is_not_stopped_by_254() {
    let mut bench = Bench::active(Parameters { preempt: false, ..owner() });
    assert_eq!(
        bench.hear(10, HIGHER, 254, 100),
        [advertise(255), Action::Announce(Announce::LosingAdvert)]
    );
    assert_eq!(bench.election.state(), State::Active);
}

/// Keyword `preempt_delay`: counted from the first lower advert; until its end such adverts are
/// accepted, afterwards discarded, and the timer of the last accepted one still has to expire.
#[test]
fn preempt_delay_runs_from_the_first_lower_advert() {
    let mut bench = Bench::backup(delayed(10));
    for n in 1..=10 {
        bench.hear(n * 1_000_000 + 500_000, LOWER, 50, 100);
        assert_eq!(bench.election.accepted(), Some(advert(LOWER, 50, 100)));
    }
    assert_eq!(bench.deadline(), Some(11_500_000), "the end of the delay comes first");
    assert_eq!(bench.run_to_deadline(), (11_500_000, vec![]));
    assert_eq!(bench.election.accepted(), None);
    assert_eq!(bench.election.discarded(), Some(advert(LOWER, 50, 100)));
    bench.hear(11_500_000, LOWER, 50, 100);
    bench.hear(12_500_000, LOWER, 50, 100);
    let taken = take_over(State::Backup, 100, Cause::Preemption);
    assert_eq!(bench.run_to_deadline(), (10_500_000 + 3_609_375, taken));
}

/// Keyword `preempt_delay`: an advert that comes at the end of the delay, before the timer is
/// reported, is already discarded.
#[test]
fn preempt_delay_ends_with_the_clock() {
    let mut bench = Bench::backup(delayed(2));
    bench.hear(1_000_000, LOWER, 50, 100);
    bench.hear(2_999_999, LOWER, 50, 100);
    assert_eq!(bench.election.discarded(), None);
    bench.hear(3_000_000, LOWER, 50, 100);
    assert_eq!(bench.election.discarded(), Some(advert(LOWER, 50, 100)));
    assert_eq!(bench.deadline(), Some(2_999_999 + 3_609_375));
}

/// Keyword `preempt_delay`: an advert of at least the own priority cancels it, pending or over; the
/// next lower one starts it anew.
#[test]
fn preempt_delay_is_cancelled() {
    for (priority, heard_at) in [(100, 1_500_000), (200, 1_500_000), (200, 3_500_000)] {
        let mut bench = Bench::backup(delayed(2));
        bench.hear(1_000_000, LOWER, 50, 100);
        bench.hear(2_900_000, LOWER, 50, 100);
        bench.on(heard_at, Event::Timer);
        bench.hear(heard_at, HIGHER, priority, 100);
        assert_eq!(bench.election.discarded(), None);
        bench.hear(4_000_000, LOWER, 50, 100);
        assert_eq!(bench.election.accepted(), Some(advert(LOWER, 50, 100)));
        assert_eq!(bench.run_to_deadline(), (6_000_000, vec![]));
    }
}

/// Keyword `preempt_delay`: absorbed repetitions are accepted as long as it runs.
#[test]
fn preempt_delay_with_absorbed_repetitions() {
    let mut bench = Bench::backup(delayed(5));
    bench.hear(0, LOWER, 50, 100);
    bench.on(3_000_000, Event::Repeat);
    bench.on(4_000_000, Event::Repeat);
    assert_eq!(bench.run_to_deadline(), (5_000_000, vec![]));
    bench.on(5_000_000, Event::Repeat);
    let taken = take_over(State::Backup, 100, Cause::Preemption);
    assert_eq!(bench.run_to_deadline(), (4_000_000 + 3_609_375, taken));
}

/// Keyword `preempt_delay`: no effect when no Active is heard: at start, when the lower Active dies,
/// when it resigns.
#[test]
fn preempt_delay_needs_an_active_router() {
    let mut silent = Bench::backup(delayed(1000));
    assert_eq!(silent.run_to_deadline().0, 3_609_375);

    let mut dies = Bench::backup(delayed(1000));
    dies.hear(1_000_000, LOWER, 50, 100);
    let taken = take_over(State::Backup, 100, Cause::ActiveDownTimer);
    assert_eq!(dies.run_to_deadline(), (1_000_000 + 3_609_375, taken));

    let mut resigns = Bench::backup(delayed(1000));
    resigns.hear(1_000_000, LOWER, 50, 100);
    resigns.hear(2_000_000, LOWER, 0, 100);
    let taken = take_over(State::Backup, 100, Cause::Resignation);
    assert_eq!(resigns.run_to_deadline(), (2_000_000 + 609_375, taken));
}

/// Keyword `preempt_delay`: a delay that began before the router was Active does not last beyond
/// that: back in Backup it is counted from the first lower advert again.
#[test]
fn preempt_delay_does_not_outlive_backup() {
    let mut bench = Bench::backup(delayed(10));
    bench.hear(1_000_000, LOWER, 50, 100);
    bench.hear(1_100_000, LOWER, 0, 100);
    bench.run_to_deadline();
    bench.hear(2_000_000, HIGHER, 200, 100);
    bench.hear(3_000_000, LOWER, 50, 100);
    bench.hear(12_000_000, LOWER, 50, 100);
    assert_eq!(bench.run_to_deadline(), (13_000_000, vec![]));
}

/// Keyword `timer_expired_backup`, issue 6: an Active with `nopreempt` that was silent for so long that
/// a router of the given priority must have taken over goes to Backup without a word, and waits; by
/// less, or with preemption, it goes on.
#[test]
fn silence_leads_to_backup() {
    let patient = Parameters { preempt: false, other_priority: Some(Priority::DEFAULT), ..v3() };
    // The last advert is an interval before the deadline: then 3 and the other's Skew_Time.
    let late = 1_000_000 + 2_609_375;
    let overdue = |parameters: Parameters, micros: u64| {
        let mut bench = Bench::active(parameters);
        let actions = bench.on(micros, Event::Timer);
        (actions, bench.deadline())
    };
    let (actions, deadline) = overdue(patient, late + 1);
    assert_eq!(actions, yielding(Cause::Overdue));
    assert_eq!(deadline, Some(late + 1 + 3_609_375));
    let quick = Parameters { other_priority: Some(Priority::new(254)), ..patient };
    assert_eq!(overdue(quick, 1_000_000 + 2_007_813).0, yielding(Cause::Overdue));
    let silent = vec![advertise(100), Action::Announce(Announce::Silence)];
    assert_eq!(overdue(quick, 1_000_000 + 2_007_812).0, silent);
    assert_eq!(overdue(patient, late).0, silent);
    assert_eq!(overdue(Parameters { preempt: true, ..patient }, late + 1).0, silent);
    assert_eq!(overdue(Parameters { other_priority: None, ..patient }, late + 1).0, silent);
}
