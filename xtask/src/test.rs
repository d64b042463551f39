//! `test`: from a fresh machine to all tests, in steps; the first failure ends it.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::fuzz::{self, Limit};
use crate::run::{ALL_BUT_SPECIAL, cargo, require_root, run, target_dir};
use crate::setup::{self, User};
use crate::{ebpf, lint, toolchain};

/// How often a long step says that it is still running.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The namespace tests spend most of their time waiting for timers, but measure milliseconds: a
/// few at a time.
const NAMESPACE_THREADS: &str = "--test-threads=2";

/// Enough to see that each fuzz target works; finding something takes `cargo xtask fuzz`.
const FUZZ_LIMIT: Limit = Limit { executions: 200_000, seconds: 30 };

/// What there is to do, under the name that the summary shows.
struct Step<'a> {
    name: &'static str,
    work: &'a dyn Fn() -> Result<()>,
}

/// All steps; `filter` selects tests by a part of their name.
pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    require_root("the test run")?;
    run_steps(&[
        Step { name: "programs and lint tools", work: &set_up },
        Step { name: "kernel program", work: &|| ebpf::build(None) },
        Step { name: "formatting", work: &lint::format },
        Step { name: "clippy, userspace", work: &lint::host },
        Step { name: "clippy, kernel program", work: &lint::kernel },
        Step { name: "build", work: &build },
        Step { name: "unit tests", work: &|| unit_tests(filter) },
        Step { name: "namespace tests", work: &|| namespace_tests(filter) },
        Step { name: "fuzz targets", work: &|| fuzz_targets(filter) },
    ])
}

fn set_up() -> Result<()> {
    setup::install_programs(User::Tests)?;
    toolchain::require_lint_tools()
}

fn build() -> Result<()> {
    run(cargo("build")?.args(ALL_BUT_SPECIAL))
}

fn unit_tests(filter: Option<&str>) -> Result<()> {
    let mut tests = cargo("test")?;
    tests.args(ALL_BUT_SPECIAL).args(["--exclude", "xvrrp-tests"]);
    run(tests.args(["--no-fail-fast", "--"]).args(filter))
}

/// Real daemons in network namespaces; they run the `xvrrp` that [`build`] made.
fn namespace_tests(filter: Option<&str>) -> Result<()> {
    let mut tests = cargo("test")?;
    tests.env("XVRRP_BIN", target_dir()?.join("debug/xvrrp")).args(["--package", "xvrrp-tests"]);
    run(tests.args(["--no-fail-fast", "--", NAMESPACE_THREADS]).args(filter))
}

/// Fuzz targets are no tests that a filter could select.
fn fuzz_targets(filter: Option<&str>) -> Result<()> {
    if filter.is_some() {
        eprintln!("left out, as there is a filter: `cargo xtask fuzz` runs them");
        return Ok(());
    }
    fuzz::fuzz(None, FUZZ_LIMIT, &[])
}

/// Runs the steps up to the first failure and sums up, including what was not reached.
fn run_steps(steps: &[Step<'_>]) -> Result<()> {
    let start = Instant::now();
    let mut summary = Vec::new();
    let mut failure = None;
    for (number, Step { name, work }) in steps.iter().enumerate() {
        if failure.is_some() {
            summary.push(format!("  not run           {name}"));
            continue;
        }
        let title = format!("[{}/{}] {name}", number + 1, steps.len());
        eprintln!("\n{title} ({} s so far)", start.elapsed().as_secs());
        let step_start = Instant::now();
        let outcome = with_heartbeat(&title, work);
        let seconds = step_start.elapsed().as_secs_f64();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        summary.push(format!("  {verdict:<7} {seconds:>6.1} s  {name}"));
        failure = outcome.err().map(|error| (*name, error));
    }
    eprintln!("\nsummary ({:.1} s)\n{}", start.elapsed().as_secs_f64(), summary.join("\n"));
    failure.map_or(Ok(()), |(name, error)| Err(anyhow!("{name}: {error:#}")))
}

/// Does the work, and says now and then that it is still being done.
fn with_heartbeat(title: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    let (working, done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while done.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{title} … {} s", start.elapsed().as_secs());
            }
        });
        let outcome = work();
        drop(working);
        outcome
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Issue 2, test command: the first failing step ends the run and is named.
    #[test]
    fn the_first_failure_ends_the_run_and_is_named() {
        let runs = Cell::new(0);
        let good = || {
            runs.set(runs.get() + 1);
            Ok(())
        };
        let steps = [
            Step { name: "first", work: &good },
            Step { name: "second", work: &|| Err(anyhow!("broken")) },
            Step { name: "third", work: &good },
        ];
        let failure = run_steps(&steps).map_err(|error| error.to_string());
        assert_eq!(failure, Err("second: broken".to_owned()));
        assert_eq!(runs.get(), 1, "the third step must not run");
    }
}
