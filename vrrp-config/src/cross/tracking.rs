//! Trackers: weights that change nothing, or less than it seems, and scripts in their own way.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
};

use crate::{
    Config, Instance, TrackLists, Tracked, Weight, code, diagnostic::Findings, parser::Statement,
    references::Kind, tracking,
};

/// Priorities that trackers can make (RFC 9568 5.2.4): nobody but the owner has 255, and 0 resigns.
const REACH: RangeInclusive<i32> = 1..=254;

/// Blocks that track something.
const USERS: [&str; 2] = ["vrrp_instance", "vrrp_sync_group"];

pub(super) fn check(tree: &[Statement], config: &Config, findings: &mut Findings) {
    report_unused(tree, config, findings);
    report_long_timeouts(config, findings);
    let weights = Weights::new(config);
    for instance in &config.instances {
        if let Some(weighted) = weights.of(instance).next() {
            report_nopreempt(instance, weighted, findings);
            report_clamped(&weights, instance, findings);
        }
    }
}

/// What changes priorities in one file.
pub(crate) struct Weights<'a> {
    /// What groups track, by the names of their members.
    groups: HashMap<&'a str, &'a TrackLists>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        let members = config.sync_groups.iter().flat_map(|group| {
            group.members.iter().map(|member| (member.as_str(), &group.tracking))
        });
        Self { groups: members.collect() }
    }

    /// What changes the priority of a virtual router, itself or through its group.
    pub(crate) fn of(&self, instance: &'a Instance) -> impl Iterator<Item = &'a Tracked> {
        self.lists(instance)
            .flat_map(|tracking| limited(tracking).chain(&tracking.files))
            .filter(|tracked| !instance.priority.is_owner() && tracked.weight.points() != 0)
    }

    /// Between which priorities trackers can move a virtual router. A file may hold any number.
    pub(crate) fn reach(&self, instance: &'a Instance) -> RangeInclusive<u8> {
        let base = instance.priority.get();
        if instance.priority.is_owner() {
            return base..=base;
        }
        let has_file =
            |tracking: &TrackLists| tracking.files.iter().any(|file| file.weight.points() != 0);
        let (least, most) = if self.lists(instance).any(has_file) {
            (*REACH.start(), *REACH.end())
        } else {
            self.sums(instance)
        };
        let clamp = |priority: i32| {
            u8::try_from(priority.clamp(*REACH.start(), *REACH.end())).unwrap_or(base)
        };
        clamp(least)..=clamp(most)
    }

    /// The same without limits and without files.
    fn sums(&self, instance: &'a Instance) -> (i32, i32) {
        let base = i32::from(instance.priority.get());
        let points = self.lists(instance).flat_map(limited).map(|tracked| points(tracked.weight));
        points.fold((base, base), |(least, most), points| {
            (least.saturating_add(points.min(0)), most.saturating_add(points.max(0)))
        })
    }

    fn lists(&self, instance: &'a Instance) -> impl Iterator<Item = &'a TrackLists> {
        self.groups.get(instance.name.as_str()).copied().into_iter().chain([&instance.tracking])
    }
}

fn points(weight: Weight) -> i32 {
    let points = i32::from(weight.points());
    if weight.is_reversed() { -points } else { points }
}

/// All but files, each of which is up or down.
fn limited(tracking: &TrackLists) -> impl Iterator<Item = &Tracked> {
    let TrackLists { interfaces, scripts, processes, bfds, files: _ } = tracking;
    interfaces.iter().chain(scripts).chain(processes).chain(bfds)
}

/// A Backup with nopreempt leaves any Active router alone, however low its priority has become.
fn report_nopreempt(instance: &Instance, weighted: &Tracked, findings: &mut Findings) {
    let line = instance.places.of("nopreempt");
    let Some(span) = line.filter(|_| !instance.preempt) else {
        return;
    };
    let message = format!("`nopreempt`: weights do not make `{}` take over", instance.name);
    findings.report(code::NOPREEMPT_WEIGHT, span, message).also(weighted.span, "a weight").help(
        "with nopreempt on all nodes a failure moves nothing while the MASTER lives: without a \
             weight it makes FAULT, and another node takes over",
    );
}

fn report_clamped<'a>(weights: &Weights<'a>, instance: &'a Instance, findings: &mut Findings) {
    let (least, most) = weights.sums(instance);
    let (sum, used) = if most > *REACH.end() {
        (most, REACH.end())
    } else if least < *REACH.start() {
        (least, REACH.start())
    } else {
        return;
    };
    let span = instance.places.of("priority").unwrap_or(instance.span.into());
    let message = format!(
        "`{}`: priority {} and its weights may come to {sum}",
        instance.name, instance.priority
    );
    findings
        .report(code::CLAMPED, span, message)
        .help(format!("{used} is used then, and what is beyond it makes no difference"));
}

/// Trackers that no list names. Lists are looked at as they are written: a repair may have taken a name
/// out of one.
fn report_unused(tree: &[Statement], config: &Config, findings: &mut Findings) {
    // What has no virtual routers is to be included by something that has.
    if config.instances.is_empty() {
        return;
    }
    let users = tree.iter().filter(|user| USERS.contains(&user.keyword()));
    let used: HashSet<(Kind, &str)> = users.flat_map(Statement::inner).flat_map(names).collect();
    let scripts = config.scripts.iter().map(|own| (Kind::Script, &own.name, own.span));
    let files = config.track_files.iter().map(|own| (Kind::File, &own.name, own.span));
    let processes = config.track_processes.iter().map(|own| (Kind::Process, &own.name, own.span));
    let all = scripts.chain(files).chain(processes);
    for (kind, name, span) in all.filter(|(kind, name, _)| !used.contains(&(*kind, name.as_str())))
    {
        let message = format!("`{name}` is tracked by no virtual router");
        let list = tracking::list_of(kind);
        findings
            .report(code::UNUSED, span, message)
            .help(format!("name it in a vrrp_instance: `{list} {{ {name} }}`"));
    }
}

/// The names in a list of trackers.
fn names(list: &Statement) -> impl Iterator<Item = (Kind, &str)> {
    let names = list.inner().iter().filter_map(|line| line.words.first());
    let kind = tracking::kind_of(list.keyword());
    names.filter_map(move |name| Some((kind?, name.text.as_str())))
}

/// A run that is due while the one before is still running is left out, or makes that a failure.
fn report_long_timeouts(config: &Config, findings: &mut Findings) {
    for script in config.scripts.iter().filter(|script| script.timeout > script.interval) {
        let message = format!(
            "`{}` may take {} s, but is to run every {} s",
            script.name,
            script.timeout.as_secs_f64(),
            script.interval.as_secs_f64()
        );
        findings.report(code::LONG_TIMEOUT, script.span, message).help(
            "keepalived leaves out runs that are due meanwhile; xvrrp takes a run that goes on so long for a failure",
        );
    }
}
