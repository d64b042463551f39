//! `track_interface`, `track_script`, `track_file`, `track_process`, `track_bfd` of virtual routers and
//! groups.

use std::collections::{HashMap, HashSet};

use super::{
    TrackLists, Tracked, Weight, address, code,
    diagnostic::{self, Findings},
    parser::{Statement, span_of},
    references::{Kind, Names},
    trackers::{DEFAULT_OF_FILES, Weights, weight},
};

/// What names in a list can refer to, and where the list stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) names: &'a Names,
    pub(super) weights: &'a Weights<'a>,
    /// The virtual router or group.
    pub(super) user: (Kind, &'a str),
}

/// The lists with names of what other blocks define.
const LISTS: [(&str, Kind); 4] = [
    ("track_script", Kind::Script),
    ("track_file", Kind::File),
    ("track_process", Kind::Process),
    ("track_bfd", Kind::Bfd),
];

/// What the names in a list stand for; `None` for interfaces, and for what is no list.
pub(super) fn kind_of(list: &str) -> Option<Kind> {
    LISTS.iter().find(|(name, _)| *name == list).map(|(_, kind)| *kind)
}

/// The list with names of such a kind.
pub(super) fn list_of(kind: Kind) -> &'static str {
    LISTS.iter().find(|(_, own)| *own == kind).map_or("", |(name, _)| name)
}

/// The lists of a virtual router or group while they are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) lists: TrackLists,
    /// The names in each list.
    names: HashMap<&'static str, HashSet<String>>,
}

/// Reads one list if `list` is one.
pub(super) fn read(
    list: &Statement,
    draft: &mut Draft,
    context: Context<'_>,
    findings: &mut Findings,
) {
    let tracking = &mut draft.lists;
    let (keyword, entries) = match list.keyword() {
        "track_interface" => ("track_interface", &mut tracking.interfaces),
        "track_script" => ("track_script", &mut tracking.scripts),
        "track_file" => ("track_file", &mut tracking.files),
        "track_process" => ("track_process", &mut tracking.processes),
        "track_bfd" => ("track_bfd", &mut tracking.bfds),
        _ => return,
    };
    let kind = kind_of(keyword);
    let names = draft.names.entry(keyword).or_default();
    for line in list.inner() {
        let Some(name) = line.words.first() else {
            continue;
        };
        let known = match kind {
            Some(kind) => {
                context.names.is_known(name, kind, list.keyword(), context.user, findings)
            }
            None => address::interface(name, findings).is_some(),
        };
        let default = match kind {
            Some(kind) => context.weights.of(kind, &name.text),
            None => Some(Weight::default()),
        };
        let Some(default) = default.filter(|_| known) else {
            continue;
        };
        if names.contains(&name.text) {
            let message = format!("`{}` stands in {} already", name.text, list.keyword());
            findings.report(code::TRACKED_TWICE, name.span, message).help("this line is ignored");
            continue;
        }
        if let Some(weight) = entry_weight(line, keyword, default, findings) {
            names.insert(name.text.clone());
            entries.push(Tracked { name: name.text.clone(), weight, span: line.span().into() });
        }
    }
}

/// `NAME [weight POINTS [reverse|noreverse]]`; `None`: the line cannot be used.
fn entry_weight(
    line: &Statement,
    list: &str,
    default: Weight,
    findings: &mut Findings,
) -> Option<Weight> {
    let Some((word, behind)) = line.arguments().split_first() else {
        return Some(default);
    };
    if word.text != "weight" {
        let message = format!("`{}` is no word of {list}", word.text);
        findings
            .report(code::UNKNOWN_WORD, span_of(line.arguments()), message)
            .help("`weight NUMBER` or nothing, one name on each line; this one is ignored");
        return None;
    }
    let Some((points, behind)) = behind.split_first() else {
        let message = "`weight` has no value; the line is ignored";
        findings.report(code::MISSING_VALUE, word.span, message);
        return None;
    };
    Some(weight(points, behind, kind_of(list), default, findings).unwrap_or(default))
}

/// The lines of [`TrackLists::lists`], in that order.
pub(super) type ByName<'a> = [HashMap<&'a str, &'a Tracked>; 5];

impl TrackLists {
    /// All lists, each with its keyword.
    pub(super) fn lists(&self) -> [(&'static str, &Vec<Tracked>); 5] {
        [
            ("track_interface", &self.interfaces),
            ("track_script", &self.scripts),
            ("track_file", &self.files),
            ("track_process", &self.processes),
            ("track_bfd", &self.bfds),
        ]
    }

    fn lists_mut(&mut self) -> [&mut Vec<Tracked>; 5] {
        [
            &mut self.interfaces,
            &mut self.scripts,
            &mut self.files,
            &mut self.processes,
            &mut self.bfds,
        ]
    }

    /// The lines of each of the lists by their names.
    pub(super) fn by_name(&self) -> ByName<'_> {
        self.lists().map(|(_, list)| list.iter().map(|own| (own.name.as_str(), own)).collect())
    }

    /// Takes out the interface of the virtual router itself, which is tracked without being named, or
    /// not at all if it is `ignored`.
    pub(super) fn leave_out_own(
        &mut self,
        interface: &str,
        ignored: bool,
        findings: &mut Findings,
    ) {
        let help = if ignored {
            "the line is ignored: to track it, remove `dont_track_primary`"
        } else {
            "remove the line: it is always tracked"
        };
        self.interfaces.retain(|tracked| {
            let own = tracked.name == interface;
            if own {
                let message =
                    format!("`{interface}` is the interface of the virtual router itself");
                findings.report(code::OWN_INTERFACE, tracked.span, message).help(help);
            }
            !own
        });
    }

    /// The owner's priority never changes: as in keepalived it tracks nothing that has a weight, except
    /// for files of the default weight. Processes and their weights stay, without effect.
    pub(super) fn repair_for_owner(&mut self, findings: &mut Findings) {
        let why = "priority 255 never changes";
        for list in [&mut self.interfaces, &mut self.scripts, &mut self.bfds] {
            drop_weighted(list, why, findings);
        }
        repair_files(&mut self.files, why, findings);
    }

    /// Members of a group have no weights of their own, as their priorities would drift apart.
    pub(super) fn repair_for_member(&mut self, findings: &mut Findings) {
        let why = "members of a vrrp_sync_group have no weights of their own";
        clear_weights(self.interfaces.iter_mut(), why, findings);
        for list in [&mut self.scripts, &mut self.bfds] {
            drop_weighted(list, why, findings);
        }
        repair_files(&mut self.files, why, findings);
    }

    /// A group whose members include an owner.
    pub(super) fn repair_for_owned_group(&mut self, findings: &mut Findings) {
        for list in self.lists_mut() {
            clear_weights(list.iter_mut(), "a member of the group has priority 255", findings);
        }
    }

    /// What the group tracks its members need not track. Its weight counts then, unless the member's
    /// line has none: that one stays.
    pub(super) fn leave_out_common(&mut self, group: &ByName<'_>, findings: &mut Findings) {
        let [interfaces, others @ ..] = self.lists_mut();
        let [of_group, others_of_group @ ..] = group;
        leave_out(interfaces, of_group, code::TRACKED_BY_GROUP, findings);
        for (own, common) in others.into_iter().zip(others_of_group) {
            leave_out(own, common, code::ALSO_TRACKED_BY_GROUP, findings);
        }
    }
}

/// Takes out of one list what the group has in its own one.
fn leave_out(
    own: &mut Vec<Tracked>,
    group: &HashMap<&str, &Tracked>,
    kind: diagnostic::Kind,
    findings: &mut Findings,
) {
    own.retain(|tracked| {
        let Some(common) = group.get(tracked.name.as_str()) else {
            return true;
        };
        let stays = tracked.weight.points() == 0 && common.weight.points() != 0;
        let message = format!("`{}` is tracked by the group, too", tracked.name);
        findings.report(kind, tracked.span, message).help(if stays {
            "it has no weight: for this virtual router the group's weight does not count"
        } else {
            "the group's line counts: remove this one"
        });
        stays
    });
}

fn drop_weighted(list: &mut Vec<Tracked>, why: &str, findings: &mut Findings) {
    list.retain(|tracked| {
        let weighted = tracked.weight.points() != 0;
        if weighted {
            let message = format!("`{}` has a weight: {why}", tracked.name);
            findings
                .report(code::WEIGHT_DROPPED, tracked.span, message)
                .help("it is not tracked at all; with `weight 0` it would decide about FAULT");
        }
        !weighted
    });
}

/// A file of the default weight decides about FAULT then, one of any other weight is not tracked.
fn repair_files(files: &mut Vec<Tracked>, why: &str, findings: &mut Findings) {
    let default = files.iter_mut().filter(|file| file.weight.points() == DEFAULT_OF_FILES);
    clear_weights(default, why, findings);
    drop_weighted(files, why, findings);
}

fn clear_weights<'a>(
    list: impl Iterator<Item = &'a mut Tracked>,
    why: &str,
    findings: &mut Findings,
) {
    for tracked in list.filter(|tracked| tracked.weight.points() != 0) {
        let message = format!("`{}` has a weight: {why}", tracked.name);
        findings
            .report(code::WEIGHT_DROPPED, tracked.span, message)
            .help("`weight 0` is used: while it is down, so is everything that tracks it");
        tracked.weight = Weight::default();
    }
}
