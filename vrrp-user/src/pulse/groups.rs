//! The sync groups among the virtual routers.

use std::mem::swap;

use super::{
    RouterId,
    roster::Roster,
    router::{Outlet, Router},
};
use crate::election::{
    Event,
    group::{Members, Standing},
};

/// Number of a sync group.
pub(super) type GroupId = usize;

/// Which routers belong together. Nothing is allocated once it was made.
pub(super) struct Groups {
    /// In the order of the configuration; the first of each decides where hosts are at odds.
    members: Vec<Vec<RouterId>>,
    /// By router.
    groups: Vec<Option<GroupId>>,
}

impl Groups {
    /// Room for so many routers, none of which is in a group.
    pub(super) fn none(room: usize) -> Self {
        Self { members: Vec::new(), groups: vec![None; room] }
    }

    /// Exchanges all groups.
    pub(super) fn replace(&mut self, members: &mut Vec<Vec<RouterId>>) {
        swap(&mut self.members, members);
        self.groups.fill(None);
        for (group, members) in self.members.iter().enumerate() {
            for member in members {
                if let Some(place) = self.groups.get_mut(*member) {
                    *place = Some(group);
                }
            }
        }
    }

    /// Takes a router out of its group.
    pub(super) fn leave(&mut self, router: RouterId) {
        if let Some((group, place)) = self.place_of(router) {
            self.members[group].remove(place);
            self.groups[router] = None;
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// The group of a router, and its place among the members.
    pub(super) fn place_of(&self, router: RouterId) -> Option<(GroupId, usize)> {
        let group = (*self.groups.get(router)?)?;
        let place = self.members[group].iter().position(|member| *member == router)?;
        Some((group, place))
    }

    fn of(&self, group: GroupId) -> &[RouterId] {
        &self.members[group]
    }
}

/// One of the groups, with all that its members need.
pub(super) struct Coupled<'a, 'b> {
    pub(super) roster: &'a mut Roster,
    pub(super) group: GroupId,
    pub(super) outlet: &'a Outlet<'b>,
}

impl Coupled<'_, '_> {
    fn router(&self, member: usize) -> RouterId {
        self.roster.groups().of(self.group)[member]
    }
}

impl Members for Coupled<'_, '_> {
    fn count(&self) -> usize {
        self.roster.groups().of(self.group).len()
    }

    fn standing(&self, member: usize) -> Standing {
        self.roster.get(self.router(member)).map_or(Standing::Absent, Router::standing)
    }

    fn is_willing(&mut self, member: usize) -> bool {
        let (router, outlet) = (self.router(member), self.outlet);
        let willing = self.roster.touch(router, |router| router.is_willing(outlet));
        willing.is_some_and(|(is_willing, _)| is_willing)
    }

    fn tell(&mut self, member: usize, event: Event) {
        let (router, outlet) = (self.router(member), self.outlet);
        self.roster.touch(router, |router| router.follow(event, outlet));
    }
}
