//! How much longer than the Active_Down_Interval a failover takes.

use std::time::Duration;

use anyhow::Result;
use rig::{Config, Daemon, Takeover};

use crate::{
    Scale,
    in_turn::{self, Figure, Figures},
    quiet::watched,
    result::Section,
};

const TEXT: &str = "The MASTER is killed with SIGKILL at phases spread over the interval. Measured \
is the time from its last advert to the first one of its heir (priority 90) at a third host, by the \
kernel's stamps, less three intervals and the skew: what the daemon itself adds. The same to the \
heir's first ARP answer for the virtual address; it is asked each 0.1 ms.";
/// After the start, before the kill.
const QUIET: Duration = Duration::from_secs(1);

/// What is measured of each failover.
const FIGURES: [Figure; 3] = [
    ("Over 3 x advert_int + skew, by advert_int", "ms"),
    ("To the first ARP answer, over 3 x advert_int + skew", "ms"),
    ("Transitions before the kill that should not have been", ""),
];

/// Failovers of both daemons at several intervals.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let all = [(10, 50), (100, 20), (1000, 10)];
    let plan = scale.pick(vec![(10, 2), (100, 1)], all.to_vec());
    let mut tables = in_turn::tables(FIGURES, false);
    for (ms, runs) in plan {
        let advert_int = Duration::from_millis(ms);
        let work = format!("{ms} ms");
        in_turn::measure(&mut tables, ("failover", &work), runs, |daemon, run| {
            watched(|| one(daemon, advert_int, run))
        })?;
    }
    Ok(Section { name: "failover", title: "Failover", text: TEXT.into(), tables: tables.into() })
}

/// One failover: ms over the limit to the first advert and to the first ARP answer, and transitions
/// too many.
fn one(daemon: Daemon, advert_int: Duration, run: u16) -> Result<Figures<{ FIGURES.len() }>> {
    let master = Config { version: 3, priority: 100, advert_int, ..Config::default() };
    let backup = Config { priority: 90, ..master.clone() };
    let phase = Takeover::phase(run, advert_int);
    let takeover = Takeover::measure_after(daemon, [&master, &backup], phase, QUIET)?;
    let limit = backup.active_down_interval().as_secs_f64() * 1e3;
    let [first, answered] = [takeover.ms, takeover.answered_ms].map(|ms| ms - limit);
    Ok([first, answered, takeover.false_failovers as f64].map(Some))
}
