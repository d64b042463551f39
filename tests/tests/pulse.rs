//! The thread that sends adverts and notices a dead master: its scheduling class, what it says of
//! itself, and that busy hosts do not delay it.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use rig::{Capture, Config, Daemon, Lab, Process, Router, Seen, VirtualRouter, wait_until};
use rustix::thread::{
    CapabilitySet, CpuSet, remove_capability_from_bounding_set, sched_getaffinity,
    sched_setaffinity,
};

const SETTLING: Duration = Duration::from_secs(15);
/// The shortest interval of adverts.
const FAST: Duration = Duration::from_millis(10);
/// How long the host is kept busy.
const BUSY: Duration = Duration::from_secs(5);
/// An interval at which a lost time slice is not yet a dead master: how good it is, `failover` and
/// the rig of the benchmarks measure.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);
/// The longest time between two adverts of a busy host. Without its class the pulse gets the
/// processor once in a second, in what the kernel's throttling of real-time tasks leaves.
const LONGEST_GAP: Duration = Duration::from_millis(300);

fn fast(priority: u8) -> Config {
    Config { version: 3, priority, advert_int: FAST, ..Config::default() }
}

/// The daemon on node 0 of a lab with `global` in global_defs.
struct Bench {
    router: Router,
    _lab: Lab,
}

impl Bench {
    fn start(global: &str) -> Self {
        Self::at(FAST, global)
    }

    fn at(advert_int: Duration, global: &str) -> Self {
        let lab = Lab::new(1).unwrap();
        let virtual_router = Config { advert_int, ..fast(100) };
        let config = format!("global_defs {{\n{global}\n}}\n{virtual_router}");
        let router = Router::start(lab.node(0), Daemon::Xvrrp, &config).unwrap();
        let bench = Self { router, _lab: lab };
        let since = bench.router.started();
        bench.router.wait_for_state(since, Config::INSTANCE, "MASTER", SETTLING).unwrap();
        bench
    }

    fn status(&self) -> VirtualRouter {
        self.router.status().unwrap().remove(0)
    }

    /// Lines of the log that are warnings.
    fn warnings(&self) -> Vec<String> {
        self.router.log().into_iter().filter(|line| line.contains("WARN")).collect()
    }

    /// It sends, whatever its class.
    fn advertises(&self) {
        let sent = || self.status().counter("adverts_sent");
        let before = sent();
        wait_until("ten adverts", SETTLING, || Ok(sent() >= before + 10)).unwrap();
    }

    /// Policy and priority of the pulse thread (proc_pid_stat(5), fields 41 and 40).
    fn class(&self) -> (u32, u32) {
        let pulse = self.router.pulse_thread().unwrap().as_raw_nonzero();
        let stat = fs::read_to_string(format!("/proc/{pulse}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[41 - 3].parse().unwrap(), fields[40 - 3].parse().unwrap())
    }

    /// A line of /proc/PID/`file`.
    fn proc(&self, file: &str, name: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap();
        text.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    }

    fn pid(&self) -> i32 {
        self.router.worker().unwrap().as_raw_nonzero().get()
    }
}

/// Keeps every processor busy with a task of SCHED_FIFO, priority 50, which ends by itself and is
/// killed when it has computed for a second longer.
fn occupy_all_processors() -> Vec<Process> {
    let busy = BUSY.as_secs();
    let script = format!("ulimit -t {}; while (( SECONDS < {busy} )); do :; done", busy + 1);
    let count = thread::available_parallelism().unwrap().get();
    let hog = |_| {
        let mut command = Command::new("chrt");
        command.args(["--fifo", "50", "bash", "-c", &script]);
        Process::spawn("a busy task", command).unwrap()
    };
    (0..count).map(hog).collect()
}

/// Issue 4: tasks of SCHED_FIFO that keep all processors busy do not keep adverts back, and the Backup
/// does not take a starved host for a dead one.
#[test]
fn busy_tasks_do_not_delay_adverts() {
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let start = |node: usize, priority: u8, state| {
        let config = Config { advert_int: BUSY_INTERVAL, ..fast(priority) }.to_string();
        let router = Router::start(lab.node(node), Daemon::Xvrrp, &config).unwrap();
        let since = router.started();
        router.wait_for_state(since, Config::INSTANCE, state, SETTLING).unwrap();
        router
    };
    let master = start(0, 200, "MASTER");
    let backup = start(1, 100, "BACKUP");
    for router in [&master, &backup] {
        let scheduling = router.status().unwrap().remove(0).pulse.scheduling;
        assert!(scheduling.starts_with("sched_deadline"), "{scheduling}: {:?}", router.log());
    }

    let since = SystemTime::now();
    for mut hog in occupy_all_processors() {
        assert!(hog.wait_exit(BUSY * 3).unwrap().success(), "{:?}", hog.lines());
    }
    let busy = since.elapsed().unwrap();
    assert!(busy >= BUSY / 2, "the host was busy for {busy:?} only");
    // Whoever captures was kept from it, too.
    let is_advert = |seen: &Seen| seen.is_advert_of(lab.node(0));
    capture.expect("an advert after that", since + busy, SETTLING, is_advert).unwrap();

    let adverts = capture.adverts_of(lab.node(0), since).unwrap();
    let least = busy.as_millis() / BUSY_INTERVAL.as_millis() * 9 / 10;
    assert!(adverts.len() as u128 >= least, "{} adverts in {busy:?}", adverts.len());
    let gaps = adverts.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0).unwrap());
    let longest = gaps.max().unwrap();
    assert!(longest <= LONGEST_GAP, "{longest:?} between two adverts");
    assert_eq!(capture.adverts_of(lab.node(1), since).unwrap().len(), 0, "{:?}", backup.log());
    assert_eq!(backup.last_state(Config::INSTANCE).as_deref(), Some("BACKUP"));
    assert_eq!(master.last_state(Config::INSTANCE).as_deref(), Some("MASTER"));
}

/// Issue 4, design (pulse): SCHED_DEADLINE and locked memory without a word in the file; `xvrrp status
/// --json` has the class, and one entry of its histogram for each advert that left on time.
#[test]
fn status_tells_class_and_lateness() {
    let bench = Bench::start("");
    bench.advertises();
    let status = bench.status();
    let pulse = &status.pulse;
    assert_eq!(pulse.scheduling, "sched_deadline, 0.26 of 10 ms");
    const DEADLINE: u32 = 6;
    assert_eq!(bench.class().0, DEADLINE);
    let counted: u64 = pulse.lateness.iter().map(|class| class.count).sum();
    // The takeover itself is one of them, and so is each regular advert; status is no snapshot.
    let sent = status.counter("adverts_sent");
    assert!((sent.saturating_sub(1)..=sent + 1).contains(&counted), "{counted} of {sent}");
    assert!(pulse.lateness.last().unwrap().up_to_us.is_none());
    let locked = bench.proc("status", "VmLck");
    let kilobytes: u64 = locked.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes > 1000, "{locked}");
    assert_eq!(bench.warnings(), [""; 0]);
}

/// Keywords `xdp_pulse_policy`, `vrrp_rt_priority`, `vrrp_rlimit_rttime`, `vrrp_priority`,
/// `xdp_pulse_budget`, issue 4: the class that the file says, without a warning.
#[test]
fn class_by_configuration() {
    const NORMAL: u32 = 0;
    const FIFO: u32 = 1;
    let fifo = "xdp_pulse_policy fifo\nvrrp_rt_priority 7\nvrrp_rlimit_rttime 900000";
    let bench = Bench::start(fifo);
    assert_eq!(bench.class(), (FIFO, 7));
    assert_eq!(bench.status().pulse.scheduling, "sched_fifo, priority 7");
    let limit = bench.proc("limits", "Max realtime timeout");
    assert_eq!(limit.matches("900000").count(), 2, "{limit}");
    bench.advertises();
    assert_eq!(bench.warnings(), [""; 0]);

    // A busy host may delay it by more than 10 ms, and the log says so.
    let bench = Bench::at(BUSY_INTERVAL, "xdp_pulse_policy nice\nvrrp_priority -5");
    assert_eq!(bench.class(), (NORMAL, 0));
    assert_eq!(bench.status().pulse.scheduling, "normal, nice -5");
    assert_eq!(bench.warnings(), [""; 0]);

    let bench = Bench::start("xdp_pulse_budget 4\nvrrp_no_swap");
    assert_eq!(bench.status().pulse.scheduling, "sched_deadline, 0.40 of 10 ms");
    assert_eq!(bench.warnings(), [""; 0]);
}

/// Keyword `vrrp_cpu_affinity`, issue 4: who may not run everywhere gets SCHED_FIFO, and is told why and
/// what is lost; whether the file says so or whoever started the daemon.
#[test]
fn an_affinity_excludes_the_deadline_class() {
    let is_told = |bench: &Bench| {
        let warnings = bench.warnings();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.contains("no SCHED_DEADLINE for the pulse"), "{warning}");
        assert!(warning.contains("vrrp_cpu_affinity or the affinity of whoever"), "{warning}");
        assert!(warning.contains("can delay adverts and takeovers by 50 ms"), "{warning}");
        assert_eq!(bench.status().pulse.scheduling, "sched_fifo, priority 50");
        bench.advertises();
    };
    is_told(&Bench::start("vrrp_cpu_affinity 0"));

    // It holds for this thread, and for what it starts.
    let all = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap());
    assert_ne!(one, all, "this test needs two processors");
    sched_setaffinity(None, &one).unwrap();
    is_told(&Bench::start(""));
}

/// Issue 4: without the capabilities for a real-time class and for locked memory the daemon runs all
/// the same, and says what it lacks.
#[test]
fn without_capabilities() {
    for capability in [CapabilitySet::SYS_NICE, CapabilitySet::IPC_LOCK] {
        // It holds for this thread, and for what it starts.
        remove_capability_from_bounding_set(capability).unwrap();
    }
    let bench = Bench::start("");
    let warnings = bench.warnings();
    for (what, lacks) in [
        ("memory is not locked", "CAP_IPC_LOCK"),
        ("no SCHED_DEADLINE", "CAP_SYS_NICE"),
        ("no SCHED_FIFO", "CAP_SYS_NICE"),
        ("no nice -20", "CAP_SYS_NICE"),
    ] {
        let is_meant = |line: &&String| line.contains(what) && line.contains(lacks);
        assert_eq!(warnings.iter().filter(is_meant).count(), 1, "{what}: {warnings:?}");
    }
    assert_eq!(bench.status().pulse.scheduling, "normal, nice 0");
    bench.advertises();
}
