//! Daemons: started in a process group of their own, their output kept line by line.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, kill_process, kill_process_group, pidfd_open},
};

use crate::{Journal, netns::changing};

pub use rustix::process::Signal;

/// Lines of output that an error quotes.
const QUOTED_LINES: usize = 15;

/// A line that a process wrote.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was read.
    pub at: SystemTime,
    /// The line without its end.
    pub text: String,
}

/// A running process and its whole process group, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    pid: Pid,
    lines: Arc<Journal<Line>>,
    /// Set once the process was reaped; its number may belong to somebody else then.
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` in a new process group. Standard output and standard error go to one
    /// journal. `label` names it in errors.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(label: &str, mut command: Command) -> Result<Self> {
        let _changing = changing();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {label}"))?;
        let lines = Arc::new(Journal::new());
        child.stdout.take().into_iter().for_each(|pipe| follow(pipe, Arc::clone(&lines)));
        child.stderr.take().into_iter().for_each(|pipe| follow(pipe, Arc::clone(&lines)));
        let pid = Pid::from_child(&child);
        Ok(Self { label: label.into(), child, pid, lines, ended: None })
    }

    /// Process id; also the id of its process group.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Everything it wrote so far; the last lines may still be on their way when it has ended.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.snapshot()
    }

    /// The first line with `pattern` in it that was written at `since` or later.
    ///
    /// # Errors
    /// None came within `timeout`; the error quotes the last lines.
    pub fn wait_for_line(
        &self,
        since: SystemTime,
        pattern: &str,
        timeout: Duration,
    ) -> Result<Line> {
        let matches = |line: &&Line| line.at >= since && line.text.contains(pattern);
        self.lines
            .wait(timeout, |lines| lines.iter().find(matches).cloned())
            .with_context(|| self.quoted(&format!("no `{pattern}` within {timeout:?}")))
    }

    /// Sends `signal` to the process alone.
    ///
    /// # Errors
    /// It has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.check_running()?;
        kill_process(self.pid, signal).with_context(|| format!("cannot signal {}", self.label))
    }

    /// Sends `signal` to the process and all its children that stayed in its group.
    ///
    /// # Errors
    /// It has ended already.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        self.check_running()?;
        kill_process_group(self.pid, signal)
            .with_context(|| format!("cannot signal {}", self.label))
    }

    /// SIGKILL to the whole group, and waits for the end.
    ///
    /// # Errors
    /// It has ended already, or does not end.
    pub fn kill(&mut self) -> Result<()> {
        self.signal_group(Signal::KILL)?;
        self.wait_exit(Duration::from_secs(5)).map(drop)
    }

    /// SIGTERM to the process, and waits until it has stopped by itself.
    ///
    /// # Errors
    /// It had ended before, or it does not end within `timeout`.
    pub fn stop(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_exit(timeout)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It is still running after `timeout`.
    pub fn wait_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let deadline = Instant::now() + timeout;
        let exit = pidfd_open(self.pid, PidfdFlags::empty())?;
        loop {
            let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()))?;
            match poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&left)) {
                Ok(0) => bail!(self.quoted(&format!("still running after {timeout:?}"))),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(*self.ended.insert(self.child.wait()?))
    }

    /// `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.wait_exit(Duration::ZERO).ok()
    }

    fn check_running(&self) -> Result<()> {
        match self.ended {
            Some(status) => bail!(self.quoted(&format!("has ended already: {status}"))),
            None => Ok(()),
        }
    }

    /// `message` about the process, with its last lines.
    fn quoted(&self, message: &str) -> String {
        let lines = self.lines();
        let last = lines.iter().skip(lines.len().saturating_sub(QUOTED_LINES));
        let last: Vec<_> = last.map(|line| format!("  | {}", line.text)).collect();
        format!("{}: {message}; its last lines:\n{}", self.label, last.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.quoted("a test failed while it was there"));
        }
        if self.ended.is_none() {
            // It is a zombie at worst, so the number is still its own.
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Copies lines from `pipe` to the journal until the last writer has closed it.
fn follow(pipe: impl Read + Send + 'static, lines: Arc<Journal<Line>>) {
    thread::spawn(move || {
        for text in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&text).into_owned();
            lines.push(Line { at: SystemTime::now(), text });
        }
    });
}
