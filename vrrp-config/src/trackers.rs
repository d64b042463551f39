//! `vrrp_script`, `track_file` and `vrrp_track_process`: what can be tracked.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use super::{
    Bfd, InitFile, Parameters, Script, TrackFile, TrackProcess, Weight, bfd, code,
    diagnostic::Findings,
    lexer::Word,
    parser::Statement,
    references::Kind,
    scripts,
    source::{Place, Sources},
    values,
};

/// The largest weight of a script, an interface or a BFD session.
pub(super) const MAX_WEIGHT: i64 = 253;

/// The largest weight of a file or a process.
pub(super) const MAX_WEIGHT_OF_FILES: i64 = 254;

/// The choices of `param_match`.
pub(super) const MATCHINGS: [(&str, Matching); 2] =
    [("initial", Parameters::Initial), ("partial", Parameters::First)];

type Matching = fn(Vec<String>) -> Parameters;

/// Everything that a file defines for tracking.
#[derive(Clone, Debug, Default)]
pub(super) struct Trackers {
    pub(super) scripts: Vec<Script>,
    pub(super) files: Vec<TrackFile>,
    pub(super) processes: Vec<TrackProcess>,
    pub(super) bfds: Vec<Bfd>,
}

impl Trackers {
    /// Reads all blocks.
    pub(super) fn read(tree: &[Statement], sources: &Sources, findings: &mut Findings) -> Self {
        let mut all = Self { bfds: bfd::instances(tree, findings), ..Self::default() };
        for block in tree {
            let Some(name) = values::argument(block) else {
                continue;
            };
            let first = match block.name {
                "vrrp_script" => all.scripts.iter().find(|s| s.name == name.text).map(|s| s.span),
                "vrrp_track_process" => {
                    all.processes.iter().find(|p| p.name == name.text).map(|p| p.span)
                }
                "track_file" => {
                    all.files.iter().find(|file| file.name == name.text).map(|file| file.span)
                }
                _ => continue,
            };
            if let Some(Place(first)) = first {
                let line = sources.line(first);
                let message = format!(
                    "there is a {} `{}` in line {line} already",
                    block.keyword(),
                    name.text
                );
                findings
                    .report(code::DEFINED_TWICE, name.span, message)
                    .help("this one is ignored");
                continue;
            }
            match block.name {
                "vrrp_script" => all.scripts.extend(script(block, name, findings)),
                "vrrp_track_process" => all.processes.extend(process(block, name, findings)),
                _ => all.files.extend(file(block, name)),
            }
        }
        all
    }

    /// The weight that something has where its line in a list gives none; `None`: it could not be
    /// read, which has been reported.
    pub(super) fn weight(&self, kind: Kind, name: &str) -> Option<Weight> {
        match kind {
            Kind::Script => self.scripts.iter().find(|s| s.name == name).map(|s| s.weight),
            Kind::Process => self.processes.iter().find(|p| p.name == name).map(|p| p.weight),
            Kind::File => self.files.iter().find(|file| file.name == name).map(|file| file.weight),
            Kind::Bfd => self.bfds.iter().find(|bfd| bfd.name == name).map(|bfd| bfd.weight),
            Kind::Instance | Kind::SyncGroup => None,
        }
    }
}

fn script(block: &Statement, name: &Word, findings: &mut Findings) -> Option<Script> {
    let second = Duration::from_secs(1);
    let (mut command, mut user, mut timeout) = (None, None, None);
    let (mut interval, mut weight, mut init_fail) = (second, Weight::default(), false);
    let (mut rise, mut fall) = (NonZeroU32::MIN, NonZeroU32::MIN);
    for line in block.inner() {
        match line.name {
            "script" => command = scripts::tracked_command(line, findings),
            "interval" => interval = period(line, findings).unwrap_or(interval),
            "timeout" => timeout = period(line, findings).or(timeout),
            "weight" => weight = own_weight(line).unwrap_or(weight),
            "rise" => rise = runs(line),
            "fall" => fall = runs(line),
            "user" => user = scripts::user(line.arguments()),
            "init_fail" => init_fail = true,
            _ => {}
        }
    }
    let mut command = command?;
    command.user = user;
    let timeout = timeout.unwrap_or(interval);
    let (name, span) = (name.text.clone(), name.span.into());
    Some(Script { name, span, command, interval, timeout, weight, rise, fall, init_fail })
}

/// A time of which 0 makes no sense: keepalived takes 1 s instead.
fn period(line: &Statement, findings: &mut Findings) -> Option<Duration> {
    let period = values::seconds(line)?;
    if !period.is_zero() {
        return Some(period);
    }
    let message = format!("`{} 0`: a script needs some time", line.keyword());
    findings.report(code::ZERO_INTERVAL, line.span(), message).help("1 s is used");
    Some(Duration::from_secs(1))
}

/// `rise` and `fall`.
fn runs(line: &Statement) -> NonZeroU32 {
    values::number(line).and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

/// `weight POINTS [reverse]` of what is tracked.
fn own_weight(line: &Statement) -> Option<Weight> {
    Weight::new(values::number(line)?, has_word(line, "reverse"))
}

fn has_word(line: &Statement, word: &str) -> bool {
    line.arguments().iter().any(|argument| argument.text == word)
}

/// `POINTS [reverse|noreverse]`: `None` if the number is none. Without the second word what is tracked
/// says whether it is reversed.
pub(super) fn weight(
    points: &Word,
    behind: &[Word],
    most: i64,
    default: Weight,
    findings: &mut Findings,
) -> Option<Weight> {
    let help = "it has the weight that it has without this line";
    let points = values::integer(points, "weight", -most..=most, help, findings)?;
    let reverse = match behind.first().map(|word| (word, word.text.as_str())) {
        None => default.is_reversed(),
        Some((_, "reverse")) => true,
        Some((_, "noreverse" | "no_reverse")) => false,
        Some((word, text)) => {
            let message = format!("`{text}` is no word behind a weight; it is ignored");
            findings
                .report(code::UNKNOWN_WORD, word.span, message)
                .help("`reverse` or `noreverse`");
            default.is_reversed()
        }
    };
    Weight::new(i16::try_from(points).ok()?, reverse)
}

fn file(block: &Statement, name: &Word) -> Option<TrackFile> {
    let (mut path, mut init) = (None, None);
    let mut weight = Weight::new(1, false)?;
    for line in block.inner() {
        match line.name {
            "file" => path = values::argument(line).map(|word| PathBuf::from(&word.text)),
            "weight" => weight = own_weight(line).unwrap_or(weight),
            "init_file" => init = Some(init_file(line)),
            _ => {}
        }
    }
    let (name, span) = (name.text.clone(), name.span.into());
    Some(TrackFile { name, span, path: path?, weight, init })
}

/// `init_file [VALUE] [overwrite]`.
fn init_file(line: &Statement) -> InitFile {
    let value = values::numbers(line).first().copied().unwrap_or(0);
    InitFile { value, overwrite: has_word(line, "overwrite") }
}

fn process(block: &Statement, name: &Word, findings: &mut Findings) -> Option<TrackProcess> {
    let mut words: &[Word] = &[];
    let mut matching: Option<Matching> = None;
    let (mut quorum, mut quorum_max) = (1, None);
    let (mut fork_delay, mut terminate_delay) = (Duration::ZERO, Duration::ZERO);
    let (mut weight, mut full_command) = (Weight::default(), false);
    for line in block.inner() {
        match line.name {
            "process" => words = line.arguments(),
            "param_match" => matching = values::choice(line, &MATCHINGS).or(matching),
            "weight" => weight = own_weight(line).unwrap_or(weight),
            "quorum" => quorum = values::number(line).unwrap_or(quorum),
            "quorum_max" => {
                quorum_max = values::number(line).map(|most| (most, line.span())).or(quorum_max);
            }
            "delay" => {
                fork_delay = values::seconds(line).unwrap_or(fork_delay);
                terminate_delay = values::seconds(line).unwrap_or(terminate_delay);
            }
            "fork_delay" => fork_delay = values::seconds(line).unwrap_or(fork_delay),
            "terminate_delay" => terminate_delay = values::seconds(line).unwrap_or(terminate_delay),
            "full_command" => full_command = true,
            _ => {}
        }
    }
    let (process, given) = words.split_first()?;
    let given: Vec<String> = given.iter().map(|word| word.text.clone()).collect();
    let parameters = match (matching, given.is_empty()) {
        (None, true) => Parameters::Any,
        (None, false) | (Some(_), true) => Parameters::Exact(given),
        (Some(matching), false) => matching(given),
    };
    if let Some((most, span)) = quorum_max.filter(|&(most, _)| 0 < most && most < quorum) {
        let message = format!("`quorum_max {most}` is less than the quorum, {quorum}");
        findings.report(code::OUT_OF_RANGE, span, message).help("the line is ignored");
        quorum_max = None;
    }
    Some(TrackProcess {
        name: name.text.clone(),
        span: name.span.into(),
        process: process.text.clone(),
        full_command: full_command || parameters != Parameters::Any,
        parameters,
        weight,
        quorum,
        quorum_max: quorum_max.map(|(most, _)| most),
        fork_delay,
        terminate_delay,
    })
}
