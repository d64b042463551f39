//! When virtual routers are next to be looked at.

use super::RouterId;
use crate::election::Instant;

/// Of a router that waits for nothing.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// One deadline for each virtual router, as a tournament: each inner node holds the earlier of the
/// two deadlines below it. A change costs as many steps as the tree is high, the earliest deadline
/// of all is at the root, and nothing is allocated after it was made.
pub(super) struct Deadlines {
    /// Node 1 is the root, below node n are nodes 2n and 2n + 1; the second half are the routers.
    nodes: Vec<Instant>,
}

impl Deadlines {
    /// Room for so many routers, none of which waits for anything.
    pub(super) fn new(routers: usize) -> Self {
        Self { nodes: vec![NEVER; 2 * routers.next_power_of_two()] }
    }

    /// Gives `router` another deadline, or none.
    pub(super) fn set(&mut self, router: RouterId, deadline: Option<Instant>) {
        let mut node = self.nodes.len() / 2 + router;
        self.nodes[node] = deadline.unwrap_or(NEVER);
        while node > 1 {
            node /= 2;
            let earlier = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
            if self.nodes[node] == earlier {
                return;
            }
            self.nodes[node] = earlier;
        }
    }

    /// The deadline of `router`.
    pub(super) fn of(&self, router: RouterId) -> Option<Instant> {
        some(self.nodes[self.nodes.len() / 2 + router])
    }

    /// The earliest deadline.
    pub(super) fn first(&self) -> Option<Instant> {
        some(self.nodes[1])
    }

    /// Puts into `routers` those whose deadline is `end` or earlier, in the order of their numbers.
    pub(super) fn until(&self, end: Instant, routers: &mut Vec<RouterId>) {
        routers.clear();
        self.descend(1, end, routers);
    }

    fn descend(&self, node: usize, end: Instant, routers: &mut Vec<RouterId>) {
        let leaves = self.nodes.len() / 2;
        if self.nodes[node] > end || self.nodes[node] == NEVER {
            return;
        }
        if node >= leaves {
            routers.push(node - leaves);
            return;
        }
        self.descend(2 * node, end, routers);
        self.descend(2 * node + 1, end, routers);
    }
}

fn some(deadline: Instant) -> Option<Instant> {
    (deadline != NEVER).then_some(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// Issue 4, rule 2 of the design: the tree knows what a look at every deadline would find, for
    /// any number of routers, after thousands of changes.
    #[test]
    fn as_a_look_at_all() {
        for count in [0, 1, 2, 3, 255, 1020] {
            let (mut deadlines, mut plain) = (Deadlines::new(count), vec![None; count]);
            let mut found = Vec::new();
            let mut random = 1_u64;
            for step in 0..4000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let value = random >> 33;
                if let Some(router) = (value as usize).checked_rem(count) {
                    plain[router] = (!value.is_multiple_of(5)).then_some(at(value % 1000 + step));
                    deadlines.set(router, plain[router]);
                    assert_eq!(deadlines.of(router), plain[router]);
                }
                assert_eq!(deadlines.first(), plain.iter().flatten().min().copied());
                if step % 50 == 0 {
                    let end = at(step + 300);
                    deadlines.until(end, &mut found);
                    let is_due = |id: &RouterId| plain[*id].is_some_and(|deadline| deadline <= end);
                    assert_eq!(found, (0..count).filter(is_due).collect::<Vec<_>>());
                }
            }
        }
    }
}
