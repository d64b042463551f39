//! Transactions with nf_tables, and the few words of its language that we need.

use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    nftables::{
        Cmp, DataAttribute, ExpressionAttribute, Expressions, Immediate, ListAttribute, Lookup,
        Meta, MetaKey, NfTablesMessage, Operator, Payload, Register, TableAttribute, Verdict,
        VerdictAttribute,
    },
    none::ControlMessage,
};
use netlink_sys::{
    AsyncSocket, AsyncSocketExt, Socket, SocketAddr, TokioSocket, protocols::NETLINK_NETFILTER,
};
use rtnetlink::packet_core::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rustix::io::Errno;

use super::{Error, Result, error::errno, netlink::messages};

/// NFNL_SUBSYS_NFTABLES: whose messages a batch is made of.
const SUBSYSTEM: u16 = 10;

const KERNEL: u32 = 0;

/// Multicast group of all changes, NFNLGRP_NFTABLES, as a bit.
const CHANGES: u32 = 1 << 6;

/// NF_DROP and NF_ACCEPT.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// One step of a transaction.
pub(super) enum Step {
    /// Makes what the message names, or leaves it as it is.
    Make(NfTablesMessage),
    /// Adds a rule behind the others.
    Append(NfTablesMessage),
    /// Removes it; an error where there is none.
    Remove(NfTablesMessage),
}

/// A netlink socket to nf_tables.
pub(super) struct NfTables {
    socket: Socket,
}

impl NfTables {
    /// Opens the socket in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self> {
        let socket = Socket::new(NETLINK_NETFILTER)
            .and_then(|mut socket| {
                socket.bind_auto()?;
                socket.connect(&SocketAddr::new(KERNEL, 0))?;
                socket.set_cap_ack(true)?;
                socket.set_non_blocking(true)?;
                Ok(socket)
            })
            .map_err(|error| refusal(errno(&error)))?;
        Ok(Self { socket })
    }

    /// Carries out all steps, or none. The kernel does so before it returns from the call, which
    /// takes well below a millisecond for hundreds of elements.
    pub(super) fn transact(&self, steps: impl IntoIterator<Item = Step>) -> Result<()> {
        let mut batch = Vec::new();
        put(&mut batch, 0, NetfilterMessage::new(whole_batch(), ControlMessage::BatchBegin));
        for step in steps {
            let (flags, message) = match step {
                Step::Make(message) => (NLM_F_CREATE, message),
                Step::Append(message) => (NLM_F_CREATE | NLM_F_APPEND, message),
                Step::Remove(message) => (0, message),
            };
            let inet = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
            put(&mut batch, flags, NetfilterMessage::new(inet, message));
        }
        put(&mut batch, 0, NetfilterMessage::new(whole_batch(), ControlMessage::BatchEnd));

        self.socket.send(&batch, 0).map_err(|error| refusal(errno(&error)))?;
        match self.first_error() {
            None => Ok(()),
            Some(errno) => Err(refusal(errno)),
        }
    }

    /// The kernel only speaks of errors, and all that it says waits already. The first one is the
    /// reason, the others follow from it.
    fn first_error(&self) -> Option<Errno> {
        let mut first = None;
        loop {
            let datagram = match self.socket.recv_from_full() {
                Ok((datagram, _)) => datagram,
                Err(error) if errno(&error) == Errno::AGAIN => return first,
                Err(error) => return first.or(Some(errno(&error))),
            };
            let mut payloads = messages::<NetfilterMessage>(&datagram).map(|answer| answer.payload);
            let refusal = payloads.find_map(|payload| match payload {
                NetlinkPayload::Error(error) => Some(Errno::from_raw_os_error(-error.code?.get())),
                _ => None,
            });
            first = first.or(refusal);
        }
    }
}

/// Tells when a table is removed, whoever does it.
pub struct Removals {
    socket: TokioSocket,
    table: String,
}

impl Removals {
    pub(super) fn of(table: &str) -> Result<Self> {
        let socket = TokioSocket::new(NETLINK_NETFILTER)
            .and_then(|mut socket| {
                socket.socket_mut().bind(&SocketAddr::new(0, CHANGES))?;
                Ok(socket)
            })
            .map_err(|error| refusal(errno(&error)))?;
        Ok(Self { socket, table: table.to_owned() })
    }

    /// Waits until the table may have been removed: what the kernel had to say may have been lost.
    pub async fn next(&mut self) {
        loop {
            let Ok((datagram, _)) = self.socket.recv_from_full().await else { return };
            if messages(&datagram).any(|message| self.is_removal(&message.payload)) {
                return;
            }
        }
    }

    fn is_removal(&self, payload: &NetlinkPayload<NetfilterMessage>) -> bool {
        let NetlinkPayload::InnerMessage(message) = payload else { return false };
        match &message.inner {
            NetfilterMessageInner::NfTables(NfTablesMessage::DeleteTable(table)) => {
                table.attributes.contains(&TableAttribute::Name(self.table.clone()))
            }
            _ => false,
        }
    }
}

fn refusal(errno: Errno) -> Error {
    match errno {
        Errno::PROTONOSUPPORT | Errno::OPNOTSUPP | Errno::AFNOSUPPORT => Error::NoFirewall,
        errno => Error::Firewall(errno),
    }
}

fn whole_batch() -> NetfilterHeader {
    NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM)
}

fn put(batch: &mut Vec<u8>, flags: u16, message: NetfilterMessage) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let start = batch.len();
    // Attributes are padded to 4 octets, so the next header is aligned.
    batch.resize(start + message.buffer_len(), 0);
    message.serialize(&mut batch[start..]);
}

/// An expression of a rule.
pub(super) type Expression = ListAttribute<ExpressionAttribute>;

/// Where a header field lies: nft_payload_bases.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Base {
    /// The IP header.
    Network = 1,
    /// What the IP header carries, behind extension headers.
    Transport = 2,
}

/// Loads what the kernel knows of the packet.
pub(super) fn load_meta(key: MetaKey, to: Register) -> Expression {
    Expressions::Meta(vec![Meta::Key(key), Meta::DestinationRegister(to)]).into()
}

/// Loads `length` octets of the packet.
pub(super) fn load(base: Base, offset: u32, length: u32, to: Register) -> Expression {
    Expressions::Payload(vec![
        Payload::DestinationRegister(to),
        Payload::Base(base as u32),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
    .into()
}

/// Goes on only if the first register compares like this.
pub(super) fn compare(operator: Operator, value: u8) -> Expression {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(vec![value])),
    ])
    .into()
}

/// Goes on only if what begins in this register is in the set.
pub(super) fn is_in(set: &str, from: Register) -> Expression {
    Expressions::Lookup(vec![Lookup::Set(set.to_owned()), Lookup::SourceRegister(from)]).into()
}

/// Counts packets and octets.
pub(super) fn count() -> Expression {
    Expressions::Other { expression_type: "counter".to_owned(), attributes: Vec::new() }.into()
}

/// The packet is of no more concern to this chain.
pub(super) fn accept() -> Expression {
    verdict(ACCEPT)
}

/// The packet is gone.
pub(super) fn drop_packet() -> Expression {
    verdict(DROP)
}

fn verdict(code: u32) -> Expression {
    let code = VerdictAttribute::Code(Verdict::Other(code));
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(vec![code])),
    ])
    .into()
}
