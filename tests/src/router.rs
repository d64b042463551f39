//! VRRP daemons on the nodes: ours, keepalived and FRR.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    str::FromStr,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use rustix::process::Pid;
use serde::Deserialize;

use crate::{Line, Node, Process, Signal, frr};

/// How long a daemon may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// Which program a [`Router`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// This project's.
    Xvrrp,
    /// The peer for interoperation and comparison.
    Keepalived,
    /// vrrpd of FRR, the other peer; it reads [`crate::Config::frr`] and needs
    /// [`crate::add_frr_interface`].
    Frr,
}

impl FromStr for Daemon {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "xvrrp" => Ok(Self::Xvrrp),
            "keepalived" => Ok(Self::Keepalived),
            "frr" => Ok(Self::Frr),
            _ => bail!("no daemon `{name}`: xvrrp, keepalived or frr"),
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xvrrp => "xvrrp",
            Self::Keepalived => "keepalived",
            Self::Frr => "frr",
        })
    }
}

/// How a daemon comes into its network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    /// `nsenter --net`: the host's mounts.
    Nsenter,
    /// `ip netns exec`: mounts of its own, with another /sys.
    NetnsExec,
    /// `nsenter --net`, then `unshare --mount`, as under systemd with PrivateMounts.
    PrivateMounts,
    /// `nsenter --net`, then `unshare --pid`: the daemon is process 1, and a child of
    /// [`Router::process`].
    Container,
}

impl Launch {
    /// Those that leave it among the host's processes.
    pub const ALL: [Self; 3] = [Self::Nsenter, Self::NetnsExec, Self::PrivateMounts];
}

impl Daemon {
    /// The program: for xvrrp `$XVRRP_BIN`, else the file beside the running executable or one
    /// directory above it (where cargo puts it); keepalived is searched in `$PATH`, FRR is where
    /// Debian puts it.
    ///
    /// # Errors
    /// There is no xvrrp in any of these places.
    pub fn program(self) -> Result<PathBuf> {
        match self {
            Self::Xvrrp => {}
            Self::Keepalived => return Ok("keepalived".into()),
            Self::Frr => return Ok(frr::VRRPD.into()),
        }
        if let Some(path) = env::var_os("XVRRP_BIN") {
            return Ok(path.into());
        }
        let here = env::current_exe()?;
        let candidates = here.ancestors().skip(1).take(2).map(|dir| dir.join("xvrrp"));
        candidates
            .into_iter()
            .find(|path| path.is_file())
            .with_context(|| format!("no xvrrp near {}: build it or set XVRRP_BIN", here.display()))
    }

    /// The command that runs the daemon in the foreground on `node`, with its files in `dir`.
    fn command(self, node: &Node, launch: Launch, config: &Path, dir: &Path) -> Result<Command> {
        let mut command = node.command_by(launch, self.program()?);
        match self {
            Self::Xvrrp => {
                command.arg("run").arg("-f").arg(config).arg("--runtime-dir").arg(dir);
            }
            // In the foreground, only VRRP, details to the terminal: with syslog (no -G) each line
            // may block for milliseconds on the console.
            Self::Keepalived => {
                command.args(["-n", "-l", "-G", "-P", "-D", "-f"]).arg(config);
                for (option, file) in [("-p", "pid"), ("-r", "vrrp.pid"), ("-c", "checkers.pid")] {
                    command.arg(option).arg(dir.join(file));
                }
            }
            Self::Frr => {
                command.args(frr::arguments(config, dir, "vrrpd.pid"));
            }
        }
        Ok(command)
    }
}

/// A daemon on a node. It is killed when this is dropped.
#[derive(Debug)]
pub struct Router {
    node: Node,
    daemon: Daemon,
    dir: PathBuf,
    process: Process,
    /// What it needs besides: FRR's zebra, which sees the interfaces.
    companion: Option<Process>,
    started: SystemTime,
}

impl Router {
    /// Writes `config` to the node's directory and starts the daemon with it. The runtime
    /// directory is the same each time the same daemon is started on the same node.
    ///
    /// # Errors
    /// The program is missing or the files cannot be written.
    pub fn start(node: &Node, daemon: Daemon, config: &str) -> Result<Self> {
        Self::start_by(Launch::Nsenter, node, daemon, config)
    }

    /// The same, started in the way of `launch`.
    ///
    /// # Errors
    /// As [`Router::start`].
    pub fn start_by(launch: Launch, node: &Node, daemon: Daemon, config: &str) -> Result<Self> {
        let dir = node.dir().join(daemon.to_string());
        if daemon == Daemon::Keepalived && dir.exists() {
            // It believes in the pid files of a killed predecessor as long as that is a zombie.
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let file = dir.with_extension("conf");
        fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))?;
        let companion = match daemon {
            Daemon::Frr => Some(frr::start_zebra(node, &file, &dir)?),
            Daemon::Xvrrp | Daemon::Keepalived => None,
        };
        let started = SystemTime::now();
        let label = format!("{daemon} on {}", node.address());
        let process = node.spawn(&label, daemon.command(node, launch, &file, &dir)?)?;
        Ok(Self { node: node.clone(), daemon, dir, process, companion, started })
    }

    /// The host it runs on.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Which program it is.
    pub const fn daemon(&self) -> Daemon {
        self.daemon
    }

    /// When it was started.
    pub const fn started(&self) -> SystemTime {
        self.started
    }

    /// The process that was started, which passes signals on.
    pub const fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Its runtime directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process itself, for its output and for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits for `(INSTANCE) Entering STATE STATE` in the log, written at `since` or later.
    ///
    /// # Errors
    /// It did not come within `timeout`.
    pub fn wait_for_state(
        &self,
        since: SystemTime,
        instance: &str,
        state: &str,
        timeout: Duration,
    ) -> Result<Line> {
        let transition = format!("({instance}) Entering {state} STATE");
        self.process.wait_for_line(since, &transition, timeout)
    }

    /// The first line of the log with `pattern` in it.
    ///
    /// # Errors
    /// None came within `timeout`.
    pub fn wait_for_line(&self, pattern: &str, timeout: Duration) -> Result<Line> {
        self.process.wait_for_line(self.started, pattern, timeout)
    }

    /// The state that it is in by its own account: what it logged last of MASTER, BACKUP, FAULT
    /// and, with FRR, INIT. `None` before the first. FRR does not name instances: it must have only
    /// one.
    pub fn last_state(&self, instance: &str) -> Option<String> {
        let log = self.log();
        log.iter().rev().find_map(|line| match self.daemon {
            Daemon::Xvrrp | Daemon::Keepalived => {
                let (_, state) = line.split_once(&format!("({instance}) Entering "))?;
                state.split_once(" STATE").map(|(state, _)| state.into())
            }
            Daemon::Frr => frr::state_of(line),
        })
    }

    /// All lines of the log so far, with their times.
    pub fn lines(&self) -> Vec<Line> {
        self.process.lines()
    }

    /// All lines of the log so far.
    pub fn log(&self) -> Vec<String> {
        self.process.lines().into_iter().map(|line| line.text).collect()
    }

    /// The lines of the log that were written at `since` or later.
    pub fn lines_since(&self, since: SystemTime) -> Vec<Line> {
        self.process.lines().into_iter().filter(|line| line.at >= since).collect()
    }

    /// A host that dies: SIGKILL to the process group, and the link down before the kernel has
    /// taken the processes apart. Returns when they are gone.
    ///
    /// # Errors
    /// The daemon had ended before, or does not end.
    pub fn crash(&mut self) -> Result<()> {
        self.process.signal_group(Signal::KILL)?;
        self.node.cut()?;
        self.process.wait_exit(STOP_TIMEOUT)?;
        self.companion.take().map_or(Ok(()), |mut companion| companion.kill())
    }

    /// The process that does the work, a child of [`Router::process`], which does nothing but wait.
    ///
    /// # Errors
    /// There is none at this moment, or several.
    pub fn worker(&self) -> Result<Pid> {
        let pid = self.process.pid().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let mut children = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().ok()?));
        match (children.next().flatten(), children.next()) {
            (Some(worker), None) => Ok(worker),
            _ => bail!("{} has no one worker", self.daemon),
        }
    }

    /// The thread that sends the adverts: of ours the pulse, of the others the only one of
    /// [`Router::worker`].
    ///
    /// # Errors
    /// There is none at this moment.
    pub fn pulse_thread(&self) -> Result<Pid> {
        let worker = self.worker()?;
        if self.daemon != Daemon::Xvrrp {
            return Ok(worker);
        }
        let tasks = fs::read_dir(format!("/proc/{}/task", worker.as_raw_nonzero()))?.flatten();
        let is_pulse = |path: &Path| {
            fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim_end() == "pulse")
        };
        let pulse = tasks.map(|task| task.path()).find(|path| is_pulse(path));
        let name = pulse.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        name.and_then(|tid| Pid::from_raw(tid.parse().ok()?)).context("there is no pulse")
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It had ended before, or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let status = self.process.stop(STOP_TIMEOUT)?;
        if let Some(mut companion) = self.companion.take() {
            companion.stop(STOP_TIMEOUT)?;
        }
        Ok(status)
    }

    /// `xvrrp status --json`.
    ///
    /// # Errors
    /// The daemon does not answer, or is not ours.
    pub fn status(&self) -> Result<Vec<VirtualRouter>> {
        let json = self.xvrrp(&["status", "--json"])?;
        serde_json::from_str(&json).with_context(|| format!("`xvrrp status` printed {json}"))
    }

    /// Gives it another configuration, of which it is not told.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, config: &str) -> Result<()> {
        let file = self.dir.with_extension("conf");
        fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Gives it another configuration, has it take that in, and returns what `xvrrp reload` says.
    ///
    /// # Errors
    /// It does not take it in, or is not ours.
    pub fn reload(&self, config: &str) -> Result<String> {
        self.write_config(config)?;
        self.xvrrp(&["reload"])
    }

    /// Starts `xvrrp events` for this daemon, and waits until it follows: for its first line.
    ///
    /// # Errors
    /// It does not, or this daemon is not ours.
    pub fn follow(&self, args: &[&str]) -> Result<Process> {
        let mut command = self.node.command(self.daemon.program()?);
        command.args(["events", "--runtime-dir"]).arg(&self.dir).args(args);
        let follower = self.node.spawn("xvrrp events", command)?;
        follower.wait_for_line(self.started, "", STOP_TIMEOUT)?;
        Ok(follower)
    }

    /// Runs an `xvrrp` command that talks to this daemon, and returns its standard output.
    ///
    /// # Errors
    /// It failed, or this daemon is not ours.
    pub fn xvrrp(&self, args: &[&str]) -> Result<String> {
        if self.daemon != Daemon::Xvrrp {
            bail!("{} has no `xvrrp {}`", self.daemon, args.join(" "));
        }
        let mut command = self.node.command(self.daemon.program()?);
        crate::output_of(command.args(args).arg("--runtime-dir").arg(&self.dir))
    }
}

/// A row of `xvrrp status --json`, as far as tests look at it.
#[derive(Clone, Debug, Deserialize)]
pub struct VirtualRouter {
    /// Name of the instance.
    pub name: String,
    /// Name of its sync group.
    pub sync_group: Option<String>,
    /// State of that.
    pub sync_group_state: Option<String>,
    /// INIT, BACKUP, MASTER or FAULT.
    pub state: String,
    /// Priority in its adverts.
    pub effective_priority: u8,
    /// How frames are intercepted.
    pub xdp_mode: String,
    /// What becomes of packets to the addresses.
    pub acceptance: String,
    /// Why so.
    pub xdp_reason: String,
    /// How the thread runs that keeps its deadlines, and how well.
    pub pulse: Pulse,
    /// Number of events by name.
    pub counters: BTreeMap<String, u64>,
}

/// Scheduling of the thread that sends adverts, and how late it was for one virtual router.
#[derive(Clone, Debug, Deserialize)]
pub struct Pulse {
    /// Its class with its parameters.
    pub scheduling: String,
    /// The latest of all.
    pub latest_us: u64,
    /// How many were how late.
    pub lateness: Vec<Lateness>,
}

/// A class of the histogram.
#[derive(Clone, Debug, Deserialize)]
pub struct Lateness {
    /// Its upper end, which the last one does not have.
    pub up_to_us: Option<u64>,
    /// How many were in it.
    pub count: u64,
}

impl VirtualRouter {
    /// A counter; one that was never counted is 0.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// The sum of the counters whose names start with `prefix`.
    pub fn counters(&self, prefix: &str) -> u64 {
        let matching = self.counters.iter().filter(|(name, _)| name.starts_with(prefix));
        matching.map(|(_, count)| count).sum()
    }
}
