//! The virtual addresses on the interfaces: added and removed as the pulse reports, written down
//! before, announced after.

mod replan;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Instant,
};

use tracing::{debug, error, info, warn};

use super::{
    LOOK_AGAIN,
    acceptance::{Acceptance, Means},
    mending::Mending,
    plan::{Plan, all_addresses, extra_garp_of, interface_of, slot_of, virtual_mac_of},
    refused::Refused,
    vigil::Ward,
};
use crate::{
    announce::{self, Announcer, Target},
    config::{Instance, Tracking, VirtualAddress},
    datapath::{Presence, Slots},
    election::{Announce, State},
    host::{self, Change, Host, Journal, Link, Owned, Placed},
    pulse::{self, Board, Report, RouterId},
};

/// Of the network of all link-local IPv6 addresses.
const LINK_LOCAL_PREFIX: u8 = 64;

pub(super) struct Addresses {
    plan: Arc<Plan>,
    host: Host,
    journal: Journal,
    announcer: Announcer,
    slots: Arc<Slots>,
    acceptance: Acceptance,
    ward: Ward,
    /// Interfaces without the kernel program.
    bare: BTreeSet<String>,
    interfaces: BTreeMap<String, (u32, [u8; 6])>,
    /// Macvlans that have the addresses of a router instead of its interface.
    macvlans: BTreeMap<RouterId, String>,
    /// Addresses that are on the interfaces without us, with the interfaces' indices. The kernel
    /// would take the same address with another prefix length as a further one.
    others: BTreeSet<(u32, IpAddr)>,
    /// What is on the interfaces because of us, by router.
    held: Vec<Vec<Owned>>,
    /// Routers whose addresses are to be there.
    wanted: Vec<bool>,
    /// Addresses with `no_track` that somebody removed: they stay removed until the next takeover.
    abandoned: BTreeSet<(RouterId, Owned)>,
    /// How often each has had some added again.
    mending: Mending,
    /// Those that are to be there and were refused.
    refused: Refused,
}

impl Addresses {
    /// `inherited` are addresses of the last daemon, by router.
    pub(super) fn new(
        plan: Arc<Plan>,
        host: Host,
        journal: Journal,
        announcer: Announcer,
        acceptance: Acceptance,
        ward: Ward,
        inherited: Vec<Vec<Owned>>,
    ) -> Self {
        // Until their elections have decided, they stay.
        let wanted = inherited.iter().map(|held| !held.is_empty()).collect();
        Self {
            plan,
            host,
            journal,
            announcer,
            slots: Arc::clone(ward.slots()),
            acceptance,
            ward,
            bare: BTreeSet::new(),
            interfaces: BTreeMap::new(),
            macvlans: BTreeMap::new(),
            others: BTreeSet::new(),
            held: inherited,
            wanted,
            abandoned: BTreeSet::new(),
            mending: Mending::default(),
            refused: Refused::default(),
        }
    }

    /// True when the change is about a virtual address and not our doing, or may help one that was
    /// refused.
    pub(super) fn notice(&mut self, change: &Change) -> bool {
        self.refused.notice(change) || self.is_concerned(change)
    }

    fn is_concerned(&self, change: &Change) -> bool {
        let is_virtual = |address: &IpAddr| {
            self.plan.routers.values().flat_map(all_addresses).any(|own| own.address == *address)
        };
        let is_held = |index: u32, address: IpAddr| {
            self.held.iter().flatten().any(|own| (own.index, own.address) == (index, address))
        };
        match *change {
            Change::AddressAdded { index, address } => {
                is_virtual(&address) && !is_held(index, address)
            }
            Change::AddressRemoved { index, address } => {
                is_virtual(&address)
                    && (is_held(index, address) || self.others.contains(&(index, address)))
            }
            _ => false,
        }
    }

    /// Says which routers have a macvlan for their addresses, by name. Those that are elsewhere stay
    /// there until they are removed.
    pub(super) fn live_on(&mut self, macvlans: BTreeMap<RouterId, String>) {
        self.macvlans = macvlans;
    }

    /// What the last daemon left of a router that does not go on as Active is not to be there:
    /// [`Self::follow`] removes it.
    pub(super) fn give_up(&mut self, router: RouterId) {
        self.wanted[router] = false;
        self.mending.stop(router);
        self.refused.forget(router);
    }

    /// Takes in the interfaces as they are now, and adds again what has gone from them without us,
    /// for the routers that `may` have it. `has_program` tells which interfaces have the kernel
    /// program. Returns when to look again, if something is left to do.
    pub(super) async fn follow(
        &mut self,
        links: &[Link],
        may: impl Fn(RouterId) -> bool,
        has_program: impl Fn(&str) -> bool,
    ) -> Option<Instant> {
        let interfaces: BTreeMap<_, _> = links
            .iter()
            .filter_map(|link| Some((link.name.clone(), (link.index, link.mac?))))
            .collect();
        let former = std::mem::replace(&mut self.interfaces, interfaces);
        self.compare(links);

        let interfaces = self.plan.interfaces().into_iter();
        self.bare = interfaces.filter(|name| !has_program(name)).map(str::to_owned).collect();
        self.acceptance.settle(has_program);
        self.guard();

        // What is elsewhere since a plan or a macvlan has come is not missing.
        let astray = self.routers(|own, router| {
            own.wanted[router] && may(router) && own.has_lease(router) && own.is_astray(router)
        });
        if !astray.is_empty() {
            self.bring_home(|router| astray.contains(&router)).await;
        }

        // What could not be removed is tried again.
        let unwanted: Vec<_> =
            self.routers(|own, router| !own.wanted[router] && !own.held[router].is_empty());
        self.remove(unwanted.clone()).await;
        let mut all_done = unwanted.iter().all(|router| self.held[*router].is_empty());

        let lacking =
            self.routers(|own, router| own.wanted[router] && may(router) && own.lacks(router));
        let (lacking, lapsed): (Vec<_>, Vec<_>) =
            lacking.into_iter().partition(|router| self.has_lease(*router));
        // Whoever has no lease may have a better router, and not have heard of it yet.
        all_done &= lapsed.is_empty();
        let now = Instant::now();
        let lost = lacking.iter().copied().filter(|router| !self.lost(*router).is_empty());
        let lost = self.mending.select(lost.collect(), now);
        self.mend(lost, now).await;
        self.retry(&lacking, now).await;
        // Another MAC has to be made known, too.
        for router in self.routers(|own, router| {
            own.wanted[router] && may(router) && own.has_moved(router, &former)
        }) {
            self.announce(router, Announce::TakeOver).await;
        }
        let retry = (!all_done).then(|| now + LOOK_AGAIN);
        [retry, self.next_try(), self.mending.next_timeout()].into_iter().flatten().min()
    }

    /// Compares what is on the interfaces with what we know of.
    fn compare(&mut self, links: &[Link]) {
        let there: BTreeSet<_> = links
            .iter()
            .flat_map(|link| link.addresses.iter().map(|own| (link.index, own.address, own.prefix)))
            .collect();
        let mut gone = Vec::new();
        for (router, held) in self.held.iter_mut().enumerate() {
            let is_gone = |own: &mut Owned| !there.contains(&(own.index, own.address, own.prefix));
            let lost: Vec<_> = held.extract_if(.., is_gone).collect();
            let instance = self.plan.routers.get(router);
            let is_untracked =
                |own: &&Owned| instance.is_some_and(|instance| !is_tracked(instance, own));
            let untracked = lost.iter().filter(is_untracked);
            self.abandoned.extend(untracked.map(|own| (router, own.clone())));
            gone.extend(lost);
        }
        let ours: BTreeSet<_> =
            self.held.iter().flatten().map(|own| (own.index, own.address, own.prefix)).collect();
        self.others =
            there.difference(&ours).map(|(index, address, _)| (*index, *address)).collect();
        if !gone.is_empty()
            && let Err(reason) = self.journal.forget(&gone)
        {
            warn!("{reason}");
        }
        for router in self.plan.routers.ids() {
            self.mark(router, Presence::Installed);
        }
    }

    /// Adds again what `routers` have lost. Who has removed it may do so without end, so that not every
    /// time is told of at once.
    async fn mend(&mut self, routers: Vec<RouterId>, now: Instant) {
        let told = self.mending.take_told(now);
        for router in &told {
            let name = &self.plan.routers[*router].name;
            warn!("({name}) {}", self.mending.describe(*router, &self.lost(*router)));
        }
        let lost = routers.into_iter().map(|router| (router, self.lost(router)));
        self.add(lost.collect()).await;
        for router in told {
            self.announce(router, Announce::TakeOver).await;
        }
    }

    /// Tries again what was refused of that which `lacking` routers lack, where it is time. What others
    /// lack is not tried any more.
    async fn retry(&mut self, lacking: &[RouterId], now: Instant) {
        let missing: BTreeMap<_, _> =
            lacking.iter().map(|router| (*router, self.missing(*router))).collect();
        self.refused.retain(|router, owned| {
            let missing = missing.get(&router);
            missing.is_some_and(|missing| missing.iter().any(|place| place.owned() == *owned))
        });
        let mut due = missing;
        due.retain(|router, places| {
            places.retain(|place| self.refused.is_due(*router, &place.owned(), now));
            !places.is_empty()
        });
        self.add(due.clone()).await;
        for (router, places) in due {
            if places.iter().any(|place| self.held[router].contains(&place.owned())) {
                self.announce(router, Announce::TakeOver).await;
            }
        }
    }

    /// When one that was refused is to be tried again by [`Self::follow`].
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.refused.next_timeout()
    }

    /// True for a router whose addresses have been added, as far as that could be done.
    pub(super) fn is_wanted(&self, router: RouterId) -> bool {
        self.wanted[router]
    }

    /// How often a router had addresses added again that were missing.
    pub(super) fn mended(&self, router: RouterId) -> u64 {
        self.mending.times(router)
    }

    /// Has those guarded who keep others from the addresses that are there, or are about to be: from
    /// what must not be accepted, and from what nobody pays for.
    fn guard(&mut self) {
        self.acceptance.guard(&self.held);
        let unprotected = |router: RouterId, owned: &&Owned| {
            self.bare.contains(match self.macvlans.get(&router) {
                Some(macvlan) if *macvlan == owned.interface => {
                    let instance = self.plan.routers.get(router);
                    instance.map_or(&owned.interface, |instance| &instance.interface)
                }
                _ => &owned.interface,
            })
        };
        let wards = self.held.iter().enumerate().map(|(router, held)| {
            let held = held.iter().filter(|owned| unprotected(router, owned));
            (slot_of(router), held.cloned().collect::<Vec<_>>())
        });
        self.ward.tell(wards.filter(|(_, held)| !held.is_empty()).collect());
    }

    /// True while its adverts pay for its addresses.
    fn has_lease(&self, router: RouterId) -> bool {
        let lease = self.slots.get(slot_of(router)).lease();
        lease.is_some_and(|until| pulse::now() < until)
    }

    /// True when an address is to be there and is not.
    fn lacks(&self, router: RouterId) -> bool {
        !self.missing(router).is_empty()
    }

    /// True when it has an address where that does not belong any more.
    fn is_astray(&self, router: RouterId) -> bool {
        let places: Vec<_> = self.places(router).iter().map(Placed::owned).collect();
        self.held[router].iter().any(|owned| !places.contains(owned))
    }

    /// True when an interface of its addresses has another index or MAC than it had.
    fn has_moved(&self, router: RouterId, former: &BTreeMap<String, (u32, [u8; 6])>) -> bool {
        let instance = &self.plan.routers[router];
        all_addresses(instance).map(|address| self.home(router, address)).any(|name| {
            former.get(name).is_some_and(|known| {
                self.interfaces.get(name).is_some_and(|present| present != known)
            })
        })
    }

    fn routers(&self, filter: impl Fn(&Self, RouterId) -> bool) -> Vec<RouterId> {
        (0..self.wanted.len()).filter(|router| filter(self, *router)).collect()
    }

    /// Carries out reports. What they say of addresses is looked up on the board: what it shows is
    /// at least as new, and right even where reports were lost.
    pub(super) async fn carry_out(&mut self, reports: &[Report], board: &Board) {
        let mut changes = BTreeMap::new();
        let mut announcements = Vec::new();
        for report in reports {
            match *report {
                Report::AddAddresses { router } | Report::RemoveAddresses { router } => {
                    changes.insert(router, board.state(router) == State::Active);
                }
                Report::Announce { router, occasion } => announcements.push((router, occasion)),
                // What its predecessor left is not for a Backup.
                Report::Transition {
                    router, from: State::Initialize, to: State::Backup, ..
                } if self.wanted[router] => {
                    changes.insert(router, board.state(router) == State::Active);
                }
                Report::Transition { .. }
                | Report::Rejected { .. }
                | Report::Odd { .. }
                | Report::Heard { .. } => {}
            }
        }
        self.change(&changes).await;
        for (router, occasion) in announcements {
            if !self.wanted[router] {
                continue;
            }
            if occasion == Announce::Silence {
                let name = &self.plan.routers[router].name;
                warn!(
                    "({name}) no adverts left for so long that another router may have taken over; announcing the addresses again"
                );
                // The supervisor removes what nobody pays for.
                self.add_missing(vec![router]).await;
            }
            self.announce(router, occasion).await;
        }
    }

    /// Makes the addresses fit the state of the elections, after reports were lost.
    pub(super) async fn reconcile(&mut self, board: &Board) {
        let changes: BTreeMap<_, _> = (0..self.wanted.len())
            .map(|router| (router, board.state(router) == State::Active))
            .filter(|(router, active)| self.wanted[*router] != *active)
            .collect();
        self.change(&changes).await;
        for (router, _) in changes.into_iter().filter(|(_, active)| *active) {
            self.announce(router, Announce::TakeOver).await;
        }
    }

    /// Removes whatever is there because of us.
    pub(super) async fn remove_all(&mut self) {
        self.change(&(0..self.wanted.len()).map(|router| (router, false)).collect()).await;
        self.acceptance.end();
    }

    /// Waits until what guards the addresses needs [`Self::mend_guard`].
    pub(super) async fn guard_disturbed(&mut self) {
        self.acceptance.disturbed().await;
    }

    /// Puts right what guards the addresses, where somebody has removed it.
    pub(super) fn mend_guard(&mut self) {
        self.acceptance.mend();
    }

    /// How a router's addresses are guarded.
    pub(super) fn means(&self, router: RouterId) -> Means {
        self.acceptance.means(router)
    }

    async fn change(&mut self, changes: &BTreeMap<RouterId, bool>) {
        let (added, removed): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, active)| **active);
        for (router, active) in changes {
            self.wanted[*router] = *active;
            self.mending.stop(*router);
            self.refused.forget(*router);
        }
        self.abandoned.retain(|(router, _)| !changes.contains_key(router));
        self.remove(removed.into_iter().map(|(router, _)| *router).collect()).await;
        self.add_missing(added.into_iter().map(|(router, _)| *router).collect()).await;
    }

    async fn remove(&mut self, routers: Vec<RouterId>) {
        for router in &routers {
            self.announcer.cancel(announce::RouterId(*router)).await;
        }
        let owned: Vec<Owned> =
            routers.iter().flat_map(|router| self.held[*router].iter().cloned()).collect();
        if owned.is_empty() {
            return;
        }
        let mut left = BTreeSet::new();
        for (owned, reason) in self.host.remove_addresses(&owned).await {
            error!("{}/{} stays on {}: {reason}", owned.address, owned.prefix, owned.interface);
            left.insert(owned);
        }
        for router in routers {
            self.held[router].retain(|owned| left.contains(owned));
            // While one stays, what is sent to it is still ours to drop.
            self.mark(router, Presence::Installed);
        }
        self.guard();
        let gone: Vec<_> = owned.iter().filter(|owned| !left.contains(owned)).collect();
        if let Err(reason) = self.journal.forget(gone) {
            warn!("{reason}");
        }
    }

    /// Adds all that `routers` lack.
    async fn add_missing(&mut self, routers: Vec<RouterId>) {
        self.add(routers.into_iter().map(|router| (router, self.missing(router))).collect()).await;
    }

    async fn add(&mut self, places: BTreeMap<RouterId, Vec<Placed>>) {
        if places.is_empty() {
            return;
        }
        // What is there already goes on while the rest is added.
        let mut arriving: Vec<_> = places.keys().copied().collect();
        arriving.retain(|router| self.held[*router].is_empty());
        let placed: Vec<_> = places.values().flatten().cloned().collect();
        for (router, missing) in &places {
            self.held[*router].extend(missing.iter().map(Placed::owned));
        }
        if let Err(reason) = self.journal.record(placed.iter().map(Placed::owned)) {
            warn!("{reason}; after a crash the next start would not know of the addresses");
        }
        for router in arriving {
            self.mark(router, Presence::Arriving);
        }
        self.guard();
        let added = self.host.add_addresses(&placed).await;
        let mut not_ours = BTreeSet::new();
        for place in added.present {
            debug!("{} was on {} before", place.address.address, place.interface);
            self.others.insert((place.index, place.address.address));
            not_ours.insert(place.owned());
        }
        let failed: BTreeMap<_, _> =
            added.failed.into_iter().map(|(place, reason)| (place.owned(), reason)).collect();
        not_ours.extend(failed.keys().cloned());
        for (router, tried) in places {
            for place in tried {
                self.note(router, &place, failed.get(&place.owned()));
            }
            self.held[router].retain(|owned| !not_ours.contains(owned));
            self.mark(router, Presence::Installed);
        }
        // The lease may have lapsed, and the supervisor looked, before they were there.
        self.ward.repeat();
        self.guard();
        if let Err(reason) = self.journal.forget(&not_ours) {
            warn!("{reason}");
        }
    }

    /// Takes in whether an address was `refused`. The log says so once for each reason.
    fn note(&mut self, router: RouterId, place: &Placed, refused: Option<&host::Error>) {
        let (address, interface) = (place.address.address, &place.interface);
        match refused {
            Some(reason) => {
                let now = Instant::now();
                if self.refused.note(router, place.owned(), reason.to_string(), now) {
                    error!("{address} is not on {interface}: {reason}; it will be tried again");
                }
            }
            None if self.refused.settle(router, &place.owned()) => {
                info!("{address} is on {interface} now");
            }
            None => {}
        }
    }

    /// Tells the kernel program whether what is sent to the addresses is ours to drop; `held` says how
    /// they are there, if any is. One address that was there before us must work without us, so then
    /// it drops nothing.
    fn mark(&self, router: RouterId, held: Presence) {
        let is_ours = |place: &Placed| !self.others.contains(&(place.index, place.address.address));
        let presence = if !self.places(router).iter().all(is_ours) {
            Presence::NotOurs
        } else if self.held[router].is_empty() {
            Presence::Awaited
        } else {
            held
        };
        self.slots.get(slot_of(router)).set_presence(presence);
    }

    /// What is to be added for a router to have all its addresses.
    fn missing(&self, router: RouterId) -> Vec<Placed> {
        let mut places = self.places(router);
        places.retain(|place| {
            !self.held[router].contains(&place.owned())
                && !self.abandoned.contains(&(router, place.owned()))
                && !self.others.contains(&(place.index, place.address.address))
        });
        places
    }

    /// The same, without what was refused.
    fn lost(&self, router: RouterId) -> Vec<Placed> {
        let mut lost = self.missing(router);
        lost.retain(|place| !self.refused.has(router, &place.owned()));
        lost
    }

    /// Where the addresses of a router belong, as far as the interfaces exist.
    fn places(&self, router: RouterId) -> Vec<Placed> {
        let instances = self.plan.routers.get(router).into_iter();
        instances
            .flat_map(all_addresses)
            .filter_map(|address| {
                let interface = self.home(router, address);
                let (index, _) = *self.interfaces.get(interface)?;
                let mut address = address.clone();
                let on_macvlan = self.macvlans.get(&router).is_some_and(|name| name == interface);
                if on_macvlan && is_link_local(address.address) {
                    // Only this makes a route to the neighbours where there is no other such address.
                    address.prefix = LINK_LOCAL_PREFIX;
                }
                Some(Placed { index, interface: interface.to_owned(), address })
            })
            .collect()
    }

    /// The interface that has an address while its router is Active.
    fn home<'a>(&'a self, router: RouterId, address: &'a VirtualAddress) -> &'a str {
        match self.macvlans.get(&router) {
            Some(macvlan) if address.device.is_none() => macvlan,
            _ => interface_of(&self.plan.routers[router], address),
        }
    }

    async fn announce(&self, router: RouterId, occasion: Announce) {
        let id = announce::RouterId(router);
        if occasion == Announce::LosingAdvert {
            self.announcer.losing(id).await;
            return;
        }
        let garp = self.plan.routers[router].garp;
        self.announcer.start(id, self.targets(router), garp).await;
    }

    /// What the network is to know of the addresses of a router.
    fn targets(&self, router: RouterId) -> Vec<Target> {
        let instance = &self.plan.routers[router];
        let target = |address: &VirtualAddress| {
            let (interface, mac) = *self.interfaces.get(self.home(router, address))?;
            let mac = virtual_mac_of(instance, address).unwrap_or(mac);
            Some(Target {
                group: self.plan.garp_group_of(interface_of(instance, address)),
                extra: extra_garp_of(instance, address),
                ..Target::new(interface, mac, address.address)
            })
        };
        all_addresses(instance).filter_map(target).collect()
    }
}

/// False for `no_track`: nothing happens when somebody removes it.
fn is_tracked(instance: &Instance, owned: &Owned) -> bool {
    let is_it = |own: &&VirtualAddress| own.address == owned.address && own.prefix == owned.prefix;
    all_addresses(instance).find(is_it).is_none_or(|own| own.options.tracking != Tracking::Off)
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
