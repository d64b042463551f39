//! Raw sockets for protocol 112, and 51 with VRRP inside: what the kernel program does not see, or everything without it.
#![expect(unsafe_code, reason = "no safe wrapper of ancillary data of IPv6 is at hand")]

use std::{
    io,
    mem::{MaybeUninit, size_of},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::AsRawFd,
};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp_common::{
    Family,
    wire::{Mac, ipv4, ipv6},
};

use super::{
    filter::{ACCEPT, IGNORE, jump, statement},
    packet::PRIORITY,
};

/// A non-blocking raw socket that receives the VRRP packets of one device, each with its IP header,
/// and makes the device a member of `groups`. It lets the kernel program's network card see the
/// groups, too.
pub fn vrrp_socket(device: &str, ifindex: u32, groups: &[Ipv4Addr]) -> io::Result<Socket> {
    let socket = raw_socket(Domain::IPV4, ipv4::VRRP)?;
    join(&socket, device, ifindex, groups)?;
    Ok(socket)
}

/// The same for VRRP packets behind an authentication header. Whatever else has such a header does
/// not come in.
pub fn ah_socket(device: &str, ifindex: u32, groups: &[Ipv4Addr]) -> io::Result<Socket> {
    let socket = raw_socket(Domain::IPV4, ipv4::AH)?;
    only_vrrp_inside(&socket)?;
    join(&socket, device, ifindex, groups)?;
    Ok(socket)
}

/// [`vrrp_socket`] for IPv6. Such a socket delivers no IP header: read it with [`receive_v6`]. The kernel
/// verifies no checksum of VRRP.
pub fn vrrp_socket_v6(device: &str, ifindex: u32, groups: &[Ipv6Addr]) -> io::Result<Socket> {
    let socket = raw_socket(Domain::IPV6, ipv6::VRRP)?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.set_multicast_all_v6(false)?;
    socket.set_recv_hoplimit_v6(true)?;
    tell_destinations(&socket)?;
    for group in groups {
        socket.join_multicast_v6(group, ifindex)?;
    }
    Ok(socket)
}

/// Lets a [`vrrp_socket`] or [`vrrp_socket_v6`] hear only the virtual routers with these VRIDs: what
/// others say wakes nobody.
pub fn only_vrids(
    socket: &Socket,
    family: Family,
    vrids: impl IntoIterator<Item = u8>,
) -> io::Result<()> {
    // The second octet of the message; with IPv4 the IP header lies in front of it.
    let mut program = match family {
        Family::V4 => vec![
            statement(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
            statement(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 1),
        ],
        Family::V6 => vec![statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 1)],
    };
    for vrid in vrids {
        program.extend([jump(vrid.into(), 0, 1), ACCEPT]);
    }
    program.push(IGNORE);
    socket.attach_filter(&program)
}

/// Lets a socket hear only what frames from `mac` bring, and no longer what it was restricted to
/// before.
pub fn hear_only(socket: &Socket, mac: Mac) -> io::Result<()> {
    let [a, b, c, d, e, f] = mac;
    let (front, back) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, 0, e, f]));
    // The link-layer header lies in front of the packet; source at offset 6 (packet(7), filter.txt).
    let source = libc::SKF_LL_OFF.cast_unsigned() + 6;
    let load = |size: u32, k: u32| statement(libc::BPF_LD | libc::BPF_ABS | size, k);
    socket.attach_filter(&[
        load(libc::BPF_W, source),
        jump(front, 0, 3),
        load(libc::BPF_H, source + 4),
        jump(back, 0, 1),
        ACCEPT,
        IGNORE,
    ])
}

fn join(socket: &Socket, device: &str, ifindex: u32, groups: &[Ipv4Addr]) -> io::Result<()> {
    socket.bind_device(Some(device.as_bytes()))?;
    // Otherwise the socket would hear every group that anybody on this host has joined.
    socket.set_multicast_all_v4(false)?;
    for group in groups {
        socket.join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(ifindex))?;
    }
    Ok(())
}

fn raw_socket(domain: Domain, protocol: u8) -> io::Result<Socket> {
    Socket::new(domain, Type::RAW.nonblocking(), Some(Protocol::from(i32::from(protocol))))
}

/// A filter that runs over each packet from its IP header on: the octet behind that header says what
/// the authentication header is in front of.
fn only_vrrp_inside(socket: &Socket) -> io::Result<()> {
    socket.attach_filter(&[
        statement(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
        statement(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0),
        jump(ipv4::VRRP.into(), 0, 1),
        ACCEPT,
        IGNORE,
    ])
}

/// A non-blocking raw socket for unicast adverts from `source`. What it sends are whole packets
/// with their IP headers, which leave by the kernel's routes and neighbours, and before all else
/// that waits; it receives what is sent to `source`, on whatever device. IPv6 is read with
/// [`receive_v6`].
///
/// A link-local `source` binds it to the device `ifindex`. EADDRNOTAVAIL if no device has the
/// address, or it cannot be used yet.
pub fn unicast_socket(source: IpAddr, ifindex: u32) -> io::Result<Socket> {
    let address: SocketAddr = match source {
        IpAddr::V6(source) if source.is_unicast_link_local() => {
            SocketAddrV6::new(source, 0, 0, ifindex).into()
        }
        source => SocketAddr::new(source, 0),
    };
    let socket = raw_socket(Domain::for_address(address), ipv4::VRRP)?;
    match source {
        IpAddr::V4(_) => socket.set_header_included_v4(true)?,
        IpAddr::V6(_) => {
            socket.set_header_included_v6(true)?;
            socket.set_recv_hoplimit_v6(true)?;
            tell_destinations(&socket)?;
        }
    }
    socket.set_priority(PRIORITY)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// As [`ah_socket`], for what is sent to `source`, on whatever device.
pub fn unicast_ah_socket(source: Ipv4Addr) -> io::Result<Socket> {
    let socket = raw_socket(Domain::IPV4, ipv4::AH)?;
    only_vrrp_inside(&socket)?;
    socket.bind(&SocketAddr::new(source.into(), 0).into())?;
    Ok(socket)
}

/// Room for the two ancillary messages that are asked for, and some more.
const CONTROL: usize = 128;

/// Reads one packet from a [`vrrp_socket_v6`] into `buffer`, behind an IPv6 header made from what the
/// kernel tells of it: source, destination, hop limit, payload length and next header are those of
/// the packet, traffic class and flow label are 0, extension headers are gone. Returns how many
/// octets of `buffer` are filled; of a packet that is longer, the header still has its length.
///
/// Errors are those of recvmsg, among them EAGAIN when nothing waits, and InvalidInput for a buffer
/// without room for the header.
pub fn receive_v6(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    let (header, payload) =
        buffer.split_first_chunk_mut::<{ ipv6::HEADER }>().ok_or(io::ErrorKind::InvalidInput)?;
    let Received { length, source, destination, hop_limit } = receive(socket, payload)?;
    let most = length.min(u16::MAX.into());
    *header = ipv6::header(0, ipv6::VRRP, hop_limit, most, source, destination);
    Ok(ipv6::HEADER + length.min(payload.len()))
}

/// A payload and what was in the header before it.
struct Received {
    /// Octets on the wire; more than the buffer has if it was too small.
    length: usize,
    source: [u8; 16],
    destination: [u8; 16],
    hop_limit: u8,
}

fn receive(socket: &Socket, payload: &mut [u8]) -> io::Result<Received> {
    let mut source = libc::sockaddr_in6 {
        sin6_family: 0,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
        sin6_scope_id: 0,
    };
    let mut control = [0_u8; CONTROL];
    let mut vector = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: all zeroes is a valid msghdr. Every pointer put into it leads to memory that is
    // borrowed mutably until the call is over, and has its size beside it.
    let (length, filled) = unsafe {
        let mut message = MaybeUninit::<libc::msghdr>::zeroed().assume_init();
        message.msg_name = (&raw mut source).cast();
        message.msg_namelen = size_of_val(&source) as libc::socklen_t;
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len();
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_TRUNC);
        (length, message.msg_controllen)
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let told = control.get(..filled).unwrap_or_default();
    let hop_limit = ancillary(told, libc::IPV6_HOPLIMIT).and_then(|data| data.first_chunk());
    let destination = ancillary(told, libc::IPV6_PKTINFO).and_then(|data| data.first_chunk());
    let (Some(hop_limit), Some(destination)) = (hop_limit, destination) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    Ok(Received {
        length,
        source: source.sin6_addr.s6_addr,
        destination: *destination,
        // An int of one octet's range.
        hop_limit: i32::from_ne_bytes(*hop_limit).to_le_bytes()[0],
    })
}

/// The data of the ancillary message `kind` of IPv6. Each message is a cmsghdr (its length with the
/// data as usize, level and kind as i32), the data, and padding to the size of a usize.
fn ancillary(mut control: &[u8], kind: i32) -> Option<&[u8]> {
    const HEAD: usize = size_of::<libc::cmsghdr>();
    loop {
        let length = usize::from_ne_bytes(*control.first_chunk()?);
        let message = control.get(..length)?;
        let (head, data) = message.split_at_checked(HEAD)?;
        let number = |octets: &[u8]| octets.try_into().ok().map(i32::from_ne_bytes);
        let (level, found) = head[size_of::<usize>()..].split_at(size_of::<i32>());
        if (number(level), number(found)) == (Some(libc::IPPROTO_IPV6), Some(kind)) {
            return Some(data);
        }
        control = control.get(length.next_multiple_of(size_of::<usize>())..)?;
    }
}

/// IPV6_RECVPKTINFO: from here on the kernel tells where each packet was sent to.
fn tell_destinations(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which lives on this stack frame and has its size beside it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Design, layer 6: ancillary data of any shape has an end and no panic.
    #[test]
    fn ancillary_of_any_shape() {
        let mut message = 20_usize.to_ne_bytes().to_vec();
        message.extend(libc::IPPROTO_IPV6.to_ne_bytes());
        message.extend(libc::IPV6_HOPLIMIT.to_ne_bytes());
        message.extend(255_i32.to_ne_bytes());
        assert_eq!(ancillary(&message, libc::IPV6_HOPLIMIT), Some(&255_i32.to_ne_bytes()[..]));
        assert_eq!(ancillary(&message, libc::IPV6_PKTINFO), None);
        for length in 0..message.len() {
            assert_eq!(ancillary(&message[..length], libc::IPV6_HOPLIMIT), None);
        }
        for length in [0, 1, 15, usize::MAX] {
            message[..8].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(ancillary(&message, libc::IPV6_HOPLIMIT), None);
        }
    }
}
