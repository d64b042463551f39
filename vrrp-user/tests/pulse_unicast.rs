//! Unicast virtual routers on a real pulse thread, among peers that are raw sockets of the test.
//! Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{
    io::Read,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use host_support::{in_namespace, ip, running};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;
use tokio::sync::mpsc;
use vrrp_common::{
    Addr, AdverInterval, Family, Priority, Version, Vrid,
    ladder::{Believe, Reject},
    wire::{
        ipv4, ipv6,
        vrrp::{Advertisement, Auth, Coverage, pseudo_header},
    },
};
use xvrrp::{
    config::{Scheduling, Unicast, UnicastPeer},
    datapath::Slots,
    election::{Parameters, State},
    pulse::{self, Addresses, Command, Port, Report, Spec},
    sys::raw::{receive_v6, unicast_socket},
};

const VRID: u8 = 51;
const PATIENCE: Duration = Duration::from_secs(10);

/// The addresses of one family: our own, two peers, a stranger, and one that no route leads to.
struct Places {
    own: IpAddr,
    peers: [IpAddr; 2],
    stranger: IpAddr,
    nowhere: IpAddr,
}

impl Places {
    fn of(family: Family) -> Self {
        let at = |last: u8| match family {
            Family::V4 => IpAddr::from([192, 0, 2, last]),
            Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]),
        };
        let nowhere = match family {
            Family::V4 => [203, 0, 113, 9].into(),
            Family::V6 => [0x2001, 0xdb8, 9, 0, 0, 0, 0, 9].into(),
        };
        Self { own: at(2), peers: [at(3), at(4)], stranger: at(5), nowhere }
    }

    /// Puts all of them but `nowhere` on `a`: what goes from one to the other passes the kernel's
    /// routing all the same.
    async fn install(&self) {
        running("a").await;
        let [first, second] = self.peers;
        let own = [self.own, first, second, self.stranger];
        let prefix = if self.own.is_ipv4() { "24" } else { "64 nodad" };
        ip(&["link set lo up"]);
        ip(&own.map(|address| format!("addr add {address}/{prefix} dev a")));
        // IPv6 makes the routes some time later, and tells nobody.
        while !own.iter().all(|address| is_reachable(*address)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// True once what is sent to an own address comes in.
fn is_reachable(address: IpAddr) -> bool {
    let output = std::process::Command::new("ip")
        .args(["route", "get", &address.to_string()])
        .output()
        .expect("`ip` of iproute2 is needed");
    String::from_utf8_lossy(&output.stdout).starts_with("local ")
}

fn spec(slot: u32, version: Version, priority: u8, unicast: Unicast) -> Spec {
    let family = Family::from(unicast.peers[0].address);
    let unspecified = Addr::UNSPECIFIED.to_ip(family);
    Spec {
        slot,
        parameters: Parameters {
            version,
            priority: Priority::new(priority),
            interval: AdverInterval::DEFAULT,
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            source: unspecified,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            other_priority: None,
            grouped: false,
        },
        vrid: Vrid::new(VRID).unwrap(),
        mac: None,
        addresses: match family {
            Family::V4 => Addresses::V4(vec![[192, 0, 2, 254]]),
            Family::V6 => Addresses::V6(vec![[0xfe; 16]]),
        },
        group: match family {
            Family::V4 => IpAddr::from(ipv4::VRRP_GROUP),
            Family::V6 => IpAddr::from(ipv6::VRRP_GROUP),
        },
        unicast: Some(unicast),
        auth: Auth::None,
        authentication: None,
        coverage: Coverage::PseudoHeader,
        believe: Believe::Either,
        owner_ignores: false,
        serves_on: false,
        skip_check_addresses: false,
    }
}

fn peers(addresses: &[IpAddr]) -> Unicast {
    let peer = |address: &IpAddr| UnicastPeer { address: *address, ttl: 0..=255 };
    Unicast { peers: addresses.iter().map(peer).collect(), ttl: None, check_source: false }
}

/// A pulse thread with routers that take part on one port.
struct Bench {
    handle: pulse::Handle,
    reports: mpsc::Receiver<Report>,
    slots: Arc<Slots>,
}

impl Bench {
    async fn start(places: &Places, specs: Vec<Spec>) -> Self {
        let device = running("a").await;
        let mac = device.mac.unwrap();
        let port = Arc::new(Port::unicast(device.index, mac, places.own).unwrap());
        let routers = specs.len();
        let slots = Arc::new(Slots::own(1 + u32::try_from(routers).unwrap()).unwrap());
        let (handle, reports) = pulse::spawn(specs, &slots, None, &Scheduling::default()).unwrap();
        for router in 0..routers {
            let port = Arc::clone(&port);
            assert!(handle.send(Command::Start { router, port, source: places.own, since: None }));
        }
        let mut bench = Self { handle, reports, slots };
        for _ in 0..routers {
            bench.report(|report| matches!(report, Report::Transition { .. })).await;
        }
        bench
    }

    /// The next report of this kind.
    async fn report(&mut self, fits: impl Fn(&Report) -> bool) -> Report {
        let next = async {
            loop {
                let report = self.reports.recv().await.expect("the thread lives");
                if fits(&report) {
                    return report;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a report comes")
    }

    async fn refusal(&mut self) -> (usize, Reject, IpAddr) {
        match self.report(|report| matches!(report, Report::Rejected { .. })).await {
            Report::Rejected { router, reject, source } => (router, reject, source),
            other => panic!("{other:?}"),
        }
    }

    fn counter(&self, router: usize, name: &str) -> u64 {
        let counters = self.handle.board().snapshot(router).counters;
        counters.iter().find(|(own, _)| own == name).map(|(_, value)| *value).unwrap()
    }

    fn stop(self) {
        assert!(self.handle.send(Command::Stop));
        assert!(self.handle.join());
    }
}

/// A peer: what it sends, and what comes to it.
struct Peer {
    socket: Socket,
    address: IpAddr,
}

impl Peer {
    async fn new(address: IpAddr) -> Self {
        let socket = unicast_socket(address, running("a").await.index).unwrap();
        Self { socket, address }
    }

    /// The next packet, with its IP header.
    fn next(&self) -> Vec<u8> {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let ready = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&patience));
        assert_eq!(ready.unwrap(), 1, "no packet arrives at {}", self.address);
        let mut buffer = vec![0; 1500];
        let length = match self.address {
            IpAddr::V4(_) => (&self.socket).read(&mut buffer),
            IpAddr::V6(_) => receive_v6(&self.socket, &mut buffer),
        };
        buffer.truncate(length.unwrap());
        buffer
    }

    /// Sends an advert with this priority.
    fn advertise(&self, to: IpAddr, priority: u8, hop_limit: u8) {
        let packet = advert(self.address, to, priority, hop_limit);
        self.socket.send_to(&packet, &SocketAddr::new(to, 0).into()).unwrap();
    }
}

fn advert(from: IpAddr, to: IpAddr, priority: u8, hop_limit: u8) -> Vec<u8> {
    fn message<const N: usize>(priority: u8, addresses: &[[u8; N]]) -> Advertisement<'_, N>
    where
        Addr: From<[u8; N]>,
    {
        Advertisement {
            version: Version::V3,
            vrid: Vrid::new(VRID).unwrap(),
            priority: Priority::new(priority),
            interval: AdverInterval::DEFAULT,
            addresses,
            auth: Auth::None,
            coverage: Coverage::PseudoHeader,
        }
    }
    let mut room = [0; 100];
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let (from, to) = (from.octets(), to.octets());
            let message = message(priority, &[[192, 0, 2, 254]]).emit(from, to, &mut room).unwrap();
            [&ipv4::advert_header(from, to, hop_limit, 7, message.len())[..], message].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let (from, to) = (from.octets(), to.octets());
            let message = message(priority, &[[0xfe; 16]]).emit(from, to, &mut room).unwrap();
            [&ipv6::advert_header(from, to, hop_limit, message.len())[..], message].concat()
        }
        _ => panic!("two families"),
    }
}

/// Runs a test once with each family.
fn with_each_family(test: impl AsyncFn(Places) + Sync) {
    for family in [Family::V4, Family::V6] {
        in_namespace(async || {
            let places = Places::of(family);
            places.install().await;
            test(places).await;
        });
    }
}

/// Source, destination, TTL or hop limit, and the message of a packet.
fn dissect(packet: &[u8]) -> (IpAddr, IpAddr, u8, &[u8]) {
    if packet[0] >> 4 == 4 {
        let header = ipv4::Header(packet.first_chunk().unwrap());
        assert_eq!(packet[1], 0xc0, "TOS");
        assert!(header.sum().is_intact());
        let (source, destination) = (header.source(), header.destination());
        (source.into(), destination.into(), header.ttl(), &packet[ipv4::HEADER..])
    } else {
        let header = ipv6::Header(packet.first_chunk().unwrap());
        let to_ip = |address: Addr| address.to_ip(Family::V6);
        let (source, destination) = (to_ip(header.source()), to_ip(header.destination()));
        (source, destination, header.hop_limit(), &packet[ipv6::HEADER..])
    }
}

/// Issue 3, R-5.2.8-04: each peer gets a copy with a checksum of its own, also after one that no
/// route leads to, and so it is with the resignation; the copies that left pay for answers.
#[test]
fn a_copy_for_each_peer() {
    with_each_family(async |places: Places| {
        let [first, second] = [Peer::new(places.peers[0]).await, Peer::new(places.peers[1]).await];
        let unicast = peers(&[places.nowhere, first.address, second.address]);
        let mut bench = Bench::start(&places, vec![spec(1, Version::V3, 255, unicast)]).await;
        let default_hops = if places.own.is_ipv4() { 255 } else { 64 };
        for peer in [&first, &second] {
            let packet = peer.next();
            let (source, destination, hops, message) = dissect(&packet);
            assert_eq!((source, destination), (places.own, peer.address));
            assert_eq!(hops, default_hops);
            let pseudo = pseudo_header(source.into(), destination.into(), message.len());
            assert!(pseudo.octets(message).is_intact(), "{message:02x?}");
        }
        bench.report(|report| matches!(report, Report::AddAddresses { .. })).await;
        assert_eq!(bench.handle.board().state(0), State::Active);
        assert!(bench.slots.get(1).lease() > Some(pulse::now()));
        assert!(bench.counter(0, "adverts_sent") > 0);
        assert!(bench.counter(0, "send_errors") > 0);
        bench.stop();
        for peer in [&first, &second] {
            while dissect(&peer.next()).3[2] != 0 {}
        }
    });
}

/// Issue 3, rule 1 of the design: where no copy leaves, nothing is answered.
#[test]
fn no_lease_without_any_peer() {
    with_each_family(async |places: Places| {
        let spec = spec(1, Version::V3, 255, peers(&[places.nowhere]));
        let mut bench = Bench::start(&places, vec![spec]).await;
        bench.report(|report| matches!(report, Report::AddAddresses { .. })).await;
        assert_eq!(bench.handle.board().state(0), State::Active);
        assert_eq!(bench.slots.get(1).lease(), None);
        assert_eq!(bench.counter(0, "adverts_sent"), 0);
        assert!(bench.counter(0, "send_errors") > 0);
        bench.stop();
    });
}

/// Keyword `unicast_ttl`: what stands in the IP header.
#[test]
fn ttl_of_the_configuration() {
    with_each_family(async |places: Places| {
        let peer = Peer::new(places.peers[0]).await;
        let unicast = Unicast { ttl: Some(17), ..peers(&[peer.address]) };
        let bench = Bench::start(&places, vec![spec(1, Version::V3, 255, unicast)]).await;
        assert_eq!(dissect(&peer.next()).2, 17);
        bench.stop();
    });
}

/// Keywords `check_unicast_src`, `min_ttl`, `max_ttl`: strangers, and peers that are too near or too
/// far, are refused, each with its own reason and counter; others are heard.
#[test]
fn strangers_and_distance() {
    const FAR: RangeInclusive<u8> = 60..=63;
    with_each_family(async |places: Places| {
        let [near, far] = [Peer::new(places.peers[0]).await, Peer::new(places.peers[1]).await];
        let stranger = Peer::new(places.stranger).await;
        let mut unicast = peers(&[near.address, far.address]);
        unicast.check_source = true;
        unicast.peers[1].ttl = FAR;
        let mut bench = Bench::start(&places, vec![spec(1, Version::V3, 100, unicast)]).await;

        stranger.advertise(places.own, 200, 255);
        assert_eq!(bench.refusal().await, (0, Reject::NotPeer, stranger.address));
        far.advertise(places.own, 200, 64);
        assert_eq!(bench.refusal().await, (0, Reject::PeerTtl, far.address));
        far.advertise(places.own, 200, 59);
        near.advertise(places.own, 200, 1);
        far.advertise(places.own, 150, 60);
        // The loop has heard all of them when it refuses one more.
        let odd = advert(near.address, places.own, 0, 255);
        let at = odd.len() - 3;
        let odd: Vec<u8> =
            odd.iter().enumerate().map(|(i, o)| if i == at { o ^ 1 } else { *o }).collect();
        near.socket.send_to(&odd, &SocketAddr::new(places.own, 0).into()).unwrap();
        assert_eq!(bench.refusal().await, (0, Reject::Checksum, near.address));

        assert_eq!(bench.counter(0, "rejected_not_peer"), 1);
        assert_eq!(bench.counter(0, "rejected_peer_ttl"), 2);
        assert_eq!(bench.counter(0, "adverts_received"), 2);
        assert_eq!(bench.handle.board().snapshot(0).active_router, Some(far.address.into()));
        bench.stop();
    });
}

/// Keyword `check_unicast_src`: without it, whoever knows the address is heard.
#[test]
fn strangers_are_heard_by_default() {
    with_each_family(async |places: Places| {
        let stranger = Peer::new(places.stranger).await;
        let specs = vec![spec(1, Version::V3, 100, peers(&[places.peers[0]]))];
        let mut bench = Bench::start(&places, specs).await;
        stranger.advertise(places.own, 0, 255);
        bench.report(|report| matches!(report, Report::AddAddresses { .. })).await;
        assert_eq!(bench.counter(0, "priority_zero_received"), 1);
        bench.stop();
    });
}

/// Issue 3: two routers of one VRID on one address, which share no peer, hear each its own.
#[test]
fn one_vrid_two_circles() {
    with_each_family(async |places: Places| {
        let circles = [Peer::new(places.peers[0]).await, Peer::new(places.peers[1]).await];
        let specs = [1, 2].map(|slot| {
            let peer = circles[slot as usize - 1].address;
            spec(slot, Version::V3, 100, Unicast { check_source: true, ..peers(&[peer]) })
        });
        let mut bench = Bench::start(&places, specs.to_vec()).await;
        circles[1].advertise(places.own, 0, 255);
        let active = bench.report(|report| matches!(report, Report::AddAddresses { .. })).await;
        assert_eq!(active, Report::AddAddresses { router: 1 });
        circles[0].advertise(places.own, 0, 255);
        let active = bench.report(|report| matches!(report, Report::AddAddresses { .. })).await;
        assert_eq!(active, Report::AddAddresses { router: 0 });
        for router in [0, 1] {
            assert_eq!(bench.counter(router, "rejected_not_peer"), 0);
            assert_eq!(bench.counter(router, "adverts_received"), 1);
        }
        bench.stop();
    });
}
