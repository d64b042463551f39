//! How fast a backup follows a daemon that was killed, at the shortest interval.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use clap::Parser;
use rig::{Config, Daemon, Takeover, Times, remove_on_signals};

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

const BACKUP_PRIORITY: u8 = 90;

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
        let phase = Takeover::phase(run, advert_int);
        let trial = Takeover::measure(daemon, [&master, &backup], phase)?;
        eprintln!("run {run:>3} of {runs}: {:6.2} ms{}", trial.ms, remark(trial));
        trials.push(trial);
    }
    Ok(if report(daemon, &backup, &trials) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether nothing happened before the kill, for the line of a run.
fn remark(takeover: Takeover) -> String {
    match takeover.false_failovers {
        0 => String::new(),
        count => format!(", {count} transitions too many before the kill"),
    }
}

/// Prints the numbers; returns whether they are good enough.
fn report(daemon: Daemon, backup: &Config, trials: &[Takeover]) -> bool {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (interval, skew) = (ms(backup.advert_int), ms(backup.skew_time()));
    let limit = interval * 3.0 + skew + interval;
    let times = Times::new(trials.iter().map(|trial| trial.ms));
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
