//! Users that nobody finds: the name service hangs, as it does when the network is down, and nobody but
//! the scripts waits for it.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use rig::{Capture, Config, Daemon, Lab, Launch, Node, Router, Signal, ms_between, wait_until};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat},
    process::kill_process,
};

const SETTLING: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_millis(100);
/// What the log says of a router that goes on.
const RESUMED: &str = "Entering MASTER STATE (its lease from before the start still holds)";

/// A master whose users can vanish, and a backup that listens.
struct Stage {
    master: Router,
    backup: Router,
    capture: Capture,
    lab: Lab,
}

impl Stage {
    fn start() -> Self {
        let lab = Lab::new(2).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let begun = |launch, node: usize, config: &str, state| {
            let router = Router::start_by(launch, lab.node(node), Daemon::Xvrrp, config).unwrap();
            router.wait_for_state(router.started(), Config::INSTANCE, state, SETTLING).unwrap();
            router
        };
        let master = begun(Launch::PrivateMounts, 0, &config(lab.node(0), &["chk"]), "MASTER");
        let backup = begun(Launch::Nsenter, 1, &instance(90, "nopreempt"), "BACKUP");
        let stage = Self { master, backup, capture, lab };
        stage.runs_again("chk");
        stage
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    /// How often a script has been run.
    fn runs(&self, name: &str) -> usize {
        fs::read_to_string(self.node().dir().join(name)).unwrap_or_default().lines().count()
    }

    fn runs_again(&self, name: &str) {
        let before = self.runs(name);
        wait_until(&format!("{name} runs"), SETTLING, || Ok(self.runs(name) > before)).unwrap();
    }

    /// Whoever looks up a user of the master's host waits from now on.
    fn hide_users(&self) -> Hidden {
        let hidden = Hidden(self.node().dir().join("passwd"));
        mknodat(CWD, &hidden.0, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        // Nobody else sees the mounts of this daemon.
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.master.pid().as_raw_nonzero());
        let mut mount = Command::new("nsenter");
        mount.args([&mounts, "--", "mount", "--bind"]).arg(&hidden.0).arg("/etc/passwd");
        assert!(mount.status().unwrap().success());
        hidden
    }

    /// The backup has heard nothing that concerns it since then. Returns the longest time without an
    /// advert of the master.
    fn longest_gap(&self, since: SystemTime) -> f64 {
        let now = SystemTime::now();
        self.capture.wait_for(now, 10 * INTERVAL, |_| false);
        assert_eq!(self.backup.last_state(Config::INSTANCE).as_deref(), Some("BACKUP"));
        let seen = self.capture.seen_since(since - 2 * INTERVAL);
        assert!(!seen.iter().any(|seen| seen.is_advert_of(self.lab.node(1))), "the backup spoke");
        let adverts: Vec<_> = seen.iter().filter(|seen| seen.is_advert_of(self.node())).collect();
        assert!(adverts.last().unwrap().at > now);
        let gaps = adverts.windows(2).map(|pair| ms_between(pair[0].at, pair[1].at));
        gaps.fold(0.0, f64::max)
    }
}

/// The file that takes the place of /etc/passwd. Who opens it waits for somebody to write it.
struct Hidden(PathBuf);

impl Hidden {
    /// The one who waits is told that nobody is there, which suffices for numbers.
    fn show(self) {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let open = || File::options().write(true).custom_flags(flags).open(&self.0);
        // Before somebody waits there is nobody to write to.
        wait_until("somebody looks up a user", SETTLING, || Ok(open().is_ok())).unwrap();
    }
}

/// An instance that tracks scripts which note their runs in files of the node.
fn config(node: &Node, scripts: &[&str]) -> String {
    let blocks = scripts.iter().map(|name| {
        let file = node.dir().join(name);
        let command = format!("/bin/sh -c 'echo run >> {}'", file.display());
        format!("vrrp_script {name} {{\nscript \"{command}\"\ninterval 0.1\nweight 2\n}}\n")
    });
    let track = format!("nopreempt\ntrack_script {{\n{}\n}}", scripts.join("\n"));
    let global = "global_defs {\nscript_user 0 0\n}\n".to_owned();
    global + &blocks.collect::<String>() + &instance(100, track.leak())
}

fn instance(priority: u8, extra: &'static str) -> String {
    let plain = Config { version: 3, advert_int: INTERVAL, ..Config::default() };
    Config { priority, extra, ..plain }.to_string()
}

/// Issues 4 and 6: a worker that is killed while no user can be looked up is followed by one that goes
/// on within the lease at 100 ms: no transition at the peer. Scripts run when their user is known.
#[test]
fn a_killed_worker_is_not_missed() {
    let mut stage = Stage::start();
    let users = stage.hide_users();
    let killed = SystemTime::now();
    kill_process(stage.master.worker().unwrap(), Signal::KILL).unwrap();
    stage.master.process().wait_for_line(killed, RESUMED, SETTLING).unwrap();
    let runs = stage.runs("chk");
    let gap = stage.longest_gap(killed);
    println!("longest gap: {gap:.1} ms");
    assert_eq!(stage.runs("chk"), runs);
    assert_eq!(stage.master.status().unwrap()[0].state, "MASTER");
    users.show();
    stage.runs_again("chk");
    assert!(stage.master.stop().unwrap().success());
}

/// Issue 6, pain 5: a reload is put in force while no user can be looked up, and no advert is late by
/// more than half an interval. What is known already runs on; what is new runs when its user is known.
#[test]
fn a_reload_does_not_wait() {
    let mut stage = Stage::start();
    let users = stage.hide_users();
    let asked = SystemTime::now();
    stage.master.write_config(&config(stage.node(), &["chk", "new"])).unwrap();
    stage.master.process().signal(Signal::HUP).unwrap();
    stage.master.process().wait_for_line(asked, "configuration reloaded", SETTLING).unwrap();
    stage.runs_again("chk");
    let gap = stage.longest_gap(asked);
    println!("longest gap: {gap:.1} ms");
    assert!(gap <= 1.5 * INTERVAL.as_secs_f64() * 1000.0, "{gap} ms");
    assert_eq!(stage.runs("new"), 0);
    drop(users);
    assert!(stage.master.stop().unwrap().success());
}
