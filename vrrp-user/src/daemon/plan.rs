//! The configuration as the running parts need it: numbered routers, and what each interface is
//! for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use vrrp_common::{
    Family, Priority, abi,
    wire::{Mac, ethernet::Vlan, vrrp},
};

use super::{difference::renumber, routers::Routers};
use crate::{
    announce::Group,
    config::{
        self, Authentication, ChecksumForm, Config, GarpGroup, Instance, Scheduling, Statics,
        TimerExpired, VirtualAddress, XdpMode,
    },
    datapath::{RouterKey, Sizes},
    election::Parameters,
    host::Link,
    pulse::{Addresses, RouterId, Spec},
};

/// What is to run. The slot of a router is its number plus one.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) routers: Routers,
    /// Their numbers in the order of the file.
    order: Vec<RouterId>,
    /// Those that the file does not have any more, until they have resigned.
    pub(super) leaving: BTreeSet<RouterId>,
    sync_groups: Vec<SyncGroup>,
    drop_foreign: bool,
    pass_on: bool,
    startup_delay: Duration,
    scheduling: Scheduling,
    garp_groups: Vec<GarpGroup>,
    statics: Statics,
}

/// A `vrrp_sync_group`.
#[derive(Clone)]
pub(super) struct SyncGroup {
    /// The name behind that.
    pub(super) name: String,
    /// Its members, in the order of the file.
    pub(super) members: Vec<RouterId>,
}

impl SyncGroup {
    /// With `numbers` for the instances of `config`.
    fn new(group: &config::SyncGroup, config: &Config, numbers: &[RouterId]) -> Self {
        let number = |name: &String| {
            let place = config.instances.iter().position(|instance| instance.name == *name)?;
            numbers.get(place).copied()
        };
        let members = group.members.iter().filter_map(number).collect();
        Self { name: group.name.clone(), members }
    }
}

impl Plan {
    /// The plan of a daemon that begins.
    pub(super) fn new(config: &Config) -> Self {
        Self::numbered(config, 0..config.instances.len())
    }

    /// With a number for each router of the file.
    pub(super) fn numbered(config: &Config, numbers: impl Iterator<Item = RouterId>) -> Self {
        let order: Vec<_> = numbers.collect();
        let global = &config.global;
        let groups = config.sync_groups.iter().map(|group| SyncGroup::new(group, config, &order));
        Self {
            sync_groups: groups.collect(),
            routers: order.iter().copied().zip(config.instances.iter().cloned()).collect(),
            order,
            leaving: BTreeSet::new(),
            drop_foreign: global.drop_foreign,
            pass_on: global.pass_on,
            startup_delay: global.startup_delay,
            scheduling: global.scheduling.clone(),
            garp_groups: config.interfaces.garp_groups.clone(),
            statics: config.statics.clone(),
        }
    }

    /// The same with the numbers of a kernel program that is there: `known` are its slots.
    pub(super) fn renumbered(&self, links: &[Link], known: &BTreeMap<RouterKey, u32>) -> Self {
        let keys: BTreeMap<u32, RouterKey> =
            self.keys(links).into_iter().map(|(key, slot)| (slot, key)).collect();
        let number = |router| {
            let slot = known.get(keys.get(&slot_of(router))?)?;
            (*slot as usize).checked_sub(1)
        };
        let numbers = renumber(&self.routers, number);
        let instance = |(router, instance): (RouterId, &Instance)| {
            (numbers.get(&router).copied().unwrap_or(router), instance.clone())
        };
        let order = self.order.iter().filter_map(|router| numbers.get(router).copied());
        let mut sync_groups = self.sync_groups.clone();
        for member in sync_groups.iter_mut().flat_map(|group| &mut group.members) {
            *member = numbers.get(member).copied().unwrap_or(*member);
        }
        Self {
            sync_groups,
            routers: self.routers.iter().map(instance).collect(),
            order: order.collect(),
            ..self.clone()
        }
    }

    /// Those that the file has, by number.
    pub(super) fn present(&self) -> impl Iterator<Item = (RouterId, &Instance)> {
        self.routers.iter().filter(|(router, _)| !self.leaving.contains(router))
    }

    /// Those that the file has, in its order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (RouterId, &Instance)> {
        self.order.iter().filter_map(|router| Some((*router, self.routers.get(*router)?)))
    }

    /// Slots that are needed; slot 0 belongs to nobody.
    pub(super) fn slots(&self) -> u32 {
        self.sizes().routers + 1
    }

    pub(super) fn sizes(&self) -> Sizes {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Sizes {
            routers: count(self.routers.end()),
            addresses: count(
                self.routers.values().map(|router| all_addresses(router).count()).sum(),
            ),
        }
    }

    pub(super) const fn drop_foreign(&self) -> bool {
        self.drop_foreign
    }

    /// Whether adverts go on to the kernel when the kernel program has dealt with them.
    pub(super) const fn pass_on(&self) -> bool {
        self.pass_on
    }

    /// For how long after the start no virtual router takes part.
    pub(super) const fn startup_delay(&self) -> Duration {
        self.startup_delay
    }

    /// How the pulse is to be scheduled.
    pub(super) const fn scheduling(&self) -> &Scheduling {
        &self.scheduling
    }

    /// Leaves as it is in `last` what takes another start.
    pub(super) fn stays_as(&mut self, last: &Self) {
        self.pass_on = last.pass_on;
        self.scheduling = last.scheduling.clone();
    }

    /// What announcements on this interface share their spacing with.
    pub(super) fn garp_group_of(&self, interface: &str) -> Option<Group> {
        let has = |group: &GarpGroup| group.interfaces.iter().any(|name| name == interface);
        let number = self.garp_groups.iter().position(has)?;
        let GarpGroup { garp_interval: interval, gna_interval, .. } = self.garp_groups[number];
        Some(Group { number, interval, gna_interval })
    }

    /// What is there whatever the elections say.
    pub(super) const fn statics(&self) -> &Statics {
        &self.statics
    }

    /// True unless every virtual router does without the kernel program.
    pub(super) fn wants_program(&self) -> bool {
        self.routers.values().any(|router| router.xdp_mode != XdpMode::None)
    }

    /// The routers whose interface is there, by their keys in the kernel program's table, with their
    /// slots.
    pub(super) fn keys(&self, links: &[Link]) -> BTreeMap<RouterKey, u32> {
        let key = |(id, router): (RouterId, &Instance)| {
            let link = links.iter().find(|link| link.name == router.interface)?;
            let vrid = router.vrid.get();
            Some((abi::router_key(link.index, Vlan::NONE, router.family(), vrid), slot_of(id)))
        };
        self.routers.iter().filter_map(key).collect()
    }

    /// What the pulse must know of these. `effective` is the priority that they have now, if it is not
    /// that of the configuration.
    pub(super) fn specs(
        &self,
        routers: &[RouterId],
        effective: impl Fn(RouterId) -> Option<Priority>,
    ) -> Vec<Spec> {
        let spec = |router: &RouterId| {
            let mut spec = spec(*router, &self.routers[*router], self.group_of(*router).is_some());
            spec.parameters.priority = effective(*router).unwrap_or(spec.parameters.priority);
            spec
        };
        routers.iter().map(spec).collect()
    }

    /// The sync groups, in the order of the file.
    pub(super) fn sync_groups(&self) -> &[SyncGroup] {
        &self.sync_groups
    }

    /// The sync group that a router is in.
    pub(super) fn group_of(&self, router: RouterId) -> Option<&SyncGroup> {
        self.sync_groups.iter().find(|group| group.members.contains(&router))
    }

    /// The routers of each sync group.
    pub(super) fn group_members(&self) -> Vec<Vec<RouterId>> {
        self.sync_groups.iter().map(|group| group.members.clone()).collect()
    }

    /// The router that a slot belongs to; `None` for slot 0.
    pub(super) fn router_of(&self, slot: u32) -> Option<RouterId> {
        let router = (slot as usize).checked_sub(1)?;
        self.routers.contains(router).then_some(router)
    }

    /// Every interface that a router or an address of one is on.
    pub(super) fn interfaces(&self) -> BTreeSet<&str> {
        self.routers
            .values()
            .flat_map(|router| {
                all_addresses(router)
                    .map(|address| interface_of(router, address))
                    .chain([router.interface.as_str()])
            })
            .collect()
    }

    /// Routers whose adverts use this interface.
    pub(super) fn routers_on<'a>(
        &'a self,
        interface: &'a str,
    ) -> impl Iterator<Item = (RouterId, &'a Instance)> {
        self.routers.iter().filter(move |(_, router)| router.interface == interface)
    }

    /// Addresses that belong on this interface, each with its router and the virtual MAC that it is
    /// answered for with, if any.
    pub(super) fn addresses_on<'a>(
        &'a self,
        interface: &'a str,
    ) -> impl Iterator<Item = (RouterId, IpAddr, Option<Mac>)> + 'a {
        self.present().flat_map(move |(id, router)| {
            all_addresses(router)
                .filter(move |address| interface_of(router, address) == interface)
                .map(move |address| (id, address.address, virtual_mac_of(router, address)))
        })
    }

    /// Routers with a virtual MAC.
    pub(super) fn with_virtual_mac(&self) -> impl Iterator<Item = (RouterId, &Instance, Mac)> {
        self.present()
            .filter_map(|(id, router)| Some((id, router, router.virtual_mac.as_ref()?.mac)))
    }

    /// What the macvlan of a router is called where it needs one: as the file says, else as
    /// keepalived calls it. A name that is taken gets a number. It stays as it is at `present` unless
    /// the file says otherwise.
    pub(super) fn macvlan_name(
        &self,
        router: RouterId,
        present: Option<&str>,
        taken: &BTreeSet<&str>,
    ) -> String {
        let named = |router: &Instance| router.virtual_mac.as_ref()?.name.clone();
        let default_name = |router: &Instance| match router.family() {
            Family::V4 => format!("vrrp.{}", router.vrid),
            Family::V6 => format!("vrrp6.{}", router.vrid),
        };
        let instance = &self.routers[router];
        if let Some(name) = named(instance).or_else(|| present.map(str::to_owned)) {
            return name;
        }
        let name = default_name(instance);
        let is_same = |(_, other, _): &(RouterId, &Instance, Mac)| {
            named(other).is_none() && default_name(other) == name
        };
        let before = self.with_virtual_mac().take_while(|(id, ..)| *id != router);
        let numbered = |number: usize| match number {
            0 => name.clone(),
            number => format!("{name}.{}", number + 1),
        };
        let mut names = (before.filter(is_same).count()..).map(numbered);
        names.find(|name| !taken.contains(name.as_str())).unwrap_or(name)
    }

    /// Interfaces that virtual addresses belong on.
    pub(super) fn interfaces_with_addresses(&self) -> BTreeSet<&str> {
        let addresses = |router| all_addresses(router).map(move |own| interface_of(router, own));
        self.routers.values().flat_map(addresses).collect()
    }

    /// True when a router on this interface wants secondary addresses to stay when the first one goes.
    pub(super) fn promotes_secondaries_on(&self, interface: &str) -> bool {
        self.routers_on(interface).any(|(_, router)| router.promote_secondaries)
    }

    /// True when a router whose adverts use this interface has a virtual MAC.
    pub(super) fn has_virtual_mac_on(&self, interface: &str) -> bool {
        self.with_virtual_mac().any(|(_, router, _)| router.interface == interface)
    }

    /// Virtual addresses that no interface of this host has by itself: those of routers that do not
    /// own them. A dead daemon may have left them behind; none is a source of adverts.
    pub(super) fn borrowed_addresses(&self) -> Vec<IpAddr> {
        self.routers
            .values()
            .filter(|router| !router.priority.is_owner())
            .flat_map(all_addresses)
            .map(|address| address.address)
            .collect()
    }

    /// Routers that this interface is for: it has their adverts, or addresses of them.
    fn users_of(&self, interface: &str) -> impl Iterator<Item = &Instance> {
        self.routers.values().filter(move |router| {
            router.interface == interface
                || all_addresses(router).any(|address| interface_of(router, address) == interface)
        })
    }

    /// All virtual addresses, those of owners too.
    pub(super) fn virtual_addresses(&self) -> BTreeSet<IpAddr> {
        self.routers.values().flat_map(all_addresses).map(|address| address.address).collect()
    }

    /// Virtual IPv6 addresses, those of owners too.
    pub(super) fn virtual_ipv6(&self) -> Vec<Ipv6Addr> {
        let addresses = self.routers.values().flat_map(all_addresses);
        addresses
            .filter_map(|address| match address.address {
                IpAddr::V4(_) => None,
                IpAddr::V6(address) => Some(address),
            })
            .collect()
    }

    /// How the program is to be attached to this interface: the first router there that has a wish.
    pub(super) fn mode_on(&self, interface: &str) -> XdpMode {
        self.users_of(interface)
            .map(|router| router.xdp_mode)
            .find(|mode| *mode != XdpMode::Auto)
            .unwrap_or_default()
    }

    /// Multicast groups of the routers on this interface; none where all are unicast.
    pub(super) fn groups_on(&self, interface: &str) -> Vec<IpAddr> {
        let multicast = self.routers_on(interface).filter(|(_, router)| router.unicast.is_none());
        let groups: BTreeSet<_> = multicast.map(|(_, router)| router.group).collect();
        groups.into_iter().collect()
    }

    /// VRIDs of the routers on this interface, those of unicast routers as well: they must know, too,
    /// that somebody speaks to the group.
    pub(super) fn vrids_on(&self, interface: &str) -> BTreeSet<u8> {
        self.routers_on(interface).map(|(_, router)| router.vrid.get()).collect()
    }

    /// Routers whose adverts go to single peers.
    pub(super) fn unicast_routers(&self) -> impl Iterator<Item = &Instance> {
        self.routers.values().filter(|router| router.unicast.is_some())
    }
}

/// Addresses that move with the router, advertised or not.
pub(super) fn all_addresses(router: &Instance) -> impl Iterator<Item = &VirtualAddress> {
    router.addresses.iter().chain(&router.excluded)
}

/// The interface that an address belongs on.
pub(super) fn interface_of<'a>(router: &'a Instance, address: &'a VirtualAddress) -> &'a str {
    address.device.as_deref().unwrap_or(&router.interface)
}

/// The virtual MAC of an address: that of its router, on the router's own interface.
pub(super) fn virtual_mac_of(router: &Instance, address: &VirtualAddress) -> Option<Mac> {
    let virtual_mac = router.virtual_mac.as_ref().filter(|_| address.device.is_none());
    virtual_mac.map(|virtual_mac| virtual_mac.mac)
}

/// How often an address is announced besides: `garp_extra_if`, where it is on another interface than
/// the adverts. Without `all` only where it has a virtual MAC.
pub(super) fn extra_garp_of(router: &Instance, address: &VirtualAddress) -> Option<Duration> {
    let elsewhere = interface_of(router, address) != router.interface;
    let has_virtual_mac = address.options.on_virtual_mac;
    let extra = router.extra_garp.filter(|extra| elsewhere && (extra.all || has_virtual_mac));
    extra.map(|extra| extra.interval).filter(|interval| !interval.is_zero())
}

/// Slot of a router.
pub(super) fn slot_of(router: RouterId) -> u32 {
    u32::try_from(router + 1).unwrap_or(u32::MAX)
}

fn spec(id: RouterId, router: &Instance, grouped: bool) -> Spec {
    Spec {
        slot: slot_of(id),
        parameters: Parameters {
            version: router.version,
            priority: router.priority,
            interval: router.interval,
            preempt: router.preempt,
            preempt_delay: router.preempt_delay,
            down_timer_adverts: router.down_timer_adverts,
            source: match router.family() {
                Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
            },
            lower_prio_no_advert: router.lower_prio_no_advert,
            higher_prio_send_advert: router.higher_prio_send_advert,
            other_priority: match router.timer_expired {
                TimerExpired::Ignored => None,
                TimerExpired::Backup { other } => Some(other),
            },
            grouped,
        },
        vrid: router.vrid,
        mac: router
            .virtual_mac
            .as_ref()
            .filter(|virtual_mac| !virtual_mac.adverts_from_base)
            .map(|virtual_mac| virtual_mac.mac),
        addresses: advertised(router),
        group: router.group,
        unicast: router.unicast.clone(),
        auth: match router.authentication {
            None | Some(Authentication::Hmac(_)) => vrrp::Auth::None,
            Some(Authentication::Pass(password)) => vrrp::Auth::Pass(password),
            Some(Authentication::Ah(_)) => vrrp::Auth::Header,
        },
        authentication: router.authentication.clone(),
        coverage: match router.checksum {
            ChecksumForm::PseudoHeader => vrrp::Coverage::PseudoHeader,
            ChecksumForm::MessageOnly => vrrp::Coverage::Message,
        },
        believe: router.believe,
        owner_ignores: router.owner_ignores,
        serves_on: router.serves_on,
        skip_check_addresses: router.skip_check_adv_addr,
    }
}

/// The addresses that adverts carry. The configuration has let through those of one family only.
fn advertised(router: &Instance) -> Addresses {
    let addresses = router.addresses.iter().map(|address| address.address);
    match router.family() {
        Family::V4 => Addresses::V4(
            addresses
                .filter_map(|address| match address {
                    IpAddr::V4(address) => Some(address.octets()),
                    IpAddr::V6(_) => None,
                })
                .collect(),
        ),
        Family::V6 => Addresses::V6(
            addresses
                .filter_map(|address| match address {
                    IpAddr::V4(_) => None,
                    IpAddr::V6(address) => Some(address.octets()),
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan(routers: &[(&str, u8, &str)]) -> Plan {
        let instance = |(number, (interface, vrid, address)): (usize, &(&str, u8, &str))| {
            format!(
                "vrrp_instance V{number} {{\ninterface {interface}\nvirtual_router_id {vrid}\n\
                 use_vmac\nvirtual_ipaddress {{\n{address}\n192.0.2.9 dev eth9\n}}\n}}\n"
            )
        };
        let text: String = routers.iter().enumerate().map(instance).collect();
        Plan::new(&config::parse("test.conf", text.as_bytes()).config.unwrap())
    }

    /// keyword `use_vmac`: macvlans have keepalived's names, and no two the same.
    #[test]
    fn names_of_macvlans() {
        let plan = plan(&[
            ("eth0", 51, "192.0.2.1"),
            ("eth1", 51, "192.0.2.1"),
            ("eth0", 52, "192.0.2.2"),
            ("eth2", 51, "192.0.2.1"),
        ]);
        let name = |router, present, taken: &[&str]| {
            plan.macvlan_name(router, present, &taken.iter().copied().collect())
        };
        let names: Vec<_> = (0..4).map(|router| name(router, None, &[])).collect();
        assert_eq!(names, ["vrrp.51", "vrrp.51.2", "vrrp.52", "vrrp.51.3"]);
        // Those before it may have gone in a reload, and left their names to others.
        assert_eq!(name(0, Some("vrrp.51.2"), &[]), "vrrp.51.2");
        assert_eq!(name(0, None, &["vrrp.51", "vrrp.51.2"]), "vrrp.51.3");
    }

    /// keyword `use_vmac`: the virtual MAC is that of the addresses on the router's own
    /// interface.
    #[test]
    fn whose_virtual_mac_it_is() {
        let plan = plan(&[("eth0", 51, "192.0.2.1")]);
        let macs =
            |interface| plan.addresses_on(interface).map(|(.., mac)| mac).collect::<Vec<_>>();
        assert_eq!(macs("eth0"), [Some([0, 0, 0x5e, 0, 1, 51])]);
        assert_eq!(macs("eth9"), [None]);
        assert!(plan.has_virtual_mac_on("eth0") && !plan.has_virtual_mac_on("eth9"));
    }
}
