//! The timer table of RFC 9568 6.1 and RFC 3768 6.1.

use super::*;

const PRIORITIES: [u8; 9] = [1, 50, 99, 100, 101, 150, 200, 254, 255];

/// Skew_Time in 256ths of the scaling interval, by [`PRIORITIES`]: 256 - priority.
const SKEW_256THS: [u64; 9] = [255, 206, 157, 156, 155, 106, 56, 2, 1];

fn election(version: Version, priority: u8, centiseconds: u16) -> Election {
    let priority = Priority::new(priority);
    Election::new(Parameters { version, priority, interval: interval(centiseconds), ..v3() })
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap()
}

/// R-6.1-05, R-6.1-06: Skew_Time and Active_Down_Interval of v3 for every priority and interval of
/// the table, exact to the nanosecond.
#[test]
fn v3_table() {
    for centiseconds in [1, 10, 100, 300, 4095] {
        for (priority, skew_256ths) in PRIORITIES.into_iter().zip(SKEW_256THS) {
            let election = election(Version::V3, priority, centiseconds);
            let adver = u64::from(centiseconds) * 10_000_000;
            let skew = adver * skew_256ths / 256;
            let case = (priority, centiseconds);
            assert_eq!(nanos(election.skew_time()), skew, "{case:?}");
            assert_eq!(nanos(election.active_down_interval()), 3 * adver + skew, "{case:?}");
        }
    }
}

/// R-6.1-05, R-6.1-06: the same table as printed, in ten-thousandths of a centisecond, so that the
/// formula of the test above is not the only witness.
#[test]
fn v3_table_as_printed() {
    let table: [(u8, u16, u64, u64); 12] = [
        (1, 1, 9_961, 39_961),
        (254, 1, 78, 30_078),
        (255, 1, 39, 30_039),
        (100, 10, 60_938, 360_938),
        (1, 100, 996_094, 3_996_094),
        (100, 100, 609_375, 3_609_375),
        (200, 100, 218_750, 3_218_750),
        (100, 300, 1_828_125, 10_828_125),
        (254, 300, 23_438, 9_023_438),
        (1, 4095, 40_790_039, 163_640_039),
        (100, 4095, 24_953_906, 147_803_906),
        (255, 4095, 159_961, 123_009_961),
    ];
    for (priority, centiseconds, skew, down) in table {
        let election = election(Version::V3, priority, centiseconds);
        let rounded = |span| (nanos(span) + 500) / 1000;
        assert_eq!(rounded(election.skew_time()), skew, "{priority} {centiseconds}");
        assert_eq!(rounded(election.active_down_interval()), down, "{priority} {centiseconds}");
    }
}

/// V-6.1-01, V-6.1-02: the Skew_Time of v2 does not depend on the interval.
#[test]
fn v2_table() {
    for seconds in [1, 3, 255] {
        for (priority, skew_256ths) in PRIORITIES.into_iter().zip(SKEW_256THS) {
            let election = election(Version::V2, priority, seconds * 100);
            let skew = skew_256ths * 3_906_250;
            let down = 3 * u64::from(seconds) * 1_000_000_000 + skew;
            assert_eq!(nanos(election.skew_time()), skew, "{priority} {seconds}");
            assert_eq!(nanos(election.active_down_interval()), down, "{priority} {seconds}");
        }
    }
}

/// R-6.1-12: at the smallest interval every priority still has its own Skew_Time.
#[test]
fn neighbouring_priorities_differ() {
    let skews: Vec<_> =
        (1..=255).map(|priority| election(Version::V3, priority, 1).skew_time()).collect();
    assert!(skews.windows(2).all(|pair| pair[0] > pair[1]));
    assert_eq!(skews[99] - skews[199], Duration::from_nanos(3_906_250));
}

/// Keyword `down_timer_adverts`: it replaces the 3 of the formula, and a Backup waits by it.
#[test]
fn down_timer_adverts() {
    for (adverts, down) in [(1, 1_609_375), (2, 2_609_375), (100, 100_609_375)] {
        let mut bench = Bench::backup(Parameters { down_timer_adverts: adverts, ..v3() });
        assert_eq!(bench.run_to_deadline().0, down);
    }
}

/// R-6.1-03: the regular adverts are spaced by the own interval, from the shortest to the longest.
#[test]
fn own_interval_spaces_adverts() {
    for (centiseconds, micros) in [(1, 10_000), (10, 100_000), (100, 1_000_000), (4095, 40_950_000)]
    {
        let mut bench = Bench::active(Parameters { interval: interval(centiseconds), ..v3() });
        for n in 1..=3 {
            assert_eq!(bench.run_to_deadline(), (n * micros, vec![advertise(100)]));
        }
    }
}
