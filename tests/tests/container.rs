//! As the first process of a container: of a PID namespace.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use rig::{Bench, Daemon, Lab, Launch, Router, Signal, Subject, wait_until};
use rustix::process::{Pid, kill_process};

/// The children of a process that have ended, and that nobody has waited for.
fn zombies(parent: Pid) -> Vec<String> {
    children(parent).into_iter().filter(|child| stat(child).contains(") Z ")).collect()
}

fn children(parent: Pid) -> Vec<String> {
    let parent = parent.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}

fn stat(pid: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

/// Issue 6: a daemon that is process 1 inherits what scripts leave behind, and leaves no zombies; the
/// death of its worker is not lost among theirs.
#[test]
fn orphans_are_buried() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let (path, log) = (node.dir().join("notify.sh"), node.dir().join("log"));
    // A real-time signal ends it, of which libraries know nothing.
    let child = format!("sleep 0.2; echo gone >> {}; kill -34 $$", log.display());
    fs::write(&path, format!("#!/bin/sh\nsetsid sh -c '{child}' &\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let subject = Subject { interval: Duration::from_millis(100), ..Subject::new(1) };
    let notify = format!("notify {}\n    virtual_ipaddress", path.display());
    let config = format!(
        "global_defs {{\n    script_user root\n}}\n{}",
        subject.to_string().replacen("virtual_ipaddress", &notify, 1)
    );
    let router = Router::start_by(Launch::Container, node, Daemon::Xvrrp, &config).unwrap();
    let state = |since, state: &str| {
        router.wait_for_state(since, &subject.instance(), state, Bench::SETTLING).unwrap()
    };
    let has_gone = |count| {
        let gone = || Ok(fs::read_to_string(&log).unwrap_or_default().lines().count() >= count);
        wait_until("the end of what scripts left behind", Bench::SETTLING, gone).unwrap();
    };
    state(router.started(), "MASTER");
    // For MASTER, and for BACKUP unless that was over before anybody looked.
    has_gone(1);
    // Who has no addresses yet has nothing to go on with.
    let has_addresses = || {
        let present = node.addresses()?;
        Ok(subject.vips().iter().all(|vip| present.contains(vip)))
    };
    wait_until("the addresses", Bench::SETTLING, has_addresses).unwrap();
    let first = pid(&children(router.pid())[0]);
    let buried = || Ok(zombies(first).is_empty() && children(first).len() == 1);
    wait_until("no zombies", Duration::from_secs(3), buried)
        .unwrap_or_else(|error| panic!("{error}: {:?}", zombies(first)));

    let worker = children(first)[0].clone();
    let before = fs::read_to_string(&log).unwrap().lines().count();
    let died = std::time::SystemTime::now();
    kill_process(pid(&worker), Signal::KILL).unwrap();
    let line = state(died, "MASTER");
    assert!(line.text.contains("lease from before the start"), "{}", line.text);
    has_gone(before + 1);
    wait_until("no zombies", Duration::from_secs(3), buried)
        .unwrap_or_else(|error| panic!("{error}: {:?}", zombies(first)));
    assert_ne!(children(first)[0], worker);
    kill_process(first, Signal::TERM).unwrap();
    router.wait_for_line("stopped", Bench::SETTLING).unwrap();
}
