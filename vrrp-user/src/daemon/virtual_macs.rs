//! What the virtual addresses need of the interfaces beside the kernel program: that the kernel asks
//! in the name of others, and keeps the rest of them when one goes; for virtual MACs, that the network card lets frames to them in; and where
//! there is no program, an interface of their own.
//!
//! The interface is a macvlan in private mode, as keepalived makes it. Here it is on only while its
//! virtual router is Active: a Backup has to drop what is sent to the virtual MAC (RFC 9568 6.4.2),
//! and a macvlan that is on would take it in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::{debug, warn};

use super::{devices::Devices, plan::Plan};
use crate::{
    datapath::Mode,
    election::State,
    host::{self, Change, Filter, Host, Journal, Link, LinkKind, Macvlan, Trace},
    pulse::{Board, Ear, RouterId},
};

/// The kernel asks for other hosts' MACs in the name of the interface's primary address. Asking in
/// the name of a virtual one would teach them this host's MAC for it, the interface's where there is
/// a virtual one, and wrong once the address has moved.
const ASKING: [(&str, &str); 1] = [("arp_announce", "2")];

/// The kernel does not answer on one interface for the addresses of another, as keepalived has it.
const ANSWERING: [(&str, &str); 2] = [("arp_ignore", "1"), ("arp_filter", "1")];

/// keyword `promote_secondaries`: the first address of a network does not take the others along when
/// it goes.
const PROMOTING: [(&str, &str); 1] = [("promote_secondaries", "1")];

pub(super) struct VirtualMacs {
    plan: Arc<Plan>,
    host: Host,
    journal: Journal<Trace>,
    /// What of the journal was changed and not undone.
    made: BTreeSet<Trace>,
    /// What of it the last daemon made, and nobody has asked for yet.
    inherited: BTreeSet<Trace>,
    /// What was done to interfaces. Whoever changes that afterwards shall have it so.
    arranged: BTreeMap<String, Arranged>,
    routers: Vec<Router>,
    /// What no router needs any more, and may have addresses yet.
    spare: Vec<Way>,
}

/// A virtual router, as far as its virtual MAC goes.
#[derive(Clone, Default)]
struct Router {
    /// What there is to be while it is Active, and while it is not.
    wanted: [Option<Way>; 2],
    present: Option<Way>,
    active: bool,
    macvlan: Option<Presence>,
    /// Why it cannot have its virtual MAC.
    fault: Option<String>,
}

/// What was done to an interface.
#[derive(Clone, Copy, PartialEq)]
struct Arranged {
    index: u32,
    /// It is as [`ASKING`] says.
    asks: bool,
    /// It is as [`PROMOTING`] says.
    promotes: bool,
}

/// How frames to the virtual MAC come in.
#[derive(Clone, Debug, PartialEq)]
enum Way {
    /// The kernel program takes them, once they pass this filter.
    Program(Filter),
    /// They are those of an interface.
    Macvlan(Macvlan),
}

/// A macvlan as it is.
#[derive(Clone, Copy)]
struct Presence {
    index: u32,
    up: bool,
}

impl VirtualMacs {
    /// `inherited` are changes that the last daemon made. Those that are not needed are undone once
    /// the elections have begun.
    pub(super) fn new(
        plan: Arc<Plan>,
        host: Host,
        journal: Journal<Trace>,
        inherited: Vec<Trace>,
    ) -> Self {
        let routers = vec![Router::default(); plan.routers.end()];
        let inherited = inherited.into_iter().collect();
        let (made, arranged) = (BTreeSet::new(), BTreeMap::new());
        Self { plan, host, journal, made, inherited, arranged, routers, spare: Vec::new() }
    }

    /// Goes on with another plan. What no router needs any more is left to [`Self::dismantle_spare`];
    /// what is missing is made by [`Self::arrange`].
    pub(super) fn replan(&mut self, plan: Arc<Plan>, board: &Board) {
        let wanted: BTreeSet<_> = plan.with_virtual_mac().map(|(router, ..)| router).collect();
        let leaving: Vec<_> = plan.leaving.iter().copied().collect();
        self.plan = plan;
        for router in 0..self.routers.len() {
            if !wanted.contains(&router) && !leaving.contains(&router) {
                self.spare.extend(std::mem::take(&mut self.routers[router]).present);
            }
        }
        self.routers.resize(self.plan.routers.end(), Router::default());
        for (router, ..) in self.plan.with_virtual_mac() {
            // One that has not had a virtual MAC may be Active already.
            let own = &mut self.routers[router];
            if own.present.is_none() {
                own.active = board.state(router) == State::Active;
            }
        }
    }

    /// Undoes what no router needs any more, once the addresses are elsewhere.
    pub(super) async fn dismantle_spare(&mut self) {
        for way in std::mem::take(&mut self.spare) {
            self.dismantle(way).await;
        }
    }

    /// What the macvlan of a router is called: one that is there keeps its name.
    fn name_of(&self, router: RouterId) -> String {
        let others = self.routers.iter().enumerate().filter(|(other, _)| *other != router);
        let taken = others.filter_map(|(_, other)| Some(other.macvlan()?.0.name.as_str()));
        let present = self.routers[router].macvlan().map(|(macvlan, _)| macvlan.name.as_str());
        self.plan.macvlan_name(router, present, &taken.collect())
    }

    /// True when a macvlan of ours has changed, and not by our doing.
    pub(super) fn is_concerned(&self, change: &Change) -> bool {
        let mut macvlans = self.routers.iter().filter_map(|router| router.macvlan);
        match *change {
            Change::LinkChanged { index, up, .. } => {
                macvlans.any(|macvlan| macvlan.index == index && macvlan.up != up)
            }
            Change::LinkGone(index) => macvlans.any(|macvlan| macvlan.index == index),
            _ => false,
        }
    }

    /// Takes in the interfaces as they are now, and makes what is missing. True when there is
    /// another interface than before.
    pub(super) async fn arrange(&mut self, links: &[Link], devices: &Devices) -> bool {
        let plan = Arc::clone(&self.plan);
        let (interfaces, with_addresses) = (plan.interfaces(), plan.interfaces_with_addresses());
        let is_left = |name: &String, _: &mut Arranged| !interfaces.contains(name.as_str());
        let left: Vec<_> = self.arranged.extract_if(.., is_left).collect();
        for (interface, _) in left {
            for sysctls in [&ASKING[..], &ANSWERING, &PROMOTING] {
                self.unset(&interface, sysctls, links).await;
            }
        }
        for interface in interfaces {
            let index = links.iter().find(|link| link.name == interface).map(|link| link.index);
            let Some(index) = index else { continue };
            let wanted = Arranged {
                index,
                asks: with_addresses.contains(interface),
                promotes: plan.promotes_secondaries_on(interface),
            };
            let known = self.arranged.insert(interface.to_owned(), wanted);
            let known = known.filter(|known| known.index == index);
            if wanted.asks && !known.is_some_and(|known| known.asks) {
                self.keep_quiet(interface, &ASKING).await;
            }
            match (wanted.promotes, known.is_some_and(|known| known.promotes)) {
                (true, false) => {
                    if let Err(error) = self.set(interface, &PROMOTING).await {
                        warn!("{interface}: promote_secondaries: {error}");
                    }
                }
                (false, true) => self.unset(interface, &PROMOTING, links).await,
                _ => {}
            }
        }
        let mut changed = false;
        for (router, instance, mac) in plan.with_virtual_mac() {
            let interface = &instance.interface;
            let is_bridge =
                links.iter().any(|link| link.name == *interface && link.kind == LinkKind::Bridge);
            let filter = |index| Filter { index, interface: interface.clone(), mac, is_bridge };
            self.routers[router].wanted = match devices.mode(interface) {
                None => [None, None],
                Some((parent, Mode::None)) => {
                    let name = self.name_of(router);
                    [(); 2]
                        .map(|()| Some(Way::Macvlan(Macvlan { parent, name: name.clone(), mac })))
                }
                // A bridge that takes the MAC for its own does not forward to the Active router
                // what its ports send there.
                Some((index, _)) if is_bridge => [Some(Way::Program(filter(index))), None],
                Some((index, _)) => [(); 2].map(|()| Some(Way::Program(filter(index)))),
            };
            self.see(router, links);
            changed |= self.settle(router).await;
        }
        changed
    }

    /// Follows the elections.
    pub(super) async fn follow(&mut self, board: &Board) {
        let plan = Arc::clone(&self.plan);
        for (router, ..) in plan.with_virtual_mac() {
            let active = board.state(router) == State::Active;
            if self.routers[router].active != active {
                self.routers[router].active = active;
                self.settle(router).await;
            }
        }
        if !self.inherited.is_empty() {
            self.undo_inherited().await;
        }
    }

    async fn undo_inherited(&mut self) {
        match self.host.links().await {
            Ok(links) => {
                for trace in std::mem::take(&mut self.inherited) {
                    self.undo(&trace, &links).await;
                }
            }
            Err(error) => warn!("{error}"),
        }
    }

    /// Undoes everything.
    pub(super) async fn remove_all(&mut self) {
        let links = match self.host.links().await {
            Ok(links) => links,
            Err(error) => {
                warn!("what the virtual MACs needed stays until the next start: {error}");
                return;
            }
        };
        self.made.append(&mut self.inherited);
        for trace in std::mem::take(&mut self.made) {
            self.undo(&trace, &links).await;
        }
        self.routers.fill(Router::default());
    }

    /// Macvlans that have the addresses of their routers, by name.
    pub(super) fn macvlans(&self) -> BTreeMap<RouterId, String> {
        let routers = self.routers.iter().enumerate();
        routers.filter_map(|(id, router)| Some((id, router.macvlan()?.0.name.clone()))).collect()
    }

    /// Where to listen besides the interface itself.
    pub(super) fn ears_on(&self, interface: &str) -> Vec<Ear> {
        let on_interface = self.plan.routers_on(interface);
        let ears = on_interface.filter_map(|(id, _)| self.routers[id].macvlan());
        ears.map(|(macvlan, Presence { index, .. })| Ear {
            ifindex: index,
            name: macvlan.name.clone(),
            mac: macvlan.mac,
        })
        .collect()
    }

    /// Why a router cannot have its virtual MAC.
    pub(super) fn fault(&self, router: RouterId) -> Option<&str> {
        self.routers[router].fault.as_deref()
    }

    /// Looks how the macvlan of a router fares.
    fn see(&mut self, router: RouterId, links: &[Link]) {
        let own = &mut self.routers[router];
        let Some(Way::Macvlan(macvlan)) = &own.present else { return };
        own.macvlan = links
            .iter()
            .find(|link| macvlan.is(link))
            .map(|link| Presence { index: link.index, up: link.up });
        if own.macvlan.is_none() {
            let gone = Trace::Macvlan(macvlan.clone());
            own.present = None;
            self.forget(&gone);
        }
    }

    /// Makes for a router what is wanted. True when it has another interface than before.
    async fn settle(&mut self, router: RouterId) -> bool {
        let own = &self.routers[router];
        let wanted = own.wanted[usize::from(!own.active)].clone();
        let mut changed = false;
        if own.present != wanted {
            let old = std::mem::take(&mut self.routers[router].present);
            changed = matches!(old, Some(Way::Macvlan(_)));
            if let Some(old) = old {
                self.dismantle(old).await;
            }
            changed |= matches!(wanted, Some(Way::Macvlan(_)));
            let outcome = match &wanted {
                None => Ok(None),
                Some(Way::Program(filter)) => {
                    self.add_filter(router, filter).await;
                    Ok(None)
                }
                Some(Way::Macvlan(macvlan)) => self.add_macvlan(router, macvlan).await.map(Some),
            };
            let own = &mut self.routers[router];
            (own.macvlan, own.fault) = match outcome {
                Ok(macvlan) => {
                    own.present = wanted;
                    (macvlan, None)
                }
                Err(error) => (None, Some(error.to_string())),
            };
        }
        self.switch(router).await;
        changed
    }

    /// Switches the macvlan of a router on or off.
    async fn switch(&mut self, router: RouterId) {
        let own = &mut self.routers[router];
        let active = own.active;
        let Some(Presence { index, up }) = own.macvlan.filter(|macvlan| macvlan.up != active)
        else {
            return;
        };
        debug_assert_ne!(up, active);
        match self.host.set_up(index, active).await {
            Ok(()) => own.macvlan = Some(Presence { index, up: active }),
            Err(error) => warn!("({}) {error}", self.plan.routers[router].name),
        }
    }

    async fn add_filter(&mut self, router: RouterId, filter: &Filter) {
        if let Err(error) = self.make(Trace::Filter(filter.clone())).await {
            let name = &self.plan.routers[router].name;
            warn!("({name}) frames to the virtual MAC may not come in: {error}");
        }
    }

    async fn add_macvlan(&mut self, router: RouterId, macvlan: &Macvlan) -> host::Result<Presence> {
        let parent = self.plan.routers[router].interface.clone();
        self.keep_quiet(&parent, &ANSWERING).await;
        self.make(Trace::Macvlan(macvlan.clone())).await?;
        let presence = match self.host.link(&macvlan.name).await? {
            Some(link) => Presence { index: link.index, up: link.up },
            None => return Err(host::Error::Vanished { interface: macvlan.name.clone() }),
        };
        set_up_macvlan(&parent, &macvlan.name);
        Ok(presence)
    }

    /// Keeps an interface from speaking for the virtual addresses by itself.
    async fn keep_quiet(&mut self, interface: &str, sysctls: &[(&str, &str)]) {
        if let Err(error) = self.set(interface, sysctls).await {
            warn!("{interface} may speak for virtual addresses by itself: {error}");
        }
    }

    /// Sets sysctls of an interface for IPv4, all that can be set. The first error is returned.
    async fn set(&mut self, interface: &str, sysctls: &[(&str, &str)]) -> host::Result<()> {
        let mut outcome = Ok(());
        for (name, value) in sysctls {
            let path = sysctl("ipv4", interface, name);
            let is_it =
                |trace: &Trace| matches!(trace, Trace::Sysctl { path: of, .. } if *of == path);
            self.made.extend(self.inherited.extract_if(.., is_it));
            outcome = outcome.and(match Trace::sysctl(path, value) {
                Ok(Some(trace)) => self.make(trace).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            });
        }
        outcome
    }

    /// Undoes [`Self::set`].
    async fn unset(&mut self, interface: &str, sysctls: &[(&str, &str)], links: &[Link]) {
        for (name, _) in sysctls {
            let path = sysctl("ipv4", interface, name);
            let is_it =
                |trace: &&Trace| matches!(trace, Trace::Sysctl { path: of, .. } if *of == path);
            if let Some(trace) = self.made.iter().find(is_it).cloned() {
                self.undo(&trace, links).await;
            }
        }
    }

    async fn dismantle(&mut self, way: Way) {
        let trace = match way {
            Way::Program(filter) => Trace::Filter(filter),
            Way::Macvlan(macvlan) => Trace::Macvlan(macvlan),
        };
        if !self.made.remove(&trace) {
            return;
        }
        match self.host.links().await {
            Ok(links) => self.undo(&trace, &links).await,
            Err(error) => warn!("{error}"),
        }
    }

    /// Makes a change that is written down first.
    async fn make(&mut self, trace: Trace) -> host::Result<()> {
        if self.inherited.remove(&trace) {
            self.made.insert(trace);
            return Ok(());
        }
        if let Err(reason) = self.journal.record([trace.clone()]) {
            warn!("{reason}; after a crash the next start would not know of this");
        }
        match self.host.apply(&trace).await {
            Ok(true) => {
                self.made.insert(trace);
                Ok(())
            }
            Ok(false) => {
                debug!("there before us: {trace:?}");
                self.forget(&trace);
                Ok(())
            }
            Err(error) => {
                self.forget(&trace);
                Err(error)
            }
        }
    }

    /// Writes down what there was no room for before.
    pub(super) fn write_down(&mut self) {
        if let Err(reason) = self.journal.forget([]) {
            warn!("{reason}; after a crash the next start would not know of this");
        }
    }

    async fn undo(&mut self, trace: &Trace, links: &[Link]) {
        match self.host.undo(trace, links).await {
            Ok(()) => self.forget(trace),
            Err(error) => warn!("{error}"),
        }
    }

    fn forget(&mut self, trace: &Trace) {
        self.made.remove(trace);
        if let Err(reason) = self.journal.forget([trace]) {
            warn!("{reason}");
        }
    }
}

impl Router {
    /// Its macvlan, if that is there.
    fn macvlan(&self) -> Option<(&Macvlan, Presence)> {
        match &self.present {
            Some(Way::Macvlan(macvlan)) => Some((macvlan, self.macvlan?)),
            _ => None,
        }
    }
}

/// What keeps a macvlan to the virtual addresses. The virtual MAC must not become part of an address
/// (RFC 9568 7.4), what it routes is up to the interface below, and the way back to a host leads
/// through that.
fn set_up_macvlan(parent: &str, macvlan: &str) {
    let set = |family: &str, name: &str, value: &str| {
        let path = sysctl(family, macvlan, name);
        // Without IPv6 there is nothing to be kept from.
        if (family == "ipv4" || path.exists())
            && let Err(error) = fs::write(&path, value)
        {
            warn!("cannot write {}: {error}", path.display());
        }
    };
    for (family, name) in [("ipv4", "forwarding"), ("ipv6", "forwarding"), ("ipv6", "disable_ipv6")]
    {
        if let Ok(value) = fs::read_to_string(sysctl(family, parent, name)) {
            set(family, name, value.trim());
        }
    }
    for (name, value) in [("arp_ignore", "1"), ("rp_filter", "2"), ("promote_secondaries", "1")] {
        set("ipv4", name, value);
    }
    // No address of its own, neither link-local nor from a prefix that somebody announces.
    for (name, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("autoconf", "0")] {
        set("ipv6", name, value);
    }
}

fn sysctl(family: &str, interface: &str, name: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(family).join("conf").join(interface).join(name)
}
