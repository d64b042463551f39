//! The runner: a small process that starts programs and sees to their end.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io,
    os::{fd::AsFd, unix::net::UnixStream as Socket},
    path::PathBuf,
};

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    stdio::dup2_stdin,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    task::{self, JoinSet},
};

use super::{
    Found, Job, Outcome, Refusal,
    child::Child,
    wire::{Order, Report, encode},
};
use crate::{
    config::{Command, ScriptRules},
    sys::process,
};

/// So many look-ups may go on at a time, among them those that hang; all others wait.
const LOOKUPS: usize = 64;

/// Serves the worker at the other end of standard input as its runner, until that ends and what
/// outlives it has ended, too.
///
/// Has to be called before this process has opened anything. Errors are those of the line and of signal
/// handlers.
pub fn serve() -> io::Result<()> {
    process::close_inherited();
    process::forget_ignored_signals();
    let line = Socket::from(io::stdin().as_fd().try_clone_to_owned()?);
    line.set_nonblocking(true)?;
    dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUPS)
        .build()?;
    let outcome = runtime.block_on(async {
        // A service manager may send it to all processes of a service. Handlers, unlike ignored
        // signals, are not inherited by programs.
        let _handlers = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ];
        let (orders, reports) = UnixStream::from_std(line)?.into_split();
        attend(orders, reports).await;
        Ok(())
    });
    // Look-ups are not waited for.
    runtime.shutdown_background();
    outcome
}

async fn attend(orders: OwnedReadHalf, line: OwnedWriteHalf) {
    // The worker may be slow to listen; what it asks for is read nevertheless.
    let (reports, outgoing) = mpsc::unbounded_channel();
    tokio::spawn(send(outgoing, line));
    let mut orders = BufReader::new(orders).lines();
    let mut running = Running::new();
    loop {
        tokio::select! {
            order = orders.next_line() => {
                let order = order.ok().flatten().map(|line| serde_json::from_str(&line));
                let Some(Ok(order)) = order else { break };
                match order {
                    Order::Run { id, job } => running.start(id, job, reports.clone()),
                    Order::Cancel { id } => drop(running.masters.remove(&id)),
                    // Nobody listens when the worker has gone.
                    Order::Greet => drop(reports.send(Report::Greeting)),
                    Order::Find { id, command, rules } => find(id, command, rules, reports.clone()),
                }
            }
            Some(ended) = running.jobs.join_next() => {
                if let Ok(id) = ended {
                    running.masters.remove(&id);
                }
            }
        }
    }
    running.masters.retain(|_, master| master.outlives);
    while running.jobs.join_next().await.is_some() {}
}

async fn send(mut reports: mpsc::UnboundedReceiver<Report>, mut line: OwnedWriteHalf) {
    while let Some(report) = reports.recv().await {
        // No report has a path in it that is not UTF-8.
        let Ok(report) = encode(&report) else { return };
        if line.write_all(&report).await.is_err() {
            return;
        }
    }
}

/// Looks it up, however long that takes: whoever has asked has a limit of its own.
fn find(id: u64, command: Command, rules: ScriptRules, reports: mpsc::UnboundedSender<Report>) {
    task::spawn_blocking(move || {
        let found = Found::new(&command, &rules);
        let report = match encode(&found) {
            Ok(_) => Report::Found { id, found },
            // Its path is not UTF-8.
            Err(error) => {
                let path = command.argv.first().map(PathBuf::from).unwrap_or_default();
                let refusal = Refusal::Inaccessible { path, error: error.to_string() };
                Report::Found { id, found: Err(refusal) }
            }
        };
        // Nobody listens when the worker has gone.
        let _ = reports.send(report);
    });
}

/// What runs.
struct Running {
    jobs: JoinSet<u64>,
    masters: HashMap<u64, Master>,
    /// How many files programs may have open.
    open_files: Rlimit,
}

/// A run ends when its master is dropped.
struct Master {
    outlives: bool,
    _hold: oneshot::Sender<()>,
}

impl Running {
    fn new() -> Self {
        let open_files = getrlimit(Resource::Nofile);
        // Each run has two files of ours. Where it is refused, fewer can run at a time.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: open_files.maximum, ..open_files });
        Self { jobs: JoinSet::new(), masters: HashMap::new(), open_files }
    }

    fn start(&mut self, id: u64, job: Job, reports: mpsc::UnboundedSender<Report>) {
        let (hold, released) = oneshot::channel();
        self.masters.insert(id, Master { outlives: job.outlives, _hold: hold });
        let open_files = self.open_files;
        self.jobs.spawn(async move {
            // Nobody listens when the worker has gone.
            let tell = |report| drop(reports.send(report));
            let outcome = match Child::start(&job, open_files) {
                Ok(child) => {
                    let leashed = (!job.outlives).then(|| child.group().as_raw_nonzero().get());
                    tell(Report::Began { id, leashed });
                    child.attend(job.timeout, released).await
                }
                Err(error) => Outcome::not_started(error),
            };
            tell(Report::Ended { id, outcome });
            id
        });
    }
}
