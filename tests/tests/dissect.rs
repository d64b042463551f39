//! What we send, read by tshark.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use rig::{Capture, Config, Daemon, Mac, Node, Router, Seen, output_of, wire, wire::What};

const SETTLING: Duration = Duration::from_secs(15);
const ADVERTS: usize = 4;
/// tshark's words for arp.duplicate-address-detected: after a takeover the address has another MAC,
/// and that is the point.
const MOVED: &str = "Duplicate IP address configured";
/// tshark's preference for the form of the version 3 checksum over IPv4.
const PSEUDO_HEADER: &str = "vrrp.v3_checksum_as_in_v2:FALSE";
const MESSAGE_ONLY: &str = "vrrp.v3_checksum_as_in_v2:TRUE";

const FIELDS: [&str; 5] = [
    "frame.protocols",
    "vrrp.checksum.status",
    "icmpv6.checksum.status",
    "icmpv6.type",
    "_ws.expert.message",
];
const GOOD: &str = "1";
const NEIGHBOR_SOLICITATION: &str = "135";
const NEIGHBOR_ADVERTISEMENT: &str = "136";
const MULTICAST_LISTENER_REPORT: &str = "143";

/// One frame as tshark reads it.
#[derive(Debug)]
struct Dissected {
    protocols: String,
    vrrp_checksum: String,
    icmpv6_checksum: String,
    icmpv6_type: String,
    complaint: String,
}

/// Everything that a node sends from becoming master to its stop, read with `preference`.
fn dissect(config: &Config, preference: &str) -> Vec<Dissected> {
    let lab = config.lab(1).unwrap();
    let node = lab.node(0);
    let capture = Capture::start(lab.client()).unwrap();
    let start = SystemTime::now();
    let mut router = Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap();
    lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
    let vip = config.vip.to_string();
    let ask: &[&str] = if config.vip.is_ipv6() {
        &["ndisc6", "-1", &vip, Node::INTERFACE]
    } else {
        &["arping", "-c", "2", "-I", Node::INTERFACE, &vip]
    };
    lab.client().run(ask).unwrap();
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
    assert!(count(&|seen| seen.announces(config.vip)) > 0, "announcements");
    assert!(count(&|seen| seen.is_arp_answer(config.vip)) > 0, "answers");

    let file = lab.dir().join("sent.pcap");
    let from_node = |frame: &[u8]| {
        let mac = wire::source_mac(frame).unwrap();
        let is_virtual = |mac: Mac| mac.0[..4] == [0, 0, 0x5e, 0] && mac.0[5] == Config::VRID;
        mac == node.mac() || is_virtual(mac)
    };
    let frames = capture.write_pcap(&file, from_node).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args(["-o", preference, "-T", "fields"]);
    for field in FIELDS {
        tshark.args(["-e", field]);
    }
    let read = output_of(&mut tshark).unwrap();
    let dissected: Vec<_> = read.lines().map(dissected).collect();
    assert_eq!(dissected.len(), frames);
    dissected
}

fn dissected(line: &str) -> Dissected {
    let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
    let [protocols, vrrp_checksum, icmpv6_checksum, icmpv6_type, complaint] =
        fields.try_into().unwrap();
    Dissected { protocols, vrrp_checksum, icmpv6_checksum, icmpv6_type, complaint }
}

/// Each frame is an advert with a good checksum, ARP or neighbour discovery, and tshark has nothing to say against it.
fn assert_flawless(frames: &[Dissected]) {
    for frame in frames {
        match frame.protocols.as_str() {
            "eth:ethertype:ip:vrrp" | "eth:ethertype:ip:ah:vrrp" | "eth:ethertype:ipv6:vrrp" => {
                assert_eq!(frame.vrrp_checksum, GOOD, "{frame:?}");
            }
            "eth:ethertype:arp" => {}
            "eth:ethertype:ipv6:icmpv6" => {
                let kind = frame.icmpv6_type.as_str();
                assert!(
                    [NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION].contains(&kind),
                    "{frame:?}"
                );
                assert_eq!(frame.icmpv6_checksum, GOOD, "{frame:?}");
            }
            // The kernel's own: it joined the group.
            igmp if igmp.starts_with("eth:ethertype:ip:igmp") => continue,
            _ if frame.icmpv6_type == MULTICAST_LISTENER_REPORT => continue,
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

/// Issue 3, V-5.3.6.3-01: version 2 behind an authentication header.
#[test]
fn an_authentication_header_is_decoded_without_a_warning() {
    let extra = "authentication {\n auth_type AH\n auth_pass secret\n }";
    let frames = dissect(&Config { extra, ..Config::default() }, PSEUDO_HEADER);
    assert_flawless(&frames);
    let adverts = frames.iter().filter(|frame| frame.protocols.ends_with(":vrrp"));
    assert!({ adverts }.all(|frame| frame.protocols == "eth:ethertype:ip:ah:vrrp"), "{frames:?}");
}

/// Issue 2, R-7.2-02: version 3 with the checksum that keepalived expects.
#[test]
fn version_3_is_decoded_without_a_warning() {
    let config = Config { version: 3, advert_int: Duration::from_millis(500), ..Config::default() };
    assert_flawless(&dissect(&config, PSEUDO_HEADER));
}

/// Issue 3, R-5.2.8-04, R-7.2-02, N-4861-17: adverts over IPv6 and Neighbor Advertisements, both
/// those that were asked for and those that were not.
#[test]
fn ipv6_is_decoded_without_a_warning() {
    let config = Config { advert_int: Duration::from_millis(500), ..Config::ipv6() };
    assert_flawless(&dissect(&config, PSEUDO_HEADER));
}

/// Issue 2, R-5.2.8-02: `v3_checksum_as_v2` selects the other form, which the first preference calls
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
