//! A virtual router between the kernel program, played by the test, and a socket pair in place of
//! the network.

use std::sync::atomic::AtomicBool;

use socket2::{Domain, Socket, Type};
use vrrp_common::{
    AdverInterval, Version, Vrid,
    wire::vrrp::{Auth, Coverage},
};

use std::net::Ipv4Addr;

use super::*;
use crate::{
    election::{Cause, Parameters},
    pulse::{Addresses, receive},
};

const PRIMARY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const SECOND: Duration = Duration::from_secs(1);

/// A router of priority 100, version 3, one second.
struct Bench {
    router: Router,
    slots: Arc<Slots>,
    port: Arc<Port>,
    board: Board,
    reports: Reports,
    reported: tokio::sync::mpsc::Receiver<Report>,
    /// The other end of the port's sockets.
    network: Option<Socket>,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Parameters)) -> Self {
        let mut parameters = Parameters {
            version: Version::V3,
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
        };
        change(&mut parameters);
        let spec = Spec {
            slot: 1,
            parameters,
            vrid: Vrid::new(51).unwrap(),
            addresses: Addresses::V4(vec![ADDRESS.octets()]),
            group: [224, 0, 0, 18].into(),
            unicast: None,
            auth: Auth::None,
            coverage: Coverage::default(),
        };
        let slots = Arc::new(Slots::own(2));
        let (sender, network) =
            Socket::pair(Domain::UNIX, Type::DGRAM.nonblocking(), None).unwrap();
        let port = Port {
            ifindex: 2,
            mac: [2, 0, 0, 0, 0, 2],
            hop_limit: 255,
            carrier: AtomicBool::new(true),
            receivers: vec![(Family::V4, sender.try_clone().unwrap())],
            sender,
        };
        let (reports, reported) = tokio::sync::mpsc::channel(64);
        Self {
            router: Router::new(0, spec, Arc::clone(&slots)),
            slots,
            port: Arc::new(port),
            board: Board::new(1),
            reports,
            reported,
            network: Some(network),
        }
    }

    fn slot(&self) -> Slot<'_> {
        self.slots.get(1)
    }

    fn act(&mut self, act: impl FnOnce(&mut Router, &Outlet<'_>)) {
        act(&mut self.router, &Outlet { board: &self.board, reports: &self.reports });
    }

    fn start(&mut self, source: Ipv4Addr) {
        let port = Arc::clone(&self.port);
        self.act(|router, outlet| router.start(port, source.into(), outlet));
    }

    /// The kernel program hears an advert, and the doorbell is answered if it rings. True when it
    /// did.
    fn hear(&mut self, heard: &Heard, at: Instant) -> bool {
        let kind = vrrp_common::abi::kind(heard, self.slot().rules().rank());
        let rings = self.slot().receive(heard, at);
        if rings {
            self.act(|router, outlet| router.answer_doorbell(kind, outlet));
        }
        rings
    }

    fn expire_at(&mut self, at: Instant) {
        self.act(|router, outlet| router.expire(at, outlet));
    }

    fn deadline(&self) -> Instant {
        self.router.next_deadline().unwrap()
    }

    fn state(&self) -> State {
        self.board.state(0)
    }
}

/// An advert of one second from 192.0.2.`last`.
fn advert(priority: u8, last: u8) -> Heard {
    Heard {
        source: Addr::v4([192, 0, 2, last]),
        priority,
        interval: 100,
        digest: u64::from(priority) << 8 | u64::from(last),
        ..Heard::default()
    }
}

/// R-7.1-13: adverts that come in before the router may take part are not counted as wrong;
/// and it is in its first state since now, not since the machine started.
#[test]
fn rules_before_start() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.slot().rules(), bench.router.demanded().pack());
    assert_ne!(bench.slot().rules(), Slots::own(1).get(0).rules());
    assert!(bench.board.snapshot(0).since > Instant::default());
}

/// R-6.4.2-11: what was absorbed counts before the source address, and with it the memory of the
/// Active router, changes.
#[test]
fn absorbed_before_source_change() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    let start = now();
    assert!(bench.hear(&advert(200, 3), start));
    let deadline = bench.deadline();
    assert!(!bench.hear(&advert(200, 3), start + SECOND * 3));
    bench.start(Ipv4Addr::new(192, 0, 2, 9));
    bench.expire_at(deadline);
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.deadline(), deadline + SECOND * 3);
}

/// R-6.4.2-11: at a deadline that an absorbed advert has moved, adverts go on being absorbed.
#[test]
fn absorbing_goes_on_after_deadline() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    let start = now();
    assert!(bench.hear(&advert(200, 3), start));
    assert!(!bench.hear(&advert(200, 3), start + SECOND));
    bench.expire_at(bench.deadline());
    assert!(!bench.hear(&advert(200, 3), start + SECOND * 4));
    assert_eq!(bench.state(), State::Backup);
}

/// R-6.4.2-14: a better advert and a losing one are known at the same time, and neither for the
/// other.
#[test]
fn two_adverts_are_known() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    let start = now();
    for (last, heard) in [(3, advert(200, 3)), (4, advert(50, 4)), (5, advert(60, 5))] {
        assert!(bench.hear(&heard, start + SECOND * last));
    }
    assert_eq!(bench.slot().expected(), (advert(200, 3).digest, advert(60, 5).digest));
    let zero = Heard { priority: 0, digest: 77, ..advert(0, 3) };
    assert!(bench.hear(&zero, start + SECOND * 6));
    assert_eq!(bench.slot().expected(), (0, advert(60, 5).digest));
}

/// keyword `preempt_delay`: it ends although every advert since was absorbed; then the same advert
/// is discarded, and the down interval runs from the last one that was accepted.
#[test]
fn preempt_delay_under_absorption() {
    let mut bench = Bench::new(|parameters| parameters.preempt_delay = SECOND * 5);
    bench.start(PRIMARY);
    let start = now();
    let lower = advert(50, 3);
    assert!(bench.hear(&lower, start));
    let mut last = start;
    for second in 1..=4 {
        last = start + SECOND * second;
        assert!(!bench.hear(&lower, last));
        while bench.deadline() <= last {
            bench.expire_at(last);
        }
    }
    while bench.state() == State::Backup && bench.slot().expected().0 != 0 {
        bench.expire_at(bench.deadline());
    }
    assert_eq!(bench.slot().expected(), (0, lower.digest));
    assert!(!bench.hear(&lower, start + SECOND * 6));
    assert!(bench.deadline() > last + SECOND * 3 && bench.deadline() < last + SECOND * 4);
    bench.expire_at(bench.deadline());
    assert_eq!(bench.state(), State::Active);
    let mut causes = std::iter::from_fn(|| bench.reported.try_recv().ok());
    assert!(
        causes.any(|report| {
            matches!(report, Report::Transition { cause: Cause::Preemption, .. })
        })
    );
}

/// R-6.4.3-13: two processors stamp in the wrong order; the later written advert counts.
#[test]
fn stamps_in_the_wrong_order() {
    let mut bench = Bench::new(|parameters| parameters.priority = Priority::OWNER);
    bench.start(PRIMARY);
    assert_eq!(bench.state(), State::Active);
    let start = now();
    assert!(bench.hear(&advert(255, 1), start + SECOND));
    assert_eq!(bench.state(), State::Active);
    assert!(bench.hear(&advert(255, 9), start));
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.slot().lease(), None);
}

/// Rule 1 of the design: the program closed because of an advert that another one has hidden since;
/// the slot opens again with the news, not with the next advert.
#[test]
fn closed_without_a_better_router() {
    let mut bench = Bench::new(|parameters| parameters.priority = Priority::OWNER);
    bench.start(PRIMARY);
    let lease = bench.slot().lease();
    assert!(lease.is_some());
    bench.slot().close();
    assert!(bench.hear(&advert(100, 3), now()));
    assert_eq!(bench.state(), State::Active);
    assert!(bench.slot().lease() >= lease);
}

/// Rule 1 of the design: adverts that left in an earlier period pay for no answers in this one.
#[test]
fn each_period_pays_for_itself() {
    let mut bench = Bench::new(|parameters| parameters.priority = Priority::OWNER);
    bench.start(PRIMARY);
    assert!(bench.slot().lease().is_some());
    let network = bench.network.take();
    drop(network);
    bench.act(Router::shut_down);
    bench.start(PRIMARY);
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.slot().lease(), None);
}

/// Rule 1 of the design: without carrier a send succeeds, and pays for nothing; the first advert
/// after that opens.
#[test]
fn no_lease_without_carrier() {
    let mut bench = Bench::new(|parameters| parameters.priority = Priority::OWNER);
    bench.port.set_carrier(false);
    bench.start(PRIMARY);
    assert_eq!((bench.state(), bench.slot().lease()), (State::Active, None));
    bench.port.set_carrier(true);
    bench.expire_at(bench.deadline());
    assert!(bench.slot().lease() > Some(now() + SECOND * 2));
}

/// R-6.4.1-01: what waited at the socket while nobody listened is not heard.
#[test]
fn old_packets_are_discarded() {
    let bench = Bench::new(|_| {});
    let network = bench.network.as_ref().unwrap();
    for _ in 0..3 {
        network.send(&[1]).unwrap();
    }
    let (family, receiver) = &bench.port.receivers[0];
    receive::discard((*family, receiver));
    let error = receiver.recv(&mut [std::mem::MaybeUninit::uninit(); 4]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}
