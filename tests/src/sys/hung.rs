//! A thread of another process that hangs.

use std::{
    io, ptr,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow};
use rustix::process::Pid;

/// A single thread that is kept from running while its process goes on, which no signal can do. It
/// goes on when this is dropped.
#[derive(Debug)]
pub struct Hung {
    /// Nothing is sent; its end is the word to let go.
    hold: Option<mpsc::Sender<()>>,
    /// Who has stopped a thread must let it go, too (ptrace(2)).
    tracer: Option<JoinHandle<()>>,
}

impl Hung {
    /// Stops `thread`; when this returns, it does not run any more.
    ///
    /// # Errors
    /// Not root, it is gone, or somebody else traces it.
    pub fn stop(thread: Pid) -> Result<Self> {
        let (hold, held) = mpsc::channel();
        let (report, reported) = mpsc::channel();
        let tracer = thread::spawn(move || {
            let stopped = stop(thread);
            let is_stopped = stopped.is_ok();
            // Whoever called is waiting.
            let _ = report.send(stopped);
            if is_stopped {
                let _: Result<(), mpsc::RecvError> = held.recv();
                // A thread that was killed meanwhile has nothing to go on with.
                let _ = trace(libc::PTRACE_DETACH, thread);
            }
        });
        let hung = Self { hold: Some(hold), tracer: Some(tracer) };
        let stopped = reported.recv().map_err(|_| anyhow!("panic in a tracing thread"))?;
        stopped.with_context(|| format!("cannot stop thread {}", thread.as_raw_nonzero()))?;
        Ok(hung)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        drop(self.hold.take());
        if let Some(tracer) = self.tracer.take() {
            // A panic of the thread has been printed where it happened.
            let _ = tracer.join();
        }
    }
}

fn stop(thread: Pid) -> io::Result<()> {
    trace(libc::PTRACE_SEIZE, thread)?;
    trace(libc::PTRACE_INTERRUPT, thread)?;
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    match unsafe { libc::waitpid(thread.as_raw_nonzero().get(), &raw mut status, libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ if libc::WIFSTOPPED(status) => Ok(()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// A request without arguments.
fn trace(request: libc::c_uint, thread: Pid) -> io::Result<()> {
    let (thread, none) = (thread.as_raw_nonzero().get(), ptr::null_mut::<libc::c_void>());
    // SAFETY: these requests read and write no memory of ours.
    let result = unsafe { libc::ptrace(request, thread, none, none) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
