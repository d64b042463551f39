//! Two nodes, one address: how long nobody answers when the master goes.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::{Duration, SystemTime};

use rig::{Capture, Config, Cut, Daemon, Failover, Lab, Router, ms_between, seed, wire::What};

/// What a busy machine may add to the limit of an advert, whose thread has a real-time class, ms. It
/// tells right from wrong; how good it is, the demo measures.
const ADVERT_TOLERANCE_MS: f64 = 20.0;
/// What it may add to what follows from a takeover, in this program and in the client that asks, ms.
const TOLERANCE_MS: f64 = 250.0;
/// Timers never fire early; this is for the clocks of observer and observed, ms.
const EARLY_MS: f64 = 1.0;
const SETTLING: Duration = Duration::from_secs(15);

/// A lab in which node 0 is master of 192.0.2.129 and node 1 its backup.
struct Pair {
    routers: [Router; 2],
    capture: Capture,
    lab: Lab,
}

impl Pair {
    fn start(configs: [&str; 2]) -> Self {
        let lab = Lab::new(2).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let start = |node| Router::start(lab.node(node), Daemon::Xvrrp, configs[node]).unwrap();
        let routers = [start(0), start(1)];
        let vip = Config::default().vip;
        lab.wait_for_answerer(&capture, vip, 0, SETTLING).unwrap();
        Self { routers, capture, lab }
    }

    /// Kills the master in the middle between two of its adverts.
    fn kill_master(&mut self, config: &Config) -> Failover {
        let [master, backup] = &mut self.routers;
        let phase = config.advert_int / 2;
        let (lab, capture) = (&self.lab, &self.capture);
        let cut = Cut::make(lab, capture, config.vip, master, backup.node(), phase).unwrap();
        let limit = config.active_down_interval() + Duration::from_secs(2);
        let takeover = cut.takeover(limit).expect("the backup takes over");
        cut.observe(&takeover).unwrap()
    }
}

fn assert_within(what: &str, elapsed_ms: f64, limit: Duration, tolerance_ms: f64) {
    let limit_ms = limit.as_secs_f64() * 1e3;
    let expected = limit_ms - EARLY_MS..=limit_ms + tolerance_ms;
    assert!(expected.contains(&elapsed_ms), "{what} after {elapsed_ms:.2} ms, limit {limit_ms:.2}");
}

fn assert_in_time(failover: &Failover, config: &Config) {
    let events = [
        ("takeover advert", ADVERT_TOLERANCE_MS),
        ("gratuitous ARP", TOLERANCE_MS),
        ("ARP answer", TOLERANCE_MS),
        ("ping answer", TOLERANCE_MS),
    ];
    for ((event, tolerance_ms), delay) in events.into_iter().zip(failover.delays()) {
        assert_within(event, delay, config.active_down_interval(), tolerance_ms);
    }
    assert!(failover.takeover <= failover.announced, "the advert comes first (R-6.4.1-06)");
}

/// Issue 2, V-6.4.2-05, R-6.4.2-07: with the configurations that users have, everything that
/// follows from a takeover happens when the Active_Down_Interval ends.
#[test]
fn the_two_node_seeds_fail_over_within_the_limit() {
    let seeds = ["two-node-master.conf", "two-node-backup.conf"].map(|name| seed(name).unwrap());
    let mut pair = Pair::start([&seeds[0], &seeds[1]]);
    let backup = Config { priority: 90, ..Config::default() };
    let failover = pair.kill_master(&backup);
    assert_in_time(&failover, &backup);
}

/// R-6.1-05, R-6.1-06: in version 3 the skew is a part of the interval, also of a short one.
#[test]
fn a_short_interval_fails_over_within_its_limit() {
    let master = Config { version: 3, advert_int: Duration::from_millis(100), ..Config::default() };
    let backup = Config { priority: 90, ..master.clone() };
    let mut pair = Pair::start([&master.to_string(), &backup.to_string()]);
    let failover = pair.kill_master(&backup);
    assert_in_time(&failover, &backup);
}

/// R-6.4.3-09, R-6.4.2-10, V-6.4.2-06: a master that stops says so, and the backup takes over after
/// its Skew_Time.
#[test]
fn a_stopped_master_is_followed_after_the_skew_time() {
    let config = Config::default();
    let backup = Config { priority: 90, ..config.clone() };
    let mut pair = Pair::start([&config.to_string(), &backup.to_string()]);
    let stopped = SystemTime::now();
    assert!(pair.routers[0].stop().unwrap().success());
    let [master, heir] = [0, 1].map(|node| pair.lab.node(node));
    let takes_over = |seen: &rig::Seen| seen.is_advert_of(heir);
    let first = pair.capture.expect("the takeover", stopped, SETTLING, takes_over).unwrap();
    let seen = pair.capture.seen();
    let last = seen.iter().rfind(|seen| seen.is_advert_of(master)).unwrap();
    assert!(matches!(last.what, What::Advert { priority: 0, .. }), "nothing after it: {last:?}");
    let elapsed_ms = ms_between(last.at, first.at);
    assert_within("takeover", elapsed_ms, backup.skew_time(), ADVERT_TOLERANCE_MS);
}

/// R-6.4.3-12, issue 2: the better router takes the address back when it returns, and the other
/// leaves without priority 0 (R-6.4.3-19).
#[test]
fn a_returning_master_takes_the_address_back() {
    let master = Config { version: 3, advert_int: Duration::from_millis(100), ..Config::default() };
    let backup = Config { priority: 90, ..master.clone() };
    let mut pair = Pair::start([&master.to_string(), &backup.to_string()]);
    pair.kill_master(&backup);
    let returned = SystemTime::now();
    pair.lab.node(0).reconnect().unwrap();
    pair.routers[0] = Router::start(pair.lab.node(0), Daemon::Xvrrp, &master.to_string()).unwrap();
    pair.lab.wait_for_answerer(&pair.capture, master.vip, 0, SETTLING).unwrap();
    let seen = pair.capture.seen_since(returned);
    let resigned = |seen: &rig::Seen| matches!(seen.what, What::Advert { priority: 0, .. });
    assert!(!seen.iter().any(resigned), "a router that yields does not resign");
    assert!(!pair.lab.node(1).addresses().unwrap().contains(&master.vip));
}
