//! The states of the sync groups, as they follow from those of their members.

use std::collections::{HashMap, HashSet};

use super::plan::{Plan, SyncGroup};
use crate::{
    api::{State, What},
    pulse::RouterId,
};

/// What the virtual routers went through, and what was told of their groups.
#[derive(Default)]
pub(super) struct GroupStates {
    groups: Vec<GroupState>,
    /// The last state of each virtual router, by name.
    states: HashMap<String, State>,
}

struct GroupState {
    name: String,
    /// Names of its virtual routers.
    members: Vec<String>,
    told: Option<State>,
}

impl GroupStates {
    /// Nothing is known of any virtual router.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut states = Self::default();
        states.replan(plan);
        states
    }

    /// Goes on with other groups. What was told of those that stay is known.
    pub(super) fn replan(&mut self, plan: &Plan) {
        let told: HashMap<_, _> =
            self.groups.drain(..).map(|group| (group.name, group.told)).collect();
        let name = |member: &RouterId| plan.routers[*member].name.clone();
        let group = |group: &SyncGroup| GroupState {
            name: group.name.clone(),
            members: group.members.iter().map(name).collect(),
            told: told.get(&group.name).copied().flatten(),
        };
        self.groups = plan.sync_groups().iter().map(group).collect();
        let present: HashSet<&str> =
            plan.routers.values().map(|instance| instance.name.as_str()).collect();
        self.states.retain(|router, _| present.contains(router.as_str()));
    }

    /// The transition of a group that `what` completes, if it does.
    pub(super) fn follow(&mut self, what: &What) -> Option<What> {
        let What::Transition { router, state, .. } = what else { return None };
        self.states.insert(router.clone(), *state);
        let group = self.groups.iter_mut().find(|group| group.members.contains(router))?;
        let state = group.state(&self.states)?;
        let is_new = group.told.replace(state) != Some(state);
        is_new.then(|| What::GroupTransition { group: group.name.clone(), state })
    }
}

impl GroupState {
    /// FAULT if a member is in FAULT, else what all members are.
    fn state(&self, states: &HashMap<String, State>) -> Option<State> {
        let mut states = self.members.iter().map(|member| states.get(member).copied());
        if states.clone().any(|state| state == Some(State::Fault)) {
            return Some(State::Fault);
        }
        let first = states.next()?;
        first.filter(|_| states.all(|state| state == first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan(members: &[&str]) -> Plan {
        let instance = |(number, name): (usize, &&str)| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {}\n\
                 virtual_ipaddress {{\n192.0.2.{0}\n}}\n}}\n",
                number + 1
            )
        };
        let text: String = members.iter().enumerate().map(instance).collect();
        let group = format!("vrrp_sync_group G {{\ngroup {{\n{}\n}}\n}}\n", members.join("\n"));
        Plan::new(&config::parse("test.conf", (text + &group).as_bytes()).config.unwrap())
    }

    fn transition(router: &str, state: State) -> What {
        What::Transition { router: router.to_owned(), state, reason: String::new() }
    }

    /// Issue 6, keyword `vrrp_sync_group`: a group has the state that all members have, once; FAULT
    /// with the first. Virtual routers without a group are none of its business.
    #[test]
    fn states_of_a_group() {
        let mut states = GroupStates::new(&plan(&["A", "B"]));
        let mut enter = |router, state| match states.follow(&transition(router, state))? {
            What::GroupTransition { group, state } => {
                assert_eq!(group, "G");
                Some(state)
            }
            _ => panic!("a group has transitions only"),
        };
        assert_eq!(enter("A", State::Backup), None);
        assert_eq!(enter("C", State::Backup), None);
        assert_eq!(enter("B", State::Backup), Some(State::Backup));
        assert_eq!(enter("B", State::Master), None);
        assert_eq!(enter("A", State::Master), Some(State::Master));
        assert_eq!(enter("A", State::Fault), Some(State::Fault));
        assert_eq!(enter("B", State::Fault), None);
        assert_eq!(enter("A", State::Backup), None);
        assert_eq!(enter("B", State::Backup), Some(State::Backup));
    }

    /// Issue 6, reload: groups that change keep what is known of their members.
    #[test]
    fn other_members() {
        let mut states = GroupStates::new(&plan(&["A", "B"]));
        for router in ["A", "B"] {
            states.follow(&transition(router, State::Master));
        }
        states.replan(&plan(&["A", "B", "C"]));
        assert_eq!(states.follow(&transition("C", State::Master)), None);
        states.replan(&plan(&["A"]));
        let down = What::GroupTransition { group: "G".to_owned(), state: State::Backup };
        assert_eq!(states.follow(&transition("A", State::Backup)), Some(down));
    }
}
