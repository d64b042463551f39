//! Routes and rules of the configuration in a real kernel, compared with what `ip` of iproute2 makes
//! of the same lines. Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{collections::BTreeMap, process::Command};

use host_support::{in_namespace, ip};
use serde_json::Value;
use xvrrp::{
    config::{self, Statics},
    host::{Directive, Host, Laid, Numbers},
};

/// Lines of `static_routes`, and those of `ip route` where iproute2 says it otherwise.
const ROUTES: &[(&str, &str)] = &[
    ("10.1.0.0/24 via 10.0.0.1 dev a", "="),
    ("default via 10.0.0.1 dev a", "="),
    ("10.1.1.0/24 via 10.0.0.1", "="),
    ("10.1.2.0/24 dev a", "="),
    ("10.1.3.0/24 dev a src 10.0.0.2 metric 7 tos 0x10", "="),
    ("10.1.4.0/24 dev a table 100", "="),
    ("10.1.5.0/24 dev a table 1000", "="),
    (
        "10.1.6.0/24 dev a scope host protocol bird no_track",
        "10.1.6.0/24 dev a scope host proto bird",
    ),
    ("10.1.7.0/24 via 192.0.2.1 dev a onlink", "="),
    ("10.1.8.0/24 via 10.0.0.1 realms 3/4", "="),
    ("10.1.9.0/24 via 10.0.0.1 realms 4", "="),
    (
        "10.1.10.0/24 via 10.0.0.1 mtu lock 1400 advmss 1300 window 7000 rtt 100ms rttvar 50ms rto_min 250ms",
        "=",
    ),
    (
        "10.1.11.0/24 via 10.0.0.1 reordering 5 cwnd lock 6 ssthresh 7 initcwnd 8 initrwnd 9 hoplimit 60 quickack 1 fastopen_no_cookie 1 features ecn congctl lock reno",
        "=",
    ),
    (
        "10.1.12.0/24 nexthop via 10.0.0.1 dev a weight 3 nexthop via 10.0.1.1 realms 1/2 nexthop via 192.0.2.1 dev b onlink",
        "=",
    ),
    ("blackhole 10.1.13.0/24 no_track", "blackhole 10.1.13.0/24"),
    ("unreachable 10.1.14.0/24 metric 9 no_track", "unreachable 10.1.14.0/24 metric 9"),
    ("prohibit 10.1.15.0/24 no_track", "prohibit 10.1.15.0/24"),
    ("throw 10.1.16.0/24 table 7 no_track", "throw 10.1.16.0/24 table 7"),
    ("local 10.1.17.0/24 dev a", "local 10.1.17.0/24 dev a table main"),
    ("broadcast 10.1.18.255 dev a", "broadcast 10.1.18.255 dev a table main"),
    ("multicast 232.1.2.0/24 dev a", "="),
    ("10.1.19.0/24 dev a encap ip id 7 dst 10.0.0.9 src 10.0.0.2 tos 0x10 ttl 9", "="),
    ("10.1.20.0/24 dev a encap ip6 id 8 dst 2001:db8::9 tc 3 hoplimit 9", "="),
    ("10.1.21.0/24 via 10.0.0.1 ttl-propagate disabled", "="),
    ("10.1.22.0/24 dev a append", "append 10.1.22.0/24 dev a"),
    ("10.1.22.0/24 dev b append", "append 10.1.22.0/24 dev b"),
    ("10.1.23.0/24 dev a", "="),
    ("10.1.23.0/24 dev b", "="),
    ("2001:db8:1::/64 via 2001:db8::1 dev a", "="),
    ("default6 via fe80::1 dev a", "::/0 via fe80::1 dev a"),
    ("2001:db8:2::/64 dev a metric 5 pref high mtu 1300", "="),
    ("2001:db8:3::/64 via 2001:db8::1 src 2001:db8::2 table 500", "="),
    ("2001:db8:4::/64 dev a pref low hoplimit 9", "="),
    ("2001:db8:5::/64 nexthop via 2001:db8::1 weight 2 nexthop via 2001:db8:0:1::1", "="),
    ("blackhole 2001:db8:6::/64 no_track", "blackhole 2001:db8:6::/64"),
    ("2001:db8:7::/64 from 2001:db8:8::/48 via 2001:db8::1 dev a", "="),
    ("2001:db8:9::1 dev a", "="),
];

/// Lines of `static_rules`, likewise.
const RULES: &[(&str, &str)] = &[
    ("from 10.1.0.0/16 table 100 preference 100", "="),
    ("from 10.1.2.3 to 10.2.0.0/16 table 1000 preference 101", "="),
    ("not from 10.1.0.0/16 iif a tos 0x10 table 7 preference 102", "="),
    ("fwmark 0x5 table 7 preference 103", "="),
    ("fwmark 0x5/0xff oif b table 7 preference 104", "="),
    ("from all uidrange 10-20 table 7 preference 105", "="),
    ("from all ipproto tcp sport 1-2 dport 80-80 table 7 preference 106", "="),
    ("from all suppress_prefixlength 0 table main preference 107", "="),
    ("from all suppress_ifgroup 7 table main preference 108", "="),
    ("from all l3mdev preference 109", "="),
    ("from all goto 32766 preference 110", "="),
    ("from all tunnel-id 7 table 8 preference 111", "from all tun_id 7 table 8 preference 111"),
    ("from all realms 3/4 table 8 preference 112", "="),
    ("from 10.3.0.0/16 blackhole preference 113", "="),
    ("from 10.3.0.0/16 unreachable preference 114", "="),
    ("from 10.3.0.0/16 prohibit preference 115", "="),
    ("from all nop preference 116", "="),
    ("from 2001:db8::/32 table 100 preference 200", "="),
    (
        "inet6 to default6 iif nowhere table 1000 preference 201",
        "iif nowhere table 1000 preference 201",
    ),
];

const PREPARATION: &[&str] = &[
    "link set dev lo up",
    "link set dev b group 7",
    "addr add 10.0.0.2/24 dev a",
    "addr add 10.0.1.2/24 dev b",
    "addr add 2001:db8::2/64 dev a nodad",
    "addr add 2001:db8:0:1::2/64 dev b nodad",
];

/// The keyword lists with these lines.
fn read(routes: &[&str], rules: &[&str]) -> Statics {
    let text = format!(
        "static_routes {{\n{}\n}}\nstatic_rules {{\n{}\n}}\n",
        routes.join("\n"),
        rules.join("\n")
    );
    let statics = config::parse("test.conf", text.as_bytes()).config.unwrap().statics;
    assert_eq!((statics.routes.len(), statics.rules.len()), (routes.len(), rules.len()));
    statics
}

fn first<'a>(cases: &[(&'a str, &str)]) -> Vec<&'a str> {
    cases.iter().map(|(line, _)| *line).collect()
}

async fn directives(host: &Host, statics: &Statics) -> Vec<Directive> {
    let links = host.links().await.unwrap();
    let interfaces = links.into_iter().map(|link| (link.name, link.index)).collect();
    let numbers = Numbers { interfaces, vrfs: BTreeMap::new() };
    let routes = statics.routes.iter().map(|route| Directive::route(route, &numbers));
    let rules = statics.rules.iter().map(Directive::rule);
    routes.chain(rules).collect::<Result<_, _>>().unwrap()
}

/// What `ip -detail -json` shows, an entry per line, without what the kernel itself has made.
fn shown(arguments: &str) -> Vec<String> {
    let output = Command::new("ip").args(["-d", "-j", "-N"]).args(arguments.split(' ')).output();
    let entries: Vec<Value> = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let mut lines: Vec<String> = entries
        .into_iter()
        .filter(|entry| entry["protocol"] != "2")
        .map(|entry| entry.to_string())
        .collect();
    lines.sort();
    lines
}

fn everything() -> Vec<String> {
    let lists = ["route show table all", "-6 route show table all", "rule show", "-6 rule show"];
    lists.into_iter().flat_map(shown).collect()
}

/// Issue 6, keywords `static_routes`, `virtual_routes`, `static_rules`, `virtual_rules` and the words
/// of their lines: what we install is what `ip route` and `ip rule` install.
#[test]
fn as_iproute2_has_it() {
    let mut with_ip = Vec::new();
    in_namespace(async || {
        ip(PREPARATION);
        let line = |(ours, theirs): &(&'static str, &'static str)| match *theirs {
            "=" => *ours,
            other => other,
        };
        let mut commands = Vec::new();
        for case in ROUTES {
            let line = line(case);
            let (verb, line) = match line.strip_prefix("append ") {
                Some(line) => ("append", line),
                None => ("prepend", line),
            };
            let family = if line.contains("2001:") || line.contains("::") { "-6" } else { "-4" };
            let family = if line.contains("encap ip6") { "-4" } else { family };
            let protocol = if line.contains(" proto ") { "" } else { "proto 18" };
            // iproute2 wants it in front of the ways.
            let (head, hops) = line.split_at(line.find("nexthop").unwrap_or(line.len()));
            commands.push(format!("{family} route {verb} {head} {protocol} {hops}"));
        }
        for case in RULES {
            let family =
                if case.0.contains("::") || case.0.contains("6") && case.0.starts_with("inet6") {
                    "-6"
                } else {
                    "-4"
                };
            commands.push(format!("{family} rule add {} protocol 18", line(case)));
        }
        for command in &commands {
            let mut words = Command::new("ip");
            let status = words.args(command.split_whitespace()).status().unwrap();
            assert!(status.success(), "ip {command}");
        }
        with_ip = everything();
    });
    in_namespace(async || {
        ip(PREPARATION);
        let before = everything();
        let host = Host::new().unwrap();
        let statics = read(&first(ROUTES), &first(RULES));
        let directives = directives(&host, &statics).await;
        for (directive, laid) in directives.iter().zip(host.lay(&directives).await) {
            assert_eq!(laid, Laid::Added, "{directive}");
        }
        let ours = everything();
        let (lacks, extra): (Vec<_>, Vec<_>) = (
            with_ip.iter().filter(|line| !ours.contains(line)).collect(),
            ours.iter().filter(|line| !with_ip.contains(line)).collect(),
        );
        assert_eq!(lacks, extra);
        assert_eq!(ours.len(), with_ip.len());
        assert!(ours.len() >= ROUTES.len() + RULES.len());

        // Each is there, and known to be.
        for (directive, laid) in directives.iter().zip(host.lay(&directives).await) {
            assert_eq!(laid, Laid::Present, "{directive}");
        }
        assert_eq!(everything(), ours);
        assert_eq!(host.lift(&directives).await, []);
        assert_eq!(everything(), before);
        assert_eq!(host.lift(&directives).await, []);
    });
}
