//! Another plan: what stays is not touched, what another virtual router has from now on changes hands
//! where it is, and what is new is there before what is old goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tracing::{error, warn};

use super::{super::plan::Plan, Addresses};
use crate::{
    announce::Target,
    config::{Garp, VirtualAddress},
    datapath::Presence,
    election::Announce,
    host::{Owned, Placed},
    pulse::RouterId,
};

/// What the network has been told of a router, and is to be told.
type Told = BTreeMap<RouterId, (Vec<Target>, Garp)>;

impl Addresses {
    /// Goes on with another plan. Routers that are new to it have nothing yet, and those that it does
    /// not have, or that leave, nothing more.
    pub(in crate::daemon) async fn replan(&mut self, plan: Arc<Plan>) {
        let (told, looks) = (self.told(), self.looks());
        self.acceptance.replan(Arc::clone(&plan));
        let room = plan.routers.end().max(self.held.len());
        self.held.resize(room, Vec::new());
        self.wanted.resize(room, false);
        for (router, wanted) in self.wanted.iter_mut().enumerate() {
            *wanted &= plan.routers.contains(router) && !plan.leaving.contains(&router);
        }
        self.mending.retain(|router| plan.routers.contains(router));
        self.abandoned.retain(|(router, _)| plan.routers.contains(*router));
        self.plan = plan;
        for router in self.routers(|own, router| !own.wanted[router]) {
            self.mending.stop(router);
        }
        let renewed = self.looks();
        let is_stale = |(owned, look): &(Owned, VirtualAddress)| {
            renewed.get(owned).is_some_and(|renewed| renewed != look)
        };
        let stale = looks.into_iter().filter(is_stale).map(|(owned, _)| owned).collect();
        self.move_over(&stale, |_| true).await;
        let new = self.told();
        for (router, told) in &told {
            if new.get(router).is_some_and(|new| new != told) {
                self.announce(*router, Announce::TakeOver).await;
            }
        }
    }

    /// Brings addresses to where they belong now: other interfaces may have come with the plan.
    pub(in crate::daemon) async fn settle(&mut self) {
        self.bring_home(|_| true).await;
        // There may be room again for what could not be written before.
        if let Err(reason) = self.journal.forget([]) {
            warn!("{reason}; after a crash the next start would not know of the addresses");
        }
    }

    /// The same, where only routers that `may` get what they lack.
    pub(super) async fn bring_home(&mut self, may: impl Fn(RouterId) -> bool) {
        self.move_over(&BTreeSet::new(), may).await;
    }

    /// Those of `stale` are made anew.
    async fn move_over(&mut self, stale: &BTreeSet<Owned>, may: impl Fn(RouterId) -> bool) {
        let mut spare = Vec::new();
        for router in 0..self.held.len() {
            let belonging: BTreeSet<_> = self.places(router).iter().map(Placed::owned).collect();
            let is_spare = |owned: &mut Owned| !belonging.contains(owned) || stale.contains(owned);
            spare.extend(self.held[router].extract_if(.., is_spare).map(|owned| (router, owned)));
        }
        let heirs = self.routers(|own, router| own.wanted[router]);
        for &router in &heirs {
            for owned in self.missing(router).iter().map(Placed::owned) {
                let is_it = |(_, other): &(RouterId, Owned)| *other == owned;
                if !stale.contains(&owned)
                    && let Some(place) = spare.iter().position(is_it)
                {
                    spare.swap_remove(place);
                    self.held[router].push(owned);
                }
            }
        }
        let lacking =
            self.routers(|own, router| own.wanted[router] && may(router) && own.lacks(router));
        let needed: BTreeSet<_> = lacking
            .iter()
            .flat_map(|router| self.missing(*router))
            .map(|place| (place.index, place.address.address))
            .collect();
        let is_in_the_way =
            |(_, owned): &(RouterId, Owned)| needed.contains(&(owned.index, owned.address));
        let (in_the_way, spare): (Vec<_>, Vec<_>) = spare.into_iter().partition(is_in_the_way);
        self.discard(in_the_way).await;
        self.add_missing(lacking).await;
        self.discard(spare).await;
        for router in self.plan.routers.ids() {
            self.mark(router, Presence::Installed);
        }
        self.guard();
    }

    /// Removes addresses that were these routers'. What stays is tried again.
    async fn discard(&mut self, spare: Vec<(RouterId, Owned)>) {
        if spare.is_empty() {
            return;
        }
        let owned: Vec<_> = spare.iter().map(|(_, owned)| owned.clone()).collect();
        let mut left = BTreeSet::new();
        for (owned, reason) in self.host.remove_addresses(&owned).await {
            error!("{}/{} stays on {}: {reason}", owned.address, owned.prefix, owned.interface);
            left.insert(owned);
        }
        let gone = owned.iter().filter(|owned| !left.contains(owned));
        if let Err(reason) = self.journal.forget(gone) {
            warn!("{reason}");
        }
        for (router, owned) in spare {
            if left.contains(&owned) {
                self.held[router].push(owned);
            }
        }
    }

    /// What the network is to know of the routers whose addresses are there.
    fn told(&self) -> Told {
        let heirs = self.routers(|own, router| own.wanted[router]).into_iter();
        heirs
            .map(|router| (router, (self.targets(router), self.plan.routers[router].garp)))
            .collect()
    }

    /// How the configuration describes each address that is there because of us.
    fn looks(&self) -> BTreeMap<Owned, VirtualAddress> {
        let places = self.plan.routers.ids().flat_map(|router| self.places(router));
        let looks: BTreeMap<_, _> =
            places.map(|place| (place.owned(), place.address.clone())).collect();
        let held = self.held.iter().flatten();
        held.filter_map(|owned| Some((owned.clone(), looks.get(owned)?.clone()))).collect()
    }
}
