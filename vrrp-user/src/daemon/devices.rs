//! The interfaces: where the program is attached, where adverts can leave, and which virtual
//! routers may take part.

mod replan;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use tracing::{info, warn};
use vrrp_common::{
    Family,
    ladder::Reject,
    wire::{Mac, ethernet::Vlan},
};

use super::{
    early::EarlyPorts,
    inheritance::follow_log,
    plan::{Plan, slot_of},
    routes::Routes,
    tracking::Tracking,
    virtual_macs::VirtualMacs,
};
use crate::{
    announce::Target,
    config::Instance,
    datapath::{self, Address, Attachment, Datapath, Mode, Object, Recipe, VirtualMac, choose},
    election::Instant,
    host::{Change, Link, LinkAddress, LinkKind},
    pulse::{Command, Ear, Port, RouterId},
    sys,
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

    /// Takes in the interfaces as they are now, and puts the program on those that are new.
    pub(super) fn attach_all(&mut self, links: &[Link]) {
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
    pub(super) fn recipe(&self) -> Option<Recipe> {
        self.datapath.as_ref()?.recipe()
    }

    /// Puts our kernel program in the place of the last daemon's.
    pub(super) fn renew(&mut self, object: Object) {
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
    pub(super) fn detach_all(&mut self) {
        if let Some(datapath) = &mut self.datapath {
            datapath.detach_all();
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
        for (router, part) in parts {
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
            Part::Fault(reason) => Some(reason),
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

    /// Opens the ports of the unicast routers, and lets go of those that are not needed any longer.
    /// `false` if one could not be opened.
    fn update_unicast(&mut self, links: &[Link]) -> bool {
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
            Part::Fault(reason) => {
                // The election reports a transition only if the router took part before.
                if self.routers[router] == Part::Unknown {
                    warn!("({}) Entering FAULT STATE ({reason})", instance.name);
                }
                Some(Command::Fault { router })
            }
        }
    }

    /// Attaches to a device that is new, forgets one that is gone, follows one whose MAC changed.
    fn update_device(&mut self, interface: &str, link: Option<&Link>) {
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

    /// Opens the port of a device that has none, or listens in other places. One that is to hear other
    /// virtual routers than before is told.
    fn update_port(&mut self, interface: &str, ears: Vec<Ear>) {
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

    fn attach_egress(&mut self, name: &str, ifindex: u32) {
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
    fn fill_tables(&mut self, interface: &str, ifindex: u32, mac: Mac) {
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
    fn let_go(&mut self, interface: &str, ifindex: u32) {
        self.clear_tables(interface, ifindex);
        if let Some(datapath) = &mut self.datapath {
            datapath.detach(ifindex);
        }
    }

    /// Undoes [`Self::fill_tables`]. What is gone already is fine.
    fn clear_tables(&mut self, interface: &str, ifindex: u32) {
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

    fn needs_port(&self, interface: &str) -> bool {
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
                *part = Part::Fault(reason.clone());
            }
        }
    }
}

/// The interface that has an address, if it can be used.
fn interface_with(address: IpAddr, links: &[Link]) -> Option<&Link> {
    let has = |own: &LinkAddress| own.address == address && !own.tentative;
    links.iter().find(|link| link.addresses.iter().any(has))
}

/// The innermost error, which is what the kernel said.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
