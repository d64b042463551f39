//! Addresses that somebody else removes.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use rig::{Capture, Daemon, Lab, Node, Prober};

use crate::{
    SETTLING, Scale,
    in_turn::{self, Figure, Figures},
    pair::{Pair, longest_gap},
    quiet::watched,
    result::Section,
    steady::transitions,
};

const TEXT: &str = "Somebody removes the address of the MASTER, with adverts each 100 ms, while a client \
pings it each millisecond: with `ip addr del`; again and again for two seconds, as systemd-networkd does, \
where the time counts from the last removal; with `ip addr flush dev`, which takes the source of the adverts \
along, until that is added again at once; or with `ip link set down` and `up` 50 ms later. Or it is its \
virtual route that somebody removes, without which the MASTER cannot answer. What is removed alone has to \
be back within 100 ms, and nobody takes over; without its source or its link the MASTER is in FAULT, and \
the limit is 100 ms more than the BACKUP waits: its skew after priority 0, 3 x advert_int + skew after \
nothing. Silence to the end, 3 s, is no recovery.";
const FIGURES: [Figure; 2] =
    [("Longest time without an answer", "ms"), ("Takeovers of the BACKUP", "")];
/// How long what was removed may be away.
const HEALING: Duration = Duration::from_millis(100);
const INTERVAL: Duration = Duration::from_millis(100);
/// With the pings, before anything happens.
const CALM: Duration = Duration::from_millis(300);
/// Until everything is as it was, after the last of it.
const AFTERMATH: Duration = Duration::from_secs(3);
/// How long an address is removed again and again, and how often.
const FLUSHING: Duration = Duration::from_secs(2);
const FLUSH_PERIOD: Duration = Duration::from_millis(20);
/// How long an interface is off.
const OFF: Duration = Duration::from_millis(50);

/// Of the virtual route, and before it there is something that answers nothing.
const TABLE: &str = "100";
const ROUTE: &str = "192.0.2.0/24";
const ROUTES: &str = "virtual_routes {\n        192.0.2.0/24 dev eth0 table 100\n    }";

/// What somebody does.
struct Work {
    name: &'static str,
    /// It is done to a node; returns when the time counts from.
    harm: fn(&Node) -> Result<SystemTime>,
    /// Whether the answers need a virtual route.
    routed: bool,
    /// How long the BACKUP waits, where the MASTER cannot go on.
    wait: Duration,
}

impl Work {
    fn all() -> [Self; 5] {
        let backup = Pair::config(Pair::LOWER, INTERVAL);
        let (skew, down) = (backup.skew_time(), backup.active_down_interval());
        [
            Self::mended("ip addr del", delete),
            Self::mended("removed for 2 s", delete_again),
            Self { routed: true, ..Self::mended("ip route del", delete_route) },
            Self { wait: skew, ..Self::mended("ip addr flush dev", flush) },
            Self { wait: down, ..Self::mended("ip link set down, up", switch) },
        ]
    }

    fn mended(name: &'static str, harm: fn(&Node) -> Result<SystemTime>) -> Self {
        Self { name, harm, routed: false, wait: Duration::ZERO }
    }

    fn limit(&self) -> Duration {
        self.wait + HEALING
    }
}

/// Both daemons.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let mut tables = in_turn::tables(FIGURES, true);
    for work in Work::all() {
        let name = format!("{}, limit {} ms", work.name, work.limit().as_millis());
        in_turn::measure(&mut tables, ("heal", &name), scale.pick(2, 10), |daemon, _| {
            watched(|| one(daemon, &work))
        })?;
    }
    Ok(Section {
        name: "heal",
        title: "Addresses and routes that somebody else removes",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(daemon: Daemon, work: &Work) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    if work.routed {
        for node in [lab.node(0), lab.node(1)] {
            let vip = Pair::VIP.to_string();
            node.namespace().ip(&["rule", "add", "from", &vip, "table", TABLE])?;
            node.namespace().ip(&["route", "add", "unreachable", "default", "table", TABLE])?;
        }
    }
    let pair = Pair::start_with(&lab, daemon, INTERVAL, if work.routed { ROUTES } else { "" })?;
    lab.wait_for_answerer(&capture, Pair::VIP, 0, SETTLING)?;
    let _prober = Prober::start(lab.client(), Pair::VIP)?;
    let pinged = SystemTime::now();
    capture.expect("an answer", pinged, SETTLING, |seen| seen.is_ping_answer(Pair::VIP))?;
    thread::sleep(CALM);
    let takeovers = transitions(&pair.backup, "MASTER");
    let began = (work.harm)(lab.node(0))?;
    thread::sleep(AFTERMATH);
    let ended = SystemTime::now();
    let seen = capture.seen_since(began).into_iter().filter(|seen| seen.at < ended);
    let answers = seen.filter(|seen| seen.is_ping_answer(Pair::VIP)).map(|seen| seen.at);
    let gap = longest_gap(began, answers, ended);
    Ok([Some(gap), Some((transitions(&pair.backup, "MASTER") - takeovers) as f64)])
}

fn delete(node: &Node) -> Result<SystemTime> {
    let now = SystemTime::now();
    let address = format!("{}/32", Pair::VIP);
    node.namespace().ip(&["addr", "del", &address, "dev", Node::INTERFACE])?;
    Ok(now)
}

fn delete_again(node: &Node) -> Result<SystemTime> {
    let start = SystemTime::now();
    let mut last = start;
    while start.elapsed()? < FLUSHING {
        // It may not be there.
        last = delete(node).unwrap_or(last);
        thread::sleep(FLUSH_PERIOD);
    }
    Ok(last)
}

fn delete_route(node: &Node) -> Result<SystemTime> {
    let now = SystemTime::now();
    let route = [ROUTE, "dev", Node::INTERFACE, "table", TABLE];
    node.namespace().ip(&[&["route", "del"], &route[..]].concat())?;
    Ok(now)
}

fn flush(node: &Node) -> Result<SystemTime> {
    let now = SystemTime::now();
    node.namespace().ip(&["addr", "flush", "dev", Node::INTERFACE])?;
    let source = format!("{}/24", node.address());
    node.namespace().ip(&["addr", "add", &source, "dev", Node::INTERFACE])?;
    Ok(now)
}

fn switch(node: &Node) -> Result<SystemTime> {
    let now = SystemTime::now();
    node.namespace().ip(&["link", "set", Node::INTERFACE, "down"])?;
    thread::sleep(OFF);
    node.namespace().ip(&["link", "set", Node::INTERFACE, "up"])?;
    Ok(now)
}
