//! One rtnetlink connection: dumps and batches of requests.

use std::iter;

use futures_util::StreamExt;
use rtnetlink::{
    packet_core::{
        NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer,
        NetlinkDeserializable, NetlinkMessage, NetlinkPayload,
    },
    packet_route::RouteNetlinkMessage,
    proto::{
        ConnectionHandle, new_connection,
        sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE},
    },
};
use rustix::io::Errno;

use super::{Error, Result, error::errno};

/// Requests in one datagram. The kernel queues one answer per request before the datagram's send
/// returns, so this many must fit the default receive buffer (208 KiB; an answer counts as about
/// 1 KiB of it).
const BATCH: usize = 64;

/// How often a list is asked for that changed while the kernel wrote it.
const DUMP_ATTEMPTS: usize = 5;

const KERNEL: u32 = 0;

/// To one request: `Ok(Ok(()))` done, `Ok(Err(errno))` refused by the kernel, `Err` not known.
pub(super) type Answer = Result<std::result::Result<(), Errno>>;

/// The links and addresses of one network namespace.
///
/// Clones share one netlink socket. All methods may run at the same time.
#[derive(Clone, Debug)]
pub struct Host {
    connection: ConnectionHandle<RouteNetlinkMessage>,
    /// The kernel's number for our end of it.
    port: u32,
}

impl Host {
    /// Opens the connection in the network namespace of the calling thread. Its task runs on the
    /// current tokio runtime until the last clone is dropped.
    pub fn new() -> Result<Self> {
        let (mut task, connection, _unsolicited) =
            new_connection::<RouteNetlinkMessage>(NETLINK_ROUTE)
                .map_err(|e| Error::Socket(errno(&e)))?;
        // Without these two an answer could not be told from a lost connection.
        task.set_forward_ack(true);
        task.set_forward_done(true);
        // Answers need not repeat the request.
        task.socket_mut().socket_mut().set_cap_ack(true).map_err(|e| Error::Socket(errno(&e)))?;
        let address = task.socket_mut().socket_mut().bind_auto();
        let port = address.map_err(|e| Error::Socket(errno(&e)))?.port_number();
        tokio::spawn(task);
        Ok(Self { connection, port })
    }

    /// True when the kernel tells of something that was asked for here.
    pub(super) const fn has_asked_for(
        &self,
        message: &NetlinkMessage<RouteNetlinkMessage>,
    ) -> bool {
        message.header.port_number == self.port
    }

    /// The answers to a dump request, in the kernel's order. `what` is for messages.
    pub(super) async fn dump(
        &self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(answers) = self.dump_once(what, request.clone()).await? {
                return Ok(answers);
            }
        }
        Err(Error::Unsteady { what })
    }

    /// `None` when the list changed meanwhile and may lack entries.
    async fn dump_once(
        &self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut stream = self
            .connection
            .request(request, SocketAddr::new(KERNEL, 0))
            .map_err(|_| Error::ConnectionLost)?;

        let mut answers = Vec::new();
        let mut interrupted = false;
        while let Some(message) = stream.next().await {
            interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Done(_) => return Ok((!interrupted).then_some(answers)),
                NetlinkPayload::Error(error) => {
                    let errno = Errno::from_raw_os_error(-error.raw_code());
                    return Err(Error::List { what, errno });
                }
                _ => {}
            }
        }
        Err(Error::ConnectionLost)
    }

    /// Carries out `requests` in order, whatever becomes of each, and returns one answer per
    /// request. All are on their way before the first answer is awaited.
    pub(super) async fn batch(
        &self,
        requests: Vec<RouteNetlinkMessage>,
        flags: u16,
    ) -> Vec<Answer> {
        self.batch_of(requests.into_iter().map(|request| (request, flags)).collect()).await
    }

    /// The same with flags of its own for each request.
    pub(super) async fn batch_of(&self, requests: Vec<(RouteNetlinkMessage, u16)>) -> Vec<Answer> {
        let mut requests = requests.into_iter().map(|(request, flags)| {
            let mut message = NetlinkMessage::from(request);
            message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
            message
        });
        let mut streams = Vec::new();
        loop {
            let datagram: Vec<_> = requests.by_ref().take(BATCH).collect();
            if datagram.is_empty() {
                break;
            }
            let expected = datagram.len();
            let stream = self.connection.request_batch(datagram, SocketAddr::new(KERNEL, 0));
            streams.push((expected, stream));
        }

        let mut results = Vec::new();
        for (expected, stream) in streams {
            let mut answers = Vec::with_capacity(expected);
            if let Ok(mut stream) = stream {
                while let Some(message) = stream.next().await {
                    if let NetlinkPayload::Error(answer) = message.payload {
                        answers.push(Ok(match answer.code {
                            None => Ok(()),
                            Some(code) => Err(Errno::from_raw_os_error(-code.get())),
                        }));
                    }
                }
            }
            answers.resize(expected, Err(Error::ConnectionLost));
            results.append(&mut answers);
        }
        results
    }
}

/// The messages of a datagram, as far as they are understood: the kernel puts many into one.
pub(crate) fn messages<I: NetlinkDeserializable>(
    mut datagram: &[u8],
) -> impl Iterator<Item = NetlinkMessage<I>> {
    iter::from_fn(move || {
        let length = NetlinkBuffer::new_checked(datagram).ok()?.length() as usize;
        let (message, rest) = datagram.split_at_checked(length)?;
        // Each begins at a multiple of 4 octets.
        datagram = rest.get(length.next_multiple_of(4) - length..).unwrap_or_default();
        Some(NetlinkMessage::deserialize(message).ok())
    })
    .flatten()
}
