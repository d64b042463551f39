//! Adverts and elections of a host whose processors are busy.

use std::{
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use rig::{Capture, Config, Daemon, Lab, Process, Router, Times, ms_between, output_of};
use rustix::thread::gettid;

use crate::{
    SETTLING, Scale,
    quiet::watched,
    result::{Row, Section, Table},
    steady::{DAEMONS, transitions},
};

const TEXT: &str = "MASTER and BACKUP run with an advert each 10 ms while loops, tied to the \
processors in turn, keep all of them busy: eight of the normal class, or one of SCHED_FIFO with \
priority 50 for each processor. Counted are how often \
the BACKUP became MASTER although the other one lived, and the longest time between two adverts of the \
MASTER at a third host.";
const INTERVAL: Duration = Duration::from_millis(10);
const NORMAL_HOGS: usize = 8;

/// What keeps the processors busy.
#[derive(Clone, Copy)]
pub(crate) enum Hogs {
    None,
    Normal,
    Fifo,
}

impl Hogs {
    const ALL: [Self; 3] = [Self::None, Self::Normal, Self::Fifo];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Normal => "8 normal loops",
            Self::Fifo => "SCHED_FIFO 50 everywhere",
        }
    }

    /// Starts them; they end by themselves after `time`, and are killed when they have computed for
    /// a second longer.
    pub(crate) fn start(self, time: Duration) -> Result<Vec<Process>> {
        let processors = thread::available_parallelism()?.get();
        let (count, class) = match self {
            Self::None => (0, "--other"),
            Self::Normal => (NORMAL_HOGS, "--other"),
            Self::Fifo => (processors, "--fifo"),
        };
        let priority = if class == "--fifo" { "50" } else { "0" };
        let seconds = time.as_secs();
        let limit = seconds + 1;
        let script = format!("ulimit -t {limit}; while (( SECONDS < {seconds} )); do :; done");
        let hog = |number: usize| {
            let mut command = Command::new("taskset");
            command.args(["-c", &(number % processors).to_string(), "chrt", class, priority]);
            command.args(["bash", "-c", &script]);
            Process::spawn("a busy loop", command)
        };
        (0..count).map(hog).collect()
    }
}

/// The calling thread goes before everything but SCHED_DEADLINE from now on.
///
/// # Errors
/// Not root.
pub(crate) fn be_urgent() -> Result<()> {
    let thread = gettid().as_raw_nonzero().to_string();
    output_of(Command::new("chrt").args(["--fifo", "--pid", "99", &thread])).map(drop)
}

/// Both daemons under each load.
///
/// # Errors
/// A lab cannot be made, or a router does not get into its state.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (rounds, window) = scale.pick((1, Duration::from_secs(2)), (3, Duration::from_secs(20)));
    let (mut failovers, mut gaps) = (Vec::new(), Vec::new());
    for hogs in Hogs::ALL {
        let mut samples: [Vec<(f64, f64)>; 2] = Default::default();
        let mut foreign: f64 = 0.0;
        for round in 1..=rounds {
            for (samples, daemon) in samples.iter_mut().zip(DAEMONS) {
                eprintln!("starve, {}, round {round} of {rounds}, {daemon}", hogs.name());
                let (sample, share) = watched(|| one(daemon, hogs, window))?;
                samples.push(sample);
                foreign = foreign.max(share);
            }
        }
        let row = |figure: fn(&(f64, f64)) -> f64| {
            let figures = samples.each_ref().map(|it| Some(Times::new(it.iter().map(figure))));
            Row { work: hogs.name().into(), figures, foreign }
        };
        failovers.push(row(|sample| sample.0));
        gaps.push(row(|sample| sample.1));
    }
    let seconds = window.as_secs();
    let table = |title, unit, rows| Table {
        title,
        unit,
        subjects: ["xvrrp", "keepalived"],
        ratio: true,
        logarithmic: false,
        rows,
    };
    Ok(Section {
        name: "starve",
        title: "Busy processors",
        text: TEXT.into(),
        tables: vec![
            table(format!("False failovers in {seconds} s"), "", failovers),
            table("Longest time between two adverts of the MASTER".into(), "ms", gaps),
        ],
    })
}

/// False failovers, and the longest gap in ms.
fn one(daemon: Daemon, hogs: Hogs, window: Duration) -> Result<(f64, f64)> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    let start = |node: usize, priority, state| {
        let config = Config { version: 3, priority, advert_int: INTERVAL, ..Config::default() };
        let router = Router::start(lab.node(node), daemon, &config.to_string())?;
        router.wait_for_state(router.started(), Config::INSTANCE, state, SETTLING)?;
        anyhow::Ok(router)
    };
    let _master = start(0, 200, "MASTER")?;
    let backup = start(1, 100, "BACKUP")?;
    let began = SystemTime::now();
    let hogs = hogs.start(window)?;
    thread::sleep(window);
    let ended = SystemTime::now();
    drop(hogs);
    let adverts = capture.seen_since(began).into_iter();
    let adverts = adverts.filter(|seen| seen.is_advert_of(lab.node(0)) && seen.at <= ended);
    // Silence to the end is a gap, too.
    let times: Vec<_> =
        [began].into_iter().chain(adverts.map(|seen| seen.at)).chain([ended]).collect();
    let gaps = times.windows(2).map(|pair| ms_between(pair[0], pair[1]));
    let longest = gaps.max_by(f64::total_cmp).context("there are two times at least")?;
    Ok((transitions(&backup, "MASTER") as f64, longest))
}
