//! The kernel program: its maps and its life.

mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues},
    programs::{TestRun, TestRunOptions, TestRunResult},
};
use tracing::warn;
use vrrp_common::{
    abi::{self, Alias, Counter, Counters, Place, Setting},
    ladder::Reject,
    wire::{Mac, ethernet::Vlan},
};

use self::tables::forget;
use super::{
    Adverts, Doorbells, Error, Mode, Rejects, Requesters, Slots,
    heritage::{Heritage, Owner, RouterKey},
    hook::Hook,
    object::{self, Object, classifier, xdp},
    place::Places,
};
use crate::sys::memory::SlotMemory;

/// Virtual routers, and addresses, that can be added at run time in any case.
const ROOM: u32 = 256;

/// How large the tables are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Virtual routers.
    pub routers: u32,
    /// Virtual addresses of all of them, in each family.
    pub addresses: u32,
}

impl Sizes {
    /// The same with room for what a reload may add: as much again, and [`ROOM`] at least.
    #[must_use]
    pub fn with_room(self) -> Self {
        let more = |count: u32| count.saturating_add(count.max(ROOM));
        Self { routers: more(self.routers), addresses: more(self.addresses) }
    }

    /// True when what needs `other` has room.
    pub const fn hold(self, other: Self) -> bool {
        other.routers <= self.routers && other.addresses <= self.addresses
    }

    /// Slots: slot 0 belongs to no router.
    pub const fn slots(self) -> u32 {
        if self.routers == 0 { 2 } else { self.routers + 1 }
    }

    /// Entries that each table must have room for.
    pub(super) const fn tables(self) -> [(&'static str, u32); 6] {
        let addresses = if self.addresses == 0 { 1 } else { self.addresses };
        [
            ("SLOTS", self.slots()),
            ("COUNTERS", self.slots()),
            ("ROUTERS", self.slots()),
            ("MACS", self.slots()),
            ("ADDRESSES", addresses),
            ("ADDRESSES_IPV6", addresses),
        ]
    }
}

/// An address that the program answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Device that it is on.
    pub ifindex: u32,
    /// VLAN that it is on.
    pub vlan: Vlan,
    /// The address, of either family.
    pub address: IpAddr,
    /// MAC that answers give.
    pub answer_mac: Mac,
    /// MAC of the device.
    pub device_mac: Mac,
}

/// A virtual MAC: what is sent to it is for the device while the virtual router answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualMac {
    /// Device that it is on.
    pub ifindex: u32,
    /// VLAN that it is on.
    pub vlan: Vlan,
    /// The virtual MAC.
    pub mac: Mac,
    /// MAC of the device.
    pub device_mac: Mac,
}

/// The programs of the object. They share all maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// For the XDP hook.
    Xdp,
    /// For the tcx hook, inwards: the same for frames that the kernel has already taken in.
    Ingress,
    /// For the tcx hook, outwards: what this host sends from virtual addresses.
    Egress,
}

impl Program {
    /// What all their names begin with.
    pub(super) const PREFIX: &'static str = "xvrrp";

    /// Name in the object, and in the kernel.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xvrrp",
            Self::Ingress => "xvrrp_ingress",
            Self::Egress => "xvrrp_egress",
        }
    }
}

/// Keys of tables.
#[derive(Default)]
struct Stale {
    routers: BTreeSet<RouterKey>,
    addresses: BTreeSet<[u32; 3]>,
    addresses_ipv6: BTreeSet<[u32; 6]>,
    macs: BTreeSet<[u32; 4]>,
}

/// The programs with their maps. The programs stay on the devices when this is dropped;
/// [`Self::detach_all`] takes them off, and with them all is gone.
pub struct Datapath {
    /// What was loaded; `None` while the programs are still those of the last daemon.
    object: Option<Object>,
    /// What it takes to load programs for the maps of the last daemon.
    adopted: Option<object::Recipe>,
    places: Places,
    sizes: Sizes,
    slots: Arc<Slots>,
    /// Slots that were copied from others, with these.
    copied: Vec<(u32, Arc<Slots>, u32)>,
    /// Entries of the last daemon that nobody has made anew.
    stale: Stale,
    routers: HashMap<MapData, RouterKey, u32>,
    addresses: HashMap<MapData, [u32; 3], Place>,
    addresses_ipv6: HashMap<MapData, [u32; 6], Place>,
    macs: HashMap<MapData, [u32; 4], Alias>,
    /// A bit for each address and MAC that is in the tables, or was.
    filter: Array<MapData, abi::Filter>,
    settings: Array<MapData, u64>,
    counters: PerCpuArray<MapData, Counters>,
    doorbells: Option<Map>,
    rejects: Option<Map>,
    requesters: Option<Map>,
    adverts: Option<Map>,
}

impl Datapath {
    /// Loads the program, with room for `sizes`. `verbose` lets the program log each rejected
    /// advert, within the program's rate limit.
    pub fn load(sizes: Sizes, drop_foreign: bool, verbose: bool) -> Result<Self, Error> {
        let mut object = Object::load(sizes, verbose)?;
        let mut datapath = Self::with_maps(sizes, |name| object.take_map(name))?;
        datapath.object = Some(object);
        datapath.set(Setting::AbiVersion, abi::VERSION.into())?;
        datapath.set(Setting::DropForeign, drop_foreign.into())?;
        Ok(datapath)
    }

    /// Takes over what the last daemon of `owner` has left, for `routers` in the slots given.
    ///
    /// Where its maps fit `sizes` they are used on: leases, counters and what the kernel has heard stay as
    /// they are. Its programs serve until [`Self::renew`], which replaces them by ours: the verifier
    /// takes longer than a short lease lasts. Otherwise all is loaded anew, with room for more
    /// than `sizes`, the leases are copied,
    /// and each program of the last daemon is replaced by ours when [`Self::attach`] comes to it.
    /// After the first round of that, [`Self::settle`] forgets the rest.
    pub fn take_over(
        heritage: Heritage,
        owner: Owner,
        routers: &BTreeMap<RouterKey, u32>,
        sizes: Sizes,
        drop_foreign: bool,
        verbose: bool,
    ) -> Result<Self, Error> {
        let mut datapath = if heritage.fits(sizes, routers) {
            Self::adopt(&heritage, verbose)?
        } else {
            let mut datapath = Self::load(sizes.with_room(), drop_foreign, verbose)?;
            datapath.copy_slots(&heritage, routers);
            datapath
        };
        datapath.places.inherit(heritage.programs);
        datapath.set(Setting::Owner, owner.number())?;
        datapath.set(Setting::DropForeign, drop_foreign.into())?;
        Ok(datapath)
    }

    fn adopt(heritage: &Heritage, verbose: bool) -> Result<Self, Error> {
        let generation = heritage.generations.first().ok_or(Error::Missing("map SLOTS"))?;
        let sizes = generation.sizes();
        let mut datapath = Self::with_maps(sizes, |name| generation.map(name))?;
        datapath.stale = Stale {
            routers: datapath.routers.keys().flatten().collect(),
            addresses: datapath.addresses.keys().flatten().collect(),
            addresses_ipv6: datapath.addresses_ipv6.keys().flatten().collect(),
            macs: datapath.macs.keys().flatten().collect(),
        };
        datapath.adopted = Some(object::Recipe::new(&generation.maps, sizes, verbose));
        Ok(datapath)
    }

    fn copy_slots(&mut self, heritage: &Heritage, routers: &BTreeMap<RouterKey, u32>) {
        for (key, slot) in routers {
            if let Some((old_slots, old)) = heritage.slot_of(key) {
                self.slots.get(*slot).copy(old_slots.get(old));
                self.copied.push((*slot, Arc::clone(old_slots), old));
            }
        }
    }

    fn with_maps(
        sizes: Sizes,
        mut take: impl FnMut(&'static str) -> Result<Map, Error>,
    ) -> Result<Self, Error> {
        let memory = match take("SLOTS")? {
            Map::Array(data) => SlotMemory::map(data.fd(), sizes.slots() as usize)?,
            _ => return Err(Error::Missing("array SLOTS")),
        };
        Ok(Self {
            object: None,
            adopted: None,
            places: Places::default(),
            sizes,
            slots: Arc::new(Slots::shared(memory)),
            copied: Vec::new(),
            stale: Stale::default(),
            routers: take("ROUTERS")?.try_into()?,
            addresses: take("ADDRESSES")?.try_into()?,
            addresses_ipv6: take("ADDRESSES_IPV6")?.try_into()?,
            macs: take("MACS")?.try_into()?,
            filter: take("FILTER")?.try_into()?,
            settings: take("SETTINGS")?.try_into()?,
            counters: take("COUNTERS")?.try_into()?,
            doorbells: Some(take("DOORBELLS")?),
            rejects: Some(take("REJECTS")?),
            requesters: Some(take("REQUESTERS")?),
            adverts: Some(take("ADVERTS")?),
        })
    }

    fn set(&mut self, setting: Setting, value: u64) -> Result<(), Error> {
        Ok(self.settings.set(setting as u32, value, 0)?)
    }

    /// What its tables have room for.
    pub const fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The slots, shared with the program.
    pub fn slots(&self) -> Arc<Slots> {
        Arc::clone(&self.slots)
    }

    /// The doorbell ring; there is one, so the second call fails.
    pub fn doorbells(&mut self) -> Result<Doorbells, Error> {
        let ring = self.doorbells.take().ok_or(Error::Missing("ring DOORBELLS"))?;
        Ok(Doorbells::new(ring.try_into()?))
    }

    /// The reject ring; there is one, so the second call fails.
    pub fn rejects(&mut self) -> Result<Rejects, Error> {
        let ring = self.rejects.take().ok_or(Error::Missing("ring REJECTS"))?;
        Ok(Rejects::new(ring.try_into()?))
    }

    /// The ring of requesters; there is one, so the second call fails.
    pub fn requesters(&mut self) -> Result<Requesters, Error> {
        let ring = self.requesters.take().ok_or(Error::Missing("ring REQUESTERS"))?;
        Ok(Requesters::new(ring.try_into()?))
    }

    /// The advert ring; there is one, so the second call fails.
    pub fn adverts(&mut self) -> Result<Adverts, Error> {
        let ring = self.adverts.take().ok_or(Error::Missing("ring ADVERTS"))?;
        Ok(Adverts::new(ring.try_into()?))
    }

    /// Whether adverts of virtual routers that are not ours are dropped: `xdp_drop_foreign`.
    pub fn drop_foreign(&mut self, wanted: bool) -> Result<(), Error> {
        self.set(Setting::DropForeign, wanted.into())
    }

    /// Whether each advert of ours that passes every check is to leave a record in the advert ring.
    pub fn report_adverts(&mut self, wanted: bool) -> Result<(), Error> {
        self.set(Setting::ReportAdverts, wanted.into())
    }

    /// Whether adverts go on to the kernel when the program has dealt with them: `xdp_absorb off`.
    pub fn pass_on(&mut self, wanted: bool) -> Result<(), Error> {
        self.set(Setting::PassOn, wanted.into())
    }

    /// What the programs log that were loaded, for `tracing`'s `log` bridge; `None` before
    /// [`Self::renew`] where they are the last daemon's, and each further time.
    pub fn logger(&mut self) -> Option<Result<object::Logger, aya_log::Error>> {
        self.object.as_mut()?.logger()
    }

    /// The counters of a slot, summed over all processors, with their names.
    pub fn counters(&self, slot: u32) -> Result<Vec<(String, u64)>, Error> {
        let processors = self.counters.get(&slot, 0)?;
        let sum = |index: usize| processors.iter().map(|counters| counters[index]).sum();
        let named =
            Counter::NAMES.iter().enumerate().map(|(index, name)| ((*name).to_owned(), sum(index)));
        let rejects = Reject::ALL.iter().map(|reject| {
            (format!("rejected_{}", reject.name()), sum(Counter::of_reject(*reject)))
        });
        Ok(named.chain(rejects).collect())
    }

    /// Counts from zero for a slot that another router has from now on.
    pub fn clear_counters(&mut self, slot: u32) -> Result<(), Error> {
        let processors = self.counters.get(&slot, 0)?.len();
        let none: Counters = [0; Counter::COUNT + Reject::COUNT];
        let none = PerCpuValues::try_from(vec![none; processors]).map_err(MapError::IoError)?;
        Ok(self.counters.set(slot, none, 0)?)
    }

    /// How many adverts of a slot were dropped for each reason, on all processors.
    pub fn rejects_of(&self, slot: u32) -> Result<[u64; Reject::COUNT], Error> {
        let processors = self.counters.get(&slot, 0)?;
        let sum = |reject| processors.iter().map(|own| own[Counter::of_reject(reject)]).sum();
        Ok(Reject::ALL.map(sum))
    }

    /// Attaches the program to a device in the first of `modes` that the device takes, in place of
    /// what the last daemon has left there. The mode that this had found comes before the others: to
    /// try these would interrupt it, and wait for the verifier. The program stays until
    /// [`Self::detach`], even when the daemon is gone. Errors are those of the last mode.
    pub fn attach(&mut self, ifindex: u32, modes: &[Mode]) -> Result<Mode, Error> {
        let mut last = Error::Missing("mode to attach in");
        let held = modes
            .iter()
            .find(|mode| Hook::of(**mode).is_some_and(|hook| self.places.has(ifindex, hook)));
        for mode in held.into_iter().chain(modes) {
            let Some(hook) = Hook::of(*mode) else { return Ok(Mode::None) };
            match self.put(ifindex, hook) {
                Ok(()) => {
                    self.places.vacate_others(ifindex, hook);
                    return Ok(*mode);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Attaches the program for what leaves, so that nothing does in the name of addresses
    /// ([`Self::add_address`]) that this host does not answer for, and so that the kernel's own ARP
    /// and Neighbor Discovery give the virtual MAC where there is one. It stays as that of
    /// [`Self::attach`]. Linux before 6.6 cannot. False, and nothing is done, where the last daemon had
    /// none there and its programs still serve: to be called again after [`Self::renew`].
    pub fn attach_egress(&mut self, ifindex: u32) -> Result<bool, Error> {
        let hook = Hook::Egress;
        if self.recipe().is_some() && !self.places.has(ifindex, hook) {
            return Ok(false);
        }
        self.put(ifindex, hook).map(|()| true)
    }

    fn put(&mut self, ifindex: u32, hook: Hook) -> Result<(), Error> {
        if self.object.is_none() && !self.places.has(ifindex, hook) {
            let object =
                self.recipe().map_or(Err(Error::Missing("program")), |recipe| recipe.load())?;
            self.renew(object);
        }
        let program = self.object.as_ref().map(|object| object.program(hook.program()));
        self.places.put(ifindex, hook, program.transpose()?)
    }

    /// What it takes to load our programs where those of the last daemon still serve; `None` where
    /// they are ours.
    pub fn recipe(&self) -> Option<object::Recipe> {
        self.adopted.clone().filter(|_| self.object.is_none())
    }

    /// Puts ours in the place of the last daemon's programs, wherever these still are, unless that was
    /// done before. What cannot be replaced is logged.
    pub fn renew(&mut self, object: Object) {
        if self.object.is_none() {
            for error in self.places.renew(|hook| object.program(hook.program())) {
                warn!("the last daemon's program stays, or is gone: {error}");
            }
            self.object = Some(object);
        }
    }

    /// Forgets what of the last daemon was not asked for since [`Self::take_over`]: programs in
    /// other places, and entries of tables. Slots that its programs have closed meanwhile are closed.
    pub fn settle(&mut self) -> Result<(), Error> {
        for (slot, old_slots, old) in std::mem::take(&mut self.copied) {
            if old_slots.get(old).lease().is_none() {
                self.slots.get(slot).close();
            }
        }
        self.places.vacate_unwanted();
        forget(&mut self.routers, &mut self.stale.routers)?;
        forget(&mut self.addresses, &mut self.stale.addresses)?;
        forget(&mut self.addresses_ipv6, &mut self.stale.addresses_ipv6)?;
        forget(&mut self.macs, &mut self.stale.macs)
    }

    /// Detaches the programs from a device. What is gone already is fine.
    pub fn detach(&mut self, ifindex: u32) {
        self.places.vacate(ifindex);
    }

    /// Detaches the programs from all devices.
    pub fn detach_all(&mut self) {
        self.places.vacate_all();
    }

    /// Instructions that the kernel's verifier went through to accept a program, `None` before
    /// Linux 5.16. It gives up at a million.
    pub fn verified_instructions(&mut self, program: Program) -> Result<Option<u32>, Error> {
        let ebpf = self.loaded()?;
        let info = match program {
            Program::Xdp => xdp(ebpf)?.info()?,
            Program::Ingress | Program::Egress => classifier(ebpf, program)?.info()?,
        };
        Ok(info.verified_instruction_count())
    }

    /// Runs a program on `frame` as if it had come in on, or left from, the loopback device of this
    /// namespace.
    /// Returns the hook's own action; `out` receives the frame as the program left it, with its
    /// length.
    pub fn test_run(
        &mut self,
        program: Program,
        frame: &[u8],
        out: &mut [u8],
    ) -> Result<(u32, usize), Error> {
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(out),
            repeat: 1,
            ..TestRunOptions::new()
        };
        let ebpf = self.loaded()?;
        let TestRunResult { return_value, data_size_out, .. } = match program {
            Program::Xdp => xdp(ebpf)?.test_run(options)?,
            Program::Ingress | Program::Egress => classifier(ebpf, program)?.test_run(options)?,
        };
        Ok((return_value, data_size_out as usize))
    }

    fn loaded(&mut self) -> Result<&mut Ebpf, Error> {
        self.object.as_mut().map(Object::ebpf).ok_or(Error::Missing("loaded program"))
    }
}
