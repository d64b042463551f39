//! Virtual routers with a virtual MAC, from their first frame on.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    Bench, Capture, Config, Daemon, Lab, Mac, Node, Router, Seen, Subject, wait_until,
    wire::{self, ALL_NODES, Advert, What},
};

const SETTLING: Duration = Bench::SETTLING;
/// How long a frame is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// A host that exists nowhere.
const HOST: Mac = Mac::local(99);

/// The virtual MAC of RFC 9568 7.3.
fn virtual_mac(subject: &Subject) -> Mac {
    if subject.is_ipv6 {
        Mac::of_virtual_router_v6(subject.vrid)
    } else {
        Mac::of_virtual_router(subject.vrid)
    }
}

/// The hardware address that a frame gives for `vip`, be it ARP or Neighbor Discovery, a question or
/// an answer.
fn hardware_address(frame: &[u8], vip: IpAddr) -> Option<Mac> {
    match wire::decode(frame) {
        Some(
            What::GratuitousArp { sender }
            | What::ArpRequest { sender, .. }
            | What::ArpReply { sender, .. },
        ) if vip == sender.1 => Some(sender.0),
        Some(What::NeighborAdvert(na)) if vip == na.target => na.link_layer,
        _ => None,
    }
}

/// R-6.1-11, R-6.4.1-02, R-6.4.1-03, R-7.2-03, R-7.3-01, R-7.3-02, R-8.1.2-05, R-8.2.2-04,
/// V-6.4.1-01, V-7.2-01: an owner, whose addresses are on its interface before and after, starts
/// twice. Its adverts come from the virtual MAC; each address is announced with it, over IPv6 with
/// R=1 S=0 O=1; and nobody is ever told the physical one for these addresses.
#[test]
fn an_owner_has_its_virtual_mac_from_the_start() {
    let owner = |subject| Subject { priority: 255, extra: "use_vmac", ..subject };
    let subjects = [Subject::new(1), Subject::version_2(2), Subject::ipv6(255)].map(owner);
    let lab = Bench::lab(true).unwrap();
    for vip in subjects.iter().flat_map(Subject::vips) {
        let (prefix, words) = if vip.is_ipv4() { (32, "") } else { (128, "nodad") };
        let address = format!("ip addr add {vip}/{prefix} dev {} {words}", Node::INTERFACE);
        lab.node(0).run(&address.split_whitespace().collect::<Vec<_>>()).unwrap();
    }
    let config: String = subjects.iter().map(Subject::to_string).collect();
    let mut bench = Bench::start(lab, &config).unwrap();
    for start in 0..2 {
        if start > 0 {
            assert!(bench.router.stop().unwrap().success());
            bench.router = Router::start(bench.node(), Daemon::Xvrrp, &config).unwrap();
        }
        let started = bench.router.started();
        for subject in &subjects {
            let mac = virtual_mac(subject);
            let (_, advert) = bench.next_advert(subject, started, SETTLING).unwrap();
            let own: IpAddr = if subject.is_ipv6 {
                bench.node().link_local().into()
            } else {
                bench.node().address().into()
            };
            let expected = Advert {
                version: subject.version,
                priority: 255,
                interval: subject.interval,
                ..Advert::new(mac, own, subject.vrid, subject.vips().to_vec())
            };
            assert_eq!(advert, expected);
            for vip in subject.vips() {
                let announces = |seen: &Seen| seen.announces(vip);
                let seen = bench.capture.expect("an announcement", started, SETTLING, announces);
                match seen.unwrap().what {
                    What::NeighborAdvert(na) => {
                        assert_eq!((na.router, na.solicited, na.overrides), (true, false, true));
                        assert_eq!((na.destination, na.link_layer), (ALL_NODES, Some(mac)));
                    }
                    What::GratuitousArp { sender } => assert_eq!(sender.0, mac),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let frames = bench.capture.frames_since(SystemTime::UNIX_EPOCH);
    for subject in &subjects {
        let mac = virtual_mac(subject);
        for vip in subject.vips() {
            let told = frames.iter().filter_map(|(_, frame)| hardware_address(frame, vip));
            let told: Vec<_> = told.collect();
            assert!(!told.is_empty() && told.iter().all(|told| *told == mac), "{vip}: {told:?}");
        }
    }
}

/// V-6.4.2-01, R-6.4.2-01, R-6.4.2-04: a Backup of version 2 gives no answer to ARP, and none to what
/// is sent to its addresses by way of the virtual MAC.
#[test]
fn a_backup_of_version_2_is_deaf_to_its_virtual_mac() {
    let subject = Subject { extra: "use_vmac", ..Subject::version_2(7) };
    let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
    bench.send(&subject.peer().frame()).unwrap();
    let asker = (HOST, Lab::address(99));
    let start = SystemTime::now();
    for to in [Mac::BROADCAST, bench.node().mac(), virtual_mac(&subject)] {
        for vip in subject.vips() {
            let IpAddr::V4(vip) = vip else { panic!("{vip} is not of IPv4") };
            bench.send(&wire::arp_request(to, asker, vip)).unwrap();
            bench.send(&wire::ping(to, asker, vip)).unwrap();
        }
    }
    thread::sleep(SILENCE);
    assert_eq!(bench.router.status().unwrap()[0].state, "BACKUP");
    let frames = bench.capture.frames_since(start).into_iter().map(|(_, frame)| frame);
    // The kernel says more than once which groups it is in.
    let frames = frames.filter(|frame| wire::joined_groups(frame).is_empty());
    let own = [bench.node().mac(), virtual_mac(&subject)];
    let said: Vec<_> = frames
        .filter(|frame| wire::source_mac(frame).is_some_and(|mac| own.contains(&mac)))
        .collect();
    assert!(said.is_empty(), "{said:02x?}");
}

/// R-2.4-01: a learning bridge knows where the virtual MAC is, before and after a failover: what the
/// client sends there reaches nobody else.
#[test]
fn a_bridge_learns_where_the_virtual_mac_is() {
    let advert_int = Duration::from_millis(200);
    let config = Config { version: 3, advert_int, extra: "use_vmac", ..Config::default() };
    let lab = Lab::new(3).unwrap();
    let client = Capture::start(lab.client()).unwrap();
    let bystander = Capture::start(lab.node(2)).unwrap();
    let start = |node: usize, priority| {
        let config = Config { priority, ..config.clone() };
        Router::start(lab.node(node), Daemon::Xvrrp, &config.to_string()).unwrap()
    };
    let mut routers = [start(0, 200), start(1, 100)];
    let IpAddr::V4(vip) = config.vip else { panic!("{} is not of IPv4", config.vip) };
    let mac = Mac::of_virtual_router(Config::VRID);
    let cable = rig::PacketSocket::open(lab.client()).unwrap();
    let asker = (lab.client().mac(), lab.client().address());
    for active in 0..2 {
        let since = SystemTime::now();
        let advert = |seen: &Seen| seen.is_advert_of(lab.node(active));
        client.expect("its advert", since, SETTLING, advert).unwrap();
        let sent = SystemTime::now();
        // The address itself comes a little after the advert.
        let answered = || {
            cable.send(&wire::ping(mac, asker, vip))?;
            Ok(client.wait_for(sent, SILENCE, |seen| seen.is_ping_answer(vip)).is_some())
        };
        wait_until("an answer", SETTLING, answered).unwrap();
        let flooded = bystander.frames_since(sent).into_iter().filter(|(_, f)| f[..6] == mac.0);
        assert_eq!(flooded.count(), 0, "node {active} is Active");
        if active == 0 {
            routers[0].crash().unwrap();
        }
    }
}
