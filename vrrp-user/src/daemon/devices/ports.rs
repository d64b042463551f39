//! The sockets that adverts leave and come in through.

use std::{
    collections::{BTreeSet, btree_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use tracing::warn;

use super::{Device, Devices, UnicastKey, interface_with};
use crate::{
    host::Link,
    pulse::{Ear, Port},
};

impl Devices {
    /// Opens the port of a device that has none, or listens in other places. One that is to hear other
    /// virtual routers than before is told.
    pub(super) fn update_port(&mut self, interface: &str, ears: Vec<Ear>) {
        let (groups, vrids) = (self.plan.groups_on(interface), self.plan.vrids_on(interface));
        let Some(device) = self.present.get_mut(interface) else { return };
        if let Some(port) = &device.port
            && (&device.groups, &device.ears) == (&groups, &ears)
        {
            if device.vrids != vrids {
                match port.listen_for(&vrids) {
                    Ok(()) => device.vrids = vrids,
                    Err(error) => warn!("{interface}: adverts of some are not heard: {error}"),
                }
            }
            return;
        }
        let Device { ifindex, mac, is_heard, .. } = *device;
        // Two would hear the same.
        let early =
            self.early.take(interface, ifindex, mac).filter(|_| !is_heard && ears.is_empty());
        let (port, since) = match early {
            Some((port, since)) => (Some(Arc::new(port)), Some(since)),
            None => (open_port(interface, device, (&groups, &vrids), &ears), None),
        };
        if let Some(device) = self.present.get_mut(interface) {
            (device.ears, device.since) = (ears, since);
            (device.groups, device.vrids) = (groups, vrids);
            self.retired.extend(std::mem::replace(&mut device.port, port));
        }
    }

    /// Opens the ports of the unicast routers, and lets go of those that are not needed any longer.
    /// `false` if one could not be opened.
    pub(super) fn update_unicast(&mut self, links: &[Link]) -> bool {
        let wanted: BTreeSet<UnicastKey> = self
            .plan
            .unicast_routers()
            .filter_map(|instance| {
                let link = links.iter().find(|link| link.name == instance.interface)?;
                let source = self.source(instance, link)?;
                interface_with(source, links)?;
                Some((link.index, link.mac?, source))
            })
            .collect();
        let unwanted = self.unicast.extract_if(.., |key, _| !wanted.contains(key));
        self.retired.extend(unwanted.map(|(_, port)| port));
        let mut all_open = true;
        for key in wanted {
            let (ifindex, mac, source) = key;
            if let Entry::Vacant(entry) = self.unicast.entry(key) {
                match Port::unicast(ifindex, mac, source) {
                    Ok(port) => {
                        entry.insert(Arc::new(port));
                    }
                    Err(error) => {
                        warn!("no socket for unicast adverts from {source}: {error}");
                        all_open = false;
                    }
                }
            }
        }
        all_open
    }

    pub(super) fn needs_port(&self, interface: &str) -> bool {
        !self.plan.groups_on(interface).is_empty()
    }
}

/// Opens the port of a device for these groups and virtual routers; `None` where there is no group, or
/// it cannot be.
fn open_port(
    interface: &str,
    device: &Device,
    (groups, vrids): (&[IpAddr], &BTreeSet<u8>),
    ears: &[Ear],
) -> Option<Arc<Port>> {
    if groups.is_empty() {
        return None;
    }
    let Device { ifindex, mac, is_heard, .. } = *device;
    match Port::open(interface, ifindex, mac, groups, vrids, ears) {
        Ok(port) => Some(Arc::new(port.heard_elsewhere(is_heard))),
        Err(error) => {
            warn!("{interface}: no sockets for adverts: {error}");
            None
        }
    }
}
