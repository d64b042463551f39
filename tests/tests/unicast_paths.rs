//! The ways that unicast adverts take: through a router, to another MAC, back on another interface;
//! and whom they must not come from.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Lab, Node, Router, Seen, VirtualRouter, wait_until, wire::What,
};

const SETTLING: Duration = Duration::from_secs(15);
/// Many intervals: what is to stay as it is, stays so for this long.
const A_WHILE: u64 = 25;
const NO_PROGRAM: &str = "xdp_mode none";

/// A fast unicast router on `node` that sends to `peers`.
fn config(node: &Node, priority: u8, peers: &[&str]) -> Config {
    Config {
        version: 3,
        advert_int: Duration::from_millis(100),
        priority,
        source: Some(node.address().into()),
        peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
        ..Config::default()
    }
}

fn run(node: &Node, config: &Config) -> Router {
    run_file(node, &config.to_string())
}

/// A daemon that answers already.
fn run_file(node: &Node, config: &str) -> Router {
    let router = Router::start(node, Daemon::Xvrrp, config).unwrap();
    wait_until("it answers", SETTLING, || Ok(router.status().is_ok())).unwrap();
    router
}

fn status(router: &Router) -> VirtualRouter {
    router.status().unwrap().swap_remove(0)
}

/// Waits until the router is in this state.
fn expect_state(router: &Router, state: &str) {
    wait_until(state, SETTLING, || Ok(status(router).state == state)).unwrap();
}

/// Waits until a counter has grown by `by`.
fn expect_growth(router: &Router, counter: &str, by: u64) {
    let before = status(router).counter(counter);
    wait_until(counter, SETTLING, || Ok(status(router).counter(counter) >= before + by)).unwrap();
}

fn has_been_master(router: &Router) -> bool {
    router.log().iter().any(|line| line.contains("Entering MASTER STATE"))
}

/// Runs `sysctl -w` on the node, whose settings are its own.
fn set(node: &Node, settings: &[&str]) {
    node.run(&[&["sysctl", "-qw"], settings].concat()).unwrap();
}

fn ip(node: &Node, command: &str) {
    node.namespace().ip(&command.split(' ').collect::<Vec<_>>()).unwrap();
}

/// Nodes 0 and 2 in two networks, with node 1 as the router between them.
fn behind_a_router() -> Lab {
    let lab = Lab::new(3).unwrap();
    let [near, router, far] = [0, 1, 2].map(|node| lab.node(node));
    set(router, &["net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0"]);
    set(router, &["net.ipv4.conf.eth0.send_redirects=0"]);
    ip(router, "addr add 198.51.100.1/24 dev eth0");
    ip(near, "route add 198.51.100.0/24 via 192.0.2.12");
    ip(far, "addr del 192.0.2.13/24 dev eth0");
    ip(far, "addr add 198.51.100.13/24 dev eth0");
    ip(far, "route add 192.0.2.0/24 via 198.51.100.1");
    lab
}

/// Issue 3, keywords `min_ttl`, `max_ttl`: a peer behind a router is heard, and its distance, when
/// it is demanded, is checked and counted.
#[test]
fn a_peer_behind_a_router() {
    let lab = behind_a_router();
    let (near, far) = (lab.node(0), lab.node(2));
    let master = Config {
        source: Some(IpAddr::from([198, 51, 100, 13])),
        ..config(far, 200, &["192.0.2.11"])
    };
    let master = run(far, &master);
    expect_state(&master, "MASTER");
    let hears = Capture::start(near).unwrap();
    for (extra, peer) in [
        ("", "198.51.100.13"),
        ("", "198.51.100.13 min_ttl 254"),
        ("", "198.51.100.13 min_ttl 254 max_ttl 254"),
        (NO_PROGRAM, "198.51.100.13 min_ttl 254 max_ttl 254"),
    ] {
        let mut backup = run(near, &Config { extra, ..config(near, 100, &[peer]) });
        expect_state(&backup, "BACKUP");
        expect_growth(&backup, "adverts_absorbed", A_WHILE);
        assert!(!has_been_master(&backup), "{peer}");
        assert_eq!(status(&backup).counters("rejected_"), 0, "{peer}");
        assert!(backup.stop().unwrap().success());
    }
    for (extra, peer) in [
        ("", "198.51.100.13 min_ttl 255"),
        ("", "198.51.100.13 max_ttl 253"),
        (NO_PROGRAM, "198.51.100.13 max_ttl 253"),
    ] {
        let mut backup = run(near, &Config { extra, ..config(near, 100, &[peer]) });
        expect_state(&backup, "MASTER");
        expect_growth(&backup, "rejected_peer_ttl", 5);
        assert_eq!(status(&backup).counter("adverts_received"), 0, "{peer}");
        assert!(backup.log().iter().any(|line| line.contains("min_ttl")), "{:?}", backup.log());
        assert!(backup.stop().unwrap().success());
    }
    let routed = |seen: &Seen| matches!(seen.what, What::Advert { hop_limit: 254, .. });
    assert!(hears.seen().iter().any(routed), "the TTL was not decremented");
}

/// Issue 3: a peer that has another MAC from now on. It announces its source address, and the
/// kernel's neighbour table does the rest: it stays backup.
#[test]
fn a_peer_with_another_mac() {
    let lab = Lab::new(2).unwrap();
    let master = run(lab.node(0), &config(lab.node(0), 200, &["192.0.2.12"]));
    let backup = run(lab.node(1), &config(lab.node(1), 100, &["192.0.2.11"]));
    expect_state(&master, "MASTER");
    expect_growth(&backup, "adverts_absorbed", A_WHILE);
    let capture = Capture::start(lab.client()).unwrap();
    let changed = SystemTime::now();
    ip(lab.node(1), "link set eth0 address 02:00:00:00:99:99");
    let own = lab.node(1).address();
    capture.expect("the new MAC", changed, SETTLING, |seen| seen.announces(own)).unwrap();
    expect_growth(&backup, "adverts_received", A_WHILE);
    assert!(!has_been_master(&backup), "{:?}", backup.log());
    let neighbours = lab.node(0).namespace().ip(&["neigh", "show", "192.0.2.12"]).unwrap();
    assert!(neighbours.contains("02:00:00:00:99:99"), "{neighbours}");
}

/// Issue 3: the peer is replaced by another host, which has the address and another MAC and says
/// nothing of it. The kernel finds it as soon as it doubts what it knows.
#[test]
fn a_peer_that_was_replaced() {
    let lab = Lab::new(2).unwrap();
    let master = run(lab.node(0), &config(lab.node(0), 200, &["192.0.2.12"]));
    let mut backup = run(lab.node(1), &config(lab.node(1), 100, &["192.0.2.11"]));
    expect_growth(&backup, "adverts_absorbed", A_WHILE);
    assert!(backup.stop().unwrap().success());
    ip(lab.node(1), "link set eth0 address 02:00:00:00:99:99");
    // Otherwise it believes what it knows for up to 45 s.
    let known = format!("neigh change 192.0.2.12 lladdr {} nud stale dev eth0", lab.node(1).mac());
    ip(lab.node(0), &known);
    wait_until("the master knows the MAC", SETTLING, || {
        let neighbours = lab.node(0).namespace().ip(&["neigh", "show", "192.0.2.12"])?;
        Ok(neighbours.contains("02:00:00:00:99:99"))
    })
    .unwrap();
    let backup = run(lab.node(1), &config(lab.node(1), 100, &["192.0.2.11"]));
    expect_growth(&backup, "adverts_absorbed", A_WHILE);
    assert!(!has_been_master(&backup), "{:?}", backup.log());
    assert_eq!(status(&master).state, "MASTER");
}

/// Issue 3: adverts that come in on another interface than ours leave by are heard all the same.
#[test]
fn replies_on_another_interface() {
    let lab = Lab::new(2).unwrap();
    let [near, far] = [lab.node(0), lab.node(1)];
    let inside = ["type", "veth", "peer", "name", "wire", "netns", far.namespace().name()];
    near.namespace().ip(&[&["link", "add", "wire"], &inside[..]].concat()).unwrap();
    for (node, address) in [(near, "198.51.100.1"), (far, "198.51.100.2")] {
        ip(node, &format!("addr add {address}/24 dev wire"));
        ip(node, "link set wire up");
        // Loose: the way back is another one than the way there.
        set(node, &["net.ipv4.conf.all.rp_filter=2", "net.ipv4.conf.wire.rp_filter=2"]);
    }
    ip(far, "route add 192.0.2.11/32 via 198.51.100.1 dev wire");
    let master = run(far, &config(far, 200, &["192.0.2.11"]));
    expect_state(&master, "MASTER");
    let at_eth0 = Capture::start(near).unwrap();
    for extra in ["", NO_PROGRAM] {
        let mut backup = run(near, &Config { extra, ..config(near, 100, &["192.0.2.12"]) });
        expect_state(&backup, "BACKUP");
        expect_growth(&backup, "adverts_absorbed", A_WHILE);
        assert!(!has_been_master(&backup), "{:?}", backup.log());
        assert!(backup.stop().unwrap().success());
    }
    let advert = |seen: &Seen| matches!(seen.what, What::Advert { .. });
    assert!(!at_eth0.seen().iter().any(advert), "they were meant to come in elsewhere");
}

/// Keyword `check_unicast_src`: a stranger of a higher priority changes nothing, and is counted and
/// named; without the keyword it wins, as with keepalived.
#[test]
fn a_stranger() {
    let lab = Lab::new(2).unwrap();
    let stranger = run(lab.node(1), &config(lab.node(1), 200, &["192.0.2.11"]));
    expect_state(&stranger, "MASTER");
    let to_nobody = config(lab.node(0), 100, &["192.0.2.77"]);
    for extra in ["check_unicast_src", "check_unicast_src\n    xdp_mode none"] {
        let mut own = run(lab.node(0), &Config { extra, ..to_nobody.clone() });
        expect_state(&own, "MASTER");
        expect_growth(&own, "rejected_not_peer", A_WHILE);
        let row = status(&own);
        assert_eq!((row.state.as_str(), row.counter("adverts_received")), ("MASTER", 0));
        let named = "advert from 192.0.2.12 dropped: its source is no unicast_peer";
        assert!(own.log().iter().any(|line| line.contains(named)), "{:?}", own.log());
        assert!(own.stop().unwrap().success());
    }
    let own = run(lab.node(0), &to_nobody);
    expect_growth(&own, "adverts_absorbed", A_WHILE);
    assert!(!has_been_master(&own));
}

/// Issue 3, X-09: a multicast router refuses what was sent to its address, and a unicast router what
/// was sent to the group.
#[test]
fn unicast_and_multicast_do_not_mix() {
    let lab = Lab::new(2).unwrap();
    let multicast = |node: usize| Config { source: None, ..config(lab.node(node), 200, &[]) };
    for extra in ["", NO_PROGRAM] {
        let unicast = Config { extra, ..config(lab.node(1), 100, &["192.0.2.11"]) };
        // It shares the interface with another virtual router, so the group is heard.
        let other = multicast(1).to_string().replace("VI_1", "VI_2").replace(" 51\n", " 52\n");
        let other = other.replace("192.0.2.129", "192.0.2.130");
        let two =
            format!("{unicast}{}", other.replace("version 3", &format!("version 3\n{extra}")));
        let mut one = run(lab.node(0), &Config { extra, ..multicast(0) });
        let mut two = run_file(lab.node(1), &two);
        expect_state(&one, "MASTER");
        expect_state(&two, "MASTER");
        expect_growth(&one, "rejected_destination", 5);
        expect_growth(&two, "rejected_destination", 5);
        for router in [&one, &two] {
            assert_eq!(status(router).counter("adverts_received"), 0);
        }
        assert!(one.stop().unwrap().success());
        assert!(two.stop().unwrap().success());
    }
}

/// Issue 3: no group is joined for a unicast router.
#[test]
fn no_group_is_joined() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let router = run(node, &config(node, 200, &["192.0.2.12"]));
    expect_state(&router, "MASTER");
    let groups = node.namespace().ip(&["maddr", "show", "dev", Node::INTERFACE]).unwrap();
    assert!(!groups.contains("224.0.0.18"), "{groups}");
}

/// Issue 3: without the source address there is no router, and with it there is one again, which
/// tells the network at once where the address is.
#[test]
fn the_source_address_goes_and_comes() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let source = Lab::address(77);
    let config = Config { source: Some(source.into()), ..config(node, 100, &["192.0.2.12"]) };
    let router = run(node, &config);
    expect_state(&router, "FAULT");
    ip(node, "addr add 192.0.2.77/24 dev eth0");
    expect_state(&router, "MASTER");
    ip(node, "addr del 192.0.2.77/24 dev eth0");
    expect_state(&router, "FAULT");
    let capture = Capture::start(lab.client()).unwrap();
    let back = SystemTime::now();
    ip(node, "addr add 192.0.2.77/24 dev eth0");
    expect_state(&router, "MASTER");
    capture.expect("its announcement", back, SETTLING, |seen| seen.announces(source)).unwrap();
}

/// Keyword `unicast_fault_no_peer`: without peers the router takes no part.
#[test]
fn no_peers() {
    let lab = Lab::new(1).unwrap();
    let config = Config { extra: "unicast_fault_no_peer", ..config(lab.node(0), 100, &[]) };
    let router = run(lab.node(0), &config);
    expect_state(&router, "FAULT");
    assert!(
        router.log().iter().any(|line| line.contains("no unicast peers")),
        "{:?}",
        router.log()
    );
}

/// Issue 3, rule 1 of the design: a peer that no route leads to does not silence the master of the
/// others; where no peer can be reached, nobody answers for the address.
#[test]
fn peers_that_no_route_leads_to() {
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let mut master = run(lab.node(0), &config(lab.node(0), 200, &["203.0.113.9", "192.0.2.12"]));
    expect_state(&master, "MASTER");
    let backup = run(lab.node(1), &config(lab.node(1), 100, &["192.0.2.11"]));
    lab.wait_for_answerer(&capture, Config::default().vip, 0, SETTLING).unwrap();
    expect_growth(&master, "send_errors", 5);
    expect_growth(&backup, "adverts_absorbed", A_WHILE);
    assert!(!has_been_master(&backup));
    assert!(master.stop().unwrap().success());
    lab.wait_for_answerer(&capture, Config::default().vip, 1, SETTLING).unwrap();

    let alone = run(lab.node(0), &config(lab.node(0), 200, &["203.0.113.9"]));
    expect_growth(&alone, "send_errors", A_WHILE);
    let row = status(&alone);
    assert_eq!((row.state.as_str(), row.counter("adverts_sent")), ("MASTER", 0));
    assert_eq!(lab.answerers(&capture, Config::default().vip).unwrap(), [1]);
}

/// Issue 3: two virtual routers with the same number on one interface, which share no peer, are two
/// elections: node 0 is backup in the one and master in the other.
#[test]
fn one_number_two_circles() {
    let lab = Lab::new(3).unwrap();
    let better = run(lab.node(1), &config(lab.node(1), 200, &["192.0.2.11"]));
    expect_state(&better, "MASTER");
    for extra in ["check_unicast_src", "check_unicast_src\n    xdp_mode none"] {
        let circle = |peer: &str| Config { extra, ..config(lab.node(0), 100, &[peer]) }.to_string();
        let other = circle("192.0.2.13").replace("VI_1", "VI_2").replace(".129", ".130");
        let mut both = run_file(lab.node(0), &format!("{}{other}", circle("192.0.2.12")));
        let worse = run(lab.node(2), &config(lab.node(2), 50, &["192.0.2.11"]));
        let states =
            || -> Vec<String> { both.status().unwrap().into_iter().map(|row| row.state).collect() };
        wait_until("both elections", SETTLING, || Ok(states() == ["BACKUP", "MASTER"])).unwrap();
        expect_growth(&both, "adverts_absorbed", A_WHILE);
        expect_growth(&worse, "adverts_absorbed", A_WHILE);
        assert_eq!(states(), ["BACKUP", "MASTER"]);
        for row in both.status().unwrap() {
            assert_eq!(row.counters("rejected_"), 0, "{row:?}");
        }
        assert!(both.stop().unwrap().success());
    }
}
