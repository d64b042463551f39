//! The program on the devices, and what it has to know of each.

use std::collections::BTreeSet;

use tracing::{info, warn};
use vrrp_common::wire::{Mac, ethernet::Vlan};

use super::{
    super::{inheritance::follow_log, plan::slot_of},
    Device, Devices,
};
use crate::{
    datapath::{Address, Attachment, Mode, Object, Recipe, VirtualMac, choose},
    host::Link,
    sys,
};

impl Devices {
    /// Takes in the interfaces as they are now, and puts the program on those that are new.
    pub(in crate::daemon) fn attach_all(&mut self, links: &[Link]) {
        for interface in &self.interfaces.clone() {
            self.update_device(interface, links.iter().find(|link| link.name == *interface));
        }
        if let Some(datapath) = &mut self.datapath
            && let Err(error) = datapath.settle()
        {
            warn!("the last daemon's entries in the kernel program stay: {error}");
        }
        // A device that the last daemon had no program on needs ours at once.
        if self.recipe().is_none() {
            self.follow_renewal();
        }
    }

    /// What it takes to load the kernel program where that of the last daemon still serves.
    pub(in crate::daemon) fn recipe(&self) -> Option<Recipe> {
        self.datapath.as_ref()?.recipe()
    }

    /// Puts our kernel program in the place of the last daemon's.
    pub(in crate::daemon) fn renew(&mut self, object: Object) {
        if let Some(datapath) = &mut self.datapath {
            datapath.renew(object);
        }
        self.follow_renewal();
    }

    /// Does what had to wait until the kernel program is ours.
    fn follow_renewal(&mut self) {
        if let Some(datapath) = &mut self.datapath {
            follow_log(datapath);
        }
        for (name, ifindex) in std::mem::take(&mut self.without_egress) {
            if self.present.get(&name).is_some_and(|device| device.ifindex == ifindex) {
                self.attach_egress(&name, ifindex);
            }
        }
    }

    /// Takes the kernel program off all devices.
    pub(in crate::daemon) fn detach_all(&mut self) {
        if let Some(datapath) = &mut self.datapath {
            datapath.detach_all();
        }
    }

    /// Attaches to a device that is new, forgets one that is gone, follows one whose MAC changed.
    pub(super) fn update_device(&mut self, interface: &str, link: Option<&Link>) {
        let known = self.present.get(interface).map(|device| (device.ifindex, device.mac));
        let Some((link, mac)) = link.and_then(|link| Some((link, link.mac?))) else {
            if let Some(device) = self.present.remove(interface) {
                self.let_go(interface, device.ifindex);
                self.retired.extend(device.port);
            }
            return;
        };
        if known == Some((link.index, mac)) {
            return;
        }
        let attachment = match known {
            Some((ifindex, _)) if ifindex == link.index => {
                let attachment = self.attachment(interface);
                if attachment.mode != Mode::None {
                    self.fill_tables(interface, link.index, mac);
                }
                attachment
            }
            Some((ifindex, _)) => {
                self.let_go(interface, ifindex);
                self.attach(link, mac)
            }
            None => self.attach(link, mac),
        };
        let is_heard = attachment.mode != Mode::None && self.plan.pass_on();
        let device = Device {
            ifindex: link.index,
            mac,
            attachment,
            is_heard,
            port: None,
            ears: Vec::new(),
            groups: Vec::new(),
            vrids: BTreeSet::new(),
            since: None,
        };
        let former = self.present.insert(interface.to_owned(), device);
        self.retired.extend(former.and_then(|device| device.port));
    }

    /// Fills the tables first: the program may take the place of the last daemon's, and is to know
    /// all from its first frame on.
    fn attach(&mut self, link: &Link, mac: Mac) -> Attachment {
        let wanted = self.plan.mode_on(&link.name);
        let (modes, reason) = choose(
            wanted,
            link,
            sys::ethtool::strips_vlan_tags(&link.name),
            self.plan.has_virtual_mac_on(&link.name),
        );
        if *modes != [Mode::None] {
            self.fill_tables(&link.name, link.index, mac);
        }
        let attachment = match (&mut self.datapath, modes) {
            (_, [Mode::None]) => Attachment { mode: Mode::None, reason: reason.to_owned() },
            (None, _) => Attachment {
                mode: Mode::None,
                reason: self.refusal.clone().unwrap_or_else(|| reason.to_owned()),
            },
            (Some(datapath), modes) => match datapath.attach(link.index, modes) {
                Ok(mode) => Attachment { mode, reason: reason.to_owned() },
                Err(error) => {
                    let reason = format!("cannot attach: {}", root_cause(&error));
                    warn!(
                        "{}: {reason}; going on with raw sockets, the kernel answers ARP",
                        link.name
                    );
                    Attachment { mode: Mode::None, reason }
                }
            },
        };
        info!("{}: xdp_mode {} ({})", link.name, attachment.mode, attachment.reason);
        if attachment.mode == Mode::None {
            self.clear_tables(&link.name, link.index);
        } else if self.plan.interfaces_with_addresses().contains(link.name.as_str()) {
            self.attach_egress(&link.name, link.index);
        }
        attachment
    }

    pub(super) fn attach_egress(&mut self, name: &str, ifindex: u32) {
        let Some(datapath) = &mut self.datapath else { return };
        let error = match datapath.attach_egress(ifindex) {
            Ok(true) => return,
            Ok(false) => return self.without_egress.push((name.to_owned(), ifindex)),
            Err(error) => error,
        };
        let cause = root_cause(&error);
        warn!(
            "{name}: what leaves is not looked at: should the adverts stop, this host may still send from virtual addresses until they are removed: {cause}"
        );
        if self.plan.has_virtual_mac_on(name) {
            warn!(
                "{name}: ARP requests and Neighbor Solicitations that the kernel itself sends from virtual addresses carry the interface's MAC, not the virtual one, and neighbours will believe them: {cause}"
            );
        }
    }

    /// Only devices with the program have entries: where nothing is attached, nothing looks.
    pub(super) fn fill_tables(&mut self, interface: &str, ifindex: u32, mac: Mac) {
        let Some(datapath) = &mut self.datapath else { return };
        for (router, instance) in self.plan.routers_on(interface) {
            if let Err(error) = datapath.add_router(
                ifindex,
                Vlan::NONE,
                instance.family(),
                instance.vrid,
                slot_of(router),
            ) {
                warn!("({}) adverts go past the kernel program: {error}", instance.name);
            }
        }
        for (router, instance, virtual_mac) in self.plan.with_virtual_mac() {
            let entry = VirtualMac { ifindex, vlan: Vlan::NONE, mac: virtual_mac, device_mac: mac };
            if instance.interface == interface
                && let Err(error) = datapath.add_virtual_mac(&entry, slot_of(router))
            {
                warn!("({}) frames to the virtual MAC get lost: {error}", instance.name);
            }
        }
        for (router, address, virtual_mac) in self.plan.addresses_on(interface) {
            let answer_mac = virtual_mac.unwrap_or(mac);
            let entry = Address { ifindex, vlan: Vlan::NONE, address, answer_mac, device_mac: mac };
            if let Err(error) = datapath.add_address(&entry, slot_of(router)) {
                warn!("{address}: the kernel answers for it, not the program: {error}");
            }
        }
    }

    /// Undoes [`Self::attach`].
    pub(super) fn let_go(&mut self, interface: &str, ifindex: u32) {
        self.clear_tables(interface, ifindex);
        if let Some(datapath) = &mut self.datapath {
            datapath.detach(ifindex);
        }
    }

    /// Undoes [`Self::fill_tables`]. What is gone already is fine.
    pub(super) fn clear_tables(&mut self, interface: &str, ifindex: u32) {
        let Some(datapath) = &mut self.datapath else { return };
        for (_, instance) in self.plan.routers_on(interface) {
            let _ = datapath.remove_router(ifindex, Vlan::NONE, instance.family(), instance.vrid);
        }
        for (_, instance, virtual_mac) in self.plan.with_virtual_mac() {
            if instance.interface == interface {
                let _ = datapath.remove_virtual_mac(ifindex, Vlan::NONE, virtual_mac);
            }
        }
        for (_, address, _) in self.plan.addresses_on(interface) {
            let _ = datapath.remove_address(ifindex, Vlan::NONE, address);
        }
    }
}

/// The innermost error, which is what the kernel said.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
