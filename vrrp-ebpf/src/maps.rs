//! The maps, and the only ways to touch them. Their layout is `vrrp_common::abi`.

use core::hint::cold_path;

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns},
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use vrrp_common::{
    Addr, Family,
    abi::{self, Counter, Counters, Doorbell, Fate, Kind, Rejected, Reported, Requester, Setting},
    ladder::{Heard, PackedRules, Reject},
    wire::{Mac, ethernet::Vlan},
};

/// One slot for each virtual router, shared with the controller as memory.
#[map]
static SLOTS: Array<abi::Slot<u64>> = Array::with_max_entries(abi::DEFAULT_SLOTS, BPF_F_MMAPABLE);

/// Device, VLAN, family and VRID to slot. Changes only with the configuration.
#[map]
static ROUTERS: HashMap<[u32; 3], u32> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Which addresses and virtual MACs the tables below may have, see [`abi::Filter`].
#[map]
static FILTER: Array<abi::Filter> = Array::with_max_entries(1, 0);

/// Device, VLAN and IPv4 address to slot and MACs. Changes only with the configuration, and when a
/// device gets another MAC.
#[map]
static ADDRESSES: HashMap<[u32; 3], abi::Place> =
    HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// The same for IPv6 addresses.
#[map]
static ADDRESSES_IPV6: HashMap<[u32; 6], abi::Place> =
    HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Device, VLAN and virtual MAC to slot and device's MAC. Changes as the address tables do.
#[map]
static MACS: HashMap<[u32; 4], abi::Alias> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Counters of each slot.
#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(abi::DEFAULT_SLOTS, 0);

/// When each reject reason last left a record on this processor, and the tick in which somebody last
/// looked whether another is due.
#[map]
static REJECT_TIMES: PerCpuArray<[[u64; 2]; Reject::COUNT]> = PerCpuArray::with_max_entries(1, 0);

/// Settings of the whole program.
#[map]
static SETTINGS: Array<u64> = Array::with_max_entries(Setting::COUNT, 0);

/// News for the pulse thread: [`Doorbell`].
#[map]
static DOORBELLS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// Rejected adverts, for people: [`Rejected`].
#[map]
static REJECTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// Hosts that the kernel is to know: [`Requester`].
#[map]
static REQUESTERS: RingBuf = RingBuf::with_byte_size(16 * 1024, 0);

/// Requesters that left a record lately, each at the place that its fingerprint says: the upper half
/// of that, and the time.
#[map]
static REMEMBERED: Array<u64> = Array::with_max_entries(abi::REMEMBERED_REQUESTERS, 0);

/// When the next record of [`REQUESTERS`] would be due if all left at the rate that is allowed.
#[map]
static NEXT_REQUESTER: Array<u64> = Array::with_max_entries(1, 0);

/// Adverts of ours, for people who asked for them: [`Reported`].
#[map]
static ADVERTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// Nanoseconds of CLOCK_MONOTONIC.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper takes no argument and has no precondition.
    unsafe { bpf_ktime_get_ns() }
}

/// The tick of the kernel, 1 to 10 ms. The verifier puts a load in place of the call, where reading
/// the clock takes as long as all the rest that is done with a bad advert.
#[inline(always)]
fn tick() -> u64 {
    // SAFETY: the helper takes no argument and has no precondition.
    unsafe { bpf_jiffies64() }
}

/// Knows of most addresses and MACs that no table has them.
#[derive(Clone, Copy)]
pub(crate) struct Filter(*const abi::Filter);

impl Filter {
    /// There always is one.
    #[inline(always)]
    pub(crate) fn find() -> Option<Self> {
        FILTER.get_ptr(0).map(Self)
    }

    /// False for what is in no table.
    #[inline(always)]
    fn may_have(self, (word, bit): (usize, u64)) -> bool {
        // SAFETY: the word is within the array, as the verifier checks once more.
        let bits = unsafe { self.0.cast::<u64>().add(word).read_volatile() };
        if bits & bit == 0 {
            return false;
        }
        cold_path();
        true
    }
}

/// A virtual router of ours.
pub(crate) struct Router {
    /// Its index.
    pub(crate) slot: u32,
    shared: *mut abi::Slot<u64>,
}

impl Router {
    /// The virtual router with this VRID on the packet's device and VLAN.
    #[inline(always)]
    pub(crate) fn by_vrid(ifindex: u32, vlan: Vlan, family: Family, vrid: u8) -> Option<Self> {
        let key = &abi::router_key(ifindex, vlan, family, vrid);
        // SAFETY: entries are never changed in place, only added and removed by the controller.
        Self::at(*unsafe { ROUTERS.get(key) }?)
    }

    /// The virtual router that has this address there, the MAC to answer with, and the device's.
    #[inline(always)]
    pub(crate) fn by_address(
        filter: Filter,
        ifindex: u32,
        vlan: Vlan,
        address: [u8; 4],
    ) -> Option<(Self, Mac, Mac)> {
        if !filter.may_have(abi::address_bit(Addr::v4(address))) {
            return None;
        }
        let key = &abi::address_key(ifindex, vlan, address);
        // SAFETY: an entry that is replaced is read as old or new, for it is replaced as a whole.
        Self::in_place(unsafe { ADDRESSES.get(key) }?)
    }

    /// The same for IPv6.
    #[inline(always)]
    pub(crate) fn by_address_ipv6(
        filter: Filter,
        ifindex: u32,
        vlan: Vlan,
        address: Addr,
    ) -> Option<(Self, Mac, Mac)> {
        if !filter.may_have(abi::address_bit(address)) {
            return None;
        }
        let key = &abi::address_key_ipv6(ifindex, vlan, address);
        // SAFETY: as in `by_address`.
        Self::in_place(unsafe { ADDRESSES_IPV6.get(key) }?)
    }

    /// The virtual router that has this virtual MAC, an [`abi::mac_word`], there, and the device's
    /// MAC.
    #[inline(always)]
    pub(crate) fn by_mac(
        filter: Filter,
        ifindex: u32,
        vlan: Vlan,
        mac: u64,
    ) -> Option<(Self, Mac)> {
        if !filter.may_have(abi::mac_bit(mac)) {
            return None;
        }
        let key = &abi::mac_key(ifindex, vlan, mac);
        // SAFETY: as in `by_address`.
        let [slot, device] = unsafe { MACS.get(key) }?;
        Some((Self::at(*slot as u32)?, abi::word_mac(*device)))
    }

    #[inline(always)]
    fn in_place([slot, answer, device]: &abi::Place) -> Option<(Self, Mac, Mac)> {
        Some((Self::at(*slot as u32)?, abi::word_mac(*answer), abi::word_mac(*device)))
    }

    #[inline(always)]
    fn at(slot: u32) -> Option<Self> {
        Some(Self { slot, shared: SLOTS.get_ptr_mut(slot)? })
    }

    /// The rules of its receive ladder.
    #[inline(always)]
    pub(crate) fn rules(&self) -> PackedRules {
        let shared = self.shared;
        // SAFETY: the map lookup gave a valid element; words are aligned and read one by one.
        unsafe {
            PackedRules {
                rules: (&raw const (*shared).rules).read_volatile(),
                addresses: (&raw const (*shared).addresses).read_volatile(),
                secret: (&raw const (*shared).secret).read_volatile(),
                own: Addr {
                    high: (&raw const (*shared).own[0]).read_volatile(),
                    low: (&raw const (*shared).own[1]).read_volatile(),
                },
                destination: Addr {
                    high: (&raw const (*shared).destination[0]).read_volatile(),
                    low: (&raw const (*shared).destination[1]).read_volatile(),
                },
            }
        }
    }

    /// True while this host answers for the addresses.
    #[inline(always)]
    pub(crate) fn is_open(&self, now: u64) -> bool {
        self.lease() > now || self.is_orphan(now)
    }

    /// True while a lease that has lapsed goes on, because nobody else was heard since.
    #[inline(always)]
    pub(crate) fn is_orphan(&self, now: u64) -> bool {
        // SAFETY: as in `rules`.
        let serves_on = unsafe { (&raw const (*self.shared).serves_on).read_volatile() != 0 };
        serves_on && (1..=now).contains(&self.lease())
    }

    #[inline(always)]
    fn lease(&self) -> u64 {
        // SAFETY: as in `rules`.
        unsafe { (&raw const (*self.shared).lease).read_volatile() }
    }

    /// Closes the slot until the controller opens it again, also where the lease is over: adverts
    /// that were on their way must not renew it. False where it is closed.
    #[inline(always)]
    pub(crate) fn close(&self) -> bool {
        // SAFETY: as in `rules`.
        unsafe {
            let is_closed = (&raw const (*self.shared).lease).read_volatile() == 0;
            if !is_closed {
                (&raw mut (*self.shared).lease).write_volatile(0);
            }
            !is_closed
        }
    }

    /// True while the addresses are on the interface because of us.
    #[inline(always)]
    pub(crate) fn is_installed(&self) -> bool {
        self.presence() & abi::INSTALLED != 0
    }

    /// [`abi::INSTALLED`] and [`abi::AWAITED`], as they are.
    #[inline(always)]
    pub(crate) fn presence(&self) -> u64 {
        // SAFETY: as in `rules`.
        unsafe { (&raw const (*self.shared).presence).read_volatile() }
    }

    /// False where what is sent to the addresses is not for this host.
    #[inline(always)]
    pub(crate) fn accepts(&self) -> bool {
        // SAFETY: as in `rules`.
        unsafe { (&raw const (*self.shared).no_accept).read_volatile() == 0 }
    }

    /// Digests of the advert whose repetitions are no news, and of one that loses.
    #[inline(always)]
    pub(crate) fn known(&self) -> (u64, u64) {
        // SAFETY: as in `rules`.
        unsafe {
            (
                (&raw const (*self.shared).expected).read_volatile(),
                (&raw const (*self.shared).ignored).read_volatile(),
            )
        }
    }

    /// Stamps that the known advert was repeated.
    #[inline(always)]
    pub(crate) fn stamp(&self, now: u64) {
        // SAFETY: as in `rules`.
        unsafe { (&raw mut (*self.shared).last_seen).write_volatile(now) }
    }

    /// Leaves news and rings, unless a doorbell of this kind is still under way, and it is not
    /// `urgent`.
    #[inline(always)]
    pub(crate) fn tell(&self, kind: Kind, at: u64, heard: &Heard, urgent: bool) {
        let (advert, source, digest) = (heard.to_word(), heard.source, heard.digest);
        // SAFETY: as in `rules`; `kind` indexes within the array.
        let news =
            unsafe { (&raw mut (*self.shared).news).cast::<abi::News<u64>>().add(kind as usize) };
        // SAFETY: as in `rules`.
        let (rung, answered) = unsafe {
            (&raw mut (*news).advert).write_volatile(advert);
            (&raw mut (*news).source[0]).write_volatile(source.high);
            (&raw mut (*news).source[1]).write_volatile(source.low);
            (&raw mut (*news).digest).write_volatile(digest);
            (&raw mut (*news).seal).write_volatile(abi::seal(at, advert, source, digest));
            (&raw mut (*news).at).write_volatile(at);
            (
                (&raw const (*news).rung).read_volatile(),
                (&raw const (*news).answered).read_volatile(),
            )
        };
        if rung != 0 && rung != answered && !urgent {
            return;
        }
        // Before the doorbell, so that its answer covers it.
        // SAFETY: as in `rules`.
        unsafe { (&raw mut (*news).rung).write_volatile(at) };
        let bell = Doorbell { slot: self.slot, kind: kind as u32 };
        if DOORBELLS.output::<Doorbell>(bell, 0).is_err() {
            // The next advert of this kind rings again.
            // SAFETY: as in `rules`.
            unsafe { (&raw mut (*news).rung).write_volatile(0) };
            count(self.slot, Counter::DoorbellsLost);
        }
    }
}

/// Counts one event of a slot.
#[inline(always)]
pub(crate) fn count(slot: u32, counter: Counter) {
    if let Some(tally) = Tally::of(slot) {
        tally.count(counter);
    }
}

/// The counters of a slot on this processor.
#[derive(Clone, Copy)]
pub(crate) struct Tally(*mut Counters);

impl Tally {
    /// Of a slot that there is.
    #[inline(always)]
    pub(crate) fn of(slot: u32) -> Option<Self> {
        COUNTERS.get_ptr_mut(slot).map(Self)
    }

    /// Counts one event.
    #[inline(always)]
    pub(crate) fn count(self, counter: Counter) {
        self.count_at(counter as usize);
    }

    #[inline(always)]
    fn count_at(self, index: usize) {
        if index < Counter::COUNT + Reject::COUNT {
            // SAFETY: this processor's own copy, and the index is within the array.
            unsafe { *self.0.cast::<u64>().add(index) += 1 }
        }
    }
}

/// Counts a rejected advert and leaves a record, unless the same reason left one just now.
#[inline(always)]
pub(crate) fn reject(slot: u32, reason: usize, family: Family, source: Addr, ifindex: u32) -> bool {
    if let Some(tally) = Tally::of(slot) {
        tally.count_at(Counter::COUNT + reason);
    }
    let Some(times) = REJECT_TIMES.get_ptr_mut(0) else { return false };
    if reason >= Reject::COUNT {
        return false;
    }
    // SAFETY: this processor's own copy, and the index is within the array.
    let [last, looked] = unsafe { &mut *times.cast::<[u64; 2]>().add(reason) };
    let tick = tick();
    if *looked == tick {
        return false;
    }
    *looked = tick;
    let at = now();
    if at - *last < abi::REJECT_RECORD_INTERVAL {
        return false;
    }
    *last = at;
    let family = u32::from(family.number());
    let record = Rejected { at, source, family, slot, reason: reason as u32, ifindex };
    // A full ring loses the record; the counter has it.
    REJECTS.output::<Rejected>(record, 0).is_ok()
}

/// Leaves a record of a host that was answered, unless it left one just now or there are too many.
/// Processors that do so at the same time may leave one more.
#[inline(always)]
pub(crate) fn introduce(requester: &Requester, now: u64) {
    let fingerprint = requester.fingerprint();
    let index = fingerprint as u32 % abi::REMEMBERED_REQUESTERS;
    let entry = fingerprint & 0xffff_ffff_0000_0000 | now >> abi::REQUESTER_AGE_SHIFT;
    let (Some(remembered), Some(due)) =
        (REMEMBERED.get_ptr_mut(index), NEXT_REQUESTER.get_ptr_mut(0))
    else {
        return;
    };
    // SAFETY: both are valid elements of a map, and words are aligned.
    unsafe {
        if remembered.read_volatile() == entry {
            return;
        }
        let next = due.read_volatile().max(now);
        if next - now >= abi::REQUESTER_BURST * abi::REQUESTER_INTERVAL {
            return;
        }
        // A full ring loses the record; the host may ask again.
        if REQUESTERS.output::<Requester>(*requester, 0).is_ok() {
            remembered.write_volatile(entry);
            due.write_volatile(next + abi::REQUESTER_INTERVAL);
        }
    }
}

/// Leaves a record of an advert.
#[inline(always)]
pub(crate) fn report(slot: u32, at: u64, heard: &Heard, fate: Fate) {
    let (advert, source) = (heard.to_word(), heard.source);
    let record = Reported { at, advert, source, slot, fate: fate as u32 };
    // Written in place: from the stack it would cost the verifier almost twice as much.
    if let Some(mut entry) = ADVERTS.reserve::<Reported>(0) {
        entry.write(record);
        entry.submit(0);
    } else {
        count(slot, Counter::ReportsLost);
    }
}

/// A setting of the whole program.
#[inline(always)]
pub(crate) fn setting(setting: Setting) -> u64 {
    SETTINGS.get(setting as u32).copied().unwrap_or(0)
}
