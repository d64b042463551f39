//! The worker's end of the line to the runner.

use std::{
    collections::HashMap,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as Socket, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};
use tracing::{error, warn};

use super::{
    Job, Outcome,
    wire::{Order, Report, encode},
};

/// Arguments that make this program the runner.
const ARGUMENTS: [&str; 2] = ["run", "--runner"];

/// A runner that died sooner is not started again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs programs in another process. Clones share that process; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Runner {
    messages: mpsc::UnboundedSender<Message>,
    last: Arc<AtomicU64>,
}

/// What the task that holds the line is told.
pub(crate) enum Message {
    /// Run it and answer.
    Run { id: u64, job: Job, answer: oneshot::Sender<Outcome> },
    /// Nobody waits any more.
    Cancel { id: u64 },
}

impl Runner {
    /// Starts a runner: this program once more. Errors are those of sockets and processes. Within a
    /// tokio runtime.
    pub fn spawn() -> io::Result<Self> {
        Self::spawn_program(Path::new("/proc/self/exe"))
    }

    /// Starts a runner that is this `xvrrp`.
    pub fn spawn_program(xvrrp: &Path) -> io::Result<Self> {
        let process = Process::start(xvrrp)?;
        let (runner, messages) = Self::channel();
        tokio::spawn(keep(process, xvrrp.to_owned(), messages));
        Ok(runner)
    }

    /// A runner and what is asked of it.
    pub(crate) fn channel() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (messages, asked) = mpsc::unbounded_channel();
        (Self { messages, last: Arc::default() }, asked)
    }

    /// Runs a program until it has ended.
    ///
    /// If this future is dropped, the process group gets SIGTERM, and SIGKILL two seconds later, unless
    /// the job outlives that.
    pub async fn run(&self, job: Job) -> Outcome {
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let (answer, outcome) = oneshot::channel();
        let mut watch = Watch { id, messages: (!job.outlives).then_some(&self.messages) };
        // Without anybody to hear it the answer is dropped.
        let _ = self.messages.send(Message::Run { id, job, answer });
        let outcome = outcome.await;
        watch.messages = None;
        outcome.unwrap_or_else(|_| Outcome::lost())
    }
}

/// Cancels a run when it is dropped.
struct Watch<'a> {
    id: u64,
    messages: Option<&'a mpsc::UnboundedSender<Message>>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(messages) = self.messages {
            // Without anybody to hear it there is no run.
            let _ = messages.send(Message::Cancel { id: self.id });
        }
    }
}

/// A running runner.
struct Process {
    child: Child,
    line: UnixStream,
}

impl Process {
    fn start(program: &Path) -> io::Result<Self> {
        let (ours, theirs) = Socket::pair()?;
        ours.set_nonblocking(true)?;
        // Nothing but a path, files and a process group: std takes posix_spawn, which copies no memory.
        let child = Command::new(program)
            .arg0("xvrrp")
            .args(ARGUMENTS)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            // What a terminal sends to ours is not for it.
            .process_group(0)
            .spawn()?;
        Ok(Self { child, line: UnixStream::from_std(ours)? })
    }

    /// It has let go of the line, and is of no use any more.
    fn bury(mut self) -> io::Result<std::process::ExitStatus> {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait()
    }
}

/// Holds the line, and starts another runner when one has died.
async fn keep(
    mut process: Process,
    program: PathBuf,
    mut messages: mpsc::UnboundedReceiver<Message>,
) {
    loop {
        let born = Instant::now();
        if attend(&mut process.line, &mut messages).await == Ended::Unneeded {
            return;
        }
        match process.bury() {
            Ok(status) => error!("the runner of programs died: {status}; starting it again"),
            Err(error) => error!("the runner of programs died: {error}; starting it again"),
        }
        if born.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
        process = loop {
            match Process::start(&program) {
                Ok(process) => break process,
                Err(error) => warn!("the runner of programs cannot be started: {error}"),
            }
            refuse_all(&mut messages);
            sleep(PAUSE).await;
        };
    }
}

/// Nobody runs what was asked for until now.
fn refuse_all(messages: &mut mpsc::UnboundedReceiver<Message>) {
    while let Ok(message) = messages.try_recv() {
        drop(message);
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    /// Nobody has a [`Runner`] any more.
    Unneeded,
    /// The runner has let go of the line. What it ran was forgotten, which is an answer.
    Died,
}

async fn attend(line: &mut UnixStream, messages: &mut mpsc::UnboundedReceiver<Message>) -> Ended {
    let (reader, mut writer) = line.split();
    let mut reports = BufReader::new(reader).lines();
    let mut answers = HashMap::new();
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { return Ended::Unneeded };
                let order = match message {
                    Message::Run { id, job, answer } => {
                        answers.insert(id, answer);
                        Order::Run { id, job }
                    }
                    Message::Cancel { id } => {
                        answers.remove(&id);
                        Order::Cancel { id }
                    }
                };
                match encode(&order) {
                    // The runner reads whatever else it does.
                    Ok(order) if writer.write_all(&order).await.is_err() => return Ended::Died,
                    Ok(_) => {}
                    Err(error) => refuse(&mut answers, &order, &error),
                }
            }
            report = reports.next_line() => {
                let Ok(Some(report)) = report else { return Ended::Died };
                let Ok(Report { id, outcome }) = serde_json::from_str(&report) else {
                    return Ended::Died;
                };
                if let Some(answer) = answers.remove(&id) {
                    // Whoever asked may have gone.
                    let _ = answer.send(outcome);
                }
            }
        }
    }
}

fn refuse(
    answers: &mut HashMap<u64, oneshot::Sender<Outcome>>,
    order: &Order,
    error: &serde_json::Error,
) {
    let (Order::Run { id, .. } | Order::Cancel { id }) = order;
    if let Some(answer) = answers.remove(id) {
        // Whoever asked may have gone.
        let _ = answer.send(Outcome::not_started(error));
    }
}
