//! What the virtual routers live through, for the log and for `xvrrp events`.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use tokio::sync::broadcast;
use vrrp_common::{
    abi::{self, Reported},
    ladder::{Heard, Reject},
};

use super::{devices::Devices, plan::Plan};
use crate::{
    api::{self, Event, HeardBy, What, timestamp},
    election::{Cause, Instant, State},
    pulse::{self, Oddity, Report, RouterId},
};

/// Events that a follower may be behind. What it does not read in time is lost to it.
const BACKLOG: usize = 1024;

/// Passes events on to whoever follows them. Never waits.
pub(super) struct Feed {
    events: broadcast::Sender<Arc<Event>>,
    /// The same and each advert.
    with_adverts: broadcast::Sender<Arc<Event>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG),
            with_adverts: broadcast::Sender::new(BACKLOG),
        }
    }

    /// What is published from now on, with `adverts` each advert, too.
    pub(super) fn subscribe(&self, adverts: bool) -> broadcast::Receiver<Arc<Event>> {
        if adverts { self.with_adverts.subscribe() } else { self.events.subscribe() }
    }

    /// True while somebody wants to see each advert.
    pub(super) fn wants_adverts(&self) -> bool {
        self.with_adverts.receiver_count() > 0
    }

    /// Publishes what happened then.
    pub(super) fn publish(&self, at: Instant, what: What) {
        let wanted_by = |what: &What| match what {
            What::Advert { .. } => [None, Some(&self.with_adverts)],
            _ => [Some(&self.events), Some(&self.with_adverts)],
        };
        let senders = wanted_by(&what);
        let event = Arc::new(Event { at: timestamp(by_calendar(at)), what });
        for sender in senders.into_iter().flatten() {
            // Nobody has to listen.
            let _ = sender.send(Arc::clone(&event));
        }
    }
}

/// What the calendar said then.
pub(super) fn by_calendar(at: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(pulse::now().since(at)).unwrap_or(now)
}

/// A report of the pulse as an event, and when it happened. `stopping` says that the daemon wants it
/// so.
pub(super) fn of_report(
    plan: &Plan,
    devices: &Devices,
    stopping: bool,
    report: &Report,
) -> Option<(Instant, What)> {
    let name = |router: RouterId| plan.routers[router].name.clone();
    Some(match *report {
        Report::Transition { router, to, cause, at, .. } => {
            let (state, reason) = match (to, devices.fault(router)) {
                (State::Active, _) => (api::State::Master, describe(cause)),
                (State::Backup, _) => (api::State::Backup, describe(cause)),
                (State::Initialize, _) if plan.leaving.contains(&router) => {
                    (api::State::Init, "no longer in the configuration")
                }
                (State::Initialize, _) if stopping => (api::State::Init, "stopped"),
                (State::Initialize, reason) => {
                    (api::State::Fault, reason.unwrap_or("it is over already"))
                }
            };
            (at, What::Transition { router: name(router), state, reason: reason.to_owned() })
        }
        Report::Odd { router, oddity, source } => {
            (pulse::now(), What::Odd { router: name(router), source, reason: wonder(oddity) })
        }
        Report::Heard { router, heard, fate, at } => {
            (at, advert(plan, router, &heard, fate, HeardBy::Socket))
        }
        // Refused adverts are told of by `of_reject`.
        Report::Rejected { .. }
        | Report::AddAddresses { .. }
        | Report::RemoveAddresses { .. }
        | Report::Announce { .. } => return None,
    })
}

/// A refused advert to whom a slot belongs.
pub(super) fn of_reject(plan: &Plan, slot: u32, reject: Reject, source: IpAddr) -> What {
    let router = plan.router_of(slot).map(|router| plan.routers[router].name.clone());
    let (code, reason) = (reject.name().to_owned(), reject.describe().to_owned());
    What::Rejected { router, source, code, reason }
}

/// A record of the kernel program's advert ring.
pub(super) fn of_advert(plan: &Plan, record: &Reported) -> Option<(Instant, What)> {
    let router = plan.router_of(record.slot)?;
    let fate = *abi::Fate::ALL.get(record.fate as usize)?;
    let heard = Heard::from_word(record.advert, record.source, 0);
    Some((Instant::from_nanos(record.at), advert(plan, router, &heard, fate, HeardBy::Program)))
}

fn advert(
    plan: &Plan,
    router: RouterId,
    heard: &Heard,
    fate: abi::Fate,
    heard_by: HeardBy,
) -> What {
    let instance = &plan.routers[router];
    What::Advert {
        router: instance.name.clone(),
        vrid: instance.vrid.get(),
        source: heard.source.to_ip(instance.family()),
        priority: heard.priority,
        // It is in centiseconds.
        interval_ms: u32::from(heard.interval) * 10,
        fate: match fate {
            abi::Fate::Absorbed => api::Fate::Absorbed,
            abi::Fate::Ignored => api::Fate::Ignored,
            abi::Fate::News => api::Fate::News,
        },
        heard_by,
    }
}

fn wonder(oddity: Oddity) -> String {
    match oddity {
        Oddity::Addresses => "it has other virtual addresses than ours".to_owned(),
        Oddity::Interval => "it has another advert_int than ours".to_owned(),
        Oddity::Owner { other } => format!(
            "it has priority 255, and so has {other}; only one router can own the addresses"
        ),
        Oddity::Authentication { reject } => {
            format!("accepted, but it would not be in mode enforce: {}", reject.describe())
        }
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
        Cause::Overdue => "its adverts were so late that another must be master",
        Cause::SyncGroup => "with its sync group",
    }
}
