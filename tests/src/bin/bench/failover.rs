//! How much longer than the Active_Down_Interval a failover takes.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use rig::{Config, Daemon, Takeover, Times};

use crate::{
    Scale,
    quiet::watched,
    result::{Row, Section, Table},
    steady::DAEMONS,
};

const TEXT: &str = "The MASTER is killed with SIGKILL at phases spread over the interval. Measured \
is the time from its last advert to the first one of its heir (priority 90) at a third host, by the \
kernel's stamps, less three intervals and the skew: what the daemon itself adds.";
/// After the start, before the kill.
const QUIET: Duration = Duration::from_secs(1);

/// Failovers of both daemons at several intervals.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let all = [(10, 50), (100, 20), (1000, 10)];
    let plan = scale.pick(vec![(10, 2), (100, 1)], all.to_vec());
    let mut rows = Vec::new();
    let mut needless = Vec::new();
    for (ms, runs) in plan {
        let advert_int = Duration::from_millis(ms);
        let work = format!("{ms} ms");
        let mut excess: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let mut transitions = [0; 2];
        let mut foreign: f64 = 0.0;
        for run in 1..=runs {
            for (subject, daemon) in DAEMONS.into_iter().enumerate() {
                let (takeover, load) = watched(|| one(daemon, advert_int, run))?;
                eprintln!("failover, {work}, run {run} of {runs}, {daemon}: +{:.3} ms", takeover.0);
                excess.entry(subject).or_default().push(takeover.0);
                transitions[subject] += takeover.1;
                foreign = foreign.max(load);
            }
        }
        needless.push(row(work.clone(), transitions.map(|count| vec![count as f64]), foreign));
        let figures = [0, 1].map(|subject| excess.remove(&subject).unwrap_or_default());
        rows.push(row(work, figures, foreign));
    }
    let table = |title: &str, unit, rows| Table {
        title: title.into(),
        unit,
        subjects: ["xvrrp", "keepalived"],
        ratio: true,
        logarithmic: false,
        rows,
    };
    Ok(Section {
        name: "failover",
        title: "Failover",
        text: TEXT.into(),
        tables: vec![
            table("Over 3 x advert_int + skew, by advert_int", "ms", rows),
            table(
                "Transitions before the kill that should not have been, in all runs",
                "",
                needless,
            ),
        ],
    })
}

fn row(work: String, figures: [Vec<f64>; 2], foreign: f64) -> Row {
    Row { work, figures: figures.map(|values| Some(Times::new(values.into_iter()))), foreign }
}

/// One failover: ms over the limit, and transitions too many.
fn one(daemon: Daemon, advert_int: Duration, run: u16) -> Result<(f64, usize)> {
    let master = Config { version: 3, priority: 100, advert_int, ..Config::default() };
    let backup = Config { priority: 90, ..master.clone() };
    let phase = Takeover::phase(run, advert_int);
    let takeover = Takeover::measure_after(daemon, [&master, &backup], phase, QUIET)?;
    let limit = backup.active_down_interval().as_secs_f64() * 1e3;
    Ok((takeover.ms - limit, takeover.false_failovers))
}
