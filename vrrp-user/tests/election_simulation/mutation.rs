//! Broken elections, made from the right one by changing what it is told and when, so that no code
//! of the election is there for them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use xvrrp::election::{Actions, Advert, Election, Event, Instant, Parameters, State};

/// How an election is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Every second router takes the lower address for the higher one.
    TieBreakInverted,
    /// A Backup does not wait for its Skew_Time.
    SkewIgnored,
    /// The timer that a priority 0 set expires although an Active router was heard since.
    StaleTimerAfterResignation,
    /// The timer from before a priority 0 goes on.
    ResignationUnheard,
    /// An Active hears nothing.
    DeafWhileActive,
    /// A Backup counts by its own interval.
    LearnsNoInterval,
    /// A Backup takes every priority for one that is not lower.
    NeverPreempts,
    /// Absorbed adverts are not reported.
    RepetitionsIgnored,
}

impl Mutation {
    pub(crate) const ALL: [Self; 8] = [
        Self::TieBreakInverted,
        Self::SkewIgnored,
        Self::StaleTimerAfterResignation,
        Self::ResignationUnheard,
        Self::DeafWhileActive,
        Self::LearnsNoInterval,
        Self::NeverPreempts,
        Self::RepetitionsIgnored,
    ];
}

/// An election, right or broken.
pub(crate) struct Subject {
    election: Election,
    mutation: Option<Mutation>,
    /// It is one of the second routers.
    is_odd: bool,
    /// How much of its time SkewIgnored has cut out so far.
    ahead: Duration,
    /// A priority 0 was heard in this period as Backup.
    heard_resignation: bool,
}

impl Subject {
    pub(crate) fn new(parameters: Parameters, mutation: Option<Mutation>, is_odd: bool) -> Self {
        Self {
            election: Election::new(parameters),
            mutation,
            is_odd,
            ahead: Duration::ZERO,
            heard_resignation: false,
        }
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        self.election.parameters()
    }

    pub(crate) fn state(&self) -> State {
        self.election.state()
    }

    pub(crate) fn active_adver_interval(&self) -> Duration {
        self.election.active_adver_interval()
    }

    /// True if the kernel program stamps and drops `advert`.
    pub(crate) fn accepts_silently(&self, advert: Advert) -> bool {
        self.election.accepted() == Some(advert)
    }

    /// True if the kernel program drops `advert`.
    pub(crate) fn discards_silently(&self, advert: Advert) -> bool {
        self.election.discarded() == Some(advert)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ahead = self.ahead + self.ignored_skew();
        self.election.next_deadline().map(|deadline| earlier(deadline, ahead))
    }

    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Actions {
        if event == Event::Timer && self.next_deadline().is_some_and(|due| due <= now) {
            self.ahead += self.ignored_skew();
        }
        let mut actions = Actions::new();
        if let Some(event) = self.distort(event) {
            self.election.handle(event, now + self.ahead, &mut actions);
        }
        self.heard_resignation &= self.state() == State::Backup;
        actions
    }

    /// The event as the mutation shows it to the election.
    fn distort(&mut self, event: Event) -> Option<Event> {
        use Mutation::*;
        let Event::Advert(mut advert) = event else {
            let hidden = event == Event::Repeat && self.mutation == Some(RepetitionsIgnored);
            return (!hidden).then_some(event);
        };
        let own = self.election.parameters();
        let (is_backup, resigns) = (self.state() == State::Backup, advert.priority.is_resign());
        match self.mutation {
            Some(TieBreakInverted) if self.is_odd => {
                advert.source = mirrored(advert.source, own.source);
            }
            Some(StaleTimerAfterResignation) if is_backup && resigns => {
                self.heard_resignation = true;
            }
            Some(StaleTimerAfterResignation) if self.heard_resignation => return None,
            Some(ResignationUnheard) if is_backup && resigns => return None,
            Some(DeafWhileActive) if self.state() == State::Active => return None,
            Some(LearnsNoInterval) => advert.interval = own.interval,
            Some(NeverPreempts) if is_backup && !resigns => {
                advert.priority = advert.priority.max(own.priority);
            }
            _ => {}
        }
        Some(Event::Advert(advert))
    }

    /// The end of Active_Down_Timer that is left out: the clock of the election jumps over it.
    fn ignored_skew(&self) -> Duration {
        let ignores = self.mutation == Some(Mutation::SkewIgnored)
            && self.state() == State::Backup
            && self.parameters().preempt_delay.is_zero();
        if ignores { self.election.skew_time() } else { Duration::ZERO }
    }
}

/// `span` before `time`.
pub(crate) fn earlier(time: Instant, span: Duration) -> Instant {
    let nanos = u64::try_from(span.as_nanos()).expect("spans of hours");
    Instant::from_nanos(time.as_nanos().saturating_sub(nanos))
}

/// `address` on the other side of `own`: what was higher is lower.
fn mirrored(address: IpAddr, own: IpAddr) -> IpAddr {
    match (address, own) {
        (IpAddr::V4(address), IpAddr::V4(own)) => {
            let distance = u32::from(address).wrapping_sub(u32::from(own));
            Ipv4Addr::from(u32::from(own).wrapping_sub(distance)).into()
        }
        (IpAddr::V6(address), IpAddr::V6(own)) => {
            let distance = u128::from(address).wrapping_sub(u128::from(own));
            Ipv6Addr::from(u128::from(own).wrapping_sub(distance)).into()
        }
        _ => address,
    }
}
