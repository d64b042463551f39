//! A MASTER whose configuration is read again and again.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rig::{Daemon, Footprint, Lab, Router, Signal};
use rustix::process::Pid;

use crate::{
    SETTLING, Scale,
    cost::number,
    count::while_counting,
    in_turn::{self, Figure, Figures},
    many::{Load, name},
    result::Section,
    steady::transitions,
};

const TEXT: &str = "255 virtual routers as MASTER with an advert each 100 ms, and a BACKUP of the same \
kind. Each second another virtual address is added to one of them and taken from another one, and \
SIGHUP has the configuration read again; in the end the one without additions. An advert may be late by \
a tenth of the interval. Transitions are those in the logs of both; memory and descriptors are those of \
the process that does the work, and how many more there are at the end than after the first reloads, or \
than after half of them. The state of the network is what iproute2, bpftool, nft and sysctl show.";
const LOAD: Load = Load { routers: 255, ms: 100 };
const PERIOD: Duration = Duration::from_secs(1);
/// What is made once has been made by then.
const FIRST: u16 = 3;
/// Until whoever was told last has nothing more to do.
const CALM: Duration = Duration::from_secs(3);

const FIGURES: [Figure; 6] = [
    ("Longest time between two adverts of a virtual router", "ms"),
    ("Transitions", ""),
    ("Growth of memory", "kB"),
    ("Growth of memory in the second half", "kB"),
    ("Growth of descriptors", ""),
    ("Differences in the state of the network", ""),
];

/// Both daemons.
///
/// # Errors
/// A lab cannot be made, or a router does not get into its state.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (runs, reloads) = scale.pick((1, 5), (3, 60));
    let mut tables = in_turn::tables(FIGURES, true);
    let work = format!("{reloads} reloads");
    in_turn::measure(&mut tables, ("reload", &work), runs, |daemon, _| one(daemon, reloads))?;
    Ok(Section {
        name: "reload",
        title: "A configuration that is read again each second",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

/// What [`FIGURES`] says, and the foreign load.
fn one(daemon: Daemon, reloads: u16) -> Result<(Figures<{ FIGURES.len() }>, f64)> {
    let lab = Lab::new(2)?;
    let interfaces = LOAD.interfaces(&lab)?;
    let config = |priority| LOAD.config(&interfaces, priority);
    let master = Router::start(lab.node(0), daemon, &config(100))?;
    wait_for_all(&master, "MASTER")?;
    let backup = Router::start(lab.node(1), daemon, &config(50))?;
    wait_for_all(&backup, "BACKUP")?;
    let count = || transitions(&master, "") + transitions(&backup, "");
    let reload = |text: &str| {
        master.write_config(text)?;
        rustix::process::kill_process(master.pid(), Signal::HUP)?;
        Ok::<(), anyhow::Error>(())
    };
    let reload_with = |number: u16| {
        let vrid = number % LOAD.routers + 1;
        let own = format!("        198.18.0.{vrid}\n");
        let more = format!("{own}        198.18.9.{vrid}\n");
        reload(&config(100).replacen(&own, &more, 1))
    };
    for number in 0..FIRST {
        reload_with(number)?;
        thread::sleep(PERIOD);
    }
    reload(&config(100))?;
    thread::sleep(CALM);
    let worker = master.worker()?;
    let network = Footprint::of(lab.node(0))?;
    let (before, had) = (count(), Resources::of(worker)?);
    let (heard, half, foreign) = while_counting(lab.node(1), &interfaces, || {
        let (mut next, mut half) = (Instant::now(), had);
        for number in FIRST..FIRST + reloads {
            reload_with(number)?;
            next += PERIOD;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            if number == FIRST + reloads / 2 {
                half = Resources::of(worker)?;
            }
        }
        reload(&config(100))?;
        thread::sleep(CALM);
        Ok(half)
    })?;
    let has = Resources::of(worker)?;
    let differences = network.difference(&Footprint::of(lab.node(0))?);
    for difference in &differences {
        eprintln!("{daemon}: {difference}");
    }
    let growth = |before: u64, after: u64| after as f64 - before as f64;
    let figures = [
        heard.gap,
        (count() - before) as f64,
        growth(had.memory, has.memory),
        growth(half.memory, has.memory),
        growth(had.descriptors, has.descriptors),
        differences.len() as f64,
    ];
    Ok((figures.map(Some), foreign))
}

fn wait_for_all(router: &Router, state: &str) -> Result<()> {
    for number in 0..LOAD.routers {
        router.wait_for_state(router.started(), &name(number), state, SETTLING)?;
    }
    Ok(())
}

/// What a process has.
#[derive(Clone, Copy)]
struct Resources {
    /// Resident, kB.
    memory: u64,
    descriptors: u64,
}

impl Resources {
    fn of(pid: Pid) -> Result<Self> {
        let pid = pid.as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let memory = number(&status, "VmRSS:").context("no VmRSS")?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        Ok(Self { memory, descriptors })
    }
}
