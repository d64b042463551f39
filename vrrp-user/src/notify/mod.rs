//! Who is told what virtual routers and groups live through: scripts, readers of FIFOs, people with
//! mail. Nobody waits for any of them, but for the scripts of a stop.

mod fifo;
mod mail;
mod queue;
mod scripts;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::Semaphore, time::Instant};

use self::{fifo::Feeder, mail::Postman, scripts::Teller};
use crate::{
    config::{self, Config},
    exec::{Job, Outcome, Programs, Runner},
};

/// Whom something is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A `vrrp_instance`, by name.
    Instance(String),
    /// A `vrrp_sync_group`, by name.
    Group(String),
}

impl Subject {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        match self {
            Self::Instance(name) | Self::Group(name) => name,
        }
    }

    /// What it is, as scripts and FIFOs have it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Instance(_) => "INSTANCE",
            Self::Group(_) => "GROUP",
        }
    }
}

/// A state in the words that scripts know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Active.
    Master,
    /// Backup.
    Backup,
    /// It cannot take part.
    Fault,
    /// The daemon ends.
    Stop,
    /// It is not in the configuration any more.
    Deleted,
}

impl State {
    /// As the third of the arguments that are added to those of `notify`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }
}

/// What has happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It entered a state.
    Entered(State),
    /// As Active, it heard a losing advert.
    LowerPriorityHeard,
    /// Its priority changed in this state, which is Master or Backup.
    PriorityChanged(State),
}

/// One thing to tell. `Display` is the line of a FIFO, without its end: `INSTANCE "VI_1" MASTER 100`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// About whom.
    pub subject: Subject,
    /// What.
    pub news: News,
    /// Effective priority; 0 for a group.
    pub priority: u8,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, news, priority } = self;
        write!(f, "{} \"{}\" ", subject.kind(), subject.name())?;
        match news {
            News::Entered(state) => f.write_str(state.name())?,
            News::LowerPriorityHeard => f.write_str("MASTER_RX_LOWER_PRI")?,
            News::PriorityChanged(state) => write!(f, "{}_PRIORITY", state.name())?,
        }
        write!(f, " {priority}")
    }
}

/// What a configuration says about all this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    subjects: BTreeMap<Subject, config::Notify>,
    fifos: Vec<config::Fifo>,
    mail: config::Mail,
    router_id: Option<String>,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let instances = config
            .instances
            .iter()
            .map(|instance| (Subject::Instance(instance.name.clone()), instance.notify.clone()));
        let groups = config
            .sync_groups
            .iter()
            .map(|group| (Subject::Group(group.name.clone()), group.notify.clone()));
        let global = &config.global;
        Self {
            subjects: instances.chain(groups).collect(),
            fifos: [&global.vrrp_fifo, &global.fifo].into_iter().flatten().cloned().collect(),
            mail: global.mail.clone(),
            router_id: global.router_id.clone(),
        }
    }
}

impl Settings {
    /// Names of all instances.
    pub fn instances(&self) -> BTreeSet<&str> {
        let subjects = self.subjects.keys();
        let names = subjects.filter_map(|subject| match subject {
            Subject::Instance(name) => Some(name.as_str()),
            Subject::Group(_) => None,
        });
        names.collect()
    }
}

/// What became of the notices about one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Programs that were run.
    pub scripts_run: u64,
    /// States that no script was told, because a later one had come before its turn.
    pub states_skipped: u64,
    /// Lines that were lost because a FIFO had no reader, or a slow one.
    pub fifo_lines_lost: u64,
    /// Mails that could not be delivered.
    pub mails_lost: u64,
}

impl Counts {
    /// By name, as `xvrrp status` shows them.
    pub const fn named(&self) -> [(&'static str, u64); 4] {
        [
            ("notify_scripts_run", self.scripts_run),
            ("notify_states_skipped", self.states_skipped),
            ("notify_fifo_lines_lost", self.fifo_lines_lost),
            ("notify_mails_lost", self.mails_lost),
        ]
    }
}

/// Who runs programs.
trait Run: Clone + Send + Sync + 'static {
    /// Runs one to its end. It is killed when this is dropped, unless it outlives that.
    fn run(&self, job: Job) -> impl Future<Output = Outcome> + Send;
}

/// So many programs are being started at a time, as with those that are tracked.
const STARTS: usize = 4;

/// Starts programs, few at a time, but for those of a stop, which cannot wait.
#[derive(Clone)]
struct Starter {
    runner: Runner,
    starts: Arc<Semaphore>,
}

impl Starter {
    fn new(runner: Runner) -> Self {
        Self { runner, starts: Arc::new(Semaphore::new(STARTS)) }
    }
}

impl Run for Starter {
    async fn run(&self, job: Job) -> Outcome {
        // It is never closed.
        let permit = if job.outlives { None } else { self.starts.acquire().await.ok() };
        let run = self.runner.start(job).await;
        drop(permit);
        run.outcome().await
    }
}

/// How long FIFOs and mail may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Passes notices on. Needs a tokio runtime.
pub struct Notifier {
    runner: Starter,
    settings: Settings,
    tellers: HashMap<Subject, Teller>,
    feeders: Vec<Feeder>,
    postman: Option<Postman>,
    lines_lost: HashMap<Subject, u64>,
}

impl Notifier {
    /// Makes the FIFOs and starts their scripts. Whatever cannot be had is logged, and done without.
    pub fn new(settings: Settings, programs: &mut Programs, runner: Runner) -> Self {
        let mut notifier = Self {
            runner: Starter::new(runner),
            settings: Settings::default(),
            tellers: HashMap::new(),
            feeders: Vec::new(),
            postman: None,
            lines_lost: HashMap::new(),
        };
        notifier.configure(settings, programs);
        notifier
    }

    /// Goes on with another configuration. What is unchanged does not notice; scripts that run, and
    /// what waits for them, are not lost. They are run as soon as `programs` knows them. To be told
    /// first: that subjects are deleted which are not in it any more.
    pub fn configure(&mut self, settings: Settings, programs: &mut Programs) {
        let former = std::mem::replace(&mut self.settings, settings);
        // A teller that is let go of says what waits before it ends.
        self.tellers.retain(|subject, _| self.settings.subjects.contains_key(subject));
        self.lines_lost.retain(|subject, _| self.settings.subjects.contains_key(subject));
        for (subject, notify) in &self.settings.subjects {
            match self.tellers.get(subject) {
                Some(teller) => teller.configure(notify, programs),
                None if notify.commands().next().is_some() => {
                    let teller =
                        Teller::new(subject.clone(), notify, programs, self.runner.clone());
                    self.tellers.insert(subject.clone(), teller);
                }
                None => {}
            }
        }
        let mut lookup = |fifo: &config::Fifo| fifo.script.as_ref().map(|it| programs.of(it));
        let fifos = self.settings.fifos.iter();
        let wanted: Vec<_> = fifos.map(|fifo| (fifo.clone(), lookup(fifo))).collect();
        let (kept, gone): (Vec<_>, Vec<_>) = self.feeders.drain(..).partition(|feeder| {
            wanted.iter().any(|(fifo, script)| feeder.is(fifo, script.as_ref()))
        });
        self.feeders = kept;
        // Two of the same path would take each other's file away.
        for feeder in gone {
            let stays = self.settings.fifos.iter().any(|fifo| fifo.path == feeder.fifo().path);
            tokio::spawn(feeder.close(Instant::now() + LAST_WORDS, !stays));
        }
        for (fifo, script) in wanted {
            if !self.feeders.iter().any(|feeder| feeder.is(&fifo, script.as_ref())) {
                self.feeders.push(Feeder::start(fifo, script, &self.runner));
            }
        }
        let Settings { mail, router_id, .. } = &self.settings;
        if (&former.mail, &former.router_id) != (mail, router_id) {
            if let Some(postman) = self.postman.take() {
                tokio::spawn(postman.close(Instant::now() + mail.timeout));
            }
            self.postman = Postman::start(mail, router_id.as_deref());
        }
    }

    /// Tells all who want to know. Never waits.
    pub fn tell(&mut self, notice: &Notice) {
        let Some(notify) = self.settings.subjects.get(&notice.subject) else { return };
        if let Some(teller) = self.tellers.get(&notice.subject) {
            teller.tell(notice.news, notice.priority);
        }
        if let (Some(postman), true, News::Entered(state)) =
            (&mut self.postman, notify.mail, notice.news)
        {
            postman.send(&notice.subject, state);
        }
        if !matches!(notice.news, News::PriorityChanged(_)) || notify.priority_changes {
            self.write(notice);
        }
    }

    /// Writes a line into each FIFO, and tells nobody else.
    pub fn write(&mut self, notice: &Notice) {
        for feeder in &self.feeders {
            if let Some(lost) = feeder.write(notice.clone()) {
                *self.lines_lost.entry(lost.subject).or_default() += 1;
            }
        }
    }

    /// What became of the notices about a subject.
    pub fn counts(&self, subject: &Subject) -> Counts {
        let mails_lost = self.postman.as_ref().map_or(0, |postman| postman.lost(subject));
        let fifo_lines_lost = self.lines_lost.get(subject).copied().unwrap_or_default();
        let told = self.tellers.get(subject).map(Teller::counts).unwrap_or_default();
        Counts { fifo_lines_lost, mails_lost, ..told }
    }

    /// Waits until every script has run that the notices so far about some subjects ask for, those of a
    /// stop the last: nothing else is told to their scripts after this. What has not ended by then is not waited for: a
    /// script of an earlier state is killed, and the one of the stop is started and left to itself.
    pub fn farewell<F>(&mut self, by: Instant, ends: F) -> impl Future<Output = ()> + use<F>
    where
        F: Fn(&Subject) -> bool,
    {
        let ending = self.tellers.extract_if(|subject, _| ends(subject));
        let ends: Vec<_> = ending.map(|(_, teller)| teller.farewell(by)).collect();
        async move {
            join_all(ends).await;
        }
    }

    /// Ends FIFOs and mail, for which it waits a second at most. The FIFOs that were made are removed.
    pub async fn close(self) {
        let by = Instant::now() + LAST_WORDS;
        let mail = async {
            if let Some(postman) = self.postman {
                postman.close(by).await;
            }
        };
        let feeders = self.feeders.into_iter().map(|feeder| feeder.close(by, true));
        tokio::join!(join_all(feeders), mail);
    }
}

#[cfg(test)]
mod testing {
    //! Programs that are not really run.

    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{config::ScriptRules, exec::End};

    /// What was asked for, and when.
    #[derive(Clone, Debug)]
    pub(super) struct Performance {
        /// `NAME [ARGUMENTS]`.
        pub(super) text: String,
        pub(super) begin: Instant,
        pub(super) end: Option<Instant>,
        /// When nobody waited any more.
        pub(super) dropped: Option<Instant>,
        pub(super) outlives: bool,
    }

    /// Runs that last for a time each.
    #[derive(Clone, Default)]
    pub(super) struct Stage {
        runs: Arc<Mutex<Vec<Performance>>>,
        lasts: Duration,
    }

    impl Stage {
        pub(super) fn lasting(lasts: Duration) -> Self {
            Self { lasts, ..Self::default() }
        }

        pub(super) fn runs(&self) -> Vec<Performance> {
            self.runs.lock().unwrap().clone()
        }

        pub(super) async fn wait_for_begins(&self, count: usize) {
            self.wait_for(count, |_| true).await;
        }

        pub(super) async fn wait_for_ends(&self, count: usize) {
            self.wait_for(count, |run| run.end.is_some()).await;
        }

        async fn wait_for(&self, count: usize, is_so: impl Fn(&Performance) -> bool) {
            while self.runs().iter().filter(|run| is_so(run)).count() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Notes when a run is given up.
    struct Curtain(Stage, usize);

    impl Drop for Curtain {
        fn drop(&mut self) {
            self.0.runs.lock().unwrap()[self.1].dropped = Some(Instant::now());
        }
    }

    impl Run for Stage {
        async fn run(&self, job: Job) -> Outcome {
            let name = job.program.path().file_name().unwrap().to_str().unwrap().to_owned();
            let text = format!("{name} [{}]", job.arguments.join(" "));
            let (begin, outlives) = (Instant::now(), job.outlives);
            let run = Performance { text, begin, end: None, dropped: None, outlives };
            let number = {
                let mut runs = self.runs.lock().unwrap();
                runs.push(run);
                runs.len() - 1
            };
            let _curtain = Curtain(self.clone(), number);
            tokio::time::sleep(self.lasts).await;
            self.runs.lock().unwrap()[number].end = Some(Instant::now());
            Outcome { end: End::Exited(0), stderr: String::new() }
        }
    }

    /// Of an instance with these lines.
    pub(super) fn notify(lines: &str) -> config::Notify {
        let text = format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 1\n\
             virtual_ipaddress {{\n192.0.2.1\n}}\n{lines}\n}}\n"
        );
        let config = config::parse("test.conf", text.as_bytes()).config.unwrap();
        config.instances[0].notify.clone()
    }

    /// They are looked up at once, and have our own rights.
    pub(super) fn programs() -> Programs {
        let (runner, _) = Runner::staged();
        let mut programs = Programs::new(runner);
        programs.lay_down(&rules());
        programs
    }

    /// Scripts have our own rights.
    pub(super) fn rules() -> ScriptRules {
        let id = |id: u32| config::Account::Id(id);
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        let user = config::User { user: id(user.as_raw()), group: Some(id(group.as_raw())) };
        ScriptRules { user: Some(user), ..ScriptRules::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use tokio::{sync::mpsc, task::yield_now};

    use super::*;
    use crate::{
        exec::{Message, Program},
        host::testing::TempDir,
    };

    /// Issue 6, keywords `notify`, `notify_fifo_script`: a reload finds scripts that were not there before,
    /// though the configuration is as it was.
    #[tokio::test]
    async fn scripts_that_have_come() {
        let directory = TempDir::new("notify-come");
        let [script, fifo] = ["script", "fifo"].map(|name| directory.path().join(name));
        let text = format!(
            "global_defs {{\nnotify_fifo {}\nnotify_fifo_script {script}\n}}\n\
             vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 1\n\
             virtual_ipaddress {{\n192.0.2.1\n}}\nnotify {script}\n}}\n",
            fifo.display(),
            script = script.display()
        );
        let mut config = config::parse("test.conf", text.as_bytes()).config.unwrap();
        config.global.scripts = testing::rules();
        let settings = Settings::from(&config);
        let (runner, mut asked) = Runner::staged();
        let mut programs = Programs::new(runner.clone());
        programs.replan(&config);
        let mut notifier = Notifier::new(settings.clone(), &mut programs, runner);
        let subject = Subject::Instance("VI_1".to_owned());
        let news = News::Entered(State::Master);
        let notice = Notice { subject: subject.clone(), news, priority: 100 };
        notifier.tell(&notice);
        assert!(asked_by_now(&mut asked).await.is_empty());
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();

        programs.replan(&config);
        notifier.configure(settings.clone(), &mut programs);
        notifier.tell(&notice);
        let mut arguments = BTreeSet::new();
        while arguments.len() < 2 {
            if let Message::Run { job, .. } = asked.recv().await.unwrap() {
                arguments.insert(job.arguments.join(" "));
            }
        }
        let expected = ["INSTANCE VI_1 MASTER 100".to_owned(), fifo.display().to_string()];
        assert_eq!(arguments, BTreeSet::from(expected));
        // Nothing has changed: who reads goes on.
        programs.replan(&config);
        notifier.configure(settings, &mut programs);
        assert!(asked_by_now(&mut asked).await.is_empty());
    }

    async fn asked_by_now(asked: &mut mpsc::UnboundedReceiver<Message>) -> Vec<Message> {
        for _ in 0..10 {
            yield_now().await;
        }
        std::iter::from_fn(|| asked.try_recv().ok()).collect()
    }

    /// Issue 6: however many scripts there are to run, few are being started at a time, but for those of
    /// a stop.
    #[tokio::test]
    async fn few_start_at_a_time() {
        let command = testing::notify("notify /bin/true").any.unwrap();
        let program = Program::new(&command, &testing::rules()).unwrap();
        let (runner, mut asked) = Runner::channel();
        let starter = Starter::new(runner);
        let start = |outlives| {
            let job = Job { outlives, ..Job::new(program.clone()) };
            let starter = starter.clone();
            tokio::spawn(async move { starter.run(job).await })
        };
        let _all: Vec<_> = (0..2 * STARTS).map(|_| start(false)).collect();
        let first = asked_by_now(&mut asked).await;
        assert_eq!(first.len(), STARTS);
        let _stop = start(true);
        assert_eq!(asked_by_now(&mut asked).await.len(), 1);
        let mut running = Vec::new();
        for message in first {
            if let Message::Run { began, ended, .. } = message {
                began.send(()).unwrap();
                running.push(ended);
            }
        }
        assert_eq!(asked_by_now(&mut asked).await.len(), STARTS);
    }
}
