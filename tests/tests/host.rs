//! What the host around a virtual router does: forwarding, groups, neighbour cache, redirects, and
//! what others say about its addresses.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Bench, Capture, Config, Lab, Mac, Node, PacketSocket, Seen, Subject, wait_until,
    wire::{self, ALL_NODES, ALL_ROUTERS, Advert, GROUP, GROUP_V6, NdParty},
};

const SETTLING: Duration = Bench::SETTLING;
/// How long a frame is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// A host of the first LAN that exists nowhere.
const HOST: Mac = Mac::local(99);
const HOST_V4: Ipv4Addr = Lab::address(99);
const HOST_V6: Ipv6Addr = Lab::address_v6(99);
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A node that forwards between the lab's network and a second one, whose other end is the client.
struct Gateway {
    bench: Bench,
    far: Capture,
    subjects: [Subject; 2],
}

impl Gateway {
    fn start() -> Self {
        let subjects = [Subject::new(1), Subject::ipv6(2)];
        let lab = Bench::lab(true).unwrap();
        let node = lab.node(0).clone();
        node.join(lab.client()).unwrap();
        for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            node.set_sysctl(switch, "1").unwrap();
        }
        let router = lab.client().address().to_string();
        node.run(&["ip", "route", "add", "default", "via", &router]).unwrap();
        let far = Capture::start_on(lab.client(), Node::SECOND_INTERFACE).unwrap();
        let config: String = subjects.iter().map(Subject::to_string).collect();
        let bench = Bench::start(lab, &config).unwrap();
        for subject in &subjects {
            bench.wait_for_state(subject, bench.router.started(), "BACKUP").unwrap();
        }
        Self { bench, far, subjects }
    }

    fn expect_active(&self) {
        for subject in &self.subjects {
            self.bench.wait_for_state(subject, self.bench.router.started(), "MASTER").unwrap();
        }
    }

    /// A packet for the client's far end, by way of the node, arrives there.
    fn expect_forwarding(&self) {
        let far_end = Ipv4Addr::new(198, 51, 100, 100);
        let to = (self.bench.node().mac(), HOST);
        let packet = wire::ipv4(to, (HOST_V4, far_end), 64, UDP, &[0; 16]);
        let sent = self.bench.send(&packet).unwrap();
        let arrived = |frame: &[u8]| frame.get(26..34) == packet.get(26..34) && frame[22] == 63;
        let is_there = || Ok(self.far.frames_since(sent).iter().any(|(_, frame)| arrived(frame)));
        wait_until("a forwarded packet", SETTLING, is_there).unwrap();
    }

    /// What arrived at the client's far end from `sources`.
    fn forwarded(&self, since: SystemTime, sources: &[IpAddr]) -> Vec<Vec<u8>> {
        let frames = self.far.frames_since(since).into_iter().map(|(_, frame)| frame);
        frames
            .filter(|frame| source_of(frame).is_some_and(|from| sources.contains(&from)))
            .collect()
    }
}

/// IP source of a frame.
fn source_of(frame: &[u8]) -> Option<IpAddr> {
    match frame.get(12..14)? {
        [8, 0] => frame.get(26..30)?.first_chunk::<4>().map(|source| (*source).into()),
        [0x86, 0xdd] => frame.get(22..38)?.first_chunk::<16>().map(|source| (*source).into()),
        _ => None,
    }
}

/// R-5.1.1.2-02, R-5.1.2.2-02: a host that forwards does not forward what is sent to the groups of
/// VRRP: adverts of the own virtual router or of another, with any TTL, and other protocols.
#[test]
fn nothing_to_the_groups_is_forwarded() {
    let gateway = Gateway::start();
    gateway.expect_forwarding();
    let start = SystemTime::now();
    let mut sources = Vec::new();
    for subject in &gateway.subjects {
        for (vrid, hop_limit) in [(subject.vrid, 255), (subject.vrid, 64), (77, 255), (77, 64)] {
            let advert = Advert { vrid, hop_limit, ..subject.peer() };
            sources.push(advert.source);
            gateway.bench.send(&advert.frame()).unwrap();
        }
    }
    let to = (Mac([0x01, 0, 0x5e, 0, 0, 0x12]), HOST);
    gateway.bench.send(&wire::ipv4(to, (HOST_V4, GROUP), 64, UDP, &[0; 16])).unwrap();
    let message = [200, 0, 0, 0, 0, 0, 0, 0];
    gateway.bench.send(&wire::icmpv6((HOST, HOST_V6), (None, GROUP_V6), 64, &message)).unwrap();
    sources.extend([IpAddr::V4(HOST_V4), IpAddr::V6(HOST_V6)]);
    thread::sleep(SILENCE);
    assert_eq!(gateway.forwarded(start, &sources), Vec::<Vec<u8>>::new());
}

/// R-8.3.1-01: an Active that is not the owner and forwards with a default route forwards no packet
/// that is sent to its addresses, neither on nor back.
#[test]
fn nothing_to_the_addresses_is_forwarded() {
    let gateway = Gateway::start();
    gateway.expect_active();
    gateway.expect_forwarding();
    let start = SystemTime::now();
    let to = gateway.bench.node().mac();
    for vip in gateway.subjects.iter().flat_map(Subject::vips) {
        let packet = match vip {
            IpAddr::V4(vip) => wire::ping(to, (HOST, HOST_V4), vip),
            IpAddr::V6(vip) => {
                let message = [128, 0, 0, 0, 0, 1, 0, 1];
                wire::icmpv6((HOST, HOST_V6), (Some(to), vip), 64, &message)
            }
        };
        gateway.bench.send(&packet).unwrap();
    }
    thread::sleep(SILENCE);
    let sources = [HOST_V4.into(), HOST_V6.into()];
    assert_eq!(gateway.forwarded(start, &sources), Vec::<Vec<u8>>::new());
    let back = gateway.bench.capture.frames_since(start).into_iter();
    let mut back = back.filter(|(_, f)| source_of(f).is_some_and(|from| sources.contains(&from)));
    assert_eq!(back.next(), None, "sent back");
}

/// R-6.4.2-05, V-6.4.2-01 as far as the physical MAC goes: a Backup gives no answer of any kind to
/// what is sent to its addresses, be it a ping or a connection.
#[test]
fn a_backup_accepts_nothing() {
    let subjects = [Subject::new(1), Subject::version_2(2), Subject::ipv6(3)];
    let bench = Bench::with(&subjects).unwrap();
    let node = bench.node().mac();
    for subject in &subjects {
        bench.send(&Advert { interval: Duration::from_secs(1), ..subject.peer() }.frame()).unwrap();
    }
    // A SYN to port 22, without options; its checksum does not matter to one who does not look.
    let syn = [0x9c, 0x40, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0];
    let start = SystemTime::now();
    for vip in subjects.iter().flat_map(Subject::vips) {
        let packets = match vip {
            IpAddr::V4(vip) => {
                let ends = (HOST_V4, vip);
                let ping = wire::ping(node, (HOST, HOST_V4), vip);
                vec![ping, wire::ipv4((node, HOST), ends, 64, TCP, &syn)]
            }
            IpAddr::V6(vip) => {
                let message = [128, 0, 0, 0, 0, 1, 0, 1];
                vec![wire::icmpv6((HOST, HOST_V6), (Some(node), vip), 64, &message)]
            }
        };
        for packet in packets {
            bench.send(&packet).unwrap();
        }
    }
    // A ping to its own address shows that an answer would have come.
    let own = bench.node().address();
    bench.send(&wire::ping(node, (HOST, HOST_V4), own)).unwrap();
    let asked = |seen: &Seen| matches!(seen.what, wire::What::ArpRequest { target, .. } if target == HOST_V4);
    bench.capture.expect("a question for the host", start, SETTLING, asked).unwrap();
    let said = bench.capture.frames_since(start).into_iter().filter(|(_, frame)| {
        wire::source_mac(frame) == Some(node)
            && source_of(frame)
                .is_some_and(|from| subjects.iter().any(|s| s.vips().contains(&from)))
    });
    assert_eq!(said.count(), 0);
    assert!(bench.router.status().unwrap().iter().all(|row| row.state == "BACKUP"));
}

/// The solicited-node groups of a virtual router's addresses.
fn groups(config: &Config) -> Vec<IpAddr> {
    let vips = config.vips().filter_map(|vip| match vip {
        IpAddr::V4(_) => None,
        IpAddr::V6(vip) => Some(wire::solicited_node(vip).1.into()),
    });
    vips.collect()
}

/// R-6.4.2-08, R-6.4.3-02: at the takeover the solicited-node group of each address is joined, and
/// a query of a switch is answered with all of them; before it is answered without.
#[test]
fn solicited_node_groups_are_joined_by_the_active() {
    let config = Config { advert_int: Duration::from_millis(500), ..Config::ipv6() };
    let bench = Bench::start(Bench::lab(true).unwrap(), &config.to_string()).unwrap();
    let started = bench.router.started();
    let instance = config.instance();
    let querier: NdParty = (HOST, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 99));
    let reported = |since: SystemTime| -> Vec<IpAddr> {
        let frames = bench.capture.frames_since(since).into_iter();
        frames.flat_map(|(_, frame)| wire::joined_groups(&frame)).collect()
    };
    bench.router.wait_for_state(started, instance, "BACKUP", SETTLING).unwrap();
    let asked = bench.send(&wire::mld_query(querier)).unwrap();
    let answered = || Ok(reported(asked).contains(&GROUP_V6.into()));
    wait_until("a report of the Backup", SETTLING, answered).unwrap();
    let early = reported(asked);
    let is_active = bench.router.status().unwrap()[0].state == "MASTER";
    assert!(is_active || !groups(&config).iter().any(|group| early.contains(group)), "{early:?}");

    bench.router.wait_for_state(started, instance, "MASTER", SETTLING).unwrap();
    for group in groups(&config) {
        let joined = || Ok(reported(started).contains(&group));
        wait_until(&format!("a report for {group}"), SETTLING, joined).unwrap();
    }
    let asked = bench.send(&wire::mld_query(querier)).unwrap();
    for group in groups(&config) {
        let answered = || Ok(reported(asked).contains(&group));
        wait_until(&format!("{group} in the answer"), SETTLING, answered).unwrap();
    }
}

/// N-4861-22: an address that goes does not take along the group that another one needs.
#[test]
fn a_group_that_is_needed_is_not_left() {
    // Both have the same last 24 bits.
    let subjects = [Subject::ipv6(1), Subject::ipv6(2)];
    let [_, second] = subjects[1].vips().map(|vip| vip.to_string());
    let alike = "2001:db8:1::101";
    let config = format!("{}{}", subjects[0], subjects[1].to_string().replace(&second, alike));
    let bench = Bench::start(Bench::lab(true).unwrap(), &config).unwrap();
    let started = bench.router.started();
    for subject in &subjects {
        bench.wait_for_state(subject, started, "MASTER").unwrap();
    }
    let alike: Ipv6Addr = alike.parse().unwrap();
    let present = |vip: IpAddr| Ok(bench.node().addresses()?.contains(&vip));
    wait_until("the address", SETTLING, || present(alike.into())).unwrap();
    let yields = Advert { interval: Duration::from_secs(10), ..subjects[0].peer() };
    let yielded = bench.send(&yields.frame()).unwrap();
    bench.wait_for_state(&subjects[0], yielded, "BACKUP").unwrap();
    let [_, first] = subjects[0].vips();
    wait_until("the other's removal", SETTLING, || Ok(!present(first)?)).unwrap();
    thread::sleep(SILENCE);
    let group = wire::solicited_node(alike).1;
    let frames = bench.capture.frames_since(yielded);
    let mut left = frames.iter().flat_map(|(_, frame)| wire::left_groups(frame));
    assert!(!left.any(|left| left == IpAddr::from(group)), "{group} was left");
    let asked = bench.send(&wire::neighbor_solicitation(None, (HOST, HOST_V6), alike)).unwrap();
    let answered = |seen: &Seen| seen.is_arp_answer(alike);
    bench.capture.expect("an answer", asked, SETTLING, answered).unwrap();
}

/// What the node knows about `host`: the end of a line of `ip neigh`.
fn neighbour(node: &Node, host: impl Into<IpAddr>) -> String {
    let host = host.into().to_string();
    let known = node.run(&["ip", "neigh", "show", &host, "dev", Node::INTERFACE]).unwrap();
    known.trim().to_owned()
}

/// R-8.2.4-01, N-4861-19, N-4861-20: in Backup and as Active, unsolicited Neighbor Advertisements
/// reach the neighbour cache: one with O=1 updates an entry, one with O=0 does not overwrite it,
/// and one that is not valid changes nothing.
#[test]
fn unsolicited_advertisements_update_the_neighbour_cache() {
    const MOVED: Mac = Mac::local(98);
    let subject = Subject { interval: Duration::from_secs(1), ..Subject::ipv6(1) };
    let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    let (node, started) = (bench.node().clone(), bench.router.started());
    let moved: NdParty = (MOVED, HOST_V6);
    let good = wire::advertisement(moved, true, true);
    let send = |hop_limit, message: &[u8]| {
        bench.send(&wire::icmpv6(moved, (None, ALL_NODES), hop_limit, message)).unwrap();
    };
    let with = |at: usize, octet: u8| {
        let mut message = good.clone();
        message[at] = octet;
        message
    };
    let mut damaged = wire::icmpv6(moved, (None, ALL_NODES), 255, &good);
    damaged[56] ^= 1;
    let learn = || {
        let host = HOST_V6.to_string();
        let entry = ["lladdr", &HOST.to_string(), "nud", "reachable", "dev", Node::INTERFACE];
        node.run(&[&["ip", "-6", "neigh", "replace", &host], &entry[..]].concat()).unwrap();
    };
    for state in ["BACKUP", "MASTER"] {
        bench.wait_for_state(&subject, started, state).unwrap();
        learn();
        send(254, &good);
        send(255, &with(1, 1)); // code
        send(255, &with(4, 0x60)); // S in a multicast
        send(255, &with(8, 0xff)); // a multicast target
        send(255, &with(25, 0)); // an option of length 0
        send(255, &good[..20]);
        bench.send(&damaged).unwrap();
        send(255, &wire::advertisement(moved, false, true));
        thread::sleep(SILENCE);
        let known = neighbour(&node, HOST_V6);
        assert!(known.contains(&format!("lladdr {HOST} ")), "{state}: {known}");
        send(255, &good);
        let updated = || Ok(neighbour(&node, HOST_V6).contains(&format!("lladdr {MOVED} ")));
        wait_until("the new MAC", SETTLING, updated).unwrap();
    }
}

/// G-9131-01, G-9131-02, N-4861-18 as far as :: goes: with the kernel's switch for it, an unknown
/// host that announces itself to all routers gets a STALE entry, if it tells its MAC; who looks for
/// duplicates gets none.
#[test]
fn unknown_hosts_are_learned_from_their_announcement() {
    let subject = Subject::ipv6(1);
    let lab = Bench::lab(true).unwrap();
    let node = lab.node(0).clone();
    for switch in ["forwarding", "accept_untracked_na"] {
        node.set_sysctl(&format!("ipv6/conf/{}/{switch}", Node::INTERFACE), "1").unwrap();
    }
    let bench = Bench::start(lab, &subject.to_string()).unwrap();
    bench.wait_for_state(&subject, bench.router.started(), "MASTER").unwrap();
    let say = |host: u8, tells_mac: bool| {
        let from = (Mac::local(host), Lab::address_v6(host));
        let message = wire::advertisement(from, true, tells_mac);
        bench.send(&wire::icmpv6(from, (None, ALL_ROUTERS), 255, &message)).unwrap();
    };
    say(97, false);
    let [_, vip] = subject.vips();
    let IpAddr::V6(vip) = vip else { panic!("{vip} is not of IPv6") };
    let prober = (Mac::local(97), Ipv6Addr::UNSPECIFIED);
    bench.send(&wire::neighbor_solicitation(None, prober, vip)).unwrap();
    say(98, true);
    let known = || neighbour(&node, Lab::address_v6(98));
    wait_until("an entry", SETTLING, || Ok(known().contains("STALE"))).unwrap();
    assert!(known().contains(&format!("lladdr {} ", Mac::local(98))), "{}", known());
    let all = node.run(&["ip", "-6", "neigh", "show", "dev", Node::INTERFACE]).unwrap();
    assert!(!all.contains(&Mac::local(97).to_string()), "{all}");
}

/// N-4861-18, issue 4 "requesters answered in XDP are taught to the kernel": whoever asks for a virtual
/// address gets a STALE entry, with ARP as well, so that the host can send to it without a question
/// of its own; who looks for duplicates gets none. What the kernel knows already stays.
#[test]
fn requesters_become_neighbours() {
    for extra in ["xdp_mode tcx", "xdp_mode generic"] {
        let subjects =
            [Subject { extra, ..Subject::new(1) }, Subject { extra, ..Subject::ipv6(2) }];
        let bench = Bench::with(&subjects).unwrap();
        let node = bench.node();
        let [known, probing, asking] = [96, 97, 98];
        let [known_mac, another_mac] =
            [Mac::local(1), Mac::local(known)].map(|mac| mac.to_string());
        let entry = ["lladdr", &known_mac, "dev", Node::INTERFACE, "nud", "permanent"];
        for address in [IpAddr::from(Lab::address(known)), Lab::address_v6(known).into()] {
            node.run(&[&["ip", "neigh", "add", &address.to_string()], &entry[..]].concat())
                .unwrap();
        }
        for subject in &subjects {
            bench.wait_for_state(subject, bench.router.started(), "MASTER").unwrap();
            let [_, vip] = subject.vips();
            let ask = |host: u8, is_probe: bool| {
                let mac = Mac::local(host);
                let question = match vip {
                    IpAddr::V4(vip) => {
                        let own = if is_probe { Ipv4Addr::UNSPECIFIED } else { Lab::address(host) };
                        wire::arp_request(Mac::BROADCAST, (mac, own), vip)
                    }
                    IpAddr::V6(vip) => {
                        let own =
                            if is_probe { Ipv6Addr::UNSPECIFIED } else { Lab::address_v6(host) };
                        wire::neighbor_solicitation(None, (mac, own), vip)
                    }
                };
                bench.send(&question).unwrap()
            };
            ask(probing, true);
            ask(known, false);
            ask(asking, false);
            let address = |host| match vip {
                IpAddr::V4(_) => IpAddr::from(Lab::address(host)),
                IpAddr::V6(_) => Lab::address_v6(host).into(),
            };
            let entry = |host| neighbour(node, address(host));
            wait_until("an entry", SETTLING, || Ok(entry(asking).contains("STALE"))).unwrap();
            assert!(entry(asking).contains(&Mac::local(asking).to_string()), "{}", entry(asking));
            assert!(entry(known).contains(&known_mac), "{}", entry(known));
            assert!(!entry(known).contains(&another_mac), "{}", entry(known));
            let all = node.run(&["ip", "neigh", "show", "dev", Node::INTERFACE]).unwrap();
            assert!(!all.contains(&Mac::local(probing).to_string()), "{all}");

            let sent = SystemTime::now();
            let target = address(asking).to_string();
            // Nobody answers.
            node.run(&["ping", "-c1", "-W1", &target]).unwrap_err();
            let to_host = |frame: &[u8]| frame[..6] == Mac::local(asking).0;
            let frames = bench.capture.frames_since(sent);
            let first = frames.iter().find(|(_, frame)| {
                frame[6..12] == node.mac().0 && (to_host(frame) || asks_for(frame, address(asking)))
            });
            assert!(first.is_some_and(|(_, frame)| to_host(frame)), "{first:02x?}");
        }
        let answered = |counter| {
            let rows = bench.router.status().unwrap();
            rows.iter().map(|row| row.counter(counter)).sum::<u64>()
        };
        assert_eq!(["arp_answered", "nd_answered"].map(answered), [3, 3], "{extra}");
    }
}

/// True for a question to everybody where `address` is.
fn asks_for(frame: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            frame[12..14] == [8, 6] && frame.get(38..42) == Some(&address.octets())
        }
        IpAddr::V6(address) => wire::solicited_target(frame) == Some(address),
    }
}

/// A-5227-02, A-5227-03, D-4862-02: others who claim an address, a hundred times, are not answered
/// and depose nobody; neither an Active nor a Backup defends it, and so not too often either.
#[test]
fn claims_of_others_change_nothing() {
    let extra = "garp_master_delay 0";
    let subjects = [Subject { extra, ..Subject::new(1) }, Subject { extra, ..Subject::ipv6(2) }];
    let bench = Bench::with(&subjects).unwrap();
    for state in ["BACKUP", "MASTER"] {
        for subject in &subjects {
            if state == "BACKUP" {
                let patient = Advert { interval: Duration::from_secs(2), ..subject.peer() };
                bench.send(&patient.frame()).unwrap();
            } else {
                bench.wait_for_state(subject, bench.router.started(), state).unwrap();
            }
        }
        thread::sleep(SILENCE);
        let start = SystemTime::now();
        for _ in 0..100 {
            for vip in subjects.iter().flat_map(Subject::vips) {
                let claim = match vip {
                    IpAddr::V4(vip) => wire::arp_request(Mac::BROADCAST, (HOST, vip), vip),
                    IpAddr::V6(vip) => wire::unsolicited((HOST, vip), true, true),
                };
                bench.send(&claim).unwrap();
            }
        }
        thread::sleep(SILENCE);
        let concerns = |seen: &Seen| {
            let vips = subjects.iter().flat_map(Subject::vips);
            vips.into_iter().any(|vip| seen.announces(vip) || seen.is_arp_answer(vip))
        };
        let said: Vec<_> = bench.capture.seen_since(start).into_iter().filter(concerns).collect();
        assert_eq!(said, [], "{state}");
        let rows = bench.router.status().unwrap();
        assert!(rows.iter().all(|row| row.state == state), "{state}: {rows:?}");
    }
}

/// N-4861-21, N-4861-23, keywords `xdp_gna_pacing`, `vrrp_gna_interval`: so configured, an address is
/// announced three times after a takeover, a second apart, and the addresses one after the other.
#[test]
fn announcements_can_be_as_few_as_the_rfc_wants() {
    let global = "global_defs {\n vrrp_gna_interval 0.02\n xdp_gna_pacing\n}\n";
    let subject = Subject::ipv6(1);
    let config = format!("{global}{subject}");
    let bench = Bench::start(Bench::lab(true).unwrap(), &config).unwrap();
    let started = bench.router.started();
    bench.wait_for_state(&subject, started, "MASTER").unwrap();
    // Long enough for what would follow after keepalived's five seconds.
    thread::sleep(Duration::from_secs(6));
    let seen = bench.capture.seen_since(started);
    let times = |vip: IpAddr| -> Vec<_> {
        seen.iter().filter(|seen| seen.announces(vip)).map(|seen| seen.at).collect()
    };
    let [first, second] = subject.vips().map(times);
    for times in [&first, &second] {
        assert_eq!(times.len(), 3, "announcements");
        for pair in times.windows(2) {
            let apart = pair[1].duration_since(pair[0]).unwrap();
            assert!(apart >= Duration::from_millis(980), "{apart:?} apart");
        }
    }
    let apart = second[0].duration_since(first[0]).unwrap();
    assert!(apart >= Duration::from_millis(15), "the second address {apart:?} after the first");
}

/// R-8.1.1-03: redirects are the kernel's, from the primary address of the interface, and can be
/// switched off with its switch; the kernel program is not in the way of either.
#[test]
fn redirects_can_be_disabled() {
    const REDIRECT: u8 = 5;
    let gateway = Gateway::start();
    gateway.expect_active();
    let (bench, node) = (&gateway.bench, gateway.bench.node());
    // Better reached by the client, which is on the same LAN.
    let beyond = Ipv4Addr::new(203, 0, 113, 1);
    let route = ["via", &bench.lab.client().address().to_string()];
    node.run(&[&["ip", "route", "add", "203.0.113.0/24"], &route[..]].concat()).unwrap();
    // The asker must be resolved, or the redirect waits for it.
    let neighbour = ["lladdr", &HOST.to_string(), "dev", Node::INTERFACE];
    node.run(&[&["ip", "neigh", "replace", &HOST_V4.to_string()], &neighbour[..]].concat())
        .unwrap();
    let redirects = |since: SystemTime| -> Vec<IpAddr> {
        let frames = bench.capture.frames_since(since).into_iter().map(|(_, frame)| frame);
        let is_redirect = |f: &Vec<u8>| f.get(23) == Some(&ICMP) && f.get(34) == Some(&REDIRECT);
        frames.filter(is_redirect).filter_map(|frame| source_of(&frame)).collect()
    };
    let packet = wire::ipv4((node.mac(), HOST), (HOST_V4, beyond), 64, UDP, &[0; 16]);
    let cable = PacketSocket::open(bench.lab.client()).unwrap();
    let start = SystemTime::now();
    cable.send(&packet).unwrap();
    wait_until("a redirect", SETTLING, || Ok(!redirects(start).is_empty())).unwrap();
    assert_eq!(redirects(start), [IpAddr::V4(node.address())]);
    for device in ["all", Node::INTERFACE] {
        node.set_sysctl(&format!("ipv4/conf/{device}/send_redirects"), "0").unwrap();
    }
    let start = SystemTime::now();
    cable.send(&packet).unwrap();
    thread::sleep(SILENCE);
    assert!(redirects(start).is_empty());
}
