//! What a new configuration changes: the next plan, and how the two differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use vrrp_common::{Family, Version};

use super::{
    plan::{Plan, all_addresses, interface_of},
    routers::Routers,
};
use crate::{
    config::{Config, Instance},
    datapath::Sizes,
    pulse::{Change, RouterId, Spec},
};

/// How a plan differs from the one before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Virtual routers that are new.
    pub(super) coming: Vec<RouterId>,
    /// Those that are no more, with the numbers that they had.
    pub(super) leaving: Vec<RouterId>,
    /// Those that go on with something changed.
    pub(super) changed: Vec<RouterId>,
    /// How many go on as they were.
    pub(super) unchanged: usize,
}

/// What makes a virtual router the one that it is on the network. Unicast routers may have it in
/// common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity<'a> {
    interface: &'a str,
    family: Family,
    vrid: u8,
    version: Version,
    unicast: bool,
}

impl<'a> Identity<'a> {
    fn of(router: &'a Instance) -> Self {
        Self {
            interface: &router.interface,
            family: router.family(),
            vrid: router.vrid.get(),
            version: router.version,
            unicast: router.unicast.is_some(),
        }
    }
}

impl Plan {
    /// The plan for another configuration. Virtual routers that are the same on the network keep
    /// their numbers, under whatever name; new ones get numbers that nobody has here.
    pub(super) fn next(&self, config: &Config) -> Self {
        let mut known: BTreeMap<Identity<'_>, Vec<RouterId>> = BTreeMap::new();
        for (router, instance) in self.present() {
            known.entry(Identity::of(instance)).or_default().push(router);
        }
        let mut numbers = vec![None; config.instances.len()];
        // Who has kept the name comes first.
        for by_name in [true, false] {
            for (number, instance) in numbers.iter_mut().zip(&config.instances) {
                let Some(same) = known.get_mut(&Identity::of(instance)) else { continue };
                let is_it =
                    |router: &RouterId| !by_name || self.routers[*router].name == instance.name;
                if number.is_none()
                    && let Some(place) = same.iter().position(is_it)
                {
                    *number = Some(same.remove(place));
                }
            }
        }
        let taken: BTreeSet<_> = self.routers.ids().collect();
        let mut free = (0..).filter(|router| !taken.contains(router));
        let numbers = numbers.into_iter().map(|number| number.or_else(|| free.next()));
        Self::numbered(config, numbers.flatten())
    }

    /// What has changed in `next`.
    pub(super) fn difference(&self, next: &Self) -> Difference {
        let mut difference = Difference::default();
        for (&router, instance) in next.routers.iter() {
            let is_grouped = |plan: &Self| plan.group_of(router).is_some();
            match self.routers.get(router) {
                None => difference.coming.push(router),
                Some(own) if own == instance && is_grouped(self) == is_grouped(next) => {
                    difference.unchanged += 1;
                }
                Some(_) => difference.changed.push(router),
            }
        }
        difference.leaving =
            self.routers.ids().filter(|router| !next.routers.contains(*router)).collect();
        difference
    }

    /// This plan, with the virtual routers of `last` that leave: they are there until they have
    /// resigned, and nothing is theirs any more.
    pub(super) fn with_leaving(&self, last: &Self, leaving: &[RouterId]) -> Self {
        let mut plan = self.clone();
        for router in leaving {
            let mut instance = last.routers[*router].clone();
            instance.addresses.clear();
            instance.excluded.clear();
            instance.routes.clear();
            instance.rules.clear();
            plan.routers.insert(*router, instance);
        }
        plan.leaving = leaving.iter().copied().collect();
        plan
    }

    /// What the tables of the kernel program need room for while `next` takes the place of this plan.
    pub(super) fn sizes_until(&self, next: &Self) -> Sizes {
        let places = self.routers.values().chain(next.routers.values()).flat_map(places);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Sizes {
            routers: self.sizes().routers.max(next.sizes().routers),
            addresses: count(places.collect::<BTreeSet<_>>().len()),
        }
    }

    /// What the pulse must know of these.
    pub(super) fn specs_of(&self, routers: &[RouterId]) -> Vec<Spec> {
        routers.iter().map(|router| self.spec(*router)).collect()
    }

    /// What the pulse must know of these once they are as in `next`.
    pub(super) fn changes(&self, next: &Self, changed: &[RouterId]) -> Vec<(RouterId, Change)> {
        let change = |router: &RouterId| {
            let [old, new] = [self, next].map(|plan| plan.spec(*router));
            (old != new).then(|| (*router, Change::new(&old, new)))
        };
        changed.iter().filter_map(change).collect()
    }

    /// Settings of `next` that take another start, each with what becomes of it.
    pub(super) fn kept(&self, next: &Self) -> Vec<String> {
        let mut kept = Vec::new();
        let mut note = |differs: bool, what: &str| {
            if differs {
                kept.push(format!("{what} stays as it is until the next start"));
            }
        };
        note(self.scheduling() != next.scheduling(), "the scheduling of the pulse");
        note(self.pass_on() != next.pass_on(), "xdp_absorb");
        for interface in self.interfaces().intersection(&next.interfaces()) {
            let differs = self.mode_on(interface) != next.mode_on(interface);
            note(differs, &format!("xdp_mode on {interface}"));
        }
        kept
    }
}

/// Where the addresses of a virtual router belong.
fn places(router: &Instance) -> impl Iterator<Item = (&str, IpAddr)> {
    all_addresses(router).map(|address| (interface_of(router, address), address.address))
}

/// Numbers of `routers` that are to have those of a kernel program that is there: `known` has the
/// number that it has for a router. The others get what is left.
pub(super) fn renumber(
    routers: &Routers,
    known: impl Fn(RouterId) -> Option<RouterId>,
) -> BTreeMap<RouterId, RouterId> {
    let mut taken = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    for router in routers.ids() {
        if let Some(number) = known(router).filter(|number| taken.insert(*number)) {
            numbers.insert(router, number);
        }
    }
    let mut free = (0..).filter(|number| !taken.contains(number));
    for router in routers.ids() {
        if let std::collections::btree_map::Entry::Vacant(entry) = numbers.entry(router)
            && let Some(number) = free.next()
        {
            entry.insert(number);
        }
    }
    numbers
}
