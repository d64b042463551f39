//! The rings through which the kernel program tells what happens.

use std::os::fd::AsFd;

use tracing::warn;

use crate::{
    datapath::{self, Adverts, Datapath, Doorbells, Rejects},
    sys::readiness::Readiness,
};

/// All of them; `None` where there is none.
#[derive(Default)]
pub(super) struct Rings {
    pub(super) doorbells: Option<Doorbells>,
    pub(super) rejects: Option<Log<Rejects>>,
    pub(super) adverts: Option<Log<Adverts>>,
}

impl Rings {
    pub(super) fn of(datapath: &mut Datapath) -> Self {
        Self {
            doorbells: datapath.doorbells().inspect_err(|error| warn!("{error}")).ok(),
            rejects: (datapath.rejects().and_then(Log::new))
                .inspect_err(|error| warn!("rejected adverts cannot be logged: {error}"))
                .ok(),
            adverts: (datapath.adverts().and_then(Log::new))
                .inspect_err(|error| warn!("adverts cannot be followed: {error}"))
                .ok(),
        }
    }
}

/// A ring with records for people, and when to look at it.
pub(super) struct Log<R> {
    ring: R,
    readiness: Readiness,
}

impl<R: AsFd> Log<R> {
    fn new(ring: R) -> Result<Self, datapath::Error> {
        Ok(Self { readiness: Readiness::of(&ring)?, ring })
    }
}

/// The next record of a ring; never, where there is none.
pub(super) async fn next_record<R: Iterator>(log: Option<&mut Log<R>>) -> R::Item {
    let Some(log) = log else { return std::future::pending().await };
    loop {
        if let Some(record) = log.ring.next() {
            return record;
        }
        if log.readiness.wait().await.is_err() {
            return std::future::pending().await;
        }
    }
}
