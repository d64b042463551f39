//! The kernel side at the start: taken over from the last daemon where there is something to take
//! over, else loaded.

use std::{path::Path, thread};

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    log,
    plan::{Plan, all_addresses, interface_of, slot_of},
};
use crate::{
    config::{Instance, XdpMode},
    datapath::{self, Datapath, Heritage, Object, Owner, Recipe},
    host::Link,
    pulse::{self, RouterId},
};

/// What a daemon starts with.
pub(super) struct Inheritance {
    /// What is to run, with the numbers that routers have in the kernel side.
    pub(super) plan: Plan,
    /// The kernel side; `None` where there is none.
    pub(super) datapath: Option<Datapath>,
    /// Why there is none, although one was wanted.
    pub(super) refusal: Option<String>,
    /// Routers that were Active, whose leases still hold, and whose addresses are there.
    pub(super) heirs: Vec<RouterId>,
}

impl Inheritance {
    /// Takes over what the last daemon with this runtime directory has left on the devices of this
    /// namespace. What cannot be taken over is removed.
    pub(super) fn take(plan: &Plan, links: &[Link], runtime_dir: &Path) -> Self {
        let owner = Owner::of(runtime_dir);
        // What is missed stays behind what comes now, and closes it: a second look is worth it.
        let found = Heritage::of(owner).or_else(|_| Heritage::of(owner));
        let heritage = found.unwrap_or_else(|error| {
            warn!("what the last daemon has left in the kernel cannot be taken over: {error}");
            Heritage::default()
        });
        if !plan.wants_program() {
            remove(&heritage);
            return Self { plan: plan.clone(), datapath: None, refusal: None, heirs: Vec::new() };
        }
        let plan = plan.renumbered(links, &heritage.numbers());
        let keys = plan.keys(links);
        let now = pulse::now();
        let is_heir = |slot: u32| {
            let mut keys = keys.iter().filter(|(_, of)| **of == slot);
            keys.any(|(key, _)| heritage.is_open(key, now))
        };
        let mut heirs: Vec<_> = plan
            .routers
            .iter()
            .filter(|(router, instance)| {
                plan.mode_on(&instance.interface) != XdpMode::None
                    && has_addresses(instance, links)
                    && is_heir(slot_of(*router))
            })
            .map(|(router, _)| router)
            .collect();
        // A sync group goes on as a whole.
        for group in plan.sync_groups() {
            if !group.members.iter().all(|member| heirs.contains(member)) {
                heirs.retain(|heir| !group.members.contains(heir));
            }
        }
        if !heirs.is_empty() {
            info!(
                routers = heirs.len(),
                "leases of the last daemon still hold: going on with them"
            );
        }
        let (sizes, verbose) = (plan.sizes(), log::program_is_verbose());
        match Datapath::take_over(heritage, owner, &keys, sizes, plan.drop_foreign(), verbose) {
            Ok(mut datapath) => {
                let slots = datapath.slots();
                let others = plan.routers.ids().filter(|router| !heirs.contains(router));
                others.for_each(|router| slots.get(slot_of(router)).close());
                follow_log(&mut datapath);
                if let Err(error) = report_to_us(&mut datapath, &plan) {
                    warn!("what the kernel program reports cannot be set: {error}");
                }
                Self { plan, datapath: Some(datapath), refusal: None, heirs }
            }
            Err(error) => {
                warn!("{error}; going on with raw sockets, the kernel answers ARP");
                Heritage::of(owner).iter().for_each(remove);
                Self { plan, datapath: None, refusal: Some(error.to_string()), heirs: Vec::new() }
            }
        }
    }
}

/// Whether the last daemon with this runtime directory has left virtual routers to the next one: a lease
/// still holds, or goes on without a daemon.
pub(super) fn is_in_force(runtime_dir: &Path) -> bool {
    Heritage::of(Owner::of(runtime_dir)).is_ok_and(|heritage| heritage.is_in_force(pulse::now()))
}

/// Whether all addresses of a virtual router are where they belong. If not, the last daemon died before
/// it was done, somebody has removed them, or the configuration has changed.
fn has_addresses(instance: &Instance, links: &[Link]) -> bool {
    all_addresses(instance).all(|address| {
        let interface = interface_of(instance, address);
        let mut links = links.iter().filter(|link| link.name == interface);
        links.any(|link| link.addresses.iter().any(|own| own.address == address.address))
    })
}

fn remove(heritage: &Heritage) {
    if let Err(error) = heritage.remove(None) {
        warn!("what the last daemon has left in the kernel stays: {error}");
    }
}

/// Says whether adverts go on to the kernel. Who followed them before is gone.
fn report_to_us(datapath: &mut Datapath, plan: &Plan) -> Result<(), datapath::Error> {
    datapath.pass_on(plan.pass_on())?;
    datapath.report_adverts(false)
}

/// Passes on what the kernel program logs, once it is ours.
pub(super) fn follow_log(datapath: &mut Datapath) {
    match datapath.logger() {
        Some(Ok(logger)) => log::follow_program(logger),
        Some(Err(error)) => warn!("no log of the kernel program: {error}"),
        None => {}
    }
}

/// The kernel program being loaded on a thread of its own.
#[derive(Default)]
pub(super) struct Renewal(Option<oneshot::Receiver<Result<Object, datapath::Error>>>);

impl Renewal {
    pub(super) fn start(recipe: Recipe) -> Self {
        let (done, wait) = oneshot::channel();
        thread::spawn(move || {
            // The daemon may have ended meanwhile.
            let _ = done.send(recipe.load());
        });
        Self(Some(wait))
    }

    /// Waits until it is loaded; for ever when it was before, or never is.
    pub(super) async fn done(&mut self) -> Result<Object, datapath::Error> {
        if let Some(wait) = &mut self.0 {
            let outcome = wait.await;
            self.0 = None;
            if let Ok(outcome) = outcome {
                return outcome;
            }
        }
        std::future::pending().await
    }
}
