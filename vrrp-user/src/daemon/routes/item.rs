//! One line of the configuration that is to be on the host, and what has become of it.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::super::patience::Patience;
use crate::{
    config::{Instance, Place, Route, Rule, Statics, Tracking, VirtualAddress},
    host::{Directive, Fixture, Numbers, Placed, RouteInterest, RoutingPlace, Unready},
};

/// So many times in [`WINDOW`] a thing is added again: whoever removes it may be a program that does
/// so whenever it sees it.
const MOST: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// A thing and its state.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) thing: Thing,
    pub(super) state: State,
    /// What was there because of us, and may still be: all that is known is that the kernel has refused
    /// to add it once more. It keeps a route where it would not take it.
    rest: Option<Fixture>,
    /// Why it may not be there any more.
    pub(super) suspicion: Option<Suspicion>,
    /// When it is tried again at the latest, where it is not there.
    pub(super) retry: Option<Instant>,
    /// How often in a row it was refused, where it was.
    patience: Option<Patience>,
    /// Why it is not there, as the log has it already.
    pub(super) complaint: Option<String>,
    /// When it was added again.
    mended: VecDeque<Instant>,
}

/// What a line describes. Where it stands in the file is left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Thing {
    Address(VirtualAddress),
    Route(Route),
    Rule(Rule),
}

/// Whether it is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Absent,
    /// Because of us.
    Ours(Fixture),
    /// It was there before: not to be removed, unless it is because of us for another virtual router.
    Others(Fixture),
}

/// What has been seen that may have removed a thing. Of two, the later one here counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Suspicion {
    /// Nobody has looked for a while.
    Unseen,
    /// An interface or an address has changed, and may have taken it along.
    Moved,
    /// Somebody has removed one from its place.
    Removed,
    /// Somebody has removed its source address. The kernel removes an IPv4 route then; one of IPv6
    /// stays, without that address.
    Sourceless,
}

/// A thing in the form in which it is added.
#[derive(Clone, Debug)]
pub(super) enum Placement {
    Address(Placed),
    Routing(Directive),
}

impl Placement {
    pub(super) fn fixture(&self) -> Fixture {
        match self {
            Self::Address(placed) => Fixture::Address(placed.owned()),
            Self::Routing(directive) => Fixture::Routing(directive.clone()),
        }
    }
}

/// What an instance has besides its addresses, in the order in which it is added.
pub(super) fn of_instance(instance: &Instance) -> Vec<Item> {
    let routes = instance.routes.iter().map(Thing::route);
    routes.chain(instance.rules.iter().map(Thing::rule)).map(Item::new).collect()
}

/// What is static, in the order in which it is added.
pub(super) fn of_statics(statics: &Statics) -> Vec<Item> {
    let addresses = statics.addresses.iter().map(Thing::address);
    let routes = statics.routes.iter().map(Thing::route);
    let rules = statics.rules.iter().map(Thing::rule);
    addresses.chain(routes).chain(rules).map(Item::new).collect()
}

/// Leaves to the `wanted` what they have, too, and returns the rest of `fixtures`.
pub(super) fn hand_on<'a>(
    wanted: impl Iterator<Item = &'a mut Item>,
    mut fixtures: Vec<Fixture>,
) -> Vec<Fixture> {
    let mut held = BTreeSet::new();
    for item in wanted {
        if let State::Others(own) = &item.state
            && fixtures.contains(own)
        {
            item.state = State::Ours(own.clone());
        }
        held.extend(item.fixture().cloned());
    }
    fixtures.retain(|fixture| !held.contains(fixture));
    fixtures
}

impl Thing {
    fn address(address: &VirtualAddress) -> Self {
        Self::Address(VirtualAddress { span: Place::default(), ..address.clone() })
    }

    fn route(route: &Route) -> Self {
        Self::Route(Route { span: Place::default(), ..route.clone() })
    }

    fn rule(rule: &Rule) -> Self {
        Self::Rule(Rule { span: Place::default(), ..rule.clone() })
    }

    /// In the form in which it is added, on a host with these interfaces.
    pub(super) fn place(&self, numbers: &Numbers) -> Result<Placement, Unready> {
        match self {
            Self::Address(address) => {
                let interface = address.device.clone().unwrap_or_default();
                match numbers.interfaces.get(&interface) {
                    Some(&index) => {
                        let address = address.clone();
                        Ok(Placement::Address(Placed { index, interface, address }))
                    }
                    None => Err(Unready::Interface(interface)),
                }
            }
            Self::Route(route) => Directive::route(route, numbers).map(Placement::Routing),
            Self::Rule(rule) => Directive::rule(rule).map(Placement::Routing),
        }
    }

    /// True when it is added again where somebody removes it. With `no_track` it is not; that word
    /// has to stand also where keepalived could not track it anyway, and there it means nothing. A
    /// route that expires is to go.
    fn heals(&self) -> bool {
        match self {
            Self::Address(address) => address.options.tracking != Tracking::Off,
            Self::Route(route) => {
                let keepalived_tracks = matches!(&route.hops[..], [only] if only.device.is_some());
                route.expires.is_none() && (route.tracking != Tracking::Off || !keepalived_tracks)
            }
            Self::Rule(rule) => rule.tracking != Tracking::Off,
        }
    }

    /// The track group that it is in.
    pub(super) fn group(&self) -> Option<&str> {
        let tracking = match self {
            Self::Address(address) => &address.options.tracking,
            Self::Route(route) => &route.tracking,
            Self::Rule(rule) => &rule.tracking,
        };
        match tracking {
            Tracking::Group(name) => Some(name),
            Tracking::On | Tracking::Off => None,
        }
    }

    /// True for a route that has this source address.
    pub(super) fn has_source(&self, address: IpAddr) -> bool {
        matches!(self, Self::Route(route) if route.source == Some(address))
    }

    /// True for a route to that place, or with a gateway that may be reached by the one there: where the
    /// kernel has refused it, what happens there may help.
    pub(super) fn may_depend_on(&self, place: &RoutingPlace) -> bool {
        let (Self::Route(route), RoutingPlace::Route { destination, .. }) = (self, place) else {
            return false;
        };
        let own = (route.destination.address, route.destination.length);
        own == *destination || gateways(route).any(|gateway| leads_to(*destination, gateway))
    }

    /// Adds the routes that there has to be news of.
    pub(super) fn add_to(&self, interest: &mut RouteInterest) {
        if let Self::Route(route) = self {
            let destination = route.destination;
            interest.destinations.insert((destination.address, destination.length));
            interest.gateways.extend(gateways(route));
        }
    }

    pub(super) const fn names_vrf(&self) -> bool {
        matches!(self, Self::Route(Route { vrf: Some(_), .. }))
    }
}

fn gateways(route: &Route) -> impl Iterator<Item = IpAddr> {
    route.hops.iter().filter_map(|hop| hop.gateway)
}

fn leads_to((destination, length): (IpAddr, u8), address: IpAddr) -> bool {
    let differ = match (destination, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= length.into()
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address `{address}`"),
            Self::Route(route) => write!(f, "route `{route}`"),
            Self::Rule(rule) => write!(f, "rule `{rule}`"),
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unseen => "it went while nobody looked",
            Self::Removed => "somebody has removed it",
            Self::Moved => "it went with an interface or an address",
            Self::Sourceless => "its source address has been removed",
        })
    }
}

impl Item {
    fn new(thing: Thing) -> Self {
        Self {
            thing,
            state: State::Absent,
            rest: None,
            suspicion: None,
            retry: None,
            patience: None,
            complaint: None,
            mended: VecDeque::new(),
        }
    }

    /// What of it is, or may be, there because of us.
    pub(super) const fn fixture(&self) -> Option<&Fixture> {
        match &self.state {
            State::Ours(fixture) => Some(fixture),
            State::Absent => self.rest.as_ref(),
            State::Others(_) => None,
        }
    }

    /// Notes that it is there, `added` because of us now or else before.
    pub(super) fn arrive(&mut self, fixture: Fixture, added: bool) {
        let rest = self.rest.take();
        match &self.state {
            _ if added || rest.as_ref() == Some(&fixture) => self.state = State::Ours(fixture),
            State::Absent => self.state = State::Others(fixture),
            State::Ours(_) | State::Others(_) => {}
        }
        (self.retry, self.patience, self.complaint) = (None, None, None);
    }

    /// Notes that it is not there, and keeps what may be.
    fn lose(&mut self) {
        self.rest = self.fixture().cloned();
        self.state = State::Absent;
    }

    /// What may be there and is to go: it cannot belong there any more.
    pub(super) const fn take_rest(&mut self) -> Option<Fixture> {
        self.rest.take()
    }

    /// Takes in that something has happened that may help, where it is not there.
    pub(super) fn hurry(&mut self) {
        if let (State::Absent, Some(patience)) = (&self.state, self.patience) {
            self.retry = self.retry.map(|retry| retry.min(patience.soonest()));
        }
    }

    /// Takes in what has been seen. `true` where nothing is done about it for a while, and that is
    /// news: it has been removed too often.
    pub(super) fn suspect(&mut self, suspicion: Suspicion) -> bool {
        if self.state == State::Absent || !self.thing.heals() {
            return false;
        }
        let former = self.suspicion;
        self.suspicion = former.max(Some(suspicion));
        former.is_none() && self.pause_over().is_some_and(|over| over > Instant::now())
    }

    /// Until when it is not added again, or was not.
    fn pause_over(&self) -> Option<Instant> {
        let first = self.mended.front().filter(|_| self.mended.len() >= MOST);
        first.map(|first| *first + WINDOW)
    }

    /// True when what has been removed from there may have been this.
    pub(super) fn is_at(&self, place: &RoutingPlace) -> bool {
        match &self.state {
            State::Ours(Fixture::Routing(own)) | State::Others(Fixture::Routing(own)) => {
                own.place() == place
            }
            State::Ours(Fixture::Address(_)) | State::Others(Fixture::Address(_)) => false,
            State::Absent => false,
        }
    }

    /// When the request to add it is due, which also asks whether it is there; `None` where all is
    /// well.
    pub(super) fn next_try(&self) -> Option<Instant> {
        if self.state == State::Absent {
            return self.retry;
        }
        let now = Instant::now();
        self.suspicion.map(|_| self.pause_over().map_or(now, |over| now.max(over)))
    }

    /// Notes that it had to be added again.
    pub(super) fn count_mending(&mut self, now: Instant) {
        if self.mended.len() >= MOST {
            self.mended.pop_front();
        }
        self.mended.push_back(now);
    }

    /// Notes that it has gone, and cannot be added again at once.
    pub(super) fn wait_a_moment(&mut self, suspicion: Option<Suspicion>, now: Instant) {
        self.lose();
        self.suspicion = suspicion;
        self.refuse(now);
    }

    fn refuse(&mut self, now: Instant) {
        let patience = Patience::after(self.patience, now);
        (self.patience, self.retry) = (Some(patience), Some(patience.next()));
    }

    /// Notes that it is not there, for this reason; `true` where that is news.
    pub(super) fn complain(&mut self, reason: String, now: Instant) -> bool {
        self.lose();
        self.suspicion = None;
        self.refuse(now);
        let is_news = self.complaint.as_ref() != Some(&reason);
        self.complaint = Some(reason);
        is_news
    }

    /// Has it added with the next batch.
    pub(super) fn want(&mut self) {
        if self.state == State::Absent {
            self.retry.get_or_insert_with(Instant::now);
        }
    }

    /// Forgets all about it.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.thing.clone());
    }

    /// True when the rest of it has to go first, because the kernel would take it for the whole:
    /// several ways of IPv6 are several routes, and one that has lost its source is the same route.
    pub(super) fn is_in_pieces(&self) -> bool {
        let Thing::Route(route) = &self.thing else { return false };
        let is_partial = match self.suspicion {
            Some(Suspicion::Sourceless) => true,
            Some(Suspicion::Removed) => route.hops.len() > 1,
            Some(Suspicion::Unseen | Suspicion::Moved) | None => false,
        };
        is_partial && route.destination.address.is_ipv6()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn items(lines: &str) -> Vec<Item> {
        let statics = config::parse("test.conf", lines.as_bytes()).config.unwrap().statics;
        of_statics(&statics)
    }

    /// An item that is there because of us.
    fn placed(line: &str) -> Item {
        let mut item = items(&format!("static_routes {{\n{line}\n}}\n")).remove(0);
        let interfaces = [("eth0".to_owned(), 7)].into();
        let numbers = Numbers { interfaces, ..Numbers::default() };
        item.state = State::Ours(item.thing.place(&numbers).unwrap().fixture());
        item
    }

    fn is_due(item: &Item) -> bool {
        item.next_try().is_some_and(|at| at <= Instant::now())
    }

    /// Issue 6, pain 4: what is removed is due at once, ten times in ten seconds.
    #[test]
    fn mending_is_limited() {
        let mut item = placed("10.0.0.0/8 dev eth0");
        assert_eq!(item.next_try(), None);
        for _ in 0..MOST {
            assert!(!item.suspect(Suspicion::Removed));
            assert!(is_due(&item));
            item.suspicion = None;
            item.count_mending(Instant::now());
        }
        assert!(item.suspect(Suspicion::Removed));
        assert!(!is_due(&item));
        let pause = item.next_try().unwrap() - Instant::now();
        assert!(pause > WINDOW / 2 && pause <= WINDOW, "{pause:?}");
        // It is told once.
        assert!(!item.suspect(Suspicion::Removed));
    }

    /// keywords `no_track`, `expires`: such a route stays away. What keepalived could not track anyway
    /// does not.
    #[test]
    fn what_heals() {
        for (line, heals) in [
            ("10.0.0.0/8 dev eth0", true),
            ("10.0.0.0/8 dev eth0 no_track", false),
            ("10.0.0.0/8 via 10.0.0.1", true),
            ("blackhole 10.0.0.0/8 no_track", true),
            ("2001:db8::/32 dev eth0 expires 10", false),
        ] {
            let mut item = placed(line);
            item.suspect(Suspicion::Removed);
            assert_eq!(is_due(&item), heals, "{line}");
        }
    }

    /// Issue 6: what the kernel refuses is tried again after pauses that grow, sooner when something has
    /// happened that may help, and the log says so once.
    #[test]
    fn refusals() {
        let route = "static_routes {\n10.0.0.0/8 via 192.0.2.9\n}\n";
        let mut item = items(route).remove(0);
        item.want();
        assert!(is_due(&item));
        let refused = Instant::now();
        assert!(item.complain("no".to_owned(), refused));
        for _ in 0..20 {
            assert!(!item.complain("no".to_owned(), refused));
        }
        let after = |millis| Some(refused + Duration::from_millis(millis));
        assert_eq!(item.next_try(), after(10_000));
        item.suspect(Suspicion::Moved);
        assert_eq!(item.next_try(), after(10_000));
        item.hurry();
        assert_eq!(item.next_try(), after(100));
        assert!(item.complain("another".to_owned(), refused));
        assert_eq!(item.next_try(), after(10_000));
        item.arrive(placed("10.0.0.0/8 dev eth0").fixture().unwrap().clone(), true);
        item.complain("no".to_owned(), refused);
        assert_eq!(item.next_try(), after(20));
    }

    /// Issue 6: only what happens on the way to its gateway, or at its own place, can help a route.
    #[test]
    fn what_can_help() {
        let things = items("static_routes {\n10.0.0.0/8 via 192.0.2.9\n}\n");
        let depends = |destination: &str| {
            let (address, length) = destination.split_once('/').unwrap();
            let destination = (address.parse().unwrap(), length.parse().unwrap());
            things[0].thing.may_depend_on(&RoutingPlace::Route { table: 254, destination })
        };
        for way in ["10.0.0.0/8", "192.0.2.0/24", "192.0.2.9/32", "0.0.0.0/0"] {
            assert!(depends(way), "{way}");
        }
        for other in ["10.0.0.0/9", "192.0.3.0/24", "192.0.2.8/32", "::/0"] {
            assert!(!depends(other), "{other}");
        }
        let rule = RoutingPlace::Rule { ipv6: false, preference: 500 };
        assert!(!things[0].thing.may_depend_on(&rule));
    }

    /// Issue 6, keyword `src`: an IPv6 route whose source address goes has to go before it is added again,
    /// whatever else has been seen; one with several ways where one of them goes, not where nobody knows.
    #[test]
    fn what_has_to_go_first() {
        let source = "2001:db8::1".parse().unwrap();
        let sourced = "2001:db8:1::/48 dev eth0 src 2001:db8::1";
        let ways =
            "2001:db8:1::/48 nexthop via 2001:db8::a dev eth0 nexthop via 2001:db8::b dev eth0";
        use Suspicion::{Moved, Removed, Sourceless, Unseen};
        for (line, has_source, seen, in_pieces) in [
            (sourced, true, vec![Moved], false),
            (sourced, true, vec![Removed], false),
            (sourced, true, vec![Moved, Sourceless, Removed], true),
            ("10.0.0.0/8 dev eth0 src 10.0.0.1", false, vec![Sourceless], false),
            (ways, false, vec![Unseen, Moved], false),
            (ways, false, vec![Moved, Removed, Moved], true),
        ] {
            let mut item = placed(line);
            assert_eq!(item.thing.has_source(source), has_source, "{line}");
            for suspicion in &seen {
                item.suspect(*suspicion);
            }
            assert_eq!(item.is_in_pieces(), in_pieces, "{line}: {seen:?}");
            assert!(is_due(&item));
        }
    }

    /// Issue 6: what one virtual router no longer wants stays for all others that do, whichever of them
    /// has added it last.
    #[test]
    fn shared_by_several() {
        let line = "10.0.0.0/8 dev eth0";
        let (mut owner, mut other) = (placed(line), placed(line));
        let shared = owner.fixture().unwrap().clone();
        let alone = placed("10.1.0.0/16 dev eth0").fixture().unwrap().clone();
        other.state = State::Others(shared.clone());
        for _ in 0..2 {
            let leaving = vec![shared.clone(), alone.clone(), shared.clone()];
            let left = hand_on([&mut owner, &mut other].into_iter(), leaving);
            assert_eq!(left, std::slice::from_ref(&alone));
            assert_eq!(other.state, State::Ours(shared.clone()));
        }
        assert_eq!(hand_on([].into_iter(), vec![shared.clone()]), [shared]);
    }

    /// Issue 6: what the kernel refuses to add again may still be there, and is ours to remove until it
    /// is known to be somebody else's.
    #[test]
    fn what_is_refused_may_be_there() {
        let mut item = placed("10.0.0.0/8 dev eth0");
        let own = item.fixture().unwrap().clone();
        let now = Instant::now();
        item.wait_a_moment(Some(Suspicion::Moved), now);
        item.complain("unreachable".to_owned(), now);
        item.complain("unreachable".to_owned(), now);
        assert_eq!((&item.state, item.fixture()), (&State::Absent, Some(&own)));
        item.arrive(own.clone(), false);
        assert_eq!((&item.state, item.retry), (&State::Ours(own.clone()), None));

        item.complain("no such interface".to_owned(), now);
        assert_eq!(item.take_rest(), Some(own.clone()));
        assert_eq!(item.fixture(), None);
        item.arrive(own.clone(), false);
        assert_eq!(item.state, State::Others(own));
        assert_eq!(item.fixture(), None);
    }

    /// Issue 6: a line that is elsewhere in the next file is the same.
    #[test]
    fn places_do_not_matter() {
        let route = "static_routes {\n10.0.0.0/8 dev eth0\n}\n";
        let (here, there) = (items(route), items(&format!("\n\n{route}")));
        assert_eq!(here[0].thing, there[0].thing);
    }
}
