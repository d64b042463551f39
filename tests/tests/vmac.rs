//! The virtual MAC: what carries it, who takes in what is sent to it, and that a switch and a client
//! need not learn anything new when it moves.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Footprint, Lab, Mac, Node, PacketSocket, Router, Seen, VirtualRouter,
    wait_until,
    wire::{self, ALL_NODES, ArpParty, What},
};

const SETTLING: Duration = Duration::from_secs(15);
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// A host that exists nowhere.
const ASKER: ArpParty = (Mac::local(99), Lab::address(99));
/// A host that is reached through the virtual router only.
const BEYOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

fn with(config: Config, extra: &'static str) -> Config {
    Config { version: 3, advert_int: Duration::from_millis(200), extra, ..config }
}

fn ipv4(extra: &'static str) -> Config {
    with(Config::default(), extra)
}

fn ipv6(extra: &'static str) -> Config {
    with(Config::ipv6(), extra)
}

/// The virtual MAC of a configuration without one of its own.
fn virtual_mac(config: &Config) -> Mac {
    if config.vip.is_ipv6() {
        Mac::of_virtual_router_v6(Config::VRID)
    } else {
        Mac::of_virtual_router(Config::VRID)
    }
}

/// A lab in which node 0 is master and node 1 its backup.
struct Cluster {
    routers: [Router; 2],
    capture: Capture,
    config: Config,
    lab: Lab,
}

impl Cluster {
    fn start(config: Config) -> Self {
        let lab = config.lab(3).unwrap();
        Self::start_in(lab, config, [Daemon::Xvrrp; 2])
    }

    fn start_in(lab: Lab, config: Config, daemons: [Daemon; 2]) -> Self {
        let capture = Capture::start(lab.client()).unwrap();
        let start = |node: usize| {
            let config = Config { priority: 100 - 10 * node as u8, ..config.clone() };
            Router::start(lab.node(node), daemons[node], &config.to_string()).unwrap()
        };
        let routers = [start(0), start(1)];
        for router in &routers {
            let begun = router.started();
            router.wait_for_state(begun, config.instance(), "BACKUP", SETTLING).unwrap();
        }
        let cluster = Self { routers, capture, config, lab };
        cluster.wait_for_master(0, SystemTime::UNIX_EPOCH);
        cluster
    }

    /// Waits until `node` is master, has its addresses and has announced them, and the switch knows.
    fn wait_for_master(&self, node: usize, since: SystemTime) {
        let router = &self.routers[node];
        router.wait_for_state(since, self.config.instance(), "MASTER", SETTLING).unwrap();
        for vip in self.config.vips() {
            let announced = |seen: &Seen| seen.announces(vip);
            self.capture.expect("an announcement", since, SETTLING, announced).unwrap();
        }
        let mac = virtual_mac(&self.config);
        let learnt = || Ok(self.lab.node_with(mac)? == Some(node));
        wait_until("the switch learns the virtual MAC", SETTLING, learnt).unwrap();
    }

    fn status(&self, node: usize) -> VirtualRouter {
        self.routers[node].status().unwrap().remove(0)
    }

    /// The MAC that the client knows for `address`, as it is in its cache.
    fn cached(&self, address: IpAddr) -> Option<String> {
        let address = address.to_string();
        let entry = self.lab.client().run(&["ip", "neigh", "show", "to", &address]).unwrap();
        let mut words = entry.split_whitespace().skip_while(|word| *word != "lladdr");
        words.nth(1).map(str::to_owned)
    }

    fn ping(&self, address: IpAddr) {
        let address = address.to_string();
        let ping = ["ping", "-c", "2", "-i", "0.2", "-W", "2", "-I", Node::INTERFACE, &address];
        self.lab.client().run(&ping).unwrap();
    }

    /// What `vip` is said to be at when any host of the segment asks for it.
    fn asked(&self, vip: IpAddr) -> Option<Mac> {
        let start = SystemTime::now();
        let frame = match vip {
            IpAddr::V4(vip) => wire::arp_request(Mac::BROADCAST, ASKER, vip),
            IpAddr::V6(vip) => {
                wire::neighbor_solicitation(None, (ASKER.0, Lab::address_v6(99)), vip)
            }
        };
        PacketSocket::open(self.lab.client()).unwrap().send(&frame).unwrap();
        let answer = |seen: &Seen| seen.is_arp_answer(vip);
        let answer = self.capture.expect("an answer", start, SETTLING, answer).unwrap();
        claimed(&answer, vip)
    }

    /// Crashes the master, and waits for its backup.
    fn fail_over(&mut self) -> SystemTime {
        let cut = SystemTime::now();
        self.routers[0].crash().unwrap();
        self.wait_for_master(1, cut);
        cut
    }
}

/// The sender's hardware address in what the client saw of answers and announcements for `vip`.
fn claimed(seen: &Seen, vip: IpAddr) -> Option<Mac> {
    match seen.what {
        What::GratuitousArp { sender } | What::ArpReply { sender, .. } if vip == sender.1 => {
            Some(sender.0)
        }
        What::NeighborAdvert(na) if vip == na.target => na.link_layer,
        _ => None,
    }
}

fn is_announcement(seen: &Seen) -> bool {
    match seen.what {
        What::GratuitousArp { .. } => true,
        What::NeighborAdvert(na) => na.destination == ALL_NODES,
        _ => false,
    }
}

/// What leaves carries the virtual MAC, whoever asks; the client's cache has it, and it survives a
/// failover together with the traffic.
fn carried_and_moved(config: Config) {
    let mac = virtual_mac(&config);
    let mut cluster = Cluster::start(config);
    let vips: Vec<_> = cluster.config.vips().collect();
    for vip in &vips {
        cluster.ping(*vip);
        assert_eq!(cluster.cached(*vip), Some(mac.to_string()), "{vip}");
        assert_eq!(cluster.asked(*vip), Some(mac), "{vip}");
    }
    cluster.fail_over();
    for vip in &vips {
        // Before anything is asked: nobody had to tell the client.
        assert_eq!(cluster.cached(*vip), Some(mac.to_string()), "{vip} after the failover");
        cluster.ping(*vip);
        assert_eq!(cluster.asked(*vip), Some(mac), "{vip} after the failover");
    }

    let seen = cluster.capture.seen();
    let adverts: Vec<_> =
        seen.iter().filter(|seen| matches!(seen.what, What::Advert { .. })).collect();
    for node in &cluster.lab.nodes()[..2] {
        assert!(adverts.iter().any(|advert| advert.is_advert_of(node)), "adverts of both");
    }
    assert!(adverts.iter().all(|advert| advert.from == mac), "adverts come from the virtual MAC");
    for vip in vips {
        let claims: Vec<_> =
            seen.iter().filter_map(|seen| Some((claimed(seen, vip)?, seen))).collect();
        assert!(claims.iter().any(|(_, seen)| seen.is_arp_answer(vip)), "answers for {vip}");
        for (claim, seen) in claims {
            assert_eq!(claim, mac, "{seen:?}");
            assert!(!is_announcement(seen) || seen.from == mac, "{seen:?}");
        }
    }
}

/// Issue 3, R-7.2-03, R-7.3-01, R-8.1.2-01, R-8.1.2-02: adverts, gratuitous ARP and answers carry the
/// virtual MAC; the switch's table and the client's cache stand a failover.
#[test]
fn ipv4_moves_with_its_mac() {
    carried_and_moved(ipv4("use_vmac"));
}

/// Issue 3, R-7.2-03, R-7.3-02, R-8.2.2-01, R-8.2.2-02: the same with IPv6.
#[test]
fn ipv6_moves_with_its_mac() {
    carried_and_moved(ipv6("use_vmac"));
}

/// Issue 3, R-7.2-03, R-8.1.2-01: the same with XDP instead of tcx.
#[test]
fn ipv4_moves_with_generic_xdp() {
    carried_and_moved(ipv4("use_vmac\n    xdp_mode generic"));
}

/// Issue 3, R-7.2-03, R-8.1.2-01: the same where there is no kernel program, through macvlans.
#[test]
fn ipv4_moves_with_its_macvlan() {
    carried_and_moved(ipv4("use_vmac\n    xdp_mode none"));
}

/// Issue 3, R-7.2-03, R-8.2.2-01, R-7.4-01: the same with IPv6.
#[test]
fn ipv6_moves_with_its_macvlan() {
    carried_and_moved(ipv6("use_vmac\n    xdp_mode none"));
}

/// Puts a host beyond the nodes 0 and 1 into node 2's namespace. What it answers takes the short way
/// back, through the switch.
fn add_host_beyond(lab: &Lab) {
    let server = lab.node(2).namespace();
    server.ip(&["addr", "add", &format!("{BEYOND}/32"), "dev", "lo"]).unwrap();
    for (number, node) in lab.nodes()[..2].iter().enumerate() {
        let (node, near, far) = (node.namespace(), "up0", format!("down{number}"));
        let peer = ["peer", "name", &far, "netns", server.name()];
        node.ip(&[&["link", "add", near, "type", "veth"], &peer[..]].concat()).unwrap();
        node.ip(&["addr", "add", &format!("10.0.{number}.1/24"), "dev", near]).unwrap();
        node.ip(&["link", "set", near, "up"]).unwrap();
        server.ip(&["addr", "add", &format!("10.0.{number}.2/24"), "dev", &far]).unwrap();
        server.ip(&["link", "set", &far, "up"]).unwrap();
        let route = [format!("{BEYOND}/32"), format!("10.0.{number}.2")];
        node.ip(&["route", "add", &route[0], "via", &route[1]]).unwrap();
        node.enter(|| Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)).unwrap();
    }
}

/// A server in `node` that says what it hears, to one client at a time.
fn serve(node: &Node, port: u16) {
    let listener =
        node.namespace().enter(|| Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    stream.write_all(&byte).unwrap();
                }
            });
        }
    });
}

fn connect(node: &Node, address: IpAddr, port: u16) -> TcpStream {
    let connect = || Ok(TcpStream::connect_timeout(&SocketAddr::new(address, port), SETTLING)?);
    let stream = node.namespace().enter(connect).unwrap();
    stream.set_read_timeout(Some(SETTLING)).unwrap();
    stream
}

fn say(stream: &mut TcpStream, word: u8) {
    stream.write_all(&[word]).unwrap();
    let mut echo = [0];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(echo, [word]);
}

/// Forwarding for the virtual MAC, over a failover, and new connections to the address itself.
fn traffic_flows(config: Config) {
    const PORT: u16 = 7;
    let vip = config.vip;
    let lab = config.lab(3).unwrap();
    add_host_beyond(&lab);
    for node in lab.nodes() {
        serve(node, PORT);
    }
    let mut cluster = Cluster::start_in(lab, config, [Daemon::Xvrrp; 2]);
    let client = cluster.lab.client().clone();
    client.run(&["ip", "route", "add", &BEYOND.to_string(), "via", &vip.to_string()]).unwrap();

    cluster.ping(BEYOND.into());
    let mac = virtual_mac(&cluster.config).to_string();
    assert_eq!(cluster.cached(vip), Some(mac.clone()));
    let mut through = connect(&client, BEYOND.into(), PORT);
    say(&mut through, 1);
    say(&mut connect(&client, vip, PORT), 2);

    cluster.fail_over();
    say(&mut through, 3);
    say(&mut connect(&client, vip, PORT), 4);
    cluster.ping(BEYOND.into());
    assert_eq!(cluster.cached(vip), Some(mac));
}

/// Issue 3, R-6.4.3-07, R-6.4.3-05: a TCP connection through the gateway survives the death of the
/// Active router, and another to the gateway itself is taken by its heir.
#[test]
fn routed_traffic_flows_on() {
    traffic_flows(ipv4("use_vmac"));
}

/// Issue 3, V-6.4.3-01: the same in version 2.
#[test]
fn routed_traffic_flows_on_in_version_2() {
    let advert_int = Duration::from_secs(1);
    traffic_flows(Config { version: 2, advert_int, ..ipv4("use_vmac") });
}

/// Issue 3, R-6.4.3-07, R-6.4.3-05: the same with XDP instead of tcx.
#[test]
fn routed_traffic_flows_on_with_generic_xdp() {
    traffic_flows(ipv4("use_vmac\n    xdp_mode generic"));
}

/// Issue 3, R-6.4.3-07: the same with macvlans.
#[test]
fn routed_traffic_flows_on_with_macvlans() {
    traffic_flows(ipv4("use_vmac\n    xdp_mode none"));
}

/// Nothing that is sent to the virtual MAC at a Backup's port comes of anything.
fn backup_is_deaf(config: Config) -> Cluster {
    let mac = virtual_mac(&config);
    let vip = match config.vip {
        IpAddr::V4(vip) => vip,
        IpAddr::V6(vip) => panic!("{vip} is not of IPv4"),
    };
    let lab = config.lab(3).unwrap();
    add_host_beyond(&lab);
    let cluster = Cluster::start_in(lab, config, [Daemon::Xvrrp; 2]);
    let own = cluster.lab.node(1).address();
    // What answers would go to, so that they are seen.
    let asker = (cluster.lab.client().mac(), cluster.lab.client().address());
    let frames = [
        wire::arp_request(mac, ASKER, vip),
        wire::arp_request(mac, ASKER, own),
        wire::ping(mac, asker, vip),
        wire::ping(mac, asker, own),
        wire::ping(mac, asker, BEYOND),
    ];
    let answers_at = |node: usize| {
        let start = SystemTime::now();
        let socket = PacketSocket::at_switch(cluster.lab.node(node)).unwrap();
        for frame in &frames {
            socket.send(frame).unwrap();
        }
        cluster.capture.wait_for(start, SILENCE, |_| false);
        let is_answer =
            |seen: &Seen| matches!(seen.what, What::ArpReply { .. } | What::EchoReply { .. });
        cluster.capture.seen_since(start).into_iter().filter(is_answer).collect::<Vec<_>>()
    };
    let from_master = answers_at(0);
    assert!(from_master.iter().any(|seen| seen.is_arp_answer(vip)), "{from_master:?}");
    for address in [vip, BEYOND] {
        assert!(from_master.iter().any(|seen| seen.is_ping_answer(address)), "{from_master:?}");
    }
    assert_eq!(answers_at(1), [], "from the backup");
    cluster
}

/// Issue 3, R-6.4.2-04: a Backup neither answers nor accepts nor forwards what is sent to the virtual
/// MAC; the program counts it.
#[test]
fn a_backup_drops_what_is_sent_to_the_virtual_mac() {
    let cluster = backup_is_deaf(ipv4("use_vmac"));
    assert_eq!(cluster.status(1).counter("virtual_mac_dropped"), 5);
    assert_eq!(cluster.status(0).counter("virtual_mac_dropped"), 0);
}

/// Issue 3, R-6.4.2-04: neither does one that has a macvlan.
#[test]
fn a_backup_with_a_macvlan_drops_it_too() {
    backup_is_deaf(ipv4("use_vmac\n    xdp_mode none"));
}

/// Issue 3, keyword `vmac_xmit_base`: adverts come from the interface's own MAC, the address keeps
/// its virtual one.
#[test]
fn adverts_from_the_interface_itself() {
    let config = ipv4("use_vmac\n    vmac_xmit_base");
    let vip = config.vip;
    let cluster = Cluster::start(config.clone());
    cluster.ping(vip);
    assert_eq!(cluster.cached(vip), Some(virtual_mac(&config).to_string()));
    let node = cluster.lab.node(0);
    for advert in cluster.capture.seen().iter().filter(|seen| seen.is_advert_of(node)) {
        assert_eq!(advert.from, node.mac());
    }
}

/// Issue 3, keyword `use_vmac` (MAC): a MAC that was chosen is one like the other.
#[test]
fn a_chosen_mac() {
    let chosen = "02:11:22:33:44:55";
    let config = ipv4("use_vmac 02:11:22:33:44:55");
    let lab = config.lab(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    let started = router.started();
    router.wait_for_state(started, Config::INSTANCE, "MASTER", SETTLING).unwrap();
    let announced = |seen: &Seen| seen.announces(config.vip);
    let announced = capture.expect("gratuitous ARP", started, SETTLING, announced).unwrap();
    assert_eq!(announced.from.to_string(), chosen);
    let vip = config.vip.to_string();
    lab.client().run(&["ping", "-c", "2", "-i", "0.2", "-W", "2", &vip]).unwrap();
    let entry = lab.client().run(&["ip", "neigh", "show", "to", &vip]).unwrap();
    assert!(entry.contains(chosen), "{entry}");
}

/// Issue 3, R-3-01, R-7.3-01, R-7.3-02: the same VRID in both families has two virtual MACs.
#[test]
fn two_families_have_two_macs() {
    let (v4, v6) = (ipv4("use_vmac"), ipv6("use_vmac"));
    let lab = Lab::with_ipv6(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &format!("{v4}{v6}")).unwrap();
    for config in [&v4, &v6] {
        let started = router.started();
        router.wait_for_state(started, config.instance(), "MASTER", SETTLING).unwrap();
        lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
        let vip = config.vip.to_string();
        lab.client().run(&["ping", "-c", "2", "-i", "0.2", "-W", "2", &vip]).unwrap();
        let answered = capture.seen().into_iter().rfind(|seen| seen.is_arp_answer(config.vip));
        assert_eq!(claimed(&answered.unwrap(), config.vip), Some(virtual_mac(config)));
    }
}

/// Starts a daemon, lets it be master, ends it with `end`, and compares the host with before.
fn leaves_nothing(config: &Config, trace: &str, end: impl FnOnce(&Node, Router)) {
    let lab = config.lab(1).unwrap();
    let node = lab.node(0);
    let before = Footprint::of(node).unwrap();
    let router = Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap();
    let started = router.started();
    router.wait_for_state(started, config.instance(), "MASTER", SETTLING).unwrap();
    let changed = || {
        let links = node.run(&["ip", "-d", "addr"])?;
        Ok((node.run(&["bridge", "fdb"])? + &links).contains(trace))
    };
    wait_until(trace, SETTLING, changed).unwrap();
    end(node, router);
    let after = Footprint::of(node).unwrap();
    assert_eq!(before.difference(&after), Vec::<String>::new());
}

const STOP: fn(&Node, Router) = |_, mut router| {
    assert!(router.stop().unwrap().success());
};

/// A daemon that knows nothing of virtual MACs comes after one that was killed.
const KILL_AND_RESTART: fn(&Node, Router) = |node, mut router| {
    router.process().kill().unwrap();
    let plain = Config { priority: 90, ..ipv4("") };
    let mut successor = Router::start(node, Daemon::Xvrrp, &plain.to_string()).unwrap();
    // As master where the lease still holds.
    successor.wait_for_line("(VI_1) Entering", SETTLING).unwrap();
    assert!(successor.stop().unwrap().success());
};

/// Issue 3, issue 2: the unicast filter is as it was after a stop, and after a crash and the next
/// start.
#[test]
fn no_filter_is_left() {
    let entry = "00:00:5e:00:01:33 dev eth0 self permanent";
    leaves_nothing(&ipv4("use_vmac"), entry, STOP);
    leaves_nothing(&ipv4("use_vmac"), entry, KILL_AND_RESTART);
}

/// Issue 3, issue 2: neither macvlan nor sysctl is left.
#[test]
fn no_macvlan_is_left() {
    let config = ipv4("use_vmac\n    xdp_mode none");
    leaves_nothing(&config, "vrrp.51@eth0", STOP);
    leaves_nothing(&config, "vrrp.51@eth0", KILL_AND_RESTART);
    let config = ipv6("use_vmac gate\n    xdp_mode none");
    leaves_nothing(&config, "gate@eth0", STOP);
}

/// Issue 3, R-7.4-01: the macvlan is in private mode, has the virtual MAC and the virtual addresses,
/// and none that was made from the MAC; the interface itself has its own address only.
#[test]
fn the_macvlan_has_the_virtual_addresses_only() {
    let config = ipv6("use_vmac\n    xdp_mode none");
    let cluster = Cluster::start(config);
    let node = cluster.lab.node(0);
    let status = cluster.status(0);
    assert_eq!(status.xdp_mode, "none");
    let link = node.run(&["ip", "-d", "link", "show", "dev", "vrrp6.51"]).unwrap();
    for part in ["macvlan mode private", "00:00:5e:00:02:33", "addrgenmode none"] {
        assert!(link.contains(part), "{part}: {link}");
    }
    let addresses = node.run(&["ip", "addr", "show", "dev", "vrrp6.51"]).unwrap();
    for address in ["fe80::33/64", "2001:db8::fe/64"] {
        assert!(addresses.contains(address), "{address}: {addresses}");
    }
    assert_eq!(addresses.matches("inet6").count(), 2, "{addresses}");
    let own = node.addresses().unwrap();
    assert!(cluster.config.vips().all(|vip| !own.contains(&vip)), "{own:?}");
}

/// Puts the interface of `node` into a bridge that has its address.
fn bridge(node: &Node) {
    let namespace = node.namespace();
    let address = format!("{}/24", node.address());
    let mac = node.mac().to_string();
    for command in [
        "link add br0 type bridge forward_delay 0",
        &format!("link set br0 address {mac} up"),
        "link set eth0 master br0",
        &format!("addr del {address} dev eth0"),
        &format!("addr add {address} dev br0"),
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>()).unwrap();
    }
}

/// Issue 3, R-6.4.2-04: a Backup that is a bridge passes on what its guests send to the virtual MAC,
/// for it is another's.
#[test]
fn guests_of_a_backup_reach_the_master() {
    let lab = Lab::new(3).unwrap();
    let [host, guest] = [lab.node(1), lab.node(2)];
    bridge(host);
    let (inside, outside) = (guest.namespace(), host.namespace());
    inside.ip(&["link", "set", Node::INTERFACE, "down"]).unwrap();
    let peer = ["peer", "name", "guest", "netns", outside.name()];
    inside.ip(&[&["link", "add", "eth1", "type", "veth"], &peer[..]].concat()).unwrap();
    inside.ip(&["addr", "add", "192.0.2.50/24", "dev", "eth1"]).unwrap();
    inside.ip(&["link", "set", "eth1", "up"]).unwrap();
    outside.ip(&["link", "set", "guest", "master", "br0", "up"]).unwrap();

    let config = ipv4("use_vmac");
    let vip = config.vip.to_string();
    let master = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    master.wait_for_state(master.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
    let backup = Config { priority: 90, ..config }.to_string().replace("eth0", "br0");
    let mut backup = Router::start(host, Daemon::Xvrrp, &backup).unwrap();
    let ping = || guest.run(&["ping", "-c", "2", "-i", "0.2", "-W", "2", &vip]);
    let started = backup.started();
    backup.wait_for_state(started, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
    wait_until("the master answers", SETTLING, || Ok(ping().is_ok())).unwrap();
    assert_eq!(backup.status().unwrap()[0].state, "BACKUP");
    let before = backup.status().unwrap()[0].counter("virtual_mac_dropped");
    ping().unwrap();
    assert_eq!(backup.status().unwrap()[0].counter("virtual_mac_dropped"), before);

    // And as master it has it itself.
    lab.node(0).cut().unwrap();
    backup.wait_for_state(started, Config::INSTANCE, "MASTER", SETTLING).unwrap();
    wait_until("the heir answers", SETTLING, || Ok(ping().is_ok())).unwrap();
    assert!(backup.stop().unwrap().success());
}

/// keepalived's `use_vmac` and ours, as master and backup, hand over to each other. What the client
/// has in its cache is not looked at: keepalived 2.2.7 asks in the name of the virtual address for
/// the client, from the interface, and so teaches it the interface's MAC.
fn interoperates(config: Config, daemons: [Daemon; 2]) {
    let mac = virtual_mac(&config);
    let lab = config.lab(3).unwrap();
    let mut cluster = Cluster::start_in(lab, config, daemons);
    let vip = cluster.config.vip;
    cluster.ping(vip);
    assert_eq!(cluster.asked(vip), Some(mac));
    let stopped = SystemTime::now();
    assert!(cluster.routers[0].stop().unwrap().success());
    cluster.wait_for_master(1, stopped);
    assert_eq!(cluster.asked(vip), Some(mac));
    cluster.ping(vip);

    let config = Config { priority: 100, ..cluster.config.clone() };
    let back = SystemTime::now();
    cluster.routers[0] =
        Router::start(cluster.lab.node(0), daemons[0], &config.to_string()).unwrap();
    cluster.wait_for_master(0, back);
    let instance = cluster.config.instance();
    cluster.routers[1].wait_for_state(back, instance, "BACKUP", SETTLING).unwrap();
    cluster.ping(vip);
    assert_eq!(cluster.asked(vip), Some(mac));
}

/// Issue 3, R-7.2-03: keepalived is our backup.
#[test]
fn keepalived_follows_us() {
    interoperates(ipv4("use_vmac"), [Daemon::Xvrrp, Daemon::Keepalived]);
}

/// Issue 3, R-7.2-03: we are keepalived's.
#[test]
fn we_follow_keepalived() {
    interoperates(ipv4("use_vmac"), [Daemon::Keepalived, Daemon::Xvrrp]);
}

/// Issue 3, R-7.2-03: adverts that come with our own virtual MAC are heard where a macvlan has it,
/// too.
#[test]
fn we_follow_keepalived_with_a_macvlan() {
    let config = ipv4("use_vmac\n    xdp_mode none");
    interoperates(config.clone(), [Daemon::Keepalived, Daemon::Xvrrp]);
    interoperates(config, [Daemon::Xvrrp, Daemon::Keepalived]);
}
