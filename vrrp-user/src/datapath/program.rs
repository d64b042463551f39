//! The kernel program: its maps and its life.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf},
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType, TestRun, TestRunOptions,
        TestRunResult, Xdp, XdpMode,
        tc::{SchedClassifierLinkId, TcAttachOptions},
        xdp::XdpLinkId,
    },
};
use rustix::net::{AddressFamily, SocketType, netdevice::index_to_name, socket};
use vrrp_common::{
    Addr, Family, Vrid,
    abi::{
        self, Alias, Counter, Counters, Doorbell, Place, Rejected, Reported, Requester, Setting,
    },
    ladder::Reject,
    wire::{
        Mac,
        ethernet::{self, Vlan},
    },
};

use super::{Mode, Slots};
use crate::sys::memory::SlotMemory;

/// The program as `cargo xtask build-ebpf` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("XVRRP_BPF_OBJECT"));

/// Why the kernel side cannot be used. The daemon goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the program or a map: too old, not configured for BPF, or not permitted.
    #[error("the kernel does not take the program: {0}")]
    Load(#[from] aya::EbpfError),
    /// The program was loaded but cannot be used.
    #[error("the kernel does not run the program: {0}")]
    Program(#[from] ProgramError),
    /// A map operation failed: usually a table that is full.
    #[error("a map of the kernel program: {0}")]
    Map(#[from] MapError),
    /// The slots cannot be shared.
    #[error("the slots cannot be mapped: {0}")]
    Memory(#[from] io::Error),
    /// The device is gone.
    #[error("the device has no name: {0}")]
    Device(io::Error),
    /// The object that was built in lacks a part. Ours to mend.
    #[error("the kernel program has no {0}")]
    Missing(&'static str),
}

/// How large the tables are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Virtual routers.
    pub routers: u32,
    /// Virtual addresses of all of them, in each family.
    pub addresses: u32,
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
    const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xvrrp",
            Self::Ingress => "xvrrp_ingress",
            Self::Egress => "xvrrp_egress",
        }
    }
}

/// Where a program is attached to a device.
enum Attached {
    Xdp(XdpLinkId),
    Tcx(SchedClassifierLinkId),
}

/// The loaded programs with their maps. They are detached and gone when this is dropped.
pub struct Datapath {
    ebpf: Ebpf,
    links: BTreeMap<u32, Attached>,
    egress: BTreeMap<u32, SchedClassifierLinkId>,
    slots: Arc<Slots>,
    routers: HashMap<MapData, [u32; 3], u32>,
    addresses: HashMap<MapData, [u32; 3], Place>,
    addresses_ipv6: HashMap<MapData, [u32; 6], Place>,
    macs: HashMap<MapData, [u32; 4], Alias>,
    /// Keys of those MACs that do not look like a virtual router's.
    chosen_macs: BTreeSet<[u32; 4]>,
    settings: Array<MapData, u64>,
    counters: PerCpuArray<MapData, Counters>,
}

impl Datapath {
    /// Loads the program, with room for `sizes`. `verbose` lets the program log each rejected
    /// advert, within the program's rate limit.
    pub fn load(sizes: Sizes, drop_foreign: bool, verbose: bool) -> Result<Self, Error> {
        // Slot 0 belongs to no router.
        let slots = sizes.routers.max(1) + 1;
        let log_level = if verbose { aya_log::Level::Debug as u8 } else { 0 };
        let mut loader = EbpfLoader::new();
        loader
            .map_max_entries("SLOTS", slots)
            .map_max_entries("COUNTERS", slots)
            .map_max_entries("ROUTERS", slots)
            .map_max_entries("MACS", slots)
            .map_max_entries("ADDRESSES", sizes.addresses.max(1))
            .map_max_entries("ADDRESSES_IPV6", sizes.addresses.max(1))
            .override_global(aya_log::LEVEL, &log_level, true);
        let mut ebpf = loader.load(OBJECT)?;
        // The programs refer to their maps by descriptor: they are verified before any is taken.
        xdp(&mut ebpf)?.load()?;
        classifier(&mut ebpf, Program::Ingress)?.load()?;
        classifier(&mut ebpf, Program::Egress)?.load()?;

        let mut settings: Array<_, u64> = take(&mut ebpf, "SETTINGS")?.try_into()?;
        settings.set(Setting::AbiVersion as u32, u64::from(abi::VERSION), 0)?;
        settings.set(Setting::DropForeign as u32, u64::from(drop_foreign), 0)?;

        let memory = match take(&mut ebpf, "SLOTS")? {
            Map::Array(data) => SlotMemory::map(data.fd(), slots as usize)?,
            _ => return Err(Error::Missing("array SLOTS")),
        };
        let datapath = Self {
            slots: Arc::new(Slots::shared(memory)),
            routers: take(&mut ebpf, "ROUTERS")?.try_into()?,
            addresses: take(&mut ebpf, "ADDRESSES")?.try_into()?,
            addresses_ipv6: take(&mut ebpf, "ADDRESSES_IPV6")?.try_into()?,
            macs: take(&mut ebpf, "MACS")?.try_into()?,
            chosen_macs: BTreeSet::new(),
            settings,
            counters: take(&mut ebpf, "COUNTERS")?.try_into()?,
            links: BTreeMap::new(),
            egress: BTreeMap::new(),
            ebpf,
        };
        Ok(datapath)
    }

    /// The slots, shared with the program.
    pub fn slots(&self) -> Arc<Slots> {
        Arc::clone(&self.slots)
    }

    /// The doorbell ring; there is one, so the second call fails.
    pub fn doorbells(&mut self) -> Result<Doorbells, Error> {
        Ok(Doorbells(take(&mut self.ebpf, "DOORBELLS")?.try_into()?))
    }

    /// The reject ring; there is one, so the second call fails.
    pub fn rejects(&mut self) -> Result<Rejects, Error> {
        Ok(Rejects(take(&mut self.ebpf, "REJECTS")?.try_into()?))
    }

    /// The ring of requesters; there is one, so the second call fails.
    pub fn requesters(&mut self) -> Result<Requesters, Error> {
        Ok(Requesters(take(&mut self.ebpf, "REQUESTERS")?.try_into()?))
    }

    /// The advert ring; there is one, so the second call fails.
    pub fn adverts(&mut self) -> Result<Adverts, Error> {
        Ok(Adverts(take(&mut self.ebpf, "ADVERTS")?.try_into()?))
    }

    /// Whether each advert of ours that passes every check is to leave a record in the advert ring.
    pub fn report_adverts(&mut self, wanted: bool) -> Result<(), Error> {
        Ok(self.settings.set(Setting::ReportAdverts as u32, u64::from(wanted), 0)?)
    }

    /// Whether adverts go on to the kernel when the program has dealt with them: `xdp_absorb off`.
    pub fn pass_on(&mut self, wanted: bool) -> Result<(), Error> {
        Ok(self.settings.set(Setting::PassOn as u32, u64::from(wanted), 0)?)
    }

    /// What the program logs, for `tracing`'s `log` bridge.
    pub fn logger(&mut self) -> Result<aya_log::EbpfLogger<&'static dyn log::Log>, aya_log::Error> {
        aya_log::EbpfLogger::init(&mut self.ebpf)
    }

    /// Ascribes adverts of one family for `vrid` on a device and VLAN to a slot.
    pub fn add_router(
        &mut self,
        ifindex: u32,
        vlan: Vlan,
        family: Family,
        vrid: Vrid,
        slot: u32,
    ) -> Result<(), Error> {
        Ok(self.routers.insert(abi::router_key(ifindex, vlan, family, vrid.get()), slot, 0)?)
    }

    /// Undoes [`Self::add_router`].
    pub fn remove_router(
        &mut self,
        ifindex: u32,
        vlan: Vlan,
        family: Family,
        vrid: Vrid,
    ) -> Result<(), Error> {
        Ok(self.routers.remove(&abi::router_key(ifindex, vlan, family, vrid.get()))?)
    }

    /// Answers for an address while `slot` is open. Replaces what was said of it before.
    pub fn add_address(&mut self, address: &Address, slot: u32) -> Result<(), Error> {
        let Address { ifindex, vlan, address, answer_mac, device_mac } = *address;
        let place = abi::place(slot, answer_mac, device_mac);
        match Key::of(ifindex, vlan, address) {
            Key::V4(key) => self.addresses.insert(key, place, 0)?,
            Key::V6(key) => self.addresses_ipv6.insert(key, place, 0)?,
        }
        Ok(())
    }

    /// Undoes [`Self::add_address`].
    pub fn remove_address(
        &mut self,
        ifindex: u32,
        vlan: Vlan,
        address: IpAddr,
    ) -> Result<(), Error> {
        match Key::of(ifindex, vlan, address) {
            Key::V4(key) => self.addresses.remove(&key)?,
            Key::V6(key) => self.addresses_ipv6.remove(&key)?,
        }
        Ok(())
    }

    /// Takes frames to a virtual MAC in while `slot` is open, and drops them otherwise. Replaces what
    /// was said of it before.
    pub fn add_virtual_mac(&mut self, entry: &VirtualMac, slot: u32) -> Result<(), Error> {
        let VirtualMac { ifindex, vlan, mac, device_mac } = *entry;
        let key = abi::mac_key(ifindex, vlan, mac);
        self.macs.insert(key, abi::alias(slot, device_mac), 0)?;
        if !ethernet::is_virtual(&mac) {
            self.chosen_macs.insert(key);
        }
        self.count_chosen_macs()
    }

    /// Undoes [`Self::add_virtual_mac`].
    pub fn remove_virtual_mac(&mut self, ifindex: u32, vlan: Vlan, mac: Mac) -> Result<(), Error> {
        let key = abi::mac_key(ifindex, vlan, mac);
        self.macs.remove(&key)?;
        self.chosen_macs.remove(&key);
        self.count_chosen_macs()
    }

    fn count_chosen_macs(&mut self) -> Result<(), Error> {
        Ok(self.settings.set(Setting::ChosenMacs as u32, self.chosen_macs.len() as u64, 0)?)
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

    /// How many adverts of a slot were dropped for each reason, on all processors.
    pub fn rejects_of(&self, slot: u32) -> Result<[u64; Reject::COUNT], Error> {
        let processors = self.counters.get(&slot, 0)?;
        let sum = |reject| processors.iter().map(|own| own[Counter::of_reject(reject)]).sum();
        Ok(Reject::ALL.map(sum))
    }

    /// Attaches the program to a device in the first of `modes` that the device takes. The link lasts
    /// until [`Self::detach`], or until the daemon is gone. Errors are those of the last mode.
    pub fn attach(&mut self, ifindex: u32, modes: &[Mode]) -> Result<Mode, Error> {
        let mut last = Error::Missing("mode to attach in");
        for mode in modes {
            let attached = match mode {
                Mode::Native => self.attach_xdp(ifindex, XdpMode::Driver),
                Mode::Generic => self.attach_xdp(ifindex, XdpMode::Skb),
                Mode::Tcx => self
                    .attach_tcx(ifindex, Program::Ingress, TcAttachType::Ingress)
                    .map(Attached::Tcx),
                Mode::None => return Ok(Mode::None),
            };
            match attached {
                Ok(link) => {
                    self.links.insert(ifindex, link);
                    return Ok(*mode);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Attaches the program for what leaves, so that nothing does in the name of addresses
    /// ([`Self::add_address`]) that this host does not answer for, and so that the kernel's own ARP
    /// and Neighbor Discovery give the virtual MAC where there is one. The link lasts as that of
    /// [`Self::attach`]. Linux before 6.6 cannot.
    pub fn attach_egress(&mut self, ifindex: u32) -> Result<(), Error> {
        let link = self.attach_tcx(ifindex, Program::Egress, TcAttachType::Egress)?;
        self.egress.insert(ifindex, link);
        Ok(())
    }

    fn attach_xdp(&mut self, ifindex: u32, mode: XdpMode) -> Result<Attached, Error> {
        Ok(Attached::Xdp(xdp(&mut self.ebpf)?.attach_to_if_index(ifindex, mode)?))
    }

    /// In front of other programs, which get to see what passes. Linux before 6.6 has no tcx and
    /// says EINVAL.
    fn attach_tcx(
        &mut self,
        ifindex: u32,
        program: Program,
        direction: TcAttachType,
    ) -> Result<SchedClassifierLinkId, Error> {
        let device = name_of(ifindex).map_err(Error::Device)?;
        let first = TcAttachOptions::TcxOrder(LinkOrder::first());
        let program = classifier(&mut self.ebpf, program)?;
        Ok(program.attach_with_options(&device, direction, first)?)
    }

    /// Detaches the programs from a device. An error means that one was gone already.
    pub fn detach(&mut self, ifindex: u32) -> Result<(), Error> {
        if let Some(link) = self.egress.remove(&ifindex) {
            classifier(&mut self.ebpf, Program::Egress)?.detach(link)?;
        }
        match self.links.remove(&ifindex) {
            Some(Attached::Xdp(link)) => xdp(&mut self.ebpf)?.detach(link)?,
            Some(Attached::Tcx(link)) => {
                classifier(&mut self.ebpf, Program::Ingress)?.detach(link)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Instructions that the kernel's verifier went through to accept a program, `None` before
    /// Linux 5.16. It gives up at a million.
    pub fn verified_instructions(&mut self, program: Program) -> Result<Option<u32>, Error> {
        let info = match program {
            Program::Xdp => xdp(&mut self.ebpf)?.info()?,
            Program::Ingress | Program::Egress => classifier(&mut self.ebpf, program)?.info()?,
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
        let TestRunResult { return_value, data_size_out, .. } = match program {
            Program::Xdp => xdp(&mut self.ebpf)?.test_run(options)?,
            Program::Ingress | Program::Egress => {
                classifier(&mut self.ebpf, program)?.test_run(options)?
            }
        };
        Ok((return_value, data_size_out as usize))
    }
}

/// Key of an address in the table of its family.
enum Key {
    V4([u32; 3]),
    V6([u32; 6]),
}

impl Key {
    fn of(ifindex: u32, vlan: Vlan, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(abi::address_key(ifindex, vlan, address.octets())),
            IpAddr::V6(address) => {
                Self::V6(abi::address_key_ipv6(ifindex, vlan, Addr::v6(address.octets())))
            }
        }
    }
}

fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, Error> {
    let name = Program::Xdp.name();
    Ok(ebpf.program_mut(name).ok_or(Error::Missing(name))?.try_into()?)
}

fn classifier(ebpf: &mut Ebpf, program: Program) -> Result<&mut SchedClassifier, Error> {
    let name = program.name();
    Ok(ebpf.program_mut(name).ok_or(Error::Missing(name))?.try_into()?)
}

/// Name of a device of this namespace.
fn name_of(ifindex: u32) -> io::Result<String> {
    let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    Ok(index_to_name(socket, ifindex)?)
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or(Error::Missing(name))
}

/// News for the pulse thread. Readable when a doorbell waits.
pub struct Doorbells(RingBuf<MapData>);

impl Iterator for Doorbells {
    type Item = Doorbell;

    /// The next doorbell, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Doorbell> {
        let item = self.0.next()?;
        let [slot, kind] = words(&item)?;
        Some(Doorbell { slot, kind })
    }
}

impl AsFd for Doorbells {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Rejected adverts, for the log. Readable when a record waits.
pub struct Rejects(RingBuf<MapData>);

impl Iterator for Rejects {
    type Item = Rejected;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Rejected> {
        let item = self.0.next()?;
        let [a0, a1, h0, h1, l0, l1, family, slot, reason, ifindex] = words(&item)?;
        let source = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Rejected { at: long(a0, a1), source, family, slot, reason, ifindex })
    }
}

impl AsFd for Rejects {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Adverts that passed every check, for people. Readable when a record waits.
pub struct Adverts(RingBuf<MapData>);

impl Iterator for Adverts {
    type Item = Reported;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Reported> {
        let item = self.0.next()?;
        let [a0, a1, w0, w1, h0, h1, l0, l1, slot, fate] = words(&item)?;
        let source = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Reported { at: long(a0, a1), advert: long(w0, w1), source, slot, fate })
    }
}

impl AsFd for Adverts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Hosts that the program answered and that the kernel is to know. Readable when a record waits.
pub struct Requesters(RingBuf<MapData>);

impl Iterator for Requesters {
    type Item = Requester;

    /// The next record, without waiting; there may be more after a `None`.
    fn next(&mut self) -> Option<Requester> {
        let item = self.0.next()?;
        let [h0, h1, l0, l1, m0, m1, family, ifindex] = words(&item)?;
        let address = Addr { high: long(h0, h1), low: long(l0, l1) };
        Some(Requester { address, mac: long(m0, m1), family, ifindex })
    }
}

impl AsFd for Requesters {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A number from its halves.
const fn long(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// A record as the words of its layout, on the little-endian machines that the program is built for.
fn words<const N: usize>(record: &[u8]) -> Option<[u32; N]> {
    let (words, []) = record.as_chunks::<4>() else { return None };
    let words: &[[u8; 4]; N] = words.try_into().ok()?;
    Some(words.map(u32::from_le_bytes))
}
