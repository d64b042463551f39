//! What the client sees on the wire.

use std::{
    net::IpAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use crate::{
    Journal, Mac, Node, PacketSocket, pcap,
    wire::{self, ALL_NODES, Advert, What},
};

/// A frame that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When the kernel received it.
    pub at: SystemTime,
    /// Source MAC of the frame, which tells the node even where it speaks with a virtual address.
    pub from: Mac,
    /// Its meaning.
    pub what: What,
}

impl Seen {
    /// An advert from `node`.
    pub fn is_advert_of(&self, node: &Node) -> bool {
        matches!(self.what, What::Advert { source, .. } if node.speaks_from(source))
    }

    /// A gratuitous ARP for `vip`, or an unsolicited Neighbor Advertisement to all nodes.
    pub fn announces(&self, vip: impl Into<IpAddr>) -> bool {
        let vip = vip.into();
        match self.what {
            What::GratuitousArp { sender } => vip == sender.1,
            What::NeighborAdvert(na) => vip == na.target && na.destination == ALL_NODES,
            _ => false,
        }
    }

    /// An ARP reply for `vip`, or a Neighbor Advertisement that somebody has asked for.
    pub fn is_arp_answer(&self, vip: impl Into<IpAddr>) -> bool {
        let vip = vip.into();
        match self.what {
            What::ArpReply { sender, .. } => vip == sender.1,
            What::NeighborAdvert(na) => vip == na.target && na.solicited,
            _ => false,
        }
    }

    /// An echo reply from `vip`.
    pub fn is_ping_answer(&self, vip: impl Into<IpAddr>) -> bool {
        self.what == What::EchoReply { source: vip.into() }
    }
}

/// A frame as it was on the wire.
#[derive(Clone, Debug)]
struct Frame {
    at: SystemTime,
    bytes: Vec<u8>,
}

/// A sniffer on a node's interface. It keeps all frames that the node receives until it is dropped.
#[derive(Debug)]
pub struct Capture {
    seen: Arc<Journal<Seen>>,
    frames: Arc<Journal<Frame>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Starts to listen; frames that arrive after this returned are seen.
    ///
    /// # Errors
    /// The packet socket cannot be opened.
    pub fn start(node: &Node) -> Result<Self> {
        Self::start_on(node, Node::INTERFACE)
    }

    /// As [`Capture::start`], on another of the node's interfaces.
    ///
    /// # Errors
    /// As [`Capture::start`], or there is no such interface.
    pub fn start_on(node: &Node, interface: &str) -> Result<Self> {
        let socket = PacketSocket::open_on(node, interface)?;
        let (seen, frames) = (Arc::new(Journal::new()), Arc::new(Journal::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (seen, frames, stop) = (Arc::clone(&seen), Arc::clone(&frames), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    match socket.receive() {
                        Ok(Some((at, bytes))) => record(&seen, &frames, at, bytes),
                        Ok(None) => {}
                        Err(error) => {
                            eprintln!("rig: the capture ends: {error}");
                            break;
                        }
                    }
                }
            }
        });
        Ok(Self { seen, frames, stop, thread: Some(thread) })
    }

    /// Everything understood so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.snapshot()
    }

    /// What arrived at `since` or later.
    pub fn seen_since(&self, since: SystemTime) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.at >= since);
        seen
    }

    /// All frames that arrived at `since` or later, as they were on the wire.
    pub fn frames_since(&self, since: SystemTime) -> Vec<(SystemTime, Vec<u8>)> {
        let frames = self.frames.snapshot().into_iter().filter(|frame| frame.at >= since);
        frames.map(|frame| (frame.at, frame.bytes)).collect()
    }

    /// The adverts that `node` sent and that arrived at `since` or later, in full.
    ///
    /// # Errors
    /// One of them is not sound, see [`Advert::read`].
    pub fn adverts_of(&self, node: &Node, since: SystemTime) -> Result<Vec<(SystemTime, Advert)>> {
        let frames = self.frames_since(since).into_iter();
        let sent = frames.filter(|(_, bytes)| match wire::decode(bytes) {
            Some(What::Advert { source, .. }) => node.speaks_from(source),
            _ => false,
        });
        sent.map(|(at, bytes)| {
            let advert = Advert::read(&bytes);
            Ok((at, advert.with_context(|| format!("no sound advert: {bytes:02x?}"))?))
        })
        .collect()
    }

    /// The first frame that arrived at `since` or later and fits; `None` when none came within
    /// `timeout` from now.
    pub fn wait_for(
        &self,
        since: SystemTime,
        timeout: Duration,
        fits: impl Fn(&Seen) -> bool,
    ) -> Option<Seen> {
        // There may be very many, and each is looked at only once.
        let mut known = 0;
        self.seen.wait(timeout, |seen| {
            let news = &seen[known..];
            known = seen.len();
            news.iter().find(|seen| seen.at >= since && fits(seen)).cloned()
        })
    }

    /// As [`Capture::wait_for`].
    ///
    /// # Errors
    /// `what` was not seen within `timeout`.
    pub fn expect(
        &self,
        what: &str,
        since: SystemTime,
        timeout: Duration,
        fits: impl Fn(&Seen) -> bool,
    ) -> Result<Seen> {
        self.wait_for(since, timeout, fits)
            .with_context(|| format!("the client did not see {what} within {timeout:?}"))
    }

    /// All frames so far for which `wanted` holds, as they were on the wire.
    pub fn frames(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let frames = self.frames.snapshot().into_iter().map(|frame| frame.bytes);
        frames.filter(|frame| wanted(frame)).collect()
    }

    /// Writes all frames for which `wanted` holds to a file that tshark and tcpdump read, with
    /// nanoseconds. Returns their number.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_pcap(&self, path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<usize> {
        let frames = self.frames.snapshot();
        let wanted: Vec<_> = frames.iter().filter(|frame| wanted(&frame.bytes)).collect();
        let file = pcap::file(wanted.iter().map(|frame| (frame.at, frame.bytes.as_slice())));
        std::fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(wanted.len())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed where it happened.
            let _ = thread.join();
        }
    }
}

fn record(seen: &Journal<Seen>, frames: &Journal<Frame>, at: SystemTime, bytes: Vec<u8>) {
    if let (Some(from), Some(what)) = (wire::source_mac(&bytes), wire::decode(&bytes)) {
        seen.push(Seen { at, from, what });
    }
    frames.push(Frame { at, bytes });
}
