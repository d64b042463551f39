//! nginx and HAProxy behind a virtual address: the one on the master is killed, and started again.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime},
};

use rig::{
    Config, Daemon, Lab,
    web::{Policy, Server, Service, config},
};

const PATIENCE: Duration = Duration::from_secs(15);

/// Kills the server of the preferred node: curl has a page of the other one in time, and the log of the
/// preferred node says `failed`. Starts it again: the log says `mended`, and the address is back, or
/// stays.
fn fails_over(server: Server, policy: Policy, failed: &str, mended: &str) {
    let mut service = Service::start(Daemon::Xvrrp, server, policy).unwrap();
    let limit = Service::limit(server);
    let outage = service.fail().unwrap();
    println!("{server}, {policy}: no page for {outage:?}, limit {limit:?}");
    assert!(outage <= limit, "no page for {outage:?}, limit {limit:?}");
    says(&mut service, SystemTime::UNIX_EPOCH, failed);

    let since = SystemTime::now();
    let outage = service.mend(policy).unwrap();
    println!("{server}, {policy}: no page for {outage:?} when it is back");
    says(&mut service, since, mended);
    if policy.returns() {
        let yields = service.routers[1].wait_for_state(since, Config::INSTANCE, "BACKUP", PATIENCE);
        yields.unwrap();
    }
    let states = service.routers.each_ref().map(|it| it.last_state(Config::INSTANCE).unwrap());
    let expected = if policy.returns() { ["MASTER", "BACKUP"] } else { ["BACKUP", "MASTER"] };
    assert_eq!(states, expected);
}

/// Waits until the log of the preferred node says so, since then.
fn says(service: &mut Service, since: SystemTime, line: &str) {
    let line = format!("({}) {line}", Config::INSTANCE);
    service.routers[0].process().wait_for_line(since, &line, PATIENCE).unwrap();
}

const SCRIPT_FAILED: &str =
    "Changing effective priority from 100 to 85: script monitor_nginx failed: ";
const SCRIPT_MENDED: &str =
    "Changing effective priority from 85 to 100: script monitor_nginx succeeded";
const PROCESS_FAILED: &str =
    "Changing effective priority from 100 to 85: process monitor_nginx: 0 running, 1 needed";
const PROCESS_MENDED: &str = "Changing effective priority from 85 to 100: process monitor_nginx";

/// Issue 6, acceptance 1, keywords `vrrp_script`, `track_script`: nginx is killed on the master. curl
/// has a page of the other node in time, and of the first one again when nginx is back.
#[test]
fn nginx() {
    fails_over(Server::Nginx, Policy::Preempt, SCRIPT_FAILED, SCRIPT_MENDED);
}

/// Issue 6, acceptance 1, keyword `nopreempt`, pain 15: on the preferred node alone: the address moves,
/// and stays.
#[test]
fn nginx_with_nopreempt_on_the_preferred_node() {
    fails_over(Server::Nginx, Policy::Stay, SCRIPT_FAILED, SCRIPT_MENDED);
}

/// Issue 6, acceptance 1, keywords `nopreempt`, `weight`: on both nodes no weight fails over; without
/// one the virtual router is in FAULT and resigns. The address moves, and stays.
#[test]
fn nginx_with_nopreempt_on_both_nodes() {
    let failed = "Entering FAULT STATE (script monitor_nginx failed: ";
    fails_over(Server::Nginx, Policy::StayBoth, failed, "Entering BACKUP STATE");
}

/// Issue 6, acceptance 1, keywords `vrrp_track_process`, `track_process`: HAProxy is killed on the
/// master. The address moves in time, and comes back with it.
#[test]
fn haproxy() {
    fails_over(Server::Haproxy, Policy::Preempt, PROCESS_FAILED, PROCESS_MENDED);
}

/// Issue 6, acceptance 1, keywords `track_process`, `nopreempt`, pain 15: on the preferred node alone:
/// the address moves, and stays.
#[test]
fn haproxy_with_nopreempt_on_the_preferred_node() {
    fails_over(Server::Haproxy, Policy::Stay, PROCESS_FAILED, PROCESS_MENDED);
}

/// Issue 6, acceptance 1, keywords `track_process`, `nopreempt`, `weight`: on both nodes, without a
/// weight: the address moves, and stays.
#[test]
fn haproxy_with_nopreempt_on_both_nodes() {
    let failed = "Entering FAULT STATE (process monitor_nginx: 0 running, 1 needed)";
    fails_over(Server::Haproxy, Policy::StayBoth, failed, "Entering BACKUP STATE");
}

/// Issue 6, acceptance 1, keyword `nopreempt`, pain 15: with nopreempt on both and a weight, `check`
/// says that nothing moves; with weight 0, as tested here, and with nopreempt on the preferred node
/// alone, it does not.
#[test]
fn check_says_which_nopreempt_never_fails_over() {
    const CODE: &str = "W0192";
    let lab = Lab::new(2).unwrap();
    let checked = |policy, change: fn(String) -> String| {
        let files = [0, 1].map(|node| {
            let file = lab.dir().join(format!("check-{node}.conf"));
            let text = config(&lab, node, Server::Nginx, policy).unwrap();
            fs::write(&file, change(text)).unwrap();
            file
        });
        let mut check = Command::new(Daemon::Xvrrp.program().unwrap());
        check.args(["check", "--together", "-f"]).arg(&files[0]).arg("-f").arg(&files[1]);
        let output = check.output().unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        stdout + &stderr
    };
    let said = checked(Policy::StayBoth, |text| text.replace("weight 0", "weight -15"));
    assert!(said.contains(CODE) && said.contains("monitor_nginx"), "{said}");
    for policy in Policy::ALL {
        let said = checked(policy, |text| text);
        assert!(!said.contains(CODE), "{policy}: {said}");
    }
}
