//! Two routers that know each other by `unicast_peer`: ours, and ours with keepalived 2.2.7.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::IpAddr,
    process::Command,
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Node, Router, Seen, ms_between, output_of, wait_until,
    wire::{self, What},
};

/// What two cores that run other tests may add to a limit, ms.
const TOLERANCE_MS: f64 = 150.0;
const SETTLING: Duration = Duration::from_secs(15);
/// What keepalived says about adverts that it does not like.
const COMPLAINTS: [&str; 8] =
    ["bogus", "checksum", "nvalid", "ncorrect", "mismatch", "expected", "dropped", "error"];
const NO_PROGRAM: &str = "xdp_mode none";

const OURS: [Daemon; 2] = [Daemon::Xvrrp, Daemon::Xvrrp];
const WE_ARE_MASTER: [Daemon; 2] = [Daemon::Xvrrp, Daemon::Keepalived];
const WE_ARE_BACKUP: [Daemon; 2] = [Daemon::Keepalived, Daemon::Xvrrp];

fn version_2() -> Config {
    Config { password: Some("1111"), ..Config::default() }
}

fn version_3() -> Config {
    Config { version: 3, advert_int: Duration::from_millis(200), ..Config::default() }
}

fn ipv6() -> Config {
    Config { advert_int: Duration::from_millis(200), ..Config::ipv6() }
}

/// The address of a node that unicast of this configuration uses.
fn address_of(node: &Node, config: &Config) -> IpAddr {
    if config.vip.is_ipv6() { node.address_v6().into() } else { node.address().into() }
}

/// Two nodes that are each other's only peer; node 0 has the higher priority.
struct Pair {
    daemons: [Daemon; 2],
    configs: [Config; 2],
    routers: [Router; 2],
    /// What comes in at each node.
    heard: [Capture; 2],
    client: Capture,
    lab: rig::Lab,
}

impl Pair {
    fn start(daemons: [Daemon; 2], base: &Config) -> Self {
        let lab = base.lab(2).unwrap();
        let configs = [(0, 1, 100), (1, 0, 90)].map(|(own, other, priority)| Config {
            priority,
            source: Some(address_of(lab.node(own), base)),
            peers: vec![address_of(lab.node(other), base).to_string()],
            ..base.clone()
        });
        let heard = [0, 1].map(|node| Capture::start(lab.node(node)).unwrap());
        let client = Capture::start(lab.client()).unwrap();
        let start = |node: usize| {
            Router::start(lab.node(node), daemons[node], &configs[node].to_string()).unwrap()
        };
        let routers = [start(0), start(1)];
        let pair = Self { daemons, configs, routers, heard, client, lab };
        for router in &pair.routers {
            let begun = router.started();
            router.wait_for_state(begun, pair.instance(), "BACKUP", SETTLING).unwrap();
        }
        pair.expect_owner(0);
        pair
    }

    fn instance(&self) -> &'static str {
        self.configs[0].instance()
    }

    fn expect_owner(&self, node: usize) {
        for vip in self.configs[0].vips() {
            self.lab.wait_for_answerer(&self.client, vip, node, SETTLING).unwrap();
        }
    }

    fn restart(&mut self, node: usize) {
        let config = self.configs[node].to_string();
        let (host, daemon) = (self.lab.node(node), self.daemons[node]);
        self.routers[node] = Router::start(host, daemon, &config).unwrap();
    }

    /// The last advert that the backup heard before it became master after `since`, and the time
    /// from then to its taking over, ms.
    fn handover(&self, since: SystemTime) -> (Seen, f64) {
        let backup = &self.routers[1];
        let line = backup.wait_for_state(since, self.instance(), "MASTER", SETTLING).unwrap();
        let source = address_of(self.lab.node(0), &self.configs[0]);
        let heard = self.heard[1].seen();
        let is_advert = |seen: &&Seen| {
            matches!(seen.what, What::Advert { source: from, .. } if from == source)
                && seen.at < line.at
        };
        let last = heard.iter().rfind(is_advert).unwrap().clone();
        let elapsed = ms_between(last.at, line.at);
        (last, elapsed)
    }

    /// Stop, return, crash and return of the master: each time the backup follows in time, and
    /// keepalived has nothing to complain about.
    fn hand_over_and_back(mut self) {
        let backup = self.configs[1].clone();

        let stopped = SystemTime::now();
        assert!(self.routers[0].stop().unwrap().success());
        let (last, elapsed) = self.handover(stopped);
        assert!(matches!(last.what, What::Advert { priority: 0, .. }), "{last:?}");
        assert_within("after the stop", elapsed, backup.skew_time());
        self.expect_owner(1);
        self.restart(0);
        self.expect_owner(0);

        let killed = SystemTime::now();
        self.routers[0].crash().unwrap();
        let (_, elapsed) = self.handover(killed);
        assert_within("after the crash", elapsed, backup.active_down_interval());
        self.expect_owner(1);
        self.lab.node(0).reconnect().unwrap();
        self.restart(0);
        self.expect_owner(0);
        self.expect_no_complaints();
    }

    fn expect_no_complaints(&self) {
        for (router, daemon) in self.routers.iter().zip(self.daemons) {
            if daemon == Daemon::Xvrrp {
                for row in router.status().unwrap() {
                    assert_eq!(row.counters("rejected_"), 0, "{row:?}");
                }
                continue;
            }
            let complaint = |line: &&String| COMPLAINTS.iter().any(|word| line.contains(word));
            let complaints: Vec<_> = router.log().into_iter().filter(|l| complaint(&l)).collect();
            assert!(complaints.is_empty(), "keepalived complains: {complaints:#?}");
        }
    }
}

fn assert_within(what: &str, elapsed_ms: f64, limit: Duration) {
    let limit_ms = limit.as_secs_f64() * 1e3;
    assert!(elapsed_ms <= limit_ms + TOLERANCE_MS, "{what}: {elapsed_ms:.2} ms of {limit_ms:.2}");
}

/// Issue 3: version 2 with a password, with the kernel program.
#[test]
fn version_2_with_the_program() {
    Pair::start(OURS, &version_2()).hand_over_and_back();
}

/// Issue 3: version 3 over IPv4, with the kernel program, which leaves the adverts to the controller.
#[test]
fn version_3_with_the_program() {
    let pair = Pair::start(OURS, &version_3());
    let row = &pair.routers[1].status().unwrap()[0];
    assert_ne!(row.xdp_mode, "none");
    assert!(row.counter("adverts_deferred") > 0, "{row:?}");
    assert!(row.counter("adverts_received") > 0, "{row:?}");
    assert_eq!(row.counter("closed_by_program"), 0, "{row:?}");
    pair.hand_over_and_back();
}

/// Issue 3: IPv6, between addresses that are not link-local, with the kernel program.
#[test]
fn ipv6_with_the_program() {
    Pair::start(OURS, &ipv6()).hand_over_and_back();
}

/// Issue 3: IPv6 without `unicast_src_ip`: from one link-local address to the other.
#[test]
fn ipv6_between_link_local_addresses() {
    let lab = ipv6().lab(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let start = |own: usize, other: usize, priority: u8| {
        let peers = vec![lab.node(other).link_local().to_string()];
        let config = Config { priority, peers, ..ipv6() };
        Router::start(lab.node(own), Daemon::Xvrrp, &config.to_string()).unwrap()
    };
    let [mut master, backup] = [start(0, 1, 100), start(1, 0, 90)];
    lab.wait_for_answerer(&capture, ipv6().vip, 0, SETTLING).unwrap();
    let stopped = SystemTime::now();
    assert!(master.stop().unwrap().success());
    backup.wait_for_state(stopped, Config::INSTANCE_V6, "MASTER", SETTLING).unwrap();
    lab.wait_for_answerer(&capture, ipv6().vip, 1, SETTLING).unwrap();
}

/// Issue 3: the same three without the kernel program.
#[test]
fn version_2_without_the_program() {
    Pair::start(OURS, &Config { extra: NO_PROGRAM, ..version_2() }).hand_over_and_back();
}

/// Issue 3: version 3 over IPv4 without the kernel program.
#[test]
fn version_3_without_the_program() {
    let pair = Pair::start(OURS, &Config { extra: NO_PROGRAM, ..version_3() });
    assert_eq!(pair.routers[1].status().unwrap()[0].xdp_mode, "none");
    pair.hand_over_and_back();
}

/// Issue 3: IPv6 without the kernel program.
#[test]
fn ipv6_without_the_program() {
    Pair::start(OURS, &Config { extra: NO_PROGRAM, ..ipv6() }).hand_over_and_back();
}

/// Issue 3: version 2, keepalived is the backup.
#[test]
fn version_2_keepalived_follows_us() {
    Pair::start(WE_ARE_MASTER, &version_2()).hand_over_and_back();
}

/// Issue 3: version 2, keepalived is the master.
#[test]
fn version_2_we_follow_keepalived() {
    Pair::start(WE_ARE_BACKUP, &version_2()).hand_over_and_back();
}

/// Issue 3: version 3, whose checksum covers the address of each peer, keepalived is the backup.
#[test]
fn version_3_keepalived_follows_us() {
    Pair::start(WE_ARE_MASTER, &version_3()).hand_over_and_back();
}

/// Issue 3: version 3, keepalived is the master.
#[test]
fn version_3_we_follow_keepalived() {
    Pair::start(WE_ARE_BACKUP, &version_3()).hand_over_and_back();
}

/// Issue 3, R-5.2.8-04: IPv6, keepalived is the backup.
#[test]
fn ipv6_keepalived_follows_us() {
    Pair::start(WE_ARE_MASTER, &ipv6()).hand_over_and_back();
}

/// Issue 3: IPv6, keepalived is the master.
#[test]
fn ipv6_we_follow_keepalived() {
    Pair::start(WE_ARE_BACKUP, &ipv6()).hand_over_and_back();
}

/// What tshark reads of the adverts that node 1 has heard: the status of the checksum, TTL or hop
/// limit, TOS or traffic class, each as it prints them.
fn adverts_on_the_wire(config: &Config) -> Vec<[String; 3]> {
    let pair = Pair::start(OURS, config);
    let heard = &pair.heard[1];
    let count = || heard.seen().iter().filter(|seen| is_advert(seen)).count();
    wait_until("some adverts", SETTLING, || Ok(count() >= 4)).unwrap();
    let file = pair.lab.dir().join("heard.pcap");
    let is_advert = |frame: &[u8]| matches!(wire::decode(frame), Some(What::Advert { .. }));
    let written = heard.write_pcap(&file, is_advert).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args(["-o", "vrrp.v3_checksum_as_in_v2:FALSE", "-T", "fields"]);
    let fields = if config.vip.is_ipv6() {
        ["vrrp.checksum.status", "ipv6.hlim", "ipv6.tclass"]
    } else {
        ["vrrp.checksum.status", "ip.ttl", "ip.dsfield"]
    };
    for field in fields {
        tshark.args(["-e", field]);
    }
    let read = output_of(&mut tshark).unwrap();
    let line = |line: &str| -> [String; 3] {
        line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
    };
    let adverts: Vec<_> = read.lines().map(line).collect();
    assert_eq!(adverts.len(), written);
    adverts
}

fn is_advert(seen: &Seen) -> bool {
    matches!(seen.what, What::Advert { .. })
}

/// Issue 3, keyword `unicast_ttl`: checksum, TTL (255, and the kernel's 64 with IPv6, unless the
/// configuration says other) and TOS, as tshark reads them.
#[test]
fn wire_format() {
    const TTL: &str = "unicast_ttl 33";
    for (config, ttl, tos) in [
        (version_2(), "255", "0xc0"),
        (version_3(), "255", "0xc0"),
        (ipv6(), "64", "0x000000c0"),
        (Config { extra: TTL, ..version_3() }, "33", "0xc0"),
        (Config { extra: TTL, ..ipv6() }, "33", "0x000000c0"),
    ] {
        for advert in adverts_on_the_wire(&config) {
            assert_eq!(advert, ["1", ttl, tos], "{config}");
        }
    }
}
