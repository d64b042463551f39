//! What the worker is told by signals other than those that end it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// Signals that kill who has no handler yet, and wait here for who is not ready for them.
pub(super) struct Signals {
    pub(super) hangup: Signal,
    pub(super) dump: Signal,
    pub(super) orphaned: Signal,
}

impl Signals {
    /// From now on none of them kills.
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).map_err(Error::setup("the handler of SIGHUP"))?,
            dump: signal(SignalKind::user_defined1())
                .map_err(Error::setup("the handler of SIGUSR1"))?,
            orphaned: signal(SignalKind::user_defined2())
                .map_err(Error::setup("the handler of SIGUSR2"))?,
        })
    }
}
