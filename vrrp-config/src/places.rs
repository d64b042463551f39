//! Where the lines of a block stand, for messages about what its model says.

use std::collections::BTreeMap;

use super::{parser::Statement, source::Span};

/// The lines of one block by their keywords, in their proper spelling; of one that stands there twice, the last. What
/// configurations mean does not depend on it: any two are equal.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<&'static str, Span>);

impl Places {
    /// The line of a keyword: with a block behind it, up to the brace.
    pub fn of(&self, keyword: &str) -> Option<Span> {
        self.0.get(keyword).copied()
    }

    /// Remembers a line.
    pub(super) fn note(&mut self, statement: &Statement) {
        self.0.insert(statement.name, statement.span());
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
