//! What a new configuration changes: the next plan, and how the two differ.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::IpAddr,
};

use vrrp_common::{Family, Priority, Version};

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
        for (router, instance) in next.routers.iter() {
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

    /// What the pulse must know of these once they are as in `next`, where it is something else than
    /// now; `effective` as in [`Plan::specs`].
    pub(super) fn changes(
        &self,
        next: &Self,
        changed: &[RouterId],
        effective: impl Fn(RouterId) -> Option<Priority>,
    ) -> Vec<(RouterId, Change)> {
        let specs = self.specs(changed, |_| None).into_iter().zip(next.specs(changed, |_| None));
        let change = |(router, (old, mut new)): (&RouterId, (Spec, Spec))| {
            if old == new {
                return None;
            }
            new.parameters.priority = effective(*router).unwrap_or(new.parameters.priority);
            Some((*router, Change::new(&old, new)))
        };
        changed.iter().zip(specs).filter_map(change).collect()
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
        if let Entry::Vacant(entry) = numbers.entry(router)
            && let Some(number) = free.next()
        {
            entry.insert(number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// Instances of name, interface, VRID, and more lines.
    type Row<'a> = (&'a str, &'a str, u8, &'a str);

    fn config(rows: &[Row<'_>]) -> Config {
        let instance = |(name, interface, vrid, more): &Row<'_>| {
            format!(
                "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id {vrid}\n{more}\n\
                 virtual_ipaddress {{\n192.0.2.{vrid} dev {interface}\n}}\n}}\n"
            )
        };
        let text: String = rows.iter().map(instance).collect();
        config::parse("test.conf", text.as_bytes()).config.unwrap()
    }

    /// The difference from one to the other, and the names with their numbers in the end.
    fn from_to(old: &[Row<'_>], new: &[Row<'_>]) -> (Difference, Vec<(RouterId, String)>) {
        let last = Plan::new(&config(old));
        let next = last.next(&config(new));
        let names = next.in_order().map(|(router, instance)| (router, instance.name.clone()));
        (last.difference(&next), names.collect())
    }

    const A: Row<'_> = ("A", "eth0", 1, "");
    const B: Row<'_> = ("B", "eth0", 2, "");
    const C: Row<'_> = ("C", "eth1", 1, "");

    /// Issue 6, pain 5: whoever stays keeps the number, wherever it stands in the file; whoever comes
    /// gets one that nobody has, not even who leaves.
    #[test]
    fn numbers() {
        let (difference, names) = from_to(&[A, B], &[C, B, A]);
        let coming = Difference { coming: vec![2], unchanged: 2, ..Difference::default() };
        assert_eq!(difference, coming);
        assert_eq!(names, [(2, "C".to_owned()), (1, "B".to_owned()), (0, "A".to_owned())]);

        let (difference, names) = from_to(&[A, B], &[B, C]);
        let expected =
            Difference { coming: vec![2], leaving: vec![0], changed: vec![], unchanged: 1 };
        assert_eq!((difference, names[1].0), (expected, 2));

        // The number is free once it has left.
        let last = Plan::new(&config(&[A, B])).next(&config(&[B]));
        assert_eq!(last.next(&config(&[B, C])).in_order().last().unwrap().0, 0);
    }

    /// Issue 6: a virtual router is the same as long as the network sees it so, whatever it is called;
    /// else it leaves and another one comes.
    #[test]
    fn identity() {
        let changed = Difference { changed: vec![0], ..Difference::default() };
        let other = Difference { coming: vec![1], leaving: vec![0], ..Difference::default() };
        let old = ("A", "eth0", 1, "version 3\nadvert_int 0.1");
        for (new, expected) in [
            (("B", "eth0", 1, "version 3\nadvert_int 0.1"), &changed),
            (("A", "eth0", 1, "version 3\nadvert_int 0.2\npriority 7\nnopreempt"), &changed),
            (("A", "eth0", 2, "version 3\nadvert_int 0.1"), &other),
            (("A", "eth1", 1, "version 3\nadvert_int 0.1"), &other),
            (("A", "eth0", 1, "version 2\nadvert_int 1"), &other),
            (("A", "eth0", 1, "version 3\nadvert_int 0.1\nunicast_peer {\n192.0.2.77\n}"), &other),
        ] {
            assert_eq!(from_to(&[old], &[new]).0, *expected, "{new:?}");
        }
        // Unicast routers may have all in common but the name.
        let peer = |name| (name, "eth0", 1, "unicast_peer {\n192.0.2.77\n}");
        let other = ("B", "eth0", 1, "unicast_peer {\n192.0.2.78\n}");
        let (difference, names) = from_to(&[peer("A"), other], &[other, peer("A")]);
        assert_eq!(difference, Difference { unchanged: 2, ..Difference::default() });
        assert_eq!(names, [(1, "B".to_owned()), (0, "A".to_owned())]);
    }

    /// Issue 6: until it has resigned, who leaves is in the plan, but nothing is its own.
    #[test]
    fn leaving() {
        let last = Plan::new(&config(&[A, B]));
        let next = last.next(&config(&[B]));
        let both = next.with_leaving(&last, &[0]);
        assert_eq!(both.routers.ids().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(both.virtual_addresses(), next.virtual_addresses());
        assert_eq!(both.present().map(|(router, _)| router).collect::<Vec<_>>(), [1]);
        assert_eq!(both.in_order().count(), 1);
        let sizes = last.sizes_until(&last.next(&config(&[B, C])));
        assert_eq!(sizes, Sizes { routers: 3, addresses: 3 });
    }

    /// Issue 6: a daemon that takes a kernel program over gives its routers the numbers that they have
    /// there.
    #[test]
    fn numbers_that_are_known() {
        let plan = Plan::new(&config(&[A, B, C]));
        let known = |router| [None, Some(0), Some(7)][router];
        assert_eq!(renumber(&plan.routers, known), BTreeMap::from([(0, 1), (1, 0), (2, 7)]));
        // Two cannot have the same.
        let known = |_| Some(4);
        assert_eq!(renumber(&plan.routers, known), BTreeMap::from([(0, 4), (1, 0), (2, 1)]));
    }

    /// Issue 6: what takes another start is said.
    #[test]
    fn what_stays() {
        let last = Plan::new(&config(&[A, B]));
        let next = last.next(&config(&[("A", "eth0", 1, "xdp_mode generic"), B]));
        let kept = last.kept(&next);
        assert_eq!(kept, ["xdp_mode on eth0 stays as it is until the next start"]);

        let text = "global_defs {\nxdp_absorb off\nvrrp_rt_priority 7\n}\nvrrp_instance A {\n\
                    interface eth0\nvirtual_router_id 1\n}\n";
        let other = config::parse("test.conf", text.as_bytes()).config.unwrap();
        let mut next = last.next(&other);
        assert_eq!(last.kept(&next).len(), 2);
        next.stays_as(&last);
        assert_eq!(last.kept(&next), Vec::<String>::new());
    }
}
