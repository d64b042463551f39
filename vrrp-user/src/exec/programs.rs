//! The programs of a configuration, looked up beside everything else.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use tracing::warn;

use super::{Found, Program, Refusal, Runner};
use crate::config::{Command, Config, ScriptRules};

/// So long something may be looked up before nobody should wait for it any more.
const PATIENCE: Duration = Duration::from_secs(15);

/// Looks up what a configuration runs, each command once. Who needs one has its [`Lookup`].
pub struct Programs {
    runner: Runner,
    rules: ScriptRules,
    lookups: HashMap<Command, (Arc<watch::Sender<State>>, Lookup)>,
    rounds: watch::Sender<Round>,
    /// What is looked up once the rest is over; `None` after that.
    waiting: Option<Vec<Search>>,
}

impl Programs {
    /// Of no configuration yet.
    pub fn new(runner: Runner) -> Self {
        let mut programs = Self::at_rest(runner);
        programs.begin();
        programs
    }

    /// The same, but nothing is looked up before [`Self::begin`].
    pub fn at_rest(runner: Runner) -> Self {
        let (rounds, _) = watch::channel(Round::default());
        let (rules, lookups) = (ScriptRules::default(), HashMap::new());
        Self { runner, rules, lookups, rounds, waiting: Some(Vec::new()) }
    }

    /// What had to be done first has been done.
    pub fn begin(&mut self) {
        for search in self.waiting.take().into_iter().flatten() {
            tokio::spawn(search.go_on());
        }
    }

    /// Looks up all commands of `config`; again those that are known already, since the host may have
    /// changed. What is to be said about programs that are run although they should not be is logged,
    /// each once. Never waits. Within a tokio runtime.
    pub fn replan(&mut self, config: &Config) {
        self.lay_down(&config.global.scripts);
        let commands: HashSet<&Command> = config.commands().collect();
        self.lookups.retain(|command, _| commands.contains(command));
        for (state, _) in self.lookups.values() {
            state.send_modify(State::look_again);
        }
        self.rounds.send_replace(Round::default());
        for command in commands {
            self.of(command);
        }
    }

    /// The look-up of a command. One that no configuration has had begins now.
    pub fn of(&mut self, command: &Command) -> Lookup {
        let (_, lookup) = self.lookups.entry(command.clone()).or_insert_with(|| {
            let (state, seen) = watch::channel(State::Looking(None));
            let state = Arc::new(state);
            let search = Search {
                runner: self.runner.clone(),
                command: command.clone(),
                rules: self.rules.clone(),
                state: Arc::clone(&state),
                rounds: self.rounds.subscribe(),
            };
            match &mut self.waiting {
                Some(waiting) => waiting.push(search),
                None => drop(tokio::spawn(search.go_on())),
            }
            (state, Lookup(seen))
        });
        lookup.clone()
    }

    /// Looks up by these rules from now on. What was looked up by other ones is not known.
    pub(crate) fn lay_down(&mut self, rules: &ScriptRules) {
        if self.rules != *rules {
            self.rules = rules.clone();
            self.lookups.clear();
        }
    }
}

/// A command that is looked up, once or again and again.
#[derive(Clone, Debug)]
pub struct Lookup(watch::Receiver<State>);

impl Lookup {
    /// What is known, for whoever waits for [`Self::changed`] from now on.
    pub fn latest(&mut self) -> Answer {
        self.0.borrow_and_update().answer()
    }

    /// Waits until something else may be known.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it is known what can be run, be it from an earlier look-up, or why nothing can.
    pub async fn program(&mut self) -> Result<Program, Refusal> {
        loop {
            match self.latest() {
                Answer::Program(program) => return Ok(program),
                Answer::Refused(refusal) => return Err(refusal),
                Answer::Unknown | Answer::Late => self.changed().await,
            }
        }
    }

    /// Waits until it has been looked up; then says why it is not run, if so.
    pub async fn refusal(&mut self) -> Option<Refusal> {
        loop {
            if let State::Done(done) = &*self.0.borrow_and_update() {
                return done.as_ref().err().cloned();
            }
            self.changed().await;
        }
    }

    /// True if both are the same: what one comes to know, the other does.
    pub fn is(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

/// What is known of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    Unknown,
    /// Nothing after 15 s. It is being looked up all the same.
    Late,
    /// It can be run.
    Program(Program),
    /// It is not run.
    Refused(Refusal),
}

/// How far a look-up is. What was found by the last one is good until this one is done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Looking(Option<Program>),
    Late(Option<Program>),
    Done(Result<Program, Refusal>),
}

impl State {
    fn answer(&self) -> Answer {
        match self {
            Self::Looking(Some(program)) | Self::Late(Some(program)) | Self::Done(Ok(program)) => {
                Answer::Program(program.clone())
            }
            Self::Looking(None) => Answer::Unknown,
            Self::Late(None) => Answer::Late,
            Self::Done(Err(refusal)) => Answer::Refused(refusal.clone()),
        }
    }

    /// One that goes on goes on.
    fn look_again(&mut self) {
        if let Self::Done(done) = self {
            *self = Self::Looking(done.as_ref().ok().cloned());
        }
    }

    fn be_late(&mut self) {
        if let Self::Looking(former) = self {
            *self = Self::Late(former.take());
        }
    }
}

/// What has been said since all was looked up again.
#[derive(Clone, Default)]
struct Round(Arc<Mutex<HashSet<String>>>);

impl Round {
    fn say(&self, caution: String) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains(&caution) {
            warn!("{caution}");
            said.insert(caution);
        }
    }
}

/// Looks one command up, in each round once.
struct Search {
    runner: Runner,
    command: Command,
    rules: ScriptRules,
    state: Arc<watch::Sender<State>>,
    rounds: watch::Receiver<Round>,
}

impl Search {
    /// As long as anybody wants to know.
    async fn go_on(mut self) {
        let state = Arc::clone(&self.state);
        tokio::select! {
            () = state.closed() => {}
            () = self.look_up_each_round() => {}
        }
    }

    async fn look_up_each_round(&mut self) {
        loop {
            let round = self.rounds.borrow_and_update().clone();
            let done = self.look_up(&round).await.map(|Found { program, cautions }| {
                cautions.into_iter().for_each(|caution| round.say(caution));
                program
            });
            self.state.send_replace(State::Done(done));
            if self.rounds.changed().await.is_err() {
                return;
            }
        }
    }

    async fn look_up(&self, round: &Round) -> Result<Found, Refusal> {
        let find = self.runner.find(&self.command, &self.rules);
        tokio::pin!(find);
        if let Ok(found) = timeout(PATIENCE, &mut find).await {
            return found;
        }
        let name = self.command.argv.first().map_or("", String::as_str);
        round.say(format!(
            "`{name}` and its user are still being looked up after {PATIENCE:?}; it is not run unless \
             it was known before"
        ));
        self.state.send_modify(State::be_late);
        find.await
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        sync::{mpsc, oneshot},
        task::yield_now,
        time::{Instant, advance},
    };

    use super::*;
    use crate::{config, exec::Message, sys::process::Identity};

    /// A configuration with these scripts.
    fn config(scripts: &[&str]) -> Config {
        let blocks: String = scripts
            .iter()
            .enumerate()
            .map(|(number, script)| format!("vrrp_script s{number} {{\nscript {script}\n}}\n"))
            .collect();
        let text = format!(
            "{blocks}vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\n\
             virtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
        );
        config::parse("test.conf", text.as_bytes()).config.unwrap()
    }

    fn program(uid: u32) -> Program {
        Program {
            path: "/bin/true".into(),
            argv: vec!["true".to_owned()],
            identity: Identity { uid, gid: uid, groups: Vec::new() },
        }
    }

    fn found(uid: u32) -> Result<Found, Refusal> {
        Ok(Found { program: program(uid), cautions: Vec::new() })
    }

    type Asked = (Command, oneshot::Sender<Result<Found, Refusal>>);

    /// What is being asked for by now.
    async fn asked(messages: &mut mpsc::UnboundedReceiver<Message>) -> Vec<Asked> {
        for _ in 0..10 {
            yield_now().await;
        }
        let mut asked = Vec::new();
        while let Ok(message) = messages.try_recv() {
            if let Message::Find { command, found, .. } = message {
                asked.push((command, found));
            }
        }
        asked
    }

    /// Issue 6: each command is looked up once, and again after a reload; what was found is good until
    /// then, what was refused is not known.
    #[tokio::test(start_paused = true)]
    async fn again_after_a_reload() {
        let (runner, mut messages) = Runner::channel();
        let mut programs = Programs::new(runner);
        let config = config(&["/bin/a", "/bin/b", "/bin/a"]);
        programs.replan(&config);
        let mut lookups = [0, 1].map(|index| programs.of(&config.scripts[index].command));
        let mut first = asked(&mut messages).await;
        assert_eq!(first.len(), 2);
        first.sort_by_key(|(command, _)| command.argv.clone());
        let refusal = Refusal::Missing("/bin/b".into());
        for ((_, waits), answer) in first.into_iter().zip([found(1), Err(refusal.clone())]) {
            assert!(waits.send(answer).is_ok());
        }
        assert_eq!(lookups[0].program().await, Ok(program(1)));
        assert_eq!(lookups[1].program().await, Err(refusal.clone()));
        assert_eq!(lookups[1].refusal().await, Some(refusal));

        programs.replan(&config);
        assert_eq!(lookups[0].latest(), Answer::Program(program(1)));
        assert_eq!(lookups[1].latest(), Answer::Unknown);
        let second = asked(&mut messages).await;
        assert_eq!(second.len(), 2);
        for (_, waits) in second {
            assert!(waits.send(found(2)).is_ok());
        }
        assert_eq!(lookups[1].program().await, Ok(program(2)));
        assert_eq!(lookups[0].refusal().await, None);
        assert_eq!(lookups[0].latest(), Answer::Program(program(2)));
        assert!(programs.of(&config.scripts[2].command).is(&lookups[0]));
        assert!(asked(&mut messages).await.is_empty());
    }

    /// Issue 6: nothing is looked up before the rest is over.
    #[tokio::test(start_paused = true)]
    async fn first_things_first() {
        let (runner, mut messages) = Runner::channel();
        let mut programs = Programs::at_rest(runner);
        programs.replan(&config(&["/bin/a", "/bin/b"]));
        assert!(asked(&mut messages).await.is_empty());
        programs.begin();
        assert_eq!(asked(&mut messages).await.len(), 2);
    }

    /// Issue 6: what was found by other rules does not count.
    #[tokio::test(start_paused = true)]
    async fn other_rules() {
        let (runner, mut messages) = Runner::channel();
        let mut programs = Programs::new(runner);
        let mut config = config(&["/bin/a"]);
        programs.replan(&config);
        let mut before = programs.of(&config.scripts[0].command);
        assert!(asked(&mut messages).await.remove(0).1.send(found(1)).is_ok());
        assert_eq!(before.program().await, Ok(program(1)));
        config.global.scripts.security = true;
        programs.replan(&config);
        let mut after = programs.of(&config.scripts[0].command);
        assert!(!after.is(&before));
        assert_eq!(after.latest(), Answer::Unknown);
    }

    /// Issue 6: a look-up that hangs is late after a while, and counts when it is over; a reload does not
    /// begin another one meanwhile. One that nobody wants to know of is given up.
    #[tokio::test(start_paused = true)]
    async fn hangs() {
        let (runner, mut messages) = Runner::channel();
        let mut programs = Programs::new(runner);
        let config = config(&["/bin/a"]);
        let begin = Instant::now();
        programs.replan(&config);
        let mut lookup = programs.of(&config.scripts[0].command);
        let (_, waits) = asked(&mut messages).await.remove(0);
        assert_eq!(lookup.latest(), Answer::Unknown);
        lookup.changed().await;
        assert_eq!((lookup.latest(), begin.elapsed()), (Answer::Late, PATIENCE));
        programs.replan(&config);
        assert_eq!(lookup.latest(), Answer::Late);
        advance(10 * PATIENCE).await;
        assert!(asked(&mut messages).await.is_empty());
        assert!(waits.send(found(1)).is_ok());
        assert_eq!(lookup.program().await, Ok(program(1)));

        // For the reload that came meanwhile.
        let (_, waits) = asked(&mut messages).await.remove(0);
        drop((programs, lookup));
        asked(&mut messages).await;
        assert!(waits.is_closed());
    }

    /// Issue 6: a runner that dies over a look-up is asked again.
    #[tokio::test(start_paused = true)]
    async fn a_runner_that_dies() {
        let (runner, mut messages) = Runner::channel();
        let mut programs = Programs::new(runner);
        let mut lookup = programs.of(&config(&["/bin/a"]).scripts[0].command);
        drop(asked(&mut messages).await);
        let again = async {
            loop {
                if let Some(Message::Find { found: waits, .. }) = messages.recv().await {
                    return waits.send(found(1)).is_ok();
                }
            }
        };
        assert!(again.await);
        assert_eq!(lookup.program().await, Ok(program(1)));
    }
}
