//! `vrrp_instance` with IPv6 addresses. Exit codes are those of keepalived 2.2.7 (`keepalived -t`)
//! for the same text.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::Duration;

use support::{clean, codes, instance, one, parse, repaired};
use vrrp_common::{Family, Version};
use vrrp_config::{ChecksumForm, Instance, Verdict};

/// A complete instance of IPv6 with more lines in it.
fn ipv6(lines: &str) -> String {
    instance(lines).replace("10.0.0.51\n", "fe80::51\n2001:db8::51/64\n")
}

/// The same with lines in front of its addresses and others behind them.
fn around(before: &str, behind: &str) -> String {
    ipv6(before).replace("64\n}\n", &format!("64\n}}\n{behind}\n"))
}

fn global(lines: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n{}", ipv6(""))
}

/// The only instance of a file that keepalived finds nothing in, and what we say all the same.
fn remarked(text: &str) -> (Vec<&'static str>, Instance) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
    let codes = codes(&loaded);
    (codes, loaded.config.unwrap().instances.remove(0))
}

fn addresses(instance: &Instance) -> Vec<String> {
    instance.addresses.iter().map(|own| format!("{}/{}", own.address, own.prefix)).collect()
}

/// Keyword table 1.5: an instance of IPv6 speaks version 3 to ff02::12, whatever `vrrp_version` says.
#[test]
fn defaults() {
    let plain = one(&ipv6(""));
    assert_eq!(plain.family(), Family::V6);
    assert_eq!(plain.version, Version::V3);
    assert_eq!(plain.group.to_string(), "ff02::12");
    assert_eq!(plain.source, None);
    assert_eq!(addresses(&plain), ["fe80::51/128", "2001:db8::51/64"]);
    assert!(plain.addresses.iter().all(|own| !own.detect_duplicates));
    assert_eq!(one(&ipv6("version 3")).version, Version::V3);
    for version in [2, 3] {
        assert_eq!(one(&global(&format!("vrrp_version {version}"))).version, Version::V3);
    }
    let (codes, rounded) = repaired(&ipv6("advert_int 0.125"));
    assert_eq!((codes, rounded.interval.centiseconds()), (vec!["E0036"], 13));
    assert_eq!(one(&instance("")).family(), Family::V4);
}

/// R-5.2.9-03: the first address of an instance fixes its family, be it a virtual one, a source or a
/// group; excluded ones may be of any.
#[test]
fn one_family() {
    let (codes, mixed) = repaired(&ipv6("").replace("2001:db8::51/64", "10.0.0.1"));
    assert_eq!((codes, addresses(&mixed)), (vec!["E0043"], vec!["fe80::51/128".to_owned()]));
    let (codes, mixed) = repaired(&instance("").replace("10.0.0.51", "10.0.0.51\nfe80::1"));
    assert_eq!((codes, addresses(&mixed)), (vec!["E0043"], vec!["10.0.0.51/32".to_owned()]));

    for line in ["mcast_src_ip 10.0.0.2", "mcast_dst_ip 224.0.0.99"] {
        let (codes, first) = repaired(&ipv6(line));
        assert_eq!(codes, ["E0045", "E0043", "E0043"], "{line}");
        assert_eq!((first.family(), addresses(&first)), (Family::V4, vec![]), "{line}");
        let (codes, behind) = repaired(&around("", line));
        assert_eq!(codes, ["E0043"], "{line}");
        assert_eq!((behind.family(), behind.addresses.len()), (Family::V6, 2), "{line}");
        assert_eq!(behind.group.to_string(), "ff02::12");
        assert_eq!(behind.source, None);
    }
    // Version 3 without an address does not run, as with IPv4.
    let loaded = parse(&instance("mcast_src_ip fe80::2"));
    assert_eq!(self::codes(&loaded), ["E0045", "E0043"]);
    assert_eq!(loaded.verdict(), Verdict::WouldRun);
    assert!(loaded.config.unwrap().instances.is_empty());
    assert_eq!(repaired(&ipv6("mcast_src_ip fe80::2\nmcast_dst_ip 224.0.0.99")).0, ["E0043"]);

    let excluded = "virtual_ipaddress_excluded {\n10.0.0.9\n2001:db8::9\n}";
    for text in [ipv6(excluded), instance(excluded)] {
        assert_eq!(one(&text).excluded.len(), 2);
    }
}

/// R-5.1.2.2-01, keywords `mcast_dst_ip`, `vrrp_mcast_group6`, `mcast_src_ip`: link-local ones.
#[test]
fn group_and_source() {
    let given = one(&ipv6("mcast_dst_ip ff02::99\nmcast_src_ip fe80::2"));
    assert_eq!(given.group.to_string(), "ff02::99");
    assert_eq!(given.source, Some("fe80::2".parse().unwrap()));
    assert_eq!(one(&ipv6("mcast_dst_ip ff12::99")).group.to_string(), "ff12::99");
    for group in ["fe80::99", "ff05::12", "224.0.0", "ff02::12%eth0"] {
        let (codes, instance) = repaired(&ipv6(&format!("mcast_dst_ip {group}")));
        assert_eq!((codes, instance.group.to_string()), (vec!["E0034"], "ff02::12".to_owned()));
    }
    assert_eq!(one(&global("vrrp_mcast_group6 ff02::99")).group.to_string(), "ff02::99");
    for (group, used) in
        [("224.0.0.1", "ff02::12"), ("fe80::99", "ff02::12"), ("ff05::12", "ff05::12")]
    {
        let (codes, instance) = repaired(&global(&format!("vrrp_mcast_group6 {group}")));
        assert_eq!((codes, instance.group.to_string()), (vec!["E0034"], used.to_owned()));
    }
    assert_eq!(repaired(&global("vrrp_mcast_group4 ff02::12")).0, ["E0034"]);
    let (codes, global_source) = remarked(&ipv6("mcast_src_ip 2001:db8::2"));
    assert_eq!(codes, ["W0048"]);
    assert_eq!(global_source.source, Some("2001:db8::2".parse().unwrap()));
}

/// R-5.2.9-02, R-6.1-13: the first address is to be link-local. One that stands further below goes
/// first. Without one keepalived runs it, too; in strict mode it reports it.
#[test]
fn link_local_first() {
    let global_first = ipv6("").replace("fe80::51\n2001:db8::51/64", "2001:db8::51/64\nfe80::51");
    let without = ipv6("").replace("fe80::51\n", "");
    let strict = |text: &str| format!("global_defs {{\nvrrp_strict\n}}\n{text}");
    let ordered = ["fe80::51/128", "2001:db8::51/64"];
    let (codes, moved) = remarked(&global_first);
    assert_eq!((codes, addresses(&moved)), (vec!["W0048"], ordered.map(String::from).to_vec()));
    let (codes, moved) = repaired(&strict(&global_first));
    assert_eq!((codes, addresses(&moved)), (vec!["E0058"], ordered.map(String::from).to_vec()));
    let (codes, kept) = remarked(&without);
    assert_eq!((codes, addresses(&kept)), (vec!["W0048"], vec!["2001:db8::51/64".to_owned()]));
    assert_eq!(addresses(&one(&strict(&ipv6("")))), ordered);
    let (codes, kept) = repaired(&strict(&without));
    assert_eq!((codes, addresses(&kept)), (vec!["E0058"], vec!["2001:db8::51/64".to_owned()]));

    // One that would not have fitted into an advert does.
    let lines: String = (1..=100).map(|n| format!("2001:db8::{n}\n")).collect();
    let many = ipv6("").replace("fe80::51\n2001:db8::51/64\n", &format!("{lines}fe80::51\n"));
    let (_, many) = repaired(&many);
    assert_eq!(addresses(&many)[0], "fe80::51/128");
    assert_eq!((many.addresses.len(), many.excluded.len()), (89, 12));
}

/// Version 2 has no IPv6, though keepalived speaks it: version 3 is used, and said; so there is no
/// authentication either.
#[test]
fn version_2() {
    let (codes, instance) = remarked(&ipv6("version 2"));
    assert_eq!((codes, instance.version), (vec!["W0061"], Version::V3));
    let (codes, instance) =
        repaired(&format!("global_defs {{\nvrrp_strict\n}}\n{}", ipv6("version 2")));
    assert_eq!((codes, instance.version), (vec!["E0059"], Version::V3));

    let auth = |kind: &str| format!("authentication {{\nauth_type {kind}\nauth_pass 1111\n}}");
    for kind in ["PASS", "AH"] {
        let (codes, instance) = repaired(&ipv6(&auth(kind)));
        assert_eq!((codes, instance.authentication), (vec!["E0054"], None));
    }
    let (codes, instance) = remarked(&ipv6(&format!("version 2\n{}", auth("PASS"))));
    assert_eq!((codes, instance.authentication), (vec!["W0061", "W0062"], None));
    let (codes, instance) = repaired(&ipv6(&format!("version 2\n{}", auth("AH"))));
    assert_eq!((codes, instance.authentication), (vec!["W0061", "E0054"], None));
}

/// Words of an IPv6 address line: `-nodad` works, `label` and `scope` are ignored, `brd` costs the
/// address.
#[test]
fn address_words() {
    let line =
        |words: &str| ipv6("").replace("2001:db8::51/64", &format!("2001:db8::51/64 {words}"));
    assert!(one(&line("-nodad")).addresses[1].detect_duplicates);
    assert_eq!(one(&line("dev eth1")).addresses[1].device.as_deref(), Some("eth1"));
    for (words, code, left) in [
        ("label eth0:1", "E0047", 2),
        ("scope link", "E0047", 2),
        ("scope foo", "E0032", 2),
        ("label eth0:abcdefghijk", "E0035", 1),
        ("brd +", "E0041", 1),
        ("brd 10.0.0.255", "E0041", 1),
        ("brd ff02::1", "E0041", 1),
    ] {
        let (codes, instance) = repaired(&line(words));
        assert_eq!((codes, instance.addresses.len()), (vec![code], left), "{words}");
        let last = instance.addresses.last().unwrap();
        assert_eq!((last.scope, last.label.clone()), (0, None), "{words}");
    }
    for words in ["home", "mngtmpaddr", "noprefixroute", "preferred_lft 10"] {
        assert_ne!(one(&line(words)).addresses[1].options, one(&line("")).addresses[1].options);
    }
    let ipv4 = instance("").replace("10.0.0.51", "10.0.0.51 -nodad");
    let (codes, ipv4) = remarked(&ipv4);
    assert_eq!((codes, ipv4.addresses[0].detect_duplicates), (vec!["H0027"], false));
    for (address, code, left) in [
        ("2001:db8::51/129", "E0040", 2),
        ("fe80::2%eth0", "E0033", 1),
        ("2001:db8:::1", "E0033", 1),
    ] {
        let (codes, instance) = repaired(&ipv6("").replace("2001:db8::51/64", address));
        assert_eq!((codes, instance.addresses.len()), (vec![code], left), "{address}");
    }
    // An address that is skipped does not fix the family.
    let (codes, second) =
        repaired(&instance("").replace("10.0.0.51", "2001:db8::1 brd +\n10.0.0.51"));
    assert_eq!((codes, second.family()), (vec!["E0041"], Family::V4));
}

/// Keyword table 1.5, "excess becomes excluded": 89 addresses fit into keepalived's adverts.
#[test]
fn too_many_addresses() {
    let lines = |count: usize| {
        let lines: String = (1..count).map(|n| format!("2001:db8::{n}/64\n")).collect();
        ipv6("").replace("2001:db8::51/64\n", &lines)
    };
    assert_eq!(one(&lines(89)).addresses.len(), 89);
    let (codes, many) = repaired(&lines(151));
    assert_eq!(codes, ["E0044"]);
    assert_eq!((many.addresses.len(), many.excluded.len()), (89, 62));
}

/// R-6.4-01, keyword `virtual_router_id`: IPv4 and IPv6 have numbers of their own on one interface.
#[test]
fn numbers_per_family() {
    let second = |text: &str| text.replace("VI_1", "VI_2");
    let both = clean(&format!("{}{}", instance(""), second(&ipv6(""))));
    assert_eq!(both.instances.len(), 2);
    let same = format!("{}{}", ipv6(""), second(&ipv6("")));
    assert_eq!(repaired(&same).0, ["E0053"]);
}

/// `v3_checksum_as_v2` is about IPv4; `vrrp_gna_interval` about IPv6.
#[test]
fn checksum_and_spacing() {
    let (codes, instance) = remarked(&ipv6("v3_checksum_as_v2"));
    assert_eq!((codes, instance.checksum), (vec!["H0027"], ChecksumForm::PseudoHeader));
    let inherited = one(&global("v3_checksum_as_v2\nvrrp_garp_interval 1\nvrrp_gna_interval 0.01"));
    assert_eq!(inherited.checksum, ChecksumForm::PseudoHeader);
    assert_eq!(inherited.garp.interval, Duration::from_secs(1));
    assert_eq!(inherited.garp.gna_interval, Duration::from_millis(10));
}
