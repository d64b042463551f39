//! Programs that the daemon runs, from outside: when, and what becomes of them.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rig::{Capture, Config, Daemon, Lab, Node, Router, Signal, wait_until};
use rustix::process::{Pid, kill_process, test_kill_process};

const PATIENCE: Duration = Duration::from_secs(15);
const SCRIPT_USER: &str = "script_user root\nenable_script_security";

fn config(global: &str, before: &str, inside: &'static str) -> String {
    let instance = Config {
        version: 3,
        advert_int: Duration::from_millis(100),
        extra: inside,
        ..Config::default()
    };
    format!("global_defs {{\n{SCRIPT_USER}\n{global}\n}}\n{before}\n{instance}")
}

fn start(lab: &Lab, config: &str) -> Router {
    Router::start(lab.node(0), Daemon::Xvrrp, config).unwrap()
}

fn becomes_master(router: &Router) {
    router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", PATIENCE).unwrap();
}

/// A file of the node that programs write to.
fn file(lab: &Lab, name: &str) -> PathBuf {
    lab.node(0).dir().join(name)
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The processes whose numbers are in a file.
fn pids(file: &Path) -> Vec<Pid> {
    lines(file).iter().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
}

fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(pid).is_ok() && !stat.contains(") Z ")
}

/// keywords `startup_script`, `shutdown_script`: before everything else and after it, each once, whatever
/// becomes of the worker in between. What a reload says counts.
#[test]
fn before_and_after() {
    let lab = Lab::new(1).unwrap();
    let told = file(&lab, "told");
    let script = |word: &str| {
        let count =
            format!("ip addr show dev {} | grep -c {}", Node::INTERFACE, Config::default().vip);
        format!("\"/bin/sh -c 'echo {word} $({count}) >> {}'\"", told.display())
    };
    let hooks = |end: &str| {
        let global =
            format!("startup_script {}\nshutdown_script {}", script("startup"), script(end));
        config(&global, "", "")
    };
    let mut router = start(&lab, &hooks("first"));
    becomes_master(&router);
    assert_eq!(lines(&told), ["startup 0"]);
    router.wait_for_line("startup script succeeded", PATIENCE).unwrap();

    let worker = router.worker().unwrap();
    kill_process(worker, Signal::KILL).unwrap();
    let successor =
        || Ok(router.worker().is_ok_and(|now| now != worker) && router.status().is_ok());
    wait_until("a worker in the place of the one that died", PATIENCE, successor).unwrap();
    router.reload(&hooks("second")).unwrap();
    assert!(router.stop().unwrap().success());
    assert_eq!(lines(&told), ["startup 0", "second 0"]);
}

/// keywords `startup_script_timeout`, `shutdown_script_timeout`: a program that hangs does not keep the
/// daemon from starting or stopping.
#[test]
fn hooks_that_hang() {
    let lab = Lab::new(1).unwrap();
    let global = "startup_script \"/bin/sleep 60\"\nstartup_script_timeout 1\n\
                  shutdown_script \"/bin/sleep 60\"\nshutdown_script_timeout 1";
    let mut router = start(&lab, &config(global, "", ""));
    becomes_master(&router);
    router.wait_for_line("startup script timed out", PATIENCE).unwrap();
    assert!(router.stop().unwrap().success());
    router.wait_for_line("shutdown script timed out", PATIENCE).unwrap();
}

/// issue 6: tracked programs that run end with the daemon, also with a worker that is killed, and so does
/// the process that runs them.
#[test]
fn programs_end_with_the_daemon() {
    let lab = Lab::new(1).unwrap();
    let told = file(&lab, "pids");
    let hang = format!(
        "vrrp_script hang {{\nscript \"/bin/sh -c 'echo $$ >> {0}; echo $PPID >> {0}; exec sleep 600'\"\n\
         interval 600\nweight 1\n}}",
        told.display()
    );
    let track = "track_script {\nhang\n}";
    let mut router = start(&lab, &config("", &hang, track));
    let run = |count: usize| {
        wait_until("the program runs", PATIENCE, || Ok(pids(&told).len() == 2 * count)).unwrap();
        pids(&told)
    };
    let is_gone = |pids: &[Pid]| {
        let gone = || Ok(!pids.iter().any(|pid| is_alive(*pid)));
        wait_until("the program and the runner are gone", PATIENCE, gone).unwrap();
    };
    let first = run(1);
    assert!(first.iter().all(|pid| is_alive(*pid)));
    kill_process(router.worker().unwrap(), Signal::KILL).unwrap();
    is_gone(&first);
    let second = run(2)[2..].to_vec();
    assert!(second.iter().all(|pid| is_alive(*pid)));
    assert!(router.stop().unwrap().success());
    is_gone(&second);
}

/// keyword `enable_script_security`: what others may write to is not run, and not tracked: the
/// virtual router does not wait for it.
#[test]
fn insecure_programs() {
    let lab = Lab::new(1).unwrap();
    let path = file(&lab, "script");
    fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o757);
    fs::set_permissions(&path, mode).unwrap();
    let script = format!("vrrp_script chk {{\nscript {}\n}}", path.display());
    let router = start(&lab, &config("", &script, "track_script {\nchk\n}"));
    becomes_master(&router);
    let line = router.wait_for_line("Disabling track script chk", PATIENCE).unwrap();
    assert!(line.text.contains("everybody may write to"), "{}", line.text);
}

/// keyword `startup_script`, issue 4: who goes on where a daemon has handed over has been started already;
/// who finds nothing to go on with has not.
#[test]
fn a_handover_is_no_start() {
    let lab = Lab::new(1).unwrap();
    let told = file(&lab, "told");
    let global = format!("startup_script \"/bin/sh -c 'echo startup >> {}'\"", told.display());
    let interval = Duration::from_secs(1);
    let text = config(&global, "", "").replace("advert_int 0.1", "advert_int 1");
    let mut router = start(&lab, &text);
    becomes_master(&router);
    let capture = Capture::start(lab.client()).unwrap();
    let since = SystemTime::now();
    for _ in 0..2 {
        router.xvrrp(&["handover"]).unwrap();
        router = start(&lab, &text);
        router.wait_for_line("its lease from before the start still holds", PATIENCE).unwrap();
        let is_advert = |seen: &rig::Seen| seen.is_advert_of(lab.node(0));
        capture.expect("an advert", SystemTime::now(), PATIENCE, is_advert).unwrap();
        assert_eq!(lines(&told), ["startup"]);
    }
    let adverts = capture.adverts_of(lab.node(0), since).unwrap();
    assert!(adverts.iter().all(|(_, advert)| advert.priority == 100));
    let gap = adverts.windows(2).map(|two| two[1].0.duration_since(two[0].0).unwrap()).max();
    assert!(gap.unwrap() < interval * 3, "{gap:?}");

    router.xvrrp(&["handover"]).unwrap();
    capture.wait_for(SystemTime::now(), interval * 5, |_| false);
    let mut router = start(&lab, &text);
    becomes_master(&router);
    assert_eq!(lines(&told), ["startup"; 2]);
    assert!(router.stop().unwrap().success());
    becomes_master(&start(&lab, &text));
    assert_eq!(lines(&told), ["startup"; 3]);
}

/// keyword `init_fail`, issue 4: at the start it is FAULT until the script has succeeded; after the death of
/// a worker the master goes on with its lease while the script has not said anything yet, the peer notices
/// nothing, and what the script says then counts. Who was in FAULT when the worker died is again.
#[test]
fn an_heir_and_its_script() {
    let lab = Lab::new(2).unwrap();
    let [hold, bad] = ["hold", "bad"].map(|name| file(&lab, name));
    let check = format!(
        "vrrp_script chk {{\nscript \"/bin/sh -c 'while [ -e {} ]; do sleep 0.05; done; test ! -e {}'\"\n\
         interval 20\ntimeout 20\ninit_fail\n}}",
        hold.display(),
        bad.display()
    );
    let text = config("", &check, "track_script {\nchk\n}");
    let mut router = start(&lab, &text.replace("advert_int 0.1", "advert_int 0.5"));
    let at_first = "Entering FAULT STATE (script chk";
    router.wait_for_line(at_first, PATIENCE).unwrap();
    becomes_master(&router);
    let lower = Config { version: 3, priority: 50, ..Config::default() }.to_string();
    let lower = lower.replace("advert_int 1", "advert_int 0.5");
    let peer = Router::start(lab.node(1), Daemon::Xvrrp, &lower).unwrap();
    peer.wait_for_state(peer.started(), Config::INSTANCE, "BACKUP", PATIENCE).unwrap();

    fs::write(&hold, "").unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let kill = |router: &mut Router| {
        let since = SystemTime::now();
        kill_process(router.worker().unwrap(), Signal::KILL).unwrap();
        since
    };
    let since = kill(&mut router);
    let resumed = "Entering MASTER STATE (its lease";
    router.process().wait_for_line(since, resumed, PATIENCE).unwrap();
    capture.wait_for(SystemTime::now(), Duration::from_secs(3), |_| false);
    let faults = |router: &Router, since| {
        let lines = router.lines_since(since);
        lines.into_iter().filter(|line| line.text.contains("Entering FAULT")).count()
    };
    assert_eq!(faults(&router, since), 0);
    let adverts = capture.adverts_of(lab.node(0), since).unwrap();
    assert!(adverts.len() >= 5 && adverts.iter().all(|(_, advert)| advert.priority == 100));
    assert_eq!(capture.adverts_of(lab.node(1), since).unwrap().len(), 0, "the peer spoke");
    assert_eq!(peer.last_state(Config::INSTANCE).as_deref(), Some("BACKUP"));
    fs::write(&bad, "").unwrap();
    fs::remove_file(&hold).unwrap();
    router.wait_for_state(since, Config::INSTANCE, "FAULT", PATIENCE).unwrap();
    peer.wait_for_state(since, Config::INSTANCE, "MASTER", PATIENCE).unwrap();

    fs::write(&hold, "").unwrap();
    let since = kill(&mut router);
    router.process().wait_for_line(since, at_first, PATIENCE).unwrap();
    fs::remove_file(&bad).unwrap();
    fs::remove_file(&hold).unwrap();
    router.wait_for_state(since, Config::INSTANCE, "MASTER", PATIENCE).unwrap();
    assert!(router.stop().unwrap().success());
}

/// The processes of a group.
fn group(leader: Pid) -> Vec<Pid> {
    let of_group = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect::<Vec<_>>());
        // State, parent, group.
        fields.is_some_and(|fields| fields[0] != "Z" && fields[2] == leader.to_string())
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(of_group).collect()
}

/// Issue 6, pain 11: the process that runs programs is stopped, while one of them runs, or none. The one
/// that runs has failed and says why, no advert is missing, another process takes over, and of the first
/// and of its programs nothing is left.
#[test]
fn a_runner_that_is_stopped() {
    for in_between in [false, true] {
        let lab = Lab::new(1).unwrap();
        let [told, hold] = ["told", "hold"].map(|name| file(&lab, name));
        let check = format!(
            "vrrp_script chk {{\nscript \"/bin/sh -c 'echo $$ $PPID >> {}; trap : TERM; \
             if [ -e {} ]; then sleep 600 & wait; wait; fi; true'\"\ninterval 1\ntimeout 5\n}}",
            told.display(),
            hold.display()
        );
        let tracks = config("", &check, "track_script {\nchk\n}");
        let other = Config { version: 3, priority: 50, ..Config::default() }.to_string();
        let other = other.replace(Config::INSTANCE, "VI_2").replace("_id 51", "_id 52");
        let other = other.replace("advert_int 1", "advert_int 0.1").replace(".129", ".130");
        let mut router = start(&lab, &(tracks + &other));
        becomes_master(&router);
        router.wait_for_state(router.started(), "VI_2", "MASTER", PATIENCE).unwrap();
        let runs = || -> Vec<[Pid; 2]> {
            let pids = |line: &String| {
                let mut pids = line.split(' ').map(|pid| Pid::from_raw(pid.parse().unwrap()));
                [(); 2].map(|()| pids.next().unwrap().unwrap())
            };
            lines(&told).iter().map(pids).collect()
        };
        if !in_between {
            fs::write(&hold, "").unwrap();
        }
        let before = runs().len();
        wait_until("a run", PATIENCE, || Ok(runs().len() > before)).unwrap();
        let [program, runner] = *runs().last().unwrap();
        let is_over = || Ok(group(program).is_empty());
        let is_alone = || Ok(group(program).len() == 2);
        match in_between {
            true => wait_until("the end of the run", PATIENCE, is_over).unwrap(),
            false => wait_until("the program and its child", PATIENCE, is_alone).unwrap(),
        }
        let capture = Capture::start(lab.client()).unwrap();
        let since = SystemTime::now();
        kill_process(runner, Signal::STOP).unwrap();
        if !in_between {
            let reason = "was still running 1s after its start";
            let line = router.process().wait_for_line(since, "VRRP_Script(chk) failed", PATIENCE);
            assert!(line.unwrap().text.contains(reason));
            router.wait_for_state(since, Config::INSTANCE, "FAULT", PATIENCE).unwrap();
            fs::remove_file(&hold).unwrap();
        }
        let replaced = "the runner of programs died";
        let replaced = router.process().wait_for_line(since, replaced, PATIENCE * 2).unwrap();
        let next = || Ok(runs().last().unwrap()[1] != runner);
        wait_until("a run of the next one", PATIENCE, next).unwrap();
        if in_between {
            assert_eq!(router.last_state(Config::INSTANCE).as_deref(), Some("MASTER"));
        } else {
            router.wait_for_state(since, Config::INSTANCE, "MASTER", PATIENCE).unwrap();
        }
        println!("replaced after {:?}", replaced.at.duration_since(since).unwrap());
        let is_gone = || Ok(!is_alive(runner) && is_over()?);
        wait_until("the end of the first one", PATIENCE, is_gone)
            .unwrap_or_else(|error| panic!("{error}: {:?}", group(program)));
        let adverts = capture.adverts_of(lab.node(0), since).unwrap();
        let of_other = adverts.iter().filter(|(_, advert)| advert.vrid == 52);
        let of_other: Vec<_> = of_other.map(|(at, _)| *at).collect();
        let gaps = of_other.windows(2).map(|two| two[1].duration_since(two[0]).unwrap());
        // A busy machine may add something, but nobody takes over.
        assert!(gaps.max().unwrap() < Duration::from_millis(300));
        assert_eq!(router.last_state("VI_2").as_deref(), Some("MASTER"));
        assert!(router.stop().unwrap().success());
    }
}
