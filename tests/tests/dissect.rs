//! What we send, read by tshark.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use rig::{Capture, Config, Daemon, Lab, Node, Router, Seen, output_of, wire, wire::What};

const SETTLING: Duration = Duration::from_secs(15);
const ADVERTS: usize = 4;
/// tshark's words for arp.duplicate-address-detected: after a takeover the address has another MAC,
/// and that is the point.
const MOVED: &str = "Duplicate IP address configured";
/// tshark's preference for the form of the version 3 checksum over IPv4.
const PSEUDO_HEADER: &str = "vrrp.v3_checksum_as_in_v2:FALSE";
const MESSAGE_ONLY: &str = "vrrp.v3_checksum_as_in_v2:TRUE";

/// One frame as tshark reads it.
#[derive(Debug)]
struct Dissected {
    protocols: String,
    checksum_status: String,
    complaint: String,
}

/// Everything that a node sends from becoming master to its stop, read with `preference`.
fn dissect(config: &Config, preference: &str) -> Vec<Dissected> {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let capture = Capture::start(lab.client()).unwrap();
    let start = SystemTime::now();
    let mut router = Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap();
    lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
    let arping = ["arping", "-c", "2", "-I", Node::INTERFACE, &config.vip.to_string()];
    lab.client().run(&arping).unwrap();
    let count = |fits: &dyn Fn(&Seen) -> bool| {
        capture.seen_since(start).iter().filter(|seen| fits(seen)).count()
    };
    rig::wait_until("some adverts", SETTLING, || {
        Ok(count(&|seen| seen.is_advert_of(node)) >= ADVERTS)
    })
    .unwrap();
    assert!(router.stop().unwrap().success());
    let resigned = |seen: &Seen| matches!(seen.what, What::Advert { priority: 0, .. });
    capture.expect("the last advert", start, SETTLING, resigned).unwrap();
    assert!(count(&|seen| seen.announces(config.vip)) > 0, "gratuitous ARP");
    assert!(count(&|seen| seen.is_arp_answer(config.vip)) > 0, "ARP replies");

    let file = lab.dir().join("sent.pcap");
    let from_node = |frame: &[u8]| {
        let mac = wire::source_mac(frame).unwrap();
        mac == node.mac() || mac == wire::Mac([0x00, 0x00, 0x5e, 0x00, 0x01, Config::VRID])
    };
    let frames = capture.write_pcap(&file, from_node).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args(["-o", preference, "-T", "fields"]);
    for field in ["frame.protocols", "vrrp.checksum.status", "_ws.expert.message"] {
        tshark.args(["-e", field]);
    }
    let read = output_of(&mut tshark).unwrap();
    let dissected: Vec<_> = read.lines().map(dissected).collect();
    assert_eq!(dissected.len(), frames);
    dissected
}

fn dissected(line: &str) -> Dissected {
    let [protocols, checksum_status, complaint] =
        <[&str; 3]>::try_from(line.split('\t').collect::<Vec<_>>()).unwrap();
    Dissected {
        protocols: protocols.into(),
        checksum_status: checksum_status.into(),
        complaint: complaint.into(),
    }
}

/// Each frame is an advert with a good checksum or ARP, and tshark has nothing to say against it.
fn assert_flawless(frames: &[Dissected]) {
    for frame in frames {
        match frame.protocols.as_str() {
            "eth:ethertype:ip:vrrp" => assert_eq!(frame.checksum_status, "1", "{frame:?}"),
            "eth:ethertype:arp" => {}
            // The kernel's own: it joined the group.
            igmp if igmp.starts_with("eth:ethertype:ip:igmp") => continue,
            _ => panic!("not ours to send: {frame:?}"),
        }
        let complaint = frame.complaint.as_str();
        assert!(complaint.is_empty() || complaint.starts_with(MOVED), "{frame:?}");
    }
    let adverts = frames.iter().filter(|frame| frame.protocols.ends_with(":vrrp")).count();
    assert!(adverts > ADVERTS, "{adverts} adverts, the last with priority 0 among them");
}

/// Issue 2, V-5.3.8-01, V-6.4.3-05: version 2 with a password, to the advert with priority 0.
#[test]
fn version_2_is_decoded_without_a_warning() {
    let config = Config { password: Some("1111"), ..Config::default() };
    assert_flawless(&dissect(&config, PSEUDO_HEADER));
}

/// Issue 2, R-7.2-02: version 3 with the checksum that keepalived expects.
#[test]
fn version_3_is_decoded_without_a_warning() {
    let config = Config { version: 3, advert_int: Duration::from_millis(500), ..Config::default() };
    assert_flawless(&dissect(&config, PSEUDO_HEADER));
}

/// Issue 2, R-5.2.8: `v3_checksum_as_v2` selects the other form, which the first preference calls
/// wrong.
#[test]
fn version_3_can_be_sent_with_the_other_checksum() {
    let config = Config {
        version: 3,
        advert_int: Duration::from_millis(500),
        extra: "v3_checksum_as_v2",
        ..Config::default()
    };
    assert_flawless(&dissect(&config, MESSAGE_ONLY));
}
