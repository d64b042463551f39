//! The scripts of one virtual router or group: one run at a time, and the last state always.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{debug, warn};

use super::{Counts, News, Run, State, Subject};
use crate::{
    config::{self, Command},
    exec::{Job, Lookup, Outcome, Program, Programs},
};

/// How long a script may go on when a later state waits for its end. Then it is killed, since nobody
/// would hear of that state otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// After this time at the latest a script is gone that is killed: SIGTERM, 2 s, SIGKILL.
const DEATH: Duration = Duration::from_millis(2500);

/// How often a script is run again whose end nobody knows because the runner died, and after what time.
const AGAIN: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// How long it may take to find out which program a script is when a later state waits.
const GLANCE: Duration = Duration::from_secs(1);

/// What it takes to start a script that nobody waits for.
const START: Duration = Duration::from_millis(100);

/// Runs the scripts of one subject. When it is dropped, what waits is still said.
pub(super) struct Teller {
    line: Arc<Line>,
    task: JoinHandle<()>,
}

impl Teller {
    pub(super) fn new(
        subject: Subject,
        notify: &config::Notify,
        programs: &mut Programs,
        runner: impl Run,
    ) -> Self {
        let scripts = Scripts::new(&subject, notify, programs);
        Self::with(subject, scripts, runner)
    }

    fn with(
        subject: Subject,
        (scripts, sayings): (Scripts, JoinSet<()>),
        runner: impl Run,
    ) -> Self {
        let line = Arc::new(Line {
            subject,
            waiting: Mutex::new(Waiting {
                scripts: Arc::new(scripts),
                sayings,
                state: None,
                lower_priority_heard: false,
                end: None,
            }),
            changed: Notify::new(),
            run: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        });
        let task = tokio::spawn(serve(Arc::clone(&line), runner));
        Self { line, task }
    }

    /// What comes from now on is told to other scripts.
    pub(super) fn configure(&self, notify: &config::Notify, programs: &mut Programs) {
        let (scripts, sayings) = Scripts::new(&self.line.subject, notify, programs);
        let mut waiting = self.line.lock();
        (waiting.scripts, waiting.sayings) = (Arc::new(scripts), sayings);
    }

    pub(super) fn tell(&self, news: News, priority: u8) {
        let mut waiting = self.line.lock();
        match news {
            News::Entered(state) => {
                if waiting.state.replace((state, priority)).is_some() {
                    self.line.skipped.fetch_add(1, Relaxed);
                }
                waiting.lower_priority_heard = false;
            }
            News::LowerPriorityHeard => waiting.lower_priority_heard = true,
            News::PriorityChanged(_) => return,
        }
        drop(waiting);
        self.line.changed.notify_one();
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            scripts_run: self.line.run.load(Relaxed),
            states_skipped: self.line.skipped.load(Relaxed),
            ..Counts::default()
        }
    }

    /// See [`super::Notifier::farewell`].
    pub(super) fn farewell(mut self, by: Instant) -> impl Future<Output = ()> + use<> {
        self.end(by);
        async move {
            // It keeps to the time itself.
            let _ = (&mut self.task).await;
        }
    }

    fn end(&self, by: Instant) {
        let left = by.saturating_duration_since(Instant::now());
        let ending = Ending { first: by - left / 2, all: by };
        self.line.lock().end.get_or_insert(ending);
        self.line.changed.notify_one();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.end(Instant::now() + PATIENCE);
    }
}

/// The programs of one subject.
#[derive(Clone, Debug, Default)]
struct Scripts {
    master: Option<Lookup>,
    backup: Option<Lookup>,
    fault: Option<Lookup>,
    stop: Option<Lookup>,
    deleted: Option<Lookup>,
    any: Option<Lookup>,
    lower_priority_heard: Option<Lookup>,
}

impl Scripts {
    /// Those that may not be run are logged as soon as that is known, unless the tasks that do so are
    /// dropped.
    fn new(
        subject: &Subject,
        notify: &config::Notify,
        programs: &mut Programs,
    ) -> (Self, JoinSet<()>) {
        let mut sayings = JoinSet::new();
        let mut program = |keyword: &'static str, command: &Option<Command>| {
            let lookup = programs.of(command.as_ref()?);
            let (name, mut done) = (subject.name().to_owned(), lookup.clone());
            sayings.spawn(async move {
                if let Some(reason) = done.refusal().await {
                    warn!("({name}) {keyword} is not run: {reason}");
                }
            });
            Some(lookup)
        };
        let scripts = Self {
            master: program("notify_master", &notify.master),
            backup: program("notify_backup", &notify.backup),
            fault: program("notify_fault", &notify.fault),
            stop: program("notify_stop", &notify.stop),
            deleted: program("notify_deleted", &notify.deleted),
            any: program("notify", &notify.any),
            lower_priority_heard: program(
                "notify_master_rx_lower_pri",
                &notify.master_rx_lower_pri,
            ),
        };
        (scripts, sayings)
    }

    fn of(&self, state: State) -> (&'static str, Option<&Lookup>) {
        match state {
            State::Master => ("notify_master", self.master.as_ref()),
            State::Backup => ("notify_backup", self.backup.as_ref()),
            State::Fault => ("notify_fault", self.fault.as_ref()),
            State::Stop => ("notify_stop", self.stop.as_ref()),
            State::Deleted => ("notify_deleted", self.deleted.as_ref()),
        }
    }
}

/// What [`Teller`] and its task share.
struct Line {
    subject: Subject,
    waiting: Mutex<Waiting>,
    changed: Notify,
    run: AtomicU64,
    skipped: AtomicU64,
}

struct Waiting {
    scripts: Arc<Scripts>,
    /// Who will say which of them are refused.
    sayings: JoinSet<()>,
    /// The state that is to be told next, with the priority.
    state: Option<(State, u8)>,
    lower_priority_heard: bool,
    /// Nothing comes any more.
    end: Option<Ending>,
}

/// By when it has to be over.
#[derive(Clone, Copy)]
struct Ending {
    /// For what comes before a stop, which is to have some of the time.
    first: Instant,
    /// For all.
    all: Instant,
}

/// One program to run: the keyword that it stands for, itself, what it is told, and whether it may
/// go on when nobody waits for it any longer.
type Step = (&'static str, Lookup, Vec<String>, bool);

impl Line {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be run now, in this order; `None` when it is over.
    async fn next(&self) -> Option<Vec<Step>> {
        loop {
            {
                let mut waiting = self.lock();
                let scripts = Arc::clone(&waiting.scripts);
                if let Some((state, priority)) = waiting.state.take() {
                    return Some(self.steps(&scripts, state, priority));
                }
                if std::mem::take(&mut waiting.lower_priority_heard) {
                    let script = scripts.lower_priority_heard.clone();
                    let step = |it| ("notify_master_rx_lower_pri", it, Vec::new(), false);
                    return Some(script.map(step).into_iter().collect());
                }
                if waiting.end.is_some() {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// keepalived's order: the script of the state, and `notify`, with more arguments.
    fn steps(&self, scripts: &Scripts, state: State, priority: u8) -> Vec<Step> {
        let outlives = state == State::Stop;
        let (keyword, own) = scripts.of(state);
        let arguments = [self.subject.kind(), self.subject.name(), state.name()];
        let arguments = arguments.map(str::to_owned).into_iter().chain([priority.to_string()]);
        let own = own.map(|it| (keyword, it.clone(), Vec::new(), outlives));
        let any = scripts.any.clone().map(|it| ("notify", it, arguments.collect(), outlives));
        own.into_iter().chain(any).collect()
    }

    /// Returns when a script that runs since before has had its time, which is so long after the arrival
    /// of a later state. `outlives` is the last one.
    async fn out_of_patience(&self, patience: Duration, outlives: bool) {
        let mut late = None;
        loop {
            {
                let waiting = self.lock();
                if waiting.state.is_some() {
                    late.get_or_insert_with(|| Instant::now() + patience);
                }
                let end = waiting.end.map(|end| if outlives { end.all } else { end.first });
                late = [late, end].into_iter().flatten().min();
            }
            match late {
                Some(late) => {
                    if timeout_at(late, self.changed.notified()).await.is_err() {
                        return;
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// True when a later state waits.
    fn is_overtaken(&self) -> bool {
        self.lock().state.is_some()
    }

    /// The time that is left; `None` for as much as it takes.
    fn left(&self) -> Option<Duration> {
        let end = self.lock().end?;
        Some(end.all.saturating_duration_since(Instant::now()))
    }
}

/// Runs what is to be run until it is over.
async fn serve(line: Arc<Line>, runner: impl Run) {
    while let Some(steps) = line.next().await {
        for (keyword, lookup, arguments, outlives) in steps {
            let is_over = line.left().is_some_and(|left| left.is_zero());
            if is_over && !outlives {
                continue;
            }
            let Some(program) = known(&line, keyword, lookup, outlives).await else { continue };
            let job = Job { program, arguments, environment: Vec::new(), timeout: None, outlives };
            line.run.fetch_add(1, Relaxed);
            if is_over {
                // The last chance to say so.
                let _ = timeout(START, runner.run(job)).await;
                continue;
            }
            let outcome = tokio::select! {
                outcome = insist(&line, &runner, job) => Some(outcome),
                () = line.out_of_patience(PATIENCE, outlives) => None,
            };
            report(&line, keyword, outcome.as_ref(), outlives);
            if outcome.is_none() && !outlives {
                // The next one is not to meet it; but a stop is to have time left.
                sleep(line.left().map_or(DEATH, |left| DEATH.min(left / 2))).await;
            }
        }
    }
}

/// Waits until it is known which program a script is; `None` if it is not run.
async fn known(line: &Line, keyword: &str, mut lookup: Lookup, outlives: bool) -> Option<Program> {
    let mut program = tokio::select! {
        biased;
        program = lookup.program() => Some(program),
        () = line.out_of_patience(GLANCE, outlives) => None,
    };
    if program.is_none() && outlives {
        program = timeout(START, lookup.program()).await.ok();
    }
    if program.is_none() {
        let name = line.subject.name();
        warn!("({name}) {keyword} is not run: it takes too long to look it up");
    }
    // Of a refusal the log has been told.
    program?.ok()
}

/// Runs a script, and again if the runner died, unless there is another state to tell by then.
async fn insist(line: &Line, runner: &impl Run, job: Job) -> Outcome {
    for _ in 0..AGAIN {
        let outcome = runner.run(job.clone()).await;
        if !outcome.is_lost() {
            return outcome;
        }
        sleep(PAUSE).await;
        if line.is_overtaken() {
            return outcome;
        }
    }
    runner.run(job).await
}

/// To the log. `None` for a script that was not waited for.
fn report(line: &Line, keyword: &str, outcome: Option<&Outcome>, outlives: bool) {
    let name = line.subject.name();
    let Some(outcome) = outcome else {
        let fate = if outlives { "goes on by itself" } else { "is killed" };
        return warn!("({name}) {keyword} takes too long and {fate}");
    };
    if outcome.is_success() {
        return debug!("({name}) {keyword} has run");
    }
    let last = outcome.last_line().map(|line| format!(": {line}")).unwrap_or_default();
    warn!("({name}) {keyword} {}{last}", outcome.end);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::sync::mpsc;

    use super::{
        super::{Starter, testing::*},
        *,
    };
    use crate::exec::{Found, Message, Runner};

    const MASTER: News = News::Entered(State::Master);
    const BACKUP: News = News::Entered(State::Backup);
    const STOP: News = News::Entered(State::Stop);

    fn teller(lines: &str, stage: &Stage) -> Teller {
        let notify = notify(lines);
        Teller::new(Subject::Instance("VI_1".into()), &notify, &mut programs(), stage.clone())
    }

    /// Keyword `notify` and its relatives: keepalived's order and arguments.
    #[tokio::test(start_paused = true)]
    async fn order_and_arguments() {
        let stage = Stage::default();
        let teller = teller(
            "notify_master \"/bin/true 'a b'\"\nnotify /bin/false\nnotify_master_rx_lower_pri /bin/echo",
            &stage,
        );
        teller.tell(MASTER, 100);
        teller.tell(News::LowerPriorityHeard, 100);
        stage.wait_for_ends(3).await;
        let programs: Vec<_> = stage.runs().into_iter().map(|run| run.text).collect();
        assert_eq!(programs, ["true []", "false [INSTANCE VI_1 MASTER 100]", "echo []"]);
        assert_eq!(teller.counts(), Counts { scripts_run: 3, ..Counts::default() });
    }

    /// Pain 12: one run at a time, states that were overtaken are skipped, and the last is told.
    #[tokio::test(start_paused = true)]
    async fn the_last_state_wins() {
        let stage = Stage::lasting(Duration::from_secs(1));
        let teller = teller("notify /bin/true", &stage);
        for (number, news) in [MASTER, BACKUP, MASTER, BACKUP, MASTER, BACKUP].iter().enumerate() {
            teller.tell(*news, 100 + number as u8);
            tokio::task::yield_now().await;
        }
        stage.wait_for_ends(2).await;
        let runs = stage.runs();
        let texts: Vec<_> = runs.iter().map(|run| run.text.as_str()).collect();
        assert_eq!(texts, ["true [INSTANCE VI_1 MASTER 100]", "true [INSTANCE VI_1 BACKUP 105]"]);
        assert!(runs[0].end.unwrap() <= runs[1].begin);
        assert_eq!(teller.counts().states_skipped, 4);
    }

    /// Pain 12: a script that hangs is killed when a later state has waited for long, and not before;
    /// without a later state it may take its time.
    #[tokio::test(start_paused = true)]
    async fn a_script_that_hangs() {
        let stage = Stage::lasting(Duration::MAX);
        let teller = teller("notify /bin/true", &stage);
        let begin = Instant::now();
        teller.tell(MASTER, 100);
        sleep(Duration::from_secs(1000)).await;
        teller.tell(BACKUP, 100);
        stage.wait_for_begins(2).await;
        let run = stage.runs().remove(0);
        assert_eq!(run.dropped.unwrap() - begin, Duration::from_secs(1000) + PATIENCE);
        assert!(stage.runs()[1].begin - run.dropped.unwrap() >= DEATH);
    }

    /// Issue 6: a state is told again when the runner died with the script, unless there is another one
    /// to tell.
    #[tokio::test(start_paused = true)]
    async fn a_runner_that_dies() {
        async fn next(asked: &mut mpsc::UnboundedReceiver<Message>) -> Message {
            loop {
                match asked.recv().await.unwrap() {
                    Message::Cancel { .. } | Message::Find { .. } => {}
                    run @ Message::Run { .. } => return run,
                }
            }
        }
        fn state(message: &Message) -> &str {
            let Message::Run { job, .. } = message else { return "" };
            &job.arguments[2]
        }
        let (runner, mut asked) = Runner::channel();
        let notify = notify("notify /bin/true");
        let (subject, runner) = (Subject::Instance("VI_1".into()), Starter::new(runner));
        let teller = Teller::new(subject, &notify, &mut programs(), runner);
        teller.tell(MASTER, 100);
        for _ in 0..2 {
            // Dropped without an answer.
            assert_eq!(state(&next(&mut asked).await), "MASTER");
        }
        let run = next(&mut asked).await;
        assert_eq!(state(&run), "MASTER");
        teller.tell(BACKUP, 100);
        drop(run);
        assert_eq!(state(&next(&mut asked).await), "BACKUP");
    }

    /// Keyword `notify_stop`: a stop waits for its scripts, and no longer than it may. What runs then
    /// has half of the time, and the script of the stop is run in any case, and goes on.
    #[tokio::test(start_paused = true)]
    async fn a_stop_is_bounded() {
        let bound = Duration::from_secs(5);
        for (lasts, ends) in [(Duration::from_secs(1), 2), (Duration::MAX, 0)] {
            let stage = Stage::lasting(lasts);
            let teller = teller("notify /bin/true", &stage);
            teller.tell(MASTER, 100);
            stage.wait_for_begins(1).await;
            teller.tell(STOP, 100);
            let begin = Instant::now();
            teller.farewell(begin + bound).await;
            assert!(begin.elapsed() <= bound);
            let runs = stage.runs();
            assert_eq!(runs.iter().filter(|run| run.end.is_some()).count(), ends);
            assert_eq!(runs[1].text, "true [INSTANCE VI_1 STOP 100]");
            assert_eq!(runs.iter().map(|run| run.outlives).collect::<Vec<_>>(), [false, true]);
        }
    }

    /// The same when there is no time at all.
    #[tokio::test(start_paused = true)]
    async fn a_stop_without_time() {
        let stage = Stage::lasting(Duration::MAX);
        let teller = teller("notify /bin/true\nnotify_stop /bin/false", &stage);
        teller.tell(STOP, 100);
        teller.farewell(Instant::now()).await;
        let texts: HashSet<_> = stage.runs().into_iter().map(|run| run.text).collect();
        let expected = ["true [INSTANCE VI_1 STOP 100]", "false []"].map(str::to_owned);
        assert_eq!(texts, HashSet::from(expected));
    }

    /// Issue 6: as long as nobody knows which program a script is, it is not run; a later state whose
    /// script is known does not wait for it for long. The last state is told when its script is known.
    #[tokio::test(start_paused = true)]
    async fn looked_up_for_long() {
        let (runner, mut asked) = Runner::channel();
        let mut programs = Programs::new(runner);
        programs.lay_down(&rules());
        let notify = notify("notify_master /bin/true\nnotify_backup /bin/false");
        let stage = Stage::default();
        let subject = Subject::Instance("VI_1".into());
        let teller = Teller::new(subject, &notify, &mut programs, stage.clone());
        let mut hanging = Vec::new();
        for _ in 0..2 {
            let Some(Message::Find { command, rules, found, .. }) = asked.recv().await else {
                panic!("no look-up");
            };
            if command.argv == ["/bin/false"] {
                found.send(Found::new(&command, &rules)).unwrap();
            } else {
                hanging.push((command, rules, found));
            }
        }
        teller.tell(MASTER, 100);
        sleep(Duration::from_secs(100)).await;
        assert!(stage.runs().is_empty());
        let begin = Instant::now();
        teller.tell(BACKUP, 100);
        stage.wait_for_ends(1).await;
        assert_eq!(stage.runs()[0].text, "false []");
        assert!(begin.elapsed() <= GLANCE + Duration::from_millis(10));
        teller.tell(MASTER, 100);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(stage.runs().len(), 1);
        let (command, rules, found) = hanging.remove(0);
        found.send(Found::new(&command, &rules)).unwrap();
        stage.wait_for_ends(2).await;
        assert_eq!(stage.runs()[1].text, "true []");
    }

    /// Issue 6, reload: scripts that a reload changes are those of the next state; a subject that
    /// it removes still hears that it is deleted.
    #[tokio::test(start_paused = true)]
    async fn another_configuration() {
        let stage = Stage::lasting(Duration::from_secs(1));
        let teller = teller("notify /bin/true", &stage);
        teller.tell(MASTER, 100);
        stage.wait_for_begins(1).await;
        teller.configure(&notify("notify /bin/false"), &mut programs());
        teller.tell(News::Entered(State::Deleted), 100);
        drop(teller);
        stage.wait_for_ends(2).await;
        assert_eq!(stage.runs()[1].text, "false [INSTANCE VI_1 DELETED 100]");
    }
}
