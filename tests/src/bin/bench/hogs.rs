//! What keeps the processors busy.

use std::{process::Command, thread, time::Duration};

use anyhow::Result;
use rig::{Process, output_of};
use rustix::thread::gettid;

const LOOPS: usize = 8;

/// Tasks that want all the processors.
#[derive(Clone, Copy)]
pub(crate) enum Hogs {
    None,
    Normal,
    Nice,
    Mixed,
    Fifo,
}

impl Hogs {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Normal => "8 loops",
            Self::Nice => "8 loops at nice -15",
            Self::Mixed => "8 loops, forks, switches, memory",
            Self::Fifo => "SCHED_FIFO 50 everywhere",
        }
    }

    /// Starts them; they end by themselves after `time`, and loops are killed when they have computed
    /// for a second longer.
    ///
    /// # Errors
    /// A program is missing.
    pub(crate) fn start(self, time: Duration) -> Result<Vec<Process>> {
        let processors = thread::available_parallelism()?.get();
        match self {
            Self::None => Ok(Vec::new()),
            Self::Normal => loops(LOOPS, &["chrt", "--other", "0"], time),
            Self::Nice => loops(LOOPS, &["nice", "-n", "-15"], time),
            Self::Mixed => {
                let mut command = Command::new("stress-ng");
                command.args(["--cpu", &LOOPS.to_string(), "--fork", "4", "--switch", "4"]);
                command.args(["--vm", "2", "--vm-bytes", "128M", "--quiet", "--timeout"]);
                command.arg(format!("{}s", time.as_secs()));
                Ok(vec![Process::spawn("stress-ng", command)?])
            }
            Self::Fifo => loops(processors, &["chrt", "--fifo", "50"], time),
        }
    }
}

/// Loops that `class` runs, tied to the processors in turn.
fn loops(count: usize, class: &[&str], time: Duration) -> Result<Vec<Process>> {
    let processors = thread::available_parallelism()?.get();
    let seconds = time.as_secs();
    let limit = seconds + 1;
    let script = format!("ulimit -t {limit}; while (( SECONDS < {seconds} )); do :; done");
    let hog = |number: usize| {
        let mut command = Command::new("taskset");
        command.args(["-c", &(number % processors).to_string()]).args(class);
        command.args(["bash", "-c", &script]);
        Process::spawn("a busy loop", command)
    };
    (0..count).map(hog).collect()
}

/// The calling thread goes before everything but SCHED_DEADLINE from now on.
///
/// # Errors
/// Not root.
pub(crate) fn be_urgent() -> Result<()> {
    let thread = gettid().as_raw_nonzero().to_string();
    output_of(Command::new("chrt").args(["--fifo", "--pid", "99", &thread])).map(drop)
}
