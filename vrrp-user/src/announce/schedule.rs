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
    /// Of no burst: it leaves whatever becomes of its router.
    once: bool,
}

/// Frames wait for each other on one interface, or in one `garp_group`. keepalived spaces the two
/// families apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    way: Way,
    ipv6: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Interface(u32),
    Group(usize),
}

impl Lane {
    fn of(target: &Target) -> Self {
        let way = match target.group {
            Some(group) => Way::Group(group.number),
            None => Way::Interface(target.interface),
        };
        Self { way, ipv6: target.address.is_ipv6() }
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
    /// When the next refresh of those with a period of their own is due.
    extra: Option<Instant>,
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
            extra: period(&targets).map(|period| now + period),
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

    /// `target`, which `router` has in any state, is to be announced one time.
    pub(super) fn handle_once(
        &mut self,
        router: RouterId,
        target: Target,
        plan: &Garp,
        now: Instant,
    ) {
        self.queue(router, target, spacing(&target, plan), true, now);
    }

    /// `router` is no longer Active.
    pub(super) fn handle_cancel(&mut self, router: RouterId) {
        self.routers.remove(&router);
        for queue in self.queues.values_mut() {
            queue.frames.retain(|frame| !frame.is_of_burst(router));
        }
        let Self { routers, queues, .. } = self;
        queues.retain(|&lane, queue| {
            let mut targets = routers.values().flat_map(|a| &a.targets);
            !queue.frames.is_empty() || targets.any(|target| Lane::of(target) == lane)
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
        let (mut second, mut second_losing) = (Vec::new(), Vec::new());
        let (mut refresh, mut extra) = (Vec::new(), Vec::new());
        for (&router, Announcement { targets, plan, timers, .. }) in &mut self.routers {
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
            if timers.extra.take_if(|at| *at <= now).is_some() {
                timers.extra = period(targets).map(|period| now + period);
                extra.push(router);
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
        for router in extra {
            if !self.is_waiting(router) {
                self.queue_rounds(router, 1, |_, target| target.extra.is_some(), now);
            }
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
            && !frame.once
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
            let Timers { second, second_losing, refresh, extra } = a.timers;
            [second, second_losing, refresh, extra].into_iter().flatten()
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
        self.queues.values().flat_map(|queue| &queue.frames).any(|frame| frame.is_of_burst(router))
    }

    /// True if frames of the last round of Neighbor Advertisements are still here.
    fn is_round_waiting(&self, router: RouterId) -> bool {
        let mut lanes = self.queues.iter().filter(|(lane, _)| lane.ipv6);
        lanes.any(|(_, queue)| queue.frames.iter().any(|frame| frame.is_of_burst(router)))
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
        let wanted = announcement.targets.iter().filter(|target| wanted(announcement, target));
        let frames: Vec<_> =
            wanted.map(|target| (*target, spacing(target, &announcement.plan))).collect();
        for _ in 0..rounds {
            for &(target, interval) in &frames {
                self.queue(router, target, interval, false, now);
            }
        }
    }

    fn queue(
        &mut self,
        router: RouterId,
        target: Target,
        interval: Duration,
        once: bool,
        now: Instant,
    ) {
        let fresh = Queue { frames: VecDeque::new(), free_at: now };
        let queue = self.queues.entry(Lane::of(&target)).or_insert(fresh);
        let number = self.next_frame;
        queue.frames.push_back(Due { router, target, number, interval, once });
        self.next_frame += 1;
    }
}

impl Due {
    /// True for what a burst of `router` has queued.
    fn is_of_burst(&self, router: RouterId) -> bool {
        self.router == router && !self.once
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

/// How long what comes after a frame to `target` has to wait.
fn spacing(target: &Target, plan: &Garp) -> Duration {
    let (group, plan) = if target.address.is_ipv6() {
        (target.group.map(|group| group.gna_interval), plan.gna_interval)
    } else {
        (target.group.map(|group| group.interval), plan.interval)
    };
    group.filter(|interval| !interval.is_zero()).unwrap_or(plan)
}

/// The period of the targets that have one; it is that of their router.
fn period(targets: &[Target]) -> Option<Duration> {
    targets.iter().find_map(|target| target.extra)
}

/// `None` for a delay of zero, which stands for never.
fn after(now: Instant, delay: Duration) -> Option<Instant> {
    (!delay.is_zero()).then(|| now + delay)
}

#[cfg(test)]
mod tests;
