//! The rig itself: labs are made, observed and removed.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Flood, Hung, Lab, Mac, Node, PacketSocket, Prober, Questions, wait_until, wire,
};

const SOON: Duration = Duration::from_secs(2);
/// A host that exists nowhere.
const ASKER: wire::ArpParty = (Mac::local(250), Lab::address(250));

/// Issue 2: a lab is a network in which hosts reach each other, and nothing of it remains.
#[test]
fn a_lab_connects_its_hosts_and_leaves_nothing() {
    let lab = Lab::new(2).unwrap();
    let other = Lab::new(1).unwrap();
    for node in lab.nodes() {
        lab.client().run(&["ping", "-c1", "-W2", &node.address().to_string()]).unwrap();
    }
    let paths: Vec<_> = lab.nodes().iter().map(|node| node.namespace().path()).collect();
    let dir = lab.dir().to_owned();
    drop(lab);
    assert!(!dir.exists() && paths.iter().all(|path| !path.exists()));
    assert!(other.node(0).namespace().path().exists(), "the other lab lives on");
}

/// Issue 2: the capture sees ARP answers with kernel time stamps, and tshark reads its file.
#[test]
fn a_capture_sees_answers_and_tshark_reads_them() {
    let lab = Lab::new(1).unwrap();
    let target = lab.node(0).address();
    let capture = Capture::start(lab.client()).unwrap();
    let start = SystemTime::now();
    let prober = Prober::start(lab.client(), target).unwrap();
    capture.expect("an ARP answer", start, SOON, |seen| seen.is_arp_answer(target)).unwrap();
    capture.expect("a ping answer", start, SOON, |seen| seen.is_ping_answer(target)).unwrap();
    drop(prober);
    let file = lab.dir().join("capture.pcap");
    let frames = capture.write_pcap(&file, |_| true).unwrap();
    let mut tshark = Command::new("tshark");
    let read = rig::output_of(tshark.arg("-r").arg(&file)).unwrap();
    assert_eq!(read.lines().count(), frames);
}

/// Issue 2: each node is asked at its own MAC, and a cut node does not answer.
#[test]
fn answerers_tells_the_nodes_apart() {
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let address = lab.node(1).address();
    assert_eq!(lab.answerers(&capture, address).unwrap(), [1]);
    lab.node(1).cut().unwrap();
    assert!(lab.answerers(&capture, address).unwrap().is_empty());
    lab.node(1).reconnect().unwrap();
    let answered = || Ok(lab.answerers(&capture, address)? == [1]);
    wait_until("an answer after the plug was put back", SOON, answered).unwrap();
}

/// Issue 2: what a killed process left behind is removed by the next lab.
#[test]
fn leftovers_of_the_dead_are_removed() {
    let mut dead = Command::new("true").spawn().unwrap();
    let name = format!("xv{}-0-sw", dead.id());
    dead.wait().unwrap();
    rig::output_of(Command::new("ip").args(["netns", "add", &name])).unwrap();
    let orphan = Path::new("/run/netns").join(&name);
    let mut inside = Command::new("ip");
    let mut daemon = inside.args(["netns", "exec", &name, "sleep", "60"]).spawn().unwrap();
    assert!(orphan.exists());
    wait_until("the process inside", SOON, || {
        let pids = rig::output_of(Command::new("ip").args(["netns", "pids", &name]))?;
        Ok(!pids.is_empty())
    })
    .unwrap();
    Lab::new(0).unwrap();
    assert!(!orphan.exists());
    assert!(!daemon.wait().unwrap().success(), "the process inside was ended");
}

/// Issue 2: output is kept line by line, and stopping is noticed without polling.
#[test]
fn a_process_is_followed_and_ended() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let mut shell = node.command("sh");
    shell.args(["-c", "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done"]);
    let start = SystemTime::now();
    let mut process = node.spawn("shell", shell).unwrap();
    process.wait_for_line(start, "ready", SOON).unwrap();
    assert_eq!(process.stop(SOON).unwrap().code(), Some(7));
    process.wait_for_line(start, "bye", SOON).unwrap();
    let error = process.wait_for_line(start, "never", Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("| bye"), "{error}");
}

/// Issue 2: frames go out as they are, malformed ones too.
#[test]
fn a_packet_socket_sends_what_it_is_given() {
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    // An ARP message that ends after its fixed part.
    let truncated = &wire::arp_request(Mac::BROADCAST, ASKER, lab.client().address())[..22];
    PacketSocket::open(lab.node(0)).unwrap().send(truncated).unwrap();
    let file = lab.dir().join("capture.pcap");
    let sent = |frame: &[u8]| frame == truncated;
    wait_until("the frame", SOON, || Ok(capture.write_pcap(&file, sent)? == 1)).unwrap();
}

/// Issue 4 row 10: who is asked without pause tells when it has the address, by ARP and by TCP; the
/// others are silent.
#[test]
fn questions_tell_who_has_an_address() {
    const ADDRESS: Ipv4Addr = Lab::address(129);
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let questions = Questions::start(&lab, ADDRESS).unwrap();
    let (node, added) = (lab.node(1), SystemTime::now());
    node.run(&["ip", "addr", "add", "192.0.2.129/32", "dev", Node::INTERFACE]).unwrap();
    let from_node = |seen: &rig::Seen| seen.from == node.mac();
    let is_accepted = |seen: &rig::Seen| matches!(seen.what, wire::What::Accepted { .. });
    let accepted = |seen: &rig::Seen| from_node(seen) && is_accepted(seen);
    let answered = |seen: &rig::Seen| from_node(seen) && seen.is_arp_answer(ADDRESS);
    capture.expect("a connection", added, SOON, accepted).unwrap();
    capture.expect("an answer", added, SOON, answered).unwrap();
    let [silent, host] = &questions.end(&capture).unwrap()[..] else { panic!("two nodes") };
    assert!(silent.arp.is_empty() && silent.tcp.is_empty() && silent.spans.is_empty());
    let first = host.arp.iter().chain(&host.tcp).min().unwrap();
    assert!(*first >= added && host.spans[0].start() == first && !host.tcp.is_empty());
    assert_eq!(host.overlap(silent), Duration::ZERO);
}

/// Issue 4 row 10: a thread that hangs does not run, and runs again afterwards.
#[test]
fn a_hung_thread_stands_still() {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do echo tick; sleep 0.005; done"]);
    let process = rig::Process::spawn("a clock", command).unwrap();
    process.wait_for_line(SystemTime::UNIX_EPOCH, "tick", SOON).unwrap();
    let hung = Hung::stop(process.pid()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    assert!(stat.contains(") t "), "{stat}");
    drop(hung);
    process.wait_for_line(SystemTime::now(), "tick", SOON).unwrap();
}

/// Issue 4 row 9: a flood sends all its frames in turn, and says how many in a second.
#[test]
fn a_flood_brings_each_frame() {
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.node(0)).unwrap();
    let hosts = [Lab::address(1), Lab::address(2)];
    let frames = hosts.map(|host| wire::arp_request(Mac::BROADCAST, ASKER, host)).to_vec();
    let (start, flood) = (SystemTime::now(), Flood::of_frames(lab.client(), frames, 0).unwrap());
    for host in hosts {
        let is_for = |seen: &rig::Seen| matches!(seen.what, wire::What::ArpRequest { target, .. } if target == host);
        capture.expect("a frame of the flood", start, SOON, is_for).unwrap();
    }
    assert!(flood.end().unwrap() > 1000.0);
}
