//! Adverts and elections of a host whose processors are busy.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use rig::{Capture, Daemon, Flood, Lab, Mac, wire};

use crate::{
    Scale,
    hogs::Hogs,
    in_turn::{self, Figure, Figures},
    pair::{Pair, longest_gap},
    quiet::watched,
    result::Section,
};

const TEXT: &str = "MASTER and BACKUP run with an advert each 10 ms while other tasks keep all \
processors busy: loops, tied to the processors in turn, or stress-ng; in some rows the client floods \
the network with ARP requests for nobody from each processor, too, which is work for the kernel before \
any task. Counted are false failovers, and the longest time between two adverts of the MASTER at the \
client.";
const INTERVAL: Duration = Duration::from_millis(10);
/// What is busy, and whether the network is, too.
const LOADS: [(Hogs, bool); 8] = [
    (Hogs::None, false),
    (Hogs::Normal, false),
    (Hogs::Normal, true),
    (Hogs::Nice, false),
    (Hogs::Nice, true),
    (Hogs::Mixed, false),
    (Hogs::Mixed, true),
    (Hogs::Fifo, false),
];
const FIGURES: [Figure; 2] =
    [("False failovers", ""), ("Longest time between two adverts of the MASTER", "ms")];

/// Both daemons under each load.
///
/// # Errors
/// A lab cannot be made, or a router does not get into its state.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let window = Duration::from_secs(scale.pick(2, 60));
    let mut tables = in_turn::tables(FIGURES, false);
    for (hogs, is_flooded) in LOADS {
        let flood = if is_flooded { ", and a flood" } else { "" };
        let work = format!("{}{flood}, {} s", hogs.name(), window.as_secs());
        in_turn::measure(&mut tables, ("starve", &work), 1, |daemon, _| {
            watched(|| one(daemon, hogs, is_flooded, window))
        })?;
    }
    Ok(Section {
        name: "starve",
        title: "Busy processors",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(
    daemon: Daemon,
    hogs: Hogs,
    is_flooded: bool,
    window: Duration,
) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    let pair = Pair::start(&lab, daemon, INTERVAL)?;
    let began = SystemTime::now();
    let hogs = hogs.start(window)?;
    let floods = if is_flooded { floods(&lab)? } else { Vec::new() };
    thread::sleep(window);
    let ended = SystemTime::now();
    floods.into_iter().try_for_each(|flood| flood.end().map(drop))?;
    drop(hogs);
    let adverts = capture.seen_since(began).into_iter();
    let adverts = adverts.filter(|seen| seen.is_advert_of(lab.node(0)) && seen.at <= ended);
    let longest = longest_gap(began, adverts.map(|seen| seen.at), ended);
    Ok([pair.false_failovers() as f64, longest].map(Some))
}

/// One from each processor.
fn floods(lab: &Lab) -> Result<Vec<Flood>> {
    let client = lab.client();
    let nobody = Lab::address(250);
    let question = wire::arp_request(Mac::BROADCAST, (client.mac(), client.address()), nobody);
    let processors = 0..thread::available_parallelism()?.get();
    processors.map(|on| Flood::of_frames(client, vec![question.clone()], on)).collect()
}
