//! Who answers ARP for the virtual address, and for how long.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Lab, Mac, Node, PacketSocket, Router, Seen, Signal, wait_until,
    wire::{self, ArpParty, What},
};

const SETTLING: Duration = Duration::from_secs(15);
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// The virtual address of the default configuration.
const VIP: Ipv4Addr = Lab::address(129);
/// A host that exists nowhere.
const ASKER: ArpParty = (Mac::local(99), Lab::address(99));

/// One node that is master of an address.
struct Master {
    router: Router,
    capture: Capture,
    config: Config,
    lab: Lab,
}

impl Master {
    fn start() -> Self {
        let config =
            Config { version: 3, advert_int: Duration::from_millis(500), ..Config::default() };
        let lab = Lab::new(1).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let router = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
        lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
        Self { router, capture, config, lab }
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    fn answered(&self) -> u64 {
        self.router.status().unwrap()[0].counter("arp_answered")
    }

    /// Puts `frame` on the node's cable and returns the answers to [`ASKER`] within `wait`.
    fn answers_to(&self, frame: &[u8], wait: Duration) -> Vec<Seen> {
        let start = SystemTime::now();
        PacketSocket::at_switch(self.node()).unwrap().send(frame).unwrap();
        self.capture.wait_for(start, wait, |_| false);
        let to_asker =
            |seen: &Seen| matches!(seen.what, What::ArpReply { target, .. } if target == ASKER);
        self.capture.seen_since(start).into_iter().filter(to_asker).collect()
    }

    /// A broadcast request for the address.
    fn request(&self) -> Vec<u8> {
        wire::arp_request(Mac::BROADCAST, ASKER, VIP)
    }
}

/// Issue 2, R-6.4.3-01: each request gets exactly one answer, from the XDP program, and
/// the kernel adds none of its own.
#[test]
fn each_request_is_answered_once_and_by_the_program() {
    const REQUESTS: u64 = 50;
    let master = Master::start();
    let before = master.answered();
    let start = SystemTime::now();
    let socket = PacketSocket::open(master.lab.client()).unwrap();
    let request = master.request();
    for _ in 0..REQUESTS {
        socket.send(&request).unwrap();
    }
    wait_until("the counter", SETTLING, || Ok(master.answered() >= before + REQUESTS)).unwrap();
    assert_eq!(master.answered(), before + REQUESTS);
    // What the kernel would add would have come by now.
    let vip = master.config.vip;
    master.capture.wait_for(start, SILENCE, |_| false);
    let seen = master.capture.seen_since(start);
    assert_eq!(seen.iter().filter(|seen| seen.is_arp_answer(vip)).count() as u64, REQUESTS);
}

/// Issue 2, X-12: the answer does not need the kernel's address, and it ends with the lease: a
/// daemon that hangs is answered for no longer than its peers wait.
#[test]
fn answers_need_no_address_but_a_live_daemon() {
    let mut master = Master::start();
    let address = format!("{}/32", master.config.vip);
    master.router.process().signal_group(Signal::STOP).unwrap();
    let stopped = SystemTime::now();
    master.node().run(&["ip", "addr", "del", &address, "dev", Node::INTERFACE]).unwrap();
    let answers = master.answers_to(&master.request(), Duration::from_millis(50));
    assert_eq!(answers.len(), 1, "the program answers though the kernel has no such address");
    assert_eq!(answers[0].from, master.node().mac());

    let lease = master.config.advert_int * 3;
    let asked = || Ok(master.answers_to(&master.request(), SILENCE).is_empty());
    wait_until("the end of the answers", lease + SETTLING, asked).unwrap();
    let elapsed = stopped.elapsed().unwrap();
    assert!(elapsed < lease + SILENCE * 3, "the lease ended after {elapsed:?}");
    master.router.process().signal_group(Signal::CONT).unwrap();
}

/// Issue 2, X-03: a request in a VLAN is not for an address outside of it.
#[test]
fn a_tagged_request_is_not_answered() {
    let master = Master::start();
    let before = master.answered();
    for vlan in [1, 100, 4094] {
        let frame = wire::tagged(&master.request(), vlan);
        assert_eq!(master.answers_to(&frame, SILENCE), [], "VLAN {vlan}");
    }
    // A tag with VLAN 0 carries a priority only (802.1Q); the frame is outside of every VLAN.
    assert!(master.answers_to(&wire::tagged(&master.request(), 0), SILENCE).len() <= 1);
    assert!(master.answered() <= before + 1);
    assert_eq!(master.answers_to(&master.request(), SILENCE).len(), 1, "it was able to");
}

/// what a switch floods because it does not know the destination is for somebody else, and
/// the kernel would not answer it either.
#[test]
fn a_request_to_another_host_is_not_answered() {
    let master = Master::start();
    let before = master.answered();
    let request = wire::arp_request(Mac::local(98), ASKER, VIP);
    assert_eq!(master.answers_to(&request, SILENCE), []);
    assert_eq!(master.answered(), before);
    let request = wire::arp_request(master.node().mac(), ASKER, VIP);
    assert_eq!(master.answers_to(&request, SILENCE).len(), 1, "its own MAC");
}

/// A-5227-01, A-5227-06: an address probe (sender 0.0.0.0) is answered, to the asker alone.
#[test]
fn a_probe_is_answered_by_unicast() {
    let master = Master::start();
    let start = SystemTime::now();
    let nobody = (ASKER.0, Ipv4Addr::UNSPECIFIED);
    let probe = wire::arp_request(Mac::BROADCAST, nobody, VIP);
    PacketSocket::open(master.lab.client()).unwrap().send(&probe).unwrap();
    let answered =
        |seen: &Seen| matches!(seen.what, What::ArpReply { target, .. } if target == nobody);
    master.capture.expect("an answer to the probe", start, SETTLING, answered).unwrap();
}

/// R-8.1.2-03, X-14: the node's own address stays the kernel's business.
#[test]
fn the_own_address_is_answered_by_the_kernel() {
    let master = Master::start();
    let before = master.answered();
    let request = wire::arp_request(Mac::BROADCAST, ASKER, master.node().address());
    let answers = master.answers_to(&request, SILENCE);
    assert_eq!(answers.len(), 1);
    assert!(matches!(answers[0].what, What::ArpReply { sender, .. }
        if sender == (master.node().mac(), master.node().address())));
    assert_eq!(master.answered(), before);
}

/// R-6.4.2-01, R-6.4.1-05: before its Active_Down_Interval has passed a router is silent.
#[test]
fn a_backup_does_not_answer() {
    let config = Config::default();
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    let started = router.started();
    router.wait_for_state(started, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
    assert!(lab.answerers(&capture, config.vip).unwrap().is_empty());
    router.wait_for_state(started, Config::INSTANCE, "MASTER", SETTLING).unwrap();
    lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
    let waited = |seen: &&Seen| seen.is_advert_of(lab.node(0));
    let first = capture.seen().iter().find(waited).unwrap().at;
    assert!(first >= started + config.active_down_interval(), "the first advert was early");
}
