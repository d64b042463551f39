//! A virtual router between the kernel program, played by the test, and a socket pair in place of
//! the network.

use std::{sync::atomic::AtomicBool, time::Duration};

use socket2::{Domain, Socket, Type};
use vrrp_common::{
    AdverInterval, Version, Vrid,
    ladder::Believe,
    wire::vrrp::{Auth, Coverage},
};

use std::net::Ipv4Addr;

use super::{super::doorbells::PATIENCE, *};
use crate::{
    election::{Cause, Parameters},
    pulse::{Addresses, receive},
};

const PRIMARY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const SECOND: Duration = Duration::from_secs(1);

/// A router of priority 100, version 3, one second, in slot 1.
pub(in crate::pulse) fn spec() -> Spec {
    let parameters = Parameters {
        version: Version::V3,
        priority: Priority::DEFAULT,
        interval: AdverInterval::DEFAULT,
        preempt: true,
        preempt_delay: Duration::ZERO,
        down_timer_adverts: 3,
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        other_priority: None,
        grouped: false,
    };
    Spec {
        slot: 1,
        parameters,
        vrid: Vrid::new(51).unwrap(),
        mac: None,
        addresses: Addresses::V4(vec![ADDRESS.octets()]),
        group: [224, 0, 0, 18].into(),
        unicast: None,
        auth: Auth::None,
        authentication: None,
        coverage: Coverage::default(),
        believe: Believe::Either,
        owner_ignores: false,
        serves_on: false,
        skip_check_addresses: false,
    }
}

/// A port, and the other end of its sockets.
pub(in crate::pulse) fn port() -> (Arc<Port>, Socket) {
    let (sender, network) = Socket::pair(Domain::UNIX, Type::DGRAM.nonblocking(), None).unwrap();
    let port = Port {
        ifindex: 2,
        mac: [2, 0, 0, 0, 0, 2],
        is_heard: false,
        hop_limit: 255,
        carrier: AtomicBool::new(true),
        receivers: vec![(Family::V4, sender.try_clone().unwrap())],
        filtered: 0,
        sender,
    };
    (Arc::new(port), network)
}

/// The router of [`spec`].
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
        Self::with(|spec| change(&mut spec.parameters))
    }

    fn with(change: impl FnOnce(&mut Spec)) -> Self {
        let mut spec = spec();
        change(&mut spec);
        let slots = Arc::new(Slots::own(2).unwrap());
        let (port, network) = port();
        let (reports, reported) = tokio::sync::mpsc::channel(64);
        Self {
            router: Router::new(spec, Arc::clone(&slots)),
            slots,
            port,
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
        self.start_since(source, None);
    }

    fn start_since(&mut self, source: Ipv4Addr, since: Option<Instant>) {
        let port = Arc::clone(&self.port);
        self.act(|router, outlet| router.start(port, source.into(), since, outlet));
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

    /// The oddities reported since the last call.
    fn oddities(&mut self) -> Vec<Oddity> {
        let reports = std::iter::from_fn(|| self.reported.try_recv().ok());
        reports
            .filter_map(|report| match report {
                Report::Odd { oddity, .. } => Some(oddity),
                _ => None,
            })
            .collect()
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
    assert_ne!(bench.slot().rules(), Slots::own(1).unwrap().get(0).rules());
    assert!(bench.board.snapshot(0).since > Instant::default());
}

/// R-6.4.1-05, issue 4, row 15: a Backup's wait for others includes the time in which it had its ear
/// open before it could start, an interval of it at most.
#[test]
fn listening_counts_as_waiting() {
    let wait = |listened: Duration| {
        let mut bench = Bench::new(|_| {});
        let before = now();
        let since = Instant::from_nanos(before.as_nanos() - listened.as_nanos() as u64);
        bench.start_since(PRIMARY, Some(since));
        assert_eq!(bench.state(), State::Backup);
        bench.deadline().since(before)
    };
    let all = wait(Duration::ZERO);
    let some = Duration::from_millis(300);
    let tolerance = Duration::from_millis(100);
    for (listened, counted) in [(some, some), (SECOND, SECOND), (SECOND * 100, SECOND)] {
        let missing = all.saturating_sub(wait(listened));
        assert!(missing.abs_diff(counted) < tolerance, "{listened:?}: {missing:?}");
    }
}

/// R-6.4.2-11, issue 4, row 15: what the kernel program heard before the start is skipped, so the wait
/// begins with it: a master that was heard just before has its whole Active_Down_Interval.
#[test]
fn what_was_heard_before_the_start_begins_the_wait() {
    let mut bench = Bench::new(|_| {});
    let before = now();
    let ago = |time: Duration| Instant::from_nanos(before.as_nanos() - time.as_nanos() as u64);
    let heard = ago(Duration::from_millis(200));
    assert!(bench.hear(&advert(200, 3), heard));
    bench.start_since(PRIMARY, Some(ago(Duration::from_millis(900))));
    let parameters = bench.router.election.parameters();
    let skew = parameters.interval.duration() * (256 - u32::from(parameters.priority.get())) / 256;
    let limit = parameters.interval.duration() * 3 + skew;
    assert_eq!(bench.deadline(), heard + limit);
}

/// issue 4, flood defence, row 9: losing adverts without end ring a few times, then not before one of our
/// own intervals has passed without any; the news of each are read all the same. A better one rings at
/// once.
#[test]
fn flood_of_news() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    bench.expire_at(bench.deadline());
    assert_eq!(bench.state(), State::Active);
    let mut last = 0;
    let mut flood = |bench: &mut Bench, at: Instant| {
        let rings = (0..1000).filter(|microsecond| {
            last = if last == 3 { 4 } else { 3 };
            bench.hear(&advert(last, last), at + Duration::from_micros(*microsecond))
        });
        rings.count()
    };
    let start = bench.deadline();
    assert_eq!(flood(&mut bench, start), usize::from(PATIENCE) + 1);
    for second in 1..10 {
        bench.expire_at(bench.deadline());
        assert_eq!(flood(&mut bench, start + SECOND * second), 0, "second {second}");
    }
    for _ in ["the last news", "silence"] {
        bench.expire_at(bench.deadline());
    }
    assert_eq!(flood(&mut bench, start + SECOND * 12), 2);
    assert!(bench.hear(&advert(200, 3), start + SECOND * 13));
    assert_eq!(bench.state(), State::Backup);
}

/// issue 4, flood defence: resignations without end ring in each interval, since Backups take over sooner.
#[test]
fn flood_of_resignations() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    bench.expire_at(bench.deadline());
    for _ in 0..10 {
        let start = bench.deadline();
        let rings = (0..1000_u16).filter(|number| {
            let last = 3 + (number % 2) as u8;
            bench.hear(&advert(0, last), start + Duration::from_micros((*number).into()))
        });
        let rings = rings.count();
        assert!((2..=usize::from(PATIENCE) + 1).contains(&rings), "{rings}");
        bench.expire_at(bench.deadline());
    }
    assert_eq!(bench.state(), State::Active);
}

/// issue 4, flood defence: news that did not ring are read at the deadline, as of when they came.
#[test]
fn unread_news_count() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    let mut at = now();
    for digest in 1..=u64::from(PATIENCE) + 1 {
        at = at + Duration::from_micros(1);
        assert!(bench.hear(&Heard { digest, ..advert(200, 3) }, at));
    }
    let deadline = bench.deadline();
    assert!(!bench.hear(&advert(201, 3), at + SECOND * 3));
    assert_eq!(bench.deadline(), deadline, "nobody was told");
    bench.expire_at(deadline);
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.deadline(), deadline + SECOND * 3);
    assert!(bench.hear(&advert(202, 3), at + SECOND * 4), "it rings again");
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

/// R-7.1-11, V-7.1-05: an owner of version 2 ignores the adverts of others; one of version 3 hears
/// them (erratum 8298), unless it is told not to. Who does not own the addresses hears them always.
#[test]
fn owners_and_other_owners() {
    for (version, priority, ignores, expected) in [
        (Version::V2, 255, false, true),
        (Version::V3, 255, false, false),
        (Version::V3, 255, true, true),
        (Version::V2, 254, true, false),
        (Version::V3, 254, true, false),
    ] {
        let bench = Bench::with(|spec| {
            spec.parameters.version = version;
            spec.parameters.priority = Priority::new(priority);
            spec.owner_ignores = ignores;
        });
        let demanded = bench.router.demanded();
        assert_eq!(demanded.owner_ignores, expected, "{version:?}, {priority}, {ignores}");
    }
}

/// R-7.1-11, R-8.3.2-02: of two owners that hear each other the one with the lower address yields,
/// and says so.
#[test]
fn an_owner_yields_to_another() {
    let mut bench = Bench::new(|parameters| parameters.priority = Priority::OWNER);
    bench.start(PRIMARY);
    assert!(bench.hear(&advert(255, 9), now()));
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.oddities(), [Oddity::Owner { other: PRIMARY.into() }]);
}

/// R-8.3.2-02: who hears two owners says so, and names both, at most once in ten seconds.
#[test]
fn two_owners_elsewhere() {
    let mut bench = Bench::new(|_| {});
    bench.start(PRIMARY);
    let start = now();
    assert!(bench.hear(&advert(255, 3), start));
    assert_eq!(bench.oddities(), []);
    assert!(bench.hear(&advert(255, 4), start + SECOND / 2));
    assert_eq!(bench.oddities(), [Oddity::Owner { other: [192, 0, 2, 3].into() }]);
    assert!(bench.hear(&advert(255, 3), start + SECOND * 10));
    assert_eq!(bench.oddities(), []);
    assert!(bench.hear(&advert(255, 4), start + SECOND * 11));
    assert_eq!(bench.oddities(), [Oddity::Owner { other: [192, 0, 2, 3].into() }]);
}

/// Keyword `xdp_believe_checksum`, R-5.2.8-03: the ladder believes what the configuration says.
#[test]
fn believed_checksums() {
    for believe in [Believe::Either, Believe::Message, Believe::PseudoHeader] {
        let bench = Bench::with(|spec| spec.believe = believe);
        assert_eq!(bench.router.demanded().believe, believe);
    }
}

/// R-7.1-07: who has a link-local address first demands it of others, too.
#[test]
fn link_local_is_demanded_by_who_has_one() {
    let link_local = *b"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x33";
    let global = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\xfe";
    for (addresses, expected) in [
        (vec![link_local, global], true),
        (vec![link_local], true),
        (vec![global, link_local], false),
        (vec![global], false),
    ] {
        let bench = Bench::with(|spec| {
            spec.parameters.source = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
            spec.addresses = Addresses::V6(addresses);
        });
        assert_eq!(bench.router.demanded().link_local_first, expected);
    }
    assert!(!Bench::new(|_| {}).router.demanded().link_local_first);
}

/// R-7.1-09, R-7.1-10, V-7.1-09, keyword `skip_check_adv_addr`: other addresses and another interval
/// are accepted and told, at most once in ten seconds; the addresses of a known master only if they are
/// looked at.
#[test]
fn odd_adverts() {
    for skip in [false, true] {
        let mut bench = Bench::with(|spec| spec.skip_check_addresses = skip);
        bench.start(PRIMARY);
        let start = now();
        let odd = Heard { interval: 200, addresses_differ: true, ..advert(200, 3) };
        assert!(bench.hear(&odd, start));
        assert_eq!(bench.board.snapshot(0).active_router, Some(odd.source), "it is accepted");
        assert_eq!(bench.oddities(), [Oddity::Addresses, Oddity::Interval]);

        let other = Heard { digest: odd.digest + 1, ..odd };
        assert!(bench.hear(&other, start + SECOND * 9));
        assert_eq!(bench.oddities(), []);
        let third = Heard { digest: odd.digest + 2, ..odd };
        assert!(bench.hear(&third, start + SECOND * 11));
        let expected: &[_] =
            if skip { &[Oddity::Interval] } else { &[Oddity::Addresses, Oddity::Interval] };
        assert_eq!(bench.oddities(), expected);
        let ordinary = advert(200, 3);
        assert!(bench.hear(&ordinary, start + SECOND * 22));
        assert_eq!(bench.oddities(), []);
    }
}

/// issue 4: a router whose lease a daemon before this one has left, and which still holds, goes on as
/// Active; its first advert renews the lease.
#[test]
fn resumes_while_the_lease_holds() {
    let mut bench = Bench::new(|_| {});
    bench.slot().open(now() + SECOND);
    bench.start(PRIMARY);
    assert_eq!(bench.board.state(0), State::Active);
    assert!(bench.slot().lease().unwrap() > now() + SECOND * 2);
    let causes: Vec<_> = std::iter::from_fn(|| bench.reported.try_recv().ok())
        .filter_map(|report| match report {
            Report::Transition { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [Cause::Resumed]);
}

/// issue 4: it starts as Backup when the lease has lapsed, or the kernel program has closed it, for
/// somebody better was heard.
#[test]
fn starts_anew_when_the_lease_is_over() {
    let better = Heard {
        source: Addr::v4([192, 0, 2, 9]),
        priority: 200,
        interval: 100,
        digest: 7,
        ..Heard::default()
    };
    let lapse = |bench: &Bench| bench.slot().open(Instant::from_nanos(1));
    let hear = |bench: &Bench| {
        bench.slot().open(now() + SECOND);
        bench.slot().receive(&better, now());
    };
    for end in [&lapse as &dyn Fn(&Bench), &hear] {
        let mut bench = Bench::new(|_| {});
        end(&bench);
        bench.start(PRIMARY);
        assert_eq!(bench.board.state(0), State::Backup);
    }
}

/// issue 4: a router that may not take part gives up what it was to resume.
#[test]
fn fault_gives_up_the_lease() {
    let mut bench = Bench::new(|_| {});
    bench.slot().open(now() + SECOND);
    bench.act(Router::shut_down);
    assert_eq!(bench.slot().lease(), None);
    assert_eq!(bench.reported.try_recv(), Ok(Report::RemoveAddresses { router: 0 }));
}
