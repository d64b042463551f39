//! Frames to virtual MACs through the real kernel program. They need root.

mod datapath_support;

use datapath_support::{
    Advert, Arp, Bench, DEVICE_MAC, GLOBAL, HOST, IFINDEX, OTHER_SLOT, OWN, Outcome, PEER, SLOT,
    Solicitation, State, VIP, VIRTUAL_MAC, VIRTUAL_MAC_V6, Verdict, ip, tagged,
};
use vrrp_common::wire::{
    Mac,
    ethernet::{self, Vlan},
};

const UDP: u8 = 17;
/// A MAC that nothing but the configuration makes a virtual one.
const CHOSEN_MAC: Mac = [0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
const DROPPED: &[&str] = &["virtual_mac_dropped"];

type Tags = &'static [(u16, u16)];
/// No VLAN in two forms, one, and two.
const PLACES: [(Tags, Vlan); 4] = [
    (&[], Vlan::NONE),
    (&[(0x8100, 0xe000)], Vlan::NONE),
    (&[(0x8100, 100)], Vlan::from_tags(100, 0)),
    (&[(0x88a8, 7), (0x8100, 8)], Vlan::from_tags(7, 8)),
];

/// The virtual router under test with its virtual MAC of IPv4 in each of [`PLACES`] and that of IPv6
/// in the first.
fn bench() -> Bench {
    let mut bench = Bench::new();
    for (_, vlan) in PLACES {
        bench.add_virtual_mac(VIRTUAL_MAC, vlan, SLOT);
    }
    bench.add_virtual_mac(VIRTUAL_MAC_V6, Vlan::NONE, SLOT);
    bench
}

fn to(mac: Mac, mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&mac);
    frame
}

/// Frames to `mac` that are no business of the program otherwise.
fn frames(mac: Mac) -> Vec<(&'static str, Vec<u8>)> {
    let frame_of = |ethertype: u16, payload: &[u8]| {
        [&ethernet::header(mac, HOST, ethertype)[..], payload].concat()
    };
    let mut ipv6 = vec![0x60, 0, 0, 0, 0, 8, UDP, 64];
    ipv6.extend([0xfd; 40]);
    vec![
        ("transit", to(mac, ip(UDP, [198, 51, 100, 1], &[0xa5; 40]))),
        ("to the host", to(mac, ip(UDP, OWN, &[0xa5; 40]))),
        ("IPv6", frame_of(0x86dd, &ipv6)),
        ("ARP for another address", to(mac, Arp::request(PEER).frame())),
        ("another EtherType", frame_of(0x88cc, &[2; 50])),
    ]
}

/// R-6.4.2-04, R-6.4.3-07, V-6.4.3-01, X-03: what is sent to the virtual MAC is the host's while the
/// lease is fresh and nobody's otherwise, with or without addresses on the interface.
#[test]
fn accepted_while_open() {
    let mut bench = bench();
    for state in State::ALL {
        bench.put(state);
        for (mac, places) in [(VIRTUAL_MAC, &PLACES[..]), (VIRTUAL_MAC_V6, &PLACES[..2])] {
            for (row, frame) in frames(mac) {
                for (tags, _) in places {
                    let row = format!("{row}, to {mac:x?}, {} tags, {state:?}", tags.len());
                    let frame = tagged(&frame, tags);
                    if state.is_open() {
                        let frame_out = to(DEVICE_MAC, frame.clone());
                        let expected =
                            Outcome { verdict: Verdict::Pass, frame: frame_out, moved: vec![] };
                        assert_eq!(bench.run(&frame), expected, "{row}");
                    } else {
                        bench.expect(&row, &frame, Verdict::Drop, DROPPED);
                    }
                }
            }
        }
    }
}

/// R-6.4.3-01, R-8.1.2-01, R-6.4.2-04: who asks the virtual MAC alone (RFC 1122 2.3.2.1) is answered
/// by the Active, with the virtual MAC, and by nobody else.
#[test]
fn arp_to_virtual_mac() {
    let mut bench = bench();
    let request = Arp { destination: VIRTUAL_MAC, ..Arp::request(VIP) };
    for state in State::ALL {
        bench.put(state);
        if state.is_open() {
            bench.expect_answer("asked", &request.frame(), &request.answer().frame());
        } else {
            bench.expect("asked", &request.frame(), Verdict::Drop, DROPPED);
        }
    }
}

/// R-6.4.3-03, R-8.2.2-01, R-6.4.2-04: the same for a neighbour that looks whether we are still there
/// (RFC 4861 7.3.3).
#[test]
fn solicitation_to_virtual_mac() {
    let mut bench = Bench::ipv6();
    bench.add_virtual_mac(VIRTUAL_MAC_V6, Vlan::NONE, SLOT);
    let solicitation = Solicitation { destination_mac: VIRTUAL_MAC_V6, ..Solicitation::of(GLOBAL) };
    for state in State::ALL {
        bench.put(state);
        let frame = solicitation.frame();
        if state.is_open() {
            let expected = Outcome {
                verdict: Verdict::Answer,
                frame: solicitation.answer(),
                moved: vec!["nd_answered".to_owned()],
            };
            assert_eq!(bench.run(&frame), expected, "{state:?}");
        } else {
            bench.expect("asked", &frame, Verdict::Drop, DROPPED);
        }
    }
}

/// R-7.3-01, X-14: other virtual routers' MACs, the same one in another VLAN, and the neighbours of
/// the range are somebody else's.
#[test]
fn not_ours() {
    let mut bench = Bench::new();
    bench.add_virtual_mac(VIRTUAL_MAC, Vlan::NONE, SLOT);
    let [a, b, c, d, e, vrid] = VIRTUAL_MAC;
    let others = [
        DEVICE_MAC,
        [a, b, c, d, e, vrid + 1],
        [a, b, c, d, 2, vrid],
        [a, b, c, d, 0, vrid],
        [a, b, c, d, 3, vrid],
        [a, b, c, 1, e, vrid],
        [a, b, 0x5f, d, e, vrid],
        [1, b, c, d, e, vrid],
        CHOSEN_MAC,
        [0xff; 6],
    ];
    for state in State::ALL {
        bench.put(state);
        for mac in others {
            for (row, frame) in frames(mac) {
                let row = format!("{row}, to {mac:x?}, {state:?}");
                bench.expect(&row, &frame, Verdict::Pass, &[]);
            }
        }
        for (row, frame) in frames(VIRTUAL_MAC) {
            let frame = tagged(&frame, &[(0x8100, 100)]);
            bench.expect(&format!("{row} in VLAN 100"), &frame, Verdict::Pass, &[]);
        }
    }
}

/// R-6.4-01, R-6.4.3-07: each virtual MAC follows its own virtual router.
#[test]
fn several_routers() {
    const OTHER_MAC: Mac = [0, 0, 0x5e, 0, 1, 52];
    let mut bench = bench();
    bench.add_virtual_mac(OTHER_MAC, Vlan::NONE, OTHER_SLOT);
    bench.put(State::Fresh);
    let frame = to(OTHER_MAC, ip(UDP, PEER, &[0; 8]));
    let moved = ["2/virtual_mac_dropped"];
    bench.expect("the other is closed", &frame, Verdict::Drop, &moved);
    let ours = bench.run(&to(VIRTUAL_MAC, ip(UDP, PEER, &[0; 8])));
    assert_eq!((ours.verdict, &ours.frame[..6]), (Verdict::Pass, &DEVICE_MAC[..]));
}

/// keyword `use_vmac` (MAC): one that was chosen is found as long as it is registered.
#[test]
fn chosen_mac() {
    let mut bench = Bench::new();
    let frame = to(CHOSEN_MAC, ip(UDP, PEER, &[0; 8]));
    bench.put(State::Closed);
    for _ in 0..2 {
        bench.expect("not registered", &frame, Verdict::Pass, &[]);
        bench.add_virtual_mac(CHOSEN_MAC, Vlan::NONE, SLOT);
        bench.expect("registered", &frame, Verdict::Drop, DROPPED);
        bench.datapath.remove_virtual_mac(IFINDEX, Vlan::NONE, CHOSEN_MAC).unwrap();
    }
    let other = to(HOST, ip(UDP, PEER, &[0; 8]));
    bench.add_virtual_mac(CHOSEN_MAC, Vlan::NONE, SLOT);
    bench.expect("to another host", &other, Verdict::Pass, &[]);
}

/// R-6.4.2-05, R-6.4.3-06: what came in through the virtual MAC is traffic to a virtual address like
/// any other, and adverts are adverts.
#[test]
fn contents_count() {
    let mut bench = bench();
    bench.put(State::FreshInstalled);
    let traffic = bench.run(&to(VIRTUAL_MAC, ip(UDP, VIP, &[0; 8])));
    assert_eq!((traffic.verdict, traffic.moved), (Verdict::Pass, vec![]));
    let advert = bench.run(&to(VIRTUAL_MAC, Advert::default().frame()));
    assert_eq!(advert.verdict, Verdict::Drop);
    assert!(advert.moved.contains(&"adverts_received".to_owned()), "{advert:?}");
}
