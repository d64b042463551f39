//! What the virtual routers track, joined with what is seen of it: which priority each has, and which
//! may not take part.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
};

use tokio::sync::mpsc;
use tracing::warn;
use vrrp_common::Priority;

use crate::{
    api::What,
    config::{Config, Instance, TrackFile, TrackProcess},
    exec::{Programs, Runner},
    host::{Change, Link},
    pulse::{Command, RouterId},
    track::{
        BACKLOG, Observation, TrackerId, Value,
        files::{self, Files},
        processes::{self, Processes},
        scripts::Scripts,
        weigh::{Names, Scales, Subject, Verdict},
    },
};

/// What is to be tracked, and for whom.
#[derive(Default)]
struct Wanted {
    /// The name of each virtual router, and what it tracks.
    routers: BTreeMap<RouterId, (String, Scales)>,
    /// Names of the interfaces that are tracked.
    interfaces: BTreeSet<String>,
    files: Vec<TrackFile>,
    processes: Vec<TrackProcess>,
}

impl Wanted {
    /// What `routers` track, each alone and in its group.
    fn new<'a>(config: &Config, routers: impl Iterator<Item = (RouterId, &'a Instance)>) -> Self {
        let names = Names::new(config);
        let mut groups = HashMap::new();
        for group in &config.sync_groups {
            groups.extend(group.members.iter().map(|member| (member.as_str(), &group.tracking)));
        }
        let scales = |(router, instance): (RouterId, &Instance)| {
            let group = groups.get(instance.name.as_str()).copied();
            (router, (instance.name.clone(), Scales::new(instance, group, &names)))
        };
        let routers: BTreeMap<_, _> = routers.map(scales).collect();
        let interface = |subject: &Subject| match subject {
            Subject::Interface(name) => Some(name.clone()),
            Subject::Tracker(_) => None,
        };
        let subjects = routers.values().flat_map(|(_, scales)| scales.subjects());
        Self {
            interfaces: subjects.filter_map(interface).collect(),
            routers,
            files: config.track_files.clone(),
            processes: config.track_processes.clone(),
        }
    }
}

/// All that is tracked, and what follows from it.
pub(super) struct Tracking {
    wanted: Wanted,
    watchers: Watchers,
    scripts: Scripts,
    /// What they tell.
    results: mpsc::Receiver<Observation>,
    values: HashMap<Subject, Value>,
    /// Indices of the interfaces that are tracked and there.
    indices: BTreeSet<u32>,
    routers: BTreeMap<RouterId, Weighed>,
    /// Who goes on from the last daemon: what is not known yet was all right then. Whoever knows all is
    /// none any more.
    heirs: BTreeSet<RouterId>,
    /// The first configuration is that of the last daemon, which has written what files have at first.
    goes_on: bool,
}

struct Weighed {
    /// What follows from all that is known.
    verdict: Verdict,
    /// What the pulse knows of it.
    told: Verdict,
    /// What is tracked is something else than when that was told.
    is_replanned: bool,
}

/// Whoever watches files and processes, until this is dropped.
struct Watchers {
    files: Option<Files>,
    processes: Option<Processes>,
    observations: mpsc::Receiver<Observation>,
}

impl Watchers {
    /// Nobody.
    fn new() -> Self {
        Self { files: None, processes: None, observations: mpsc::channel(1).1 }
    }

    /// Has these watched from now on: `files` each with what is known of it.
    fn replan(&mut self, files: Vec<(PathBuf, Option<i32>)>, processes: &[TrackProcess]) {
        // Another channel: in the old one are old numbers.
        let (observer, observations) = mpsc::channel(BACKLOG);
        self.observations = observations;
        // Whoever watches files has nothing to go on with, and may wait for a file system.
        self.files = match files.is_empty() {
            true => None,
            false => Files::watch(files, observer.clone())
                .inspect_err(|error| warn!("files are not watched: {error}"))
                .ok(),
        };
        self.processes = match self.processes.take() {
            _ if processes.is_empty() => None,
            Some(same) if same.replan(processes, observer.clone()) => Some(same),
            _ => Processes::watch(processes, observer)
                .inspect_err(|error| warn!("processes are not watched: {error}"))
                .ok(),
        };
    }
}

impl Tracking {
    /// Nothing is tracked before [`Self::replan`]. `heirs` were Active until now; `goes_on` if the last
    /// daemon died, or has left its virtual routers to this one.
    pub(super) fn new(runner: Runner, heirs: &[RouterId], goes_on: bool) -> Self {
        let wanted = Wanted::default();
        let (_, results) = mpsc::channel(1);
        Self {
            watchers: Watchers::new(),
            scripts: Scripts::new(runner),
            results,
            wanted,
            values: HashMap::new(),
            indices: BTreeSet::new(),
            routers: BTreeMap::new(),
            heirs: heirs.iter().copied().collect(),
            goes_on,
        }
    }

    /// Tracks what `routers`, instances of `config`, want, and looks at all of it. What is as it was
    /// goes on as it is.
    ///
    /// A number that was another router's is free to be taken after a call without it.
    pub(super) fn replan<'a>(
        &mut self,
        config: &Config,
        programs: &mut Programs,
        routers: impl Iterator<Item = (RouterId, &'a Instance)>,
        links: &[Link],
    ) {
        let wanted = Wanted::new(config, routers);
        let old = std::mem::replace(&mut self.wanted, wanted);
        self.heirs.retain(|router| self.wanted.routers.contains_key(router));
        self.replan_scripts(config, programs);
        let wanted = &self.wanted;
        if (&old.files, &old.processes) != (&wanted.files, &wanted.processes) {
            self.replan_watchers(&old);
        }
        self.routers.retain(|router, weighed| {
            let new = self.wanted.routers.get(router);
            weighed.is_replanned |= new != old.routers.get(router);
            new.is_some()
        });
        self.goes_on = false;
        self.see(links);
    }

    fn replan_scripts(&mut self, config: &Config, programs: &mut Programs) {
        // With another channel: in the old one are old numbers.
        let (observer, results) = mpsc::channel(BACKLOG);
        let heirs = self.heirs.iter().filter_map(|heir| self.wanted.routers.get(heir));
        let trusted: HashSet<_> = heirs.flat_map(|(_, scales)| scales.subjects()).collect();
        let is_trusted = |tracker| trusted.contains(&Subject::Tracker(tracker));
        self.scripts.replan(config, programs, &observer, is_trusted);
        self.results = results;
        let is_script =
            |subject: &Subject| matches!(subject, Subject::Tracker(TrackerId::Script(_)));
        self.values.retain(|subject, _| !is_script(subject));
        let known = self.scripts.values();
        self.values.extend(known.map(|(tracker, value)| (Subject::Tracker(tracker), value)));
    }

    /// Of what was tracked before, all that is known stays; at the rest somebody looks now, before anybody
    /// has told.
    fn replan_watchers(&mut self, old: &Wanted) {
        let mut known = HashMap::new();
        let (files, processes) = (&self.wanted.files, &self.wanted.processes);
        let (mut new_files, mut new_processes) = (Vec::new(), Vec::new());
        let mut know = |now: TrackerId, before: TrackerId| {
            let value = self.values.get(&Subject::Tracker(before));
            known.extend(value.map(|value| (Subject::Tracker(now), value.clone())));
        };
        for (index, file) in files.iter().enumerate() {
            let is_it = |own: &TrackFile| (&own.path, own.init) == (&file.path, file.init);
            match old.files.iter().position(is_it) {
                Some(before) => know(TrackerId::File(index), TrackerId::File(before)),
                None => new_files.push((index, file.clone())),
            }
        }
        for (index, process) in processes.iter().enumerate() {
            match old.processes.iter().position(|own| own.name == process.name) {
                Some(before) => know(TrackerId::Process(index), TrackerId::Process(before)),
                None => new_processes.push((index, process.clone())),
            }
        }
        let (indices, new_files): (Vec<_>, Vec<_>) = new_files.into_iter().unzip();
        for (index, number) in indices.into_iter().zip(files::begin(new_files, self.goes_on)) {
            let subject = Subject::Tracker(TrackerId::File(index));
            known.extend(number.map(|number| (subject, Value::Number(number))));
        }
        let (indices, new_processes): (Vec<_>, Vec<_>) = new_processes.into_iter().unzip();
        for (index, value) in indices.into_iter().zip(processes::look(&new_processes)) {
            known.insert(Subject::Tracker(TrackerId::Process(index)), value);
        }
        let is_watched = |subject: &Subject| {
            matches!(subject, Subject::Tracker(TrackerId::File(_) | TrackerId::Process(_)))
        };
        self.values.retain(|subject, _| !is_watched(subject));
        self.values.extend(known);
        let numbers = files.iter().enumerate().map(|(index, file)| {
            let subject = Subject::Tracker(TrackerId::File(index));
            let number = match value_of(&self.values, &subject) {
                Value::Number(number) => Some(*number),
                _ => None,
            };
            (file.path.clone(), number)
        });
        self.watchers.replan(numbers.collect(), processes);
    }

    /// The next observation. Never returns where nothing is observed.
    pub(super) async fn next(&mut self) -> Observation {
        tokio::select! {
            Some(observation) = self.watchers.observations.recv() => observation,
            Some(result) = self.results.recv() => result,
            else => std::future::pending().await,
        }
    }

    /// Takes in an observation and all that wait behind it. True if somebody may take part now or may
    /// not any longer.
    pub(super) fn take(&mut self, first: Observation) -> bool {
        let mut next = Some(first);
        while let Some(Observation { tracker, value }) = next {
            self.values.insert(Subject::Tracker(tracker), value);
            let waiting = self.watchers.observations.try_recv();
            next = waiting.or_else(|_| self.results.try_recv()).ok();
        }
        self.weigh()
    }

    /// True when the change may matter to an interface that is tracked.
    pub(super) fn is_concerned(&self, change: &Change) -> bool {
        match change {
            Change::LinkChanged { index, name, .. } => {
                self.indices.contains(index) || self.wanted.interfaces.contains(name)
            }
            Change::LinkGone(index) => self.indices.contains(index),
            Change::Resync => true,
            Change::AddressAdded { .. } | Change::AddressRemoved { .. } => false,
        }
    }

    /// Takes in the interfaces as they are now.
    pub(super) fn see(&mut self, links: &[Link]) {
        self.indices.clear();
        for name in &self.wanted.interfaces {
            let link = links.iter().find(|link| link.name == *name);
            self.indices.extend(link.map(|link| link.index));
            let value = match link {
                None => Value::Down("does not exist".to_owned()),
                Some(link) if !link.up => Value::Down("is down".to_owned()),
                Some(link) if !link.carrier => Value::Down("has no carrier".to_owned()),
                Some(_) => Value::Up,
            };
            self.values.insert(Subject::Interface(name.clone()), value);
        }
        self.weigh();
    }

    /// Effective priority of a virtual router that there is.
    pub(super) fn priority(&self, router: RouterId) -> Option<Priority> {
        Some(self.routers.get(&router)?.verdict.priority)
    }

    /// Why a virtual router may not take part.
    pub(super) fn fault(&self, router: RouterId) -> Option<&str> {
        self.routers.get(&router)?.verdict.fault.as_deref()
    }

    /// True while it is not known yet whether a virtual router may take part. If it does, it goes on.
    pub(super) fn waits(&self, router: RouterId) -> bool {
        self.routers.get(&router).is_some_and(|weighed| weighed.verdict.wait.is_some())
    }

    /// Tells the pulse the priorities that it does not know yet. Returns what has changed, and whether
    /// all was taken; what was not is told by the next call.
    pub(super) fn tell(&mut self, mut say: impl FnMut(Command) -> bool) -> (Vec<What>, bool) {
        let (mut changes, mut all_said) = (Vec::new(), true);
        for (router, weighed) in &mut self.routers {
            let (before, now) = (&weighed.told, &weighed.verdict);
            let priority = now.priority;
            if before.priority != priority {
                if !say(Command::Priority { router: *router, priority }) {
                    all_said = false;
                    continue;
                }
                if let Some((name, scales)) = self.wanted.routers.get(router) {
                    let value = |subject: &Subject| value_of(&self.values, subject);
                    let reason = match weighed.is_replanned {
                        true => "its configuration has changed".to_owned(),
                        false => scales.reason(before, now, value),
                    };
                    changes.push(What::Priority {
                        router: name.clone(),
                        priority: priority.get(),
                        before: before.priority.get(),
                        reason,
                    });
                }
            }
            weighed.told = now.clone();
            weighed.is_replanned = false;
        }
        (changes, all_said)
    }

    /// Draws the conclusions. True if somebody may take part now or may not any longer.
    fn weigh(&mut self) -> bool {
        let mut any = false;
        for (router, (_, scales)) in &self.wanted.routers {
            let is_heir = self.heirs.contains(router);
            let verdict = scales.weigh(|subject| match value_of(&self.values, subject) {
                value if is_heir && !value.is_known() => &Value::Up,
                value => value,
            });
            let is_known = |subject| value_of(&self.values, subject).is_known();
            if is_heir && scales.subjects().all(is_known) {
                self.heirs.remove(router);
            }
            // The pulse knows the priority of the configuration.
            let weighed = self.routers.entry(*router).or_insert_with(|| {
                let told = scales.weigh(|_| &Value::Unknown);
                Weighed { verdict: told.clone(), told, is_replanned: false }
            });
            let old = std::mem::replace(&mut weighed.verdict, verdict);
            let new = &weighed.verdict;
            any |= (&old.fault, &old.wait) != (&new.fault, &new.wait);
        }
        any
    }
}

fn value_of<'a>(values: &'a HashMap<Subject, Value>, subject: &Subject) -> &'a Value {
    values.get(subject).unwrap_or(&Value::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        exec::{End, Message, Outcome},
    };

    /// A configuration with `vrrp_script`s of these names and lines, and an instance that tracks them.
    fn config(scripts: &[(&str, &str)]) -> Config {
        let blocks = scripts.iter().map(|(name, lines)| {
            let name = name.split(' ').next().unwrap_or(name);
            format!("vrrp_script {name} {{\nscript /bin/true\nuser root\n{lines}\n}}\n")
        });
        let tracked = scripts.iter().map(|(name, _)| format!("{name}\n"));
        let text = format!(
            "{}vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 100\n\
             virtual_ipaddress {{\n192.0.2.1\n}}\ntrack_script {{\n{}}}\n}}\n",
            blocks.collect::<String>(),
            tracked.collect::<String>()
        );
        config::parse("test.conf", text.as_bytes()).config.unwrap()
    }

    fn tracking(
        config: &Config,
        heirs: &[RouterId],
    ) -> (Tracking, Programs, mpsc::UnboundedReceiver<Message>) {
        let (runner, asked) = Runner::staged();
        let mut programs = Programs::new(runner.clone());
        programs.replan(config);
        let mut tracking = Tracking::new(runner, heirs, !heirs.is_empty());
        tracking.replan(config, &mut programs, config.instances.iter().enumerate(), &[]);
        (tracking, programs, asked)
    }

    /// The next run of a program ends with that status.
    async fn exits(asked: &mut mpsc::UnboundedReceiver<Message>, status: i32) {
        loop {
            if let Message::Run { began, ended, .. } = asked.recv().await.unwrap() {
                began.send(()).unwrap();
                let outcome = Outcome { end: End::Exited(status), stderr: String::new() };
                return ended.send(outcome).unwrap();
            }
        }
    }

    /// keyword `init_fail`, issue 6: a virtual router that goes on from a daemon that died stays as it
    /// was until its script has failed as often as `fall` says; any other one is in FAULT at first.
    #[tokio::test(start_paused = true)]
    async fn an_heir_goes_on() {
        let config = config(&[("s", "init_fail\nfall 2")]);
        let (begins, ..) = tracking(&config, &[]);
        assert!(begins.fault(0).is_some());
        let (mut goes_on, _programs, mut asked) = tracking(&config, &[0]);
        let presumed = goes_on.next().await;
        assert!(!goes_on.take(presumed));
        assert_eq!((goes_on.fault(0), goes_on.waits(0)), (None, false));
        for _ in 0..2 {
            assert_eq!(goes_on.fault(0), None);
            exits(&mut asked, 1).await;
        }
        let failed = goes_on.next().await;
        assert!(goes_on.take(failed));
        assert!(goes_on.fault(0).is_some());
    }

    /// issue 6: while users are looked up for long, a virtual router that goes on from a daemon that died
    /// stays as it was, and any other one takes part after a while.
    #[tokio::test(start_paused = true)]
    async fn nobody_finds_a_user() {
        let config = config(&[("s weight 10", ""), ("t", "")]);
        for (heirs, priority) in [(&[0][..], 110), (&[], 100)] {
            let (runner, _silent) = Runner::channel();
            let mut programs = Programs::new(runner.clone());
            programs.replan(&config);
            let mut tracking = Tracking::new(runner, heirs, !heirs.is_empty());
            tracking.replan(&config, &mut programs, config.instances.iter().enumerate(), &[]);
            let seen = |it: &Tracking| (it.priority(0), it.fault(0).is_some(), it.waits(0));
            assert_eq!(seen(&tracking), (Some(Priority::new(priority)), false, heirs.is_empty()));
            let late = tracking.next().await;
            assert_eq!(late.value, Value::Late);
            // The other one has been told by then.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            tracking.take(late);
            assert_eq!(seen(&tracking), (Some(Priority::new(priority)), false, false));
        }
    }

    /// issue 6: once all is known that a virtual router depends on, a script that a reload adds counts
    /// from its first result.
    #[tokio::test(start_paused = true)]
    async fn an_heir_is_one_until_all_is_known() {
        let first = config(&[("a weight 10", "")]);
        let (mut tracking, mut programs, mut asked) = tracking(&first, &[0]);
        assert_eq!(tracking.priority(0), Some(Priority::new(110)));
        exits(&mut asked, 0).await;
        let succeeded = tracking.next().await;
        tracking.take(succeeded);
        let second = config(&[("a weight 10", ""), ("b weight 20", "")]);
        programs.replan(&second);
        tracking.replan(&second, &mut programs, second.instances.iter().enumerate(), &[]);
        assert_eq!(tracking.priority(0), Some(Priority::new(110)));
    }
}
