//! The hooks of devices, and what is in them. No attachment here is a link of the kernel's: a link
//! ends with the process that has it, or with the bpffs that it is pinned to, and one that is mounted
//! inside `ip netns exec` ends with that. XDP through netlink and tcx without a link last until they
//! are undone or the device goes.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use aya::programs::{
    ProgramError, ProgramInfo, SchedClassifier, TcAttachType, TcError, loaded_programs,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::{
    packet_core::{
        NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    },
    packet_route::{
        RouteNetlinkMessage,
        link::{LinkAttribute, LinkMessage, LinkXdp},
    },
};
use rustix::io::Errno;

use super::{Mode, Program};
use crate::{
    host::messages,
    sys::bpf::{self, Direction},
};

/// Flags of linux/if_link.h: only where nothing is, in which mode, only in place of what is expected.
const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1 << 0;
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
const XDP_FLAGS_REPLACE: u32 = 1 << 4;

/// How often a list is asked for that changed while the kernel wrote it.
const ATTEMPTS: usize = 5;

/// A place of a device where a program can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hook {
    /// XDP in the driver.
    Native,
    /// XDP behind the driver. A device has one of the two.
    Generic,
    /// tcx inwards.
    Ingress,
    /// tcx outwards.
    Egress,
}

impl Hook {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Native, Self::Generic, Self::Ingress, Self::Egress];

    /// Where a mode has its program.
    pub(super) const fn of(mode: Mode) -> Option<Self> {
        match mode {
            Mode::Native => Some(Self::Native),
            Mode::Generic => Some(Self::Generic),
            Mode::Tcx => Some(Self::Ingress),
            Mode::None => None,
        }
    }

    /// The program that belongs there.
    pub(super) const fn program(self) -> Program {
        match self {
            Self::Native | Self::Generic => Program::Xdp,
            Self::Ingress => Program::Ingress,
            Self::Egress => Program::Egress,
        }
    }

    /// Attaches a program where none of ours is: XDP only where there is no other (EBUSY), tcx in
    /// front of others, which get to see what passes.
    pub(super) fn attach(self, ifindex: u32, program: BorrowedFd<'_>) -> io::Result<()> {
        match self.place() {
            Place::Xdp(mode) => {
                let flags = mode | XDP_FLAGS_UPDATE_IF_NOEXIST;
                set_xdp(ifindex, vec![LinkXdp::Fd(program.as_raw_fd()), LinkXdp::Flags(flags)])
            }
            Place::Tcx(direction) => bpf::attach_tcx(ifindex, direction, program),
        }
    }

    /// Replaces `old`: each frame is seen by one of the two. An error if it is not there.
    pub(super) fn replace(
        self,
        ifindex: u32,
        program: BorrowedFd<'_>,
        old: BorrowedFd<'_>,
    ) -> io::Result<()> {
        match self.place() {
            Place::Xdp(mode) => change_xdp(ifindex, mode, program.as_raw_fd(), old),
            Place::Tcx(direction) => bpf::replace_tcx(ifindex, direction, program, old),
        }
    }

    /// Detaches a program. An error if it is not there.
    pub(super) fn detach(self, ifindex: u32, program: BorrowedFd<'_>) -> io::Result<()> {
        const NOTHING: i32 = -1;
        match self.place() {
            Place::Xdp(mode) => change_xdp(ifindex, mode, NOTHING, program),
            Place::Tcx(direction) => bpf::detach_tcx(ifindex, direction, program),
        }
    }

    const fn place(self) -> Place {
        match self {
            Self::Native => Place::Xdp(XDP_FLAGS_DRV_MODE),
            Self::Generic => Place::Xdp(XDP_FLAGS_SKB_MODE),
            Self::Ingress => Place::Tcx(Direction::Ingress),
            Self::Egress => Place::Tcx(Direction::Egress),
        }
    }
}

/// How the kernel is told of a hook.
enum Place {
    /// With the flag of the mode.
    Xdp(u32),
    Tcx(Direction),
}

/// A program in a hook, whoever's it is.
pub(super) struct Occupant {
    pub(super) ifindex: u32,
    pub(super) hook: Hook,
    pub(super) program: ProgramInfo,
}

/// What is in the hooks of this namespace's devices. A device, or a program, that goes meanwhile is
/// left out, and nothing else.
pub(super) fn occupants() -> io::Result<Vec<Occupant>> {
    let mut found = Vec::new();
    let links = || request(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP);
    for link in steady(io::ErrorKind::Interrupted, links)? {
        let RouteNetlinkMessage::NewLink(link) = link else { continue };
        let ifindex = link.header.index;
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::IfName(name) => found.extend(tcx_occupants(ifindex, name)?),
                LinkAttribute::Xdp(xdp) => found.extend(xdp_occupants(ifindex, xdp)),
                _ => {}
            }
        }
    }
    Ok(found)
}

fn xdp_occupants(ifindex: u32, xdp: &[LinkXdp]) -> impl Iterator<Item = Occupant> {
    xdp.iter().filter_map(move |attribute| {
        let (hook, id) = match attribute {
            LinkXdp::DrvProgId(id) => (Hook::Native, *id),
            LinkXdp::SkbProgId(id) => (Hook::Generic, *id),
            _ => return None,
        };
        let program = loaded_programs().flatten().find(|program| program.id() == id)?;
        Some(Occupant { ifindex, hook, program })
    })
}

fn tcx_occupants(ifindex: u32, name: &str) -> io::Result<Vec<Occupant>> {
    let mut found = Vec::new();
    for (hook, direction) in
        [(Hook::Ingress, TcAttachType::Ingress), (Hook::Egress, TcAttachType::Egress)]
    {
        // One program that goes spoils the list of all.
        let query = || SchedClassifier::query_tcx(name, direction).map_err(cause);
        let programs = match steady(io::ErrorKind::NotFound, query) {
            Ok((_, programs)) => programs,
            Err(error) => match Errno::from_io_error(&error) {
                // The kernel has no tcx, the device is gone, or all that is there belongs to somebody
                // with more rights than this process, which has attached nothing then.
                Some(Errno::INVAL | Errno::NODEV | Errno::PERM) => continue,
                _ => return Err(error),
            },
        };
        found.extend(programs.into_iter().map(|program| Occupant { ifindex, hook, program }));
    }
    Ok(found)
}

/// Asks again while `unsteady` says that something changed meanwhile, a few times.
fn steady<T>(unsteady: io::ErrorKind, mut ask: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..ATTEMPTS {
        match ask() {
            Err(error) if error.kind() == unsteady => {}
            outcome => return outcome,
        }
    }
    ask()
}

/// What the kernel said.
pub(super) fn cause(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        ProgramError::TcError(TcError::IoError(error)) => error,
        error => io::Error::other(error),
    }
}

fn change_xdp(ifindex: u32, mode: u32, to: i32, from: BorrowedFd<'_>) -> io::Result<()> {
    let expected = from.as_fd().as_raw_fd().cast_unsigned();
    let flags = LinkXdp::Flags(mode | XDP_FLAGS_REPLACE);
    set_xdp(ifindex, vec![LinkXdp::Fd(to), LinkXdp::ExpectedFd(expected), flags])
}

fn set_xdp(ifindex: u32, xdp: Vec<LinkXdp>) -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = ifindex;
    link.attributes = vec![LinkAttribute::Xdp(xdp)];
    request(RouteNetlinkMessage::SetLink(link), NLM_F_ACK).map(drop)
}

/// Asks rtnetlink and waits for the whole answer, which is there when the question has been sent. A
/// list that changed meanwhile and may lack entries is [`io::ErrorKind::Interrupted`].
fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    const KERNEL: u32 = 0;
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(KERNEL, 0))?;
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut datagram = vec![0; message.buffer_len()];
    message.serialize(&mut datagram);
    socket.send(&datagram, 0)?;

    let (mut answers, mut is_interrupted) = (Vec::new(), false);
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        for message in messages(&datagram) {
            is_interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Error(error) => {
                    return match error.code {
                        None => Ok(answers),
                        Some(code) => Err(io::Error::from_raw_os_error(-code.get())),
                    };
                }
                NetlinkPayload::Done(_) if is_interrupted => {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                NetlinkPayload::Done(_) => return Ok(answers),
                _ => {}
            }
        }
    }
}
