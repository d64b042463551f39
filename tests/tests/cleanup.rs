//! What a daemon leaves behind: nothing after a stop, and nothing for long after a crash.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::{Duration, SystemTime};

use rig::{BpfObjects, Capture, Config, Daemon, Footprint, Lab, Node, Router, wait_until};

const SETTLING: Duration = Duration::from_secs(15);

fn config(priority: u8) -> Config {
    let advert_int = Duration::from_millis(200);
    Config { version: 3, advert_int, priority, ..Config::default() }
}

/// A node on which a daemon comes and goes, beside one that is always there.
struct Host {
    before: Footprint,
    lab: Lab,
}

impl Host {
    fn new() -> Self {
        let lab = Lab::new(2).unwrap();
        let before = Footprint::of(lab.node(0)).unwrap();
        Self { before, lab }
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    fn start(&self, priority: u8) -> Router {
        Router::start(self.node(), Daemon::Xvrrp, &config(priority).to_string()).unwrap()
    }

    /// Waits for the state and returns the BPF objects that the daemon uses in it.
    fn settle(&self, router: &Router, state: &str) -> BpfObjects {
        router.wait_for_state(router.started(), Config::INSTANCE, state, SETTLING).unwrap();
        let objects = BpfObjects::held_in(self.node()).unwrap();
        assert!(!objects.is_empty(), "the daemon has a program in {state}");
        objects
    }

    /// Stops the daemon; then all is as it was.
    fn stop(&self, mut router: Router, objects: &BpfObjects) {
        assert!(router.stop().unwrap().success());
        self.expect_untouched(objects);
    }

    /// The kernel frees BPF objects some time after they were closed, everything else is undone
    /// before the daemon ends.
    fn expect_untouched(&self, objects: &BpfObjects) {
        let after = Footprint::of(self.node()).unwrap();
        assert_eq!(self.before.difference(&after), Vec::<String>::new());
        let freed = || Ok(objects.still_there()?.is_empty());
        wait_until(&format!("the end of {objects:?}"), SETTLING, freed).unwrap();
    }
}

/// Issue 2: a stop in BACKUP leaves nothing behind.
#[test]
fn a_stop_in_backup_leaves_nothing() {
    let host = Host::new();
    let better = config(200).to_string();
    let _peer = Router::start(host.lab.node(1), Daemon::Keepalived, &better).unwrap();
    let router = host.start(100);
    let objects = host.settle(&router, "BACKUP");
    host.stop(router, &objects);
}

/// Issue 2: a stop in MASTER leaves nothing behind.
#[test]
fn a_stop_in_master_leaves_nothing() {
    let host = Host::new();
    let router = host.start(100);
    let objects = host.settle(&router, "MASTER");
    let configured = || Ok(host.node().addresses()?.contains(&config(100).vip));
    wait_until("the address", SETTLING, configured).unwrap();
    host.stop(router, &objects);
}

/// Issue 2: a stop in FAULT, after the link was cut under a MASTER, leaves nothing behind.
#[test]
fn a_stop_in_fault_leaves_nothing() {
    let host = Host::new();
    let mut router = host.start(100);
    host.settle(&router, "MASTER");
    host.node().cut().unwrap();
    let objects = host.settle(&router, "FAULT");
    assert!(router.stop().unwrap().success());
    // A footprint is that of a host with a link.
    host.node().reconnect().unwrap();
    host.expect_untouched(&objects);
}

/// Issue 2: what a killed MASTER left is gone as soon as its successor runs, not only when that is
/// MASTER itself; and after the successor's stop nothing is left.
#[test]
fn the_next_start_removes_what_a_killed_daemon_left() {
    let host = Host::new();
    let capture = Capture::start(host.lab.client()).unwrap();
    let vip = config(100).vip;
    let mut killed = host.start(100);
    let left = host.settle(&killed, "MASTER");
    let holds = |node: &Node| Ok(node.addresses()?.contains(&vip));
    wait_until("the address", SETTLING, || holds(host.node())).unwrap();
    killed.process().kill().unwrap();
    assert!(holds(host.node()).unwrap(), "a killed daemon cannot remove its address");

    let better = config(200).to_string();
    let peer = Router::start(host.lab.node(1), Daemon::Keepalived, &better).unwrap();
    peer.wait_for_state(peer.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
    let successor = host.start(100);
    let objects = host.settle(&successor, "BACKUP");
    let removed = || Ok(!holds(host.node())?);
    wait_until("the removal of the address", SETTLING, removed).unwrap();
    host.lab.wait_for_answerer(&capture, vip, 1, SETTLING).unwrap();
    host.stop(successor, &objects);
    host.expect_untouched(&left);
}

/// Issue 2: a successor that becomes MASTER itself keeps the address and removes it at its end.
#[test]
fn a_successor_of_a_killed_master_becomes_master_and_cleans_up() {
    let host = Host::new();
    let capture = Capture::start(host.lab.client()).unwrap();
    let mut killed = host.start(100);
    let left = host.settle(&killed, "MASTER");
    killed.process().kill().unwrap();
    let restarted = SystemTime::now();
    let successor = host.start(100);
    let objects = host.settle(&successor, "MASTER");
    host.lab.wait_for_answerer(&capture, config(100).vip, 0, SETTLING).unwrap();
    let own = |seen: &rig::Seen| seen.is_advert_of(host.node());
    capture.expect("an advert", restarted, SETTLING, own).unwrap();
    host.stop(successor, &objects);
    host.expect_untouched(&left);
}
