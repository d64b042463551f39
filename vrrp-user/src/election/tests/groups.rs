//! `vrrp_sync_group`: members that are Active together or not at all. Issue 6.

use super::{
    group::{Members, Pull, Standing, couple, settle},
    *,
};

/// The members of a group on one host, which may all take part.
struct Group {
    elections: Vec<Election>,
    /// Which of them may.
    present: Vec<bool>,
    /// Whose leases a daemon before this one has left.
    heirs: Vec<bool>,
    now: Instant,
    /// What the elections want done since the last look.
    done: Vec<(usize, Action)>,
}

impl Group {
    /// Of routers that may take part and have not begun to.
    fn new(members: &[Parameters]) -> Self {
        let election = |own: &Parameters| Election::new(Parameters { grouped: true, ..*own });
        Self {
            elections: members.iter().map(election).collect(),
            present: vec![true; members.len()],
            heirs: vec![false; members.len()],
            now: at(0),
            done: Vec::new(),
        }
    }

    /// Backups since time zero.
    fn backup(members: &[Parameters]) -> Self {
        let mut group = Self::new(members);
        group.begin();
        group.done();
        group
    }

    /// Active since their last deadline.
    fn active(members: &[Parameters]) -> Self {
        let mut group = Self::backup(members);
        while group.states().contains(&State::Backup) {
            group.wake();
        }
        group.done();
        group
    }

    fn begin(&mut self) {
        couple(self, 0, Pull::Ready);
    }

    /// Lets `event` happen to a member `micros` after time zero.
    fn on(&mut self, micros: u64, member: usize, event: Event) {
        self.now = at(micros);
        self.happen(member, event);
    }

    fn happen(&mut self, member: usize, event: Event) {
        if let Some(pull) = self.handle(member, event) {
            couple(self, member, pull);
        }
    }

    fn handle(&mut self, member: usize, event: Event) -> Option<Pull> {
        let mut actions = Actions::new();
        self.elections[member].handle(event, self.now, &mut actions);
        self.done.extend(actions.iter().map(|action| (member, *action)));
        Pull::of(&actions)
    }

    fn hear(&mut self, micros: u64, member: usize, source: IpAddr, priority: u8) {
        self.on(micros, member, Event::Advert(advert(source, priority, 100)));
    }

    /// Goes on to the next deadline, and says when that was and whose.
    fn wake(&mut self) -> (u64, usize) {
        let deadlines = self.elections.iter().map(Election::next_deadline).enumerate();
        let due = deadlines.filter_map(|(member, deadline)| Some((deadline?, member)));
        let (deadline, member) = due.min().unwrap();
        self.now = deadline;
        self.happen(member, Event::Timer);
        (micros_of(deadline.since(at(0))), member)
    }

    fn states(&self) -> Vec<State> {
        self.elections.iter().map(Election::state).collect()
    }

    /// What a member wanted done since the last look.
    fn done_by(&mut self, member: usize) -> Vec<Action> {
        let own = self.done.extract_if(.., |(by, _)| *by == member);
        own.map(|(_, action)| action).collect()
    }

    fn done(&mut self) -> Vec<(usize, Action)> {
        std::mem::take(&mut self.done)
    }
}

impl Members for Group {
    fn count(&self) -> usize {
        self.elections.len()
    }

    fn standing(&self, member: usize) -> Standing {
        match self.elections[member].state() {
            State::Initialize if !self.present[member] => Standing::Absent,
            State::Initialize if self.heirs[member] => Standing::Heir,
            State::Initialize => Standing::Ready,
            state => Standing::Runs(state),
        }
    }

    fn is_willing(&mut self, member: usize) -> bool {
        self.elections[member].is_willing()
    }

    fn tell(&mut self, member: usize, event: Event) {
        self.handle(member, event);
    }
}

fn of(priority: u8) -> Parameters {
    Parameters { priority: Priority::new(priority), ..v3() }
}

/// Keyword `vrrp_sync_group`: the first member to wait in vain is held back; with the last one all take
/// over at the same time, each with its own advert and reason.
#[test]
fn all_take_over_with_the_last() {
    let mut group = Group::backup(&[of(200), of(100), v2()]);
    assert_eq!(group.wake(), (3_218_750, 0));
    assert_eq!(group.done(), [(0, Action::Ask)]);
    group.hear(3_300_000, 1, LOWER, 0);
    assert_eq!(group.wake(), (3_609_375, 2));
    assert_eq!(group.states(), [State::Backup; 3]);
    group.done();
    assert_eq!(group.wake(), (3_300_000 + 609_375, 1));
    assert_eq!(group.states(), [State::Active; 3]);
    let mut asked = vec![Action::Ask];
    asked.extend(take_over(State::Backup, 100, Cause::Resignation));
    assert_eq!(group.done_by(1), asked);
    assert_eq!(group.done_by(0), take_over(State::Backup, 200, Cause::ActiveDownTimer));
    assert_eq!(group.done_by(2), take_over(State::Backup, 100, Cause::ActiveDownTimer));
    assert_eq!(group.elections[0].next_deadline(), group.elections[2].next_deadline());
}

/// Keyword `vrrp_sync_group`: who is held back waits for another Active_Down_Interval and asks again;
/// an advert that it accepts ends its being willing, one that it discards does not.
#[test]
fn who_is_held_back_goes_on_listening() {
    let mut group = Group::backup(&[of(200), of(100)]);
    group.hear(3_000_000, 1, HIGHER, 150);
    group.wake();
    assert!(group.is_willing(0) && !group.is_willing(1));
    assert_eq!(group.elections[0].accepted(), None);
    group.hear(3_500_000, 0, HIGHER, 150);
    assert!(group.is_willing(0));
    assert_eq!(group.wake(), (2 * 3_218_750, 0));
    assert_eq!(group.done(), [(0, Action::Ask), (0, Action::Ask)]);
    group.hear(6_450_000, 0, HIGHER, 201);
    assert!(!group.is_willing(0));
    assert_eq!(group.elections[0].accepted(), Some(advert(HIGHER, 201, 100)));
    // The other one alone cannot either.
    assert_eq!(group.wake(), (3_000_000 + 3_609_375, 1));
    assert_eq!(group.states(), [State::Backup; 2]);
}

/// Keyword `vrrp_sync_group`: with one member that yields the others leave, without priority 0 and
/// without the last advert of `higher_prio_send_advert`.
#[test]
fn all_yield_with_one() {
    let eager = Parameters { higher_prio_send_advert: true, ..of(100) };
    let mut group = Group::active(&[of(100), eager]);
    group.hear(4_000_000, 0, HIGHER, 101);
    assert_eq!(group.done_by(0), yielding(Cause::HigherPriority));
    assert_eq!(group.done_by(1), yielding(Cause::SyncGroup));
    assert_eq!(group.states(), [State::Backup; 2]);
}

/// Issue 6: of two hosts that depose each other, the one that has lost by an earlier member waits
/// longer.
#[test]
fn the_first_member_decides() {
    for (loses, waits) in [(0, 4_609_375), (1, 4_109_375)] {
        let mut group = Group::active(&[of(100), of(100)]);
        group.hear(4_000_000, loses, HIGHER, 101);
        let deadlines = group.elections.iter().map(|member| member.next_deadline().unwrap());
        assert_eq!(deadlines.collect::<Vec<_>>(), [at(4_000_000 + waits); 2]);
        // Who goes on to be heard is waited for as ever.
        group.hear(5_000_000, loses, HIGHER, 101);
        assert_eq!(group.elections[loses].next_deadline(), Some(at(5_000_000 + 3_609_375)));
    }
}

/// Keyword `vrrp_sync_group`: FAULT of one is FAULT of all, with one priority 0 of each; they come back
/// when all can.
#[test]
fn fault_of_one_is_fault_of_all() {
    let mut group = Group::active(&[of(100), of(200)]);
    group.present[0] = false;
    group.on(4_000_000, 0, Event::Shutdown);
    for member in 0..2 {
        let (from, to, cause) = (State::Active, State::Initialize, Cause::Shutdown);
        let transition = Action::Transition { from, to, cause };
        let expected = [Action::Close, advertise(0), transition, Action::RemoveAddresses];
        assert_eq!(group.done_by(member), expected);
    }
    group.begin();
    assert_eq!(group.done(), []);
    group.present[0] = true;
    group.now = at(5_000_000);
    group.begin();
    assert_eq!(group.states(), [State::Backup; 2]);
    assert_eq!(group.wake(), (5_000_000 + 3_218_750, 1));
    assert_eq!(group.wake(), (5_000_000 + 3_609_375, 0));
    assert_eq!(group.states(), [State::Active; 2]);
}

/// Keyword `vrrp_sync_group`: an owner is held back like all, but waits for nobody else.
#[test]
fn owners_wait_for_their_group() {
    let mut group = Group::new(&[owner(), of(100)]);
    group.begin();
    assert_eq!(group.states(), [State::Backup; 2]);
    assert_eq!(group.wake(), (0, 0));
    assert_eq!(group.states(), [State::Backup; 2]);
    group.done();
    assert_eq!(group.wake(), (3_003_906, 0));
    assert_eq!(group.wake(), (3_609_375, 1));
    assert_eq!(group.states(), [State::Active; 2]);

    let mut group = Group::new(&[owner(), owner()]);
    group.begin();
    group.done();
    assert_eq!((group.wake(), group.wake()), ((0, 0), (0, 1)));
    assert_eq!(group.done_by(0)[1..], take_over(State::Backup, 255, Cause::OwnerStartup));
}

/// Issues 4 and 6: after a restart a group goes on as Active if all members can, else none does.
#[test]
fn groups_resume_as_a_whole() {
    let mut group = Group::new(&[of(100), of(100)]);
    group.heirs = vec![true; 2];
    group.begin();
    for member in 0..2 {
        assert_eq!(group.done_by(member), take_over(State::Initialize, 100, Cause::Resumed));
    }
    let mut group = Group::new(&[of(100), of(100)]);
    group.heirs = vec![true, false];
    group.begin();
    assert_eq!(group.states(), [State::Backup; 2]);
}

/// Issue 6, pain 2: a losing advert that one member hears has all announce again, under the same
/// limits; only that one answers.
#[test]
fn all_announce_again() {
    let mut group = Group::active(&[of(100), of(100)]);
    group.hear(4_000_000, 0, LOWER, 50);
    let again = Action::Announce(Announce::LosingAdvert);
    assert_eq!(group.done_by(0), [advertise(100), again]);
    assert_eq!(group.done_by(1), [again]);
    for _ in 0..10 {
        group.hear(4_000_100, 0, LOWER, 50);
    }
    assert_eq!(group.done_by(1), [again; 3]);
}

/// Issue 6: Backups that are made a group wait as long as before for who is Active.
#[test]
fn a_group_of_backups_waits_on() {
    let mut group = Group::backup(&[of(100), of(100)]);
    group.hear(500_000, 0, HIGHER, 200);
    group.hear(600_000, 1, HIGHER, 200);
    let deadlines =
        |group: &Group| group.elections.iter().map(Election::next_deadline).collect::<Vec<_>>();
    let before = deadlines(&group);
    group.now = at(700_000);
    settle(&mut group);
    assert_eq!((deadlines(&group), group.done()), (before, vec![]));
}

/// Issue 6: who joins a group that is Active becomes so at once; of a group that is made of routers
/// that do not agree, none stays Active.
#[test]
fn groups_change_while_they_run() {
    let mut group = Group::active(&[of(100), of(100)]);
    group.elections.push(Election::new(Parameters { grouped: true, ..of(100) }));
    group.present.push(false);
    group.heirs.push(false);
    settle(&mut group);
    assert_eq!(group.done(), []);
    group.present[2] = true;
    group.begin();
    assert_eq!(group.done_by(2), take_over(State::Initialize, 100, Cause::SyncGroup));
    assert_eq!(group.done(), []);
    settle(&mut group);
    assert_eq!(group.done(), []);

    group.elections[1] = Group::backup(&[of(100)]).elections.remove(0);
    settle(&mut group);
    assert_eq!(group.states(), [State::Backup; 3]);
    assert_eq!(group.done_by(0), yielding(Cause::SyncGroup));
}
