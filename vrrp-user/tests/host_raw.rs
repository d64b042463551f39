//! Raw sockets, with a frame sent at the other end of a wire. Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{
    io::{self, ErrorKind, Read},
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use host_support::{in_namespace, running};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;
use vrrp_common::{
    Family,
    wire::{ethernet, ipv4, ipv6},
};
use xvrrp::sys::{
    packet::packet_socket,
    raw::{only_vrids, receive_v6, vrrp_socket, vrrp_socket_v6},
};

const SENDER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const VRRP_GROUP: Ipv6Addr = Ipv6Addr::from_octets(ipv6::VRRP_GROUP);
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x33);

/// A frame of protocol 112 to a group.
fn frame(group: Ipv6Addr, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    const ETHERTYPE: u16 = 0x86dd;
    let group = group.octets();
    let mac = [2, 0, 0, 0, 0, 2];
    let link = ethernet::header(ipv6::group_mac(group), mac, ETHERTYPE);
    let header = ipv6::advert_header(SENDER.octets(), group, hop_limit, payload.len());
    [&link[..], &header, payload].concat()
}

/// The next packet, once there is one.
fn next(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    let patience = Timespec::try_from(Duration::from_secs(10)).unwrap();
    let ready = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&patience)).unwrap();
    assert_eq!(ready, 1, "no packet arrives");
    receive_v6(socket, buffer)
}

/// R-7.1-01, R-5.1.2.3-02: what the ladder judges is there, in the place where the wire has it:
/// source, destination, hop limit and length. A longer packet is still known to be longer.
#[test]
fn header_is_reconstructed() {
    in_namespace(async || {
        let (a, b) = (running("a").await, running("b").await);
        let socket = vrrp_socket_v6("a", a.index, &[VRRP_GROUP]).unwrap();
        let sender = packet_socket(b.index).unwrap();
        let mut buffer = [0xa5; 100];
        assert_eq!(receive_v6(&socket, &mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);

        for (hop_limit, length) in [(255, 24), (254, 1), (255, 60)] {
            let payload: Vec<u8> = (0..length).collect();
            sender.send(&frame(VRRP_GROUP, hop_limit, &payload)).unwrap();
            let filled = next(&socket, &mut buffer).unwrap();
            let source = SENDER.octets();
            let group = ipv6::VRRP_GROUP;
            let header = ipv6::header(0, ipv6::VRRP, hop_limit, payload.len(), source, group);
            assert_eq!(buffer[..filled], [&header[..], &payload].concat());
        }

        sender.send(&frame(VRRP_GROUP, 255, &[7; 61])).unwrap();
        assert_eq!(next(&socket, &mut buffer).unwrap(), buffer.len());
        assert_eq!(ipv6::Header(buffer.first_chunk().unwrap()).payload_length(), 61);
        let too_small = receive_v6(&socket, &mut buffer[..39]).unwrap_err();
        assert_eq!(too_small.kind(), ErrorKind::InvalidInput);
    });
}

/// R-5.1.2.2-01: only groups that were joined are heard, on the socket's device only.
#[test]
fn groups() {
    in_namespace(async || {
        let (a, b) = (running("a").await, running("b").await);
        let socket = vrrp_socket_v6("a", a.index, &[VRRP_GROUP]).unwrap();
        let elsewhere = vrrp_socket_v6("b", b.index, &[VRRP_GROUP]).unwrap();
        let sender = packet_socket(b.index).unwrap();
        let solicited = Ipv6Addr::from_octets(ipv6::solicited_node(VIP.octets()));
        let heard = |groups: &[Ipv6Addr]| {
            for group in groups {
                sender.send(&frame(*group, 255, &group.octets())).unwrap();
            }
            let mut buffer = [0; 100];
            assert_eq!(next(&socket, &mut buffer).unwrap(), ipv6::HEADER + 16);
            Ipv6Addr::from_octets(*buffer[ipv6::HEADER..].first_chunk().unwrap())
        };
        assert_eq!(heard(&[solicited, VRRP_GROUP]), VRRP_GROUP);
        let nothing = receive_v6(&elsewhere, &mut [0; 100]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        let error = vrrp_socket_v6("a", 0x7fff_ffff, &[VRRP_GROUP]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    });
}

/// issue 4, flood defence: adverts of virtual routers that are not ours reach no socket, those of ours
/// do, and so does what is wrong behind the VRID.
#[test]
fn foreign_adverts_wake_nobody() {
    in_namespace(async || {
        let (a, b) = (running("a").await, running("b").await);
        let sender = packet_socket(b.index).unwrap();
        let group = Ipv4Addr::from(ipv4::VRRP_GROUP);
        let v4 = vrrp_socket("a", a.index, &[group]).unwrap();
        let v6 = vrrp_socket_v6("a", a.index, &[VRRP_GROUP]).unwrap();
        only_vrids(&v4, Family::V4, [51, 255]).unwrap();
        only_vrids(&v6, Family::V6, [51, 255]).unwrap();
        for vrid in [50, 51, 52, 254, 255, 1] {
            let message = [0x31, vrid, 100];
            sender.send(&frame(VRRP_GROUP, 255, &message)).unwrap();
            let (mac, source) = (ipv4::group_mac(ipv4::VRRP_GROUP), [192, 0, 2, 2]);
            let link = ethernet::header(mac, [2, 0, 0, 0, 0, 2], ethernet::IPV4);
            let header = ipv4::advert_header(source, ipv4::VRRP_GROUP, 255, 1, message.len());
            sender.send(&[&link[..], &header, &message].concat()).unwrap();
        }
        for vrid in [51, 255] {
            let mut buffer = [0; 100];
            assert_eq!(next(&v6, &mut buffer).unwrap(), ipv6::HEADER + 3);
            assert_eq!(buffer[ipv6::HEADER + 1], vrid);
            assert_eq!((&v4).read(&mut buffer).unwrap(), ipv4::HEADER + 3);
            assert_eq!(buffer[ipv4::HEADER + 1], vrid);
        }
        let nothing = receive_v6(&v6, &mut [0; 100]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        let nothing = (&v4).read(&mut [0; 100]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    });
}
