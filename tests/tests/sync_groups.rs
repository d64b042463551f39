//! Sync groups: two virtual routers on two networks that move together, whatever happens to one.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{Daemon, Lab, Node, Pings, Router, Signal, ms_between, seed, wait_until};
use rustix::process::kill_process;

const SETTLING: Duration = Duration::from_secs(20);
/// Between adverts.
const INTERVAL: Duration = Duration::from_millis(200);
/// Whoever has not moved by then, a lease and more, does not.
const QUIET: Duration = Duration::from_secs(2);
/// Between the transitions of the two members of a group, on a busy machine, ms.
const TOGETHER_MS: f64 = 150.0;
const MEMBERS: [&str; 2] = ["http", "mysql"];
/// Their addresses, and where they are.
const PLACES: [(&str, &str); 2] =
    [(Node::INTERFACE, "192.0.2.129"), (Node::SECOND_INTERFACE, "198.51.100.129")];

/// The group of the seed, without the notifications, which is the one of keepalived's documentation.
fn config(priority: u8) -> String {
    let interval = INTERVAL.as_secs_f64();
    let member = |(number, (name, (interface, vip)))| {
        format!(
            "vrrp_instance {name} {{\n    interface {interface}\n    virtual_router_id {}\n    \
             version 3\n    priority {priority}\n    advert_int {interval}\n    \
             virtual_ipaddress {{\n        {vip}/24\n    }}\n}}\n",
            51 + number
        )
    };
    let members: String = MEMBERS.into_iter().zip(PLACES).enumerate().map(member).collect();
    let seed = seed("fragment-sync-group.conf").unwrap();
    let (group, _notifications) = seed.split_once("notify_master").unwrap();
    format!("{members}{group}}}\n")
}

/// Node 0 is the better one.
struct Pair {
    routers: [Router; 2],
    daemons: [Daemon; 2],
    lab: Lab,
}

impl Pair {
    fn start(daemons: [Daemon; 2]) -> Self {
        let lab = Lab::new(2).unwrap();
        lab.add_network().unwrap();
        let start = |node| Self::start_on(&lab, daemons[node], node);
        let pair = Self { routers: [start(0), start(1)], daemons, lab };
        pair.wait_for_master(0);
        pair
    }

    fn start_on(lab: &Lab, daemon: Daemon, node: usize) -> Router {
        Router::start(lab.node(node), daemon, &config([150, 100][node])).unwrap()
    }

    fn node(&self, node: usize) -> &Node {
        self.lab.node(node)
    }

    fn restart(&mut self, node: usize) {
        self.routers[node] = Self::start_on(&self.lab, self.daemons[node], node);
    }

    /// What a node has of the addresses.
    fn held(&self, node: usize) -> [bool; 2] {
        PLACES.map(|(interface, vip)| {
            let shown = self.node(node).run(&["ip", "-o", "addr", "show", "dev", interface]);
            shown.unwrap().contains(&format!(" {vip}/"))
        })
    }

    fn wait_for_master(&self, node: usize) {
        let others = [1 - node];
        let moved = || {
            let routers = &self.routers;
            let is = |name: &str| routers[node].last_state(name).as_deref() == Some("MASTER");
            Ok(MEMBERS.iter().all(|name| is(name))
                && self.held(node) == [true; 2]
                && others.iter().all(|other| self.held(*other) == [false; 2]))
        };
        let what = format!("node {node} is master of both");
        wait_until(&what, SETTLING, moved).unwrap_or_else(|error| {
            let logs = self.routers.each_ref().map(|router| router.log().join("\n"));
            panic!("{error}: {:?}\n{}", [0, 1].map(|node| self.held(node)), logs.join("\n---\n"))
        });
    }

    /// After `fault` node `to` has both, and the members of each node have changed together.
    fn moves(&mut self, to: usize, fault: impl FnOnce(&mut Self)) {
        let since = SystemTime::now();
        fault(self);
        self.wait_for_master(to);
        self.assert_together(since);
    }

    /// During `fault` and some time after it node 0 has both.
    fn stays(&mut self, fault: impl FnOnce(&mut Self)) {
        let since = SystemTime::now();
        fault(self);
        thread::sleep(QUIET);
        self.wait_for_master(0);
        self.assert_together(since);
        assert_eq!(self.transitions(1, "http", "MASTER", since), []);
    }

    fn transitions(
        &self,
        node: usize,
        member: &str,
        state: &str,
        since: SystemTime,
    ) -> Vec<SystemTime> {
        let text = format!("({member}) Entering {state} STATE");
        let lines = self.routers[node].lines();
        let new = lines.into_iter().filter(|line| line.at >= since && line.text.contains(&text));
        new.map(|line| line.at).collect()
    }

    fn assert_together(&self, since: SystemTime) {
        for node in [0, 1] {
            let [http, mysql] =
                MEMBERS.map(|member| self.transitions(node, member, "MASTER", since));
            assert_eq!(http.len(), mysql.len(), "node {node}: {http:?}, {mysql:?}");
            for (http, mysql) in http.into_iter().zip(mysql) {
                let apart = ms_between(http, mysql).abs();
                assert!(apart < TOGETHER_MS, "node {node}: one was master {apart} ms before");
            }
        }
    }

    fn states(&self, node: usize) -> [Option<String>; 2] {
        MEMBERS.map(|member| self.routers[node].last_state(member))
    }

    fn run(&self, node: usize, command: &str) {
        self.node(node).run(&command.split(' ').collect::<Vec<_>>()).unwrap();
    }
}

/// Issue 6, acceptance 7, keyword `vrrp_sync_group`: each of these faults moves both virtual routers
/// or neither, and so does its end.
#[test]
fn single_faults_move_both_or_neither() {
    let mut pair = Pair::start([Daemon::Xvrrp; 2]);
    // Whoever cannot speak in one network serves in none.
    pair.moves(1, |pair| pair.node(0).cut().unwrap());
    pair.moves(0, |pair| pair.node(0).reconnect().unwrap());
    pair.moves(1, |pair| pair.node(0).cut_second(true).unwrap());
    let fault = "(http) Entering FAULT STATE (sync group VG_1: mysql is in FAULT)";
    pair.routers[0].wait_for_line(fault, SETTLING).unwrap();
    pair.moves(0, |pair| pair.node(0).cut_second(false).unwrap());
    pair.moves(1, |pair| pair.run(0, "ip link set eth0 down"));
    pair.moves(0, |pair| pair.run(0, "ip link set eth0 up"));
    pair.moves(1, |pair| pair.run(0, "ip addr flush dev eth1"));
    pair.moves(0, |pair| pair.run(0, "ip addr add 198.51.100.11/24 dev eth1"));
    // A process that hangs does not know, and hears of it when it goes on.
    let worker = pair.routers[0].worker().unwrap();
    let since = SystemTime::now();
    kill_process(worker, Signal::STOP).unwrap();
    for member in MEMBERS {
        pair.routers[1].wait_for_state(since, member, "MASTER", SETTLING).unwrap();
    }
    pair.moves(0, |_| kill_process(worker, Signal::CONT).unwrap());
    pair.assert_together(since);
    pair.moves(1, |pair| assert!(pair.routers[0].stop().unwrap().success()));
    pair.moves(0, |pair| pair.restart(0));
}

/// Issue 6, acceptance 7: what happens to one network between the hosts, to the backup, or to what
/// the master can mend, moves neither.
#[test]
fn single_faults_that_move_neither() {
    let mut pair = Pair::start([Daemon::Xvrrp; 2]);
    let isolate = |pair: &Pair, isolated| {
        (0..2).for_each(|node| pair.node(node).isolate_second(isolated).unwrap());
    };
    pair.stays(|pair| isolate(pair, true));
    pair.stays(|pair| isolate(pair, false));
    pair.stays(|pair| (0..2).for_each(|node| pair.node(node).isolate(true).unwrap()));
    pair.stays(|pair| (0..2).for_each(|node| pair.node(node).isolate(false).unwrap()));
    pair.stays(|pair| pair.node(1).cut().unwrap());
    assert_eq!(pair.states(1), [const { Some("FAULT") }; 2].map(|state| state.map(str::to_owned)));
    pair.stays(|pair| pair.node(1).reconnect().unwrap());
    pair.stays(|pair| pair.run(0, "ip addr del 198.51.100.129/24 dev eth1"));
    // The next worker goes on with the leases of both.
    pair.stays(|pair| {
        let since = SystemTime::now();
        let worker = pair.routers[0].worker().unwrap();
        kill_process(worker, Signal::KILL).unwrap();
        for member in MEMBERS {
            let line = pair.routers[0].wait_for_state(since, member, "MASTER", SETTLING).unwrap();
            assert!(line.text.contains("lease from before the start"), "{}", line.text);
        }
    });
}

/// Issue 6: a host whose processes are killed at once, without a word, loses both.
#[test]
fn a_dead_host_loses_both() {
    let mut pair = Pair::start([Daemon::Xvrrp; 2]);
    let since = SystemTime::now();
    pair.routers[0].crash().unwrap();
    let dead = SystemTime::now();
    pair.node(0).cut_second(true).unwrap();
    for member in MEMBERS {
        pair.routers[1].wait_for_state(since, member, "MASTER", SETTLING).unwrap();
    }
    pair.assert_together(since);
    wait_until("both addresses", SETTLING, || Ok(pair.held(1) == [true; 2])).unwrap();
    let down = INTERVAL * 3 + INTERVAL * 156 / 256;
    let moved = pair.transitions(1, "http", "MASTER", since)[0];
    let after = moved.duration_since(dead).unwrap_or_default();
    assert!(after < down + Duration::from_millis(300), "after {after:?}");
}

/// Issue 6, `xvrrp status`, `xvrrp events`: groups and their states are seen, in the words of
/// keepalived.
#[test]
fn groups_are_seen() {
    let mut pair = Pair::start([Daemon::Xvrrp; 2]);
    let groups = pair.routers[0].status().unwrap().into_iter().map(|row| row.sync_group);
    assert_eq!(
        groups.collect::<Vec<_>>(),
        [const { Some("VG_1") }; 2].map(|it| it.map(str::to_owned))
    );
    let follower = pair.routers[1].follow(&["--json"]).unwrap();
    pair.moves(1, |pair| pair.node(0).cut().unwrap());
    let event = r#""event":"group_transition","group":"VG_1","state":"MASTER""#;
    follower.wait_for_line(SystemTime::UNIX_EPOCH, event, SETTLING).unwrap();
    let group = "VRRP_Group(VG_1) Entering FAULT STATE";
    pair.routers[0].wait_for_line(group, SETTLING).unwrap();
}

/// Issue 6, pain 5: a master that joins a group at run time, or leaves it, goes on as it was, and so do
/// the others; from then on they move together, or alone.
#[test]
fn groups_change_at_run_time() {
    let mut pair = Pair::start([Daemon::Xvrrp; 2]);
    let apart = |priority: u8| {
        let text = config(priority);
        text.split_once("vrrp_sync_group").unwrap().0.to_owned()
    };
    let configs: [fn(u8) -> String; 2] = [apart, config];
    for config in configs {
        pair.stays(|pair| {
            let since = SystemTime::now();
            for (node, priority) in [150, 100].into_iter().enumerate() {
                pair.routers[node].reload(&config(priority)).unwrap();
            }
            assert_eq!(pair.transitions(0, "mysql", "BACKUP", since), []);
        });
    }
    pair.moves(1, |pair| pair.node(0).cut().unwrap());
    pair.moves(0, |pair| pair.node(0).reconnect().unwrap());
    for (node, priority) in [150, 100].into_iter().enumerate() {
        pair.routers[node].reload(&apart(priority)).unwrap();
    }
    let since = SystemTime::now();
    pair.node(0).cut().unwrap();
    pair.routers[1].wait_for_state(since, "http", "MASTER", SETTLING).unwrap();
    thread::sleep(QUIET);
    assert_eq!(pair.states(0), ["FAULT", "MASTER"].map(|state| Some(state.to_owned())));
}

/// Issue 6, pain 5: an address moves between a member of a group and a virtual router without one, there
/// and back, and not one ping is lost; the group moves as one afterwards, and only with what it has.
#[test]
fn an_address_leaves_a_group() {
    let moving: Ipv4Addr = [192, 0, 2, 131].into();
    let with = |priority: u8, holder: &str| {
        let alone = format!(
            "vrrp_instance alone {{\n    interface {}\n    virtual_router_id 53\n    version 3\n    \
             priority {priority}\n    advert_int {}\n    virtual_ipaddress {{\n        \
             192.0.2.130/24\n    }}\n}}\n",
            Node::INTERFACE,
            INTERVAL.as_secs_f64()
        );
        let text = alone + &config(priority);
        let (first, rest) = text.split_once(&format!("vrrp_instance {holder} ")).unwrap();
        let rest = rest.replacen("/24\n", &format!("/24\n        {moving}/24\n"), 1);
        format!("{first}vrrp_instance {holder} {rest}")
    };
    let lab = Lab::new(2).unwrap();
    lab.add_network().unwrap();
    let routers = [150, 100].into_iter().enumerate().map(|(node, priority)| {
        Router::start(lab.node(node), Daemon::Xvrrp, &with(priority, "http")).unwrap()
    });
    let routers: Vec<_> = routers.collect();
    let state = |node: usize| {
        ["alone", "http", "mysql"].map(|name| routers[node].last_state(name).unwrap_or_default())
    };
    let wait_for = |node: usize, states: [&str; 3]| {
        wait_until(&format!("{states:?} on {node}"), SETTLING, || Ok(state(node) == states))
            .unwrap_or_else(|error| panic!("{error}: {:?}", state(node)));
    };
    let has = |node: usize| lab.node(node).addresses().unwrap().contains(&moving.into());
    wait_for(0, ["MASTER"; 3]);
    wait_for(1, ["BACKUP"; 3]);
    wait_until("the address", SETTLING, || Ok(has(0) && !has(1))).unwrap();
    let changes = || {
        let changes = |router: &Router| {
            router.log().iter().filter(|line| line.contains(") Entering ")).count()
        };
        routers.iter().map(changes).collect::<Vec<_>>()
    };
    let before = changes();
    let pings = Pings::start(lab.client(), moving, Duration::from_millis(1)).unwrap();
    for holder in ["alone", "http", "alone"] {
        for (node, priority) in [150, 100].into_iter().enumerate() {
            let said = routers[node].reload(&with(priority, holder)).unwrap();
            assert!(said.contains("0 added, 0 removed, 2 changed, 1 unchanged"), "{said}");
        }
        assert!(has(0) && !has(1));
    }
    thread::sleep(QUIET);
    assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());
    assert_eq!(changes(), before);

    lab.node(0).cut_second(true).unwrap();
    wait_for(1, ["BACKUP", "MASTER", "MASTER"]);
    assert_eq!(state(0)[0], "MASTER");
    assert!(has(0) && !has(1));
    routers[0].reload(&with(150, "http")).unwrap();
    routers[1].reload(&with(100, "http")).unwrap();
    wait_until("the address with its group", SETTLING, || Ok(has(1) && !has(0))).unwrap();
    assert_eq!(state(0)[0], "MASTER");
}

/// Issue 6, acceptance 7: beside keepalived, in both roles.
#[test]
fn beside_keepalived() {
    let mut pair = Pair::start([Daemon::Xvrrp, Daemon::Keepalived]);
    pair.moves(1, |pair| pair.node(0).cut_second(true).unwrap());
    pair.moves(0, |pair| pair.node(0).cut_second(false).unwrap());
    pair.stays(|pair| (0..2).for_each(|node| pair.node(node).isolate(true).unwrap()));
    pair.stays(|pair| (0..2).for_each(|node| pair.node(node).isolate(false).unwrap()));
    pair.moves(1, |pair| assert!(pair.routers[0].stop().unwrap().success()));
    pair.moves(0, |pair| pair.restart(0));

    let mut pair = Pair::start([Daemon::Keepalived, Daemon::Xvrrp]);
    pair.moves(1, |pair| pair.node(0).cut().unwrap());
    pair.moves(0, |pair| pair.node(0).reconnect().unwrap());
    pair.moves(1, |pair| assert!(pair.routers[0].stop().unwrap().success()));
    pair.moves(0, |pair| pair.restart(0));
}
