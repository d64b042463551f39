//! A configuration as keepalived.conf text. Reading the text gives the same configuration: defaults
//! stay away, repairs have been made, and what came from `global_defs` stands where it counts.

mod daemon;
mod instance;
mod text;
mod trackers;

use std::fmt::{self, Display};

use super::{Config, Interfaces, Statics, trackers::Weights};
pub(crate) use text::{Seconds, Text};

/// `virtual_server` blocks are not part of it, as they are keepalived's to serve; a comment counts them.
impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scripts, track_files, track_processes, bfd, .. } = self;
        let weights = Weights::new(scripts, track_files, track_processes, bfd);
        let mut writer = Writer { f, depth: 0, weights };
        writer.daemon(self)?;
        writer.surroundings(self)?;
        writer.trackers(self)?;
        for instance in &self.instances {
            writer.instance(instance, self)?;
        }
        for group in &self.sync_groups {
            writer.sync_group(group)?;
        }
        if !self.virtual_servers.is_empty() {
            writer.line(format_args!("# virtual_server: {}", self.virtual_servers.len()))?;
        }
        Ok(())
    }
}

/// Writes lines and blocks with their indentation.
struct Writer<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    depth: usize,
    /// Of everything that can be tracked.
    weights: Weights<'a>,
}

impl Writer<'_, '_> {
    fn line(&mut self, line: impl Display) -> fmt::Result {
        writeln!(self.f, "{:width$}{line}", "", width = self.depth * 4)
    }

    /// What does not belong to one virtual router.
    fn surroundings(&mut self, config: &Config) -> fmt::Result {
        let Interfaces { garp_groups, linkbeat, delays } = &config.interfaces;
        garp_groups.iter().try_for_each(|group| self.line(group))?;
        self.list("linkbeat_interfaces", linkbeat)?;
        self.list("interface_up_down_delays", delays)?;
        let Statics { addresses, routes, rules, track_groups } = &config.statics;
        track_groups.iter().try_for_each(|group| self.line(group))?;
        self.list("static_ipaddress", addresses)?;
        self.list("static_routes", routes)?;
        self.list("static_rules", rules)
    }

    /// `KEYWORD VALUE`.
    fn value(&mut self, keyword: &str, value: impl Display) -> fmt::Result {
        self.line(format_args!("{keyword} {value}"))
    }

    /// `KEYWORD VALUE` if there is one.
    fn option(&mut self, keyword: &str, value: Option<impl Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.value(keyword, value))
    }

    /// `KEYWORD VALUE` if it is not the default.
    fn unless<T: Display + PartialEq>(
        &mut self,
        default: &T,
        keyword: &str,
        value: &T,
    ) -> fmt::Result {
        self.option(keyword, Some(value).filter(|value| *value != default))
    }

    /// The keyword alone, if `on`.
    fn flag(&mut self, keyword: &str, on: bool) -> fmt::Result {
        if on { self.line(keyword) } else { Ok(()) }
    }

    /// `HEAD {`, what `inner` writes, and `}`.
    fn block(
        &mut self,
        head: impl Display,
        inner: impl FnOnce(&mut Self) -> fmt::Result,
    ) -> fmt::Result {
        self.line(format_args!("{head} {{"))?;
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        self.line("}")
    }

    /// A block with one item on each line, if there is one.
    fn list(&mut self, head: &str, items: &[impl Display]) -> fmt::Result {
        if items.is_empty() {
            return Ok(());
        }
        self.block(head, |writer| items.iter().try_for_each(|item| writer.line(item)))
    }

    /// The same with words, which may need quotes.
    fn words(&mut self, head: &str, words: &[String]) -> fmt::Result {
        let words: Vec<Text> = words.iter().map(|word| Text(word)).collect();
        self.list(head, &words)
    }
}

/// The word for a value, from a table of choices.
pub(crate) fn choice<T: PartialEq>(choices: &[(&'static str, T)], value: &T) -> &'static str {
    choices.iter().find(|(_, choice)| choice == value).map_or("", |(name, _)| name)
}
