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
    sync::{
        Arc,
        mpsc::{self, TryRecvError},
    },
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
    orders: mpsc::Sender<Order>,
    /// Wakes the thread when there is an order, or will be none any more.
    bell: Arc<OwnedFd>,
}

/// What to watch from now on, and who is told.
struct Order {
    wanted: Vec<TrackProcess>,
    observer: Observer,
}

impl Processes {
    /// Watches from now on.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn watch(wanted: &[TrackProcess], observer: Observer) -> io::Result<Self> {
        let connector = Connector::open().inspect_err(|error| {
            warn!(
                "processes that start are seen within a second, not at once: the kernel's process connector does not speak to us: {error}"
            );
        });
        Self::watch_with(wanted, observer, connector.ok())
    }

    fn watch_with(
        wanted: &[TrackProcess],
        observer: Observer,
        connector: Option<Connector>,
    ) -> io::Result<Self> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (orders, incoming) = mpsc::channel();
        let tallies = wanted.iter().cloned().map(Tally::new).collect();
        let watcher = Watcher {
            tallies,
            observer,
            connector,
            ends: BTreeMap::new(),
            next: None,
            orders: incoming,
            bell: Arc::clone(&bell),
        };
        thread::Builder::new().name("track-processes".to_owned()).spawn(move || watcher.run())?;
        Ok(Self { orders, bell })
    }

    /// Watches others from now on. Those with a name that was there before keep what was told of them,
    /// and their delays where they are the same. All that is known is told again, by the numbers that
    /// they have now: give it another channel than before. `false` if nobody watches any longer: the
    /// thread has ended, and said why.
    pub fn replan(&self, wanted: &[TrackProcess], observer: Observer) -> bool {
        let order = Order { wanted: wanted.to_vec(), observer };
        let obeys = self.orders.send(order).is_ok();
        ring(&self.bell);
        obeys
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The thread looks after it was woken, and there has to be nobody who gives orders by then.
        self.orders = mpsc::channel().0;
        ring(&self.bell);
    }
}

fn ring(bell: &OwnedFd) {
    // The counter cannot overflow, so this cannot fail.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// What holds at this moment for each of them, whatever was before.
pub fn look(wanted: &[TrackProcess]) -> Vec<Value> {
    let mut tallies: Vec<_> = wanted.iter().cloned().map(Tally::new).collect();
    count_all(&mut tallies);
    let now = Instant::now();
    tallies.iter_mut().map(|tally| tally.settle(now).unwrap_or_default()).collect()
}

/// Reads all of /proc, if anybody counts.
fn count_all(tallies: &mut [Tally]) {
    if tallies.is_empty() {
        return;
    }
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
    orders: mpsc::Receiver<Order>,
    bell: Arc<OwnedFd>,
}

impl Watcher {
    fn run(mut self) {
        self.count_all();
        loop {
            let now = Instant::now();
            for index in 0..self.tallies.len() {
                if let Some(value) = self.tallies[index].settle(now) {
                    self.tell(index, value);
                }
            }
            match self.wait() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return warn!("processes are no longer watched: {error}"),
            }
        }
    }

    fn tell(&self, index: usize, value: Value) {
        let observation = Observation { tracker: TrackerId::Process(index), value };
        // Where nobody listens any longer, the next order says who does, if there is one.
        let _ = self.observer.blocking_send(observation);
    }

    /// Waits for news, takes it in, and says whether to go on.
    fn wait(&mut self) -> io::Result<bool> {
        let deadlines = self.tallies.iter().filter_map(Tally::deadline).chain(self.next);
        let wait = deadlines.min().map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds = vec![PollFd::new(&self.bell, PollFlags::IN)];
        fds.extend(self.connector.iter().map(|connector| PollFd::new(connector, PollFlags::IN)));
        fds.extend(self.ends.values().map(|end| PollFd::new(end, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            return Ok(self.obey());
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

    /// Carries out the last order, and says whether there may be more.
    fn obey(&mut self) -> bool {
        let mut count = [0; 8];
        // Whether it was rung once or more often does not matter.
        let _ = rustix::io::read(&*self.bell, &mut count);
        let mut last = None;
        let goes_on = loop {
            match self.orders.try_recv() {
                Ok(order) => last = Some(order),
                Err(error) => break error == TryRecvError::Empty,
            }
        };
        let Some(Order { wanted, observer }) = last else { return goes_on };
        self.observer = observer;
        let mut former = std::mem::take(&mut self.tallies);
        let tally = |wanted: TrackProcess| match former
            .iter()
            .position(|tally| tally.name() == wanted.name)
        {
            Some(at) => former.swap_remove(at).goes_on_as(wanted),
            None => Tally::new(wanted),
        };
        self.tallies = wanted.into_iter().map(tally).collect();
        self.count_all();
        for (index, tally) in self.tallies.iter().enumerate() {
            if let Some(value) = tally.told() {
                self.tell(index, value.clone());
            }
        }
        goes_on
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
