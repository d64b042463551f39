//! Virtual routers with `no_accept`: who keeps what is sent to their addresses from this host.

use std::{fmt, path::PathBuf, sync::Arc};

use tracing::{error, info, warn};

use super::plan::{Plan, all_addresses, interface_of, slot_of};
use crate::{
    config::Instance,
    datapath::Slots,
    host::{self, Firewall, Guarded, Owned, Removals},
    pulse::RouterId,
};

/// Who does it for one virtual router, in the words of `xvrrp status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// Nobody: it accepts.
    Accept,
    /// The nftables table, behind connection tracking.
    Firewall,
    /// The kernel program, before it.
    Program,
    /// Nobody, although somebody should.
    Missing,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Firewall => "no_accept (nftables)",
            Self::Program => "no_accept (kernel program)",
            Self::Missing => "no_accept not enforced",
        })
    }
}

pub(super) struct Acceptance {
    plan: Arc<Plan>,
    slots: Arc<Slots>,
    runtime_dir: PathBuf,
    firewall: Option<Firewall>,
    removals: Option<Removals>,
    /// The firewall was wanted and refused.
    is_refused: bool,
    /// By router; `None` before anything was decided.
    means: Vec<Option<Means>>,
}

impl Acceptance {
    /// Nothing is guarded yet, or what a killed daemon has left guards what it left.
    pub(super) fn new(plan: Arc<Plan>, slots: Arc<Slots>, runtime_dir: PathBuf) -> Self {
        let means = vec![None; plan.routers.end()];
        Self { plan, slots, runtime_dir, firewall: None, removals: None, is_refused: false, means }
    }

    /// Goes on with another plan. Routers that are new to it are decided on by [`Self::settle`].
    pub(super) fn replan(&mut self, plan: Arc<Plan>) {
        self.means.resize(plan.routers.end(), None);
        for (router, means) in self.means.iter_mut().enumerate() {
            let is_same = self.plan.routers.contains(router) && plan.routers.contains(router);
            means.take_if(|_| !is_same);
        }
        self.plan = plan;
    }

    /// Decides for each router, knowing which interfaces have the kernel program.
    pub(super) fn settle(&mut self, has_program: impl Fn(&str) -> bool) {
        let plan = Arc::clone(&self.plan);
        for (router, instance) in plan.routers.iter() {
            let is_covered =
                all_addresses(instance).all(|address| has_program(interface_of(instance, address)));
            let means = self.choose(instance, is_covered);
            if self.means[router].replace(means) != Some(means) {
                self.slots.get(slot_of(router)).set_accept(means != Means::Program);
                log(instance, means);
            }
        }
        if self.firewall.is_none()
            && let Err(reason) = Firewall::remove_leftover(&self.runtime_dir)
        {
            warn!("the table of the last daemon stays: {reason}");
        }
    }

    /// Only the firewall leaves translated packets alone, so without `xdp_no_accept` the program is
    /// the second choice; and it sees those only that come in where it is attached.
    fn choose(&mut self, instance: &Instance, is_covered: bool) -> Means {
        if instance.accept {
            Means::Accept
        } else if instance.accept_in_program && is_covered {
            Means::Program
        } else if self.has_firewall() {
            Means::Firewall
        } else if is_covered {
            Means::Program
        } else {
            Means::Missing
        }
    }

    /// True when there is a firewall, which is made when it is first needed.
    fn has_firewall(&mut self) -> bool {
        if self.firewall.is_none() && !self.is_refused {
            match Firewall::install(&self.runtime_dir) {
                Ok(firewall) => {
                    self.removals = firewall
                        .removals()
                        .inspect_err(|reason| {
                            warn!(
                                "the loss of table {} will not be seen: {reason}",
                                firewall.table()
                            );
                        })
                        .ok();
                    self.firewall = Some(firewall);
                }
                Err(reason) => self.give_up(&reason),
            }
        }
        self.firewall.is_some()
    }

    fn give_up(&mut self, reason: &host::Error) {
        error!("no_accept: {reason}");
        self.is_refused = true;
        self.removals = None;
        if let Some(firewall) = self.firewall.take()
            && let Err(reason) = firewall.remove()
        {
            warn!("{reason}");
        }
    }

    /// How a router's addresses are guarded.
    pub(super) fn means(&self, router: RouterId) -> Means {
        self.means.get(router).copied().flatten().unwrap_or(Means::Accept)
    }

    /// Has the firewall guard the addresses that are on the interfaces because of us, by router, or
    /// are about to be.
    pub(super) fn guard(&mut self, held: &[Vec<Owned>]) {
        let Some(firewall) = &mut self.firewall else { return };
        let by_firewall = held
            .iter()
            .zip(&self.means)
            .filter(|(_, means)| **means == Some(Means::Firewall))
            .flat_map(|(held, _)| held);
        let guarded = by_firewall.map(|owned| Guarded::new(owned.index, owned.address)).collect();
        if let Err(reason) = firewall.guard(guarded) {
            error!("no_accept: {reason}; packets to virtual addresses may be accepted");
        }
    }

    /// Waits until the firewall's table may have been removed by somebody.
    pub(super) async fn disturbed(&mut self) {
        match &mut self.removals {
            Some(removals) => removals.next().await,
            None => std::future::pending().await,
        }
    }

    /// Makes the firewall's table again if it is gone.
    pub(super) fn mend(&mut self) {
        let Some(firewall) = &self.firewall else { return };
        match firewall.mend() {
            Ok(false) => {}
            Ok(true) => warn!("table {} was removed; it has been made again", firewall.table()),
            Err(reason) => error!("table {} is not made again: {reason}", firewall.table()),
        }
    }

    /// Guards nothing any more.
    pub(super) fn end(&mut self) {
        if let Some(firewall) = self.firewall.take()
            && let Err(reason) = firewall.remove()
        {
            warn!("{reason}");
        }
    }
}

/// Users wonder why an address does not answer: it is said at the start.
fn log(instance: &Instance, means: Means) {
    let name = &instance.name;
    match means {
        Means::Accept => {}
        Means::Firewall if instance.accept_in_program => {
            warn!(
                "({name}) xdp_no_accept: not every interface has the kernel program; nftables drops what is sent to the addresses"
            );
        }
        Means::Firewall => {
            info!(
                "({name}) no_accept: nftables drops what is sent to the addresses, pings included"
            );
        }
        Means::Program if instance.accept_in_program => {
            info!(
                "({name}) no_accept: the kernel program drops what is sent to the addresses, pings included"
            );
        }
        Means::Program => {
            warn!(
                "({name}) no_accept: the kernel program drops what is sent to the addresses, also what is to be translated (NAT)"
            );
        }
        Means::Missing => {
            error!("({name}) no_accept is not enforced: what is sent to the addresses is accepted");
        }
    }
}
