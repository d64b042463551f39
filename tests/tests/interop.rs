//! xvrrp beside keepalived 2.2.7 and FRR 8.4.4: the matrix that `cargo xtask interop` prints, a test
//! for each row.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::Duration;

use rig::{
    Capture, Config, Daemon, Lab, Router,
    interop::{Role, Row, Verdict, rows},
};

const SETTLING: Duration = Duration::from_secs(15);

/// Every cell of the row is green. None fails between two daemons of the peer's kind, so none may
/// fail with us.
fn expect_green(name: &str) {
    let row = row(name);
    let cells = Role::ALL.into_iter().zip(row.run());
    let failures: Vec<_> = cells.filter_map(|(role, verdict)| failure(role, verdict)).collect();
    assert!(failures.is_empty(), "{row}\n{}", failures.join("\n"));
}

fn failure(role: Role, verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Green => None,
        Verdict::Red(reason) => Some(format!("{}: {reason}", role.heading())),
        Verdict::FailsForThemToo { ours, theirs } => {
            Some(format!("{}: {ours}\nand without us, too: {theirs}", role.heading()))
        }
    }
}

fn row(name: &str) -> Row {
    rows().into_iter().find(|row| row.to_string() == name).unwrap()
}

/// Issue 3, V-6.4.2-06, V-7.1-06: version 2.
#[test]
fn keepalived_v2() {
    expect_green("keepalived v2");
}

/// Issue 3, V-7.1-06, V-5.3.10-01: version 2 with a password.
#[test]
fn keepalived_v2_pass() {
    expect_green("keepalived v2+PASS");
}

/// Issue 3, V-5.3.6.3-02: version 2 with an authentication header.
#[test]
fn keepalived_v2_ah() {
    expect_green("keepalived v2+AH");
}

/// Issue 3, R-7.1-05, R-7.1-12, R-5.2.8-03, R-6.4.3-19: version 3; keepalived's checksum, over
/// message and pseudo-header, is accepted, and ours by keepalived.
#[test]
fn keepalived_v3_ipv4() {
    expect_green("keepalived v3/IPv4");
}

/// Issue 3, R-7.1-05, R-7.1-12, R-5.2.8-04, R-6.4.3-19: IPv6.
#[test]
fn keepalived_v3_ipv6() {
    expect_green("keepalived v3/IPv6");
}

/// Issue 3, unicast_peer: version 2.
#[test]
fn keepalived_v2_unicast() {
    expect_green("keepalived v2 unicast");
}

/// Issue 3, unicast_peer: version 3.
#[test]
fn keepalived_v3_ipv4_unicast() {
    expect_green("keepalived v3/IPv4 unicast");
}

/// Issue 3, unicast_peer: IPv6.
#[test]
fn keepalived_v3_ipv6_unicast() {
    expect_green("keepalived v3/IPv6 unicast");
}

/// Issue 3, use_vmac: version 2.
#[test]
fn keepalived_v2_vmac() {
    expect_green("keepalived v2 vmac");
}

/// Issue 3, use_vmac: version 3.
#[test]
fn keepalived_v3_ipv4_vmac() {
    expect_green("keepalived v3/IPv4 vmac");
}

/// Issue 3, use_vmac: IPv6.
#[test]
fn keepalived_v3_ipv6_vmac() {
    expect_green("keepalived v3/IPv6 vmac");
}

/// Issue 3, V-6.4.2-06, V-7.1-06: version 2, and the peer's adverts come from a virtual MAC.
#[test]
fn frr_v2() {
    expect_green("frr v2");
}

/// Issue 3, R-7.1-05, R-5.2.8-03: version 3, and the peer's adverts come from a virtual MAC.
#[test]
fn frr_v3_ipv4() {
    expect_green("frr v3/IPv4");
}

/// Issue 3, R-7.1-05, R-5.2.8-04: IPv6, and the peer's adverts come from a virtual MAC.
#[test]
fn frr_v3_ipv6() {
    expect_green("frr v3/IPv6");
}

/// Issue 3, use_vmac: version 2, the virtual MAC moves with the address.
#[test]
fn frr_v2_vmac() {
    expect_green("frr v2 vmac");
}

/// Issue 3, use_vmac: version 3, the virtual MAC moves with the address.
#[test]
fn frr_v3_ipv4_vmac() {
    expect_green("frr v3/IPv4 vmac");
}

/// Issue 3, use_vmac: IPv6, the virtual MAC moves with the address.
#[test]
fn frr_v3_ipv6_vmac() {
    expect_green("frr v3/IPv6 vmac");
}

/// Issue 3: the tests above are the whole matrix.
#[test]
fn every_row_has_its_test() {
    let tests = include_str!("interop.rs");
    for row in rows() {
        assert!(tests.contains(&format!("expect_green(\"{row}\")")), "{row}");
    }
}

/// Issue 3: two routers that cannot understand each other make every cell fail, and not only
/// because of us.
#[test]
fn a_mismatch_fails_everywhere() {
    let extra = ["virtual_router_id 7", ""];
    let row = Row { extra, ..row("keepalived v3/IPv4") };
    for (role, verdict) in Role::ALL.into_iter().zip(row.run()) {
        assert!(matches!(verdict, Verdict::FailsForThemToo { .. }), "{role:?}: {verdict:?}");
    }
}

/// Issue 2, R-5.2.8-02: the checksum over the message alone is accepted, too, unasked.
/// keepalived 2.2.7 cannot send it; that ours is right is what tshark says, see dissect.rs.
#[test]
fn the_checksum_without_pseudo_header_is_accepted() {
    let version_3 =
        Config { version: 3, advert_int: Duration::from_millis(200), ..Config::default() };
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let sender = Config { extra: "v3_checksum_as_v2", ..version_3.clone() };
    let receiver = Config { priority: 90, ..version_3 };
    let start = |node: usize, config: &Config| {
        Router::start(lab.node(node), Daemon::Xvrrp, &config.to_string()).unwrap()
    };
    let (_sender, receiver) = (start(0, &sender), start(1, &receiver));
    let begun = receiver.started();
    receiver.wait_for_state(begun, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
    lab.wait_for_answerer(&capture, sender.vip, 0, SETTLING).unwrap();
    for row in receiver.status().unwrap() {
        assert!(row.counter("adverts_received") > 0, "{row:?}");
        assert_eq!(row.counters("rejected_"), 0, "{row:?}");
    }
}
