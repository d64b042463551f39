//! What the last daemon left behind is removed before anything starts.

use tracing::{info, warn};

use super::Error;
use crate::host::{Host, Journal, Owned, RuntimeDir, Trace};

/// Opens the journals and undoes what they still list.
pub(super) async fn open(
    runtime_dir: &RuntimeDir,
    host: &Host,
) -> Result<(Journal<Owned>, Journal<Trace>), Error> {
    let (mut addresses, leftovers) = Journal::open(runtime_dir.path())?;
    if !leftovers.is_empty() {
        remove_addresses(host, &mut addresses, &leftovers).await?;
    }
    let (mut traces, leftovers) = Journal::open(runtime_dir.path())?;
    if !leftovers.is_empty() {
        undo(host, &mut traces, &leftovers).await?;
    }
    Ok((addresses, traces))
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

async fn undo(host: &Host, journal: &mut Journal<Trace>, leftovers: &[Trace]) -> Result<(), Error> {
    let links = host.links().await?;
    let mut gone = Vec::new();
    for trace in leftovers {
        match host.undo(trace, &links).await {
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
    Ok(())
}
