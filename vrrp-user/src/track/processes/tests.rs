//! With real processes, with and without the connector.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc::{self, Receiver};

use super::*;
use crate::config;

/// How long an observation may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program of a name that nothing else on this host has.
struct Program(PathBuf);

impl Program {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xv-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::os::unix::fs::symlink("/bin/sleep", &path).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }

    fn start(&self) -> Running {
        Running(Command::new(&self.0).arg("1000").spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Not reaped before it was seen: a zombie does not run.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench {
    observed: Receiver<Observation>,
    _processes: Processes,
}

impl Bench {
    fn watch(lines: &str, connector: Option<Connector>) -> Self {
        let text = format!(
            "vrrp_track_process p {{\n{lines}\n}}\nvrrp_instance V {{\ninterface eth0\n\
             virtual_router_id 1\nvirtual_ipaddress {{\n192.0.2.1\n}}\ntrack_process {{\np\n}}\n}}\n",
        );
        let wanted = config::parse("test.conf", text.as_bytes()).config.unwrap().track_processes;
        let (observer, observed) = mpsc::channel(16);
        let _processes = Processes::watch_with(&wanted, observer, connector).unwrap();
        Self { observed, _processes }
    }

    fn next(&mut self) -> Value {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.observed.try_recv() {
                Ok(observation) => return observation.value,
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("nothing was observed")
    }
}

fn down(why: &str) -> Value {
    Value::Down(why.to_owned())
}

fn connector() -> Connector {
    Connector::open().expect("this test needs root in the first namespaces of the host")
}

fn by_name(connector: Option<Connector>) {
    let program = Program::new();
    let one = program.start();
    let mut bench = Bench::watch(&format!("process {}\nquorum 2\n", program.name()), connector);
    assert_eq!(bench.next(), down("1 running, 2 needed"));
    let two = program.start();
    assert_eq!(bench.next(), Value::Up);
    drop(two);
    assert_eq!(bench.next(), down("1 running, 2 needed"));
    let _two = program.start();
    assert_eq!(bench.next(), Value::Up);
    drop(one);
    assert_eq!(bench.next(), down("1 running, 2 needed"));
}

/// keywords `vrrp_track_process`, `process`, `quorum`: processes that come and go, by the connector.
#[test]
fn by_the_connector() {
    by_name(Some(connector()));
}

/// Issue 6: where the connector is not allowed, the same is found in /proc.
#[test]
fn by_looking() {
    by_name(None);
}

/// keywords `full_command`, `param_match`: the command line counts, and a shell that executes
/// the program becomes it.
#[test]
fn by_command_line() {
    let program = Program::new();
    let path = program.0.display();
    let mut bench = Bench::watch(&format!("process {path} 1000\nfull_command"), Some(connector()));
    assert_eq!(bench.next(), down("0 running, 1 needed"));
    let script = format!("exec {path} 1000");
    let running = Running(Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap());
    assert_eq!(bench.next(), Value::Up);
    let _other = Running(Command::new(&program.0).arg("1001").spawn().unwrap());
    drop(running);
    assert_eq!(bench.next(), down("0 running, 1 needed"));
}

/// keyword `vrrp_track_process`: a process that has ended but was not waited for does not run.
#[test]
fn zombies() {
    let program = Program::new();
    let mut running = program.start();
    let mut bench = Bench::watch(&format!("process {}", program.name()), None);
    assert_eq!(bench.next(), Value::Up);
    running.0.kill().unwrap();
    assert_eq!(bench.next(), down("0 running, 1 needed"));
    let stat = format!("/proc/{}", running.0.id());
    assert!(Path::new(&stat).exists(), "nobody has waited for it");
    assert!(table::process(running.0.id()).is_none());
}
