//! The worker's end of the line to the runner.

use std::{
    collections::HashMap,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as Socket},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixStream, unix::WriteHalf},
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{error, warn};

use super::{
    Found, Job, Outcome, Refusal,
    wire::{Order, Report, encode},
};
use crate::config::{Command as Wanted, ScriptRules};

/// Arguments that make this program the runner.
const ARGUMENTS: [&str; 2] = ["run", "--runner"];

/// A runner that died sooner is not started again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// A runner that has something to see to is asked that often whether it is there. One that has said
/// nothing at all for so many ticks hangs.
const TICK: Duration = Duration::from_secs(1);
const PATIENCE_TICKS: u32 = 10;

/// Runs programs in another process. Clones share that process; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Runner {
    messages: mpsc::UnboundedSender<Message>,
    last: Arc<AtomicU64>,
}

/// What the task that holds the line is told.
pub(crate) enum Message {
    /// Run it, say when it has begun, and how it was.
    Run { id: u64, job: Job, began: oneshot::Sender<()>, ended: oneshot::Sender<Outcome> },
    /// Nobody waits any more.
    Cancel { id: u64 },
    /// Look it up.
    Find {
        id: u64,
        command: Wanted,
        rules: ScriptRules,
        found: oneshot::Sender<Result<Found, Refusal>>,
    },
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

    /// The same, where whatever is looked up is found out at once.
    #[cfg(test)]
    pub(crate) fn staged() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (runner, mut messages) = Self::channel();
        let (others, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                if let Message::Find { command, rules, found, .. } = message {
                    let _ = found.send(Found::new(&command, &rules));
                } else {
                    let _ = others.send(message);
                }
            }
        });
        (runner, asked)
    }

    /// Runs a program until it has ended.
    ///
    /// If this future is dropped, the process group gets SIGTERM, and SIGKILL two seconds later, unless
    /// the job outlives that.
    pub async fn run(&self, job: Job) -> Outcome {
        self.start(job).await.outcome().await
    }

    /// Looks a command up as [`Found::new`] does, however long that takes: a runner that dies over it is
    /// not the last one.
    pub async fn find(&self, command: &Wanted, rules: &ScriptRules) -> Result<Found, Refusal> {
        loop {
            let id = self.last.fetch_add(1, Ordering::Relaxed);
            let (found, answer) = oneshot::channel();
            let (command, rules) = (command.clone(), rules.clone());
            // Without anybody to hear it the answer is dropped.
            let _ = self.messages.send(Message::Find { id, command, rules, found });
            if let Ok(answer) = answer.await {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    /// Starts a program, and returns when it runs, or cannot. As with [`Self::run`] it ends if this
    /// future or what it returns is dropped.
    pub async fn start(&self, job: Job) -> Run {
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let (begins, began) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let leash = (!job.outlives).then(|| self.messages.clone());
        // Without anybody to hear it the answer is dropped.
        let _ = self.messages.send(Message::Run { id, job, began: begins, ended: ends });
        let run = Run { id, ended, leash };
        // What does not begin ends at once.
        let _ = began.await;
        run
    }
}

/// A program that runs, or could not be started. It ends if this is dropped, unless its job outlives that.
#[derive(Debug)]
pub struct Run {
    id: u64,
    ended: oneshot::Receiver<Outcome>,
    leash: Option<mpsc::UnboundedSender<Message>>,
}

impl Run {
    /// Waits until it has ended.
    pub async fn outcome(mut self) -> Outcome {
        let outcome = (&mut self.ended).await;
        self.leash = None;
        outcome.unwrap_or_else(|_| Outcome::lost())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(messages) = &self.leash {
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

    /// It is of no use any more, nor are these groups of programs, which nobody sees to. Until it has
    /// waited for them their numbers are nobody else's.
    async fn bury(mut self, programs: Programs) -> io::Result<ExitStatus> {
        for group in programs.into_values() {
            // They may have ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
        // It may have ended already.
        let _ = self.child.start_kill();
        self.child.wait().await
    }

    /// It ends by itself without the line.
    async fn end(mut self) {
        drop(self.line);
        // There is nothing else to do about it.
        let _ = self.child.wait().await;
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
        let mut programs = Programs::new();
        if attend(&mut process.line, &mut messages, &mut programs).await == Ended::Unneeded {
            return process.end().await;
        }
        match process.bury(programs).await {
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
    /// The runner has let go of the line, or hangs. What it ran was forgotten, which is an answer.
    Died,
}

/// Who waits for a run.
struct Waiting {
    began: Option<oneshot::Sender<()>>,
    ended: oneshot::Sender<Outcome>,
}

/// The process groups of runs that go on and are to end with the runner.
type Programs = HashMap<u64, Pid>;

async fn attend(
    line: &mut UnixStream,
    messages: &mut mpsc::UnboundedReceiver<Message>,
    programs: &mut Programs,
) -> Ended {
    let (reader, mut writer) = line.split();
    let mut reports = BufReader::new(reader).lines();
    let mut waiting: HashMap<u64, Waiting> = HashMap::new();
    let mut looked_up = HashMap::new();
    // While this process does not come to run, time does not count.
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent_ticks = 0;
    loop {
        let is_idle = waiting.is_empty() && looked_up.is_empty() && programs.is_empty();
        tokio::select! {
            _ = clock.tick(), if !is_idle => {
                silent_ticks += 1;
                if silent_ticks > PATIENCE_TICKS {
                    return Ended::Died;
                }
                let Ok(greet) = encode(&Order::Greet) else { return Ended::Died };
                if !say(&mut writer, &greet).await {
                    return Ended::Died;
                }
            }
            message = messages.recv() => {
                let Some(message) = message else { return Ended::Unneeded };
                if is_idle {
                    silent_ticks = 0;
                }
                let (id, order) = match message {
                    Message::Run { id, job, began, ended } => {
                        waiting.insert(id, Waiting { began: Some(began), ended });
                        (id, Order::Run { id, job })
                    }
                    Message::Cancel { id } => {
                        waiting.remove(&id);
                        (id, Order::Cancel { id })
                    }
                    Message::Find { id, command, rules, found } => {
                        looked_up.insert(id, found);
                        (id, Order::Find { id, command, rules })
                    }
                };
                match encode(&order) {
                    Ok(order) if !say(&mut writer, &order).await => return Ended::Died,
                    Ok(_) => {}
                    Err(error) => answer(&mut waiting, id, Outcome::not_started(error)),
                }
            }
            report = reports.next_line() => {
                let Ok(Some(report)) = report else { return Ended::Died };
                silent_ticks = 0;
                match serde_json::from_str(&report) {
                    Ok(Report::Began { id, leashed }) => {
                        programs.extend(leashed.and_then(Pid::from_raw).map(|group| (id, group)));
                        let began = waiting.get_mut(&id).and_then(|waiting| waiting.began.take());
                        // Whoever asked may have gone.
                        began.map(|began| began.send(()));
                    }
                    Ok(Report::Ended { id, outcome }) => {
                        programs.remove(&id);
                        answer(&mut waiting, id, outcome);
                    }
                    Ok(Report::Greeting) => {}
                    Ok(Report::Found { id, found }) => {
                        looked_up.remove(&id).map(|waits| waits.send(found));
                    }
                    Err(_) => return Ended::Died,
                }
            }
        }
    }
}

/// Tells it something. `false` if it has died, or makes no room for that: it reads whatever else it does,
/// unless it hangs.
async fn say(writer: &mut WriteHalf<'_>, order: &[u8]) -> bool {
    let written = timeout(TICK * PATIENCE_TICKS, writer.write_all(order)).await;
    matches!(written, Ok(Ok(())))
}

fn answer(waiting: &mut HashMap<u64, Waiting>, id: u64, outcome: Outcome) {
    if let Some(waiting) = waiting.remove(&id) {
        // Whoever asked may have gone.
        let _ = waiting.ended.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        config::{Command, Place, ScriptRules},
        exec::Program,
    };

    fn job() -> Job {
        let command =
            Command { argv: vec!["/bin/true".to_owned()], user: None, span: Place::default() };
        Job::new(Program::new(&command, &ScriptRules::default()).unwrap())
    }

    /// issue 6: a runner that hangs is given up, and not because nobody asks it for anything.
    #[tokio::test(start_paused = true)]
    async fn hangs() {
        let (mut line, _silent) = UnixStream::pair().unwrap();
        let (runner, mut messages) = Runner::channel();
        let mut programs = Programs::new();
        let idle = attend(&mut line, &mut messages, &mut programs);
        assert!(timeout(100 * TICK, idle).await.is_err());
        let begin = Instant::now();
        let run = tokio::spawn(async move { runner.run(job()).await });
        assert!(attend(&mut line, &mut messages, &mut programs).await == Ended::Died);
        assert!(begin.elapsed() >= PATIENCE_TICKS * TICK);
        assert!(begin.elapsed() <= (PATIENCE_TICKS + 1) * TICK);
        assert!(run.await.unwrap().is_lost());
    }

    /// issue 6: so is one that does not even read, however much there is to tell it.
    #[tokio::test(start_paused = true)]
    async fn hangs_and_reads_nothing() {
        let (mut line, _silent) = UnixStream::pair().unwrap();
        let (runner, mut messages) = Runner::channel();
        let command =
            Command { argv: vec!["/bin/true".to_owned()], user: None, span: Place::default() };
        let mut waits = JoinSet::new();
        for _ in 0..5000 {
            let (runner, command) = (runner.clone(), command.clone());
            waits.spawn(async move { runner.find(&command, &ScriptRules::default()).await });
        }
        let mut programs = Programs::new();
        let end = timeout(100 * TICK, attend(&mut line, &mut messages, &mut programs)).await;
        assert!(end == Ok(Ended::Died));
        waits.abort_all();
    }

    /// issue 6: so is one that hangs while a program runs, which is known then; however long that runs
    /// does not matter as long as the runner answers.
    #[tokio::test(start_paused = true)]
    async fn hangs_later() {
        const ANSWERS: u32 = 100;
        let (mut line, mut other) = UnixStream::pair().unwrap();
        let (runner, mut messages) = Runner::channel();
        let serving = tokio::spawn(async move {
            let (orders, mut reports) = other.split();
            let mut orders = BufReader::new(orders).lines();
            let mut answers = 0;
            while let Some(order) = orders.next_line().await.unwrap() {
                let report = match serde_json::from_str(&order).unwrap() {
                    Order::Run { id, .. } => Report::Began { id, leashed: Some(77) },
                    Order::Greet if answers < ANSWERS => Report::Greeting,
                    Order::Greet | Order::Cancel { .. } | Order::Find { .. } => continue,
                };
                answers += 1;
                reports.write_all(&encode(&report).unwrap()).await.unwrap();
            }
        });
        let begin = Instant::now();
        let run = tokio::spawn(async move { runner.run(job()).await });
        let mut programs = Programs::new();
        assert!(attend(&mut line, &mut messages, &mut programs).await == Ended::Died);
        assert!(begin.elapsed() >= (ANSWERS + PATIENCE_TICKS - 2) * TICK);
        assert!(begin.elapsed() <= (ANSWERS + PATIENCE_TICKS + 2) * TICK);
        assert!(run.await.unwrap().is_lost());
        assert_eq!(programs.into_values().map(|pid| pid.as_raw_nonzero().get()).max(), Some(77));
        drop(line);
        serving.await.unwrap();
    }
}
