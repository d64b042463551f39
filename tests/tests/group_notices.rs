//! What is told of sync groups: the same lines as keepalived's, in the same order.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{path::Path, thread, time::Duration};

use rig::{Daemon, Lab, Line, Node, Process, Router, wait_until};

const SETTLING: Duration = Duration::from_secs(20);
/// The group, whose members are on two networks.
const MEMBERS: [(&str, &str, &str); 2] =
    [("http", Node::INTERFACE, "192.0.2.129"), ("mysql", Node::SECOND_INTERFACE, "198.51.100.129")];

fn config(priority: u8, global: &str) -> String {
    let member = |(number, (name, interface, vip))| {
        format!(
            "vrrp_instance {name} {{\n    interface {interface}\n    virtual_router_id {}\n    \
             version 3\n    priority {priority}\n    advert_int 0.2\n    virtual_ipaddress {{\n        \
             {vip}/24\n    }}\n}}\n",
            51 + number
        )
    };
    let members: String = MEMBERS.into_iter().enumerate().map(member).collect();
    format!(
        "global_defs {{\n    script_user root\n{global}}}\n{members}vrrp_sync_group VG_1 {{\n    \
         group {{\n        http\n        mysql\n    }}\n}}\n"
    )
}

/// What comes out of a FIFO.
struct Told {
    reader: Process,
    read: usize,
}

impl Told {
    fn start(node: &Node, fifo: &Path) -> Self {
        node.run(&["mkfifo", &fifo.display().to_string()]).unwrap();
        let mut cat = node.command("sh");
        cat.args(["-c", "exec cat <> \"$1\"", "sh"]).arg(fifo);
        Self { reader: node.spawn("the reader of the FIFO", cat).unwrap(), read: 0 }
    }

    fn new_lines(&self) -> Vec<String> {
        self.reader.lines().into_iter().skip(self.read).map(|line| line.text).collect()
    }

    /// What has been told since the last call, `until` among it.
    fn until(&mut self, until: &str) -> Vec<String> {
        wait_until(until, SETTLING, || Ok(self.new_lines().iter().any(|line| line == until)))
            .unwrap_or_else(|error| panic!("{error}: {:#?}", self.new_lines()));
        // What comes after it comes at once.
        thread::sleep(Duration::from_millis(500));
        let new = self.new_lines();
        self.read += new.len();
        new
    }
}

/// What a daemon tells, step by step, beside a better one that comes and goes. Ours tells the same to those
/// who follow events, and who ask for the status.
fn tell(daemon: Daemon) -> Vec<(&'static str, Vec<String>)> {
    let lab = Lab::new(2).unwrap();
    lab.add_network().unwrap();
    let (node, other) = (lab.node(0), lab.node(1));
    let fifo = node.dir().join("fifo");
    let mut told = Told::start(node, &fifo);
    let fifo = format!("    notify_fifo {}\n", fifo.display());
    let start_better = || {
        let better = Router::start(other, Daemon::Keepalived, &config(150, "")).unwrap();
        for (member, ..) in MEMBERS {
            better.wait_for_state(better.started(), member, "MASTER", SETTLING).unwrap();
        }
        better
    };
    let start = || Router::start(node, daemon, &config(100, &fifo)).unwrap();
    let mut steps = vec![];
    let mut better = start_better();
    let mut router = start();
    let mut record = |step, router: Option<&Router>, state: &str| {
        steps.push((step, told.until(&format!("GROUP \"VG_1\" {state} 0"))));
        if let Some(router) = router.filter(|router| router.daemon() == Daemon::Xvrrp) {
            for row in router.status().unwrap() {
                assert_eq!(row.sync_group_state.as_deref(), Some(state), "{step}");
            }
        }
    };
    record("start", Some(&router), "BACKUP");
    let events = (daemon == Daemon::Xvrrp).then(|| router.follow(&["--json"]).unwrap());
    better.stop().unwrap();
    record("takeover", Some(&router), "MASTER");
    let better = start_better();
    record("a better one", Some(&router), "BACKUP");
    node.cut_second(true).unwrap();
    record("fault as backup", Some(&router), "FAULT");
    node.cut_second(false).unwrap();
    record("return as backup", Some(&router), "BACKUP");
    drop(better);
    record("takeover from a dead one", Some(&router), "MASTER");
    node.cut_second(true).unwrap();
    record("fault of the second as master", Some(&router), "FAULT");
    node.cut_second(false).unwrap();
    record("return of the second", Some(&router), "MASTER");
    node.cut().unwrap();
    record("fault of the first as master", Some(&router), "FAULT");
    node.reconnect().unwrap();
    record("return of the first", Some(&router), "MASTER");
    assert!(router.stop().unwrap().success());
    record("stop", None, "STOP");
    node.cut_second(true).unwrap();
    let router = start();
    record("start in fault", Some(&router), "FAULT");
    if let Some(events) = events {
        assert_eq!(states_in(&events), states_of_group(&steps));
    }
    steps
}

/// The states of the group in `xvrrp events`, with the one that it was found in.
fn states_in(events: &Process) -> Vec<String> {
    let state = |line: Line| {
        let (_, state) = line.text.split_once(r#""group":"VG_1","state":""#)?;
        Some(state.split_once('"')?.0.replace("INIT", "STOP"))
    };
    events.lines().into_iter().filter_map(state).collect()
}

/// The states of the group that scripts were told of until the stop.
fn states_of_group(steps: &[(&str, Vec<String>)]) -> Vec<String> {
    let until_stop = steps.iter().take_while(|(step, _)| *step != "start in fault");
    let lines = until_stop.flat_map(|(_, lines)| lines);
    lines.filter_map(|line| Some(line.strip_prefix("GROUP \"VG_1\" ")?.replace(" 0", ""))).collect()
}

/// Sorts what has no certain order: whose timer ends first, who hears first of a better one. From FAULT
/// members of ours come back together, in the order of the file; of keepalived's the one first that was
/// the reason.
fn in_order(step: &str, mut lines: Vec<String>) -> Vec<String> {
    let is_chance = |line: &String| {
        line.starts_with("INSTANCE")
            && (line.contains(" MASTER ") || line.contains(" BACKUP ") && step != "start")
    };
    lines.chunk_by_mut(|one, other| is_chance(one) && is_chance(other)).for_each(<[_]>::sort);
    lines
}

/// Issue 6, keyword `vrrp_sync_group`: what is told of members and their group is what keepalived tells,
/// in its order; the group's state is the same for scripts, for events and in the status.
#[test]
fn as_keepalived_tells_it() {
    let [expected, told] = [Daemon::Keepalived, Daemon::Xvrrp].map(|daemon| {
        let steps = tell(daemon).into_iter();
        steps.map(|(step, lines)| (step, in_order(step, lines))).collect::<Vec<_>>()
    });
    assert_eq!(told, expected);
}
