//! What the last daemon left behind is removed before anything starts, but for what its heirs go on
//! with.

use tracing::{info, warn};

use super::{
    Error,
    plan::{Plan, all_addresses, interface_of},
    routes,
};
use crate::{
    host::{Host, Journal, Link, Owned, RuntimeDir, Trace},
    pulse::RouterId,
};

/// The journals, and what of them stays for now.
pub(super) struct Estate {
    pub(super) addresses: Journal<Owned>,
    pub(super) traces: Journal<Trace>,
    /// Addresses of heirs, by router.
    pub(super) held: Vec<Vec<Owned>>,
    /// Changes that heirs may need.
    pub(super) made: Vec<Trace>,
}

impl Estate {
    /// Opens the journals and undoes what they still list and no heir needs. `heirs` are the routers
    /// that may go on as Active.
    pub(super) async fn open(
        runtime_dir: &RuntimeDir,
        host: &Host,
        links: &[Link],
        plan: &Plan,
        heirs: &[RouterId],
    ) -> Result<Self, Error> {
        let (mut addresses, leftovers) = Journal::open(runtime_dir.path())?;
        let mut held = vec![Vec::new(); plan.routers.end()];
        let mut orphans = Vec::new();
        for owned in leftovers {
            match heirs.iter().find(|heir| is_of(&owned, plan, **heir, links)) {
                Some(heir) => held[*heir].push(owned),
                None => orphans.push(owned),
            }
        }
        if !orphans.is_empty() {
            remove_addresses(host, &mut addresses, &orphans).await?;
        }
        let (mut traces, leftovers) = Journal::open(runtime_dir.path())?;
        let is_kept = |trace: &Trace| !heirs.is_empty() && !matches!(trace, Trace::Macvlan(_));
        let (made, orphans): (Vec<_>, Vec<_>) = leftovers.into_iter().partition(is_kept);
        if !orphans.is_empty() {
            undo(host, &mut traces, &orphans, links).await;
        }
        Ok(Self { addresses, traces, held, made })
    }
}

/// Undoes all that the journals list, or what of it is on one interface.
pub(super) async fn clear(
    runtime_dir: &RuntimeDir,
    host: &Host,
    only: Option<&str>,
) -> Result<(), Error> {
    routes::clear(runtime_dir, host, only).await?;
    let links = host.links().await?;
    let is_chosen = |interface: &str| only.is_none_or(|only| only == interface);
    let (mut journal, mut leftovers) = Journal::open(runtime_dir.path())?;
    leftovers.retain(|owned: &Owned| is_chosen(&owned.interface));
    if !leftovers.is_empty() {
        remove_addresses(host, &mut journal, &leftovers).await?;
    }
    let (mut journal, mut leftovers) = Journal::open(runtime_dir.path())?;
    leftovers.retain(|trace: &Trace| match trace {
        Trace::Filter(filter) => is_chosen(&filter.interface),
        Trace::Macvlan(_) | Trace::Sysctl { .. } => only.is_none(),
    });
    if !leftovers.is_empty() {
        undo(host, &mut journal, &leftovers, &links).await;
    }
    Ok(())
}

/// Whether an address is one of the router's, where that has it.
fn is_of(owned: &Owned, plan: &Plan, router: RouterId, links: &[Link]) -> bool {
    let instance = &plan.routers[router];
    let is_there = |link: &Link| link.index == owned.index && link.name == owned.interface;
    links.iter().any(is_there)
        && all_addresses(instance).any(|address| {
            (interface_of(instance, address), address.address, address.prefix)
                == (&owned.interface, owned.address, owned.prefix)
        })
}

async fn remove_addresses(
    host: &Host,
    journal: &mut Journal<Owned>,
    leftovers: &[Owned],
) -> Result<(), Error> {
    let failed = host.remove_leftovers(leftovers).await?;
    for (owned, reason) in &failed {
        warn!("{} of the last daemon stays on {}: {reason}", owned.address, owned.interface);
    }
    let gone = leftovers.iter().filter(|owned| failed.iter().all(|(left, _)| left != *owned));
    if let Err(reason) = journal.forget(gone) {
        warn!("{reason}");
    }
    info!(
        addresses = leftovers.len() - failed.len(),
        "the last daemon did not stop cleanly; its addresses have been removed"
    );
    Ok(())
}

async fn undo(host: &Host, journal: &mut Journal<Trace>, leftovers: &[Trace], links: &[Link]) {
    let mut gone = Vec::new();
    for trace in leftovers {
        match host.undo(trace, links).await {
            Ok(()) => gone.push(trace),
            Err(reason) => warn!("left by the last daemon: {reason}"),
        }
    }
    info!(
        changes = gone.len(),
        "the last daemon did not stop cleanly; what it had changed has been undone"
    );
    if let Err(reason) = journal.forget(gone) {
        warn!("{reason}");
    }
}
