//! `@id` and `@^id`: the rest of the line is for one node, or for all others.

use super::{Reader, Text, is_blank};
use crate::code;

impl Reader<'_> {
    /// The condition at `at`, the `number`th one of its statement. Returns its length if the rest of
    /// the line counts. Blanks behind `@` leave the id empty, which no node has.
    pub(super) fn condition(&mut self, line: &Text<'_>, at: usize, number: usize) -> Option<usize> {
        let rest = &line.as_str()[at..];
        let length = rest.find(is_blank).unwrap_or(rest.len());
        let id = &rest[1..length];
        if number > 1 {
            let span = line.span(at..at + length, self.sources);
            let message =
                format!("`{}` is a second condition; the line is ignored", &rest[..length]);
            self.findings.report(code::SECOND_CONDITION, span, message).help(
                "a line has one condition: to combine two, define a variable with the first one and use it behind the second",
            );
            return None;
        }
        if matches!(id, "" | "^") {
            let span = line.span(at..at + length, self.sources);
            let fate = if id.is_empty() { "never counts" } else { "always counts" };
            let message = format!("`@{id}` has no name behind it; the line {fate}");
            let help = "write the config id behind it without a blank: `@node1 priority 150`";
            self.findings.report(code::EMPTY_CONDITION, span, message).help(help);
        }
        let counts = match id.strip_prefix('^') {
            Some(other) => other != self.id,
            None => id == self.id && !id.is_empty(),
        };
        counts.then_some(length)
    }
}
