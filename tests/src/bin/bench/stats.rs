//! What the kernel counts about BPF programs.

use std::{fs, ops, os::fd::OwnedFd};

use anyhow::{Context, Result};
use aya::sys::{Stats, enable_stats};

use crate::cost::number;

/// Makes the kernel measure the run time of each BPF program until the descriptor is closed.
///
/// # Errors
/// Not root, or Linux before 5.8.
pub(crate) fn measure_run_times() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("the kernel does not measure run times")
}

/// How often and how long programs ran while run times were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) count: u64,
    pub(crate) ns: u64,
}

impl Ran {
    /// Of all programs to which the process has a descriptor; of one with two, once.
    ///
    /// # Errors
    /// The process is gone.
    pub(crate) fn of_process(pid: &str) -> Result<Self> {
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo"));
        let files = files.with_context(|| format!("no descriptors of process {pid}"))?.flatten();
        // A descriptor may be closed meanwhile.
        let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        let mut programs: Vec<_> = texts.filter_map(|text| program(&text)).collect();
        programs.sort_by_key(|(id, _)| *id);
        programs.dedup_by_key(|(id, _)| *id);
        Ok(programs.into_iter().fold(Self::default(), |sum, (_, ran)| sum + ran))
    }

    /// Mean time of a run, ns.
    pub(crate) fn mean_ns(self) -> f64 {
        self.ns as f64 / self.count as f64
    }
}

/// Identifier and times of a program, from the text about its descriptor; `None` of anything else.
fn program(text: &str) -> Option<(u64, Ran)> {
    // A link names its program, too, but does not say how long it ran.
    let (count, ns) = (number(text, "run_cnt:")?, number(text, "run_time_ns:")?);
    Some((number(text, "prog_id:")?, Ran { count, ns }))
}

impl ops::Add for Ran {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { count: self.count + other.count, ns: self.ns + other.ns }
    }
}

impl ops::Sub for Ran {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        // A program that was replaced meanwhile has taken its times with it.
        let count = self.count.saturating_sub(before.count);
        Self { count, ns: self.ns.saturating_sub(before.ns) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 4, bench: run times are a program's own, a link to it has none.
    #[test]
    fn a_program_says_how_long_it_ran() {
        let text = "pos:\t0\nprog_type:\t6\nprog_id:\t12\nrun_time_ns:\t500\nrun_cnt:\t5\n";
        let ran = Ran { count: 5, ns: 500 };
        assert_eq!(program(text), Some((12, ran)));
        assert_eq!(ran.mean_ns(), 100.0);
        assert_eq!(program("link_type:\txdp\nlink_id:\t3\nprog_id:\t12\n"), None);
    }
}
