//! What a neighbour hears of a MASTER while something is going on.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::SystemTime,
};

use anyhow::{Result, anyhow};
use rig::{
    Node, PacketSocket, ms_between,
    wire::{self, What},
};

use crate::quiet::watched;

/// The adverts that came in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// In a second.
    pub(crate) rate: f64,
    /// The longest time between two of a virtual router, ms.
    pub(crate) gap: f64,
    /// How many virtual routers sent them.
    pub(crate) routers: usize,
}

/// Counts the adverts that come in on these interfaces of a node while `work` goes on; returns what that
/// returns and the foreign load, too.
///
/// # Errors
/// That of `work`, or the adverts or the load cannot be read.
pub(crate) fn while_counting<T>(
    node: &Node,
    interfaces: &[String],
    work: impl FnOnce() -> Result<T>,
) -> Result<(Heard, T, f64)> {
    let sockets = interfaces.iter().map(|interface| PacketSocket::open_on(node, interface));
    let sockets = sockets.collect::<Result<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let counts: Vec<_> =
            sockets.iter().map(|socket| scope.spawn(|| Count::run(socket, &stop))).collect();
        let outcome = watched(work);
        stop.store(true, Ordering::Relaxed);
        let mut heard = Heard::default();
        for count in counts {
            let count = count.join().map_err(|_| anyhow!("panic in a counter"))??;
            heard.rate += count.rate();
            heard.gap = heard.gap.max(count.gap);
            heard.routers += count.last.len();
        }
        let (result, foreign) = outcome?;
        Ok((heard, result, foreign))
    })
}

/// The adverts that came in on one interface.
struct Count {
    adverts: u64,
    first: SystemTime,
    last: BTreeMap<u8, SystemTime>,
    gap: f64,
}

impl Count {
    /// Counts until it is stopped.
    fn run(socket: &PacketSocket, stop: &AtomicBool) -> Result<Self> {
        let first = SystemTime::now();
        let mut count = Self { adverts: 0, first, last: BTreeMap::new(), gap: 0.0 };
        while !stop.load(Ordering::Relaxed) {
            let Some((at, frame)) = socket.receive()? else { continue };
            let Some(What::Advert { vrid, .. }) = wire::decode(&frame) else { continue };
            count.adverts += 1;
            let before = count.last.insert(vrid, at).unwrap_or(at);
            count.gap = count.gap.max(ms_between(before, at));
        }
        Ok(count)
    }

    /// Adverts in a second.
    fn rate(&self) -> f64 {
        let end = self.last.values().max().copied().unwrap_or(self.first);
        self.adverts as f64 * 1e3 / ms_between(self.first, end)
    }
}
