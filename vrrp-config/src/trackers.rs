//! `vrrp_script`, `track_file` and `vrrp_track_process`: what can be tracked.

use std::{collections::HashMap, num::NonZeroU32, path::PathBuf, time::Duration};

use super::{
    Bfd, InitFile, Parameters, Script, TrackFile, TrackProcess, Weight, bfd, code,
    diagnostic::Findings,
    keywords::Range,
    lexer::Word,
    parser::Statement,
    references::Kind,
    scripts,
    source::{Sources, Span},
    values,
};

/// The largest weight of a script, an interface or a BFD session.
pub(super) const MAX_WEIGHT: i64 = 253;

/// The largest weight of a file or a process.
pub(super) const MAX_WEIGHT_OF_FILES: i64 = 254;

/// The weight of a file that gives none.
pub(super) const DEFAULT_OF_FILES: i16 = 1;

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
        let mut known: HashMap<(Kind, &str), Span> = HashMap::new();
        for block in tree {
            let (Some(kind), Some(name)) = (Kind::of(block.keyword()), values::argument(block))
            else {
                continue;
            };
            let key = (kind, name.text.as_str());
            if let Some(&first) = known.get(&key) {
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
            let usable = match kind {
                Kind::Script => put(&mut all.scripts, script(block, name, findings)),
                Kind::Process => put(&mut all.processes, process(block, name, findings)),
                Kind::File => put(&mut all.files, file(block, name)),
                Kind::Bfd | Kind::Instance | Kind::SyncGroup => false,
            };
            if usable {
                known.insert(key, name.span);
            }
        }
        all
    }

    pub(super) fn weights(&self) -> Weights<'_> {
        Weights::new(&self.scripts, &self.files, &self.processes, &self.bfds)
    }
}

/// Adds something if it is there, and says whether it is.
fn put<T>(list: &mut Vec<T>, item: Option<T>) -> bool {
    let is_there = item.is_some();
    list.extend(item);
    is_there
}

/// The weights that things have where their line in a list gives none.
#[derive(Debug)]
pub(super) struct Weights<'a>(HashMap<(Kind, &'a str), Weight>);

impl<'a> Weights<'a> {
    pub(super) fn new(
        scripts: &'a [Script],
        files: &'a [TrackFile],
        processes: &'a [TrackProcess],
        bfds: &'a [Bfd],
    ) -> Self {
        let scripts = scripts.iter().map(|own| ((Kind::Script, own.name.as_str()), own.weight));
        let files = files.iter().map(|own| ((Kind::File, own.name.as_str()), own.weight));
        let processes =
            processes.iter().map(|own| ((Kind::Process, own.name.as_str()), own.weight));
        let bfds = bfds.iter().map(|own| ((Kind::Bfd, own.name.as_str()), own.weight));
        Self(scripts.chain(files).chain(processes).chain(bfds).collect())
    }

    /// `None`: it could not be read, which has been reported.
    pub(super) fn of(&self, kind: Kind, name: &str) -> Option<Weight> {
        self.0.get(&(kind, name)).copied()
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

/// `POINTS [reverse|noreverse]` in a list of what `kind` says, `None` for interfaces; the result is
/// `None` if the number is none. Without the second word what is tracked says whether it is reversed.
pub(super) fn weight(
    points: &Word,
    behind: &[Word],
    kind: Option<Kind>,
    default: Weight,
    findings: &mut Findings,
) -> Option<Weight> {
    let points = points_of(points, kind, findings)?;
    let reverse = match behind.first().map(|word| (word, word.text.as_str())) {
        None => default.is_reversed(),
        Some((_, "reverse")) => true,
        Some((_, "noreverse")) if kind.is_some() => false,
        Some((word, text)) => {
            let message = format!("`{text}` is no word behind a weight; it is ignored");
            let known = if kind.is_some() { "`reverse` or `noreverse`" } else { "`reverse`" };
            findings.report(code::UNKNOWN_WORD, word.span, message).help(known);
            default.is_reversed()
        }
    };
    Weight::new(i16::try_from(points).ok()?, reverse)
}

/// Of interfaces and scripts keepalived takes a weight that files may have for the largest.
fn points_of(word: &Word, kind: Option<Kind>, findings: &mut Findings) -> Option<i64> {
    let most = match kind {
        Some(Kind::File | Kind::Process) => MAX_WEIGHT_OF_FILES,
        _ => MAX_WEIGHT,
    };
    let given = word.text.parse::<i64>().ok().filter(|given| {
        matches!(kind, None | Some(Kind::Script))
            && given.unsigned_abs() == MAX_WEIGHT_OF_FILES.unsigned_abs()
    });
    let Some(given) = given else {
        let help = "it has the weight that it has without this line";
        return values::integer(word, "weight", -most..=most, help, findings);
    };
    let used = given.clamp(-most, most);
    let message = format!("`weight {given}` is outside {}", Range(&-most, &most));
    findings.report(code::OUT_OF_RANGE, word.span, message).help(format!("{used} is used"));
    Some(used)
}

fn file(block: &Statement, name: &Word) -> Option<TrackFile> {
    let (mut path, mut init) = (None, None);
    let mut weight = Weight::new(DEFAULT_OF_FILES, false)?;
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
