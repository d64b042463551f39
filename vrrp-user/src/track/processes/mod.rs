//! `vrrp_track_process`: whether enough processes of a kind are running.
//!
//! A thread of its own listens to the kernel's process connector, which tells of each process that
//! forks, executes another program, takes another name or ends. Where it does not speak (only to root
//! of the first namespaces, or events were lost) /proc is read again. Without it that happens once a
//! second; the end of a process that counts is seen at once all the same, by its descriptor.

mod connector;
mod table;
mod tally;

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};
use tracing::warn;

use self::{
    connector::{Connector, News},
    tally::Tally,
};
use super::{Observation, Observer, TrackerId, Value};
use crate::config::TrackProcess;

/// How often /proc is read where the kernel does not tell of changes.
const PERIOD: Duration = Duration::from_secs(1);

/// Watches processes until it is dropped.
pub struct Processes {
    stop: Arc<OwnedFd>,
}

impl Processes {
    /// Watches from now on. `None` where there is nothing to watch.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn watch(wanted: &[TrackProcess], observer: Observer) -> io::Result<Option<Self>> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let connector = Connector::open().inspect_err(|error| {
            warn!(
                "processes that start are seen within a second, not at once: the kernel's process connector does not speak to us: {error}"
            );
        });
        Self::watch_with(wanted, observer, connector.ok()).map(Some)
    }

    fn watch_with(
        wanted: &[TrackProcess],
        observer: Observer,
        connector: Option<Connector>,
    ) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let tallies = wanted.iter().cloned().map(Tally::new).collect();
        let watcher = Watcher { tallies, observer, connector, ends: BTreeMap::new(), next: None };
        let until = Arc::clone(&stop);
        thread::Builder::new()
            .name("track-processes".to_owned())
            .spawn(move || watcher.run(&until))?;
        Ok(Self { stop })
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The counter cannot overflow, so this cannot fail.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

/// What holds at this moment for each of them, whatever was before.
pub fn look(wanted: &[TrackProcess]) -> Vec<Value> {
    let mut tallies: Vec<_> = wanted.iter().cloned().map(Tally::new).collect();
    count_all(&mut tallies);
    let now = Instant::now();
    tallies.iter_mut().map(|tally| tally.settle(now).unwrap_or_default()).collect()
}

/// Reads all of /proc.
fn count_all(tallies: &mut [Tally]) {
    let running: Vec<_> = table::running().collect();
    for tally in tallies {
        let matching = running.iter().filter(|process| tally.wants(process));
        tally.replace(matching.map(table::Process::pid).collect());
    }
}

struct Watcher {
    tallies: Vec<Tally>,
    observer: Observer,
    connector: Option<Connector>,
    /// Without a connector: a descriptor of each process that counts.
    ends: BTreeMap<u32, OwnedFd>,
    /// Without a connector: when to read /proc again.
    next: Option<Instant>,
}

impl Watcher {
    fn run(mut self, stop: &OwnedFd) {
        self.count_all();
        loop {
            let now = Instant::now();
            for index in 0..self.tallies.len() {
                if let Some(value) = self.tallies[index].settle(now) {
                    let observation = Observation { tracker: TrackerId::Process(index), value };
                    if self.observer.blocking_send(observation).is_err() {
                        return;
                    }
                }
            }
            match self.wait(stop) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return warn!("processes are no longer watched: {error}"),
            }
        }
    }

    /// Waits for news, takes it in, and says whether to go on.
    fn wait(&mut self, stop: &OwnedFd) -> io::Result<bool> {
        let deadlines = self.tallies.iter().filter_map(Tally::deadline).chain(self.next);
        let wait = deadlines.min().map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        fds.extend(self.connector.iter().map(|connector| PollFd::new(connector, PollFlags::IN)));
        fds.extend(self.ends.values().map(|end| PollFd::new(end, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            return Ok(false);
        }
        if self.connector.is_some() {
            self.hear();
            return Ok(true);
        }
        let ended: Vec<_> = self.ends.keys().zip(&fds[1..]).collect();
        let ended = ended.into_iter().filter(|(_, end)| !end.revents().is_empty());
        let ended: Vec<u32> = ended.map(|(pid, _)| *pid).collect();
        for pid in ended {
            self.ends.remove(&pid);
            self.tallies.iter_mut().for_each(|tally| tally.remove(pid));
        }
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.count_all();
        }
        Ok(true)
    }

    fn count_all(&mut self) {
        count_all(&mut self.tallies);
        if self.connector.is_some() {
            return;
        }
        self.next = Some(Instant::now() + PERIOD);
        let mut known = std::mem::take(&mut self.ends);
        for pid in self.tallies.iter().flat_map(Tally::pids) {
            // One that has ended meanwhile is missed by the next look.
            let open = || pidfd_open(pid_of(pid)?, PidfdFlags::empty()).ok();
            if let Some(end) = known.remove(&pid).or_else(open) {
                self.ends.insert(pid, end);
            }
        }
    }

    /// Takes in all that the connector has to say.
    fn hear(&mut self) {
        let Some(connector) = &self.connector else { return };
        let mut all = false;
        while let Some(news) = connector.next() {
            match news {
                News::Fork { parent, child } => {
                    self.tallies.iter_mut().for_each(|tally| tally.inherit(parent, child));
                }
                News::Changed(pid) => {
                    let process = table::process(pid);
                    for tally in &mut self.tallies {
                        match process.as_ref().filter(|process| tally.wants(process)) {
                            Some(_) => tally.add(pid),
                            None => tally.remove(pid),
                        }
                    }
                }
                News::Exit(pid) => self.tallies.iter_mut().for_each(|tally| tally.remove(pid)),
                News::Lost => all = true,
            }
        }
        if all {
            self.count_all();
        }
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.try_into().ok()?)
}

#[cfg(test)]
mod tests;
