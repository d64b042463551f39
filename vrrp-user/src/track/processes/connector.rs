//! The process connector: what the kernel tells of all processes (linux/cn_proc.h, since 2.6.15).
//! Only in the first namespaces, and for that in the network's first, too.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use netlink_sys::{Socket, SocketAddr};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};

/// NETLINK_CONNECTOR.
const PROTOCOL: isize = 11;
/// CN_IDX_PROC and CN_VAL_PROC; the first is the multicast group, too.
const PROCESSES: u32 = 1;
/// PROC_CN_MCAST_LISTEN.
const LISTEN: u32 = 1;
/// Events that may wait, octets.
const BUFFER: usize = 1 << 20;

/// `struct nlmsghdr` and `struct cn_msg`.
const HEADERS: usize = 16 + 20;
/// `what`, `cpu` and `timestamp_ns` of `struct proc_event`.
const EVENT_HEADER: usize = 16;
/// NLMSG_DONE.
const DONE: u16 = 3;

/// Values of `what`.
const NONE: u32 = 0;
const FORK: u32 = 0x1;
const EXEC: u32 = 0x2;
const COMM: u32 = 0x200;
const EXIT: u32 = 0x8000_0000;

/// A socket on which the kernel tells of processes.
pub(super) struct Connector(Socket);

/// What it tells. Threads are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// There is a copy of a process.
    Fork { parent: u32, child: u32 },
    /// A process executes another program, or has another name.
    Changed(u32),
    /// A process has ended.
    Exit(u32),
    /// More has happened than was told.
    Lost,
}

impl Connector {
    /// Has the kernel tell of all processes from now on.
    ///
    /// # Errors
    /// Not permitted, or the kernel does not speak to this namespace.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(PROTOCOL)?;
        socket.bind(&SocketAddr::new(0, PROCESSES))?;
        socket.set_non_blocking(true)?;
        // More than the host allows is cut to that.
        socket.set_rx_buf_sz(i32::try_from(BUFFER).unwrap_or(i32::MAX))?;
        socket.send(&request(), 0)?;
        let connector = Self(socket);
        // The kernel has answered before `send` returns, or never does.
        loop {
            match connector.receive()? {
                Some(message) if is_consent(&message) => return Ok(connector),
                Some(_) => {}
                None => return Err(io::Error::other("the kernel does not answer")),
            }
        }
    }

    /// What has happened since the last call; `None` for nothing.
    pub(super) fn next(&self) -> Option<News> {
        loop {
            match self.receive() {
                Ok(Some(message)) => {
                    if let Some(news) = parse(&message) {
                        return Some(news);
                    }
                }
                Ok(None) => return None,
                Err(_) => return Some(News::Lost),
            }
        }
    }

    /// One message; `None` if none waits. Its only error is that some were lost.
    fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; 1024];
        match recv(&self.0, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                buffer.truncate(length);
                Ok(Some(buffer))
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The request to listen. All of it is in the host's byte order.
fn request() -> Vec<u8> {
    let length = HEADERS as u32 + 4;
    let mut request = Vec::with_capacity(length as usize);
    request.extend(length.to_ne_bytes());
    for half in [DONE, 0] {
        request.extend(half.to_ne_bytes());
    }
    // Sequence and port of netlink; index, value, sequence and acknowledgement of the connector.
    for word in [0, 0, PROCESSES, PROCESSES, 0, 0] {
        request.extend(u32::to_ne_bytes(word));
    }
    // Length of what follows, flags.
    for half in [4_u16, 0] {
        request.extend(half.to_ne_bytes());
    }
    request.extend(LISTEN.to_ne_bytes());
    request
}

/// The event in a message: what, and its own fields.
fn event(message: &[u8]) -> Option<(u32, &[u8])> {
    let event = message.get(HEADERS..)?;
    Some((word(event, 0)?, event.get(EVENT_HEADER..)?))
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let bytes = bytes.get(index * 4..index * 4 + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Whether a message is the kernel's answer to a request, without an error.
fn is_consent(message: &[u8]) -> bool {
    event(message).is_some_and(|(what, fields)| what == NONE && word(fields, 0) == Some(0))
}

fn parse(message: &[u8]) -> Option<News> {
    let (what, fields) = event(message)?;
    // Each is a thread and the process that it belongs to.
    let (first, second) =
        ((word(fields, 0)?, word(fields, 1)?), (word(fields, 2), word(fields, 3)));
    match what {
        FORK if second.0 == second.1 => Some(News::Fork { parent: first.1, child: second.1? }),
        EXEC => Some(News::Changed(first.1)),
        COMM if first.0 == first.1 => Some(News::Changed(first.1)),
        EXIT if first.0 == first.1 => Some(News::Exit(first.1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(what: u32, fields: &[u32]) -> Vec<u8> {
        let mut message = vec![0; HEADERS];
        message.extend(what.to_ne_bytes());
        message.extend([0; EVENT_HEADER - 4]);
        message.extend(fields.iter().flat_map(|field| field.to_ne_bytes()));
        message
    }

    /// keyword `vrrp_track_process`: what the kernel says of processes counts, what it says of threads
    /// does not, and a message that is too short is none.
    #[test]
    fn messages() {
        for (what, fields, news) in [
            (FORK, [5, 4, 7, 7], Some(News::Fork { parent: 4, child: 7 })),
            (FORK, [4, 4, 8, 4], None),
            (EXEC, [9, 9, 0, 0], Some(News::Changed(9))),
            (COMM, [9, 9, 0, 0], Some(News::Changed(9))),
            (COMM, [10, 9, 0, 0], None),
            (EXIT, [9, 9, 0, 17], Some(News::Exit(9))),
            (EXIT, [10, 9, 0, 17], None),
            (0x4, [9, 9, 0, 0], None),
        ] {
            let message = message(what, &fields);
            assert_eq!(parse(&message), news);
            for length in 0..HEADERS + EVENT_HEADER + 8 {
                assert_eq!(parse(&message[..length]), None);
            }
        }
        assert!(is_consent(&message(NONE, &[0])));
        assert!(!is_consent(&message(NONE, &[1])));
    }

    /// The request is what `struct nlmsghdr`, `struct cn_msg` and the operation take.
    #[test]
    fn request_to_listen() {
        assert_eq!(request().len(), 40);
    }
}
