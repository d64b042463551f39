//! Routes and rules: those of the virtual routers, which come and go with their addresses, and the
//! static ones, which with the static addresses are there as long as the daemon is.
//!
//! What somebody else removes is added again at once, and no virtual router leaves its state for it:
//! keepalived gives up MASTER for a moment instead. Only a `track_group` makes a difference: its
//! virtual routers are in FAULT while a static thing of the group cannot be had.

mod item;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use futures_util::FutureExt;
use tracing::{debug, error, info, warn};

use self::item::{Item, Placement, State, Suspicion};
use super::{Error, plan::Plan, until};
use crate::{
    config::TrackGroup,
    host::{
        self, Change, Fixture, Host, Journal, Laid, Link, Numbers, Placed, RouteInterest,
        RoutingChange, RoutingNews, RuntimeDir,
    },
    pulse::RouterId,
};

/// What is on the host besides virtual addresses.
pub(super) struct Routes {
    host: Host,
    journal: Journal<Fixture>,
    /// By router, and behind them what is static.
    lists: Vec<List>,
    groups: Vec<TrackGroup>,
    numbers: Numbers,
    /// Which of the interfaces are up.
    up: BTreeSet<u32>,
    news: Option<RoutingNews>,
}

/// What belongs together.
struct List {
    /// Of the virtual router; empty for what is static.
    name: String,
    wanted: bool,
    /// In the order in which they are added.
    items: Vec<Item>,
}

/// Removes what a daemon that died has left, or what of it is on one interface.
pub(super) async fn clear(
    runtime_dir: &RuntimeDir,
    host: &Host,
    only: Option<&str>,
) -> Result<(), Error> {
    let (mut journal, mut leftovers) = Journal::open(runtime_dir.path())?;
    leftovers.retain(|fixture: &Fixture| only.is_none_or(|name| fixture.is_about(name)));
    remove_leftovers(host, &mut journal, leftovers).await;
    Ok(())
}

async fn remove_leftovers(host: &Host, journal: &mut Journal<Fixture>, leftovers: Vec<Fixture>) {
    if leftovers.is_empty() {
        return;
    }
    let (all, left) = (leftovers.len(), lift(host, journal, leftovers).await.len());
    info!(
        removed = all - left,
        "the last daemon did not stop cleanly; its routes and rules have been removed"
    );
}

/// Removes things, rules first and addresses last, and returns those that stay.
async fn lift(
    host: &Host,
    journal: &mut Journal<Fixture>,
    fixtures: Vec<Fixture>,
) -> BTreeSet<Fixture> {
    let (mut directives, mut addresses) = (Vec::new(), Vec::new());
    for fixture in &fixtures {
        match fixture {
            Fixture::Routing(directive) => directives.push(directive.clone()),
            Fixture::Address(owned) => addresses.push(owned.clone()),
        }
    }
    directives.sort_by_key(|directive| std::cmp::Reverse(directive.sort()));
    let mut left = BTreeSet::new();
    for (directive, reason) in host.lift(&directives).await {
        error!("{reason}");
        left.insert(Fixture::Routing(directive));
    }
    for (owned, reason) in host.remove_addresses(&addresses).await {
        error!("{reason}");
        left.insert(Fixture::Address(owned));
    }
    let gone = fixtures.iter().filter(|fixture| !left.contains(fixture));
    if let Err(reason) = journal.forget(gone) {
        warn!("{reason}");
    }
    left
}

impl Routes {
    /// Goes on with what the last daemon has left of the static things, and of those of the `heirs`,
    /// as far as it is still wanted. The rest is removed.
    pub(super) async fn open(
        runtime_dir: &RuntimeDir,
        host: &Host,
        links: &[Link],
        plan: &Plan,
        heirs: &[RouterId],
    ) -> Result<Self, Error> {
        let (journal, leftovers) = Journal::open(runtime_dir.path())?;
        let mut routes = Self {
            host: host.clone(),
            journal,
            lists: Vec::new(),
            groups: Vec::new(),
            numbers: Numbers::default(),
            up: BTreeSet::new(),
            news: None,
        };
        routes.replan(plan).await;
        routes.count(links).await;
        for heir in heirs {
            routes.lists[*heir].wanted = true;
        }
        let mut leftovers: BTreeSet<Fixture> = leftovers.into_iter().collect();
        for list in routes.lists.iter_mut().filter(|list| list.wanted) {
            for item in &mut list.items {
                let placement = item.thing.place(&routes.numbers);
                if let Some(fixture) = placement.ok().map(|own| own.fixture())
                    && leftovers.remove(&fixture)
                {
                    item.state = State::Ours(fixture);
                    item.suspect(Suspicion::Unseen);
                }
            }
        }
        let leftovers = leftovers.into_iter().collect();
        remove_leftovers(&routes.host, &mut routes.journal, leftovers).await;
        Ok(routes)
    }

    /// Takes in another configuration. What is in both stays as it is, whichever virtual router has it
    /// now; the rest is removed, and what is new is added with the next [`Self::arrive`].
    pub(super) async fn replan(&mut self, plan: &Plan) {
        let mut former = std::mem::take(&mut self.lists);
        self.lay_out(plan);
        let statics = former.pop();
        let wanted: Vec<bool> = former.iter().map(|list| list.wanted).collect();
        let mut pool: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for list in former.into_iter().chain(statics) {
            let is_there = |item: &Item| item.state != State::Absent || item.fixture().is_some();
            for item in list.items.into_iter().filter(is_there) {
                pool.entry(item.thing.to_string()).or_default().push(item);
            }
        }
        // What is there because of us is what the next owner of the same should have.
        pool.values_mut().for_each(|same| same.sort_by_key(|item| item.fixture().is_some()));
        for (router, list) in self.lists.iter_mut().enumerate() {
            list.wanted |= wanted.get(router).is_some_and(|wanted| *wanted);
            for item in list.items.iter_mut().filter(|_| list.wanted) {
                if let Some(former) = pool.get_mut(&item.thing.to_string()).and_then(Vec::pop) {
                    *item = former;
                }
            }
        }
        let left = pool.values().flatten();
        let superfluous = left.filter_map(Item::fixture).cloned().collect();
        let superfluous = item::hand_on(self.wanted_items(), superfluous);
        if !superfluous.is_empty() {
            lift(&self.host, &mut self.journal, superfluous).await;
        }
    }

    fn lay_out(&mut self, plan: &Plan) {
        // A number that no virtual router has keeps its place.
        let routers = (0..plan.routers.end()).map(|router| match plan.routers.get(router) {
            Some(instance) => List {
                name: instance.name.clone(),
                wanted: false,
                items: item::of_instance(instance),
            },
            None => List { name: String::new(), wanted: false, items: Vec::new() },
        });
        let statics =
            List { name: String::new(), wanted: true, items: item::of_statics(plan.statics()) };
        self.lists = routers.chain([statics]).collect();
        self.groups.clone_from(&plan.statics().track_groups);
        self.listen();
    }

    /// Has the kernel tell of what may concern the routes and rules there are.
    fn listen(&mut self) {
        let mut interest = RouteInterest::default();
        let items = || self.lists.iter().flat_map(|list| &list.items);
        items().for_each(|item| item.thing.add_to(&mut interest));
        match &self.news {
            Some(news) => news.restrict(&interest),
            None if items().next().is_none() => {}
            None => match RoutingNews::watch(&self.host, &interest) {
                Ok(news) => self.news = Some(news),
                Err(reason) => {
                    warn!("routes and rules that somebody removes are not missed: {reason}");
                }
            },
        }
    }

    /// Takes in the interfaces as they are now, and adds what is static.
    pub(super) async fn take_in(&mut self, links: &[Link]) {
        if self.count(links).await {
            self.reconsider(Suspicion::Moved);
        }
        let statics = self.lists.len().saturating_sub(1);
        self.add_from(statics).await;
    }

    /// `true` if they are others than they were.
    async fn count(&mut self, links: &[Link]) -> bool {
        let interfaces = links.iter().map(|link| (link.name.clone(), link.index)).collect();
        let up: BTreeSet<u32> =
            links.iter().filter(|link| link.up).map(|link| link.index).collect();
        let things = || self.lists.iter().flat_map(|list| &list.items).map(|item| &item.thing);
        let vrfs = if things().any(item::Thing::names_vrf) {
            self.host.vrf_tables().await.unwrap_or_else(|reason| {
                warn!("{reason}");
                self.numbers.vrfs.clone()
            })
        } else {
            BTreeMap::new()
        };
        let numbers = Numbers { interfaces, vrfs };
        let changed = self.numbers != numbers || self.up != up;
        (self.numbers, self.up) = (numbers, up);
        changed
    }

    /// Takes in what has happened to an interface or an address.
    pub(super) fn notice(&mut self, change: &Change) {
        match change {
            Change::LinkChanged { index, name, up, .. } => {
                let known = self.numbers.interfaces.get(name) == Some(index);
                let was_up = self.up.contains(index);
                if known && was_up == *up {
                    return;
                }
                self.numbers.interfaces.retain(|_, own| own != index);
                self.numbers.interfaces.insert(name.clone(), *index);
                if *up {
                    self.up.insert(*index);
                    return self.reconsider(Suspicion::Moved);
                }
                self.up.remove(index);
            }
            Change::LinkGone(index) => {
                self.numbers.interfaces.retain(|_, own| own != index);
                self.up.remove(index);
            }
            // A gateway may be reached now.
            Change::AddressAdded { .. } => {
                return self.wanted_items().for_each(Item::hurry);
            }
            // The last IPv4 address of an interface takes all its routes along, and any one those
            // that have it for their source.
            Change::AddressRemoved { address, .. } => {
                for item in self.wanted_items().filter(|item| item.thing.has_source(*address)) {
                    item.suspect(Suspicion::Sourceless);
                }
            }
            Change::Resync => return self.reconsider(Suspicion::Unseen),
        }
        self.suspect_all(Suspicion::Moved);
    }

    fn suspect_all(&mut self, suspicion: Suspicion) {
        for item in self.wanted_items() {
            item.suspect(suspicion);
        }
    }

    /// The same where it may also help what is not there.
    fn reconsider(&mut self, suspicion: Suspicion) {
        self.wanted_items().for_each(Item::hurry);
        self.suspect_all(suspicion);
    }

    fn wanted_items(&mut self) -> impl Iterator<Item = &mut Item> {
        self.lists.iter_mut().filter(|list| list.wanted).flat_map(|list| &mut list.items)
    }

    /// Waits until something is to be added again with [`Self::arrive`].
    pub(super) async fn disturbed(&mut self) {
        loop {
            let wanted = self.lists.iter().filter(|list| list.wanted).flat_map(|list| &list.items);
            let due = wanted.filter_map(Item::next_try).min();
            if due.is_some_and(|due| due <= Instant::now()) {
                return;
            }
            let news = self.news.as_mut();
            let next = async {
                match news {
                    Some(news) => news.next().await,
                    None => std::future::pending().await,
                }
            };
            let change = tokio::select! {
                change = next => change,
                () = until(due) => return,
            };
            match change {
                Some(change) => self.note(&change),
                None => {
                    warn!("the kernel tells no more of routes and rules that are removed");
                    self.news = None;
                }
            }
            // One batch for all that has happened by now.
            while let Some(news) = &mut self.news
                && let Some(Some(change)) = news.next().now_or_never()
            {
                self.note(&change);
            }
        }
    }

    fn note(&mut self, change: &RoutingChange) {
        let (place, is_gone) = match change {
            RoutingChange::Gone(place) => (place, true),
            RoutingChange::Come(place) => (place, false),
            RoutingChange::Resync => return self.reconsider(Suspicion::Unseen),
        };
        for list in self.lists.iter_mut().filter(|list| list.wanted) {
            for item in &mut list.items {
                if item.thing.may_depend_on(place) {
                    item.hurry();
                }
                if is_gone && item.is_at(place) && item.suspect(Suspicion::Removed) {
                    let label = label(&list.name);
                    warn!("{label}{} is removed again and again; it waits a while", item.thing);
                }
            }
        }
    }

    /// Why a virtual router must not take part.
    pub(super) fn fault(&self, router: RouterId) -> Option<String> {
        let (statics, routers) = self.lists.split_last()?;
        let name = &routers.get(router)?.name;
        let of_group = |group: &str| {
            let groups = self.groups.iter().filter(|own| own.name == group);
            groups.flat_map(|own| &own.members).any(|member| member == name)
        };
        let missing = statics.items.iter().find(|item| {
            item.state == State::Absent
                && item.complaint.is_some()
                && item.thing.group().is_some_and(of_group)
        })?;
        let reason = missing.complaint.as_deref().unwrap_or_default();
        Some(format!("the static {} is not there: {reason}", missing.thing))
    }

    /// Removes what belongs to routers that do not serve, before their addresses.
    pub(super) async fn leave(&mut self, serves: impl Fn(RouterId) -> bool) {
        let statics = self.lists.len().saturating_sub(1);
        for (router, list) in self.lists.iter_mut().take(statics).enumerate() {
            list.wanted &= serves(router);
        }
        self.withdraw().await;
    }

    /// Has what belongs to those routers added with the next [`Self::arrive`].
    pub(super) fn enter(&mut self, routers: &BTreeSet<RouterId>) {
        let statics = self.lists.len().saturating_sub(1);
        for (router, list) in self.lists.iter_mut().take(statics).enumerate() {
            list.wanted |= routers.contains(&router);
        }
    }

    /// Removes what is static.
    pub(super) async fn end(&mut self) {
        self.lists.iter_mut().for_each(|list| list.wanted = false);
        self.withdraw().await;
    }

    async fn withdraw(&mut self) {
        let unwanted = self.lists.iter().filter(|list| !list.wanted).flat_map(|list| &list.items);
        let fixtures = unwanted.filter_map(Item::fixture).cloned().collect();
        let fixtures = item::hand_on(self.wanted_items(), fixtures);
        let left = if fixtures.is_empty() {
            BTreeSet::new()
        } else {
            lift(&self.host, &mut self.journal, fixtures).await
        };
        for item in
            self.lists.iter_mut().filter(|list| !list.wanted).flat_map(|list| &mut list.items)
        {
            if item.fixture().is_none_or(|fixture| !left.contains(fixture)) {
                item.reset();
            }
        }
    }

    /// Adds what is to be there and is not, after the addresses of the routers that have become
    /// Active; asks of what is suspected to be gone. `true` if [`Self::fault`] may tell something
    /// else than before.
    pub(super) async fn arrive(&mut self) -> bool {
        self.add_from(0).await
    }

    /// The same for the list of this number and those behind it.
    async fn add_from(&mut self, first: usize) -> bool {
        self.wanted_items().for_each(Item::want);
        let now = Instant::now();
        let (mut due, mut lost) = (Vec::new(), Vec::new());
        let mut changed = false;
        let lists = self.lists.iter_mut().enumerate().skip(first);
        for (list, own) in lists.filter(|(_, own)| own.wanted) {
            for (at, item) in own.items.iter_mut().enumerate() {
                if item.next_try().is_none_or(|at| at > Instant::now()) {
                    continue;
                }
                match item.thing.place(&self.numbers) {
                    Ok(placement) => due.push(Due { list, at, placement }),
                    Err(reason) => {
                        changed |= item.thing.group().is_some();
                        if item.complain(reason.to_string(), now) {
                            warn!("{}{} is not there: {reason}", label(&own.name), item.thing);
                        }
                        // On an interface that has another name now it would stay.
                        lost.extend(item.take_rest());
                    }
                }
            }
        }
        let lost = item::hand_on(self.wanted_items(), lost);
        if !lost.is_empty() {
            lift(&self.host, &mut self.journal, lost).await;
        }
        if due.is_empty() {
            return changed;
        }
        self.clear_the_way(&due).await;
        let new = due.iter().map(|due| due.placement.fixture());
        if let Err(reason) = self.journal.record(new) {
            warn!("{reason}; after a crash the next start would not know of the routes");
        }
        let laid = self.lay(&due).await;
        let mut not_ours = Vec::new();
        for (due, laid) in due.iter().zip(laid) {
            let list = &mut self.lists[due.list];
            let item = &mut list.items[due.at];
            changed |= item.thing.group().is_some();
            let fixture = due.placement.fixture();
            if !take_answer(&label(&list.name), item, fixture.clone(), laid, now) {
                not_ours.push(fixture);
            }
        }
        let items = self.lists.iter().flat_map(|list| &list.items);
        let held: BTreeSet<&Fixture> = if not_ours.is_empty() {
            BTreeSet::new()
        } else {
            items.filter_map(Item::fixture).collect()
        };
        let not_ours = not_ours.iter().filter(|fixture| !held.contains(fixture));
        if let Err(reason) = self.journal.forget(not_ours) {
            warn!("{reason}");
        }
        changed
    }

    /// Writes down what there was no room for before.
    pub(in crate::daemon) fn write_down(&mut self) {
        if let Err(reason) = self.journal.forget([]) {
            warn!("{reason}; after a crash the next start would not know of the routes");
        }
    }

    /// Removes what is left of things whose interface is another one now, and of those that are not
    /// whole.
    async fn clear_the_way(&mut self, due: &[Due]) {
        let stale = due.iter().filter_map(|due| {
            let item = &self.lists[due.list].items[due.at];
            let fixture = item.fixture()?;
            (*fixture != due.placement.fixture() || item.is_in_pieces()).then(|| fixture.clone())
        });
        let stale: Vec<Fixture> = stale.collect();
        if !stale.is_empty() {
            lift(&self.host, &mut self.journal, stale).await;
        }
    }

    async fn lay(&self, due: &[Due]) -> Vec<Laid> {
        let (mut placed, mut directives) = (Vec::new(), Vec::new());
        for due in due {
            match &due.placement {
                Placement::Address(own) => placed.push(own.clone()),
                Placement::Routing(own) => directives.push(own.clone()),
            }
        }
        // Rules come last: what they lead to is there.
        let mut order: Vec<usize> = (0..directives.len()).collect();
        order.sort_by_key(|at| directives[*at].sort());
        let added = self.host.add_addresses(&placed).await;
        let sorted: Vec<_> = order.iter().map(|at| directives[*at].clone()).collect();
        let mut routing: Vec<(usize, Laid)> =
            order.into_iter().zip(self.host.lay(&sorted).await).collect();
        routing.sort_by_key(|(at, _)| *at);
        let mut routing = routing.into_iter().map(|(_, laid)| laid);
        let answer = |due: &Due| match &due.placement {
            Placement::Address(own) => address_answer(own, &added),
            Placement::Routing(_) => {
                routing.next().unwrap_or(Laid::Refused(host::Error::ConnectionLost))
            }
        };
        due.iter().map(answer).collect()
    }
}

/// A thing that a request is made for.
struct Due {
    list: usize,
    at: usize,
    placement: Placement,
}

fn address_answer(placed: &Placed, added: &host::Added) -> Laid {
    if added.present.contains(placed) {
        return Laid::Present;
    }
    let failed = added.failed.iter().find(|(own, _)| own == placed);
    failed.map_or(Laid::Added, |(_, reason)| Laid::Refused(reason.clone()))
}

/// `false` when it is not there because of us.
fn take_answer(label: &str, item: &mut Item, fixture: Fixture, laid: Laid, now: Instant) -> bool {
    let suspicion = item.suspicion.take();
    match laid {
        Laid::Added => {
            if let Some(seen) = suspicion {
                warn!("{label}{} was missing: {seen}; added again", item.thing);
                item.count_mending(now);
            } else if item.complaint.is_some() {
                info!("{label}{} is there now", item.thing);
            }
            item.arrive(fixture, true);
            true
        }
        Laid::Present => {
            if item.state == State::Absent {
                debug!("{label}{} was there before", item.thing);
            }
            item.arrive(fixture, false);
            item.fixture().is_some()
        }
        Laid::Refused(_) if item.state != State::Absent => {
            // Its gateway or its source may be on the way, too.
            item.wait_a_moment(suspicion, now);
            false
        }
        Laid::Refused(reason) => {
            if item.complain(reason.to_string(), now) {
                error!("{label}{} is not there: {reason}", item.thing);
            }
            false
        }
    }
}

/// Whose it is, as it stands in front of a line of the log.
fn label(name: &str) -> String {
    if name.is_empty() { "static ".to_owned() } else { format!("({name}) ") }
}
