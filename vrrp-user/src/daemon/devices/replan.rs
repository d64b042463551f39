//! Another plan: the tables of the kernel program change where they differ, and at no time lack what
//! is in both.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use tracing::warn;
use vrrp_common::{
    Family, Vrid,
    wire::{Mac, ethernet::Vlan},
};

use super::{
    super::plan::{Plan, slot_of},
    Devices, Part,
};
use crate::{
    datapath::{Address, Mode, VirtualMac},
    pulse::RouterId,
};

/// What the tables have for one device.
struct Entries {
    routers: BTreeMap<(Family, Vrid), u32>,
    macs: BTreeMap<Mac, u32>,
    /// With the MAC that answers give.
    addresses: BTreeMap<IpAddr, (u32, Mac)>,
}

impl Entries {
    fn of(plan: &Plan, interface: &str, device_mac: Mac) -> Self {
        let routers = plan.routers_on(interface);
        let routers = routers.filter(|(router, _)| !plan.leaving.contains(router));
        let macs = plan.with_virtual_mac();
        let macs = macs.filter(|(_, instance, _)| instance.interface == interface);
        let answer = |(router, address, mac): (RouterId, IpAddr, Option<Mac>)| {
            (address, (slot_of(router), mac.unwrap_or(device_mac)))
        };
        Self {
            routers: routers
                .map(|(router, instance)| ((instance.family(), instance.vrid), slot_of(router)))
                .collect(),
            macs: macs.map(|(router, _, mac)| (mac, slot_of(router))).collect(),
            addresses: plan.addresses_on(interface).map(answer).collect(),
        }
    }
}

impl Devices {
    /// Goes on with another plan. Routers that are new to it wait for [`Devices::update`], as do
    /// interfaces for [`Devices::attach_all`]; those that nobody needs any more are let go of.
    pub(in crate::daemon) fn replan(&mut self, plan: Arc<Plan>) {
        let wanted = plan.interfaces();
        let is_unwanted = |name: &&String| !wanted.contains(name.as_str());
        let unwanted: Vec<_> = self.present.keys().filter(is_unwanted).cloned().collect();
        for interface in unwanted {
            // As with one that is gone.
            self.update_device(&interface, None);
        }
        let with_program =
            self.present.iter().filter(|(_, device)| device.attachment.mode != Mode::None);
        let devices: Vec<_> =
            with_program.map(|(name, device)| (name.clone(), device.ifindex, device.mac)).collect();
        for (name, ifindex, mac) in devices {
            let [old, new] = [&*self.plan, &*plan].map(|plan| Entries::of(plan, &name, mac));
            self.change_tables(ifindex, mac, &old, &new);
            let has_addresses =
                |plan: &Plan| plan.interfaces_with_addresses().contains(name.as_str());
            if has_addresses(&plan) && !has_addresses(&self.plan) {
                self.attach_egress(&name, ifindex);
            }
        }
        if let Some(datapath) = &mut self.datapath
            && let Err(error) = datapath.drop_foreign(plan.drop_foreign())
        {
            warn!("xdp_drop_foreign: {error}");
        }
        self.interfaces = wanted.into_iter().map(str::to_owned).collect();
        self.borrowed = plan.borrowed_addresses().into_iter().collect();
        self.routers.resize(plan.routers.end(), Part::Unknown);
        for (router, part) in self.routers.iter_mut().enumerate() {
            if !self.plan.routers.contains(router) || !plan.routers.contains(router) {
                *part = Part::Unknown;
            }
        }
        self.plan = plan;
    }

    /// The slot belongs to another router from now on.
    pub(in crate::daemon) fn clear_counters(&mut self, slot: u32) {
        if let Some(datapath) = &mut self.datapath
            && let Err(error) = datapath.clear_counters(slot)
        {
            warn!("the counters of a virtual router that is no more stay: {error}");
        }
    }

    /// What both have is replaced in one go; what is new comes before what is old goes.
    fn change_tables(&mut self, ifindex: u32, device_mac: Mac, old: &Entries, new: &Entries) {
        let Some(datapath) = &mut self.datapath else { return };
        let vlan = Vlan::NONE;
        let complain = |outcome: Result<(), _>| {
            if let Err(error) = outcome {
                warn!("a table of the kernel program: {error}");
            }
        };
        for (&(family, vrid), slot) in different(&new.routers, &old.routers) {
            complain(datapath.add_router(ifindex, vlan, family, vrid, *slot));
        }
        for (&mac, slot) in different(&new.macs, &old.macs) {
            let entry = VirtualMac { ifindex, vlan, mac, device_mac };
            complain(datapath.add_virtual_mac(&entry, *slot));
        }
        for (&address, (slot, answer_mac)) in different(&new.addresses, &old.addresses) {
            let answer_mac = *answer_mac;
            let entry = Address { ifindex, vlan, address, answer_mac, device_mac };
            complain(datapath.add_address(&entry, *slot));
        }
        // What is gone already is fine.
        for (address, _) in missing(&old.addresses, &new.addresses) {
            let _ = datapath.remove_address(ifindex, vlan, *address);
        }
        for (mac, _) in missing(&old.macs, &new.macs) {
            let _ = datapath.remove_virtual_mac(ifindex, vlan, *mac);
        }
        for (&(family, vrid), _) in missing(&old.routers, &new.routers) {
            let _ = datapath.remove_router(ifindex, vlan, family, vrid);
        }
    }
}

/// Entries of `new` that `old` has not, or not so.
fn different<'a, K: Ord, V: PartialEq>(
    new: &'a BTreeMap<K, V>,
    old: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    new.iter().filter(|(key, value)| old.get(key) != Some(*value))
}

/// Entries of `old` whose keys `new` has not.
fn missing<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    old.iter().filter(|(key, _)| !new.contains_key(key))
}
