//! What a router makes of adverts that are in order and all the same not as it would have them, of
//! other owners of its addresses, and of the time after its start.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::{Duration, SystemTime};

use rig::{Capture, Config, Daemon, Lab, Router, Seen, wait_until};

const SETTLING: Duration = Duration::from_secs(15);
/// Longer than three intervals of one second and the skew.
const DOWN_INTERVAL: Duration = Duration::from_secs(4);

/// Version 3, and one second as in version 2.
fn config(priority: u8) -> Config {
    Config { version: 3, priority, ..Config::default() }
}

/// Two routers with the same VRID.
struct Cluster {
    routers: [Router; 2],
    capture: Capture,
    _lab: Lab,
}

impl Cluster {
    /// Starts the routers one after the other. The first is MASTER, and the second answers to
    /// `xvrrp status`, when this returns.
    fn start([first, second]: &[Config; 2]) -> Self {
        let lab = first.lab(2).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let start = |node, config: &Config| {
            Router::start(lab.node(node), Daemon::Xvrrp, &config.to_string()).unwrap()
        };
        let first_router = start(0, first);
        let started = first_router.started();
        first_router.wait_for_state(started, first.instance(), "MASTER", SETTLING).unwrap();
        let second_router = start(1, second);
        wait_until("the status", SETTLING, || Ok(second_router.status().is_ok())).unwrap();
        Self { routers: [first_router, second_router], capture, _lab: lab }
    }

    fn states(&self) -> [String; 2] {
        self.routers.each_ref().map(|router| router.status().unwrap()[0].state.clone())
    }

    /// Lets more than a down interval pass, in which nothing else may happen.
    fn expect_to_stay(&self, states: [&str; 2]) {
        let reached = || Ok(self.states() == states);
        wait_until(&format!("{states:?}"), SETTLING, reached).unwrap();
        let transitions = [0, 1].map(|router| self.logged(router, "Entering"));
        self.capture.wait_for(SystemTime::now(), DOWN_INTERVAL, |_| false);
        assert_eq!(self.states(), states);
        assert_eq!([0, 1].map(|router| self.logged(router, "Entering")), transitions);
    }

    fn logged(&self, router: usize, line: &str) -> usize {
        self.routers[router].log().iter().filter(|text| text.contains(line)).count()
    }
}

/// R-7.1-09, R-7.1-10, V-7.1-09: other addresses and another interval are no reason to take over;
/// they are logged, and not for each advert.
#[test]
fn other_addresses_and_intervals_are_accepted_and_logged() {
    const ADDRESSES: &str = "other virtual addresses";
    const INTERVAL: &str = "another advert_int";
    for version in [2, 3] {
        let advert_int = Duration::from_secs(if version == 3 { 2 } else { 1 });
        let other = Config { version, vip: Lab::address(130).into(), ..config(150) };
        let cluster = Cluster::start(&[other, Config { version, advert_int, ..config(100) }]);
        cluster.expect_to_stay(["MASTER", "BACKUP"]);
        assert_eq!(cluster.logged(1, ADDRESSES), 1);
        assert_eq!(cluster.logged(1, INTERVAL), usize::from(version == 3));
    }
}

/// R-7.1-11, R-8.3.2-02: of two owners of version 3 the one with the lower address yields, as
/// erratum 8298 wants, and both are told of.
#[test]
fn one_of_two_owners_yields() {
    let cluster = Cluster::start(&[config(255), config(255)]);
    cluster.expect_to_stay(["BACKUP", "MASTER"]);
    assert_eq!(cluster.logged(0, "it has priority 255, and so has"), 1);
}

/// R-7.1-11, V-7.1-05: owners that ignore adverts, which those of version 2 always do, are both
/// MASTER; their logs say why.
#[test]
fn owners_that_ignore_adverts() {
    let deaf = Config { extra: "owner_ignore_adverts", ..config(255) };
    for deaf in [deaf, Config { version: 2, ..config(255) }] {
        let cluster = Cluster::start(&[deaf.clone(), deaf]);
        cluster.expect_to_stay(["MASTER", "MASTER"]);
        for router in [0, 1] {
            assert!(cluster.logged(router, "this router owns the addresses") > 0);
        }
    }
}

/// R-6.1-08, R-6.4.1-01: the owner takes over from any other router, whatever is said of preemption.
#[test]
fn the_owner_preempts() {
    for version in [2, 3] {
        let other = Config { version, ..config(254) };
        let owner = Config { version, extra: "nopreempt", ..config(255) };
        let cluster = Cluster::start(&[other, owner]);
        cluster.expect_to_stay(["BACKUP", "MASTER"]);
    }
}

/// R-7.1-07: two routers without a link-local address hear each other, as keepalived's do.
#[test]
fn global_addresses_alone() {
    let config = |priority| Config { priority, link_local: None, ..Config::ipv6() };
    let cluster = Cluster::start(&[config(150), config(100)]);
    cluster.expect_to_stay(["MASTER", "BACKUP"]);
}

/// keyword `vrrp_startup_delay`: until it is over nobody takes part; then the timers start.
#[test]
fn startup_delay() {
    const DELAY: Duration = Duration::from_secs(3);
    let config = Config { advert_int: Duration::from_millis(200), ..config(100) };
    let lab = Lab::new(1).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let text = format!("global_defs {{\n vrrp_startup_delay 3\n}}\n{config}");
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &text).unwrap();
    let (started, instance) = (router.started(), Config::INSTANCE);
    let answers = || Ok(router.status().is_ok());
    wait_until("the status", SETTLING, answers).unwrap();
    assert_eq!(router.status().unwrap()[0].state, "INIT");
    let backup = router.wait_for_state(started, instance, "BACKUP", SETTLING).unwrap();
    assert!(
        backup.at >= started + DELAY,
        "it took part after {:?}",
        backup.at.duration_since(started)
    );
    router.wait_for_state(started, instance, "MASTER", SETTLING).unwrap();
    let advert = |seen: &Seen| seen.is_advert_of(lab.node(0));
    let first = capture.expect("an advert", started, SETTLING, advert).unwrap();
    assert!(first.at >= started + DELAY + config.active_down_interval());
}
