//! A thousand scripts beside the adverts.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rig::{Daemon, Lab, Lateness, Router, wait_until};

use crate::{
    SETTLING, Scale,
    cost::number,
    count::{Heard, while_counting},
    in_turn::{self, Figure, Figures},
    many::{Load, name},
    result::Section,
};

const TEXT: &str = "1,000 scripts (`/bin/true`) run each second, four for each of 250 virtual routers \
or one for each of 1,000 on four interfaces; they are MASTER with an advert each 100 ms. What an advert \
was late is seen by a neighbour: by how much the time between two of a virtual router is longer than \
100 ms, or the whole time where one of them says nothing. xvrrp counts, too, how many left more than \
5 ms after their time. A daemon's own processor time is that of all its processes; that of the scripts is \
what they used until they ended, with the copies of the daemon that they were before. Processes that \
start are those of the whole machine.";
/// How many there are.
const SCRIPTS: u16 = 1000;
const MS: u64 = 100;
/// An advert that left later than this is late.
const LATE: Duration = Duration::from_millis(5);
/// What the kernel counts in /proc/PID/stat with (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

const FIGURES: [Figure; 6] = [
    ("Latest advert", "ms"),
    ("Adverts more than 5 ms late by its own account", ""),
    ("Adverts", "1/s"),
    ("Processes that started", "1/s"),
    ("Processor: the daemon", "% of one"),
    ("Processor: the scripts", "% of one"),
];

/// Both daemons with both loads.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (runs, window) = scale.pick((1, 10), (3, 30));
    let mut tables = in_turn::tables(FIGURES, true);
    for routers in [250, SCRIPTS] {
        let load = Load { routers, ms: MS };
        let work = format!("{routers} virtual routers x {}", SCRIPTS / routers);
        in_turn::measure(&mut tables, ("scripts", &work), runs, |daemon, _| {
            one(daemon, load, Duration::from_secs(window))
        })?;
    }
    Ok(Section {
        name: "scripts",
        title: "1,000 scripts each second",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

/// What [`FIGURES`] says, and the foreign load.
fn one(daemon: Daemon, load: Load, window: Duration) -> Result<(Figures<{ FIGURES.len() }>, f64)> {
    let lab = Lab::new(2)?;
    let interfaces = load.interfaces(&lab)?;
    let router = Router::start(lab.node(0), daemon, &config(load, &interfaces))?;
    for number in 0..load.routers {
        router.wait_for_state(router.started(), &name(number), "MASTER", SETTLING)?;
    }
    wait_until("each script has a result", SETTLING, || {
        let log = router.log();
        let names =
            log.iter().filter_map(|line| line.split_once("VRRP_Script(")?.1.split_once(')'));
        Ok(names.map(|(name, _)| name).collect::<BTreeSet<_>>().len() == usize::from(SCRIPTS))
    })?;
    let (heard, (before, after, seconds), foreign) =
        while_counting(lab.node(1), &interfaces, || {
            let processes = family(&router.pid().to_string());
            let (began, before) = (Instant::now(), Work::of(&router, &processes)?);
            thread::sleep(window);
            Ok((before, Work::of(&router, &processes)?, began.elapsed().as_secs_f64()))
        })?;
    let Heard { rate, mut gap, routers } = heard;
    if routers < usize::from(load.routers) {
        gap = gap.max(window.as_secs_f64() * 1e3);
    }
    let percent = |ticks: u64| ticks as f64 / TICKS_PER_SECOND / seconds * 1e2;
    let figures = [
        Some(gap - load.advert_int().as_secs_f64() * 1e3),
        after.late.zip(before.late).map(|(after, before)| after.saturating_sub(before) as f64),
        Some(rate),
        Some(after.started.saturating_sub(before.started) as f64 / seconds),
        Some(percent(after.own.saturating_sub(before.own))),
        Some(percent(after.scripts.saturating_sub(before.scripts))),
    ];
    Ok((figures, foreign))
}

/// The virtual routers with their scripts.
fn config(load: Load, interfaces: &[String]) -> String {
    const ADDRESSES: &str = "    virtual_ipaddress {";
    let each = SCRIPTS / load.routers;
    let mut config = "global_defs {\n    script_user root\n}\n".to_owned();
    for number in 0..SCRIPTS {
        // Writing to a string does not fail.
        let _ = write!(
            config,
            "vrrp_script s{number} {{\n    script /bin/true\n    interval 1\n    weight 1\n}}\n"
        );
    }
    let instances = load.config(interfaces, 100);
    for (router, part) in (0..).zip(instances.split(ADDRESSES)) {
        config += part;
        if router < load.routers {
            let names = (router * each..(router + 1) * each).map(|number| format!("s{number}\n"));
            let names: String = names.collect();
            let _ = write!(config, "    track_script {{\n{names}    }}\n{ADDRESSES}");
        }
    }
    config
}

/// What a daemon and its scripts have done up to now.
struct Work {
    /// Adverts that left late; only ours says so.
    late: Option<u64>,
    /// Processes that the machine has started.
    started: u64,
    /// Ticks of the daemon's processes.
    own: u64,
    /// Ticks of their children that have ended.
    scripts: u64,
}

impl Work {
    /// Of the processes that the daemon had at first, and still has.
    fn of(router: &Router, processes: &[String]) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let started = number(&stat, "processes").context("/proc/stat has no processes")?;
        let late = match router.daemon() {
            Daemon::Xvrrp => Some(late(router)?),
            Daemon::Keepalived | Daemon::Frr => None,
        };
        let stats = processes.iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")));
        let ticks = stats.filter_map(|stat| ticks(&stat.ok()?));
        let (own, scripts) = ticks.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        Ok(Self { late, started, own, scripts })
    }
}

/// How many adverts of all virtual routers left too late.
fn late(router: &Router) -> Result<u64> {
    let limit = u64::try_from(LATE.as_micros())?;
    let is_late = |class: &&Lateness| class.up_to_us.is_none_or(|end| end > limit);
    let rows = router.status()?;
    let classes = rows.iter().flat_map(|row| &row.pulse.lateness).filter(is_late);
    Ok(classes.map(|class| class.count).sum())
}

/// A process, its children, and theirs, at this moment.
fn family(pid: &str) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let descendants = children.split_whitespace().flat_map(family);
    std::iter::once(pid.to_owned()).chain(descendants).collect()
}

/// Ticks of a process and of its children that have ended (proc_pid_stat(5), fields 14 to 17).
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(16)? + field(17)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 6, bench: what the scripts used is told from what the daemon did.
    #[test]
    fn ended_children_are_counted_apart() {
        let stat = "7 (a) b) S 1 0 0 0 0 0 0 0 0 0 1 2 30 40 20 0";
        assert_eq!(ticks(stat), Some((3, 70)));
    }

    /// Issue 6, bench: each script is of one virtual router.
    #[test]
    fn scripts_are_dealt_out() {
        for routers in [250, SCRIPTS] {
            let load = Load { routers, ms: MS };
            let interfaces = (0..4).map(|number| format!("eth{number}")).collect::<Vec<_>>();
            let text = config(load, &interfaces);
            assert_eq!(text.matches("track_script {").count(), usize::from(routers));
            for number in 0..SCRIPTS {
                assert_eq!(text.matches(&format!("\ns{number}\n")).count(), 1, "{number}");
            }
        }
    }
}
