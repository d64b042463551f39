//! One program from its start to its end, as the runner sees it.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    fs::{Gid, Uid, fchown},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, PidfdFlags, Rlimit, Signal, kill_process_group, pidfd_open},
};
use tokio::{
    net::unix::pipe,
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{End, Job, Outcome, Program};
use crate::sys::{self, readiness::Readiness};

/// How long a process group has between SIGTERM and SIGKILL, as with keepalived.
const GRACE: Duration = Duration::from_secs(2);

/// So much of what is written to standard error is kept, the last of it.
const TAIL: usize = 4096;
/// Capacity of a pipe, pipe(7).
const PIPE: usize = 65_536;

/// A program that runs.
pub(super) struct Child {
    process: std::process::Child,
    /// The process, and the group that it leads.
    pid: Pid,
    /// Readable as soon as the process has ended.
    end: Readiness,
    errors: Errors,
}

/// Why a process group was told to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    TimedOut,
    Released,
}

impl Child {
    /// Returns when it has begun. It may have `open_files`. Errors say why it could not.
    pub(super) fn start(job: &Job, open_files: Rlimit) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let Program { path, argv, identity } = &job.program;
        // So that it can also open /dev/stderr.
        fchown(&writer, Some(Uid::from_raw(identity.uid)), Some(Gid::from_raw(identity.gid)))?;
        let (name, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(path);
        command
            .arg0(name)
            .args(arguments)
            .args(&job.arguments)
            .envs(job.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(writer)
            .process_group(0);
        sys::process::become_other(&mut command, identity, open_files, !job.outlives);
        let errors = Errors::new(reader)?;
        let mut process = command.spawn()?;
        // The program has the only other end of the pipe.
        drop(command);
        let pid = Pid::from_child(&process);
        match pidfd_open(pid, PidfdFlags::NONBLOCK)
            .map_err(io::Error::from)
            .and_then(Readiness::new)
        {
            Ok(end) => Ok(Self { process, pid, end, errors }),
            Err(error) => {
                process.kill()?;
                process.wait()?;
                Err(error)
            }
        }
    }

    /// The process group that it leads.
    pub(super) const fn group(&self) -> Pid {
        self.pid
    }

    /// Waits until it has ended. It is made to when its timeout has come, or when `released` is.
    pub(super) async fn attend(
        mut self,
        timeout: Option<Duration>,
        mut released: oneshot::Receiver<()>,
    ) -> Outcome {
        let mut told = None;
        let mut deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let next = tokio::select! {
                biased;
                _ = self.end.wait() => break,
                () = until(deadline) => Told::TimedOut,
                _ = &mut released, if told.is_none() => Told::Released,
                () = self.errors.read(), if !self.errors.is_over => continue,
            };
            if told.is_none() {
                self.signal(Signal::TERM);
                told = Some(next);
                deadline = Some(Instant::now() + GRACE);
            } else {
                self.signal(Signal::KILL);
                deadline = None;
            }
        }
        if told.is_some() {
            // What it has started and left behind. Its number is nobody else's until it is waited for.
            self.signal(Signal::KILL);
        }
        let end = match self.process.wait() {
            Ok(_) if told == Some(Told::TimedOut) => End::TimedOut,
            Ok(status) => end_of(status),
            Err(error) => End::NotStarted(error.to_string()),
        };
        Outcome { end, stderr: self.errors.finish() }
    }

    fn signal(&self, signal: Signal) {
        // A group whose processes have all ended needs none.
        let _ = kill_process_group(self.pid, signal);
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or_default()),
    }
}

/// Standard error of a program, from our end.
struct Errors {
    pipe: pipe::Receiver,
    tail: Vec<u8>,
    /// Nobody writes any more.
    is_over: bool,
}

impl Errors {
    fn new(reader: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&reader, true)?;
        let pipe = pipe::Receiver::from_owned_fd(reader)?;
        Ok(Self { pipe, tail: Vec::new(), is_over: false })
    }

    /// Reads what has been written, once there is something.
    async fn read(&mut self) {
        if self.pipe.readable().await.is_err() {
            self.is_over = true;
        }
        self.take();
    }

    /// Reads what there is, at most what a pipe holds: a program may write faster than this reads.
    fn take(&mut self) {
        let mut buffer = [0; TAIL];
        for _ in 0..PIPE / TAIL {
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => self.is_over = true,
                Ok(length) => {
                    self.tail.extend_from_slice(&buffer[..length]);
                    let surplus = self.tail.len().saturating_sub(TAIL);
                    self.tail.drain(..surplus);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.is_over = true,
            }
            return;
        }
    }

    /// The program has ended. What it has left behind may go on writing: nobody wants to know, but it
    /// would die of SIGPIPE.
    fn finish(mut self) -> String {
        self.take();
        let text = String::from_utf8_lossy(&self.tail).into_owned();
        if !self.is_over {
            tokio::spawn(async move {
                while !self.is_over {
                    self.read().await;
                }
            });
        }
        text
    }
}

/// Waits until that moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
