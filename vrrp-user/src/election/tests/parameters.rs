//! Another configuration of a running election.

use super::*;

/// Another configuration of a router: no change of state and no action comes of it, unless said
/// otherwise.
fn change(bench: &mut Bench, micros: u64, parameters: Parameters) {
    let state = bench.election.state();
    assert_eq!(bench.on(micros, Event::Parameters(parameters)), []);
    assert_eq!((bench.election.state(), *bench.election.parameters()), (state, parameters));
}

fn every(centiseconds: u16) -> Parameters {
    Parameters { interval: interval(centiseconds), ..v3() }
}

/// Issue 6: an Active goes on. Its next advert comes when the last one has promised, with the new
/// interval in it, or earlier where the new interval is shorter.
#[test]
fn interval_of_an_active() {
    let mut bench = Bench::active(every(10));
    change(&mut bench, 30_000, every(100));
    assert_eq!(bench.run_to_deadline(), (100_000, vec![advertise(100)]));
    assert_eq!(bench.deadline(), Some(1_100_000));
    change(&mut bench, 300_000, every(10));
    assert_eq!(bench.run_to_deadline(), (400_000, vec![advertise(100)]));
    assert_eq!(bench.deadline(), Some(500_000));
    // What is due anyway is not put off.
    change(&mut bench, 450_000, every(9));
    assert_eq!(bench.deadline(), Some(500_000));
}

/// Issue 6: a Backup goes on counting down from when the Active router was last heard, with the
/// interval that this one advertises (R-6.4.2-11), which its own does not change.
#[test]
fn interval_of_a_backup() {
    let mut bench = Bench::backup(every(10));
    change(&mut bench, 50_000, every(100));
    assert_eq!(bench.deadline(), Some(3_609_375), "nobody was heard");
    bench.hear(100_000, HIGHER, 200, 20);
    change(&mut bench, 150_000, every(10));
    assert_eq!(bench.deadline(), Some(100_000 + 600_000 + 121_875));
    change(&mut bench, 160_000, Parameters { down_timer_adverts: 5, ..every(10) });
    assert_eq!(bench.deadline(), Some(100_000 + 1_000_000 + 121_875));

    let mut bench = Bench::backup(v2());
    bench.hear(100_000, HIGHER, 200, 100);
    change(&mut bench, 200_000, Parameters { interval: interval(200), ..v2() });
    assert_eq!(bench.deadline(), Some(100_000 + 6_000_000 + 609_375));
}

/// Issue 6: a lowered priority is advertised at once, as one that was lowered by a tracker.
#[test]
fn priority() {
    let lower = Parameters { priority: Priority::new(80), ..v3() };
    let mut bench = Bench::active(v3());
    assert_eq!(bench.on(300_000, Event::Parameters(lower)), [advertise(80)]);
    change(&mut bench, 400_000, v3());
    assert_eq!(bench.run_to_deadline(), (1_000_000, vec![advertise(100)]));
}

/// Issue 6, keywords `nopreempt` and `preempt_delay`: they hold from the next advert on.
#[test]
fn preemption() {
    let patient = Parameters { preempt: false, ..v3() };
    let mut bench = Bench::backup(v3());
    bench.hear(0, HIGHER, 50, 100);
    assert!(bench.election.discarded().is_some());
    change(&mut bench, 100, patient);
    assert!(bench.election.discarded().is_none(), "it is judged afresh");
    bench.hear(1_000_000, HIGHER, 50, 100);
    assert_eq!(bench.deadline(), Some(1_000_000 + 3_609_375));
    change(&mut bench, 1_000_100, v3());
    bench.hear(2_000_000, HIGHER, 50, 100);
    assert_eq!(bench.run_to_deadline().0, 4_609_375, "now it preempts");

    let delayed = Parameters { preempt_delay: Duration::from_secs(60), ..v3() };
    let mut bench = Bench::backup(delayed);
    bench.hear(0, HIGHER, 50, 100);
    change(&mut bench, 100, v3());
    bench.hear(1_000_000, HIGHER, 50, 100);
    assert_eq!(bench.run_to_deadline().0, 3_609_375, "the delay is off");
}

/// Issue 6: one that takes no part begins with what holds by then.
#[test]
fn in_initialize() {
    let mut bench = Bench::new(v3());
    change(&mut bench, 0, every(10));
    bench.on(0, Event::Startup);
    assert_eq!(bench.deadline(), Some(300_000 + 60_937));
}
