//! What keepalived does not look at, within one file. `keepalived -t` 2.2.7 is silent about all of
//! it and answers 0.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::{collections::HashMap, net::IpAddr};

use support::{all_codes as codes, global, instance, named, parse};
use vrrp_config::{Diagnostic, HostInterfaces, Loaded, Verdict};

/// The only diagnostic of a file that can be run as it is.
fn only(text: &str) -> (Loaded, Diagnostic) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
    let [only] = &loaded.diagnostics[..] else { panic!("{}", loaded.render(false)) };
    let only = only.clone();
    (loaded, only)
}

/// Code, the marked text, and the texts at the other places.
fn summary(text: &str) -> (&'static str, String, Vec<String>) {
    let (loaded, only) = only(text);
    assert!(only.help.is_some(), "{only:?}");
    let excerpt = |span| loaded.sources.excerpt(span).to_owned();
    (only.code, excerpt(only.span), only.related.iter().map(|(span, _)| excerpt(*span)).collect())
}

fn clean(text: &str) {
    assert_eq!(codes(&parse(text)), [""; 0], "{}", parse(text).render(false));
}

fn with_address(name: &str, vrid: u8, lines: &str, address: &str) -> String {
    named(name, vrid, lines).replace(&format!("10.0.0.{vrid}"), address)
}

/// Issue 5: a virtual address in two instances. A link-local one is another on each interface.
#[test]
fn one_address_of_two_virtual_routers() {
    let two = |a: &str, b: &str| {
        with_address("A", 1, "", a) + &with_address("B", 2, "", b).replace("eth0", "eth1")
    };
    let shared = summary(&two("10.0.0.9", "10.0.0.9/24"));
    assert_eq!(shared, ("W0170", "10.0.0.9/24".to_owned(), vec!["10.0.0.9".to_owned()]));
    clean(&two("fe80::1", "fe80::1"));
    clean(&two("10.0.0.8", "10.0.0.9"));
    let one_interface = two("fe80::1", "fe80::1").replace("eth1", "eth0");
    assert_eq!(summary(&one_interface).0, "W0170");
    let excluded = "virtual_ipaddress_excluded {\n10.0.0.1\n}";
    assert_eq!(summary(&(named("A", 1, "") + &named("B", 2, excluded))).0, "W0170");
}

/// Issue 5: a virtual address that a host has as its own, here or there.
#[test]
fn address_of_a_host() {
    let unicast = |lines: &str| {
        instance(&format!("unicast_src_ip 10.0.0.1\nunicast_peer {{\n10.0.0.2\n}}\n{lines}"))
    };
    clean(&unicast(""));
    let source = unicast("").replace("10.0.0.51", "10.0.0.1");
    assert_eq!(
        summary(&source),
        ("W0171", "10.0.0.1".to_owned(), vec!["unicast_src_ip 10.0.0.1".to_owned()])
    );
    let peer = unicast("").replace("10.0.0.51", "10.0.0.2");
    assert_eq!(summary(&peer), ("W0171", "10.0.0.2".to_owned(), vec!["unicast_peer".to_owned()]));
    clean(&unicast("priority 255").replace("10.0.0.51", "10.0.0.1"));
    let kept = |lines: &str| {
        format!("static_ipaddress {{\n10.0.0.51/24 dev eth0\n}}\n{}", instance(lines))
    };
    assert_eq!(hints(&kept(""), "W01"), ["W0171"]);
    assert_eq!(hints(&kept("priority 255"), "W01"), [""; 0]);
    let other = instance("mcast_src_ip 10.0.0.7") + &with_address("B", 2, "", "10.0.0.7");
    assert_eq!(summary(&other).0, "W0171");
}

/// Issue 5: what no host can have is no virtual address.
#[test]
fn no_host_address() {
    for address in
        ["224.0.0.5", "127.0.0.1", "0.0.0.0", "255.255.255.255", "10.0.0.255/24", "10.0.0.0/24"]
    {
        let text = with_address("A", 1, "", address);
        assert_eq!(summary(&text), ("W0172", address.to_owned(), vec![]));
    }
    for address in ["10.0.0.0", "10.0.0.255", "10.0.0.1/31", "10.0.0.0/31", "10.0.1.0/23"] {
        clean(&with_address("A", 1, "", address));
    }
}

/// Keywords `state`, `priority`: MASTER without a priority is the owner, which hardly anybody means.
#[test]
fn owner_by_state() {
    assert_eq!(summary(&instance("state MASTER")), ("W0173", "state MASTER".to_owned(), vec![]));
    clean(&instance("state MASTER\npriority 255"));
    clean(&instance("state MASTER\npriority 150"));
    clean(&instance("state BACKUP"));
}

/// Keywords `vrrp_strict`, `strict_mode`: nobody reaches the addresses, which is said once, at the
/// line that does it.
#[test]
fn strict_mode_makes_addresses_unreachable() {
    let (loaded, strict) = only(&(global("vrrp_strict") + &named("VI_2", 52, "")));
    assert_eq!((strict.code, loaded.sources.excerpt(strict.span)), ("W0174", "vrrp_strict"));
    assert!(strict.message.contains("`VI_1` and of 1 more"), "{}", strict.message);
    assert_eq!(summary(&instance("strict_mode")), ("W0174", "strict_mode".to_owned(), vec![]));
    for said in
        ["strict_mode\nno_accept", "strict_mode\npriority 255", "no_accept", "strict_mode off"]
    {
        clean(&instance(said));
    }
    clean(&instance("strict_mode\nversion 3\naccept"));
}

/// Keyword `use_vmac`: a MAC that is given whole does not differ by itself.
#[test]
fn one_virtual_mac_of_two_virtual_routers() {
    let two = |mac: &str| {
        let vmac = format!("use_vmac {mac}");
        named("A", 1, &vmac) + &named("B", 2, &vmac)
    };
    let line = "use_vmac 02:00:00:00:00:01";
    assert_eq!(
        summary(&two("02:00:00:00:00:01")),
        ("W0175", line.to_owned(), vec![line.to_owned()])
    );
    clean(&two("02:00:00:00:00"));
    clean(&two(""));
}

fn host(interfaces: &[(&str, &[&str])]) -> HostInterfaces {
    let address = |text: &&str| {
        let (address, prefix) = text.split_once('/').unwrap();
        (address.parse::<IpAddr>().unwrap(), prefix.parse().unwrap())
    };
    let interface = |(name, addresses): &(&str, &[&str])| {
        ((*name).to_owned(), addresses.iter().map(address).collect())
    };
    interfaces.iter().map(interface).collect::<HashMap<_, _>>()
}

/// Codes of a file on a host with `eth0`.
fn on_host(text: &str, addresses: &[&str]) -> Vec<&'static str> {
    let mut loaded = parse(text);
    loaded.check_interfaces(&host(&[("eth0", addresses)]));
    assert_eq!(loaded.verdict(), Verdict::Clean);
    codes(&loaded)
}

/// Issue 5: interfaces that the host lacks are hints, each once; the verdict is that of the file.
#[test]
fn absent_interfaces() {
    assert_eq!(on_host(&instance(""), &[]), [""; 0]);
    let elsewhere = instance("").replace("eth0", "eth7");
    assert_eq!(on_host(&elsewhere, &[]), ["H0197"]);
    assert_eq!(on_host(&(elsewhere + &named("B", 2, "").replace("eth0", "eth7")), &[]), ["H0197"]);
    let device = with_address("A", 1, "", "10.0.0.1 dev eth7");
    assert_eq!(on_host(&device, &["10.0.0.9/24"]), ["H0197"]);
}

/// Issue 5: a virtual address outside every subnet of the interface.
#[test]
fn outside_every_subnet() {
    let text = |address: &str| with_address("A", 1, "", address);
    assert_eq!(on_host(&text("10.0.1.1"), &["10.0.0.9/24"]), ["H0198"]);
    assert_eq!(on_host(&text("10.0.1.1"), &["10.0.0.9/24", "10.0.1.9/24"]), [""; 0]);
    assert_eq!(on_host(&text("10.0.1.1"), &["10.0.0.9/23"]), [""; 0]);
    assert_eq!(on_host(&text("10.0.1.1/24"), &["10.0.0.9/24"]), [""; 0]);
    assert_eq!(on_host(&text("10.0.1.1"), &["fd00::9/64"]), [""; 0]);
    // One that is there already, because we are MASTER, proves nothing.
    assert_eq!(on_host(&text("10.0.1.1"), &["10.0.0.9/24", "10.0.1.1/32"]), ["H0198"]);
    // The owner has it with the length of its subnet.
    assert_eq!(on_host(&text("10.0.1.1"), &["10.0.0.9/24", "10.0.1.1/24"]), [""; 0]);
    let ipv6 = |address: &str| text(&format!("fe80::1\n{address}"));
    assert_eq!(on_host(&ipv6("fd00:1::1"), &["fe80::9/64", "fd00::9/64"]), ["H0198"]);
    assert_eq!(on_host(&ipv6("fd00::1"), &["fe80::9/64", "fd00::9/64"]), [""; 0]);
}

const SCRIPT: &str = "global_defs {\nenable_script_security\nscript_user root\n}\n";

/// A script, and an instance that tracks it.
fn tracked(script: &str, lines: &str) -> String {
    let track = format!("{lines}\ntrack_script {{\nchk\n}}");
    format!("{SCRIPT}vrrp_script chk {{\nscript /bin/true\n{script}\n}}\n{}", instance(&track))
}

/// The codes of this file that begin so.
fn hints(text: &str, start: &str) -> Vec<&'static str> {
    let loaded = parse(text);
    assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
    codes(&loaded).into_iter().filter(|code| code.starts_with(start)).collect()
}

/// Keyword `nopreempt`, issue 5: a weight makes nobody take over who does not preempt.
#[test]
fn weight_with_nopreempt() {
    assert_eq!(hints(&tracked("weight -20", "nopreempt"), "H017"), ["H0176"]);
    assert_eq!(hints(&tracked("", "nopreempt"), "H017"), [""; 0]);
    assert_eq!(hints(&tracked("weight -20", ""), "H017"), [""; 0]);
}

/// R-5.2.4-02, keyword `weight`: 254 and 1 are the ends.
#[test]
fn weight_beyond_the_range() {
    assert_eq!(hints(&tracked("weight 20", "priority 240"), "H017"), ["H0177"]);
    assert_eq!(hints(&tracked("weight -20", "priority 20"), "H017"), ["H0177"]);
    assert_eq!(hints(&tracked("weight 20", "priority 20"), "H017"), [""; 0]);
    assert_eq!(hints(&tracked("weight 14", "priority 240"), "H017"), [""; 0]);
    assert_eq!(hints(&tracked("weight 20 reverse", "priority 20"), "H017"), ["H0177"]);
}

/// Keyword `vrrp_script`: one that nobody tracks.
#[test]
fn unused_scripts() {
    let unused = "vrrp_script other {\nscript /bin/true\n}\n".to_owned() + &tracked("", "");
    assert_eq!(hints(&unused, "H017"), ["H0178"]);
    assert_eq!(hints(&tracked("", ""), "H017"), [""; 0]);
}

/// Names are those of a kind, and one in a list counts even if a repair has taken it out.
#[test]
fn unused_by_kind() {
    let text = format!("track_file chk {{\nfile /tmp/chk\n}}\n{}", tracked("", ""));
    assert_eq!(hints(&text, "H017"), ["H0178"]);
    let loaded = parse(&tracked("weight 5", "priority 255"));
    let found = codes(&loaded);
    assert!(found.contains(&"E0128") && !found.contains(&"H0178"), "{found:?}");
}

/// Keywords `interval`, `timeout` of `vrrp_script`.
#[test]
fn timeout_beyond_the_interval() {
    assert_eq!(hints(&tracked("interval 2\ntimeout 5", ""), "H017"), ["H0179"]);
    assert_eq!(hints(&tracked("interval 5\ntimeout 5", ""), "H017"), [""; 0]);
    assert_eq!(hints(&tracked("interval 5", ""), "H017"), [""; 0]);
}

/// Issue 5: scripts that this host lacks, or cannot run, with the reason.
#[test]
fn programs_of_the_host() {
    let on_host = |text: &str, refusal: Option<&str>| {
        let mut loaded = parse(text);
        loaded.check_programs(|command, rules| {
            assert!(rules.security);
            refusal.map(|refusal| format!("{} {refusal}", command.argv[0]))
        });
        assert_eq!(loaded.verdict(), Verdict::Clean);
        let found = loaded.diagnostics.iter().find(|one| one.code == "W0196");
        found.map(|one| (loaded.sources.excerpt(one.span).to_owned(), one.message.clone()))
    };
    let script = tracked("", "");
    assert_eq!(on_host(&script, None), None);
    let (place, message) = on_host(&script, Some("is not there")).unwrap();
    assert_eq!(place, "/bin/true");
    assert_eq!(message, "on this host /bin/true is not there");
    let notify = SCRIPT.to_owned() + &instance("notify_master /etc/go.sh");
    assert_eq!(on_host(&notify, Some("is not there")).unwrap().0, "/etc/go.sh");
}

/// The same: a program is named once, at its first use, and there is a limit to all remarks.
#[test]
fn programs_are_named_once() {
    let count = |program: fn(usize) -> String| {
        let lines = |number| {
            let [first, second] = [number, number + 700].map(program);
            instance(&format!("notify {first}\nnotify_stop {second}"))
        };
        let instances = (0..700).map(|number| {
            lines(number)
                .replace("VI_1", &format!("VI_{number}"))
                .replace("eth0", &format!("eth{number}"))
                .replace("10.0.0.51", &format!("10.0.{}.{}", number / 250, number % 250 + 1))
        });
        let mut loaded = parse(&(SCRIPT.to_owned() + &instances.collect::<String>()));
        loaded.check_programs(|_, _| Some("it is not there".to_owned()));
        assert_eq!(loaded.verdict(), Verdict::Clean);
        let places = loaded.diagnostics.iter().map(|one| one.span.start);
        let programs = codes(&loaded).iter().filter(|code| **code == "W0196").count();
        let all = codes(&loaded);
        assert!(places.clone().take(1000).is_sorted());
        (programs, all.len() == 1001 && all.last() == Some(&"W0099"))
    };
    assert_eq!(count(|_| "/etc/go.sh".to_owned()), (1, false));
    assert!(count(|number| format!("/etc/go{number}")).1);
}
