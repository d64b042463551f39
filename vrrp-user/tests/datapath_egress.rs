//! What the host's own kernel says of virtual addresses, through the program for what leaves. They
//! need root.

mod datapath_support;

use std::time::Duration;

use datapath_support::{
    Advert, Arp, Bench, DEVICE_MAC, GLOBAL, HOST, IFINDEX, LINK_LOCAL, OWN, OWN_V6, Outcome, PEER,
    PEER_V6, SLOT, State, VIP, VIRTUAL_MAC, VIRTUAL_MAC_V6, Verdict, address_v6, ip, nd, seal_ip,
    tagged,
};
use vrrp_common::wire::{
    Mac,
    arp::gratuitous,
    ethernet::{self, BROADCAST, Vlan},
    ipv4, ipv6, ndp,
};
use xvrrp::{
    datapath::{Address, Presence},
    pulse,
};

type Tags = &'static [(u16, u16)];
const TAGS: [Tags; 4] = [&[], &[(0x8100, 0xe000)], &[(0x8100, 100)], &[(0x88a8, 7), (0x8100, 8)]];

/// An ARP request of the host itself, from `sender` for a peer.
fn request(source: Mac, sender: (Mac, [u8; 4])) -> Vec<u8> {
    Arp { source, sender, ..Arp::request(PEER) }.frame()
}

/// A solicitation (135) or advertisement (136) for `target` with one option.
fn message(from: Mac, kind: u8, source: [u8; 16], target: [u8; 16], option: &[u8]) -> Vec<u8> {
    let destination = ipv6::solicited_node(target);
    let message = [&[kind, 0, 0, 0, 0, 0, 0, 0], &target[..], option].concat();
    nd(ipv6::group_mac(destination), from, source, destination, &message)
}

fn option(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1], &mac[..]].concat()
}

/// A packet of this host from one of its addresses.
fn sent(from: Mac, protocol: u8, source: [u8; 4]) -> Vec<u8> {
    let mut frame = ip(protocol, PEER, &[0xa5; 40]);
    frame[6..12].copy_from_slice(&from);
    frame[26..30].copy_from_slice(&source);
    seal_ip(&mut frame);
    frame
}

/// The same with IPv6.
fn sent_v6(from: Mac, protocol: u8, source: [u8; 16]) -> Vec<u8> {
    let link = ethernet::header(HOST, from, ethernet::IPV6);
    let header = ipv6::header(0, protocol, 64, 40, source, PEER_V6);
    [&link[..], &header, &[0xa5; 40]].concat()
}

/// What the kernel sends, and what leaves: from the virtual MAC, or from the device's.
type Row = (&'static str, Vec<u8>, [Vec<u8>; 2]);

fn rewritten() -> Vec<Row> {
    let both = |frame: &dyn Fn(Mac) -> Vec<u8>, mac| [frame(mac), frame(DEVICE_MAC)];
    let arp = |sender: Mac| move |from: Mac| request(from, (sender, VIP));
    let announcement = |mac: Mac| {
        move |from: Mac| {
            let mut frame = gratuitous(mac, VIP).to_vec();
            frame[6..12].copy_from_slice(&from);
            frame
        }
    };
    let solicitation =
        |mac: Mac| move |from: Mac| message(from, 135, GLOBAL, OWN_V6, &option(1, mac));
    let advertisement =
        |mac: Mac| move |from: Mac| message(from, 136, GLOBAL, GLOBAL, &option(2, mac));
    let from_own = |mac: Mac| move |from: Mac| message(from, 136, OWN_V6, GLOBAL, &option(2, mac));
    let short = |from: Mac| message(from, 136, LINK_LOCAL, LINK_LOCAL, &[]);
    vec![
        ("ARP request", arp(DEVICE_MAC)(DEVICE_MAC), both(&arp(VIRTUAL_MAC), VIRTUAL_MAC)),
        (
            "ARP announcement",
            announcement(DEVICE_MAC)(DEVICE_MAC),
            both(&announcement(VIRTUAL_MAC), VIRTUAL_MAC),
        ),
        (
            "solicitation",
            solicitation(DEVICE_MAC)(DEVICE_MAC),
            both(&solicitation(VIRTUAL_MAC_V6), VIRTUAL_MAC_V6),
        ),
        (
            "advertisement",
            advertisement(DEVICE_MAC)(DEVICE_MAC),
            both(&advertisement(VIRTUAL_MAC_V6), VIRTUAL_MAC_V6),
        ),
        (
            "advertisement from another address",
            from_own(DEVICE_MAC)(DEVICE_MAC),
            both(&from_own(VIRTUAL_MAC_V6), VIRTUAL_MAC_V6),
        ),
        ("advertisement without option", short(DEVICE_MAC), both(&short, VIRTUAL_MAC_V6)),
    ]
}

/// A bench with all addresses on each VLAN of [`TAGS`].
fn bench() -> Bench {
    let mut bench = Bench::ipv6();
    bench.add_address(VIP, Vlan::from_tags(100, 0), SLOT);
    bench.add_address(VIP, Vlan::from_tags(7, 8), SLOT);
    bench
}

/// What becomes of a frame that must not leave.
fn dropped(frame: &[u8]) -> Outcome {
    let moved = vec!["outgoing_dropped".to_owned()];
    Outcome { verdict: Verdict::Drop, frame: frame.to_vec(), moved }
}

/// R-8.1.2-02, R-8.2.2-02, R-8.2.2-03, X-03: the virtual MAC stands for a virtual address, to the
/// octet; the frame is the virtual MAC's only while the lease is fresh, so that a switch does not
/// send the master's traffic here. Nothing leaves while the address is still here because of us.
#[test]
fn virtual_mac() {
    let mut bench = bench();
    for state in State::ALL {
        bench.put(state);
        for (row, sent, [open, closed]) in rewritten() {
            for tags in TAGS {
                let expected = if state.is_silent() {
                    dropped(&tagged(&sent, tags))
                } else {
                    Outcome {
                        verdict: Verdict::Pass,
                        frame: tagged(if state.is_open() { &open } else { &closed }, tags),
                        moved: vec![],
                    }
                };
                let row = format!("{row}, {} tags, {state:?}", tags.len());
                assert_eq!(bench.run(&tagged(&sent, tags)), expected, "{row}");
            }
        }
    }
}

/// issue 4, "a fenced host is silent outwards too", R-6.4.2-01: what speaks for an address that is here
/// because of us leaves only while the lease is fresh, whoever has made it: the kernel, a program or
/// the daemon itself. Without `installed` it is somebody else's address.
#[test]
fn silence() {
    let mut bench = bench();
    for vlan in [Vlan::from_tags(100, 0), Vlan::from_tags(7, 8)] {
        let entry = Address { vlan, ..address_v6(GLOBAL, IFINDEX) };
        bench.datapath.add_address(&entry, SLOT).unwrap();
    }
    let reply = Arp { operation: 2, ..Arp::request(PEER) };
    let mut solicited = message(DEVICE_MAC, 136, GLOBAL, GLOBAL, &option(2, VIRTUAL_MAC_V6));
    solicited[58] = 0xe0;
    let rows = [
        ("announced by the daemon", gratuitous(VIRTUAL_MAC, VIP).to_vec()),
        ("ARP reply", Arp { source: DEVICE_MAC, sender: (VIRTUAL_MAC, VIP), ..reply }.frame()),
        (
            "ARP request with a group's MAC",
            Arp { source: DEVICE_MAC, sender: (BROADCAST, VIP), ..Arp::request(PEER) }.frame(),
        ),
        ("announced by the daemon, IPv6", ndp::unsolicited(VIRTUAL_MAC_V6, GLOBAL).to_vec()),
        ("answer to a solicitation", solicited),
        ("solicitation", message(DEVICE_MAC, 135, GLOBAL, OWN_V6, &option(1, VIRTUAL_MAC_V6))),
        ("ICMP", sent(DEVICE_MAC, 1, VIP)),
        ("TCP", sent(DEVICE_MAC, 6, VIP)),
        ("TCP from the virtual MAC", sent(VIRTUAL_MAC, 6, VIP)),
        ("TCP, IPv6", sent_v6(DEVICE_MAC, 6, GLOBAL)),
        ("ICMPv6", sent_v6(DEVICE_MAC, ipv6::ICMP, GLOBAL)),
    ];
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in &rows {
            for tags in TAGS {
                let (row, frame) = (format!("{row}, {tags:x?}, {state:?}"), tagged(frame, tags));
                if state.is_silent() {
                    assert_eq!(bench.run(&frame), dropped(&frame), "{row}");
                } else {
                    assert_eq!(bench.run(&frame).verdict, Verdict::Pass, "{row}");
                }
            }
        }
    }
}

/// issue 4, X-12: the lease runs out by itself for what leaves, as it does for what comes in.
#[test]
fn silence_begins_with_the_end_of_the_lease() {
    let mut bench = bench();
    bench.slot().set_presence(Presence::Installed);
    let until = pulse::now() + Duration::from_millis(50);
    bench.slot().open(until);
    let mut left = false;
    while bench.run(&sent(DEVICE_MAC, 6, VIP)).verdict == Verdict::Pass {
        left = true;
        let now = pulse::now();
        assert!(now < until + Duration::from_secs(10), "it leaves {:?} late", now.since(until));
    }
    assert!(pulse::now() >= until, "silent too early");
    assert!(left, "the lease was over before the first packet");
}

/// R-8.1.2-03, X-14: what speaks for another address, or already with another MAC, leaves as it is;
/// so does everything else, adverts from a virtual address in the first place.
#[test]
fn untouched() {
    let mut bench = bench();
    bench.add_address([203, 0, 113, 1], Vlan::NONE, SLOT);
    let own = message(DEVICE_MAC, 136, OWN_V6, GLOBAL, &option(2, DEVICE_MAC));
    let changed = |frame: &[u8], at: usize, octet: u8| {
        let mut frame = frame.to_vec();
        frame[at] = octet;
        frame
    };
    let rows = [
        ("own address", request(DEVICE_MAC, (DEVICE_MAC, OWN))),
        ("probe", request(DEVICE_MAC, (DEVICE_MAC, [0; 4]))),
        ("forwarded by a bridge", request(HOST, (HOST, VIP))),
        ("virtual address asked for", Arp { source: DEVICE_MAC, ..Arp::request(VIP) }.frame()),
        ("another VLAN", tagged(&request(DEVICE_MAC, (DEVICE_MAC, VIP)), &[(0x8100, 101)])),
        ("own solicitation", message(DEVICE_MAC, 135, OWN_V6, GLOBAL, &option(1, DEVICE_MAC))),
        ("other ICMPv6", changed(&own, 54, 128)),
        ("behind extension headers", changed(&own, 20, 0)),
        ("forwarded by a bridge, IPv6", message(HOST, 136, GLOBAL, GLOBAL, &option(2, HOST))),
        ("advert", Advert::default().frame()),
        ("advert from a virtual address", sent(DEVICE_MAC, ipv4::VRRP, VIP)),
        ("advert from a virtual address, IPv6", sent_v6(DEVICE_MAC, ipv6::VRRP, GLOBAL)),
        ("traffic", ip(6, VIP, &[0xa5; 40])),
        ("traffic from an own address", sent(DEVICE_MAC, 6, OWN)),
        ("traffic from an own address, IPv6", sent_v6(DEVICE_MAC, 6, OWN_V6)),
        ("a guest's traffic", sent(HOST, 6, VIP)),
        ("a guest's traffic, IPv6", sent_v6(HOST, 6, GLOBAL)),
        ("traffic in another VLAN", tagged(&sent(DEVICE_MAC, 6, VIP), &[(0x8100, 101)])),
    ];
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in &rows {
            bench.expect(&format!("{row}, {state:?}"), frame, Verdict::Pass, &[]);
        }
        for frame in [request(DEVICE_MAC, (DEVICE_MAC, VIP)), own.clone()] {
            // Up to the end of ARP, or of what an advertisement has at least.
            let least = if frame[12] == 8 { frame.len() } else { 14 + 40 + 24 };
            for length in 14..least {
                let row = format!("{length} octets, {state:?}");
                bench.expect(&row, &frame[..length], Verdict::Pass, &[]);
            }
        }
    }
}
