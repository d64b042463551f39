//! Programs that the daemon runs, from outside: when, and what becomes of them.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rig::{Config, Daemon, Lab, Node, Router, Signal, wait_until};
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
