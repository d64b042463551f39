//! Who is at the other end of a Unix socket.
#![expect(unsafe_code, reason = "the safe wrapper of SO_PEERCRED knows no process 0")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// A process, as it was when it connected or began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number, `None` where it has none in this PID namespace.
    pub pid: Option<u32>,
    /// Number of its user.
    pub user: u32,
}

/// The other end of a connected Unix socket: SO_PEERCRED.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of_val(&credentials) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets of a plain structure, and both live across the
    // call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0);
    Ok(Peer { pid, user: credentials.uid })
}
