//! One table: what becomes of a virtual router in each way of intercepting frames. Rows are
//! scenarios, columns are modes, and what differs between the modes stands in the table alone.
//!
//! Without a program nobody but the worker hears the adverts and nobody but its supervisor watches
//! the lease, so nothing is left where both are killed. A native program on veth cannot take frames
//! to a virtual MAC, and what it sends is lost where the other end of the cable has no NAPI.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use rig::{
    BpfObjects, Capture, Config, Cut, Daemon, Footprint, Lab, Mac, Node, PacketSocket, Prober,
    Router, Seen, Signal, VirtualRouter, ms_between, wait_until, wire::Advert,
};
use rustix::process::kill_process;
use xvrrp::datapath::{self, Datapath, Sizes};

const SETTLING: Duration = Duration::from_secs(15);
/// What a busy machine may add to a time that the protocol defines.
const TOLERANCE: Duration = Duration::from_millis(150);
/// An answer that was under way when the lease lapsed; without a program, what the supervisor needs
/// to remove the addresses where others keep the kernel from changing any.
const LATE_ANSWER: Duration = TOLERANCE;
/// What a Backup waits for, and what an advert pays for, in intervals.
const DOWN_TIMER_ADVERTS: u32 = 3;
/// Cells of a column that run at the same time: most of their time is waiting.
const AT_ONCE: usize = 3;

/// A column.
struct Mode {
    /// As `xdp_mode` and the status call it.
    name: &'static str,
    /// Where bpftool finds an XDP program.
    xdp: Option<&'static str>,
    /// The other end of each cable gets NAPI.
    needs_napi: bool,
}

const NATIVE: Mode = Mode { name: "native", xdp: Some("driver"), needs_napi: true };
const GENERIC: Mode = Mode { name: "generic", xdp: Some("generic"), needs_napi: false };
const TCX: Mode = Mode { name: "tcx", xdp: None, needs_napi: false };
const NONE: Mode = Mode { name: "none", xdp: None, needs_napi: false };

/// A row.
struct Row {
    name: &'static str,
    /// Returns what came of it; what must be the same in all modes it asserts itself.
    scenario: fn(&Cell) -> String,
    config: fn() -> Config,
    outcome: &'static str,
    /// Modes in which something else comes of it.
    except: &'static [(&'static str, &'static str)],
}

impl Row {
    const fn new(name: &'static str, scenario: fn(&Cell) -> String, outcome: &'static str) -> Self {
        Self { name, scenario, config: ipv4, outcome, except: &[] }
    }

    const fn with(self, config: fn() -> Config) -> Self {
        Self { config, ..self }
    }

    const fn except(self, except: &'static [(&'static str, &'static str)]) -> Self {
        Self { except, ..self }
    }

    fn expected(&self, mode: &Mode) -> &'static str {
        let other = self.except.iter().find(|(name, _)| *name == mode.name);
        other.map_or(self.outcome, |(_, outcome)| outcome)
    }
}

const KERNEL_ANSWERS: &[(&str, &str)] = &[("none", "answered by the kernel")];
const NO_GATE: &[(&str, &str)] = &[("none", "serves on without a daemon")];
const SUPERVISED: &[(&str, &str)] = &[("none", "its supervisor removes the addresses")];
const NO_VIRTUAL_MAC: &[(&str, &str)] = &[(
    "native",
    "none: xdp_mode native on veth cannot take frames to a virtual MAC, generic and tcx can; use_vmac by macvlan",
)];

const TABLE: [Row; 17] = [
    Row::new("the mode is said", the_mode_is_said, "as configured"),
    Row::new("takeover", takeover, "in time"),
    Row::new("takeover, IPv6", takeover, "in time").with(ipv6),
    Row::new("answers", answers, "answered by the program").except(KERNEL_ANSWERS),
    Row::new("answers, IPv6", answers, "answered by the program").with(ipv6).except(KERNEL_ANSWERS),
    Row::new("repetitions", repetitions, "absorbed").except(&[("none", "heard by the socket")]),
    Row::new("invalid adverts", invalid_adverts, "counted by reason"),
    Row::new("a better router returns", a_better_router_returns, "obeyed"),
    Row::new("dead daemon", dead_daemon, "fenced").except(NO_GATE),
    Row::new("dead daemon, IPv6", dead_daemon, "fenced").with(ipv6).except(NO_GATE),
    Row::new("dead worker", dead_worker, "goes on as MASTER")
        .with(slow)
        .except(&[("none", "starts as BACKUP, without the addresses")]),
    Row::new("hung worker", hung_worker, "fenced").with(slow).except(SUPERVISED),
    Row::new("hung worker, IPv6", hung_worker, "fenced").with(slow_ipv6).except(SUPERVISED),
    Row::new("a better router comes meanwhile", hung_worker_obeys, "obeyed").with(slow),
    Row::new("virtual MAC", virtual_mac, "as configured").with(vmac).except(NO_VIRTUAL_MAC),
    Row::new("stop", stop, "nothing is left"),
    Row::new("stop, IPv6", stop, "nothing is left").with(ipv6),
];

fn ipv4() -> Config {
    with(Config::default())
}

fn ipv6() -> Config {
    with(Config::ipv6())
}

fn vmac() -> Config {
    with(Config { extra: "use_vmac", ..Config::default() })
}

/// A worker of a debug build takes its time to start; and a backup takes over 300 ms after the lease,
/// which is more than a busy machine adds.
fn slow() -> Config {
    Config { advert_int: Duration::from_millis(500), ..ipv4() }
}

fn slow_ipv6() -> Config {
    Config { advert_int: Duration::from_millis(500), ..ipv6() }
}

fn with(config: Config) -> Config {
    Config { version: 3, advert_int: Duration::from_millis(100), ..config }
}

/// Runs the column of `mode`.
fn column(mode: &Mode) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some(row) = TABLE.get(next.fetch_add(1, Ordering::Relaxed)) {
            let cell = || {
                let outcome = (row.scenario)(&Cell::new(mode, (row.config)()));
                assert_eq!(outcome, row.expected(mode), "{}: {}", mode.name, row.name);
            };
            if catch_unwind(AssertUnwindSafe(cell)).is_err() {
                failed.push(row.name);
            }
        }
        failed
    };
    let failed = thread::scope(|scope| {
        let workers = [(); AT_ONCE].map(|()| scope.spawn(work));
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    assert_eq!(failed, Vec::<&str>::new(), "rows that failed with {}", mode.name);
}

/// issue 4, "attachment modes", R-6.4.2-01, R-6.4.2-02, R-6.4.3-01, R-7.1-01, R-7.1-02,
/// R-7.1-05, R-8.1.2-01, X-12, keywords `xdp_mode` and `use_vmac`: the column of native
/// XDP, which refuses a virtual MAC.
#[test]
fn every_scenario_with_native() {
    column(&NATIVE);
}

/// issue 4, "attachment modes", R-6.4.2-01, R-6.4.2-02, R-6.4.3-01, R-7.1-01, R-7.1-02,
/// R-7.1-05, R-8.1.2-01, X-12, keyword `xdp_mode`: the column of generic XDP.
#[test]
fn every_scenario_with_generic() {
    column(&GENERIC);
}

/// issue 4, "attachment modes", R-6.4.2-01, R-6.4.2-02, R-6.4.3-01, R-7.1-01, R-7.1-02,
/// R-7.1-05, R-8.1.2-01, X-12, keyword `xdp_mode`: the column of tcx.
#[test]
fn every_scenario_with_tcx() {
    column(&TCX);
}

/// issue 4, "attachment modes", R-6.4.2-01, R-6.4.2-02, R-6.4.3-01, R-7.1-01, R-7.1-02,
/// R-7.1-05, R-8.1.2-01, keyword `xdp_mode`: the column without a program.
#[test]
fn every_scenario_with_none() {
    column(&NONE);
}

/// Two nodes and a client, for one scenario in one mode.
struct Cell<'a> {
    mode: &'a Mode,
    config: Config,
    capture: Capture,
    lab: Lab,
    /// On the ports of the switch.
    _passing: Option<Datapath>,
}

/// Attaches a native program that passes everything to the switch's end of each cable, since only this
/// gives a veth the NAPI that fetches what the other end sends by XDP_TX (Linux 6.18; generic receive
/// offload gives it, too, but nothing wakes it).
fn give_napi(lab: &Lab) -> Datapath {
    let mut datapath = Datapath::load(Sizes { routers: 0, addresses: 0 }, false, false).unwrap();
    for node in lab.nodes() {
        node.at_switch(|port| Ok(datapath.attach(port, &[datapath::Mode::Native])?)).unwrap();
    }
    datapath
}

impl<'a> Cell<'a> {
    fn new(mode: &'a Mode, config: Config) -> Self {
        let lab = config.lab(2).unwrap();
        let passing = mode.needs_napi.then(|| give_napi(&lab));
        let capture = Capture::start(lab.client()).unwrap();
        Self { mode, config, capture, lab, _passing: passing }
    }

    /// Starts the daemon of `node`.
    fn start(&self, node: usize, priority: u8) -> Router {
        let config = Config { priority, ..self.config.clone() };
        let file = format!("global_defs {{\n    xdp_mode {}\n}}\n{config}", self.mode.name);
        let router = Router::start(self.lab.node(node), Daemon::Xvrrp, &file).unwrap();
        self.wait_for_state(&router, router.started(), "BACKUP");
        router
    }

    /// Starts the daemon of `node`, and waits until it has the addresses.
    fn start_master(&self, node: usize, priority: u8) -> Router {
        let router = self.start(node, priority);
        self.wait_for_master(node);
        router
    }

    /// Node 0 is master, node 1 its backup.
    fn start_pair(&self) -> [Router; 2] {
        [self.start_master(0, 200), self.start(1, 100)]
    }

    fn wait_for_state(&self, router: &Router, since: SystemTime, state: &str) {
        router.wait_for_state(since, self.config.instance(), state, SETTLING).unwrap();
    }

    /// Waits until `node` alone answers and has the address.
    fn wait_for_master(&self, node: usize) {
        self.lab.wait_for_answerer(&self.capture, self.config.vip, node, SETTLING).unwrap();
        wait_until("the address", SETTLING, || Ok(self.has_address(node))).unwrap();
    }

    fn wait_for_removal(&self, node: usize) {
        wait_until("the removal of the address", SETTLING, || Ok(!self.has_address(node))).unwrap();
    }

    fn has_address(&self, node: usize) -> bool {
        has_address(self.lab.node(node), self.config.vip)
    }

    fn prober(&self) -> Prober {
        Prober::start(self.lab.client(), self.config.vip).unwrap()
    }

    fn pause(&self, time: Duration) {
        self.capture.wait_for(SystemTime::now(), time, |_| false);
    }

    fn lease(&self) -> Duration {
        self.config.advert_int * DOWN_TIMER_ADVERTS
    }

    fn last(&self, fits: impl Fn(&Seen) -> bool) -> Option<SystemTime> {
        self.capture.seen().iter().rfind(|seen| fits(seen)).map(|seen| seen.at)
    }

    fn is_answer_of(&self, node: usize, seen: &Seen) -> bool {
        seen.from == self.lab.node(node).mac() && seen.is_arp_answer(self.config.vip)
    }

    /// How long after its last advert a silent node still answered.
    fn answered_for(&self, node: usize) -> Duration {
        let advert = self.last(|seen| seen.is_advert_of(self.lab.node(node))).unwrap();
        let answer = self.last(|seen| self.is_answer_of(node, seen)).unwrap();
        answer.duration_since(advert).unwrap_or_default()
    }

    /// Whether what a node answers after its last advert is paid for by that.
    fn is_within_lease(&self, node: usize) -> bool {
        self.answered_for(node) <= self.lease() + LATE_ANSWER
    }
}

/// Whether the address is on any interface of the node.
fn has_address(node: &Node, address: IpAddr) -> bool {
    let address = address.to_string();
    !node.namespace().ip(&["-o", "addr", "show", "to", &address]).unwrap().is_empty()
}

fn status(router: &Router) -> VirtualRouter {
    router.status().unwrap().remove(0)
}

fn answered_by_program(router: &Router) -> u64 {
    let row = status(router);
    row.counter("arp_answered") + row.counter("nd_answered")
}

fn signal_worker(router: &Router, signal: Signal) -> SystemTime {
    let at = SystemTime::now();
    kill_process(router.worker().unwrap(), signal).unwrap();
    at
}

fn expect_no_transition(router: &mut Router, since: SystemTime) {
    let lines = router.process().lines();
    let mut transitions =
        lines.iter().filter(|line| line.at >= since && line.text.contains("Entering"));
    assert!(transitions.next().is_none(), "{lines:?}");
}

/// How often the thread that keeps the deadlines has waited.
fn wakeups(router: &Router) -> u64 {
    let pulse = router.pulse_thread().unwrap().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{pulse}/status")).unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

/// The status names the mode and why, and there is an XDP program where the mode is one of XDP.
fn the_mode_is_said(cell: &Cell<'_>) -> String {
    let routers = cell.start_pair();
    for (index, router) in routers.iter().enumerate() {
        let row = status(router);
        assert_eq!(row.xdp_mode, cell.mode.name);
        assert_eq!(row.xdp_reason, format!("xdp_mode {}", cell.mode.name));
        let programs = cell.lab.node(index).run(&["bpftool", "net"]).unwrap();
        let place = |place: &&str| programs.split_whitespace().any(|word| word == *place);
        assert_eq!(["driver", "generic"].into_iter().find(place), cell.mode.xdp, "{programs}");
    }
    "as configured".into()
}

/// The host of the master dies.
fn takeover(cell: &Cell<'_>) -> String {
    let [mut master, _backup] = cell.start_pair();
    let (lab, vip, phase) = (&cell.lab, cell.config.vip, cell.config.advert_int / 2);
    let cut = Cut::make(lab, &cell.capture, vip, &mut master, lab.node(1), phase).unwrap();
    let takeover = cut.takeover(SETTLING).unwrap();
    let failover = cut.observe(&takeover).unwrap();
    let [advert, announcement, answer, ping] = failover.delays();
    let due = Config { priority: 100, ..cell.config.clone() }.active_down_interval();
    let due = due.as_secs_f64() * 1e3;
    let within = |ms: f64, tolerance: Duration| ms <= due + tolerance.as_secs_f64() * 1e3;
    assert!(advert > due - 1.0, "{advert} ms, {due}");
    assert!(within(advert, TOLERANCE), "{failover:?}");
    // Addresses and announcements are not the pulse's, and wait for busy tasks.
    assert!(
        [announcement, answer, ping].iter().all(|ms| within(*ms, TOLERANCE * 4)),
        "{failover:?}"
    );
    cell.wait_for_master(1);
    "in time".into()
}

/// The master alone answers, with its MAC, and once.
fn answers(cell: &Cell<'_>) -> String {
    let [master, backup] = cell.start_pair();
    let before = answered_by_program(&master);
    for vip in cell.config.vips() {
        let mac = cell.lab.node(0).mac();
        assert_eq!(cell.lab.answers(&cell.capture, vip).unwrap(), [mac], "{vip}");
        assert_eq!(cell.lab.answerers(&cell.capture, vip).unwrap(), [0], "{vip}");
    }
    assert_eq!(answered_by_program(&backup), 0);
    let questions = 2 * cell.config.vips().count() as u64;
    match answered_by_program(&master) - before {
        0 => "answered by the kernel".into(),
        answers if answers == questions => "answered by the program".into(),
        answers => panic!("the program counts {answers} answers to {questions} questions"),
    }
}

/// What says nothing new wakes nobody.
fn repetitions(cell: &Cell<'_>) -> String {
    let [_master, backup] = cell.start_pair();
    let absorbed = || status(&backup).counter("adverts_absorbed");
    // To ask for the counter takes its time, in which more adverts come.
    let asked = SystemTime::now();
    let before = absorbed();
    let (start, woken) = (SystemTime::now(), wakeups(&backup));
    cell.pause(cell.config.advert_int * 20);
    let woken = wakeups(&backup) - woken;
    let end = SystemTime::now();
    let counted = absorbed() - before;
    let all = cell.capture.adverts_of(cell.lab.node(0), asked).unwrap();
    let adverts = all.iter().filter(|(at, _)| (start..=end).contains(at)).count() as u64;
    assert!(adverts >= 15, "{adverts} adverts");
    assert!((adverts - 1..=all.len() as u64 + 1).contains(&counted), "{counted} of {adverts}");
    match woken {
        // Once for each deadline that has moved.
        _ if woken <= adverts / 2 => "absorbed".into(),
        _ if woken >= adverts - 2 => "heard by the socket".into(),
        _ => panic!("woken {woken} times by {adverts} adverts"),
    }
}

/// Adverts of the best priority that break a rule change nothing.
fn invalid_adverts(cell: &Cell<'_>) -> String {
    let mut routers = cell.start_pair();
    let start = SystemTime::now();
    let client = cell.lab.client();
    let socket = PacketSocket::open(client).unwrap();
    let vips = cell.config.vips().collect();
    let sound = Advert {
        priority: 254,
        interval: cell.config.advert_int,
        ..Advert::new(client.mac(), client.address().into(), Config::VRID, vips)
    };
    let far = Advert { hop_limit: 254, ..sound.clone() }.frame();
    let old = Advert { version: 2, interval: Duration::from_secs(1), ..sound.clone() }.frame();
    let mut damaged = sound.frame();
    *damaged.last_mut().unwrap() ^= 1;
    for (count, (reason, frame)) in
        (1..).zip([("ttl", far), ("version", old), ("checksum", damaged)])
    {
        socket.send(&frame).unwrap();
        for router in &routers {
            let is_counted = || {
                let row = status(router);
                let of_reason = row.counter(&format!("rejected_{reason}"));
                Ok((of_reason, row.counters("rejected_")) == (1, count))
            };
            wait_until(reason, SETTLING, is_counted).unwrap();
        }
    }
    routers.iter_mut().for_each(|router| expect_no_transition(router, start));
    "counted by reason".into()
}

/// The backup has become master, and its better returns.
fn a_better_router_returns(cell: &Cell<'_>) -> String {
    let second = cell.start_master(1, 100);
    let returned = SystemTime::now();
    let _first = cell.start(0, 200);
    cell.wait_for_state(&second, returned, "BACKUP");
    cell.wait_for_removal(1);
    cell.wait_for_master(0);
    "obeyed".into()
}

/// Supervisor and worker are killed: nobody is left to do anything.
fn dead_daemon(cell: &Cell<'_>) -> String {
    let mut router = cell.start_master(0, 200);
    let prober = cell.prober();
    cell.pause(cell.config.advert_int * 2);
    router.process().kill().unwrap();
    cell.pause(cell.lease() * 2);
    drop(prober);
    assert!(cell.has_address(0));
    let is_silent = cell.lab.answerers(&cell.capture, cell.config.vip).unwrap().is_empty();
    assert_eq!(is_silent, cell.is_within_lease(0), "{:?}", cell.answered_for(0));
    if is_silent { "fenced" } else { "serves on without a daemon" }.into()
}

/// The worker alone is killed: its supervisor starts another one.
fn dead_worker(cell: &Cell<'_>) -> String {
    let mut router = cell.start_master(0, 200);
    let prober = cell.prober();
    cell.pause(cell.config.advert_int);
    let killed = signal_worker(&router, Signal::KILL);
    let state = router.process().wait_for_line(killed, "Entering", SETTLING).unwrap().text;
    let outcome = if state.contains("BACKUP") {
        assert!(!cell.has_address(0));
        drop(prober);
        assert!(cell.is_within_lease(0), "{:?}", cell.answered_for(0));
        "starts as BACKUP, without the addresses"
    } else {
        assert!(state.contains("MASTER"), "{state}");
        assert!(cell.has_address(0));
        "goes on as MASTER"
    };
    cell.wait_for_master(0);
    outcome.into()
}

/// All threads of the worker are stopped: its backup takes over, never do two answer, and when it
/// goes on it is master again.
fn hung_worker(cell: &Cell<'_>) -> String {
    let [mut master, backup] = cell.start_pair();
    let _prober = cell.prober();
    cell.pause(cell.config.advert_int * 2);
    let stopped = signal_worker(&master, Signal::STOP);
    let heir = |seen: &Seen| cell.is_answer_of(1, seen);
    let taken = cell.capture.expect("an answer of the heir", stopped, SETTLING, heir).unwrap();
    cell.pause(cell.lease());
    assert!(cell.is_within_lease(0), "{:?}", cell.answered_for(0));
    let last = cell.last(|seen| cell.is_answer_of(0, seen)).unwrap();
    assert!(last < taken.at, "two answer for {} ms", ms_between(taken.at, last));
    let outcome =
        if cell.has_address(0) { "fenced" } else { "its supervisor removes the addresses" };

    let resumed = signal_worker(&master, Signal::CONT);
    cell.wait_for_state(&backup, resumed, "BACKUP");
    cell.wait_for_master(0);
    expect_no_transition(&mut master, stopped);
    outcome.into()
}

/// All threads of the worker are stopped, and a better router comes. When it goes on, it becomes
/// Backup before it answers or says anything.
fn hung_worker_obeys(cell: &Cell<'_>) -> String {
    let master = cell.start_master(0, 100);
    let prober = cell.prober();
    cell.pause(cell.config.advert_int * 2);
    signal_worker(&master, Signal::STOP);
    let _better = cell.start_master(1, 200);
    let resumed = signal_worker(&master, Signal::CONT);
    cell.wait_for_state(&master, resumed, "BACKUP");
    cell.wait_for_removal(0);
    cell.pause(cell.lease());
    drop(prober);
    assert!(cell.is_within_lease(0), "{:?}", cell.answered_for(0));
    let adverts = cell.capture.adverts_of(cell.lab.node(0), resumed).unwrap();
    assert!(adverts.is_empty(), "{adverts:?}");
    cell.wait_for_master(1);
    "obeyed".into()
}

/// issue 4, keyword `xdp_mode`: an interface without a program beside one with it. Of a worker that hangs only the address on that one is
/// removed, and comes back when it goes on.
#[test]
fn only_what_has_no_program_is_removed() {
    let lab = Lab::new(2).unwrap();
    lab.node(0).join(lab.node(1)).unwrap();
    let second = Ipv4Addr::new(198, 51, 100, 129);
    let file = format!(
        "{}vrrp_instance VI_2 {{\n    interface {}\n    virtual_router_id 52\n    version 3\n    \
         advert_int 0.1\n    xdp_mode none\n    virtual_ipaddress {{\n        {second}\n    }}\n}}\n",
        ipv4(),
        Node::SECOND_INTERFACE,
    );
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &file).unwrap();
    let has = |address| has_address(lab.node(0), address);
    let (guarded, bare) = (ipv4().vip, IpAddr::from(second));
    let has_both = || Ok(has(guarded) && has(bare));
    wait_until("both addresses", SETTLING, has_both).unwrap();
    for instance in ["VI_1", "VI_2"] {
        router.wait_for_state(router.started(), instance, "MASTER", SETTLING).unwrap();
    }
    signal_worker(&router, Signal::STOP);
    wait_until("the removal", SETTLING, || Ok(!has(bare))).unwrap();
    assert!(has(guarded));
    signal_worker(&router, Signal::CONT);
    wait_until("both addresses again", SETTLING, has_both).unwrap();
}

/// Whoever takes frames to it, the virtual MAC answers and serves, and moves.
fn virtual_mac(cell: &Cell<'_>) -> String {
    let vip = cell.config.vip;
    let mac = Mac::virtual_router(vip, Config::VRID);
    let serves = |node| {
        let learnt = || Ok(cell.lab.node_with(mac)? == Some(node));
        wait_until("the switch learns the virtual MAC", SETTLING, learnt).unwrap();
        let answers = || Ok(cell.lab.answers(&cell.capture, vip)? == [mac]);
        wait_until("the virtual MAC as the answer", SETTLING, answers).unwrap();
        // The address comes a little later than the answers to who has it.
        cell.lab.client().run(&["ping", "-q", "-c1", "-w15", &vip.to_string()]).unwrap();
    };
    let mut master = cell.start(0, 200);
    serves(0);
    let _backup = cell.start(1, 100);
    let row = status(&master);
    master.crash().unwrap();
    serves(1);
    if row.xdp_mode == cell.mode.name {
        return "as configured".into();
    }
    format!("{}: {}", row.xdp_mode, row.xdp_reason)
}

/// What the daemon had changed on the host is as it was.
fn stop(cell: &Cell<'_>) -> String {
    let before = Footprint::of(cell.lab.node(0)).unwrap();
    let mut router = cell.start_master(0, 200);
    let objects = BpfObjects::held_in(cell.lab.node(0)).unwrap();
    assert!(router.stop().unwrap().success());
    let freed = || Ok(objects.still_there()?.is_empty());
    wait_until(&format!("the end of {objects:?}"), SETTLING, freed).unwrap();
    let difference = before.difference(&Footprint::of(cell.lab.node(0)).unwrap());
    if difference.is_empty() {
        return "nothing is left".into();
    }
    difference.join("\n")
}
