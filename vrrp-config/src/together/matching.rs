//! Which virtual routers of several files are one.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use vrrp_common::{Family, Vrid};

use super::{Member, Node, Router};

/// What all nodes have of a virtual router.
type Number = (Family, Vrid);

/// All virtual routers, in the order of the files. Where a node has one number several times, on
/// several interfaces, addresses in common decide, then the interface, then the name.
pub(super) fn routers<'a>(nodes: &'a [Node<'a>]) -> Vec<Router<'a>> {
    let mut routers: Vec<Router<'_>> = Vec::new();
    let mut known: HashMap<Number, Vec<usize>> = HashMap::new();
    for node in nodes {
        let members = node.config.instances.iter().map(|instance| Member { node, instance });
        let members: Vec<Member<'_>> = members.collect();
        let found = assign(&members, &routers, &known);
        for (member, found) in members.into_iter().zip(found) {
            if let Some(index) = found {
                routers[index].members.push(member);
            } else {
                known.entry(member.number()).or_default().push(routers.len());
                routers.push(Router { members: vec![member] });
            }
        }
    }
    routers
}

/// The known virtual router that each of a node's own ones is, if any: the two that are most alike
/// first. One with nothing in common is the same only if the node has no other one of its number.
fn assign(
    members: &[Member<'_>],
    routers: &[Router<'_>],
    known: &HashMap<Number, Vec<usize>>,
) -> Vec<Option<usize>> {
    let mut count: HashMap<Number, usize> = HashMap::new();
    members.iter().for_each(|member| *count.entry(member.number()).or_default() += 1);
    let mut pairs = Vec::new();
    for (own, member) in members.iter().enumerate() {
        let single = count.get(&member.number()) == Some(&1);
        for &router in known.get(&member.number()).into_iter().flatten() {
            let likeness = routers[router].likeness(member);
            if single || likeness != [false; 3] {
                pairs.push((likeness, own, router));
            }
        }
    }
    pairs.sort_by_key(|(likeness, ..)| Reverse(*likeness));
    let (mut found, mut taken) = (vec![None; members.len()], HashSet::new());
    for (_, own, router) in pairs {
        if found[own].is_none() && taken.insert(router) {
            found[own] = Some(router);
        }
    }
    found
}

impl Member<'_> {
    fn number(&self) -> Number {
        (self.instance.family(), self.instance.vrid)
    }
}

impl Router<'_> {
    /// What speaks for a further member, the most telling first.
    fn likeness(&self, other: &Member<'_>) -> [bool; 3] {
        let (first, other) = (self.members[0].instance, other.instance);
        let shares = first
            .addresses
            .iter()
            .any(|own| other.addresses.iter().any(|theirs| own.address == theirs.address));
        [shares, first.interface == other.interface, first.name == other.name]
    }
}
