//! Kernel program and controller at work on the same slot at the same time. Needs root.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use vrrp_common::{
    AdverInterval, Family, Priority, Version, Vrid,
    abi::Kind,
    ladder::{Believe, Rules, address_set},
    wire::{
        ethernet::{self, Vlan},
        ipv4::{self, VRRP_GROUP, advert_header, group_mac},
        vrrp::{Advertisement, Auth, Coverage, MAX_MESSAGE},
    },
};
use xvrrp::datapath::{Datapath, Program, Sizes};

/// The device that a test run says a frame came in on.
const IFINDEX: u32 = 1;
const SLOT: u32 = 1;
const VRID: u8 = 51;
const OWN: [u8; 4] = [192, 0, 2, 2];
const PEER: [u8; 4] = [192, 0, 2, 3];
const ADDRESSES: [[u8; 4]; 1] = [[192, 0, 2, 254]];
/// A flag that both sides write falls silent in about every second run of so many.
const ADVERTS: usize = 400_000;

fn advert(priority: u8) -> Vec<u8> {
    let mut message = [0; MAX_MESSAGE];
    let advertisement = Advertisement {
        version: Version::V3,
        vrid: Vrid::new(VRID).unwrap(),
        priority: Priority::new(priority),
        interval: AdverInterval::DEFAULT,
        addresses: &ADDRESSES,
        auth: Auth::None,
        coverage: Coverage::default(),
    };
    let message = advertisement.emit(PEER, VRRP_GROUP, &mut message).unwrap();
    let group = group_mac(Ipv4Addr::from(VRRP_GROUP).octets());
    let mut frame = ethernet::header(group, [2, 0, 0, 0, 0, 3], ethernet::IPV4).to_vec();
    frame.extend(advert_header(PEER, VRRP_GROUP, ipv4::TTL, 1, message.len()));
    frame.extend_from_slice(message);
    frame
}

/// Rule 3 of the design: however doorbells and answers meet, none is taken for under way that is
/// not, so that the next news ring.
#[test]
fn doorbells_never_fall_silent() {
    let mut datapath = Datapath::load(Sizes { routers: 1, addresses: 1 }, false, false)
        .unwrap_or_else(|error| panic!("this test must run as root: {error}"));
    datapath.add_router(IFINDEX, Vlan::NONE, Family::V4, Vrid::new(VRID).unwrap(), SLOT).unwrap();
    let slots = datapath.slots();
    slots.get(SLOT).set_rules(&Rules {
        version: Version::V3,
        destination: VRRP_GROUP.into(),
        own: OWN.into(),
        own_priority: 100,
        auth: Auth::None,
        adver_int: 1,
        believe: Believe::Either,
        addresses: address_set(&ADDRESSES),
        link_local_first: false,
        check_addresses: false,
        owner_ignores: false,
        unicast: false,
        deferred: false,
    });
    let mut doorbells = datapath.doorbells().unwrap();
    let frames = [advert(150), advert(151)];
    let mut out = [0; 256];

    let over = AtomicBool::new(false);
    let (rung, last) = thread::scope(|scope| {
        let controller = scope.spawn(|| {
            let mut rung = 0_usize;
            let mut last = None;
            loop {
                let was_over = over.load(Relaxed);
                for bell in &mut doorbells {
                    assert_eq!((bell.slot, bell.kind), (SLOT, Kind::Higher as u32));
                    last = Some(slots.get(SLOT).answer(Kind::Higher));
                    rung += 1;
                }
                if was_over {
                    return (rung, last.unwrap());
                }
            }
        });
        for frame in frames.iter().cycle().take(ADVERTS) {
            datapath.test_run(Program::Xdp, frame, &mut out).unwrap();
        }
        over.store(true, Relaxed);
        controller.join().unwrap()
    });

    assert!(last.at > Default::default());
    datapath.test_run(Program::Xdp, &frames[0], &mut out).unwrap();
    assert!(doorbells.next().is_some(), "silent after {rung} doorbells");
}
