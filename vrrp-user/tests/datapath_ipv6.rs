//! IPv6 through the real kernel program: adverts, Neighbor Solicitations and other traffic. They
//! need root.

mod datapath_support;

use datapath_support::{
    Advert6, Bench, DEVICE_MAC, GLOBAL, HOST, IFINDEX, LINK_LOCAL, OWN_V6, Outcome, SLOT,
    Solicitation, State, VIRTUAL_MAC_V6, Verdict, tagged, v6_rules,
};
use vrrp_common::{
    Addr, Family,
    abi::{Kind, NO_SLOT, Rejected},
    ladder::{Envelope, Reject},
    wire::{
        ethernet::{self, Vlan},
        ipv6::{self, Payload},
    },
};

/// Octets before the ICMPv6 or VRRP message.
const MESSAGE: usize = ethernet::HEADER + ipv6::HEADER;
/// Counters of an accepted advert that says something new.
const NEWS: [&str; 3] = ["adverts_received", "adverts_news", "checksum_pseudo_header"];

type Tags = &'static [(u16, u16)];
const TAGS: [Tags; 4] = [&[], &[(0x8100, 0xe000)], &[(0x8100, 100)], &[(0x88a8, 7), (0x8100, 8)]];

#[track_caller]
fn expect_answer(bench: &mut Bench, row: &str, frame: &[u8], reply: &[u8]) {
    let expected = Outcome {
        verdict: Verdict::Answer,
        frame: reply.to_vec(),
        moved: vec!["nd_answered".to_owned()],
    };
    assert_eq!(bench.run(frame), expected, "{row}");
}

/// The frame with octets behind its header that belong to an extension header of `kind`.
fn extended(frame: &[u8], kind: u8, octets: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let mut extension = vec![0; octets.into()];
    extension[..2].copy_from_slice(&[frame[20], octets / 8 - 1]);
    frame[20] = kind;
    frame[19] += octets;
    frame.splice(MESSAGE..MESSAGE, extension);
    frame
}

/// R-7.1-05, X-03, X-05, R-5.2.5-03: what is accepted in every form.
#[test]
fn accepted() {
    let mut bench = Bench::ipv6();
    let frame = Advert6::default().frame();
    for tags in TAGS {
        let row = format!("{} tags", tags.len());
        bench.expect(&row, &tagged(&frame, tags), Verdict::Drop, &NEWS);
        let row = format!("{} tags, extension headers", tags.len());
        let extended = extended(&extended(&frame, 60, 16), 0, 8);
        bench.expect(&row, &tagged(&extended, tags), Verdict::Drop, &NEWS);
    }
    // More do not fit the page of a frame that is not in pieces.
    for count in [1, 2, 90, 200] {
        let mut addresses = vec![GLOBAL; count];
        addresses[0] = LINK_LOCAL;
        let frame = Advert6 { addresses, ..Advert6::default() }.frame();
        let outcome = bench.run(&frame);
        assert_eq!(outcome.verdict, Verdict::Drop, "{count}");
        assert!(outcome.moved.contains(&"adverts_news".to_owned()), "{count}: {outcome:?}");
    }
    let five = (0..5).fold(frame.clone(), |frame, _| extended(&frame, 60, 8));
    bench.expect("more extension headers than are walked", &five, Verdict::Pass, &[]);
}

/// R-6.4.3-13: the program closes the slot for a better router, and only for that; the news say who
/// it is, with the whole address.
#[test]
fn comparison() {
    let low = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let high = [0xfe, 0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    for (priority, source, kind, wins) in [
        (99, high, Kind::Lower, false),
        (100, low, Kind::Equal, false),
        (100, high, Kind::Equal, true),
        (101, low, Kind::Higher, true),
        (0, high, Kind::Zero, false),
    ] {
        let mut bench = Bench::ipv6();
        bench.put(State::Fresh);
        bench.run(&Advert6 { priority, source, ..Advert6::default() }.frame());
        let row = format!("{priority} from {source:x?}");
        assert_eq!(bench.slot().lease().is_none(), wins, "{row}");
        let heard = bench.slot().news(kind).heard;
        assert_eq!((heard.priority, heard.source), (priority, source.into()), "{row}");
        assert_eq!(bench.doorbells(), [(SLOT, kind as u32)], "{row}");
    }
}

/// Design, "a packet that brings no news": the same as with IPv4, whatever the digest is made of.
#[test]
fn repetition() {
    let mut bench = Bench::ipv6();
    let frame = Advert6::default().frame();
    let payload = Payload::find(&frame[..], ethernet::HEADER).unwrap();
    let envelope = Envelope::open_ipv6(&frame[..], &payload).unwrap();
    let heard = envelope.judge(&frame[..], &v6_rules().pack()).unwrap();
    bench.slot().expect(heard.digest, 0);
    let moved = ["adverts_received", "adverts_absorbed", "checksum_pseudo_header"];
    bench.expect("repetition", &frame, Verdict::Drop, &moved);
    assert!(bench.slot().last_seen() > Default::default());
    assert!(bench.doorbells().is_empty());
}

/// R-7.1-07, R-7.1-13, R-7.1-15, X-08: each reason moves its own counter and nothing else, and its
/// record says who sent the advert.
#[test]
fn rejects() {
    let mut bench = Bench::ipv6();
    let mut records = bench.datapath.rejects().unwrap();
    let good = Advert6::default();
    let changed = |at: usize, octet: u8| {
        let mut frame = good.frame();
        frame[at] = octet;
        frame
    };
    for (reason, frame) in [
        (Reject::Source, Advert6 { source: GLOBAL, ..good.clone() }.frame()),
        (Reject::OwnSource, Advert6 { source: OWN_V6, ..good.clone() }.frame()),
        (Reject::Destination, Advert6 { destination: ipv6::ALL_NODES, ..good.clone() }.frame()),
        (Reject::Ttl, Advert6 { hop_limit: 254, ..good.clone() }.frame()),
        (Reject::Version, changed(MESSAGE, 0x21)),
        (Reject::Type, changed(MESSAGE, 0x3f)),
        (Reject::Length, changed(MESSAGE + 3, 3)),
        (Reject::Length, changed(19, 8)),
        (Reject::Length, good.frame()[..85].to_vec()),
        (Reject::Checksum, changed(MESSAGE + 8, 0xff)),
        (Reject::CountZero, Advert6 { addresses: vec![], ..good.clone() }.frame()),
        (
            Reject::FirstNotLinkLocal,
            Advert6 { addresses: vec![GLOBAL, LINK_LOCAL], ..good.clone() }.frame(),
        ),
    ] {
        let counter = format!("rejected_{}", reason.name());
        bench.expect(&counter, &frame, Verdict::Drop, &[&counter]);
        if let Some(record) = records.next() {
            let source = Addr::v6(*frame[22..].first_chunk().unwrap());
            let (family, slot, reason) = (6, SLOT, reason as u32);
            let ifindex = IFINDEX;
            assert_eq!(record, Rejected { at: record.at, source, family, slot, reason, ifindex });
            assert_eq!(record.sender(), source.to_ip(Family::V6));
        }
    }
    let no_version = changed(14, 0x4c);
    bench.expect("version 4", &no_version, Verdict::Drop, &["0/rejected_ip_header"]);
    assert_eq!(records.next().unwrap().slot, NO_SLOT);
    assert!(bench.doorbells().is_empty());
}

/// R-6.4-01: a VRID of IPv4 is none of IPv6.
#[test]
fn foreign() {
    let mut bench = Bench::new();
    let frame = Advert6::default().frame();
    bench.expect("IPv4's VRID", &frame, Verdict::Pass, &["0/adverts_foreign"]);
}

/// Solicitations that a virtual router answers.
fn questions() -> Vec<(&'static str, Solicitation)> {
    let ordinary = Solicitation::of(GLOBAL);
    let plain = Solicitation { options: vec![], ..ordinary.clone() };
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let unicast =
        |mac| Solicitation { destination_mac: mac, destination: GLOBAL, ..ordinary.clone() };
    vec![
        ("link-local", Solicitation::of(LINK_LOCAL)),
        ("unicast to the device", unicast(DEVICE_MAC)),
        ("unicast to the virtual MAC", unicast(VIRTUAL_MAC_V6)),
        ("without options", plain.clone()),
        ("probe", Solicitation { source: [0; 16], ..plain.clone() }),
        ("probe with a nonce", Solicitation { source: [0; 16], options: nonce.to_vec(), ..plain }),
        (
            "many options",
            Solicitation { options: [[253, 1, 0, 0, 0, 0, 0, 0]; 16].concat(), ..ordinary.clone() },
        ),
        ("ordinary", ordinary),
    ]
}

/// R-6.4.2-02, R-6.4.3-03, R-8.2.2-01, R-8.2.2-05, N-4861-11 to N-4861-17, X-03, X-12: who answers in
/// which state, and the answer to the octet, whatever was behind the solicitation.
#[test]
fn solicitations() {
    let mut bench = Bench::ipv6();
    for state in State::ALL {
        bench.put(state);
        for (row, question) in questions() {
            for tags in TAGS {
                for padding in [0, 7] {
                    let row = format!("{row}, {} tags, {padding}, {state:?}", tags.len());
                    let mut frame = tagged(&question.frame(), tags);
                    frame.extend(vec![0xa5; padding]);
                    match state {
                        State::Fresh | State::FreshInstalled => {
                            let reply = tagged(&question.answer(), tags);
                            expect_answer(&mut bench, &row, &frame, &reply);
                        }
                        State::Closed | State::Lapsed => {
                            bench.expect(&row, &frame, Verdict::Pass, &[]);
                        }
                        State::ClosedInstalled | State::LapsedInstalled => {
                            bench.expect(&row, &frame, Verdict::Drop, &["nd_dropped"]);
                        }
                    }
                }
            }
        }
    }
}

/// issue 4, "requesters answered in XDP are taught to the kernel": who says its MAC and is answered leaves
/// one record; who has no address yet, or does not say its MAC, leaves none (RFC 4861 7.2.3).
#[test]
fn requesters() {
    let mut bench = Bench::ipv6();
    let ordinary = Solicitation::of(GLOBAL);
    let plain = Solicitation { options: vec![], ..ordinary.clone() };
    bench.put(State::ClosedInstalled);
    bench.run(&ordinary.frame());
    bench.put(State::Fresh);
    bench.run(&Solicitation { source: [0; 16], ..plain.clone() }.frame());
    bench.run(&plain.frame());
    bench.run(&tagged(&ordinary.frame(), &[(0x8100, 100)]));
    assert_eq!(bench.requesters(), []);
    for _ in 0..10 {
        bench.run(&ordinary.frame());
    }
    assert_eq!(bench.requesters(), [(Addr::v6(ordinary.source), HOST)]);
}

/// N-4861-01 to N-4861-08, X-05: what is not answered is left to the kernel only where the address
/// is not ours to answer for.
#[test]
fn not_answered() {
    let good = Solicitation::of(GLOBAL);
    let changed = |at: usize, octet: u8| {
        let mut frame = good.frame();
        frame[at] = octet;
        frame
    };
    let mut bench = Bench::ipv6();
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in [
            ("hop limit", changed(21, 254)),
            ("checksum", changed(MESSAGE + 2, 0)),
            ("code", changed(MESSAGE + 1, 1)),
            ("option of length 0", changed(MESSAGE + 25, 0)),
            ("option longer than the message", changed(MESSAGE + 25, 2)),
            ("cut option", good.frame()[..good.frame().len() - 1].to_vec()),
            ("from nobody", Solicitation { source: [0; 16], ..good.clone() }.frame()),
            ("behind options", extended(&good.frame(), 0, 8)),
        ] {
            let row = format!("{row}, {state:?}");
            if state.is_installed() {
                bench.expect(&row, &frame, Verdict::Drop, &["nd_dropped"]);
            } else {
                bench.expect(&row, &frame, Verdict::Pass, &[]);
            }
        }
    }
}

/// N-4861-10, X-14: what is none of our business, whatever the state.
#[test]
fn not_ours() {
    let mut bench = Bench::ipv6();
    let good = Solicitation::of(GLOBAL);
    let mut rows = vec![
        ("another address", Solicitation::of(OWN_V6).frame()),
        ("another host's MAC", Solicitation { destination_mac: [2; 6], ..good.clone() }.frame()),
        ("another VLAN", tagged(&good.frame(), &[(0x8100, 101)])),
        ("shorter than a solicitation", good.frame()[..MESSAGE + 23].to_vec()),
    ];
    let mut advertisement = good.frame();
    advertisement[MESSAGE] = 136;
    rows.push(("an advertisement", advertisement));
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in &rows {
            bench.expect(&format!("{row}, {state:?}"), frame, Verdict::Pass, &[]);
        }
        for length in 14..MESSAGE {
            let row = format!("{length} octets, {state:?}");
            bench.expect(&row, &good.frame()[..length], Verdict::Pass, &[]);
        }
    }
}

/// R-6.4.2-05, R-6.1-10, X-12: traffic to an address that is here because of us comes in only while
/// the lease is fresh.
#[test]
fn gate() {
    let mut bench = Bench::ipv6();
    for state in State::ALL {
        bench.put(state);
        for tags in TAGS {
            for protocol in [6, 17, 43, 44, 58] {
                for to in [DEVICE_MAC, VIRTUAL_MAC_V6] {
                    let row = format!("{protocol}, {} tags, {state:?}", tags.len());
                    let frame = tagged(&packet(to, protocol), tags);
                    if state.is_installed() && !state.is_open() {
                        bench.expect(&row, &frame, Verdict::Drop, &["traffic_dropped"]);
                    } else {
                        bench.expect(&row, &frame, Verdict::Pass, &[]);
                    }
                }
            }
        }
        bench.expect("flooded", &packet([2; 6], 17), Verdict::Pass, &[]);
    }
    bench.put(State::ClosedInstalled);
    bench.datapath.remove_address(IFINDEX, Vlan::NONE, GLOBAL.into()).unwrap();
    bench.expect("removed", &packet(DEVICE_MAC, 17), Verdict::Pass, &[]);
}

/// R-6.4.3-06, R-6.4.3-08, R-6.1-10: with `xdp_no_accept` nothing that is sent to an address of ours
/// comes in, but what resolves addresses.
#[test]
fn not_accepted() {
    let of_icmp = |kind: u8| {
        let mut frame = packet(DEVICE_MAC, 58);
        frame[MESSAGE] = kind;
        frame
    };
    let mut bench = Bench::ipv6();
    bench.slot().set_accept(false);
    for state in State::ALL {
        bench.put(state);
        let mut expect = |row: &str, frame: &[u8], is_discovery: bool| {
            for tags in TAGS {
                let row = format!("{row}, {} tags, {state:?}", tags.len());
                let frame = tagged(frame, tags);
                match (state.is_installed(), state.is_open()) {
                    (true, false) => {
                        bench.expect(&row, &frame, Verdict::Drop, &["traffic_dropped"]);
                    }
                    (true, true) if !is_discovery => {
                        bench.expect(&row, &frame, Verdict::Drop, &["not_accepted"]);
                    }
                    _ => bench.expect(&row, &frame, Verdict::Pass, &[]),
                }
            }
        };
        for protocol in [6, 17, 43, 44, 58] {
            for to in [DEVICE_MAC, VIRTUAL_MAC_V6] {
                expect(&format!("protocol {protocol}"), &packet(to, protocol), false);
            }
        }
        // An echo request, router discovery, a redirect; then discovery that is not for the
        // addresses, also behind options.
        for kind in [128, 133, 134, 137] {
            expect(&format!("ICMPv6 {kind}"), &of_icmp(kind), false);
        }
        for kind in [135, 136] {
            expect(&format!("ICMPv6 {kind}"), &of_icmp(kind), true);
            let behind = extended(&of_icmp(kind), 0, 8);
            expect(&format!("ICMPv6 {kind} behind options"), &behind, true);
        }
    }
}

/// A packet of `protocol` to a virtual address.
fn packet(to: [u8; 6], protocol: u8) -> Vec<u8> {
    let mut frame = ethernet::header(to, [2; 6], ethernet::IPV6).to_vec();
    frame.extend(ipv6::header(0, protocol, 64, 40, OWN_V6, GLOBAL));
    frame.extend([0xa5; 40]);
    frame
}
