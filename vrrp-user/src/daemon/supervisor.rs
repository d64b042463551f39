//! The supervisor: a process that does little but wait for the one that does the work, the worker.
//!
//! A worker that dies is started again at once, takes over what it has left in the kernel, and goes
//! on as Active where the lease still holds. One that dies soon again is started after a pause, which a
//! lease of the usual length outlives; the third time all that it left is removed first, for that may be
//! what it dies of. After some deaths in a row the supervisor gives up.
//!
//! The runtime directory's lock is the worker's standard input: it is held until both processes are
//! gone. Its standard output is a line to the supervisor. A worker whose supervisor dies goes on, and
//! says so. Where a virtual router has no kernel program (`xdp_mode none`) nothing but this process
//! keeps its leases, see [`super::vigil`], and a new worker removes the addresses first, and starts as
//! Backup.

use std::{
    env, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::{
    process::{Child, Command},
    signal::unix::{Signal as Arrivals, SignalKind, signal},
};
use tracing::{error, info, warn};

use super::{Error, journal, orphans::Orphans, running, vigil::Watch};
use crate::{
    api,
    datapath::{Heritage, Owner},
    host::{self, Firewall, Host, RuntimeDir},
};

/// Option of `xvrrp run` that makes the process a worker.
const WORKER_OPTION: &str = "--worker";
/// Another one, if it takes the place of one that died.
const SUCCESSOR_OPTION: &str = "--successor";

/// Exit status of a worker that a new one may replace: the last is that of a panic.
const WORTH_ANOTHER_TRY: [u8; 2] = [Error::EXIT_CODE, 101];

/// A worker that has lived that long was not broken from the start.
const PROOF: Duration = Duration::from_secs(10);
/// Deaths in a row before the supervisor gives up.
const MOST_DEATHS: u32 = 5;
/// The pause after the second death in a row; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Runs the worker, this program with the same arguments and `--worker`, until it ends in good order
/// or cannot be kept alive. Returns its exit status.
pub async fn supervise(runtime_dir: &Path) -> Result<u8, Error> {
    let runtime_dir = RuntimeDir::claim(runtime_dir)?;
    let mut signals = Signals::new().map_err(Error::setup("signal handlers"))?;
    let mut deaths = Deaths::default();
    let mut watch = Watch::default();
    let mut orphans = Orphans::new().map_err(Error::setup("the handler of SIGCHLD"))?;
    loop {
        let born = Instant::now();
        let mut worker = match start(&runtime_dir, &mut watch, deaths.0 > 0) {
            Ok(worker) => worker,
            Err(error) => {
                clean_up(&runtime_dir, None).await?;
                return Err(error);
            }
        };
        let status = signals.attend(&mut worker, &mut watch, &mut orphans).await?;
        if let Some(code) = last_word(status) {
            if code != 0 && deaths.0 > 0 {
                // Its predecessor ran, and nobody goes on with what that left.
                clean_up(&runtime_dir, None).await?;
            }
            return Ok(code);
        }
        if signals.stopping {
            clean_up(&runtime_dir, None).await?;
            // It had no handler for the signal yet.
            let was_killed_by_us = signals.stopped_by(status);
            if !was_killed_by_us {
                warn!("the worker died while it stopped: {status}");
            }
            return Ok(u8::from(!was_killed_by_us));
        }
        match deaths.count(born.elapsed()) {
            Next::AtOnce => error!("the worker died: {status}; starting it again"),
            Next::After(pause) => {
                error!("the worker died again: {status}; starting it again in {pause:?}");
                if signals.rest(pause, &mut watch, &mut orphans).await {
                    clean_up(&runtime_dir, None).await?;
                    return Ok(0);
                }
            }
            Next::Afresh(pause) => {
                error!(
                    "the worker died again: {status}; removing what it left, and starting it again in {pause:?}"
                );
                take_away(&runtime_dir, None).await?;
                if signals.rest(pause, &mut watch, &mut orphans).await {
                    return Ok(0);
                }
            }
            Next::Never => {
                clean_up(&runtime_dir, None).await?;
                return Err(Error::DiesAgain { deaths: MOST_DEATHS });
            }
        }
    }
}

/// Removes what a daemon with this runtime directory has left on the host: its program from the
/// devices of this namespace, its addresses, and what else it had changed; or what of it is on the
/// interface `only`.
pub async fn clean_up(runtime_dir: &RuntimeDir, only: Option<&str>) -> Result<(), Error> {
    take_away(runtime_dir, only).await?;
    if only.is_none() {
        running::forget(runtime_dir.path());
    }
    Ok(())
}

/// The same, but a new worker is to go on with its configuration.
async fn take_away(runtime_dir: &RuntimeDir, only: Option<&str>) -> Result<(), Error> {
    let host = Host::new()?;
    journal::clear(runtime_dir, &host, only).await?;
    let index = match only {
        None => None,
        Some(name) => {
            let gone = || host::Error::NoInterface { interface: name.to_owned() };
            Some(host.link(name).await?.ok_or_else(gone)?.index)
        }
    };
    if only.is_none() {
        Firewall::remove_leftover(runtime_dir.path())?;
        api::remove_socket(runtime_dir.path()).map_err(Error::setup("removing the socket"))?;
    }
    // Last: until now it has kept everybody from addresses without a daemon.
    let removed = Heritage::of(Owner::of(runtime_dir.path()))?.remove(index)?;
    if removed > 0 {
        info!(programs = removed, "the kernel program has been taken off");
    }
    Ok(())
}

/// Has the death of the supervisor, whose process has this number, reported as SIGUSR2, also where it has
/// died already. The handler is in place.
pub(super) fn watch_parent(supervisor: Option<u32>) -> io::Result<()> {
    let parent = || getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    let supervisor = supervisor.or_else(parent);
    set_parent_process_death_signal(Some(Signal::USR2))?;
    if parent() != supervisor {
        kill_process(rustix::process::getpid(), Signal::USR2)?;
    }
    Ok(())
}

fn start(runtime_dir: &RuntimeDir, watch: &mut Watch, is_successor: bool) -> Result<Child, Error> {
    let setup = Error::setup("the worker");
    let (lock, line) = match (runtime_dir.lock(), watch.connect()) {
        (Ok(lock), Ok(line)) => (lock, line),
        (Err(error), _) | (_, Err(error)) => return Err(setup(error)),
    };
    let mut arguments = env::args_os();
    let mut worker = std::process::Command::new("/proc/self/exe");
    worker
        .arg0(arguments.next().unwrap_or_default())
        .args(arguments)
        .arg(WORKER_OPTION)
        .args(is_successor.then_some(SUCCESSOR_OPTION))
        .stdin(lock)
        .stdout(line);
    Command::from(worker).spawn().map_err(setup)
}

/// The exit status, unless a new worker may fare better.
fn last_word(status: ExitStatus) -> Option<u8> {
    let code = u8::try_from(status.code()?).unwrap_or(1);
    (!WORTH_ANOTHER_TRY.contains(&code)).then_some(code)
}

/// What to do about a death.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    AtOnce,
    After(Duration),
    /// The same, without what it left.
    Afresh(Duration),
    Never,
}

/// Deaths in a row.
#[derive(Default)]
struct Deaths(u32);

impl Deaths {
    /// One more, of a worker that has lived so long.
    fn count(&mut self, lived: Duration) -> Next {
        if lived >= PROOF {
            self.0 = 0;
        }
        self.0 += 1;
        match self.0 {
            1 => Next::AtOnce,
            2 => Next::After(FIRST_PAUSE),
            MOST_DEATHS.. => Next::Never,
            again => Next::Afresh(FIRST_PAUSE * (1 << (again - 2))),
        }
    }
}

/// The signals that are for the worker.
struct Signals {
    arrivals: [(Signal, Arrivals); 4],
    /// One of them has told it to stop.
    stopping: bool,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            arrivals: [
                (Signal::TERM, signal(SignalKind::terminate())?),
                (Signal::INT, signal(SignalKind::interrupt())?),
                (Signal::HUP, signal(SignalKind::hangup())?),
                (Signal::USR1, signal(SignalKind::user_defined1())?),
            ],
            stopping: false,
        })
    }

    /// Passes signals on and keeps the leases until the worker has ended.
    async fn attend(
        &mut self,
        worker: &mut Child,
        watch: &mut Watch,
        orphans: &mut Orphans,
    ) -> Result<ExitStatus, Error> {
        loop {
            let number = worker.id();
            let arrived = tokio::select! {
                status = worker.wait() => return status.map_err(Error::setup("waiting for the worker")),
                arrived = self.next() => arrived,
                never = watch.keep() => match never {},
                never = orphans.bury(number) => match never {},
            };
            let pid = number.and_then(|id| Pid::from_raw(id.cast_signed()));
            // One that has died meanwhile needs none.
            pid.map(|pid| kill_process(pid, arrived));
        }
    }

    /// True when the worker died of a signal that told it to stop.
    fn stopped_by(&self, status: ExitStatus) -> bool {
        let deadly = [Signal::TERM, Signal::INT].map(|signal| Some(signal.as_raw()));
        self.stopping && deadly.contains(&status.signal())
    }

    /// Waits, and keeps the leases meanwhile; true when a signal to stop came instead.
    async fn rest(&mut self, pause: Duration, watch: &mut Watch, orphans: &mut Orphans) -> bool {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        while !self.stopping {
            tokio::select! {
                () = &mut over => break,
                _ = self.next() => {}
                never = watch.keep() => match never {},
                never = orphans.bury(None) => match never {},
            }
        }
        self.stopping
    }

    async fn next(&mut self) -> Signal {
        let [term, int, hup, usr1] = &mut self.arrivals;
        let arrived = tokio::select! {
            _ = term.1.recv() => term.0,
            _ = int.1.recv() => int.0,
            _ = hup.1.recv() => hup.0,
            _ = usr1.1.recv() => usr1.0,
        };
        self.stopping |= arrived == Signal::TERM || arrived == Signal::INT;
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// issue 4: a worker that dies is started again at once; one that dies again and again, ever
    /// later, the third time without what it left, and in the end no more. A long life makes up for
    /// everything.
    #[test]
    fn deaths_in_a_row() {
        let pause = Next::After(FIRST_PAUSE);
        let afresh = |times: u32| Next::Afresh(FIRST_PAUSE * times);
        let mut deaths = Deaths::default();
        let short = Duration::from_millis(50);
        for expected in [&Next::AtOnce, &pause, &afresh(2)] {
            assert_eq!(deaths.count(short), *expected);
        }
        for expected in [&Next::AtOnce, &pause, &afresh(2), &afresh(4), &Next::Never] {
            let lived = if *expected == Next::AtOnce { PROOF } else { short };
            assert_eq!(deaths.count(lived), *expected);
        }
    }

    /// issue 4: an exit in good order is the last word, a signal or a panic is not.
    #[test]
    fn last_words() {
        for (status, expected) in [(0, Some(0)), (4 << 8, Some(4)), (70 << 8, None), (9, None)] {
            assert_eq!(last_word(ExitStatus::from_raw(status)), expected);
        }
        assert_eq!(last_word(ExitStatus::from_raw(101 << 8)), None);
    }
}
