//! The kernel program with one slot, and what one frame did to it.

use std::collections::BTreeMap;

use anyhow::Result;
use vrrp_common::abi::{Kind, NO_SLOT};
use xvrrp::datapath::{Datapath, News, Program, Sizes, Slot};

/// The device that `BPF_PROG_TEST_RUN` says the frame came in on: loopback.
pub(super) const IFINDEX: u32 = 1;

/// Actions of XDP.
pub(super) const DROP: u32 = 1;
pub(super) const PASS: u32 = 2;
pub(super) const TX: u32 = 3;

/// The slot of the first virtual router of a vector.
pub(super) const SLOT: u32 = 1;

pub(super) struct Bench {
    pub(super) datapath: Datapath,
    slots: std::sync::Arc<xvrrp::datapath::Slots>,
    /// The last slot whose counters are looked at.
    last: u32,
}

/// What one frame did.
pub(super) struct Effect {
    pub(super) action: u32,
    pub(super) frame: Vec<u8>,
    /// Counters that moved, those of all slots together, and by how much.
    pub(super) moved: BTreeMap<String, u64>,
}

impl Bench {
    pub(super) fn new(routers: u32, addresses: u32) -> Result<Self> {
        let datapath = Datapath::load(Sizes { routers, addresses }, false, false)?;
        Ok(Self { slots: datapath.slots(), datapath, last: routers })
    }

    /// With [`SLOT`] alone, for as many virtual routers as one likes.
    pub(super) fn of_one_slot() -> Result<Self> {
        Ok(Self { last: SLOT, ..Self::new(u8::MAX.into(), 1)? })
    }

    pub(super) fn slot(&self, index: u32) -> Slot<'_> {
        self.slots.get(index)
    }

    pub(super) fn news(&self) -> [News; Kind::COUNT] {
        Kind::ALL.map(|kind| self.slot(SLOT).news(kind))
    }

    pub(super) fn run(&mut self, frame: &[u8]) -> Result<Effect> {
        let before = self.counters()?;
        let mut out = vec![0xa5; frame.len() + 64];
        let (action, length) = self.datapath.test_run(Program::Xdp, frame, &mut out)?;
        out.truncate(length);
        let mut moved = self.counters()?;
        moved.retain(|name, value| {
            *value -= before.get(name).copied().unwrap_or_default();
            *value > 0
        });
        Ok(Effect { action, frame: out, moved })
    }

    fn counters(&self) -> Result<BTreeMap<String, u64>> {
        let mut sum = BTreeMap::new();
        for slot in NO_SLOT..=self.last {
            for (name, value) in self.datapath.counters(slot)? {
                *sum.entry(name).or_default() += value;
            }
        }
        Ok(sum)
    }
}
