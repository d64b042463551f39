//! Gratuitous ARP and unsolicited Neighbor Advertisements as they arrive at the other end of a wire. Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{collections::BTreeSet, io::Read, net::Ipv6Addr, sync::Arc, time::Duration};

use host_support::{in_namespace, ip, running};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::spawn_blocking;
use vrrp_common::wire::{arp, ndp};
use xvrrp::{
    announce::{Announcer, Counts, RouterId, Target},
    config::Garp,
    host::Host,
};

const A: RouterId = RouterId(0);
const B: RouterId = RouterId(1);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
/// Only rounds at once.
const QUIET: Garp = Garp {
    repeat: 1,
    delay: Duration::ZERO,
    refresh: Duration::ZERO,
    refresh_repeat: 1,
    lower_prio_repeat: 1,
    lower_prio_delay: Duration::ZERO,
    interval: Duration::ZERO,
    gna_interval: Duration::ZERO,
    rfc4861_pacing: false,
};

/// How long a test waits for a frame before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hears all ARP that arrives in the namespace.
struct Listener(Arc<Socket>);

impl Listener {
    fn new() -> Self {
        let protocol = Protocol::from(i32::from((libc::ETH_P_ARP as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(Arc::new(socket))
    }

    async fn frame(&self) -> [u8; 42] {
        let socket = Arc::clone(&self.0);
        let read = move || {
            let mut frame = [0; 42];
            let length = (&*socket).read(&mut frame).expect("a frame arrives");
            assert_eq!(length, frame.len());
            frame
        };
        spawn_blocking(read).await.unwrap()
    }

    /// Asserts that the next frames announce `expected`, by last octet, in this order.
    async fn expect(&self, expected: &[u8]) {
        for &last in expected {
            assert_eq!(self.frame().await, arp::gratuitous(MAC, [192, 0, 2, last]));
        }
    }
}

fn target(interface: u32, last: u8) -> Target {
    Target::new(interface, MAC, [192, 0, 2, last].into())
}

/// R-6.4.2-07, keywords `garp_master_repeat`, `garp_master_delay`, `garp_master_refresh`,
/// `garp_lower_prio_repeat`: rounds over all addresses at once, again after the delay, then
/// refreshes; a losing advert has a burst of its own.
#[test]
fn bursts_on_the_wire() {
    in_namespace(async || {
        let listener = Listener::new();
        let a = running("a").await.index;
        let announcer = Announcer::spawn();
        let plan = Garp {
            repeat: 2,
            delay: Duration::from_millis(50),
            refresh: Duration::from_millis(50),
            lower_prio_repeat: 3,
            ..QUIET
        };
        announcer.start(A, vec![target(a, 1), target(a, 2)], plan).await;
        listener.expect(&[1, 2, 1, 2]).await;
        listener.expect(&[1, 2, 1, 2]).await;
        listener.expect(&[1, 2, 1, 2]).await;
        announcer.cancel(A).await;
        // On a slow machine further refreshes have left before.
        for _ in 6..announcer.counts(A).sent / 2 {
            listener.expect(&[1, 2]).await;
        }

        let plan = Garp { refresh: Duration::ZERO, ..plan };
        announcer.start(B, vec![target(a, 3)], plan).await;
        listener.expect(&[3, 3, 3, 3]).await;
        announcer.losing(B).await;
        listener.expect(&[3, 3, 3]).await;
        assert_eq!(announcer.counts(B), Counts { sent: 7, failed: 0 });
    });
}

/// Rule 1 of the design (no advert, no answer): after `cancel` nothing of the router leaves, though
/// frames were waiting. The next router's frame comes next.
#[test]
fn nothing_after_cancel() {
    in_namespace(async || {
        let listener = Listener::new();
        let a = running("a").await.index;
        let announcer = Announcer::spawn();
        let spaced = Garp { repeat: 1000, interval: Duration::from_millis(20), ..QUIET };
        announcer.start(A, vec![target(a, 1)], spaced).await;
        listener.expect(&[1]).await;
        announcer.cancel(A).await;
        let sent = announcer.counts(A).sent;
        announcer.start(B, vec![target(a, 2)], QUIET).await;
        listener.expect(&vec![1; sent as usize - 1]).await;
        listener.expect(&[2]).await;
        assert_eq!(announcer.counts(A).sent, sent);
    });
}

/// The packet sockets of this namespace.
fn sockets() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/thread-self/net/packet").unwrap();
    let inode = |line: &str| line.split_whitespace().last().map(str::to_owned).unwrap();
    table.lines().skip(1).map(inode).collect()
}

/// Issue 4: a router that comes and goes costs no socket each time: to close one takes the kernel
/// milliseconds, on a busy host tens of them, and nothing else happens meanwhile.
#[test]
fn sockets_stay() {
    in_namespace(async move || {
        let listener = Listener::new();
        let a = running("a").await.index;
        let before = sockets();
        let announcer = Announcer::spawn();
        announcer.start(A, vec![target(a, 1)], QUIET).await;
        listener.expect(&[1]).await;
        let opened = sockets();
        assert_eq!(opened.difference(&before).count(), 1);
        announcer.cancel(A).await;
        announcer.start(B, vec![target(a, 2)], QUIET).await;
        listener.expect(&[2]).await;
        assert_eq!(sockets(), opened);
    });
}

/// Design, announce: interfaces that come and go leave no more than some sockets behind.
#[test]
fn sockets_of_interfaces_that_are_gone() {
    const INTERFACES: u32 = 80;
    const SPARE: u32 = 64;
    in_namespace(async || {
        let before = sockets().len();
        let announcer = Announcer::spawn();
        for index in 1000..1000 + INTERFACES {
            let name = format!("d{index}");
            let add = format!("link add name {name} index {index} type bridge");
            ip(&[add, format!("link set dev {name} up")]);
            announcer.start(A, vec![target(index, 1)], QUIET).await;
            let sent = async {
                while announcer.counts(A).sent <= u64::from(index - 1000) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, sent).await.unwrap();
            ip(&[format!("link del dev {name}")]);
        }
        assert_eq!(announcer.counts(A).sent, u64::from(INTERFACES));
        let left = sockets().len() - before;
        assert!((1..=SPARE as usize + 1).contains(&left), "{left}");
    });
}

/// Hears the Neighbor Advertisements that arrive in the namespace, as whole frames. The kernel's own
/// Neighbor Discovery may come between.
fn advertisement_after(mut socket: &Socket) -> [u8; 86] {
    const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    loop {
        let mut frame = [0; 1500];
        let length = socket.read(&mut frame).expect("a frame arrives");
        if length == 86 && frame[54] == NEIGHBOR_ADVERTISEMENT {
            return *frame.first_chunk().unwrap();
        }
    }
}

/// R-6.4.2-08, keyword `vrrp_gna_interval`: IPv6 addresses are announced as IPv4 ones are, in
/// the same rounds: to all nodes, from the address itself, with the MAC to use from now on.
#[test]
fn neighbor_advertisements() {
    in_namespace(async || {
        let protocol = Protocol::from(i32::from((libc::ETH_P_IPV6 as u16).to_be()));
        let listener = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
        listener.set_read_timeout(Some(PATIENCE)).unwrap();
        let arp = Listener::new();
        let a = running("a").await.index;
        let announcer = Announcer::spawn();
        let address = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        let ipv6 = |last| Target::new(a, MAC, address(last).into());
        let plan = Garp { repeat: 2, gna_interval: Duration::from_millis(5), ..QUIET };
        announcer.start(A, vec![ipv6(1), target(a, 9), ipv6(2)], plan).await;
        arp.expect(&[9, 9]).await;
        let frames = spawn_blocking(move || [(); 4].map(|()| advertisement_after(&listener)));
        let frames = frames.await.unwrap();
        for (frame, last) in frames.iter().zip([1, 2, 1, 2]) {
            assert_eq!(*frame, ndp::unsolicited(MAC, address(last).octets()));
            // To all nodes; router and override, not solicited (RFC 4861 4.4).
            assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 1]);
            assert_eq!((frame[21], frame[58]), (255, 0xa0));
            assert_eq!(frame[22..38], address(last).octets());
            assert_eq!(frame[80..], MAC);
        }
        assert_eq!(announcer.counts(A), Counts { sent: 6, failed: 0 });
    });
}

/// R-6.4.2-07: an interface that is down or gone is counted, harms no other one, and is used again
/// when it is back.
#[test]
fn interface_down() {
    in_namespace(async || {
        ip(&["link add name c type veth peer name d", "link set dev d up"]);
        let listener = Listener::new();
        let a = running("a").await.index;
        let c = Host::new().unwrap().link("c").await.unwrap().expect("c exists").index;
        let announcer = Announcer::spawn();
        let targets = vec![target(c, 1), target(4711, 2), target(a, 3)];
        announcer.start(A, targets.clone(), QUIET).await;
        listener.expect(&[3]).await;
        assert_eq!(announcer.counts(A), Counts { sent: 1, failed: 2 });

        ip(&["link set dev c up"]);
        running("c").await;
        announcer.losing(A).await;
        listener.expect(&[1, 3]).await;
        assert_eq!(announcer.counts(A), Counts { sent: 3, failed: 3 });
    });
}

/// keyword `virtual_ipaddress`: two hundred addresses leave in the order of the configuration, none
/// is missing.
#[test]
fn many_addresses() {
    in_namespace(async || {
        let listener = Listener::new();
        let a = running("a").await.index;
        let announcer = Announcer::spawn();
        let expected: Vec<u8> = (1..=200).collect();
        let targets = expected.iter().map(|&last| target(a, last)).collect();
        announcer.start(A, targets, QUIET).await;
        listener.expect(&expected).await;
    });
}
