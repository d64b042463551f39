//! What the gate must let through: addresses that are on a host for another reason than ours.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Lab, Mac, Node, PacketSocket, Router, Seen, Signal, wait_until,
    wire::{self, What},
};

const SETTLING: Duration = Duration::from_secs(15);
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(400);
const VIP: Ipv4Addr = Lab::address(129);
const MODES: [&str; 2] = ["xdp_mode tcx", "xdp_mode generic"];

/// Two routers; node 1 has the higher priority, and is the one with another reason.
struct Cluster {
    routers: [Router; 2],
    capture: Capture,
    lab: Lab,
}

impl Cluster {
    /// `prepare` node 1 before its daemon starts. Node 0 is master then, unless node 1 is to
    /// `preempt` it.
    fn start(extra: &'static str, preempt: bool, prepare: impl FnOnce(&Node)) -> Self {
        let config = |node: u8| Config {
            version: 3,
            advert_int: Duration::from_millis(200),
            priority: if preempt { 100 + 50 * node } else { 200 - 50 * node },
            extra,
            ..Config::default()
        };
        let lab = Lab::new(2).unwrap();
        lab.make_hub().unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let start = |node: u8| {
            let node_config = config(node).to_string();
            Router::start(lab.node(node.into()), Daemon::Xvrrp, &node_config).unwrap()
        };
        let first = start(0);
        first.wait_for_state(first.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
        prepare(lab.node(1));
        let second = start(1);
        second.wait_for_state(second.started(), Config::INSTANCE, "BACKUP", SETTLING).unwrap();
        let cluster = Self { routers: [first, second], capture, lab };
        if preempt {
            cluster.wait_for_master(1, SystemTime::UNIX_EPOCH);
        }
        cluster
    }

    fn wait_for_master(&self, node: usize, since: SystemTime) {
        let router = &self.routers[node];
        router.wait_for_state(since, Config::INSTANCE, "MASTER", SETTLING).unwrap();
    }

    /// Stops the daemon of node 1, and waits until its lease is over.
    fn hang(&mut self) {
        let stopped = SystemTime::now();
        self.routers[1].process().signal_group(Signal::STOP).unwrap();
        self.wait_for_master(0, stopped);
    }

    /// Whether a ping of the address that is sent to `mac` is answered from there.
    fn is_pinged(&self, mac: Mac, patience: Duration) -> bool {
        let client = self.lab.client();
        let ping = wire::ping(mac, (client.mac(), client.address()), VIP);
        let start = SystemTime::now();
        PacketSocket::open(client).unwrap().send(&ping).unwrap();
        let answer = |seen: &Seen| seen.from == mac && seen.is_ping_answer(VIP);
        self.capture.wait_for(start, patience, answer).is_some()
    }

    /// Whether a question for the address that is sent to `mac` is answered with it.
    fn is_resolved(&self, mac: Mac, patience: Duration) -> bool {
        let client = self.lab.client();
        let question = wire::arp_request(mac, (client.mac(), client.address()), VIP);
        let start = SystemTime::now();
        PacketSocket::open(client).unwrap().send(&question).unwrap();
        let answer = |seen: &Seen| matches!(seen.what, What::ArpReply { sender, .. } if sender == (mac, VIP));
        self.capture.wait_for(start, patience, answer).is_some()
    }

    fn counter(&self, name: &str) -> u64 {
        self.routers[1].status().unwrap()[0].counter(name)
    }

    /// What the gate of node 1 has kept in or out.
    fn dropped(&self) -> u64 {
        let rows = self.routers[1].status().unwrap();
        ["arp_dropped", "traffic_dropped", "outgoing_dropped"]
            .map(|name| rows[0].counter(name))
            .iter()
            .sum()
    }
}

/// issue 4, "the gate never blocks what is not ours": a real server of LVS-DR has the address on its
/// loopback device. As a Backup it is sent packets with the address at its own MAC, and answers from
/// it. Once it was master and hangs, the address is ours to guard; when it is a Backup again, it
/// serves as before.
#[test]
fn a_real_server_on_a_backup_serves() {
    for mode in MODES {
        let mut cluster = Cluster::start(mode, false, |node| {
            for (switch, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
                node.set_sysctl(&format!("ipv4/conf/all/{switch}"), value).unwrap();
            }
            let address = format!("{VIP}/32");
            node.run(&["ip", "addr", "add", &address, "dev", "lo"]).unwrap();
        });
        let mac = cluster.lab.node(1).mac();
        assert!(cluster.is_pinged(mac, SETTLING), "{mode}: as Backup");
        assert!(!cluster.is_resolved(mac, SILENCE), "{mode}: it hides the address");
        assert_eq!(cluster.dropped(), 0, "{mode}");

        let crashed = SystemTime::now();
        cluster.routers[0].stop().unwrap();
        cluster.wait_for_master(1, crashed);
        cluster.lab.wait_for_answerer(&cluster.capture, VIP, 1, SETTLING).unwrap();
        let has_it = || Ok(cluster.lab.node(1).addresses()?.contains(&VIP.into()));
        wait_until("the address", SETTLING, has_it).unwrap();
        assert!(cluster.is_pinged(mac, SETTLING), "{mode}: as master");

        cluster.routers[1].process().signal_group(Signal::STOP).unwrap();
        let is_guarded = || Ok(!cluster.is_pinged(mac, SILENCE));
        wait_until("the end of the lease", SETTLING, is_guarded).unwrap();
        let resumed = SystemTime::now();
        cluster.routers[1].process().signal_group(Signal::CONT).unwrap();

        let config = Config {
            version: 3,
            advert_int: Duration::from_millis(200),
            priority: 200,
            extra: mode,
            ..Config::default()
        };
        cluster.routers[0] =
            Router::start(cluster.lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
        cluster.routers[1].wait_for_state(resumed, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
        let is_gone = || Ok(!cluster.lab.node(1).addresses()?.contains(&VIP.into()));
        wait_until("the address is removed", SETTLING, is_gone).unwrap();
        assert!(cluster.is_pinged(mac, SETTLING), "{mode}: as Backup again");
    }
}

/// issue 4, "the gate never blocks what is not ours": a guest on a macvlan has the address and is
/// reached at its MAC, whatever its host does, and what it says leaves.
#[test]
fn a_guest_with_the_address_is_reached() {
    for mode in MODES {
        for preempt in [false, true] {
            let mut cluster = Cluster::start(mode, preempt, |_| {});
            let guest = cluster.lab.node(1).add_guest(VIP.into()).unwrap();
            let row = format!("{mode}, master: {preempt}");
            assert!(cluster.is_pinged(guest.mac(), SETTLING), "{row}");
            assert!(cluster.is_resolved(guest.mac(), SETTLING), "{row}");
            if preempt {
                cluster.hang();
                assert!(cluster.is_pinged(guest.mac(), SETTLING), "{row}, fenced");
                assert!(cluster.is_resolved(guest.mac(), SETTLING), "{row}, fenced");
                let host = cluster.lab.node(1).mac();
                assert!(!cluster.is_pinged(host, SILENCE), "{row}, the host is fenced");
            }
        }
    }
}

/// issue 4, "the gate never blocks what is not ours": an address that the host had before us works
/// without us: as Backup, as master, when the daemon hangs, and after it.
#[test]
fn an_earlier_address_of_the_host_works() {
    for mode in MODES {
        let mut cluster = Cluster::start(mode, true, |node| {
            let address = format!("{VIP}/24");
            node.run(&["ip", "addr", "add", &address, "dev", Node::INTERFACE]).unwrap();
        });
        let mac = cluster.lab.node(1).mac();
        let expect_service = |cluster: &Cluster, when: &str| {
            assert!(cluster.is_pinged(mac, SETTLING), "{mode}, {when}");
            assert!(cluster.is_resolved(mac, SETTLING), "{mode}, {when}");
        };
        expect_service(&cluster, "as master");
        assert!(cluster.counter("arp_answered") > 0, "{mode}");
        cluster.hang();
        expect_service(&cluster, "the daemon hangs");
        cluster.routers[1].process().signal_group(Signal::CONT).unwrap();
        assert_eq!(cluster.dropped(), 0, "{mode}");
        cluster.routers[1].stop().unwrap();
        expect_service(&cluster, "without a daemon");
    }
}

/// issue 4, "the gate never blocks what is not ours": the same while another router is master.
#[test]
fn an_earlier_address_of_a_backup_works() {
    for mode in MODES {
        let cluster = Cluster::start(mode, false, |node| {
            let address = format!("{VIP}/24");
            node.run(&["ip", "addr", "add", &address, "dev", Node::INTERFACE]).unwrap();
        });
        let mac = cluster.lab.node(1).mac();
        assert!(cluster.is_pinged(mac, SETTLING), "{mode}");
        assert!(cluster.is_resolved(mac, SETTLING), "{mode}");
        assert_eq!(cluster.dropped(), 0, "{mode}");
        assert_eq!(cluster.counter("arp_answered"), 0, "{mode}");
    }
}

/// issue 4, "a fenced host is silent outwards too": while the daemon runs the kernel does not ask in the
/// name of the addresses; what an administrator sets meanwhile stays, and so does what was there
/// before.
#[test]
fn the_kernel_asks_in_its_own_name() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let switch = format!("ipv4/conf/{}/arp_announce", Node::INTERFACE);
    let value = || node.run(&["cat", &format!("/proc/sys/net/{switch}")]).unwrap();
    for (before, meanwhile, after) in [("0", None, "0"), ("1", None, "1"), ("0", Some("1"), "1")] {
        node.set_sysctl(&switch, before).unwrap();
        let mut router =
            Router::start(node, Daemon::Xvrrp, &Config::default().to_string()).unwrap();
        router.wait_for_state(router.started(), Config::INSTANCE, "BACKUP", SETTLING).unwrap();
        wait_until("the switch", SETTLING, || Ok(value().trim() == "2")).unwrap();
        if let Some(meanwhile) = meanwhile {
            node.set_sysctl(&switch, meanwhile).unwrap();
        }
        router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
        router.stop().unwrap();
        assert_eq!(value().trim(), after, "{before}, {meanwhile:?}");
    }
}
