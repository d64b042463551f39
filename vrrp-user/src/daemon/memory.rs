//! Memory that stays: a page that has to come from a disk first is an advert that leaves late.

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{Resource, getrlimit},
    thread::{CapabilitySet, capabilities},
};

/// Locks what is in use, and what will be: also what is not touched yet with `at_once`. Returns why
/// not, if so.
///
/// Without CAP_IPC_LOCK there is a limit, and an allocation beyond it would fail, so nothing is
/// locked then.
pub(super) fn lock(at_once: bool) -> Option<String> {
    let is_limited = getrlimit(Resource::Memlock).current.is_some();
    let may_lock =
        capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::IPC_LOCK));
    if is_limited && !may_lock {
        return Some("it needs CAP_IPC_LOCK, or an unlimited RLIMIT_MEMLOCK".to_owned());
    }
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    let flags = if at_once { all } else { all | MlockAllFlags::ONFAULT };
    mlockall(flags).err().map(|error| error.to_string())
}
