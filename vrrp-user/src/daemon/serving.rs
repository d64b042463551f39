//! Routes come after the addresses of their virtual router, and go before them.

use std::collections::BTreeSet;

use super::{Daemon, plan::slot_of};
use crate::{
    election::State,
    pulse::{self, RouterId},
};

impl Daemon {
    /// True for a router that is Active, or goes on where the last daemon was.
    fn serves(&self, router: RouterId) -> bool {
        match self.pulse.board().state(router) {
            State::Active => true,
            State::Initialize => self.slots.get(slot_of(router)).is_open(pulse::now()),
            State::Backup => false,
        }
    }

    /// Removes the routes of who does not serve.
    pub(super) async fn leave_routes(&mut self) {
        let serving: BTreeSet<_> =
            self.plan.routers.ids().filter(|router| self.serves(*router)).collect();
        self.routes.leave(|router| serving.contains(&router)).await;
    }

    /// Adds the routes of who serves and has been given its addresses: a route may need one of them.
    pub(super) async fn enter_routes(&mut self) {
        let is_ready =
            |router: &RouterId| self.addresses.is_wanted(*router) && self.serves(*router);
        let ready = self.plan.routers.ids().filter(is_ready).collect();
        self.routes.enter(&ready);
        self.routes.arrive().await;
    }
}
