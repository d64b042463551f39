//! `xvrrp check --together`: files that each would run, and why their nodes could not elect.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::named;
use vrrp_config::{self as config, Diagnostic, Loaded, Together, Verdict};

fn load(name: &str, text: &str) -> Loaded {
    let loaded = config::parse(name, text.as_bytes());
    assert_ne!(loaded.verdict(), Verdict::CannotRun, "{}", loaded.render(false));
    loaded
}

/// Files a.conf, b.conf, ...
fn together(texts: &[&str]) -> Together {
    let names = ["a.conf", "b.conf", "c.conf"];
    let nodes: Vec<Loaded> = names.iter().zip(texts).map(|(name, text)| load(name, text)).collect();
    config::together(&nodes)
}

fn codes(texts: &[&str]) -> Vec<&'static str> {
    let together = together(texts);
    for Diagnostic { help, .. } in &together.diagnostics {
        assert!(help.is_some(), "{}", together.render(false));
    }
    together.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// A node's file: one virtual router with a priority and more lines.
fn node(priority: u8, lines: &str) -> String {
    named("VI_1", 51, &format!("priority {priority}\n{lines}"))
}

/// Codes about two nodes with these lines, of priorities 150 and 100.
fn pair(a: &str, b: &str) -> Vec<&'static str> {
    codes(&[&node(150, a), &node(100, b)])
}

const FINE: [&str; 0] = [];

/// Issue 5: files that go together, of two and of three nodes; names and interfaces may differ.
#[test]
fn nothing_to_say() {
    assert_eq!(pair("", ""), FINE);
    let other = node(100, "").replace("VI_1", "WEB").replace("eth0", "ens3");
    assert_eq!(codes(&[&node(150, ""), &other, &node(50, "")]), FINE);
    assert_eq!(together(&[&node(150, ""), &other]).verdict(), Verdict::Clean);
}

/// RFC 3768 7.1, RFC 9568 7.1: in v2 a different interval is fatal, in v3 it is learnt. Both places
/// are named, each in its file.
#[test]
fn intervals() {
    let together = together(&[&node(150, "advert_int 1"), &node(100, "advert_int 2")]);
    assert_eq!(together.verdict(), Verdict::WouldRun);
    let [only] = &together.diagnostics[..] else { panic!("{}", together.render(false)) };
    assert_eq!(only.code, "E0182");
    let sources = &together.sources;
    let place = |span: config::Span| (sources.name(span.file), sources.excerpt(span));
    assert_eq!(place(only.span), ("b.conf", "advert_int 2"));
    let related: Vec<_> = only.related.iter().map(|(span, _)| place(*span)).collect();
    assert_eq!(related, [("a.conf", "advert_int 1")]);
    let drawn = together.render(false);
    assert!(drawn.contains("--> b.conf:5:1") && drawn.contains("::: a.conf:5:1"), "{drawn}");
    assert_eq!(pair("version 3\nadvert_int 1", "version 3\nadvert_int 2"), ["H0199"]);
    assert_eq!(pair("", "advert_int 1"), FINE);
}

/// RFC 9568 7.1: another version is discarded. What follows from it is not named, too.
#[test]
fn versions() {
    assert_eq!(pair("version 3\nadvert_int 0.5", "advert_int 2"), ["E0180"]);
    let global = format!("global_defs {{\nvrrp_version 3\n}}\n{}", node(100, ""));
    let together = together(&[&node(150, ""), &global]);
    let [only] = &together.diagnostics[..] else { panic!("{}", together.render(false)) };
    assert_eq!(together.sources.excerpt(only.span), "vrrp_version 3");
}

/// Keywords `authentication`, `auth_hmac`: both sides must have the same, and nothing shows the
/// secrets.
#[test]
fn authentication() {
    let auth = |kind: &str, pass: &str| {
        format!("authentication {{\nauth_type {kind}\nauth_pass {pass}\n}}")
    };
    assert_eq!(pair(&auth("PASS", "secret"), &auth("PASS", "secret")), FINE);
    assert_eq!(pair(&auth("PASS", "secret"), ""), ["E0181"]);
    assert_eq!(pair(&auth("PASS", "secret"), &auth("AH", "secret")), ["E0181"]);
    let differ =
        together(&[&node(150, &auth("PASS", "secret")), &node(100, &auth("PASS", "hidden"))]);
    let [only] = &differ.diagnostics[..] else { panic!("{}", differ.render(false)) };
    assert_eq!(only.code, "E0181");
    let drawn = differ.render(false);
    assert!(!drawn.contains("secret") && !drawn.contains("hidden"), "{drawn}");

    let key = |id: u8, digit: &str| format!("key {id} hex:{}\n", digit.repeat(64));
    let hmac = |lines: &str| format!("auth_hmac {{\n{lines}\n}}");
    let old = hmac(&(key(1, "a") + "active_key 1"));
    let both = hmac(&(key(1, "a") + &key(2, "b") + "active_key 1"));
    let new = hmac(&(key(1, "a") + &key(2, "b") + "active_key 2"));
    assert_eq!(pair(&old, &both), FINE);
    assert_eq!(pair(&both, &new), FINE);
    assert_eq!(pair(&old, &new), ["E0181"]);
    assert_eq!(pair(&old, &hmac(&(key(1, "c") + "active_key 1"))), ["E0181"]);
    assert_eq!(pair(&old, ""), ["E0181"]);
    assert_eq!(pair("", &hmac(&(key(1, "a") + "mode receive-only"))), FINE);
}

/// Keywords `mcast_dst_ip`, `vrrp_mcast_group4`, `unicast_peer`: both send where the other listens.
#[test]
fn destinations() {
    assert_eq!(pair("", "mcast_dst_ip 224.0.0.19"), ["E0183"]);
    let global = format!("global_defs {{\nvrrp_mcast_group4 224.0.0.19\n}}\n{}", node(100, ""));
    assert_eq!(codes(&[&node(150, "mcast_dst_ip 224.0.0.19"), &global]), FINE);
    assert_eq!(codes(&[&node(150, ""), &global]), ["E0183"]);
    assert_eq!(pair("", "unicast_peer {\n10.0.0.1\n}"), ["E0183"]);
}

fn unicast(source: &str, peers: &str, more: &str) -> String {
    let source = if source.is_empty() { String::new() } else { format!("unicast_src_ip {source}") };
    format!("{source}\n{more}\nunicast_peer {{\n{}\n}}", peers.replace(' ', "\n"))
}

/// Keywords `unicast_peer`, `unicast_src_ip`, `unicast_ttl`, `min_ttl`: every node names every other.
#[test]
fn unicast_peers() {
    let (one, two) = (unicast("10.0.0.1", "10.0.0.2", ""), unicast("10.0.0.2", "10.0.0.1", ""));
    assert_eq!(pair(&one, &two), FINE);
    assert_eq!(pair(&unicast("", "10.0.0.2", ""), &unicast("", "10.0.0.1", "")), FINE);
    assert_eq!(pair(&one, &unicast("10.0.0.3", "10.0.0.1", "")), ["E0184"]);
    assert_eq!(pair(&one, &unicast("10.0.0.1", "10.0.0.2", "")), ["E0184"; 2]);
    assert_eq!(pair(&unicast("", "10.0.0.2", ""), &unicast("", "10.0.0.2", "")), ["E0184"]);
    let all = "10.0.0.1 10.0.0.2";
    assert_eq!(pair(&unicast("", all, ""), &unicast("", all, "")), FINE);
    let limited = two.replace("10.0.0.1\n}", "10.0.0.1 min_ttl 254\n}");
    assert_eq!(pair(&one, &limited), FINE);
    assert_eq!(pair(&unicast("10.0.0.1", "10.0.0.2", "unicast_ttl 64"), &limited), ["E0184"]);

    let third = |source: &str, peers: &str| node(50, &unicast(source, peers, ""));
    let (one, two) = (
        node(150, &unicast("10.0.0.1", "10.0.0.2 10.0.0.3", "")),
        node(100, &unicast("10.0.0.2", "10.0.0.1 10.0.0.3", "")),
    );
    assert_eq!(codes(&[&one, &two, &third("10.0.0.3", "10.0.0.1 10.0.0.2")]), FINE);
    assert_eq!(codes(&[&one, &two, &third("10.0.0.3", "10.0.0.1")]), ["E0184"]);
    let unknown = |peers: &str| node(100, &unicast("", peers, ""));
    let (a, b) = (unknown("10.0.0.2 10.0.0.3"), unknown("10.0.0.1 10.0.0.3"));
    let found = codes(&[&a, &b, &unknown("10.0.0.1")]);
    assert_eq!(found.iter().filter(|code| **code == "E0184").count(), 1, "{found:?}");
}

/// Keywords `virtual_ipaddress`, `virtual_ipaddress_excluded`: the lists are the same, in any order.
#[test]
fn addresses() {
    let list = |addresses: &str| node(100, "").replace("10.0.0.51", addresses);
    let first = node(150, "").replace("10.0.0.51", "10.0.0.1\n10.0.0.2");
    assert_eq!(codes(&[&first, &list("10.0.0.2\n10.0.0.1")]), FINE);
    assert_eq!(codes(&[&first, &list("10.0.0.1")]), ["E0185"]);
    assert_eq!(codes(&[&first, &list("10.0.0.1\n10.0.0.3")]), ["E0185"; 2]);
    assert_eq!(codes(&[&first, &list("10.0.0.1/24\n10.0.0.2")]), ["W0191"]);
    let excluded = "virtual_ipaddress_excluded {\n10.0.0.7\n}";
    assert_eq!(pair("", excluded), ["W0191"]);
    assert_eq!(pair(excluded, excluded), FINE);
}

/// Keywords `v3_checksum_as_v2`, `xdp_believe_checksum`.
#[test]
fn checksums() {
    assert_eq!(pair("version 3", "version 3\nv3_checksum_as_v2"), ["H0199"]);
    let strict = "version 3\nxdp_believe_checksum pseudo_header";
    assert_eq!(pair(strict, "version 3\nv3_checksum_as_v2"), ["E0186"]);
    assert_eq!(pair(strict, "version 3"), FINE);
}

/// RFC 9568 6.4.3, keywords `priority`, `state`: equal ones are decided by addresses, two owners by
/// nobody.
#[test]
fn priorities() {
    assert_eq!(codes(&[&node(100, ""), &node(100, "")]), ["H0195"]);
    assert_eq!(codes(&[&node(255, ""), &node(255, "")]), ["E0187"]);
    assert_eq!(codes(&[&node(150, ""), &node(100, ""), &node(100, "")]), ["H0195"]);
    assert_eq!(pair("state MASTER", "state MASTER"), ["H0199"]);
    assert_eq!(pair("state MASTER", "state BACKUP"), FINE);
    let unsaid = named("VI_1", 51, "state MASTER");
    assert_eq!(codes(&[&unsaid, &unsaid]), ["E0187"]);
}

/// Keyword `nopreempt`: it is about the node that would take over.
#[test]
fn nopreempt() {
    assert_eq!(pair("nopreempt", "nopreempt"), FINE);
    assert_eq!(pair("nopreempt", ""), FINE);
    assert_eq!(pair("", "nopreempt"), ["H0199"]);
}

/// Keyword `virtual_router_id`: a mistyped one makes two virtual routers with the same addresses; one
/// that only a single node has is not taken over.
#[test]
fn virtual_router_ids() {
    let other = node(100, "").replace("_id 51", "_id 52");
    let together = together(&[&node(150, ""), &other]);
    let [only] = &together.diagnostics[..] else { panic!("{}", together.render(false)) };
    assert_eq!((only.code, together.verdict()), ("E0188", Verdict::WouldRun));
    assert_eq!(together.sources.excerpt(only.span), "virtual_router_id 52");
    let more = node(150, "") + &named("VI_2", 60, "");
    assert_eq!(codes(&[&more, &node(100, "")]), ["W0190"]);
    assert_eq!(codes(&[&more, &node(100, ""), &named("VI_2", 60, "priority 50")]), FINE);
}

/// One number on two interfaces: addresses in common tell which is which, whatever the names are.
#[test]
fn one_number_twice() {
    let instance = |name: &str, interface: &str, address: &str, priority: u8| {
        named(name, 51, &format!("priority {priority}"))
            .replace("eth0", interface)
            .replace("10.0.0.51", address)
    };
    let a = instance("IN", "eth0", "10.0.0.1", 150) + &instance("OUT", "eth1", "10.0.1.1", 150);
    let b = instance("X", "ens4", "10.0.1.1", 100) + &instance("Y", "ens3", "10.0.0.1", 100);
    assert_eq!(codes(&[&a, &b]), FINE);
}

/// The same where a node has a further one, which stands first: it is no other's.
#[test]
fn one_number_on_more_interfaces() {
    let vlan = |number: u8, priority: u8| {
        named(&format!("V{number}"), 1, &format!("priority {priority}"))
            .replace("eth0", &format!("eth0.{number}"))
            .replace("10.0.0.1", &format!("10.0.{number}.1"))
    };
    let a = vlan(10, 150) + &vlan(20, 150);
    let b = vlan(30, 100) + &vlan(10, 100) + &vlan(20, 100);
    assert_eq!(codes(&[&a, &b]), ["W0190"]);
    // The only ones are one, whatever they are called.
    let other =
        vlan(10, 100).replace("V10", "W").replace("eth0.10", "ens3").replace(".10.1", ".11.1");
    assert_eq!(codes(&[&vlan(10, 150), &other]), ["E0185"; 2]);
}

/// A file that cannot be run is not compared, and nothing is said to be missing in it.
#[test]
fn unusable_files() {
    let broken = config::parse("b.conf", b"vrrp_instance VI_1 {\ninterface\n}\n");
    assert_eq!(broken.verdict(), Verdict::CannotRun);
    let together = config::together(&[load("a.conf", &node(150, "")), broken]);
    assert_eq!(together.diagnostics, []);
    assert_eq!(config::together(&[]).verdict(), Verdict::Clean);
}

/// A file with a script of this weight, tracked by the virtual router.
fn weighted(priority: u8, weight: i16, lines: &str) -> String {
    let track = format!("{lines}\ntrack_script {{\nchk\n}}");
    format!("vrrp_script chk {{\nscript /bin/true\nweight {weight}\n}}\n{}", node(priority, &track))
}

/// Issue 5: nopreempt on all nodes with a weighted script never fails over; a weight that is too
/// small does not, either.
#[test]
fn weights() {
    let nodes = |weight: i16, lines: &str| {
        codes(&[&weighted(150, weight, lines), &weighted(100, weight, lines)])
    };
    assert_eq!(nodes(-60, ""), FINE);
    assert_eq!(nodes(60, ""), FINE);
    assert_eq!(nodes(-60, "nopreempt"), ["W0192"]);
    assert_eq!(nodes(0, "nopreempt"), FINE);
    assert_eq!(nodes(-20, ""), ["W0193"]);
    assert_eq!(codes(&[&weighted(150, -20, ""), &node(100, "")]), ["W0193"]);
    assert_eq!(codes(&[&weighted(150, -60, ""), &node(100, "")]), FINE);
    assert_eq!(codes(&[&weighted(150, -20, ""), &node(100, ""), &node(140, "")]), FINE);
}

/// Two virtual routers with these priorities, in a sync group if `group` says which.
fn two(priorities: [u8; 2], group: &str) -> String {
    let instance = |name, vrid, priority: u8| named(name, vrid, &format!("priority {priority}"));
    let group = if group.is_empty() {
        String::new()
    } else {
        format!("vrrp_sync_group G {{\ngroup {{\n{}\n}}\n}}\n", group.replace(' ', "\n"))
    };
    instance("A", 1, priorities[0]) + &instance("B", 2, priorities[1]) + &group
}

/// Keyword `vrrp_sync_group`: the same groups on all nodes, and one node preferred for all members.
#[test]
fn sync_groups() {
    assert_eq!(codes(&[&two([150, 150], "A B"), &two([100, 100], "B A")]), FINE);
    assert_eq!(codes(&[&two([150, 150], "A B"), &two([100, 100], "")]), ["W0194"]);
    assert_eq!(codes(&[&two([150, 150], ""), &two([100, 100], "A B")]), ["W0194"]);
    assert_eq!(codes(&[&two([150, 100], "A B"), &two([100, 150], "A B")]), ["E0189"]);
    assert_eq!(codes(&[&two([150, 100], ""), &two([100, 150], "")]), FINE);
}
