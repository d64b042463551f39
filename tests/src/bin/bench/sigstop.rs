//! A BACKUP that stands still for a while.

use std::{thread, time::Duration};

use anyhow::Result;
use rig::{Capture, Daemon, Lab, Signal};

use crate::{
    Scale,
    in_turn::{self, Figure, Figures},
    pair::Pair,
    quiet::watched,
    result::Section,
};

const TEXT: &str = "All processes of the BACKUP are stopped with SIGSTOP while the MASTER goes on, ten \
times in a run, from 50 ms to 5 s. Each time they go on, the BACKUP has time enough to take over. \
Counted are the times when it became MASTER, and the adverts that it sent.";
const FIGURES: [Figure; 2] =
    [("False failovers in a run", ""), ("Adverts of the BACKUP in a run", "")];
/// After each stall.
const CALM: Duration = Duration::from_millis(600);
const SHORTEST: Duration = Duration::from_millis(50);
const STALLS: i32 = 10;

/// Both daemons at two intervals.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let runs = scale.pick(1, 5);
    let longest = Duration::from_millis(scale.pick(500, 5000));
    let mut tables = in_turn::tables(FIGURES, false);
    for ms in [10, 100] {
        let interval = Duration::from_millis(ms);
        let work = format!("{ms} ms");
        in_turn::measure(&mut tables, ("sigstop", &work), runs, |daemon, _| {
            watched(|| one(daemon, interval, longest))
        })?;
    }
    Ok(Section {
        name: "sigstop",
        title: "A BACKUP that stands still",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(
    daemon: Daemon,
    interval: Duration,
    longest: Duration,
) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    let mut pair = Pair::start(&lab, daemon, interval)?;
    let growth = longest.div_duration_f64(SHORTEST).powf(1.0 / f64::from(STALLS - 1));
    for stall in 0..STALLS {
        pair.backup.process().signal_group(Signal::STOP)?;
        thread::sleep(SHORTEST.mul_f64(growth.powi(stall)));
        pair.backup.process().signal_group(Signal::CONT)?;
        thread::sleep(CALM);
    }
    let adverts = capture.seen().into_iter().filter(|seen| seen.is_advert_of(lab.node(1)));
    Ok([Some(pair.false_failovers() as f64), Some(adverts.count() as f64)])
}
