//! What the two routers of a row go through.

use super::{Row, segment::Segment};
use crate::Daemon;

/// How a step went.
pub(super) type Step = Result<(), Failure>;

/// Why a step failed; what is said includes both logs.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It could not be tried: no lab, or a daemon that did not run.
    Broken(String),
    /// The daemons ran, and something was not right.
    Wrong(String),
}

impl Failure {
    pub(super) fn into_reason(self) -> String {
        let (Self::Broken(reason) | Self::Wrong(reason)) = self;
        reason
    }
}

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
            Err(failure) => return Self::failed(&failure),
        };
        let taken_over = segment.crash_master();
        let returned = taken_over.clone().and_then(|()| segment.return_of_master());
        if returned.is_err() {
            // What went wrong must not spoil the rest.
            segment = match start() {
                Ok(segment) => segment,
                Err(failure) => return Self { taken_over, returned, ..Self::failed(&failure) },
            };
        }
        let stopped = segment.stop_master();
        Self { settled: Ok(()), taken_over, returned, stopped }
    }

    /// Nothing was reached.
    pub(super) fn failed(failure: &Failure) -> Self {
        let failed = || Err(failure.clone());
        Self { settled: failed(), taken_over: failed(), returned: failed(), stopped: failed() }
    }
}
