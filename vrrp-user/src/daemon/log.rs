//! What the log says of the virtual routers, in keepalived's words.

use tracing::{Level, info, warn};
use vrrp_common::ladder::Reject;

use super::{
    plan::Plan,
    refusals::{self, Say},
};
use crate::{
    api::{NOBODY, State, What},
    datapath,
    sys::readiness::Readiness,
};

/// Logs an event, refused adverts apart. Adverts that are in order are not for the log.
pub(super) fn write(what: &What) {
    match what {
        What::Transition { state: State::Fault, .. }
        | What::GroupTransition { state: State::Fault, .. }
        | What::Odd { .. } => warn!("{what}"),
        What::State { .. }
        | What::GroupState { .. }
        | What::Transition { .. }
        | What::GroupTransition { .. }
        | What::Priority { .. }
        | What::Lost { .. } => info!("{what}"),
        // The former go to `reject`.
        What::Rejected { .. } | What::Advert { .. } => {}
    }
}

/// Logs a refused advert, or what `say` else is to be said of it.
pub(super) fn reject(say: Say, refused: &What) {
    match say {
        Say::It => warn!("{refused}"),
        Say::TooMany => warn!(
            "adverts are dropped for more virtual routers and reasons than the log has room for; `xvrrp status` counts them all"
        ),
        Say::Nothing => {}
    }
}

/// Logs how many adverts were refused that the log has not spoken of.
pub(super) fn more_rejects(plan: &Plan, slot: u32, reject: Reject, more: u64) {
    let name = plan.router_of(slot).map_or(NOBODY, |router| plan.routers[router].name.as_str());
    let adverts = if more == 1 { "advert" } else { "adverts" };
    let time = refusals::WINDOW.as_secs();
    warn!("({name}) {more} more {adverts} dropped in the last {time} s: {}", reject.describe());
}

/// Under which target the kernel program logs: `RUST_LOG=info,xvrrp_ebpf=debug`.
const PROGRAM: &str = "xvrrp_ebpf";

/// True when the kernel program's own log is wanted. It costs time for each frame that it speaks of.
pub(super) fn program_is_verbose() -> bool {
    tracing::enabled!(target: PROGRAM, Level::DEBUG)
}

/// Passes on what the kernel program logs, until the daemon ends.
pub(super) fn follow_program(mut logger: datapath::Logger) {
    let readiness = match Readiness::of(&logger) {
        Ok(readiness) => readiness,
        Err(error) => {
            warn!("no log of the kernel program: {error}");
            return;
        }
    };
    tokio::spawn(async move {
        while readiness.wait().await.is_ok() {
            logger.flush();
        }
    });
}
