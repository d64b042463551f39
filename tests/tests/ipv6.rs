//! Virtual addresses of IPv6: who has them, who answers for them, and how they move.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::{IpAddr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Cut, Daemon, Lab, Mac, Node, PacketSocket, Router, Seen, Signal, ms_between,
    wait_until,
    wire::{self, ALL_NODES, NdParty, NeighborAdvert, What},
};

/// When the advert of a takeover may leave after its time on a busy machine, ms.
const ADVERT_TOLERANCE_MS: f64 = 20.0;
/// When everything that follows from it may be over, ms.
const TOLERANCE_MS: f64 = 250.0;
const SETTLING: Duration = Duration::from_secs(15);
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// A host that exists nowhere.
const ASKER: NdParty = (Mac::local(99), Lab::address_v6(99));
/// The same host before it has an address: it looks for duplicates (RFC 4862 5.4.2).
const PROBER: NdParty = (ASKER.0, Ipv6Addr::UNSPECIFIED);

/// A virtual router that announces its addresses only at once after a takeover and not again later,
/// so that a Neighbor Advertisement is the answer to what was just asked.
fn config() -> Config {
    let extra = "garp_master_delay 0";
    Config { advert_int: Duration::from_millis(200), extra, ..Config::ipv6() }
}

/// The addresses of `config`, which are all of IPv6.
fn targets(config: &Config) -> Vec<Ipv6Addr> {
    let targets = config.vips().map(|vip| match vip {
        IpAddr::V6(vip) => vip,
        IpAddr::V4(vip) => panic!("{vip} is not of IPv6"),
    });
    targets.collect()
}

/// A lab in which node 0 is master of both addresses and the others are its backups.
struct Cluster {
    routers: Vec<Router>,
    capture: Capture,
    configs: Vec<Config>,
    lab: Lab,
}

impl Cluster {
    fn start(nodes: u8) -> Self {
        let lab = Lab::with_ipv6(nodes).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let priorities = (0..nodes).map(|node| 100 - 10 * node);
        let configs: Vec<_> = priorities.map(|p| Config { priority: p, ..config() }).collect();
        let start = |(node, config): (&Node, &Config)| {
            Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap()
        };
        let routers = lab.nodes().iter().zip(&configs).map(start).collect();
        let cluster = Self { routers, capture, configs, lab };
        cluster.expect_owner(0);
        cluster
    }

    fn targets(&self) -> Vec<Ipv6Addr> {
        targets(&self.configs[0])
    }

    fn expect_owner(&self, node: usize) {
        for vip in self.targets() {
            self.lab.wait_for_answerer(&self.capture, vip, node, SETTLING).unwrap();
        }
    }

    /// The states of all routers, as `status` tells them.
    fn states(&self) -> Vec<String> {
        self.routers.iter().map(|router| router.status().unwrap()[0].state.clone()).collect()
    }

    /// `nd_answered` of a node.
    fn answered(&self, node: usize) -> u64 {
        self.routers[node].status().unwrap()[0].counter("nd_answered")
    }

    /// Any host of the segment resolves both addresses, to the MAC of `owner`, and reaches them.
    fn expect_reachable(&self, owner: &Node) {
        for vip in self.targets().iter().map(Ipv6Addr::to_string) {
            let client = self.lab.client();
            let resolved = client.run(&["ndisc6", "-q", "-1", &vip, Node::INTERFACE]).unwrap();
            let mac = owner.mac().to_string();
            assert_eq!(resolved.trim().to_lowercase(), mac, "the MAC of {vip}");
            let from = ["-I", Node::INTERFACE, &vip];
            client.run(&[&["ping", "-6", "-c", "2", "-W", "2"], &from[..]].concat()).unwrap();
        }
    }

    /// Sends `frame` from the client and returns the Neighbor Advertisements for `target` within
    /// [`SILENCE`], with the MAC of the frame that each came in.
    fn answers_to(&self, frame: &[u8], target: Ipv6Addr) -> Vec<(Mac, NeighborAdvert)> {
        let start = SystemTime::now();
        PacketSocket::open(self.lab.client()).unwrap().send(frame).unwrap();
        self.capture.wait_for(start, SILENCE, |_| false);
        adverts_for(&self.capture.seen_since(start), target)
    }
}

/// The Neighbor Advertisements for `target`, each with the MAC that its frame came from.
fn adverts_for(seen: &[Seen], target: Ipv6Addr) -> Vec<(Mac, NeighborAdvert)> {
    let adverts = seen.iter().filter_map(|seen| match seen.what {
        What::NeighborAdvert(na) if na.target == target => Some((seen.from, na)),
        _ => None,
    });
    adverts.collect()
}

/// What `node` says about `target`, to everybody unless `asker` asked for it.
fn advert(node: &Node, target: Ipv6Addr, asker: Option<Ipv6Addr>) -> (Mac, NeighborAdvert) {
    let na = NeighborAdvert {
        source: target,
        destination: asker.unwrap_or(ALL_NODES),
        hop_limit: 255,
        router: true,
        solicited: asker.is_some(),
        overrides: true,
        target,
        link_layer: Some(node.mac()),
    };
    (node.mac(), na)
}

/// Issue 3 item 5, R-5.1.2.1-01, R-5.1.2.3-01, R-6.4.2-08, N-4861-14: exactly one node
/// is master of both addresses and both are reached; when it dies, the other one has them within
/// its Active_Down_Interval, says so first by its advert and then by Neighbor Advertisements.
#[test]
fn both_addresses_move_when_the_master_dies() {
    let mut cluster = Cluster::start(2);
    assert_eq!(cluster.states(), ["MASTER", "BACKUP"]);
    cluster.expect_reachable(cluster.lab.node(0));

    let config = cluster.configs[1].clone();
    let phase = config.advert_int / 2;
    let (lab, capture, heir) = (&cluster.lab, &cluster.capture, cluster.lab.node(1));
    let cut = Cut::make(lab, capture, config.vip, &mut cluster.routers[0], heir, phase).unwrap();
    let limit = config.active_down_interval();
    let takeover = cut.takeover(limit + SETTLING).expect("the backup takes over");
    let expected = What::Advert {
        source: heir.link_local().into(),
        hop_limit: 255,
        version: 3,
        vrid: Config::VRID,
        priority: 90,
    };
    assert_eq!(takeover.what, expected);
    let failover = cut.observe(&takeover).unwrap();
    let limit_ms = limit.as_secs_f64() * 1e3;
    let delays = failover.delays();
    assert!(delays[0] <= limit_ms + ADVERT_TOLERANCE_MS, "of {limit_ms:.2} ms: {failover:?}");
    for delay in delays {
        let limit_ms = limit_ms + TOLERANCE_MS;
        assert!(delay <= limit_ms, "{delay:.2} ms of {limit_ms:.2}: {failover:?}");
    }

    cluster.expect_owner(1);
    cluster.expect_reachable(heir);
    for vip in targets(&config) {
        let seen = cluster.capture.seen_since(failover.cut);
        let (before, after): (Vec<_>, Vec<_>) =
            seen.into_iter().partition(|seen| seen.at < takeover.at);
        assert!(!before.iter().any(|seen| seen.announces(vip)), "{vip}: the advert comes first");
        let announced = after.into_iter().filter(|seen| seen.announces(vip)).collect::<Vec<_>>();
        let announced = adverts_for(&announced, vip);
        assert!(!announced.is_empty(), "{vip} is announced");
        assert!(announced.iter().all(|na| *na == advert(heir, vip, None)), "{announced:#?}");
    }
}

/// Issue 3, R-6.4.3-03, N-4861-12, N-4861-14 to N-4861-17: whether a solicitation goes to the group
/// or to the node alone, it is answered once, by the XDP program, and the kernel adds nothing. Without
/// `use_vmac` the MAC is the interface's.
#[test]
fn each_solicitation_is_answered_once_and_by_the_program() {
    let cluster = Cluster::start(1);
    let node = cluster.lab.node(0);
    for vip in cluster.targets() {
        for to in [None, Some(node.mac())] {
            let before = cluster.answered(0);
            let answers = cluster.answers_to(&wire::neighbor_solicitation(to, ASKER, vip), vip);
            assert_eq!(answers, [advert(node, vip, Some(ASKER.1))], "{vip}, asked at {to:?}");
            assert_eq!(cluster.answered(0), before + 1, "{vip}, asked at {to:?}");
        }
    }
}

/// Issue 3, N-4861-11, N-4861-16, R-8.2.2-05: who looks for duplicates is answered, once, where all
/// nodes hear it and without the S flag.
#[test]
fn a_duplicate_address_probe_is_answered_to_all_nodes() {
    let cluster = Cluster::start(1);
    let node = cluster.lab.node(0);
    for vip in cluster.targets() {
        let before = cluster.answered(0);
        let answers = cluster.answers_to(&wire::neighbor_solicitation(None, PROBER, vip), vip);
        assert_eq!(answers, [advert(node, vip, None)], "{vip}");
        assert_eq!(cluster.answered(0), before + 1, "{vip}");
    }
}

/// Issue 3, X-12, R-6.4.3-03: the answer does not need the kernel's address, and it ends with the
/// lease of a daemon that hangs.
#[test]
fn answers_need_no_address_but_a_live_daemon() {
    let mut cluster = Cluster::start(1);
    let (node, vip) = (cluster.lab.node(0).clone(), Lab::address_v6(254));
    let solicitation = wire::neighbor_solicitation(None, ASKER, vip);
    cluster.routers[0].process().signal_group(Signal::STOP).unwrap();
    let stopped = SystemTime::now();
    node.run(&["ip", "addr", "del", &format!("{vip}/64"), "dev", Node::INTERFACE]).unwrap();
    PacketSocket::open(cluster.lab.client()).unwrap().send(&solicitation).unwrap();
    let answer = cluster
        .capture
        .expect("an answer without address", stopped, SILENCE, |seen| seen.is_arp_answer(vip))
        .unwrap();
    assert_eq!(adverts_for(&[answer], vip), [advert(&node, vip, Some(ASKER.1))]);

    let lease = cluster.configs[0].advert_int * 3;
    let silent = || Ok(cluster.answers_to(&solicitation, vip).is_empty());
    wait_until("the end of the answers", lease + SETTLING, silent).unwrap();
    let elapsed = stopped.elapsed().unwrap();
    assert!(elapsed < lease + SILENCE * 3, "the lease ended after {elapsed:?}");
    cluster.routers[0].process().signal_group(Signal::CONT).unwrap();
}

/// Issue 3, R-6.4.2-02: a Backup answers nobody, neither in the group nor at its own MAC, and no
/// probe for duplicates.
#[test]
fn a_backup_does_not_answer() {
    let cluster = Cluster::start(2);
    let [master, backup] = [cluster.lab.node(0), cluster.lab.node(1)];
    // It may have been master for a moment, had it been the first to start.
    let before = cluster.answered(1);
    for vip in cluster.targets() {
        for (sender, asker) in [(ASKER, Some(ASKER.1)), (PROBER, None)] {
            let answers = cluster.answers_to(&wire::neighbor_solicitation(None, sender, vip), vip);
            assert_eq!(answers, [advert(master, vip, asker)], "{vip}, asked in the group");
        }
        let to_backup = wire::neighbor_solicitation(Some(backup.mac()), ASKER, vip);
        assert_eq!(cluster.answers_to(&to_backup, vip), [], "{vip}, asked at the backup's MAC");
    }
    assert_eq!(cluster.answered(1), before);
}

/// Issue 3, R-6.4.3-09, R-6.4.2-10: a master that stops says so over IPv6 too, and the addresses are
/// the backup's after its Skew_Time.
#[test]
fn a_stopped_master_is_followed_after_the_skew_time() {
    let mut cluster = Cluster::start(2);
    let stopped = SystemTime::now();
    assert!(cluster.routers[0].stop().unwrap().success());
    let [master, backup] = [cluster.lab.node(0), cluster.lab.node(1)];
    let first = |seen: &Seen| seen.is_advert_of(backup);
    let first = cluster.capture.expect("the takeover", stopped, SETTLING, first).unwrap();
    let seen = cluster.capture.seen();
    let last = seen.iter().rfind(|seen| seen.is_advert_of(master)).unwrap();
    assert!(matches!(last.what, What::Advert { priority: 0, .. }), "{last:?}");
    let limit_ms = cluster.configs[1].skew_time().as_secs_f64() * 1e3 + ADVERT_TOLERANCE_MS;
    let elapsed_ms = ms_between(last.at, first.at);
    assert!(elapsed_ms <= limit_ms, "{elapsed_ms:.2} ms of {limit_ms:.2}");
    cluster.expect_owner(1);
    let addresses = master.addresses().unwrap();
    assert!(cluster.configs[0].vips().all(|vip| !addresses.contains(&vip)), "{addresses:?}");
    assert!(addresses.contains(&master.link_local().into()), "{addresses:?}");
}

/// Issue 3, R-3-01: the same VRID in IPv4 and IPv6 on one interface is two virtual routers. Here
/// node 0 is the better one in IPv4 and node 1 in IPv6; when node 0 stops, IPv4 moves and IPv6 does
/// not notice.
#[test]
fn the_same_vrid_in_both_families_is_two_routers() {
    let ipv4 = Config { version: 3, advert_int: config().advert_int, ..Config::default() };
    let lab = Lab::with_ipv6(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let start = |node: usize, priorities: [u8; 2]| {
        let ipv4 = Config { priority: priorities[0], ..ipv4.clone() };
        let ipv6 = Config { priority: priorities[1], ..config() };
        Router::start(lab.node(node), Daemon::Xvrrp, &format!("{ipv4}{ipv6}")).unwrap()
    };
    let (mut better_in_ipv4, better_in_ipv6) = (start(0, [100, 90]), start(1, [90, 100]));
    let expect_owners = |ipv4_owner: usize, ipv6_owner: usize| {
        lab.wait_for_answerer(&capture, ipv4.vip, ipv4_owner, SETTLING).unwrap();
        for vip in config().vips() {
            lab.wait_for_answerer(&capture, vip, ipv6_owner, SETTLING).unwrap();
        }
    };
    expect_owners(0, 1);
    let states = |router: &Router| {
        let rows = router.status().unwrap().into_iter();
        rows.map(|row| (row.name, row.state)).collect::<Vec<_>>()
    };
    let rows = |ipv4: &str, ipv6: &str| {
        let names = [Config::INSTANCE, Config::INSTANCE_V6].map(str::to_owned);
        names.into_iter().zip([ipv4.to_owned(), ipv6.to_owned()]).collect::<Vec<_>>()
    };
    assert_eq!(states(&better_in_ipv4), rows("MASTER", "BACKUP"));
    assert_eq!(states(&better_in_ipv6), rows("BACKUP", "MASTER"));

    let stopped = SystemTime::now();
    assert!(better_in_ipv4.stop().unwrap().success());
    expect_owners(1, 1);
    assert_eq!(states(&better_in_ipv6), rows("MASTER", "MASTER"));
    let seen = capture.seen_since(stopped);
    let resigned = seen.iter().filter_map(|seen| match seen.what {
        What::Advert { source, priority: 0, .. } => Some(source),
        _ => None,
    });
    assert_eq!(resigned.collect::<Vec<_>>(), [IpAddr::from(lab.node(0).address())]);
    let moved = |seen: &Seen| config().vips().any(|vip| seen.announces(vip));
    assert!(!seen.iter().any(moved), "IPv6 addresses have not moved");
    for row in better_in_ipv6.status().unwrap() {
        assert_eq!(row.counters("rejected_"), 0, "{row:?}");
    }
}
