//! `vrrp_sync_group`: elections whose virtual routers are Active together or not at all.
//!
//! No RFC has this; the rules are keepalived's (`vrrp_sync.c`). A group has no state of its own: each
//! member's event may lead to events of the others, at the same time.
//!
//! | a member | the others |
//! |---|---|
//! | may take part | wait until all may; then all start, or all resume |
//! | has waited for Active_Down_Interval in vain | nothing, until the last one has; then all take over |
//! | yields to a better router | go to Backup without a word: no priority 0 |
//! | may no longer take part | take no part either; who is Active resigns with priority 0 |
//! | hears a losing advert as Active | announce again what they have |
//!
//! A member that is held back stays willing until it hears an advert that restarts its
//! Active_Down_Timer, so nothing depends on when it asks again. Owners are held back like all.
//!
//! Two hosts can depose each other, where each is the better one for a member of its own: their
//! priorities or addresses are at odds. keepalived's then do so for ever. Here the first member on the
//! list counts most: the earlier the member that a host loses by, the longer it then waits for others
//! ([`Event::FollowDown`]).

use super::{Action, Actions, Announce, Event, State};

/// What happened to a member that concerns the others, the more serious the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pull {
    /// It heard a losing advert as Active.
    Disturbed,
    /// It may take part, and has not begun to.
    Ready,
    /// It would become Active.
    Wants,
    /// It was Active and is not any more, because of a better router.
    Yields,
    /// It takes no part any longer.
    Leaves,
}

impl Pull {
    /// What `actions`, which one event of a member has led to, mean for the others.
    pub fn of(actions: &Actions) -> Option<Self> {
        let pull = |action: &Action| match *action {
            Action::Ask => Some(Self::Wants),
            Action::Announce(Announce::LosingAdvert) => Some(Self::Disturbed),
            Action::Transition { from: State::Active, to: State::Backup, .. } => Some(Self::Yields),
            Action::Transition { to: State::Initialize, .. } => Some(Self::Leaves),
            _ => None,
        };
        actions.iter().filter_map(pull).max()
    }
}

/// Whether a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may not.
    Absent,
    /// It may, and was told nothing yet.
    Ready,
    /// The same, and it may go on as the Active router that it was: see [`Event::Resume`].
    Heir,
    /// It does.
    Runs(State),
}

/// The members of one group by their places in its list.
pub trait Members {
    /// How many there are.
    fn count(&self) -> usize;

    /// Whether a member takes part.
    fn standing(&self, member: usize) -> Standing;

    /// [`super::Election::is_willing`], after the member was told all that has happened to it.
    fn is_willing(&mut self, member: usize) -> bool;

    /// Lets an event happen to a member. What that means for the others is known here.
    fn tell(&mut self, member: usize, event: Event);
}

/// Has the others follow `member`, to whom `pull` has happened.
pub fn couple(members: &mut impl Members, member: usize, pull: Pull) {
    match pull {
        Pull::Disturbed => tell_others(members, member, Event::Disturbed),
        Pull::Ready => begin(members),
        Pull::Wants => take_over(members),
        Pull::Yields => follow_down(members, member),
        Pull::Leaves => tell_others(members, member, Event::Shutdown),
    }
}

/// Makes one group of members that may run already. Where some are Active and others not, none is.
pub fn settle(members: &mut impl Members) {
    let runs = |members: &_, state| has(members, |standing| standing == Standing::Runs(state));
    if runs(members, State::Backup) && runs(members, State::Active) {
        follow_down(members, 0);
    }
    begin(members);
}

fn follow_down(members: &mut impl Members, loser: usize) {
    let place = u8::try_from(loser).unwrap_or(u8::MAX);
    for member in 0..members.count() {
        members.tell(member, Event::FollowDown { place });
    }
}

fn tell_others(members: &mut impl Members, member: usize, event: Event) {
    for other in (0..members.count()).filter(|other| *other != member) {
        members.tell(other, event);
    }
}

fn take_over(members: &mut impl Members) {
    if (0..members.count()).all(|member| members.is_willing(member)) {
        for member in 0..members.count() {
            members.tell(member, Event::TakeOver);
        }
    }
}

/// All that have not begun begin, if none is missing. Who joins a group that is Active is so, too: a
/// better router will object.
fn begin(members: &mut impl Members) {
    let any = |members: &_, wanted| has(members, |standing| standing == wanted);
    if any(members, Standing::Absent) {
        return;
    }
    let event = if any(members, Standing::Runs(State::Active)) {
        Event::TakeOver
    } else if has(members, |standing| standing != Standing::Heir) {
        Event::Startup
    } else {
        Event::Resume
    };
    for member in 0..members.count() {
        if !matches!(members.standing(member), Standing::Runs(_)) {
            members.tell(member, event);
        }
    }
}

fn has(members: &impl Members, is_wanted: impl Fn(Standing) -> bool) -> bool {
    (0..members.count()).any(|member| is_wanted(members.standing(member)))
}
