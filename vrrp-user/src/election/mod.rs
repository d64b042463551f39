//! The election of one virtual router, RFC 9568 6.4 (VRRPv3) and RFC 3768 6.4 (VRRPv2), with
//! keepalived's `nopreempt`, `preempt_delay`, `lower_prio_no_advert`, `higher_prio_send_advert` and
//! `down_timer_adverts`.
//!
//! A pure state machine: no clock, no socket, no allocation. The API by direction:
//!
//! * **In**: [`Election::handle`] takes one [`Event`] and the time it happened.
//! * **Out, to do**: `handle` leaves the [`Action`]s that follow, to be carried out in this order.
//! * **Out, to wait for**: [`Election::next_deadline`]; when it has passed, report [`Event::Timer`].
//! * **Out, for the kernel program**: [`Election::accepted`] and [`Election::discarded`] tell which
//!   adverts may be absorbed when they repeat.
//! * **Getters** for status and adverts: the state, the effective priority, the intervals.
//!
//! The order of actions (an advert before the answers, the answers before the addresses):
//!
//! | change | actions |
//! |---|---|
//! | becoming Active | Advertise, Open, Transition, AddAddresses, Announce(TakeOver) |
//! | yielding to a better router | (Advertise with `higher_prio_send_advert`,) Close, Transition, RemoveAddresses |
//! | shutdown of an Active | Close, Advertise 0, Transition, RemoveAddresses |
//! | a losing advert while Active | Advertise, Announce(LosingAdvert) |
//! | an advert that leaves far too late | Advertise, Announce(Silence) |
//!
//! The members of a sync group are coupled by [`group`].
//!
//! The time of an event may lie before that of the event before, since adverts carry the stamp of
//! the kernel. Active_Down_Timer then still runs from the latest of them. Events are taken as they
//! come: an advert that is reported while an expired timer is not wins over the timer, so a thread
//! that was late does not depose a router that was on time.

pub mod group;
mod machine;
mod time;
mod timers;

#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::Duration};

use arrayvec::ArrayVec;
use vrrp_common::{AdverInterval, Priority, Version};

pub use self::time::Instant;
use self::timers::{Limit, Timers};

/// How many losing adverts, and how many resignations, an Active answers in a row (RFC 9568 6.4.3 has no
/// limit). It bounds what a forger can make us send: then so many resignations per own advert interval,
/// which set the Backups to their short Skew_Time each time, but one losing advert in so many intervals,
/// since the regular adverts answer those, too. One would be too few: several fast routers may doubt a
/// slow one within its interval, and keepalived resigns twice on FAULT.
const ANSWERS_IN_A_ROW: u8 = 4;

/// The same of the announcements that losing adverts cause: a burst of frames for each address, so then
/// one in this time at most. keepalived has no limit. What is left out is made up for by the burst
/// `garp_lower_prio_delay` later.
const ANNOUNCEMENTS_IN_A_ROW: u8 = 4;
const ANNOUNCEMENT_PERIOD: Duration = Duration::from_secs(1);

/// What the configuration and the interface say about one virtual router (RFC 9568 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Protocol version; decides Skew_Time and whether intervals are learned.
    pub version: Version,
    /// Effective priority; 255 makes this router the owner. Later values come with
    /// [`Event::Priority`]. The caller keeps it in 1-254 for everybody else.
    pub priority: Priority,
    /// Own Advertisement_Interval.
    pub interval: AdverInterval,
    /// Preempt_Mode; false is keepalived's `nopreempt`. Of no effect for the owner.
    pub preempt: bool,
    /// keepalived's `preempt_delay`; zero for none. Of no effect for the owner.
    pub preempt_delay: Duration,
    /// Missed adverts that make an Active dead: 3 in RFC 9568 6.1, keepalived's
    /// `down_timer_adverts`.
    pub down_timer_adverts: u8,
    /// Own primary address, the source of own adverts. Later values come with [`Event::Source`].
    pub source: IpAddr,
    /// keepalived's `lower_prio_no_advert`: a losing advert is not answered (RFC 5798, RFC 3768).
    pub lower_prio_no_advert: bool,
    /// keepalived's `higher_prio_send_advert`: one more advert before yielding.
    pub higher_prio_send_advert: bool,
    /// keepalived's `timer_expired_backup`: the highest priority of the other routers. After so long a
    /// silence that this one must have taken over, an Active goes to Backup. `None` to go on. Of no
    /// effect unless `preempt` is false, or for the owner.
    pub other_priority: Option<Priority>,
    /// Member of a `vrrp_sync_group`: it becomes Active only with [`Event::TakeOver`], and asks for
    /// that with [`Action::Ask`].
    pub grouped: bool,
}

/// The states of RFC 9568 6.3. keepalived's FAULT is Initialize with a reason that the caller
/// knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not taking part.
    Initialize,
    /// Watching the Active router.
    Backup,
    /// Serving the addresses.
    Active,
}

/// What an advert of the right virtual router, valid by RFC 9568 7.1, says to the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Source address of the IP header.
    pub source: IpAddr,
    /// Priority field; 0 when the sender resigns.
    pub priority: Priority,
    /// Max Advertise Interval field. In v2 it equals the own interval, or the advert was invalid.
    pub interval: AdverInterval,
}

/// What can happen to an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The virtual router may take part: configured, its interface usable.
    Startup,
    /// It may take part, and an election before this one, of the same virtual router on this host,
    /// ended as Active without a word: its lease still holds, and nobody better was heard. For the
    /// others it never ended.
    Resume,
    /// It may no longer: stopped, removed, in FAULT.
    Shutdown,
    /// A valid advert arrived.
    Advert(Advert),
    /// The kernel program absorbed at least one repetition of [`Election::accepted`], the last one
    /// at the time of this event. Report it before [`Event::Timer`].
    Repeat,
    /// [`Election::next_deadline`] has passed.
    Timer,
    /// The effective priority changed.
    Priority(Priority),
    /// The own primary address changed.
    Source(IpAddr),
    /// The configuration changed. The version stays: with another one it is another virtual router.
    Parameters(Parameters),
    /// All members of the sync group are willing: they become Active together. Before the start: the
    /// others are Active already.
    TakeOver,
    /// A member of the sync group has yielded to a better router: none stays Active.
    FollowDown {
        /// Its place in the group from 0. All members, that one too, wait longer for others than they
        /// would: the first by an interval, the second by half of one, the third by a third.
        place: u8,
    },
    /// Another member of the sync group has heard a losing advert.
    Disturbed,
}

/// What the caller has to do, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert with this priority and the own interval.
    Advertise {
        /// The own effective priority, or 0 to resign.
        priority: Priority,
    },
    /// Let the kernel program answer for the addresses: store the lease.
    Open,
    /// Stop its answers: clear the lease.
    Close,
    /// Add the addresses to the interface.
    AddAddresses,
    /// Remove them.
    RemoveAddresses,
    /// Tell the hosts of the network who has the addresses.
    Announce(Announce),
    /// Ask the sync group whether all are willing to become Active: see [`group`].
    Ask,
    /// Tell the log, the notify scripts and the status.
    Transition {
        /// State before.
        from: State,
        /// State after.
        to: State,
        /// Why.
        cause: Cause,
    },
}

/// The occasions for gratuitous ARP and unsolicited Neighbor Advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// This router became Active (keepalived `garp_master_*`).
    TakeOver,
    /// Another router believed to be Active and may have spoiled caches (keepalived
    /// `garp_lower_prio_*`). At most four times in a row, then once a second.
    LosingAdvert,
    /// No advert left here for so long that another router may have taken over meanwhile, though it
    /// was not heard: it may have yielded already.
    Silence,
}

/// Why a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A router that is not the owner starts as Backup.
    Startup,
    /// The caller stopped the virtual router.
    Shutdown,
    /// The owner starts as Active.
    OwnerStartup,
    /// It goes on as the Active router that it was.
    Resumed,
    /// No Active router was heard for Active_Down_Interval.
    ActiveDownTimer,
    /// The Active router resigned with priority 0, and nobody better came within Skew_Time.
    Resignation,
    /// Only adverts of a lower priority were heard for Active_Down_Interval.
    Preemption,
    /// An advert of a higher priority was heard.
    HigherPriority,
    /// An advert of the own priority from a higher address was heard.
    EqualPriorityHigherAddress,
    /// Its own adverts were so late that another router must have taken over (keepalived
    /// `timer_expired_backup`).
    Overdue,
    /// The other members of the sync group changed, or are what it changes to.
    SyncGroup,
}

/// The actions that one event leads to, in order.
pub type Actions = ArrayVec<Action, 8>;

/// One virtual router's election. See the [module](self) for the order of calls.
#[derive(Clone, Debug)]
pub struct Election {
    parameters: Parameters,
    state: State,
    timers: Timers,
    /// Active_Adver_Interval of RFC 9568 6.1.
    active_adver_interval: AdverInterval,
    heard: Heard,
    losing_answers: Limit,
    losing_announcements: Limit,
    resign_answers: Limit,
}

impl Election {
    /// An election in Initialize, which waits for [`Event::Startup`].
    pub const fn new(parameters: Parameters) -> Self {
        Self {
            parameters,
            state: State::Initialize,
            timers: Timers::new(),
            active_adver_interval: parameters.interval,
            heard: Heard::nothing(Instant::from_nanos(0)),
            losing_answers: Limit::new(ANSWERS_IN_A_ROW),
            losing_announcements: Limit::new(ANNOUNCEMENTS_IN_A_ROW),
            resign_answers: Limit::new(ANSWERS_IN_A_ROW),
        }
    }

    /// The parameters in force: priority and source as the last events set them.
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The state after the last event.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The priority that own adverts carry.
    pub const fn effective_priority(&self) -> Priority {
        self.parameters.priority
    }

    /// The own Advertisement_Interval, which own adverts carry.
    pub const fn interval(&self) -> AdverInterval {
        self.parameters.interval
    }

    /// Primary address of the Active router: the own one in Active, the sender of the last accepted
    /// advert in Backup unless it resigned, `None` while unknown.
    pub const fn active_router(&self) -> Option<IpAddr> {
        match self.state {
            State::Initialize => None,
            State::Backup => self.heard.active_router,
            State::Active => Some(self.parameters.source),
        }
    }

    /// Active_Adver_Interval: in v3 the interval of the last accepted advert, else the own one
    /// (RFC 9568 6.1).
    pub const fn active_adver_interval(&self) -> Duration {
        self.active_adver_interval.duration()
    }

    /// Skew_Time, exact to the nanosecond so that neighbouring priorities differ at the smallest
    /// interval: (256 - priority) / 256 of Active_Adver_Interval in v3 (RFC 9568 6.1), of one
    /// second in v2 (RFC 3768 6.1).
    pub fn skew_time(&self) -> Duration {
        self.skew(self.active_adver_interval(), self.parameters.priority)
    }

    fn skew(&self, interval: Duration, priority: Priority) -> Duration {
        let whole = match self.parameters.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => interval,
        };
        whole * (256 - u32::from(priority.get())) / 256
    }

    /// Active_Down_Interval: `down_timer_adverts` times Active_Adver_Interval, and Skew_Time
    /// (RFC 9568 6.1).
    pub fn active_down_interval(&self) -> Duration {
        self.active_adver_interval() * u32::from(self.parameters.down_timer_adverts)
            + self.skew_time()
    }

    /// When to report [`Event::Timer`]; `None` while nothing is waited for.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// True when nothing in this election speaks against its being Active: it is, or as a member of a
    /// sync group it has waited for Active_Down_Interval, and nobody who counts was heard since.
    pub const fn is_willing(&self) -> bool {
        match self.state {
            State::Initialize => false,
            State::Backup => self.heard.is_willing,
            State::Active => true,
        }
    }

    /// The advert whose repetition only restarts Active_Down_Timer: the kernel program may absorb
    /// it, stamped, and the caller reports [`Event::Repeat`]. `None` unless Backup and such an
    /// advert was heard; never one of priority 0.
    pub const fn accepted(&self) -> Option<Advert> {
        self.heard.accepted
    }

    /// The lower-priority advert whose repetition changes nothing at all: the kernel program may
    /// drop it without a stamp. `None` unless Backup and such an advert was heard.
    pub const fn discarded(&self) -> Option<Advert> {
        self.heard.discarded
    }
}

/// What a Backup remembers of the adverts it heard; empty in the other states.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Active_Down_Timer runs from here: the latest stamp of an advert that restarted it.
    latest: Instant,
    active_router: Option<IpAddr>,
    accepted: Option<Advert>,
    discarded: Option<Advert>,
    /// `preempt_delay` has run out: adverts of a lower priority are discarded.
    preempt_due: bool,
    /// Why Active_Down_Timer, should it expire now, makes this router Active.
    take_over: Cause,
    /// It has expired; only the sync group holds this router back.
    is_willing: bool,
}

impl Heard {
    const fn nothing(since: Instant) -> Self {
        Self {
            latest: since,
            active_router: None,
            accepted: None,
            discarded: None,
            preempt_due: false,
            take_over: Cause::ActiveDownTimer,
            is_willing: false,
        }
    }

    /// After a change of what adverts are compared with: the next one is news again, whatever it
    /// says.
    fn judge_afresh(&mut self) {
        self.accepted = None;
        self.discarded = None;
    }
}
