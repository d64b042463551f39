//! `garp_group`, `linkbeat_interfaces`, `interface_up_down_delays`, `garp_extra_if` (keyword tables
//! 1.1, 1.5 and 1.9).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::Duration;

use support::{global, instance, parse, remarks};
use vrrp_config::{ExtraGarp, Interfaces, LinkbeatMethod};

/// What a file says about interfaces, and what is said about it.
fn read(text: &str) -> (Vec<&'static str>, Interfaces) {
    let loaded = parse(text);
    (remarks(&loaded), loaded.config.unwrap().interfaces)
}

fn garp_group(lines: &str) -> String {
    format!("garp_group {{\n{lines}\n}}\n")
}

/// `garp_interval`, `gna_interval`, `interface`, `interfaces`.
#[test]
fn garp_groups() {
    let (codes, found) = read(&garp_group("garp_interval 0.5\ngna_interval 2\ninterface eth0"));
    assert_eq!(codes, [""; 0]);
    let group = &found.garp_groups[0];
    assert_eq!(group.garp_interval, Duration::from_millis(500));
    assert_eq!(group.gna_interval, Duration::from_secs(2));
    assert_eq!(group.interfaces, ["eth0"]);
    let (codes, found) =
        read(&garp_group("garp_interval 0.000001\ninterfaces {\neth1 eth2\neth3\n}"));
    assert_eq!((codes, found.garp_groups[0].interfaces.len()), (vec![], 3));

    for (lines, codes, groups) in [
        ("garp_interval 0\ngna_interval x\ninterface eth1", vec!["E0030"], 0),
        ("garp_interval 2148\ninterface eth1", vec!["E0031"], 0),
        ("interface eth1", vec!["E0153"], 0),
        ("garp_interval 1\ninterfaces {\n}", vec!["E0153"], 0),
        ("garp_interval 1", vec!["W0161"], 0),
        ("garp_interval 1\ninterfaces {\neth1 eth1\n}", vec!["E0153"], 1),
    ] {
        let (found, interfaces) = read(&garp_group(lines));
        assert_eq!((found, interfaces.garp_groups.len()), (codes, groups), "{lines}");
    }
    let one = garp_group("garp_interval 1\ninterface eth0");
    let (codes, found) = read(&format!("{one}{one}"));
    assert_eq!((codes, found.garp_groups.len()), (vec!["E0153"], 1));
}

/// `IF [MII|ETHTOOL|IOCTL]`.
#[test]
fn linkbeat() {
    let list = |lines: &str| read(&format!("linkbeat_interfaces {{\n{lines}\n}}\n"));
    let (codes, found) = list("eth0\neth1 MII\neth2 ETHTOOL\neth3 IOCTL");
    assert_eq!(codes, [""; 0]);
    let methods: Vec<_> = found.linkbeat.iter().map(|own| own.method).collect();
    let known = [LinkbeatMethod::Mii, LinkbeatMethod::Ethtool, LinkbeatMethod::Ioctl];
    assert_eq!(methods[0], None);
    assert_eq!(methods[1..], known.map(Some));
    for (line, code) in
        [("eth0 mii", "E0032"), ("eth0 MII extra", "E0154"), ("eth0\neth0", "W0026")]
    {
        let (codes, found) = list(line);
        assert_eq!((codes, found.linkbeat.len()), (vec![code], 1), "{line}");
    }
}

/// `IF DOWN [UP]`: 0-255 s, `UP` is as `DOWN` where it is not given.
#[test]
fn delays() {
    let list = |lines: &str| read(&format!("interface_up_down_delays {{\n{lines}\n}}\n"));
    let (codes, found) = list("eth0 1\neth1 0.00001 255");
    assert_eq!(codes, [""; 0]);
    let second = Duration::from_secs(1);
    assert_eq!((found.delays[0].down, found.delays[0].up), (second, second));
    let delay = &found.delays[1];
    assert_eq!((delay.down, delay.up), (Duration::from_micros(10), Duration::from_secs(255)));
    for (line, code, kept) in [
        ("eth0 256", "E0031", 0),
        ("eth0 1 256", "E0031", 0),
        ("eth0 x", "E0030", 0),
        ("eth0 -1", "E0031", 0),
        ("eth0", "W0161", 0),
        ("eth0 1 2 3", "W0025", 1),
        ("eth0 1\neth0 2", "W0026", 1),
    ] {
        let (codes, found) = list(line);
        assert_eq!((codes, found.delays.len()), (vec![code], kept), "{line}");
    }
}

/// "down must be < (down_timer_adverts-1)*advert_int or it is reduced" (1.1).
#[test]
fn delays_are_shorter_than_the_patience_of_a_backup() {
    let file = |delays: &str, lines: &str| {
        read(&format!("interface_up_down_delays {{\n{delays}\n}}\n{}", instance(lines)))
    };
    let reduced = Duration::from_secs(2) - Duration::from_micros(1);
    let (codes, found) = file("eth0 2 1\neth1 255", "");
    assert_eq!((codes, found.delays[0].down), (vec!["W0162"], reduced));
    assert_eq!((found.delays[0].up, found.delays[1].up.as_secs()), (Duration::from_secs(1), 255));
    let (codes, found) = file("eth0 1 2", "");
    assert_eq!((codes, found.delays[0].up), (vec!["W0162"], reduced));
    assert_eq!(file("eth0 1.9", "").0, [""; 0]);
    assert_eq!(file("eth0 2", "advert_int 2").0, [""; 0]);
    assert_eq!(file("eth0 2", "down_timer_adverts 4").0, [""; 0]);
    let (codes, found) = file("eth0 0.1", "down_timer_adverts 1");
    assert_eq!((codes, found.delays[0].down), (vec!["W0162"], Duration::ZERO));
}

/// `garp_extra_if [all] N` of an instance, 0-86400, else `vrrp_garp_extra_if`, 1-86400; the old names.
#[test]
fn extra_interfaces() {
    let read = |text: &str| {
        let loaded = parse(text);
        (remarks(&loaded), loaded.config.unwrap().instances[0].extra_garp)
    };
    let extra = |seconds, all| Some(ExtraGarp { interval: Duration::from_secs(seconds), all });
    assert_eq!(read(&instance("")), (vec![], None));
    assert_eq!(read(&instance("garp_extra_if 60")), (vec![], extra(60, false)));
    assert_eq!(read(&instance("garp_extra_if all 60")), (vec![], extra(60, true)));
    assert_eq!(read(&instance("vmac_garp_intvl 60")), (vec!["E0024"], extra(60, false)));
    assert_eq!(read(&instance("garp_extra_if 86401")), (vec!["E0031"], None));
    assert_eq!(read(&instance("garp_extra_if x")), (vec!["E0030"], None));
    assert_eq!(read(&instance("garp_extra_if all")), (vec!["E0022"], None));
    assert_eq!(read(&instance("garp_extra_if")), (vec!["E0022"], None));
    assert_eq!(read(&global("vrrp_garp_extra_if all 60")), (vec![], extra(60, true)));
    assert_eq!(read(&global("vrrp_garp_extra_if 0")), (vec!["E0031"], None));
    assert_eq!(read(&global("vrrp_vmac_garp_intvl 60")), (vec!["E0024"], extra(60, false)));
    let off = format!("global_defs {{\nvrrp_garp_extra_if 60\n}}\n{}", instance("garp_extra_if 0"));
    assert_eq!(read(&off), (vec![], None));
}

/// Issue 5, 3: writing blocks and lines and reading them again gives the same.
#[test]
fn written_and_read_again() {
    let text = "garp_group {\ngarp_interval 0.25\ngna_interval 3\ninterfaces {\neth0\neth1\n}\n}\n\
                linkbeat_interfaces {\neth0\neth1 IOCTL\n}\n\
                interface_up_down_delays {\neth0 1\neth1 0.5 3\n}\n";
    let (_, found) = read(text);
    let written = |found: &Interfaces| {
        let lines = |lines: Vec<String>| lines.join("\n");
        format!(
            "{}\nlinkbeat_interfaces {{\n{}\n}}\ninterface_up_down_delays {{\n{}\n}}\n",
            found.garp_groups[0],
            lines(found.linkbeat.iter().map(ToString::to_string).collect()),
            lines(found.delays.iter().map(ToString::to_string).collect())
        )
    };
    let (codes, mut again) = read(&written(&found));
    assert_eq!((codes, written(&again)), (vec![], written(&found)));
    again.garp_groups[0].span = found.garp_groups[0].span;
    for (one, other) in again.linkbeat.iter_mut().zip(&found.linkbeat) {
        one.span = other.span;
    }
    for (one, other) in again.delays.iter_mut().zip(&found.delays) {
        one.span = other.span;
    }
    assert_eq!(again, found);
}
