//! What the two routers of a row go through.

use super::{Row, segment::Segment};
use crate::Daemon;

/// How a step went, or why it failed.
pub(super) type Step = Result<(), String>;

/// All steps with one cast.
pub(super) struct Played {
    pub(super) settled: Step,
    pub(super) taken_over: Step,
    pub(super) returned: Step,
    pub(super) stopped: Step,
}

impl Played {
    /// Plays all steps; `daemons` are those of node 0, which has the higher priority, and node 1.
    pub(super) fn new(row: &Row, daemons: [Daemon; 2]) -> Self {
        let start = || Segment::start(row, daemons);
        let mut segment = match start() {
            Ok(segment) => segment,
            Err(reason) => return Self::failed(&reason),
        };
        let taken_over = segment.crash_master();
        let returned = taken_over.clone().and_then(|()| segment.return_of_master());
        if returned.is_err() {
            // What went wrong must not spoil the rest.
            segment = match start() {
                Ok(segment) => segment,
                Err(reason) => return Self { taken_over, returned, ..Self::failed(&reason) },
            };
        }
        let stopped = segment.stop_master();
        Self { settled: Ok(()), taken_over, returned, stopped }
    }

    /// Nothing was reached.
    pub(super) fn failed(reason: &str) -> Self {
        let failed = || Err(reason.to_owned());
        Self { settled: failed(), taken_over: failed(), returned: failed(), stopped: failed() }
    }
}
