//! What happens to the virtual routers, as `xvrrp events` tells it.

use std::{fmt, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::State;

/// Whose the adverts are that cannot be ascribed to a virtual router of ours.
pub const NOBODY: &str = "no virtual router";

/// One event. Names and types of the fields are the JSON contract of `xvrrp events --json`; those of
/// [`What`] stand beside `at`, with `event` for its kind. `Display` is a line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When: RFC 3339, UTC, milliseconds. See [`super::timestamp`].
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. `router` is the name of the `vrrp_instance`. `Display` is what the log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// Nothing: the state in which the follower finds the router, before all other events.
    State {
        /// Whose.
        router: String,
        /// State.
        state: State,
    },
    /// The same for a sync group that has begun, after those of the routers.
    GroupState {
        /// Name of the `vrrp_sync_group`.
        group: String,
        /// State.
        state: State,
    },
    /// The router entered another state.
    Transition {
        /// Whose.
        router: String,
        /// The new state.
        state: State,
        /// Why, in words.
        reason: String,
    },
    /// The router has another effective priority, because of what it tracks.
    Priority {
        /// Whose.
        router: String,
        /// The new one, 1-254.
        priority: u8,
        /// The one before.
        before: u8,
        /// What has changed, in words.
        reason: String,
    },
    /// All members of a sync group are in another state.
    GroupTransition {
        /// Name of the `vrrp_sync_group`.
        group: String,
        /// The new state.
        state: State,
    },
    /// An advert failed a check. Not each one: of those that the kernel program drops at most ten a
    /// second for each reason and processor, of those that raw sockets bring one in ten seconds for each
    /// router and reason.
    Rejected {
        /// Which router it was for; `null` where it cannot be ascribed to one of ours.
        router: Option<String>,
        /// Its sender.
        source: IpAddr,
        /// The reason as the counters `rejected_CODE` of `xvrrp status` name it.
        code: String,
        /// The reason in words.
        reason: String,
    },
    /// An advert was accepted that gives food for thought. For each router at most one of each kind in
    /// ten seconds.
    Odd {
        /// Which router it was for.
        router: String,
        /// Its sender.
        source: IpAddr,
        /// What about it, in words.
        reason: String,
    },
    /// An advert passed every check. Only with `--adverts`.
    Advert {
        /// Which router it was for.
        router: String,
        /// VRID, 1-255.
        vrid: u8,
        /// Its sender.
        source: IpAddr,
        /// Priority, 0-255.
        priority: u8,
        /// Interval between the sender's adverts.
        interval_ms: u32,
        /// What became of it.
        fate: Fate,
        /// Who dealt with it.
        heard_by: HeardBy,
    },
    /// Events that this follower did not read in time. They are gone.
    Lost {
        /// How many.
        count: u64,
    },
}

/// What became of an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It repeated the last accepted one.
    Absorbed,
    /// It lost, and changed nothing.
    Ignored,
    /// It was new to the election.
    News,
}

/// Who dealt with an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeardBy {
    /// The kernel program.
    Program,
    /// The daemon itself, through a raw socket.
    Socket,
}

/// What a follower gets.
#[derive(Debug)]
pub struct Following {
    /// The state of each router and then of each group, in the order of the configuration.
    pub states: Vec<Event>,
    /// All that happens from then on. Whoever falls behind loses the oldest.
    pub events: broadcast::Receiver<Arc<Event>>,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { router, state } => write!(f, "({router}) is {}", state.name()),
            Self::GroupState { group, state } => {
                write!(f, "VRRP_Group({group}) is {}", state.name())
            }
            Self::Transition { router, state: State::Init, reason } => {
                write!(f, "({router}) {reason}")
            }
            Self::Transition { router, state, reason } => {
                write!(f, "({router}) Entering {} STATE ({reason})", state.name())
            }
            Self::Priority { router, priority, before, reason } => {
                let change = format!("from {before} to {priority}");
                write!(f, "({router}) Changing effective priority {change}: {reason}")
            }
            Self::GroupTransition { group, state: State::Init } => {
                write!(f, "VRRP_Group({group}) stopped")
            }
            Self::GroupTransition { group, state } => {
                write!(f, "VRRP_Group({group}) Entering {} STATE", state.name())
            }
            Self::Rejected { router, source, reason, .. } => {
                let name = router.as_deref().unwrap_or(NOBODY);
                write!(f, "({name}) advert from {source} dropped: {reason}")
            }
            Self::Odd { router, source, reason } => {
                write!(f, "({router}) advert from {source}: {reason}")
            }
            Self::Advert { router, source, priority, interval_ms, fate, .. } => {
                let fate = match fate {
                    Fate::Absorbed => "repeats the last one",
                    Fate::Ignored => "loses, nothing changes",
                    Fate::News => "is new",
                };
                let said = format!("priority {priority}, interval {interval_ms} ms");
                write!(f, "({router}) advert from {source}, {said}: {fate}")
            }
            Self::Lost { count } => {
                write!(f, "{count} events were lost: they came faster than they were read")
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::SystemTime;

    use serde_json::json;

    use super::*;
    use crate::api::timestamp;

    pub(in super::super) fn example(router: &str) -> Event {
        let reason = "no advert in time".to_owned();
        let what = What::Transition { router: router.to_owned(), state: State::Master, reason };
        Event { at: timestamp(SystemTime::UNIX_EPOCH), what }
    }

    /// `xvrrp events --json`: names and forms of all fields, and the line for people.
    #[test]
    fn contract() {
        let (router, source) = ("VI_1".to_owned(), IpAddr::from([192, 0, 2, 3]));
        let reason = "some reason".to_owned();
        for (what, json, line) in [
            (
                What::State { router: router.clone(), state: State::Backup },
                json!({"event": "state", "router": "VI_1", "state": "BACKUP"}),
                "(VI_1) is BACKUP",
            ),
            (
                What::GroupState { group: "G1".to_owned(), state: State::Backup },
                json!({"event": "group_state", "group": "G1", "state": "BACKUP"}),
                "VRRP_Group(G1) is BACKUP",
            ),
            (
                example(&router).what,
                json!({"event": "transition", "router": "VI_1", "state": "MASTER", "reason": "no advert in time"}),
                "(VI_1) Entering MASTER STATE (no advert in time)",
            ),
            (
                What::Priority {
                    router: router.clone(),
                    priority: 130,
                    before: 150,
                    reason: reason.clone(),
                },
                json!({"event": "priority", "router": "VI_1", "priority": 130, "before": 150, "reason": "some reason"}),
                "(VI_1) Changing effective priority from 150 to 130: some reason",
            ),
            (
                What::GroupTransition { group: "G1".to_owned(), state: State::Master },
                json!({"event": "group_transition", "group": "G1", "state": "MASTER"}),
                "VRRP_Group(G1) Entering MASTER STATE",
            ),
            (
                What::Rejected {
                    router: None,
                    source,
                    code: "ttl".to_owned(),
                    reason: reason.clone(),
                },
                json!({"event": "rejected", "router": null, "source": "192.0.2.3", "code": "ttl", "reason": "some reason"}),
                "(no virtual router) advert from 192.0.2.3 dropped: some reason",
            ),
            (
                What::Odd { router: router.clone(), source, reason },
                json!({"event": "odd", "router": "VI_1", "source": "192.0.2.3", "reason": "some reason"}),
                "(VI_1) advert from 192.0.2.3: some reason",
            ),
            (
                What::Advert {
                    router,
                    vrid: 51,
                    source,
                    priority: 200,
                    interval_ms: 1000,
                    fate: Fate::Absorbed,
                    heard_by: HeardBy::Program,
                },
                json!({"event": "advert", "router": "VI_1", "vrid": 51, "source": "192.0.2.3", "priority": 200, "interval_ms": 1000, "fate": "absorbed", "heard_by": "program"}),
                "(VI_1) advert from 192.0.2.3, priority 200, interval 1000 ms: repeats the last one",
            ),
            (
                What::Lost { count: 7 },
                json!({"event": "lost", "count": 7}),
                "7 events were lost: they came faster than they were read",
            ),
        ] {
            let event = Event { at: timestamp(SystemTime::UNIX_EPOCH), what };
            let mut expected = json;
            expected["at"] = "1970-01-01T00:00:00.000Z".into();
            assert_eq!(serde_json::to_value(&event).unwrap(), expected);
            assert_eq!(event.to_string(), format!("1970-01-01T00:00:00.000Z {line}"));
            assert_eq!(serde_json::from_value::<Event>(expected).unwrap(), event);
        }
    }
}
