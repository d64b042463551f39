//! The daemon: puts the parts together, keeps them informed of each other, and takes them apart in
//! the right order.

mod acceptance;
mod addresses;
mod beginning;
mod debounce;
mod devices;
mod difference;
mod early;
mod ending;
mod error;
mod events;
mod groups;
mod inheritance;
mod journal;
mod log;
mod memory;
mod mending;
mod neighbours;
mod notices;
mod orphans;
mod patience;
mod plan;
mod reading;
mod refusals;
mod refused;
mod reload;
mod rings;
mod routers;
mod routes;
mod running;
mod service;
mod serving;
mod signals;
mod supervisor;
mod telling;
mod tracking;
mod vigil;
mod virtual_macs;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use rustix::thread::{CapabilitySet, capabilities};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
};
use tracing::{info, warn};
use vrrp_common::ladder::Reject;

use self::{
    addresses::Addresses,
    debounce::Debounce,
    devices::Devices,
    ending::End,
    events::Feed,
    groups::{GroupNews, GroupStates},
    inheritance::Renewal,
    notices::Notices,
    plan::{Plan, slot_of},
    refusals::Refusals,
    reload::Reloads,
    rings::{Log, next_record},
    routes::Routes,
    running::Running,
    service::Request,
    signals::Signals,
    tracking::Tracking,
    virtual_macs::VirtualMacs,
};
pub use self::{
    error::Error,
    reading::{Flaws, Source, log_diagnostics},
    supervisor::{clean_up, supervise},
};
use crate::{
    announce::{self, Announcer},
    api,
    config::Config,
    datapath::{Adverts, Mode, Rejects, Slots},
    election::{self, State},
    exec::{Hooks, Programs},
    host::{self, Host, Link, RuntimeDir},
    pulse::{self, Command, Report},
    sys::sched::{Class, set_class},
};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where socket, lock and journal live.
    pub runtime_dir: PathBuf,
    /// Where the configuration is, for reloads.
    pub source: Source,
    /// What is wrong with it as it was read for the start.
    pub flaws: Flaws,
    /// This worker takes the place of one that died: `startup_script` has been run.
    pub successor: bool,
}

/// Runs as the worker of a supervisor until SIGTERM, SIGINT or a `stop` request; then everything is
/// as it was before. After a `handover` request all is left to the daemon that comes next.
pub async fn run(config: Config, options: Options) -> Result<(), Error> {
    let plan = Plan::new(&config);
    if plan.routers.is_empty() {
        return Err(Error::NothingToRun);
    }
    if !is_permitted() {
        return Err(Error::NotPermitted);
    }
    let signals = Signals::new()?;
    let runtime_dir = RuntimeDir::inherit(&options.runtime_dir)?;
    if !options.successor {
        running::forget(runtime_dir.path());
    }
    let goes_on = options.successor || inheritance::is_in_force(runtime_dir.path());
    // Whoever waits for a script keeps no lease.
    if !goes_on {
        Hooks::of(&config.global).startup().await;
    }
    // What is started from here on, threads and programs, begins as everybody does.
    if let Err(reason) = set_class(Class::Normal { nice: NICE }) {
        warn!("busy tasks can delay addresses and announcements of a takeover: {reason}");
    }
    let (requests, incoming) = mpsc::channel(16);
    let reloads = Reloads::new(&config, options.flaws);
    let daemon =
        Daemon::start(&plan, &config, &runtime_dir, options.source, reloads, goes_on).await?;
    let server = api::Server::bind(runtime_dir.path())
        .map_err(Error::setup("the socket of `xvrrp status`"))?;
    let (over, shutdown) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(service::Handle::new(requests), async {
        // Sent or dropped, both mean that the daemon is done.
        let _ = shutdown.await;
    }));

    let result = daemon.run(incoming, signals, runtime_dir.claimant()).await;
    if !matches!(&result, Err(error) if error.is_worth_another_try()) {
        running::forget(runtime_dir.path());
    }
    drop(over);
    // Its last answers are out, and its file is removed.
    let _ = serving.await;
    result
}

/// True with the capabilities without which a virtual router could only stay in FAULT.
fn is_permitted() -> bool {
    let needed = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    // A kernel that does not tell is asked by doing.
    capabilities(None).is_ok_and(|own| own.effective.contains(needed))
}

struct Daemon {
    source: Source,
    reloads: Reloads,
    running: Running,
    plan: Arc<Plan>,
    /// Those of the plan, for who introduces neighbours.
    virtual_addresses: watch::Sender<BTreeSet<IpAddr>>,
    host: Host,
    pulse: pulse::Handle,
    reports: mpsc::Receiver<Report>,
    devices: Devices,
    programs: Programs,
    tracking: Tracking,
    debounce: Debounce,
    virtual_macs: VirtualMacs,
    addresses: Addresses,
    routes: Routes,
    announcer: Announcer,
    slots: Arc<Slots>,
    rejects: Option<Log<Rejects>>,
    refusals: Refusals,
    adverts: Option<Log<Adverts>>,
    feed: Feed,
    groups: GroupStates,
    notices: Notices,
    lost_reports: u64,
    /// Where the kernel program is the last daemon's, ours is being loaded.
    renewal: Renewal,
    /// Indices of interfaces that went since the last look.
    gone: BTreeSet<u32>,
    /// Until when no virtual router takes part, `vrrp_startup_delay`. What is heard until then is
    /// not for the elections: they begin with what comes in after their start.
    held_until: Option<Instant>,
    hooks: Hooks,
    stopping: bool,
}

/// How much this thread has of a busy host, which is to have its addresses soon after the first advert.
const NICE: i8 = -15;

/// When to try again what the kernel refused to tell.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait for more of what makes virtual routers fail or recover.
const SOON: Duration = Duration::from_millis(2);

impl Daemon {
    /// `supervisor` is the number of its process.
    async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut signals: Signals,
        supervisor: Option<u32>,
    ) -> Result<(), Error> {
        let mut changes = host::watch()?;
        let mut terminate =
            signal(SignalKind::terminate()).map_err(Error::setup("the handler of SIGTERM"))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(Error::setup("the handler of SIGINT"))?;
        supervisor::watch_parent(supervisor)
            .map_err(Error::setup("the watch on the supervisor"))?;

        let mut look_again = self.look_around().await;
        // The adverts of those that go on are under way.
        self.programs.begin();
        if let Some(recipe) = self.devices.recipe() {
            self.renewal = Renewal::start(recipe);
        }
        let end = loop {
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => {
                        self.carry_out(report).await;
                        look_again = self.with_next_try(look_again);
                    }
                    None => break End::Failure(Error::PulseDied),
                },
                change = changes.next() => {
                    let Some(change) = change else { break End::Failure(Error::Deaf) };
                    let mut concerns_us = self.hear(&change);
                    // One look for all that has happened by now.
                    while let Some(Some(change)) = changes.next().now_or_never() {
                        concerns_us |= self.hear(&change);
                    }
                    if concerns_us {
                        look_again = self.look_around().await;
                    }
                },
                observation = self.tracking.next() => {
                    if self.tracking.take(observation) || !self.tell_priorities() {
                        // Soon, not at once: others may have news, too.
                        let soon = Instant::now() + SOON;
                        look_again = Some(look_again.map_or(soon, |again| again.min(soon)));
                    }
                },
                () = self.routes.disturbed() => {
                    if self.routes.arrive().await {
                        look_again = self.look_around().await;
                    }
                }
                () = self.addresses.guard_disturbed() => self.addresses.mend_guard(),
                () = until(look_again) => look_again = self.look_around().await,
                Some(request) = requests.recv() => match request {
                    Request::Status(answer) => {
                        // Whoever asked may have gone.
                        let _ = answer.send(self.status());
                    }
                    Request::Events { adverts, answer } => {
                        let _ = answer.send(self.follow(adverts));
                    }
                    Request::Reload(client) => self.begin_reload(Some(client)),
                    Request::Stop(done) => break End::Request(done),
                    Request::Handover(done) => break End::Handover(done),
                },
                record = next_record(self.rejects.as_mut()) => {
                    let at = election::Instant::from_nanos(record.at);
                    if let Some(reject) = Reject::ALL.get(record.reason as usize) {
                        self.tell_reject(at, record.slot, *reject, record.sender());
                    }
                },
                () = until(self.refusals.next_timeout()) => self.log_more_rejects(Instant::now()),
                advert = next_record(self.adverts.as_mut()) => {
                    self.tell(events::of_advert(&self.plan, &advert));
                }
                object = self.renewal.done() => match object {
                    Ok(object) => self.devices.renew(object),
                    Err(error) => warn!("{error}; the last daemon's program goes on"),
                },
                _ = terminate.recv() => break End::Signal("SIGTERM"),
                _ = interrupt.recv() => break End::Signal("SIGINT"),
                loaded = self.reloads.reading.done() => {
                    look_again = self.end_reload(loaded, look_again).await;
                }
                _ = signals.hangup.recv() => {
                    info!("SIGHUP: reading the configuration again");
                    self.begin_reload(None);
                }
                _ = signals.orphaned.recv() => {
                    warn!("the supervisor has died: nobody starts this process again if it dies, too");
                }
                _ = signals.dump.recv() => {
                    for row in self.status() {
                        info!("{}", serde_json::to_string(&row).unwrap_or_default());
                    }
                }
            }
        };
        self.stop(end).await
    }

    /// Compares the interfaces with what the virtual routers need, and lets each take part or not.
    /// Returns when to look again, if not everything could be seen or said.
    async fn look_around(&mut self) -> Option<Instant> {
        match self.try_look_around().await {
            Ok(again) => again,
            Err(error) => {
                warn!("{error}; looking again in {LOOK_AGAIN:?}");
                Some(Instant::now() + LOOK_AGAIN)
            }
        }
    }

    /// When to look again, which was to be at `look_again`, now that addresses may have been refused.
    fn with_next_try(&self, look_again: Option<Instant>) -> Option<Instant> {
        [look_again, self.addresses.next_try()].into_iter().flatten().min()
    }

    async fn try_look_around(&mut self) -> host::Result<Option<Instant>> {
        let mut links = self.host.links().await?;
        let gone = std::mem::take(&mut self.gone);
        if links.iter().any(|link| gone.contains(&link.index)) {
            // One that left this namespace and is back under its number, before anybody looked, has
            // lost what it had: sockets, groups, filters.
            links.retain(|link| !gone.contains(&link.index));
            self.take_in(links).await?;
            links = self.host.links().await?;
        }
        self.take_in(links).await
    }

    /// Goes by the interfaces as they are in `links`.
    async fn take_in(&mut self, links: Vec<Link>) -> host::Result<Option<Instant>> {
        let again = Some(Instant::now() + LOOK_AGAIN);
        let seen = self.prepare(links).await?;
        let mut links = seen.clone();
        let unsteady_until = self.debounce.steady(&mut links, Instant::now());
        self.tracking.see(&links);
        let priorities_said = self.tell_priorities();
        self.routes.take_in(&seen).await;
        let held_until = self.held_until();
        let now = pulse::now();
        // Who still has a lease has waited before.
        let is_heir = |router| self.slots.get(slot_of(router)).is_open(now);
        let is_held = |command: &Command| {
            held_until.is_some()
                && matches!(command, Command::Start { router, .. } if !is_heir(*router))
        };
        let say = |command| !is_held(&command) && self.pulse.send(command);
        let all_said = self.devices.update(
            &links,
            &seen,
            &self.virtual_macs,
            &self.tracking,
            &self.routes,
            say,
        );
        for (router, source) in self.devices.take_moved() {
            let garp = self.plan.routers[router].garp;
            self.announcer.once(announce::RouterId(router), source, garp).await;
        }
        let board = self.pulse.board();
        for router in self.plan.routers.ids() {
            // Nobody says that a lease has ended before its router was told anything.
            if board.state(router) == State::Initialize && !is_heir(router) {
                self.addresses.give_up(router);
            }
        }
        self.leave_routes().await;
        let devices = &self.devices;
        self.addresses.live_on(self.virtual_macs.macvlans());
        let may = |router| devices.fault(router).is_none();
        let has_program = |interface: &str| devices.attachment(interface).mode != Mode::None;
        let mending = self.addresses.follow(&links, may, has_program).await;
        self.enter_routes().await;
        let begun = self.notices.begin_in_fault(&self.plan, self.pulse.board(), &self.devices);
        self.tell_groups(begun.into_iter().map(|router| (router, api::State::Fault)));
        let again = if priorities_said && all_said { None } else { again };
        Ok([again, mending, held_until, unsteady_until].into_iter().flatten().min())
    }

    /// Tells the pulse and everybody else of priorities that have changed. `false` if the pulse has not
    /// taken all of them.
    fn tell_priorities(&mut self) -> bool {
        let (changes, all_said) = self.tracking.tell(|command| self.pulse.send(command));
        for change in changes {
            self.tell(Some((pulse::now(), change)));
        }
        all_said
    }

    /// Until when no virtual router takes part; `None` once that is over.
    fn held_until(&mut self) -> Option<Instant> {
        if self.held_until.is_some_and(|end| Instant::now() >= end) {
            info!("startup delay is over");
            self.held_until = None;
        }
        self.held_until
    }

    /// Puts the program on the interfaces, and makes what the virtual MACs need: that may be further
    /// ones.
    async fn prepare(&mut self, links: Vec<Link>) -> host::Result<Vec<Link>> {
        self.devices.attach_all(&links);
        if self.virtual_macs.arrange(&links, &self.devices).await {
            return self.host.links().await;
        }
        Ok(links)
    }

    /// Takes in a change; true if it concerns us.
    fn hear(&mut self, change: &host::Change) -> bool {
        self.routes.notice(change);
        let is_ours = self.addresses.notice(change)
            || self.devices.is_concerned(change)
            || self.tracking.is_concerned(change)
            || self.virtual_macs.is_concerned(change);
        if let host::Change::LinkGone(index) = change
            && is_ours
        {
            self.gone.insert(*index);
        }
        is_ours
    }

    /// Carries out a report and all that wait behind it, so that many virtual routers that change
    /// together are one batch for the kernel.
    async fn carry_out(&mut self, first: Report) {
        self.catch_up_from(vec![first]).await;
    }

    /// Carries out what has been reported by now.
    async fn catch_up(&mut self) {
        self.catch_up_from(Vec::new()).await;
    }

    async fn catch_up_from(&mut self, mut reports: Vec<Report>) {
        while let Ok(report) = self.reports.try_recv() {
            reports.push(report);
        }
        let mut news = Vec::with_capacity(reports.len());
        for report in &reports {
            news.push(self.tell_report(report));
            if let Report::Rejected { router, reject, source } = *report {
                self.tell_reject(pulse::now(), slot_of(router), reject, source);
            }
        }
        if reports.iter().any(Report::asks_for_something) {
            self.leave_routes().await;
            self.virtual_macs.follow(self.pulse.board()).await;
            self.addresses.carry_out(&reports, self.pulse.board()).await;
            self.enter_routes().await;
        }
        for (report, news) in reports.iter().zip(&news) {
            let leads = |news: &&GroupNews| news.leads;
            news.iter().filter(leads).for_each(|news| self.notices.group(news));
            self.notices.report(&self.plan, self.pulse.board(), self.stopping, report);
            news.iter().filter(|news| !leads(news)).for_each(|news| self.notices.group(news));
        }
        let lost = self.pulse.board().lost_reports();
        if lost != self.lost_reports {
            warn!(
                lost = lost - self.lost_reports,
                "reports of the pulse were lost; comparing everything with its state"
            );
            self.lost_reports = lost;
            self.leave_routes().await;
            self.virtual_macs.follow(self.pulse.board()).await;
            self.addresses.reconcile(self.pulse.board()).await;
            self.enter_routes().await;
            self.catch_up_notices();
        }
    }
}

/// Waits until that moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
