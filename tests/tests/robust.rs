//! What comes from outside and is wrong: frames, files, a second daemon.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use rig::{Capture, Config, Daemon, Lab, Node, PacketSocket, Process, Router, wait_until};

const SETTLING: Duration = Duration::from_secs(15);
/// Exit code of a configuration that cannot be run, as `keepalived -t` has it.
const CANNOT_RUN: i32 = 4;

/// A version 2 advert from 192.0.2.3 for virtual router 51, priority 100, one address, right in
/// every bit; its checks are those of RFC 3768 7.1.
const ADVERT: [u8; 54] = [
    0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x33, 0x08,
    0x00, // Ethernet
    0x45, 0xc0, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0x18, 0x8f, // IPv4 …
    0xc0, 0x00, 0x02, 0x03, 0xe0, 0x00, 0x00, 0x12, // … and its addresses
    0x21, 0x33, 0x64, 0x01, 0x00, 0x01, 0xb7, 0xcb, // VRRP
    0xc0, 0x00, 0x02, 0xfe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];
/// The address in it.
const ADVERTISED: Ipv4Addr = Lab::address(254);
const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;

/// Bits of the virtual router's number: with one of them flipped the advert is another router's.
const VRID_BITS: usize = 8;

/// Each single bit of the message flipped, so that its checksum is wrong.
fn flipped() -> Vec<Vec<u8>> {
    let message = ETHERNET_HEADER + IPV4_HEADER;
    let flip = |bit: usize| {
        let mut frame = ADVERT.to_vec();
        frame[bit / 8] ^= 1 << (bit % 8);
        frame
    };
    (message * 8..ADVERT.len() * 8).map(flip).collect()
}

/// Each frame that ends before the message does.
fn truncated() -> Vec<Vec<u8>> {
    let message = ETHERNET_HEADER + IPV4_HEADER;
    (message..ADVERT.len()).map(|length| ADVERT[..length].to_vec()).collect()
}

/// Issue 2, R-7.1-13, R-7.1-15, V-7.1-07: bursts of malformed adverts are counted and change
/// nothing, and the log does not grow with them (R-7.1-14).
#[test]
fn malformed_adverts_are_counted_and_change_nothing() {
    const ROUNDS: usize = 50;
    const LOG_LINES: usize = 100;
    let config = Config { priority: 50, vip: ADVERTISED.into(), ..Config::default() };
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let mut router = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
    let rejected = |router: &Router| router.status().unwrap()[0].counters("rejected_");
    assert_eq!(rejected(&router), 0);
    let lines_before = router.log().len();

    let socket = PacketSocket::open(lab.client()).unwrap();
    let (flipped, truncated) = (flipped(), truncated());
    for round in 1..=ROUNDS {
        for frame in flipped.iter().chain(&truncated) {
            socket.send(frame).unwrap();
        }
        // Whether a truncated frame is still recognised as ours is the daemon's business.
        let least = (round * (flipped.len() - VRID_BITS)) as u64;
        let most = (round * (flipped.len() + truncated.len())) as u64;
        let counted = || Ok((least..=most).contains(&rejected(&router)));
        wait_until("the rejects in the counters", SETTLING, counted).unwrap();
    }

    let own = |seen: &rig::Seen| seen.is_advert_of(lab.node(0));
    let after = SystemTime::now();
    capture.expect("an advert after the burst", after, SETTLING, own).unwrap();
    assert_eq!(router.status().unwrap()[0].state, "MASTER");
    assert_eq!(lab.answerers(&capture, config.vip).unwrap(), [0]);
    let lines = router.log().len() - lines_before;
    assert!(lines <= LOG_LINES, "{lines} lines of log");
    assert!(router.process().exit_status().is_none());
}

/// R-7.1-14, issue 4 "logs are rate-limited per reason with a count of what was suppressed": of many
/// refused adverts the log has one line at once and one with the number of the others, whether the
/// kernel program or a raw socket heard them. What is still to be told is told at the end.
#[test]
fn refused_adverts_are_logged_by_number() {
    const ADVERTS: u64 = 3000;
    const REASON: &str = "wrong checksum";
    for mode in ["xdp_mode tcx", "xdp_mode none"] {
        let config =
            Config { priority: 50, vip: ADVERTISED.into(), extra: mode, ..Config::default() };
        let lab = Lab::new(1).unwrap();
        let mut router = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
        router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
        let socket = PacketSocket::open(lab.client()).unwrap();
        let mut wrong = ADVERT;
        wrong[wrong.len() - 1] ^= 1;
        let refused = |router: &Router| router.status().unwrap()[0].counter("rejected_checksum");
        let mut sent = 0;
        while sent < ADVERTS {
            for _ in 0..100 {
                socket.send(&wrong).unwrap();
            }
            sent += 100;
            wait_until("the rejects in the counters", SETTLING, || Ok(refused(&router) == sent))
                .unwrap();
        }
        let number = format!("{} more adverts dropped in the last", ADVERTS - 1);
        router.wait_for_line(&number, SETTLING).unwrap();
        for _ in 0..2 {
            socket.send(&wrong).unwrap();
        }
        wait_until("two more", SETTLING, || Ok(refused(&router) == ADVERTS + 2)).unwrap();
        router.stop().unwrap();
        let log = router.log();
        let lines: Vec<_> = log.iter().filter(|line| line.contains(REASON)).collect();
        assert_eq!(lines.len(), 3, "{mode}: {lines:?}");
        assert!(lines[0].contains("advert from 192.0.2.3 dropped"), "{mode}: {lines:?}");
        assert!(lines[2].contains("2 more adverts dropped"), "{mode}: {lines:?}");
    }
}

/// Issue 2, V-6.4.3-08: the frame that the malformed ones were made from is a good one; against a master
/// with a lower priority it wins.
#[test]
fn the_advert_behind_the_malformed_ones_is_good() {
    let config = Config { priority: 50, vip: ADVERTISED.into(), ..Config::default() };
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
    let sent = SystemTime::now();
    PacketSocket::open(lab.client()).unwrap().send(&ADVERT).unwrap();
    router.wait_for_state(sent, Config::INSTANCE, "BACKUP", SETTLING).unwrap();
}

/// Runs `xvrrp run` to its end with a file that is not to be started with.
fn refused(node: &Node, text: &str) -> (Option<i32>, Process) {
    let file = node.dir().join("bad.conf");
    fs::write(&file, text).unwrap();
    let mut command = node.command(Daemon::Xvrrp.program().unwrap());
    command.arg("run").arg("-f").arg(&file).arg("--runtime-dir").arg(node.dir().join("bad"));
    let mut process = Process::spawn("xvrrp with a bad file", command).unwrap();
    let code = process.wait_exit(SETTLING).unwrap().code();
    (code, process)
}

/// Issue 2, bad input: without the right to send adverts the daemon says so and ends, instead of
/// waiting in FAULT for ever.
#[test]
fn missing_capabilities_are_named() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let file = node.dir().join("good.conf");
    fs::write(&file, Config::default().to_string()).unwrap();
    let mut command = node.command("setpriv");
    command.args(["--inh-caps=-net_raw,-net_admin", "--bounding-set=-net_raw,-net_admin"]);
    command.arg(Daemon::Xvrrp.program().unwrap()).arg("run").arg("-f").arg(&file);
    command.arg("--runtime-dir").arg(node.dir().join("unprivileged"));
    let since = SystemTime::now();
    let mut process = Process::spawn("xvrrp without capabilities", command).unwrap();
    process.wait_for_line(since, "CAP_NET_RAW", SETTLING).unwrap();
    assert!(!process.wait_exit(SETTLING).unwrap().success());
}

/// Issue 2: a file with which keepalived would not start is refused, and the message says where.
#[test]
fn what_cannot_run_is_refused_with_its_place() {
    let lab = Lab::new(1).unwrap();
    // keepalived 2.2.7 ends at a parameter that is missing.
    let text =
        Config::default().to_string().replace("virtual_ipaddress", "debug\n    virtual_ipaddress");
    let line = text.lines().position(|line| line.trim() == "debug").unwrap() + 1;
    let start = SystemTime::now();
    let (code, process) = refused(lab.node(0), &text);
    assert_eq!(code, Some(CANNOT_RUN), "{:?}", process.lines());
    process.wait_for_line(start, &format!("bad.conf:{line}:"), SETTLING).unwrap();
    assert!(!lab.node(0).addresses().unwrap().contains(&Config::default().vip));
}

/// Issue 2: with a brace missing keepalived runs (`keepalived -t` says 5), and so do we; the log
/// names the block that is open.
#[test]
fn a_missing_brace_is_logged_with_its_place() {
    let lab = Lab::new(1).unwrap();
    let text = Config::default().to_string();
    let (without, _) = text.trim_end().rsplit_once('}').unwrap();
    let opened = text.lines().position(|line| line.starts_with("vrrp_instance")).unwrap() + 1;
    let since = SystemTime::now();
    let mut router = Router::start(lab.node(0), Daemon::Xvrrp, without).unwrap();
    let place = format!(".conf:{opened}:");
    router.process().wait_for_line(since, &place, SETTLING).unwrap();
    router.wait_for_state(since, Config::INSTANCE, "MASTER", SETTLING).unwrap();
}

/// Issue 2: two daemons in one runtime directory would undo each other's work; the second is
/// refused and the first does not notice.
#[test]
fn a_second_daemon_in_the_same_directory_is_refused() {
    let config = Config { version: 3, advert_int: Duration::from_millis(100), ..Config::default() };
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let mut first = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    lab.wait_for_answerer(&capture, config.vip, 0, SETTLING).unwrap();
    let mut second = Router::start(lab.node(0), Daemon::Xvrrp, &config.to_string()).unwrap();
    let status = second.process().wait_exit(SETTLING).unwrap();
    assert!(!status.success());
    let (started, dir) = (second.started(), first.dir().display().to_string());
    second.process().wait_for_line(started, &dir, SETTLING).unwrap();
    assert_eq!(first.status().unwrap()[0].state, "MASTER");
    assert_eq!(lab.answerers(&capture, config.vip).unwrap(), [0]);
    assert!(first.process().exit_status().is_none());
}
