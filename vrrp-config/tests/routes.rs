//! `static_routes`, `virtual_routes` and `track_group` (keyword table 1.3).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::{net::IpAddr, time::Duration};

use support::{compare_with_keepalived, instance, named, parse, remarks};
use vrrp_common::Family;
use vrrp_config::{
    Config, Encap, IpEncap, Lockable, Named, NextHop, Preference, Prefix, Realms, Route, RouteKind,
    RoutePosition, Span, Statics, TrackGroup, Tracking,
};

fn list(lines: &str) -> String {
    format!("static_routes {{\n{lines}\n}}\n")
}

/// The routes of a list, and what is said about it.
fn read(lines: &str) -> (Vec<&'static str>, Vec<Route>) {
    let loaded = parse(&list(lines));
    (remarks(&loaded), loaded.config.map(|config| config.statics.routes).unwrap_or_default())
}

/// The only route of a list about which there is nothing to say.
fn one(line: &str) -> Route {
    let (codes, mut routes) = read(line);
    assert_eq!((codes, routes.len()), (vec![], 1), "{line}");
    routes.remove(0)
}

/// The only route of a list that is repaired or remarked upon.
fn remarked(line: &str) -> (Vec<&'static str>, Route) {
    let (codes, mut routes) = read(line);
    assert_eq!(routes.len(), 1, "{line}: {codes:?}");
    (codes, routes.remove(0))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix { address: ip(address), length: length.parse().unwrap() }
}

fn hop(gateway: Option<&str>, device: Option<&str>) -> NextHop {
    NextHop { gateway: gateway.map(ip), device: device.map(str::to_owned), ..NextHop::default() }
}

/// `to`, `via`, `dev`, `src`, and what holds when nothing else is said.
#[test]
fn a_route_and_its_defaults() {
    let route = one("192.168.2.0/24 via 192.168.1.100 dev eth0");
    let mut expected = Route::new(prefix("192.168.2.0/24"), route.span);
    expected.hops = vec![hop(Some("192.168.1.100"), Some("eth0"))];
    assert_eq!(route, expected);
    assert_eq!(route.table, Named::Number(254));
    assert_eq!(route.protocol, Named::Number(18));
    assert_eq!((route.kind, route.position), (RouteKind::Unicast, RoutePosition::Prepend));
    assert_eq!(route.tracking, Tracking::On);

    let sourced = one("src 10.0.0.9 to 10.1.0.0/16 via 10.0.0.1 dev eth0");
    assert_eq!(sourced.source, Some(ip("10.0.0.9")));
    assert_eq!(sourced.destination, prefix("10.1.0.0/16"));
    assert_eq!(one("10.0.0.7 oif eth1").destination, prefix("10.0.0.7/32"));
}

/// `default` is of the family of the rest of the line, and of IPv4 without one (1.3, `inet6`).
#[test]
fn default_of_either_family() {
    for (line, destination) in [
        ("default via 10.0.0.1 dev eth0", "0.0.0.0/0"),
        ("any dev eth0", "0.0.0.0/0"),
        ("all dev eth0 inet", "0.0.0.0/0"),
        ("default via fe80::1 dev eth0", "::/0"),
        ("default6 dev eth0", "::/0"),
        ("default dev eth0 inet6", "::/0"),
    ] {
        assert_eq!(one(line).destination, prefix(destination), "{line}");
    }
    // 2.2.7 swallows the word behind `inet6` and loses the route; here it is what is written.
    let (codes, route) = remarked("inet6 default dev eth0");
    assert_eq!((codes, route.family()), (vec!["E0144"], Family::V6));
}

/// Every word with a value: `table`, `tos`, `protocol`, `scope`, `metric`, `expires`, `pref`,
/// `ttl-propagate`, `vrf`, `from`, numbers in C's notation, names of the kernel and of the host.
#[test]
fn words_with_values() {
    let ipv6 = one(
        "2001:db8::/32 from 2001:db8:1::/48 via fe80::1 dev eth0 table 0x64 expires 60 pref high \
         ttl-propagate disabled metric 5",
    );
    assert_eq!(ipv6.from, Some(prefix("2001:db8:1::/48")));
    assert_eq!(ipv6.table, Named::Number(100));
    assert_eq!(ipv6.expires, Some(Duration::from_secs(60)));
    assert_eq!(ipv6.preference, Some(Preference::High));
    assert_eq!((ipv6.ttl_propagate, ipv6.metric), (Some(false), Some(5)));
    assert_eq!(one("2001:db8::/32 dev eth0 pref 3").preference, Some(Preference::Low));

    let ipv4 =
        one("10.1.0.0/16 dev eth0 table uplink tos 010 scope link vrf blue append realms 3/4");
    assert_eq!(ipv4.table, Named::Name("uplink".to_owned()));
    assert_eq!((ipv4.tos, ipv4.scope), (Named::Number(8), Some(Named::Number(253))));
    assert_eq!((ipv4.vrf.as_deref(), ipv4.position), (Some("blue"), RoutePosition::Append));
    let realms = Realms { from: Named::Number(3), to: Named::Number(4) };
    assert_eq!(ipv4.hops[0].realms, Some(realms));
    let names =
        one("10.1.0.0/16 dev eth0 table main tos AF11 protocol static no_track realms PQA/0x14");
    assert_eq!(names.table, Named::Number(254));
    assert_eq!(names.tos, Named::Name("AF11".to_owned()));
    assert_eq!((names.protocol, names.tracking), (Named::Number(4), Tracking::Off));
    let realms = Realms { from: Named::Name("PQA".to_owned()), to: Named::Number(20) };
    assert_eq!(names.hops[0].realms, Some(realms));
    assert_eq!(one("10.1.0.0/16 dev eth0 priority 7").metric, Some(7));
    assert_eq!(one("10.1.0.0/16 dev eth0 dsfield 4").tos, Named::Number(4));
}

/// `mtu [lock]`, `advmss`, `reordering`, `cwnd`, `ssthresh`, `window`, `initcwnd`, `initrwnd`,
/// `hoplimit`, `rtt`, `rttvar`, `rto_min`, `features`, `quickack`, `fastopen_no_cookie`, `congctl`.
#[test]
fn metrics() {
    let metrics = one(
        "10.1.0.0/16 dev eth0 mtu lock 1400 advmss 1360 reordering 4 cwnd lock 10 ssthresh 20 \
         window 65535 initcwnd 10 initrwnd 20 hoplimit 64 rtt 300 rttvar lock 1.5s rto_min 200ms \
         features ecn quickack 1 fastopen_no_cookie 0 congctl lock cubic",
    )
    .metrics;
    let open = |value| Some(Lockable { value, locked: false });
    let locked = |value| Some(Lockable { value, locked: true });
    assert_eq!((metrics.mtu, metrics.advmss), (locked(1400), open(1360)));
    assert_eq!(
        (metrics.reordering, metrics.cwnd, metrics.ssthresh),
        (open(4), locked(10), open(20))
    );
    assert_eq!((metrics.window, metrics.initcwnd), (Some(65535), Some(10)));
    assert_eq!((metrics.initrwnd, metrics.hoplimit), (Some(20), Some(64)));
    let time = |millis, locked| Some(Lockable { value: Duration::from_millis(millis), locked });
    assert_eq!((metrics.rtt, metrics.rttvar), (time(300, false), time(1500, true)));
    assert_eq!(metrics.rto_min, time(200, false));
    assert!(metrics.ecn);
    assert_eq!((metrics.quickack, metrics.fastopen_no_cookie), (Some(true), Some(false)));
    let cubic = Lockable { value: "cubic".to_owned(), locked: true };
    assert_eq!(metrics.congestion_control, Some(cubic));

    // keepalived 2.2 would make 200 ms of it, which is what `rto_min` is there to avoid.
    let (codes, short) = remarked("10.1.0.0/16 dev eth0 rto_min 5ms");
    assert_eq!((codes, short.metrics.rto_min), (vec!["W0158"], time(5, false)));
}

/// `nexthop via … dev … weight … onlink`, `via inet6`, and the old `or`.
#[test]
fn several_ways() {
    let route = one("10.1.0.0/16 table 7 no_track nexthop via 10.0.0.1 dev eth0 weight 1 \
         nexthop via 10.0.0.3 dev eth1 onlink weight 256");
    assert_eq!(route.hops[0], hop(Some("10.0.0.1"), Some("eth0")));
    let second = NextHop { onlink: true, weight: 256, ..hop(Some("10.0.0.3"), Some("eth1")) };
    assert_eq!((route.hops.len(), &route.hops[1]), (2, &second));
    let inet6 = one("2001:db8::/32 via inet6 fe80::1 dev eth0");
    assert_eq!(inet6.hops, [hop(Some("fe80::1"), Some("eth0"))]);

    let (codes, or) = remarked("10.1.0.0/16 via 10.0.0.1 or 10.0.0.3 dev eth0 no_track");
    assert_eq!(codes, ["E0024"]);
    let ways = [hop(Some("10.0.0.1"), Some("eth0")), hop(Some("10.0.0.3"), Some("eth0"))];
    assert_eq!(or.hops, ways);
    let (codes, gw) = remarked("10.1.0.0/16 gw 10.0.0.1 dev eth0");
    assert_eq!((codes, gw.hops), (vec!["E0024"], vec![hop(Some("10.0.0.1"), Some("eth0"))]));

    // With a way of its own beside them Linux refuses the route.
    let (codes, both) = remarked("10.1.0.0/16 via 10.0.0.9 dev eth0 nexthop via 10.0.0.1");
    assert_eq!((codes, both.hops), (vec!["W0157"], vec![hop(Some("10.0.0.1"), None)]));
}

/// `blackhole|unreachable|prohibit|throw` and the kinds that forward.
#[test]
fn kinds() {
    for (word, kind) in [
        ("blackhole", RouteKind::Blackhole),
        ("unreachable", RouteKind::Unreachable),
        ("prohibit", RouteKind::Prohibit),
        ("throw", RouteKind::Throw),
    ] {
        let route = one(&format!("{word} 10.1.0.0/16 no_track"));
        assert_eq!((route.kind, route.hops.len()), (kind, 0));
        assert_eq!(route.position, RoutePosition::Alone);
    }
    let local = one("local 10.1.0.0/16 dev eth0");
    assert_eq!((local.kind, local.hops.len()), (RouteKind::Local, 1));
    let (codes, refused) = remarked("blackhole 10.1.0.0/16 via 10.0.0.1 no_track");
    assert_eq!((codes, refused.hops.len()), (vec!["W0157"], 0));
    assert_eq!(read("nat 10.1.0.0/16 via 10.0.0.1"), (vec!["W0157"], vec![]));
}

/// `encap mpls|ip|ip6|ila`.
#[test]
fn encapsulation() {
    let encap =
        |words: &str| one(&format!("10.1.0.0/16 dev eth0 encap {words}")).hops[0].encap.clone();
    assert_eq!(encap("mpls 100/200"), Some(Encap::Mpls(vec![100, 200])));
    assert_eq!(encap("ila 2001:db8:0:1"), Some(Encap::Ila(0x2001_0db8_0000_0001)));
    let ip4 = IpEncap {
        family: Family::V4,
        id: Some(5),
        destination: Some(ip("10.9.0.9")),
        source: Some(ip("10.9.0.8")),
        tos: Some(Named::Number(4)),
        ttl: Some(64),
        flags: Some(1),
    };
    let words = "ip id 5 dst 10.9.0.9 src 10.9.0.8 tos 4 ttl 64 flags 1";
    assert_eq!(encap(words), Some(Encap::Ip(ip4)));
    let ip6 = IpEncap {
        family: Family::V6,
        id: None,
        destination: Some(ip("fe80::9")),
        source: None,
        tos: Some(Named::Number(4)),
        ttl: Some(64),
        flags: None,
    };
    assert_eq!(encap("ip6 dst fe80::9 tc 4 hoplimit 64"), Some(Encap::Ip(ip6)));
    // It ends where the words of the route go on.
    let route = one("10.1.0.0/16 encap ip id 5 via 10.0.0.1 dev eth0 table 14");
    assert_eq!(route.table, Named::Number(14));
    assert_eq!(route.hops[0].gateway, Some(ip("10.0.0.1")));
}

/// Issue 5, "their arguments validated": each mistake is named at its word, and a line with one has
/// no effect. In some of them keepalived 2.2.7 goes on with what is left, which is another route: to
/// all of 0.0.0.0 for a prefix length it cannot read, not encapsulated, or with no next hop at all.
#[test]
fn mistakes() {
    for (line, code, place) in [
        ("10.1.0.0/16 devv eth0", "E0140", "devv"),
        ("10.1.0.0/16 dev eth0 proto 12", "E0140", "proto"),
        ("10.1.0.0/16 dev eth0 weight 5", "E0140", "weight"),
        ("10.1.0.0/16 nexthop via 10.0.0.1 table 5", "E0140", "table"),
        ("10.1.0.0/16 nexthop", "E0140", "nexthop"),
        ("dev eth0", "E0142", "dev eth0"),
        ("10.1.0.0/16 via 10.0.0.300 dev eth0", "E0033", "10.0.0.300"),
        ("10.1.0.0/16 via 10.0.0.1/24 dev eth0", "E0033", "10.0.0.1/24"),
        ("10.1.0/16 dev eth0", "E0033", "10.1.0/16"),
        ("10.1.0.0/33 dev eth0", "E0040", "10.1.0.0/33"),
        ("10.1.0.0/x dev eth0", "E0040", "10.1.0.0/x"),
        ("10.1.0.0/16 via fe80::1 dev eth0", "E0141", "fe80::1"),
        ("src fe80::1 10.1.0.0/16 dev eth0", "E0141", "10.1.0.0/16"),
        ("10.1.0.0/16 dev eth0 inet6", "E0141", "inet6"),
        ("10.1.0.0/16 nexthop via fe80::1 dev eth0", "E0141", "fe80::1"),
        ("10.1.0.0/16 dev eth0 metric 1.5", "E0030", "1.5"),
        ("10.1.0.0/16 dev eth0 metric 4294967296", "E0031", "4294967296"),
        ("10.1.0.0/16 dev eth0 table -5", "E0031", "-5"),
        ("10.1.0.0/16 dev eth0 tos 256", "E0031", "256"),
        ("10.1.0.0/16 dev eth0 realms 256", "E0031", "256"),
        ("10.1.0.0/16 dev eth0 hoplimit 256", "E0031", "256"),
        ("10.1.0.0/16 dev eth0 quickack 2", "E0031", "2"),
        ("10.1.0.0/16 dev eth0 rtt 1e3", "E0030", "1e3"),
        ("10.1.0.0/16 dev eth0 rtt 961s", "E0031", "961s"),
        ("10.1.0.0/16 dev eth0 window lock 5", "E0030", "lock"),
        ("10.1.0.0/16 dev eth0 features foo", "E0032", "foo"),
        ("10.1.0.0/16 dev eth0 ttl-propagate 1", "E0032", "1"),
        ("10.1.0.0/16 dev eth0 pref high", "E0146", "pref"),
        ("10.1.0.0/16 dev eth0 expires 5", "E0146", "expires"),
        ("10.1.0.0/16 from 10.2.0.0/16 dev eth0", "E0146", "from"),
        ("2001:db8::/32 dev eth0 realms 5", "E0146", "realms"),
        ("10.1.0.0/16 dev eth0 encap vxlan 5", "E0145", "vxlan"),
        ("10.1.0.0/16 dev eth0 encap mpls 1048576", "E0145", "1048576"),
        ("10.1.0.0/16 dev eth0 encap ip ttl 5", "E0145", "ip"),
        ("10.1.0.0/16 dev eth0 encap ip dst fe80::1", "E0145", "fe80::1"),
        ("10.1.0.0/16 dev eth0 encap ila 1:2", "E0145", "1:2"),
        ("10.1.0.0/16 nexthop via 10.0.0.1 weight 0", "E0031", "0"),
        ("10.1.0.0/16 dev abcdefghijklmnopq", "E0035", "abcdefghijklmnopq"),
    ] {
        let loaded = parse(&list(line));
        let found: Vec<_> =
            loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code != "N0028").collect();
        let [only] = found[..] else { panic!("{line}: {}", loaded.render(false)) };
        assert_eq!((only.code, loaded.sources.excerpt(only.span)), (code, place), "{line}");
        assert_eq!(loaded.config.unwrap().statics.routes, [], "{line}");
    }
    let helped = |line: &str| {
        let loaded = parse(&list(line));
        let unknown = loaded.diagnostics.iter().find(|diagnostic| diagnostic.code == "E0140");
        unknown.unwrap().help.clone().unwrap()
    };
    assert_eq!(helped("10.1.0.0/16 dev eth0 nexthopp via 10.0.0.1"), "did you mean `nexthop`?");
    assert_eq!(helped("10.1.0.0/16 dev eth0 proto 12"), "did you mean `protocol`?");
    assert_eq!(
        helped("10.1.0.0/16 nexthop via 10.0.0.1 10.2.0.0/16"),
        "each route has a line of its own"
    );
    assert!(helped("vrrp_script x").contains("is the } of this list missing?"));
}

/// A missing value is what keepalived does not start with (exit 2, our 4).
#[test]
fn missing_values() {
    for line in ["10.1.0.0/16 via", "10.1.0.0/16 dev eth0 mtu lock", "10.1.0.0/16 blackhole"] {
        let loaded = parse(&list(line));
        assert_eq!((remarks(&loaded), loaded.verdict().exit_code()), (vec!["E0003"], 4), "{line}");
    }
}

/// What stands twice: the last one counts in keepalived, which says nothing.
#[test]
fn words_given_twice() {
    let (codes, route) = remarked("10.1.0.0/16 dev eth0 oif eth1 metric 5 priority 6");
    assert_eq!(codes, ["W0026", "W0026"]);
    assert_eq!((route.hops[0].device.as_deref(), route.metric), (Some("eth1"), Some(6)));
    let (codes, route) = remarked("10.1.0.0/16 10.2.0.0/16 dev eth0");
    assert_eq!((codes, route.destination), (vec!["W0026"], prefix("10.2.0.0/16")));
    let (codes, route) = remarked("10.1.0.9/16 dev eth0");
    assert_eq!((codes, route.destination), (vec!["W0156"], prefix("10.1.0.0/16")));
}

/// `no_track`, and what keepalived cannot follow: no `dev`, another protocol.
#[test]
fn tracking() {
    assert_eq!(one("10.1.0.0/16 via 10.0.0.1 no_track").tracking, Tracking::Off);
    for line in
        ["10.1.0.0/16 via 10.0.0.1", "blackhole 10.1.0.0/16", "10.1.0.0/16 nexthop via 10.0.0.1"]
    {
        let (codes, route) = remarked(line);
        assert_eq!((codes, route.tracking), (vec!["E0143"], Tracking::Off), "{line}");
    }
    let (codes, route) = remarked("10.1.0.0/16 dev eth0 protocol bird");
    assert_eq!((codes, route.protocol), (vec!["E0143"], Named::Number(18)));
}

/// `track_group`: names virtual routers, for static ones only.
#[test]
fn track_groups() {
    let file = |group: &str, route: &str| {
        let instances = format!("{}{}", instance(""), named("VI_2", 52, ""));
        format!("track_group G {{\n{group}\n}}\n{}{instances}", list(route))
    };
    let statics = |text: &str| -> (Vec<&'static str>, Statics) {
        let loaded = parse(text);
        (remarks(&loaded), loaded.config.unwrap().statics)
    };
    let route = "10.1.0.0/16 dev eth0 track_group G";
    let (codes, found) = statics(&file("group {\nVI_1\nVI_2\n}", route));
    assert_eq!(codes, [""; 0]);
    assert_eq!(found.routes[0].tracking, Tracking::Group("G".to_owned()));
    let [TrackGroup { name, members, .. }] = &found.track_groups[..] else { panic!("one group") };
    assert_eq!((name.as_str(), &members[..]), ("G", &["VI_1".to_owned(), "VI_2".to_owned()][..]));

    let (codes, found) = statics(&file("group { VI_1 VI_9 }", route));
    assert_eq!((codes, found.track_groups[0].members.len()), (vec!["W0160"], 1));
    assert_eq!(statics(&file("group { }", route)).0, ["W0160", "E0072"]);
    assert_eq!(statics(&file("", route)).0, ["W0160"]);
    let group = "group { VI_1 }";
    let (codes, found) = statics(&file(group, &format!("{route} no_track")));
    assert_eq!((codes, &found.routes[0].tracking), (vec!["W0159"], &Tracking::Off));
    let (codes, found) = statics(&file(group, "10.1.0.0/16 dev eth0 track_group H"));
    assert_eq!((codes, &found.routes[0].tracking), (vec!["E0150"], &Tracking::On));
    let twice = format!("track_group G {{\ngroup {{ VI_1 }}\n}}\n{}", file(group, route));
    let (codes, found) = statics(&twice);
    assert_eq!((codes, found.track_groups.len()), (vec!["E0052"], 1));

    // Virtual ones are followed by their own virtual router, and keepalived refuses the word.
    let virtual_route = instance("virtual_routes {\n10.1.0.0/16 dev eth0 track_group G\n}");
    assert_eq!(remarks(&parse(&virtual_route)), ["E0150"]);
}

/// `virtual_routes` belong to their instance; a mistake in one does not touch the others.
#[test]
fn virtual_routes() {
    let lines = "virtual_routes {\n10.1.0.0/16 dev eth0\n10.2.0.0/16 bogus\n10.3.0.0/16 dev eth1 no_track\n}";
    let loaded = parse(&instance(lines));
    assert_eq!((remarks(&loaded), loaded.verdict().exit_code()), (vec!["E0140"], 5));
    let routes = &loaded.config.unwrap().instances[0].routes;
    let destinations: Vec<_> = routes.iter().map(|route| route.destination).collect();
    assert_eq!(destinations, [prefix("10.1.0.0/16"), prefix("10.3.0.0/16")]);
    let tracking: Vec<_> = routes.iter().map(|route| route.tracking.clone()).collect();
    assert_eq!(tracking, [Tracking::On, Tracking::Off]);
}

/// Issue 5, 2: exit codes are those of keepalived 2.2.7, or it is said why not.
#[test]
fn keepalived_agrees() {
    compare_with_keepalived("static_routes", include_str!("oracle/routes.txt"));
}

/// Issue 5, 3: writing a route and reading it again gives the same one, and nothing more is said.
#[test]
fn written_and_read_again() {
    let mut count = 0;
    for case in include_str!("oracle/routes.txt").lines().filter(|case| !case.starts_with('#')) {
        let line = case.split(";;").next().unwrap().splitn(3, ' ').nth(2).unwrap();
        for mut route in read(line).1 {
            let written = route.to_string();
            let Config { statics, .. } = parse(&list(&written)).config.unwrap();
            let [again] = &statics.routes[..] else { panic!("{line}: {written}") };
            route.span = again.span;
            assert_eq!(*again, route, "{line}: {written}");
            assert_eq!(again.to_string(), written);
            count += 1;
        }
    }
    assert!(count > 80, "{count} routes");
    assert_ne!(one("10.1.0.0/16 dev eth0").span.0, Span::default());
}

/// `encap` takes words that a route has, too: it is written behind them. One `nexthop` that says nothing
/// is no way.
#[test]
fn one_way_is_written_last() {
    for line in [
        "10.1.0.0/16 tos 4 dev eth0 encap ip id 7",
        "10.1.0.0/16 dev eth0 hoplimit 9 encap ip id 7 ttl 3 flags 1",
        "10.1.0.0/16 dev eth0 no_track encap mpls 100",
    ] {
        let route = one(line);
        assert!(route.hops[0].encap.is_some(), "{line}");
        assert_eq!(one(&route.to_string()), route, "{line}: {route}");
    }
    let loaded = parse(&list("10.1.0.0/16 nexthop weight 5"));
    assert_eq!(loaded.config.unwrap().statics.routes[0].hops, []);
}

/// Names that look like syntax are quoted.
#[test]
fn names_in_quotes() {
    for line in [
        r#"10.1.0.0/16 dev "@node""#,
        r#"10.1.0.0/16 dev "a\x24b""#,
        r#"10.1.0.0/16 dev eth0 table "a b""#,
        r#"10.1.0.0/16 dev eth0 realms "a#/b c""#,
        r#"10.1.0.0/16 dev eth0 congctl lock "{ x""#,
    ] {
        let route = one(line);
        assert_eq!(one(&route.to_string()), route, "{line}: {route}");
    }
}
