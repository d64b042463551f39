//! The states of the sync groups, as they follow from those of their members: for the log, events, scripts
//! and `xvrrp status`.

use std::collections::BTreeMap;

use super::plan::{Plan, SyncGroup};
use crate::{
    api::{State, What},
    pulse::RouterId,
};

/// What the virtual routers went through, and what follows for their groups.
#[derive(Default)]
pub(super) struct GroupStates {
    groups: Vec<GroupState>,
    /// The last state of each virtual router that has begun.
    states: BTreeMap<RouterId, State>,
}

struct GroupState {
    name: String,
    members: Vec<RouterId>,
    /// What was said last. Members on their way from one state to another do not change it.
    state: Option<State>,
}

/// A group is in another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupNews {
    pub(super) group: String,
    pub(super) state: State,
    /// It begins. keepalived says that before it says anything of its members, and all else after it.
    pub(super) leads: bool,
}

impl GroupNews {
    pub(super) fn event(&self) -> What {
        What::GroupTransition { group: self.group.clone(), state: self.state }
    }
}

impl GroupStates {
    /// Nothing is known of any virtual router.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut states = Self::default();
        states.replan(plan);
        states
    }

    /// Goes on with other groups. What was said of those that stay is known.
    pub(super) fn replan(&mut self, plan: &Plan) {
        let former: BTreeMap<_, _> =
            self.groups.drain(..).map(|group| (group.name, group.state)).collect();
        let group = |group: &SyncGroup| GroupState {
            name: group.name.clone(),
            members: group.members.clone(),
            state: former.get(&group.name).copied().flatten(),
        };
        self.groups = plan.sync_groups().iter().map(group).collect();
        self.states.retain(|router, _| plan.routers.contains(*router));
    }

    /// A virtual router has entered a state; what that means for its group.
    pub(super) fn follow(&mut self, router: RouterId, state: State) -> Option<GroupNews> {
        self.states.insert(router, state);
        let group = self.groups.iter_mut().find(|group| group.members.contains(&router))?;
        group.follow(&self.states)
    }

    /// Several have, and nobody has heard of it; what that means for their groups.
    pub(super) fn follow_all(
        &mut self,
        states: impl IntoIterator<Item = (RouterId, State)>,
    ) -> Vec<GroupNews> {
        self.states.extend(states);
        self.groups.iter_mut().filter_map(|group| group.follow(&self.states)).collect()
    }

    /// The groups that have begun, in the order of the file.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, State)> {
        self.groups.iter().filter_map(|group| Some((group.name.as_str(), group.state?)))
    }

    /// The state of a group; `None` before it has begun.
    pub(super) fn state_of(&self, name: &str) -> Option<State> {
        self.all().find_map(|(group, state)| (group == name).then_some(state))
    }
}

impl GroupState {
    fn follow(&mut self, states: &BTreeMap<RouterId, State>) -> Option<GroupNews> {
        let state = self.common(states)?;
        let former = self.state.replace(state);
        let leads = former.is_none() && state == State::Backup;
        let news = GroupNews { group: self.name.clone(), state, leads };
        (former != Some(state)).then_some(news)
    }

    /// What all members are. Those that have not begun keep nobody from BACKUP or FAULT.
    fn common(&self, states: &BTreeMap<RouterId, State>) -> Option<State> {
        let mut begun = self.members.iter().filter_map(|member| states.get(member).copied());
        let have_all_begun = begun.clone().count() == self.members.len();
        let first = begun.next()?;
        let may_be_partial = matches!(first, State::Backup | State::Fault);
        (begun.all(|state| state == first) && (have_all_begun || may_be_partial)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const A: RouterId = 0;
    const B: RouterId = 1;
    const C: RouterId = 2;

    /// With virtual routers of these numbers, all of which are in group G, but for `alone`.
    fn plan(members: usize, alone: usize) -> Plan {
        let instance = |number: usize| {
            format!(
                "vrrp_instance V{number} {{\ninterface eth0\nvirtual_router_id {0}\n\
                 virtual_ipaddress {{\n192.0.2.{0}\n}}\n}}\n",
                number + 1
            )
        };
        let text: String = (0..members + alone).map(instance).collect();
        let names: String = (0..members).map(|number| format!("V{number}\n")).collect();
        let group = format!("vrrp_sync_group G {{\ngroup {{\n{names}}}\n}}\n");
        Plan::new(&config::parse("test.conf", (text + &group).as_bytes()).config.unwrap())
    }

    fn news(state: State) -> GroupNews {
        GroupNews { group: "G".to_owned(), state, leads: false }
    }

    /// Issue 6, keyword `vrrp_sync_group`: a group has the state that all members have, and is said to
    /// have it once, when the last one has. It begins before the first one. Virtual routers without
    /// a group are none of its business.
    #[test]
    fn states_of_a_group() {
        let mut states = GroupStates::new(&plan(2, 1));
        assert_eq!(states.follow(C, State::Backup), None);
        assert_eq!(states.state_of("G"), None);
        let begins = GroupNews { leads: true, ..news(State::Backup) };
        assert_eq!(states.follow(A, State::Backup), Some(begins));
        for (router, state, expected) in [
            (B, State::Backup, None),
            (B, State::Master, None),
            (A, State::Master, Some(State::Master)),
            (A, State::Fault, None),
            (B, State::Fault, Some(State::Fault)),
            (B, State::Fault, None),
            (A, State::Backup, None),
            (B, State::Backup, Some(State::Backup)),
            (B, State::Fault, None),
            (B, State::Backup, None),
        ] {
            let former = states.state_of("G");
            assert_eq!(states.follow(router, state), expected.map(news), "{router} {state:?}");
            assert_eq!(states.state_of("G"), expected.or(former));
        }
    }

    /// The same: a group that begins in FAULT is said to be after its members, one of which may wait for
    /// its scripts; one that goes on as MASTER waits for all.
    #[test]
    fn beginnings() {
        let mut states = GroupStates::new(&plan(2, 0));
        let both = [(A, State::Fault), (B, State::Fault)];
        assert_eq!(states.follow_all(both), [news(State::Fault)]);
        let mut states = GroupStates::new(&plan(2, 0));
        assert_eq!(states.follow_all([(B, State::Fault)]), [news(State::Fault)]);
        let mut states = GroupStates::new(&plan(2, 0));
        assert_eq!(states.follow(A, State::Master), None);
        assert_eq!(states.follow(B, State::Master), Some(news(State::Master)));
    }

    /// Issue 6, reload: groups that change keep what is known of their members.
    #[test]
    fn other_members() {
        let mut states = GroupStates::new(&plan(2, 1));
        states.follow_all([(A, State::Master), (B, State::Master), (C, State::Backup)]);
        states.replan(&plan(3, 0));
        assert_eq!(states.state_of("G"), Some(State::Master));
        assert_eq!(states.follow(C, State::Master), None);
        states.replan(&plan(1, 2));
        assert_eq!(states.follow(A, State::Backup), Some(news(State::Backup)));
    }
}
