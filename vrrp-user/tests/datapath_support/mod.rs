//! The real kernel program without a network: a frame goes in; verdict, frame and counters come
//! out.
#![allow(dead_code, reason = "each test program uses a part")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;

use std::{fmt, sync::Arc};

use vrrp_common::{
    Addr, Family, Version, Vrid,
    abi::{Doorbell, Kind, NO_SLOT, Requester, word_mac},
    ladder::{Believe, Rules, address_set},
    wire::{
        Mac,
        ethernet::{self, Vlan},
        ipv4::{self, VRRP_GROUP},
        ipv6,
        vrrp::{ADDRESS, Auth},
    },
};
use xvrrp::{
    datapath::{
        Address, Datapath, Doorbells, News, Presence, Program, Requesters, Sizes, Slot, Slots,
        VirtualMac,
    },
    election::Instant,
};

pub(crate) use frames::*;

/// The program under test. The tables of the test program `datapath_tcx` are those of the others.
const PROGRAM: Program = match env!("CARGO_CRATE_NAME").as_bytes() {
    b"datapath_tcx" => Program::Ingress,
    b"datapath_egress" => Program::Egress,
    _ => Program::Xdp,
};
/// The device that a test run says a frame came in on.
pub(crate) const IFINDEX: u32 = 1;
/// The virtual router under test.
pub(crate) const SLOT: u32 = 1;
/// Another one.
pub(crate) const OTHER_SLOT: u32 = 2;

pub(crate) const VRID: u8 = 51;
pub(crate) const OTHER_VRID: u8 = 52;
pub(crate) const OWN: [u8; 4] = [192, 0, 2, 2];
pub(crate) const PEER: [u8; 4] = [192, 0, 2, 3];
pub(crate) const VIP: [u8; 4] = [192, 0, 2, 254];
pub(crate) const OTHER_VIP: [u8; 4] = [192, 0, 2, 253];
pub(crate) const PEER_V6: [u8; 16] = v6(0xfe80, 3);
pub(crate) const OWN_V6: [u8; 16] = v6(0xfe80, 2);
pub(crate) const LINK_LOCAL: [u8; 16] = v6(0xfe80, 0x33);
pub(crate) const GLOBAL: [u8; 16] = v6(0x2001, 0xfe);
pub(crate) const DEVICE_MAC: Mac = [2, 0, 0, 0, 0, 2];
pub(crate) const VIRTUAL_MAC: Mac = [0, 0, 0x5e, 0, 1, VRID];
pub(crate) const VIRTUAL_MAC_V6: Mac = [0, 0, 0x5e, 0, 2, VRID];

/// An IPv6 address of these two words and zeros between.
const fn v6(first: u16, last: u8) -> [u8; 16] {
    let [a, b] = first.to_be_bytes();
    [a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Drop,
    Pass,
    Answer,
}

impl Verdict {
    /// By the actions of the hook that the program uses.
    fn of(action: u32) -> Option<Self> {
        // XDP_DROP, XDP_PASS and XDP_TX; TC_ACT_SHOT, TCX_NEXT (-1) and TC_ACT_REDIRECT.
        let [drop, pass, answer] = match PROGRAM {
            Program::Xdp => [1, 2, 3],
            Program::Ingress | Program::Egress => [2, u32::MAX, 7],
        };
        match action {
            _ if action == drop => Some(Self::Drop),
            _ if action == pass => Some(Self::Pass),
            _ if action == answer => Some(Self::Answer),
            _ => None,
        }
    }
}

/// Whether the host answers for the addresses of a slot, and whether it has put them there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Fresh,
    FreshInstalled,
    Closed,
    ClosedInstalled,
    Lapsed,
    LapsedInstalled,
}

impl State {
    pub(crate) const ALL: [Self; 6] = [
        Self::Fresh,
        Self::FreshInstalled,
        Self::Closed,
        Self::ClosedInstalled,
        Self::Lapsed,
        Self::LapsedInstalled,
    ];

    /// True while the host answers.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Fresh | Self::FreshInstalled)
    }

    /// True while nothing may leave in the name of the addresses.
    pub(crate) const fn is_silent(self) -> bool {
        self.is_installed() && !self.is_open()
    }

    pub(crate) const fn is_installed(self) -> bool {
        matches!(self, Self::FreshInstalled | Self::ClosedInstalled | Self::LapsedInstalled)
    }
}

/// The loaded program with two virtual routers, and whatever a test adds.
pub(crate) struct Bench {
    pub(crate) datapath: Datapath,
    doorbells: Doorbells,
    requesters: Requesters,
    slots: Arc<Slots>,
}

/// What came out.
#[derive(PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) frame: Vec<u8>,
    /// Counters that moved: the name where that of [`SLOT`] moved by one, else `slot/name+by`.
    pub(crate) moved: Vec<String>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:02x?}", self.verdict, self.moved, self.frame)
    }
}

impl Bench {
    /// [`SLOT`] with [`VIP`] and [`OTHER_SLOT`] with [`OTHER_VIP`], both closed, both on the device
    /// without VLAN.
    ///
    /// # Panics
    ///
    /// Without root's privileges, or when the kernel does not take the program.
    pub(crate) fn new() -> Self {
        Self::with(false)
    }

    /// The same, with `xdp_drop_foreign`.
    pub(crate) fn dropping_foreign() -> Self {
        Self::with(true)
    }

    fn with(drop_foreign: bool) -> Self {
        let sizes = Sizes { routers: 4, addresses: 300 };
        let mut datapath = Datapath::load(sizes, drop_foreign, false).unwrap_or_else(|error| {
            panic!("this test loads the kernel program and must run as root: {error}")
        });
        let doorbells = datapath.doorbells().unwrap();
        let requesters = datapath.requesters().unwrap();
        let slots = datapath.slots();
        let mut bench = Self { datapath, doorbells, requesters, slots };
        bench.add_router(VRID, Vlan::NONE, SLOT);
        bench.add_router(OTHER_VRID, Vlan::NONE, OTHER_SLOT);
        bench.add_address(VIP, Vlan::NONE, SLOT);
        bench.add_address(OTHER_VIP, Vlan::NONE, OTHER_SLOT);
        bench.slot().set_rules(&v3_rules());
        bench
    }

    pub(crate) fn add_router(&mut self, vrid: u8, vlan: Vlan, slot: u32) {
        let vrid = Vrid::new(vrid).unwrap();
        self.datapath.add_router(IFINDEX, vlan, Family::V4, vrid, slot).unwrap();
    }

    pub(crate) fn add_address(&mut self, address: [u8; ADDRESS], vlan: Vlan, slot: u32) {
        let address = Address { vlan, ..self::address(address, IFINDEX) };
        self.datapath.add_address(&address, slot).unwrap();
    }

    pub(crate) fn add_virtual_mac(&mut self, mac: Mac, vlan: Vlan, slot: u32) {
        let entry = VirtualMac { ifindex: IFINDEX, vlan, mac, device_mac: DEVICE_MAC };
        self.datapath.add_virtual_mac(&entry, slot).unwrap();
    }

    /// [`SLOT`] as a virtual router of IPv6, with [`LINK_LOCAL`] and [`GLOBAL`].
    pub(crate) fn ipv6() -> Self {
        let mut bench = Self::new();
        let vrid = Vrid::new(VRID).unwrap();
        for vlan in [Vlan::NONE, Vlan::from_tags(100, 0), Vlan::from_tags(7, 8)] {
            bench.datapath.add_router(IFINDEX, vlan, Family::V6, vrid, SLOT).unwrap();
            for address in [LINK_LOCAL, GLOBAL] {
                let entry = Address { vlan, ..address_v6(address, IFINDEX) };
                bench.datapath.add_address(&entry, SLOT).unwrap();
            }
        }
        bench.slot().set_rules(&v6_rules());
        bench
    }

    /// [`SLOT`].
    pub(crate) fn slot(&self) -> Slot<'_> {
        self.slots.get(SLOT)
    }

    /// Puts [`SLOT`] into a state.
    pub(crate) fn put(&self, state: State) {
        let slot = self.slot();
        match state {
            State::Fresh | State::FreshInstalled => slot.open(Instant::from_nanos(u64::MAX)),
            State::Closed | State::ClosedInstalled => slot.close(),
            State::Lapsed | State::LapsedInstalled => slot.open(Instant::from_nanos(1)),
        }
        let installed = state.is_installed();
        slot.set_presence(if installed { Presence::Installed } else { Presence::NotOurs });
    }

    /// News of every kind as they are.
    pub(crate) fn news(&self) -> [News; Kind::COUNT] {
        Kind::ALL.map(|kind| self.slot().news(kind))
    }

    /// The doorbells that rang since the last call.
    pub(crate) fn doorbells(&mut self) -> Vec<(u32, u32)> {
        std::iter::from_fn(|| self.doorbells.next())
            .map(|Doorbell { slot, kind }| (slot, kind))
            .collect()
    }

    /// Who left a record since the last call: address and MAC, behind the device under test.
    pub(crate) fn requesters(&mut self) -> Vec<(Addr, Mac)> {
        let own = |family: Family| u32::from(family.number());
        std::iter::from_fn(|| self.requesters.next())
            .map(|Requester { address, mac, family, ifindex }| {
                assert_eq!(ifindex, IFINDEX);
                let is_v4 = address.high == 0 && address.low >> 32 == 0;
                assert_eq!(family, own(if is_v4 { Family::V4 } else { Family::V6 }));
                (address, word_mac(mac))
            })
            .collect()
    }

    /// Runs the program on `frame`.
    pub(crate) fn run(&mut self, frame: &[u8]) -> Outcome {
        let before = self.counters();
        let mut out = vec![0xa5; 4096];
        // Behind a priority tag, which makes no other VLAN.
        let hidden = is_refused(frame).then(|| tagged(frame, &[(0x8100, 0xe000)]));
        let input = hidden.as_deref().unwrap_or(frame);
        let (action, length) = self.datapath.test_run(PROGRAM, input, &mut out).unwrap();
        let verdict = Verdict::of(action);
        let moved = self
            .counters()
            .into_iter()
            .zip(before)
            .filter(|(after, before)| after != before)
            .map(|((slot, name, after), (.., before))| match (slot, after - before) {
                (SLOT, 1) => name,
                (slot, 1) => format!("{slot}/{name}"),
                (slot, by) => format!("{slot}/{name}+{by}"),
            })
            .collect();
        out.truncate(length);
        if hidden.is_some() {
            out.drain(12..16);
        }
        Outcome { verdict: verdict.expect("an action that the program uses"), frame: out, moved }
    }

    fn counters(&self) -> Vec<(u32, String, u64)> {
        [NO_SLOT, SLOT, OTHER_SLOT]
            .into_iter()
            .flat_map(|slot| {
                let counters = self.datapath.counters(slot).unwrap();
                counters.into_iter().map(move |(name, count)| (slot, name, count))
            })
            .collect()
    }

    /// Runs the program on a frame that it must leave as it is, and that must move exactly these
    /// counters.
    #[track_caller]
    pub(crate) fn expect(&mut self, row: &str, frame: &[u8], verdict: Verdict, moved: &[&str]) {
        let moved = moved.iter().map(|name| (*name).to_owned()).collect();
        let expected = Outcome { verdict, frame: frame.to_vec(), moved };
        assert_eq!(self.run(frame), expected, "{row}");
    }

    /// Runs the program on a frame that it must answer with `reply`.
    #[track_caller]
    pub(crate) fn expect_answer(&mut self, row: &str, frame: &[u8], reply: &[u8]) {
        let expected = Outcome {
            verdict: Verdict::Answer,
            frame: reply.to_vec(),
            moved: vec!["arp_answered".to_owned()],
        };
        assert_eq!(self.run(frame), expected, "{row}");
    }
}

/// True for an IP packet that ends within its header: the kernel refuses to try a classifier on it.
fn is_refused(frame: &[u8]) -> bool {
    let least = match frame[12..14] {
        [0x08, 0x00] => ethernet::HEADER + ipv4::HEADER,
        [0x86, 0xdd] => ethernet::HEADER + ipv6::HEADER,
        _ => 0,
    };
    PROGRAM != Program::Xdp && frame.len() < least
}

/// An address with a virtual MAC on a device, without VLAN.
pub(crate) fn address(address: [u8; ADDRESS], ifindex: u32) -> Address {
    Address {
        ifindex,
        vlan: Vlan::NONE,
        address: address.into(),
        answer_mac: VIRTUAL_MAC,
        device_mac: DEVICE_MAC,
    }
}

/// The same with IPv6.
pub(crate) fn address_v6(address: [u8; 16], ifindex: u32) -> Address {
    Address {
        ifindex,
        vlan: Vlan::NONE,
        address: address.into(),
        answer_mac: VIRTUAL_MAC_V6,
        device_mac: DEVICE_MAC,
    }
}

/// What [`SLOT`] demands as a virtual router of IPv6.
pub(crate) fn v6_rules() -> Rules {
    Rules {
        destination: ipv6::VRRP_GROUP.into(),
        own: OWN_V6.into(),
        addresses: address_set(&[LINK_LOCAL, GLOBAL]),
        link_local_first: true,
        ..v3_rules()
    }
}

/// What [`SLOT`] demands unless a test says otherwise.
pub(crate) fn v3_rules() -> Rules {
    Rules {
        version: Version::V3,
        destination: VRRP_GROUP.into(),
        own: OWN.into(),
        own_priority: 100,
        auth: Auth::None,
        adver_int: 1,
        believe: Believe::Either,
        addresses: address_set(&[VIP]),
        link_local_first: false,
        check_addresses: false,
        owner_ignores: false,
        unicast: false,
        deferred: false,
    }
}
