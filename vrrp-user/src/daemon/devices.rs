//! The interfaces: where the program is attached, where adverts can leave, and which virtual
//! routers may take part.

mod ports;
mod program;
mod replan;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use tracing::warn;
use vrrp_common::{Family, ladder::Reject, wire::Mac};

use super::{
    early::EarlyPorts, plan::Plan, routes::Routes, tracking::Tracking, virtual_macs::VirtualMacs,
};
use crate::{
    announce::Target,
    config::Instance,
    datapath::{self, Attachment, Datapath, Mode},
    election::Instant,
    host::{Change, Link, LinkAddress, LinkKind},
    pulse::{Command, Ear, Port, RouterId},
};

/// The interfaces that the plan speaks of, and the program on them.
pub(super) struct Devices {
    plan: Arc<Plan>,
    /// Names of the interfaces that the plan speaks of.
    interfaces: BTreeSet<String>,
    datapath: Option<Datapath>,
    /// Why there is no kernel program, although one was wanted.
    refusal: Option<String>,
    present: BTreeMap<String, Device>,
    /// Devices whose egress waits for a kernel program of ours.
    without_egress: Vec<(String, u32)>,
    /// Ports that were opened before all this.
    early: EarlyPorts,
    unicast: BTreeMap<UnicastKey, Arc<Port>>,
    /// Ports that were replaced. The pulse may still use them, and must not be the one who closes
    /// them: that waits for locks of the kernel.
    retired: Vec<Arc<Port>>,
    routers: Vec<Part>,
    /// What [`Self::take_moved`] tells.
    moved: Vec<(RouterId, Target)>,
    borrowed: BTreeSet<IpAddr>,
}

struct Device {
    ifindex: u32,
    mac: Mac,
    attachment: Attachment,
    /// The program passes on the adverts that it has dealt with: what the port brings may have been
    /// heard.
    is_heard: bool,
    port: Option<Arc<Port>>,
    /// Where the port listens besides.
    ears: Vec<Ear>,
    /// The groups that it has joined, and the virtual routers that it hears.
    groups: Vec<IpAddr>,
    vrids: BTreeSet<u8>,
    /// Since when the port listens, for the routers that start with it.
    since: Option<Instant>,
}

/// What a unicast port belongs to: the interface that the virtual router is on, by index and MAC,
/// and the source of its adverts, which any interface may have. Routers that have all in common
/// share the port.
type UnicastKey = (u32, Mac, IpAddr);

/// Whether a virtual router takes part.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// Nothing was said yet.
    Unknown,
    /// It does, from this device and address, hears these groups, and listens on further devices.
    Takes { ifindex: u32, mac: Mac, source: IpAddr, groups: Vec<IpAddr>, ears: Vec<Ear> },
    /// It does not, for this reason: keepalived's FAULT.
    Fault(String),
    /// The same because of another member of its sync group.
    SharedFault(String),
}

impl Devices {
    pub(super) fn new(
        plan: Arc<Plan>,
        datapath: Option<Datapath>,
        refusal: Option<String>,
        early: EarlyPorts,
    ) -> Self {
        let routers = vec![Part::Unknown; plan.routers.end()];
        let borrowed = plan.borrowed_addresses().into_iter().collect();
        let interfaces = plan.interfaces().into_iter().map(str::to_owned).collect();
        Self {
            plan,
            interfaces,
            datapath,
            refusal,
            present: BTreeMap::new(),
            without_egress: Vec::new(),
            early,
            unicast: BTreeMap::new(),
            retired: Vec::new(),
            routers,
            moved: Vec::new(),
            borrowed,
        }
    }

    /// True when the change may matter to a virtual router: not the coming and going of our own
    /// addresses.
    pub(super) fn is_concerned(&self, change: &Change) -> bool {
        let known = |index: &u32| self.present.values().any(|device| device.ifindex == *index);
        let is_borrowed = |address: &IpAddr| self.borrowed.contains(address);
        let is_source = |address: &IpAddr| {
            let mut routers = self.plan.routers.values().filter(|router| needs_source(router));
            routers.any(|router| router.source == Some(*address))
        };
        match change {
            // Under another name it is gone for us.
            Change::LinkChanged { index, name, .. } => {
                self.interfaces.contains(name) || known(index)
            }
            Change::LinkGone(index) => known(index),
            Change::AddressAdded { index, address } | Change::AddressRemoved { index, address } => {
                known(index) && !is_borrowed(address) || is_source(address)
            }
            Change::Resync => true,
        }
    }

    /// Routers without the kernel program: nothing but this process keeps their leases.
    pub(super) fn without_program(&self) -> impl Iterator<Item = RouterId> {
        self.plan.routers.iter().filter_map(|(router, instance)| {
            (self.attachment(&instance.interface).mode == Mode::None).then_some(router)
        })
    }

    /// Opens what sockets are missing and tells the pulse what it must know, after
    /// [`Self::attach_all`]. `links` are the interfaces as they count, `seen` as they are. `false` if it did not take every command, or a device has no sockets;
    /// the next update tries again.
    pub(super) fn update(
        &mut self,
        links: &[Link],
        seen: &[Link],
        virtual_macs: &VirtualMacs,
        tracking: &Tracking,
        routes: &Routes,
        mut tell: impl FnMut(Command) -> bool,
    ) -> bool {
        let plan = Arc::clone(&self.plan);
        for interface in &self.interfaces.clone() {
            self.update_port(interface, virtual_macs.ears_on(interface));
        }
        let all_open = self.update_unicast(links)
            && self
                .present
                .iter()
                .all(|(name, device)| device.port.is_some() || !self.needs_port(name));
        let ports = self.present.values().filter_map(|device| device.port.as_ref());
        for port in ports.chain(self.unicast.values()) {
            let link = seen.iter().find(|link| link.index == port.ifindex);
            port.set_carrier(link.is_some_and(|link| link.carrier));
        }
        let mut all_said = all_open;
        let parts = plan.routers.iter().filter_map(|(router, instance)| {
            let link = links.iter().find(|link| link.name == instance.interface);
            let fault = virtual_macs.fault(router).or_else(|| tracking.fault(router));
            let fault = fault.map(str::to_owned).or_else(|| routes.fault(router));
            let part = match (self.judge(instance, link, links), fault) {
                (Part::Takes { .. }, Some(reason)) => Part::Fault(reason),
                (Part::Takes { .. }, None)
                    if tracking.waits(router) && !self.takes_part(router) =>
                {
                    return None;
                }
                (part, _) => part,
            };
            Some((router, part))
        });
        let mut parts: BTreeMap<RouterId, Part> = parts.collect();
        share_faults(&plan, &mut parts);
        // Who brings others with it comes first, as with keepalived.
        let follows = |part: &Part| matches!(part, Part::SharedFault(_));
        let (followers, leaders): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|(router, part)| follows(part) || follows(&self.routers[*router]));
        for (router, part) in leaders.into_iter().chain(followers) {
            let instance = &plan.routers[router];
            if part != self.routers[router] {
                if self.command(router, instance, &part).is_none_or(&mut tell) {
                    let former = std::mem::replace(&mut self.routers[router], part);
                    if instance.unicast.is_some() && former != Part::Unknown {
                        self.moved.extend(self.own_source(router, links));
                    }
                } else {
                    all_said = false;
                }
            }
        }
        self.retired.retain(|port| Arc::strong_count(port) > 1);
        // Who starts later begins to listen then.
        self.present.values_mut().for_each(|device| device.since = None);
        self.early = EarlyPorts::default();
        all_said
    }

    /// The source addresses of the unicast routers that have come back from FAULT, or have another
    /// address or MAC, since the last call. Their peers may know another MAC for these addresses, so
    /// the network is to be told, as keepalived does after FAULT.
    pub(super) fn take_moved(&mut self) -> Vec<(RouterId, Target)> {
        std::mem::take(&mut self.moved)
    }

    /// The source address of a router that takes part, where a network can be told of it.
    fn own_source(&self, router: RouterId, links: &[Link]) -> Option<(RouterId, Target)> {
        let Part::Takes { source, .. } = self.routers[router] else { return None };
        let link = interface_with(source, links).filter(|link| link.kind != LinkKind::Loopback)?;
        Some((router, Target::new(link.index, link.mac?, source)))
    }

    /// What the tables of the kernel program have room for; `None` where there is none.
    pub(super) fn room(&self) -> Option<datapath::Sizes> {
        self.datapath.as_ref().map(Datapath::sizes)
    }

    /// How the program is attached to an interface.
    pub(super) fn attachment(&self, interface: &str) -> Attachment {
        self.present.get(interface).map_or_else(
            || Attachment { mode: Mode::None, reason: "no such interface".to_owned() },
            |device| device.attachment.clone(),
        )
    }

    /// Index of an interface that is there, and how the program is attached to it.
    pub(super) fn mode(&self, interface: &str) -> Option<(u32, Mode)> {
        self.present.get(interface).map(|device| (device.ifindex, device.attachment.mode))
    }

    /// Why a virtual router takes no part.
    pub(super) fn fault(&self, router: RouterId) -> Option<&str> {
        match &self.routers[router] {
            Part::Fault(reason) | Part::SharedFault(reason) => Some(reason),
            Part::Unknown | Part::Takes { .. } => None,
        }
    }

    fn takes_part(&self, router: RouterId) -> bool {
        matches!(self.routers[router], Part::Takes { .. })
    }

    /// The kernel program's counters of a slot; none where there is no program.
    pub(super) fn counters(&self, slot: u32) -> Vec<(String, u64)> {
        self.datapath.as_ref().and_then(|datapath| datapath.counters(slot).ok()).unwrap_or_default()
    }

    /// How many adverts of a slot the kernel program has dropped for each reason.
    pub(super) fn rejects_of(&self, slot: u32) -> [u64; Reject::COUNT] {
        let datapath = self.datapath.as_ref();
        datapath.and_then(|datapath| datapath.rejects_of(slot).ok()).unwrap_or_default()
    }

    /// Whether the kernel program is to report each advert.
    pub(super) fn report_adverts(&mut self, wanted: bool) -> Result<(), datapath::Error> {
        self.datapath.as_mut().map_or(Ok(()), |datapath| datapath.report_adverts(wanted))
    }

    fn judge(&self, instance: &Instance, link: Option<&Link>, links: &[Link]) -> Part {
        let interface = &instance.interface;
        let Some(link) = link else {
            return Part::Fault(format!("interface {interface} does not exist"));
        };
        if !link.up && !instance.ignores_interface {
            return Part::Fault(format!("interface {interface} is down"));
        }
        if !link.carrier && !instance.ignores_interface {
            return Part::Fault(format!("interface {interface} has no carrier"));
        }
        let Some(mac) = link.mac else {
            return Part::Fault(format!("interface {interface} has no MAC address"));
        };
        if let Some(kind) = &link.port_of {
            return Part::Fault(format!(
                "interface {interface} is a port of a {kind}, which takes all that comes in"
            ));
        }
        let Some(source) = self.source(instance, link) else {
            let address = match instance.family() {
                Family::V4 => "IPv4 address",
                Family::V6 => "link-local IPv6 address",
            };
            return Part::Fault(format!("interface {interface} has no {address} of its own"));
        };
        if instance.unicast.as_ref().is_some_and(|unicast| unicast.peers.is_empty()) {
            return Part::Fault("it has no unicast peers".to_owned());
        }
        if needs_source(instance) && interface_with(source, links).is_none() {
            return Part::Fault(format!("no interface has the source address {source}"));
        }
        if self.port(instance, source).is_none() {
            return Part::Fault(format!("no socket could be opened on {interface}"));
        }
        // What goes to one address has a socket of its own.
        let device = self.present.get(interface).filter(|_| instance.unicast.is_none());
        let heard = device.map(|device| (device.groups.clone(), device.ears.clone()));
        let (groups, ears) = heard.unwrap_or_default();
        Part::Takes { ifindex: link.index, mac, source, groups, ears }
    }

    /// Where adverts come from.
    fn source(&self, instance: &Instance, link: &Link) -> Option<IpAddr> {
        instance.source.or_else(|| self.primary(instance.family(), link))
    }

    /// Where adverts from this source leave and come in.
    fn port(&self, instance: &Instance, source: IpAddr) -> Option<&Arc<Port>> {
        let device = self.present.get(&instance.interface)?;
        match instance.unicast {
            None => device.port.as_ref(),
            Some(_) => self.unicast.get(&(device.ifindex, device.mac, source)),
        }
    }

    /// The address of a link that adverts come from, leaving out those that are not its own.
    fn primary(&self, family: Family, link: &Link) -> Option<IpAddr> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in &self.borrowed {
            match address {
                IpAddr::V4(address) => v4.push(*address),
                IpAddr::V6(address) => v6.push(*address),
            }
        }
        match family {
            Family::V4 => link.primary_ipv4(&v4).map(IpAddr::V4),
            // An owner has virtual ones as well, and prefers its own (RFC 9568 5.1.2.1).
            Family::V6 => link
                .primary_link_local(&self.plan.virtual_ipv6())
                .or_else(|| link.primary_link_local(&v6))
                .map(IpAddr::V6),
        }
    }

    fn command(&self, router: RouterId, instance: &Instance, part: &Part) -> Option<Command> {
        match part {
            Part::Unknown => None,
            Part::Takes { source, .. } => {
                let port = self.port(instance, *source)?;
                let device = self.present.get(&instance.interface)?;
                let since = device.since.filter(|_| instance.unicast.is_none());
                Some(Command::Start { router, port: Arc::clone(port), source: *source, since })
            }
            Part::Fault(reason) | Part::SharedFault(reason) => {
                // The election reports a transition only if the router took part before.
                if self.routers[router] == Part::Unknown {
                    warn!("({}) Entering FAULT STATE ({reason})", instance.name);
                }
                Some(Command::Fault { router })
            }
        }
    }
}

/// Whether the source of the adverts has to be an address of this host: unicast comes back there.
fn needs_source(instance: &Instance) -> bool {
    instance.unicast.is_some() || instance.tracks_source
}

/// FAULT of one member of a sync group is FAULT of all.
fn share_faults(plan: &Plan, parts: &mut BTreeMap<RouterId, Part>) {
    for group in plan.sync_groups() {
        let is_in_fault = |member: &&RouterId| matches!(parts.get(*member), Some(Part::Fault(_)));
        let Some(&culprit) = group.members.iter().find(is_in_fault) else { continue };
        let (group_name, name) = (&group.name, &plan.routers[culprit].name);
        let reason = format!("sync group {group_name}: {name} is in FAULT");
        for member in &group.members {
            if let Some(part @ Part::Takes { .. }) = parts.get_mut(member) {
                *part = Part::SharedFault(reason.clone());
            }
        }
    }
}

/// The interface that has an address, if it can be used.
fn interface_with(address: IpAddr, links: &[Link]) -> Option<&Link> {
    let has = |own: &LinkAddress| own.address == address && !own.tentative;
    links.iter().find(|link| link.addresses.iter().any(has))
}
