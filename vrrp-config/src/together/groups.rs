//! Sync groups: the same virtual routers in each, and the same node preferred for all of them.

use std::{cmp::Ordering, collections::HashMap};

use super::{Member, Node, Router};
use crate::{SyncGroup, code, diagnostic::Findings};

/// Looks at every group of every node with the eyes of every other node.
pub(super) fn check(nodes: &[Node<'_>], routers: &[Router<'_>], findings: &mut Findings) {
    let views: Vec<View<'_>> = nodes.iter().map(|node| View::new(node, routers)).collect();
    for (index, view) in views.iter().enumerate() {
        for group in &view.node.config.sync_groups {
            for (other, theirs) in views.iter().enumerate().filter(|(other, _)| *other != index) {
                // What both have is said once.
                compare(group, view, theirs, other > index, findings);
            }
        }
    }
}

/// What one node has of the virtual routers, which are known by their numbers in the list of all.
struct View<'a> {
    node: &'a Node<'a>,
    by_name: HashMap<&'a str, usize>,
    /// By the names of their members.
    groups: HashMap<&'a str, &'a SyncGroup>,
    members: HashMap<usize, Member<'a>>,
}

impl<'a> View<'a> {
    fn new(node: &'a Node<'a>, routers: &[Router<'a>]) -> Self {
        let (mut by_name, mut members) = (HashMap::new(), HashMap::new());
        for (index, router) in routers.iter().enumerate() {
            let own = router.members.iter().find(|member| std::ptr::eq(member.node, node));
            if let Some(own) = own {
                by_name.insert(own.instance.name.as_str(), index);
                members.insert(index, *own);
            }
        }
        let groups = node.config.sync_groups.iter();
        let groups = groups
            .flat_map(|group| group.members.iter().map(move |member| (member.as_str(), group)));
        Self { node, by_name, groups: groups.collect(), members }
    }
}

/// Compares the first member of a group that another node has, too, with each of the others.
fn compare(
    group: &SyncGroup,
    view: &View<'_>,
    theirs: &View<'_>,
    with_order: bool,
    findings: &mut Findings,
) {
    let routers = group.members.iter().filter_map(|name| view.by_name.get(name.as_str()));
    let mut pairs =
        routers.filter_map(|index| Some((view.members.get(index)?, theirs.members.get(index)?)));
    let Some((own_first, their_first)) = pairs.next() else {
        return;
    };
    let group_of = |member: &Member<'_>| theirs.groups.get(member.instance.name.as_str());
    let their_group = group_of(their_first);
    for (own, their) in pairs {
        let same = match (their_group, group_of(their)) {
            (Some(first), Some(other)) => std::ptr::eq(*first, *other),
            _ => false,
        };
        if !same {
            report_apart(group, view, (their_first, their), findings);
            return;
        }
        let order = |own: &Member<'_>, their: &Member<'_>| {
            own.instance.priority.cmp(&their.instance.priority)
        };
        let (first, other) = (order(own_first, their_first), order(own, their));
        if with_order && first != Ordering::Equal && first == other.reverse() {
            report_order(group, own_first, own, their, findings);
            return;
        }
    }
}

fn report_apart(
    group: &SyncGroup,
    view: &View<'_>,
    (first, other): (&Member<'_>, &Member<'_>),
    findings: &mut Findings,
) {
    let message = format!(
        "`{}` and `{}` of {} are in no group together, as in {}",
        first.instance.name, other.instance.name, other.node.name, view.node.name
    );
    findings
        .report(code::SYNC_GROUPS_DIFFER, other.at(other.instance.span), message)
        .also(view.node.at(group.span), format!("the group of {}", view.node.name))
        .help(
            "one may be MASTER there while the other is MASTER here, where both or none may: nobody \
             serves what is left. Write the same vrrp_sync_group into all files",
        );
}

fn report_order(
    group: &SyncGroup,
    first: &Member<'_>,
    own: &Member<'_>,
    their: &Member<'_>,
    findings: &mut Findings,
) {
    let message = format!(
        "sync group `{}`: one node is preferred for `{}`, another for `{}`",
        group.name, first.instance.name, own.instance.name
    );
    findings
        .report(code::GROUP_UNSETTLED, own.line(&["priority"]), message)
        .also(first.line(&["priority"]), format!("`{}`", first.instance.name))
        .also(their.line(&["priority"]), their.node.name)
        .help(
            "neither may be MASTER of all: the same node needs the higher priority for all members",
        );
}
