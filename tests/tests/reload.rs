//! `xvrrp reload` and SIGHUP: what differs is changed, what does not is not disturbed, and a file with
//! errors changes nothing.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::symlink,
    time::{Duration, SystemTime},
};

use rig::{
    BpfObjects, Capture, Daemon, Footprint, Lab, Node, Pings, Router, Signal, wait_until,
    wire::What,
};
use rustix::process::{Pid, kill_process};

const SETTLING: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(100);
const PINGING: Duration = Duration::from_millis(1);

/// A `vrrp_instance`.
#[derive(Clone)]
struct Instance {
    name: String,
    interface: &'static str,
    vrid: u8,
    priority: u8,
    interval: Duration,
    addresses: Vec<Ipv4Addr>,
    extra: &'static str,
}

impl Instance {
    fn new(vrid: u8, addresses: &[Ipv4Addr]) -> Self {
        Self {
            name: format!("V{vrid}"),
            interface: Node::INTERFACE,
            vrid,
            priority: 100,
            interval: INTERVAL,
            addresses: addresses.to_vec(),
            extra: "",
        }
    }

    fn of_priority(&self, priority: u8) -> Self {
        Self { priority, ..self.clone() }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vrrp_instance {} {{", self.name)?;
        writeln!(f, "    version 3\n    interface {}", self.interface)?;
        writeln!(f, "    virtual_router_id {}\n    priority {}", self.vrid, self.priority)?;
        writeln!(f, "    advert_int {}\n    {}", self.interval.as_secs_f64(), self.extra)?;
        writeln!(f, "    virtual_ipaddress {{")?;
        for address in &self.addresses {
            writeln!(f, "        {address}")?;
        }
        writeln!(f, "    }}\n}}")
    }
}

fn config(instances: &[Instance]) -> String {
    instances.iter().map(ToString::to_string).collect()
}

fn start(node: &Node, instances: &[Instance]) -> Router {
    Router::start(node, Daemon::Xvrrp, &config(instances)).unwrap()
}

/// Waits until all virtual routers of the node are in this state, with their addresses.
fn wait_for_all(router: &Router, state: &str) {
    let are = || {
        // At the start nobody answers.
        let Ok(status) = router.status() else { return Ok(false) };
        Ok(!status.is_empty() && status.iter().all(|row| row.state == state))
    };
    wait_until(&format!("all {state}"), SETTLING, are).unwrap();
}

fn wait_for_addresses(node: &Node, addresses: &[Ipv4Addr]) {
    let has_all = || {
        let there = node.addresses()?;
        Ok(addresses.iter().all(|address| there.contains(&IpAddr::from(*address))))
    };
    wait_until("the addresses", SETTLING, has_all).unwrap();
}

/// How often any virtual router has changed its state, by the log.
fn transitions(router: &Router) -> usize {
    router.log().iter().filter(|line| line.contains(") Entering ")).count()
}

/// The longest time between two adverts of each virtual router of a node, since then.
fn longest_gaps(capture: &Capture, node: &Node, since: SystemTime) -> BTreeMap<u8, Duration> {
    let mut last = BTreeMap::new();
    let mut gaps = BTreeMap::new();
    for (at, advert) in capture.adverts_of(node, since).unwrap() {
        if let Some(before) = last.insert(advert.vrid, at) {
            let gap = at.duration_since(before).unwrap_or_default();
            let longest: &mut Duration = gaps.entry(advert.vrid).or_default();
            *longest = gap.max(*longest);
        }
    }
    gaps
}

/// Kilobytes of memory of a process, and number of its descriptors while nobody talks to it.
fn resources(pid: Pid) -> (u64, usize) {
    let pid = pid.as_raw_nonzero();
    let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    // Clients go when they have their answer, which is seen a little later.
    let fewest = (0..20).map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        descriptors()
    });
    let fewest = fewest.min().unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.trim().trim_end_matches(" kB").trim().parse().unwrap();
    (resident, fewest)
}

/// Issue 6, pain 5: 255 virtual routers at 100 ms whose configuration is read again each second with
/// something else in one of them: no advert is late by more than a tenth of the interval, nobody changes
/// state, and in the end memory, descriptors and interfaces are as they were.
#[test]
fn under_load() {
    const RELOADS: usize = 10;
    const ALLOWED: Duration = Duration::from_millis(110);
    const GROWTH: u64 = 1024;
    let lab = Lab::new(2).unwrap();
    let all: Vec<_> =
        (1..=255).map(|vrid| Instance::new(vrid, &[[198, 18, 0, vrid].into()])).collect();
    let mut router = start(lab.node(0), &all);
    wait_for_all(&router, "MASTER");
    let lower: Vec<_> = all.iter().map(|instance| instance.of_priority(50)).collect();
    let peer = start(lab.node(1), &lower);
    wait_for_all(&peer, "BACKUP");
    let changed = |number: usize| {
        let mut changed = all.clone();
        let one = &mut changed[number * 17];
        match number % 3 {
            0 => one.priority = 101,
            1 => one.addresses.push([198, 18, 1, one.vrid].into()),
            _ => one.extra = "garp_master_refresh 60",
        }
        config(&changed)
    };
    let reload = |text: &str| {
        let said = router.reload(text).unwrap();
        assert!(said.contains(" added, 0 removed, "), "{said}");
    };
    // What is allocated once is.
    for number in [0, 1, 2] {
        reload(&changed(number));
    }
    reload(&config(&all));
    let capture = Capture::start(lab.client()).unwrap();
    let worker = router.worker().unwrap();
    let before = (transitions(&router), transitions(&peer));
    let (memory, descriptors) = resources(worker);
    let footprint = Footprint::of(lab.node(0)).unwrap();
    let start = SystemTime::now();
    for number in 0..RELOADS {
        reload(&changed(number));
        capture.wait_for(SystemTime::now(), Duration::from_secs(1), |_| false);
    }
    reload(&config(&all));
    capture.wait_for(SystemTime::now(), INTERVAL * 5, |_| false);

    let gaps = longest_gaps(&capture, lab.node(0), start);
    assert_eq!(gaps.len(), 255);
    let late: Vec<_> = gaps.iter().filter(|(_, gap)| **gap > ALLOWED).collect();
    assert!(late.is_empty(), "gaps by VRID: {late:?}");
    assert_eq!((transitions(&router), transitions(&peer)), before, "somebody changed state");
    assert_eq!(footprint.difference(&Footprint::of(lab.node(0)).unwrap()), Vec::<String>::new());
    assert_eq!(router.worker().unwrap(), worker);
    let (grown, now) = resources(worker);
    println!("longest gap {:?}; {memory} kB, then {grown} kB", gaps.values().max().unwrap());
    assert_eq!(now, descriptors);
    assert!(grown <= memory + GROWTH, "{memory} kB, then {grown} kB");
    assert!(router.stop().unwrap().success());
}

/// R-5.2.9-01, issue 6, pain 5: an address moves from one virtual router to another in one reload, is
/// answered for all the time, and not one ping is lost; adverts list what there is in the order of the
/// file.
#[test]
fn an_address_changes_hands() {
    let [first, moving, second] = [129, 130, 131].map(Lab::address);
    let lab = Lab::new(1).unwrap();
    let [from, to] = [(51, [first, moving]), (52, [second, moving])]
        .map(|(vrid, addresses)| Instance::new(vrid, &addresses));
    let without = |instance: &Instance| Instance {
        addresses: vec![instance.addresses[0]],
        ..instance.clone()
    };
    let router = start(lab.node(0), &[from.clone(), without(&to)]);
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &[first, moving, second]);
    let pings = Pings::start(lab.client(), moving, PINGING).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let lists = |since| {
        let adverts = capture.adverts_of(lab.node(0), since).unwrap().into_iter();
        adverts.map(|(_, advert)| (advert.vrid, advert.addresses)).collect::<BTreeMap<_, _>>()
    };
    for _ in 0..5 {
        for (one, other) in [(without(&from), to.clone()), (from.clone(), without(&to))] {
            let said = router.reload(&config(&[one.clone(), other.clone()])).unwrap();
            assert!(said.contains("0 added, 0 removed, 2 changed, 0 unchanged"), "{said}");
            let since = SystemTime::now();
            capture.wait_for(since, INTERVAL * 3, |_| false);
            let expected = [one, other].map(|instance| {
                let addresses = instance.addresses.iter().map(|address| (*address).into());
                (instance.vrid, addresses.collect::<Vec<IpAddr>>())
            });
            assert_eq!(lists(since), BTreeMap::from(expected));
        }
    }
    assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());
    assert_eq!(transitions(&router), 4, "each once BACKUP and once MASTER");
}

/// Issue 6, pain 5: a virtual router comes, goes, and gets another name in a reload; what it had is
/// gone, and the others notice nothing.
#[test]
fn coming_and_going() {
    let [first, second] = [129, 130].map(Lab::address);
    let lab = Lab::new(1).unwrap();
    let before = Footprint::of(lab.node(0)).unwrap();
    let [one, two] =
        [(51, first), (52, second)].map(|(vrid, address)| Instance::new(vrid, &[address]));
    let mut router = start(lab.node(0), std::slice::from_ref(&one));
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &[first]);
    let alone = Footprint::of(lab.node(0)).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let pings = Pings::start(lab.client(), first, PINGING).unwrap();
    for _ in 0..3 {
        let said = router.reload(&config(&[two.clone(), one.clone()])).unwrap();
        assert!(said.contains("added: V52\n1 added, 0 removed, 0 changed, 1 unchanged"), "{said}");
        lab.wait_for_answerer(&capture, second, 0, SETTLING).unwrap();
        wait_for_addresses(lab.node(0), &[second]);
        let names: Vec<_> = router.status().unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["V52", "V51"], "in the order of the file");

        let since = SystemTime::now();
        let said = router.reload(&config(std::slice::from_ref(&one))).unwrap();
        assert!(said.contains("removed: V52\n0 added, 1 removed"), "{said}");
        let resigns =
            |seen: &rig::Seen| matches!(seen.what, What::Advert { vrid: 52, priority: 0, .. });
        capture.expect("the resignation", since, SETTLING, resigns).unwrap();
        assert_eq!(lab.answerers(&capture, second).unwrap(), Vec::<usize>::new());
        assert_eq!(alone.difference(&Footprint::of(lab.node(0)).unwrap()), Vec::<String>::new());
    }
    let renamed = Instance { name: "NEW".to_owned(), ..one };
    let said = router.reload(&config(&[renamed])).unwrap();
    assert!(said.contains("changed: NEW (was V51)"), "{said}");
    let status = router.status().unwrap();
    assert_eq!((status[0].name.as_str(), status[0].state.as_str()), ("NEW", "MASTER"));
    assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());
    let of_first = |line: &&String| line.contains("(V51) Entering ") || line.contains("(NEW) Ent");
    assert_eq!(router.log().iter().filter(of_first).count(), 2, "BACKUP and MASTER at the start");
    assert!(router.stop().unwrap().success());
    assert_eq!(before.difference(&Footprint::of(lab.node(0)).unwrap()), Vec::<String>::new());
}

/// Issue 6: a priority that is lowered lets a better peer take over, one that is raised again takes the
/// addresses back, and with `nopreempt` it does not.
#[test]
fn priorities() {
    let address = Lab::address(129);
    let lab = Lab::new(2).unwrap();
    let own = Instance::new(51, &[address]);
    let router = start(lab.node(0), std::slice::from_ref(&own));
    wait_for_all(&router, "MASTER");
    let peer = start(lab.node(1), &[own.of_priority(90)]);
    wait_for_all(&peer, "BACKUP");
    router.reload(&config(&[own.of_priority(80)])).unwrap();
    wait_for_all(&peer, "MASTER");
    wait_for_all(&router, "BACKUP");
    router.reload(&config(std::slice::from_ref(&own))).unwrap();
    wait_for_all(&router, "MASTER");
    router.reload(&config(&[own.of_priority(80)])).unwrap();
    wait_for_all(&peer, "MASTER");
    let stays = Instance { extra: "nopreempt", ..own };
    let since = SystemTime::now();
    router.reload(&config(&[stays])).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let takes_over = |seen: &rig::Seen| seen.is_advert_of(lab.node(0));
    assert!(capture.wait_for(since, INTERVAL * 20, takes_over).is_none());
    wait_for_all(&router, "BACKUP");
}

/// Issue 6, pain 5: an interval that is changed is in force at once, and the peer does not take over
/// meanwhile, whether adverts come more often or less.
#[test]
fn intervals() {
    let lab = Lab::new(2).unwrap();
    let slow = Instance { interval: INTERVAL * 10, ..Instance::new(51, &[Lab::address(129)]) };
    let fast = Instance { interval: INTERVAL, ..slow.clone() };
    let router = start(lab.node(0), std::slice::from_ref(&slow));
    wait_for_all(&router, "MASTER");
    let peer = start(lab.node(1), &[slow.of_priority(90)]);
    wait_for_all(&peer, "BACKUP");
    // The log comes a little later than the answer.
    peer.wait_for_state(peer.started(), "V51", "BACKUP", SETTLING).unwrap();
    let before = transitions(&peer);
    let capture = Capture::start(lab.client()).unwrap();
    for _ in 0..3 {
        for instance in [&fast, &slow] {
            router.reload(&config(std::slice::from_ref(instance))).unwrap();
            let since = SystemTime::now();
            let until = since + slow.interval * 2;
            capture.wait_for(since, slow.interval * 2, |_| false);
            let mut adverts = capture.adverts_of(lab.node(0), since).unwrap();
            adverts.retain(|(at, _)| *at < until);
            let intervals: BTreeSet<_> = adverts.iter().map(|(_, one)| one.interval).collect();
            assert_eq!(intervals, BTreeSet::from([instance.interval]));
            let expected = if instance.interval == fast.interval { 15..=21 } else { 1..=3 };
            assert!(expected.contains(&adverts.len()), "{} adverts", adverts.len());
        }
    }
    assert_eq!(transitions(&peer), before);
}

/// Issue 6, pain 5: a file with an error changes nothing: `xvrrp reload` says where it is and fails, and
/// after SIGHUP the log says so. So it is with a file that has no virtual router, and with none.
#[test]
fn a_file_with_an_error() {
    let lab = Lab::new(1).unwrap();
    let own = Instance::new(51, &[Lab::address(129)]);
    let mut router = start(lab.node(0), std::slice::from_ref(&own));
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &own.addresses);
    let before = Footprint::of(lab.node(0)).unwrap();
    let wrong =
        config(&[own.of_priority(90)]) + "vrrp_instance V52 {\n  virtual_router_id 999\n}\n";
    let error = router.reload(&wrong).unwrap_err().to_string();
    assert!(error.contains(".conf:12:"), "where it is: {error}");
    let since = SystemTime::now();
    router.process().signal(Signal::HUP).unwrap();
    router.process().wait_for_line(since, "the running configuration stays", SETTLING).unwrap();
    let error = router.reload("global_defs {\n}\n").unwrap_err().to_string();
    assert!(error.contains("no virtual router"), "{error}");
    fs::remove_file(router.dir().with_extension("conf")).unwrap();
    assert!(router.xvrrp(&["reload"]).is_err());

    let capture = Capture::start(lab.client()).unwrap();
    let since = SystemTime::now();
    capture.wait_for(since, INTERVAL * 3, |_| false);
    let adverts = capture.adverts_of(lab.node(0), since).unwrap();
    assert!(!adverts.is_empty() && adverts.iter().all(|(_, advert)| advert.priority == 100));
    assert_eq!(before.difference(&Footprint::of(lab.node(0)).unwrap()), Vec::<String>::new());
    assert_eq!(transitions(&router), 2);

    // SIGHUP to either process, with a file that is right.
    for priority in [101, 102] {
        router.write_config(&config(&[own.of_priority(priority)])).unwrap();
        let since = SystemTime::now();
        if priority == 101 {
            router.process().signal(Signal::HUP).unwrap();
        } else {
            kill_process(router.worker().unwrap(), Signal::HUP).unwrap();
        }
        router.process().wait_for_line(since, "configuration reloaded", SETTLING).unwrap();
        let says = |seen: &rig::Seen| matches!(seen.what, What::Advert { priority: sent, .. } if sent == priority);
        capture.expect("the new priority", since, SETTLING, says).unwrap();
    }
}

/// Keywords `reload_file` and `reload_check_config`: one file is there while the configuration is read, the
/// other says afterwards what was wrong with it.
#[test]
fn files_around_a_reload() {
    let lab = Lab::new(1).unwrap();
    let own = Instance::new(51, &[Lab::address(129)]);
    let [reading, errors] = ["reading", "errors"].map(|name| lab.dir().join(name));
    let text = format!(
        "global_defs {{\nreload_file {}\nreload_check_config {}\n}}\n{own}",
        reading.display(),
        errors.display()
    );
    let mut router = Router::start(lab.node(0), Daemon::Xvrrp, &text).unwrap();
    wait_for_all(&router, "MASTER");
    // It is written where this link leads, and the link is what is removed.
    let written = lab.dir().join("written");
    fs::write(&written, "of the last reload").unwrap();
    symlink(&written, &reading).unwrap();
    router.reload(&text).unwrap();
    assert!(!reading.is_symlink() && !errors.exists());
    assert_eq!(fs::read_to_string(&written).unwrap(), "");
    let wrong = text + "vrrp_instance V52 {\n  virtual_router_id 999\n}\n";
    router.write_config(&wrong).unwrap();
    let since = SystemTime::now();
    router.process().signal(Signal::HUP).unwrap();
    router.process().wait_for_line(since, "the running configuration stays", SETTLING).unwrap();
    let is_noted = || Ok(fs::read_to_string(&errors).is_ok_and(|text| text.contains(".conf:17:")));
    wait_until("the errors", SETTLING, is_noted).unwrap();
    assert!(!reading.exists());
}

/// Issue 6: an interface that the file does not speak of any more is as it was before: without program,
/// groups and addresses; and one that it begins to speak of is in use at once.
#[test]
fn interfaces_come_and_go() {
    const OTHER: &str = "other0";
    const END: &str = "end0";
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let (pair, address) = (["type", "veth", "peer", "name", END], "203.0.113.1/24");
    node.run(&[&["ip", "link", "add", OTHER][..], &pair].concat()).unwrap();
    node.run(&["ip", "addr", "add", address, "dev", OTHER]).unwrap();
    for end in [OTHER, END] {
        node.run(&["ip", "link", "set", end, "up"]).unwrap();
    }
    let own = Instance::new(51, &[Lab::address(129)]);
    let other: Ipv4Addr = [203, 0, 113, 9].into();
    let extra = "xdp_mode generic";
    let second = Instance { interface: OTHER, extra, ..Instance::new(52, &[other]) };
    let router = start(node, std::slice::from_ref(&own));
    wait_for_all(&router, "MASTER");
    wait_for_addresses(node, &own.addresses);
    let seen = || {
        let shown = |argv: &[&str]| node.run(&[argv, &["show", "dev", OTHER]].concat()).unwrap();
        (shown(&["ip", "-j", "link"]).contains("\"xdp\""), shown(&["ip", "-j", "maddr"]))
    };
    let addresses = || node.run(&["ip", "-j", "addr", "show", "dev", OTHER]).unwrap();
    let before = seen();
    let objects = BpfObjects::held_in(node).unwrap();
    for _ in 0..3 {
        router.reload(&config(&[own.clone(), second.clone()])).unwrap();
        wait_for_all(&router, "MASTER");
        let has_address = || Ok(addresses().contains("203.0.113.9"));
        wait_until("the address", SETTLING, has_address).unwrap();
        assert!(seen().0 && seen().1 != before.1);
        router.reload(&config(std::slice::from_ref(&own))).unwrap();
        assert!(!addresses().contains("203.0.113.9"));
        let is_as_before = || Ok(seen() == before);
        wait_until("an interface as it was", SETTLING, is_as_before).unwrap();
    }
    assert_eq!(BpfObjects::held_in(node).unwrap(), objects);
    let expected = 2 + 3 * 2;
    assert_eq!(transitions(&router), expected, "each time BACKUP and MASTER");
}

/// Issue 6: a daemon that is killed right after a reload goes on with what that has brought: no lease is
/// lost, though the file has its virtual routers in another order.
#[test]
fn killed_after_a_reload() {
    let [first, second] = [129, 130].map(Lab::address);
    let lab = Lab::new(1).unwrap();
    let [one, two] = [(51, first), (52, second)].map(|(vrid, address)| Instance {
        interval: Duration::from_secs(1),
        ..Instance::new(vrid, &[address])
    });
    let mut router = start(lab.node(0), std::slice::from_ref(&one));
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &[first]);
    router.reload(&config(&[two, one])).unwrap();
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &[first, second]);
    let objects = BpfObjects::held_in(lab.node(0)).unwrap();
    let pings = [first, second].map(|vip| Pings::start(lab.client(), vip, PINGING).unwrap());
    let since = SystemTime::now();
    kill_process(router.worker().unwrap(), Signal::KILL).unwrap();
    for name in ["V51", "V52"] {
        let resumed = format!("({name}) Entering MASTER STATE (its lease");
        router.process().wait_for_line(since, &resumed, SETTLING).unwrap();
    }
    for pings in pings {
        assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());
    }
    let map = |objects: &BpfObjects| objects.map("SLOTS").unwrap();
    assert_eq!(map(&BpfObjects::held_in(lab.node(0)).unwrap()), map(&objects), "it is used on");
}

/// Issues 4 and 6, pain 5: a worker that is killed after a refused reload, and after an edit that nobody
/// has reloaded, is followed by one that goes on with what was in force; no ping is lost.
#[test]
fn killed_after_a_refused_reload() {
    let lab = Lab::new(1).unwrap();
    let interval = Duration::from_secs(1);
    let own = Instance { interval, ..Instance::new(51, &[Lab::address(129)]) };
    let mut router = start(lab.node(0), std::slice::from_ref(&own));
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &own.addresses);
    let capture = Capture::start(lab.client()).unwrap();
    let pings = Pings::start(lab.client(), own.addresses[0], PINGING).unwrap();
    let broken = "vrrp_instance V51 {\n";
    router.reload(broken).unwrap_err();
    let resumed = "(V51) Entering MASTER STATE (its lease";
    for text in [broken, &config(&[own.of_priority(90)])] {
        router.write_config(text).unwrap();
        let since = SystemTime::now();
        kill_process(router.worker().unwrap(), Signal::KILL).unwrap();
        router.process().wait_for_line(since, "is not what was running", SETTLING).unwrap();
        router.process().wait_for_line(since, resumed, SETTLING).unwrap();
        let of_new = |seen: &rig::Seen| seen.is_advert_of(lab.node(0));
        capture.expect("an advert", SystemTime::now(), SETTLING, of_new).unwrap();
        let adverts = capture.adverts_of(lab.node(0), since).unwrap();
        assert!(adverts.iter().all(|(_, advert)| advert.priority == 100));
    }
    let since = SystemTime::now();
    router.xvrrp(&["reload"]).unwrap();
    let says = |seen: &rig::Seen| matches!(seen.what, What::Advert { priority: 90, .. });
    capture.expect("the new priority", since, SETTLING, says).unwrap();
    assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());
    assert!(router.dir().join("running.conf").exists());
    assert!(router.stop().unwrap().success());
    assert!(!router.dir().join("running.conf").exists());
}

/// Issue 6: a file that has run with an error from the start can be changed all the same, but not by a
/// further error.
#[test]
fn errors_that_are_known() {
    let lab = Lab::new(1).unwrap();
    let own = Instance::new(51, &[Lab::address(129)]);
    let wrong = |vrid: u16| format!("vrrp_instance V52 {{\n  virtual_router_id {vrid}\n}}\n");
    let flawed = |instance: &Instance| wrong(999) + &config(std::slice::from_ref(instance));
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &flawed(&own)).unwrap();
    wait_for_all(&router, "MASTER");
    let said = router.reload(&flawed(&own.of_priority(90))).unwrap();
    assert!(said.contains("changed: V51"), "{said}");
    let said = router.reload(&(flawed(&own) + &wrong(998))).unwrap_err().to_string();
    assert!(said.contains("998") && !said.contains("999"), "{said}");
    assert_eq!(router.status().unwrap()[0].effective_priority, 90);
}

/// Issues 3 and 6, keywords `use_vmac` and `no_track`: a master that works through macvlans gets a virtual
/// MAC in a reload and loses it in another, and has its address and goes on as master each time.
#[test]
fn a_macvlan_comes_and_goes() {
    let lab = Lab::new(1).unwrap();
    let address = Lab::address(129);
    let text = |extra| {
        let own = Instance { extra, ..Instance::new(51, &[address]) };
        own.to_string().replace(&format!("{address}\n"), &format!("{address} no_track\n"))
    };
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &text("xdp_mode none")).unwrap();
    wait_for_all(&router, "MASTER");
    wait_for_addresses(lab.node(0), &[address]);
    let capture = Capture::start(lab.client()).unwrap();
    let is_on_interface = || lab.node(0).addresses().unwrap().contains(&address.into());
    for _ in 0..3 {
        for (extra, on_interface) in [("use_vmac\nxdp_mode none", false), ("xdp_mode none", true)] {
            let since = SystemTime::now();
            router.reload(&text(extra)).unwrap();
            assert_eq!(is_on_interface(), on_interface);
            let announces = |seen: &rig::Seen| seen.announces(address);
            capture.expect("an announcement", since, SETTLING, announces).unwrap();
            let pings = Pings::start(lab.client(), address, PINGING).unwrap();
            capture.wait_for(SystemTime::now(), INTERVAL * 3, |_| false);
            assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());
        }
    }
    assert_eq!(transitions(&router), 2, "once BACKUP and once MASTER");
    let log = router.log();
    assert!(!log.iter().any(|line| line.contains("is missing")), "{}", log.join("\n"));
    assert_eq!(router.status().unwrap()[0].counter("addresses_mended"), 0);
}

/// Issue 6: a file that needs more room than this daemon has is refused, and says how to get it.
#[test]
fn too_much_for_this_daemon() {
    let lab = Lab::new(1).unwrap();
    let addresses = |count: u32| {
        let numbers = (0..count).map(|number| Ipv4Addr::from(0xc612_0000 + number));
        numbers.collect::<Vec<_>>()
    };
    let instances = |addresses: &[Ipv4Addr]| -> Vec<_> {
        let parts = addresses.chunks(200).zip(1..);
        parts.map(|(part, vrid)| Instance::new(vrid, part)).collect()
    };
    let router = start(lab.node(0), &instances(&addresses(1)));
    wait_for_all(&router, "MASTER");
    router.reload(&config(&instances(&addresses(250)))).unwrap();
    wait_for_all(&router, "MASTER");
    let error = router.reload(&config(&instances(&addresses(600)))).unwrap_err().to_string();
    assert!(error.contains("xvrrp handover"), "{error}");
    assert_eq!(router.status().unwrap().len(), 2);
}
