//! Sync groups of two or three members on two or three hosts, each member on a network of its own.
//!
//! Invariants. At all times: on no host are some members Active and others not, none takes over that
//! hears a better router, and priority 0 is sent by who leaves only. Within twice the largest
//! Active_Down_Interval of the end of the faults, or of the last fault that leaves one network whole:
//! one host has all members, the others have none, and that stays so. Hosts that are at odds, each
//! better than the other on one network, get four of them, three of that kind twelve.
//!
//! `XVRRP_RUNS=10000` runs that many seeds, `XVRRP_GROUP_SEED=N` prints all of one.

mod host;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use vrrp_common::{AdverInterval, Priority, Version};
use xvrrp::election::{Action, Event, Instant, Parameters, State};

use self::host::{Condition, Host, Wrong};
use crate::{
    network::Network,
    number_from_env,
    random::Random,
    trace::{self, Trace},
};

/// How many sequences of faults run unless XVRRP_RUNS says otherwise.
const RUNS: u64 = 1000;
/// Faults of one sequence.
const FAULTS: usize = 8;
/// How long the daemon may take to see that an interface is down.
const NOTICE: Duration = Duration::from_millis(20);

/// How a coupling is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// One member's timer is enough.
    TakesOverAlone,
    /// Whoever was willing once counts as willing until it is Active.
    ListensNoMore,
    /// A member that yields does so alone.
    NeverFollowsDown,
    /// FAULT of one is FAULT of one.
    FaultsAlone,
    /// Hosts that depose each other wait equally long.
    NobodyDecides,
}

impl Broken {
    const ALL: [Self; 5] = [
        Self::TakesOverAlone,
        Self::ListensNoMore,
        Self::NeverFollowsDown,
        Self::FaultsAlone,
        Self::NobodyDecides,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Up to 30 % of the adverts of all networks, at times all of them.
    Loss,
    /// One network falls into two.
    Partition,
    /// All networks do, in the same way.
    GreatPartition,
    /// One host is mute or deaf on one network.
    OneWay,
    /// An interface of a host is down, and the daemon says so soon after.
    Link,
    /// A process stops for a while.
    Hang,
    /// A process ends without a word.
    Kill,
    /// A process ends with priority 0.
    Stop,
    /// A process that is down starts.
    Start,
    /// A process dies, and its successor goes on at once with what it has left.
    Restart,
    /// The effective priority of a whole group changes.
    Reprioritise,
}

impl Fault {
    const ALL: [Self; 11] = [
        Self::Loss,
        Self::Partition,
        Self::GreatPartition,
        Self::OneWay,
        Self::Link,
        Self::Hang,
        Self::Kill,
        Self::Stop,
        Self::Start,
        Self::Restart,
        Self::Reprioritise,
    ];
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Violation {
    Host(usize, Wrong),
    /// How many hosts serve where one should, or none can.
    Serve(usize),
    /// Somebody changed state where all was well.
    Flaps,
}

struct Simulation {
    random: Random,
    now: Instant,
    hosts: Vec<Host>,
    networks: Vec<Network>,
    /// Networks that do not carry everything, and whether some lose adverts or hosts.
    cut: Vec<bool>,
    is_lossy: bool,
    is_at_odds: bool,
    transitions: u64,
    faults: Vec<Fault>,
    trace: Trace,
    violation: Option<Violation>,
}

impl Simulation {
    fn run(seed: u64, broken: Option<Broken>, is_traced: bool) -> Self {
        let mut random = Random::new(seed ^ 0x5f5f);
        let (hosts, members) = (2 + random.index(2), 2 + random.index(2));
        let is_at_odds = random.one_in(3);
        let parameters = parameters(hosts, members, is_at_odds, &mut random);
        let delay = Duration::from_millis(random.pick(&[1, 5]));
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut simulation = Self {
            now,
            hosts: parameters.iter().map(|own| Host::new(own, broken)).collect(),
            networks: (0..members).map(|_| Network::new(hosts, delay, &mut random)).collect(),
            cut: vec![false; members],
            is_lossy: false,
            is_at_odds,
            transitions: 0,
            faults: Vec::new(),
            trace: Trace::new(is_traced, now),
            violation: None,
            random,
        };
        simulation.execute();
        simulation
    }

    fn execute(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.start(host, false));
        self.calm();
        while self.violation.is_none() && self.faults.len() < FAULTS {
            for _ in 0..=self.random.below(2) {
                self.inject();
                let span = self.random.span(self.down_interval() * 2);
                self.run_for(span);
            }
            if !self.is_lossy && self.cut.contains(&false) {
                self.calm();
            }
            self.heal();
            self.calm();
        }
    }

    /// The time in which order must return, and then some in which it must last.
    fn calm(&mut self) {
        let down = self.down_interval();
        self.run_for(down * self.patience());
        if self.violation.is_some() {
            return;
        }
        let able = self.hosts.iter().filter(|host| host.is_able()).count();
        let serving = self.hosts.iter().filter(|host| host.runs() && host.is_active()).count();
        if serving != able.min(1) {
            self.violation = Some(Violation::Serve(serving));
        }
        let before = self.transitions;
        let lasting = self.random.span(down * 3);
        self.run_for(lasting);
        if self.transitions != before {
            self.violation.get_or_insert(Violation::Flaps);
        }
    }

    /// In how many Active_Down_Intervals order returns. Three hosts may be at odds in a circle, and need
    /// some attempts.
    fn patience(&self) -> u32 {
        match (self.is_at_odds, self.hosts.len()) {
            (false, _) => 2,
            (true, 2) => 4,
            (true, _) => 12,
        }
    }

    fn down_interval(&self) -> Duration {
        let members = self.hosts.iter().flat_map(|host| &host.members);
        let down = members.map(|member| {
            let own = member.election.parameters();
            own.interval.duration() * (u32::from(own.down_timer_adverts) + 1)
        });
        // Skew_Time of v2 is up to a second whatever the interval.
        down.max().unwrap_or_default() + Duration::from_millis(100)
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.violation.is_none() {
            let arrivals = self.networks.iter().enumerate();
            let arrival =
                arrivals.filter_map(|(network, it)| Some((it.next_arrival()?, network))).min();
            let wakes = self.hosts.iter().enumerate();
            let wake = wakes
                .filter_map(|(host, it)| it.next_wake().map(|(at, member)| (at, host, member)))
                .min();
            let next = arrival.map(|(at, _)| at).into_iter().chain(wake.map(|(at, ..)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            match (arrival, wake) {
                (Some((at, network)), _) if at == next => self.arrive(network),
                (_, Some((_, host, member))) => self.happen(host, member, Event::Timer, self.now),
                _ => {}
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, network: usize) {
        let Some((host, advert)) = self.networks[network].deliver() else { return };
        match self.hosts[host].condition {
            Condition::Running => self.happen(host, network, Event::Advert(advert), self.now),
            Condition::Hung => self.hosts[host].members[network].inbox.push((self.now, advert)),
            Condition::Down => {}
        }
    }

    fn happen(&mut self, host: usize, member: usize, event: Event, at: Instant) {
        let before = self.hosts[host].members[member].election.state();
        let (done, verdict) = self.hosts[host].happen(member, event, at);
        let own: Vec<_> = of(member, &done);
        self.trace
            .note(self.now, || format!("h{host} {}", trace::step(member, before, event, &own)));
        self.carry_out(host, &done);
        if let Err(wrong) = verdict {
            self.violation.get_or_insert(Violation::Host(host, wrong));
        }
    }

    fn carry_out(&mut self, host: usize, done: &[(usize, Action)]) {
        for (member, action) in done {
            match *action {
                Action::Advertise { priority } => {
                    let advert = self.hosts[host].members[*member].advert(priority);
                    self.networks[*member].send(host, advert, self.now, &mut self.random);
                }
                Action::Transition { to, cause, .. } => {
                    self.transitions += 1;
                    self.note(|| format!("h{host} r{member} is {to:?} ({cause:?})"));
                }
                _ => {}
            }
        }
    }

    /// Lets one thing go wrong, if it can in this situation.
    fn inject(&mut self) {
        let fault = self.random.pick(&Fault::ALL);
        let (host, network) =
            (self.random.index(self.hosts.len()), self.random.index(self.networks.len()));
        let runs = self.hosts[host].runs();
        let possible = match fault {
            Fault::Loss | Fault::Partition | Fault::GreatPartition | Fault::OneWay => true,
            Fault::Start => self.hosts[host].condition == Condition::Down,
            // One host that can is to be left.
            Fault::Link | Fault::Hang | Fault::Kill | Fault::Stop => {
                self.hosts[host].is_able()
                    && self.hosts.iter().filter(|host| host.is_able()).count() > 1
            }
            Fault::Restart => self.hosts[host].is_able(),
            Fault::Reprioritise => runs && !self.is_at_odds,
        };
        if possible {
            self.note(|| format!("** {fault:?} of h{host}, network {network}"));
            self.faults.push(fault);
            self.happen_fault(fault, host, network);
        }
    }

    fn happen_fault(&mut self, fault: Fault, host: usize, network: usize) {
        match fault {
            Fault::Loss => {
                let some = self.random.below(301);
                let loss = self.random.pick(&[some, some, 1000]);
                self.networks.iter_mut().for_each(|network| network.loss = loss);
                self.is_lossy = true;
            }
            Fault::Partition => {
                let side = self.random.below(1 << self.hosts.len());
                self.divide(network, side);
            }
            Fault::GreatPartition => {
                let side = self.random.below(1 << self.hosts.len());
                (0..self.networks.len()).for_each(|network| self.divide(network, side));
            }
            Fault::OneWay => {
                let is_mute = self.random.one_in(2);
                self.isolate(host, network, is_mute, !is_mute);
            }
            Fault::Link => {
                // For the others the network is what it was.
                let was_cut = self.cut[network];
                self.isolate(host, network, true, true);
                self.cut[network] = was_cut;
                let notice = self.random.span(NOTICE);
                self.run_for(notice);
                self.hosts[host].members[network].present = false;
                self.happen(host, network, Event::Shutdown, self.now);
            }
            Fault::Hang => self.hosts[host].condition = Condition::Hung,
            Fault::Kill => self.hosts[host].condition = Condition::Down,
            Fault::Stop => {
                self.happen(host, 0, Event::Shutdown, self.now);
                self.hosts[host].condition = Condition::Down;
            }
            Fault::Start => self.start(host, false),
            Fault::Restart => self.start(host, true),
            Fault::Reprioritise => {
                let priority = Priority::new(self.random.pick(&[1, 50, 100, 150, 254]));
                for member in 0..self.networks.len() {
                    self.happen(host, member, Event::Priority(priority), self.now);
                }
            }
        }
    }

    fn divide(&mut self, network: usize, side: u64) {
        for from in 0..self.hosts.len() {
            for to in 0..self.hosts.len() {
                if (side >> from ^ side >> to) & 1 == 1 {
                    self.networks[network].cut(from, to);
                    self.cut[network] = true;
                }
            }
        }
    }

    fn isolate(&mut self, host: usize, network: usize, is_mute: bool, is_deaf: bool) {
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            if is_mute {
                self.networks[network].cut(host, other);
            }
            if is_deaf {
                self.networks[network].cut(other, host);
            }
        }
        self.cut[network] = true;
    }

    /// Ends all that can end; whoever is down may stay so.
    fn heal(&mut self) {
        self.note(|| "** all is well again".to_owned());
        self.networks.iter_mut().for_each(Network::heal);
        self.cut.fill(false);
        self.is_lossy = false;
        for host in 0..self.hosts.len() {
            match self.hosts[host].condition {
                Condition::Down if self.random.one_in(2) => self.start(host, false),
                Condition::Down => {}
                Condition::Hung => self.resume(host),
                Condition::Running => {
                    for member in 0..self.networks.len() {
                        if !self.hosts[host].members[member].present {
                            let done = self.hosts[host].begin(member, self.now);
                            self.carry_out(host, &done);
                        }
                    }
                }
            }
        }
    }

    fn start(&mut self, host: usize, resumes: bool) {
        self.hosts[host].boot(resumes);
        let done = self.hosts[host].begin(0, self.now);
        self.carry_out(host, &done);
    }

    /// What came in meanwhile is heard first.
    fn resume(&mut self, host: usize) {
        self.hosts[host].condition = Condition::Running;
        for member in 0..self.networks.len() {
            for (at, advert) in std::mem::take(&mut self.hosts[host].members[member].inbox) {
                self.happen(host, member, Event::Advert(advert), at);
            }
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now, line);
    }

    fn report(&self) -> String {
        let states: Vec<Vec<State>> =
            self.hosts.iter().map(|host| host.states().collect()).collect();
        let tail = self.trace.tail().join("\n");
        format!("{:?}, at odds: {}, {states:?}\n{tail}", self.violation, self.is_at_odds)
    }
}

/// What each member of each host is configured to.
fn parameters(
    hosts: usize,
    members: usize,
    is_at_odds: bool,
    random: &mut Random,
) -> Vec<Vec<Parameters>> {
    let networks: Vec<_> = (0..members)
        .map(|_| match random.pick(&[Version::V2, Version::V3, Version::V3]) {
            Version::V2 => (Version::V2, 100),
            Version::V3 => (Version::V3, random.pick(&[20, 50, 100])),
        })
        .collect();
    let preempt = random.one_in(2);
    let same_priority = random.one_in(3);
    (0..hosts)
        .map(|host| {
            let choices = [1, 50, 100, 200, 254, 255];
            let mut priority = if same_priority { 100 } else { random.pick(&choices) };
            let mut place = host;
            let preempt = preempt || random.one_in(2);
            let networks = networks.iter().enumerate();
            let member = |(network, (version, interval)): (usize, &(Version, u16))| {
                if is_at_odds {
                    // On each network somebody else is the best.
                    priority = if same_priority { 100 } else { random.pick(&choices[..5]) };
                    place = (host + network) % hosts;
                }
                Parameters {
                    version: *version,
                    priority: Priority::new(priority),
                    interval: AdverInterval::from_centiseconds(*interval).expect("an interval"),
                    preempt,
                    preempt_delay: Duration::ZERO,
                    down_timer_adverts: 3,
                    source: source(network, place),
                    lower_prio_no_advert: random.one_in(4),
                    higher_prio_send_advert: random.one_in(4),
                    other_priority: None,
                    grouped: true,
                }
            };
            networks.map(member).collect()
        })
        .collect()
}

fn source(network: usize, place: usize) -> IpAddr {
    let octet = |number: usize| u8::try_from(number).expect("a small number");
    Ipv4Addr::new(10, octet(network), 0, octet(place) + 1).into()
}

fn of(member: usize, done: &[(usize, Action)]) -> Vec<Action> {
    done.iter().filter(|(by, _)| *by == member).map(|(_, action)| *action).collect()
}

/// Issue 6, pain 20, keyword `vrrp_sync_group`: no member is ever left alone as Active, and after the
/// faults, and under those that leave one network whole, one host has the whole group.
#[test]
fn groups_stay_whole() {
    let runs = number_from_env("XVRRP_RUNS").unwrap_or(RUNS);
    let (mut faults, mut transitions) = (0, 0);
    for seed in 0..runs {
        let simulation = Simulation::run(seed, None, false);
        if simulation.violation.is_some() {
            let again = Simulation::run(seed, None, true);
            panic!("XVRRP_GROUP_SEED={seed}: {}", again.report());
        }
        faults += simulation.faults.len();
        transitions += simulation.transitions;
    }
    println!("{runs} sequences, {faults} faults, {transitions} transitions");
    assert!(faults as u64 >= runs * FAULTS as u64 && transitions > faults as u64);
}

/// Issue 6: the simulation finds each of these broken couplings.
#[test]
fn broken_couplings_are_found() {
    for broken in Broken::ALL {
        let mut seeds = 0..RUNS;
        let found = seeds.find_map(|seed| {
            let violation = Simulation::run(seed, Some(broken), false).violation?;
            Some((seed, violation))
        });
        let Some((seed, violation)) = found else { panic!("{broken:?} went unnoticed") };
        println!("{broken:?}: seed {seed}: {violation:?}");
    }
}

/// Issue 6: the same seed gives the same run. XVRRP_GROUP_SEED prints one.
#[test]
fn group_runs_are_reproducible() {
    if let Some(seed) = number_from_env("XVRRP_GROUP_SEED") {
        let simulation = Simulation::run(seed, None, true);
        println!("{}\n{}", simulation.trace.lines().join("\n"), simulation.report());
        return;
    }
    let lines = |seed| Simulation::run(seed, None, true).trace.lines().to_vec();
    assert!(!lines(7).is_empty());
    assert_eq!(lines(7), lines(7));
}
