//! `fuzz`: the targets of the tests crate under libFuzzer, which a stable compiler and a C++ compiler
//! are enough for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::ebpf;
use crate::run::{cargo, command, output, root, run, say, target_dir};
use crate::setup::{self, User};

/// An input that takes longer than this many seconds is a finding.
const SLOW: u32 = 20;

/// Lines of libFuzzer that are shown when it fails.
const LAST_LINES: usize = 60;

/// When a target has run enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) executions: u64,
    /// 0 for no limit.
    pub(crate) seconds: u64,
}

/// Runs the target `name`, or one after the other all that there are, until the first finding. With
/// `inputs`, files from an earlier finding, only these.
pub(crate) fn fuzz(name: Option<&str>, limit: Limit, inputs: &[PathBuf]) -> Result<()> {
    setup::install_programs(User::Fuzz)?;
    ebpf::build(None)?;
    let (seeds, fuzzer) = (write_seeds()?, build()?);
    let mut names = Vec::new();
    for entry in fs::read_dir(&seeds)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let all = names.join(", ");
    names.retain(|it| name.is_none_or(|name| name == it));
    ensure!(!names.is_empty(), "there is no such target, only {all}");

    let mut summary = Vec::new();
    for name in names {
        let mut fuzzer = command(&fuzzer);
        fuzzer.env("XVRRP_FUZZ", &name).arg(format!("-timeout={SLOW}"));
        if inputs.is_empty() {
            let done = run_target(fuzzer, &name, limit, &seeds.join(&name))?;
            summary.push(format!("  {name:<9} {done}"));
        } else {
            run(fuzzer.args(inputs))?;
        }
    }
    eprintln!("\nfuzz targets without a finding\n{}", summary.join("\n"));
    Ok(())
}

/// The seeds' folder, with a folder for each target.
fn write_seeds() -> Result<PathBuf> {
    let folder = folder("seeds")?;
    fs::remove_dir_all(&folder)?;
    run(cargo("run")?
        .args(["--quiet", "--package", "xvrrp-tests", "--bin", "fuzz_seeds", "--"])
        .arg(&folder))?;
    Ok(folder)
}

/// A folder below the target folder, made if need be.
fn folder(path: impl AsRef<Path>) -> Result<PathBuf> {
    let folder = target_dir()?.join("fuzzing").join(path);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The fuzzer with all targets. That it is made for a target by name tells it from the build scripts.
fn build() -> Result<PathBuf> {
    let report = output(command("rustc").arg("-vV"))?;
    let host = report.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("`rustc -vV` does not tell its host")?;
    let rustc = root().join("tests/fuzz/rustc");
    let mut cargo = cargo("build")?;
    cargo.env("RUSTC_WORKSPACE_WRAPPER", rustc).args(["--package", "xvrrp-fuzz"]);
    run(cargo.args(["--profile", "fuzz", "--target", host]))?;
    Ok(target_dir()?.join(host).join("fuzz/fuzz"))
}

/// Runs one target and returns libFuzzer's last line: executions, coverage, corpus, speed.
fn run_target(mut fuzzer: Command, name: &str, limit: Limit, seeds: &Path) -> Result<String> {
    let (corpus, findings) = (folder(format!("corpus/{name}"))?, folder("findings")?);
    fuzzer
        .arg(format!("-runs={}", limit.executions))
        .arg(format!("-max_total_time={}", limit.seconds))
        .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
        // What is worth keeping goes into the first folder.
        .args([&*corpus, seeds]);
    say(&fuzzer);
    let mut child = fuzzer.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let report = BufReader::new(child.stderr.take().context("libFuzzer has no standard error")?);
    let mut lines = Vec::new();
    let mut done = None;
    for line in report.lines() {
        let line = line?;
        // `#65536 pulse  cov: 700 ft: 1203 corp: 101/5310b …`
        let event = line.strip_prefix('#').and_then(|line| line.split_whitespace().nth(1));
        if let Some("INITED" | "pulse" | "DONE") = event {
            eprintln!("{name}: {line}");
        }
        if event == Some("DONE") {
            done = Some(line.clone());
        }
        lines.push(line);
    }
    let status = child.wait()?;
    match done {
        Some(done) if status.success() => Ok(done.split_whitespace().collect::<Vec<_>>().join(" ")),
        _ => {
            let tail = &lines[lines.len().saturating_sub(LAST_LINES)..];
            bail!(
                "{name}: {status}\n{}\nagain: cargo xtask fuzz --target {name} FILE",
                tail.join("\n")
            )
        }
    }
}
