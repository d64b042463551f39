//! ARP through the real kernel program: tables of (frame, state of the slot, verdict, frame out,
//! counters). They need root.

mod datapath_support;

use std::time::Duration;

use datapath_support::{
    Arp, Bench, DEVICE_MAC, HOST, IFINDEX, OTHER_VIP, PEER, SLOT, State, VIP, VIRTUAL_MAC, Verdict,
    padded, tagged,
};
use vrrp_common::{
    Addr,
    abi::REQUESTER_BURST,
    wire::{
        arp,
        ethernet::{BROADCAST, Vlan},
    },
};
use xvrrp::{datapath::Presence, pulse};

const PROBE: Arp = Arp { sender: (HOST, [0; 4]), ..Arp::request(VIP) };

/// Requests that a virtual router answers.
fn questions() -> Vec<(&'static str, Arp)> {
    let broadcast = Arp::request(VIP);
    vec![
        ("broadcast", broadcast),
        ("unicast to the device", Arp { destination: DEVICE_MAC, ..broadcast }),
        ("unicast to the virtual MAC", Arp { destination: VIRTUAL_MAC, ..broadcast }),
        ("probe", PROBE),
        ("target MAC all ones", Arp { target: (BROADCAST, VIP), ..broadcast }),
        ("target MAC anything", Arp { target: ([0xa5; 6], VIP), ..broadcast }),
        ("frame from another station", Arp { source: [2, 0, 0, 0, 0, 9], ..broadcast }),
    ]
}

/// R-8.1.2-01, R-8.1.2-02, R-8.1.2-04, A-826-01, A-826-04, A-826-05, A-5227-01, A-5227-06: the answer, to the
/// octet, with whatever was behind the request.
#[test]
fn answers() {
    let mut bench = Bench::new();
    bench.put(State::Fresh);
    for (row, request) in questions() {
        let reply = request.answer();
        bench.expect_answer(row, &request.frame(), &reply.frame());
        bench.expect_answer(row, &padded(request.frame()), &padded(reply.frame()));
    }
}

/// R-6.4.2-01, R-6.4.3-01, X-12: who answers in which state. An address that is not here because of
/// us is left to the kernel.
#[test]
fn states() {
    let mut bench = Bench::new();
    for state in State::ALL {
        bench.put(state);
        for (row, request) in questions() {
            let row = format!("{row}, {state:?}");
            let frame = request.frame();
            match state {
                State::Fresh | State::FreshInstalled => {
                    bench.expect_answer(&row, &frame, &request.answer().frame());
                }
                State::Closed | State::Lapsed => bench.expect(&row, &frame, Verdict::Pass, &[]),
                State::ClosedInstalled | State::LapsedInstalled => {
                    bench.expect(&row, &frame, Verdict::Drop, &["arp_dropped"]);
                }
            }
        }
    }
    assert!(bench.doorbells().is_empty());
}

/// issue 4, "requesters answered in XDP are taught to the kernel": who was answered leaves one record,
/// not one with each question. Who has no address yet leaves none, nor who is left to the kernel, and
/// behind a VLAN the device is another.
#[test]
fn requesters() {
    let mut bench = Bench::new();
    bench.add_address(VIP, Vlan::from_tags(100, 0), SLOT);
    let request = Arp::request(VIP);
    for state in [State::Closed, State::ClosedInstalled, State::Fresh] {
        bench.put(state);
        bench.run(&PROBE.frame());
        bench.run(&tagged(&request.frame(), &[(0x8100, 100)]));
        bench.run(&Arp::request(PEER).frame());
        assert_eq!(bench.requesters(), [], "{state:?}");
        for _ in 0..10 {
            bench.run(&request.frame());
        }
        let (mac, address) = request.sender;
        let expected = (state == State::Fresh).then_some((Addr::v4(address), mac));
        assert_eq!(bench.requesters(), Vec::from_iter(expected), "{state:?}");
    }
    // The same address with another MAC is another host.
    let moved = ([2, 0, 0, 0, 0, 0x65], request.sender.1);
    bench.run(&Arp { sender: moved, ..request }.frame());
    assert_eq!(bench.requesters(), [(Addr::v4(moved.1), moved.0)]);
}

/// issue 4: however many say to be somebody, no more are taught than the kernel's table can bear; all
/// are answered.
#[test]
fn flood_of_requesters() {
    let mut bench = Bench::new();
    bench.put(State::Fresh);
    for host in 0..2000_u16 {
        let [high, low] = host.to_be_bytes();
        let sender = ([2, 0, 0, 1, high, low], [198, 51, high, low]);
        let request = Arp { sender, ..Arp::request(VIP) };
        bench.expect_answer("one of many", &request.frame(), &request.answer().frame());
    }
    let taught = bench.requesters().len() as u64;
    // One more for each interval that the test has taken.
    assert!((REQUESTER_BURST..REQUESTER_BURST + 100).contains(&taught), "{taught}");
}

/// the lease runs out by itself, on the clock that the controller reads, and not before.
#[test]
fn lease_runs_out() {
    let mut bench = Bench::new();
    bench.slot().set_presence(Presence::Installed);
    let until = pulse::now() + Duration::from_millis(50);
    bench.slot().open(until);
    let mut answered = false;
    loop {
        let before = pulse::now();
        let verdict = bench.run(&Arp::request(VIP).frame()).verdict;
        let after = pulse::now();
        match verdict {
            Verdict::Answer => assert!(before < until, "answered {:?} late", before.since(until)),
            Verdict::Drop => {
                assert!(after >= until, "closed {:?} early", until.since(after));
                break;
            }
            Verdict::Pass => panic!("left to the kernel"),
        }
        answered = true;
    }
    assert!(answered, "the lease was over before the first request");
}

/// A-826-02, A-826-03, A-826-06, A-5227-02: what is no request for an address of ours is none of
/// the program's business, whatever the state.
#[test]
fn not_ours() {
    let mut bench = Bench::new();
    let request = Arp::request(VIP);
    let mut rows: Vec<(String, Arp)> = vec![
        ("another address".into(), Arp::request(PEER)),
        ("address zero".into(), Arp::request([0; 4])),
        ("our MAC, another address".into(), Arp { target: (VIRTUAL_MAC, PEER), ..request }),
        ("an answer to our address".into(), Arp { operation: 2, ..request }),
        ("RARP EtherType's operation".into(), Arp { operation: 3, ..request }),
        ("ours speaks".into(), Arp { sender: (VIRTUAL_MAC, VIP), ..request }),
        ("ours answers itself".into(), Arp { operation: 2, sender: (VIRTUAL_MAC, VIP), ..request }),
    ];
    let operations = [0, 4, 8, 9, 0x0101, 0x0200, 0xffff];
    rows.extend(operations.map(|it| (format!("operation {it}"), Arp { operation: it, ..request })));
    let hardware = [0, 24, 0x0101, 0xffff];
    rows.extend(hardware.map(|it| (format!("hardware {it}"), Arp { hardware: it, ..request })));
    let protocols = [0, 0x86dd, 0x0801, 0x0008];
    rows.extend(protocols.map(|it| (format!("protocol {it:x}"), Arp { protocol: it, ..request })));
    let lengths = [[0, 4], [8, 4], [6, 0], [6, 16], [4, 6]];
    rows.extend(lengths.map(|it| (format!("lengths {it:?}"), Arp { lengths: it, ..request })));
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in &rows {
            let row = format!("{row}, {state:?}");
            bench.expect(&row, &frame.frame(), Verdict::Pass, &[]);
        }
        let mut rarp = request.frame();
        rarp[12..14].copy_from_slice(&[0x80, 0x35]);
        bench.expect("RARP", &rarp, Verdict::Pass, &[]);
    }
}

/// A-826-07: a request that is cut anywhere, untagged and tagged.
#[test]
fn truncated() {
    let mut bench = Bench::new();
    bench.add_address(VIP, Vlan::from_tags(7, 0), SLOT);
    bench.add_address(VIP, Vlan::from_tags(7, 8), SLOT);
    let request = Arp::request(VIP).frame();
    for state in [State::FreshInstalled, State::ClosedInstalled] {
        bench.put(state);
        for tags in [&[][..], &[(0x8100, 7)], &[(0x88a8, 7), (0x8100, 8)]] {
            let frame = tagged(&request, tags);
            // 14 octets is the least that the kernel runs a program on.
            for length in 14..frame.len() {
                let row = format!("{length} octets with {} tags", tags.len());
                bench.expect(&row, &frame[..length], Verdict::Pass, &[]);
            }
            let whole = bench.run(&frame);
            assert_ne!(whole.verdict, Verdict::Pass, "{} tags", tags.len());
        }
    }
}

/// A-1812-01: no broadcast answer, and the kernel does not give one either while the address is
/// here because of us.
#[test]
fn group_sender() {
    let mut bench = Bench::new();
    for mac in [BROADCAST, [1, 0, 0x5e, 0, 0, 0x12], [0x33, 0x33, 0, 0, 0, 1], [3, 0, 0, 0, 0, 0]] {
        let request = Arp { sender: (mac, PEER), ..Arp::request(VIP) }.frame();
        for state in State::ALL {
            bench.put(state);
            let verdict = bench.run(&request).verdict;
            let row = format!("from {mac:x?}, {state:?}");
            if state.is_installed() {
                assert_eq!(verdict, Verdict::Drop, "{row}: the kernel would answer to it");
            } else {
                assert_eq!(verdict, Verdict::Pass, "{row}");
            }
        }
    }
}

/// A-826-02, X-12: Linux answers requests of hardware type 6 (IEEE 802) like those of type 1, so
/// they must not reach it while the slot is closed.
#[test]
fn hardware_type_ieee_802() {
    let mut bench = Bench::new();
    let request = Arp { hardware: 6, ..Arp::request(VIP) }.frame();
    for state in [State::ClosedInstalled, State::LapsedInstalled] {
        bench.put(state);
        assert_eq!(
            bench.run(&request).verdict,
            Verdict::Drop,
            "{state:?}: the kernel would answer"
        );
    }
}

/// A-5227-02, A-5227-04: announcements of our address are never answered; those of another MAC are
/// counted, those of another router with our virtual MAC are not.
#[test]
fn announcements() {
    let mut bench = Bench::new();
    bench.put(State::FreshInstalled);
    let ours = arp::gratuitous(VIRTUAL_MAC, VIP);
    let theirs = arp::gratuitous(HOST, VIP);
    let reply = |mut frame: [u8; 42]| {
        frame[21] = 2;
        frame
    };
    for (row, frame, moved) in [
        ("our virtual MAC", ours, &[][..]),
        ("our virtual MAC, as a reply", reply(ours), &[]),
        ("another MAC", theirs, &["arp_conflict"]),
        ("another MAC, as a reply", reply(theirs), &["arp_conflict"]),
    ] {
        bench.expect(row, &frame, Verdict::Pass, moved);
    }
}

/// A-5227-02: whoever uses our address as its own is in conflict with us, whatever it asks for.
#[test]
fn conflict_in_another_request() {
    let mut bench = Bench::new();
    bench.put(State::FreshInstalled);
    let request = Arp { sender: (HOST, VIP), ..Arp::request(PEER) };
    bench.expect("asks for a peer", &request.frame(), Verdict::Pass, &["arp_conflict"]);
    let reply = Arp { operation: 2, target: (VIRTUAL_MAC, PEER), ..request };
    bench.expect("answers a peer", &reply.frame(), Verdict::Pass, &["arp_conflict"]);
}

/// a frame is answered on the VLAN that the address is registered for, with its tags as they
/// came; a priority tag is none.
#[test]
fn vlans() {
    const ONE: [u8; 4] = [198, 51, 100, 1];
    const TWO: [u8; 4] = [198, 51, 100, 2];
    let mut bench = Bench::new();
    bench.put(State::Fresh);
    bench.add_address(ONE, Vlan::from_tags(100, 0), SLOT);
    bench.add_address(TWO, Vlan::from_tags(7, 8), SLOT);

    type Tags = &'static [(u16, u16)];
    let rows: [(&str, [u8; 4], Tags, bool); 20] = [
        ("untagged", VIP, &[], true),
        ("priority tag", VIP, &[(0x8100, 0xe000)], true),
        ("two priority tags", VIP, &[(0x88a8, 0xe000), (0x8100, 0x2000)], true),
        ("address without VLAN on one", VIP, &[(0x8100, 100)], false),
        ("address without VLAN on an inner one", VIP, &[(0x8100, 0), (0x8100, 100)], false),
        ("one tag", ONE, &[(0x8100, 100)], true),
        ("one service tag", ONE, &[(0x88a8, 100)], true),
        ("one tag with priority", ONE, &[(0x8100, 0xf064)], true),
        ("one tag, inner priority tag", ONE, &[(0x8100, 100), (0x8100, 0xe000)], true),
        ("address of VLAN 100, untagged", ONE, &[], false),
        ("address of VLAN 100, priority tag", ONE, &[(0x8100, 0xe000)], false),
        ("address of VLAN 100 on 101", ONE, &[(0x8100, 101)], false),
        ("address of VLAN 100 on 100.1", ONE, &[(0x8100, 100), (0x8100, 1)], false),
        ("two tags", TWO, &[(0x88a8, 7), (0x8100, 8)], true),
        ("two customer tags", TWO, &[(0x8100, 7), (0x8100, 8)], true),
        ("two tags the other way", TWO, &[(0x88a8, 8), (0x8100, 7)], false),
        ("the outer tag alone", TWO, &[(0x88a8, 7)], false),
        ("the inner tag alone", TWO, &[(0x8100, 8)], false),
        ("two tags missing", TWO, &[], false),
        ("three tags", TWO, &[(0x88a8, 7), (0x8100, 8), (0x8100, 9)], false),
    ];
    for (row, address, tags, answered) in rows {
        let request = Arp::request(address);
        let frame = tagged(&request.frame(), tags);
        if answered {
            bench.expect_answer(row, &frame, &tagged(&request.answer().frame(), tags));
        } else {
            bench.expect(row, &frame, Verdict::Pass, &[]);
        }
    }
}

/// R-6.4-01, R-3-03: each address follows its own virtual router, and only while it is registered
/// for the device that the frame came in on.
#[test]
fn other_routers_and_devices() {
    let mut bench = Bench::new();
    bench.put(State::Fresh);
    bench.expect("a closed router", &Arp::request(OTHER_VIP).frame(), Verdict::Pass, &[]);
    bench.datapath.remove_address(IFINDEX, Vlan::NONE, VIP.into()).unwrap();
    let elsewhere = datapath_support::address(VIP, IFINDEX + 1);
    bench.datapath.add_address(&elsewhere, SLOT).unwrap();
    bench.expect("another device", &Arp::request(VIP).frame(), Verdict::Pass, &[]);
}

/// Without a virtual MAC the device's own answers.
#[test]
fn without_virtual_mac() {
    let mut bench = Bench::new();
    bench.put(State::Fresh);
    let address = xvrrp::datapath::Address {
        answer_mac: DEVICE_MAC,
        ..datapath_support::address(VIP, IFINDEX)
    };
    bench.datapath.add_address(&address, SLOT).unwrap();
    let request = Arp::request(VIP);
    let reply = Arp { sender: (DEVICE_MAC, VIP), ..request.answer() };
    bench.expect_answer("the device's MAC", &request.frame(), &reply.frame());
}

/// 255 addresses of one virtual router, each answered for itself.
#[test]
fn many_addresses() {
    let mut bench = Bench::new();
    bench.put(State::Fresh);
    for last in 0..255 {
        bench.add_address([203, 0, 113, last], Vlan::NONE, SLOT);
    }
    for last in 0..255 {
        let request = Arp::request([203, 0, 113, last]);
        bench.expect_answer(&format!(".{last}"), &request.frame(), &request.answer().frame());
    }
    bench.expect("the 256th", &Arp::request([203, 0, 113, 255]).frame(), Verdict::Pass, &[]);
}
