//! What virtual routers track, from outside: files, interfaces, processes, scripts.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use rustix::process::kill_process;

use rig::{
    Capture, Config, Daemon, Lab, Lateness, Line, Node, Router, Signal, VirtualRouter, ms_between,
    wait_until,
};

const PATIENCE: Duration = Duration::from_secs(15);
/// What a busy machine may add where a test tells right from wrong, not how good.
const TOLERANCE: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);
/// Priorities of the preferred node and of the other one.
const PREFERRED: u8 = 150;
const OTHER: u8 = 100;

/// Two nodes, the first of which is MASTER.
struct Pair {
    routers: [Router; 2],
    lab: Lab,
}

impl Pair {
    /// `tracked` stands before the instance of the preferred node, `list` in it.
    fn start(lab: Lab, tracked: &str, list: &'static str) -> Self {
        let preferred = format!("{tracked}{}", config(PREFERRED, list));
        Self::start_with(lab, [&preferred, &config(OTHER, "").to_string()])
    }

    fn start_with(lab: Lab, configs: [&str; 2]) -> Self {
        // One after the other: so the first is master with nopreempt, too.
        let start = |node: usize, state| {
            let router = Router::start(lab.node(node), Daemon::Xvrrp, configs[node]).unwrap();
            router.wait_for_state(router.started(), Config::INSTANCE, state, PATIENCE).unwrap();
            router
        };
        Self { routers: [start(0, "MASTER"), start(1, "BACKUP")], lab }
    }

    fn wait(&self, node: usize, since: SystemTime, state: &str) -> Line {
        self.routers[node].wait_for_state(since, Config::INSTANCE, state, PATIENCE).unwrap()
    }

    /// The line of the preferred node's log with `text` in it.
    fn said(&self, text: &str) -> Line {
        let line = format!("({}) {text}", Config::INSTANCE);
        self.preferred().wait_for_line(&line, PATIENCE).unwrap()
    }

    fn preferred(&self) -> &Router {
        &self.routers[0]
    }

    fn effective_priority(&self) -> u8 {
        self.preferred().status().unwrap()[0].effective_priority
    }

    /// The address is at `node` alone.
    fn expect_at(&self, node: usize) {
        let capture = Capture::start(self.lab.client()).unwrap();
        let vip = Config::default().vip;
        self.lab.wait_for_answerer(&capture, vip, node, PATIENCE).unwrap();
    }
}

fn config(priority: u8, extra: &'static str) -> Config {
    Config { version: 3, priority, advert_int: INTERVAL, extra, ..Config::default() }
}

fn assert_within(what: &str, from: SystemTime, to: SystemTime, limit: Duration) {
    let limit_ms = limit.as_secs_f64() * 1e3;
    let elapsed_ms = ms_between(from, to);
    assert!(elapsed_ms <= limit_ms, "{what} after {elapsed_ms:.1} ms, limit {limit_ms:.1}");
}

fn track_file(file: &Path, more: &str) -> String {
    format!("track_file load {{\nfile {}\n{more}\n}}\n", file.display())
}

/// Issue 6, keywords `track_file`, `init_file`, `weight`, pain 11: a number in a file changes the
/// priority. A lower one is announced at once, so the other one takes over when its
/// Active_Down_Interval ends; a higher one takes the address back. The log says why.
#[test]
fn a_number_in_a_file() {
    let lab = Lab::new(2).unwrap();
    let file = lab.dir().join("load");
    let pair = Pair::start(lab, &track_file(&file, "init_file 0"), "track_file {\nload\n}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "0\n");
    assert_eq!(pair.effective_priority(), PREFERRED);

    let start = SystemTime::now();
    fs::write(&file, "-60\n").unwrap();
    pair.said("Changing effective priority from 150 to 90: file load has the value -60");
    let takeover = pair.wait(1, start, "MASTER");
    let limit = config(OTHER, "").active_down_interval() + TOLERANCE;
    assert_within("the other one is master", start, takeover.at, limit);
    pair.wait(0, start, "BACKUP");
    assert_eq!(pair.effective_priority(), 90);
    pair.expect_at(1);

    let back = SystemTime::now();
    fs::remove_file(&file).unwrap();
    pair.said("Changing effective priority from 90 to 150: file load has the value 0");
    pair.wait(0, back, "MASTER");
    pair.wait(1, back, "BACKUP");
    pair.expect_at(0);
}

/// Keywords `track_file`, `weight`: without a weight any number but 0 is FAULT, from which the virtual
/// router resigns, and comes back.
#[test]
fn a_file_without_weight() {
    let lab = Lab::new(2).unwrap();
    let file = lab.dir().join("load");
    let list = "track_file {\nload weight 0\n}";
    let pair = Pair::start(lab, &track_file(&file, ""), list);
    let start = SystemTime::now();
    fs::write(&file, "1").unwrap();
    pair.said("Entering FAULT STATE (file load has the value 1)");
    let takeover = pair.wait(1, start, "MASTER");
    let skew = config(OTHER, "").skew_time();
    assert_within("the other one is master", start, takeover.at, skew + TOLERANCE);
    assert_eq!(pair.preferred().status().unwrap()[0].state, "FAULT");
    let back = SystemTime::now();
    fs::write(&file, "0").unwrap();
    pair.wait(0, back, "MASTER");
    pair.expect_at(0);
}

/// Keyword `track_interface`: another interface that loses its carrier puts the virtual router in
/// FAULT without a weight, and lowers its priority with one.
#[test]
fn another_interface() {
    for (list, fault, said) in [
        (
            "track_interface {\neth1\n}",
            true,
            "Entering FAULT STATE (interface eth1 has no carrier)",
        ),
        (
            "track_interface {\neth1 weight -60\n}",
            false,
            "Changing effective priority from 150 to 90: interface eth1 has no carrier",
        ),
    ] {
        let lab = Lab::new(2).unwrap();
        lab.node(0).join(lab.client()).unwrap();
        let pair = Pair::start(lab, "", list);
        let set = |state| {
            let far = ["ip", "link", "set", Node::SECOND_INTERFACE, state];
            let since = SystemTime::now();
            pair.lab.client().run(&far).unwrap();
            since
        };
        let start = set("down");
        pair.said(said);
        pair.wait(1, start, "MASTER");
        pair.wait(0, start, if fault { "FAULT" } else { "BACKUP" });
        pair.expect_at(1);
        let back = set("up");
        pair.wait(0, back, "MASTER");
        pair.expect_at(0);
    }
}

/// Keyword `track_interface`: an interface that does not exist is down, and is seen when it comes.
#[test]
fn an_interface_that_comes_later() {
    let lab = Lab::new(2).unwrap();
    let list = "track_interface {\neth1\n}";
    let start =
        |node: usize, text: &str| Router::start(lab.node(node), Daemon::Xvrrp, text).unwrap();
    let router = start(0, &config(PREFERRED, list).to_string());
    let fault = "Entering FAULT STATE (interface eth1 does not exist)";
    router.wait_for_line(fault, PATIENCE).unwrap();
    let since = SystemTime::now();
    lab.node(0).join(lab.client()).unwrap();
    router.wait_for_state(since, Config::INSTANCE, "MASTER", PATIENCE).unwrap();
}

/// Keyword `dont_track_primary`: an interface without carrier is FAULT for others, not for this one.
#[test]
fn an_interface_that_does_not_count() {
    let lab = Lab::new(1).unwrap();
    let own = config(PREFERRED, "dont_track_primary").to_string();
    let other = config(PREFERRED, "").to_string().replace(Config::INSTANCE, "VI_2");
    let other = other.replace("virtual_router_id 51", "virtual_router_id 52");
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &format!("{own}{other}")).unwrap();
    for name in [Config::INSTANCE, "VI_2"] {
        router.wait_for_state(router.started(), name, "MASTER", PATIENCE).unwrap();
    }
    let since = SystemTime::now();
    lab.node(0).cut().unwrap();
    router.wait_for_state(since, "VI_2", "FAULT", PATIENCE).unwrap();
    assert_eq!(router.status().unwrap()[0].state, "MASTER");
}

/// Keyword `interface_up_down_delays`: an interface that is down for less than its delay never was, and
/// one that is back counts after its delay.
#[test]
fn an_interface_that_is_down_for_a_moment() {
    let lab = Lab::new(2).unwrap();
    lab.node(0).join(lab.client()).unwrap();
    let delays = "interface_up_down_delays {\neth1 3 0.5\n}\n";
    let pair = Pair::start(lab, delays, "track_interface {\neth1\n}");
    let set = |state| {
        let since = SystemTime::now();
        let far = ["ip", "link", "set", Node::SECOND_INTERFACE, state];
        pair.lab.client().run(&far).unwrap();
        since
    };
    set("down");
    thread::sleep(Duration::from_millis(500));
    set("up");
    // The kernel tells of a carrier up to a second late.
    thread::sleep(Duration::from_millis(1500));
    let down = set("down");
    let fault = pair.wait(0, down, "FAULT");
    // Had the first time counted, this would be less.
    assert!(ms_between(down, fault.at) >= 3000.0, "{fault:?}");
    let up = set("up");
    let back = pair.wait(0, up, "BACKUP");
    assert!(ms_between(up, back.at) >= 500.0, "{back:?}");
}

/// Keyword `track_src_ip`: FAULT while the source of the adverts is nobody's address.
#[test]
fn a_source_that_is_missing() {
    let lab = Lab::new(1).unwrap();
    let source = "192.0.2.77";
    let text = config(PREFERRED, "mcast_src_ip 192.0.2.77\ntrack_src_ip").to_string();
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &text).unwrap();
    let fault = "Entering FAULT STATE (no interface has the source address 192.0.2.77)";
    router.wait_for_line(fault, PATIENCE).unwrap();
    let change = |verb: &str| {
        let since = SystemTime::now();
        let address = format!("{source}/24");
        lab.node(0).run(&["ip", "addr", verb, &address, "dev", Node::INTERFACE]).unwrap();
        since
    };
    let since = change("add");
    router.wait_for_state(since, Config::INSTANCE, "MASTER", PATIENCE).unwrap();
    let since = change("del");
    router.wait_for_state(since, Config::INSTANCE, "FAULT", PATIENCE).unwrap();
}

/// Issue 6, keyword `track_script`: a worker that is killed and started again goes on as master before
/// its scripts have run, as if they would succeed again.
#[test]
fn a_new_worker_trusts_its_scripts() {
    let script = "vrrp_script ok {\nscript \"/bin/sleep 0.2\"\ninterval 1\nweight 20\n}\n\
        vrrp_script too {\nscript \"/bin/sleep 0.2\"\ninterval 1\n}\n";
    let preferred = format!("{script}{}", config(90, "track_script {\nok\ntoo\n}"));
    let pair = Pair::start_with(Lab::new(2).unwrap(), [&preferred, &config(100, "").to_string()]);
    wait_until("the priority", PATIENCE, || Ok(pair.effective_priority() == 110)).unwrap();
    let killed = SystemTime::now();
    kill_process(pair.preferred().worker().unwrap(), Signal::KILL).unwrap();
    pair.wait(0, killed, "MASTER");
    let succeeded = || {
        let log = pair.preferred().log();
        log.iter().filter(|line| line.contains("VRRP_Script(ok) succeeded")).count()
    };
    wait_until("the script has run again", PATIENCE, || Ok(succeeded() == 2)).unwrap();
    // Longer than the other one would wait.
    thread::sleep(10 * INTERVAL);
    assert_eq!(pair.routers[1].last_state(Config::INSTANCE).as_deref(), Some("BACKUP"));
    assert_eq!(pair.effective_priority(), 110);
}

/// Issue 6, pain 5: over a reload trackers keep what they know: a script that runs each hour is not run
/// again, and a virtual router that does not change has its priority. What is tracked changes with the
/// file, and the log says so.
#[test]
fn a_reload() {
    let lab = Lab::new(1).unwrap();
    let file = lab.dir().join("load");
    fs::write(&file, "5").unwrap();
    let script =
        |name| format!("vrrp_script {name} {{\nscript /bin/true\ninterval 3600\nweight 20\n}}\n");
    let tracked = track_file(&file, "") + &script("ok");
    let with = |list| config(OTHER, list).to_string();
    let text = format!("{tracked}{}", with("track_script {\nok\n}\ntrack_file {\nload\n}"));
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &text).unwrap();
    router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", PATIENCE).unwrap();
    let priority = || router.status().unwrap()[0].effective_priority;
    wait_until("the priority", PATIENCE, || Ok(priority() == 125)).unwrap();
    let changes = || {
        let log = router.log();
        log.iter().filter(|line| line.contains("Changing effective priority")).count()
    };
    let said = |line: &str| {
        let line = format!("({}) Changing effective priority {line}", Config::INSTANCE);
        router.wait_for_line(&line, PATIENCE).unwrap();
    };

    let before = changes();
    // Another script in front of it: the number of the first one changes.
    router.reload(&format!("{}{text}", script("other"))).unwrap();
    assert_eq!((priority(), changes()), (125, before));

    let list = "track_file {\nload weight 2\n}";
    router.reload(&format!("{tracked}{}", with(list))).unwrap();
    said("from 125 to 110: its configuration has changed");
    assert_eq!(priority(), 110);

    fs::write(&file, "6").unwrap();
    said("from 110 to 112: file load has the value 6");
    router.reload(&with("")).unwrap();
    said("from 112 to 100: its configuration has changed");

    router
        .reload(&format!("{}{tracked}{}", script("other"), with("track_script {\nok\n}")))
        .unwrap();
    said("from 100 to 120: script ok succeeded");
    let log = router.log().join("\n");
    assert!(!log.contains("FAULT") && !log.contains("BACKUP STATE (an"), "{log}");
    assert_eq!(router.last_state(Config::INSTANCE).as_deref(), Some("MASTER"));
}

/// Issue 6 "trackers keep their state", keywords `terminate_delay`, `track_file`: a reload that adds others
/// neither ends nor restarts the delay of a process that is missing, and what a file said last stays
/// where what is in it now does not count.
#[test]
fn a_reload_keeps_what_others_tracked() {
    const DELAY: Duration = Duration::from_secs(4);
    let lab = Lab::new(1).unwrap();
    let file = lab.dir().join("load");
    fs::write(&file, "5").unwrap();
    let program = lab.dir().join(format!("xvt-{}", std::process::id()));
    symlink("/bin/sleep", &program).unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    let mut running = Command::new(&program).arg("1000").spawn().unwrap();
    let process = |name: &str, program: &str, delay: Duration| {
        let delay = delay.as_secs();
        format!("vrrp_track_process {name} {{\nprocess {program}\nterminate_delay {delay}\n}}\n")
    };
    let tracked = process("it", name, DELAY) + &track_file(&file, "");
    let instance = config(OTHER, "track_process {\nit weight 20\n}\ntrack_file {\nload\n}");
    let text = format!("{tracked}{instance}");
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &text).unwrap();
    router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", PATIENCE).unwrap();
    let priority = || router.status().unwrap()[0].effective_priority;
    wait_until("the priority", PATIENCE, || Ok(priority() == 125)).unwrap();

    fs::write(&file, "99999999999").unwrap();
    router.wait_for_line("the number in it is too large and ignored", PATIENCE).unwrap();
    let killed = SystemTime::now();
    running.kill().unwrap();
    running.wait().unwrap();
    // In the middle of the delay, so that one that begins anew is another one.
    thread::sleep(DELAY / 2);
    let others = process("other", "xvt-none", Duration::from_secs(1))
        + &track_file(&lab.dir().join("other"), "").replace("load", "empty");
    router.reload(&format!("{others}{text}")).unwrap();
    assert_eq!(priority(), 125);
    let line = "Changing effective priority from 125 to 105: process it: 0 running";
    let line = router.wait_for_line(&format!("({}) {line}", Config::INSTANCE), PATIENCE).unwrap();
    let late = line.at.duration_since(killed).unwrap();
    assert!(late >= DELAY - INTERVAL && late < DELAY + DELAY / 4, "{late:?}");
    assert_eq!(router.last_state(Config::INSTANCE).as_deref(), Some("MASTER"));
}

/// Issue 6, acceptance 2: a thousand scripts each second, four for each of 250 virtual routers with an
/// advert each 100 ms, delay no advert by more than 5 ms, once each has run.
#[test]
fn a_thousand_scripts() {
    const ROUTERS: usize = 250;
    const SCRIPTS: usize = 1000;
    const LIMIT_US: u64 = 5000;
    let lab = Lab::new(1).unwrap();
    let script = |n| format!("vrrp_script s{n} {{\nscript /bin/true\ninterval 1\nweight 1\n}}\n");
    let instance = |router: usize| {
        let each = SCRIPTS / ROUTERS;
        let names: String =
            (router * each..(router + 1) * each).map(|n| format!("s{n}\n")).collect();
        format!(
            "vrrp_instance V{router} {{\ninterface eth0\nversion 3\nvirtual_router_id {0}\n\
             advert_int 0.1\ntrack_script {{\n{names}}}\nvirtual_ipaddress {{\n198.18.0.{0}\n}}\n}}\n",
            router + 1
        )
    };
    let text: String = (0..SCRIPTS).map(script).chain((0..ROUTERS).map(instance)).collect();
    let router = Router::start(lab.node(0), Daemon::Xvrrp, &text).unwrap();
    for number in 0..ROUTERS {
        let name = format!("V{number}");
        router.wait_for_state(router.started(), &name, "MASTER", PATIENCE).unwrap();
    }
    let capture = Capture::start(lab.client()).unwrap();
    let late = |rows: &[VirtualRouter]| -> u64 {
        let is_late = |class: &&Lateness| class.up_to_us.is_none_or(|end| end > LIMIT_US);
        let classes = rows.iter().flat_map(|row| &row.pulse.lateness).filter(is_late);
        classes.map(|class| class.count).sum()
    };
    let judged = || {
        let log = router.log();
        let names =
            log.iter().filter_map(|line| line.split_once("VRRP_Script(")?.1.split_once(')'));
        names.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>().len()
    };
    // On a slow machine some take too long, which is a result, too.
    wait_until("each script has a result", PATIENCE, || Ok(judged() == SCRIPTS)).unwrap();
    let before = late(&router.status().unwrap());
    let since = SystemTime::now();
    thread::sleep(Duration::from_secs(10));
    let adverts = capture.adverts_of(lab.node(0), since).unwrap();
    let rows = router.status().unwrap();
    let (mut last, mut longest) = (BTreeMap::new(), 0.0_f64);
    for (at, advert) in &adverts {
        let before = last.insert(advert.vrid, *at).unwrap_or(since);
        longest = longest.max(ms_between(before, *at));
    }
    println!("longest gap {longest:.2} ms, {}", rows[0].pulse.scheduling);
    assert_eq!(last.len(), ROUTERS);
    assert_eq!(late(&rows), before, "late adverts");
    let limit_ms = INTERVAL.as_secs_f64() * 1e3 + LIMIT_US as f64 / 1e3;
    assert!(longest <= limit_ms, "{longest} ms");
    assert!(adverts.len() >= 95 * ROUTERS, "{} adverts", adverts.len());
}
