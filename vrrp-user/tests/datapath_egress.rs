//! What the host's own kernel says of virtual addresses, through the program for what leaves. They
//! need root.

mod datapath_support;

use datapath_support::{
    Advert, Arp, Bench, DEVICE_MAC, GLOBAL, HOST, LINK_LOCAL, OTHER_VIP, OWN, OWN_V6, Outcome,
    PEER, SLOT, State, VIP, VIRTUAL_MAC, VIRTUAL_MAC_V6, Verdict, address, ip, nd, tagged,
};
use vrrp_common::wire::{
    Mac,
    arp::gratuitous,
    ethernet::{BROADCAST, Vlan},
    ipv6, ndp,
};
use xvrrp::datapath::Address;

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

/// R-8.1.2-02, R-8.2.2-02, R-8.2.2-03, X-03: the virtual MAC stands for a virtual address, to the
/// octet; the frame is the virtual MAC's only while the lease is fresh, so that a switch does not
/// send the master's traffic here.
#[test]
fn virtual_mac() {
    let mut bench = bench();
    for state in State::ALL {
        bench.put(state);
        for (row, sent, [open, closed]) in rewritten() {
            for tags in TAGS {
                let expected = Outcome {
                    verdict: Verdict::Pass,
                    frame: tagged(if state.is_open() { &open } else { &closed }, tags),
                    moved: vec![],
                };
                let row = format!("{row}, {} tags, {state:?}", tags.len());
                assert_eq!(bench.run(&tagged(&sent, tags)), expected, "{row}");
            }
        }
    }
}

/// R-8.1.2-03, X-14: what speaks for another address, or already with another MAC, leaves as it is;
/// so does everything else.
#[test]
fn untouched() {
    let mut bench = bench();
    bench.add_address([203, 0, 113, 1], Vlan::NONE, SLOT);
    bench
        .datapath
        .add_address(&Address { answer_mac: DEVICE_MAC, ..address(OTHER_VIP, 1) }, SLOT)
        .unwrap();
    let advertisement = message(DEVICE_MAC, 136, GLOBAL, GLOBAL, &option(2, DEVICE_MAC));
    let changed = |at: usize, octet: u8| {
        let mut frame = advertisement.clone();
        frame[at] = octet;
        frame
    };
    let rows = [
        ("own address", request(DEVICE_MAC, (DEVICE_MAC, OWN))),
        ("probe", request(DEVICE_MAC, (DEVICE_MAC, [0; 4]))),
        ("address without virtual MAC", request(DEVICE_MAC, (DEVICE_MAC, OTHER_VIP))),
        ("announced by the daemon", gratuitous(VIRTUAL_MAC, VIP).to_vec()),
        ("forwarded by a bridge", request(HOST, (HOST, VIP))),
        ("virtual address asked for", Arp { source: DEVICE_MAC, ..Arp::request(VIP) }.frame()),
        ("another VLAN", tagged(&request(DEVICE_MAC, (DEVICE_MAC, VIP)), &[(0x8100, 101)])),
        (
            "group as sender",
            Arp { source: DEVICE_MAC, sender: (BROADCAST, VIP), ..Arp::request(PEER) }.frame(),
        ),
        ("own solicitation", message(DEVICE_MAC, 135, OWN_V6, GLOBAL, &option(1, DEVICE_MAC))),
        ("other ICMPv6", changed(54, 128)),
        ("behind extension headers", changed(20, 0)),
        ("announced by the daemon, IPv6", ndp::unsolicited(VIRTUAL_MAC_V6, GLOBAL).to_vec()),
        ("forwarded by a bridge, IPv6", message(HOST, 136, GLOBAL, GLOBAL, &option(2, HOST))),
        ("advert", Advert::default().frame()),
        ("traffic", ip(6, VIP, &[0xa5; 40])),
    ];
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in &rows {
            bench.expect(&format!("{row}, {state:?}"), frame, Verdict::Pass, &[]);
        }
        for frame in [request(DEVICE_MAC, (DEVICE_MAC, VIP)), advertisement.clone()] {
            // Up to the end of ARP, or of what an advertisement has at least.
            let least = if frame[12] == 8 { frame.len() } else { 14 + 40 + 24 };
            for length in 14..least {
                let row = format!("{length} octets, {state:?}");
                bench.expect(&row, &frame[..length], Verdict::Pass, &[]);
            }
        }
    }
}
