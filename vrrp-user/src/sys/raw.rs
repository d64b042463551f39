//! Raw sockets for protocol 112: what the kernel program does not see, or everything without it.

use std::{io, net::Ipv4Addr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp_common::wire::ipv4;

/// A non-blocking raw socket that receives the VRRP packets of one device, each with its IP header,
/// and makes the device a member of `groups`. It lets the kernel program's network card see the
/// groups, too.
pub fn vrrp_socket(device: &str, ifindex: u32, groups: &[Ipv4Addr]) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::IPV4,
        Type::RAW.nonblocking(),
        Some(Protocol::from(i32::from(ipv4::VRRP))),
    )?;
    socket.bind_device(Some(device.as_bytes()))?;
    // Otherwise the socket would hear every group that anybody on this host has joined.
    socket.set_multicast_all_v4(false)?;
    for group in groups {
        socket.join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(ifindex))?;
    }
    Ok(socket)
}
