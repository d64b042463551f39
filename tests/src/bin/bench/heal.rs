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
along, until that is added again at once; or with `ip link set down` and `up` 50 ms later.";
const FIGURES: [Figure; 2] =
    [("Longest time without an answer", "ms"), ("Takeovers of the BACKUP", "")];
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

/// What happens to a node; returns when the time counts from.
type Harm = fn(&Node) -> Result<SystemTime>;

/// Both daemons.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let mut tables = in_turn::tables(FIGURES, true);
    let works: [(&str, Harm); 4] = [
        ("ip addr del", delete),
        ("removed for 2 s", delete_again),
        ("ip addr flush dev", flush),
        ("ip link set down, up", switch),
    ];
    for (work, harm) in works {
        in_turn::measure(&mut tables, ("heal", work), scale.pick(2, 10), |daemon, _| {
            watched(|| one(daemon, harm))
        })?;
    }
    Ok(Section {
        name: "heal",
        title: "Addresses that somebody else removes",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(daemon: Daemon, harm: Harm) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    let pair = Pair::start(&lab, daemon, INTERVAL)?;
    lab.wait_for_answerer(&capture, Pair::VIP, 0, SETTLING)?;
    let _prober = Prober::start(lab.client(), Pair::VIP)?;
    let pinged = SystemTime::now();
    capture.expect("an answer", pinged, SETTLING, |seen| seen.is_ping_answer(Pair::VIP))?;
    thread::sleep(CALM);
    let takeovers = transitions(&pair.backup, "MASTER");
    let began = harm(lab.node(0))?;
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
