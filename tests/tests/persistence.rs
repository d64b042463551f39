//! What becomes of the addresses when a daemon dies, hands over, or is started again: the gate in the
//! kernel outlives it, and whoever comes next goes on where it was.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

use rig::{
    BpfObjects, Capture, Config, Daemon, Footprint, Lab, Launch, Node, Pings, Router, Seen, Signal,
    tcp, wait_until, wire::What,
};
use rustix::process::kill_process;

const SETTLING: Duration = Duration::from_secs(15);
/// How long a connection is tried that must not come about.
const REFUSAL: Duration = Duration::from_millis(800);
/// Between two pings: short against what a restart takes, so that no gap in it is missed.
const PINGING: Duration = Duration::from_micros(500);
const VIP: Ipv4Addr = Lab::address(129);
const PORT: u16 = 8080;
/// What the log says of a router that goes on.
const RESUMED: &str = "Entering MASTER STATE (its lease from before the start still holds)";

fn config(priority: u8, advert_int: Duration) -> Config {
    Config { version: 3, advert_int, priority, extra: "nopreempt", ..Config::default() }
}

/// A master that is about to come to harm, and a backup that listens.
struct Pair {
    master: Router,
    backup: Router,
    capture: Capture,
    config: Config,
    before: Footprint,
    launch: Launch,
    lab: Lab,
}

impl Pair {
    fn start(launch: Launch, advert_int: Duration) -> Self {
        Self::with(launch, config(100, advert_int))
    }

    fn with(launch: Launch, config: Config) -> Self {
        let lab = Lab::new(2).unwrap();
        let before = Footprint::of(lab.node(0)).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let master = launched(launch, &lab, &config);
        let other = Config { priority: 90, ..config.clone() };
        lab.wait_for_answerer(&capture, VIP, 0, SETTLING).unwrap();
        let backup = Router::start(lab.node(1), Daemon::Xvrrp, &other.to_string()).unwrap();
        backup.wait_for_state(backup.started(), Config::INSTANCE, "BACKUP", SETTLING).unwrap();
        let has_address = || Ok(lab.node(0).addresses()?.contains(&VIP.into()));
        wait_until("the address", SETTLING, has_address).unwrap();
        Self { master, backup, capture, config, before, launch, lab }
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    /// Does something to the master, after which it serves on: the backup notices nothing, and no
    /// ping is lost.
    fn survives(&mut self, harm: impl FnOnce(&mut Self)) {
        self.serves_during(harm);
        assert_eq!(self.lab.answerers(&self.capture, VIP).unwrap(), [0]);
    }

    fn serves_during(&mut self, harm: impl FnOnce(&mut Self)) {
        let pings = Pings::start(self.lab.client(), VIP, PINGING).unwrap();
        let start = SystemTime::now();
        self.capture.wait_for(start, Duration::from_millis(200), |_| false);
        harm(self);
        // A lease more: whoever has not noticed by then never will.
        let end = SystemTime::now();
        self.capture.wait_for(end, self.config.advert_int * 4, |_| false);
        assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new(), "pings were lost");
        assert_eq!(self.backup.last_state(Config::INSTANCE).as_deref(), Some("BACKUP"));
        let spoke = self.capture.seen_since(start);
        assert!(!spoke.iter().any(|seen| seen.is_advert_of(self.lab.node(1))), "the backup spoke");
        assert!(spoke.iter().any(|seen| seen.at >= end && seen.is_advert_of(self.lab.node(0))));
    }

    /// The whole daemon is killed and started again at once, twice.
    fn survives_restarts(&mut self) {
        for _ in 0..2 {
            self.survives(|pair| {
                pair.master.process().kill().unwrap();
                pair.restart();
            });
        }
    }

    /// Starts the master again, and waits until it goes on.
    fn restart(&mut self) {
        self.master = launched(self.launch, &self.lab, &self.config);
        self.master.wait_for_line(RESUMED, SETTLING).unwrap();
    }

    /// The client takes the node for the holder of the address, whatever it hears.
    fn pin_neighbour(&self) {
        let (vip, mac) = (VIP.to_string(), self.node().mac().to_string());
        let entry = ["neigh", "replace", &vip, "lladdr", &mac, "nud", "permanent"];
        self.lab
            .client()
            .namespace()
            .ip(&[&entry[..], &["dev", Node::INTERFACE]].concat())
            .unwrap();
    }

    /// Stops the master; then all is as it was, and what it had in the kernel is gone.
    fn stop(mut self) {
        let objects = BpfObjects::held_in(self.node()).unwrap();
        assert!(!objects.is_empty());
        assert!(self.master.stop().unwrap().success());
        expect_untouched(self.node(), &self.before, &objects);
    }
}

fn launched(launch: Launch, lab: &Lab, config: &Config) -> Router {
    Router::start_by(launch, lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap()
}

fn expect_untouched(node: &Node, before: &Footprint, objects: &BpfObjects) {
    let after = Footprint::of(node).unwrap();
    assert_eq!(before.difference(&after), Vec::<String>::new());
    let freed = || Ok(objects.still_there()?.is_empty());
    wait_until(&format!("the end of {objects:?}"), SETTLING, freed).unwrap();
}

/// Issue 4: a worker that is killed is started again within the lease, adopts what it has left and
/// goes on as master, wherever it lives; after the stop nothing is left.
#[test]
fn a_killed_worker_is_not_missed() {
    for launch in Launch::ALL {
        let mut pair = Pair::start(launch, Duration::from_secs(1));
        for _ in 0..3 {
            pair.survives(|pair| {
                let killed = SystemTime::now();
                kill_process(pair.master.worker().unwrap(), Signal::KILL).unwrap();
                let process = pair.master.process();
                process.wait_for_line(killed, RESUMED, SETTLING).unwrap();
            });
            // Each death is to be the first in a row: the supervisor is another one.
            pair.master.xvrrp(&["handover"]).unwrap();
            pair.restart();
        }
        pair.stop();
    }
}

/// Issue 4: kill -9 of the whole daemon and an immediate restart with adverts each second: no
/// transition at the peer, no lost ping; after the stop nothing is left.
#[test]
fn a_restart_within_the_lease_is_not_noticed() {
    for launch in Launch::ALL {
        let mut pair = Pair::start(launch, Duration::from_secs(1));
        pair.survives_restarts();
        pair.stop();
    }
}

/// Issue 4, keyword `use_vmac`: the same for a virtual MAC, which the interface takes in all the time.
#[test]
fn a_virtual_mac_is_taken_over() {
    let plain = config(100, Duration::from_secs(1));
    let config = Config { extra: "nopreempt\nuse_vmac", ..plain };
    let mut pair = Pair::with(Launch::Nsenter, config);
    pair.survives_restarts();
    pair.stop();
}

/// Issue 4, keyword `no_accept`: what must not be accepted is not, neither after kill -9 nor after the
/// restart; after the stop nothing is left of the firewall.
#[test]
fn a_guard_is_taken_over() {
    let plain = config(100, Duration::from_secs(1));
    let config = Config { extra: "nopreempt\nno_accept", ..plain };
    let mut pair = Pair::with(Launch::Nsenter, config);
    let _server = tcp::Server::start(pair.node(), VIP.into(), PORT).unwrap();
    tcp::connect(pair.lab.client(), (pair.node().address(), PORT).into()).unwrap();
    // It is the guard that refuses: the address is there, and is answered for.
    let refuses = |pair: &Pair| {
        assert_eq!(pair.lab.answerers(&pair.capture, VIP).unwrap(), [0]);
        tcp::connect_within(pair.lab.client(), (VIP, PORT).into(), REFUSAL).is_err()
    };
    assert!(refuses(&pair));
    pair.master.process().kill().unwrap();
    assert!(refuses(&pair), "the guard outlives the daemon");
    pair.restart();
    assert!(refuses(&pair));
    pair.stop();
}

/// Issue 4: `xvrrp handover` ends the daemon without a word, and the next one goes on within the
/// lease: no transition at the peer, no lost ping.
#[test]
fn a_handover_is_not_noticed() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    for _ in 0..3 {
        pair.survives(|pair| {
            pair.master.xvrrp(&["handover"]).unwrap();
            pair.restart();
        });
    }
    pair.stop();
}

/// Issue 4: the same with adverts each 100 ms, to a daemon that waits already: the lease is too short
/// for the start of a process on a busy machine.
#[test]
fn a_handover_to_who_waits_is_not_noticed() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_millis(100));
    for _ in 0..3 {
        pair.survives(|pair| {
            let next = launched(pair.launch, &pair.lab, &pair.config);
            let last = std::mem::replace(&mut pair.master, next);
            last.xvrrp(&["handover"]).unwrap();
            pair.master.wait_for_line(RESUMED, SETTLING).unwrap();
        });
    }
    pair.stop();
}

/// Issue 4, X-12: after kill -9 of the whole daemon the kernel alone fences the host: within the lease it
/// answers, after it neither ARP nor TCP to the address, even from a client that knows no other host;
/// the peer takes over. The next start cleans up.
#[test]
fn a_killed_daemon_leaves_a_fenced_host() {
    for launch in Launch::ALL {
        let mut pair = Pair::start(launch, Duration::from_millis(300));
        pair.pin_neighbour();
        let _server = tcp::Server::start(pair.node(), VIP.into(), PORT).unwrap();
        let connects = |pair: &Pair| {
            tcp::connect_within(pair.lab.client(), (VIP, PORT).into(), REFUSAL).is_ok()
        };
        assert!(connects(&pair), "the master serves");
        let objects = BpfObjects::held_in(pair.node()).unwrap();
        pair.master.process().kill().unwrap();
        let killed = SystemTime::now();
        assert_eq!(pair.lab.answerers(&pair.capture, VIP).unwrap(), [0], "the lease holds");

        let is_heir = |seen: &Seen| seen.is_advert_of(pair.lab.node(1));
        pair.capture.expect("the takeover", killed, SETTLING, is_heir).unwrap();
        pair.lab.wait_for_answerer(&pair.capture, VIP, 1, SETTLING).unwrap();
        assert!(!connects(&pair), "{launch:?}: a dead daemon's host still serves the address");
        let has_address = pair.node().addresses().unwrap().contains(&VIP.into());
        assert!(has_address, "nobody was there to remove it");

        // It has a peer that it does not preempt.
        pair.master = launched(launch, &pair.lab, &pair.config);
        pair.master
            .wait_for_state(pair.master.started(), Config::INSTANCE, "BACKUP", SETTLING)
            .unwrap();
        let removed = || Ok(!pair.node().addresses()?.contains(&IpAddr::from(VIP)));
        wait_until("the removal of the address", SETTLING, removed).unwrap();
        assert_eq!(pair.lab.answerers(&pair.capture, VIP).unwrap(), [1]);
        let (node, before) = (pair.node().clone(), pair.before.clone());
        // The lab must outlive the comparison.
        let Pair { mut master, lab: _lab, .. } = pair;
        assert!(master.stop().unwrap().success());
        expect_untouched(&node, &before, &objects);
    }
}

/// Issue 4, keyword `xdp_orphan`: with `serve-until-peer` a host without a daemon answers until another
/// router advertises, however low its priority; without one, the next daemon goes on where the last
/// one was.
#[test]
fn an_orphan_serves_until_a_peer_is_heard() {
    let extra = "nopreempt\n    xdp_orphan serve-until-peer";
    let config = Config { extra, ..config(100, Duration::from_millis(200)) };
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let mut master = launched(Launch::Nsenter, &lab, &config);
    lab.wait_for_answerer(&capture, VIP, 0, SETTLING).unwrap();
    let has_address = || Ok(lab.node(0).addresses()?.contains(&VIP.into()));
    wait_until("the address", SETTLING, has_address).unwrap();
    // Its lease has lapsed twice when it is asked.
    let kill = |master: &mut Router| {
        master.process().kill().unwrap();
        capture.wait_for(SystemTime::now(), config.advert_int * 6, |_| false);
        assert_eq!(lab.answerers(&capture, VIP).unwrap(), [0], "nobody else is there");
    };
    kill(&mut master);
    master = launched(Launch::Nsenter, &lab, &config);
    master.wait_for_line(RESUMED, SETTLING).unwrap();
    kill(&mut master);

    let peer = Config { priority: 1, ..config.clone() };
    let _peer = Router::start(lab.node(1), Daemon::Xvrrp, &peer.to_string()).unwrap();
    lab.wait_for_answerer(&capture, VIP, 1, SETTLING).unwrap();
    assert!(has_address().unwrap(), "nobody was there to remove it");
}

/// Issue 4: an address that was on the host before the daemon answers as before when that is killed.
#[test]
fn an_address_that_was_there_before_is_not_fenced() {
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let own = format!("{VIP}/32");
    lab.node(0).run(&["ip", "addr", "add", &own, "dev", Node::INTERFACE]).unwrap();
    let config = config(100, Duration::from_millis(200));
    let mut router = launched(Launch::Nsenter, &lab, &config);
    router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
    let _server = tcp::Server::start(lab.node(0), VIP.into(), PORT).unwrap();
    router.process().kill().unwrap();
    capture.wait_for(SystemTime::now(), config.advert_int * 4, |_| false);
    assert_eq!(lab.answerers(&capture, VIP).unwrap(), [0]);
    tcp::connect(lab.client(), (VIP, PORT).into()).unwrap();
}

/// Issue 4, issue 6: a configuration that has more virtual routers, before those that were there, is served
/// with the maps that are there. One that has fewer does not fit what is there: all is replaced, and
/// the lease goes on nevertheless.
#[test]
fn another_configuration_takes_the_lease_over() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    let old = BpfObjects::held_in(pair.node()).unwrap();
    let other = format!(
        "vrrp_instance OTHER {{\ninterface {}\nvirtual_router_id 7\nvirtual_ipaddress {{\n{}\n}}\n}}\n",
        Node::INTERFACE,
        Lab::address(130)
    );
    pair.survives(|pair| {
        pair.master.process().kill().unwrap();
        let both = other.clone() + &pair.config.to_string();
        pair.master = Router::start(pair.lab.node(0), Daemon::Xvrrp, &both).unwrap();
        pair.master.wait_for_line(RESUMED, SETTLING).unwrap();
    });
    let new = BpfObjects::held_in(pair.node()).unwrap();
    assert_eq!(new.map("SLOTS").unwrap(), old.map("SLOTS").unwrap(), "it is used on");
    pair.survives(|pair| {
        pair.master.process().kill().unwrap();
        pair.restart();
    });
    let freed = || Ok(new.still_there()?.is_empty());
    wait_until("the end of the old programs and maps", SETTLING, freed).unwrap();
    pair.stop();
}

/// Issue 4, keyword `xdp_mode`: in each mode the next daemon goes on with the maps that are there and
/// replaces the program by its own; in another mode, too, and then the program is nowhere else.
#[test]
fn each_mode_is_taken_over() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    for (mode, extra) in [
        ("tcx", "nopreempt\nxdp_mode tcx"),
        ("generic", "nopreempt\nxdp_mode generic"),
        ("generic", "nopreempt\nxdp_mode generic"),
        ("native", "nopreempt\nxdp_mode native"),
        ("native", "nopreempt\nxdp_mode native"),
        ("tcx", "nopreempt\nxdp_mode tcx"),
    ] {
        let old = BpfObjects::held_in(pair.node()).unwrap();
        pair.config.extra = extra;
        // On veth the answers of a native program are lost where the other end has no NAPI.
        pair.serves_during(|pair| {
            pair.master.process().kill().unwrap();
            pair.restart();
        });
        assert_eq!(pair.master.status().unwrap()[0].xdp_mode, mode);
        let replaced = || Ok(old.programs().still_there()?.is_empty());
        wait_until("the replacement of the programs", SETTLING, replaced).unwrap();
        let new = BpfObjects::held_in(pair.node()).unwrap();
        for map in ["SLOTS", "ADDRESSES", "COUNTERS"] {
            assert_eq!(new.map(map).unwrap(), old.map(map).unwrap(), "{map} is used on");
        }
        let links = pair.node().run(&["ip", "-j", "link", "show", Node::INTERFACE]).unwrap();
        assert_eq!(links.contains("\"xdp\""), mode != "tcx", "{mode}: {links}");
    }
    pair.stop();
}

/// Issue 4: what a daemon with another layout of the maps has left is not read, only replaced: the next
/// one starts as backup and removes the address.
#[test]
fn another_version_is_replaced() {
    const ABI_VERSION: u32 = 0;
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    let old = BpfObjects::held_in(pair.node()).unwrap();
    pair.master.process().kill().unwrap();
    old.write("SETTINGS", ABI_VERSION, 1).unwrap();
    pair.master = launched(Launch::Nsenter, &pair.lab, &pair.config);
    let started = pair.master.started();
    pair.master.wait_for_state(started, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
    assert!(!pair.node().addresses().unwrap().contains(&VIP.into()));
    let freed = || Ok(old.still_there()?.is_empty());
    wait_until("the end of the old programs and maps", SETTLING, freed).unwrap();
    pair.stop();
}

/// Issue 4: with another address the next daemon is another virtual router: it starts as backup, although
/// the lease still holds, and removes the old address. The tables of the old program, which are full,
/// take the new one.
#[test]
fn another_address_is_not_resumed() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    pair.master.process().kill().unwrap();
    let vip = Lab::address(130);
    let other = Config { vip: vip.into(), ..pair.config.clone() };
    pair.master = launched(Launch::Nsenter, &pair.lab, &other);
    let started = pair.master.started();
    pair.master.wait_for_state(started, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
    let addresses = pair.node().addresses().unwrap();
    assert!(!addresses.contains(&VIP.into()) && !addresses.contains(&vip.into()));
    pair.backup.stop().unwrap();
    pair.lab.wait_for_answerer(&pair.capture, vip, 0, SETTLING).unwrap();
    assert!(pair.master.status().unwrap()[0].counter("arp_answered") > 0, "the program answers");
    assert!(pair.lab.answerers(&pair.capture, VIP).unwrap().is_empty());
    pair.stop();
}

/// Issue 4: `xvrrp detach` removes what a killed daemon has left, without a daemon; while there is one
/// it refuses, and what is another daemon's it does not touch.
#[test]
fn detach_removes_what_a_killed_daemon_left() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    let objects = BpfObjects::held_in(pair.node()).unwrap();
    let refusal = pair.master.xvrrp(&["detach"]).unwrap_err();
    assert!(format!("{refusal:#}").contains("another xvrrp"), "{refusal:#}");
    let elsewhere = pair.lab.dir().join("elsewhere").display().to_string();
    let program = Daemon::Xvrrp.program().unwrap().display().to_string();
    pair.node().run(&[&program, "detach", "--runtime-dir", &elsewhere]).unwrap();
    assert_eq!(pair.lab.answerers(&pair.capture, VIP).unwrap(), [0]);

    pair.master.process().kill().unwrap();
    assert!(!objects.still_there().unwrap().is_empty(), "the program outlives its daemon");
    pair.master.xvrrp(&["detach", "lo"]).unwrap();
    assert!(!objects.still_there().unwrap().is_empty(), "nothing of it is on lo");
    pair.master.xvrrp(&["detach", Node::INTERFACE]).unwrap();
    pair.master.xvrrp(&["detach"]).unwrap();
    expect_untouched(pair.node(), &pair.before, &objects);
}

/// Issue 4: a worker that dies again and again is given up in the end: the supervisor removes what it
/// left and fails.
#[test]
fn a_supervisor_that_cannot_help_cleans_up() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    let objects = BpfObjects::held_in(pair.node()).unwrap();
    // As soon as there is one it dies.
    let ended = |pair: &mut Pair| {
        if let Ok(worker) = pair.master.worker() {
            // It may have ended already.
            let _ = kill_process(worker, Signal::KILL);
        }
        Ok(pair.master.process().exit_status().is_some())
    };
    wait_until("the end of the supervisor", SETTLING, || ended(&mut pair)).unwrap();
    assert!(!pair.master.process().exit_status().unwrap().success());
    pair.master.wait_for_line("the daemon died 5 times in a row", SETTLING).unwrap();
    expect_untouched(pair.node(), &pair.before, &objects);
}

/// Issue 4: where the kernel keeps no lease, a handover resigns.
#[test]
fn without_a_program_a_handover_resigns() {
    let advert_int = Duration::from_millis(500);
    let config = Config { extra: "xdp_mode none", ..config(100, advert_int) };
    let lab = Lab::new(1).unwrap();
    let before = Footprint::of(lab.node(0)).unwrap();
    let mut router = launched(Launch::Nsenter, &lab, &config);
    let has_address = || Ok(lab.node(0).addresses()?.contains(&IpAddr::from(VIP)));
    wait_until("the address", SETTLING, has_address).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let asked = SystemTime::now();
    router.xvrrp(&["handover"]).unwrap();
    assert!(router.process().wait_exit(SETTLING).unwrap().success());
    let resigns = |seen: &Seen| {
        seen.is_advert_of(lab.node(0)) && matches!(seen.what, What::Advert { priority: 0, .. })
    };
    capture.expect("the resignation", asked, SETTLING, resigns).unwrap();
    assert!(!has_address().unwrap());
    // What is no address is left for the next daemon, or for this.
    router.xvrrp(&["detach"]).unwrap();
    let after = Footprint::of(lab.node(0)).unwrap();
    assert_eq!(before.difference(&after), Vec::<String>::new());
}

/// Issue 4: kill -9 of the supervisor alone does not end the service: the worker goes on, says so, and
/// stops when it is told to.
#[test]
fn a_worker_goes_on_without_its_supervisor() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_millis(500));
    let objects = BpfObjects::held_in(pair.node()).unwrap();
    pair.survives(|pair| {
        pair.master.process().signal(Signal::KILL).unwrap();
        pair.master.wait_for_line("the supervisor has died", SETTLING).unwrap();
    });
    pair.master.xvrrp(&["stop"]).unwrap();
    expect_untouched(pair.node(), &pair.before, &objects);
}

/// Issue 4: a daemon that is told to end while its pulse hangs ends all the same, is not started again,
/// leaves nothing behind, and says that it went badly: its exit status and whoever told it do.
#[test]
fn a_pulse_that_hangs_does_not_undo_the_end() {
    for command in ["stop", "handover"] {
        let mut pair = Pair::start(Launch::Nsenter, Duration::from_millis(300));
        let objects = BpfObjects::held_in(pair.node()).unwrap();
        let hung = rig::Hung::stop(pair.master.pulse_thread().unwrap()).unwrap();
        let told = pair.master.xvrrp(&[command]).unwrap_err();
        assert!(format!("{told:#}").contains("not in good order"), "{told:#}");
        drop(hung);
        let status = pair.master.process().wait_exit(SETTLING).unwrap();
        assert_eq!(status.code(), Some(1), "{command}");
        let log = pair.master.log();
        assert!(!log.iter().any(|line| line.contains("starting it again")), "{log:?}");
        expect_untouched(pair.node(), &pair.before, &objects);
    }
}

/// Issue 4, keyword `vrrp_startup_delay`: a daemon that finds a lease, which ends before the daemon can go
/// on with it, does not keep the addresses while it waits.
#[test]
fn a_lease_that_ends_during_the_start_is_given_up() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_millis(500));
    let is_there = |pair: &Pair| pair.node().addresses().unwrap().contains(&IpAddr::from(VIP));
    let delayed = format!("global_defs {{\nvrrp_startup_delay 60\n}}\n{}", pair.config);
    pair.master.process().kill().unwrap();
    pair.master = Router::start(pair.lab.node(0), Daemon::Xvrrp, &delayed).unwrap();
    pair.master.wait_for_line("leases of the last daemon still hold", SETTLING).unwrap();
    let worker = pair.master.worker().unwrap();
    kill_process(worker, Signal::STOP).unwrap();
    assert!(is_there(&pair), "nobody has removed it yet");
    pair.backup
        .wait_for_state(pair.backup.started(), Config::INSTANCE, "MASTER", SETTLING)
        .unwrap();
    kill_process(worker, Signal::CONT).unwrap();
    wait_until("the removal of the address", SETTLING, || Ok(!is_there(&pair))).unwrap();
    let log = pair.master.log();
    assert!(!log.iter().any(|line| line.contains(RESUMED)), "it went on before it was stopped");
    pair.stop();
}

/// Issue 4: a worker that dies twice in a row is not missed either, since the lease outlives the pause
/// before the next one.
#[test]
fn a_second_death_in_a_row_is_not_missed() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    pair.survives(|pair| {
        for _ in 0..2 {
            let killed = SystemTime::now();
            kill_process(pair.master.worker().unwrap(), Signal::KILL).unwrap();
            pair.master.process().wait_for_line(killed, RESUMED, SETTLING).unwrap();
        }
        pair.master.wait_for_line("died again", SETTLING).unwrap();
    });
    pair.stop();
}

/// Issue 4: a supervisor that is killed while its worker starts has died all the same: the worker says so.
#[test]
fn a_worker_that_starts_without_its_supervisor() {
    let lab = Lab::new(1).unwrap();
    let before = Footprint::of(lab.node(0)).unwrap();
    let config = config(100, Duration::from_millis(200));
    let mut router = launched(Launch::Nsenter, &lab, &config);
    // Before it has read its configuration.
    wait_until("a worker", SETTLING, || Ok(router.worker().is_ok())).unwrap();
    // A SIGSTOP would end with the supervisor.
    let hung = rig::Hung::stop(router.worker().unwrap()).unwrap();
    router.process().signal(Signal::KILL).unwrap();
    router.process().wait_exit(SETTLING).unwrap();
    assert!(!router.log().iter().any(|line| line.contains("STATE")), "it has not begun");
    drop(hung);
    router.wait_for_line("the supervisor has died", SETTLING).unwrap();
    router.xvrrp(&["stop"]).unwrap();
    let after = Footprint::of(lab.node(0)).unwrap();
    assert_eq!(before.difference(&after), Vec::<String>::new());
}

/// Issue 4: a second daemon whose runtime directory is another one under the same path is refused while
/// the first lives, its worker alone included: it would take the first one's programs for its heritage.
#[test]
fn a_path_is_one_daemons_although_its_directory_is_not() {
    let mut pair = Pair::start(Launch::Nsenter, Duration::from_secs(1));
    let lock = pair.master.dir().join("lock");
    std::fs::remove_file(&lock).unwrap();
    let refuses = |pair: &Pair| {
        let refusal = pair.master.xvrrp(&["detach"]).unwrap_err();
        assert!(format!("{refusal:#}").contains("another xvrrp"), "{refusal:#}");
    };
    pair.survives(|pair| {
        refuses(pair);
        pair.master.process().signal(Signal::KILL).unwrap();
        pair.master.wait_for_line("the supervisor has died", SETTLING).unwrap();
        refuses(pair);
    });
    pair.master.xvrrp(&["stop"]).unwrap();
    pair.master.xvrrp(&["detach"]).unwrap();
}
