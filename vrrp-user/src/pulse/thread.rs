//! The loop: wait, take what the kernel and the daemon have to say, then see which deadlines are
//! past.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, epoll, eventfd},
    io::Errno,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::sync::oneshot;
use vrrp_common::abi::Kind;

use super::{
    Board, Change, Command, Member, Port, Report, RouterId, Spec,
    clock::now,
    receive,
    roster::Roster,
    router::Outlet,
    scheduling::{Scheduling, apply, budget},
};
use crate::{
    config,
    datapath::{Doorbells, Slots},
    election::Instant,
    sys::sched::{Class, set_class},
};

/// Commands that may wait. The daemon sends a few for each virtual router and link event.
const COMMANDS: usize = 8192;
/// Reports that may wait, beyond some for each virtual router.
const REPORTS: usize = 1024;
/// Reports that one virtual router may have waiting.
const REPORTS_PER_ROUTER: usize = 16;

/// How long to wait for a thread with so many commands waiting.
const PAUSE: Duration = Duration::from_millis(1);

/// Where reports go.
pub(super) type Reports = tokio::sync::mpsc::Sender<Report>;

/// The daemon's end.
pub struct Handle {
    commands: SyncSender<Command>,
    bell: Arc<OwnedFd>,
    board: Arc<Board>,
    slots: Arc<Slots>,
    wish: config::Scheduling,
    scheduling: Scheduling,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread, in the scheduling class that is wished for or the next best. `doorbells` is `None` where there is no kernel program. Reports come out of
/// the receiver; it closes when the thread has ended.
pub fn spawn(
    specs: Vec<Spec>,
    slots: &Arc<Slots>,
    doorbells: Option<Doorbells>,
    wish: &config::Scheduling,
) -> io::Result<(Handle, tokio::sync::mpsc::Receiver<Report>)> {
    let (commands, incoming) = sync_channel(COMMANDS);
    let (outgoing, reports) =
        tokio::sync::mpsc::channel(REPORTS + REPORTS_PER_ROUTER * slots.count() as usize);
    let board = Arc::new(Board::new((slots.count() as usize).saturating_sub(1)));
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let budget = budget(specs.iter().map(|spec| spec.parameters.interval.duration()));
    let mut pulse = Pulse::new(
        specs,
        slots,
        doorbells,
        incoming,
        outgoing,
        Arc::clone(&board),
        Arc::clone(&bell),
    )?;
    let (say, hear) = sync_channel(1);
    let (wish, wanted) = (wish.clone(), wish.clone());
    let thread = thread::Builder::new().name("pulse".to_owned()).spawn(move || {
        // Nobody to hear it means that this function has failed, and it does not.
        let _ = say.send(apply(&wish, budget));
        pulse.run();
    })?;
    let scheduling = hear.recv().map_err(io::Error::other)?;
    let (slots, thread) = (Arc::clone(slots), Some(thread));
    Ok((Handle { commands, bell, board, slots, wish: wanted, scheduling, thread }, reports))
}

impl Handle {
    /// Gives a command. `false` when the thread is gone or hopelessly behind; then it was not taken.
    #[must_use]
    pub fn send(&self, command: Command) -> bool {
        let taken = match self.commands.try_send(command) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        };
        self.ring();
        taken
    }

    /// The same, and waits while it is behind. `false` when the thread is gone.
    async fn push(&self, mut command: Command) -> bool {
        loop {
            let outcome = self.commands.try_send(command);
            self.ring();
            command = match outcome {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(command)) => command,
            };
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn ring(&self) {
        // The counter cannot overflow before the thread has read it, so this cannot fail.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Adds virtual routers, whose slots nobody uses. They take no part yet.
    pub async fn install(&self, specs: Vec<Spec>) {
        for spec in specs {
            self.push(Command::Install(Member::new(spec, &self.slots))).await;
        }
    }

    /// Gives virtual routers other configurations. Ready when all have them.
    pub async fn change(&self, changes: Vec<(RouterId, Change)>) {
        let mut waiting = Vec::with_capacity(changes.len());
        for (router, change) in changes {
            let (done, wait) = oneshot::channel();
            self.push(Command::Change { router, change: Box::new(change), done }).await;
            waiting.push(wait);
        }
        for wait in waiting {
            // Where the thread is gone, that is known elsewhere.
            let _ = wait.await;
        }
    }

    /// Says which virtual routers are sync groups, each with its members in the order of the
    /// configuration; those that were are no more. Ready when it is so. [`Parameters::grouped`] must
    /// say the same.
    ///
    /// [`Parameters::grouped`]: crate::election::Parameters::grouped
    pub async fn group(&self, members: Vec<Vec<RouterId>>) {
        let (done, wait) = oneshot::channel();
        self.push(Command::Group { members, done }).await;
        // As in `change`.
        let _ = wait.await;
    }

    /// Has virtual routers resign, and removes them. Ready when they are gone; what there was to report
    /// of them has been.
    pub async fn remove(&self, routers: &[RouterId]) {
        let mut waiting = Vec::with_capacity(routers.len());
        for &router in routers {
            let (done, wait) = oneshot::channel();
            self.push(Command::Remove { router, done }).await;
            waiting.push(wait);
        }
        for wait in waiting {
            // As in `change`.
            let _ = wait.await;
        }
    }

    /// Reserves the time that virtual routers with these intervals need, where a share of a processor
    /// is reserved and the configuration does not say how much. An error is the kernel's: it stays as
    /// it was.
    pub async fn provide_for(
        &mut self,
        intervals: impl Iterator<Item = Duration>,
    ) -> io::Result<()> {
        let Class::Deadline { period, .. } = self.scheduling.class else { return Ok(()) };
        let class = Class::Deadline { runtime: budget(intervals), period };
        if self.wish.budget.is_some() || class == self.scheduling.class {
            return Ok(());
        }
        let (done, wait) = oneshot::channel();
        self.push(Command::Schedule { class, done }).await;
        // As in `change`.
        wait.await.unwrap_or(Ok(()))?;
        self.scheduling.class = class;
        Ok(())
    }

    /// What the thread shows of itself.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The scheduling class that it got.
    pub fn scheduling(&self) -> &Scheduling {
        &self.scheduling
    }

    /// Waits until the thread has ended, after [`Command::Stop`]. `false` if it panicked.
    pub fn join(mut self) -> bool {
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

/// Tokens of epoll; ports come after.
const BELL: u64 = 0;
const TIMER: u64 = 1;
const DOORBELLS: u64 = 2;
const PORTS: u64 = 3;

struct Pulse {
    roster: Roster,
    /// The ports that routers take part on, each at the place that its token says.
    ports: Vec<Option<Arc<Port>>>,
    /// Sockets of the ports.
    receivers: usize,
    doorbells: Option<Doorbells>,
    commands: Receiver<Command>,
    reports: Reports,
    board: Arc<Board>,
    bell: Arc<OwnedFd>,
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: Option<Instant>,
    /// Before this nothing waited at the sockets that has not been read.
    looked: Instant,
}

impl Pulse {
    fn new(
        specs: Vec<Spec>,
        slots: &Arc<Slots>,
        doorbells: Option<Doorbells>,
        commands: Receiver<Command>,
        reports: Reports,
        board: Arc<Board>,
        bell: Arc<OwnedFd>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        watch(&epoll, &bell, BELL)?;
        watch(&epoll, &timer, TIMER)?;
        if let Some(doorbells) = &doorbells {
            watch(&epoll, doorbells, DOORBELLS)?;
        }
        Ok(Self {
            roster: Roster::new(specs, slots),
            ports: Vec::new(),
            receivers: 0,
            doorbells,
            commands,
            reports,
            board,
            bell,
            epoll,
            timer,
            armed: None,
            looked: now(),
        })
    }

    /// Until [`Command::Stop`].
    fn run(&mut self) {
        let mut ready = Vec::new();
        loop {
            // All that has come in is seen at once; this allocates only after a port has come.
            ready.clear();
            ready.reserve(PORTS as usize + self.receivers);
            self.wait(&mut ready);
            // Whoever is stopped from here on finds nothing due that he has not heard of.
            let now = now();
            // What was heard comes before what was decided elsewhere, and both before the deadlines.
            self.take_doorbells();
            for event in &ready {
                self.take(event.data.u64());
            }
            self.looked = now;
            if self.take_commands() == Flow::Stop {
                return;
            }
            self.expire(now);
            self.arm();
        }
    }

    /// Waits for whatever comes next. A process that was stopped is interrupted first and told then
    /// what has come in meanwhile: until it knows, no deadline is looked at.
    fn wait(&self, ready: &mut Vec<epoll::Event>) {
        let mut wait = || epoll::wait(&self.epoll, rustix::buffer::spare_capacity(ready), None);
        while wait() == Err(Errno::INTR) {}
    }

    fn take_doorbells(&mut self) {
        let Some(doorbells) = &mut self.doorbells else { return };
        let outlet = Outlet { board: &self.board, reports: &self.reports };
        for bell in doorbells {
            // Slot 0 is nobody's; slots follow the order of the routers.
            let router = (bell.slot as usize).checked_sub(1);
            if let (Some(router), Some(kind)) = (router, Kind::ALL.get(bell.kind as usize)) {
                self.roster.visit(router, &outlet, |router| router.answer_doorbell(*kind, &outlet));
            }
        }
    }

    fn take(&mut self, token: u64) {
        match token {
            BELL => reset(&self.bell),
            TIMER => {
                reset(&self.timer);
                self.armed = None;
            }
            DOORBELLS => {}
            socket => {
                let (place, index) = place_of(socket);
                let Some(Some(port)) = self.ports.get(place) else { return };
                let Some((family, socket)) = port.receivers.get(index) else { return };
                let outlet = Outlet { board: &self.board, reports: &self.reports };
                let since = self.looked;
                receive::drain((*family, socket), port, since, &mut self.roster, &outlet);
            }
        }
    }

    fn take_commands(&mut self) -> Flow {
        let (mut flow, mut any) = (Flow::Continue, false);
        while flow == Flow::Continue
            && let Ok(command) = self.commands.try_recv()
        {
            (flow, any) = (self.obey(command), true);
        }
        if any {
            self.abandon_unused();
        }
        flow
    }

    fn obey(&mut self, command: Command) -> Flow {
        if let Command::Start { port, since, .. } = &command {
            self.adopt(port, since.is_some());
        }
        let outlet = Outlet { board: &self.board, reports: &self.reports };
        match command {
            Command::Start { router, port, source, since } => {
                self.roster
                    .visit(router, &outlet, |router| router.start(port, source, since, &outlet));
            }
            Command::Fault { router } => {
                self.roster.visit(router, &outlet, |router| router.shut_down(&outlet));
            }
            Command::Priority { router, priority } => {
                self.roster
                    .visit(router, &outlet, |router| router.change_priority(priority, &outlet));
            }
            Command::Install(Member(router)) => {
                self.board.clear(router.id());
                self.roster.install(router);
            }
            Command::Change { router, mut change, done } => {
                self.roster.visit(router, &outlet, |router| router.change(&mut change, &outlet));
                // Who asked may have gone, and so below.
                let _ = done.send(change);
            }
            Command::Group { mut members, done } => {
                self.roster.regroup(&mut members, &outlet);
                let _ = done.send(members);
            }
            Command::Remove { router, done } => {
                self.roster.ungroup(router);
                self.roster.visit(router, &outlet, |router| router.retire(&outlet));
                let _ = done.send(self.roster.remove(router).map(Member));
            }
            Command::Schedule { class, done } => {
                let _ = done.send(set_class(class));
            }
            Command::Stop => {
                self.roster.visit_all(&outlet, |router| router.shut_down(&outlet));
                return Flow::Stop;
            }
            Command::Abandon => return Flow::Stop,
        }
        Flow::Continue
    }

    /// Listens to a port, once; what waits there is heard if it `counts`.
    fn adopt(&mut self, port: &Arc<Port>, counts: bool) {
        if self.ports.iter().flatten().any(|known| Arc::ptr_eq(known, port)) {
            return;
        }
        let place = self.ports.iter().position(Option::is_none).unwrap_or_else(|| {
            self.ports.push(None);
            self.ports.len() - 1
        });
        for (index, (family, socket)) in port.receivers.iter().enumerate() {
            if !counts {
                receive::discard((*family, socket));
            }
            // Without room for one more descriptor the kernel program still hears for us.
            let _ = watch(&self.epoll, socket, token_of(place, index));
        }
        self.receivers += port.receivers.len();
        self.ports[place] = Some(Arc::clone(port));
    }

    /// Lets go of the ports that no router takes part on any longer.
    fn abandon_unused(&mut self) {
        for place in &mut self.ports {
            if let Some(port) = place
                && !self.roster.iter().any(|router| router.is_on(port))
            {
                for (_, socket) in &port.receivers {
                    let _ = epoll::delete(&self.epoll, socket);
                }
                self.receivers -= port.receivers.len();
                *place = None;
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let outlet = Outlet { board: &self.board, reports: &self.reports };
        self.roster.expire(now, &outlet);
    }

    fn arm(&mut self) {
        let next = self.roster.next_deadline();
        if next == self.armed {
            return;
        }
        self.armed = next;
        // All zeroes disarms. A deadline of 0 does not occur: the clock has been running.
        let at = next.unwrap_or_default().as_nanos();
        let value = Timespec {
            tv_sec: i64::try_from(at / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (at % 1_000_000_000) as i64,
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // The descriptor is ours and the value is normalized, so this cannot fail.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once);
    }
}

/// Receivers that a port can have: three for its device and each macvlan on it.
const RECEIVERS: usize = 1 << 16;

/// Token of a port's receiver.
const fn token_of(place: usize, index: usize) -> u64 {
    PORTS + (place * RECEIVERS + index) as u64
}

/// Undoes [`token_of`].
const fn place_of(token: u64) -> (usize, usize) {
    let number = (token - PORTS) as usize;
    (number / RECEIVERS, number % RECEIVERS)
}

#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

fn watch(epoll: &OwnedFd, source: impl AsFd, token: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, source, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
}

/// Reads the counter of an eventfd or timerfd, which takes it off the ready list.
fn reset(counter: &OwnedFd) {
    let _ = rustix::io::read(counter, &mut [0; 8]);
}
