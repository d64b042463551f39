//! Who of several nodes is preferred, and whether anything can change that.

use std::ops::RangeInclusive;

use super::{Member, Router};
use crate::{InitialState, code, diagnostic::Findings};

pub(super) fn check(router: &Router<'_>, findings: &mut Findings) {
    let members = &router.members;
    if members.len() < 2 {
        return;
    }
    for (index, member) in members.iter().enumerate() {
        let same = |other: &&Member<'_>| other.instance.priority == member.instance.priority;
        if let Some(first) = members[..index].iter().find(same) {
            report_same_priority(first, member, findings);
        }
    }
    report_two_masters(members, findings);
    report_nopreempt(members, findings);
    report_weights(members, findings);
}

/// RFC 9568 6.4.3: of equal priorities the higher address wins. Owners have no such way out: nobody
/// can lower them.
fn report_same_priority(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let lines = ["priority", "state"];
    let (priority, name) = (first.instance.priority, &other.instance.name);
    let (kind, message, help) = if priority.is_owner() {
        (
            code::TWO_OWNERS,
            format!(
                "{} and {} both own the addresses of `{name}`",
                first.node.name, other.node.name
            ),
            "priority 255 is for one node, the one that has them as its own: others have less",
        )
    } else {
        (
            code::SAME_PRIORITY,
            format!("{} and {} both have priority {priority}", first.node.name, other.node.name),
            "the one with the higher address wins: different priorities say what is meant",
        )
    };
    findings
        .report(kind, other.line(&lines), message)
        .also(first.line(&lines), format!("{priority} here"))
        .help(help);
}

/// `state` does not elect.
fn report_two_masters(members: &[Member<'_>], findings: &mut Findings) {
    let mut masters = members.iter().filter(|member| {
        let instance = member.instance;
        instance.state == InitialState::Master && !instance.priority.is_owner()
    });
    if let (Some(first), Some(second)) = (masters.next(), masters.next()) {
        let message = format!(
            "`{}` has `state MASTER` in {} and {}",
            second.instance.name, first.node.name, second.node.name
        );
        findings
            .report(code::NODES_DIFFER, second.line(&["state"]), message)
            .also(first.line(&["state"]), "and here")
            .help("priorities alone decide; `state BACKUP` in all files says so");
    }
}

/// A router never refuses a better advert: nopreempt is for the one that would send it.
fn report_nopreempt(members: &[Member<'_>], findings: &mut Findings) {
    let Some(best) = members.iter().max_by_key(|member| member.instance.priority) else {
        return;
    };
    let without = |member: &&Member<'_>| {
        !member.instance.preempt && member.instance.priority < best.instance.priority
    };
    if let Some(other) = members.iter().find(without).filter(|_| best.instance.preempt) {
        let message = format!(
            "`nopreempt` in {} does not keep {} from taking over",
            other.node.name, best.node.name
        );
        findings
            .report(code::NODES_DIFFER, other.line(&["nopreempt"]), message)
            .also(best.line(&["priority"]), "has the higher priority, and preempts")
            .help("write `nopreempt` with `state BACKUP` into that file: it is about oneself");
    }
}

/// Weights that nobody acts on: with nopreempt on all nodes, or because they are too small.
fn report_weights(members: &[Member<'_>], findings: &mut Findings) {
    let weight =
        |member: &Member<'_>| member.node.weights.of(member.instance).next().map(|own| own.span);
    let Some((member, span)) = members.iter().find_map(|own| Some((own, weight(own)?))) else {
        return;
    };
    let name = &member.instance.name;
    if members.iter().all(|member| !member.instance.preempt) {
        let message = format!("`{name}` has weights, and `nopreempt` on all nodes");
        findings
            .report(code::NEVER_FAILS_OVER, member.at(span), message)
            .also(member.line(&["nopreempt"]), "here and in the other files")
            .help(
                "no failure moves anything while the MASTER lives: leave the weight out, and a failing \
                 script makes FAULT; or let the node of the higher priority preempt",
            );
        return;
    }
    let reaches: Vec<RangeInclusive<u8>> =
        members.iter().map(|member| member.node.weights.reach(member.instance)).collect();
    let meet = |(index, own): (usize, &RangeInclusive<u8>)| {
        reaches[..index]
            .iter()
            .any(|other| own.start() <= other.end() && other.start() <= own.end())
    };
    if reaches.iter().enumerate().any(meet) {
        return;
    }
    let message = format!("the weights of `{name}` never change who is MASTER");
    let diagnostic = findings.report(code::IDLE_WEIGHT, member.at(span), message);
    for (member, reach) in members.iter().zip(&reaches) {
        let text = format!("{} to {} with its weights", reach.start(), reach.end());
        diagnostic.also(member.line(&["priority"]), text);
    }
    diagnostic.help("make the weight larger than the difference of the priorities");
}
