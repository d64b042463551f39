//! Adverts on their way: to the group, many at a time, or to each peer by itself.

use std::{
    io::IoSlice,
    iter,
    net::{IpAddr, SocketAddr, SocketAddrV6},
};

use arrayvec::ArrayVec;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use socket2::{SockAddr, Socket};

use super::{
    Port,
    frame::{AdvertFrame, Content},
};
use crate::config::Unicast;

/// What became of the copies of an advert, of which multicast has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// The kernel took them.
    pub(super) left: u64,
    /// It did not: the queue is full, the device is down, no route leads to the peer.
    pub(super) lost: u64,
}

impl Sent {
    /// Of an advert to the group.
    pub(super) fn one(left: bool) -> Self {
        let mut sent = Self::default();
        sent.count(left);
        sent
    }

    fn count(&mut self, left: bool) {
        if left {
            self.left += 1;
        } else {
            self.lost += 1;
        }
    }
}

/// Sends `content`, without waiting. `unicast` goes to every peer, also after one that cannot be
/// reached; the checksum is each peer's own. The port is of the same kind.
pub(super) fn send(
    frame: &mut AdvertFrame,
    content: &Content<'_>,
    port: &Port,
    unicast: Option<&Unicast>,
) -> Sent {
    let Some(Unicast { peers, ttl, .. }) = unicast else {
        return Sent::one(frame.frame(content).is_some_and(|frame| leaves(&port.sender, frame)));
    };
    let mut sent = Sent::default();
    for peer in peers {
        let copy = Content {
            destination: peer.address,
            hop_limit: ttl.unwrap_or(port.hop_limit),
            ..*content
        };
        let to = socket_address(peer.address, port.ifindex);
        sent.count(frame.packet(&copy).is_some_and(|packet| leaves_for(&to, &port.sender, packet)));
    }
    sent
}

/// Frames that one call of [`send_frames`] takes.
pub(super) const BATCH: usize = 64;

/// Sends whole frames, no more than [`BATCH`], without waiting. Says of each whether the kernel took
/// it; one that it refuses does not keep those behind it from leaving.
pub(super) fn send_frames<'a>(
    port: &Port,
    frames: impl Iterator<Item = &'a [u8]>,
) -> ArrayVec<bool, BATCH> {
    let frames: ArrayVec<_, BATCH> = frames.map(|frame| [IoSlice::new(frame)]).collect();
    let nothing = iter::repeat_with(SendAncillaryBuffer::default);
    let mut ancillary: ArrayVec<_, BATCH> = nothing.take(frames.len()).collect();
    let mut messages: ArrayVec<_, BATCH> = iter::zip(&frames, &mut ancillary)
        .map(|(frame, ancillary)| MMsgHdr::new(frame, ancillary))
        .collect();
    let mut left = ArrayVec::new();
    while left.len() < messages.len() {
        // An error speaks of the first one only: more is known when the rest is tried.
        match sendmmsg(&port.sender, &mut messages[left.len()..], SendFlags::empty()) {
            Ok(count) if count > 0 => left.extend(iter::repeat_n(true, count)),
            Ok(_) | Err(_) => left.push(false),
        }
    }
    left
}

/// A queue that is full counts as an error, like a device that is down.
fn leaves(socket: &Socket, frame: &[u8]) -> bool {
    socket.send(frame).is_ok_and(|sent| sent == frame.len())
}

fn leaves_for(peer: &SockAddr, socket: &Socket, packet: &[u8]) -> bool {
    socket.send_to(packet, peer).is_ok_and(|sent| sent == packet.len())
}

/// A link-local peer is on the virtual router's own interface.
fn socket_address(peer: IpAddr, ifindex: u32) -> SockAddr {
    match peer {
        IpAddr::V6(peer) if peer.is_unicast_link_local() => {
            SocketAddrV6::new(peer, 0, 0, ifindex).into()
        }
        peer => SocketAddr::new(peer, 0).into(),
    }
}
