//! Which news of routes wake us. On a router with all of the internet's routes there may be thousands a
//! second, of which hardly any concerns us, so the kernel asks a filter first (`SO_ATTACH_FILTER`).

use std::{collections::BTreeSet, io, net::IpAddr, os::fd::AsFd};

use socket2::{SockFilter, SockRef};

use crate::sys::filter::{ACCEPT, IGNORE, compare, jump, statement};

/// Octets of `struct nlmsghdr` and, behind it, `struct rtmsg`: where the attributes begin.
const HEADERS: u32 = 16 + 12;
/// Where the length of the destination's prefix stands.
const PREFIX_LENGTH: u32 = 16 + 1;
/// Where the type of the message stands.
const TYPE: u32 = 4;
/// Of an attribute, in front of its contents.
const ATTRIBUTE_HEADER: u32 = 4;
/// Programs that the kernel takes have at most so many instructions (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// Places in the filter's memory: what is in the first octets of the destination, and how many bits of
/// them are no part of the prefix.
const START: u32 = 0;
const REST: u32 = 1;

/// The routes that somebody wants to hear of: that one came, went or was replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteInterest {
    /// Destinations of routes: address and prefix length.
    pub destinations: BTreeSet<(IpAddr, u8)>,
    /// Addresses to which routes may lead.
    pub gateways: BTreeSet<IpAddr>,
}

impl RouteInterest {
    /// Has a routing socket hear of these routes, of some others that look alike, and of all that are no
    /// routes. After an error it hears of everything.
    pub(in crate::host) fn attach(&self, socket: &impl AsFd) -> io::Result<()> {
        let socket = SockRef::from(socket);
        let program = self.program();
        socket.attach_filter(&program).or_else(|_| {
            // There may be room for one, not for two. And the former one would keep news from us.
            let _ = socket.detach_filter();
            socket.attach_filter(&program)
        })
    }

    /// Only the first 32 bits of an address are looked at: few routes that differ behind them come and
    /// go. Where there are too many to tell apart, all are let in.
    fn program(&self) -> Vec<SockFilter> {
        let mut program = vec![
            statement(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, TYPE),
            // These two and no others go on.
            jump(message_type(libc::RTM_NEWROUTE), 2, 0),
            jump(message_type(libc::RTM_DELROUTE), 1, 0),
            ACCEPT,
            // A default route may lead to anything.
            statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, PREFIX_LENGTH),
            jump(0, 0, 1),
            ACCEPT,
            // REST: 32 bits less the prefix, and never less than none.
            compare(libc::BPF_JGT, 32, 0, 1),
            statement(libc::BPF_LD | libc::BPF_IMM, 32),
            statement(libc::BPF_MISC | libc::BPF_TAX, 0),
            statement(libc::BPF_LD | libc::BPF_IMM, 32),
            statement(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_X, 0),
            statement(libc::BPF_ST, REST),
            // The attribute with the destination, by one of the kernel's extensions: where it is.
            statement(libc::BPF_LDX | libc::BPF_IMM, libc::RTA_DST.into()),
            statement(libc::BPF_LD | libc::BPF_IMM, HEADERS),
            statement(
                libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
                (libc::SKF_AD_OFF + libc::SKF_AD_NLATTR).cast_unsigned(),
            ),
            jump(0, 0, 1),
            ACCEPT,
            statement(libc::BPF_MISC | libc::BPF_TAX, 0),
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_IND, ATTRIBUTE_HEADER),
            statement(libc::BPF_ST, START),
        ];
        let destinations: BTreeSet<_> =
            self.destinations.iter().map(|(address, _)| start_of(*address)).collect();
        for start in destinations {
            program.extend([jump(start, 0, 1), ACCEPT]);
        }
        program.push(statement(libc::BPF_LDX | libc::BPF_MEM, REST));
        let gateways: BTreeSet<_> = self.gateways.iter().map(|own| start_of(*own)).collect();
        for start in gateways {
            program.extend([
                statement(libc::BPF_LD | libc::BPF_MEM, START),
                statement(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_K, start),
                statement(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_X, 0),
                jump(0, 0, 1),
                ACCEPT,
            ]);
        }
        program.push(IGNORE);
        if program.len() > LONGEST { vec![ACCEPT] } else { program }
    }
}

fn start_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => (address.to_bits() >> 96) as u32,
    }
}

/// As the filter sees it, which loads all numbers as if the network's order were theirs.
const fn message_type(number: u16) -> u32 {
    number.to_be() as u32
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rtnetlink::{
        packet_core::NetlinkMessage,
        packet_route::{
            AddressFamily, RouteNetlinkMessage,
            route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol},
        },
    };
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn route(destination: &str) -> RouteMessage {
        let (address, length) = destination.split_once('/').unwrap();
        let mut message = RouteMessage::default();
        message.header.destination_prefix_length = length.parse().unwrap();
        message.header.protocol = RouteProtocol::Bgp;
        // Not the first one, as with the kernel.
        message.attributes.push(RouteAttribute::Table(254));
        let address = match address.parse().unwrap() {
            IpAddr::V4(address) => {
                message.header.address_family = AddressFamily::Inet;
                RouteAddress::Inet(address)
            }
            IpAddr::V6(address) => {
                message.header.address_family = AddressFamily::Inet6;
                RouteAddress::Inet6(address)
            }
        };
        if message.header.destination_prefix_length > 0 {
            message.attributes.push(RouteAttribute::Destination(address));
        }
        message
    }

    /// Which of these messages the kernel lets through.
    fn heard(interest: &RouteInterest, messages: Vec<RouteNetlinkMessage>) -> Vec<bool> {
        let (sender, mut receiver) = Socket::pair(Domain::UNIX, Type::DGRAM, None).unwrap();
        receiver.set_nonblocking(true).unwrap();
        interest.attach(&receiver).unwrap();
        let is_heard = |message| {
            let mut message = NetlinkMessage::from(message);
            message.finalize();
            let mut octets = vec![0; message.buffer_len()];
            message.serialize(&mut octets);
            sender.send(&octets).unwrap();
            receiver.read(&mut [0; 4096]).is_ok()
        };
        messages.into_iter().map(is_heard).collect()
    }

    /// Issue 6: only what concerns our routes wakes us, whether it was added or removed, and whatever is
    /// no route; where there are too many, everything does.
    #[test]
    fn what_is_heard() {
        let mut interest = RouteInterest::default();
        for (address, length) in [("203.0.113.0", 24), ("2001:db8:7::", 64), ("0.0.0.0", 0)] {
            interest.destinations.insert((address.parse().unwrap(), length));
        }
        for address in ["198.51.100.12", "2001:db9::1"] {
            interest.gateways.insert(address.parse().unwrap());
        }
        let expected = [
            ("203.0.113.0/24", true),
            ("203.0.112.0/24", false),
            ("0.0.0.0/0", true),
            ("::/0", true),
            // These lead to a gateway, or not.
            ("198.51.100.12/32", true),
            ("198.51.100.13/32", false),
            ("198.51.100.0/24", true),
            ("198.51.101.0/24", false),
            ("128.0.0.0/1", true),
            ("64.0.0.0/2", false),
            ("2001:db8:7::/64", true),
            ("2001:db8:8::/64", true),
            ("2001:db9::/64", true),
            ("2001:d00::/24", true),
            ("2001:dba::/64", false),
        ];
        for (destination, is_heard) in expected {
            let both = vec![
                RouteNetlinkMessage::NewRoute(route(destination)),
                RouteNetlinkMessage::DelRoute(route(destination)),
            ];
            assert_eq!(heard(&interest, both), [is_heard; 2], "{destination}");
        }
        let rule = || RouteNetlinkMessage::DelRule(Default::default());
        assert_eq!(heard(&interest, vec![rule()]), [true]);
        let other = || RouteNetlinkMessage::NewRoute(route("192.0.2.0/24"));
        assert_eq!(heard(&RouteInterest::default(), vec![other(), rule()]), [false, true]);
        let many = (0..5000).map(|n| (std::net::Ipv4Addr::from_bits(n << 8).into(), 24));
        interest.destinations.extend(many);
        assert_eq!(heard(&interest, vec![other()]), [true]);
    }
}
