//! All virtual routers, and which of them is to be looked at when.
//!
//! A node may have hundreds of routers that send or expect a hundred adverts a second each. So
//! nothing here looks at all of them, wake-ups are shared, and nothing is allocated once the
//! daemon runs.

use std::{sync::Arc, time::Duration};

use arrayvec::ArrayVec;
use vrrp_common::Family;

use super::{
    RouterId, Spec,
    clock::now,
    deadlines::Deadlines,
    groups::{Coupled, Groups},
    router::{Outlet, Router},
    send::{BATCH, send_frames},
};
use crate::{
    datapath::Slots,
    election::{Instant, State, group},
};

/// How early an advert may leave to share a wake-up and a system call with others. The next one is
/// due when it would have been due anyway.
const EARLY: Duration = Duration::from_micros(200);

/// A wake-up for one Backup's deadline looks at all whose deadlines come within this time: adverts
/// that were absorbed in the meantime have moved most of them, so that the next wake-up is that
/// much later, however many routers there are. A deadline that nothing has moved stays as it is.
const LOOK_AHEAD: Duration = Duration::from_millis(20);

/// The virtual routers of the daemon.
pub(super) struct Roster {
    /// By number; `None` where there is room for one more.
    routers: Vec<Option<Box<Router>>>,
    /// The routers of a family with a VRID, on whatever port: see [`place`].
    by_vrid: Vec<Vec<RouterId>>,
    groups: Groups,
    /// When the next regular advert of each Active router is due.
    adverts: Deadlines,
    /// When the Active router of each Backup counts as dead, as far as looked at.
    vigils: Deadlines,
    /// Those that are due; kept for its memory.
    due: Vec<RouterId>,
}

impl Roster {
    pub(super) fn new(specs: Vec<Spec>, slots: &Arc<Slots>) -> Self {
        // Slot 0 is nobody's.
        let room = (slots.count() as usize).saturating_sub(1);
        let mut roster = Self {
            routers: (0..room).map(|_| None).collect(),
            by_vrid: vec![Vec::new(); 2 * 256],
            groups: Groups::none(room),
            adverts: Deadlines::new(room),
            vigils: Deadlines::new(room),
            due: Vec::with_capacity(room),
        };
        for spec in specs {
            roster.install(Box::new(Router::new(spec, Arc::clone(slots))));
        }
        roster
    }

    /// Takes in one more, where there is room for its number and none with it.
    pub(super) fn install(&mut self, router: Box<Router>) {
        let id = router.id();
        self.by_vrid[place(router.family(), router.vrid())].push(id);
        if let Some(room) = self.routers.get_mut(id) {
            *room = Some(router);
        }
    }

    /// Gives up one that waits for nothing any more.
    pub(super) fn remove(&mut self, id: RouterId) -> Option<Box<Router>> {
        let router = self.routers.get_mut(id)?.take()?;
        self.by_vrid[place(router.family(), router.vrid())].retain(|other| *other != id);
        self.adverts.set(id, None);
        self.vigils.set(id, None);
        Some(router)
    }

    pub(super) fn get(&self, router: RouterId) -> Option<&Router> {
        self.routers.get(router)?.as_deref()
    }

    /// All of them, to look at.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Router> {
        self.routers.iter().flatten().map(AsRef::as_ref)
    }

    /// Those of `family` with `vrid`, to look at.
    pub(super) fn with_vrid(&self, family: Family, vrid: u8) -> impl Iterator<Item = &Router> {
        self.by_vrid[place(family, vrid)].iter().filter_map(|id| self.get(*id))
    }

    /// Says which routers are sync groups together, and leaves in `members` who were. What they are
    /// must be in their parameters, too.
    pub(super) fn regroup(&mut self, members: &mut Vec<Vec<RouterId>>, outlet: &Outlet<'_>) {
        self.groups.replace(members);
        for group in 0..self.groups.count() {
            group::settle(&mut Coupled { roster: self, group, outlet });
        }
        for router in 0..self.routers.len() {
            if self.groups.place_of(router).is_none() {
                self.touch(router, |router| router.begin_alone(outlet));
            }
        }
    }

    /// Takes a router out of its sync group: what happens to it does not concern the others any more.
    pub(super) fn ungroup(&mut self, router: RouterId) {
        self.groups.leave(router);
    }

    /// The sync groups.
    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Lets something happen to a router, and to its sync group what follows from that. `None` if
    /// there is no such router.
    pub(super) fn visit<R>(
        &mut self,
        router: RouterId,
        outlet: &Outlet<'_>,
        act: impl FnOnce(&mut Router) -> R,
    ) -> Option<R> {
        let (result, pull) = self.touch(router, act)?;
        if let Some(pull) = pull
            && let Some((group, member)) = self.groups.place_of(router)
        {
            group::couple(&mut Coupled { roster: self, group, outlet }, member, pull);
        }
        Some(result)
    }

    /// Lets something happen to a router alone. There is no other way to change one: what it waits
    /// for may have changed with it.
    pub(super) fn touch<R>(
        &mut self,
        router: RouterId,
        act: impl FnOnce(&mut Router) -> R,
    ) -> Option<(R, Option<group::Pull>)> {
        let visited = self.routers.get_mut(router)?.as_deref_mut()?;
        let result = act(visited);
        let pull = visited.take_pull();
        let deadline = visited.next_deadline();
        let (advert, vigil) =
            if visited.state() == State::Active { (deadline, None) } else { (None, deadline) };
        self.adverts.set(router, advert);
        self.vigils.set(router, vigil);
        Some((result, pull))
    }

    /// The same to each.
    pub(super) fn visit_all(&mut self, outlet: &Outlet<'_>, mut act: impl FnMut(&mut Router)) {
        for router in 0..self.routers.len() {
            self.visit(router, outlet, &mut act);
        }
    }

    /// When [`Self::expire`] is to be called next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.adverts.first(), self.vigils.first()].into_iter().flatten().min()
    }

    /// Does what is due at `now`: takes over first, since regular adverts may be many.
    pub(super) fn expire(&mut self, now: Instant, outlet: &Outlet<'_>) {
        let mut due = std::mem::take(&mut self.due);
        if self.vigils.first().is_some_and(|first| first <= now) {
            self.vigils.until(now + LOOK_AHEAD, &mut due);
            for &router in &due {
                self.visit(router, outlet, |router| router.watch(now, outlet));
            }
        }
        if self.adverts.first().is_some_and(|first| first <= now) {
            self.adverts.until(now + EARLY, &mut due);
            self.advertise(&mut due, now, outlet);
        }
        self.due = due;
    }

    /// Sends the regular adverts of all these routers.
    fn advertise(&mut self, due: &mut [RouterId], now: Instant, outlet: &Outlet<'_>) {
        // As they come, they mostly are in this order.
        due.sort_unstable_by_key(|router| self.get(*router).and_then(Router::ifindex));
        let mut batch = ArrayVec::new();
        for &router in &*due {
            let deadline = self.adverts.of(router).unwrap_or(now);
            let now = now.max(deadline);
            let is_ready = self.visit(router, outlet, |router| router.prepare(now, outlet));
            if is_ready == Some(true) {
                let joins = |first: &RouterId| match (self.get(*first), self.get(router)) {
                    (Some(first), Some(router)) => first.shares_port(router),
                    _ => false,
                };
                if batch.is_full() || !batch.first().is_none_or(joins) {
                    self.flush(&mut batch, outlet);
                }
                batch.push(router);
            }
        }
        self.flush(&mut batch, outlet);
    }

    /// Sends what these routers have prepared for their port, in one system call.
    fn flush(&mut self, batch: &mut ArrayVec<RouterId, BATCH>, outlet: &Outlet<'_>) {
        // Of a sync group, one that was looked at later may have yielded for all.
        batch.retain(|router| self.get(*router).is_some_and(Router::is_active));
        let Some(port) = batch.first().and_then(|first| self.get(*first)?.port()) else {
            return;
        };
        let before = now();
        let frames = batch.iter().filter_map(|router| self.get(*router).map(Router::prepared));
        let left = send_frames(port, frames);
        for (router, left) in batch.drain(..).zip(left) {
            if let Some(Some(router)) = self.routers.get_mut(router) {
                router.settle_prepared(left, before, outlet);
            }
        }
    }
}

const fn place(family: Family, vrid: u8) -> usize {
    let family = match family {
        Family::V4 => 0,
        Family::V6 => 256,
    };
    family + vrid as usize
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
