//! What the processes of a host use.

use std::fs;

use anyhow::{Context, Result};
use rig::{Node, output_of};

use crate::stats::Ran;

/// Sums over all processes in a node's namespace, all their threads included, up to now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// On a processor, user and system, ns.
    pub(crate) processor_ns: u64,
    /// Context switches, voluntary and not.
    pub(crate) switches: u64,
    /// Resident memory, KiB.
    pub(crate) memory_kib: u64,
    /// BPF programs that the processes hold.
    pub(crate) programs: Ran,
}

impl Cost {
    /// Reads the clocks.
    ///
    /// # Errors
    /// `ip` failed.
    pub(crate) fn of(node: &Node) -> Result<Self> {
        let mut list = std::process::Command::new("ip");
        let pids = output_of(list.args(["netns", "pids", node.namespace().name()]))?;
        let mut cost = Self::default();
        for pid in pids.split_whitespace() {
            cost.add_process(pid).with_context(|| format!("cannot read /proc/{pid}"))?;
            cost.programs = cost.programs + Ran::of_process(pid)?;
        }
        Ok(cost)
    }

    fn add_process(&mut self, pid: &str) -> Result<()> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        self.memory_kib += number(&status, "VmRSS:").unwrap_or(0);
        for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let schedstat = fs::read_to_string(task.path().join("schedstat"))?;
            let ran = schedstat.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
            self.processor_ns += ran.context("schedstat says nothing")?;
            let status = fs::read_to_string(task.path().join("status"))?;
            for kind in ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"] {
                self.switches += number(&status, kind).context("no context switches")?;
            }
        }
        Ok(())
    }
}

/// The number behind `name` in a file of one entry a line.
pub(crate) fn number(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 4, bench: what the kernel says of a task is read by its name, in full.
    #[test]
    fn a_number_is_found_by_its_whole_name() {
        let status = "nonvoluntary_ctxt_switches:\t3\nvoluntary_ctxt_switches:\t12\nVmRSS:\t 77 kB";
        assert_eq!(number(status, "voluntary_ctxt_switches:"), Some(12));
        assert_eq!(number(status, "VmRSS:"), Some(77));
        assert_eq!(number(status, "VmSwap:"), None);
    }
}
