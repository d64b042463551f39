//! Addresses that the kernel refuses, as on an interface without IPv6: each is tried again after
//! pauses that grow, and the log says so once for each reason.

use std::{collections::BTreeMap, time::Instant};

use super::patience::Patience;
use crate::{
    host::{Change, Owned},
    pulse::RouterId,
};

/// What was refused last time, by router.
#[derive(Debug, Default)]
pub(super) struct Refused(BTreeMap<(RouterId, Owned), Refusal>);

#[derive(Debug)]
struct Refusal {
    patience: Patience,
    next: Instant,
    reason: String,
}

impl Refused {
    /// Notes that the kernel has refused an address at `now`. True if the reason is news.
    pub(super) fn note(
        &mut self,
        router: RouterId,
        owned: Owned,
        reason: String,
        now: Instant,
    ) -> bool {
        let key = (router, owned);
        let former = self.0.get(&key);
        let is_news = former.is_none_or(|former| former.reason != reason);
        let patience = Patience::after(former.map(|former| former.patience), now);
        self.0.insert(key, Refusal { patience, next: patience.next(), reason });
        is_news
    }

    /// Forgets an address that is there now. True if it was refused before.
    pub(super) fn settle(&mut self, router: RouterId, owned: &Owned) -> bool {
        self.0.remove(&(router, owned.clone())).is_some()
    }

    /// Forgets all of a router.
    pub(super) fn forget(&mut self, router: RouterId) {
        self.retain(|of, _| of != router);
    }

    /// Forgets all but those that are still `missing`.
    pub(super) fn retain(&mut self, missing: impl Fn(RouterId, &Owned) -> bool) {
        self.0.retain(|(router, owned), _| missing(*router, owned));
    }

    /// True for an address that was refused last time.
    pub(super) fn has(&self, router: RouterId, owned: &Owned) -> bool {
        self.0.contains_key(&(router, owned.clone()))
    }

    /// True for one of these that is to be tried again at `now`.
    pub(super) fn is_due(&self, router: RouterId, owned: &Owned, now: Instant) -> bool {
        self.0.get(&(router, owned.clone())).is_some_and(|refusal| refusal.next <= now)
    }

    /// Takes in that something has happened to an interface. True where it may help one of these.
    pub(super) fn notice(&mut self, change: &Change) -> bool {
        let (Change::LinkChanged { index, .. } | Change::AddressAdded { index, .. }) = change
        else {
            return false;
        };
        let on_it = self.0.iter_mut().filter(|((_, owned), _)| owned.index == *index);
        let mut any = false;
        for (_, refusal) in on_it {
            refusal.next = refusal.next.min(refusal.patience.soonest());
            any = true;
        }
        any
    }

    /// When one is to be tried again.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.0.values().map(|refusal| refusal.next).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Issue 6: each reason is told once; a change of the interface, and of no other, brings the next try
    /// forward.
    #[test]
    fn reasons_and_pauses() {
        let owned = Owned {
            index: 7,
            interface: "eth0".to_owned(),
            address: "2001:db8::1".parse().unwrap(),
            prefix: 128,
            label: None,
            peer: None,
        };
        let start = Instant::now();
        let mut refused = Refused::default();
        assert_eq!((refused.next_timeout(), refused.has(3, &owned)), (None, false));
        let mut note = |reason: &str| refused.note(3, owned.clone(), reason.to_owned(), start);
        assert!(note("EACCES"));
        for _ in 0..20 {
            assert!(!note("EACCES"));
        }
        assert!(note("ENOBUFS"));
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(refused.next_timeout(), Some(at(10_000)));
        let added = |index| Change::AddressAdded { index, address: owned.address };
        assert!(!refused.notice(&added(8)));
        assert!(refused.notice(&added(7)));
        assert_eq!(refused.next_timeout(), Some(at(100)));
        assert_eq!([99, 100].map(|millis| refused.is_due(3, &owned, at(millis))), [false, true]);
        refused.forget(4);
        assert!(refused.settle(3, &owned) && !refused.settle(3, &owned));
    }
}
