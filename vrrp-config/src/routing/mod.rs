//! Routes and rules: `static_routes`, `static_rules`, `virtual_routes`, `virtual_rules`, and
//! `track_group`, which ties static ones to virtual routers.
//!
//! [`line`] reads words, [`route_reader`] and [`rule_reader`] make a [`Route`] or a [`Rule`] of a
//! line. Names below `/etc/iproute2` stay names: they are the host's.

mod encap;
mod line;
mod names;
mod route;
mod route_reader;
mod rule;
mod rule_reader;

use std::collections::{HashMap, HashSet};

use vrrp_common::Family;

pub use encap::{Encap, IpEncap};
pub use names::{Named, Prefix, Realms, Tracking};
pub use route::{Lockable, Metrics, NextHop, Position, Preference, Route, RouteKind};
pub use rule::{Action, Mark, Rule};

pub(crate) use names::SCOPES;

use super::{
    Config, Place, VirtualAddress, address, code,
    diagnostic::Findings,
    format::Text,
    parser::Statement,
    source::{FileId, Span},
    values,
};
use line::List;

/// Rules without a `preference` get this one and those below it, as in keepalived.
const FIRST_PREFERENCE: u32 = 16384;

/// Interface of static addresses that name none, unless `default_interface` names another one.
const DEFAULT_INTERFACE: &str = "eth0";

/// What is set at the start and stays until the end, whatever VRRP does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statics {
    /// `static_ipaddress`; each has a `device`.
    pub addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
    /// `track_group`.
    pub track_groups: Vec<TrackGroup>,
}

/// `track_group NAME { group { … } }`: virtual routers that go to FAULT when a static address, route
/// or rule of the group is deleted and cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackGroup {
    /// The name behind `track_group`.
    pub name: String,
    /// Names of virtual routers, all of which are in the file.
    pub members: Vec<String>,
    /// The name's place.
    pub span: Place,
}

impl std::fmt::Display for TrackGroup {
    /// The block, as keepalived reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "track_group {} {{", Text(&self.name))?;
        writeln!(f, "    group {{")?;
        for member in &self.members {
            writeln!(f, "        {}", Text(member))?;
        }
        write!(f, "    }}\n}}")
    }
}

/// Reads everything static of a file.
pub(super) fn statics(
    tree: &[Statement],
    default_interface: Option<&str>,
    findings: &mut Findings,
) -> Statics {
    let track_groups = track_groups(tree, findings);
    let names: HashSet<&str> = track_groups.iter().map(|group| group.name.as_str()).collect();
    let (mut addresses, mut routes, mut rules) = (Vec::new(), Vec::new(), Vec::new());
    let lines = |keyword| {
        let lists = tree.iter().filter(move |list| list.keyword() == keyword);
        lists.flat_map(Statement::inner)
    };
    for line in lines("static_ipaddress") {
        addresses.extend(address::parse_static(line, &names, findings));
    }
    for line in lines("static_routes") {
        routes.extend(route_reader::read(line, List::Static(&names), findings));
    }
    for line in lines("static_rules") {
        rules.extend(rule_reader::read(line, List::Static(&names), findings));
    }
    let device = default_interface.unwrap_or(DEFAULT_INTERFACE);
    for address in &mut addresses {
        address.device.get_or_insert_with(|| device.to_owned());
    }
    Statics { addresses, routes, rules, track_groups }
}

/// `virtual_routes`.
pub(super) fn virtual_routes(list: &Statement, findings: &mut Findings) -> Vec<Route> {
    let lines = list.inner().iter();
    lines.filter_map(|line| route_reader::read(line, List::Virtual, findings)).collect()
}

/// `virtual_rules`.
pub(super) fn virtual_rules(list: &Statement, findings: &mut Findings) -> Vec<Rule> {
    let lines = list.inner().iter();
    lines.filter_map(|line| rule_reader::read(line, List::Virtual, findings)).collect()
}

/// Gives a preference to each rule without one, in the order of reading: blocks stand in it in `tree`,
/// and the rules of a block in the model. Places do not tell, as one file includes others.
pub(super) fn assign_preferences(tree: &[Statement], config: &mut Config) {
    let mut blocks: HashMap<(FileId, u32), usize> = HashMap::new();
    for (index, block) in tree.iter().enumerate() {
        for line in rules_of(block) {
            blocks.entry(place_of(line.span())).or_insert(index);
        }
    }
    let virtual_rules = config.instances.iter_mut().flat_map(|instance| &mut instance.rules);
    let rules = config.statics.rules.iter_mut().chain(virtual_rules);
    let mut rules: Vec<&mut Rule> = rules.filter(|rule| rule.preference.is_none()).collect();
    rules.sort_by_key(|rule| blocks.get(&place_of(rule.span.0)).copied());
    let (mut ipv4, mut ipv6) = (FIRST_PREFERENCE, FIRST_PREFERENCE);
    for rule in rules {
        let next = match rule.family {
            Family::V4 => &mut ipv4,
            Family::V6 => &mut ipv6,
        };
        rule.preference = Some(*next);
        *next = next.saturating_sub(1);
    }
}

/// The lines of a block that are rules.
fn rules_of(block: &Statement) -> Vec<&Statement> {
    match block.keyword() {
        "static_rules" => block.inner().iter().collect(),
        "vrrp_instance" => {
            let lists = block.inner().iter().filter(|list| list.keyword() == "virtual_rules");
            lists.flat_map(Statement::inner).collect()
        }
        _ => Vec::new(),
    }
}

fn place_of(span: Span) -> (FileId, u32) {
    (span.file, span.start)
}

/// Reads every `track_group`.
fn track_groups(tree: &[Statement], findings: &mut Findings) -> Vec<TrackGroup> {
    let named = |keyword: &'static str| {
        let blocks = tree.iter().filter(move |block| block.keyword() == keyword);
        blocks.filter_map(|block| Some((block, values::argument(block)?)))
    };
    let instances: HashSet<&str> =
        named("vrrp_instance").map(|(_, name)| name.text.as_str()).collect();
    let (mut groups, mut names) = (Vec::new(), HashSet::new());
    for (block, name) in named("track_group") {
        if !names.insert(name.text.as_str()) {
            let message = format!("there is a track_group `{}` already", name.text);
            findings.report(code::DUPLICATE_NAME, name.span, message).help("this one is ignored");
            continue;
        }
        let mut members = Vec::new();
        for list in block.inner().iter().filter(|list| list.keyword() == "group") {
            if list.inner().is_empty() {
                let message = format!("the group of `{}` is empty", name.text);
                findings
                    .report(code::EMPTY_GROUP, list.span(), message)
                    .help("name virtual routers: `group { VI_1 VI_2 }`");
            }
            for member in list.inner().iter().flat_map(|line| &line.words) {
                if instances.contains(member.text.as_str()) {
                    members.push(member.text.clone());
                    continue;
                }
                let message = format!("there is no `vrrp_instance {}` in this file", member.text);
                findings
                    .report(code::TRACK_GROUP_MEMBER, member.span, message)
                    .help("the name is ignored");
            }
        }
        if members.is_empty() {
            let message = format!("nothing happens for the track_group `{}`", name.text);
            findings
                .report(code::TRACK_GROUP_MEMBER, name.span, message)
                .help("it has no virtual router: name them in `group { … }`");
        }
        groups.push(TrackGroup { name: name.text.clone(), members, span: name.span.into() });
    }
    groups
}

#[cfg(test)]
mod tests {
    use crate::keywords::{self, Block};

    /// Issue 5, the table: the readers take every word that it has for routes and rules.
    #[test]
    fn words_of_the_table() {
        for (list, block, entry) in [
            ("static_routes", Block::Routes, "10.0.0.0/8 no_track nexthop"),
            ("static_routes", Block::Routes, "10.0.0.0/8 dev eth0"),
            ("static_rules", Block::Rules, "from all"),
        ] {
            for word in keywords::words(block) {
                let only_behind_nexthop = word == "weight";
                if block == Block::Routes && only_behind_nexthop != entry.ends_with("nexthop") {
                    continue;
                }
                let text = format!("{list} {{\n{entry} {word} 1\n}}\n");
                let loaded = crate::parse("table.conf", text.as_bytes());
                let unknown = format!("`{word}` is no word");
                let mut messages = loaded.diagnostics.iter().map(|own| &own.message);
                assert!(!messages.any(|message| message.starts_with(&unknown)), "{text}");
            }
        }
    }
}
