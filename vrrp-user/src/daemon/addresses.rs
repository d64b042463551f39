//! The virtual addresses on the interfaces: added and removed as the pulse reports, written down
//! before, announced after.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use tracing::{debug, error, warn};

use super::plan::{Plan, all_addresses, interface_of, slot_of};
use crate::{
    announce::{self, Announcer, Target},
    datapath::Slots,
    election::{Announce, State},
    host::{Host, Journal, Link, Owned, Placed},
    pulse::{Board, Report, RouterId},
};

pub(super) struct Addresses {
    plan: Arc<Plan>,
    host: Host,
    journal: Journal,
    announcer: Announcer,
    slots: Arc<Slots>,
    interfaces: BTreeMap<String, (u32, [u8; 6])>,
    /// Addresses that are on the interfaces without us, with the interfaces' indices. The kernel
    /// would take the same address with another prefix length as a further one.
    others: BTreeSet<(u32, IpAddr)>,
    /// What is on the interfaces because of us, by router.
    held: Vec<Vec<Owned>>,
    /// Routers whose addresses are to be there.
    wanted: Vec<bool>,
}

impl Addresses {
    pub(super) fn new(
        plan: Arc<Plan>,
        host: Host,
        journal: Journal,
        announcer: Announcer,
        slots: Arc<Slots>,
    ) -> Self {
        let routers = plan.routers.len();
        Self {
            plan,
            host,
            journal,
            announcer,
            slots,
            interfaces: BTreeMap::new(),
            others: BTreeSet::new(),
            held: vec![Vec::new(); routers],
            wanted: vec![false; routers],
        }
    }

    /// Takes in the interfaces as they are now.
    pub(super) fn set_interfaces(&mut self, links: &[Link]) {
        self.interfaces = links
            .iter()
            .filter_map(|link| Some((link.name.clone(), (link.index, link.mac?))))
            .collect();
    }

    /// Carries out reports in their order, but at most one change for each router: the last.
    pub(super) async fn carry_out(&mut self, reports: &[Report]) {
        let mut changes = BTreeMap::new();
        let mut announcements = Vec::new();
        for report in reports {
            match *report {
                Report::AddAddresses { router } => {
                    changes.insert(router, true);
                }
                Report::RemoveAddresses { router } => {
                    changes.insert(router, false);
                }
                Report::Announce { router, occasion } => announcements.push((router, occasion)),
                Report::Transition { .. } | Report::Rejected { .. } => {}
            }
        }
        self.change(&changes).await;
        for (router, occasion) in announcements {
            if self.wanted[router] {
                self.announce(router, occasion).await;
            }
        }
    }

    /// Makes the addresses fit the state of the elections, after reports were lost.
    pub(super) async fn reconcile(&mut self, board: &Board) {
        let changes: BTreeMap<_, _> = (0..self.wanted.len())
            .map(|router| (router, board.state(router) == State::Active))
            .filter(|(router, active)| self.wanted[*router] != *active)
            .collect();
        self.change(&changes).await;
        for (router, _) in changes.into_iter().filter(|(_, active)| *active) {
            self.announce(router, Announce::TakeOver).await;
        }
    }

    /// Removes whatever is there because of us.
    pub(super) async fn remove_all(&mut self) {
        self.change(&(0..self.wanted.len()).map(|router| (router, false)).collect()).await;
    }

    async fn change(&mut self, changes: &BTreeMap<RouterId, bool>) {
        let (added, removed): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, active)| **active);
        for (router, active) in changes {
            self.wanted[*router] = *active;
        }
        self.remove(removed.into_iter().map(|(router, _)| *router).collect()).await;
        self.add(added.into_iter().map(|(router, _)| *router).collect()).await;
    }

    async fn remove(&mut self, routers: Vec<RouterId>) {
        for router in &routers {
            self.announcer.cancel(announce::RouterId(*router)).await;
        }
        let owned: Vec<Owned> =
            routers.iter().flat_map(|router| self.held[*router].iter().cloned()).collect();
        if owned.is_empty() {
            return;
        }
        let mut left = BTreeSet::new();
        for (owned, reason) in self.host.remove_addresses(&owned).await {
            error!("{}/{} stays on {}: {reason}", owned.address, owned.prefix, owned.interface);
            left.insert(owned);
        }
        for router in routers {
            self.held[router].retain(|owned| left.contains(owned));
            // While one stays, what is sent to it is still ours to drop.
            self.slots.get(slot_of(router)).set_installed(!self.held[router].is_empty());
        }
        let gone: Vec<_> = owned.iter().filter(|owned| !left.contains(owned)).collect();
        if let Err(reason) = self.journal.forget(gone) {
            warn!("{reason}");
        }
    }

    async fn add(&mut self, routers: Vec<RouterId>) {
        let mut placed = Vec::new();
        for router in &routers {
            let missing = self.places(*router).into_iter().filter(|place| {
                !self.held[*router].contains(&place.owned())
                    && !self.others.contains(&(place.index, place.address.address))
            });
            let missing: Vec<_> = missing.collect();
            self.held[*router].extend(missing.iter().map(Placed::owned));
            placed.extend(missing);
        }
        if let Err(reason) = self.journal.record(placed.iter().map(Placed::owned)) {
            warn!("{reason}; after a crash the next start would not know of the addresses");
        }
        for router in &routers {
            self.mark_installed(*router);
        }
        let added = self.host.add_addresses(&placed).await;
        let mut not_ours = BTreeSet::new();
        for place in added.present {
            debug!("{} was on {} before", place.address.address, place.interface);
            not_ours.insert(place.owned());
        }
        for (place, reason) in added.failed {
            error!("{} is not on {}: {reason}", place.address.address, place.interface);
            not_ours.insert(place.owned());
        }
        if not_ours.is_empty() {
            return;
        }
        for router in routers {
            self.held[router].retain(|owned| !not_ours.contains(owned));
            self.mark_installed(router);
        }
        if let Err(reason) = self.journal.forget(&not_ours) {
            warn!("{reason}");
        }
    }

    /// Tells the kernel program whether what is sent to the addresses is ours to drop. One address
    /// that was there before us must work without us, so then it drops nothing.
    fn mark_installed(&self, router: RouterId) {
        let ours =
            self.places(router).iter().all(|place| self.held[router].contains(&place.owned()));
        self.slots.get(slot_of(router)).set_installed(ours);
    }

    /// Where the addresses of a router belong, as far as the interfaces exist.
    fn places(&self, router: RouterId) -> Vec<Placed> {
        let instance = &self.plan.routers[router];
        all_addresses(instance)
            .filter_map(|address| {
                let interface = interface_of(instance, address);
                let (index, _) = *self.interfaces.get(interface)?;
                Some(Placed { index, interface: interface.to_owned(), address: address.clone() })
            })
            .collect()
    }

    async fn announce(&self, router: RouterId, occasion: Announce) {
        let id = announce::RouterId(router);
        if occasion == Announce::LosingAdvert {
            self.announcer.losing(id).await;
            return;
        }
        let instance = &self.plan.routers[router];
        let targets = all_addresses(instance)
            .filter_map(|address| {
                let (interface, mac) = *self.interfaces.get(interface_of(instance, address))?;
                match address.address {
                    IpAddr::V4(address) => Some(Target { interface, mac, address }),
                    IpAddr::V6(_) => None,
                }
            })
            .collect();
        self.announcer.start(id, targets, instance.garp).await;
    }
}
