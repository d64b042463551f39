//! What MASTER and BACKUP cost while nothing happens.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rig::{Daemon, Lab, Router};

use crate::{
    SETTLING, Scale,
    cost::Cost,
    in_turn::{self, Figure},
    many::{Load, name},
    quiet::watched,
    result::Section,
    stats,
};

/// After everybody is in its state.
const CALM: Duration = Duration::from_secs(1);

const TEXT: &str = "Two hosts run the same daemon with the same virtual routers (VRRPv3, one \
address each), one is MASTER of all, and nothing happens. Counted are all processes of a host with \
all threads. The programs' run time is what the kernel measures of the BPF programs that they hold; \
on a veth pair it is spent in the sender's context, so it is not in the BACKUP's own time but may be \
in the MASTER's. The MASTER's time contains the way of its frames through bridge and receivers, too.";

const FIGURES: [Figure; 7] = [
    ("BACKUP: processor", "% of one"),
    ("BACKUP: context switches", "1/s"),
    ("BACKUP: BPF programs", "% of one processor"),
    ("MASTER: processor", "% of one"),
    ("MASTER: context switches", "1/s"),
    ("BACKUP: memory", "MiB"),
    ("Transitions of the BACKUP that should not have been", ""),
];
type Figures = in_turn::Figures<{ FIGURES.len() }>;

/// Costs of both daemons for several loads.
///
/// # Errors
/// A lab cannot be made, or a router does not get into its state.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let _measured = stats::measure_run_times()?;
    let routers: &[u16] = match scale {
        Scale::Quick => &[1, 255],
        Scale::Usual => &[1, 50, 255],
        Scale::Full => &[1, 50, 255, 1020],
    };
    let intervals: &[u64] = scale.pick(&[10], &[100, 10]);
    let (rounds, window) = scale.pick((1, Duration::from_secs(2)), (3, Duration::from_secs(8)));
    let mut tables = in_turn::tables(FIGURES, true);
    for ms in intervals {
        for routers in routers {
            let load = Load { routers: *routers, ms: *ms };
            let work = format!("{routers} x {ms} ms");
            in_turn::measure(&mut tables, ("cpu", &work), rounds, |daemon, _| {
                one(daemon, load, window)
            })?;
        }
    }
    Ok(Section {
        name: "cpu",
        title: "Processor time and context switches",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

/// The figures of one daemon, and the foreign load while they were taken.
fn one(daemon: Daemon, load: Load, window: Duration) -> Result<(Figures, f64)> {
    let lab = Lab::new(2)?;
    let interfaces = load.interfaces(&lab)?;
    let start = |node: usize, priority, state| {
        let config = load.config(&interfaces, priority);
        let router = Router::start(lab.node(node), daemon, &config)?;
        for number in 0..load.routers {
            router.wait_for_state(router.started(), &name(number), state, SETTLING)?;
        }
        anyhow::Ok(router)
    };
    let master = start(0, 200, "MASTER")?;
    let backup = start(1, 100, "BACKUP")?;
    thread::sleep(CALM);
    let nodes = [lab.node(0), lab.node(1)];
    let ((costs, seconds), foreign) = watched(|| {
        let before = [Cost::of(nodes[0])?, Cost::of(nodes[1])?];
        let began = Instant::now();
        thread::sleep(window);
        let after = [Cost::of(nodes[0])?, Cost::of(nodes[1])?];
        Ok(([(before[0], after[0]), (before[1], after[1])], began.elapsed().as_secs_f64()))
    })?;
    ensure!(
        transitions(&master, "MASTER") >= load.routers.into(),
        "{daemon} is not MASTER of all its virtual routers"
    );
    let percent = |ns: u64| ns as f64 / seconds / 1e7;
    let processor = |(before, after): (Cost, Cost)| {
        percent(after.processor_ns.saturating_sub(before.processor_ns))
    };
    let switches = |(before, after): (Cost, Cost)| {
        after.switches.saturating_sub(before.switches) as f64 / seconds
    };
    let [of_master, of_backup] = costs;
    let figures = [
        processor(of_backup),
        switches(of_backup),
        percent((of_backup.1.programs - of_backup.0.programs).ns),
        processor(of_master),
        switches(of_master),
        of_backup.1.memory_kib as f64 / 1024.0,
        transitions(&backup, "MASTER") as f64,
    ];
    Ok((figures.map(Some), foreign))
}

/// How often the log says that an instance came into `state`; any, if that is empty.
pub(crate) fn transitions(router: &Router, state: &str) -> usize {
    let entering = format!("Entering {state}");
    router.log().iter().filter(|line| line.contains(&entering)).count()
}
