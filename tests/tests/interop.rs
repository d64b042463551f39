//! One node runs xvrrp, the other keepalived 2.2.7.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::{Duration, SystemTime};

use rig::{Capture, Config, Daemon, Lab, Router, Seen, ms_between, wire::What};

/// What two cores that run other tests may add to a limit, ms. It tells right from wrong; how good it is,
/// the demo measures.
const TOLERANCE_MS: f64 = 100.0;
const SETTLING: Duration = Duration::from_secs(15);
/// What keepalived says about adverts that it does not like.
const COMPLAINTS: [&str; 8] =
    ["bogus", "checksum", "nvalid", "ncorrect", "mismatch", "expected", "dropped", "error"];

fn version_2() -> Config {
    Config { password: Some("1111"), ..Config::default() }
}

fn version_3() -> Config {
    Config { version: 3, advert_int: Duration::from_millis(200), ..Config::default() }
}

fn authentication_header() -> Config {
    let extra = "authentication {\n auth_type AH\n auth_pass secret\n }";
    Config { extra, ..Config::default() }
}

fn ipv6() -> Config {
    Config { advert_int: Duration::from_millis(200), ..Config::ipv6() }
}

/// Two nodes; node 0 has the higher priority.
struct Segment {
    daemons: [Daemon; 2],
    configs: [Config; 2],
    routers: [Router; 2],
    capture: Capture,
    lab: Lab,
}

impl Segment {
    fn start(daemons: [Daemon; 2], master: Config) -> Self {
        let backup = Config { priority: 90, ..master.clone() };
        let configs = [master, backup];
        let lab = configs[0].lab(2).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let start = |node: usize| {
            Router::start(lab.node(node), daemons[node], &configs[node].to_string()).unwrap()
        };
        let routers = [start(0), start(1)];
        for router in &routers {
            let begun = router.started();
            let instance = configs[0].instance();
            router.wait_for_state(begun, instance, "BACKUP", SETTLING).unwrap();
        }
        let segment = Self { daemons, configs, routers, capture, lab };
        segment.expect_owner(0);
        segment
    }

    fn expect_owner(&self, node: usize) {
        for vip in self.configs[0].vips() {
            self.lab.wait_for_answerer(&self.capture, vip, node, SETTLING).unwrap();
        }
    }

    fn restart(&mut self, node: usize) {
        let config = self.configs[node].to_string();
        let (host, daemon) = (self.lab.node(node), self.daemons[node]);
        self.routers[node] = Router::start(host, daemon, &config).unwrap();
    }

    /// The first advert of the backup since `since`, and the last one of the master before it.
    fn handover(&self, since: SystemTime) -> (Seen, Seen) {
        let [master, backup] = [self.lab.node(0), self.lab.node(1)];
        let first = |seen: &Seen| seen.is_advert_of(backup);
        let first = self.capture.expect("the backup's advert", since, SETTLING, first).unwrap();
        let seen = self.capture.seen();
        let last = seen.iter().rfind(|seen| seen.is_advert_of(master) && seen.at < first.at);
        (last.unwrap().clone(), first)
    }

    /// Stop, return, crash and return of the master: each time the backup follows in time, and
    /// keepalived has nothing to complain about.
    fn hand_over_and_back(mut self) {
        let backup = self.configs[1].clone();

        let stopped = SystemTime::now();
        assert!(self.routers[0].stop().unwrap().success());
        let (last, first) = self.handover(stopped);
        assert!(matches!(last.what, What::Advert { priority: 0, .. }), "{last:?}");
        assert_within("after the stop", ms_between(last.at, first.at), backup.skew_time());
        self.expect_owner(1);
        self.expect_no_complaints();
        self.restart(0);
        self.expect_owner(0);

        let killed = SystemTime::now();
        self.routers[0].crash().unwrap();
        let (last, first) = self.handover(killed);
        let limit = backup.active_down_interval();
        assert_within("after the crash", ms_between(last.at, first.at), limit);
        self.expect_owner(1);
        self.expect_no_complaints();
        self.lab.node(0).reconnect().unwrap();
        self.restart(0);
        self.expect_owner(0);
        self.expect_no_complaints();
    }

    fn expect_no_complaints(&self) {
        for router in self.keepalived() {
            let complaint = |line: &&String| COMPLAINTS.iter().any(|word| line.contains(word));
            let complaints: Vec<_> = router.log().into_iter().filter(|l| complaint(&l)).collect();
            assert!(complaints.is_empty(), "keepalived complains: {complaints:#?}");
        }
    }

    fn keepalived(&self) -> impl Iterator<Item = &Router> {
        let routers = self.routers.iter().zip(self.daemons);
        routers.filter(|(_, daemon)| *daemon == Daemon::Keepalived).map(|(router, _)| router)
    }
}

/// The router received adverts and rejected none.
fn expect_no_rejects(router: &Router) {
    for row in router.status().unwrap() {
        assert!(row.counter("adverts_received") > 0, "{row:?}");
        assert_eq!(row.counters("rejected_"), 0, "{row:?}");
    }
}

fn assert_within(what: &str, elapsed_ms: f64, limit: Duration) {
    let limit_ms = limit.as_secs_f64() * 1e3;
    assert!(elapsed_ms <= limit_ms + TOLERANCE_MS, "{what}: {elapsed_ms:.2} ms of {limit_ms:.2}");
}

const WE_ARE_MASTER: [Daemon; 2] = [Daemon::Xvrrp, Daemon::Keepalived];
const WE_ARE_BACKUP: [Daemon; 2] = [Daemon::Keepalived, Daemon::Xvrrp];

/// Issue 2, V-7.1-06, V-5.3.10-01: version 2 with a password, we are master.
#[test]
fn version_2_keepalived_follows_us() {
    Segment::start(WE_ARE_MASTER, version_2()).hand_over_and_back();
}

/// Issue 2, V-7.1-06, V-6.4.2-06: version 2 with a password, we are backup.
#[test]
fn version_2_we_follow_keepalived() {
    Segment::start(WE_ARE_BACKUP, version_2()).hand_over_and_back();
}

/// Issue 2, R-7.1-05: version 3, we are master.
#[test]
fn version_3_keepalived_follows_us() {
    Segment::start(WE_ARE_MASTER, version_3()).hand_over_and_back();
}

/// Issue 2, R-7.1-05, R-7.1-12: version 3, we are backup.
#[test]
fn version_3_we_follow_keepalived() {
    Segment::start(WE_ARE_BACKUP, version_3()).hand_over_and_back();
}

/// Issue 3, V-5.3.6.3-02: version 2 with AH, we are master. Each restarted side is believed again,
/// although it has forgotten how far it had counted.
#[test]
fn ah_keepalived_follows_us() {
    Segment::start(WE_ARE_MASTER, authentication_header()).hand_over_and_back();
}

/// Issue 3, V-5.3.6.3-02: version 2 with AH, we are backup.
#[test]
fn ah_we_follow_keepalived() {
    Segment::start(WE_ARE_BACKUP, authentication_header()).hand_over_and_back();
}

/// Issue 3, R-7.1-05, R-5.2.8-04: IPv6, we are master.
#[test]
fn ipv6_keepalived_follows_us() {
    Segment::start(WE_ARE_MASTER, ipv6()).hand_over_and_back();
}

/// Issue 3, R-7.1-05, R-7.1-12: IPv6, we are backup.
#[test]
fn ipv6_we_follow_keepalived() {
    Segment::start(WE_ARE_BACKUP, ipv6()).hand_over_and_back();
}

/// Issue 2, R-5.2.8-03: keepalived's own checksum, over message and pseudo-header, is accepted.
#[test]
fn the_checksum_with_pseudo_header_is_accepted() {
    let segment = Segment::start(WE_ARE_BACKUP, version_3());
    expect_no_rejects(&segment.routers[1]);
}

/// Issue 2, R-5.2.8-02: so is the other form, over the message alone, without being configured.
/// keepalived 2.2.7 cannot send it; that ours is right is what tshark says, see dissect.rs.
#[test]
fn the_checksum_without_pseudo_header_is_accepted() {
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let sender = Config { extra: "v3_checksum_as_v2", ..version_3() };
    let receiver = Config { priority: 90, ..version_3() };
    let start = |node: usize, config: &Config| {
        Router::start(lab.node(node), Daemon::Xvrrp, &config.to_string()).unwrap()
    };
    let (_sender, receiver) = (start(0, &sender), start(1, &receiver));
    let begun = receiver.started();
    receiver.wait_for_state(begun, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
    lab.wait_for_answerer(&capture, sender.vip, 0, SETTLING).unwrap();
    expect_no_rejects(&receiver);
}
