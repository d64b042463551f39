//! Our daemon and keepalived on the same work, in turn, and a page with the figures.

mod answerers;
mod arp;
mod burst;
mod check;
mod cost;
mod count;
mod egress;
mod failover;
mod flood;
mod heal;
mod hogs;
mod in_turn;
mod live;
mod many;
mod object;
mod page;
mod pair;
mod plot;
mod quiet;
mod reload;
mod restart;
mod result;
mod runtime;
mod scripts;
mod sigstop;
mod startup;
mod starve;
mod stats;
mod steady;
mod thousand;
mod throughput;
mod tracking;

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use rig::{output_of, remove_on_signals};

use result::Section;

/// Measures xvrrp and keepalived on the same work in turn, and writes a page with the figures.
///
/// Everything happens in network namespaces. A row during which the processors worked for others is
/// marked.
#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Only this work; can be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<Work>,
    /// Few and short runs: to see that it works, not what the figures are
    #[arg(long)]
    quick: bool,
    /// With 1,020 virtual routers on four interfaces, too
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// The page; its plots go to the folder of the same name beside it [default: docs/bench.md, of
    /// some works or with --quick target/bench.md]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Work {
    /// From the last advert of a killed MASTER to the first of its heir
    Failover,
    /// Processor time and context switches of MASTER and BACKUP
    Cpu,
    /// 1,020 virtual routers at 10 ms, as BACKUP and as MASTER
    Thousand,
    /// False failovers and gaps between adverts while the processors are busy
    Starve,
    /// Who answers for the address when its MASTER dies, hangs or is overtaken
    Answerers,
    /// False failovers of a BACKUP that stands still for a while
    Sigstop,
    /// Floods of worthless adverts
    Flood,
    /// Adverts of a MASTER whose interface is saturated
    Egress,
    /// A MASTER that is started again
    Restart,
    /// nginx and HAProxy that are tracked, and killed
    Tracking,
    /// 1,000 scripts each second beside the adverts
    Scripts,
    /// Addresses that somebody else removes
    Heal,
    /// A MASTER whose configuration is read again each second
    Reload,
    /// Time to the last virtual address after a start, and memory
    Startup,
    /// Becoming MASTER for 200 addresses among other virtual routers
    Burst,
    /// Answers to ARP requests: a flood, and one after the other
    Arp,
    /// TCP through an interface with our programs
    Throughput,
    /// Run time of the kernel programs for one frame
    Runtime,
    /// Checks of large configurations, and of nasty ones
    Check,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Quick,
    Usual,
    Full,
}

impl Scale {
    /// The first in a quick run, else the second.
    fn pick<T>(self, quick: T, usual: T) -> T {
        if self == Self::Quick { quick } else { usual }
    }
}

/// How long a daemon may take to get into its state.
const SETTLING: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let Arguments { only, quick, full, out } = Arguments::parse();
    // What is committed is not replaced by a part, or by a look.
    let is_part = quick || !only.is_empty();
    let out =
        out.unwrap_or_else(|| if is_part { "target/bench.md" } else { "docs/bench.md" }.into());
    ensure!(out.file_stem().is_some(), "--out wants the name of a file");
    remove_on_signals()?;
    let scale = match (quick, full) {
        (true, _) => Scale::Quick,
        (_, true) => Scale::Full,
        _ => Scale::Usual,
    };
    let wanted = |work: &&Work| only.is_empty() || only.contains(work);
    let mut sections = Vec::new();
    let mut failed = Vec::new();
    for work in Work::value_variants().iter().filter(wanted) {
        match measure(*work, scale) {
            Ok(section) => {
                sections.push(section);
                // All of it takes hours: what there is by now is not to be lost.
                page::write(&out, scale, &sections)?;
            }
            Err(error) => {
                eprintln!("{work:?}: {error:#}");
                failed.push(*work);
            }
        }
    }
    ensure!(failed.is_empty(), "not measured: {failed:?}");
    Ok(())
}

fn measure(work: Work, scale: Scale) -> Result<Section> {
    match work {
        Work::Failover => failover::measure(scale),
        Work::Cpu => steady::measure(scale),
        Work::Starve => starve::measure(scale),
        Work::Answerers => answerers::measure(scale),
        Work::Sigstop => sigstop::measure(scale),
        Work::Flood => flood::measure(scale),
        Work::Egress => egress::measure(scale),
        Work::Restart => restart::measure(scale),
        Work::Tracking => tracking::measure(scale),
        Work::Scripts => scripts::measure(scale),
        Work::Heal => heal::measure(scale),
        Work::Reload => reload::measure(scale),
        Work::Startup => startup::measure(scale),
        Work::Burst => burst::measure(scale),
        Work::Arp => arp::measure(scale),
        Work::Throughput => throughput::measure(scale),
        Work::Thousand => thousand::measure(scale),
        Work::Runtime => runtime::measure(scale),
        Work::Check => check::measure(scale),
    }
}

/// The first line that `program --version` prints, on either output.
fn version_of(program: &std::path::Path) -> Result<String> {
    let shell = "\"$0\" --version 2>&1 || true";
    let text = output_of(std::process::Command::new("sh").arg("-c").arg(shell).arg(program))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
