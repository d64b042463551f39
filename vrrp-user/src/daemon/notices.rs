//! Tells scripts, FIFOs and mail what the virtual routers and groups live through.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use vrrp_common::Priority;

use super::{
    devices::Devices,
    groups::{GroupNews, GroupStates},
    plan::Plan,
};
use crate::{
    api,
    config::Config,
    election::{self, Announce},
    exec::{Programs, Runner},
    notify::{News, Notice, Notifier, Settings, State, Subject},
    pulse::{Board, Report, RouterId},
};

/// Knows what was told last, and tells what differs from it.
pub(super) struct Notices {
    notifier: Notifier,
    terms: Terms,
    /// By name of the instance. None before the first word.
    told: BTreeMap<String, Told>,
    stopped: bool,
}

/// What the configuration says, apart from who is told.
pub(super) struct Terms {
    settings: Settings,
    /// Instances that are DELETED, not in FAULT, when they are gone: `notify_deleted`.
    says_deleted: Vec<String>,
    /// `child_wait_time`: how long the scripts of a stop may take.
    patience: Duration,
    /// `fifo_write_vrrp_states_on_reload`.
    states_on_reload: bool,
}

#[derive(Clone, Copy)]
struct Told {
    state: State,
    priority: u8,
}

impl Terms {
    pub(super) fn new(config: &Config) -> Self {
        let deleted = config.instances.iter().filter(|instance| instance.notify.says_deleted);
        Self {
            settings: Settings::from(config),
            says_deleted: deleted.map(|instance| instance.name.clone()).collect(),
            patience: config.global.process.child_wait_time,
            states_on_reload: config.global.fifo_on_reload,
        }
    }
}

impl Notices {
    pub(super) fn new(terms: Terms, programs: &mut Programs, runner: Runner) -> Self {
        Self {
            notifier: Notifier::new(terms.settings.clone(), programs, runner),
            terms,
            told: BTreeMap::new(),
            stopped: false,
        }
    }

    /// Goes on with another configuration. Instances that are not in it any more are said to be deleted,
    /// and those that are `replaced` by other ones of their names; about the others there is nothing to
    /// say.
    pub(super) fn replan(
        &mut self,
        terms: Terms,
        programs: &mut Programs,
        replaced: &BTreeSet<String>,
    ) {
        let instances = terms.settings.instances();
        let goes = |name: &&String| {
            let name = name.as_str();
            !instances.contains(name) || replaced.contains(name)
        };
        let gone: Vec<_> = self.told.keys().filter(goes).cloned().collect();
        for name in gone {
            let says_deleted = self.terms.says_deleted.contains(&name);
            let state = if says_deleted { State::Deleted } else { State::Fault };
            let told = self.told.remove(&name);
            self.notifier.tell(&Notice {
                subject: Subject::Instance(name),
                news: News::Entered(state),
                priority: told.map_or(0, |told| told.priority),
            });
        }
        self.notifier.configure(terms.settings.clone(), programs);
        self.terms = terms;
    }

    /// After a reload: writes all states into the FIFOs, where that is wanted.
    pub(super) fn follow_reload(&mut self, groups: &GroupStates) {
        if self.terms.states_on_reload {
            self.write_states(groups);
        }
    }

    /// Passes on what a report of the pulse says.
    pub(super) fn report(&mut self, plan: &Plan, board: &Board, stopping: bool, report: &Report) {
        // Of one that leaves has been said that it is deleted.
        let name = |router: RouterId| {
            let instance = plan.routers.get(router)?;
            (!plan.leaving.contains(&router)).then_some(instance.name.as_str())
        };
        match *report {
            Report::Transition { router, to, .. } => {
                if let Some(name) = name(router) {
                    self.go_over(name, to, stopping, board.priority(router));
                }
            }
            Report::Announce { router, occasion: Announce::LosingAdvert } => {
                if let Some(name) = name(router) {
                    let subject = Subject::Instance(name.to_owned());
                    let priority = board.priority(router).get();
                    self.tell(subject, News::LowerPriorityHeard, priority);
                }
            }
            _ => {}
        }
    }

    /// The priority of a virtual router has changed.
    pub(super) fn priority(&mut self, name: &str, priority: u8) {
        let Some(told) = self.told.get_mut(name) else { return };
        let is_new = std::mem::replace(&mut told.priority, priority) != priority;
        let state = told.state;
        if is_new && matches!(state, State::Master | State::Backup) {
            self.tell(Subject::Instance(name.to_owned()), News::PriorityChanged(state), priority);
        }
    }

    /// Says of virtual routers that begin in FAULT what no report says. Returns which these are.
    pub(super) fn begin_in_fault(
        &mut self,
        plan: &Plan,
        board: &Board,
        devices: &Devices,
    ) -> Vec<RouterId> {
        let mut begun = Vec::new();
        for (router, instance) in plan.present() {
            let is_out = board.state(router) == election::State::Initialize;
            if is_out && devices.fault(router).is_some() && !self.told.contains_key(&instance.name)
            {
                self.enter(&instance.name, State::Fault, board.priority(router).get());
                begun.push(router);
            }
        }
        begun
    }

    /// A sync group is in another state.
    pub(super) fn group(&mut self, news: &GroupNews) {
        if let Some(state) = in_words(news.state) {
            self.tell(Subject::Group(news.group.clone()), News::Entered(state), 0);
        }
    }

    /// After reports were lost: says of each virtual router how it is.
    pub(super) fn catch_up(&mut self, plan: &Plan, board: &Board, stopping: bool) {
        for (router, instance) in plan.present() {
            // Of one that never took part there is nothing to catch up with.
            if self.told.contains_key(&instance.name)
                || board.state(router) != election::State::Initialize
            {
                self.go_over(&instance.name, board.state(router), stopping, board.priority(router));
            }
        }
    }

    /// Says that it is over, waits for the scripts as long as they may take, and then is silent.
    /// `at_once` leaves them to themselves.
    pub(super) fn stop(
        &mut self,
        groups: &GroupStates,
        at_once: bool,
    ) -> impl Future<Output = ()> + use<> {
        self.end(groups, if at_once { Duration::ZERO } else { self.terms.patience }, |_| true)
    }

    /// The same for those that resign in a handover: `subjects`. Of the others the next daemon speaks.
    pub(super) fn stop_some(
        &mut self,
        groups: &GroupStates,
        subjects: BTreeSet<Subject>,
    ) -> impl Future<Output = ()> + use<> {
        self.end(groups, self.terms.patience, move |subject| subjects.contains(subject))
    }

    fn end<F>(
        &mut self,
        groups: &GroupStates,
        patience: Duration,
        ends: F,
    ) -> impl Future<Output = ()> + use<F>
    where
        F: Fn(&Subject) -> bool,
    {
        let told = std::mem::take(&mut self.told).into_iter();
        let instances = told.map(|(name, told)| (Subject::Instance(name), told.priority));
        let groups = groups.all().map(|(name, _)| (Subject::Group(name.to_owned()), 0));
        for (subject, priority) in instances.chain(groups).filter(|(subject, _)| ends(subject)) {
            self.tell(subject, News::Entered(State::Stop), priority);
        }
        self.stopped = true;
        self.notifier.farewell(Instant::now() + patience, ends)
    }

    /// Ends FIFOs and mail.
    pub(super) async fn close(self) {
        self.notifier.close().await;
    }

    /// Counters of a virtual router, by name.
    pub(super) fn counters(&self, name: &str) -> [(&'static str, u64); 4] {
        self.notifier.counts(&Subject::Instance(name.to_owned())).named()
    }

    /// Who does not take part is in FAULT, unless the daemon wants it so.
    fn go_over(&mut self, name: &str, to: election::State, stopping: bool, priority: Priority) {
        let state = match to {
            election::State::Active => State::Master,
            election::State::Backup => State::Backup,
            election::State::Initialize if stopping => return,
            election::State::Initialize => State::Fault,
        };
        self.enter(name, state, priority.get());
    }

    fn enter(&mut self, name: &str, state: State, priority: u8) {
        let former = self.told.get(name).map(|told| told.state);
        if self.stopped || former == Some(state) {
            return;
        }
        self.told.insert(name.to_owned(), Told { state, priority });
        self.tell(Subject::Instance(name.to_owned()), News::Entered(state), priority);
    }

    fn write_states(&mut self, groups: &GroupStates) {
        let instances = self.told.iter().map(|(name, told)| Notice {
            subject: Subject::Instance(name.clone()),
            news: News::Entered(told.state),
            priority: told.priority,
        });
        let groups = groups.all().filter_map(|(name, state)| {
            Some(Notice {
                subject: Subject::Group(name.to_owned()),
                news: News::Entered(in_words(state)?),
                priority: 0,
            })
        });
        for notice in instances.chain(groups).collect::<Vec<_>>() {
            self.notifier.write(&notice);
        }
    }

    fn tell(&mut self, subject: Subject, news: News, priority: u8) {
        if !self.stopped {
            self.notifier.tell(&Notice { subject, news, priority });
        }
    }
}

/// As scripts know it; of the end of a group is said before.
const fn in_words(state: api::State) -> Option<State> {
    match state {
        api::State::Master => Some(State::Master),
        api::State::Backup => Some(State::Backup),
        api::State::Fault => Some(State::Fault),
        api::State::Init => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, task::yield_now, time::timeout};

    use super::*;
    use crate::{
        config,
        exec::{End, Message, Outcome},
    };

    /// What scripts are told of instances of these names, and of their group `G`.
    struct Stage {
        notices: Notices,
        programs: Programs,
        asked: mpsc::UnboundedReceiver<Message>,
        terms: Box<dyn Fn() -> Terms>,
        plan: Plan,
    }

    impl Stage {
        fn new(names: &[&str], group: &[&str]) -> Self {
            let instance = |(number, name): (usize, &&str)| {
                format!(
                    "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {}\n\
                     virtual_ipaddress {{\n192.0.2.{0}\n}}\nnotify /bin/true\n\
                     notify_deleted /bin/false\n}}\n",
                    number + 1
                )
            };
            let instances: String = names.iter().enumerate().map(instance).collect();
            let group = format!(
                "vrrp_sync_group G {{\ngroup {{\n{}\n}}\nnotify /bin/true\n}}\n",
                group.join("\n")
            );
            let text = format!("global_defs {{\nscript_user root\n}}\n{instances}{group}");
            let config = config::parse("test.conf", text.as_bytes()).config.unwrap();
            let (runner, asked) = Runner::staged();
            let mut programs = Programs::new(runner.clone());
            programs.replan(&config);
            let notices = Notices::new(Terms::new(&config), &mut programs, runner);
            let plan = Plan::new(&config);
            Self { notices, programs, asked, terms: Box::new(move || Terms::new(&config)), plan }
        }

        /// What the next script with arguments is told. It succeeds at once, as do all others.
        async fn next(&mut self) -> String {
            loop {
                if let Message::Run { job, began, ended, .. } = self.asked.recv().await.unwrap() {
                    began.send(()).unwrap();
                    let outcome = Outcome { end: End::Exited(0), stderr: String::new() };
                    ended.send(outcome).unwrap();
                    if !job.arguments.is_empty() {
                        return job.arguments.join(" ");
                    }
                }
            }
        }

        async fn is_silent(&mut self) -> bool {
            for _ in 0..10 {
                yield_now().await;
            }
            self.asked.try_recv().is_err()
        }
    }

    /// Issue 6, keyword `notify_deleted`: a reload that puts another virtual router in the place of one
    /// of its name says that the old one is deleted, once, and then how the new one is.
    #[tokio::test(start_paused = true)]
    async fn another_one_of_the_same_name() {
        let mut stage = Stage::new(&["VI_1", "VI_2"], &["VI_2"]);
        stage.notices.enter("VI_1", State::Backup, 100);
        assert_eq!(stage.next().await, "INSTANCE VI_1 BACKUP 100");
        let terms = (stage.terms)();
        stage.notices.replan(terms, &mut stage.programs, &BTreeSet::from(["VI_1".to_owned()]));
        assert_eq!(stage.next().await, "INSTANCE VI_1 DELETED 100");
        stage.notices.enter("VI_1", State::Backup, 100);
        assert_eq!(stage.next().await, "INSTANCE VI_1 BACKUP 100");
        let terms = (stage.terms)();
        stage.notices.replan(terms, &mut stage.programs, &BTreeSet::new());
        assert!(stage.is_silent().await);
    }

    /// Keyword `notify_stop`: those that resign in a handover are said to stop, with their group, and
    /// nothing is said of the others.
    #[tokio::test(start_paused = true)]
    async fn some_stop() {
        let mut stage = Stage::new(&["VI_1", "VI_2"], &["VI_2"]);
        stage.notices.enter("VI_1", State::Master, 100);
        assert_eq!(stage.next().await, "INSTANCE VI_1 MASTER 100");
        let mut groups = GroupStates::new(&stage.plan);
        stage.notices.enter("VI_2", State::Master, 100);
        stage.notices.group(&groups.follow(1, api::State::Master).unwrap());
        let mut told = [stage.next().await, stage.next().await];
        told.sort();
        assert_eq!(told, ["GROUP G MASTER 0", "INSTANCE VI_2 MASTER 100"]);
        let stop = stage.notices.stop_some(
            &groups,
            BTreeSet::from([Subject::Instance("VI_2".to_owned()), Subject::Group("G".to_owned())]),
        );
        let mut told = [stage.next().await, stage.next().await];
        told.sort();
        assert_eq!(told, ["GROUP G STOP 0", "INSTANCE VI_2 STOP 100"]);
        timeout(Duration::from_millis(1), stop).await.unwrap();
        stage.notices.enter("VI_1", State::Backup, 100);
        assert!(stage.is_silent().await);
    }
}
