//! Adverts of a MASTER whose own traffic fills its interface.

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use rig::{Capture, Daemon, Flood, Lab, Node};

use crate::{
    Scale,
    in_turn::{self, Figure, Figures},
    pair::{Pair, longest_gap},
    quiet::watched,
    result::Section,
};

const TEXT: &str = "The MASTER's interface sends at most 100 Mbit/s (tbf, and pfifo_fast before it), and a \
process on its host sends 300 Mbit/s of UDP. An advert is due each 10 ms.";
const INTERVAL: Duration = Duration::from_millis(10);
/// With the UDP, before it is measured: its queue is full then.
const CALM: Duration = Duration::from_millis(500);
const PORT: u16 = 9;
const DATAGRAM: usize = 1372;
/// 300 Mbit/s with all headers.
const RATE: u32 = 300_000_000 / 8 / (DATAGRAM as u32 + 42);
const FIGURES: [Figure; 4] = [
    ("False failovers", ""),
    ("Longest time between two adverts of the MASTER", "ms"),
    ("Adverts that arrived, of those that were due", "%"),
    ("UDP offered", "Mbit/s"),
];

/// Both daemons.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let window = Duration::from_secs(scale.pick(3, 60));
    let mut tables = in_turn::tables(FIGURES, false);
    let work = format!("{} s", window.as_secs());
    in_turn::measure(&mut tables, ("egress", &work), 1, |daemon, _| {
        watched(|| one(daemon, window))
    })?;
    Ok(Section {
        name: "egress",
        title: "A saturated interface",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(daemon: Daemon, window: Duration) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    let pair = Pair::start(&lab, daemon, INTERVAL)?;
    let master = lab.node(0);
    let tbf = "root handle 1: tbf rate 100mbit burst 32k limit 2m";
    for qdisc in [tbf, "parent 1:1 handle 2: pfifo_fast"] {
        let add = ["tc", "qdisc", "add", "dev", Node::INTERFACE];
        let words: Vec<_> = add.into_iter().chain(qdisc.split(' ')).collect();
        master.run(&words)?;
    }
    // Somebody has to want the datagrams, or the client says that nobody does.
    let client = lab.client();
    let address = (client.address(), PORT);
    let _sink = client.namespace().enter(|| Ok(UdpSocket::bind(address)?))?;
    let udp = Flood::of_datagrams(master, address.into(), DATAGRAM, RATE)?;
    thread::sleep(CALM);
    let began = SystemTime::now();
    thread::sleep(window);
    let ended = SystemTime::now();
    let offered = udp.end()? * (DATAGRAM + 42) as f64 * 8.0 / 1e6;
    let adverts = capture.seen_since(began).into_iter();
    let adverts = adverts.filter(|seen| seen.is_advert_of(master) && seen.at <= ended);
    let adverts: Vec<_> = adverts.map(|seen| seen.at).collect();
    let share = adverts.len() as f64 * INTERVAL.as_secs_f64() / window.as_secs_f64() * 100.0;
    let longest = longest_gap(began, adverts.into_iter(), ended);
    Ok([pair.false_failovers() as f64, longest, share, offered].map(Some))
}
