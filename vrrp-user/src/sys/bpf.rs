//! Programs of the traffic control hooks, tcx, without links: what is attached so stays when the
//! process that attached it ends, and goes with the device. Linux 6.6.
#![expect(unsafe_code, reason = "no crate wraps these commands of bpf(2)")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Commands of `enum bpf_cmd`.
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_DETACH: libc::c_int = 9;

/// Flags of linux/bpf.h for programs that share a hook.
const BPF_F_REPLACE: u32 = 1 << 2;
const BPF_F_BEFORE: u32 = 1 << 3;

/// Which way frames go that a program sees: values of `enum bpf_attach_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// Inwards.
    Ingress = 46,
    /// Outwards.
    Egress = 47,
}

/// The part of `union bpf_attr` that both commands take.
#[derive(Default)]
#[repr(C)]
struct Attributes {
    target_ifindex: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
    relative_fd: u32,
    expected_revision: u64,
}

/// Attaches a program to a device of this namespace in front of all others there.
///
/// EINVAL before Linux 6.6, EEXIST if it is there already, ENODEV without such a device.
pub fn attach_tcx(ifindex: u32, direction: Direction, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = Attributes { attach_flags: BPF_F_BEFORE, ..at(ifindex, direction, program) };
    bpf(BPF_PROG_ATTACH, &attributes)
}

/// Puts a program in the place of `old`, with no frame in between that neither sees. ENOENT if `old`
/// is not there.
pub fn replace_tcx(
    ifindex: u32,
    direction: Direction,
    program: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
) -> io::Result<()> {
    let attributes = Attributes {
        attach_flags: BPF_F_REPLACE,
        replace_bpf_fd: number(old),
        ..at(ifindex, direction, program)
    };
    bpf(BPF_PROG_ATTACH, &attributes)
}

/// Detaches a program. ENOENT if it is not there.
pub fn detach_tcx(ifindex: u32, direction: Direction, program: BorrowedFd<'_>) -> io::Result<()> {
    bpf(BPF_PROG_DETACH, &at(ifindex, direction, program))
}

fn at(ifindex: u32, direction: Direction, program: BorrowedFd<'_>) -> Attributes {
    Attributes {
        target_ifindex: ifindex,
        attach_bpf_fd: number(program),
        attach_type: direction as u32,
        ..Attributes::default()
    }
}

/// Never negative: it is open.
fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

fn bpf(command: libc::c_int, attributes: &Attributes) -> io::Result<()> {
    // SAFETY: both commands only read the attributes, which live across the call, have the layout of
    // linux/bpf.h, and have their size beside them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<Attributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
