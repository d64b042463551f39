//! What somebody removes, or what goes with something else, is there again.

use std::{
    fs,
    net::Ipv4Addr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{Bench, Config, Lab, Pings, ms_between, wait_until};

use crate::{
    BLOCKS, HEALING, SETTLING, config, expect_master, healed, lab, made, master, start,
    tolerated_ms, wait_for,
};

const PINGING: Duration = Duration::from_millis(1);
/// A host behind the second interface.
const FAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Issue 6, 5: a route or rule that somebody removes while its router is Active is there again within
/// 100 ms, and the router stays Active; a host behind the route misses no more than that.
#[test]
fn what_somebody_removes_comes_back() {
    let lab = lab();
    let (gateway, far) = (lab.node(0), lab.node(1));
    let router = master(gateway, &config(100, BLOCKS).to_string());
    wait_until("routes", SETTLING, || Ok(made(gateway).len() == 5)).unwrap();
    let all = made(gateway);

    gateway.set_sysctl("ipv4/ip_forward", "1").unwrap();
    far.set_sysctl("ipv4/conf/all/rp_filter", "0").unwrap();
    far.set_sysctl("ipv4/conf/eth1/rp_filter", "0").unwrap();
    far.run(&["ip", "addr", "add", &format!("{FAR}/32"), "dev", "lo"]).unwrap();
    lab.client().run(&["ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.129"]).unwrap();

    let (route, default) = ("route `203.0.113.0/24", "route `0.0.0.0/0");
    let (first, second) = ("rule `from 192.0.2.129", "rule `from all to 203.0.113.0/24");
    let sourced = "route `203.0.116.0/24";
    let attacks: [(&[&str], &[&str]); 7] = [
        (&["route", "del", "203.0.113.0/24"], &[route]),
        (&["route", "flush", "dev", "eth1", "proto", "18"], &[route, sourced]),
        (&["route", "flush", "table", "100"], &[default]),
        // What is told of this names the other one.
        (&["route", "replace", "203.0.113.0/24", "dev", "eth0", "proto", "bgp"], &[route]),
        // The kernel removes the routes that have it for their source, and tells nobody.
        (&["addr", "del", "192.0.2.129/32", "dev", "eth0"], &[sourced]),
        (&["rule", "del", "pref", "500"], &[first]),
        (&["rule", "flush", "protocol", "18"], &[first, second]),
    ];
    for (command, things) in attacks {
        let pings = Pings::start(lab.client(), FAR, PINGING).unwrap();
        let took = healed(&router, command, things);
        let lost = u32::try_from(pings.lost().unwrap().len()).unwrap();
        println!("ip {}: there again after {took:.1} ms, {lost} pings lost", command.join(" "));
        assert!(took < tolerated_ms(HEALING), "{command:?}: {took} ms");
        assert!(
            PINGING * lost < HEALING + Bench::TOLERANCE,
            "{command:?}: {lost} pings of {PINGING:?} lost"
        );
        if command[1] == "replace" {
            gateway.run(&["ip", "route", "del", "203.0.113.0/24", "dev", "eth0"]).unwrap();
        }
        wait_for(gateway, &all);
    }
    expect_master(&router);
}

/// The same for IPv6, where several ways are several routes for the kernel, and addresses go with the
/// link.
#[test]
fn ipv6_comes_back_too() {
    let lab = Lab::with_ipv6(2).unwrap();
    lab.node(0).join(lab.node(1)).unwrap();
    let node = lab.node(0);
    let blocks = "virtual_routes {
        2001:db8:7::/64 via 2001:db8:2::c dev eth1
        2001:db8:8::/64 nexthop via 2001:db8:2::c nexthop via 2001:db8::64
    }
    virtual_rules {
        from 2001:db8::fe table 100 preference 500
    }";
    let config = Config { extra: blocks, ..Config::ipv6() };
    let router = start(node, &config.to_string());
    let name = Config::INSTANCE_V6;
    router.wait_for_state(router.started(), name, "MASTER", SETTLING).unwrap();
    let shown = || {
        let routes = node.run(&["ip", "-6", "route", "show", "proto", "18"]).unwrap();
        routes + &node.run(&["ip", "-6", "rule", "show", "pref", "500"]).unwrap()
    };
    wait_until("all", SETTLING, || Ok(shown().lines().count() == 5)).unwrap();
    let all = shown();
    assert!(all.contains("2001:db8:7::/64 via 2001:db8:2::c dev eth1 metric 1024"), "{all}");
    let (one, two) = ("route `2001:db8:7::/64", "route `2001:db8:8::/64");
    let attacks: [(&[&str], &[&str]); 4] = [
        (&["-6", "route", "del", "2001:db8:7::/64"], &[one]),
        (&["-6", "route", "del", "2001:db8:8::/64", "via", "2001:db8:2::c"], &[two]),
        (&["-6", "route", "flush", "proto", "18"], &[one, two]),
        (&["-6", "rule", "del", "pref", "500"], &["rule `from 2001:db8::fe"]),
    ];
    for (command, things) in attacks {
        let took = healed(&router, command, things);
        println!("ip {}: there again after {took:.1} ms", command.join(" "));
        assert!(took < tolerated_ms(HEALING), "{command:?}: {took} ms");
        wait_until("all", SETTLING, || Ok(shown() == all)).unwrap();
    }
    node.run(&["ip", "link", "set", "eth1", "down"]).unwrap();
    wait_until("no route", SETTLING, || Ok(!shown().contains("2001:db8:7::/64"))).unwrap();
    node.run(&["ip", "link", "set", "eth1", "up"]).unwrap();
    node.run(&["ip", "addr", "add", "2001:db8:2::b/64", "dev", "eth1", "nodad"]).unwrap();
    wait_until("all", SETTLING, || Ok(shown() == all)).unwrap_or_else(|_| panic!("{}", shown()));
    assert_eq!(router.last_state(name).as_deref(), Some("MASTER"));
}

/// Issue 6, 5: routes that went with their interface, or with its addresses, are there again with it.
#[test]
fn they_come_back_with_their_interface() {
    let lab = lab();
    let node = lab.node(0);
    let router = master(node, &config(100, BLOCKS).to_string());
    wait_until("routes", SETTLING, || Ok(made(node).len() == 5)).unwrap();
    let all = made(node);
    let far = "203.0.113.0/24";

    node.run(&["ip", "link", "set", "eth1", "down"]).unwrap();
    wait_until("no route", SETTLING, || {
        Ok(!made(node).iter().any(|own| own.starts_with(&format!("unicast {far}"))))
    })
    .unwrap();
    node.run(&["ip", "link", "set", "eth1", "up"]).unwrap();
    wait_for(node, &all);

    node.run(&["ip", "addr", "flush", "dev", "eth1"]).unwrap();
    router.wait_for_line("is not there: cannot add", SETTLING).unwrap();
    node.run(&["ip", "addr", "add", "198.51.100.11/24", "dev", "eth1"]).unwrap();
    wait_for(node, &all);

    node.run(&["ip", "link", "del", "eth1"]).unwrap();
    router.wait_for_line("is not there: there is no interface eth1", SETTLING).unwrap();
    node.join(lab.node(1)).unwrap();
    wait_for(node, &all);
    expect_master(&router);
}

/// Issue 6, pain 4: who removes a route again and again does not keep the daemon busy.
#[test]
fn a_quarrel_is_limited() {
    let lab = lab();
    let node = lab.node(0);
    let router = master(node, &config(100, BLOCKS).to_string());
    wait_until("routes", SETTLING, || Ok(made(node).len() == 5)).unwrap();
    let remove = ["route", "del", "203.0.113.0/24"];
    let began = SystemTime::now();
    for _ in 0..10 {
        healed(&router, &remove, &["route `203.0.113.0/24"]);
    }
    let since = SystemTime::now();
    node.run(&[&["ip"], &remove[..]].concat()).unwrap();
    let again = router.wait_for_line("removed again and again", SETTLING).unwrap();
    assert!(again.at >= since);
    let is_back = || Ok(made(node).len() == 5);
    wait_until("the route, after a while", SETTLING, is_back).unwrap();
    assert!(began.elapsed().unwrap() >= Duration::from_secs(10));
    expect_master(&router);
}

/// Issue 6: a route whose gateway cannot be reached is there as soon as another route leads to it, however
/// long it has been refused.
#[test]
fn a_gateway_that_is_reached_later() {
    let lab = lab();
    let node = lab.node(0);
    let blocks = "virtual_routes {\n203.0.113.0/24 via 198.18.0.1 dev eth1\n}";
    let router = master(node, &config(100, blocks).to_string());
    router.wait_for_line("via 198.18.0.1 dev eth1` is not there", SETTLING).unwrap();
    // The pauses between tries have become longer than what is allowed here.
    thread::sleep(Duration::from_millis(3500));
    let since = SystemTime::now();
    node.run(&["ip", "route", "add", "198.18.0.0/24", "dev", "eth1"]).unwrap();
    let there = router.wait_for_line("is there now", SETTLING).unwrap();
    let took = ms_between(since, there.at);
    println!("there {took:.1} ms after its gateway");
    assert!(took < tolerated_ms(HEALING), "{took} ms");
    let log = router.log();
    assert_eq!(log.iter().filter(|line| line.contains("is not there")).count(), 1, "{log:#?}");
}

/// Issue 6: on a host with many routes of others, no change of them wakes the daemon.
#[test]
fn routes_of_others_do_not_wake_it() {
    const ROUTES: usize = 20_000;
    let lab = lab();
    let node = lab.node(0);
    let router = master(node, &config(100, BLOCKS).to_string());
    wait_until("routes", SETTLING, || Ok(made(node).len() == 5)).unwrap();
    let worker = router.worker().unwrap().as_raw_nonzero();
    let wakeups = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{worker}/task/{worker}/status")).unwrap();
        let switches = status.lines().find(|line| line.starts_with("voluntary_ctxt")).unwrap();
        switches.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let batch = lab.dir().join("batch");
    for command in ["add", "replace", "del"] {
        let line = |n| {
            format!("route {command} 10.{}.{}.0/24 via 198.51.100.12 proto bgp\n", n / 256, n % 256)
        };
        fs::write(&batch, (0..ROUTES).map(line).collect::<String>()).unwrap();
        let (before, began) = (wakeups(), SystemTime::now());
        node.run(&["ip", "-batch", batch.to_str().unwrap()]).unwrap();
        let (woken, took) = (wakeups() - before, began.elapsed().unwrap());
        println!("{ROUTES} times `ip route {command}` in {took:?}: woken {woken} times");
        // It has some to do on its own.
        assert!(woken < 100 + ROUTES as u64 / 200, "{command}: {woken}");
    }
    // And those that concern it do.
    healed(&router, &["route", "del", "203.0.113.0/24"], &["route `203.0.113.0/24"]);
}

/// keyword `no_track`: what bears it stays away when somebody removes it.
#[test]
fn no_track_is_not_restored() {
    let lab = lab();
    let node = lab.node(0);
    let blocks = "virtual_routes {
        203.0.113.0/24 dev eth1 no_track
        203.0.114.0/24 dev eth1
        blackhole 203.0.115.0/24
    }
    virtual_rules {
        from 192.0.2.129 table 100 preference 500 no_track
    }";
    let router = master(node, &config(100, blocks).to_string());
    wait_until("routes", SETTLING, || Ok(made(node).len() == 4)).unwrap();
    node.run(&["ip", "route", "del", "203.0.113.0/24"]).unwrap();
    node.run(&["ip", "rule", "del", "pref", "500"]).unwrap();
    healed(&router, &["route", "del", "203.0.114.0/24"], &["route `203.0.114.0/24"]);
    // keepalived could not track it, and says so; that is no reason to lose it.
    healed(
        &router,
        &["route", "del", "blackhole", "203.0.115.0/24"],
        &["route `blackhole 203.0.115.0/24"],
    );
    let left = made(node);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|own| !own.contains("203.0.113.0") && !own.contains("lookup")));
}
