//! The virtual routers of a plan by their numbers.

use std::{collections::BTreeMap, ops::Index};

use crate::{config::Instance, pulse::RouterId};

/// Virtual routers by their numbers. A number stays the same while its virtual router is there,
/// whatever comes and goes besides, so there may be gaps.
#[derive(Clone, Default)]
pub(super) struct Routers(BTreeMap<RouterId, Instance>);

impl Routers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first number that is beyond all of them.
    pub(super) fn end(&self) -> RouterId {
        self.0.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    pub(super) fn get(&self, router: RouterId) -> Option<&Instance> {
        self.0.get(&router)
    }

    pub(super) fn contains(&self, router: RouterId) -> bool {
        self.0.contains_key(&router)
    }

    /// Each with its number, in the order of the numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RouterId, &Instance)> {
        self.0.iter().map(|(router, instance)| (*router, instance))
    }

    /// The numbers, in their order.
    pub(super) fn ids(&self) -> impl Iterator<Item = RouterId> {
        self.0.keys().copied()
    }

    /// In the order of their numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = &Instance> {
        self.0.values()
    }

    pub(super) fn insert(&mut self, router: RouterId, instance: Instance) {
        self.0.insert(router, instance);
    }
}

impl FromIterator<(RouterId, Instance)> for Routers {
    fn from_iter<I: IntoIterator<Item = (RouterId, Instance)>>(routers: I) -> Self {
        Self(routers.into_iter().collect())
    }
}

/// A virtual router that is there.
impl Index<RouterId> for Routers {
    type Output = Instance;

    fn index(&self, router: RouterId) -> &Instance {
        &self.0[&router]
    }
}
