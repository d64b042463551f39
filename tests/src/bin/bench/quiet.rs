//! Whether the processors worked for others meanwhile.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

/// Time of the processors up to now, in clock ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Of all processors, busy or not.
    total: u64,
    busy: u64,
    /// Of this process and its descendants, the dead ones included.
    own: u64,
}

impl Load {
    /// Reads the clocks.
    ///
    /// # Errors
    /// /proc is not there or says something else than expected.
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let (total, busy) = processors(&stat).context("/proc/stat has no line of processors")?;
        Ok(Self { total, busy, own: own(std::process::id(), &tasks()?) })
    }

    /// Share of the processors' time since then that went to others: other programs, other
    /// machines on the same host (steal), and interrupts that hit an idle processor. The last are
    /// often our own traffic's, so this is rather too much than too little.
    pub(crate) fn foreign_since(self, before: Self) -> f64 {
        let busy = self.busy.saturating_sub(before.busy);
        let own = self.own.saturating_sub(before.own);
        let total = self.total.saturating_sub(before.total).max(1);
        busy.saturating_sub(own) as f64 / total as f64
    }
}

/// Runs `work`; returns its result and the share of foreign load meanwhile.
///
/// # Errors
/// That of `work`, or the load cannot be read.
pub(crate) fn watched<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let before = Load::now()?;
    let result = work()?;
    Ok((result, Load::now()?.foreign_since(before)))
}

/// Total and busy ticks of the first line of /proc/stat (proc_stat(5)): user, nice, system, idle,
/// iowait, irq, softirq, steal; what guests use is in user and nice already.
fn processors(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|it| it.parse().ok()).collect();
    let total: u64 = ticks.iter().sum();
    Some((total, total - ticks.get(3)? - ticks.get(4)?))
}

/// Parent and ticks of a process, those of its reaped children included.
struct Task {
    parent: u32,
    ticks: u64,
}

/// All processes of the machine.
fn tasks() -> Result<BTreeMap<u32, Task>> {
    let processes = fs::read_dir("/proc").context("cannot read /proc")?.flatten();
    let processes = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // A process that has gone meanwhile is counted by its parent.
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((pid, task(&stat)?))
    });
    Ok(processes.collect())
}

/// From /proc/PID/stat (proc_pid_stat(5)): field 4 and fields 14 to 17.
fn task(stat: &str) -> Option<Task> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = (14..=17).map(field).sum::<Option<u64>>()?;
    Some(Task { parent: field(4)?.try_into().ok()?, ticks })
}

/// Ticks of `process` and its descendants.
fn own(process: u32, tasks: &BTreeMap<u32, Task>) -> u64 {
    let children = tasks.iter().filter(|(_, task)| task.parent == process);
    let descendants: u64 = children.map(|(pid, _)| own(*pid, tasks)).sum();
    tasks.get(&process).map_or(0, |task| task.ticks) + descendants
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 4, bench: everything but idle, waiting for disks and our own is foreign.
    #[test]
    fn what_is_not_ours_is_foreign() {
        let (total, busy) = processors("cpu  10 20 30 400 5 6 7 8 9 10\ncpu0 1").unwrap();
        assert_eq!((total, busy), (486, 81));
        let before = Load { total: 0, busy: 0, own: 0 };
        assert_eq!(Load { total: 400, busy: 100, own: 20 }.foreign_since(before), 0.2);
        assert_eq!(Load { total: 400, busy: 10, own: 20 }.foreign_since(before), 0.0);
    }

    /// Issue 4, bench: what our children use, and theirs, is ours.
    #[test]
    fn descendants_are_ours() {
        let line = |ppid: u32| format!("7 (a) b) S {ppid} 0 0 0 0 0 0 0 0 0 1 2 3 4 20 0");
        let tasks: BTreeMap<_, _> = [(5, 1), (6, 5), (7, 6), (8, 1)]
            .map(|(pid, parent)| (pid, task(&line(parent)).unwrap()))
            .into();
        assert_eq!(own(5, &tasks), 30);
        assert_eq!(own(7, &tasks), 10);
    }
}
