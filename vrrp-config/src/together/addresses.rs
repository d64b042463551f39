//! The addresses of a virtual router: all nodes have to have the same, in any order.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{Member, Router};
use crate::{VirtualAddress, code, cross::is_link_local, diagnostic::Findings};

/// Reports addresses that only one of two nodes has.
pub(super) fn compare(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    for list in [ADVERTISED, EXCLUDED] {
        report_missing(first, other, list, findings);
        report_missing(other, first, list, findings);
    }
    report_prefixes(first, other, findings);
}

const ADVERTISED: &str = "virtual_ipaddress";

const EXCLUDED: &str = "virtual_ipaddress_excluded";

fn addresses<'a>(member: &Member<'a>, list: &str) -> &'a [VirtualAddress] {
    if list == ADVERTISED { &member.instance.addresses } else { &member.instance.excluded }
}

/// Addresses of `has` that `lacks` does not have, in one of their two lists.
fn report_missing(
    has: &Member<'_>,
    lacks: &Member<'_>,
    list: &'static str,
    findings: &mut Findings,
) {
    let own: HashSet<IpAddr> = addresses(lacks, list).iter().map(|own| own.address).collect();
    let mut missing = addresses(has, list).iter().filter(|theirs| !own.contains(&theirs.address));
    let Some(first) = missing.next() else {
        return;
    };
    let more = match missing.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let message = format!(
        "`{}` of {} lacks `{}`{more}, which {} has",
        lacks.instance.name, lacks.node.name, first.address, has.node.name
    );
    let (kind, help) = if list == ADVERTISED {
        let help = "an advert names all addresses: one of keepalived up to 2.3.2 is refused by the \
                    other, both become MASTER; later ones do not move what they do not have";
        (code::ADDRESSES_DIFFER, help)
    } else {
        (code::MOVED_DIFFER, "after a failover nobody has it: write the same list into all files")
    };
    findings
        .report(kind, lacks.line(&[list]), message)
        .also(has.at(first.span), format!("{} has it", has.node.name))
        .help(help);
}

/// One address with two prefix lengths.
fn report_prefixes(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let theirs: HashMap<IpAddr, &VirtualAddress> =
        first.instance.all_addresses().map(|theirs| (theirs.address, theirs)).collect();
    for own in other.instance.all_addresses() {
        let theirs = theirs.get(&own.address).filter(|theirs| theirs.prefix != own.prefix);
        if let Some(theirs) = theirs {
            let message = format!(
                "`{}` has /{} in {} and /{} in {}",
                own.address, own.prefix, other.node.name, theirs.prefix, first.node.name
            );
            findings
                .report(code::MOVED_DIFFER, other.at(own.span), message)
                .also(first.at(theirs.span), format!("/{} here", theirs.prefix))
                .help("which hosts are reached directly changes with each failover");
            return;
        }
    }
}

/// Addresses that two files give to different virtual routers, as a mistyped virtual_router_id does.
/// Returns the routers concerned.
pub(super) fn report_other_routers(
    routers: &[Router<'_>],
    findings: &mut Findings,
) -> HashSet<usize> {
    let mut first: HashMap<IpAddr, (usize, Member<'_>, &VirtualAddress)> = HashMap::new();
    let mut named = HashSet::new();
    for (index, router) in routers.iter().enumerate() {
        for member in &router.members {
            for own in member.instance.addresses.iter().filter(|own| !is_link_local(own.address)) {
                let (other, holder, theirs) =
                    *first.entry(own.address).or_insert((index, *member, own));
                // Of one file that is no matter of several.
                if other == index
                    || std::ptr::eq(holder.node, member.node)
                    || named.contains(&other) && named.contains(&index)
                {
                    continue;
                }
                named.extend([other, index]);
                report_vrids(&holder, theirs, member, own, findings);
            }
        }
    }
    named
}

fn report_vrids(
    first: &Member<'_>,
    theirs: &VirtualAddress,
    other: &Member<'_>,
    own: &VirtualAddress,
    findings: &mut Findings,
) {
    let (a, b) = (first.instance, other.instance);
    let message = format!(
        "`{}` belongs to virtual router {} in {} and to {} in {}",
        own.address, b.vrid, other.node.name, a.vrid, first.node.name
    );
    let line = |member: &Member<'_>, address: &VirtualAddress| {
        if a.vrid == b.vrid { member.at(address.span) } else { member.line(&["virtual_router_id"]) }
    };
    findings
        .report(code::VRIDS_DIFFER, line(other, own), message)
        .also(line(first, theirs), format!("{} here", a.vrid))
        .help("they do not know of each other and both have the address: give both one virtual_router_id");
}
