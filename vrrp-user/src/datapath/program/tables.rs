//! What the program knows: virtual routers, addresses and virtual MACs, each with its slot.

use std::{collections::BTreeSet, net::IpAddr};

use aya::{
    Pod,
    maps::{HashMap, MapData},
};
use vrrp_common::{
    Addr, Family, Vrid, abi,
    wire::{Mac, ethernet::Vlan},
};

use super::{super::Error, Address, Datapath, VirtualMac};

impl Datapath {
    /// Ascribes adverts of one family for `vrid` on a device and VLAN to a slot.
    pub fn add_router(
        &mut self,
        ifindex: u32,
        vlan: Vlan,
        family: Family,
        vrid: Vrid,
        slot: u32,
    ) -> Result<(), Error> {
        let key = abi::router_key(ifindex, vlan, family, vrid.get());
        insert(&mut self.routers, &mut self.stale.routers, key, slot)
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
        self.admit(abi::address_bit(address.into()))?;
        match Key::of(ifindex, vlan, address) {
            Key::V4(key) => insert(&mut self.addresses, &mut self.stale.addresses, key, place)?,
            Key::V6(key) => {
                insert(&mut self.addresses_ipv6, &mut self.stale.addresses_ipv6, key, place)?;
            }
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
        let mac = abi::mac_word(mac);
        let key = abi::mac_key(ifindex, vlan, mac);
        self.admit(abi::mac_bit(mac))?;
        insert(&mut self.macs, &mut self.stale.macs, key, abi::alias(slot, device_mac))
    }

    /// Undoes [`Self::add_virtual_mac`].
    pub fn remove_virtual_mac(&mut self, ifindex: u32, vlan: Vlan, mac: Mac) -> Result<(), Error> {
        Ok(self.macs.remove(&abi::mac_key(ifindex, vlan, abi::mac_word(mac)))?)
    }

    /// Lets the program look into the tables for what has this bit of the filter. To be called before
    /// it is there, so that no frame is missed. The bit stays for ever: others may have it in common,
    /// and without an entry it costs the look into the table.
    fn admit(&mut self, (word, bit): (usize, u64)) -> Result<(), Error> {
        let mut filter = self.filter.get(&0, 0)?;
        if filter[word] & bit == 0 {
            filter[word] |= bit;
            self.filter.set(0, filter, 0)?;
        }
        Ok(())
    }
}

/// Makes an entry. Where there is no room those go that the last daemon made and nobody made anew.
fn insert<K: Pod + Ord, V: Pod>(
    table: &mut HashMap<MapData, K, V>,
    stale: &mut BTreeSet<K>,
    key: K,
    value: V,
) -> Result<(), Error> {
    stale.remove(&key);
    if table.insert(key, value, 0).is_err() {
        forget(table, stale)?;
        table.insert(key, value, 0)?;
    }
    Ok(())
}

pub(super) fn forget<K: Pod + Ord, V: Pod>(
    table: &mut HashMap<MapData, K, V>,
    stale: &mut BTreeSet<K>,
) -> Result<(), Error> {
    Ok(std::mem::take(stale).iter().try_for_each(|key| table.remove(key))?)
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
