//! What the log says of the virtual routers, in keepalived's words.

use std::net::IpAddr;

use tracing::{Level, info, warn};
use vrrp_common::ladder::Reject;

use super::{
    devices::Devices,
    plan::Plan,
    refusals::{self, Say},
};
use crate::{
    datapath,
    election::{Cause, State},
    pulse::{Oddity, Report},
    sys::readiness::Readiness,
};

/// Logs a transition. `stopping` says that the daemon wants it so.
pub(super) fn report(plan: &Plan, devices: &Devices, stopping: bool, report: &Report) {
    match *report {
        Report::Transition { router, to, cause, .. } => {
            let name = &plan.routers[router].name;
            match (to, devices.fault(router)) {
                (State::Active, _) => info!("({name}) Entering MASTER STATE ({})", describe(cause)),
                (State::Backup, _) => info!("({name}) Entering BACKUP STATE ({})", describe(cause)),
                (State::Initialize, _) if stopping => info!("({name}) stopped"),
                (State::Initialize, reason) => {
                    let reason = reason.unwrap_or("it is over already");
                    warn!("({name}) Entering FAULT STATE ({reason})");
                }
            }
        }
        // Those go to `reject`.
        Report::Rejected { .. } => {}
        Report::Odd { router, oddity, source } => {
            wonder(&plan.routers[router].name, source, oddity);
        }
        Report::AddAddresses { .. } | Report::RemoveAddresses { .. } | Report::Announce { .. } => {}
    }
}

/// Logs a refused advert, or what `say` else is to be said of it.
pub(super) fn reject(plan: &Plan, say: Say, (slot, reject): (u32, Reject), source: IpAddr) {
    match say {
        Say::It => {
            let name = name_of(plan, slot);
            warn!("({name}) advert from {source} dropped: {}", reject.describe());
        }
        Say::TooMany => warn!(
            "adverts are dropped for more virtual routers and reasons than the log has room for; `xvrrp status` counts them all"
        ),
        Say::Nothing => {}
    }
}

/// Logs how many adverts were refused that the log has not spoken of.
pub(super) fn more_rejects(plan: &Plan, slot: u32, reject: Reject, more: u64) {
    let (name, adverts) = (name_of(plan, slot), if more == 1 { "advert" } else { "adverts" });
    let time = refusals::WINDOW.as_secs();
    warn!("({name}) {more} more {adverts} dropped in the last {time} s: {}", reject.describe());
}

/// Name of the virtual router with a slot.
fn name_of(plan: &Plan, slot: u32) -> &str {
    let router = (slot as usize).checked_sub(1).and_then(|router| plan.routers.get(router));
    router.map_or("no virtual router", |router| &router.name)
}

fn wonder(name: &str, source: IpAddr, oddity: Oddity) {
    match oddity {
        Oddity::Addresses => {
            warn!("({name}) advert from {source}: it has other virtual addresses than ours");
        }
        Oddity::Interval => {
            warn!("({name}) advert from {source}: it has another advert_int than ours");
        }
        Oddity::Owner { other } => warn!(
            "({name}) advert from {source}: it has priority 255, and so has {other}; only one router can own the addresses"
        ),
        Oddity::Authentication { reject } => warn!(
            "({name}) advert from {source} accepted, but it would not be in mode enforce: {}",
            reject.describe()
        ),
    }
}

const fn describe(cause: Cause) -> &'static str {
    match cause {
        Cause::Startup => "started",
        Cause::Shutdown => "stopped",
        Cause::OwnerStartup => "started as the owner of the addresses",
        Cause::Resumed => "its lease from before the start still holds",
        Cause::ActiveDownTimer => "no advert in time",
        Cause::Resignation => "the master resigned",
        Cause::Preemption => "only lower priorities were heard",
        Cause::HigherPriority => "an advert with a higher priority was heard",
        Cause::EqualPriorityHigherAddress => {
            "an advert with the same priority from a higher address was heard"
        }
    }
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
