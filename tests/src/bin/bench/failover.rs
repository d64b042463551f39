//! How much longer than the Active_Down_Interval a failover takes.

use std::time::Duration;

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
kernel's stamps, less three intervals and the skew: what the daemon itself adds. The same to the \
heir's first ARP answer for the virtual address; it is asked each 0.1 ms.";
/// After the start, before the kill.
const QUIET: Duration = Duration::from_secs(1);

/// What is measured of each failover.
const FIGURES: [(&str, &str); 3] = [
    ("Over 3 x advert_int + skew, by advert_int", "ms"),
    ("To the first ARP answer, over 3 x advert_int + skew", "ms"),
    ("Transitions before the kill that should not have been, in all runs", ""),
];

/// Failovers of both daemons at several intervals.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let all = [(10, 50), (100, 20), (1000, 10)];
    let plan = scale.pick(vec![(10, 2), (100, 1)], all.to_vec());
    let mut rows: [Vec<Row>; FIGURES.len()] = Default::default();
    for (ms, runs) in plan {
        let advert_int = Duration::from_millis(ms);
        let work = format!("{ms} ms");
        let (mut excess, mut answers): ([Vec<f64>; 2], [Vec<f64>; 2]) = Default::default();
        let mut transitions = [0; 2];
        let mut foreign: f64 = 0.0;
        for run in 1..=runs {
            for (subject, daemon) in DAEMONS.into_iter().enumerate() {
                let (takeover, load) = watched(|| one(daemon, advert_int, run))?;
                let [first, answer] = takeover.0;
                eprintln!(
                    "failover, {work}, run {run} of {runs}, {daemon}: +{first:.3} ms, ARP \
                     +{answer:.3} ms"
                );
                excess[subject].push(first);
                answers[subject].push(answer);
                transitions[subject] += takeover.1;
                foreign = foreign.max(load);
            }
        }
        let transitions = transitions.map(|count| vec![count as f64]);
        for (rows, figures) in rows.iter_mut().zip([excess, answers, transitions]) {
            rows.push(row(work.clone(), figures, foreign));
        }
    }
    let tables = FIGURES.into_iter().zip(rows).map(|((title, unit), rows)| Table {
        title: title.into(),
        unit,
        subjects: ["xvrrp", "keepalived"],
        ratio: true,
        logarithmic: false,
        rows,
    });
    Ok(Section { name: "failover", title: "Failover", text: TEXT.into(), tables: tables.collect() })
}

fn row(work: String, figures: [Vec<f64>; 2], foreign: f64) -> Row {
    Row { work, figures: figures.map(|values| Some(Times::new(values.into_iter()))), foreign }
}

/// One failover: ms over the limit to the first advert and to the first ARP answer, and transitions
/// too many.
fn one(daemon: Daemon, advert_int: Duration, run: u16) -> Result<([f64; 2], usize)> {
    let master = Config { version: 3, priority: 100, advert_int, ..Config::default() };
    let backup = Config { priority: 90, ..master.clone() };
    let phase = Takeover::phase(run, advert_int);
    let takeover = Takeover::measure_after(daemon, [&master, &backup], phase, QUIET)?;
    let limit = backup.active_down_interval().as_secs_f64() * 1e3;
    let over = [takeover.ms, takeover.answered_ms].map(|ms| ms - limit);
    Ok((over, takeover.false_failovers))
}
