//! `static_ipaddress`, and the words of an address line that few use (keyword tables 1.3 and 1.5).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::Duration;

use support::{compare_with_keepalived, instance, parse, remarks};
use vrrp_config::{AddressOptions, Broadcast, Tracking, VirtualAddress};

fn list(lines: &str) -> String {
    format!("static_ipaddress {{\n{lines}\n}}\n")
}

/// The addresses of a list, and what is said about it.
fn read(lines: &str) -> (Vec<&'static str>, Vec<VirtualAddress>) {
    let loaded = parse(&list(lines));
    (remarks(&loaded), loaded.config.unwrap().statics.addresses)
}

/// The only address of a list about which there is nothing to say.
fn one(line: &str) -> VirtualAddress {
    let (codes, mut addresses) = read(line);
    assert_eq!((codes, addresses.len()), (vec![], 1), "{line}");
    addresses.remove(0)
}

/// The only address of a list that is repaired or remarked upon.
fn remarked(line: &str) -> (Vec<&'static str>, VirtualAddress) {
    let (codes, mut addresses) = read(line);
    assert_eq!(addresses.len(), 1, "{line}: {codes:?}");
    (codes, addresses.remove(0))
}

/// `brd`, `dev`, `scope`, `label`; without `dev` the address goes to `default_interface`, else eth0.
#[test]
fn place() {
    let address = one("192.168.1.1/24 brd + dev eth1 scope link label eth1:1");
    assert_eq!((address.address.to_string(), address.prefix), ("192.168.1.1".to_owned(), 24));
    assert_eq!(address.broadcast, Some(Broadcast::HostBitsSet));
    assert_eq!((address.device.as_deref(), address.scope), (Some("eth1"), 253));
    assert_eq!(address.label.as_deref(), Some("eth1:1"));
    assert_eq!(one("192.168.1.1").device.as_deref(), Some("eth0"));
    let named = parse(&format!("{}global_defs {{\ndefault_interface eth2\n}}\n", list("10.0.0.1")));
    let statics = named.config.unwrap().statics;
    assert_eq!(statics.addresses[0].device.as_deref(), Some("eth2"));
}

/// `peer`, `home`, `-nodad`, `mngtmpaddr`, `noprefixroute`, `autojoin`, `preferred_lft`, `no_track`.
#[test]
fn options() {
    let address =
        one("2001:db8::1/64 dev eth0 home -nodad mngtmpaddr noprefixroute autojoin no_track");
    let expected = AddressOptions {
        home: true,
        temporary_parent: true,
        no_prefix_route: true,
        autojoin: true,
        tracking: Tracking::Off,
        ..AddressOptions::default()
    };
    assert_eq!((address.options, address.detect_duplicates), (expected, true));
    let point_to_point = one("10.0.0.1 dev ppp0 peer 10.0.0.2");
    assert_eq!(point_to_point.options.peer, Some("10.0.0.2".parse().unwrap()));

    for (line, lifetime) in [
        ("2001:db8::1/64", None),
        ("2001:db8::1/128", Some(0)),
        ("2001:db8::1", Some(0)),
        ("2001:db8::1 preferred_lft forever", None),
        ("2001:db8::1/64 preferred_lft 10", Some(10)),
        ("10.0.0.1", None),
    ] {
        let lifetime = lifetime.map(Duration::from_secs);
        assert_eq!(one(line).options.preferred_lifetime, lifetime, "{line}");
    }
}

/// `track_group`, for static addresses only.
#[test]
fn track_group() {
    let file = |words: &str| {
        let group = "track_group G {\ngroup { VI_1 }\n}\n";
        let loaded =
            parse(&format!("{group}{}{}", instance(""), list(&format!("10.0.0.1 {words}"))));
        let tracking =
            loaded.config.as_ref().unwrap().statics.addresses[0].options.tracking.clone();
        (remarks(&loaded), tracking)
    };
    let group = Tracking::Group("G".to_owned());
    assert_eq!(file("track_group G"), (vec![], group.clone()));
    assert_eq!(file("track_group H"), (vec!["E0150"], Tracking::On));
    assert_eq!(file("track_group G track_group G"), (vec!["E0150"], group));
    assert_eq!(file("track_group G no_track"), (vec!["W0159"], Tracking::Off));
    let words = instance("").replace("10.0.0.51", "10.0.0.51 track_group G");
    assert_eq!(remarks(&parse(&words)), ["E0042", "E0042"]);
}

/// An address of an instance has them, too.
#[test]
fn virtual_addresses() {
    let line = "10.0.0.51 peer 10.0.0.52 home mngtmpaddr noprefixroute autojoin no_track";
    let loaded = parse(&instance("").replace("10.0.0.51", line));
    assert_eq!(support::codes(&loaded), [] as [&str; 0]);
    let address = &loaded.config.unwrap().instances[0].addresses[0];
    assert_eq!(address.options.peer, Some("10.0.0.52".parse().unwrap()));
    assert_eq!(address.options.tracking, Tracking::Off);
}

/// Mistakes: keepalived ignores the word, or the whole address.
#[test]
fn mistakes() {
    for (line, codes, kept) in [
        ("10.0.0.1 dev eth0 dev eth1", vec!["E0152"], 0),
        ("10.0.0.1 dev", vec!["E0022"], 0),
        ("10.0.0.1 peer", vec!["E0022"], 0),
        ("10.0.0.1 peer x", vec!["E0151"], 1),
        ("10.0.0.1 peer fe80::1", vec!["E0151"], 1),
        ("10.0.0.1 peer 10.0.0.2 peer 10.0.0.3", vec!["E0151"], 1),
        ("10.0.0.1/24 peer 10.0.0.2", vec!["E0151"], 1),
        ("10.0.0.1 peer 10.0.0.2 brd 10.0.0.255", vec!["E0151"], 1),
        ("2001:db8::1/64 preferred_lft x", vec!["E0030"], 1),
        ("10.0.0.1 preferred_lft 10", vec!["H0027"], 1),
        ("10.0.0.1 nodad", vec!["E0042"], 1),
        ("10.0.0.1 use_vmac", vec!["E0042"], 1),
        ("10.0.0.300", vec!["E0033"], 0),
    ] {
        let (found, addresses) = read(line);
        assert_eq!((found, addresses.len()), (codes, kept), "{line}");
    }
    let (_, peer) = remarked("10.0.0.1/24 brd + peer 10.0.0.2");
    assert_eq!((peer.prefix, peer.broadcast), (32, None));
    let typo = parse(&list("10.0.0.1 preferred_ltf 10"));
    let help =
        typo.diagnostics.iter().find_map(|own| own.help.as_deref().filter(|_| own.code == "E0042"));
    assert_eq!(help, Some("did you mean `preferred_lft`?"));
}

/// Issue 5, 2: exit codes are those of keepalived 2.2.7, or it is said why not.
#[test]
fn keepalived_agrees() {
    compare_with_keepalived("static_ipaddress", include_str!("oracle/addresses.txt"));
}

/// Issue 5, 3: writing an address and reading it again gives the same one, and clean.
#[test]
fn written_and_read_again() {
    let mut count = 0;
    for case in include_str!("oracle/addresses.txt").lines().filter(|case| !case.starts_with('#')) {
        let line = case.split(";;").next().unwrap().splitn(3, ' ').nth(2).unwrap();
        for mut address in read(line).1 {
            let written = address.to_string();
            let again = one(&written);
            address.span = again.span;
            assert_eq!(again, address, "{line}: {written}");
            count += 1;
        }
    }
    assert!(count > 25, "{count} addresses");
}
