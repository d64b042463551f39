//! What the last daemon left behind is removed before anything starts.

use tracing::{info, warn};

use super::Error;
use crate::host::{Host, Journal, RuntimeDir};

/// Opens the journal and removes the addresses that it still lists.
pub(super) async fn open(runtime_dir: &RuntimeDir, host: &Host) -> Result<Journal, Error> {
    let (mut journal, leftovers) = Journal::open(runtime_dir.path())?;
    if leftovers.is_empty() {
        return Ok(journal);
    }
    let failed = host.remove_leftovers(&leftovers).await?;
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
    Ok(journal)
}
