//! How the daemon begins: with what the last one has left, if there is anything.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    Daemon, Error, Source,
    acceptance::Acceptance,
    addresses::Addresses,
    debounce::Debounce,
    devices::Devices,
    early::EarlyPorts,
    events::Feed,
    groups::GroupStates,
    inheritance::{Inheritance, Renewal},
    journal::Estate,
    memory, neighbours,
    notices::{Notices, Terms},
    plan::Plan,
    refusals::Refusals,
    reload::Reloads,
    rings::Rings,
    routes::Routes,
    running::Running,
    tracking::Tracking,
    vigil::Ward,
    virtual_macs::VirtualMacs,
};
use crate::{
    announce::Announcer,
    config::Config,
    datapath::{Datapath, Slots},
    exec::{Hooks, Programs, Runner},
    host::{Host, RuntimeDir},
    pulse,
};

impl Daemon {
    /// `goes_on` after a daemon that died, or has left its virtual routers to this one.
    pub(super) async fn start(
        plan: &Plan,
        config: &Config,
        runtime_dir: &RuntimeDir,
        source: Source,
        reloads: Reloads,
        goes_on: bool,
    ) -> Result<Self, Error> {
        let runner = Runner::spawn().map_err(Error::setup("the process that runs scripts"))?;
        let mut programs = Programs::at_rest(runner.clone());
        programs.replan(config);
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
        tracking.replan(config, &mut programs, plan.routers.iter(), &links);
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
            notices: Notices::new(Terms::new(config), &mut programs, runner),
            programs,
            lost_reports: 0,
            renewal: Renewal::default(),
            gone: BTreeSet::new(),
            held_until,
            hooks: Hooks::of(&config.global),
            stopping: false,
        })
    }
}
