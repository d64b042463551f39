//! What clients of the socket get to see and do.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{Daemon, devices::Devices, events::by_calendar, plan::slot_of, reload::Waiting};
use crate::{
    announce,
    api::{self, Class, Event, Family, Following, Pulse, Reloaded, RouterStatus, What, timestamp},
    election::State,
    pulse::{self, Lateness},
};

/// A client's request on its way to the daemon's loop. The last two are answered with whether it ended
/// well.
pub(super) enum Request {
    Status(oneshot::Sender<Vec<RouterStatus>>),
    Events { adverts: bool, answer: oneshot::Sender<Following> },
    Reload(Waiting),
    Stop(oneshot::Sender<bool>),
    Handover(oneshot::Sender<bool>),
}

/// The socket's way to the daemon's loop.
pub(super) struct Handle(mpsc::Sender<Request>);

impl Handle {
    pub(super) fn new(requests: mpsc::Sender<Request>) -> Self {
        Self(requests)
    }

    async fn end(&self, request: fn(oneshot::Sender<bool>) -> Request) -> bool {
        let (done, wait) = oneshot::channel();
        // An error means that another request ended the daemon first.
        self.0.send(request(done)).await.is_err() || wait.await.unwrap_or(true)
    }
}

impl api::Daemon for Handle {
    async fn status(&self) -> Vec<RouterStatus> {
        let (answer, wait) = oneshot::channel();
        // Once the loop has ended there is no router to speak of.
        let _ = self.0.send(Request::Status(answer)).await;
        wait.await.unwrap_or_default()
    }

    async fn events(&self, adverts: bool) -> Option<Following> {
        let (answer, wait) = oneshot::channel();
        self.0.send(Request::Events { adverts, answer }).await.ok()?;
        wait.await.ok()
    }

    async fn reload(&self) -> Result<Reloaded, String> {
        let (answer, wait) = oneshot::channel();
        let ending = || Err("it is on its way out".to_owned());
        match self.0.send(Request::Reload(answer)).await {
            Ok(()) => wait.await.unwrap_or_else(|_| ending()),
            Err(_) => ending(),
        }
    }

    async fn stop(&self) -> bool {
        self.end(Request::Stop).await
    }

    async fn hand_over(&self) -> bool {
        self.end(Request::Handover).await
    }
}

/// All virtual routers, in the order of the configuration.
pub(super) fn status(daemon: &Daemon) -> Vec<RouterStatus> {
    let Daemon { plan, pulse, slots, devices, addresses, announcer, notices, groups, .. } = daemon;
    let now = pulse::now();
    let scheduling = pulse.scheduling().to_string();
    let row = |(router, instance): (usize, &crate::config::Instance)| {
        let family = instance.family();
        let group = plan.group_of(router);
        let shown = pulse.board().snapshot(router);
        let attachment = devices.attachment(&instance.interface);
        let lease = slots.get(slot_of(router)).lease();

        let mut counters = BTreeMap::new();
        for (name, value) in shown.counters.into_iter().chain(devices.counters(slot_of(router))) {
            *counters.entry(name).or_default() += value;
        }
        let announced = announcer.counts(announce::RouterId(router));
        counters.insert("garp_sent".to_owned(), announced.sent);
        counters.insert("garp_errors".to_owned(), announced.failed);
        counters.insert("addresses_mended".to_owned(), addresses.mended(router));
        for (name, value) in notices.counters(&instance.name) {
            counters.insert(name.to_owned(), value);
        }

        RouterStatus {
            name: instance.name.clone(),
            interface: instance.interface.clone(),
            vrid: instance.vrid.get(),
            sync_group: group.map(|group| group.name.clone()),
            sync_group_state: group.and_then(|group| groups.state_of(&group.name)),
            family: match family {
                vrrp_common::Family::V4 => Family::Ipv4,
                vrrp_common::Family::V6 => Family::Ipv6,
            },
            version: instance.version.number(),
            state: state(shown.state, devices, router),
            priority: instance.priority.get(),
            effective_priority: shown.priority.get(),
            active_router: shown.active_router.map(|address| address.to_ip(family)),
            since: timestamp(by_calendar(shown.since)),
            xdp_mode: attachment.mode.to_string(),
            xdp_reason: attachment.reason,
            acceptance: addresses.means(router).to_string(),
            lease_ms: lease
                .map(|until| milliseconds(until.since(now)) - milliseconds(now.since(until))),
            pulse: describe(&scheduling, &shown.lateness),
            counters,
        }
    };
    plan.in_order().map(row).collect()
}

/// What a follower of events gets: the state of each virtual router and group, and then all that happens.
pub(super) fn follow(daemon: &Daemon, adverts: bool) -> Following {
    let Daemon { plan, pulse, devices, groups, feed, .. } = daemon;
    let at = timestamp(by_calendar(pulse::now()));
    let router = |(router, instance): (usize, &crate::config::Instance)| {
        let state = state(pulse.board().state(router), devices, router);
        What::State { router: instance.name.clone(), state }
    };
    let group = |(name, state): (&str, _)| What::GroupState { group: name.to_owned(), state };
    let found = plan.in_order().map(router).chain(groups.all().map(group));
    let states = found.map(|what| Event { at: at.clone(), what }).collect();
    Following { states, events: feed.subscribe(adverts) }
}

pub(super) fn state(state: State, devices: &Devices, router: pulse::RouterId) -> api::State {
    match (state, devices.fault(router)) {
        (State::Active, _) => api::State::Master,
        (State::Backup, _) => api::State::Backup,
        (State::Initialize, Some(_)) => api::State::Fault,
        (State::Initialize, None) => api::State::Init,
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn describe(scheduling: &str, lateness: &Lateness) -> Pulse {
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let class =
        |(end, count): &(Option<Duration>, u64)| Class { up_to_us: end.map(micros), count: *count };
    Pulse {
        scheduling: scheduling.to_owned(),
        latest_us: micros(lateness.most),
        lateness: lateness.counts.iter().map(class).collect(),
    }
}
