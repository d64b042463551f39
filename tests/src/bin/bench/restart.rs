//! A MASTER that is started again at once.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use rig::{Capture, Config, Daemon, Lab, Pings, Router};

use crate::{
    SETTLING, Scale,
    in_turn::{self, Figure, Figures},
    pair::Pair,
    quiet::watched,
    result::Section,
};

const TEXT: &str = "The MASTER is killed with SIGKILL and started again at once; or it is replaced by \
another program: with `xvrrp handover` and a start, where keepalived has nothing but SIGTERM and a \
start. A client pings the address each 10 ms meanwhile, and until five intervals after the start.";
const FIGURES: [Figure; 2] = [("Transitions of the BACKUP", ""), ("Lost pings", "")];
/// Between two pings.
const PERIOD: Duration = Duration::from_millis(10);
/// With the pings, before anything happens.
const CALM: Duration = Duration::from_millis(300);

/// How it ends.
#[derive(Clone, Copy)]
enum End {
    Killed,
    Replaced,
}

/// Both daemons.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let mut tables = in_turn::tables(FIGURES, false);
    let works = [
        ("SIGKILL, 1 s", End::Killed, 1000),
        ("replaced, 1 s", End::Replaced, 1000),
        ("replaced, 100 ms", End::Replaced, 100),
    ];
    for (work, end, ms) in works {
        in_turn::measure(&mut tables, ("restart", work), scale.pick(2, 20), |daemon, _| {
            watched(|| one(daemon, end, Duration::from_millis(ms)))
        })?;
    }
    Ok(Section {
        name: "restart",
        title: "A MASTER that is started again",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(daemon: Daemon, end: End, interval: Duration) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    let mut pair = Pair::start(&lab, daemon, interval)?;
    lab.wait_for_answerer(&capture, Pair::VIP, 0, SETTLING)?;
    let pings = Pings::start(lab.client(), Pair::VIP, PERIOD)?;
    thread::sleep(CALM);
    let before = entered(&pair.backup);
    match (end, daemon) {
        (End::Killed, _) => pair.master.process().kill()?,
        (End::Replaced, Daemon::Xvrrp) => drop(pair.master.xvrrp(&["handover"])?),
        (End::Replaced, _) => drop(pair.master.stop()?),
    }
    let config = Pair::config(Pair::HIGHER, interval).to_string();
    let started = SystemTime::now();
    let master = Router::start(lab.node(0), daemon, &config)?;
    master.wait_for_state(started, Config::INSTANCE, "MASTER", SETTLING)?;
    thread::sleep(interval * 5);
    let lost = pings.lost()?.len();
    Ok([Some((entered(&pair.backup) - before) as f64), Some(lost as f64)])
}

/// How often the log says that the virtual router came into a state.
fn entered(router: &Router) -> usize {
    let entering = format!("({}) Entering ", Config::INSTANCE);
    router.log().iter().filter(|line| line.contains(&entering)).count()
}
