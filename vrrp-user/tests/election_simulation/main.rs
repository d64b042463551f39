//! A simulated network: two to seven elections, each with a clock of its own, with delay,
//! reordering, loss, duplication, partitions in one direction and both, hung processes, paused
//! machines, kills, stops, restarts and priority changes, all drawn from one seed.
//!
//! Invariants, counted from the end of the faults, within the largest Active_Down_Interval and
//! twice the largest delay (`Simulation::calm` names two cases that need longer): exactly one
//! router is Active, it stays the only one, and it has the highest priority where everybody
//! preempts. After a resignation somebody serves within the largest Skew_Time and twice the largest
//! delay. At all times, faults or not: answers and addresses are switched strictly in turn, only an
//! Active sends and it is never silent, and a Backup takes over neither early nor late
//! (`invariants::Witness`).
//!
//! [`groups`] does the same with sync groups, on hosts with a member on each of several networks.
//!
//! A failing seed prints its number and the end of its trace.
//!
//! * `XVRRP_RUNS=10000` runs that many seeds instead of the usual number.
//! * `XVRRP_SEED=N` replays one seed and prints all of it, `XVRRP_MUTATION=NAME` with that break.

mod faults;
mod groups;
mod invariants;
mod mutation;
mod network;
mod random;
mod router;
mod scenario;
mod simulation;
mod trace;

use std::{collections::BTreeSet, time::Instant};

use faults::Fault;
use mutation::Mutation;
use simulation::Simulation;

/// How many seeds run unless XVRRP_RUNS says otherwise: a few seconds of a debug build.
const RUNS: u64 = 2000;
/// Within how many seeds every broken election has to be found.
const SEEDS_PER_MUTATION: u64 = 1000;

/// Issue 3; design, "Layers of tests" 2; R-6.4-01, R-6.1-06, R-6.4.2-10 to -18, R-6.4.3-10 to -19:
/// the election itself, seed after seed.
#[test]
fn one_active_router_after_the_faults() {
    let runs = number_from_env("XVRRP_RUNS").unwrap_or(RUNS);
    let (start, mut steps, mut handovers) = (Instant::now(), 0, 0);
    let mut kinds = BTreeSet::new();
    for seed in 0..runs {
        let simulation = run(seed, None);
        steps += simulation.steps;
        handovers += simulation.handovers;
        kinds.extend(simulation.faults);
    }
    println!("{runs} seeds, {steps} steps, {handovers} handovers in {:?}", start.elapsed());
    assert!(runs < RUNS || kinds.len() == Fault::ALL.len(), "only {kinds:?} happened");
    assert!(runs < RUNS || handovers > 0);
}

/// Issue 3: the simulation is worth something: it finds each of these broken elections.
#[test]
fn broken_elections_are_found() {
    for mutation in Mutation::ALL {
        let start = Instant::now();
        let mut seeds = 0..SEEDS_PER_MUTATION;
        let found = seeds.find_map(|seed| {
            let violation = Simulation::run(seed, Some(mutation), false).violation()?;
            Some((seed, violation))
        });
        let Some((seed, violation)) = found else {
            panic!("{mutation:?} went unnoticed");
        };
        println!("{mutation:?}: seed {seed} after {:?}: {violation}", start.elapsed());
    }
}

/// Issue 3: the same seed gives the same run, so a printed seed is a bug report.
#[test]
fn runs_are_reproducible() {
    for seed in 0..5 {
        let first = Simulation::run(seed, None, true);
        assert!(!first.trace().is_empty());
        assert_eq!(first.trace(), Simulation::run(seed, None, true).trace());
        assert_eq!(first.steps, Simulation::run(seed, None, false).steps, "traces change nothing");
    }
}

/// Issue 3: a failing seed can be read: who was configured how, what happened last, how to see all
/// of it. With XVRRP_SEED it prints that run from the start.
#[test]
fn replay() {
    let name = std::env::var("XVRRP_MUTATION").ok();
    let mutation = name.map(|name| {
        let known = Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}") == name);
        known.unwrap_or_else(|| panic!("XVRRP_MUTATION={name}: one of {:?}", Mutation::ALL))
    });
    if let Some(seed) = number_from_env("XVRRP_SEED") {
        let simulation = Simulation::run(seed, mutation, true);
        println!("{}\n{simulation}", simulation.trace().join("\n"));
        assert_eq!(simulation.violation(), None);
        return;
    }
    let broken = (0..SEEDS_PER_MUTATION)
        .map(|seed| Simulation::run(seed, Some(Mutation::SkewIgnored), true))
        .find(|simulation| simulation.violation().is_some())
        .expect("a broken election is found");
    let report = broken.to_string();
    for part in ["took over", "early", "r0 ", "priority", "XVRRP_SEED=", "XVRRP_MUTATION=Skew"] {
        assert!(report.contains(part), "{part} is missing in {report}");
    }
}

/// One run without a violation, or else its trace.
fn run(seed: u64, mutation: Option<Mutation>) -> Simulation {
    let _guard = SeedOnPanic(seed);
    let simulation = Simulation::run(seed, mutation, false);
    if simulation.violation().is_some() {
        panic!("{}", Simulation::run(seed, mutation, true));
    }
    simulation
}

/// Says which seed it was, even when the election itself panics.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("XVRRP_SEED={} replays this", self.0);
        }
    }
}

fn number_from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}={value}: {error}")))
}
