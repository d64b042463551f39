//! First light: two nodes, one virtual address, and what happens when the first node dies.

mod opening;
mod progress;
mod settings;
mod svg;
mod terminal;
mod timeline;
mod trial;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use rig::{Daemon, remove_on_signals};

use settings::{Overrides, Settings};
use timeline::Timeline;

/// Shows a failover between two hosts in network namespaces, and measures it.
///
/// A bridge, two nodes and a client are made; the nodes share 192.0.2.129 as
/// examples/two-node-master.conf and examples/two-node-backup.conf say. The master is killed and
/// its link cut, and the client watches. Everything is removed at the end.
#[derive(Parser)]
#[command(name = "demo", bin_name = "cargo xtask demo")]
struct Arguments {
    /// How often the master is killed, each time with fresh nodes
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// The daemon on both nodes: xvrrp or keepalived
    #[arg(long, default_value = "xvrrp", value_name = "NAME", value_parser = settings::daemon)]
    daemon: Daemon,
    /// Time between adverts instead of the examples' one second; fractions need --version 3
    #[arg(long, value_name = "SECONDS", value_parser = settings::advert_int)]
    advert_int: Option<f64>,
    /// Version of the protocol, 2 or 3; version 3 has no authentication
    #[arg(long = "version", value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(2..=3))]
    protocol: Option<u8>,
    /// Where the picture goes
    #[arg(long, value_name = "PATH", default_value = "target/demo/timeline.svg")]
    svg: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    remove_on_signals()?;
    let overrides = Overrides { advert_int: arguments.advert_int, version: arguments.protocol };
    let settings = Settings::new(overrides)?;
    let mut trials = Vec::new();
    for run in 1..=arguments.runs {
        progress::headline(&match arguments.runs {
            1 => format!("Two nodes with {}, one virtual address", arguments.daemon),
            runs => format!("Run {run} of {runs}"),
        });
        let mut stage = trial::Stage::set(arguments.daemon, &settings)?;
        if run == 1 {
            opening::show(&stage, &settings)?;
            progress::headline("The master dies");
        }
        trials.push(stage.kill_master(&settings, phase_of(run, &settings))?);
    }
    let timeline = Timeline::new(settings.limit(), &trials);
    progress::headline("What the client saw");
    print!("{}", terminal::picture(&timeline));
    write_svg(&arguments.svg, &svg::picture(&timeline, &settings.summary(arguments.daemon)))?;
    print_outlook(&arguments);
    Ok(())
}

/// When to kill the master, after one of its adverts. Successive runs spread evenly over the
/// interval (by the golden ratio), the first one is in its middle.
fn phase_of(run: u16, settings: &Settings) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    settings.advert_int().mul_f64((0.5 + f64::from(run - 1) * GOLDEN).fract())
}

fn write_svg(path: &PathBuf, svg: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn print_outlook(arguments: &Arguments) {
    progress::headline("What to look at next");
    let svg = arguments.svg.display().to_string();
    for (what, why) in [
        (svg.as_str(), "this timeline as a picture"),
        ("README.md, \"How it works\"", "why the new master answers so soon"),
        ("examples/", "the two configurations that ran here"),
        ("cargo xtask demo --runs 20", "how much it varies"),
        ("cargo xtask demo --version 3 --advert-int 0.01", "failover in 36 ms"),
        ("cargo xtask demo --daemon keepalived", "the same with keepalived"),
    ] {
        println!("  {what:<48}{why}");
    }
}
