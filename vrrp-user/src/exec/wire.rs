//! What worker and runner say to each other: JSON, one message a line.

use serde::{Deserialize, Serialize};

use super::{Found, Job, Outcome, Refusal};
use crate::config::{Command, ScriptRules};

/// To the runner.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Run it. No two that run have the same number.
    Run {
        /// Chosen by the worker.
        id: u64,
        /// What to run.
        job: Job,
    },
    /// End it, nobody waits for it.
    Cancel {
        /// Of the run.
        id: u64,
    },
    /// Say that you are there.
    Greet,
    /// Say whether it can be run.
    Find {
        /// Chosen by the worker.
        id: u64,
        /// What to look up.
        command: Command,
        /// Which programs may be run.
        rules: ScriptRules,
    },
}

/// From the runner.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// It runs.
    Began {
        /// The run.
        id: u64,
        /// Its process group, unless it outlives whoever asked for it.
        leashed: Option<i32>,
    },
    /// It is over, or did not begin.
    Ended {
        /// The run.
        id: u64,
        /// How it was.
        outcome: Outcome,
    },
    /// The answer to [`Order::Greet`].
    Greeting,
    /// It has been looked up.
    Found {
        /// The number that the worker has given to that.
        id: u64,
        /// What can be run, or why it cannot.
        found: Result<Found, Refusal>,
    },
}

/// A message as it goes over the line. Errors are those of paths that are not UTF-8.
pub(super) fn encode(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
