//! Other traffic through the real kernel program: what is sent to a virtual address, and everything
//! that is none of its business. They need root.

mod datapath_support;

use datapath_support::{
    Bench, DEVICE_MAC, HOST, IFINDEX, OTHER_VIP, OWN, SLOT, State, VIP, VIRTUAL_MAC, Verdict, ip,
    padded, seal_ip, tagged,
};
use vrrp_common::{
    abi,
    wire::ethernet::{self, Vlan},
};
use xvrrp::datapath::Presence;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const AUTHENTICATION_HEADER: u8 = 51;

/// Packets to `address` of all sorts.
fn packets(address: [u8; 4]) -> Vec<(&'static str, Vec<u8>)> {
    let payload = [0xa5; 40];
    let udp = ip(UDP, address, &payload);
    let fragment = |flags_and_offset: [u8; 2]| {
        let mut frame = udp.clone();
        frame[20..22].copy_from_slice(&flags_and_offset);
        seal_ip(&mut frame);
        frame
    };
    let mut options = udp.clone();
    options[14] = 0x46;
    options[17] += 4;
    options.splice(34..34, [1; 4]);
    seal_ip(&mut options);
    let mut to_virtual_mac = udp.clone();
    to_virtual_mac[..6].copy_from_slice(&VIRTUAL_MAC);
    vec![
        ("ICMP", ip(ICMP, address, &payload)),
        ("TCP", ip(TCP, address, &payload)),
        ("UDP", udp.clone()),
        ("authentication header", ip(AUTHENTICATION_HEADER, address, &payload)),
        ("no payload", ip(UDP, address, &[])),
        ("full size", ip(TCP, address, &[0xa5; 1480])),
        ("to the virtual MAC", to_virtual_mac),
        ("first fragment", fragment([0x20, 0])),
        ("later fragment", fragment([0x20, 185])),
        ("last fragment", fragment([0, 185])),
        ("IP options", options),
        ("padded", padded(ip(UDP, address, &[]))),
        ("trailing octets", [udp, vec![0; 7]].concat()),
    ]
}

/// R-6.4.2-05, R-6.4.3-06, X-12: traffic to an address that is here because of us comes in only
/// while the lease is fresh; to any other it always does.
#[test]
fn to_virtual_address() {
    let mut bench = Bench::new();
    bench.add_address(VIP, Vlan::from_tags(100, 0), SLOT);
    bench.add_address(VIP, Vlan::from_tags(7, 8), SLOT);
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in packets(VIP) {
            for tags in
                [&[][..], &[(0x8100, 0xe000)], &[(0x8100, 100)], &[(0x88a8, 7), (0x8100, 8)]]
            {
                let row = format!("{row}, {} tags, {state:?}", tags.len());
                let frame = tagged(&frame, tags);
                if state.is_installed() && !state.is_open() {
                    bench.expect(&row, &frame, Verdict::Drop, &["traffic_dropped"]);
                } else {
                    bench.expect(&row, &frame, Verdict::Pass, &[]);
                }
            }
        }
    }
}

/// Issue 4, row 16: a host that has just begun to answer does not send on what comes for an address
/// before its kernel has it; while it does not answer, an address that it will only have one day is
/// none of its business.
#[test]
fn to_an_address_that_is_not_there_yet() {
    let mut bench = Bench::new();
    for (state, presence, verdict) in [
        (State::Fresh, Presence::Awaited, Verdict::Drop),
        (State::Closed, Presence::Awaited, Verdict::Pass),
        (State::Lapsed, Presence::Awaited, Verdict::Pass),
        (State::Fresh, Presence::Arriving, Verdict::Drop),
        (State::Closed, Presence::Arriving, Verdict::Drop),
        (State::Lapsed, Presence::Arriving, Verdict::Drop),
    ] {
        bench.put(state);
        bench.slot().set_presence(presence);
        let counted = if verdict == Verdict::Drop { &["traffic_dropped"][..] } else { &[] };
        for (row, frame) in packets(VIP) {
            bench.expect(&format!("{row}, {state:?}, {presence:?}"), &frame, verdict, counted);
        }
    }
}

/// R-6.4.3-06, R-6.4.3-05: with `xdp_no_accept` traffic to an address that is here because of us
/// never comes in; to an address that is here without us it does.
#[test]
fn to_address_that_accepts_nothing() {
    let mut bench = Bench::new();
    bench.slot().set_accept(false);
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in packets(VIP) {
            let row = format!("{row}, {state:?}");
            match (state.is_installed(), state.is_open()) {
                (false, _) => bench.expect(&row, &frame, Verdict::Pass, &[]),
                (true, true) => bench.expect(&row, &frame, Verdict::Drop, &["not_accepted"]),
                (true, false) => bench.expect(&row, &frame, Verdict::Drop, &["traffic_dropped"]),
            }
            // The other virtual router, and the host itself.
            for address in [OTHER_VIP, OWN] {
                for (row, frame) in packets(address) {
                    bench.expect(row, &frame, Verdict::Pass, &[]);
                }
            }
        }
    }
    bench.put(State::FreshInstalled);
    bench.slot().set_accept(true);
    for (row, frame) in packets(VIP) {
        bench.expect(row, &frame, Verdict::Pass, &[]);
    }
}

/// what does not concern a virtual router of ours goes on, to the octet, whatever the state.
#[test]
fn unrelated() {
    let mut bench = Bench::new();
    let frame_of = |ethertype: u16, payload: &[u8]| {
        [&ethernet::header(DEVICE_MAC, HOST, ethertype)[..], payload].concat()
    };
    let vip = ip(UDP, VIP, &[0xa5; 40]);
    let ipv6 = {
        let mut payload = vec![0x60, 0, 0, 0, 0, 8, 6, 255];
        payload.extend([0xfe; 40]);
        frame_of(0x86dd, &payload)
    };
    let mut rows: Vec<(&str, Vec<u8>)> = vec![
        ("IPv6", ipv6.clone()),
        ("tagged IPv6", tagged(&ipv6, &[(0x8100, 100)])),
        ("LLDP", frame_of(0x88cc, &[2; 50])),
        ("length instead of an EtherType", frame_of(38, &[0x42; 46])),
        ("PPPoE", frame_of(0x8864, &vip[14..])),
        ("VIP on another VLAN", tagged(&vip, &[(0x8100, 100)])),
        ("VIP behind three tags", tagged(&vip, &[(0x88a8, 0), (0x8100, 0), (0x8100, 1)])),
        ("VIP as source", {
            let mut frame = ip(UDP, OWN, &[0; 8]);
            frame[26..30].copy_from_slice(&VIP);
            seal_ip(&mut frame);
            frame
        }),
        ("no payload at all", frame_of(0x0800, &[])),
        ("a tag and nothing else", frame_of(0x8100, &[])),
        ("jumbo", ip(TCP, OWN, &[0xa5; 3_000])),
    ];
    for address in [OWN, OTHER_VIP, [224, 0, 0, 18], [255; 4], [0; 4]] {
        rows.extend(packets(address));
    }
    for state in State::ALL {
        bench.put(state);
        for (row, frame) in &rows {
            bench.expect(&format!("{row}, {state:?}"), frame, Verdict::Pass, &[]);
        }
        for length in 14..34 {
            let row = format!("{length} octets of an IPv4 packet, {state:?}");
            bench.expect(&row, &vip[..length], Verdict::Pass, &[]);
        }
    }
}

/// an address that is registered no longer is nobody's business.
#[test]
fn removed_address() {
    let mut bench = Bench::new();
    bench.put(State::ClosedInstalled);
    let frame = ip(UDP, VIP, &[0xa5; 40]);
    bench.expect("registered", &frame, Verdict::Drop, &["traffic_dropped"]);
    bench.datapath.remove_address(IFINDEX, Vlan::NONE, VIP.into()).unwrap();
    bench.expect("removed", &frame, Verdict::Pass, &[]);
}

/// an address that has its bit of the program's filter in common with a virtual address is
/// nobody's business, and the virtual address that shares it with another is not missed.
#[test]
fn addresses_with_one_bit() {
    let bit = |address: [u8; 4]| abi::address_bit(address.into());
    let mut others =
        (0..u32::MAX).map(u32::to_be_bytes).filter(|it| bit(*it) == bit(VIP) && *it != VIP);
    let (virtual_too, stranger) = (others.next().unwrap(), others.next().unwrap());
    let mut bench = Bench::new();
    bench.add_address(virtual_too, Vlan::NONE, SLOT);
    bench.put(State::ClosedInstalled);
    for address in [VIP, virtual_too] {
        let frame = ip(UDP, address, &[0xa5; 40]);
        bench.expect("virtual", &frame, Verdict::Drop, &["traffic_dropped"]);
    }
    bench.expect("no virtual address", &ip(UDP, stranger, &[0xa5; 40]), Verdict::Pass, &[]);
    bench.datapath.remove_address(IFINDEX, Vlan::NONE, virtual_too.into()).unwrap();
    let frame = ip(UDP, VIP, &[0xa5; 40]);
    bench.expect("after the other went", &frame, Verdict::Drop, &["traffic_dropped"]);
}
