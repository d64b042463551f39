//! What follows for a virtual router from all that it tracks: its effective priority, and why it is in
//! FAULT. The rules are those of keepalived 2.2.7, tried out where its manual says nothing.
//!
//! | tracked | weight 0 | weight above 0 | below 0 |
//! |---|---|---|---|
//! | interface, script, process | FAULT while down | added while up | taken away while down |
//! | file | FAULT while its number is not 0 | number x weight is added; -254 and less is FAULT | likewise |
//!
//! `reverse` changes the sign of what is added or taken away; of weight 0 it makes up FAULT, and down
//! none. The sum is kept in 1 to 254. The owner of the addresses stays at 255.

use std::collections::HashMap;

use vrrp_common::Priority;

use super::{TrackerId, Value};
use crate::config::{Config, Instance, TrackLists, Tracked, Weight};

/// A number in a file that takes so much is FAULT instead.
const FAULT_OF_FILES: i64 = -254;
/// The most that a file can add.
const MOST_OF_FILES: i64 = 253;

/// Something that is tracked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An interface, by its name.
    Interface(String),
    /// Whatever else.
    Tracker(TrackerId),
}

/// All that one virtual router tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scales {
    base: Priority,
    loads: Vec<Load>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Load {
    subject: Subject,
    /// Its name for messages, `script chk_nginx`.
    name: String,
    weight: Weight,
}

/// What follows from the values of all that is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Effective priority: 1-254, or the owner's 255.
    pub priority: Priority,
    /// Why the virtual router may not take part: keepalived's FAULT.
    pub fault: Option<String>,
    /// Why it is not known yet whether it may. Who takes part already goes on.
    pub wait: Option<String>,
    /// What each line contributes.
    shares: Vec<Share>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Share {
    Points(i64),
    Fault,
    Wait,
}

/// The numbers of everything that has a name, as [`TrackerId`] has them.
#[derive(Clone, Debug, Default)]
pub struct Names<'a> {
    scripts: HashMap<&'a str, usize>,
    files: HashMap<&'a str, usize>,
    processes: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    /// Of all that the configuration defines.
    pub fn new(config: &'a Config) -> Self {
        fn numbered<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<&'a str, usize> {
            names.enumerate().map(|(index, name)| (name.as_str(), index)).collect()
        }
        Self {
            scripts: numbered(config.scripts.iter().map(|script| &script.name)),
            files: numbered(config.track_files.iter().map(|file| &file.name)),
            processes: numbered(config.track_processes.iter().map(|process| &process.name)),
        }
    }
}

impl Scales {
    /// All that `instance` tracks, alone and with its group. What both name counts as the virtual
    /// router's own line has it.
    pub fn new(instance: &Instance, group: Option<&TrackLists>, names: &Names<'_>) -> Self {
        let own = loads(&instance.tracking, names);
        let mut common = group.map(|lists| loads(lists, names)).unwrap_or_default();
        common.retain(|load| own.iter().all(|own| own.subject != load.subject));
        Self { base: instance.priority, loads: own.into_iter().chain(common).collect() }
    }

    /// Everything on them.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.loads.iter().map(|load| &load.subject)
    }

    /// What follows if everything is as `value_of` says.
    pub fn weigh<'a>(&self, value_of: impl Fn(&Subject) -> &'a Value) -> Verdict {
        let values: Vec<_> = self.loads.iter().map(|load| value_of(&load.subject)).collect();
        let shares: Vec<_> =
            self.loads.iter().zip(&values).map(|(load, value)| share(load.weight, value)).collect();
        let points: i64 = shares.iter().map(Share::points).sum();
        let described = |wanted: &Share| {
            let all = self.loads.iter().zip(&values).zip(&shares);
            let those = all.filter(|(_, share)| *share == wanted);
            let words: Vec<_> = those.map(|((load, value), _)| load.describe(value)).collect();
            (!words.is_empty()).then(|| words.join(", "))
        };
        Verdict {
            priority: self.priority(points),
            fault: described(&Share::Fault),
            wait: described(&Share::Wait),
            shares,
        }
    }

    /// Why the priority is another one than before, in words: the lines that contribute something
    /// else now.
    pub fn reason<'a>(
        &self,
        before: &Verdict,
        after: &Verdict,
        value_of: impl Fn(&Subject) -> &'a Value,
    ) -> String {
        let shares = before.shares.iter().zip(&after.shares);
        let changed = self.loads.iter().zip(shares).filter(|(_, (before, after))| before != after);
        let words: Vec<_> =
            changed.map(|(load, _)| load.describe(value_of(&load.subject))).collect();
        words.join(", ")
    }

    fn priority(&self, points: i64) -> Priority {
        if self.base.is_owner() {
            return self.base;
        }
        let sum = (i64::from(self.base.get()) + points).clamp(1, 254);
        u8::try_from(sum).map_or(self.base, Priority::new)
    }
}

impl Share {
    const fn points(&self) -> i64 {
        match self {
            Self::Points(points) => *points,
            Self::Fault | Self::Wait => 0,
        }
    }
}

impl Load {
    fn describe(&self, value: &Value) -> String {
        let name = &self.name;
        match (&self.subject, value) {
            (Subject::Tracker(TrackerId::Script(_)), Value::Unknown | Value::Late) => {
                format!("{name} has not run yet")
            }
            (_, Value::Unknown | Value::Late) => format!("{name} has not been looked at yet"),
            (Subject::Tracker(TrackerId::Script(_)), Value::Up) => format!("{name} succeeded"),
            (Subject::Tracker(TrackerId::Process(_)), Value::Up) => format!("{name} is running"),
            (_, Value::Up) => format!("{name} is up"),
            (Subject::Tracker(TrackerId::Script(_)), Value::Down(why) | Value::Presumed(why)) => {
                format!("{name} failed: {why}")
            }
            (Subject::Interface(_), Value::Down(why)) => format!("{name} {why}"),
            (_, Value::Down(why) | Value::Presumed(why)) => format!("{name}: {why}"),
            (_, Value::Untracked) => format!("{name} is not tracked"),
            (_, Value::Number(number)) => format!("{name} has the value {number}"),
        }
    }
}

fn loads(lists: &TrackLists, names: &Names<'_>) -> Vec<Load> {
    let load = |subject, kind: &str, tracked: &Tracked| Load {
        subject,
        name: format!("{kind} {}", tracked.name),
        weight: tracked.weight,
    };
    let interfaces = lists
        .interfaces
        .iter()
        .map(|tracked| load(Subject::Interface(tracked.name.clone()), "interface", tracked));
    let scripts = lists.scripts.iter().filter_map(|tracked| {
        let id = TrackerId::Script(*names.scripts.get(tracked.name.as_str())?);
        Some(load(Subject::Tracker(id), "script", tracked))
    });
    let files = lists.files.iter().filter_map(|tracked| {
        let id = TrackerId::File(*names.files.get(tracked.name.as_str())?);
        Some(load(Subject::Tracker(id), "file", tracked))
    });
    let processes = lists.processes.iter().filter_map(|tracked| {
        let id = TrackerId::Process(*names.processes.get(tracked.name.as_str())?);
        Some(load(Subject::Tracker(id), "process", tracked))
    });
    interfaces.chain(scripts).chain(files).chain(processes).collect()
}

fn share(weight: Weight, value: &Value) -> Share {
    let points = i64::from(weight.points());
    let sign = if weight.is_reversed() { -1 } else { 1 };
    match value {
        Value::Unknown if points == 0 => Share::Wait,
        Value::Unknown | Value::Late | Value::Untracked => Share::Points(0),
        Value::Up if points == 0 => fault_if(weight.is_reversed()),
        Value::Up => Share::Points(points.max(0) * sign),
        Value::Down(_) | Value::Presumed(_) if points == 0 => fault_if(!weight.is_reversed()),
        Value::Down(_) | Value::Presumed(_) => Share::Points(points.min(0) * sign),
        Value::Number(number) if points == 0 => fault_if((*number != 0) != weight.is_reversed()),
        Value::Number(number) => {
            let product = i64::from(*number) * points * sign;
            if product <= FAULT_OF_FILES {
                Share::Fault
            } else {
                Share::Points(product.min(MOST_OF_FILES))
            }
        }
    }
}

const fn fault_if(is_fault: bool) -> Share {
    if is_fault { Share::Fault } else { Share::Points(0) }
}

#[cfg(test)]
#[path = "weigh_tests.rs"]
mod tests;
