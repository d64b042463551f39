//! The few system calls without a safe wrapper: packet sockets here, floods and threads that hang below.
#![expect(unsafe_code, reason = "packet sockets and ptrace have no safe wrapper")]

mod flood;
mod hung;

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd},
    ptr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use crate::{Namespace, Node};

pub use flood::Flood;
pub use hung::Hung;

/// Larger than any frame of a lab.
const FRAME_ROOM: usize = 2048;
/// MTU of a cable for frames in pieces.
const JUMBO: &str = "9000";
/// Room for bursts: a prober's answers of several seconds.
const RECEIVE_BUFFER: libc::c_int = 32 << 20;
/// Where a VLAN tag stands in a frame: behind the two addresses.
const TAG_OFFSET: usize = 12;
/// How long a receive waits before it returns empty-handed.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(20);

/// A raw socket on a node's interface: whole Ethernet frames, what the node itself sends is not
/// received.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
    /// What the kernel wants in front of each frame: nothing, or an empty `struct virtio_net_hdr`.
    announces: &'static [u8],
}

impl PacketSocket {
    /// Opens the socket on the node's interface.
    ///
    /// # Errors
    /// Not root, or the interface is gone.
    pub fn open(node: &Node) -> Result<Self> {
        Self::on(node.namespace(), Node::INTERFACE)
    }

    /// Opens the socket at the switch's end of the node's cable: what it sends is what the node
    /// receives, down to a VLAN tag that the switch would keep beside the frame.
    ///
    /// # Errors
    /// Not root, or the interface is gone.
    pub fn at_switch(node: &Node) -> Result<Self> {
        Self::on(node.switch(), node.port())
    }

    /// Opens the socket on another of the node's interfaces.
    ///
    /// # Errors
    /// Not root, or there is no such interface.
    pub fn open_on(node: &Node, interface: &str) -> Result<Self> {
        Self::on(node.namespace(), interface)
    }

    /// Like [`Self::at_switch`], but frames of a page and more arrive as some network cards deliver
    /// them: in pieces, with not much more than the Ethernet header in the first. Only to send. The
    /// cable takes jumbo frames from now on.
    ///
    /// # Errors
    /// Not root, or the interface is gone.
    pub fn in_pieces(node: &Node) -> Result<Self> {
        node.switch().ip(&["link", "set", node.port(), "mtu", JUMBO])?;
        node.namespace().ip(&["link", "set", Node::INTERFACE, "mtu", JUMBO])?;
        let socket = Self::at_switch(node)?.socket;
        set_option(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        Ok(Self { socket, announces: &[0; 10] })
    }

    /// Opens the socket on another of the node's interfaces only to send: what comes in there pays
    /// nothing for it.
    ///
    /// # Errors
    /// Not root, or there is no such interface.
    pub fn to_send_on(node: &Node, interface: &str) -> Result<Self> {
        node.namespace().enter(|| {
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
            let index = name_to_index(socket.as_fd(), interface)?;
            socket.bind(&link_address(index.cast_signed(), 0))?;
            Ok(Self { socket, announces: &[] })
        })
    }

    fn on(namespace: &Namespace, interface: &str) -> Result<Self> {
        namespace
            .enter(|| Ok(Self { socket: open(interface)?, announces: &[] }))
            .with_context(|| format!("cannot open a packet socket on {interface}"))
    }

    /// Sends one frame, from the destination MAC on, as it is.
    ///
    /// # Errors
    /// The kernel refused it, for example because the interface is down.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(&[self.announces, frame].concat()).map(drop)
    }

    /// The next frame and the time at which the kernel received it; `None` after a short wait. A VLAN
    /// tag that the kernel keeps beside the frame is put back.
    ///
    /// # Errors
    /// Anything else than silence.
    pub fn receive(&self) -> io::Result<Option<(SystemTime, Vec<u8>)>> {
        let mut frame = vec![0; FRAME_ROOM];
        match receive_stamped(&self.socket, &mut frame) {
            Ok(Received { at, length, tag }) => {
                frame.truncate(length);
                if let Some(tag) = tag.filter(|_| length >= TAG_OFFSET) {
                    frame.splice(TAG_OFFSET..TAG_OFFSET, tag);
                }
                Ok(Some((at, frame)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // The process was stopped and goes on, for example.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            // A link that went down is reported once; frames flow again when it is up.
            Err(error) if error.kind() == io::ErrorKind::NetworkDown => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn open(interface: &str) -> io::Result<Socket> {
    let every_protocol = libc::ETH_P_ALL.cast_unsigned() as u16;
    // Opened for no protocol, so that nothing arrives from other interfaces before bind.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER)?;
    set_option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    set_option(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    let index = name_to_index(socket.as_fd(), interface)?;
    socket.bind(&link_address(index.cast_signed(), every_protocol.to_be()))?;
    Ok(socket)
}

/// The address of an interface; `protocol` in network byte order.
fn link_address(index: libc::c_int, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll consists of integers only and fits into the storage, which is zeroed and
    // aligned for every kind of socket address.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET.cast_unsigned() as u16;
    link.sll_protocol = protocol;
    link.sll_ifindex = index;
    // SAFETY: the storage holds a sockaddr_ll, and that is the length given.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as u32) }
}

fn set_option(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of_val(&value) as u32;
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the kernel says of a frame.
#[derive(Default)]
struct Notes {
    at: Option<SystemTime>,
    tag: Option<[u8; 4]>,
}

struct Received {
    at: SystemTime,
    length: usize,
    tag: Option<[u8; 4]>,
}

/// Receives a frame with its SO_TIMESTAMPNS and PACKET_AUXDATA. Without a stamp (the kernel switches
/// stamping on a moment after the option was set) the time is now.
fn receive_stamped(socket: &Socket, frame: &mut [u8]) -> io::Result<Received> {
    /// Aligned as control messages must be.
    #[repr(align(8))]
    struct Control([u8; 128]);
    let mut control = Control([0; 128]);
    let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
    // SAFETY: msghdr consists of integers and pointers, for which zero is a valid value.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: `message` points to `part` and `control`, which outlive the call, with their lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has filled `message` and its control buffer.
    let notes = unsafe { notes_of(&message) };
    Ok(Received {
        at: notes.at.unwrap_or_else(SystemTime::now),
        length: length.min(frame.len()),
        tag: notes.tag,
    })
}

/// The time stamp and the VLAN tag among the control messages.
///
/// # Safety
/// `message` was filled by recvmsg and its control buffer is still there.
unsafe fn notes_of(message: &libc::msghdr) -> Notes {
    let mut notes = Notes::default();
    // SAFETY: as the caller promises.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() };
    while let Some(control) = header {
        if (control.cmsg_level, control.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            // SAFETY: a message of this type carries a timespec, perhaps not aligned.
            let time =
                unsafe { libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned() };
            let seconds = Duration::from_secs(time.tv_sec.cast_unsigned());
            let rest = Duration::from_nanos(time.tv_nsec.cast_unsigned());
            notes.at = Some(UNIX_EPOCH + seconds + rest);
        }
        if (control.cmsg_level, control.cmsg_type) == (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            // SAFETY: a message of this type carries a tpacket_auxdata, perhaps not aligned.
            let auxiliary = unsafe {
                libc::CMSG_DATA(control).cast::<libc::tpacket_auxdata>().read_unaligned()
            };
            if auxiliary.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                let [t0, t1] = auxiliary.tp_vlan_tpid.to_be_bytes();
                let [c0, c1] = auxiliary.tp_vlan_tci.to_be_bytes();
                notes.tag = Some([t0, t1, c0, c1]);
            }
        }
        // SAFETY: `control` belongs to `message`.
        header = unsafe { libc::CMSG_NXTHDR(message, control).as_ref() };
    }
    notes
}
