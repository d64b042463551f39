//! What keepalived does not look at: whether the virtual routers of one file go together, and
//! whether what a file says can be meant. Everything here runs, so nothing is an error.

mod addresses;
mod settings;
mod tracking;

pub(super) use addresses::is_link_local;
pub(super) use tracking::Weights;

use super::{Config, diagnostic::Findings, parser::Statement};

/// Looks at a model that is complete, and at what it has been made of.
pub(super) fn check(tree: &[Statement], config: &Config, findings: &mut Findings) {
    addresses::check(config, findings);
    settings::check(config, findings);
    tracking::check(tree, config, findings);
}
