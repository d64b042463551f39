//! Running programs of others: tracked scripts, notifications, whatever a configuration names.
//!
//! No program is started by the process that sends adverts: its memory is large and locked, and a fork
//! of it would copy all page tables. A small process of its own does that, the runner
//! ([`serve`]), and is told what to run over a socket ([`Runner`]). It keeps the timeouts, too. It also
//! looks up what can be run ([`Programs`]): a name service or a file system of others may not answer, and
//! nobody else is to wait for it.

mod child;
mod hooks;
mod program;
mod programs;
mod runner;
mod server;
mod wire;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use self::runner::Message;
pub use self::{
    hooks::Hooks,
    program::{Exposure, Found, Program, Refusal, Writable, has_default_user, identity},
    programs::{Answer, Lookup, Programs},
    runner::{Run, Runner},
    server::serve,
};

/// One run of a program.
///
/// It has a process group of its own, `/` as its directory, `/dev/null` as input and output, and our
/// environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is run, and with whose rights.
    pub program: Program,
    /// Appended to the arguments that the program has already.
    pub arguments: Vec<String>,
    /// Added to our environment.
    pub environment: Vec<(String, String)>,
    /// When its process group gets SIGTERM, and SIGKILL two seconds later; `None` for never.
    pub timeout: Option<Duration>,
    /// It goes on when nobody waits for it any more, and when this process has ended.
    pub outlives: bool,
}

impl Job {
    /// A run without further arguments that ends with whoever waits for it.
    pub const fn new(program: Program) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            timeout: None,
            outlives: false,
        }
    }
}

/// Why a run has no result that the runner took with it.
const LOST: &str = "the runner died";

/// How a run was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The last 4096 octets of what it wrote to standard error.
    pub stderr: String,
}

impl Outcome {
    /// True for exit status 0.
    pub fn is_success(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// The last line with something in it of what was written to standard error.
    pub fn last_line(&self) -> Option<&str> {
        self.stderr.lines().rev().map(str::trim).find(|line| !line.is_empty())
    }

    /// True when nobody knows how it was, and that is not the program's fault.
    pub fn is_lost(&self) -> bool {
        matches!(&self.end, End::NotStarted(reason) if reason == LOST)
    }

    fn lost() -> Self {
        Self::not_started(LOST)
    }

    fn not_started(reason: impl fmt::Display) -> Self {
        Self { end: End::NotStarted(reason.to_string()), stderr: String::new() }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this exit status.
    Exited(i32),
    /// By this signal, which was not ours.
    Killed(i32),
    /// It took longer than its timeout, and is gone now.
    TimedOut,
    /// It did not begin, or nobody knows how it ended; with the reason.
    NotStarted(String),
}

/// For messages: `exited with status 1`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Killed(signal) => write!(f, "was killed by signal {signal}"),
            Self::TimedOut => write!(f, "timed out"),
            Self::NotStarted(reason) => write!(f, "was not run: {reason}"),
        }
    }
}
