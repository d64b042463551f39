//! The history of a run in words.

use std::fmt::Write;

use vrrp_common::Priority;
use xvrrp::election::{Action, Advert, Announce, Event, Instant, Parameters, State};

/// How many lines before the end tell what went wrong.
const TAIL: usize = 60;

/// Lines in the order of events; none are made unless they are wanted, which is most of the speed.
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
    start: Instant,
}

impl Trace {
    pub(crate) fn new(is_wanted: bool, start: Instant) -> Self {
        Self { lines: is_wanted.then(Vec::new), start }
    }

    /// Notes what happened at `now`.
    pub(crate) fn note(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.6}  {}", now.since(self.start).as_secs_f64(), line()));
        }
    }

    pub(crate) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> &[String] {
        let lines = self.lines();
        &lines[lines.len().saturating_sub(TAIL)..]
    }
}

/// `r1 Backup   hears 150 of 10.0.0.2 every 1s        -> advert 100, ...`
pub(crate) fn step(index: usize, before: State, event: Event, actions: &[Action]) -> String {
    let mut line = format!("r{index} {:<10} {:<44}", format!("{before:?}"), happening(event));
    for (n, action) in actions.iter().enumerate() {
        let _ = write!(line, "{} {}", if n == 0 { " ->" } else { "," }, deed(*action));
    }
    line.truncate(line.trim_end().len());
    line
}

/// What an advert says.
pub(crate) fn content(advert: Advert) -> String {
    let Advert { source, priority, interval } = advert;
    format!("{} of {source} every {:?}", priority.get(), interval.duration())
}

/// One router's configuration.
pub(crate) fn configuration(index: usize, own: &Parameters, absorbs: bool) -> String {
    let mut line = format!(
        "r{index} {} {:?} priority {} every {:?}, dead after {} adverts",
        own.source,
        own.version,
        own.priority.get(),
        own.interval.duration(),
        own.down_timer_adverts
    );
    if !own.preempt_delay.is_zero() {
        let _ = write!(line, ", preempt_delay {:?}", own.preempt_delay);
    }
    for (is_set, keyword) in [
        (!own.preempt, "nopreempt"),
        (own.lower_prio_no_advert, "lower_prio_no_advert"),
        (own.higher_prio_send_advert, "higher_prio_send_advert"),
        (absorbs, "absorbs repetitions"),
    ] {
        if is_set {
            let _ = write!(line, ", {keyword}");
        }
    }
    line
}

fn happening(event: Event) -> String {
    match event {
        Event::Startup => "starts".to_owned(),
        Event::Resume => "goes on where it was".to_owned(),
        Event::Shutdown => "stops".to_owned(),
        Event::Advert(advert) => format!("hears {}", content(advert)),
        Event::Repeat => "learns of the repetitions".to_owned(),
        Event::Timer => "wakes to a deadline".to_owned(),
        Event::Priority(priority) => format!("has priority {} from now on", priority.get()),
        Event::TakeOver => "takes over with its group".to_owned(),
        Event::FollowDown { .. } => "goes down with its group".to_owned(),
        Event::Disturbed => "learns that its group was disturbed".to_owned(),
        Event::Source(source) => format!("has the address {source} from now on"),
        Event::Parameters(parameters) => format!("is {parameters:?} from now on"),
    }
}

fn deed(action: Action) -> String {
    match action {
        Action::Advertise { priority: Priority::RESIGN } => "resigns".to_owned(),
        Action::Advertise { priority } => format!("advert {}", priority.get()),
        Action::Open => "opens".to_owned(),
        Action::Close => "closes".to_owned(),
        Action::AddAddresses => "adds addresses".to_owned(),
        Action::RemoveAddresses => "removes addresses".to_owned(),
        Action::Announce(Announce::TakeOver) => "announces".to_owned(),
        Action::Announce(Announce::LosingAdvert) => "announces again".to_owned(),
        Action::Announce(Announce::Silence) => "announces after a silence".to_owned(),
        Action::Ask => "asks its group".to_owned(),
        Action::Transition { to, cause, .. } => format!("is {to:?} ({cause:?})"),
    }
}
