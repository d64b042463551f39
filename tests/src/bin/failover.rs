//! How fast a backup follows a daemon that was killed, at the shortest interval.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rig::{Capture, Config, Daemon, Lab, Router, Seen, Times, ms_between, remove_on_signals};

/// Measures the failover between two routers with an advert each centisecond.
///
/// In each run the MASTER is killed (SIGKILL) after a second of quiet, and the client measures from
/// its last advert to the first one of its backup, by the kernel's time stamps. The exit status is 0
/// when the median is within three intervals, the skew and one interval more, and when no router
/// changed its state before the kill.
#[derive(Parser)]
#[command(name = "failover", bin_name = "cargo xtask failover")]
struct Arguments {
    /// How often, each time with fresh nodes
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Time between adverts, 0.01 to 40.95
    #[arg(long, default_value_t = 0.01, value_name = "SECONDS")]
    advert_int: f64,
    /// The daemon on both nodes: xvrrp or keepalived
    #[arg(long, default_value = "xvrrp", value_name = "NAME")]
    daemon: Daemon,
}

/// Adverts in which nothing may happen before the kill.
const QUIET_ADVERTS: u32 = 100;
const BACKUP_PRIORITY: u8 = 90;
/// What a busy machine may add to a time that the protocol defines.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode> {
    let Arguments { runs, advert_int, daemon } = Arguments::parse();
    ensure!((0.01..=40.95).contains(&advert_int), "the interval is 0.01 to 40.95 seconds");
    ensure!(daemon != Daemon::Frr, "frr has a configuration of its own: xvrrp or keepalived");
    remove_on_signals()?;
    let advert_int = Duration::from_secs_f64(advert_int);
    let master = Config { version: 3, advert_int, ..Config::default() };
    let backup = Config { priority: BACKUP_PRIORITY, ..master.clone() };
    let mut trials = Vec::new();
    for run in 1..=runs {
        let trial = trial(daemon, [&master, &backup], phase_of(run, advert_int))?;
        eprintln!("run {run:>3} of {runs}: {:6.2} ms{}", trial.failover_ms, trial.remark());
        trials.push(trial);
    }
    Ok(if report(daemon, &backup, &trials) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// When to kill after an advert: spread evenly over the interval (by the golden ratio).
fn phase_of(run: u16, advert_int: Duration) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    advert_int.mul_f64((f64::from(run) * GOLDEN).fract())
}

/// One failover.
struct Trial {
    /// From the last advert of the dead router to the first one of its heir.
    failover_ms: f64,
    /// How often a router changed its state before that, beyond what the start needs.
    false_failovers: usize,
}

impl Trial {
    fn remark(&self) -> String {
        match self.false_failovers {
            0 => String::new(),
            count => format!(", {count} transitions too many before the kill"),
        }
    }
}

fn trial(daemon: Daemon, configs: [&Config; 2], phase: Duration) -> Result<Trial> {
    let lab = Lab::new(2)?;
    let capture = Capture::start(lab.client())?;
    // One after the other: so the number of transitions is known.
    let start = |node: usize, state| {
        let router = Router::start(lab.node(node), daemon, &configs[node].to_string())?;
        router.wait_for_state(router.started(), Config::INSTANCE, state, PATIENCE)?;
        anyhow::Ok(router)
    };
    let (mut master, backup) = (start(0, "MASTER")?, start(1, "BACKUP")?);
    let (of_master, of_backup) = (
        |seen: &Seen| seen.is_advert_of(lab.node(0)),
        |seen: &Seen| seen.is_advert_of(lab.node(1)),
    );

    thread::sleep(configs[0].advert_int * QUIET_ADVERTS);
    let now = SystemTime::now();
    let beat = capture.expect("an advert of the master", now, PATIENCE, of_master)?;
    thread::sleep((beat.at + phase).duration_since(SystemTime::now()).unwrap_or_default());
    let killed = SystemTime::now();
    master.process().kill()?;
    let first = capture.expect("an advert of the backup", killed, PATIENCE, of_backup)?;
    let backup_up = backup.wait_for_state(killed, Config::INSTANCE, "MASTER", PATIENCE);
    backup_up.context("the backup does not say that it is MASTER")?;

    let seen = capture.seen();
    let last = seen.iter().rfind(|seen| of_master(seen)).context("the master never sent")?;
    let transitions = |router: &Router| {
        let entering = format!("({}) Entering ", Config::INSTANCE);
        router.log().iter().filter(|line| line.contains(&entering)).count()
    };
    // BACKUP and MASTER, each.
    let transitions = transitions(&master) + transitions(&backup);
    let false_failovers = transitions.saturating_sub(4);
    let early = seen.iter().any(|seen| of_backup(seen) && seen.at < last.at);
    ensure!(!early || false_failovers > 0, "the backup spoke before the kill, and did not say so");
    Ok(Trial { failover_ms: ms_between(last.at, first.at), false_failovers })
}

/// Prints the numbers; returns whether they are good enough.
fn report(daemon: Daemon, backup: &Config, trials: &[Trial]) -> bool {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (interval, skew) = (ms(backup.advert_int), ms(backup.skew_time()));
    let limit = interval * 3.0 + skew + interval;
    let times = Times::new(trials.iter().map(|trial| trial.failover_ms));
    let false_failovers: usize = trials.iter().map(|trial| trial.false_failovers).sum();
    let (met, runs) = (times.median() <= limit, trials.len());
    println!(
        "{daemon}, VRRPv3, {interval:.0} ms between adverts, backup's priority {}",
        backup.priority
    );
    println!("last advert of the killed MASTER to the first one of the new one, {runs} runs:");
    let (min, median, max) = (times.min(), times.median(), times.max());
    println!("  min {min:.2}  median {median:.2}  max {max:.2} ms");
    let verdict = if met { "keeps" } else { "MISSES" };
    println!("  limit 3 x {interval:.0} + skew {skew:.2} + {interval:.0} = {limit:.2} ms");
    println!("  the median {verdict} it, {} of {runs} runs do", times.within(limit));
    println!("  transitions before the kill that should not have been: {false_failovers}");
    met && false_failovers == 0
}
