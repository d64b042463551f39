//! What a daemon that is gone has left in the kernel: its programs on the devices, and with them its
//! maps, in which a lease may still hold.

use std::{collections::BTreeMap, fs, io, os::fd::AsFd, path::Path, sync::Arc};

use aya::{
    maps::{Array, HashMap, Map, MapData, MapInfo},
    programs::{ProgramFd, ProgramInfo},
};
use sha2::{Digest, Sha256};
use tracing::debug;
use vrrp_common::abi::{self, Setting};

use super::{
    Error, Sizes, Slots,
    hook::{self, Hook, Occupant},
    program::Program,
};
use crate::{election::Instant, sys::memory::SlotMemory};

/// Whose a program is: a number that stands for a runtime directory. Who has claimed the directory
/// ([`crate::host::RuntimeDir`]) may take over, or remove, what has this number; a daemon that lives in
/// this network namespace has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u64);

impl Owner {
    /// The owner with this runtime directory, which is there.
    pub fn of(runtime_dir: &Path) -> Self {
        let path = fs::canonicalize(runtime_dir).unwrap_or_else(|_| runtime_dir.to_owned());
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let (head, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        // 0 is nobody.
        Self(u64::from_le_bytes(*head).max(1))
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// Key of the router table, of [`abi::router_key`].
pub type RouterKey = [u32; 3];

/// The programs and maps of a daemon that is gone.
#[derive(Default)]
pub struct Heritage {
    pub(super) programs: Vec<Remnant>,
    /// Maps of this version. There are several sets where a daemon died while it replaced one.
    pub(super) generations: Vec<Generation>,
    /// What cannot be used on: programs of another version.
    strangers: usize,
}

/// A program in a hook.
pub(super) struct Remnant {
    pub(super) ifindex: u32,
    pub(super) hook: Hook,
    pub(super) program: ProgramFd,
}

/// Maps that programs have in common.
pub(super) struct Generation {
    /// Their identifiers, by name.
    pub(super) maps: BTreeMap<String, u32>,
    pub(super) slots: Arc<Slots>,
    capacity: u32,
    routers: HashMap<MapData, RouterKey, u32>,
}

impl Heritage {
    /// Looks for it on all devices of this namespace.
    pub fn of(owner: Owner) -> Result<Self, Error> {
        let is_ours = |occupant: &Occupant| {
            let name = occupant.program.name_as_str();
            name.is_some_and(|name| name.starts_with(Program::PREFIX))
        };
        let mut found = Vec::new();
        for occupant in hook::occupants().map_err(Error::List)?.into_iter().filter(is_ours) {
            let program = match occupant.program.fd().map_err(hook::cause) {
                // Its daemon, whoever's that is, has just taken it off.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                outcome => outcome.map_err(Error::List)?,
            };
            let maps = maps_of(&occupant.program)?;
            found.push((Remnant { ifindex: occupant.ifindex, hook: occupant.hook, program }, maps));
        }
        // A program that needs no settings is known by the slots that it shares with one that does.
        let mut versions = BTreeMap::new();
        for (_, maps) in &found {
            if let (Some(slots), Some(version)) = (maps.get("SLOTS"), version_for(owner, maps)) {
                versions.insert(*slots, version);
            }
        }
        let mut heritage = Self::default();
        let mut generations: BTreeMap<u32, BTreeMap<String, u32>> = BTreeMap::new();
        for (remnant, maps) in found {
            let Some(slots) = maps.get("SLOTS").copied() else { continue };
            match versions.get(&slots) {
                None => continue,
                Some(version) if *version == u64::from(abi::VERSION) => {
                    generations.entry(slots).or_default().extend(maps);
                }
                Some(_) => heritage.strangers += 1,
            }
            heritage.programs.push(remnant);
        }
        for maps in generations.into_values() {
            match Generation::open(maps) {
                Ok(generation) => heritage.generations.push(generation),
                Err(error) => {
                    debug!("maps of the last daemon cannot be used: {error}");
                    heritage.strangers += 1;
                }
            }
        }
        Ok(heritage)
    }

    /// True when there is nothing.
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }

    /// The slot that a router had, and in which set of slots.
    pub(super) fn slot_of(&self, key: &RouterKey) -> Option<(&Arc<Slots>, u32)> {
        let open = |(slots, slot): &(&Arc<Slots>, u32)| slots.get(*slot).lease();
        let found = self.generations.iter().filter_map(|generation| {
            let slot = generation.routers.get(key, 0).ok()?;
            (slot < generation.capacity).then_some((&generation.slots, slot))
        });
        found.max_by_key(open)
    }

    /// True while a router's slot is open: its lease holds, or goes on without a daemon.
    pub fn is_open(&self, key: &RouterKey, now: Instant) -> bool {
        self.slot_of(key).is_some_and(|(slots, slot)| slots.get(slot).is_open(now))
    }

    /// True while the slot of any router is open.
    pub fn is_in_force(&self, now: Instant) -> bool {
        self.generations.iter().any(|generation| {
            let mut routers = generation.routers.iter().flatten();
            routers.any(|(_, slot)| {
                slot < generation.capacity && generation.slots.get(slot).is_open(now)
            })
        })
    }

    /// The slots of its routers, where there is one set of maps; else none, as nothing can be used on.
    pub fn numbers(&self) -> BTreeMap<RouterKey, u32> {
        match &self.generations[..] {
            [generation] => generation.routers.iter().flatten().collect(),
            _ => BTreeMap::new(),
        }
    }

    /// True when its maps can be taken over as they are: they are of this version, large enough, and
    /// have no router in another slot than `routers` say, nor one that these do not have.
    pub(super) fn fits(&self, sizes: Sizes, routers: &BTreeMap<RouterKey, u32>) -> bool {
        let [generation] = &self.generations[..] else { return false };
        self.strangers == 0
            && generation.has_room_for(sizes)
            && generation
                .routers
                .iter()
                .all(|entry| matches!(entry, Ok((key, slot)) if routers.get(&key) == Some(&slot)))
    }

    /// Takes its programs off the devices, or off one, and with the last of them the maps are gone.
    /// Returns how many there were; an error, the first, when all that can be taken off are.
    pub fn remove(&self, only: Option<u32>) -> Result<usize, Error> {
        let chosen = |remnant: &&Remnant| only.is_none_or(|ifindex| ifindex == remnant.ifindex);
        let (mut removed, mut failure) = (0, None);
        for Remnant { ifindex, hook, program } in self.programs.iter().filter(chosen) {
            match hook.detach(*ifindex, program.as_fd()) {
                Ok(()) => removed += 1,
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(removed), |error| Err(Error::Detach(error)))
    }
}

impl Generation {
    fn open(maps: BTreeMap<String, u32>) -> Result<Self, Error> {
        let data = open(&maps, "SLOTS")?;
        let info = data.info()?;
        if info.value_size() as usize != size_of::<abi::Slot<u64>>() {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        }
        let capacity = info.max_entries();
        let memory = SlotMemory::map(data.fd(), capacity as usize)?;
        let routers = Map::from_map_data(open(&maps, "ROUTERS")?)?.try_into()?;
        Ok(Self { maps, slots: Arc::new(Slots::shared(memory)), capacity, routers })
    }

    /// The map with this name.
    pub(super) fn map(&self, name: &'static str) -> Result<Map, Error> {
        Ok(Map::from_map_data(open(&self.maps, name)?)?)
    }

    /// What its maps have room for.
    pub(super) fn sizes(&self) -> Sizes {
        let entries = |name| {
            let info = self.maps.get(name).and_then(|id| MapInfo::from_id(*id).ok());
            info.map_or(0, |info| info.max_entries())
        };
        Sizes {
            routers: self.capacity.min(entries("ROUTERS")).saturating_sub(1),
            addresses: entries("ADDRESSES").min(entries("ADDRESSES_IPV6")),
        }
    }

    fn has_room_for(&self, sizes: Sizes) -> bool {
        sizes.tables().into_iter().all(|(name, entries)| {
            let info = self.maps.get(name).and_then(|id| MapInfo::from_id(*id).ok());
            info.is_some_and(|info| info.max_entries() >= entries)
        })
    }
}

fn maps_of(program: &ProgramInfo) -> Result<BTreeMap<String, u32>, Error> {
    let ids = program.map_ids()?.unwrap_or_default();
    // They stay as long as the program, which may be on its way out.
    let maps = ids.into_iter().filter_map(|id| MapInfo::from_id(id).ok());
    Ok(maps.filter_map(|map| Some((map.name_as_str()?.to_owned(), map.id()))).collect())
}

fn open(maps: &BTreeMap<String, u32>, name: &'static str) -> Result<MapData, Error> {
    let id = maps.get(name).ok_or(Error::Missing(name))?;
    Ok(MapData::from_id(*id)?)
}

/// The version of these maps, if they are the owner's.
fn version_for(owner: Owner, maps: &BTreeMap<String, u32>) -> Option<u64> {
    let map = Map::from_map_data(open(maps, "SETTINGS").ok()?).ok()?;
    let settings: Array<_, u64> = map.try_into().ok()?;
    let read = |setting: Setting| settings.get(&(setting as u32), 0).ok();
    (read(Setting::Owner)? == owner.number()).then(|| read(Setting::AbiVersion))?
}
