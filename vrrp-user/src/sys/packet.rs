//! AF_PACKET sockets that send whole Ethernet frames.
#![expect(unsafe_code, reason = "no safe wrapper of struct sockaddr_ll is at hand")]

use std::{io, mem::size_of};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// What the queueing disciplines of the kernel serve first (skb priority 7, TC_PRIO_CONTROL).
pub(super) const PRIORITY: u32 = 7;

/// A socket whose `send` puts one whole Ethernet frame on the interface `ifindex`.
///
/// Non-blocking: EAGAIN means that the interface's queue is full. It receives nothing. Needs
/// CAP_NET_RAW and CAP_NET_ADMIN; ENODEV without such an interface.
pub fn packet_socket(ifindex: u32) -> io::Result<Socket> {
    // Protocol 0: no frame is ever delivered here, so nobody has to read.
    let nothing = Protocol::from(0);
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(nothing))?;
    socket.set_priority(PRIORITY)?;
    socket.bind(&link_address(ifindex)?)?;
    Ok(socket)
}

/// False once the interface of a [`packet_socket`] has been deleted or has left this namespace, even
/// if there is another one under its number.
pub fn is_bound(socket: &Socket) -> bool {
    let Ok(address) = socket.local_addr() else { return false };
    if address.domain() != Domain::PACKET {
        return false;
    }
    // SAFETY: the storage behind `as_ptr` is as large and as aligned as any socket address, all of it
    // is initialized, and the domain says that it is a sockaddr_ll.
    unsafe { (*address.as_ptr().cast::<libc::sockaddr_ll>()).sll_ifindex > 0 }
}

fn link_address(ifindex: u32) -> io::Result<SockAddr> {
    let index = ifindex.try_into().map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let fill = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: `try_init` passes valid pointers, the storage is as large and as aligned as any
        // socket address, and `length` says how much of it was written.
        unsafe {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        }
        Ok(())
    };
    // SAFETY: `fill` writes a complete sockaddr_ll and its length.
    let ((), address) = unsafe { SockAddr::try_init(fill) }?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-6.4.2-07: frames for an interface that does not exist are refused when the socket is made,
    /// not silently sent elsewhere.
    #[test]
    fn unknown_interface() {
        for index in [0x7fff_ffff, u32::MAX] {
            let error = packet_socket(index).unwrap_err();
            let errno = error.raw_os_error();
            assert_ne!(errno, Some(libc::EPERM), "this test must run as root");
            assert_eq!(errno, Some(libc::ENODEV));
        }
    }
}
