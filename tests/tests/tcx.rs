//! The programs of the tcx hook in a network: VLAN tags beside the frame, and what leaves.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use rig::{Lab, Mac, Node, PacketSocket, wait_until, wire};
use rustix::net::{AddressFamily, SocketType, netdevice::name_to_index, socket};
use vrrp_common::{
    AdverInterval, Family, Priority, Version, Vrid,
    ladder::{Believe, Rules, address_set},
    wire::{
        ethernet::{self, Vlan},
        ipv4::{self, VRRP_GROUP, advert_header, group_mac},
        vrrp::{Advertisement, Auth, Coverage, MAX_MESSAGE},
    },
};
use xvrrp::{
    datapath::{Address, Datapath, Mode, Sizes},
    pulse,
};

const SETTLING: Duration = Duration::from_secs(15);
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(200);
const VIP: Ipv4Addr = Lab::address(129);
const VIP_V6: Ipv6Addr = Lab::address_v6(254);
/// A host that exists nowhere.
const ASKER: Mac = Mac::local(99);
const VRID: u8 = 51;

/// What the programs are told to answer with: another MAC for each slot tells which of them did.
const fn mac(slot: u32) -> Mac {
    Mac([0, 0, 0x5e, 0, 1, slot as u8])
}

type Tags = &'static [(u16, u16)];
/// Three networks on one interface: without VLAN, VLAN 100, and VLAN 8 within 7. The tags of each
/// slot, outermost first: EtherType and control field.
const NETWORKS: [(u32, Tags); 3] =
    [(1, &[]), (2, &[(0x8100, 100)]), (3, &[(0x88a8, 7), (0x8100, 8)])];

/// A node with the same VRID and addresses in each of the networks.
struct Host {
    datapath: Datapath,
    lab: Lab,
}

impl Host {
    /// With the program attached in one way.
    fn attached(mode: Mode) -> Self {
        Self::start(|datapath, ifindex| {
            assert_eq!(datapath.attach(ifindex, &[mode])?, mode);
            Ok(())
        })
    }

    fn start(attach: impl FnOnce(&mut Datapath, u32) -> Result<()> + Send) -> Self {
        let lab = Lab::with_ipv6(1).unwrap();
        let node = lab.node(0);
        let inside = || {
            let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
            let ifindex = name_to_index(socket.as_fd(), Node::INTERFACE)?;
            let mut datapath = Datapath::load(Sizes { routers: 3, addresses: 6 }, false, false)?;
            for (slot, tags) in NETWORKS {
                let vlan = vlan(tags);
                let vrid = Vrid::new(VRID).unwrap();
                datapath.add_router(ifindex, vlan, Family::V4, vrid, slot)?;
                for address in [VIP.into(), VIP_V6.into()] {
                    let (answer_mac, device_mac) = (mac(slot).0, node.mac().0);
                    let entry = Address { ifindex, vlan, address, answer_mac, device_mac };
                    datapath.add_address(&entry, slot)?;
                }
                let slots = datapath.slots();
                slots.get(slot).set_rules(&rules());
                slots.get(slot).open(pulse::now() + Duration::from_secs(600));
            }
            attach(&mut datapath, ifindex)?;
            Ok(datapath)
        };
        let datapath = node.namespace().enter(inside).unwrap();
        Self { datapath, lab }
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    /// A counter of each slot.
    fn count(&self, name: &str) -> [u64; 3] {
        NETWORKS.map(|(slot, _)| {
            let counters = self.datapath.counters(slot).unwrap();
            counters.iter().find(|(known, _)| known == name).unwrap().1
        })
    }

    /// Waits until a counter of each slot has moved so far.
    fn expect(&self, name: &str, expected: [u64; 3]) {
        let moved = || Ok(self.count(name).iter().zip(expected).all(|(now, then)| *now >= then));
        wait_until(name, SETTLING, moved).unwrap();
        assert_eq!(self.count(name), expected, "{name}");
    }

    /// Puts a frame on the node's cable and returns what it sends to the asker within `wait`.
    fn ask(&self, frame: &[u8], wait: Duration) -> Option<Vec<u8>> {
        let socket = PacketSocket::at_switch(self.node()).unwrap();
        socket.send(frame).unwrap();
        let until = SystemTime::now() + wait;
        while SystemTime::now() < until {
            let received = socket.receive().unwrap();
            if let Some((_, frame)) = received.filter(|(_, frame)| frame[..6] == ASKER.0) {
                return Some(frame);
            }
        }
        None
    }
}

fn vlan(tags: &[(u16, u16)]) -> Vlan {
    match tags {
        [] => Vlan::NONE,
        [(_, outer)] => Vlan::from_tags(*outer, 0),
        [(_, outer), (_, inner), ..] => Vlan::from_tags(*outer, *inner),
    }
}

fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let octets: Vec<u8> = tags
        .iter()
        .flat_map(|(kind, control)| [kind.to_be_bytes(), control.to_be_bytes()].concat())
        .collect();
    [&frame[..12], &octets, &frame[12..]].concat()
}

fn rules() -> Rules {
    Rules {
        version: Version::V3,
        destination: VRRP_GROUP.into(),
        own: Lab::address(11).octets().into(),
        own_priority: 100,
        auth: Auth::None,
        adver_int: 1,
        believe: Believe::Either,
        addresses: address_set(&[VIP.octets()]),
        link_local_first: true,
        check_addresses: false,
        owner_ignores: false,
        unicast: false,
        deferred: false,
    }
}

fn advert() -> Vec<u8> {
    let source = Lab::address(12).octets();
    let advertisement = Advertisement {
        version: Version::V3,
        vrid: Vrid::new(VRID).unwrap(),
        priority: Priority::new(50),
        interval: AdverInterval::DEFAULT,
        addresses: &[VIP.octets()],
        auth: Auth::None,
        coverage: Coverage::default(),
    };
    let mut message = [0; MAX_MESSAGE];
    let message = advertisement.emit(source, VRRP_GROUP, &mut message).unwrap();
    let header = advert_header(source, VRRP_GROUP, ipv4::TTL, 1, message.len());
    let link = ethernet::header(group_mac(VRRP_GROUP), Mac::local(12).0, ethernet::IPV4);
    [&link[..], &header, message].concat()
}

/// an ARP request is answered by the virtual router of its VLAN and no other, and the answer
/// carries the same tags. The kernel keeps the outer tag beside the frame when the tcx program sees
/// it; XDP finds it in the frame.
#[test]
fn arp_is_answered_in_its_vlan() {
    let request = wire::arp_request(Mac::BROADCAST, (ASKER, Lab::address(99)), VIP);
    for mode in [Mode::Tcx, Mode::Generic] {
        let host = Host::attached(mode);
        let mut answered = [0; 3];
        for (index, (slot, tags)) in NETWORKS.into_iter().enumerate() {
            let answer = host.ask(&tagged(&request, tags), SETTLING);
            let mut expected = wire::arp_request(ASKER, (mac(slot), VIP), Lab::address(99));
            expected[6..12].copy_from_slice(&host.node().mac().0);
            expected[21] = 2;
            expected[32..38].copy_from_slice(&ASKER.0);
            assert_eq!(answer, Some(tagged(&expected, tags)), "{mode}, {tags:x?}");
            answered[index] = 1;
            assert_eq!(host.count("arp_answered"), answered, "{mode}, {tags:x?}");
        }
        let others: [Tags; 4] =
            [&[(0x8100, 101)], &[(0x8100, 8)], &[(0x8100, 7)], &[(0x8100, 100), (0x8100, 1)]];
        for tags in others {
            let answer = host.ask(&tagged(&request, tags), SILENCE);
            assert_eq!(answer, None, "{mode}, {tags:x?}");
        }
        assert_eq!(host.count("arp_answered"), answered, "{mode}");
    }
}

/// the same for Neighbor Solicitations, whose answer is longer than the question.
#[test]
fn solicitations_are_answered_in_their_vlan() {
    let mut question = wire::neighbor_solicitation(None, (ASKER, Lab::address_v6(99)), VIP_V6);
    for mode in [Mode::Tcx, Mode::Generic] {
        let host = Host::attached(mode);
        let mut answered = [0; 3];
        for (index, (slot, tags)) in NETWORKS.into_iter().enumerate() {
            let answer = host.ask(&tagged(&question, tags), SETTLING).unwrap();
            let end = 12 + 4 * tags.len();
            assert_eq!(answer[..end], tagged(&answer[..12], tags), "{mode}");
            let untagged = [&answer[..12], &answer[end..]].concat();
            let Some(wire::What::NeighborAdvert(said)) = wire::decode(&untagged) else {
                panic!("{mode}, {tags:x?}: {answer:02x?}");
            };
            assert_eq!((said.target, said.link_layer), (VIP_V6, Some(mac(slot))), "{mode}");
            answered[index] = 1;
            assert_eq!(host.count("nd_answered"), answered, "{mode}, {tags:x?}");
        }
        assert_eq!(host.ask(&tagged(&question, &[(0x8100, 101)]), SILENCE), None, "{mode}");
        assert_eq!(host.count("nd_answered"), answered, "{mode}");
    }
    // A checksum that is wrong on the way in is not made right.
    question[56] ^= 1;
    let host = Host::attached(Mode::Tcx);
    assert_eq!(host.ask(&question, SILENCE), None);
}

/// adverts of one VRID reach the virtual router of their VLAN and have no effect on the others.
#[test]
fn adverts_reach_the_router_of_their_vlan() {
    for mode in [Mode::Tcx, Mode::Generic] {
        let host = Host::attached(mode);
        let socket = PacketSocket::at_switch(host.node()).unwrap();
        let mut received = [0; 3];
        for (index, (_, tags)) in NETWORKS.into_iter().enumerate() {
            for _ in 0..=index {
                socket.send(&tagged(&advert(), tags)).unwrap();
            }
            received[index] = index as u64 + 1;
            host.expect("adverts_received", received);
        }
        socket.send(&tagged(&advert(), &[(0x8100, 101)])).unwrap();
        let foreign = || host.datapath.counters(0).unwrap();
        let is_counted =
            || Ok(foreign().iter().any(|(name, count)| name == "adverts_foreign" && *count == 1));
        wait_until("the advert of another VLAN", SETTLING, is_counted).unwrap();
        assert_eq!(host.count("adverts_received"), received, "{mode}");
    }
}

/// a switch that moves tags beside the frame before it comes here is no way around the tcx
/// program, as it is around XDP.
#[test]
fn tags_beside_the_frame_are_seen() {
    let host = Host::attached(Mode::Tcx);
    let client = PacketSocket::open(host.lab.client()).unwrap();
    let request = wire::arp_request(Mac::BROADCAST, (ASKER, Lab::address(99)), VIP);
    client.send(&tagged(&request, &[(0x8100, 101)])).unwrap();
    client.send(&tagged(&request, &[(0x8100, 100)])).unwrap();
    host.expect("arp_answered", [0, 1, 0]);
}

/// X-03, R-6.4.3-01, R-6.4.3-03, R-7.1-05: frames that some network cards deliver in pieces are read to
/// their end by the tcx program.
#[test]
fn frames_in_pieces_are_read() {
    let host = Host::attached(Mode::Tcx);
    let socket = PacketSocket::in_pieces(host.node()).unwrap();
    let padded = |frame: &[u8]| [frame, &[0; 5000]].concat();
    let request = wire::arp_request(Mac::BROADCAST, (ASKER, Lab::address(99)), VIP);
    let question = wire::neighbor_solicitation(None, (ASKER, Lab::address_v6(99)), VIP_V6);
    for (index, (_, tags)) in NETWORKS.into_iter().enumerate() {
        let expected = [0, 1, 2].map(|slot| u64::from(slot <= index));
        for (counter, frame) in [
            ("arp_answered", &request),
            ("nd_answered", &question),
            ("adverts_received", &advert()),
        ] {
            socket.send(&tagged(&padded(frame), tags)).unwrap();
            host.expect(counter, expected);
        }
    }
}

/// R-8.1.2-02, R-8.2.2-03: when the kernel itself resolves a neighbour from a virtual address, that
/// neighbour learns the virtual MAC.
#[test]
fn the_kernel_speaks_for_virtual_addresses_with_the_virtual_mac() {
    let host = Host::start(|datapath, ifindex| Ok(datapath.attach_egress(ifindex).map(drop)?));
    let (node, client) = (host.node(), host.lab.client());
    for (vip, prefix, neighbour) in [
        (IpAddr::from(VIP), 24, IpAddr::from(client.address())),
        (VIP_V6.into(), 64, client.address_v6().into()),
    ] {
        let (vip, neighbour) = (vip.to_string(), neighbour.to_string());
        let address = format!("{vip}/{prefix}");
        node.run(&["ip", "addr", "add", &address, "dev", Node::INTERFACE, "nodad"]).unwrap();
        // The answer goes to the virtual MAC, which nobody listens to here.
        let ping = ["ping", "-c1", "-W1", "-I", &vip, &neighbour];
        node.run(&ping).unwrap_err();
        let learned = client.run(&["ip", "neigh", "show", &vip]).unwrap();
        assert!(learned.contains(&mac(1).to_string()), "{vip}: {learned}");
    }
    // An address of its own goes out as before. The first packets may still wait behind those from
    // the virtual address for an answer that never comes.
    node.run(&["ping", "-c8", "-i0.5", "-W5", &client.address().to_string()]).unwrap();
    let learned = client.run(&["ip", "neigh", "show", &node.address().to_string()]).unwrap();
    assert!(learned.contains(&node.mac().to_string()), "{learned}");
}
