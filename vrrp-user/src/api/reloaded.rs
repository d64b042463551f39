//! What a reload has changed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names of virtual routers, in the order of their numbers, and what takes another start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that have resigned and are gone.
    pub removed: Vec<String>,
    /// Those that go on with something changed.
    pub changed: Vec<String>,
    /// How many go on as they were.
    pub unchanged: usize,
    /// Settings that stay as they were, a sentence each.
    pub kept: Vec<String>,
    /// What did not work besides, a sentence each.
    pub warnings: Vec<String>,
}

impl Reloaded {
    /// As in `1 added, 0 removed, 2 changed, 252 unchanged`.
    pub fn summary(&self) -> String {
        let [added, removed, changed] = [&self.added, &self.removed, &self.changed].map(Vec::len);
        format!("{added} added, {removed} removed, {changed} changed, {} unchanged", self.unchanged)
    }
}

/// The names, and then the numbers.
impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, names) in
            [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
        {
            for name in names {
                writeln!(f, "{what}: {name}")?;
            }
        }
        for sentence in self.kept.iter().chain(&self.warnings) {
            writeln!(f, "{sentence}")?;
        }
        writeln!(f, "{}", self.summary())
    }
}
