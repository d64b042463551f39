//! `track_interface`, `track_script`, `track_file`, `track_process`, `track_bfd` of virtual routers and
//! groups.

use super::{
    TrackLists, Tracked, Weight, address, code,
    diagnostic::Findings,
    parser::{Statement, span_of},
    references::{Kind, Names},
    trackers::{MAX_WEIGHT, MAX_WEIGHT_OF_FILES, Trackers, weight},
};

/// What names in a list can refer to, and where the list stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) names: &'a Names,
    pub(super) trackers: &'a Trackers,
    /// The virtual router or group.
    pub(super) user: (Kind, &'a str),
}

/// Reads one list if `list` is one.
pub(super) fn read(
    list: &Statement,
    tracking: &mut TrackLists,
    context: Context<'_>,
    findings: &mut Findings,
) {
    let (entries, kind, most) = match list.keyword() {
        "track_interface" => (&mut tracking.interfaces, None, MAX_WEIGHT),
        "track_script" => (&mut tracking.scripts, Some(Kind::Script), MAX_WEIGHT),
        "track_file" => (&mut tracking.files, Some(Kind::File), MAX_WEIGHT_OF_FILES),
        "track_process" => (&mut tracking.processes, Some(Kind::Process), MAX_WEIGHT_OF_FILES),
        "track_bfd" => (&mut tracking.bfds, Some(Kind::Bfd), MAX_WEIGHT),
        _ => return,
    };
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
            Some(kind) => context.trackers.weight(kind, &name.text),
            None => Some(Weight::default()),
        };
        let Some(default) = default.filter(|_| known) else {
            continue;
        };
        if entries.iter().any(|other| other.name == name.text) {
            let message = format!("`{}` stands in {} already", name.text, list.keyword());
            findings.report(code::TRACKED_TWICE, name.span, message).help("this line is ignored");
            continue;
        }
        if let Some(weight) = entry_weight(line, list.keyword(), default, most, findings) {
            entries.push(Tracked { name: name.text.clone(), weight, span: line.span().into() });
        }
    }
}

/// `NAME [weight POINTS [reverse|noreverse]]`; `None`: the line cannot be used.
fn entry_weight(
    line: &Statement,
    list: &str,
    default: Weight,
    most: i64,
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
    Some(weight(points, behind, most, default, findings).unwrap_or(default))
}

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

    /// Takes out the interface of the virtual router itself, which is tracked without being named.
    pub(super) fn leave_out_own(&mut self, interface: &str, findings: &mut Findings) {
        self.interfaces.retain(|tracked| {
            let own = tracked.name == interface;
            if own {
                let message =
                    format!("`{interface}` is the interface of the virtual router itself");
                findings
                    .report(code::OWN_INTERFACE, tracked.span, message)
                    .help("remove the line: it is always tracked");
            }
            !own
        });
    }

    /// The owner's priority never changes: as in keepalived it tracks nothing that has a weight, and
    /// files without theirs. Processes and their weights stay, without effect.
    pub(super) fn repair_for_owner(&mut self, findings: &mut Findings) {
        let why = "priority 255 never changes";
        for list in [&mut self.interfaces, &mut self.scripts, &mut self.bfds] {
            drop_weighted(list, why, findings);
        }
        clear_weights(&mut self.files, why, findings);
    }

    /// Members of a group have no weights of their own, as their priorities would drift apart.
    pub(super) fn repair_for_member(&mut self, findings: &mut Findings) {
        let why = "members of a vrrp_sync_group have no weights of their own";
        clear_weights(&mut self.interfaces, why, findings);
        for list in [&mut self.scripts, &mut self.files, &mut self.bfds] {
            drop_weighted(list, why, findings);
        }
    }

    /// A group whose members include an owner.
    pub(super) fn repair_for_owned_group(&mut self, findings: &mut Findings) {
        for list in self.lists_mut() {
            clear_weights(list, "a member of the group has priority 255", findings);
        }
    }

    /// What the group tracks its members need not track, nor the interface that they have anyway.
    pub(super) fn leave_out_common(&mut self, group: &Self, findings: &mut Findings) {
        for (own, (_, common)) in self.lists_mut().into_iter().zip(group.lists()) {
            own.retain(|tracked| {
                let twice = common.iter().any(|other| other.name == tracked.name);
                if twice {
                    let message = format!("`{}` is tracked by the group, too", tracked.name);
                    findings
                        .report(code::TRACKED_BY_GROUP, tracked.span, message)
                        .help("the group's line counts: remove this one");
                }
                !twice
            });
        }
    }
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

fn clear_weights(list: &mut [Tracked], why: &str, findings: &mut Findings) {
    for tracked in list.iter_mut().filter(|tracked| tracked.weight.points() != 0) {
        let message = format!("`{}` has a weight: {why}", tracked.name);
        findings
            .report(code::WEIGHT_DROPPED, tracked.span, message)
            .help("`weight 0` is used: while it is down, so is everything that tracks it");
        tracked.weight = Weight::default();
    }
}
