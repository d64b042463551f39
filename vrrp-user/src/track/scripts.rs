//! `vrrp_script`: programs that are run again and again.
//!
//! Each has its own beat: it is started every `interval`, counted from the first start, however long it
//! takes and however late this process was. A run has one result. One that takes longer than its
//! timeout, or as long as its interval, has failed at that moment, whatever it says later (with
//! keepalived a program that hangs has no result until it is gone, and runs that are left out have none
//! at all). While it goes on, each further interval is another failure.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tracing::{info, warn};

use super::{Observation, Observer, TrackerId, Value};
use crate::{
    config::{Config, Script},
    exec::{Answer, End, Job, Lookup, Outcome, Program, Programs, Refusal, Run, Runner},
};

/// So many programs are being started at a time, all others wait: however many there are, they do not
/// take the processors away from everything else at once.
const STARTS: usize = 4;

/// A program that has not begun by then has failed: whoever is to start it hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs all programs of a configuration that something depends on, until it is dropped; then those that
/// run are killed.
pub struct Scripts {
    runner: Runner,
    starts: Arc<Semaphore>,
    watched: HashMap<String, Watched>,
}

/// A program that is being watched.
struct Watched {
    script: Script,
    lookup: Lookup,
    standing: watch::Receiver<Standing>,
    reader: watch::Sender<Reader>,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who is told of a program, and by which number it is known there.
#[derive(Clone)]
struct Reader {
    index: usize,
    observer: Observer,
}

impl Scripts {
    /// Nothing yet.
    pub fn new(runner: Runner) -> Self {
        let starts = Arc::new(Semaphore::new(STARTS));
        Self { runner, starts, watched: HashMap::new() }
    }

    /// Runs the programs of `config` from now on, as soon as `programs` knows them, and tells `observer`
    /// of them. Within a tokio runtime.
    ///
    /// One that is the same as before keeps its beat and its standing; one that has another command, other
    /// rules or other times begins anew with the standing that it had. All that is known is told again, by the
    /// numbers that programs have now: give it another channel than before.
    ///
    /// Those that are `trusted` were up when the last daemon died: their first results count as if they
    /// were, by `rise` and `fall`.
    pub fn replan(
        &mut self,
        config: &Config,
        programs: &mut Programs,
        observer: &Observer,
        trusted: impl Fn(TrackerId) -> bool,
    ) {
        let used = used(config);
        let mut before = std::mem::take(&mut self.watched);
        for (index, script) in config.scripts.iter().enumerate() {
            if !used.contains(script.name.as_str()) {
                continue;
            }
            let reader = Reader { index, observer: observer.clone() };
            let lookup = programs.of(&script.command);
            let watched = match before.remove(&script.name) {
                Some(same) if same.is(script, &lookup) => {
                    // Its task has a receiver as long as it lives.
                    let _ = same.reader.send(reader);
                    same
                }
                other => {
                    let standing = other.as_ref().map(|other| other.standing.borrow().clone());
                    // What runs of the old one ends before the new one begins.
                    drop(other);
                    let standing = standing.unwrap_or_else(|| {
                        Standing::at_start(script, trusted(TrackerId::Script(index)))
                    });
                    self.begin(script, lookup, standing, reader)
                }
            };
            self.watched.insert(script.name.clone(), watched);
        }
    }

    /// What is known of each, by the numbers that it has now.
    pub fn values(&self) -> impl Iterator<Item = (TrackerId, Value)> {
        self.watched.values().map(|watched| {
            let index = watched.reader.borrow().index;
            (TrackerId::Script(index), watched.standing.borrow().value())
        })
    }

    fn begin(
        &self,
        script: &Script,
        lookup: Lookup,
        standing: Standing,
        reader: Reader,
    ) -> Watched {
        let (standing, seen) = watch::channel(standing);
        let (reader, read) = watch::channel(reader);
        let watcher = Watcher {
            script: script.clone(),
            runner: self.runner.clone(),
            starts: Arc::clone(&self.starts),
            lookup: lookup.clone(),
            refused: None,
            standing,
            reader: read,
            last: End::Exited(0),
            lost: false,
        };
        let task = tokio::spawn(watcher.watch());
        Watched { script: script.clone(), lookup, standing: seen, reader, task }
    }
}

impl Watched {
    /// Whether nothing has changed that its task knows of.
    fn is(&self, script: &Script, lookup: &Lookup) -> bool {
        let weighed = Script { weight: script.weight, ..self.script.clone() };
        weighed == *script && self.lookup.is(lookup)
    }
}

/// The programs that some virtual router or group depends on.
fn used(config: &Config) -> HashSet<&str> {
    let instances = config.instances.iter().map(|instance| &instance.tracking);
    let groups = config.sync_groups.iter().map(|group| &group.tracking);
    instances
        .chain(groups)
        .flat_map(|lists| &lists.scripts)
        .map(|line| line.name.as_str())
        .collect()
}

/// What all results so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It may not be run, and nothing depends on it, as with keepalived.
    Untracked,
    /// Neither up nor down yet. The first result decides, unless it is down until so many successes as
    /// `rise` says (`init_fail`), or is `trusted` to be up until so many failures as `fall` says. It is
    /// `late` if it takes long to find out what to run.
    Unseen { init_fail: bool, trusted: bool, late: bool, successes: u32, failures: u32 },
    /// So many failures since the last success.
    Up { failures: u32 },
    /// So many successes since the last failure, and why it is down.
    Down { successes: u32, reason: String },
}

impl Standing {
    const fn at_start(script: &Script, trusted: bool) -> Self {
        let init_fail = script.init_fail;
        Self::Unseen { init_fail, trusted, late: false, successes: 0, failures: 0 }
    }

    fn value(&self) -> Value {
        match self {
            Self::Untracked => Value::Untracked,
            Self::Unseen { init_fail: true, .. } => {
                Value::Presumed("it has not succeeded yet".to_owned())
            }
            Self::Unseen { late: true, .. } => Value::Late,
            Self::Unseen { .. } => Value::Unknown,
            Self::Up { .. } => Value::Up,
            Self::Down { reason, .. } => Value::Down(reason.clone()),
        }
    }

    /// One more success; true if that brings it up.
    fn succeed(&mut self, rise: NonZeroU32) -> bool {
        match self {
            Self::Down { successes, .. } if *successes + 1 < rise.get() => {
                *successes += 1;
                false
            }
            Self::Unseen { init_fail: true, successes, failures, .. }
                if *successes + 1 < rise.get() =>
            {
                *successes += 1;
                *failures = 0;
                false
            }
            _ => {
                let was_up = matches!(self, Self::Up { .. });
                *self = Self::Up { failures: 0 };
                !was_up
            }
        }
    }

    /// One more failure; true if that brings it down.
    fn fail(&mut self, fall: NonZeroU32, reason: &str) -> bool {
        match self {
            Self::Up { failures } if *failures + 1 < fall.get() => {
                *failures += 1;
                false
            }
            Self::Unseen { trusted: true, successes, failures, .. }
                if *failures + 1 < fall.get() =>
            {
                *failures += 1;
                *successes = 0;
                false
            }
            Self::Down { successes, .. } => {
                *successes = 0;
                false
            }
            _ => {
                *self = Self::Down { successes: 0, reason: reason.to_owned() };
                true
            }
        }
    }
}

/// Watches one program.
struct Watcher {
    script: Script,
    runner: Runner,
    starts: Arc<Semaphore>,
    lookup: Lookup,
    /// Why it may not be run, of which the log has been told.
    refused: Option<Refusal>,
    standing: watch::Sender<Standing>,
    reader: watch::Receiver<Reader>,
    /// The last result, of which the log has been told.
    last: End,
    /// The last run has no result, and it was not its fault.
    lost: bool,
}

impl Watcher {
    /// Runs it for ever.
    async fn watch(mut self) {
        self.tell().await;
        // When the run is due from whose start all others are counted.
        let mut due = None;
        loop {
            let program = self.program().await;
            if due.is_some() && self.changes_before(due).await {
                continue;
            }
            let run = self.start(&program).await;
            let start = Instant::now();
            match run {
                Some(run) => self.attend(run, start).await,
                None => self.fail(&format!("could not be started within {PATIENCE:?}"), "").await,
            }
            due = Some(next_start(due.unwrap_or(start), self.interval(), Instant::now()));
        }
    }

    /// Waits until it is known what to run.
    async fn program(&mut self) -> Program {
        loop {
            match self.lookup.latest() {
                Answer::Program(program) => {
                    self.refused = None;
                    return program;
                }
                Answer::Refused(refusal) => self.refuse(refusal).await,
                Answer::Late => self.be_late().await,
                Answer::Unknown => {}
            }
            self.changes_before(None).await;
        }
    }

    /// Nothing depends on it until it may be run again.
    async fn refuse(&mut self, refusal: Refusal) {
        if self.refused.as_ref() != Some(&refusal) {
            warn!("Disabling track script {}: {refusal}", self.script.name);
        }
        self.refused = Some(refusal);
        self.standing.send_replace(Standing::Untracked);
        self.tell().await;
    }

    /// Nobody waits for its first result any more.
    async fn be_late(&mut self) {
        self.standing.send_modify(|standing| {
            if let Standing::Unseen { late, .. } = standing {
                *late = true;
            }
        });
        self.tell().await;
    }

    /// Waits until then, for ever without a moment. True if something else may be run before.
    async fn changes_before(&mut self, moment: Option<Instant>) -> bool {
        let mut lookup = self.lookup.clone();
        self.or_tell(async {
            tokio::select! {
                biased;
                () = until(moment) => false,
                () = lookup.changed() => true,
            }
        })
        .await
    }

    /// A configuration without interval has one of a second.
    fn interval(&self) -> Duration {
        self.script.interval.max(Duration::from_millis(1))
    }

    /// Waits for something, and meanwhile tells whoever asks what is known.
    async fn or_tell<T>(&mut self, event: impl Future<Output = T>) -> T {
        tokio::pin!(event);
        loop {
            tokio::select! {
                biased;
                value = &mut event => return value,
                Ok(()) = self.reader.changed() => self.tell().await,
            }
        }
    }

    /// Starts it as soon as others let it. `None` if it has not begun in time.
    async fn start(&mut self, program: &Program) -> Option<Run> {
        let (runner, starts) = (self.runner.clone(), Arc::clone(&self.starts));
        let job = Job { timeout: Some(self.script.timeout), ..Job::new(program.clone()) };
        let start = async move {
            // It is never closed.
            let _permit = starts.acquire().await;
            runner.start(job).await
        };
        self.or_tell(timeout(PATIENCE, start)).await.ok()
    }

    /// Judges a run as soon as there is something to judge, and waits for its end.
    async fn attend(&mut self, run: Run, start: Instant) {
        let interval = self.interval();
        let outcome = run.outcome();
        tokio::pin!(outcome);
        let mut deadline = start + self.script.timeout.min(interval);
        let mut failures = 0;
        loop {
            let next = async {
                tokio::select! {
                    biased;
                    outcome = &mut outcome => Some(outcome),
                    () = sleep_until(deadline) => None,
                }
            };
            match self.or_tell(next).await {
                Some(outcome) if failures == 0 => return self.judge(&outcome).await,
                Some(outcome) => return self.explain(&outcome),
                None => {
                    failures += 1;
                    self.overdue(failures).await;
                    deadline = start + interval * (failures + 1);
                }
            }
        }
    }

    async fn judge(&mut self, outcome: &Outcome) {
        let was_lost = std::mem::replace(&mut self.lost, outcome.is_lost());
        if self.lost && !was_lost {
            return;
        }
        let name = &self.script.name;
        let behind = |text: Option<&str>| text.map(|text| format!(": {text}")).unwrap_or_default();
        let said = behind(outcome.last_line());
        if self.last != outcome.end {
            match &outcome.end {
                End::Exited(status) => info!("Script `{name}` now returning {status}{said}"),
                end => info!("Script `{name}` {end}{said}"),
            }
            self.last = outcome.end.clone();
        }
        if outcome.is_success() {
            self.succeed().await;
        } else {
            self.fail(&outcome.end.to_string(), &said).await;
        }
    }

    /// It still runs when that is a failure, the so many-th of this run.
    async fn overdue(&mut self, failures: u32) {
        let Script { name, timeout, .. } = &self.script;
        let interval = self.interval();
        let reason = if *timeout <= interval && failures == 1 {
            format!("timed out after {timeout:?}")
        } else if *timeout <= interval {
            format!("does not end, {:?} after its start", interval * failures)
        } else {
            format!(
                "was still running {:?} after its start, when it was to run again",
                interval * failures
            )
        };
        if self.last != End::TimedOut {
            info!("Script `{name}` {reason}");
            self.last = End::TimedOut;
        }
        self.fail(&reason, "").await;
    }

    /// What a run that has failed already has said.
    fn explain(&self, outcome: &Outcome) {
        if let Some(line) = outcome.last_line() {
            info!("Script `{}`, which took too long: {line}", self.script.name);
        }
    }

    async fn succeed(&mut self) {
        let Script { name, rise, .. } = &self.script;
        let mut is_news = false;
        self.standing.send_modify(|standing| is_news = standing.succeed(*rise));
        if is_news {
            info!("VRRP_Script({name}) succeeded");
            self.tell().await;
        }
    }

    async fn fail(&mut self, reason: &str, said: &str) {
        let Script { name, fall, .. } = &self.script;
        let mut is_news = false;
        self.standing.send_modify(|standing| {
            is_news = standing.fail(*fall, &format!("{reason}{said}"));
        });
        if is_news {
            warn!("VRRP_Script({name}) failed ({reason}){said}");
            self.tell().await;
        }
    }

    /// Tells what is known, if anything is.
    async fn tell(&mut self) {
        let Reader { index, observer } = self.reader.borrow_and_update().clone();
        let value = self.standing.borrow().value();
        if value != Value::Unknown {
            let tracker = TrackerId::Script(index);
            // Who reads from another channel next has told this one to end.
            let _ = observer.send(Observation { tracker, value }).await;
        }
    }
}

/// Waits until that moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// When to run something again that was due at `due` and has ended now. At the next beat; if it has gone
/// on beyond one, late, unless the one after that is nearer.
fn next_start(due: Instant, interval: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due);
    let missed = u32::try_from(late.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    let last = due + interval * missed;
    if missed > 0 && now - last < interval / 2 { last } else { last + interval }
}

#[cfg(test)]
#[path = "scripts_tests.rs"]
mod tests;
