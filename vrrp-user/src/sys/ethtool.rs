//! The one question to ethtool that the choice of attachment needs.
#![expect(unsafe_code, reason = "SIOCETHTOOL has no safe wrapper")]

use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// `ETHTOOL_GFLAGS` of linux/ethtool.h.
const GET_FLAGS: u32 = 0x25;
/// `ETH_FLAG_RXVLAN`.
const RX_VLAN_OFFLOAD: u32 = 1 << 8;

/// `struct ethtool_value` of linux/ethtool.h.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// True when the device moves VLAN tags out of received frames (rx-vlan-offload), so that an XDP
/// program sees them untagged. A device that has no such setting does not.
pub fn strips_vlan_tags(device: &str) -> bool {
    flags(device).is_some_and(|flags| flags & RX_VLAN_OFFLOAD != 0)
}

fn flags(device: &str) -> Option<u32> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    let mut name = [0; libc::IFNAMSIZ];
    // One octet stays for the terminating NUL.
    let field = name[..libc::IFNAMSIZ - 1].get_mut(..device.len())?;
    for (to, from) in field.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    let mut value = Value { command: GET_FLAGS, data: 0 };
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() },
    };
    // SAFETY: the request names a device with a terminated name and points to a value that lives
    // across the call and has the layout that the command expects.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    (result == 0).then_some(value.data)
}
