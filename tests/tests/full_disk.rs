//! A runtime directory that takes no more files.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs::{self, File},
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Lab, Node, Pings, Process, Seen, Signal, output_of, wait_until,
    wire::What,
};
use rustix::process::{Pid, kill_process};

const SETTLING: Duration = Duration::from_secs(15);
const PINGING: Duration = Duration::from_millis(1);

/// A daemon whose runtime directory is a small file system that nobody else sees.
struct Cramped {
    process: Process,
    /// The directory, from here.
    dir: PathBuf,
    file: PathBuf,
    capture: Capture,
    lab: Lab,
}

impl Cramped {
    /// Begins with a full one if `is_full`.
    fn start(config: &str, is_full: bool) -> Self {
        let lab = Lab::new(1).unwrap();
        let node = lab.node(0);
        let file = node.dir().join("xvrrp.conf");
        fs::write(&file, config).unwrap();
        let dir = node.dir().join("run");
        fs::create_dir(&dir).unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let mut command = node.command("unshare");
        let fill = if is_full { "head -c 1M /dev/zero > \"$1/filler\" 2>/dev/null;" } else { "" };
        let prepare = "mount -t tmpfs -o size=64k none \"$1\" &&";
        let script = format!("{prepare} {{ {fill} shift; exec \"$@\"; }}");
        command.args(["--mount", "sh", "-c", &script, "sh"]).arg(&dir);
        command.arg(Daemon::Xvrrp.program().unwrap()).arg("run").arg("-f").arg(&file);
        command.arg("--runtime-dir").arg(&dir);
        let process = node.spawn("xvrrp", command).unwrap();
        let dir = Path::new("/proc")
            .join(process.pid().to_string())
            .join("root")
            .join(dir.strip_prefix("/").unwrap());
        let cramped = Self { process, dir, file, capture, lab };
        cramped.said(SystemTime::UNIX_EPOCH, "(VI_1) Entering MASTER STATE");
        cramped
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    fn said(&self, since: SystemTime, text: &str) {
        self.process.wait_for_line(since, text, SETTLING).unwrap();
    }

    /// Until nothing more goes in.
    fn fill(&self) {
        let mut filler = File::create(self.dir.join("filler")).unwrap();
        let error = loop {
            if let Err(error) = filler.write_all(&[0; 512]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    fn empty(&self) {
        fs::remove_file(self.dir.join("filler")).unwrap();
    }

    fn reload(&self, config: &Config) -> String {
        fs::write(&self.file, config.to_string()).unwrap();
        let mut command = self.node().command(Daemon::Xvrrp.program().unwrap());
        output_of(command.arg("reload").arg("--runtime-dir").arg(&self.dir)).unwrap()
    }

    fn worker(&self) -> Option<Pid> {
        let pid = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Pid::from_raw(children.trim().parse().ok()?)
    }

    fn expect_priority(&self, since: SystemTime, priority: u8) {
        let says =
            |seen: &Seen| matches!(seen.what, What::Advert { priority: of, .. } if of == priority);
        self.capture.expect("the priority", since, SETTLING, says).unwrap();
    }

    fn expect_address(&self, address: IpAddr) {
        let has_address = || Ok(self.node().addresses()?.contains(&address));
        wait_until("the address", SETTLING, has_address).unwrap();
    }

    fn stop(mut self) {
        assert!(self.process.stop(SETTLING).unwrap().success());
        assert_eq!(self.node().addresses().unwrap(), [IpAddr::from(self.node().address())]);
    }
}

fn config(priority: u8, host: u8) -> Config {
    let vip = Lab::address(host).into();
    Config { version: 3, priority, vip, ..Config::default() }
}

/// Issue 6, pain 5, issue 4: where the runtime directory is full, a reload is in force all the same, and
/// both who asked for it and the log are told what could not be written. A worker that dies then is
/// followed by one that goes on with what was in force, not with what was written before. With room
/// again, the next reload has nothing to complain about.
#[test]
fn a_full_disk() {
    let daemon = Cramped::start(&config(100, 129).to_string(), false);
    let [first, second] = [129, 130].map(Lab::address);
    daemon.expect_address(first.into());
    let pings = Pings::start(daemon.lab.client(), first, PINGING).unwrap();
    daemon.fill();
    let since = SystemTime::now();
    let said = daemon.reload(&config(101, 129));
    assert!(said.contains("running.conf") && said.contains("1 changed"), "{said}");
    daemon.said(since, "running.conf: ");
    daemon.expect_priority(since, 101);

    let since = SystemTime::now();
    kill_process(daemon.worker().unwrap(), Signal::KILL).unwrap();
    daemon.said(since, "(VI_1) Entering MASTER STATE (its lease");
    daemon.expect_priority(since, 101);
    let adverts = daemon.capture.adverts_of(daemon.node(), since).unwrap();
    assert!(adverts.iter().all(|(_, advert)| advert.priority == 101), "{adverts:?}");
    assert_eq!(Vec::from_iter(pings.lost().unwrap()), Vec::<u16>::new());

    let since = SystemTime::now();
    let extra = "virtual_routes {\n198.51.100.0/24 dev eth0\n}";
    daemon.reload(&Config { extra, ..config(101, 130) });
    daemon.said(since, "owned.json");
    daemon.said(since, "fixtures.json");
    daemon.expect_address(second.into());
    assert!(!daemon.node().addresses().unwrap().contains(&first.into()));
    daemon.empty();
    let said = daemon.reload(&Config { extra, ..config(102, 130) });
    assert!(!said.contains("running.conf"), "{said}");
    assert!(daemon.dir.join("running.conf").exists());
    let fixtures = fs::read_to_string(daemon.dir.join("fixtures.json")).unwrap();
    assert!(fixtures.contains("198.51.100.0"), "{fixtures}");
    let owned = fs::read_to_string(daemon.dir.join("owned.json")).unwrap();
    assert!(owned.contains("192.0.2.130") && !owned.contains("192.0.2.129"), "{owned}");
    daemon.stop();
}

/// Issue 6, issue 4: a daemon that finds its runtime directory full serves all the same.
#[test]
fn a_start_on_a_full_disk() {
    let daemon = Cramped::start(&config(100, 129).to_string(), true);
    daemon.expect_address(Lab::address(129).into());
    daemon.expect_priority(SystemTime::UNIX_EPOCH, 100);
    daemon.said(SystemTime::UNIX_EPOCH, "running.conf");
    daemon.stop();
}
