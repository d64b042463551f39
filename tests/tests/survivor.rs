//! After two routers were Active at once, the one that stays tells the network so (pain 2 of
//! keepalived's users).
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::{Duration, SystemTime};

use rig::{Capture, Config, Daemon, Lab, Router, Seen, Signal, wait_until};

const SETTLING: Duration = Duration::from_secs(15);
const PEERS: [Daemon; 2] = [Daemon::Xvrrp, Daemon::Keepalived];

/// Node 0, ours and better, and node 1.
struct Pair {
    routers: [Router; 2],
    capture: Capture,
    lab: Lab,
}

impl Pair {
    /// `extra` is for both.
    fn start(peer: Daemon, extra: &'static str) -> Self {
        let lab = Lab::new(2).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let start = |node: usize, daemon, priority, state| {
            let advert_int = Duration::from_millis(200);
            let config = Config { version: 3, priority, advert_int, extra, ..Config::default() };
            let router = Router::start(lab.node(node), daemon, &config.to_string()).unwrap();
            router.wait_for_state(router.started(), Config::INSTANCE, state, SETTLING).unwrap();
            router
        };
        let routers = [start(0, Daemon::Xvrrp, 200, "MASTER"), start(1, peer, 100, "BACKUP")];
        // The second burst of the first takeover is nothing that a test waits for.
        let pair = Self { routers, capture, lab };
        let started = pair.routers[0].started();
        for burst in [started, started + Duration::from_secs(5)] {
            pair.expect_announcement(0, burst, Duration::from_secs(10));
        }
        pair
    }

    fn expect_announcement(&self, node: usize, since: SystemTime, timeout: Duration) {
        let vip = Config::default().vip;
        let mac = self.lab.node(node).mac();
        let announces = |seen: &Seen| seen.from == mac && seen.announces(vip);
        let what = format!("an announcement of node {node}");
        self.capture.expect(&what, since, timeout, announces).unwrap();
    }

    fn expect_state(&self, node: usize, since: SystemTime, state: &str) -> SystemTime {
        let router = &self.routers[node];
        router.wait_for_state(since, Config::INSTANCE, state, SETTLING).unwrap().at
    }

    /// Whom the client sends to when it wants the address.
    fn expect_known(&self, node: usize) {
        let vip = Config::default().vip.to_string();
        let mac = self.lab.node(node).mac().to_string();
        wait_until("the client knows", SETTLING, || {
            Ok(self.lab.client().run(&["ip", "neigh", "show", &vip])?.contains(&mac))
        })
        .unwrap();
    }

    /// The client wants the address now and then.
    fn ask(&self) {
        let vip = Config::default().vip.to_string();
        self.lab.client().run(&["ping", "-c1", "-W1", &vip]).unwrap();
    }
}

/// Issue 6 (pain 2): the better router hangs for more than three intervals, another one takes over and
/// teaches the network; when the first one goes on, it announces its addresses again, after the other
/// one has yielded as well.
#[test]
fn who_was_stalled_announces_again() {
    for peer in PEERS {
        let mut pair = Pair::start(peer, "");
        pair.ask();
        let stalled = SystemTime::now();
        pair.routers[0].process().signal_group(Signal::STOP).unwrap();
        pair.expect_state(1, stalled, "MASTER");
        pair.expect_announcement(1, stalled, SETTLING);
        pair.expect_known(1);
        pair.routers[0].process().signal_group(Signal::CONT).unwrap();
        let yielded = pair.expect_state(1, stalled, "BACKUP");
        pair.expect_known(0);
        // garp_lower_prio_delay later once more, whatever was in the air.
        pair.expect_announcement(0, yielded + Duration::from_secs(3), Duration::from_secs(10));
        assert_eq!(pair.routers[0].last_state(Config::INSTANCE).as_deref(), Some("MASTER"));
    }
}

/// Issue 6 (pain 2): the same, where nothing of the other one was heard, not even that it resigned:
/// what tells is that no advert has left here for three intervals.
#[test]
fn who_was_stalled_and_heard_nobody_announces_again() {
    for peer in PEERS {
        let mut pair = Pair::start(peer, "");
        pair.ask();
        let stalled = SystemTime::now();
        pair.routers[0].process().signal_group(Signal::STOP).unwrap();
        pair.lab.nodes().iter().for_each(|node| node.isolate(true).unwrap());
        pair.expect_state(1, stalled, "MASTER");
        pair.expect_announcement(1, stalled, SETTLING);
        pair.routers[1].stop().unwrap();
        pair.lab.nodes().iter().for_each(|node| node.isolate(false).unwrap());
        let resumed = SystemTime::now();
        pair.routers[0].process().signal_group(Signal::CONT).unwrap();
        pair.expect_announcement(0, resumed, Duration::from_secs(2));
        pair.expect_known(0);
        let said = "no adverts left for so long that another router may have taken over";
        pair.routers[0].wait_for_line(said, SETTLING).unwrap();
        assert_eq!(pair.routers[0].last_state(Config::INSTANCE).as_deref(), Some("MASTER"));
    }
}

/// Issue 6 (pain 2), keyword `higher_prio_send_advert`: two parts of a network with a master each grow
/// together: the one that yields says so with a last advert, and the one that stays announces its
/// addresses again, at once and `garp_lower_prio_delay` later.
#[test]
fn who_stays_after_a_partition_announces_again() {
    for peer in PEERS {
        let pair = Pair::start(peer, "higher_prio_send_advert");
        pair.ask();
        let parted = SystemTime::now();
        pair.lab.nodes().iter().for_each(|node| node.isolate(true).unwrap());
        pair.expect_state(1, parted, "MASTER");
        pair.expect_announcement(1, parted, SETTLING);
        pair.expect_known(1);
        let healed = SystemTime::now();
        pair.lab.nodes().iter().for_each(|node| node.isolate(false).unwrap());
        pair.expect_state(1, healed, "BACKUP");
        pair.expect_announcement(0, healed, Duration::from_secs(2));
        pair.expect_known(0);
        pair.expect_announcement(0, healed + Duration::from_secs(3), Duration::from_secs(10));
        let states = pair.routers[0].log();
        let entered = states.iter().filter(|line| line.contains("Entering MASTER STATE")).count();
        assert_eq!(entered, 1, "{states:#?}");
    }
}
