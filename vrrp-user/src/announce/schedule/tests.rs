use std::net::IpAddr;

use super::{super::Group, *};

const A: RouterId = RouterId(0);
const B: RouterId = RouterId(1);

fn target(interface: u32, last: u8) -> Target {
    Target::new(interface, [2, 0, 0, 0, 0, 1], [192, 0, 2, last].into())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn target_ipv6(interface: u32, last: u16) -> Target {
    let address = [0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into();
    Target { address, ..target(interface, 0) }
}

/// Last octets of the addresses that leave at `now`, in order.
fn frames(schedule: &mut Schedule, now: Instant) -> Vec<u8> {
    schedule.handle_timeout(now);
    std::iter::from_fn(|| schedule.poll_frame(now))
        .map(|due| match due.target.address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        })
        .collect()
}

/// Runs the schedule to `end`: when (after `start`) how many frames left.
fn run(schedule: &mut Schedule, start: Instant, end: Duration) -> Vec<(Duration, usize)> {
    let mut bursts = Vec::new();
    while let Some(wake) = schedule.next_timeout().filter(|w| *w <= start + end) {
        let wake = wake.max(start);
        bursts.push((wake - start, frames(schedule, wake).len()));
    }
    bursts
}

/// keywords `garp_master_repeat`, `garp_master_delay`: round 1 over all addresses, then round
/// 2, back to back; the same again after the delay; then silence.
#[test]
fn two_bursts_in_rounds() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { repeat: 3, ..Garp::default() };
    // Two interfaces do not change the order.
    let targets = vec![target(2, 1), target(3, 2), target(2, 3)];
    schedule.handle_start(A, targets, plan, now);
    let rounds = [1, 2, 3, 1, 2, 3, 1, 2, 3];
    assert_eq!(frames(&mut schedule, now), rounds);
    assert_eq!(schedule.next_timeout(), Some(now + seconds(5)));
    assert!(frames(&mut schedule, now + seconds(4)).is_empty());
    assert_eq!(frames(&mut schedule, now + seconds(5)), rounds);
    assert_eq!(schedule.next_timeout(), None);
}

/// keyword `garp_master_delay 0`: no second burst.
#[test]
fn no_second_burst() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { delay: Duration::ZERO, ..Garp::default() };
    schedule.handle_start(A, vec![target(2, 1)], plan, now);
    assert_eq!(run(&mut schedule, now, seconds(100)), [(seconds(0), 5)]);
}

/// keyword `unicast_src_ip`: the source address is announced one time, and neither that nor what becomes
/// of the router changes anything for the other.
#[test]
fn once_is_apart_from_bursts() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { interval: seconds(1), repeat: 2, ..Garp::default() };
    schedule.handle_start(A, vec![target(2, 1)], plan, now);
    schedule.handle_once(A, target(2, 9), &plan, now);
    assert_eq!(frames(&mut schedule, now), [1]);
    assert_eq!(frames(&mut schedule, now + seconds(1)), [1]);
    assert_eq!(frames(&mut schedule, now + seconds(2)), [9]);
    assert_eq!(frames(&mut schedule, now + seconds(5)), [1]);
    schedule.handle_once(A, target(2, 9), &plan, now + seconds(5));
    schedule.handle_cancel(A);
    assert_eq!(frames(&mut schedule, now + seconds(6)), [9]);
    assert_eq!(schedule.next_timeout(), None);
}

/// keywords `garp_master_refresh`, `garp_master_refresh_repeat`: first at delay + refresh, once
/// per period however often the router became Active (keepalived multiplies them).
#[test]
fn refresh_once_per_period() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { refresh: seconds(10), refresh_repeat: 2, ..Garp::default() };
    for _ in 0..3 {
        schedule.handle_cancel(A);
        schedule.handle_start(A, vec![target(2, 1)], plan, now);
    }
    assert_eq!(
        run(&mut schedule, now, seconds(36)),
        [(seconds(0), 5), (seconds(5), 5), (seconds(15), 2), (seconds(25), 2), (seconds(35), 2)]
    );
}

/// keywords `garp_lower_prio_repeat`, `garp_lower_prio_delay`: a losing advert has bursts of
/// its own and takes nothing from the others.
#[test]
fn losing_advert() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { lower_prio_repeat: 2, lower_prio_delay: seconds(1), ..Garp::default() };
    schedule.handle_losing(A, now);
    assert_eq!(schedule.next_timeout(), None);
    schedule.handle_start(A, vec![target(2, 1)], plan, now);
    assert_eq!(frames(&mut schedule, now).len(), 5);
    let lost = now + seconds(3);
    schedule.handle_losing(A, lost);
    assert_eq!(
        run(&mut schedule, lost, seconds(100)),
        [(seconds(0), 2), (seconds(1), 2), (seconds(2), 5)]
    );
}

/// keyword `garp_lower_prio_repeat`: frames that wait are not multiplied by a flood of losing
/// adverts.
#[test]
fn flood_of_losing_adverts() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { interval: seconds(1), ..Garp::default() };
    schedule.handle_start(A, vec![target(2, 1)], plan, now);
    for _ in 0..1000 {
        schedule.handle_losing(A, now);
    }
    assert_eq!(schedule.queues[&Lane::of(&target(2, 1))].frames.len(), 5);
}

/// keyword `garp_master_delay`: a daemon that was late with the first burst still sends the
/// second.
#[test]
fn late_second_burst() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    schedule.handle_start(A, vec![target(2, 1)], Garp::default(), now);
    assert_eq!(frames(&mut schedule, now + seconds(6)).len(), 10);
}

/// keyword `vrrp_garp_interval`: spacing on one interface, for all routers there; others do not
/// wait.
#[test]
fn spacing_per_interface() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { repeat: 2, delay: Duration::ZERO, interval: seconds(1), ..Garp::default() };
    schedule.handle_start(A, vec![target(2, 1)], plan, now);
    schedule.handle_start(B, vec![target(2, 2), target(3, 3)], plan, now);
    assert_eq!(frames(&mut schedule, now), [1, 3]);
    assert_eq!(schedule.next_timeout(), Some(now + seconds(1)));
    assert_eq!(frames(&mut schedule, now + seconds(1)), [1, 3]);
    assert_eq!(frames(&mut schedule, now + seconds(2)), [2]);
    assert_eq!(frames(&mut schedule, now + seconds(3)), [2]);
    assert_eq!(schedule.next_timeout(), None);
}

/// keyword `vrrp_gna_interval`: Neighbor Advertisements have a spacing of their own, and gratuitous
/// ARP on the same interface does not wait for them.
#[test]
fn spacing_per_family() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan =
        Garp { repeat: 2, delay: Duration::ZERO, gna_interval: seconds(1), ..Garp::default() };
    let targets = vec![target_ipv6(2, 1), target(2, 2), target_ipv6(2, 3)];
    schedule.handle_start(A, targets, plan, now);
    assert_eq!(frames(&mut schedule, now), [1, 2, 2]);
    assert_eq!(frames(&mut schedule, now + seconds(1)), [3]);
    assert_eq!(frames(&mut schedule, now + seconds(2)), [1]);
    assert_eq!(frames(&mut schedule, now + seconds(3)), [3]);
    assert_eq!(schedule.next_timeout(), None);
}

fn paced(repeat: u32) -> Garp {
    Garp { repeat, rfc4861_pacing: true, ..Garp::default() }
}

/// N-4861-21, keyword `xdp_gna_pacing`: at most three unsolicited advertisements of each address
/// for one takeover, a second apart; gratuitous ARP is as it always is.
#[test]
fn pacing() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    schedule.handle_start(
        A,
        vec![target_ipv6(2, 1), target(2, 2), target_ipv6(3, 3)],
        paced(5),
        now,
    );
    assert_eq!(frames(&mut schedule, now), [2, 2, 2, 2, 2, 1, 3]);
    let almost = now + Duration::from_millis(999);
    assert!(frames(&mut schedule, almost).is_empty());
    for second in 1..=2 {
        assert_eq!(schedule.next_timeout(), Some(now + seconds(second)));
        assert_eq!(frames(&mut schedule, now + seconds(second)), [1, 3]);
    }
    assert_eq!(schedule.next_timeout(), Some(now + seconds(5)));
    assert_eq!(frames(&mut schedule, now + seconds(5)), [2; 5]);
    assert_eq!(schedule.next_timeout(), None);
    // Other addresses keep the pace.
    schedule.handle_start(A, vec![target_ipv6(2, 1)], paced(5), now + seconds(5));
    let changed = now + Duration::from_millis(5500);
    assert_eq!(frames(&mut schedule, now + seconds(5)), [1]);
    schedule.handle_start(A, vec![target_ipv6(2, 1), target_ipv6(2, 4)], paced(5), changed);
    assert!(frames(&mut schedule, changed).is_empty());
    assert_eq!(schedule.next_timeout(), Some(now + seconds(6)));
    assert_eq!(frames(&mut schedule, now + seconds(6)), [1, 4]);
    // Fewer where fewer are asked for.
    let mut schedule = Schedule::default();
    schedule.handle_start(B, vec![target_ipv6(2, 1)], paced(2), now);
    assert_eq!(run(&mut schedule, now, seconds(2)), [(seconds(0), 1), (seconds(1), 1)]);
}

/// N-4861-21: a second apart holds across events, too, and for a frame that left late; a flood of
/// events adds nothing.
#[test]
fn pacing_across_events() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { lower_prio_repeat: 3, refresh: seconds(3), ..paced(1) };
    schedule.handle_start(A, vec![target_ipv6(2, 1)], plan, now);
    let first = schedule.poll_frame(now).unwrap();
    let late = now + Duration::from_millis(300);
    schedule.handle_full(first, late);
    for _ in 0..100 {
        schedule.handle_losing(A, late);
    }
    assert_eq!(frames(&mut schedule, late), [1]);
    for _ in 0..100 {
        schedule.handle_losing(A, late);
    }
    let left = run(&mut schedule, late, Duration::from_millis(4900));
    let second_burst = (Duration::from_millis(4700), 0);
    assert_eq!(left, [(seconds(1), 1), (seconds(2), 1), (seconds(3), 1), second_burst]);
    // The second burst after the losing adverts is none, either; the refresh is at 8 s.
    let end = now + Duration::from_millis(7900);
    assert!(frames(&mut schedule, end).is_empty());
    assert_eq!(frames(&mut schedule, now + seconds(8)), [1]);
}

/// Rule 1 of the design (no advert, no answer): a router that resigned announces nothing,
/// neither what waited nor what was planned; others are not touched.
#[test]
fn cancel_is_final() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { refresh: seconds(10), ..Garp::default() };
    schedule.handle_start(A, vec![target(2, 1)], plan, now);
    schedule.handle_start(B, vec![target(3, 2)], Garp::default(), now);
    schedule.handle_losing(A, now);
    schedule.handle_cancel(A);
    assert_eq!(run(&mut schedule, now, seconds(100)), [(seconds(0), 5), (seconds(5), 5)]);
}

/// R-6.4.2-07: an interface whose queue is full loses no frame and keeps the order.
#[test]
fn full_queue() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { repeat: 1, delay: Duration::ZERO, ..Garp::default() };
    schedule.handle_start(A, vec![target(2, 1), target(2, 2)], plan, now);
    let due = schedule.poll_frame(now).unwrap();
    schedule.handle_full(due, now + seconds(1));
    assert!(frames(&mut schedule, now).is_empty());
    assert_eq!(frames(&mut schedule, now + seconds(1)), [1, 2]);
}

/// keywords `garp_group`, `garp_interval`: the interfaces of a group wait for each other, in the
/// group's time, with that of vrrp_garp_interval where it has none; others do not wait for them.
#[test]
fn spacing_of_a_group() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let group = Group { number: 0, interval: seconds(1), gna_interval: Duration::ZERO };
    let in_group = |target: Target| Target { group: Some(group), ..target };
    let plan = Garp {
        repeat: 1,
        delay: Duration::ZERO,
        interval: seconds(9),
        gna_interval: seconds(2),
        ..Garp::default()
    };
    let targets = [target(2, 1), target(3, 2), target_ipv6(2, 3), target_ipv6(3, 4)];
    let targets = targets.map(in_group).into_iter().chain([target(4, 5)]).collect();
    schedule.handle_start(A, targets, plan, now);
    assert_eq!(frames(&mut schedule, now), [1, 3, 5]);
    assert_eq!(frames(&mut schedule, now + seconds(1)), [2]);
    assert_eq!(frames(&mut schedule, now + seconds(2)), [4]);
    assert_eq!(schedule.next_timeout(), None);
    schedule.handle_cancel(A);
    assert!(schedule.queues.is_empty());
}

/// keyword `garp_extra_if`: those addresses once more in each period, until the router resigns.
#[test]
fn extra_refresh() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    let plan = Garp { repeat: 1, delay: Duration::ZERO, ..Garp::default() };
    let other = Target { extra: Some(seconds(10)), ..target(3, 2) };
    schedule.handle_start(A, vec![target(2, 1), other], plan, now);
    assert_eq!(frames(&mut schedule, now), [1, 2]);
    for period in 1..4 {
        assert_eq!(schedule.next_timeout(), Some(now + seconds(10 * period)));
        assert_eq!(frames(&mut schedule, now + seconds(10 * period)), [2]);
    }
    schedule.handle_cancel(A);
    assert_eq!(schedule.next_timeout(), None);
}
