//! What the daemon puts on the host besides virtual addresses, as its journal lists it.

use serde::{Deserialize, Serialize};

use super::{Directive, Owned};

/// A static address, a route or a rule that is there because of us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fixture {
    /// An address.
    Address(Owned),
    /// A route or a rule.
    Routing(Directive),
}

impl Fixture {
    /// True when it is on this interface, or leads there.
    pub fn is_about(&self, interface: &str) -> bool {
        match self {
            Self::Address(owned) => owned.interface == interface,
            Self::Routing(directive) => directive.is_about(interface),
        }
    }
}
