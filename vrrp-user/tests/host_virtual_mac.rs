//! What virtual MACs need of a real kernel. Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{io::ErrorKind, net::Ipv4Addr, path::PathBuf, time::Duration};

use host_support::{expect_line, in_namespace, ip, running};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use socket2::Socket;
use vrrp_common::wire::{Mac, ethernet, ipv4};
use xvrrp::{
    host::{Error, Filter, Host, Link, LinkKind, Macvlan, Trace},
    sys::{
        packet::packet_socket,
        raw::{hear_only, vrrp_socket},
    },
};

const VIRTUAL_MAC: Mac = [0, 0, 0x5e, 0, 1, 51];

fn filter(link: &Link) -> Filter {
    let interface = link.name.clone();
    Filter { index: link.index, interface, mac: VIRTUAL_MAC, is_bridge: false }
}

fn macvlan(link: &Link) -> Macvlan {
    Macvlan { parent: link.index, name: "vrrp.51".to_owned(), mac: VIRTUAL_MAC }
}

/// issue 3: a MAC in the unicast filter is ours unless it was there before; veth, which has no such
/// filter, is promiscuous as long as it is there.
#[test]
fn unicast_filter() {
    in_namespace(async || {
        let host = Host::new().unwrap();
        let filter = filter(&running("a").await);
        expect_line("-d link show dev a", "promiscuity 0");
        assert_eq!(host.add_filter(&filter).await, Ok(true));
        expect_line("-d link show dev a", "promiscuity 1");
        assert_eq!(host.add_filter(&filter).await, Ok(false));
        assert_eq!(host.remove_filter(&filter).await, Ok(()));
        expect_line("-d link show dev a", "promiscuity 0");
        assert_eq!(host.remove_filter(&filter).await, Ok(()));
        let nowhere = Filter { index: 0x7fff_ffff, ..filter };
        assert_eq!(host.remove_filter(&nowhere).await, Ok(()));
        assert!(matches!(
            host.add_filter(&nowhere).await,
            Err(Error::Change { action: "add", errno: Errno::NODEV, .. })
        ));
    });
}

/// issue 3: a macvlan is made in private mode and down, and only one that is ours is undone.
#[test]
fn macvlan_comes_and_goes() {
    in_namespace(async || {
        let host = Host::new().unwrap();
        let macvlan = macvlan(&running("a").await);
        let trace = Trace::Macvlan(macvlan.clone());
        assert_eq!(host.apply(&trace).await, Ok(true));
        expect_line("-d link show dev vrrp.51", "macvlan mode private");
        let link = host.link("vrrp.51").await.unwrap().unwrap();
        assert!(macvlan.is(&link) && !link.up, "{link:?}");
        assert_eq!((link.kind.clone(), link.mac), (LinkKind::Macvlan, Some(VIRTUAL_MAC)));
        let again = host.apply(&trace).await.unwrap_err();
        assert!(matches!(again, Error::Change { errno: Errno::EXIST, .. }), "{again}");

        host.set_up(link.index, true).await.unwrap();
        assert!(host.link("vrrp.51").await.unwrap().unwrap().up);
        host.set_up(link.index, false).await.unwrap();

        let other = Trace::Macvlan(Macvlan { mac: [2, 0, 0, 0, 0, 7], ..macvlan });
        let links = host.links().await.unwrap();
        host.undo(&other, &links).await.unwrap();
        assert!(host.link("vrrp.51").await.unwrap().is_some());
        host.undo(&trace, &links).await.unwrap();
        assert_eq!(host.link("vrrp.51").await.unwrap(), None);
        host.undo(&trace, &links).await.unwrap();
    });
}

/// issue 3: a sysctl is put back unless somebody else has changed it meanwhile.
#[test]
fn sysctl_is_put_back() {
    in_namespace(async || {
        let host = Host::new().unwrap();
        let path = PathBuf::from("/proc/sys/net/ipv4/conf/a/arp_announce");
        let read = || std::fs::read_to_string(&path).unwrap().trim().to_owned();
        std::fs::write(&path, "1").unwrap();
        let trace = Trace::sysctl(path.clone(), "2").unwrap().unwrap();
        assert_eq!(host.apply(&trace).await, Ok(true));
        assert_eq!(read(), "2");
        assert_eq!(Trace::sysctl(path.clone(), "2"), Ok(None));
        host.undo(&trace, &[]).await.unwrap();
        assert_eq!(read(), "1");

        host.apply(&trace).await.unwrap();
        std::fs::write(&path, "0").unwrap();
        host.undo(&trace, &[]).await.unwrap();
        assert_eq!(read(), "0");

        ip(&["link del dev a"]);
        host.undo(&trace, &[]).await.unwrap();
        assert!(matches!(Trace::sysctl(path, "2"), Err(Error::File { action: "read", .. })));
    });
}

/// An advert-like packet from a MAC.
fn packet(from: Mac, id: u16) -> Vec<u8> {
    let group = ipv4::VRRP_GROUP;
    let link = ethernet::header(ipv4::group_mac(group), from, ethernet::IPV4);
    let header = ipv4::advert_header([192, 0, 2, 3], group, 255, id, 8);
    [&link[..], &header, &[0; 8]].concat()
}

/// Identification of the next packet, if one comes within `patience`.
fn next(socket: &Socket, patience: Duration) -> Option<u16> {
    let patience = Timespec::try_from(patience).unwrap();
    poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&patience)).unwrap();
    let mut buffer = [0; 64];
    match rustix::io::read(socket, &mut buffer) {
        Ok(_) => Some(u16::from_be_bytes([buffer[4], buffer[5]])),
        Err(errno) => {
            assert_eq!(errno.kind(), ErrorKind::WouldBlock);
            None
        }
    }
}

/// R-6.4.3-12: what a private macvlan takes away from its device is what others send with its MAC;
/// that, and nothing else, comes out of a socket on it, while the device has the rest.
#[test]
fn two_ears_hear_each_packet_once() {
    const PATIENCE: Duration = Duration::from_secs(10);
    const SILENCE: Duration = Duration::from_millis(100);
    in_namespace(async || {
        let host = Host::new().unwrap();
        let (a, b) = (running("a").await, running("b").await);
        ip(&["addr add 192.0.2.2/24 dev a"]);
        host.apply(&Trace::Macvlan(macvlan(&a))).await.unwrap();
        let index = host.link("vrrp.51").await.unwrap().unwrap().index;
        let group = [Ipv4Addr::from(ipv4::VRRP_GROUP)];
        // While it is down.
        let on_macvlan = vrrp_socket("vrrp.51", index, &group).unwrap();
        hear_only(&on_macvlan, VIRTUAL_MAC).unwrap();
        let on_device = vrrp_socket("a", a.index, &group).unwrap();
        let sender = packet_socket(b.index).unwrap();

        sender.send(&packet(VIRTUAL_MAC, 1)).unwrap();
        assert_eq!(next(&on_device, PATIENCE), Some(1));
        assert_eq!(next(&on_macvlan, SILENCE), None);

        host.set_up(index, true).await.unwrap();
        running("vrrp.51").await;
        sender.send(&packet(VIRTUAL_MAC, 2)).unwrap();
        sender.send(&packet([2, 0, 0, 0, 0, 3], 3)).unwrap();
        sender.send(&packet(VIRTUAL_MAC, 4)).unwrap();
        assert_eq!(next(&on_macvlan, PATIENCE), Some(2));
        assert_eq!(next(&on_macvlan, PATIENCE), Some(4));
        assert_eq!(next(&on_macvlan, SILENCE), None);
        assert_eq!(next(&on_device, PATIENCE), Some(3));
        assert_eq!(next(&on_device, SILENCE), None);
    });
}
