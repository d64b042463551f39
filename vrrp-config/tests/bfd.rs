//! `bfd_instance` (keyword table 1.13).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::Duration;

use support::{parse, remarks};
use vrrp_config::{Bfd, Weight};

fn block(name: &str, lines: &str) -> String {
    format!("bfd_instance {name} {{\n{lines}\n}}\n")
}

/// The instances of a file, and what is said about it.
fn read(text: &str) -> (Vec<&'static str>, Vec<Bfd>) {
    let loaded = parse(text);
    (remarks(&loaded), loaded.config.unwrap().bfd)
}

/// The only instance, with a neighbour and these lines.
fn with(lines: &str) -> (Vec<&'static str>, Bfd) {
    let (codes, mut all) = read(&block("B", &format!("neighbor_ip 10.0.0.1\n{lines}")));
    assert_eq!(all.len(), 1, "{lines}: {codes:?}");
    (codes, all.remove(0))
}

/// The same without anything to say.
fn clean(lines: &str) -> Bfd {
    let (codes, bfd) = with(lines);
    assert_eq!(codes, [""; 0], "{lines}");
    bfd
}

/// What holds when only `neighbor_ip` is given.
#[test]
fn defaults() {
    let bfd = clean("");
    assert_eq!((bfd.name.as_str(), bfd.neighbor.to_string()), ("B", "10.0.0.1".to_owned()));
    assert_eq!(bfd.source, None);
    let millis = Duration::from_millis;
    assert_eq!((bfd.min_rx, bfd.min_tx, bfd.idle_tx), (millis(10), millis(10), millis(1000)));
    assert_eq!((bfd.multiplier, bfd.ttl, bfd.max_hops), (5, 255, Some(0)));
    assert_eq!((bfd.passive, bfd.multihop, bfd.port()), (false, false, 3784));
    assert_eq!(bfd.weight, Weight::default());
    assert!(bfd.for_vrrp && bfd.for_checkers);
    let (_, ipv6) = read(&block("B", "neighbour_ip fe80::1"));
    assert_eq!(ipv6[0].ttl, 64);
}

/// Every keyword.
#[test]
fn keywords() {
    let bfd = clean(
        "source_ip 10.0.0.2\nmin_rx 20\nmin_tx 10.5\nidle_tx 2000\nmultiplier 3\npassive\nttl 64\n\
         max_hops 5\nmultihop\nweight -253 reverse\nvrrp",
    );
    assert_eq!(bfd.source, Some("10.0.0.2".parse().unwrap()));
    assert_eq!(
        (bfd.min_rx, bfd.min_tx),
        (Duration::from_millis(20), Duration::from_micros(10_500))
    );
    assert_eq!(bfd.idle_tx, Duration::from_secs(2));
    assert_eq!((bfd.multiplier, bfd.ttl, bfd.max_hops), (3, 64, Some(5)));
    assert_eq!((bfd.passive, bfd.multihop, bfd.port()), (true, true, 4784));
    assert_eq!(bfd.weight, Weight::new(-253, true).unwrap());
    assert_eq!((bfd.for_vrrp, bfd.for_checkers), (true, false));
    assert_eq!(clean("max_hops 255").max_hops, None);
    assert_eq!(clean("max_hops -1").max_hops, None);
    assert_eq!(clean("hoplimit 7").ttl, 7);
    let (codes, bfd) = with("passive off");
    assert_eq!((codes, bfd.passive), (vec!["W0025"], true));
    let both = clean("vrrp\nchecker");
    assert!(both.for_vrrp && both.for_checkers);
}

/// Values outside of their ranges: the line is ignored, as 2.2.7 does.
#[test]
fn ranges() {
    for (line, code) in [
        ("min_rx 0", "E0031"),
        ("min_rx 0.5", "E0031"),
        ("min_tx 4294968", "E0031"),
        ("min_tx -5", "E0031"),
        ("min_rx x", "E0030"),
        ("idle_tx 999", "E0031"),
        ("multiplier 0", "E0031"),
        ("multiplier 256", "E0031"),
        ("ttl 0", "E0031"),
        ("hoplimit 256", "E0031"),
        ("max_hops 256", "E0031"),
        ("max_hops -2", "E0031"),
        ("weight 254", "E0031"),
        ("weight x", "E0030"),
        ("source_ip x", "E0033"),
        ("bogus 5", "E0020"),
    ] {
        let (codes, mut bfd) = with(line);
        bfd.span = clean("").span;
        assert_eq!((codes, bfd), (vec![code], clean("")), "{line}");
    }
    let (codes, bfd) = with("weight 5 bogus");
    assert_eq!((codes, bfd.weight.points()), (vec!["E0211"], 5));
    assert_eq!(clean("min_tx 1.2345").min_tx, Duration::from_micros(1234));
    let (codes, bfd) = with("ttl 5\nmax_hops 10");
    assert_eq!((codes, bfd.max_hops), (vec!["E0155"], Some(5)));
}

/// Instances that 2.2.7 leaves out: without a neighbour, with one of another family than the source,
/// with the neighbour or the name of another one.
#[test]
fn left_out() {
    for (lines, code) in [
        ("source_ip 10.0.0.2", "E0155"),
        ("neighbor_ip x", "E0033"),
        ("neighbor_ip fe80::1\nsource_ip 10.0.0.2", "E0155"),
    ] {
        assert_eq!(read(&block("B", lines)), (vec![code], vec![]), "{lines}");
    }
    let name = "a".repeat(32);
    assert_eq!(read(&block(&name, "neighbor_ip 10.0.0.1")).0, ["E0035"]);
    let first = block("A", "neighbor_ip 10.0.0.1\nsource_ip 10.0.0.2");
    for (second, code) in [
        (block("A", "neighbor_ip 10.0.0.3"), "E0052"),
        (block("B", "neighbor_ip 10.0.0.1"), "E0155"),
        (block("B", "neighbor_ip 10.0.0.1\nsource_ip 10.0.0.2"), "E0155"),
    ] {
        let (codes, all) = read(&format!("{first}{second}"));
        assert_eq!((codes, all.len()), (vec![code], 1), "{second}");
    }
    let (codes, all) =
        read(&format!("{first}{}", block("B", "neighbor_ip 10.0.0.1\nsource_ip 10.0.0.5")));
    assert_eq!((codes, all.len()), (vec![], 2));
}

/// Where 2.2.7 does worse: it crashes on a `bfd_instance` without a name and on `neighbor_ip` without
/// a value, does not know `multihop` yet, which later ones have, and shortens `max_hops 255` to the
/// ttl, although its manual says that it is for any number.
#[test]
fn keepalived_does_worse() {
    for text in ["bfd_instance {\nneighbor_ip 10.0.0.1\n}\n", "bfd_instance B {\nneighbor_ip\n}\n"]
    {
        let loaded = parse(text);
        assert!(remarks(&loaded).contains(&"E0003"), "{text}");
        assert_eq!(loaded.verdict().exit_code(), 4, "{text}");
    }
    assert!(clean("multihop").multihop);
    assert_eq!(clean("max_hops 255\nttl 64").max_hops, None);
}

/// Issue 5, 3: writing an instance and reading it again gives the same one.
#[test]
fn written_and_read_again() {
    for lines in [
        "",
        "source_ip 10.0.0.2\nmin_rx 20\nmin_tx 10.5\nidle_tx 2000.001\nmultiplier 3\npassive",
        "ttl 64\nmax_hops 255\nmultihop\nweight 0 reverse\nvrrp",
        "checker\nweight 5\nmax_hops 7",
    ] {
        let mut bfd = clean(lines);
        let written = bfd.to_string();
        let (codes, again) = read(&written);
        bfd.span = again[0].span;
        assert_eq!((codes, &again[..]), (vec![], &[bfd][..]), "{written}");
    }
}
