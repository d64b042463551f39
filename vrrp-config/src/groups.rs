//! `vrrp_sync_group`: virtual routers that change state together.

use std::collections::HashMap;

use super::{
    Config, Instance, SyncGroup, code,
    diagnostic::Findings,
    lexer::Word,
    notify,
    parser::Statement,
    references::{Kind, Names},
    source::{Sources, Span},
    trackers::Weights,
    tracking::{self, ByName, Context},
    values,
};

/// One group as it is written.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    span: Span,
    /// Names that there are, each once.
    members: Vec<Word>,
    /// So many names stand in `group`.
    listed: usize,
    tracking: tracking::Draft,
    member_weights: bool,
    notify: notify::Draft,
}

/// Reads all groups, and repairs what their members track.
pub(super) fn build(
    tree: &[Statement],
    config: &mut Config,
    names: &Names,
    weights: &Weights<'_>,
    defaults: &notify::Defaults,
    sources: &Sources,
    findings: &mut Findings,
) {
    let (mut members, mut known): (_, HashMap<&str, Span>) = (HashMap::new(), HashMap::new());
    let instances = config.instances.iter().enumerate();
    let places: HashMap<String, usize> =
        instances.map(|(place, instance)| (instance.name.clone(), place)).collect();
    for block in tree.iter().filter(|block| block.keyword() == "vrrp_sync_group") {
        let Some(name) = values::argument(block) else {
            continue;
        };
        if let Some(&first) = known.get(name.text.as_str()) {
            let line = sources.line(first);
            let message =
                format!("there is a vrrp_sync_group `{}` in line {line} already", name.text);
            findings.report(code::DUPLICATE_NAME, name.span, message).help("this one is ignored");
            continue;
        }
        let context = Context { names, weights, user: (Kind::SyncGroup, &name.text) };
        let draft = Draft::read(block, name, context, findings);
        let mut instances = Instances { all: &mut config.instances, places: &places };
        let group = draft.complete(&mut members, &mut instances, defaults, findings);
        if let Some(group) = group {
            known.insert(&name.text, name.span);
            config.sync_groups.push(group);
        }
    }
}

/// The virtual routers of the file, and where each name stands among them.
struct Instances<'a> {
    all: &'a mut [Instance],
    places: &'a HashMap<String, usize>,
}

impl Draft {
    fn read(block: &Statement, name: &Word, context: Context<'_>, findings: &mut Findings) -> Self {
        let mut draft = Self { name: name.text.clone(), span: name.span, ..Self::default() };
        for line in block.inner() {
            match line.keyword() {
                "group" => draft.read_members(line, context, findings),
                // The second is out of use, which has been reported, and does the same.
                "sync_group_tracking_weight" | "global_tracking" => draft.member_weights = true,
                _ => {
                    tracking::read(line, &mut draft.tracking, context, findings);
                    draft.notify.read(line, findings);
                }
            }
        }
        draft
    }

    /// `group { … }`: names of instances, one or more per line.
    fn read_members(&mut self, list: &Statement, context: Context<'_>, findings: &mut Findings) {
        for word in list.inner().iter().flat_map(|line| &line.words) {
            self.listed += 1;
            if context.names.is_known(word, Kind::Instance, "group", context.user, findings) {
                self.members.push(word.clone());
            }
        }
    }

    /// The group, or `None` if no virtual router is left of it. Those that were left out for other
    /// reasons do not make it smaller than it was meant.
    fn complete(
        mut self,
        taken: &mut HashMap<String, String>,
        instances: &mut Instances<'_>,
        defaults: &notify::Defaults,
        findings: &mut Findings,
    ) -> Option<SyncGroup> {
        self.members.retain(|word| {
            let Some(other) = taken.get(&word.text) else {
                taken.insert(word.text.clone(), self.name.clone());
                return true;
            };
            let message = format!("`{}` is in the group `{other}` already", word.text);
            findings
                .report(code::MEMBER_TWICE, word.span, message)
                .help("a virtual router belongs to one group; this name is ignored");
            false
        });
        self.report_size(findings);
        let places = self.members.iter().filter_map(|word| instances.places.get(&word.text));
        let places: Vec<usize> = places.copied().collect();
        if places.is_empty() {
            return None;
        }
        let mut tracking = self.tracking.lists;
        if places.iter().any(|&place| instances.all[place].priority.is_owner()) {
            tracking.repair_for_owned_group(findings);
        }
        let notify = self.notify.complete(defaults);
        let common = tracking.by_name();
        for &place in &places {
            let member = &mut instances.all[place];
            report_own_interface(member, &common, findings);
            if !self.member_weights {
                member.tracking.repair_for_member(findings);
            }
            member.tracking.leave_out_common(&common, findings);
            member.notify.priority_changes |= notify.priority_changes;
        }
        Some(SyncGroup {
            name: self.name,
            span: self.span.into(),
            members: places.iter().map(|&place| instances.all[place].name.clone()).collect(),
            tracking,
            member_weights: self.member_weights,
            notify,
        })
    }

    fn report_size(&self, findings: &mut Findings) {
        let name = &self.name;
        if self.listed == 0 {
            let message = format!("the group `{name}` has no members and is removed");
            findings
                .report(code::EMPTY_GROUP, self.span, message)
                .help("name them: `group { VI_1 VI_2 }`");
        } else if self.listed == 1 {
            let message = format!("the group `{name}` has one member only");
            findings
                .report(code::SMALL_GROUP, self.span, message)
                .help("a group keeps several virtual routers together");
        }
    }
}

/// A group that tracks the interface of a member, which that one tracks anyway.
fn report_own_interface(member: &Instance, group: &ByName<'_>, findings: &mut Findings) {
    let Instance { name, interface, ignores_interface, .. } = member;
    let [interfaces, ..] = group;
    if let Some(line) = interfaces.get(interface.as_str()).filter(|_| !ignores_interface) {
        let message = format!("`{interface}` is the interface of `{name}`, which tracks it anyway");
        findings
            .report(code::TRACKED_BY_GROUP, line.span, message)
            .help("without a weight: while it is down, the whole group is in FAULT");
    }
}
