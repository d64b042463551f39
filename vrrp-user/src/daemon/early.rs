//! Sockets that hear adverts while the kernel program is still being loaded.

use std::collections::BTreeMap;

use tracing::debug;
use vrrp_common::wire::Mac;

use super::plan::Plan;
use crate::{
    election::Instant,
    host::Link,
    pulse::{self, Port},
};

/// The ports for multicast of interfaces that were there at the start. Loading and attaching take a
/// good part of a second, and what comes in meanwhile counts: so does the time.
#[derive(Default)]
pub(super) struct EarlyPorts(BTreeMap<String, EarlyPort>);

struct EarlyPort {
    port: Port,
    since: Instant,
}

impl EarlyPorts {
    /// Opens them. What cannot be opened now is opened later, or said to be wrong then.
    pub(super) fn open(plan: &Plan, links: &[Link]) -> Self {
        let wanted = plan.interfaces();
        let ports = links.iter().filter(|link| wanted.contains(link.name.as_str()));
        let ports = ports.filter_map(|link| {
            let (groups, vrids) = (plan.groups_on(&link.name), plan.vrids_on(&link.name));
            if groups.is_empty() {
                return None;
            }
            let port = Port::open(&link.name, link.index, link.mac?, &groups, &vrids, &[]);
            let port = port.inspect_err(|error| debug!("{}: no early port: {error}", link.name));
            Some((link.name.clone(), EarlyPort { port: port.ok()?, since: pulse::now() }))
        });
        Self(ports.collect())
    }

    /// The port of an interface, and since when it listens; `None` where there is none, or the
    /// interface has changed since.
    pub(super) fn take(
        &mut self,
        interface: &str,
        ifindex: u32,
        mac: Mac,
    ) -> Option<(Port, Instant)> {
        let EarlyPort { port, since } = self.0.remove(interface)?;
        (port.ifindex == ifindex && port.mac == mac).then_some((port, since))
    }
}
