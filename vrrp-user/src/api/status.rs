//! What a virtual router is doing, as `xvrrp status` tells it.

use std::{collections::BTreeMap, net::IpAddr, time::SystemTime};

use serde::{Deserialize, Serialize};

/// One virtual router. Names and types of the fields are the JSON contract of `xvrrp status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// Name of the `vrrp_instance`.
    pub name: String,
    /// Name of its interface.
    pub interface: String,
    /// VRID, 1-255.
    pub vrid: u8,
    /// Name of its `vrrp_sync_group`; `null` without.
    pub sync_group: Option<String>,
    /// State of that group: what all of its members are, or were last; `null` without, and before it has
    /// begun.
    pub sync_group_state: Option<State>,
    /// Address family.
    pub family: Family,
    /// VRRP version, 2 or 3.
    pub version: u8,
    /// State.
    pub state: State,
    /// Priority in the configuration, 1-255.
    pub priority: u8,
    /// Priority in adverts and comparisons now, 0-255.
    pub effective_priority: u8,
    /// Source address of the router that is Active: ours, or that of the last accepted advert.
    /// `null` when none is known.
    pub active_router: Option<IpAddr>,
    /// When the state was entered: RFC 3339, UTC, milliseconds. See [`timestamp`].
    pub since: String,
    /// How the kernel program is attached: `native`, `generic`, `tcx` or `none`.
    pub xdp_mode: String,
    /// Why so.
    pub xdp_reason: String,
    /// What becomes of packets to the addresses: `accept`, `no_accept (nftables)`,
    /// `no_accept (kernel program)` or `no_accept not enforced`.
    pub acceptance: String,
    /// Time until the kernel stops answering for the addresses unless it is renewed, in
    /// milliseconds; negative when that moment has passed, `null` without a lease.
    pub lease_ms: Option<i64>,
    /// How the thread runs that keeps the router's deadlines, and how well.
    pub pulse: Pulse,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// Scheduling of the thread that all virtual routers share, and how late it did what one of them had
/// to do at a certain time: send a regular advert, take over from a dead master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// Its scheduling class: `sched_deadline, 0.35 of 10 ms`, `sched_fifo, priority 50` or
    /// `normal, nice -20`.
    pub scheduling: String,
    /// The latest of all, in microseconds.
    pub latest_us: u64,
    /// How many were how late.
    pub lateness: Vec<Class>,
}

/// One class of a histogram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its upper end in microseconds, inclusive; `null` for the last one.
    pub up_to_us: Option<u64>,
    /// How many were in it and in none before.
    pub count: u64,
}

/// Address family of a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `ipv4`.
    Ipv4,
    /// `ipv6`.
    Ipv6,
}

/// State in keepalived's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Initialize of RFC 9568.
    Init,
    /// Backup.
    Backup,
    /// Active.
    Master,
    /// Initialize, because something that the router needs is down.
    Fault,
}

impl State {
    /// As in JSON and in log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        }
    }
}

/// `time` as RFC 3339 in UTC with milliseconds, such as `2026-11-20T20:45:00.123Z`. Times outside
/// the years -9999 to 9999 are shown as the nearest of them.
pub fn timestamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(if time < SystemTime::UNIX_EPOCH {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    format!("{time:.3}")
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(in super::super) fn example() -> RouterStatus {
        RouterStatus {
            name: "VI_1".to_owned(),
            interface: "eth0".to_owned(),
            vrid: 51,
            sync_group: Some("G1".to_owned()),
            sync_group_state: Some(State::Master),
            family: Family::Ipv4,
            version: 3,
            state: State::Master,
            priority: 150,
            effective_priority: 150,
            active_router: Some([192, 0, 2, 2].into()),
            since: timestamp(SystemTime::UNIX_EPOCH),
            xdp_mode: "generic".to_owned(),
            xdp_reason: "veth".to_owned(),
            acceptance: "accept".to_owned(),
            lease_ms: Some(2993),
            pulse: Pulse {
                scheduling: "sched_fifo, priority 50".to_owned(),
                latest_us: 61,
                lateness: vec![
                    Class { up_to_us: Some(50), count: 16 },
                    Class { up_to_us: None, count: 1 },
                ],
            },
            counters: BTreeMap::from([("adverts_sent".to_owned(), 17)]),
        }
    }

    /// `xvrrp status --json`: names and forms of all fields.
    #[test]
    fn json_contract() {
        assert_eq!(
            serde_json::to_value(example()).unwrap(),
            serde_json::json!({
                "name": "VI_1",
                "interface": "eth0",
                "vrid": 51,
                "sync_group": "G1",
                "sync_group_state": "MASTER",
                "family": "ipv4",
                "version": 3,
                "state": "MASTER",
                "priority": 150,
                "effective_priority": 150,
                "active_router": "192.0.2.2",
                "since": "1970-01-01T00:00:00.000Z",
                "xdp_mode": "generic",
                "xdp_reason": "veth",
                "acceptance": "accept",
                "lease_ms": 2993,
                "pulse": {
                    "scheduling": "sched_fifo, priority 50",
                    "latest_us": 61,
                    "lateness": [
                        {"up_to_us": 50, "count": 16},
                        {"up_to_us": null, "count": 1}
                    ]
                },
                "counters": {"adverts_sent": 17}
            })
        );
        let nothing_known = RouterStatus { active_router: None, lease_ms: None, ..example() };
        let json = serde_json::to_value(nothing_known).unwrap();
        assert!(json["active_router"].is_null() && json["lease_ms"].is_null());
    }

    /// `xvrrp status --json`: states in keepalived's words.
    #[test]
    fn state_names() {
        for state in [State::Init, State::Backup, State::Master, State::Fault] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    /// `xvrrp status --json`: `since` has milliseconds, also where they are zero or more is known.
    #[test]
    fn timestamps() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_987_654);
        assert_eq!(timestamp(time), "2023-11-14T22:13:20.123Z");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(timestamp(time), "2023-11-14T22:13:20.000Z");
    }
}
