//! What a new configuration brings to the pulse, and what it takes away: made, and freed, by the rest
//! of the daemon.

use std::{mem::swap, sync::Arc};

use super::{
    Report, RouterId, Spec,
    clock::now,
    router::{Outlet, Router},
};
use crate::{
    auth::Authenticator,
    datapath::Slots,
    election::{Event, Parameters, State},
};

/// A virtual router outside the pulse.
pub struct Member(pub(super) Box<Router>);

impl Member {
    /// One that takes no part yet. Its slot is as new.
    pub fn new(spec: Spec, slots: &Arc<Slots>) -> Self {
        slots.get(spec.slot).clear();
        Self(Box::new(Router::new(spec, Arc::clone(slots))))
    }
}

/// Another configuration of a virtual router, with the same VRID, version and family.
pub struct Change {
    spec: Spec,
    /// `None` where it stays, with what it knows of earlier adverts.
    authenticator: Option<Authenticator>,
}

impl Change {
    /// What it is to be instead of `old`.
    pub fn new(old: &Spec, new: Spec) -> Self {
        let is_new = old.authentication != new.authentication;
        let authenticator = is_new.then(|| Authenticator::new(new.authentication.as_ref()));
        Self { spec: new, authenticator }
    }
}

impl Router {
    /// Goes on with another configuration; leaves its own in `change`.
    pub(super) fn change(&mut self, change: &mut Change, outlet: &Outlet<'_>) {
        // What was heard before was heard as the router that it was.
        self.catch_up(outlet);
        swap(&mut self.spec, &mut change.spec);
        if let Some(authenticator) = &mut change.authenticator {
            swap(&mut self.authenticator, authenticator);
        }
        let source = self.election.parameters().source;
        let parameters = Parameters { source, ..self.spec.parameters };
        self.handle(Event::Parameters(parameters), now(), outlet);
        self.show_rules();
    }

    /// Takes no part from now on, and answers for nothing.
    pub(super) fn retire(&mut self, outlet: &Outlet<'_>) {
        let was_active = self.state() == State::Active;
        self.shut_down(outlet);
        self.slot().close();
        if !was_active {
            // Whatever a lapsed lease left.
            outlet.report(Report::RemoveAddresses { router: self.id() });
        }
    }
}

/// The virtual router with this slot.
pub(super) const fn router_of(slot: u32) -> RouterId {
    (slot as usize).saturating_sub(1)
}
