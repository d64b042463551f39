//! Which announcement leaves when. No clock and no socket.
//!
//! `handle_*` says what happened; then [`Schedule::handle_timeout`] turns expired timers into
//! frames, and [`Schedule::poll_frame`] is called until it has no more;
//! [`Schedule::next_timeout`] says when to come back.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{RouterId, Target};
use crate::config::Garp;

/// MAX_NEIGHBOR_ADVERTISEMENT: unsolicited advertisements that one event may cause (RFC 4861 10).
const MAX_ADVERTISEMENTS: u32 = 3;

/// RetransTimer: the time between two of them (RFC 4861 7.2.6, 10).
const RETRANS_TIMER: Duration = Duration::from_secs(1);

/// The bursts and timers of all routers that are Active.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    routers: BTreeMap<RouterId, Announcement>,
    /// Frames that wait.
    queues: BTreeMap<Lane, Queue>,
    /// Number of the next frame: keeps the order of the rounds across interfaces.
    next_frame: u64,
}

/// A frame to be sent now.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) router: RouterId,
    pub(super) target: Target,
    number: u64,
    interval: Duration,
}

/// Frames wait for each other on one interface. keepalived spaces the two families apart from each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    interface: u32,
    ipv6: bool,
}

impl Lane {
    const fn of(target: &Target) -> Self {
        Self { interface: target.interface, ipv6: target.address.is_ipv6() }
    }
}

#[derive(Debug)]
struct Announcement {
    targets: Vec<Target>,
    plan: Garp,
    timers: Timers,
    paced: Paced,
}

/// When the next bursts begin.
#[derive(Debug, Default)]
struct Timers {
    /// When the second burst after becoming Active is due.
    second: Option<Instant>,
    /// When the second burst after a losing advert is due.
    second_losing: Option<Instant>,
    /// When the next refresh is due.
    refresh: Option<Instant>,
}

/// Neighbor Advertisements of a router with `rfc4861_pacing`, which leave round by round. A router
/// that resigned and takes over again does not wait: the others' caches point elsewhere by then.
#[derive(Debug)]
struct Paced {
    /// Rounds that are still to come.
    rounds: u32,
    /// No round before this: a RetransTimer after the last frame that left.
    free_at: Instant,
}

#[derive(Debug)]
struct Queue {
    frames: VecDeque<Due>,
    /// No frame before this.
    free_at: Instant,
}

impl Schedule {
    /// `router` became Active or has other addresses now.
    pub(super) fn handle_start(
        &mut self,
        router: RouterId,
        targets: Vec<Target>,
        plan: Garp,
        now: Instant,
    ) {
        let free_at = self.routers.get(&router).map_or(now, |former| former.paced.free_at);
        self.handle_cancel(router);
        let timers = Timers {
            second: after(now, plan.delay),
            second_losing: None,
            // keepalived's first refresh is at delay + refresh.
            refresh: after(now, plan.refresh).map(|at| at + plan.delay),
        };
        let paced = Paced { rounds: 0, free_at };
        let announcement = Announcement { targets, plan, timers, paced };
        self.routers.insert(router, announcement);
        self.burst(router, plan.repeat, now);
    }

    /// `router`, as Active, heard a losing advert.
    pub(super) fn handle_losing(&mut self, router: RouterId, now: Instant) {
        let Some(announcement) = self.routers.get_mut(&router) else {
            return;
        };
        let plan = announcement.plan;
        announcement.timers.second_losing = after(now, plan.lower_prio_delay);
        self.burst_unless_waiting(router, plan.lower_prio_repeat, now);
    }

    /// `router` is no longer Active.
    pub(super) fn handle_cancel(&mut self, router: RouterId) {
        self.routers.remove(&router);
        for queue in self.queues.values_mut() {
            queue.frames.retain(|frame| frame.router != router);
        }
        let Self { routers, queues, .. } = self;
        queues.retain(|&lane, _| {
            let mut targets = routers.values().flat_map(|a| &a.targets);
            targets.any(|target| Lane::of(target) == lane)
        });
    }

    /// `frame` did not fit into the queue of its interface, which shall rest until `until`.
    pub(super) fn handle_full(&mut self, frame: Due, until: Instant) {
        if let Some(queue) = self.queues.get_mut(&Lane::of(&frame.target)) {
            queue.frames.push_front(frame);
            queue.free_at = until;
        }
    }

    /// Turns the timers that have expired at `now` into frames.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let (mut second, mut second_losing, mut refresh) = (Vec::new(), Vec::new(), Vec::new());
        for (&router, Announcement { plan, timers, .. }) in &mut self.routers {
            if timers.second.take_if(|at| *at <= now).is_some() {
                second.push((router, plan.repeat));
            }
            if timers.second_losing.take_if(|at| *at <= now).is_some() {
                second_losing.push((router, plan.lower_prio_repeat));
            }
            if timers.refresh.take_if(|at| *at <= now).is_some() {
                timers.refresh = after(now, plan.refresh);
                refresh.push((router, plan.refresh_repeat));
            }
        }
        for (router, rounds) in second {
            self.queue_rounds(router, rounds, Announcement::is_unpaced, now);
        }
        for (router, rounds) in second_losing {
            if !self.is_waiting(router) {
                self.queue_rounds(router, rounds, Announcement::is_unpaced, now);
            }
        }
        for (router, rounds) in refresh {
            self.burst_unless_waiting(router, rounds, now);
        }
        self.pace(now);
    }

    /// The next frame that may leave at `now`. It counts as sent unless it is handed back with
    /// [`handle_full`](Self::handle_full).
    pub(super) fn poll_frame(&mut self, now: Instant) -> Option<Due> {
        let queue = self
            .queues
            .values_mut()
            .filter(|queue| queue.free_at <= now && !queue.frames.is_empty())
            .min_by_key(|queue| queue.frames.front().map(|frame| frame.number))?;
        let frame = queue.frames.pop_front()?;
        queue.free_at = now + frame.interval;
        if let Some(announcement) = self.routers.get_mut(&frame.router)
            && announcement.is_paced(&frame.target)
        {
            announcement.paced.free_at = now + RETRANS_TIMER;
        }
        Some(frame)
    }

    /// Those on which something is or will be announced.
    pub(super) fn interfaces(&self) -> BTreeSet<u32> {
        let targets = self.routers.values().flat_map(|announcement| &announcement.targets);
        targets.map(|target| target.interface).collect()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_frame`](Self::poll_frame)
    /// next; a moment in the past means at once.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let timers = self.routers.values().flat_map(|a| {
            let Timers { second, second_losing, refresh } = a.timers;
            [second, second_losing, refresh].into_iter().flatten()
        });
        let queues = self.queues.values().filter(|q| !q.frames.is_empty());
        let rounds = self
            .routers
            .iter()
            .filter(|(router, a)| a.paced.rounds > 0 && !self.is_round_waiting(**router));
        timers.chain(queues.map(|q| q.free_at)).chain(rounds.map(|(_, a)| a.paced.free_at)).min()
    }

    /// For bursts that come again and again: frames of `router` that still wait stand for the new
    /// ones. So neither a flood of losing adverts nor a refresh faster than the spacing allows can
    /// grow the queues.
    fn burst_unless_waiting(&mut self, router: RouterId, rounds: u32, now: Instant) {
        if !self.is_waiting(router) {
            self.burst(router, rounds, now);
        }
    }

    fn is_waiting(&self, router: RouterId) -> bool {
        self.queues.values().flat_map(|queue| &queue.frames).any(|frame| frame.router == router)
    }

    /// True if frames of the last round of Neighbor Advertisements are still here.
    fn is_round_waiting(&self, router: RouterId) -> bool {
        let mut lanes = self.queues.iter().filter(|(lane, _)| lane.ipv6);
        lanes.any(|(_, queue)| queue.frames.iter().any(|frame| frame.router == router))
    }

    /// Something happened: `rounds` over all targets of `router`, of those with a pace as many as it
    /// allows.
    fn burst(&mut self, router: RouterId, rounds: u32, now: Instant) {
        self.queue_rounds(router, rounds, Announcement::is_unpaced, now);
        if let Some(announcement) = self.routers.get_mut(&router)
            && announcement.targets.iter().any(|target| announcement.is_paced(target))
        {
            let paced = &mut announcement.paced;
            paced.rounds = paced.rounds.max(rounds.min(MAX_ADVERTISEMENTS));
        }
        self.pace(now);
    }

    /// Queues the next round of Neighbor Advertisements of every router whose last one has left long
    /// enough ago.
    fn pace(&mut self, now: Instant) {
        let due = |a: &Announcement| a.paced.rounds > 0 && a.paced.free_at <= now;
        let routers: Vec<RouterId> =
            self.routers.iter().filter(|(_, a)| due(a)).map(|(&router, _)| router).collect();
        for router in routers {
            if self.is_round_waiting(router) {
                continue;
            }
            if let Some(announcement) = self.routers.get_mut(&router) {
                announcement.paced.rounds -= 1;
            }
            self.queue_rounds(router, 1, Announcement::is_paced, now);
        }
    }

    /// Queues `rounds` over those targets of `router` that are `wanted`.
    fn queue_rounds(
        &mut self,
        router: RouterId,
        rounds: u32,
        wanted: fn(&Announcement, &Target) -> bool,
        now: Instant,
    ) {
        let Some(announcement) = self.routers.get(&router) else {
            return;
        };
        let Announcement { targets, plan, .. } = announcement;
        for _ in 0..rounds {
            for &target in targets.iter().filter(|target| wanted(announcement, target)) {
                let queue = self
                    .queues
                    .entry(Lane::of(&target))
                    .or_insert(Queue { frames: VecDeque::new(), free_at: now });
                queue.frames.push_back(Due {
                    router,
                    target,
                    number: self.next_frame,
                    interval: if target.address.is_ipv6() {
                        plan.gna_interval
                    } else {
                        plan.interval
                    },
                });
                self.next_frame += 1;
            }
        }
    }
}

impl Announcement {
    /// True for targets of Neighbor Advertisements where RFC 4861 is to be kept.
    fn is_paced(&self, target: &Target) -> bool {
        self.plan.rfc4861_pacing && target.address.is_ipv6()
    }

    fn is_unpaced(&self, target: &Target) -> bool {
        !self.is_paced(target)
    }
}

/// `None` for a delay of zero, which stands for never.
fn after(now: Instant, delay: Duration) -> Option<Instant> {
    (!delay.is_zero()).then(|| now + delay)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const A: RouterId = RouterId(0);
    const B: RouterId = RouterId(1);

    fn target(interface: u32, last: u8) -> Target {
        Target { interface, mac: [2, 0, 0, 0, 0, 1], address: [192, 0, 2, last].into() }
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
            [
                (seconds(0), 5),
                (seconds(5), 5),
                (seconds(15), 2),
                (seconds(25), 2),
                (seconds(35), 2)
            ]
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
        let plan =
            Garp { repeat: 2, delay: Duration::ZERO, interval: seconds(1), ..Garp::default() };
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
}
