//! The transitions, in the order of RFC 9568 6.4.1 to 6.4.3.

use std::{net::IpAddr, time::Duration};

use vrrp_common::{Priority, Version};

use super::{
    ANNOUNCEMENT_PERIOD, ANSWERS_IN_A_ROW, Action, Actions, Advert, Announce, Cause, Election,
    Event, Heard, Instant, Parameters, State,
    timers::{Timer, Timers},
};

impl Election {
    /// Takes `event`, which happened at `now`, and overwrites `actions` with what follows from it.
    ///
    /// Events that have no meaning in the present state change nothing, as do adverts with the own
    /// source address: they are reflections of our own, and answering them would never end.
    pub fn handle(&mut self, event: Event, now: Instant, actions: &mut Actions) {
        actions.clear();
        match event {
            Event::Advert(advert) if advert.source == self.parameters.source => {}
            Event::Source(source) => self.change_source(source),
            Event::Priority(priority) => self.change_priority(priority, actions),
            Event::Parameters(parameters) => self.change_parameters(parameters, now, actions),
            _ => match self.state {
                State::Initialize => self.initialize(event, now, actions),
                State::Backup => self.backup(event, now, actions),
                State::Active => self.active(event, now, actions),
            },
        }
    }

    /// RFC 9568 6.4.1.
    fn initialize(&mut self, event: Event, now: Instant, actions: &mut Actions) {
        self.active_adver_interval = self.parameters.interval;
        match event {
            // Not in the RFC: to the network this is no start. Its first advert is due at once, for
            // nobody knows how long ago the last one left.
            Event::Resume => self.become_active(Cause::Resumed, now, actions),
            Event::TakeOver => self.become_active(Cause::SyncGroup, now, actions),
            Event::Startup if !self.parameters.priority.is_owner() => {
                self.become_backup(Cause::Startup, now, actions);
            }
            Event::Startup if self.parameters.grouped => self.start_as_held_owner(now, actions),
            Event::Startup => self.become_active(Cause::OwnerStartup, now, actions),
            _ => {}
        }
    }

    /// RFC 9568 6.4.2.
    fn backup(&mut self, event: Event, now: Instant, actions: &mut Actions) {
        match event {
            Event::Shutdown => self.leave(Cause::Shutdown, actions),
            Event::Timer => self.backup_timer(now, actions),
            Event::Advert(advert) => self.backup_advert(advert, now),
            Event::Repeat => {
                if let Some(advert) = self.heard.accepted {
                    self.backup_advert(advert, now);
                }
            }
            Event::TakeOver => self.become_active(self.heard.take_over, now, actions),
            Event::FollowDown { place } => self.wait_longer(place),
            Event::Startup
            | Event::Resume
            | Event::Priority(_)
            | Event::Source(_)
            | Event::Parameters(_)
            | Event::Disturbed => {}
        }
    }

    /// RFC 9568 6.4.3.
    fn active(&mut self, event: Event, now: Instant, actions: &mut Actions) {
        match event {
            Event::Shutdown => {
                actions.extend([Action::Close, Action::Advertise { priority: Priority::RESIGN }]);
                self.leave(Cause::Shutdown, actions);
                actions.push(Action::RemoveAddresses);
            }
            Event::Timer => self.adver_timer(now, actions),
            Event::Advert(advert) => self.active_advert(advert, now, actions),
            Event::FollowDown { place } => self.follow_down(place, now, actions),
            Event::Disturbed => self.announce_again(now, actions),
            Event::Startup
            | Event::Resume
            | Event::Repeat
            | Event::TakeOver
            | Event::Priority(_)
            | Event::Source(_)
            | Event::Parameters(_) => {}
        }
    }

    /// RFC 9568 6.4.2: "if the Active_Down_Timer fires", and the end of `preempt_delay`.
    fn backup_timer(&mut self, now: Instant, actions: &mut Actions) {
        if self.timers.expired(Timer::PreemptDelay, now).is_some() {
            self.end_preempt_delay();
        }
        if self.timers.expired(Timer::ActiveDown, now).is_some() {
            if self.parameters.grouped {
                self.ask(now, actions);
            } else {
                self.become_active(self.heard.take_over, now, actions);
            }
        }
    }

    /// keepalived's sync group holds a member back that is alone in wanting to be Active. It asks again
    /// after as long a wait. An advert that ends its being willing must not be absorbed meanwhile.
    fn ask(&mut self, now: Instant, actions: &mut Actions) {
        self.heard.is_willing = true;
        self.heard.accepted = None;
        self.heard.active_router = None;
        self.timers.set(Timer::ActiveDown, now + self.active_down_interval());
        actions.push(Action::Ask);
    }

    /// RFC 9568 6.4.2: "if an ADVERTISEMENT is received". Addresses are not compared here: a Backup
    /// accepts its own priority from everybody.
    fn backup_advert(&mut self, advert: Advert, now: Instant) {
        if advert.priority.is_resign() {
            self.hear_resignation(advert, now);
        } else if advert.priority >= self.parameters.priority {
            self.cancel_preempt_delay();
            self.accept(advert, now);
        } else if self.preempts(now) {
            self.discard(advert);
        } else {
            self.accept(advert, now);
        }
    }

    /// Priority 0, from whomever: Active_Down_Timer is set to the Skew_Time of the interval learned
    /// so far. The advert itself teaches nothing.
    fn hear_resignation(&mut self, advert: Advert, now: Instant) {
        self.heard.latest = self.heard.latest.max(now);
        self.heard.is_willing = false;
        self.heard.accepted = None;
        self.heard.active_router.take_if(|active| *active == advert.source);
        self.heard.take_over = Cause::Resignation;
        self.timers.set(Timer::ActiveDown, self.heard.latest + self.skew_time());
    }

    /// Learns the interval (v3 only, RFC 3768 has nothing to learn) and restarts Active_Down_Timer.
    fn accept(&mut self, advert: Advert, now: Instant) {
        if self.parameters.version == Version::V3 {
            self.active_adver_interval = advert.interval;
        }
        self.heard.latest = self.heard.latest.max(now);
        self.heard.is_willing = false;
        self.heard.accepted = Some(advert);
        self.heard.active_router = Some(advert.source);
        self.heard.take_over = Cause::ActiveDownTimer;
        self.timers.set(Timer::ActiveDown, self.heard.latest + self.active_down_interval());
    }

    /// Active_Down_Timer keeps running: that is how a Backup preempts.
    fn discard(&mut self, advert: Advert) {
        self.heard.discarded = Some(advert);
        self.heard.take_over = Cause::Preemption;
    }

    /// Whether an advert of a lower priority, heard at `now`, is discarded. The first one starts
    /// `preempt_delay`, and until its end they are accepted. The owner waits for nothing
    /// (RFC 9568 6.1, Preempt_Mode).
    fn preempts(&mut self, now: Instant) -> bool {
        let parameters = &self.parameters;
        if parameters.priority.is_owner() {
            return true;
        }
        if !parameters.preempt || parameters.preempt_delay.is_zero() {
            return parameters.preempt;
        }
        if self.timers.expired(Timer::PreemptDelay, now).is_some() {
            self.end_preempt_delay();
        } else if !self.heard.preempt_due && !self.timers.runs(Timer::PreemptDelay) {
            self.timers.set(Timer::PreemptDelay, now + parameters.preempt_delay);
        }
        self.heard.preempt_due
    }

    /// From now on the Active router of a lower priority is discarded; Active_Down_Timer still runs
    /// from its last accepted advert.
    fn end_preempt_delay(&mut self) {
        self.timers.stop(Timer::PreemptDelay);
        self.heard.preempt_due = true;
        if let Some(advert) = self.heard.accepted.take() {
            self.discard(advert);
        }
    }

    /// Somebody at least as good is heard. The next advert of a lower priority starts the delay
    /// anew, so it is news.
    fn cancel_preempt_delay(&mut self) {
        self.timers.stop(Timer::PreemptDelay);
        if self.heard.preempt_due {
            self.heard.preempt_due = false;
            self.heard.discarded = None;
        }
    }

    /// RFC 9568 6.4.3: "if the Adver_Timer fires". Adverts are phase-locked: a late one does not
    /// shift the next, and those that were missed are left out.
    fn adver_timer(&mut self, now: Instant, actions: &mut Actions) {
        let Some(deadline) = self.timers.expired(Timer::Adver, now) else {
            return;
        };
        if self.is_overdue(now) {
            return self.step_down(Cause::Overdue, now, actions);
        }
        let interval = self.parameters.interval.duration();
        self.advertise(actions);
        if now.since(deadline) + interval >= self.patience() {
            actions.push(Action::Announce(Announce::Silence));
        }
        self.timers.set(Timer::Adver, deadline.next_beat(interval, now));
    }

    /// True when an Active whose Adver_Timer expires at `now` goes to Backup instead of sending an
    /// advert: nothing was sent for so long that another router must have taken over, and would be
    /// deposed (keepalived `timer_expired_backup`).
    pub fn is_overdue(&self, now: Instant) -> bool {
        let Parameters { preempt, priority, interval, down_timer_adverts, .. } = self.parameters;
        let Some(deadline) = self.timers.expired(Timer::Adver, now) else { return false };
        let Some(other) = self.parameters.other_priority else { return false };
        let interval = interval.duration();
        let silence = interval + now.since(deadline);
        let patience = interval * u32::from(down_timer_adverts) + self.skew(interval, other);
        !preempt && !priority.is_owner() && silence > patience
    }

    /// How long no advert may leave here before a Backup with the same `down_timer_adverts` takes over,
    /// Skew_Time left out.
    fn patience(&self) -> Duration {
        // One that is late by less than an interval is no silence, whatever is configured.
        let adverts = self.parameters.down_timer_adverts.max(2);
        self.parameters.interval.duration() * adverts.into()
    }

    /// RFC 9568 6.4.3: "if an ADVERTISEMENT is received". Preempt_Mode plays no part here. The owner
    /// takes part like everybody (erratum 8298, and keepalived): of two owners the one with the
    /// lower address yields.
    fn active_advert(&mut self, advert: Advert, now: Instant, actions: &mut Actions) {
        let own = (self.parameters.priority, self.parameters.source);
        if advert.priority.is_resign() {
            self.answer_resignation(now, actions);
        } else if advert.priority > own.0 {
            self.yield_to(advert, Cause::HigherPriority, now, actions);
        } else if (advert.priority, advert.source) > own {
            // `IpAddr` compares as an unsigned number in network byte order.
            self.yield_to(advert, Cause::EqualPriorityHigherAddress, now, actions);
        } else {
            self.answer_losing_advert(now, actions);
        }
    }

    /// The Backups who heard the same priority 0 count down their Skew_Time: an advert at once, and
    /// Adver_Timer from now. Beyond the limit the regular adverts go on undisturbed.
    fn answer_resignation(&mut self, now: Instant, actions: &mut Actions) {
        let interval = self.parameters.interval.duration();
        if self.resign_answers.allows(now, interval / ANSWERS_IN_A_ROW.into()) {
            self.advertise(actions);
            self.timers.set(Timer::Adver, now + interval);
        }
    }

    /// RFC 9568 answers at once to convince the sender, in v2 keepalived does too (RFC 3768 is
    /// silent, as with `lower_prio_no_advert`). Adver_Timer is not restarted: 6.4.3 says so for
    /// priority 0 only.
    fn answer_losing_advert(&mut self, now: Instant, actions: &mut Actions) {
        let interval = self.parameters.interval.duration();
        let is_answered = !self.parameters.lower_prio_no_advert;
        if is_answered && self.losing_answers.allows(now, interval * ANSWERS_IN_A_ROW.into()) {
            self.advertise(actions);
        }
        self.announce_again(now, actions);
    }

    fn announce_again(&mut self, now: Instant, actions: &mut Actions) {
        let period = self.parameters.interval.duration().max(ANNOUNCEMENT_PERIOD);
        if self.losing_announcements.allows(now, period) {
            actions.push(Action::Announce(Announce::LosingAdvert));
        }
    }

    /// The last advert of `higher_prio_send_advert` apart, nothing is sent, in particular no
    /// priority 0: the other Backups have heard the better router too.
    fn yield_to(&mut self, advert: Advert, cause: Cause, now: Instant, actions: &mut Actions) {
        if self.parameters.higher_prio_send_advert {
            self.advertise(actions);
        }
        actions.push(Action::Close);
        self.become_backup(cause, now, actions);
        self.accept(advert, now);
        actions.push(Action::RemoveAddresses);
    }

    /// Not even the last advert of `higher_prio_send_advert` is sent. Who else is there, and how often
    /// he advertises, this member has not heard.
    fn follow_down(&mut self, place: u8, now: Instant, actions: &mut Actions) {
        self.step_down(Cause::SyncGroup, now, actions);
        self.wait_longer(place);
    }

    /// To Backup without having heard of a better router.
    fn step_down(&mut self, cause: Cause, now: Instant, actions: &mut Actions) {
        self.active_adver_interval = self.parameters.interval;
        actions.push(Action::Close);
        self.become_backup(cause, now, actions);
        actions.push(Action::RemoveAddresses);
    }

    /// Until the next advert that counts.
    fn wait_longer(&mut self, place: u8) {
        let more = self.active_adver_interval() / (u32::from(place) + 1);
        let wait = self.active_down_interval() + more;
        self.timers.set(Timer::ActiveDown, self.heard.latest + wait);
    }

    /// An owner waits for nobody but its sync group: Active_Down_Timer fires at once.
    fn start_as_held_owner(&mut self, now: Instant, actions: &mut Actions) {
        self.become_backup(Cause::Startup, now, actions);
        self.heard.take_over = Cause::OwnerStartup;
        self.timers.set(Timer::ActiveDown, now);
    }

    /// The advert first, since it deposes the others, and Adver_Timer by the own interval, whatever
    /// was learned before.
    fn become_active(&mut self, cause: Cause, now: Instant, actions: &mut Actions) {
        self.heard = Heard::nothing(now);
        self.timers = Timers::new();
        self.timers.set(Timer::Adver, now + self.parameters.interval.duration());
        self.advertise(actions);
        actions.push(Action::Open);
        self.transition(State::Active, cause, actions);
        actions.extend([Action::AddAddresses, Action::Announce(Announce::TakeOver)]);
    }

    fn become_backup(&mut self, cause: Cause, now: Instant, actions: &mut Actions) {
        self.heard = Heard::nothing(now);
        self.timers = Timers::new();
        self.timers.set(Timer::ActiveDown, now + self.active_down_interval());
        self.transition(State::Backup, cause, actions);
    }

    /// To Initialize, where no timer runs.
    fn leave(&mut self, cause: Cause, actions: &mut Actions) {
        self.heard.judge_afresh();
        self.timers = Timers::new();
        self.transition(State::Initialize, cause, actions);
    }

    fn transition(&mut self, to: State, cause: Cause, actions: &mut Actions) {
        actions.push(Action::Transition { from: self.state, to, cause });
        self.state = to;
    }

    fn advertise(&self, actions: &mut Actions) {
        actions.push(Action::Advertise { priority: self.parameters.priority });
    }

    /// A lowered priority is advertised at once, so that a better Backup starts to count now; a
    /// raised one waits for the next regular advert. A running Active_Down_Timer stays as it is.
    fn change_priority(&mut self, priority: Priority, actions: &mut Actions) {
        let lowered = priority < self.parameters.priority;
        if priority != self.parameters.priority {
            self.heard.judge_afresh();
        }
        self.parameters.priority = priority;
        if lowered && self.state == State::Active {
            self.advertise(actions);
        }
    }

    /// No transition comes of it by itself. What is heard next is compared with what holds now.
    fn change_parameters(&mut self, new: Parameters, now: Instant, actions: &mut Actions) {
        let old = self.parameters;
        self.change_priority(new.priority, actions);
        self.parameters = new;
        self.heard.judge_afresh();
        match self.state {
            State::Initialize => self.active_adver_interval = new.interval,
            State::Backup => self.count_down_anew(&old),
            State::Active => self.bring_forward_advert(&old, now),
        }
        let preemption = |of: &Parameters| (of.preempt, of.preempt_delay);
        if preemption(&old) != preemption(&new) {
            self.cancel_preempt_delay();
        }
    }

    /// As Backup: what was learned of the Active router stays, and what follows from our own
    /// configuration counts from when it was last heard.
    fn count_down_anew(&mut self, old: &Parameters) {
        let new = self.parameters;
        let has_learned = new.version == Version::V3 && self.heard.active_router.is_some();
        if !has_learned {
            self.active_adver_interval = new.interval;
        }
        let patience = |of: &Parameters| (of.interval, of.down_timer_adverts);
        if patience(old) != patience(&new) && self.timers.runs(Timer::ActiveDown) {
            let wait = match self.heard.take_over {
                Cause::Resignation => self.skew_time(),
                _ => self.active_down_interval(),
            };
            self.timers.set(Timer::ActiveDown, self.heard.latest + wait);
        }
    }

    /// As Active: the next advert comes when the last one has promised it, or as early as those after
    /// it will.
    fn bring_forward_advert(&mut self, old: &Parameters, now: Instant) {
        let interval = self.parameters.interval;
        if interval < old.interval {
            self.timers.bring_forward(Timer::Adver, now + interval.duration());
        }
    }

    fn change_source(&mut self, source: IpAddr) {
        self.heard.judge_afresh();
        self.parameters.source = source;
    }
}
