//! One host with a sync group: a member on each network, and the lines to them.

use std::time::Duration;

use vrrp_common::{Priority, Version};
use xvrrp::election::{
    Action, Actions, Advert, Election, Event, Instant, Parameters, State,
    group::{Members, Pull, Standing, couple},
};

use super::Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Running,
    /// The process is stopped (SIGSTOP); what comes in waits with its stamps.
    Hung,
    Down,
}

pub(super) struct Member {
    pub(super) election: Election,
    /// Its interface works, as far as the daemon knows.
    pub(super) present: bool,
    /// The process before this one was Active until just now.
    heir: bool,
    /// The last advert that speaks against its being Active, with its sender's interval.
    objection: Option<(Instant, Duration)>,
    /// It was willing once since it became Backup.
    was_willing: bool,
    pub(super) inbox: Vec<(Instant, Advert)>,
}

pub(super) struct Host {
    pub(super) members: Vec<Member>,
    pub(super) condition: Condition,
    broken: Option<Broken>,
    now: Instant,
    done: Vec<(usize, Action)>,
}

/// What a group did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Some of its members are Active and others not.
    IsSplit,
    /// It took over although a member has heard a better router.
    Ignores(usize),
    /// It resigned and did not leave.
    Resigns(usize),
}

impl Host {
    /// A host that is down.
    pub(super) fn new(members: &[Parameters], broken: Option<Broken>) -> Self {
        Self {
            members: members.iter().map(|own| Member::new(*own, false)).collect(),
            condition: Condition::Down,
            broken,
            now: Instant::default(),
            done: Vec::new(),
        }
    }

    /// A new process with the priorities of the last one. Its interfaces work.
    pub(super) fn boot(&mut self, resumes: bool) {
        for member in &mut self.members {
            let heir = resumes && member.election.state() == State::Active;
            *member = Member::new(*member.election.parameters(), heir);
        }
        self.condition = Condition::Running;
    }

    pub(super) fn runs(&self) -> bool {
        self.condition == Condition::Running
    }

    /// True when nothing but the others keeps the group from being Active.
    pub(super) fn is_able(&self) -> bool {
        self.runs() && self.members.iter().all(|member| member.present)
    }

    /// True when a member serves, be it alone.
    pub(super) fn is_active(&self) -> bool {
        self.condition != Condition::Down && self.states().any(|state| state == State::Active)
    }

    pub(super) fn states(&self) -> impl Iterator<Item = State> {
        self.members.iter().map(|member| member.election.state())
    }

    /// When the process wakes next, and for which member.
    pub(super) fn next_wake(&self) -> Option<(Instant, usize)> {
        let deadlines = self.members.iter().map(|member| member.election.next_deadline());
        let wakes = deadlines.enumerate().filter_map(|(member, at)| Some((at?, member)));
        wakes.min().filter(|_| self.runs())
    }

    /// Lets `event` happen to a member, and what follows to the others. Returns what is to be done.
    pub(super) fn happen(
        &mut self,
        member: usize,
        event: Event,
        now: Instant,
    ) -> (Vec<(usize, Action)>, Result<(), Wrong>) {
        self.now = now;
        if let Some(pull) = self.handle(member, event) {
            couple(self, member, pull);
        }
        let verdict = self.judge();
        (std::mem::take(&mut self.done), verdict)
    }

    /// A member may take part.
    pub(super) fn begin(&mut self, member: usize, now: Instant) -> Vec<(usize, Action)> {
        self.now = now;
        self.members[member].present = true;
        couple(self, member, Pull::Ready);
        std::mem::take(&mut self.done)
    }

    fn handle(&mut self, member: usize, event: Event) -> Option<Pull> {
        let mut actions = Actions::new();
        let subject = &mut self.members[member];
        subject.listen(event, self.now);
        subject.election.handle(event, self.now, &mut actions);
        subject.was_willing |= actions.contains(&Action::Ask);
        subject.was_willing &= subject.election.state() == State::Backup;
        self.done.extend(actions.iter().map(|action| (member, *action)));
        Pull::of(&actions)
    }

    fn judge(&self) -> Result<(), Wrong> {
        let mut states = self.states();
        if self.is_active() && !states.all(|state| state == State::Active) {
            return Err(Wrong::IsSplit);
        }
        for (member, action) in &self.done {
            let subject = &self.members[*member];
            match action {
                Action::Open if subject.hears_better(self.now) => {
                    return Err(Wrong::Ignores(*member));
                }
                Action::Advertise { priority: Priority::RESIGN }
                    if subject.election.state() != State::Initialize =>
                {
                    return Err(Wrong::Resigns(*member));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Member {
    fn new(own: Parameters, heir: bool) -> Self {
        Self {
            election: Election::new(own),
            present: true,
            heir,
            objection: None,
            was_willing: false,
            inbox: Vec::new(),
        }
    }

    /// Keeps in mind what RFC 9568 6.4.2 has a Backup accept.
    fn listen(&mut self, event: Event, now: Instant) {
        let own = self.election.parameters();
        let Event::Advert(advert) = event else { return };
        if advert.source == own.source {
            return;
        }
        let may_preempt = own.preempt || own.priority.is_owner();
        let is_backup = self.election.state() == State::Backup;
        if !is_backup || advert.priority.is_resign() {
            self.objection = None;
        } else if advert.priority >= own.priority || !may_preempt {
            let interval = match own.version {
                Version::V2 => own.interval,
                Version::V3 => advert.interval,
            };
            self.objection = Some((now, interval.duration()));
        }
    }

    fn hears_better(&self, now: Instant) -> bool {
        let patience = u32::from(self.election.parameters().down_timer_adverts);
        self.objection.is_some_and(|(at, interval)| now < at + interval * patience)
    }

    /// The advert that it sends with `priority`.
    pub(super) fn advert(&self, priority: Priority) -> Advert {
        let own = self.election.parameters();
        Advert { source: own.source, priority, interval: own.interval }
    }
}

impl Members for Host {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn standing(&self, member: usize) -> Standing {
        let subject = &self.members[member];
        match subject.election.state() {
            State::Initialize if !subject.present => Standing::Absent,
            State::Initialize if subject.heir => Standing::Heir,
            State::Initialize => Standing::Ready,
            state => Standing::Runs(state),
        }
    }

    fn is_willing(&mut self, member: usize) -> bool {
        let subject = &self.members[member];
        match self.broken {
            Some(Broken::TakesOverAlone) => true,
            Some(Broken::ListensNoMore) => subject.was_willing,
            _ => subject.election.is_willing(),
        }
    }

    fn tell(&mut self, member: usize, event: Event) {
        let event = match (self.broken, event) {
            (Some(Broken::NeverFollowsDown), Event::FollowDown { .. })
            | (Some(Broken::FaultsAlone), Event::Shutdown) => return,
            (Some(Broken::NobodyDecides), Event::FollowDown { .. }) => {
                Event::FollowDown { place: u8::MAX }
            }
            (_, event) => event,
        };
        self.handle(member, event);
    }
}
