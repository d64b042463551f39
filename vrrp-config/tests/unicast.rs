//! Unicast peers and the virtual MAC. Verdicts are those of keepalived 2.2.7 (`keepalived -t`) for
//! the same text, unless something else is said.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{codes, instance, named, one, parse, repaired};
use vrrp_common::Family;
use vrrp_config::{Instance, Unicast, Verdict, VirtualMac};

const PEER: &str = "unicast_peer {\n10.0.0.8\n}";

/// Lines of an instance that has a source and a peer.
fn unicast(lines: &str) -> String {
    instance(&format!("unicast_src_ip 10.0.0.9\n{PEER}\n{lines}"))
}

/// An instance with these lines as its peers.
fn peers(lines: &str) -> String {
    instance(&format!("unicast_src_ip 10.0.0.9\nunicast_peer {{\n{lines}\n}}"))
}

fn global(lines: &str, text: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n{text}")
}

/// The only instance of a file that keepalived finds nothing in, and what we say all the same.
fn remarked(text: &str) -> (Vec<&'static str>, Instance) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
    let codes = codes(&loaded);
    (codes, loaded.config.unwrap().instances.remove(0))
}

fn addresses(unicast: &Unicast) -> Vec<String> {
    unicast.peers.iter().map(|peer| peer.address.to_string()).collect()
}

/// Keywords `unicast_peer`, `unicast_src_ip`, `unicast_ttl`: peers switch to unicast; `mcast_src_ip`
/// gives the source, too.
#[test]
fn peers_switch_to_unicast() {
    assert_eq!(one(&instance("")).unicast, None);
    let plain = one(&unicast(""));
    assert_eq!(plain.source, Some("10.0.0.9".parse().unwrap()));
    let plain = plain.unicast.unwrap();
    assert_eq!(
        (addresses(&plain), plain.ttl, plain.check_source),
        (vec!["10.0.0.8".into()], None, false)
    );
    assert_eq!(plain.peers[0].ttl, 0..=255);
    assert_eq!(one(&instance(PEER)).unicast, Some(plain));
    let source = one(&instance(&format!("{PEER}\nmcast_src_ip 10.0.0.9"))).source;
    assert_eq!(source, Some("10.0.0.9".parse().unwrap()));
    let two_blocks = one(&unicast("unicast_peer {\n10.0.0.7\n}")).unicast.unwrap();
    assert_eq!(addresses(&two_blocks), ["10.0.0.8", "10.0.0.7"]);
    assert_eq!(one(&unicast("unicast_ttl 7")).unicast.unwrap().ttl, Some(7));
    for (bad, code) in [("256", "E0031"), ("abc", "E0030")] {
        let (codes, wrong) = repaired(&unicast(&format!("unicast_ttl {bad}")));
        assert_eq!((codes, wrong.unicast.unwrap().ttl), (vec![code], None), "{bad}");
    }
    let (codes, zero) = remarked(&unicast("unicast_ttl 0"));
    assert_eq!((codes, zero.unicast.unwrap().ttl), (vec!["W0064"], None));
}

/// Keyword `unicast_peer`: IPv6, where neither the source nor the first address need be link-local.
#[test]
fn ipv6() {
    let text = peers("2001:db8::8")
        .replace("10.0.0.9", "2001:db8::9")
        .replace("10.0.0.51", "2001:db8::51");
    let instance = one(&text);
    assert_eq!(instance.family(), Family::V6);
    assert_eq!(instance.source, Some("2001:db8::9".parse().unwrap()));
    assert_eq!(addresses(&instance.unicast.unwrap()), ["2001:db8::8"]);
    // The first address decides the family, here the source.
    let (codes, instance) = repaired(&peers("fe80::8\n10.0.0.8"));
    assert_eq!(
        (codes, addresses(&instance.unicast.unwrap())),
        (vec!["E0043"], vec!["10.0.0.8".into()])
    );
}

/// Keywords `min_ttl`, `max_ttl`, `check_unicast_src`, `vrrp_check_unicast_src`: the former imply the
/// latter.
#[test]
fn sources_are_checked() {
    let limited =
        one(&peers("10.0.0.8 min_ttl 10 max_ttl 20\n10.0.0.7 max_ttl 5\n10.0.0.6 min_ttl 250"));
    let limited = limited.unicast.unwrap();
    let ranges: Vec<_> = limited.peers.iter().map(|peer| peer.ttl.clone()).collect();
    assert_eq!((ranges, limited.check_source), (vec![10..=20, 0..=5, 250..=255], true));
    let checks = |text: &str| one(text).unicast.unwrap().check_source;
    assert!(checks(&unicast("check_unicast_src")));
    assert!(checks(&global("vrrp_check_unicast_src", &unicast(""))));
    assert!(!checks(&global("vrrp_check_unicast_src", &unicast("check_unicast_src off"))));
    assert!(!checks(&unicast("check_unicast_src no")));
}

/// Keyword `unicast_peer`: a line that cannot be read costs no more than itself.
#[test]
fn mistakes_in_peers() {
    for (line, code, survives) in [
        ("10.0.0", "E0033", false),
        ("host.example", "E0033", false),
        ("fe80::8", "E0043", false),
        ("10.0.0.7 min_ttl 256", "E0031", true),
        ("10.0.0.7 max_ttl -1", "E0031", true),
        ("10.0.0.7 min_ttl", "E0022", true),
        ("10.0.0.7 foo 1", "E0049", true),
        ("10.0.0.7 10.0.0.6", "E0049", true),
        ("10.0.0.7 min_ttl 30 max_ttl 20", "E0065", true),
    ] {
        let (codes, instance) = repaired(&peers(&format!("10.0.0.8\n{line}")));
        let peers = addresses(&instance.unicast.unwrap());
        assert_eq!((codes, peers.len()), (vec![code], 1 + usize::from(survives)), "{line}");
    }
    let nothing_fits = repaired(&peers("10.0.0.8 min_ttl 30 max_ttl 20")).1.unicast.unwrap();
    assert!(nothing_fits.peers[0].ttl.is_empty());
    // keepalived says nothing about these.
    for (line, code, survives) in [
        ("10.0.0.8", "W0064", false),
        ("10.0.0.9", "W0064", false),
        ("224.0.0.18", "W0064", false),
        ("255.255.255.255", "W0064", false),
        ("0.0.0.0", "W0064", false),
        ("10.0.0.7/24", "W0025", true),
    ] {
        let (codes, instance) = remarked(&peers(&format!("10.0.0.8\n{line}")));
        let peers = addresses(&instance.unicast.unwrap());
        assert_eq!((codes, peers.len()), (vec![code], 1 + usize::from(survives)), "{line}");
    }
}

/// Keyword `unicast_fault_no_peer`: without peers a virtual router uses multicast, which is reported,
/// or stays in FAULT where that is asked for.
#[test]
fn no_peers() {
    for lines in [
        "unicast_src_ip 10.0.0.9",
        "check_unicast_src",
        "unicast_ttl 7",
        "unicast_peer {\n}",
        "unicast_peer {\n}\nunicast_fault_no_peer off",
    ] {
        let (codes, instance) = repaired(&instance(lines));
        assert_eq!((codes, instance.unicast), (vec!["E0065"], None), "{lines}");
    }
    let (codes, none_left) = repaired(&instance("unicast_peer {\n10.0.0\n}"));
    assert_eq!((codes, none_left.unicast), (vec!["E0065", "E0033"], None));
    assert_eq!(repaired(&instance("unicast_src_ip 10.0.0")).0, ["E0065", "E0033"]);
    for lines in ["unicast_fault_no_peer", "unicast_peer {\n}\nunicast_fault_no_peer"] {
        let (codes, instance) = remarked(&instance(lines));
        let unicast = instance.unicast.unwrap();
        assert_eq!((codes, unicast.peers), (vec!["W0064"], vec![]), "{lines}");
    }
    assert!(one(&unicast("unicast_fault_no_peer")).unicast.is_some());
}

/// Keywords `mcast_dst_ip`, `old_unicast_checksum` beside unicast.
#[test]
fn beside_unicast() {
    let (codes, instance) = repaired(&unicast("mcast_dst_ip 224.0.0.99"));
    assert_eq!((codes, instance.group.to_string()), (vec!["E0065"], "224.0.0.18".to_owned()));
    for line in ["old_unicast_checksum", "old_unicast_checksum never"] {
        assert_eq!(remarked(&unicast(line)).0, ["H0027"], "{line}");
    }
    assert_eq!(repaired(&unicast("old_unicast_checksum always")).0, ["H0027", "E0032"]);
}

/// keepalived can do without an interface then; this program cannot yet, and says so.
#[test]
fn no_interface() {
    let loaded = parse(&unicast("").replace("interface eth0\n", ""));
    assert_eq!(codes(&loaded), ["N0029"]);
    assert!(loaded.config.unwrap().instances.is_empty());
    let loaded = parse(&instance(PEER).replace("interface eth0\n", ""));
    assert_eq!(codes(&loaded), ["E0051"]);
}

/// Keyword `virtual_router_id`: circles of peers on one interface may share a number as long as they
/// share no peer. keepalived goes further: it also takes one circle beside a multicast router.
#[test]
fn one_number_twice() {
    let router = |name: &str, peer: &str| {
        let peers = format!("unicast_peer {{\n{peer}\n}}");
        named(name, 51, if peer.is_empty() { "" } else { &peers })
    };
    for (first, second, both) in [
        ("10.0.0.7", "10.0.0.8", true),
        ("10.0.0.7", "10.0.0.8\n10.0.0.7", false),
        ("10.0.0.7", "", false),
        ("", "10.0.0.7", false),
    ] {
        let loaded = parse(&format!("{}{}", router("VI_1", first), router("VI_2", second)));
        let expected: &[&str] = if both { &[] } else { &["E0053"] };
        assert_eq!(codes(&loaded), expected, "{first} {second}");
        assert_eq!(loaded.config.unwrap().instances.len(), 1 + usize::from(both));
    }
}

/// Keyword `strict_mode`: unicast is no VRRP of the RFC. 2.2.7 runs it and says nothing, later versions
/// leave the virtual router out: it runs, with a warning.
#[test]
fn strict_and_unicast() {
    let (codes, strict) = remarked(&unicast("strict_mode"));
    assert_eq!(codes, ["W0216"]);
    assert_eq!(addresses(&strict.unicast.unwrap()), ["10.0.0.8"]);
}

fn vmac(text: &str) -> VirtualMac {
    one(&instance(text)).virtual_mac.unwrap()
}

/// Keyword `use_vmac`: the MAC of each family, and the words behind it in any
/// order.
#[test]
fn virtual_mac() {
    assert_eq!(one(&instance("")).virtual_mac, None);
    let plain = VirtualMac { mac: [0, 0, 0x5e, 0, 1, 51], name: None, adverts_from_base: false };
    assert_eq!(vmac("use_vmac"), plain);
    let ipv6 = one(&instance("use_vmac").replace("10.0.0.51", "fe80::51"));
    assert_eq!(ipv6.virtual_mac.unwrap().mac, [0, 0, 0x5e, 0, 2, 51]);

    let named = VirtualMac { name: Some("vrrp51".to_owned()), ..plain.clone() };
    assert_eq!(vmac("use_vmac vrrp51"), named);
    assert_eq!(vmac("use_vmac name vrrp51"), named);
    assert_eq!(vmac("use_vmac name name").name.as_deref(), Some("name"));
    let both = VirtualMac { mac: [2, 0, 0, 0, 0xa, 0xbc], ..named };
    for words in [
        "vrrp51 02:00:00:00:0a:bc",
        "02:00:00:00:0a:bc vrrp51",
        "name vrrp51 2:0:0:0:A:BC",
        "2:0:0:0:a:bc name vrrp51",
    ] {
        assert_eq!(vmac(&format!("use_vmac {words}")), both, "{words}");
    }
    assert_eq!(vmac("use_vmac vrrp51\nuse_vmac 02:00:00:00:0a:bc"), both);
    assert_eq!(vmac("use_vmac 02:00:00:00:0a").mac, [2, 0, 0, 0, 0xa, 51]);
    assert!(vmac("use_vmac\nvmac_xmit_base").adverts_from_base);

    for words in ["netlink_notify_msg", "group 5"] {
        let (codes, instance) = remarked(&instance(&format!("use_vmac {words}")));
        assert_eq!(
            (codes, instance.virtual_mac.as_ref()),
            (vec!["H0027"], Some(&plain)),
            "{words}"
        );
    }
    let prefixes = "vmac_prefix foo\nvmac_addr_prefix bar";
    let (codes, instance) = remarked(&global(prefixes, &instance("use_vmac")));
    assert_eq!((codes, instance.virtual_mac), (vec!["H0027", "H0027"], Some(plain)));
}

/// Keyword `use_vmac`: words that cannot be are reported; the virtual MAC stays what it is without.
#[test]
fn mistakes_in_use_vmac() {
    for words in [
        "01:00:5e:00:00:01",
        "ff:ff:ff:ff:ff:ff",
        "00:00:5e:00:01:07",
        "00:00:5e:00:02",
        "02:00:00:00",
        "02:zz:00:00:00:00",
        "200:0:0:0:0:1",
        "02:",
        "foo:bar",
        "averyverylongname",
        "foo/bar",
    ] {
        let (codes, instance) = repaired(&instance(&format!("use_vmac {words}")));
        let mac = instance.virtual_mac.unwrap();
        assert_eq!(
            (codes, mac.mac, mac.name),
            (vec!["E0063"], [0, 0, 0x5e, 0, 1, 51], None),
            "{words}"
        );
    }
    let (codes, zero) = remarked(&instance("use_vmac 00:00:00:00:00:00"));
    assert_eq!((codes, zero.virtual_mac.unwrap().mac), (vec!["W0064"], [0, 0, 0x5e, 0, 1, 51]));
    for lines in ["use_vmac a b", "use_vmac a\nuse_vmac b", "use_vmac a name b"] {
        let (codes, instance) = repaired(&instance(lines));
        let name = instance.virtual_mac.unwrap().name;
        assert_eq!((codes, name.as_deref()), (vec!["E0063"], Some("a")), "{lines}");
    }
    let (codes, two) = repaired(&instance("use_vmac 02:00:00:00:00:01 02:00:00:00:00:02"));
    assert_eq!((codes, two.virtual_mac.unwrap().mac[5]), (vec!["E0063"], 1));
}

/// Keyword `vmac_xmit_base`: only with a virtual MAC, always with unicast, never in strict mode, which
/// has the MAC of the RFC, too.
#[test]
fn adverts_from_the_base() {
    let (codes, without) = repaired(&instance("vmac_xmit_base"));
    assert_eq!((codes, without.virtual_mac), (vec!["E0063"], None));
    let (codes, forced) = repaired(&unicast("use_vmac"));
    assert_eq!(codes, ["E0063"]);
    assert!(forced.virtual_mac.unwrap().adverts_from_base);
    assert!(one(&unicast("use_vmac\nvmac_xmit_base")).virtual_mac.unwrap().adverts_from_base);
    for lines in ["use_vmac\nvmac_xmit_base", "use_vmac 02:00:00:00:00:01"] {
        let (codes, strict) = repaired(&global("vrrp_strict", &instance(lines)));
        let mac = strict.virtual_mac.unwrap();
        assert_eq!((codes, mac.mac), (vec!["E0058"], [0, 0, 0x5e, 0, 1, 51]), "{lines}");
        assert!(!mac.adverts_from_base, "{lines}");
    }
}

/// Keywords `use_vmac_addr`, and `use_vmac` behind an address: `use_vmac` covers all addresses on the
/// virtual router's own interface, and nothing here those on others.
#[test]
fn virtual_mac_of_addresses() {
    let elsewhere = |words: &str, lines: &str| {
        instance(lines).replace("10.0.0.51", &format!("10.0.0.51\n10.1.0.51 dev eth1{words}"))
    };
    one(&elsewhere("", "use_vmac"));
    for text in [
        elsewhere("", "use_vmac\nuse_vmac_addr"),
        elsewhere(" use_vmac", "use_vmac"),
        elsewhere("", "use_vmac_addr"),
        elsewhere(" use_vmac", ""),
    ] {
        let (codes, instance) = remarked(&text);
        assert_eq!(codes, ["N0028"], "{text}");
        assert_eq!(instance.virtual_mac.is_some(), text.contains("\nuse_vmac\n"), "{text}");
    }
    let (codes, _) = repaired(&elsewhere(" use_vmac", "use_vmac\nuse_vmac_addr"));
    assert!(codes.contains(&"E0063"), "{codes:?}");
    let here = instance("use_vmac").replace("10.0.0.51", "10.0.0.51 use_vmac");
    assert_eq!(repaired(&here).0, ["E0063"]);
}
