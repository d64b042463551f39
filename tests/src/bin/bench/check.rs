//! How long it takes to check a configuration, and how much memory.

use std::{fs, path::Path, process::Stdio, time::Instant};

use anyhow::{Context, Result, ensure};
use rig::{
    Daemon, Lab, Node, Times,
    configurations::{MEBIBYTE, many, nasty},
};

use crate::{
    Scale,
    in_turn::{self, Figure},
    quiet::watched,
    result::{Row, Section},
};

const TEXT: &str = "`xvrrp check` and `keepalived -t` read a file with 1,000 virtual routers and \
20,000 addresses, on a host that has its interfaces. Then `xvrrp check` reads files of a mebibyte \
that are made to be slow to read: braces, quotes, unknown keywords, loops, includes and much else, \
over and over; the row has the median of all of them, with the best and the worst in brackets.";
const INSTANCES: usize = 1000;
const ADDRESSES: usize = 20;

const FIGURES: [Figure; 2] = [("Time", "ms"), ("Memory, resident, at most", "MiB")];
type Figures = in_turn::Figures<{ FIGURES.len() }>;

/// Checks of a large file by both daemons, and of nasty ones by ours.
///
/// # Errors
/// A lab cannot be made, or a program does not end as it should.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let lab = Lab::new(1)?;
    let node = lab.node(0);
    for (number, name) in (1..).zip(["eth1", "eth2", "eth3"]) {
        let peer = format!("peer{number}");
        node.namespace().ip(&["link", "add", name, "type", "veth", "peer", "name", &peer])?;
    }
    let file = lab.dir().join("check.conf");
    let mut tables = in_turn::tables(FIGURES, false);
    fs::write(&file, many(INSTANCES, ADDRESSES))?;
    let work = format!("{INSTANCES} virtual routers, {} addresses", INSTANCES * ADDRESSES);
    in_turn::measure(&mut tables, ("check", &work), scale.pick(1, 10), |daemon, _| {
        watched(|| one(node, daemon, &file))
    })?;

    let mut worst = ["", ""];
    let ((times, memory), foreign) = watched(|| {
        let (mut times, mut memory) = (Vec::new(), Vec::new());
        for (name, text) in nasty() {
            fs::write(&file, text)?;
            let [Some(ms), Some(mib)] = one(node, Daemon::Xvrrp, &file)? else { continue };
            eprintln!("check, {name}: {ms:.1}, {mib:.1}");
            for (worst, (figure, others)) in
                worst.iter_mut().zip([(ms, &mut times), (mib, &mut memory)])
            {
                if others.iter().all(|other| *other < figure) {
                    *worst = name;
                }
                others.push(figure);
            }
        }
        Ok((times, memory))
    })?;
    let work = format!("{} files of {MEBIBYTE} bytes", times.len());
    for (table, figures) in tables.iter_mut().zip([times, memory]) {
        let figures = [Some(Times::new(figures.into_iter())), None];
        table.rows.push(Row { work: work.clone(), figures, foreign });
    }
    let text =
        format!("{TEXT} The slowest: {}. The one that needs most memory: {}.", worst[0], worst[1]);
    Ok(Section { name: "check", title: "Check of a configuration", text, tables: tables.into() })
}

/// One check of a file, whatever its answer.
fn one(node: &Node, daemon: Daemon, file: &Path) -> Result<Figures> {
    let mut command = node.command("time");
    command.args(["--format", "%M"]).arg(daemon.program()?);
    match daemon {
        Daemon::Xvrrp => command.args(["check", "-f"]),
        _ => command.args(["-t", "-f"]),
    };
    command.arg(file).stdout(Stdio::null()).stderr(Stdio::piped());
    let begin = Instant::now();
    let output = command.output().context("cannot run time(1)")?;
    let ms = begin.elapsed().as_secs_f64() * 1e3;
    let said = String::from_utf8_lossy(&output.stderr);
    let kib = said.lines().last().and_then(|line| line.parse::<f64>().ok());
    let kib = kib.with_context(|| format!("time(1) says nothing: {said}"))?;
    let code = output.status.code();
    ensure!(matches!(code, Some(0 | 2 | 4..=6)), "{daemon} on {}: {code:?}", file.display());
    Ok([ms, kib / 1024.0].map(Some))
}
