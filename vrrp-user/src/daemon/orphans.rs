//! Processes whose parents have ended. In a container, where the supervisor may be process 1, they are
//! its children, and zombies until it has waited for them.

use std::{convert::Infallible, future::pending, io};

use rustix::process::{Pid, WaitOptions, child_subreaper, getpid, waitpid};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys::process::first_dead;

/// Process 1, and what is called a subreaper, inherit orphans.
pub(super) struct Orphans {
    /// Arrivals of SIGCHLD. None for who does not inherit.
    deaths: Option<Signal>,
}

impl Orphans {
    pub(super) fn new() -> io::Result<Self> {
        let inherits = getpid().is_init() || child_subreaper()?.is_some();
        let deaths = if inherits { Some(signal(SignalKind::child())?) } else { None };
        Ok(Self { deaths })
    }

    /// Waits for all that have ended and that will, for ever, but not for `worker`, a child of this
    /// process's own.
    pub(super) async fn bury(&mut self, worker: Option<u32>) -> ! {
        let Some(deaths) = &mut self.deaths else { match pending::<Infallible>().await {} };
        let worker = worker.and_then(|worker| Pid::from_raw(worker.cast_signed()));
        loop {
            // What waits behind a worker that has ended comes with the next call.
            while let Some(orphan) = first_dead().filter(|dead| Some(*dead) != worker)
                && waitpid(Some(orphan), WaitOptions::NOHANG).is_ok()
            {}
            if deaths.recv().await.is_none() {
                pending::<()>().await;
            }
        }
    }
}
