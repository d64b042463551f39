//! Which virtual routers of several files are one.

use std::{cmp::Reverse, collections::HashMap};

use vrrp_common::{Family, Vrid};

use super::{Member, Node, Router};

/// All virtual routers, in the order of the files. Where a node has one number several times, on
/// several interfaces, addresses in common decide, then the interface, then the name.
pub(super) fn routers<'a>(nodes: &'a [Node<'a>]) -> Vec<Router<'a>> {
    let mut routers: Vec<Router<'_>> = Vec::new();
    let mut known: HashMap<(Family, Vrid), Vec<usize>> = HashMap::new();
    for node in nodes {
        for instance in &node.config.instances {
            let member = Member { node, instance };
            let same = known.entry((instance.family(), instance.vrid)).or_default();
            let free = same.iter().filter(|&&index| !routers[index].has(node));
            let best = free.min_by_key(|&&index| Reverse(routers[index].likeness(&member)));
            if let Some(&index) = best {
                routers[index].members.push(member);
            } else {
                same.push(routers.len());
                routers.push(Router { members: vec![member] });
            }
        }
    }
    routers
}

impl Router<'_> {
    fn has(&self, node: &Node<'_>) -> bool {
        self.members.iter().any(|member| std::ptr::eq(member.node, node))
    }

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
