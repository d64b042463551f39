//! How long a start takes, and how much memory the daemon needs then.

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use rig::{Daemon, Lab, Process, Router, active_down_interval, ms_between};

use crate::{
    SETTLING, Scale,
    cost::Cost,
    in_turn::{self, Figure},
    many::Load,
    quiet::watched,
    result::Section,
};

const TEXT: &str = "The daemon is started with an advert each second and priority 200, 255 virtual \
routers with one address each on an interface, and there is nobody else: after three intervals and \
the skew, 3.219 s, it becomes MASTER of all. Measured is the time from its start to the kernel's \
notice of the last virtual address, less these 3.219 s, and what its processes have used by then.";
const PRIORITY: u8 = 200;
const MS: u64 = 1000;

const FIGURES: [Figure; 3] = [
    ("Last virtual address, over three intervals and the skew", "ms"),
    ("Memory of all processes, resident", "MiB"),
    ("Processor time up to the last address", "ms"),
];
type Figures = in_turn::Figures<{ FIGURES.len() }>;

/// Starts of both daemons with several numbers of virtual routers.
///
/// # Errors
/// A lab cannot be made, or an address does not come.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (routers, rounds) = scale.pick((&[255][..], 1), (&[255, 1020][..], 5));
    let mut tables = in_turn::tables(FIGURES, false);
    for routers in routers {
        let load = Load { routers: *routers, ms: MS };
        let work = format!("{routers} virtual routers");
        in_turn::measure(&mut tables, ("startup", &work), rounds, |daemon, _| {
            watched(|| one(daemon, load))
        })?;
    }
    Ok(Section { name: "startup", title: "Start", text: TEXT.into(), tables: tables.into() })
}

/// One start, without a peer.
fn one(daemon: Daemon, load: Load) -> Result<Figures> {
    let lab = Lab::new(2)?;
    let node = lab.node(0);
    let config = load.config(&load.interfaces(&lab)?, PRIORITY);
    let monitor = monitor(&lab)?;
    let router = Router::start(node, daemon, &config)?;
    let last = last_address(&monitor, router.started(), load.routers)?;
    // It is in the node, too.
    drop(monitor);
    let cost = Cost::of(node)?;
    let ideal = active_down_interval(3, load.advert_int(), PRIORITY);
    let late = ms_between(router.started() + ideal, last);
    Ok([late, cost.memory_kib as f64 / 1024.0, cost.processor_ns as f64 / 1e6].map(Some))
}

/// Prints a line for each address that comes or goes on the first node, as soon as the kernel says so.
fn monitor(lab: &Lab) -> Result<Process> {
    let mut command = Command::new("ip");
    command.args(["-n", lab.node(0).namespace().name(), "-4", "-o", "-rcvbuf", "8388608"]);
    command.args(["monitor", "address"]);
    let monitor = Process::spawn("ip monitor", command)?;
    // It says nothing when it is ready, so an address tells.
    let (probe, began) = ("203.0.113.1", SystemTime::now());
    let change = |what| lab.node(0).namespace().ip(&["addr", what, probe, "dev", "lo"]);
    while began.elapsed()? < SETTLING {
        change("add")?;
        change("del")?;
        if monitor.wait_for_line(began, probe, Duration::from_millis(50)).is_ok() {
            return Ok(monitor);
        }
    }
    bail!("`ip monitor` does not tell of addresses");
}

/// When the last of `count` virtual addresses was there.
fn last_address(monitor: &Process, since: SystemTime, count: u16) -> Result<SystemTime> {
    let mut times = Vec::new();
    let all = || {
        let lines = monitor.lines().into_iter();
        let added = |text: &str| text.contains("inet 198.18.") && !text.contains("Deleted");
        times = lines.filter(|it| it.at >= since && added(&it.text)).map(|it| it.at).collect();
        Ok(times.len() >= usize::from(count))
    };
    rig::wait_until("all virtual addresses", SETTLING, all)?;
    times.get(usize::from(count) - 1).copied().context("it was there")
}
