//! The daemon: puts the parts together, keeps them informed of each other, and takes them apart in
//! the right order.

mod acceptance;
mod addresses;
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
mod plan;
mod reading;
mod refusals;
mod reload;
mod rings;
mod routers;
mod routes;
mod running;
mod service;
mod serving;
mod signals;
mod supervisor;
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
    acceptance::Acceptance,
    addresses::Addresses,
    debounce::Debounce,
    devices::Devices,
    early::EarlyPorts,
    ending::End,
    events::Feed,
    groups::GroupStates,
    inheritance::{Inheritance, Renewal},
    journal::Estate,
    notices::{Notices, Terms},
    plan::{Plan, slot_of},
    refusals::{Matter, Refusals},
    reload::Reloads,
    rings::{Log, Rings, next_record},
    routes::Routes,
    running::Running,
    service::Request,
    signals::Signals,
    tracking::Tracking,
    vigil::Ward,
    virtual_macs::VirtualMacs,
};
pub use self::{
    error::Error,
    reading::{Flaws, Source, log_diagnostics},
    supervisor::{clean_up, supervise},
};
use crate::{
    announce::{self, Announcer},
    api::{self, What},
    config::Config,
    datapath::{Adverts, Datapath, Mode, Rejects, Slots},
    election::{self, State},
    exec::{self, Hooks, Runner},
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
    for caution in exec::cautions(&config) {
        warn!("{caution}");
    }
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
    /// `goes_on` after a daemon that died, or has left its virtual routers to this one.
    async fn start(
        plan: &Plan,
        config: &Config,
        runtime_dir: &RuntimeDir,
        source: Source,
        reloads: Reloads,
        goes_on: bool,
    ) -> Result<Self, Error> {
        let runner = Runner::spawn().map_err(Error::setup("the process that runs scripts"))?;
        let host = Host::new()?;
        let links = host.links().await?;
        let delay = plan.startup_delay();
        let early =
            if delay.is_zero() { EarlyPorts::open(plan, &links) } else { EarlyPorts::default() };
        let Inheritance { plan, mut datapath, refusal, heirs } =
            Inheritance::take(plan, &links, runtime_dir.path());
        let plan = Arc::new(plan);
        let routes = Routes::open(runtime_dir, &host, &links, &plan, &heirs).await?;
        let Estate { addresses, traces, held, made } =
            Estate::open(runtime_dir, &host, &links, &plan, &heirs).await?;
        let slots = match &datapath {
            Some(datapath) => datapath.slots(),
            None => {
                let room = plan.sizes().with_room();
                Arc::new(Slots::own(room.slots()).map_err(Error::setup("the slots"))?)
            }
        };
        let (virtual_addresses, strangers) = watch::channel(plan.virtual_addresses());
        let Rings { doorbells, rejects, adverts } =
            datapath.as_mut().map(Rings::of).unwrap_or_default();
        match datapath.as_mut().map(Datapath::requesters) {
            Some(Ok(requesters)) => {
                neighbours::introduce(requesters, host.clone(), strangers);
            }
            Some(Err(error)) => warn!("the kernel will not know whom the program answers: {error}"),
            None => {}
        }
        // Loading needs much memory for a short time. From here on what is in use stays in use.
        if let Some(reason) = memory::lock(plan.scheduling().no_swap) {
            warn!("memory is not locked, adverts may wait for swapped pages: {reason}");
        }
        let mut tracking = Tracking::new(runner.clone(), &heirs, goes_on);
        tracking.replan(config, plan.routers.iter(), &links);
        let all: Vec<_> = plan.routers.ids().collect();
        let specs = plan.specs(&all, |router| tracking.priority(router));
        let mut debounce = Debounce::default();
        debounce.replan(&config.interfaces.delays);
        let (pulse, reports) = pulse::spawn(specs, &slots, doorbells, plan.scheduling())
            .map_err(Error::setup("the pulse thread"))?;
        for warning in &pulse.scheduling().warnings {
            warn!("{warning}");
        }
        info!("the pulse runs as {}", pulse.scheduling());
        pulse.group(plan.group_members()).await;
        let announcer = Announcer::spawn();
        let held_until = (!delay.is_zero()).then(|| Instant::now() + delay);
        if held_until.is_some() {
            info!("Delaying startup for {} seconds", delay.as_secs_f64());
        }
        let acceptance =
            Acceptance::new(Arc::clone(&plan), Arc::clone(&slots), runtime_dir.path().to_owned());
        let devices = Devices::new(Arc::clone(&plan), datapath, refusal, early);
        let refusals = Refusals::new((0..plan.slots()).flat_map(|slot| {
            let counted = devices.rejects_of(slot).into_iter().enumerate();
            counted.map(move |(reject, count)| ((slot, reject), count))
        }));
        let running = Running::new(runtime_dir.path());
        if let Err(reason) = running.keep(config) {
            warn!("{reason}");
        }
        Ok(Self {
            devices,
            tracking,
            debounce,
            virtual_macs: VirtualMacs::new(Arc::clone(&plan), host.clone(), traces, made),
            addresses: Addresses::new(
                Arc::clone(&plan),
                host.clone(),
                addresses,
                announcer.clone(),
                acceptance,
                Ward::inherit(&slots)?,
                held,
            ),
            source,
            reloads,
            running,
            routes,
            groups: GroupStates::new(&plan),
            plan,
            virtual_addresses,
            host,
            pulse,
            reports,
            announcer,
            slots,
            rejects,
            refusals,
            adverts,
            feed: Feed::new(),
            notices: Notices::new(Terms::new(config), runner),
            lost_reports: 0,
            renewal: Renewal::default(),
            gone: BTreeSet::new(),
            held_until,
            hooks: Hooks::of(&config.global),
            stopping: false,
        })
    }

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
        if let Some(recipe) = self.devices.recipe() {
            self.renewal = Renewal::start(recipe);
        }
        let end = loop {
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => self.carry_out(report).await,
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
        self.notices.begin_in_fault(&self.plan, self.pulse.board(), &self.devices);
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
        let is_ours = self.devices.is_concerned(change)
            || self.tracking.is_concerned(change)
            || self.virtual_macs.is_concerned(change)
            || self.addresses.is_concerned(change);
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
        for report in &reports {
            self.tell(events::of_report(&self.plan, &self.devices, self.stopping, report));
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
        for report in &reports {
            self.notices.report(&self.plan, self.pulse.board(), self.stopping, report);
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
            self.notices.catch_up(&self.plan, self.pulse.board(), self.stopping);
        }
    }

    /// To the log, and to all who follow.
    fn tell(&mut self, happened: Option<(election::Instant, What)>) {
        let Some((at, what)) = happened else { return };
        log::write(&what);
        if let What::Priority { router, priority, .. } = &what {
            self.notices.priority(router, *priority);
        }
        if matches!(what, What::Advert { .. }) && !self.feed.wants_adverts() {
            // Whoever wanted them has gone; what was under way to them may be many.
            if self.pulse.board().reports_adverts() {
                self.report_adverts(false);
            }
            return;
        }
        let group = self.groups.follow(&what);
        self.feed.publish(at, what);
        self.tell(group.map(|group| (at, group)));
    }

    fn tell_reject(&mut self, at: election::Instant, slot: u32, reject: Reject, source: IpAddr) {
        let refused = events::of_reject(&self.plan, slot, reject, source);
        let say = self.refusals.handle((slot, reject as usize), Instant::now());
        log::reject(say, &refused);
        self.feed.publish(at, refused);
    }

    /// Lets a client see what happens from now on.
    fn follow(&mut self, adverts: bool) -> api::Following {
        if adverts {
            self.report_adverts(true);
        }
        service::follow(&self.plan, &self.pulse, &self.devices, &self.feed, adverts)
    }

    /// Has each advert reported, by the kernel program and by the pulse.
    fn report_adverts(&mut self, wanted: bool) {
        self.pulse.board().report_adverts(wanted);
        if let Err(error) = self.devices.report_adverts(wanted) {
            warn!("adverts that the kernel program absorbs cannot be followed: {error}");
        }
    }

    /// Logs of refused adverts that the log was silent of until then.
    fn log_more_rejects(&mut self, until: Instant) {
        let (devices, board) = (&self.devices, self.pulse.board());
        let count = |(slot, reject): Matter| {
            let heard = (slot as usize).checked_sub(1).map(|id| board.rejects_of(id)[reject]);
            devices.rejects_of(slot)[reject] + heard.unwrap_or_default()
        };
        for ((slot, reject), more) in self.refusals.poll(until, count) {
            log::more_rejects(&self.plan, slot, Reject::ALL[reject], more);
        }
    }

    fn status(&self) -> Vec<api::RouterStatus> {
        service::status(
            &self.plan,
            &self.pulse,
            &self.slots,
            &self.devices,
            &self.addresses,
            &self.announcer,
            &self.notices,
        )
    }
}

/// Waits until that moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
