//! Adverts that only user space can judge: AH beside keepalived 2.2.7, auth_hmac between two of us.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac as _};
use rig::{
    Capture, Config, Daemon, Lab, PacketSocket, Router, VirtualRouter, wait_until,
    wire::{self, What},
};
use sha2::Sha256;

const SETTLING: Duration = Duration::from_secs(15);

const AH: &str = "authentication {\n auth_type AH\n auth_pass secret\n }";
const AH_OTHER: &str = "authentication {\n auth_type AH\n auth_pass Secret\n }";
/// The first key of the tests with auth_hmac.
const KEY: &[u8] = b"an-example-of-a-key-of-32-octets";

const SIGNED: &str = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n active_key 1\n }";
const PERMISSIVE: &str =
    "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n active_key 1\n mode permissive\n }";
const RECEIVE_ONLY: &str =
    "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n mode receive-only\n }";
/// The second key is the active one.
const ROTATED: &str = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n \
    key 2 \"another-example-of-a-key-32-octets\"\n active_key 2\n }";
const BOTH_KEYS: &str = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n \
    key 2 \"another-example-of-a-key-32-octets\"\n active_key 1\n }";
/// The same number for another key.
const OTHER_KEY: &str =
    "auth_hmac {\n key 1 \"another-example-of-a-key-32-octets\"\n active_key 1\n }";
const MONOTONIC: &str = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n \
    active_key 1\n anti_replay monotonic\n }";

fn version_2(extra: &'static str) -> Config {
    Config { extra, ..Config::default() }
}

fn version_3(extra: &'static str) -> Config {
    Config { version: 3, advert_int: Duration::from_millis(200), extra, ..Config::default() }
}

fn ipv6(extra: &'static str) -> Config {
    Config { advert_int: Duration::from_millis(200), extra, ..Config::ipv6() }
}

/// Two nodes; node 0 has the higher priority, node 1 is ours.
struct Segment {
    lab: Lab,
    capture: Capture,
    configs: [Config; 2],
    routers: Vec<Router>,
}

impl Segment {
    /// The daemons of the nodes, both started.
    fn start(daemon: Daemon, master: &Config, backup: &Config) -> Self {
        let configs = [(200, master), (90, backup)]
            .map(|(priority, config)| Config { priority, ..config.clone() });
        let lab = configs[0].lab(2).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let mut segment = Self { lab, capture, configs, routers: Vec::new() };
        for (node, daemon) in [daemon, Daemon::Xvrrp].into_iter().enumerate() {
            let router = segment.run(node, daemon);
            segment.routers.push(router);
        }
        for router in &segment.routers {
            let (begun, instance) = (router.started(), segment.configs[0].instance());
            router.wait_for_state(begun, instance, "BACKUP", SETTLING).unwrap();
        }
        segment
    }

    fn run(&self, node: usize, daemon: Daemon) -> Router {
        Router::start(self.lab.node(node), daemon, &self.configs[node].to_string()).unwrap()
    }

    /// What the daemon of node 1 says of its virtual router.
    fn backup(&self) -> VirtualRouter {
        self.routers[1].status().unwrap().remove(0)
    }

    /// Waits until node 1 has heard node 0, is Backup, and node 0 alone answers.
    fn settle(&self) {
        self.expect_answerer(0);
        self.expect("adverts from the master", |row| {
            row.state == "BACKUP" && row.counter("adverts_received") > 2
        });
    }

    fn expect(&self, what: &str, holds: impl Fn(&VirtualRouter) -> bool) {
        let mut row = self.backup();
        wait_until(what, SETTLING, || {
            row = self.backup();
            Ok(holds(&row))
        })
        .unwrap_or_else(|error| panic!("{error}: {row:?}"));
    }

    /// Waits until node 1 refuses adverts for this reason, says so, and is Active all the same.
    fn expect_refusals(&self, reason: &str, words: &str) {
        let counter = format!("rejected_{reason}");
        self.expect(&counter, |row| row.counter(&counter) > 0 && row.state == "MASTER");
        let row = self.backup();
        assert_eq!(row.counters("rejected_"), row.counter(&counter), "no other reason: {row:?}");
        assert_eq!(row.counter("adverts_received"), 0, "{row:?}");
        let line = format!("advert from {} dropped: {words}", self.lab.node(0).address());
        self.routers[1].wait_for_line(&line, SETTLING).unwrap();
    }

    fn expect_answerer(&self, node: usize) {
        for vip in self.configs[0].vips() {
            self.lab.wait_for_answerer(&self.capture, vip, node, SETTLING).unwrap();
        }
    }

    /// The last advert of node 0 that had its priority, from the MAC of the client.
    fn recorded(&self) -> Vec<u8> {
        let node = self.lab.node(0);
        let of_the_master = |frame: &[u8]| {
            matches!(wire::decode(frame), Some(What::Advert { source, priority: 200, .. })
                if node.speaks_from(source))
        };
        let mut frame = self.capture.frames(of_the_master).pop().unwrap();
        frame[6..12].copy_from_slice(&self.lab.client().mac().0);
        frame
    }

    fn send(&self, frame: &[u8]) {
        PacketSocket::open(self.lab.client()).unwrap().send(frame).unwrap();
    }

    /// Node 0 leaves, node 1 takes over; what node 0 has sent before is then worth nothing.
    fn replay(mut self) {
        self.settle();
        assert!(self.routers[0].stop().unwrap().success());
        self.expect("the resignation", |row| {
            row.state == "MASTER" && row.counter("priority_zero_received") == 1
        });
        let before = self.backup();
        assert_eq!(before.counters("rejected_"), 0, "{before:?}");
        self.send(&self.recorded());
        self.expect("the replay", |row| row.counter("rejected_replay") == 1);
        let after = self.backup();
        assert_eq!(after.state, "MASTER", "{after:?}");
        assert_eq!(after.counter("adverts_received"), before.counter("adverts_received"));
        self.expect_answerer(1);
    }

    /// Stop, return, crash and return of node 0: adverts are accepted all the time.
    fn hand_over_and_back(mut self) {
        self.settle();
        assert!(self.routers[0].stop().unwrap().success());
        self.expect_answerer(1);
        assert_eq!(self.backup().counter("priority_zero_received"), 1);
        self.routers[0] = self.run(0, Daemon::Xvrrp);
        self.expect_answerer(0);
        self.routers[0].crash().unwrap();
        self.expect_answerer(1);
        self.lab.node(0).reconnect().unwrap();
        self.routers[0] = self.run(0, Daemon::Xvrrp);
        self.expect_answerer(0);
        self.expect("nothing to be refused", |row| {
            row.state == "BACKUP" && row.counters("rejected_") + row.counter("auth_tolerated") == 0
        });
    }
}

/// Issue 3, V-5.3.6.3-01: an advert behind an authentication header that was recorded is refused
/// when it is sent again.
#[test]
fn ah_replay() {
    Segment::start(Daemon::Keepalived, &version_2(AH), &version_2(AH)).replay();
}

/// Issue 3, V-5.3.6.3-01: with different keys neither side believes the other.
#[test]
fn ah_wrong_key() {
    let segment = Segment::start(Daemon::Keepalived, &version_2(AH), &version_2(AH_OTHER));
    segment.expect_refusals("auth_data", "wrong password, digest or signature");
    segment.routers[0].wait_for_line("invalid IPSEC HMAC-MD5 value", SETTLING).unwrap();
}

/// Issue 3, V-5.3.6-01: AH on one side and a password on the other, both ways round.
#[test]
fn ah_on_one_side() {
    let password = || Config { password: Some("secret"), ..Config::default() };
    let segment = Segment::start(Daemon::Keepalived, &version_2(AH), &password());
    segment.expect_refusals("auth_type", "another authentication type than ours");
    let segment = Segment::start(Daemon::Keepalived, &password(), &version_2(AH));
    segment.expect_refusals("auth_type", "another authentication type than ours");
}

/// Issue 3: keepalived forgets how far it had counted, while we, cut off, do not. What it sends then
/// looks like a replay until it has heard us.
#[test]
fn ah_peer_that_has_forgotten() {
    let mut segment = Segment::start(Daemon::Keepalived, &version_2(AH), &version_2(AH));
    segment.settle();
    // keepalived counts on from what it has heard from us.
    segment.routers[0].crash().unwrap();
    segment.expect_answerer(1);
    segment.lab.node(0).reconnect().unwrap();
    segment.routers[0] = segment.run(0, Daemon::Keepalived);
    segment.settle();

    segment.lab.node(1).cut().unwrap();
    segment.routers[0].process().kill().unwrap();
    segment.routers[0] = segment.run(0, Daemon::Keepalived);
    let restarted = segment.routers[0].started();
    let instance = Config::INSTANCE;
    segment.routers[0].wait_for_state(restarted, instance, "MASTER", SETTLING).unwrap();
    let before = segment.backup();
    segment.lab.node(1).reconnect().unwrap();
    segment.expect("replays", |row| row.counter("rejected_replay") > 0);
    segment.expect("its adverts again", |row| {
        row.state == "BACKUP"
            && row.counter("adverts_received") > before.counter("adverts_received")
    });
    segment.expect_answerer(0);
}

/// Issue 3, V-5.3.6.3-02: AH to single peers: keepalived is heard, resigns, hears us, and is heard again.
#[test]
fn ah_unicast() {
    let side = |extra| Config { extra, ..Config::default() };
    let first = "authentication {\n auth_type AH\n auth_pass secret\n }\n \
        unicast_src_ip 192.0.2.11\n unicast_peer {\n 192.0.2.12\n }";
    let second = "authentication {\n auth_type AH\n auth_pass secret\n }\n \
        unicast_src_ip 192.0.2.12\n unicast_peer {\n 192.0.2.11\n }";
    let mut segment = Segment::start(Daemon::Keepalived, &side(first), &side(second));
    segment.settle();
    assert!(segment.routers[0].stop().unwrap().success());
    segment.expect_answerer(1);
    assert_eq!(segment.backup().counter("priority_zero_received"), 1);
    segment.routers[0] = segment.run(0, Daemon::Keepalived);
    segment.settle();
    assert_eq!(segment.backup().counters("rejected_"), 0);
}

/// Issue 3: signed adverts of version 2.
#[test]
fn hmac_version_2() {
    Segment::start(Daemon::Xvrrp, &version_2(SIGNED), &version_2(SIGNED)).hand_over_and_back();
}

/// Issue 3: signed adverts of version 3 over IPv4.
#[test]
fn hmac_version_3() {
    Segment::start(Daemon::Xvrrp, &version_3(SIGNED), &version_3(SIGNED)).hand_over_and_back();
}

/// Issue 3: the same where numbers are compared with each other only, not with the clock.
#[test]
fn hmac_monotonic() {
    Segment::start(Daemon::Xvrrp, &version_3(MONOTONIC), &version_3(MONOTONIC))
        .hand_over_and_back();
}

/// Issue 3, R-5.2.8-04: signed adverts of version 3 over IPv6.
#[test]
fn hmac_ipv6() {
    Segment::start(Daemon::Xvrrp, &ipv6(SIGNED), &ipv6(SIGNED)).hand_over_and_back();
}

/// Issue 3: signed adverts to single peers.
#[test]
fn hmac_unicast() {
    let first = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n active_key 1\n }\n \
        unicast_src_ip 192.0.2.11\n unicast_peer {\n 192.0.2.12\n }";
    let second = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n active_key 1\n }\n \
        unicast_src_ip 192.0.2.12\n unicast_peer {\n 192.0.2.11\n }";
    Segment::start(Daemon::Xvrrp, &version_3(first), &version_3(second)).hand_over_and_back();
    let first = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n active_key 1\n }\n \
        unicast_src_ip 2001:db8::b\n unicast_peer {\n 2001:db8::c\n }";
    let second = "auth_hmac {\n key 1 \"an-example-of-a-key-of-32-octets\"\n active_key 1\n }\n \
        unicast_src_ip 2001:db8::c\n unicast_peer {\n 2001:db8::b\n }";
    Segment::start(Daemon::Xvrrp, &ipv6(first), &ipv6(second)).hand_over_and_back();
}

/// Issue 3: any of the keys that are known may have signed, not only the active one.
#[test]
fn hmac_key_rotation() {
    let segment = Segment::start(Daemon::Xvrrp, &version_3(ROTATED), &version_3(BOTH_KEYS));
    segment.settle();
    assert_eq!(segment.backup().counters("rejected_"), 0);
}

/// Issue 3: what is not signed, or with another key, is refused in `enforce`.
#[test]
fn hmac_enforced() {
    for (sender, reason, words) in [
        ("", "auth_missing", "not signed"),
        (ROTATED, "auth_key", "signed with a key that is not ours"),
        (OTHER_KEY, "auth_data", "wrong password, digest or signature"),
    ] {
        let segment = Segment::start(Daemon::Xvrrp, &version_3(sender), &version_3(SIGNED));
        segment.expect_refusals(reason, words);
    }
}

/// Issue 3: and accepted, but reported, in `permissive`.
#[test]
fn hmac_permissive() {
    for (sender, words) in [("", "not signed"), (OTHER_KEY, "wrong password, digest or signature")]
    {
        let segment = Segment::start(Daemon::Xvrrp, &version_3(sender), &version_3(PERMISSIVE));
        segment.settle();
        let row = segment.backup();
        assert!(row.counter("auth_tolerated") > 0, "{row:?}");
        assert_eq!(row.counters("rejected_"), 0, "{row:?}");
        let line = format!("accepted, but it would not be in mode enforce: {words}");
        segment.routers[1].wait_for_line(&line, SETTLING).unwrap();
    }
}

/// Issue 3: `receive-only` signs nothing, and hears adverts that are signed and others.
#[test]
fn hmac_receive_only() {
    let mut segment = Segment::start(Daemon::Xvrrp, &version_3(SIGNED), &version_3(RECEIVE_ONLY));
    segment.settle();
    assert_eq!(segment.backup().counter("auth_tolerated"), 0);
    let signed = segment.recorded();
    let stopped = SystemTime::now();
    assert!(segment.routers[0].stop().unwrap().success());
    let of_the_backup = |frame: &[u8]| {
        matches!(wire::decode(frame), Some(What::Advert { source, .. })
            if segment.lab.node(1).speaks_from(source))
    };
    let sent = |seen: &rig::Seen| seen.is_advert_of(segment.lab.node(1));
    segment.capture.expect("an advert", stopped, SETTLING, sent).unwrap();
    for frame in segment.capture.frames(of_the_backup) {
        assert_eq!(total_length(&frame), total_length(&signed) - TRAILER, "{frame:x?}");
    }
}

/// Issue 3: a signed advert that was recorded is refused when it is sent again, also over IPv6.
#[test]
fn hmac_replay() {
    Segment::start(Daemon::Xvrrp, &version_3(SIGNED), &version_3(SIGNED)).replay();
    Segment::start(Daemon::Xvrrp, &ipv6(SIGNED), &ipv6(SIGNED)).replay();
}

/// Issue 3: an advert whose signature is right, but from another time than ours, is refused; the
/// same with the right time is believed.
#[test]
fn hmac_clock() {
    let mut segment = Segment::start(Daemon::Xvrrp, &version_3(SIGNED), &version_3(SIGNED));
    segment.settle();
    assert!(segment.routers[0].stop().unwrap().success());
    segment.expect_answerer(1);
    let recorded = segment.recorded();
    for (refused, offset) in [(1, -400), (2, 400)] {
        segment.send(&signed_at(&recorded, offset));
        segment.expect("the refusal", |row| row.counter("rejected_auth_time") == refused);
        assert_eq!(segment.backup().state, "MASTER");
    }
    let heard = segment.backup().counter("adverts_received");
    let yielded = SystemTime::now();
    segment.send(&signed_at(&recorded, 1));
    let instance = Config::INSTANCE;
    segment.routers[1].wait_for_state(yielded, instance, "BACKUP", SETTLING).unwrap();
    assert_eq!(segment.backup().counter("adverts_received"), heard + 1);
}

/// Octets of the trailer, and of what stands before its signature.
const TRAILER: usize = 28;
const FIXED: usize = 12;
/// Where the IP header and the message begin in a frame of IPv4.
const IP: usize = 14;
const MESSAGE: usize = IP + 20;

fn total_length(frame: &[u8]) -> usize {
    u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]).into()
}

/// The advert in `frame`, of version 3 over IPv4, signed again with [`KEY`] as of now and `offset`
/// seconds.
fn signed_at(frame: &[u8], offset: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut frame = frame[..IP + total_length(frame)].to_vec();
    let trailer = frame.len() - TRAILER;
    let seconds = now.checked_add_signed(offset).unwrap() as u32;
    frame[trailer + 4..trailer + 8].copy_from_slice(&seconds.to_be_bytes());

    let mut hmac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    hmac.update(&[4, 3, Config::VRID, 0]);
    hmac.update(&frame[IP + 12..IP + 16]);
    hmac.update(&[0; 12]);
    hmac.update(&frame[MESSAGE..MESSAGE + 6]);
    hmac.update(&[0; 2]);
    hmac.update(&frame[MESSAGE + 8..trailer + FIXED]);
    hmac.update(&[0; TRAILER - FIXED]);
    let signature = hmac.finalize().into_bytes();
    frame[trailer + FIXED..].copy_from_slice(&signature[..TRAILER - FIXED]);
    frame
}
