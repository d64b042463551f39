//! The leases of virtual routers without a kernel program: their supervisor keeps them.
//!
//! Where no program drops what is sent to an address, nothing but its removal stops the answers. The
//! worker shows its supervisor the slots, in shared memory, and tells it which addresses hang on
//! which lease; the supervisor removes those whose lease has lapsed, whether the worker died, hangs or
//! cannot send. It sleeps until the first lease would lapse: it looks about once in a lease, and never
//! while there is nothing to watch.

use std::{
    collections::BTreeMap,
    fs::File,
    future::pending,
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tracing::{error, warn};

use super::Error;
use crate::{
    datapath::Slots,
    host::{Host, Owned},
    pulse,
    sys::{
        memory::SlotMemory,
        sched::{Class, set_class},
    },
};

/// How long a worker waits for a supervisor that does not read.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often to try again what the kernel refused to remove.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// SCHED_FIFO priority of a supervisor that has something to watch: it does little, but in time.
const PRIORITY: u8 = 50;
/// Where it cannot have that.
const NICE: i8 = -20;
/// Bytes that are read in one go.
const CHUNK: usize = 1 << 16;

/// Addresses by the slot whose lease pays for them.
pub(super) type Wards = BTreeMap<u32, Vec<Owned>>;

/// What the worker tells, as a line of JSON: all of it each time. The first comes with the descriptor
/// of the slots.
#[derive(Serialize, Deserialize)]
struct Tale {
    slots: u32,
    wards: Wards,
}

/// The worker's end of the line to its supervisor, which was its standard output.
pub(super) struct Ward {
    line: Option<UnixStream>,
    slots: Arc<Slots>,
    told: Option<Wards>,
    /// What was told is to be told again.
    again: bool,
}

impl Ward {
    /// Takes the line over. From then on standard output is empty.
    pub(super) fn inherit(slots: &Arc<Slots>) -> Result<Self, Error> {
        let line = take_stdout().map_err(Error::setup("the line to the supervisor"))?;
        Ok(Self { line: Some(line), slots: Arc::clone(slots), told: None, again: false })
    }

    /// The slots with the leases.
    pub(super) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Has the next [`Self::tell`] say what it says even if that is known: the supervisor forgets
    /// addresses that it removes, and those that have been added since may have come after that.
    pub(super) fn repeat(&mut self) {
        self.again = true;
    }

    /// Tells which addresses the supervisor is to watch from now on; before they are added, so that
    /// none is there unwatched, and after it.
    pub(super) fn tell(&mut self, wards: Wards) {
        let again = std::mem::take(&mut self.again) && !wards.is_empty();
        let is_known = !again && self.told.as_ref().map_or(wards.is_empty(), |told| *told == wards);
        let Some(line) = &self.line else { return };
        if is_known {
            return;
        }
        let tale = Tale { slots: self.slots.count(), wards };
        if let Err(reason) = self.send(line, &tale) {
            warn!(
                "nobody removes the addresses of {} virtual routers should this process hang: {reason}",
                tale.wards.len()
            );
            self.line = None;
        }
        self.told = Some(tale.wards);
    }

    fn send(&self, mut line: &UnixStream, tale: &Tale) -> io::Result<()> {
        let mut text = serde_json::to_vec(tale)?;
        text.push(b'\n');
        let mut sent = 0;
        if self.told.is_none() {
            let memory = [self.slots.memory()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&memory));
            sent = sendmsg(line, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL)?;
        }
        line.write_all(&text[sent..])
    }
}

/// The supervisor's end.
#[derive(Default)]
pub(super) struct Watch {
    line: Option<tokio::net::UnixStream>,
    received: Vec<u8>,
    memory: Option<OwnedFd>,
    /// What the last worker left goes on until the next one says something.
    slots: Option<Slots>,
    wards: Wards,
    host: Option<Host>,
    is_urgent: bool,
}

impl Watch {
    /// Makes a line for a new worker, and returns its end.
    pub(super) fn connect(&mut self) -> io::Result<OwnedFd> {
        let (own, other) = UnixStream::pair()?;
        own.set_nonblocking(true)?;
        self.line = Some(tokio::net::UnixStream::from_std(own)?);
        self.received.clear();
        self.memory = None;
        Ok(other.into())
    }

    /// Removes addresses whose lease has lapsed, for ever. May be dropped and called again at any time.
    pub(super) async fn keep(&mut self) -> ! {
        loop {
            let Self { line, slots, wards, .. } = self;
            let lapse = slots.as_ref().and_then(|slots| first_lapse(slots, wards));
            tokio::select! {
                () = readable(line.as_ref()) => self.listen(),
                () = sleep(lapse) => self.remove_lapsed().await,
            }
        }
    }

    /// Takes in what the worker has said.
    fn listen(&mut self) {
        match self.receive() {
            Ok(0) => self.line = None,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                warn!("the worker cannot be heard any more: {error}");
                self.line = None;
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let Some(line) = &self.line else { return Ok(0) };
        let start = self.received.len();
        self.received.resize(start + CHUNK, 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let buffer = &mut [IoSliceMut::new(&mut self.received[start..])];
        let read = line.try_io(Interest::READABLE, || {
            Ok(recvmsg(line, buffer, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes)
        });
        self.received.truncate(start + read.as_ref().copied().unwrap_or_default());
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.memory = descriptors.last().or(self.memory.take());
            }
        }
        while let Some(end) = self.received.iter().position(|octet| *octet == b'\n') {
            let line: Vec<_> = self.received.drain(..=end).collect();
            self.take(serde_json::from_slice(&line)?)?;
        }
        read
    }

    fn take(&mut self, tale: Tale) -> io::Result<()> {
        if let Some(memory) = self.memory.take() {
            self.slots = Some(Slots::shared(SlotMemory::map(memory, tale.slots as usize)?));
        }
        self.wards = tale.wards;
        if !self.wards.is_empty() && !self.is_urgent {
            self.is_urgent = true;
            // What it forks, the next worker, begins as everybody does.
            if set_class(Class::Fifo { priority: PRIORITY }).is_err()
                && let Err(reason) = set_class(Class::Normal { nice: NICE })
            {
                warn!("any busy task can delay the removal of addresses without a lease: {reason}");
            }
        }
        Ok(())
    }

    async fn remove_lapsed(&mut self) {
        if let Err(error) = self.try_remove_lapsed().await {
            error!("addresses without a lease stay: {error}");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    async fn try_remove_lapsed(&mut self) -> crate::host::Result<()> {
        let Some(slots) = &self.slots else { return Ok(()) };
        let now = pulse::now();
        let lapsed: Vec<u32> = self
            .wards
            .keys()
            .copied()
            .filter(|slot| slots.get(*slot).lease().is_none_or(|until| until <= now))
            .collect();
        if lapsed.is_empty() {
            return Ok(());
        }
        let host = match &self.host {
            Some(host) => host,
            None => self.host.insert(Host::new()?),
        };
        let doomed: Vec<Owned> =
            lapsed.iter().filter_map(|slot| self.wards.get(slot)).flatten().cloned().collect();
        if let Some((_, error)) = host.remove_leftovers(&doomed).await?.into_iter().next() {
            return Err(error);
        }
        warn!(addresses = doomed.len(), "no adverts leave: the addresses have been removed");
        // The worker says so when they are there again.
        self.wards.retain(|slot, _| !lapsed.contains(slot));
        Ok(())
    }
}

fn take_stdout() -> io::Result<UnixStream> {
    let line = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    line.set_write_timeout(Some(PATIENCE))?;
    Ok(line)
}

/// How long the first lease still holds; `None` while there is nothing to watch.
fn first_lapse(slots: &Slots, wards: &Wards) -> Option<Duration> {
    let now = pulse::now();
    let left = |slot: &u32| {
        let lease = slots.get(*slot).lease().filter(|until| *until > now);
        lease.map(|until| until.since(now)).unwrap_or_default()
    };
    wards.keys().map(left).min()
}

async fn readable(line: Option<&tokio::net::UnixStream>) {
    match line {
        // What is wrong with it shows when it is read.
        Some(line) => drop(line.readable().await),
        None => pending().await,
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn wards(slot: u32, addresses: u16) -> Wards {
        let owned = |number: u16| Owned {
            index: 2,
            interface: "eth0".to_owned(),
            address: [192, 0, (number >> 8) as u8, number as u8].into(),
            prefix: 24,
            label: None,
            peer: None,
        };
        BTreeMap::from([(slot, (0..addresses).map(owned).collect())])
    }

    /// Issue 4: the supervisor sees the leases, and hears which addresses hang on them, however many
    /// there are.
    #[tokio::test]
    async fn wards_and_their_leases() {
        let slots = Arc::new(Slots::own(3).unwrap());
        let mut watch = Watch::default();
        let line = Some(UnixStream::from(watch.connect().unwrap()));
        let mut ward = Ward { line, slots: Arc::clone(&slots), told: None, again: false };
        let telling = thread::spawn(move || {
            ward.tell(wards(1, 1));
            ward.tell(wards(2, 5000));
            ward
        });
        while watch.wards != wards(2, 5000) {
            readable(watch.line.as_ref()).await;
            watch.listen();
        }
        let left = |watch: &Watch| first_lapse(watch.slots.as_ref().unwrap(), &watch.wards);
        assert_eq!(left(&watch), Some(Duration::ZERO));
        slots.get(2).open(pulse::now() + Duration::from_secs(600));
        assert!(left(&watch).unwrap() > Duration::from_secs(500));

        let mut ward = telling.join().unwrap();
        ward.tell(Wards::new());
        readable(watch.line.as_ref()).await;
        watch.listen();
        assert_eq!(left(&watch), None);
        // What the supervisor has removed and forgotten it hears of again.
        for _ in 0..2 {
            ward.repeat();
            ward.tell(wards(1, 1));
            readable(watch.line.as_ref()).await;
            watch.listen();
            assert_eq!(std::mem::take(&mut watch.wards), wards(1, 1));
        }
        // Whoever has gone says nothing more.
        drop(ward);
        readable(watch.line.as_ref()).await;
        watch.listen();
        assert!(watch.line.is_none());
    }
}
